"""What is wrong, as far as the ledger tells, and what of it people are to be told now. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from wcsync.health import CLOCKS_APART, Condition
from wcsync.mappers.alerts import ROWS, Kind, News, Turn

LONGEST_QUIET = timedelta(hours=4)
"""However often a trouble came back: after so long without it, it is over."""
RECENT = timedelta(days=1)
"""So far back occurrences count when it is judged how often a trouble comes back."""


class Part(StrEnum):
    """What a service is to us, which decides what its trouble means."""

    SHOP = "shop"
    LMS = "lms"
    NOTES = "notes"
    WAY = "way"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFact:
    name: str
    condition: Condition
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFact:
    """One row that needs a person. `key` is made of what the row is; no part holds an address or a name."""

    kind: Kind
    key: str
    title: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFact:
    """A guard that stopped the course mirror, and no good run since: when, why, and what people can do."""

    at: datetime
    reason: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursesFact:
    """How the course mirror did. `run_at`, `good_at`: its last run and its last good one, None = never; `bad_since`:
    the first run of those that were not good since, None = the last one was; `reason`: why the last one was not."""

    run_at: datetime | None = None
    good_at: datetime | None = None
    bad_since: datetime | None = None
    reason: str = ""
    stop: StopFact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFact:
    """How the proof did. `unexplained`: lines of the last one, and since when there are any; `suspects`: services that
    look like empty or older copies, since when and why; `worked_at`: when the last one came to its end;
    `failed_since`, `tried_at`, `reason`: of those that did not since."""

    unexplained: int = 0
    unexplained_since: datetime | None = None
    suspects: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    worked_at: datetime | None = None
    failed_since: datetime | None = None
    tried_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFact:
    """Enrolments or withdrawals that wait for a person. `name`: of the LMS, '' = of all; `since`: the first of them."""

    rows: int
    since: datetime
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the ledger says of one moment.

    `refused_since`, `refusals`: the mapping file; `barred`: withdrawals that were stopped; `budgets`: enrolments that
    wait for room in an LMS's budget; `speechless`: ways whose newest message was given up, since when and why.
    """

    services: tuple[ServiceFact, ...] = ()
    refused_since: datetime | None = None
    refusals: tuple[str, ...] = ()
    rows: tuple[RowFact, ...] = ()
    courses: CoursesFact = CoursesFact()
    proof: ProofFact = ProofFact()
    barred: WaitingFact | None = None
    budgets: tuple[WaitingFact, ...] = ()
    speechless: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts as trouble here.

    `parts`: the services in use; others that the ledger knows are history. `ways`: per channel to tell people the name
    of its service. `after`: how long a service may be down before people hear of it. `overdue`: how long the shop may
    stay unread. `quiet`: how long a trouble must be gone before it is called over, the first time; `batch`: the least
    time between two messages about rows of one kind. `stale`: how long the course mirror may go without a good run,
    None = it is off. `unproven`: how long the proof may go without coming about, None = it is off.
    `most`, `share`, `sparing`: so many withdrawals may be done without a person's word, as in `ledger.base.Limits`.
    """

    kinds: Collection[Kind]
    parts: Mapping[str, Part]
    ways: Mapping[str, str]
    after: timedelta
    overdue: timedelta
    quiet: timedelta
    batch: timedelta
    stale: timedelta | None = None
    unproven: timedelta | None = None
    most: int = 25
    share: float = 0.1
    sparing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The circumstances of one look.

    `read_at`: the last sign of life in reading the shop. `steady`: no time passed since the look before that this
    process did not live through, so that durations can be trusted; `steady_since`: since when it was so.
    """

    now: datetime
    read_at: datetime
    steady: bool
    steady_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is wrong now. A higher `grade` of the same trouble is news again."""

    key: str
    kind: Kind
    title: str
    detail: str
    advice: str
    since: datetime
    grade: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A trouble that is not over yet, as it was recorded.

    `told_at`: when a message about it was last made, None = not yet; `unheard`: and every such message still waits
    unsent; `gone_at`: not seen since then; `recent`: how often it occurred of late, this time included.
    """

    trouble: Trouble
    occurrence: int
    told_at: datetime | None
    gone_at: datetime | None
    recent: int
    unheard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What a look changes.

    `begun`: first seen; `worse`: seen in a higher grade; `back`: seen again; `gone`: seen no more; `late`: begun
    earlier, and its batch is due now; `ended`: over. `told`: the keys of those that people are told of now.
    """

    begun: tuple[Trouble, ...] = ()
    worse: tuple[tuple[Known, Trouble], ...] = ()
    back: tuple[Known, ...] = ()
    gone: tuple[Known, ...] = ()
    late: tuple[Known, ...] = ()
    ended: tuple[Known, ...] = ()
    told: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.begun or self.worse or self.back or self.gone or self.late or self.ended)


def plan_moves(
    seen: Mapping[str, Trouble],
    known: Sequence[Known],
    told_last: Mapping[Kind, datetime],
    rules: Rules,
    now: datetime,
) -> Moves:
    """What is to be recorded and told, given what is seen now and what is not over yet.

    A trouble that comes back while it is not over is the same one, and nobody is told. How long it must be gone
    grows with how often it came back of late: what flaps for a day makes some twenty messages, not thousands.
    """
    batches = {kind: _passed(told_last.get(kind), rules.batch, now) for kind in ROWS}
    open_keys = {entry.trouble.key for entry in known}
    begun = tuple(trouble for key, trouble in seen.items() if key not in open_keys)
    pairs = [(entry, seen[entry.trouble.key]) for entry in known if entry.trouble.key in seen]
    missing = [entry for entry in known if entry.trouble.key not in seen]
    worse = tuple((entry, trouble) for entry, trouble in pairs if trouble.grade > entry.trouble.grade)
    late = tuple(
        entry for entry, trouble in pairs if entry.told_at is None and batches.get(trouble.kind, True)
    )
    ended = tuple(entry for entry in missing if _is_over(entry, batches, rules, now))
    over = {entry.trouble.key for entry in ended}
    told = [trouble.key for trouble in begun if batches.get(trouble.kind, True)]
    told += [trouble.key for _, trouble in worse]
    told += [entry.trouble.key for entry in late]
    told += [entry.trouble.key for entry in ended if _tells_end(entry, rules)]
    return Moves(
        begun=begun,
        worse=worse,
        back=tuple(entry for entry, _ in pairs if entry.gone_at is not None),
        gone=tuple(entry for entry in missing if entry.gone_at is None and entry.trouble.key not in over),
        late=late,
        ended=ended,
        told=frozenset(told),
    )


def news_of(trouble: Trouble, occurrence: int, turn: Turn, since: datetime, until: datetime | None) -> News:
    began = turn is Turn.BEGAN
    return News(
        turn=turn,
        key=trouble.key,
        occurrence=occurrence,
        kind=trouble.kind,
        title=trouble.title,
        detail=trouble.detail if began else "",
        advice=trouble.advice if began else "",
        since=since,
        until=until,
    )


def concerns_way(key: str, way: str, service: str) -> bool:
    """Whether a trouble is the way's own: of that it cannot tell itself."""
    return key in {f"service/{service}", f"way/{way}"}


def quiet_time(rules: Rules, recent: int) -> timedelta:
    """How long a trouble that occurred so often of late must be gone before it is over."""
    growth = 2.0 ** min(max(recent - 1, 0), 20)
    return min(rules.quiet * growth, max(LONGEST_QUIET, rules.quiet))


def _is_over(entry: Known, batches: Mapping[Kind, bool], rules: Rules, now: datetime) -> bool:
    if entry.unheard or not _tells_end(entry, rules):
        return True
    if entry.gone_at is None or not batches.get(entry.trouble.kind, True):
        return False
    return _passed(entry.gone_at, quiet_time(rules, entry.recent), now)


def _tells_end(entry: Known, rules: Rules) -> bool:
    """Whether people are told when it is over: not if they were never told of it, nor of what is no longer watched."""
    kind, key = entry.trouble.kind, entry.trouble.key
    watched = {f"service/{name}" for name in rules.parts} | {f"way/{way}" for way in rules.ways}
    if kind not in rules.kinds or (kind is Kind.SERVICE and key not in watched):
        return False
    if (kind is Kind.COURSES and rules.stale is None) or (kind is Kind.RECONCILE and rules.unproven is None):
        return False
    return entry.told_at is not None and kind is not Kind.MESSAGE


def _passed(instant: datetime | None, wait: timedelta, now: datetime) -> bool:
    """Whether so long has passed since; what is dated later than now was written by a clock that was ahead."""
    return instant is None or now - instant >= wait or instant > now + CLOCKS_APART
