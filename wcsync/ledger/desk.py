"""What people ask of a ledger about orders and learners: each method one transaction, each audited."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from wcsync.model import CourseId, LearnerKey, LineId, LmsName, OrderId, Person, PlanOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSeats:
    """The seats of a line that nobody has. `seats`: their numbers; `learners`: who has the others."""

    order_id: OrderId
    line_id: LineId
    seats: tuple[int, ...]
    learners: tuple[LearnerKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """Who is to have open seats of a line, in this order."""

    order_id: OrderId
    line_id: LineId
    learners: tuple[Person, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a person's word to end something came to.

    `kinds`: of the parked entries it answered; `seats`: how many seats ended by it; `allowed`: how many withdrawals
    may now be done; `unanswered`: lines with more learners than seats, of which a learner is to be named.
    """

    kinds: tuple[str, ...] = ()
    seats: int = 0
    allowed: int = 0
    unanswered: tuple[LineId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is known of a person, by all addresses that stand for each other.

    `keys`: theirs, the one in use first; `known`: an address or a name is still there; `orders`: those they bought or
    learn by; `accounts`: their own ids in each LMS; `live`: courses they are to be in; `waiting`: courses where
    something is still to be done for them, coming or going.
    """

    keys: tuple[LearnerKey, ...]
    known: bool
    orders: tuple[OrderId, ...]
    accounts: tuple[tuple[LmsName, str], ...]
    live: tuple[tuple[LmsName, CourseId], ...]
    waiting: tuple[tuple[LmsName, CourseId], ...]


class TooFewSeats(ValueError):
    """More learners than open seats. `giving` is what does not fit, `seats` how many are open."""

    def __init__(self, giving: Giving, seats: int) -> None:
        super().__init__(f"order {giving.order_id}, line {giving.line_id}: {seats} open seats")
        self.giving = giving
        self.seats = seats


class Merging(ValueError):
    """Two learners would become one. `orders`: those of the one who has the new address already."""

    def __init__(self, orders: Sequence[OrderId]) -> None:
        super().__init__(f"the new address has orders of its own: {', '.join(map(str, orders))}")
        self.orders = tuple(orders)


class Desk(Protocol):
    """Raises KeyError for an order, line or learner that the ledger does not have. Safe to repeat.

    Addresses that a person said to stand for another mean that other one everywhere.
    """

    def key_of(self, email: str) -> LearnerKey:
        """By which key the person with that address has their seats."""

    def read_open_seats(self, order_id: OrderId) -> list[OpenSeats]:
        """The lines of an order that have open seats, live ones."""

    def assign(self, givings: Sequence[Giving], plan: PlanOrder, now: datetime) -> int:
        """Gives open seats to learners; whoever has a seat of the line already gets no second.

        Returns how many were given. Raises TooFewSeats if a line has not enough: nothing at all is then given.
        """

    def end(
        self,
        order_id: OrderId,
        line_id: LineId | None,
        learner: LearnerKey | None,
        plan: PlanOrder,
        now: datetime,
    ) -> Ended:
        """Answers what is asked about an order (or one line) with "end it", and plans the order anew by that.

        `learner`: whose seat goes where fewer are left than learners. What ends so may be withdrawn without another
        word. Nothing is written if nothing is asked about.
        """

    def allow(
        self, order_id: OrderId | None, now: datetime, *, sparing: Collection[str] = frozenset()
    ) -> int:
        """Lets withdrawals be done that wait for a person: those of an order, or all that are due. Returns how many.

        Those that each ask for a word of their own (`on_withdraw = "ask"`) are allowed with their order alone.
        `sparing`: as in `Limits`.
        """

    def hold(self, order_id: OrderId, reason: str, plan: PlanOrder, now: datetime) -> bool:
        """From now on nothing is done about an order, known or not. False if it was held already."""

    def hold_back(
        self, order_id: OrderId, reason: str, since: datetime, plan: PlanOrder, now: datetime
    ) -> bool:
        """As `hold`, but wcsync's own act, and only once from `since` on: who released the order meant it. A hold that
        is there already gets the reason as well. False if it was done before."""

    def release(self, order_id: OrderId, plan: PlanOrder, now: datetime) -> bool:
        """Ends a hold and plans the order by what the shop said meanwhile. False if it was not held."""

    def trace(self, email: str) -> Trace | None:
        """What is known of the person with that address; None if nothing is."""

    def relink(self, old: str, new: Person, plan: PlanOrder, now: datetime, *, force: bool = False) -> int:
        """The learner with the old address is the one with the new from now on: out there, in here, and so in all
        orders to come that say the old one. Names that `new` lacks are those of the old one.

        Returns how many seats moved; 0 if it was so already. Raises Merging, unless `force`, if the new address is
        that of another learner.
        """

    def forget(self, email: str, now: datetime) -> Trace | None:
        """Blanks a person's address, names and fields for good; keys, counts and proof stay. None if unknown.

        `wipe` then sees to it that no copy is left in the file.
        """

    def blank_idle(self, idle_since: datetime, now: datetime) -> int:
        """Forgets everybody who has had no live access, no order and nothing under way since then. Returns how many."""

    def revive(
        self,
        lms: LmsName | None,
        course_id: CourseId | None,
        order_id: int | None,
        plan: PlanOrder,
        now: datetime,
    ) -> int:
        """Dead enrolments become due again with a fresh count of attempts; all, or those named. Returns how many.

        Lines of which no seat ever reached an LMS are planned anew, so that a mapping row that was wrong on the day
        of the sale can be put right.
        """

    def drop_dead(self, order_id: int, now: datetime) -> int:
        """Dead enrolments of an order leave the list for good, until their wish changes. Returns how many."""

    def drop_parked(self, order_id: int, line_id: int | None, now: datetime) -> int:
        """Parked entries of an order (or one line) leave the list: a person dealt with them. Returns how many."""

    def wipe(self) -> bool:
        """Writes the file anew, so that nothing of what was blanked is left in it or beside it. False if somebody else
        was at it all the time, or the disk has no room: repeat it."""
