"""What the proof asks of a ledger: each method one transaction, safe to repeat and beside a running daemon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from wcsync.model import CourseId, LearnerKey, LineId, LmsName, OrderId, Seat

Place = tuple[CourseId, LearnerKey]
"""One enrolment within an LMS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """An enrolment that the ledger calls done: the learner is in. `revision`: of the wish it was done for."""

    lms: LmsName
    learner_key: LearnerKey
    seat: Seat
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A service that looks like an empty or older copy of itself: nothing was made of what it said."""

    name: str
    why: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LastProof:
    """How the proof did. `counts`: of the last one that came to its end, empty = none did; `worked_at`: its end;
    `nightly_at`: when the last one began that nobody had to ask for; `unexplained_since`: since when lines are;
    `suspects`: services that were not believed; `failed_since`, `tried_at`, `reason`: the first and the last of those
    that did not work since, and why."""

    counts: dict[str, Any] = field(default_factory=dict)
    worked_at: datetime | None = None
    nightly_at: datetime | None = None
    unexplained_since: datetime | None = None
    suspects: tuple[Suspect, ...] = ()
    failed_since: datetime | None = None
    tried_at: datetime | None = None
    reason: str = ""


class Proof(Protocol):
    """What is known, to be compared with what shop and LMS say."""

    def read_beginning(self) -> datetime | None:
        """From when on the shop's orders were read to the end; None in a ledger that has never read."""

    def record_beginning(self, since: datetime) -> None:
        """All orders changed after `since` have been read once. A later one than is known changes nothing."""

    def read_changed(self, since: datetime, after: OrderId, limit: int) -> list[OrderId]:
        """Orders last changed after `since`, by their id, those that the shop has deleted left out."""

    def read_subscriptions(self, since: datetime) -> list[int]:
        """Subscriptions last changed after `since`."""

    def read_gone_amiss(self, order_ids: Sequence[OrderId]) -> dict[tuple[OrderId, LineId], bool]:
        """Lines of which a learner is missing in an LMS; True = a person said to leave it so."""

    def read_places(self, lms: LmsName, after: Place | None, now: datetime, limit: int) -> list[Place]:
        """Enrolments that are done and whose access has not ended, in an order of their own."""

    def read_missing(self, lms: LmsName) -> list[Place]:
        """Enrolments that a person is asked about because the LMS did not show them."""

    def read_inside(self, lms: LmsName, places: Sequence[Place]) -> list[Inside]:
        """Those of them that are done now and whose learner's address is known."""

    def record_seen(self, seen: Sequence[Inside], now: datetime) -> int:
        """The LMS shows them: nobody is asked any more. Returns how many were missing until now."""

    def record_missing(self, missing: Sequence[Inside], now: datetime) -> int:
        """The LMS does not show them: a person is asked, once; what somebody dropped stays dropped. Those whose wish
        moved on meanwhile are left out. Returns about how many enrolments people are asked now."""

    def enrol_again(self, order_id: OrderId, now: datetime) -> int:
        """Makes enrolments of the order due again that an LMS does not show. Returns how many."""

    def read_last(self) -> LastProof:
        """How the last proofs did."""

    def record_worked(
        self,
        counts: dict[str, Any],
        suspects: Mapping[str, str],
        began_at: datetime,
        now: datetime,
        *,
        nightly: bool,
    ) -> None:
        """A proof over the whole window came to its end. `suspects`: of each service that was looked at why it was not
        believed, '' = it was; the others stay as they were."""

    def record_failed(self, reason: str, now: datetime) -> None:
        """A proof did not come to its end."""
