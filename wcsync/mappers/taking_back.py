"""What refunds and an order's status leave of what was sold. Pure: given back, it is whole again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from wcsync.mappers.seating import Seats
from wcsync.model import NOBODY, Line, LineId, Order
from wcsync.sale import DELETED, Aftermath, Decision

TRASH = "trash"
ENDINGS: Mapping[str, Aftermath] = MappingProxyType(
    dict.fromkeys(("cancelled", "refunded", "failed"), Aftermath.END)
    | dict.fromkeys((TRASH, DELETED), Aftermath.ASK)
)
"""What becomes of what was sold where the config does not say."""
SEATS = "seats"
"""What a `Decision` about whose seat goes is called."""
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a line. `sold`, `refunded`: seats; `whole`: nothing is left, by quantity, by amount, or since a
    person said so of an amount."""

    sold: int
    refunded: int
    whole: bool = False

    @property
    def capacity(self) -> int:
        return 0 if self.whole else max(self.sold - self.refunded, 0)

    @property
    def reason(self) -> str:
        if self.whole and self.refunded < self.sold:
            return "refunded"
        return f"{self.refunded} of {self.sold} refunded" if self.refunded else f"{self.sold} sold"


def ends_by_status(
    status: str, endings: Mapping[str, Aftermath], decisions: Collection[Decision], line_id: int
) -> bool:
    """Whether an order of that status ends the line's seats, by itself or by a person's word."""
    aftermath = endings.get(status, Aftermath.KEEP)
    if aftermath is Aftermath.ASK:
        return _decided(status, decisions, line_id)
    return aftermath is Aftermath.END


def left_of(
    line: Line, order: Order, decisions: Collection[Decision], *, seen: frozenset[LineId] = frozenset()
) -> Left:
    """What refunds leave of the line. A part of a bundle that has no price of its own goes with the bundle's line.

    `seen`: its own parts, which it cannot be a part of.
    """
    sold = int(max(line.quantity, NOTHING))
    seen |= {line.line_id}
    bundle = _bundle_of(line, order, seen)
    above = left_of(bundle, order, decisions, seen=seen) if bundle is not None else None
    refunded = _quantity_refunded(line, order)
    if above is not None and above.sold:
        refunded = max(refunded, line.quantity * above.refunded // above.sold)
    whole = (
        (0 < line.quantity <= refunded)
        or _amount_refunded(line, order)
        or any(
            _decided(cause_of(refund_id), decisions, line.line_id) for refund_id in refund_ids(line, order)
        )
        or (above is not None and above.whole)
    )
    return Left(sold=sold, refunded=int(sold - max(sold - refunded, NOTHING)), whole=whole)


def lives(seats: Seats, left: Left, decisions: Collection[Decision], line_id: int) -> set[int]:
    """The numbers of the seats that live on. Where fewer are left than there are: first those go that a person named,
    then open ones, the highest number first. Learners stay unless a person says whose seat goes."""
    if left.whole:
        return set()
    going = _first_to_go(seats, decisions, line_id)[: max(len(seats) - left.capacity, 0)]
    return seats.keys() - going


def mere_amounts(line: Line, order: Order, *, seen: frozenset[LineId] = frozenset()) -> list[int]:
    """The refunds that gave back a part of the line's price, or of its bundle's, and no seat of it."""
    seen |= {line.line_id}
    bundle = _bundle_of(line, order, seen)
    own = [
        refund.refund_id
        for refund in order.refunds
        for part in refund.lines
        if part.line_id == line.line_id and not part.quantity and part.total
    ]
    return own if bundle is None else [*own, *mere_amounts(bundle, order, seen=seen)]


def unexplained_refunds(order: Order, lines: Collection[LineId]) -> list[int]:
    """The refunds that are about none of these lines: an amount off the whole order, shipping, a fee.

    What a refund of lines gave back besides is their tax, or shipping.
    """
    return [
        refund.refund_id
        for refund in order.refunds
        if refund.total
        and not any(part.line_id in lines and (part.quantity or part.total) for part in refund.lines)
    ]


def refund_ids(line: Line, order: Order) -> set[int]:
    """The refunds that a person may have been asked about and that concern the line."""
    known = {one.line_id for one in order.lines}
    return {*mere_amounts(line, order), *unexplained_refunds(order, known)}


def cause_of(refund_id: int) -> str:
    """What a `Decision` about a refund is called."""
    return f"refund:{refund_id}"


def undecided(refund_ids: Iterable[int], decisions: Collection[Decision], line_id: int) -> list[int]:
    return [one for one in refund_ids if not _decided(cause_of(one), decisions, line_id)]


def _decided(cause: str, decisions: Collection[Decision], line_id: int) -> bool:
    return any(one.cause == cause and one.line_id in {0, line_id} for one in decisions)


def _first_to_go(seats: Seats, decisions: Collection[Decision], line_id: int) -> list[int]:
    named = {one.seat for one in decisions if one.cause == SEATS and one.line_id in {0, line_id}}
    free = sorted((number for number, key in seats.items() if key == NOBODY), reverse=True)
    rest: Sequence[int] = sorted(seats, reverse=True) if 0 in named else ()
    return list(dict.fromkeys([*sorted(named & seats.keys()), *free, *rest]))


def _bundle_of(line: Line, order: Order, seen: frozenset[LineId]) -> Line | None:
    """The line of the bundle that a part without a price goes with."""
    if not line.part_of or line.part_of in seen or _price(line) != NOTHING:
        return None
    return next((one for one in order.lines if one.line_id == line.part_of), None)


def _quantity_refunded(line: Line, order: Order) -> Decimal:
    return sum(
        (part.quantity for refund in order.refunds for part in refund.lines if part.line_id == line.line_id),
        NOTHING,
    )


def _amount_refunded(line: Line, order: Order) -> bool:
    price = _price(line)
    given_back = sum(
        (part.total for refund in order.refunds for part in refund.lines if part.line_id == line.line_id),
        NOTHING,
    )
    return NOTHING < price <= given_back


def _price(line: Line) -> Decimal:
    try:
        price = Decimal(line.total or 0)
    except InvalidOperation:
        return NOTHING
    return price if price.is_finite() else NOTHING
