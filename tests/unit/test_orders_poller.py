import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.fakes import T0, make_line, make_order
from tests.spine import Spine
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.gate import SHOP
from wcsync.health import Condition
from wcsync.model import OrderId, Page, Unreadable
from wcsync.pollers.walking import Tide

MINUTE = timedelta(minutes=1)


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def begun(spine: Spine) -> Spine:
    """Polled once, with the shop empty; ten minutes later."""
    assert spine.poller.poll_once().complete
    spine.tick(600)
    spine.store.asked.clear()
    spine.store.pages.clear()
    return spine


@pytest.fixture
def logs() -> list[Any]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture.entries


def sell(spine: Spine, *order_ids: int, ago_s: float = 0) -> None:
    for order_id in order_ids:
        at = spine.clock() - timedelta(seconds=ago_s)
        spine.store.put(make_order(order_id, email=f"{order_id}@example.test", modified_at=at))


def position(spine: Spine) -> Any:
    cursor = spine.ledger.read_cursor("orders")
    assert cursor is not None
    return cursor.position


def known(spine: Spine) -> set[int]:
    return {row["order_id"] for row in spine.rows("SELECT order_id FROM orders")}


def raising(error: BaseException, page: int | None = None) -> Callable[..., None]:
    def fail(number: int | None = None) -> None:
        if page is None or number == page:
            raise error

    return fail


def health(spine: Spine) -> Any:
    return spine.ledger.read_service(SHOP, spine.clock()).health


# -- beginning -------------------------------------------------------------------------------------------------------


def test_a_new_ledger_begins_now_by_the_shops_clock_and_says_so(spine: Spine, logs: list[Any]) -> None:
    spine.store.now = T0 + timedelta(hours=3)
    spine.store.put(make_order(1, modified_at=T0))
    assert spine.poller.poll_once().complete
    assert position(spine) == T0 + timedelta(hours=3)
    assert known(spine) == set()
    (told,) = [entry for entry in logs if entry["event"] == "ledger_started"]
    assert (told["log_level"], told["orders_since"]) == ("warning", "2026-11-21T14:55:00.000000Z")
    assert "wcsync backfill" in told["hint"]


def test_a_new_ledger_that_cannot_be_written_yet_begins_where_it_was_first_looked_at(spine: Spine) -> None:
    spine.store.now = T0
    spine.ledger._db.execute("PRAGMA query_only = 1")
    assert not spine.poller.poll_once().complete
    spine.store.put(make_order(1, modified_at=T0 + MINUTE))
    spine.tick(600)
    spine.store.now = T0 + 10 * MINUTE
    spine.ledger._db.execute("PRAGMA query_only = 0")
    assert spine.poller.poll_once().complete
    assert position(spine) >= T0 + MINUTE
    assert known(spine) == {1}


def test_what_the_log_calls_the_beginning_is_what_is_asked_for(spine: Spine, logs: list[Any]) -> None:
    spine.poller.poll_once()
    (told,) = [entry for entry in logs if entry["event"] == "ledger_started"]
    assert spine.store.asked[0].strftime("%Y-%m-%dT%H:%M:%S.%fZ") == told["orders_since"]


def test_a_new_ledger_may_begin_at_an_instant(tmp_path: Path) -> None:
    spine = Spine(tmp_path, start=T0 - timedelta(days=30))
    spine.store.put(make_order(1, modified_at=T0 - timedelta(days=20)))
    spine.store.put(make_order(2, modified_at=T0 - timedelta(days=40)))
    assert spine.poller.poll_once().complete
    assert known(spine) == {1}
    spine.close()


def test_the_beginning_is_told_once(begun: Spine, logs: list[Any]) -> None:
    begun.poller.poll_once()
    assert [entry for entry in logs if entry["event"] == "ledger_started"] == []


# -- the cursor ------------------------------------------------------------------------------------------------------


def test_each_poll_reaches_back_behind_the_cursor(begun: Spine) -> None:
    begun.poller.poll_once()
    assert begun.store.asked == [T0 - timedelta(seconds=300)]


@pytest.fixture
def tidal(begun: Spine) -> Spine:
    """The poller's watch goes with the clock."""
    begun.poller = replace(begun.poller, tide=Tide(lambda: begun.clock().timestamp()))
    return begun


def test_a_bulk_edit_is_not_read_again_for_ever_on_a_quiet_shop(tidal: Spine) -> None:
    sell(tidal, *range(1, 20))
    for _ in range(12):
        tidal.poller.poll_once()
        tidal.tick(60)
    tidal.store.pages.clear()
    tidal.poller.poll_once()
    assert tidal.store.pages == [1]
    assert tidal.store.asked[-1] == position(tidal)


def test_a_change_that_becomes_visible_late_is_seen_as_long_as_the_overlap_says(tidal: Spine) -> None:
    sell(tidal, 1)
    tidal.poller.poll_once()
    tidal.tick(299)
    sell(tidal, 2, ago_s=299 + 290)
    tidal.poller.poll_once()
    assert known(tidal) == {1, 2}


def test_a_newer_change_makes_polls_reach_back_again(tidal: Spine) -> None:
    sell(tidal, 1)
    for _ in range(12):
        tidal.poller.poll_once()
        tidal.tick(60)
    sell(tidal, 2)
    tidal.poller.poll_once()
    sell(tidal, 3, ago_s=200)
    tidal.tick(2)
    tidal.poller.poll_once()
    assert known(tidal) == {1, 2, 3}


def test_an_outage_is_no_time_in_which_late_changes_were_looked_for(tidal: Spine) -> None:
    sell(tidal, 1)
    tidal.poller.poll_once()
    tidal.tick(60)
    tidal.poller.poll_once()

    def refuse(_page: int) -> None:
        raise TransientError("shop: down", whole_service=True)

    tidal.store.on_page = refuse
    tidal.tick(7200)
    tidal.poller.poll_once()
    tidal.store.on_page = lambda _page: None
    sell(tidal, 2, ago_s=60 + 7200 + 200)
    tidal.tick(3600)
    tidal.poller.poll_once()
    assert known(tidal) == {1, 2}


def test_the_rest_of_a_walk_is_no_second_look_at_its_first_pages(tidal: Spine) -> None:
    sell(tidal, *range(2, 9))
    for _ in range(2):
        tidal.poller.poll_once()
        tidal.tick(60)
    tidal.store.on_page = raising(TransientError("timed out"), 3)
    tidal.poller.poll_once()
    tidal.store.on_page = lambda _page: None
    sell(tidal, 1, ago_s=120 + 10)
    tidal.tick(3600)
    for _ in range(2):
        assert tidal.poller.poll_once().complete
    assert 1 in known(tidal)


def test_once_a_clock_that_was_set_back_has_caught_up_polls_reach_back_again(tidal: Spine) -> None:
    tidal.store.now = tidal.clock() + 20 * MINUTE
    sell(tidal, 1, ago_s=-1200)
    tidal.poller.poll_once()
    for _ in range(19):
        tidal.tick(60)
        tidal.poller.poll_once()
    tidal.tick(30)
    sell(tidal, 2)
    tidal.tick(60)
    tidal.poller.poll_once()
    assert known(tidal) == {1, 2}


def test_the_cursor_is_the_newest_change_seen(begun: Spine) -> None:
    sell(begun, 1, ago_s=60)
    sell(begun, 2, ago_s=120)
    assert begun.poller.poll_once().complete
    assert position(begun) == begun.clock() - MINUTE


def test_with_nothing_seen_the_cursor_stays(begun: Spine) -> None:
    assert begun.poller.poll_once().complete
    assert position(begun) == T0


def test_our_own_clock_plays_no_part(begun: Spine) -> None:
    sell(begun, 1)
    begun.clock.now += timedelta(days=300)
    assert begun.poller.poll_once().complete
    assert position(begun) == T0 + timedelta(minutes=10)


def test_a_change_dated_in_the_future_carries_the_cursor_no_further_than_the_shops_clock(
    begun: Spine,
) -> None:
    sell(begun, 1, ago_s=-365 * 86400)
    assert begun.poller.poll_once().complete
    assert position(begun) == begun.clock()
    begun.tick(3600)
    sell(begun, 2)
    assert begun.poller.poll_once().complete
    assert known(begun) == {1, 2}


def test_a_shop_whose_clock_was_a_year_ahead_for_once_hides_no_later_order(begun: Spine) -> None:
    begun.store.now += timedelta(days=365)
    begun.store.put(make_order(1, modified_at=begun.store.now))
    assert begun.poller.poll_once().complete
    begun.tick(2 * 86400)
    sell(begun, 2)
    assert begun.poller.poll_once().complete
    assert known(begun) == {1, 2}


def test_a_ledger_begun_while_the_shops_clock_was_a_year_ahead_hides_no_later_order(spine: Spine) -> None:
    spine.store.now += timedelta(days=365)
    assert spine.poller.poll_once().complete
    spine.tick(2 * 86400)
    sell(spine, 2)
    assert spine.poller.poll_once().complete
    assert known(spine) == {2}


def test_the_cursor_is_capped_by_the_clock_at_the_walks_beginning(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4, ago_s=60)
    began = begun.clock()

    def change_meanwhile(number: int) -> None:
        if number == 2:
            begun.tick(400)
            begun.store.change(4, begun.clock())

    begun.store.on_page = change_meanwhile
    assert begun.poller.poll_once().complete
    assert position(begun) == began


def test_an_order_changed_after_its_page_was_read_is_seen_by_the_next_poll(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4, ago_s=60)

    def complete_meanwhile(number: int) -> None:
        if number == 2:
            begun.tick(400)
            begun.store.change(1, begun.clock() - timedelta(seconds=300), status="refunded")
            begun.store.change(4, begun.clock())

    begun.store.on_page = complete_meanwhile
    assert begun.poller.poll_once().complete
    begun.store.on_page = lambda _number: None
    begun.tick(5)
    assert begun.poller.poll_once().complete
    (row,) = begun.rows("SELECT status FROM orders WHERE order_id = 1")
    assert row["status"] == "refunded"


def test_an_order_changed_in_the_second_of_the_cursor_is_seen(tmp_path: Path) -> None:
    spine = Spine(tmp_path, overlap_s=1)
    spine.poller.poll_once()
    spine.tick(600)
    sell(spine, 1)
    spine.poller.poll_once()
    sell(spine, 2)
    spine.tick(1)
    spine.poller.poll_once()
    assert known(spine) == {1, 2}
    spine.close()


# -- walks that are cut short ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "error", [TransientError("timed out"), KeyboardInterrupt()], ids=["trouble", "killed"]
)
def test_a_walk_cut_short_goes_on_where_it_stopped_and_loses_nothing(
    begun: Spine, page: int, error: BaseException
) -> None:
    sell(begun, *range(1, 12), ago_s=60)
    begun.store.on_page = raising(error, page)
    if isinstance(error, Exception):
        assert not begun.poller.poll_once().complete
    else:
        with pytest.raises(KeyboardInterrupt):
            begun.poller.poll_once()
    assert known(begun) == set(range(1, 3 * page - 2))
    assert position(begun) == T0
    begun.store.on_page = lambda _number: None
    begun.store.pages.clear()
    begun.tick(60)
    begun.reopen()
    assert begun.poller.poll_once().complete
    assert known(begun) == set(range(1, 12))
    assert begun.store.pages == list(range(max(page - 1, 1), 5))
    assert position(begun) == begun.clock() - 2 * MINUTE


def test_an_order_that_came_while_the_walk_was_cut_short_is_not_lost(begun: Spine) -> None:
    sell(begun, 5, 6, 7, 8, 9, 10, 11, ago_s=60)
    begun.store.on_page = raising(TransientError("timed out"), 3)
    begun.poller.poll_once()
    begun.store.on_page = lambda _number: None
    begun.tick(3600)
    sell(begun, 1, 2, 12)
    assert begun.poller.poll_once().complete
    assert begun.poller.poll_once().complete
    assert known(begun) == {1, 2, *range(5, 13)}


def test_a_walk_with_another_window_begins_anew(begun: Spine) -> None:
    sell(begun, *range(1, 9), ago_s=60)
    begun.store.on_page = raising(TransientError("timed out"), 3)
    begun.poller.poll_once()
    begun.store.on_page = lambda _number: None
    begun.overlap_s = 7200
    begun.tick(60)
    begun.reopen()
    begun.store.pages.clear()
    assert begun.poller.poll_once().complete
    assert begun.store.pages[0] == 1


# -- orders deleted for good while we read ---------------------------------------------------------------------------


def deleting(spine: Spine, order_id: int, page: int) -> Callable[[int], None]:
    def delete(number: int) -> None:
        if number == page:
            spine.store.orders.pop(order_id, None)

    return delete


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 9], ids=lambda n: f"{n} orders")
def test_an_order_deleted_between_two_pages_hides_no_other(begun: Spine, count: int) -> None:
    sell(begun, *range(1, count + 1), ago_s=60)
    begun.store.on_page = deleting(begun, 1, 2)
    assert begun.poller.poll_once().complete
    assert known(begun) == set(range(1, count + 1))


def test_an_order_deleted_while_the_walk_was_cut_short_hides_no_other(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4, ago_s=60)
    begun.store.on_page = raising(TransientError("timed out"), 2)
    begun.poller.poll_once()
    begun.store.on_page = lambda _number: None
    del begun.store.orders[1]
    begun.tick(60)
    assert begun.poller.poll_once().complete
    assert known(begun) == {1, 2, 3, 4}


def test_a_page_emptied_while_the_walk_was_cut_short_hides_no_other(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4, 5, 6, 7, ago_s=60)
    begun.store.on_page = raising(TransientError("timed out"), 3)
    begun.poller.poll_once()
    begun.store.on_page = lambda _number: None
    for order_id in (1, 2, 3, 4, 5):
        del begun.store.orders[order_id]
    begun.tick(60)
    assert begun.poller.poll_once().complete
    assert known(begun) == set(range(1, 8))


def test_a_last_page_that_is_full_needs_no_second_walk(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4, 5, 6, ago_s=60)
    assert begun.poller.poll_once().complete
    assert begun.store.pages == [1, 2, 3]


def test_a_shop_that_never_stops_deleting_is_left_to_the_next_poll(begun: Spine, logs: list[Any]) -> None:
    sell(begun, *range(1, 40), ago_s=60)

    def delete_one(number: int) -> None:
        if number == 2:
            begun.store.orders.pop(min(begun.store.orders))

    begun.store.on_page = delete_one
    assert not begun.poller.poll_once().complete
    assert position(begun) == T0
    assert [entry["complete"] for entry in logs if entry["event"] == "orders_polled"] == [False]
    begun.store.on_page = lambda _number: None
    assert begun.poller.poll_once().complete
    assert known(begun) == set(range(1, 40))


# -- trouble with the shop -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        pytest.param(TransientError("timed out"), Condition.DOWN, id="down"),
        pytest.param(ServiceBlocked("key refused"), Condition.BLOCKED, id="blocked"),
        pytest.param(PermanentError("not understood"), Condition.BLOCKED, id="not understood"),
    ],
)
def test_a_shop_in_trouble_is_noted_and_left_alone_for_a_while(
    begun: Spine, error: Exception, condition: Condition
) -> None:
    begun.store.on_page = raising(error)
    assert not begun.poller.poll_once().complete
    assert (health(begun).condition, health(begun).reason) == (condition, str(error))
    begun.store.asked.clear()
    assert not begun.poller.poll_once().complete
    assert begun.store.asked == []


def test_a_shop_that_recovered_is_read_again(begun: Spine, logs: list[Any]) -> None:
    sell(begun, 1)
    begun.store.on_page = raising(TransientError("timed out"))
    begun.poller.poll_once()
    begun.store.on_page = lambda _number: None
    begun.tick(60)
    assert begun.poller.poll_once().complete
    assert known(begun) == {1}
    assert [entry["event"] for entry in logs if "service" in entry] == [
        "service_unavailable",
        "service_recovered",
    ]


def test_a_wait_the_shop_asked_for_is_kept(begun: Spine) -> None:
    begun.store.on_page = raising(TransientError("maintenance", retry_after_s=600))
    begun.poller.poll_once()
    begun.store.on_page = lambda _number: None
    begun.tick(599)
    assert not begun.poller.poll_once().complete
    begun.tick(1)
    assert begun.poller.poll_once().complete


def test_a_shop_that_does_not_tell_the_time_is_blocked_and_nothing_is_recorded(begun: Spine) -> None:
    sell(begun, 1)
    begun.store.tells_time = False
    assert not begun.poller.poll_once().complete
    assert health(begun).condition is Condition.BLOCKED
    assert "Date header" in health(begun).reason
    assert known(begun) == set()


def test_a_new_ledger_cannot_begin_without_the_shops_time(spine: Spine) -> None:
    spine.store.tells_time = False
    assert not spine.poller.poll_once().complete
    assert "Date header" in health(spine).reason
    assert spine.ledger.read_cursor("orders") is None


def test_another_shop_at_the_address_is_not_read(begun: Spine) -> None:
    sell(begun, 1)
    begun.store.url = "https://staging.example.com"
    begun.tick(3600)
    assert not begun.poller.poll_once().complete
    assert (begun.store.asked, known(begun)) == ([], set())
    assert "`wcsync accept shop`" in health(begun).reason


def test_a_bug_is_told_and_does_not_get_out(begun: Spine, logs: list[Any]) -> None:
    begun.store.on_page = raising(ZeroDivisionError("boom"))
    assert not begun.poller.poll_once().complete
    (told,) = [entry for entry in logs if entry["log_level"] == "critical"]
    assert (told["event"], told["exc_info"]) == ("poller_failed", True)


def test_a_ledger_that_cannot_note_the_trouble_does_not_get_out_either(
    begun: Spine, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    begun.store.on_page = raising(TransientError("timed out"))
    monkeypatch.setattr(begun.ledger, "record_health", full)
    assert not begun.poller.poll_once().complete
    assert [entry["event"] for entry in logs if entry["log_level"] == "critical"] == ["poller_failed"]


# -- pages -----------------------------------------------------------------------------------------------------------


def test_an_idle_poll_is_one_page_and_one_transaction(begun: Spine) -> None:
    sell(begun, 1)
    begun.poller.poll_once()
    begun.store.pages.clear()
    told: list[str] = []
    begun.ledger._db.set_trace_callback(told.append)
    begun.tick(60)
    assert begun.poller.poll_once().complete
    begun.ledger._db.set_trace_callback(None)
    assert begun.store.pages == [1]
    assert [statement for statement in told if statement in {"BEGIN IMMEDIATE", "COMMIT"}] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


def test_an_idle_poll_says_nothing_worth_reading(begun: Spine, logs: list[Any]) -> None:
    sell(begun, 1)
    begun.store.unreadable = [Unreadable(order_id=OrderId(9), reason="half")]
    begun.poller.poll_once()
    begun.poller.poll_once()
    levels = [entry["log_level"] for entry in logs if entry["event"] == "orders_polled"]
    assert levels == ["info", "debug"]


def test_a_poll_that_brought_something_says_what(begun: Spine, logs: list[Any]) -> None:
    lines = (make_line(1), make_line(2, sku="NEW"), make_line(3, quantity="0"))
    begun.store.put(make_order(1, lines=lines, modified_at=begun.clock()))
    begun.poller.poll_once()
    (told,) = [entry for entry in logs if entry["event"] == "orders_polled"]
    assert {key: told[key] for key in ("fetched", "fresh", "lines", "unmapped", "parked", "complete")} == {
        "fetched": 1,
        "fresh": 1,
        "lines": 3,
        "unmapped": 1,
        "parked": 1,
        "complete": True,
    }
    assert "ana@" not in repr(logs)


def test_an_unreadable_order_is_parked_and_the_rest_goes_on(begun: Spine) -> None:
    sell(begun, 1)
    begun.store.unreadable = [Unreadable(order_id=OrderId(9), reason="line_items.0.quantity: not a number")]
    assert begun.poller.poll_once().complete
    assert known(begun) == {1}
    assert begun.rows("SELECT order_id, kind FROM parked") == [{"order_id": 9, "kind": "unreadable"}]


def test_the_mapping_in_force_at_each_page_counts(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4)

    def edit(number: int) -> None:
        if number == 2:
            begun.mapping.by_sku["PY-101"] = ("campus", "99")

    begun.store.on_page = edit
    begun.poller.poll_once()
    assert {row["course_id"] for row in begun.rows("SELECT course_id FROM enrolments")} == {"42", "99"}


def test_a_shop_that_does_not_count_is_read_all_the_same(
    begun: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_of = begun.store._page

    def uncounted(since: Any, number: int) -> Page:
        return replace(page_of(since, number), total=None)

    monkeypatch.setattr(begun.store, "_page", uncounted)
    sell(begun, *range(1, 8))
    assert begun.poller.poll_once().complete
    assert known(begun) == set(range(1, 8))


# -- what people ask for ---------------------------------------------------------------------------------------------


def test_a_backfill_reads_older_orders_and_leaves_the_cursor_alone(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4, ago_s=86400)
    record = begun.poller.read_since(begun.clock() - timedelta(days=2))
    assert (record.fetched, record.fresh) == (4, 4)
    assert position(begun) == T0
    cursor = begun.ledger.read_cursor("orders")
    assert cursor is not None
    assert cursor.walk is None


def test_a_backfill_loses_nothing_to_an_order_deleted_meanwhile(begun: Spine) -> None:
    sell(begun, 1, 2, 3, 4, 5, 6, 7, ago_s=86400)
    begun.store.on_page = deleting(begun, 1, 2)
    begun.poller.read_since(begun.clock() - timedelta(days=2))
    assert known(begun) == set(range(1, 8))


def test_a_backfill_that_cannot_be_complete_says_so(begun: Spine) -> None:
    sell(begun, *range(1, 40), ago_s=86400)

    def delete_one(number: int) -> None:
        if number == 2:
            begun.store.orders.pop(min(begun.store.orders))

    begun.store.on_page = delete_one
    with pytest.raises(TransientError, match="deleted for good"):
        begun.poller.read_since(begun.clock() - timedelta(days=2))


def test_a_backfill_refuses_another_shop(begun: Spine) -> None:
    begun.store.url = "https://staging.example.com"
    begun.tick(3600)
    with pytest.raises(ServiceBlocked):
        begun.poller.read_since(T0)


def test_one_order_may_be_read_again(begun: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    sell(begun, 7)
    record = begun.poller.read_order(OrderId(7))
    assert record is not None
    assert record.fresh == 1
    assert begun.poller.read_order(OrderId(8)) is None
    monkeypatch.setattr(
        begun.store, "fetch_order", lambda order_id: Unreadable(order_id=order_id, reason="half")
    )
    record = begun.poller.read_order(OrderId(9))
    assert record is not None
    assert record.parked == 1


def test_an_order_that_a_person_has_read_again_is_planned_by_the_rules_of_today(
    begun: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun, "never", frozenset({"@example.test"}))
    sell(begun, 7)
    begun.poller.poll_once()
    assert begun.summary().open_seats == 1
    monkeypatch.setattr(begun, "never", frozenset())
    begun.poller.poll_once()
    assert begun.summary().open_seats == 1
    begun.poller.read_order(OrderId(7))
    begun.work()
    assert (begun.summary().open_seats, len(begun.lms.enrolled)) == (0, 1)
    assert begun.rows("SELECT kind FROM parked") == []


def test_after_the_shops_clock_was_set_back_what_changes_then_is_read(spine: Spine) -> None:
    spine.store.now = spine.clock() + timedelta(hours=2)
    spine.store.put(make_order(1, modified_at=spine.clock() + timedelta(hours=2)))
    assert spine.poller.poll_once().complete
    spine.tick(60)
    spine.store.now = spine.clock()
    spine.store.put(
        make_order(2, email="bob@example.test", modified_at=spine.clock() - timedelta(seconds=10))
    )
    assert spine.poller.poll_once().complete
    assert spine.summary().orders == 2


def test_a_walk_is_left_where_it_is_when_the_process_is_to_stop(spine: Spine) -> None:
    for number in range(1, 8):
        spine.store.put(make_order(number, modified_at=T0 + timedelta(seconds=1)))
    stopping = replace(spine.poller, stopping=lambda: True)
    assert not stopping.poll_once().complete
    assert len(spine.store.asked) == 1
    assert spine.poller.poll_once().complete
    assert spine.summary().orders == 7
