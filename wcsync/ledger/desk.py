"""What people ask of a ledger about orders and learners: each method one transaction, each audited."""

from collections.abc import Sequence
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
class Trace:
    """What is known of a person. `accounts`: their own ids in each LMS; `live`: courses they are (to be) in."""

    learner_key: LearnerKey
    orders: tuple[OrderId, ...]
    accounts: tuple[tuple[LmsName, str], ...]
    live: tuple[tuple[LmsName, CourseId], ...]


class Desk(Protocol):
    """Raises KeyError for an order, line or learner that the ledger does not have. Safe to repeat."""

    def read_open_seats(self, order_id: OrderId) -> list[OpenSeats]:
        """The lines of an order that have open seats, live ones."""

    def assign(self, order_id: OrderId, line_id: LineId, learners: Sequence[Person], now: datetime) -> int:
        """Gives open seats of a line to these learners, in order; whoever has a seat of it already gets no second.
        Returns how many were given. Raises ValueError if there are fewer open seats: nothing is then given."""

    def end(
        self,
        order_id: OrderId,
        cause: str,
        line_id: LineId | None,
        learner: LearnerKey | None,
        plan: PlanOrder,
        now: datetime,
    ) -> int:
        """Writes a `sale.Decision` down and plans the order anew by it. Returns how many seats have ended by that."""

    def allow(self, order_id: OrderId | None, now: datetime) -> int:
        """Lets withdrawals be done that wait for a person: an order's, or all that wait now. Returns how many."""

    def hold(self, order_id: OrderId, reason: str, now: datetime) -> bool:
        """From now on nothing is done about an order, known or not. False if it was held already."""

    def release(self, order_id: OrderId, plan: PlanOrder, now: datetime) -> bool:
        """Ends a hold and plans the order by what the shop said meanwhile. False if it was not held."""

    def trace(self, email: str) -> Trace | None:
        """What is known of the person with that address; None if nothing is."""

    def relink(self, old: str, new: Person, plan: PlanOrder, now: datetime) -> int:
        """The learner with the old address is the one with the new from now on: out there, in here, and so in all
        orders to come that say the old one. Returns how many seats moved."""

    def forget(self, email: str, now: datetime) -> Trace | None:
        """Blanks a person's address, names and fields for good; keys, counts and proof stay. None if unknown."""

    def blank_idle(self, idle_since: datetime, now: datetime) -> int:
        """Forgets everybody who has had no live access, no order and nothing under way since then. Returns how many."""
