"""What became of each paid line, in one word."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.spine import Spine
from wcsync.errors import PermanentError
from wcsync.ledger.base import Deferral
from wcsync.ledger.report import Report
from wcsync.model import LineId, Order, OrderId, Person
from wcsync.sale import Access, Refund, RefundLine, Terms, Withdrawal


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


def fates(spine: Spine, *order_ids: int) -> list[str]:
    with closing(Report(spine.path)) as report:
        found = report.line_fates([OrderId(order_id) for order_id in order_ids or (1,)])
    return [found[key] for key in sorted(found)]


def refunded(order: Order, quantity: int) -> Order:
    back = RefundLine(line_id=1, quantity=Decimal(quantity), total=Decimal(16 * quantity))
    refund = Refund(refund_id=77, total=Decimal(49), lines=(back,))
    return replace(order, refunds=(refund,), modified_at=order.modified_at + timedelta(minutes=1))


def enrolled(spine: Spine, quantity: str = "1") -> Order:
    order = make_order(lines=(make_line(quantity=quantity),))
    spine.record(order)
    spine.work()
    return order


def give_up(spine: Spine) -> None:
    def refuse(_what: str) -> None:
        raise PermanentError("no such course")

    spine.lms.before_write = refuse
    enrolled(spine)


def drop(spine: Spine) -> None:
    give_up(spine)
    spine.ledger.desk.drop_dead(1, T0)


def wait_for_budget(spine: Spine) -> None:
    spine.record(make_order())
    claim = spine.ledger.claim(CAMPUS, T0)
    assert claim is not None
    waits = Deferral(
        retry_at=T0 + timedelta(days=1), kind="budget", reason="full", counted=False, open_since=None
    )
    spine.ledger.settle_deferred(claim, waits, T0)


def hold_before(spine: Spine) -> None:
    spine.record(make_order())
    spine.ledger.desk.hold(OrderId(1), "", spine.plan, T0)


def hold_after(spine: Spine) -> None:
    enrolled(spine)
    spine.ledger.desk.hold(OrderId(1), "", spine.plan, T0)


def expire(spine: Spine) -> None:
    spine.mapping.terms["PY-101"] = Terms(access=Access(days=1))
    enrolled(spine)
    spine.tick(86400)
    spine.ledger.end_expired(spine.clock())


def give_back(spine: Spine) -> None:
    spine.record(refunded(enrolled(spine), 1))
    spine.work()


def give_back_before(spine: Spine) -> None:
    spine.record(refunded(make_order(), 1))


def give_back_some(spine: Spine) -> None:
    spine.record(refunded(enrolled(spine, "3"), 2))


def relink(spine: Spine) -> None:
    enrolled(spine)
    spine.ledger.desk.relink("ana@example.test", Person(email="ana@example.com"), spine.plan, T0)
    spine.work()


@pytest.mark.parametrize(
    ("act", "fate"),
    [
        pytest.param(lambda spine: spine.record(make_order()), "due", id="due"),
        pytest.param(enrolled, "enrolled", id="enrolled"),
        pytest.param(lambda spine: enrolled(spine, "3"), "open_seats", id="open"),
        pytest.param(
            lambda spine: spine.record(make_order(lines=(make_line(quantity="3"),))), "due", id="open and due"
        ),
        pytest.param(give_up, "dead", id="dead"),
        pytest.param(drop, "dropped", id="dropped"),
        pytest.param(wait_for_budget, "parked", id="budget"),
        pytest.param(hold_before, "parked", id="held before"),
        pytest.param(hold_after, "enrolled", id="held after"),
        pytest.param(expire, "ended", id="expired"),
        pytest.param(give_back, "ended", id="refunded"),
        pytest.param(give_back_before, "ended", id="refunded before it was read"),
        pytest.param(give_back_some, "enrolled", id="open seats refunded"),
        pytest.param(relink, "enrolled", id="relinked"),
    ],
)
def test_each_paid_line_has_its_fate(spine: Spine, act: Callable[[Spine], object], fate: str) -> None:
    act(spine)
    assert fates(spine) == [fate]
    assert spine.summary().unexplained == 0


@pytest.mark.parametrize("on_withdraw", [Withdrawal.KEEP, Withdrawal.ASK, Withdrawal.UNENROL])
@pytest.mark.parametrize("then", [None, Withdrawal.UNENROL], ids=["sold alike", "sold to be unenrolled"])
def test_a_time_that_was_over_when_it_was_read_is_explained_where_a_refund_left_its_learner(
    spine: Spine, on_withdraw: Withdrawal, then: Withdrawal | None
) -> None:
    """Whoever was left in the course, or is out, is so by the refund; the time sold since ran out by itself."""
    spine.mapping.terms["PY-101"] = Terms(on_withdraw=on_withdraw)
    spine.record(refunded(enrolled(spine), 1))
    spine.work()
    outcome = spine.rows("SELECT outcome, applied, revision FROM enrolments")
    spine.mapping.terms["PY-101"] = Terms(access=Access(days=1), on_withdraw=then or on_withdraw)
    spine.tick(3 * 86400)
    spine.record(make_order(2))
    spine.work()
    assert fates(spine, 1, 2) == ["ended", "ended"]
    assert spine.summary().unexplained == 0
    if on_withdraw is not Withdrawal.UNENROL:
        assert spine.rows("SELECT outcome, applied, revision FROM enrolments") == outcome


def test_the_fates_of_several_orders_are_told_line_by_line(spine: Spine) -> None:
    lines = (make_line(1), make_line(2, sku="NEW"), make_line(3, sku="T-SHIRT"), make_line(4, quantity="0"))
    spine.record(
        make_order(1, lines=lines), make_order(2, email="bea@example.test"), make_order(3, status="pending")
    )
    spine.work()
    assert fates(spine, 1, 3) == ["enrolled", "unmapped", "ignored", "parked"]
    with closing(Report(spine.path)) as report:
        assert report.line_fates([OrderId(2)]) == {(2, LineId(1)): "enrolled"}
        assert report.line_fates([]) == {}


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param("UPDATE order_lines SET verdict = 'ended'", id="a live line is called ended"),
        pytest.param("UPDATE entitlements SET live = 0", id="a seat ended without a cause"),
        pytest.param("UPDATE enrolments SET desired = 'out'", id="out without a cause"),
        pytest.param("DELETE FROM enrolments", id="no wish"),
    ],
)
def test_what_nobody_can_explain_is_told(spine: Spine, harm: str) -> None:
    enrolled(spine)
    spine.execute(harm)
    assert fates(spine) == ["unexplained"]
