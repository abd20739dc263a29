"""What goes into a ledger and comes out of it, as frozen values: walks, claims and how they end, limits, services."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from wcsync.health import Health
from wcsync.model import CourseId, Desired, LearnerKey, LmsName, Seat
from wcsync.sale import Cause, Withdrawal

LONGEST_WAIT = timedelta(days=8)
"""Longer than any wait the config allows: what waits longer was put off by a clock that was ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk through the shop's pages that is under way.

    `since`: its window; `started_at`: the shop's clock at its first page; `newest`: the newest change seen so far;
    `page`: the last page recorded; `total`: how many orders the shop said the window holds, None if it did not say.
    """

    since: datetime
    started_at: datetime
    page: int
    newest: datetime | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a poller has read, by the shop's clock, and the walk that was cut short, if any."""

    position: datetime
    walk: Walk | None = None
    polled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorMove:
    """What a recorded page means for the cursor: `walk` while pages are left, `position` after the last one."""

    name: str
    walk: Walk | None = None
    position: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRecord:
    """What a page brought: `fresh` orders new or changed, `unmapped` and `parked` lines among those."""

    fetched: int = 0
    fresh: int = 0
    lines: int = 0
    unmapped: int = 0
    parked: int = 0

    def plus(self, other: "PageRecord") -> "PageRecord":
        return PageRecord(
            fetched=self.fetched + other.fetched,
            fresh=self.fresh + other.fresh,
            lines=self.lines + other.lines,
            unmapped=self.unmapped + other.unmapped,
            parked=self.parked + other.parked,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many withdrawals may be done without a person's word, in 24 hours and counting those that wait.

    More than `most`, or more than `share` of all who are in, stop them all before the next one; `FEW` never do.
    `sparing`: LMSs that keep or ask before they withdraw: of theirs only those count that were sold otherwise.
    """

    most: int = 25
    share: float = 0.1
    sparing: frozenset[str] = frozenset()


FEW = 5
"""So few (withdrawals, learners missed, orders gone) are no mass, whatever share they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Withdrawals that wait for a person's word. `waiting`: how many; `done`: in the last 24 hours; `inside`: how many
    learners were in by our doing before those."""

    waiting: int
    done: int
    inside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimit:
    """How many accounts may be made in an LMS: since `day_began`, and in all. None = any number.

    `next_day`: when the next day begins.
    """

    day_began: datetime
    next_day: datetime
    per_day: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One due enrolment, leased.

    `attempts` counts this one. `service_was_up`: False if this claim is a probe of a sick service.
    `open_since`: an earlier write for this row may still be under way since then; `open_withdrawal`: and it may be
    a withdrawal. `account_open_since`: a write for another course of a learner whose account is not known yet may be
    under way, so that the account may be in the making. `written`: an earlier call that changes the enrolment was never
    confirmed. `nothing_sent`: there never was one. `found`: the learner was in the course before us.
    `shared`: another address of the same account is to stay in this course. `refused_at`: when this row met the
    service's refusal last, if that was its last trouble. `cause`, `on_withdraw`: of a wish for out, as in `Wish`.
    `allowed`: a person allowed this very withdrawal.
    """

    lms: LmsName
    learner_key: LearnerKey
    desired: Desired
    seat: Seat
    revision: int
    lease: int
    attempts: int
    ours: bool
    found: bool
    written: bool
    nothing_sent: bool
    sending_since: datetime
    open_since: datetime | None
    open_withdrawal: bool
    account_open_since: datetime | None
    shared: bool
    refused_at: datetime | None
    service_was_up: bool
    cause: Cause | None = None
    on_withdraw: Withdrawal | None = None
    allowed: bool = False

    @property
    def course_id(self) -> CourseId:
        return self.seat.course_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """Why a row waits and until when. `counted`: the attempt counts towards giving up.

    `open_since`: the instant of a write whose answer is still open, None if every answer is known.
    """

    retry_at: datetime
    kind: str
    reason: str
    counted: bool
    open_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrender:
    """Why a row is given up. `open_since` as in `Deferral`."""

    kind: str
    reason: str
    open_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger knows of a service: who it was when last seen ('' = never) and how it does. `zone`: an IANA name
    or an offset, '' if it never told."""

    identity: str
    health: Health
    checked_at: datetime | None
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleRecord:
    """How many troubles people are told of now, as begun and as over, and in how many messages."""

    began: int = 0
    ended: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a copy of a ledger knows of itself. `taken_at`: what came later is not in it. `restored_at`: when a daemon
    first worked on it, None = none did. `caught_up_at`: when all that came between the two had been looked up."""

    taken_at: datetime
    restored_at: datetime | None = None
    caught_up_at: datetime | None = None

    @property
    def catching_up(self) -> bool:
        return self.restored_at is not None and self.caught_up_at is None
