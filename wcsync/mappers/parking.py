"""What needs a person about the seats of an order, in words. No address is ever quoted. Pure."""

from collections.abc import Collection, Iterable, Sequence

from wcsync.mappers.addresses import domain_of, meant_domain
from wcsync.mappers.seating import MOST_SEATS, Claimants
from wcsync.mappers.taking_back import TRASH, Left
from wcsync.model import Entitlement, Line, LineId, Parked, Person
from wcsync.sale import DELETED


def no_address(line: Line) -> Parked:
    reason = (
        "the order has no usable e-mail address; put the learner's address into the order's billing details"
    )
    return Parked(kind="no_address", reason=reason, line_id=line.line_id)


def held(line: Line) -> Parked:
    reason = "the order is held; `wcsync release` lets it go on"
    return Parked(kind="held", reason=reason, line_id=line.line_id)


def odd_quantity(line: Line) -> Parked | None:
    """A quantity that makes no seats at all, too many to believe, or half a seat besides."""
    if line.quantity < 1:
        reason = f"the quantity is {line.quantity}, less than one seat; correct the order or enrol by hand"
    elif line.quantity > MOST_SEATS:
        reason = f"the quantity is {line.quantity}, more than {MOST_SEATS} seats; correct the order or split the line"
    elif line.quantity % 1:
        reason = f"the quantity is {line.quantity}; {int(line.quantity)} of it were sold as seats, the rest is nobody's"
    else:
        return None
    return Parked(kind="quantity", reason=reason, line_id=line.line_id)


def unseated(
    line_id: LineId, live: Collection[Entitlement], claimants: Claimants, waiting: Sequence[object]
) -> Iterable[Parked]:
    """What is to be said of a line's seats that live: those that nobody has, and those who have none."""
    seats = {seat.seat for seat in live}
    free = {seat.seat for seat in live if not seat.learner_key}
    if free:
        reason = f"{len(free)} of {len(seats)} seats {_have(len(free))} no learner yet"
        yield Parked(kind="open_seats", reason=reason, line_id=line_id)
    if free and claimants.bad:
        reason = (
            f"{_people(claimants.bad)} named without a usable e-mail address; mend it, or assign the seat"
        )
        yield Parked(kind="bad_learner", reason=reason, line_id=line_id)
    unwanted = [key for key in claimants.unwanted if key not in {seat.learner_key for seat in live}]
    if free and unwanted:
        reason = f"{_people(len(unwanted))} to learn whom the config never enrols; assign the seat to somebody else"
        yield Parked(kind="not_wanted", reason=reason, line_id=line_id)
    if waiting:
        reason = (
            f"{_people(len(waiting))} named beyond the {len(seats)} that the line has seats for; sell more seats, or "
            "relink a learner who is another person now"
        )
        yield Parked(kind="too_many_learners", reason=reason, line_id=line_id)


def seats_over(line_id: LineId, left: Left, live: Collection[Entitlement]) -> Iterable[Parked]:
    learners = {seat.seat for seat in live}
    if len(learners) > left.capacity:
        reason = (
            f"{left.reason}; {left.capacity} {_are(left.capacity)} left, but {len(learners)} learners have one. Say "
            "whose seat ends"
        )
        yield Parked(kind="seats_over", reason=reason, line_id=line_id)


def refund_amount(refund_ids: Sequence[int], line_id: LineId | None = None) -> Iterable[Parked]:
    if refund_ids:
        ids = ", ".join(str(one) for one in sorted(set(refund_ids)))
        what = "the line's price" if line_id else "the order's total"
        reason = f"refund {ids} gave back a part of {what} and no seat; access stays unless a person ends it"
        yield Parked(kind="refund_amount", reason=reason, line_id=line_id)


def line_changed(line: Line) -> Parked:
    reason = (
        "the line was about another product when it was sold; its learner keeps what was sold. Enrol for product "
        f"{line.product_id} by hand if that is owed too, then drop this entry"
    )
    return Parked(kind="line_changed", reason=reason, line_id=line.line_id)


def line_removed(line_id: LineId) -> Parked:
    """Its seats follow the order: an edit alone ends nothing."""
    reason = (
        "the line was taken out of the order after it was sold; its learner keeps access, beside what the order sells "
        "now. End it if it was given back or replaced"
    )
    return Parked(kind="line_removed", reason=reason, line_id=line_id)


def status_asked(status: str) -> Parked:
    """A status that ends access only by a person's word: one of the config's, each a kind of its own."""
    return _BY_STATUS[status]


def buyer_changed() -> Parked:
    return Parked(
        kind="buyer_changed",
        reason="the buyer's address was changed after the sale; the learner first enrolled keeps the seat. Enrol the "
        "other address by hand if it is another person",
    )


def typos(learners: Iterable[Person]) -> Iterable[Parked]:
    """Domains that look like a slip of the finger; the seat is given all the same, since nobody can know."""
    domains = sorted({domain_of(person.email) for person in learners})
    found = [f"{domain} (meant as {meant}?)" for domain in domains if (meant := meant_domain(domain))]
    if found:
        reason = (
            f"the learner's address is at {', '.join(found)}; if it is mistyped, `wcsync relink` mends it"
        )
        yield Parked(kind="typo", reason=reason)


def _people(count: int) -> str:
    return "1 person is" if count == 1 else f"{count} people are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


_KEEP_ACCESS = "but its learners keep access"
_BY_STATUS = {
    TRASH: Parked(
        kind="trashed",
        reason=f"the order is in the trash {_KEEP_ACCESS}; restore it in the shop, or end the access",
    ),
    DELETED: Parked(
        kind="deleted",
        reason=f"the shop does not know the order any more {_KEEP_ACCESS}; end it if it was given back",
    ),
    "cancelled": Parked(
        kind="cancelled_asked", reason=f"the order was cancelled {_KEEP_ACCESS}; end it if that is meant"
    ),
    "refunded": Parked(
        kind="refunded_asked", reason=f"the order was refunded {_KEEP_ACCESS}; end it if that is meant"
    ),
    "failed": Parked(
        kind="failed_asked", reason=f"the order's payment failed {_KEEP_ACCESS}; end it if that is meant"
    ),
}
