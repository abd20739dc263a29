"""How long seats let a learner in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes import T0
from tests.sales import Deals, line_of, order_of, plan, planner
from wcsync.mappers.access import LAST_INSTANT, add_days, wish_for
from wcsync.model import Desired, Entitlement, OrderId, ProductId, Wish
from wcsync.sale import Access, Cause, Circumstances, Subscription, Terms, Withdrawal

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(hours=1)
LATER = T0 + timedelta(hours=1)
SUB = Subscription(
    subscription_id=77, parent_id=1, status="active", products=frozenset({17}), modified_at=START
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "days", "zone", "end"),
    [
        pytest.param("2026-03-28T12:00", 1, "Europe/Madrid", "2026-03-29T11:00", id="into summer time"),
        pytest.param("2026-10-24T12:00", 1, "Europe/Madrid", "2026-10-25T13:00", id="into winter time"),
        pytest.param("2026-03-28T01:30", 1, "Europe/Madrid", "2026-03-29T01:00", id="a time that is skipped"),
        pytest.param(
            "2026-10-24T00:30", 1, "Europe/Madrid", "2026-10-25T01:30", id="a time that comes twice"
        ),
        pytest.param("2026-03-28T12:00", 1, "", "2026-03-29T12:00", id="UTC"),
        pytest.param("2026-12-31T20:00", 1, "+05:30", "2027-01-01T20:00", id="five and a half ahead"),
        pytest.param("2026-12-31T20:00", 1, "Asia/Kolkata", "2027-01-01T20:00", id="the same by name"),
        pytest.param(
            "2026-03-08T05:00", 1, "America/Los_Angeles", "2026-03-09T04:00", id="eight behind, summer"
        ),
        pytest.param("2026-12-01T05:00", 30, "-08:00", "2026-12-31T05:00", id="eight behind"),
        pytest.param("2027-02-28T12:00", 1, "", "2027-03-01T12:00", id="no leap day"),
        pytest.param("2028-02-28T12:00", 1, "", "2028-02-29T12:00", id="a leap day"),
        pytest.param("2028-02-29T12:00", 365, "", "2029-02-28T12:00", id="a year from a leap day"),
        pytest.param("2011-12-29T20:00", 1, "Pacific/Apia", "2011-12-30T10:00", id="a day that is skipped"),
    ],
)
def test_days_are_those_of_the_shops_calendar(start: str, days: int, zone: str, end: str) -> None:
    assert add_days(utc(start), days, zone) == utc(end)


@pytest.mark.parametrize("zone", ["", "+05:30", "-08:00", "Europe/Madrid"])
def test_access_beyond_the_last_year_ends_with_it(zone: str) -> None:
    assert add_days(START, 36_500 * 100, zone) == LAST_INSTANT
    assert add_days(LAST_INSTANT, 1, zone) == LAST_INSTANT


# -- when it begins, and on what terms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid_statuses", "begins"),
    [
        pytest.param(frozenset({"completed"}), START + timedelta(days=2), id="completed"),
        pytest.param(frozenset({"completed", "processing"}), START, id="paid, where that is enough"),
    ],
)
def test_access_begins_with_what_makes_the_order_count(
    paid_statuses: frozenset[str], begins: datetime
) -> None:
    order = replace(order_of(), paid_at=START, completed_at=START + timedelta(days=2))
    (seat,) = plan(order, by=planner(paid=paid_statuses)).entitlements
    assert seat.starts_at == begins


def test_an_order_without_dates_begins_when_it_was_placed() -> None:
    order = replace(order_of(), paid_at=None, completed_at=None)
    assert plan(order).entitlements[0].starts_at == order.created_at


def test_the_start_follows_the_shop_and_a_reading_again_moves_nothing() -> None:
    first = plan(order_of()).entitlements
    assert plan(order_of(), first).entitlements == first
    later = replace(order_of(), completed_at=START + timedelta(days=9))
    assert plan(later, first).entitlements[0].starts_at == START + timedelta(days=9)


def test_terms_are_a_snapshot_of_the_row_in_the_shops_zone() -> None:
    terms = Terms(access=Access(days=30), on_withdraw=Withdrawal.KEEP)
    first = plan(order_of(), by=planner(Deals(terms=terms), zone="Asia/Kolkata")).entitlements
    assert (first[0].access, first[0].on_withdraw) == (
        Access(days=30, zone="Asia/Kolkata"),
        Withdrawal.KEEP,
    )
    assert plan(order_of(), first, by=planner()).entitlements == first


def test_a_day_without_a_zone_is_the_shops() -> None:
    terms = Terms(access=Access(until=datetime(2027, 1, 1)))  # noqa: DTZ001 - what the shop's clock shows
    (seat,) = plan(order_of(), by=planner(Deals(terms=terms), zone="+05:30")).entitlements
    assert seat.access.until == utc("2026-12-31T18:30")


# -- subscriptions ---------------------------------------------------------------------------------------------------

WITH = planner(Deals(terms=Terms(access=Access(with_subscription=True))))


@pytest.mark.parametrize(
    ("subscriptions", "reason"),
    [
        pytest.param([], "", id="none known"),
        pytest.param([SUB], "", id="active"),
        pytest.param([replace(SUB, status="pending-cancel")], "", id="paid until it ends"),
        pytest.param(
            [replace(SUB, status="on-hold", modified_at=LATER)], "subscription 77 on-hold", id="on hold"
        ),
        pytest.param([replace(SUB, status="expired")], "subscription 77 expired", id="expired"),
        pytest.param(
            [replace(SUB, status="cancelled"), replace(SUB, subscription_id=78)], "", id="another one lives"
        ),
        pytest.param(
            [replace(SUB, status="cancelled"), replace(SUB, subscription_id=78, products=frozenset({99}))],
            "subscription 77 cancelled",
            id="one about another product says nothing",
        ),
        pytest.param(
            [replace(SUB, status="cancelled", products=frozenset())],
            "subscription 77 cancelled",
            id="where none says what it is about, all count",
        ),
    ],
)
def test_a_seat_with_a_subscription_lives_as_long(subscriptions: list[Subscription], reason: str) -> None:
    first = plan(order_of(), by=WITH).entitlements
    (seat,) = plan(order_of(), first, Circumstances(subscriptions=tuple(subscriptions)), by=WITH).entitlements
    assert (seat.live, seat.reason) == (not reason, reason)
    assert seat.cause is (Cause.SUBSCRIPTION if reason else None)
    (again,) = plan(order_of(), [seat], Circumstances(subscriptions=(SUB,)), by=WITH).entitlements
    assert again.live


@pytest.mark.parametrize(
    ("status", "before", "live"),
    [("on-hold", 1, True), ("pending", 1, True), ("cancelled", 1, False), ("on-hold", -1, False)],
    ids=["on hold for the payment", "never paid before", "cancelled all the same", "on hold after it"],
)
def test_a_subscription_read_before_its_payment_came_does_not_end_what_was_paid(
    status: str, before: int, live: bool
) -> None:
    order = replace(order_of(), paid_at=START, completed_at=START + timedelta(days=9))
    waiting = replace(SUB, status=status, modified_at=START - timedelta(seconds=before))
    (seat,) = plan(order, (), Circumstances(subscriptions=(waiting,)), by=WITH).entitlements
    assert seat.live is live


def test_a_seat_of_a_variation_hangs_on_the_subscription_to_that_variation() -> None:
    order = order_of(replace(line_of(), variation_id=ProductId(18)))
    about_it = replace(SUB, status="cancelled", products=frozenset({17, 18}))
    about_another = replace(SUB, subscription_id=78, products=frozenset({17, 19}))
    (seat,) = plan(order, (), Circumstances(subscriptions=(about_it, about_another)), by=WITH).entitlements
    assert seat.reason == "subscription 77 cancelled"
    switched = Circumstances(subscriptions=(about_another,))
    (seat,) = plan(order, (), switched, by=WITH).entitlements
    assert seat.live


@pytest.mark.parametrize("access", [Access(days=30), Access(until=START), Access()])
def test_a_seat_with_a_time_of_its_own_does_not_mind_the_subscription(access: Access) -> None:
    ended = Circumstances(subscriptions=(replace(SUB, status="cancelled"),))
    rules = planner(Deals(terms=Terms(access=access)))
    assert plan(order_of(), (), ended, by=rules).entitlements[0].live


# -- what should be --------------------------------------------------------------------------------------------------


def seat(
    order_id: int = 1,
    *,
    days: int | None = None,
    until: datetime | None = None,
    starts: datetime = START,
    cause: Cause | None = None,
    on_withdraw: Withdrawal | None = None,
) -> Entitlement:
    (one,) = plan(order_of(line_of())).entitlements
    return replace(
        one,
        order_id=OrderId(order_id),
        starts_at=starts,
        access=Access(days=days, until=until),
        live=cause is None,
        cause=cause,
        on_withdraw=on_withdraw,
    )


def days_on(count: int) -> datetime:
    return START + timedelta(days=count)


@pytest.mark.parametrize(
    ("seats", "until"),
    [
        pytest.param([seat(days=30)], days_on(30), id="days"),
        pytest.param([seat(days=30), seat(2, days=30)], days_on(60), id="bought again at once"),
        pytest.param([seat(days=30), seat(2, days=30, starts=days_on(20))], days_on(60), id="renewed early"),
        pytest.param([seat(days=30), seat(2, days=30, starts=days_on(40))], days_on(70), id="renewed late"),
        pytest.param(
            [seat(2, days=30, starts=days_on(20)), seat(days=30)],
            days_on(60),
            id="in whatever order they come",
        ),
        pytest.param([seat(until=days_on(9)), seat(2, until=days_on(5))], days_on(9), id="the later day"),
        pytest.param(
            [seat(until=days_on(9)), seat(2, days=30, starts=days_on(1))], days_on(39), id="days after a day"
        ),
        pytest.param(
            [seat(days=30), seat(2, until=days_on(9), starts=days_on(1))], days_on(30), id="a day within days"
        ),
        pytest.param([seat(days=30), seat(2)], None, id="without end beside an end"),
        pytest.param([seat(days=30), seat(2, cause=Cause.REFUND)], days_on(30), id="what ended adds nothing"),
    ],
)
def test_what_is_bought_again_is_added(seats: list[Entitlement], until: datetime | None) -> None:
    assert wish_for(seats, NOW) == Wish(desired=Desired.IN, until=until)


def test_access_ends_with_its_last_instant() -> None:
    seats = [seat(days=30)]
    assert wish_for(seats, days_on(30) - timedelta(microseconds=1)).desired is Desired.IN
    over = Wish(desired=Desired.OUT, until=days_on(30), cause=Cause.EXPIRED)
    assert wish_for(seats, days_on(30)) == over


@pytest.mark.parametrize(
    ("causes", "cause"),
    [
        pytest.param([Cause.REFUND], Cause.REFUND, id="one"),
        pytest.param([Cause.ORDER, Cause.REFUND], Cause.REFUND, id="the last of two"),
        pytest.param([Cause.SUBSCRIPTION, Cause.REFUND], Cause.SUBSCRIPTION, id="a lapse before a refund"),
        pytest.param([], None, id="nothing was ever sold"),
    ],
)
def test_out_says_why(causes: list[Cause], cause: Cause | None) -> None:
    seats = [seat(number, cause=one, starts=days_on(number)) for number, one in enumerate(causes)]
    assert wish_for(seats, NOW) == Wish(desired=Desired.OUT, cause=cause)


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        pytest.param([None, None], None, id="nobody said"),
        pytest.param([None, Withdrawal.UNENROL], Withdrawal.UNENROL, id="one said"),
        pytest.param([Withdrawal.UNENROL, Withdrawal.SUSPEND], Withdrawal.SUSPEND, id="suspend is gentler"),
        pytest.param([Withdrawal.ASK, Withdrawal.SUSPEND], Withdrawal.ASK, id="asking is gentler"),
        pytest.param([Withdrawal.ASK, Withdrawal.KEEP], Withdrawal.KEEP, id="keeping is gentlest"),
    ],
)
def test_the_gentlest_word_counts(said: list[Withdrawal | None], mode: Withdrawal | None) -> None:
    seats = [seat(number, cause=Cause.REFUND, on_withdraw=one) for number, one in enumerate(said)]
    assert wish_for(seats, NOW).on_withdraw == mode
