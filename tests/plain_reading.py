"""Who is to be in which course until when, read off a shop by the rules in words and nothing else.

A second, naive implementation that shares no code with the planner, to hold that one against: every seat is dealt out
anew from what the shop says last. Where memory decides by design (a seat stays with the learner it was sold to) whoever
keeps the history says what is to be remembered: `seats` and `seated` of a line. Histories without it leave the question
out: learners are only ever added behind those who were named before, a line only grows, no refund leaves a line fewer
seats than learners.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

PAID = "completed"


@dataclass(frozen=True)
class PlainTerms:
    """What a product sells: `days`, `until`, `with_subscription`, or no end. `seats`: the name of the rule."""

    courses: tuple[str, ...]
    days: int = 0
    until: datetime | None = None
    with_subscription: bool = False
    seats: str = "buyer-once"


@dataclass(frozen=True)
class PlainLine:
    """`refunded`: how many were given back; `amount_off`: a part of its price was, and no seat. `bundle`: the id of
    the line that stands for its bundle; then it has no price of its own. `assigned`: to whom a person gave seats.
    `seats`: as how many it was sold, 0 = not yet; `seated`: who has had one of them since; `removed`: the order has it
    no more."""

    line_id: int
    product: int
    quantity: int = 1
    learners: tuple[str, ...] = ()
    refunded: int = 0
    amount_off: bool = False
    bundle: int = 0
    assigned: tuple[str, ...] = ()
    seats: int = 0
    seated: tuple[str, ...] = ()
    removed: bool = False


@dataclass(frozen=True)
class PlainOrder:
    """`status` is completed, one that ends (cancelled, refunded, failed), one that asks a person first (trash,
    deleted), or one that means nothing. `was_paid`: it was completed before that, with nothing that ends between.
    `ended_by_person`: about an asking status, somebody said so."""

    order_id: int
    status: str
    buyer: str
    begins: datetime
    lines: tuple[PlainLine, ...]
    learners: tuple[str, ...] = ()
    amount_off: bool = False
    was_paid: bool = False
    ended_by_person: bool = False


@dataclass(frozen=True)
class PlainSubscription:
    """`orders`: those it began or renews; `products`: what it is about."""

    orders: frozenset[int]
    products: frozenset[int]
    live: bool


@dataclass(frozen=True)
class PlainShop:
    """All that counts at last. `same_person`: old address → new one."""

    orders: Sequence[PlainOrder]
    terms: Mapping[int, PlainTerms]
    subscriptions: Sequence[PlainSubscription] = ()
    zone: str = ""
    same_person: Mapping[str, str] = field(default_factory=dict)
    never: frozenset[str] = frozenset()


Readings = dict[tuple[str, str], datetime | None]
"""(address, course) of everybody who is to be in → until when; None = without end."""


def read_plainly(shop: PlainShop, now: datetime) -> Readings:
    """Who is to be in at `now`. Addresses in lower case."""
    bought: dict[tuple[str, str], list[tuple[datetime, int, int, int, PlainTerms]]] = {}
    for order in shop.orders:
        for line in order.lines if counts(order) else ():
            if line.product not in shop.terms:
                continue
            terms = shop.terms[line.product]
            if terms.with_subscription and not subscription_lives(shop, order, line):
                continue
            for seat, address in enumerate(seat_owners(shop, order, line, terms)):
                for course in terms.courses:
                    turn = (order.begins, order.order_id, line.line_id, seat, terms)
                    bought.setdefault((address, course), []).append(turn)
    ends = {place: last_end(turns, shop.zone) for place, turns in bought.items()}
    return {place: end for place, end in ends.items() if end is None or end > now}


def counts(order: PlainOrder) -> bool:
    if order.status == PAID:
        return True
    if order.status in {"cancelled", "refunded", "failed"}:
        return False
    if order.status in {"trash", "deleted"} and order.ended_by_person:
        return False
    return order.was_paid


def seat_owners(shop: PlainShop, order: PlainOrder, line: PlainLine, terms: PlainTerms) -> list[str]:
    """The learners who have a seat of the line that was not given back."""
    people = (*line.seated, *newcomers(order, line, terms))
    owners: list[str] = []
    for person in (*people, *line.assigned):
        address = real_address(shop, person)
        if "@" in person and person.strip().lower() not in shop.never and address not in owners:
            owners.append(address)
    return owners[: max(0, line.quantity - given_back(order, line))]


def newcomers(order: PlainOrder, line: PlainLine, terms: PlainTerms) -> tuple[str, ...]:
    """Who is to have seats that nobody has: whom the order names, else the buyer of a line that was just sold or is of
    one seat. A line that was sold takes in nobody while its order is not paid."""
    if line.removed or (line.seats and order.status != PAID):
        return ()
    if terms.seats == "hold" and line.quantity > 1:
        return ()
    named = line.learners or order.learners
    if named:
        return named
    if line.seats:
        return (order.buyer,) if (line.seats, line.quantity) == (1, 1) else ()
    return (order.buyer,) if line.quantity == 1 or terms.seats == "buyer-once" else ()


def given_back(order: PlainOrder, line: PlainLine) -> int:
    if not line.bundle:
        return line.refunded
    (bundle,) = [one for one in order.lines if one.line_id == line.bundle]
    return max(line.refunded, line.quantity * bundle.refunded // bundle.quantity)


def real_address(shop: PlainShop, address: str) -> str:
    address = address.strip().lower()
    while address in shop.same_person:
        address = shop.same_person[address]
    return address


def subscription_lives(shop: PlainShop, order: PlainOrder, line: PlainLine) -> bool:
    mine = [one for one in shop.subscriptions if order.order_id in one.orders]
    about = [one for one in mine if line.product in one.products] or mine
    return not about or any(one.live for one in about)


def last_end(turns: list[tuple[datetime, int, int, int, PlainTerms]], zone: str) -> datetime | None:
    """What was bought, one after the other: days begin when what was there before is used up."""
    end: datetime | None = None
    for begins, _, _, _, terms in sorted(turns, key=lambda turn: turn[:4]):
        if terms.days:
            later = begins if end is None or end < begins else end
            end = same_time_later(later, terms.days, zone)
        elif terms.until is not None:
            end = terms.until if end is None or end < terms.until else end
        else:
            return None
    return end


def same_time_later(instant: datetime, days: int, zone: str) -> datetime:
    """Found by trying: the first minute-exact instant around the right day when the shop's clock is there or beyond.

    A time that comes twice is meant the second time.
    """
    clock = ZoneInfo(zone or "UTC")
    shown = instant.astimezone(clock).replace(tzinfo=None) + timedelta(days=days)
    guess = shown.replace(tzinfo=UTC) - timedelta(hours=15)
    candidates = [guess + timedelta(minutes=15 * step) for step in range(4 * 30)]
    exact = [one for one in candidates if one.astimezone(clock).replace(tzinfo=None) == shown]
    beyond = [one for one in candidates if one.astimezone(clock).replace(tzinfo=None) > shown]
    if exact:
        return exact[-1]
    first = beyond[0]  # behind a gap, on the quarter of an hour at which clocks jump
    return first - timedelta(minutes=first.minute % 15, seconds=first.second, microseconds=first.microsecond)
