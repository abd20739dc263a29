"""The queries that run all day use their index: what they cost does not grow with what is settled."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.spine import Spine
from wcsync.ledger import claims, people
from wcsync.ledger import ledger as ledger_module
from wcsync.ledger import report as report_module
from wcsync.ledger.base import AccountLimit, Limits
from wcsync.model import Order
from wcsync.sale import Subscription


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


def statements(spine: Spine, act: Callable[[], object]) -> list[str]:
    """What SQLite is told while `act` runs, with its values filled in."""
    told: list[str] = []
    spine.ledger._db.set_trace_callback(told.append)
    try:
        act()
    finally:
        spine.ledger._db.set_trace_callback(None)
    return [statement for statement in told if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", statement)]


def plan_of(spine: Spine, statement: str) -> list[str]:
    with closing(sqlite3.connect(spine.path)) as db:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]


def scans(spine: Spine, told: list[str]) -> list[tuple[str, str]]:
    """Every step that walks a table or all rows of an LMS, or sorts, and its statement."""
    return [
        (step, " ".join(statement.split()))
        for statement in told
        for step in plan_of(spine, statement)
        if re.match(r"SCAN (?!CONSTANT|\d+ CONSTANT)|USE TEMP B-TREE|.* USING PRIMARY KEY \(lms=\?\)$", step)
    ]


def busy_day(spine: Spine) -> None:
    order = make_order(lines=(make_line(1, sku="BOTH"), make_line(2, sku="NEW"), make_line(3, quantity="2")))
    spine.poller.poll_once()
    spine.record(order)
    spine.work()
    spine.record(later(order))
    spine.lms.enrolled.clear()
    spine.work()


def later(order: Order) -> Order:
    return replace(order, status="refunded", modified_at=order.modified_at + timedelta(minutes=1))


def test_no_step_of_the_daily_work_walks_a_table(spine: Spine) -> None:
    spine.store.put(make_order(77, email="bea@example.test", modified_at=T0 + timedelta(seconds=1)))
    spine.ledger.record_identity("shop", spine.store.url, "Shop", T0)
    spine.ledger.record_identity("campus", spine.lms.identity, "Campus", T0)
    told = statements(spine, lambda: busy_day(spine))
    assert len(told) > 40
    assert scans(spine, told) == []


def test_the_oldest_due_row_is_found_by_its_index_in_its_order(spine: Spine) -> None:
    steps = plan_of(spine, claims._OLDEST_DUE.replace(":lms", "'campus'").replace(":now", "'z'"))
    assert "SEARCH due USING INDEX enrolments_due (lms=? AND next_attempt_at<?)" in steps
    assert "SEARCH held USING INDEX enrolments_leased (lms=? AND learner_key=?)" in steps
    assert not any("TEMP B-TREE" in step for step in steps)


def test_limits_are_looked_at_by_their_indexes(spine: Spine) -> None:
    orders = [make_order(n, email=f"{n}@example.test") for n in range(1, 11)]
    spine.record(*orders)
    spine.work()
    spine.record(*(later(order) for order in orders))
    spine.tick(1)  # so that a withdrawal is the oldest due row, whatever the keys
    spine.record(make_order(99, email="99@example.test"))
    told = statements(spine, lambda: spine.ledger.claim(CAMPUS, spine.clock(), Limits(most=25, share=0.1)))
    bounded = re.compile(
        "SCAN (enrolments USING INDEX enrolments_(leaving|inside)|.subquery|cursors|json_each)"
    )
    assert [step for step, one in scans(spine, told) if not (bounded.match(step) and "LIMIT" in one)] == []
    steps = {step for statement in told for step in plan_of(spine, statement)}
    for index in ("leaving", "left", "inside", "free"):
        assert any(f"INDEX enrolments_{index}" in step for step in steps), index


def test_what_ends_next_is_found_by_its_index(spine: Spine) -> None:
    told = statements(spine, lambda: spine.ledger.end_expired(T0))
    assert [step for one in told for step in plan_of(spine, one)] == [
        "SEARCH enrolments USING INDEX enrolments_ending (until>? AND until<?)",
        "SEARCH enrolments USING INDEX enrolments_over (until>?)",
    ]


def test_an_account_is_counted_by_its_index(spine: Spine) -> None:
    spine.record(make_order())
    claim = spine.ledger.claim(CAMPUS, T0)
    assert claim is not None
    limit = AccountLimit(day_began=T0, next_day=T0 + timedelta(days=1), per_day=5, total=9)
    told = statements(spine, lambda: spine.ledger.reserve_account(claim, limit, T0))
    steps = [step for one in told for step in plan_of(spine, one)]
    assert sum("INDEX new_accounts_lately" in step for step in steps) == 2


def test_the_orders_of_a_subscription_are_found_by_their_indexes(spine: Spine) -> None:
    spine.record(make_order(1), replace(make_order(2), renews=(900,)))
    about = Subscription(
        subscription_id=900, parent_id=1, status="on-hold", products=frozenset({17}), modified_at=T0
    )
    told = statements(spine, lambda: spine.ledger.record_subscriptions([about], spine.plan, None, T0))
    walked = [step for step, _ in scans(spine, told)]
    assert [step for step in walked if "VIRTUAL TABLE" not in step and "TEMP B-TREE" not in step] == []


def test_unmapped_orders_are_found_by_their_index(spine: Spine) -> None:
    statement = ledger_module._UNMAPPED_ORDERS.replace("?", "7")
    assert plan_of(spine, statement) == ["SEARCH order_lines USING INDEX lines_unmapped (order_id>?)"]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(report_module._DEAD, id="listed"),
        pytest.param(re.sub(r":\w+", "NULL", people._DEAD), id="revived"),
    ],
)
def test_dead_rows_are_found_by_their_index(spine: Spine, statement: str) -> None:
    assert any("USING INDEX enrolments_dead" in step for step in plan_of(spine, statement))


def test_recovering_leases_looks_at_leases_alone(spine: Spine) -> None:
    told = statements(spine, lambda: spine.ledger.recover(T0, T0))
    steps = [step for statement in told for step in plan_of(spine, statement)]
    assert steps
    indexes = ("enrolments_leased", "enrolments_due", "outbox_leased", "outbox_due", "confirmations_due")
    assert all(any(index in step for index in indexes) for step in steps), steps


def steps_of(spine: Spine, act: Callable[[], object]) -> int:
    """How many steps of its virtual machine SQLite takes."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    spine.ledger._db.set_progress_handler(count, 1)
    try:
        act()
    finally:
        spine.ledger._db.set_progress_handler(None, 1)
    return taken


def test_one_more_order_costs_the_same_after_five_thousand_as_after_a_hundred(spine: Spine) -> None:
    def sell_and_work(order_id: int) -> None:
        spine.record(make_order(order_id, email=f"{order_id}@example.test"))
        claim = spine.ledger.claim(CAMPUS, spine.clock())
        assert claim is not None
        spine.ledger.next_due_at(CAMPUS)
        spine.ledger.replan_unmapped(spine.plan, spine.clock())
        spine.execute("UPDATE enrolments SET state = 'settled' WHERE state = 'leased'")

    def history(first: int, last: int) -> None:
        spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(first, last)))
        spine.execute("UPDATE enrolments SET state = 'settled', applied = 'in', applied_revision = revision")

    history(1, 101)
    sell_and_work(100_001)
    few = steps_of(spine, lambda: sell_and_work(100_002))
    history(101, 5_001)
    many = steps_of(spine, lambda: sell_and_work(100_003))
    assert few > 100
    assert many < few * 1.2
