"""Who gets what: an order and the mapping in, the seats it sold out; the seats of one learner in, a wish out. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from types import MappingProxyType
from typing import Protocol

from wcsync.mappers.mapping import Match
from wcsync.model import (
    Desired,
    Entitlement,
    Identify,
    Line,
    LinePlan,
    Order,
    OrderPlan,
    Parked,
    Person,
    Verdict,
    Wish,
)
from wcsync.sale import DELETED, NOTHING_SPECIAL, Aftermath, Cause, Circumstances, SeatRule

COMPLETED = "completed"
TRASH = "trash"
ENDED_STATUSES = frozenset({"cancelled", "refunded", "failed"})
ENDINGS: Mapping[str, Aftermath] = MappingProxyType(
    dict.fromkeys(("cancelled", "refunded", "failed"), Aftermath.END)
    | dict.fromkeys((TRASH, DELETED), Aftermath.ASK)
)
"""What becomes of what was sold where the config does not say."""
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)
LONGEST_ADDRESS = 254
"""RFC 5321 §4.5.3.1.3 leaves room for no more between the angle brackets."""


class Sells(Protocol):
    """Knows what a line sells, as `Mapping` does."""

    def match(self, line: Line) -> Match | None: ...


class Standing(StrEnum):
    """What an order's status says of its seats. `OPEN`: neither paid nor taken back; what was sold stays sold."""

    PAID = "paid"
    ENDED = "ended"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Plans orders by one mapping and one rule of payment.

    `paid_statuses`: statuses that count as paid if the order also has a payment date; `completed` always does.
    `endings`: what other statuses do to seats that were sold; one that is not named leaves them. `seats`: who gets
    several seats where the mapping row does not say. `never`: addresses in their normal form, and "@domain"s, that get
    no seat. `zone`: the shop's, by whose calendar days of access are counted; "" = UTC.
    """

    mapping: Sells
    paid_statuses: frozenset[str]
    identify: Identify
    endings: Mapping[str, Aftermath] = field(default_factory=lambda: ENDINGS)
    seats: SeatRule = SeatRule.BUYER_ONCE
    never: frozenset[str] = frozenset()
    zone: str = ""

    def plan(
        self, order: Order, known: Sequence[Entitlement], circumstances: Circumstances = NOTHING_SPECIAL
    ) -> OrderPlan:
        """What `order` means, given the seats it is already known to have sold.

        A seat once sold keeps the course and the learner it was sold with; only its life follows the order.
        """
        standing = self.standing(order)
        followed = [_follow(seat, standing, order.status) for seat in known]
        lines, new, parked = [], [], list(_parked_orders(order, followed, self.identify))
        for line in order.lines:
            sold = [seat for seat in followed if seat.line_id == line.line_id]
            plan, seats, line_parked = (
                _plan_sold(line, sold, order) if sold else self._plan_new(line, standing, order)
            )
            lines.append(plan)
            new.extend(seats)
            parked.extend(line_parked)
        return OrderPlan(
            paid=standing is Standing.PAID,
            lines=tuple(lines),
            entitlements=(*followed, *new),
            parked=(*parked, *_lines_removed(order, followed)),
        )

    def standing(self, order: Order) -> Standing:
        """`completed` is the merchant's word; another status needs a payment date besides: cash on delivery sits in
        `processing` unpaid."""
        if order.status == COMPLETED:
            return Standing.PAID
        if order.status in self.paid_statuses and order.paid_at is not None:
            return Standing.PAID
        return Standing.ENDED if order.status in ENDED_STATUSES else Standing.OPEN

    def _plan_new(
        self, line: Line, standing: Standing, order: Order
    ) -> tuple[LinePlan, list[Entitlement], list[Parked]]:
        if standing is not Standing.PAID:
            return self._not_paid(line, standing, order), [], []
        match = self.mapping.match(line)
        if match is None:
            return LinePlan(line=line, verdict=Verdict.UNMAPPED, reason=_why_unmapped(line)), [], []
        if match.ignore:
            return LinePlan(line=line, verdict=Verdict.IGNORED, reason=match.source), [], []
        hurdle = _hurdle(line, order)
        if hurdle is not None:
            plan = LinePlan(line=line, verdict=Verdict.PARKED, reason=hurdle.reason)
            return plan, [], [hurdle]
        return LinePlan(line=line, verdict=Verdict.MAPPED), self._seats(line, order, match), _open_seats(line)

    def _not_paid(self, line: Line, standing: Standing, order: Order) -> LinePlan:
        if standing is Standing.ENDED:
            return LinePlan(line=line, verdict=Verdict.ENDED, reason=f"order {order.status}")
        if order.status in self.paid_statuses:
            reason = f"order {order.status}, but without a payment date"
        else:
            counting = ", ".join(sorted(self.paid_statuses | {COMPLETED}))
            reason = f"order {order.status}; paid_statuses in the config: {counting}"
        return LinePlan(line=line, verdict=Verdict.UNPAID, reason=reason)

    def _seats(self, line: Line, order: Order, match: Match) -> list[Entitlement]:
        learner_key = self.identify(order.buyer.email)
        return [
            Entitlement(
                order_id=order.order_id,
                line_id=line.line_id,
                seat=1,
                target=target,
                learner_key=learner_key,
                live=True,
                reason="",
                source=match.source,
                product_id=line.product_id,
                variation_id=line.variation_id,
                starts_at=order.completed_at or order.paid_at or order.created_at,
                access=terms.access,
                on_withdraw=terms.on_withdraw,
            )
            for target, terms in match.deals()
        ]


def wish_for(entitlements: Iterable[Entitlement], now: datetime) -> Wish:
    """What should be at `now` for one learner and course: in while a seat is live, until the latest end of all."""
    live = [seat for seat in entitlements if seat.live]
    if not live:
        return Wish(desired=Desired.OUT)
    ends = [seat.access.until for seat in live]
    until = None if None in ends else max(end for end in ends if end is not None)
    options = sorted({option for seat in live for option in seat.target.options})
    return Wish(desired=Desired.IN, until=until, options=tuple(options))


def learners_of(order: Order) -> tuple[Person, ...]:
    """Everybody whom the order names: those its lines name, those it names as a whole, its buyer; each once."""
    named = (person for line in order.lines for person in line.learners)
    people: dict[str, Person] = {}
    for person in (*named, *order.learners, order.buyer):
        if person.email:
            people.setdefault(normalise_address(person.email), person)
    return tuple(people.values())


def normalise_address(email: str) -> str:
    """The form in which addresses are compared: trimmed and case-folded, nothing else.

    Only A to Z fold: mail knows no other case, and `casefold()` would make one learner of straße@ and strasse@.
    """
    return email.strip().translate(_FOLD)


def usable_address(email: str) -> bool:
    """Whether a mail could reach it at all; the LMS judges the rest."""
    local, at, domain = email.strip().rpartition("@")
    if not (at and local and domain) or len(email) > LONGEST_ADDRESS:
        return False
    return "@" not in local and all(char.isprintable() and not char.isspace() for char in email.strip())


def _follow(seat: Entitlement, standing: Standing, status: str) -> Entitlement:
    if standing is Standing.PAID:
        return replace(seat, live=True, reason="", cause=None)
    if standing is Standing.ENDED:
        return replace(seat, live=False, reason=f"order {status}", cause=Cause.ORDER)
    return seat


def _plan_sold(
    line: Line, sold: Sequence[Entitlement], order: Order
) -> tuple[LinePlan, list[Entitlement], list[Parked]]:
    live = any(seat.live for seat in sold)
    verdict = Verdict.MAPPED if live else Verdict.ENDED
    plan = LinePlan(line=line, verdict=verdict, reason="" if live else f"order {order.status}")
    return plan, [], [*_open_seats(line), *_line_changed(line, sold)] if live else []


def _line_changed(line: Line, sold: Sequence[Entitlement]) -> list[Parked]:
    """A line may keep its id and get another product; one deleted from the shop reads as 0 and is no change."""
    now = (line.product_id, line.variation_id)
    if not line.product_id or all(now == (seat.product_id, seat.variation_id) for seat in sold):
        return []
    reason = (
        f"the line was about another product when it was sold; its learner keeps what was sold. Enrol for product "
        f"{line.product_id} by hand if that is owed too, then drop this entry"
    )
    return [Parked(kind="line_changed", reason=reason, line_id=line.line_id)]


def _parked_orders(order: Order, seats: Sequence[Entitlement], identify: Identify) -> Iterable[Parked]:
    live = [seat for seat in seats if seat.live]
    if order.status == TRASH and live:
        yield Parked(
            kind="trashed",
            reason="the order is in the trash but its learner keeps access; restore the order in the shop, or set "
            "it to refunded or cancelled to take the access back",
        )
    keys = {seat.learner_key for seat in live}
    if keys and usable_address(order.buyer.email) and identify(order.buyer.email) not in keys:
        yield Parked(
            kind="buyer_changed",
            reason="the buyer's address was changed after the sale; the learner first enrolled keeps the seat. "
            "Enrol the other address by hand if it is another person",
        )


def _lines_removed(order: Order, seats: Sequence[Entitlement]) -> Iterable[Parked]:
    """Lines that were taken out of the order: their seats follow the order, an edit alone ends nothing."""
    present = {line.line_id for line in order.lines}
    for line_id in sorted({seat.line_id for seat in seats if seat.live} - present):
        reason = (
            "the line was taken out of the order after it was sold; its learner keeps access. Withdraw by hand if "
            "it was given back"
        )
        yield Parked(kind="line_removed", reason=reason, line_id=line_id)


def _why_unmapped(line: Line) -> str:
    if not line.product_id and not line.sku:
        return "the product was deleted from the shop and the line has no SKU; enrol by hand"
    name = f"product {line.product_id}" + (f", variation {line.variation_id}" if line.variation_id else "")
    return f"no mapping row for {name}" + (f" (sku {line.sku!r})" if line.sku else "")


def _hurdle(line: Line, order: Order) -> Parked | None:
    if not usable_address(order.buyer.email):
        reason = "the order has no usable e-mail address; put the learner's address into the order's billing details"
        return Parked(kind="no_address", reason=reason, line_id=line.line_id)
    if line.quantity < 1:
        reason = f"the quantity is {line.quantity}, less than one seat; correct the order or enrol by hand"
        return Parked(kind="quantity", reason=reason, line_id=line.line_id)
    return None


def _open_seats(line: Line) -> list[Parked]:
    if line.quantity <= 1:
        return []
    reason = (
        f"{line.quantity} seats were sold and the buyer has one; who else learns is not known. Enrol the others "
        "by hand, then drop this entry"
    )
    return [Parked(kind="open_seats", reason=reason, line_id=line.line_id)]
