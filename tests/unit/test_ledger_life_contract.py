"""What every `Ledger` keeps of a sale's later life: refunds, learners, subscriptions, ends, repeats."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.ledger_stage import CREATED, LedgerContract, OnSqlite, Stage, at, deferral, later
from wcsync.ledger.base import CursorMove
from wcsync.model import (
    Applied,
    Desired,
    Entitlement,
    LineId,
    Order,
    OrderId,
    OrderPlan,
    Outcome,
    Person,
)
from wcsync.sale import (
    DELETED,
    Access,
    Cause,
    Circumstances,
    Refund,
    RefundLine,
    Subscription,
    Terms,
    Withdrawal,
)

BEA = Person(email="bea@example.test", first_name="Bea", fields=(("company", "Acme"), ("vat", "ES1")))
CID = Person(email="cid@example.test")
REFUNDS = (
    Refund(
        refund_id=77,
        total=Decimal("12.50"),
        lines=(RefundLine(line_id=1, quantity=Decimal(1), total=Decimal("12.50")),),
    ),
    Refund(refund_id=78, total=Decimal(3)),
)
DAYS = timedelta(days=1)


class Seen:
    """A planner that keeps what it was given."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.orders: list[Order] = []
        self.circumstances: list[Circumstances] = []

    def plan(self, order: Order, known: Sequence[Entitlement], circumstances: Circumstances) -> OrderPlan:
        self.orders.append(order)
        self.circumstances.append(circumstances)
        return self.stage.plan(order, known, circumstances)


def subscription(status: str = "active", minutes: int = 0, **fields: object) -> Subscription:
    said = {"subscription_id": 900, "parent_id": 1, "products": frozenset({17}), **fields}
    return Subscription(status=status, modified_at=T0 + timedelta(minutes=minutes), **said)  # type: ignore[arg-type]


def full_order() -> Order:
    line = replace(make_line(1, sku="NEW", quantity="3"), learners=(BEA,), container=True)
    part = replace(make_line(2, sku="NEW"), part_of=LineId(1))
    return replace(make_order(lines=(line, part)), refunds=REFUNDS, learners=(CID, BEA), renews=(900, 901))


class LifeContract(LedgerContract):
    # -- facts -------------------------------------------------------------------------------------------------------
    def test_an_order_is_planned_again_by_all_that_was_read_of_it(self, stage: Stage) -> None:
        order, seen = full_order(), Seen(stage)
        stage.record(order)
        stage.ledger.replan_unmapped(seen.plan, at(60))
        assert seen.orders == [order]

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"refunds": REFUNDS[:1]}, id="refund deleted"),
            pytest.param({"learners": (CID,)}, id="learner"),
            pytest.param({"renews": (900,)}, id="renewal"),
            pytest.param({"learners": (CID, replace(BEA, fields=()))}, id="field"),
            pytest.param({"lines": ()}, id="lines"),
        ],
    )
    def test_each_new_fact_is_news(self, stage: Stage, change: dict[str, object]) -> None:
        stage.record(full_order())
        changed = replace(full_order(), **change)  # type: ignore[arg-type]
        assert stage.ledger.record_page([changed], (), stage.plan, None, at(60)).fresh == 1
        assert stage.ledger.record_page([changed], (), stage.plan, None, at(90)).fresh == 0

    def test_what_an_lms_wants_besides_goes_with_the_learner(self, stage: Stage) -> None:
        stage.record(replace(make_order(), learners=(BEA,)))
        assert stage.claim().seat.learner == BEA

    def test_an_order_without_fields_does_not_blank_them(self, stage: Stage) -> None:
        stage.record(replace(make_order(1), buyer=BEA), make_order(2, email=BEA.email))
        assert stage.claim().seat.learner.fields == BEA.fields

    # -- people who were erased --------------------------------------------------------------------------------------
    def test_somebody_erased_is_not_written_again_by_an_earlier_order(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.desk.forget("ana@example.test", at(60))
        stage.record(later(make_order(), "completed"), now=at(120))
        assert stage.claim(at(121)).seat.learner.email == ""

    def test_somebody_erased_who_buys_again_is_known_again(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.desk.forget("ana@example.test", at(60))
        stage.record(replace(make_order(2), created_at=at(120)), now=at(120))
        assert stage.claim(at(121)).seat.learner.email == "ana@example.test"

    # -- what decides besides ----------------------------------------------------------------------------------------
    def test_an_order_is_planned_by_its_circumstances(self, stage: Stage) -> None:
        seen = Seen(stage)
        about = [
            subscription(),
            subscription(subscription_id=901, parent_id=5),
            subscription(subscription_id=902),
        ]
        about[2] = replace(about[2], parent_id=6)
        stage.ledger.record_subscriptions(about, stage.plan, None, T0)
        stage.record(make_order(7))
        stage.ledger.desk.relink("ana@example.test", CID, stage.plan, T0)
        stage.ledger.desk.hold(OrderId(1), "look", stage.plan, T0)
        stage.ledger.record_page([replace(make_order(), renews=(901,))], (), seen.plan, None, T0)
        (found,) = seen.circumstances
        identify = stage.ledger.identify
        assert (found.held, found.subscriptions) == (True, tuple(about[:2]))
        assert found.aliases == ((identify("ana@example.test"), identify(CID.email)),)

    def test_a_held_order_lets_nobody_in_and_puts_nobody_out(self, stage: Stage) -> None:
        stage.record(make_order(1))
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.record(make_order(2, email=BEA.email))
        for order_id in (1, 2):
            stage.ledger.desk.hold(OrderId(order_id), "", stage.plan, at(1))
        assert stage.ledger.claim(CAMPUS, at(2)) is None
        summary = stage.summary()
        assert (summary.enrolled, summary.unexplained) == (1, 0)
        stage.ledger.desk.release(OrderId(2), stage.plan, at(3))
        assert stage.claim(at(4)).seat.learner.email == BEA.email

    # -- open seats --------------------------------------------------------------------------------------------------
    def test_seats_that_nobody_has_are_counted_and_enrol_nobody(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH", quantity="3"),)))
        for _ in range(2):
            stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        assert stage.ledger.claim(CAMPUS, T0) is None
        summary = stage.summary()
        assert (summary.open_seats, summary.enrolled, summary.unexplained) == (2, 0, 0)

    # -- orders that are gone ----------------------------------------------------------------------------------------
    def test_an_order_that_the_shop_forgot_is_planned_so_once(self, stage: Stage) -> None:
        seen = Seen(stage)
        stage.record(make_order())
        assert stage.ledger.record_deleted([OrderId(1), OrderId(99)], seen.plan, at(60)).fresh == 1
        assert [order.status for order in seen.orders] == [DELETED]
        assert stage.kinds() == ["deleted"]
        assert stage.ledger.record_deleted([OrderId(1)], seen.plan, at(90)).fresh == 0

    def test_an_order_that_the_shop_knows_again_is_read_as_any_other(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.record_deleted([OrderId(1)], stage.plan, at(60))
        stage.record(make_order(), now=at(120))
        assert (stage.kinds(), stage.summary().due) == ([], 1)

    # -- subscriptions -----------------------------------------------------------------------------------------------
    def test_what_is_no_news_of_a_subscription_plans_nothing(self, stage: Stage) -> None:
        seen = Seen(stage)
        stage.mapping.terms["PY-101"] = Terms(access=Access(with_subscription=True))
        stage.record(make_order())
        told = [subscription("active", 5), subscription("active", 5), subscription("on-hold", 4)]
        assert stage.ledger.record_subscriptions(told, seen.plan, None, at(600)) == 1
        assert [found.subscriptions for found in seen.circumstances] == [(told[0],)]

    def test_a_subscription_that_changes_plans_its_orders_anew(self, stage: Stage) -> None:
        seen = Seen(stage)
        stage.ledger.start_cursor("subscriptions", T0, T0)
        stage.mapping.terms["PY-101"] = Terms(access=Access(with_subscription=True))
        stage.record(make_order(1), replace(make_order(2), renews=(900,)), make_order(3))
        move = CursorMove(name="subscriptions", position=at(60))
        stage.ledger.record_subscriptions([subscription("on-hold")], seen.plan, move, at(60))
        assert [order.order_id for order in seen.orders] == [1, 2]
        cursor = stage.ledger.read_cursor("subscriptions")
        assert cursor is not None
        assert cursor.position == at(60)

    def test_a_subscription_plans_no_order_anew_that_was_sold_for_days(self, stage: Stage) -> None:
        seen = Seen(stage)
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=30))
        stage.record(make_order(1), replace(make_order(2), renews=(900,)))
        assert stage.ledger.record_subscriptions([subscription("on-hold")], seen.plan, None, at(60)) == 1
        assert seen.orders == []

    def test_access_ends_and_comes_back_with_its_subscription(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(with_subscription=True))
        stage.record(make_order())
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.ledger.record_subscriptions([subscription("on-hold", 1)], stage.plan, None, at(60))
        claim = stage.claim(at(61))
        assert (claim.desired, claim.cause) == (Desired.OUT, Cause.SUBSCRIPTION)
        suspended = Applied(outcome=Outcome.SUSPENDED, user_id="100")
        stage.ledger.settle_applied(claim, suspended, at(61))
        assert (stage.summary().ended, stage.summary().unexplained) == (1, 0)
        stage.ledger.record_subscriptions([subscription("active", 2)], stage.plan, None, at(120))
        claim = stage.claim(at(121))
        assert (claim.desired, claim.seat.dormant, claim.cause) == (Desired.IN, True, None)
        stage.ledger.settle_applied(claim, Applied(outcome=Outcome.RESTORED, user_id="100"), at(121))
        stage.ledger.record_subscriptions([subscription("cancelled", 3)], stage.plan, None, at(180))
        assert not stage.claim(at(181)).seat.dormant

    # -- time --------------------------------------------------------------------------------------------------------
    def test_who_reaches_the_end_is_to_be_out_and_is_lost_to_nobody(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10), on_withdraw=Withdrawal.SUSPEND)
        stage.record(make_order(1), make_order(2, email=BEA.email, lines=(make_line(sku="BOTH"),)))
        for _ in range(3):
            stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        assert stage.ledger.end_expired(T0 + 9 * DAYS) == 0
        assert stage.ledger.end_expired(T0 + 10 * DAYS) == 1
        assert stage.ledger.end_expired(T0 + 10 * DAYS) == 0
        claim = stage.claim(T0 + 10 * DAYS)
        assert (claim.desired, claim.cause, claim.on_withdraw) == (
            Desired.OUT,
            Cause.EXPIRED,
            Withdrawal.SUSPEND,
        )
        stage.ledger.settle_applied(claim, Applied(outcome=Outcome.EXPIRED, user_id="100"), T0 + 10 * DAYS)
        summary = stage.summary()
        assert (summary.lines, summary.enrolled, summary.ended, summary.unexplained) == (2, 1, 1, 0)

    def test_whose_time_was_over_before_the_lms_took_them_is_told(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        stage.record(make_order())
        stage.ledger.settle_deferred(stage.claim(), deferral(60), T0)
        stage.ledger.end_expired(T0 + 10 * DAYS)
        (entry,) = stage.parked()
        assert (entry["kind"], entry["order_id"]) == ("never_in", 1)
        assert entry["reason"] == (
            'the access to course 42 of "campus" was over before the learner could be let in'
        )
        again = replace(make_order(2), completed_at=T0 + 11 * DAYS, paid_at=T0 + 11 * DAYS)
        stage.record(again, now=T0 + 11 * DAYS)
        assert stage.kinds() == ["never_in"]

    def test_whose_time_only_a_clock_that_was_ahead_took_for_over_is_told_of_no_more(
        self, stage: Stage
    ) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        stage.record(make_order())
        stage.ledger.end_expired(T0 + 400 * DAYS)
        assert stage.kinds() == ["never_in"]
        stage.ledger.end_expired(T0 + DAYS)
        assert (stage.kinds(), stage.claim(T0 + DAYS).desired) == ([], Desired.IN)

    def test_a_sale_whose_time_was_over_before_it_was_read_is_explained(self, stage: Stage) -> None:
        """An old order that a backfill reads. Buying again lets in as ever."""
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        late = T0 + 30 * DAYS
        stage.record(make_order(), now=late)
        assert (stage.summary().ended, stage.summary().unexplained, stage.summary().due) == (1, 0, 0)
        assert stage.ledger.claim(CAMPUS, late) is None
        stage.record(replace(make_order(2), completed_at=late, paid_at=late), now=late)
        claim = stage.claim(late)
        assert (claim.desired, claim.cause, claim.seat.until) == (Desired.IN, None, late + 10 * DAYS)

    @pytest.mark.parametrize(
        ("begun", "read", "told"),
        [
            pytest.param(T0 - DAYS, 30 * DAYS, ["never_in"], id="sold since the ledger reads"),
            pytest.param(T0 + DAYS, 30 * DAYS, [], id="sold before, and read by a backfill"),
            pytest.param(T0 - DAYS, 100 * DAYS, [], id="sold long ago"),
        ],
    )
    def test_a_sale_of_today_that_is_read_too_late_is_for_a_person(
        self, stage: Stage, begun: datetime, read: timedelta, told: list[str]
    ) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        stage.ledger.start_cursor("orders", begun, T0)
        stage.record(make_order(), now=T0 + read)
        assert stage.kinds() == told
        assert (stage.summary().unexplained, stage.summary().due) == (0, 0)

    def test_what_a_clock_that_was_ahead_ended_is_given_back(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        stage.record(make_order())
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        assert stage.ledger.end_expired(T0 + 400 * DAYS) == 1
        ended = Applied(outcome=Outcome.SUSPENDED, user_id="100")
        stage.ledger.settle_applied(stage.claim(T0 + 400 * DAYS), ended, T0 + 400 * DAYS)
        assert stage.ledger.end_expired(T0 + DAYS) == 1
        claim = stage.claim(T0 + DAYS)
        assert (claim.desired, claim.seat.dormant, claim.seat.until) == (Desired.IN, True, T0 + 10 * DAYS)
        assert stage.ledger.end_expired(T0 + DAYS) == 0

    def test_a_time_that_was_over_goes_to_another_learner_as_it_is(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=30))
        stage.record(make_order())
        stage.ledger.settle_applied(stage.claim(), CREATED, at(1))
        stage.ledger.end_expired(T0 + 30 * DAYS)
        stage.ledger.desk.relink("ana@example.test", BEA, stage.plan, T0 + 31 * DAYS)
        assert stage.summary().unexplained == 0

    def test_many_ends_are_brought_in_line_at_once(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=1))
        stage.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 451)))
        assert stage.ledger.end_expired(T0 + DAYS) == 450

    def test_a_later_reason_for_being_out_is_told_while_it_waits(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=1))
        stage.record(make_order())
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.ledger.end_expired(T0 + DAYS)
        stage.record(later(make_order(), "refunded"), now=T0 + DAYS)
        claim = stage.claim(T0 + DAYS)
        assert (claim.desired, claim.cause) == (Desired.OUT, Cause.ORDER)
        stage.ledger.settle_applied(claim, Applied(outcome=Outcome.REMOVED, user_id="100"), T0 + DAYS)
        assert stage.ledger.claim(CAMPUS, T0 + 2 * DAYS) is None

    # -- bought again ------------------------------------------------------------------------------------------------
    def test_a_course_without_end_that_is_bought_again_is_told_beside_the_later_order(
        self, stage: Stage
    ) -> None:
        stage.record(make_order(2), make_order(1))
        (entry,) = stage.parked()
        assert (entry["kind"], entry["order_id"], entry["line_id"]) == ("bought_again", 2, 1)
        assert "by order 1." in str(entry["reason"])
        assert stage.summary().due == 1

    @pytest.mark.parametrize(
        "second",
        [
            pytest.param(make_order(2, email=BEA.email), id="another learner"),
            pytest.param(make_order(2, lines=(make_line(sku="A"),)), id="another course"),
            pytest.param(replace(make_order(2), renews=(900,)), id="a renewal"),
            pytest.param(make_order(2, status="pending"), id="not paid"),
        ],
    )
    def test_what_is_no_repeat_is_not_told(self, stage: Stage, second: Order) -> None:
        stage.record(make_order(1, lines=(make_line(1), make_line(2))), second)
        assert "bought_again" not in stage.kinds()

    def test_what_follows_a_course_with_an_end_is_no_repeat(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        stage.record(make_order(1), make_order(2))
        assert stage.kinds() == []

    def test_a_repeat_is_told_no_more_once_one_of_the_two_is_given_back(self, stage: Stage) -> None:
        for order_id in (1, 2):
            stage.record(make_order(1), make_order(2))
            assert stage.kinds() == ["bought_again"]
            stage.record(later(make_order(order_id), "refunded", order_id))
            assert stage.kinds() == []
            stage.record(later(make_order(order_id), "completed", order_id + 1))

    def test_a_repeat_that_a_person_dropped_stays_dropped(self, stage: Stage) -> None:
        stage.record(make_order(1), make_order(2))
        stage.ledger.desk.drop_parked(2, None, T0)
        stage.record(later(make_order(2), "completed"), later(make_order(1), "completed"))
        assert stage.kinds() == []

    # -- services ----------------------------------------------------------------------------------------------------
    def test_the_zone_of_a_service_is_kept_while_it_says_none(self, stage: Stage) -> None:
        assert stage.ledger.read_service("shop", T0).zone == ""
        stage.ledger.record_identity("shop", "https://shop.example.com", "Shop", T0, zone="Asia/Kolkata")
        stage.ledger.record_identity("shop", "https://shop.example.com", "Shop", at(1))
        assert stage.ledger.read_service("shop", T0).zone == "Asia/Kolkata"


class TestLifeOnSqlite(OnSqlite, LifeContract):
    def test_the_story_of_an_order_has_a_line_for_what_the_shop_said_that_was_new(
        self, stage: Stage, tmp_path: Path
    ) -> None:
        stage.record(make_order(status="pending"))
        stage.record(later(make_order(), "completed"))
        stage.record(later(make_order(), "completed", 2))
        stage.record(replace(later(make_order(), "completed", 3), refunds=REFUNDS))
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
            rows = db.execute("SELECT actor, detail FROM audit WHERE action = 'order_read'").fetchall()
        assert [actor for actor, _ in rows] == ["shop"] * 3
        assert [detail.split(",")[0] for _, detail in rows] == ["pending", "completed", "completed"]
        assert rows[-1][1].endswith("refunds 77, 78")
