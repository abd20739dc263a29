"""How long seats let a learner in: the seats of one learner and course in, a wish out. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from wcsync.model import Desired, Entitlement, Order, ProductId, Wish
from wcsync.sale import GENTLENESS, LAPSES, UNLIMITED, Access, Cause, Subscription
from wcsync.zones import instant_at, parse_zone

COMPLETED = "completed"
AWAITING_PAYMENT = frozenset({"pending", "on-hold"})
"""In these a subscription is between the order that is to pay for it and its payment."""
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
"""Access that would end later ends then."""


def add_days(instant: datetime, days: int, zone: str) -> datetime:
    """The instant so many days of the calendar of `zone` later, when its clock shows the same time.

    A time that the clock skips is the first instant behind the gap; one that comes twice, the later one. What lies
    beyond the year 9999 is the last instant there is.
    """
    place = parse_zone(zone)
    try:
        shown = instant.astimezone(place).replace(tzinfo=None, fold=0)
        return instant_at(shown + timedelta(days=days), place)
    except OverflowError:
        return LAST_INSTANT


def start_of(order: Order, paid_statuses: frozenset[str]) -> datetime:
    """When access begins that was bought with the order, by the shop's facts.

    Where orders count before they are completed, completing one later must not begin it again: the payment counts.
    """
    completed_at = order.completed_at or order.paid_at or order.created_at
    return order.paid_at or completed_at if paid_statuses - {COMPLETED} else completed_at


def granted(access: Access, zone: str) -> Access:
    """The terms of a mapping row as a seat is sold on them in a shop of that zone."""
    return UNLIMITED if access.unlimited else access.placed(zone)


def lapsed_subscription(
    seat: Entitlement, subscriptions: Sequence[Subscription], paid_at: datetime | None
) -> Subscription | None:
    """The subscription whose end ends the seat; None while one lives, or if the seat does not hang on any.

    Those count that are about the line's variation; if none says so, about its product; if none, all. None known: the
    shop has not told yet. One that waited for a payment when the shop last told of it does so no more if the order was
    paid since, at `paid_at`: they are read minutes after orders, and who has just paid is not kept out till then.
    """
    access = seat.access
    if not access.with_subscription or access.days is not None or access.until is not None:
        return None
    about = (
        _about(subscriptions, seat.variation_id)
        or _about(subscriptions, seat.product_id)
        or list(subscriptions)
    )
    if any(one.live or _was_paid_since(one, paid_at) for one in about):
        return None
    return max(about, key=lambda one: (one.modified_at, one.subscription_id), default=None)


def _about(subscriptions: Sequence[Subscription], product_id: ProductId) -> list[Subscription]:
    return [one for one in subscriptions if product_id in one.products]


def _was_paid_since(one: Subscription, paid_at: datetime | None) -> bool:
    return one.status in AWAITING_PAYMENT and paid_at is not None and one.modified_at < paid_at


def wish_for(entitlements: Iterable[Entitlement], now: datetime) -> Wish:
    """What should be at `now` for one learner and course: in until the end of all that was bought, or out."""
    seats = sorted(entitlements, key=_turn)
    live = [seat for seat in seats if seat.live]
    if not live:
        return _out(seats, _last_cause(seats))
    until = _end_of(live)
    if until is not None and until <= now:
        return replace(_out(seats, Cause.EXPIRED), until=until)
    options = sorted({option for seat in live for option in seat.target.options})
    return Wish(desired=Desired.IN, until=until, options=tuple(options))


def _turn(seat: Entitlement) -> tuple[datetime, int, int, int]:
    return seat.starts_at, seat.order_id, seat.line_id, seat.seat


def _end_of(live: Sequence[Entitlement]) -> datetime | None:
    """The end of live seats in their turn: days follow what is left of those before. None = without end."""
    end: datetime | None = None
    for seat in live:
        access = seat.access
        if access.days is not None:
            start = seat.starts_at if end is None else max(end, seat.starts_at)
            end = add_days(start, access.days, access.zone)
        elif access.until is not None:
            end = access.until if end is None else max(end, access.until)
        else:
            return None
    return end


def _out(seats: Sequence[Entitlement], cause: Cause | None) -> Wish:
    said = [seat.on_withdraw for seat in seats if seat.on_withdraw is not None]
    return Wish(
        desired=Desired.OUT, cause=cause, on_withdraw=min(said, key=GENTLENESS.index) if said else None
    )


def _last_cause(seats: Sequence[Entitlement]) -> Cause | None:
    """Why the last seat ended; a lapse before anything else: who had a time that ran out keeps the progress of it,
    whatever else was given back."""
    causes = [seat.cause for seat in seats if seat.cause is not None]
    lapses = [cause for cause in causes if cause in LAPSES]
    return next(reversed(lapses or causes), None)
