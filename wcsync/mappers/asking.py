"""Which questions an order and its lines leave for a person. Pure."""

from collections.abc import Collection, Iterable, Sequence

from wcsync.mappers import parking
from wcsync.mappers.addresses import is_unwanted, usable_address
from wcsync.mappers.seating import Claimants, goes_to_buyer, learners_of
from wcsync.mappers.taking_back import Left, mere_amounts, undecided, unexplained_refunds
from wcsync.model import Entitlement, Identify, LearnerKey, Line, LineId, Order, Parked
from wcsync.sale import Decision, SeatRule


def about_line(
    line: Line,
    order: Order,
    live: Sequence[Entitlement],
    left: Left,
    claimants: Claimants,
    waiting: Sequence[LearnerKey],
    decisions: Collection[Decision],
) -> Iterable[Parked]:
    """What a line leaves open while seats of it live. `waiting`: who has none."""
    if not live:
        return
    yield from parking.unseated(line.line_id, live, claimants, waiting)
    yield from parking.seats_over(line.line_id, left, live)
    amounts = undecided(mere_amounts(line, order), decisions, line.line_id)
    yield from parking.refund_amount(amounts, line.line_id)
    quantity = parking.odd_quantity(line)
    if quantity is not None:
        yield quantity


def about_refunds(
    order: Order, live: Collection[Entitlement], decisions: Collection[Decision]
) -> Iterable[Parked]:
    """The amounts that were given back off the order as a whole, while seats live about which nobody decided."""
    refunds = unexplained_refunds(order, {line.line_id for line in order.lines})
    lines = sorted({seat.line_id for seat in live})
    return parking.refund_amount([one for line in lines for one in undecided(refunds, decisions, line)])


def about_typos(
    order: Order, live: Collection[Entitlement], identify: Identify, stands_for: Identify
) -> Iterable[Parked]:
    """Learners with a strange domain, as long as nobody said by whom such an address is meant."""
    keys = {seat.learner_key for seat in live}
    return parking.typos(
        person
        for person in learners_of(order)
        if identify(person.email) == stands_for(person.email) and identify(person.email) in keys
    )


def is_another_buyer(
    order: Order,
    live: Collection[Entitlement],
    rules: dict[LineId, SeatRule],
    identify: Identify,
    never: frozenset[str],
) -> bool:
    """Whether the buyer has no seat although one was sold to a buyer. `rules`: of the lines that are in the order."""
    email = order.buyer.email
    if not usable_address(email) or is_unwanted(email, never):
        return False
    learners: dict[LineId, set[LearnerKey]] = {}
    for seat in live:
        if seat.learner_key:
            learners.setdefault(seat.line_id, set()).add(seat.learner_key)
    buyer = identify(email)
    if any(buyer in keys for keys in learners.values()):
        return False
    lines = [line for line in order.lines if line.line_id in rules and line.line_id in learners]
    return any(goes_to_buyer(line, order, rules[line.line_id]) for line in lines)
