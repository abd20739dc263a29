"""Reading subscriptions: over a fake shop and the real ledger, with a clock that is moved."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.fakes import T0, make_order
from tests.spine import SUBSCRIPTIONS_EVERY_S, Spine
from wcsync.errors import ServiceBlocked, TransientError
from wcsync.gate import SHOP
from wcsync.health import Condition
from wcsync.model import OrderId, Unreadable
from wcsync.pollers.subscriptions import CURSOR, SELDOM_S, SubscriptionsPoller

YEARS = timedelta(days=2000)


@pytest.fixture
def logs() -> list[Any]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture.entries


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    made.store.subscriptions = {}
    yield made
    made.close()


@pytest.fixture
def begun(spine: Spine) -> Spine:
    """Has read subscription 77; ten minutes later."""
    spine.store.subscribe(77, T0)
    assert spine.subscriptions.poll_once()
    spine.tick(600)
    spine.store.subscription_windows.clear()
    spine.store.subscription_pages.clear()
    return spine


def known(spine: Spine) -> dict[int, str]:
    rows = spine.rows("SELECT subscription_id, status FROM subscriptions ORDER BY subscription_id")
    return {row["subscription_id"]: row["status"] for row in rows}


def events(logs: list[Any], name: str) -> list[Any]:
    return [entry for entry in logs if entry["event"] == name]


def raising(error: BaseException, page: int | None = None) -> Callable[[int], None]:
    def fail(number: int) -> None:
        if page is None or number == page:
            raise error

    return fail


def position(spine: Spine) -> Any:
    cursor = spine.ledger.read_cursor(CURSOR)
    return cursor and cursor.position


# -- what is read ----------------------------------------------------------------------------------------------------


def test_a_new_ledger_reads_all_however_long_they_have_been_still(spine: Spine) -> None:
    for number in range(1, 9):
        spine.store.subscribe(number, T0 - YEARS, status="cancelled")
    assert spine.subscriptions.poll_once()
    assert known(spine) == dict.fromkeys(range(1, 9), "cancelled")


def test_later_looks_read_what_changed_since(begun: Spine) -> None:
    begun.store.subscribe(78, begun.clock(), status="on-hold")
    assert begun.subscriptions.poll_once()
    assert known(begun) == {77: "active", 78: "on-hold"}
    assert begun.store.subscription_windows[-1] >= T0 - timedelta(seconds=300)


def test_one_that_changed_is_read_again(begun: Spine) -> None:
    begun.store.subscribe(77, begun.clock(), status="on-hold")
    begun.subscriptions.poll_once()
    assert known(begun) == {77: "on-hold"}


def test_the_cursor_is_its_own(begun: Spine) -> None:
    assert position(begun) == T0
    assert begun.ledger.read_cursor("orders") is None
    begun.poller.poll_once()
    assert position(begun) == T0


def test_reading_twice_brings_no_news(begun: Spine, logs: list[Any]) -> None:
    begun.subscriptions.poll_once()
    (told,) = events(logs, "subscriptions_polled")
    assert (told["log_level"], told["fresh"], told["complete"]) == ("debug", 0, True)


def test_news_are_told(begun: Spine, logs: list[Any]) -> None:
    begun.store.subscribe(78, begun.clock())
    begun.subscriptions.poll_once()
    (told,) = events(logs, "subscriptions_polled")
    assert (told["log_level"], told["fresh"]) == ("info", 1)


def test_a_walk_that_was_killed_goes_on_where_it_stopped(spine: Spine) -> None:
    for number in range(1, 9):
        spine.store.subscribe(number, T0)
    spine.store.before_subscriptions = raising(TransientError("shop: gone"), page=3)
    assert not spine.subscriptions.poll_once()
    assert set(known(spine)) == set(range(1, 7))
    spine.reopen()
    spine.store.before_subscriptions = lambda _number: None
    spine.store.subscription_pages.clear()
    spine.tick(60)
    assert spine.subscriptions.poll_once()
    assert set(known(spine)) == set(range(1, 9))
    assert spine.store.subscription_pages == [2, 3]


def test_one_that_cannot_be_read_costs_only_itself_and_is_told_once(spine: Spine, logs: list[Any]) -> None:
    spine.store.subscribe(77, T0)
    spine.store.unreadable_subscriptions = [Unreadable(order_id=OrderId(78), reason="status: missing")]
    for _ in range(2):
        assert spine.subscriptions.poll_once()
        spine.tick(600)
    assert known(spine) == {77: "active"}
    (told,) = events(logs, "subscription_unreadable")
    assert (told["log_level"], told["subscription_id"], told["reason"]) == ("warning", 78, "status: missing")


def test_a_shop_that_ignores_the_window_is_read_rightly_and_seldom(begun: Spine) -> None:
    begun.store.subscribe(77, T0 - YEARS)
    begun.store.ignores_window = True
    begun.store.subscribe(79, begun.clock(), status="expired")
    begun.subscriptions.run_if_due()
    assert known(begun) == {77: "active", 79: "expired"}
    assert looks_within(begun, SELDOM_S - 1) == 0
    assert looks_within(begun, 2) == 1


@pytest.mark.parametrize(
    "count", [pytest.param(3, id="an empty page last"), pytest.param(4, id="a new one last")]
)
def test_a_shop_that_ignores_the_window_is_known_by_all_its_pages(begun: Spine, count: int) -> None:
    begun.store.subscriptions = {}
    for number in range(1, 4):
        begun.store.subscribe(number, T0 - YEARS)
    if count > 3:
        begun.store.subscribe(4, begun.clock())
    begun.store.ignores_window = True
    begun.subscriptions.run_if_due()
    assert len(begun.store.subscription_pages) == 2
    assert looks_within(begun, SELDOM_S - 1) == 0


def looks_within(spine: Spine, seconds: float) -> int:
    """How often the shop is asked while so much time passes, if the schedule asks us every second or so."""
    before = len(spine.store.subscription_windows)
    for _ in range(100):
        spine.tick(seconds / 100)
        spine.subscriptions.run_if_due()
    return len(spine.store.subscription_windows) - before


# -- when ------------------------------------------------------------------------------------------------------------


def test_the_schedule_asks_often_and_the_shop_is_asked_seldom(spine: Spine) -> None:
    spine.subscriptions.run_if_due()
    assert len(spine.store.subscription_windows) == 1
    assert looks_within(spine, SUBSCRIPTIONS_EVERY_S - 1) == 0
    assert looks_within(spine, 2) == 1
    assert looks_within(spine, SUBSCRIPTIONS_EVERY_S * 3.2) == 3


def test_a_shop_without_subscriptions_is_asked_once_an_hour(spine: Spine, logs: list[Any]) -> None:
    spine.store.subscriptions = None
    spine.subscriptions.run_if_due()
    assert looks_within(spine, SELDOM_S - 1) == 0
    assert looks_within(spine, 2) == 1
    assert spine.ledger.read_cursor(CURSOR) is None
    assert [entry for entry in logs if "subscription" in entry["event"]] == []


def test_a_plugin_that_is_switched_on_is_noticed_within_the_hour(spine: Spine) -> None:
    spine.store.subscriptions = None
    spine.subscriptions.run_if_due()
    spine.store.subscribe(77, T0 - YEARS)
    spine.tick(SELDOM_S)
    spine.subscriptions.run_if_due()
    assert known(spine) == {77: "active"}


# -- trouble ---------------------------------------------------------------------------------------------------------


def sell(spine: Spine) -> None:
    """An order is in the ledger, that subscription 77 was begun by."""
    spine.record(make_order(1))
    spine.store.subscribe(77, T0, parent_id=1)


def test_a_plugin_that_is_switched_off_ends_nothing_and_is_told_once(begun: Spine, logs: list[Any]) -> None:
    sell(begun)
    begun.work()
    begun.store.subscriptions = None
    assert not begun.subscriptions.poll_once()
    begun.tick(SELDOM_S)
    begun.subscriptions.poll_once()
    begun.work()
    (told,) = events(logs, "subscriptions_unavailable")
    assert (told["log_level"], "switched off" in told["reason"]) == ("warning", True)
    assert known(begun) == {77: "active"}
    assert [what for what, _ in begun.lms.writes if what == "withdraw"] == []
    assert position(begun) == T0


def test_a_plugin_that_comes_back_is_read_on_and_told(begun: Spine, logs: list[Any]) -> None:
    kept = begun.store.subscriptions
    begun.store.subscriptions = None
    begun.subscriptions.poll_once()
    begun.store.subscriptions = kept
    begun.tick(SELDOM_S)
    begun.store.subscribe(77, begun.clock() - timedelta(seconds=1800), status="cancelled")
    begun.subscriptions.run_if_due()
    assert known(begun) == {77: "cancelled"}
    assert len(events(logs, "subscriptions_recovered")) == 1


@dataclass(frozen=True)
class Trouble:
    error: Exception
    told: str


TROUBLES = {
    "refused": Trouble(ServiceBlocked("shop: may not be read with this key"), "may not be read"),
    "fault-of-the-plugin": Trouble(TransientError("shop: reports an error inside it"), "error inside"),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_trouble_with_subscriptions_alone_holds_up_no_orders_and_is_told_once(
    begun: Spine, logs: list[Any], case: str
) -> None:
    trouble = TROUBLES[case]
    begun.store.before_subscriptions = raising(trouble.error)
    for _ in range(3):
        assert not begun.subscriptions.poll_once()
        assert begun.poller.patient.is_up()
        assert begun.poller.poll_once().complete
        begun.tick(SUBSCRIPTIONS_EVERY_S)
    (told,) = events(logs, "subscriptions_unavailable")
    assert trouble.told in told["reason"]
    begun.store.before_subscriptions = lambda _number: None
    assert begun.subscriptions.poll_once()
    assert len(events(logs, "subscriptions_recovered")) == 1


def test_a_shop_that_asks_to_be_left_alone_is_left_alone(begun: Spine) -> None:
    begun.store.before_subscriptions = raising(TransientError("shop: too many requests", retry_after_s=900))
    begun.subscriptions.run_if_due()
    assert begun.ledger.read_service(SHOP, begun.clock()).health.condition is Condition.DOWN
    assert not begun.poller.poll_once().asked
    assert looks_within(begun, 890) == 0


def test_a_shop_that_is_left_alone_is_not_asked_for_subscriptions_either(begun: Spine) -> None:
    begun.poller.patient.note_error(TransientError("shop: 503", retry_after_s=900))
    assert not begun.subscriptions.poll_once()
    assert begun.store.subscription_windows == []


def test_subscriptions_that_can_be_read_do_not_say_that_orders_can(begun: Spine) -> None:
    begun.poller.patient.note_error(ServiceBlocked("shop: its list of orders is a cache's"))
    begun.tick(1800)
    assert begun.subscriptions.poll_once()
    assert begun.poller.patient.health.condition is Condition.BLOCKED
    assert begun.poller.poll_once().complete
    assert begun.poller.patient.is_up()


def test_another_shop_at_the_same_address_is_not_listened_to(begun: Spine) -> None:
    begun.store.url = "https://staging.example.com"
    begun.store.subscribe(77, begun.clock(), status="cancelled")
    begun.reopen()
    assert not begun.subscriptions.poll_once()
    assert known(begun) == {77: "active"}


def test_a_fault_of_ours_is_told_and_put_off_by_an_hour(begun: Spine, logs: list[Any]) -> None:
    begun.store.before_subscriptions = raising(sqlite3.OperationalError("disk I/O error"))
    begun.subscriptions.run_if_due()
    assert [entry["log_level"] for entry in events(logs, "poller_failed")] == ["critical"]
    assert looks_within(begun, SELDOM_S - 1) == 0


def test_a_walk_is_left_where_it_is_when_the_process_stops(spine: Spine) -> None:
    for number in range(1, 9):
        spine.store.subscribe(number, T0)
    fields = ("store", "ledger", "gate", "patient", "planner", "clock", "every_s", "overlap_s")
    stopping = SubscriptionsPoller(
        **{name: getattr(spine.subscriptions, name) for name in fields},
        stopping=lambda: 2 in spine.store.subscription_pages,
    )
    assert not stopping.poll_once()
    assert set(known(spine)) == {1, 2, 3}
    assert spine.subscriptions.poll_once()
    assert set(known(spine)) == set(range(1, 9))


def test_after_the_shops_clock_was_set_back_what_changes_then_is_read(begun: Spine) -> None:
    begun.subscriptions.poll_once()
    begun.tick(600)
    begun.store.now = T0 - timedelta(hours=3)
    begun.store.subscribe(77, T0 - timedelta(hours=3), status="on-hold")
    begun.store.subscribe(78, T0 - timedelta(hours=3))
    assert begun.subscriptions.poll_once()
    assert set(known(begun)) == {77, 78}
