"""What every `Store` keeps about subscriptions, and what WooCommerce's keeps besides.

The sandbox follows the plugin's documentation and source; no running shop was recorded.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import unquote

import pytest
import stamina

from tests.fakes import FakeStore
from wcsync.errors import ServiceBlocked, TransientError, WcsyncError
from wcsync.model import SubscriptionPage, Unreadable
from wcsync.sale import Subscription
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.shop import SandboxShop
from wcsync.store.base import Store
from wcsync.store.client import WooCommerce

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
PAGE_SIZE = 3


class Stage(Protocol):
    """A store that offers subscriptions, and hands to change them."""

    store: Store

    def subscribe(self, at: datetime) -> int: ...

    def hold(self, subscription_id: int) -> None: ...

    def delete(self, subscription_id: int) -> None: ...

    def switch_off(self) -> None: ...


class FakeStage:
    def __init__(self) -> None:
        self.fake = FakeStore(page_size=PAGE_SIZE, subscriptions={})
        self.store: Store = self.fake

    def subscribe(self, at: datetime) -> int:
        number = max(self.fake.subscriptions or (), default=100) + 1
        self.fake.subscribe(number, at)
        return number

    def hold(self, subscription_id: int) -> None:
        self.fake.subscribe(subscription_id, datetime.now(UTC), status="on-hold")

    def delete(self, subscription_id: int) -> None:
        assert self.fake.subscriptions is not None
        del self.fake.subscriptions[subscription_id]

    def switch_off(self) -> None:
        self.fake.subscriptions = None


class SandboxStage:
    def __init__(self, shop: SandboxShop, client: WooCommerce) -> None:
        self.shop = shop
        self.store: Store = client
        self.product = shop.add_product("Introducción a Python", sku="PY-101")
        shop.offers_subscriptions = True

    def subscribe(self, at: datetime) -> int:
        order_id = self.shop.buy("ana@example.test", lines=[(self.product, 1)], at=at)
        return self.shop.start_subscription(order_id, at=at)

    def hold(self, subscription_id: int) -> None:
        self.shop.hold_subscription(subscription_id)

    def delete(self, subscription_id: int) -> None:
        self.shop.delete_subscription(subscription_id)

    def switch_off(self) -> None:
        self.shop.offers_subscriptions = False


@contextlib.contextmanager
def sandbox(**settings: Any) -> Iterator[SandboxStage]:
    with (
        SandboxShop(**settings) as shop,
        contextlib.closing(
            WooCommerce(
                url=shop.url,
                consumer_key="ck_sandbox",
                consumer_secret="cs_sandbox",
                page_size=PAGE_SIZE,
                timeout_s=5.0,
            )
        ) as client,
    ):
        yield SandboxStage(shop, client)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(params=["fake", "sandbox"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
        return
    with sandbox() as there:
        yield there


@pytest.fixture
def woo() -> Iterator[SandboxStage]:
    with sandbox() as there:
        yield there


def read(store: Store, since: datetime = BEGIN, first_page: int = 1) -> list[SubscriptionPage]:
    return list(store.fetch_subscription_pages(since, first_page=first_page))


def ids(pages: list[SubscriptionPage]) -> list[int]:
    return [one.subscription_id for page in pages for one in page.subscriptions]


def only(store: Store) -> Subscription:
    [page] = read(store)
    [one] = page.subscriptions
    return one


# -- every store -----------------------------------------------------------------------------------------------------


def test_a_store_without_subscriptions_says_so_and_that_is_no_error(stage: Stage) -> None:
    stage.switch_off()
    [page] = read(stage.store)
    assert (page.offered, page.last, page.subscriptions) == (False, True, ())


def test_a_store_whose_subscriptions_were_switched_off_says_nothing_about_one_of_them(stage: Stage) -> None:
    number = stage.subscribe(BEGIN)
    stage.switch_off()
    found = stage.store.fetch_subscription(number)
    assert isinstance(found, Unreadable)
    assert (found.order_id, "no subscriptions" in found.reason) == (number, True)


def test_a_store_may_begin_to_have_subscriptions(stage: Stage) -> None:
    stage.switch_off()
    read(stage.store)
    if isinstance(stage, SandboxStage):
        stage.shop.offers_subscriptions = True
    number = stage.subscribe(BEGIN + timedelta(seconds=1))
    assert ids(read(stage.store)) == [number]


def test_a_quiet_store_has_one_empty_last_page(stage: Stage) -> None:
    stage.subscribe(BEGIN)
    [page] = read(stage.store)
    assert (page.number, page.size, page.subscriptions, page.last, page.offered) == (1, 0, (), True, True)


def test_the_window_begins_after_the_instant_itself(stage: Stage) -> None:
    stage.subscribe(BEGIN)
    later = stage.subscribe(BEGIN + timedelta(seconds=1))
    assert ids(read(stage.store)) == [later]


def test_all_come_in_order_of_id_over_all_pages(stage: Stage) -> None:
    numbers = [stage.subscribe(BEGIN + timedelta(minutes=60 - n)) for n in range(PAGE_SIZE * 2 + 1)]
    pages = read(stage.store)
    assert ids(pages) == numbers
    assert [(page.number, page.last) for page in pages] == [(1, False), (2, False), (3, True)]
    assert pages[0].newest == BEGIN + timedelta(minutes=60)


def test_reading_can_begin_at_a_later_page(stage: Stage) -> None:
    numbers = [stage.subscribe(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE + 1)]
    pages = read(stage.store, first_page=2)
    assert (ids(pages), pages[0].number) == (numbers[PAGE_SIZE:], 2)


def test_one_put_on_hold_while_we_read_hides_no_other(stage: Stage) -> None:
    numbers = [stage.subscribe(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2 + 2)]
    pages = []
    for page in stage.store.fetch_subscription_pages(BEGIN):
        pages.append(page)
        if page.number == 1:
            stage.hold(numbers[1])
    assert set(ids(pages)) == set(numbers)


def test_the_plugin_switched_off_while_we_read_ends_the_walk(stage: Stage) -> None:
    for n in range(PAGE_SIZE + 1):
        stage.subscribe(BEGIN + timedelta(minutes=n + 1))
    pages = []
    for page in stage.store.fetch_subscription_pages(BEGIN):
        pages.append(page)
        stage.switch_off()
    assert [(page.number, page.offered) for page in pages] == [(1, True), (2, False)]


def test_one_is_found_by_its_id_as_it_stands(stage: Stage) -> None:
    number = stage.subscribe(BEGIN)
    found = stage.store.fetch_subscription(number)
    assert isinstance(found, Subscription)
    assert (found.subscription_id, found.status, found.modified_at) == (number, "active", BEGIN)
    stage.hold(number)
    held = stage.store.fetch_subscription(number)
    assert isinstance(held, Subscription)
    assert held.status == "on-hold"


def test_one_deleted_for_good_is_none(stage: Stage) -> None:
    number = stage.subscribe(BEGIN)
    stage.delete(number)
    assert stage.store.fetch_subscription(number) is None


# -- WooCommerce's ---------------------------------------------------------------------------------------------------


def test_a_subscription_names_its_order_and_what_it_is_about(woo: SandboxStage) -> None:
    level = woo.shop.add_variation(woo.product, "A1", sku="PY-A1", price="10.00")
    order_id = woo.shop.buy("ana@example.test", lines=[(level, 1)])
    woo.shop.start_subscription(order_id)
    one = only(woo.store)
    assert (one.parent_id, one.products) == (order_id, frozenset({woo.product, level}))


LIVES: dict[str, tuple[Callable[[SandboxShop, int], object], str, bool]] = {
    "renewed": (lambda shop, one: shop.renew_subscription(one), "active", True),
    "renewal-unpaid": (lambda shop, one: shop.renew_subscription(one, status="pending"), "on-hold", False),
    "held": (lambda shop, one: shop.hold_subscription(one), "on-hold", False),
    "cancelled-by-buyer": (lambda shop, one: shop.cancel_subscription(one), "pending-cancel", True),
    "ended": (lambda shop, one: shop.end_subscription(one), "cancelled", False),
    "expired": (lambda shop, one: shop.expire_subscription(one), "expired", False),
    "trashed": (lambda shop, one: shop.trash_subscription(one), "trash", False),
}


@pytest.mark.parametrize("case", LIVES)
def test_each_turn_of_its_life_is_read(woo: SandboxStage, case: str) -> None:
    turn, status, live = LIVES[case]
    number = woo.subscribe(BEGIN)
    turn(woo.shop, number)
    one = only(woo.store)
    assert (one.status, one.live) == (status, live)


def test_one_taken_up_again_is_live_again(woo: SandboxStage) -> None:
    number = woo.subscribe(BEGIN)
    woo.shop.cancel_subscription(number)
    woo.shop.reactivate_subscription(number)
    assert only(woo.store).status == "active"


def test_a_renewals_order_names_its_subscription(woo: SandboxStage) -> None:
    number = woo.subscribe(BEGIN)
    order_id = woo.shop.renew_subscription(number)
    found = [order for page in woo.store.fetch_pages(BEGIN) for order in page.orders]
    [renewal] = [order for order in found if order.order_id == order_id]
    assert (renewal.renews, renewal.status) == ((number,), "completed")


def test_one_without_an_order_and_without_lines_is_read(woo: SandboxStage) -> None:
    raw = {"id": 900, "status": "active", "date_modified_gmt": "2026-01-02T03:04:05", "line_items": []}
    woo.shop.add_raw_subscription(raw)
    one = only(woo.store)
    assert (one.parent_id, one.products) == (0, frozenset())
    assert one.modified_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


SOUND: dict[str, Any] = {
    "id": 900,
    "parent_id": "12",
    "status": "active",
    "date_modified_gmt": "2026-01-02T03:04:05Z",
    "line_items": {"4": {"product_id": "17", "variation_id": None}, "7": {"product_id": 0}},
}


def test_numbers_as_texts_and_lists_as_objects_are_read(woo: SandboxStage) -> None:
    woo.shop.add_raw_subscription(SOUND)
    one = only(woo.store)
    assert (one.parent_id, one.products, one.modified_at.hour) == (12, frozenset({17}), 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", None),
        ("status", 7),
        ("date_modified_gmt", None),
        ("date_modified_gmt", "soon"),
        ("parent_id", "x"),
        ("line_items", "none"),
        ("line_items", [{"product_id": "x"}]),
    ],
)
def test_one_that_cannot_be_read_costs_only_itself(woo: SandboxStage, field: str, value: object) -> None:
    woo.shop.add_raw_subscription(SOUND | {field: value})
    sound = woo.subscribe(BEGIN + timedelta(minutes=1))
    [page] = read(woo.store)
    [unreadable] = page.unreadable
    assert (ids([page]), page.size) == ([sound], 2)
    assert (unreadable.order_id, unreadable.reason.startswith(field)) == (900, True)
    alone = woo.store.fetch_subscription(900)
    assert alone == unreadable


def test_nobodys_name_or_address_travels(woo: SandboxStage) -> None:
    number = woo.subscribe(BEGIN + timedelta(seconds=1))
    read(woo.store)
    woo.store.fetch_subscription(number)
    questions = [one.request for one in woo.shop.requests if "subscriptions" in one.request.path]
    asked_for = {dict(question.query)["_fields"] for question in questions}
    assert asked_for == {"id", "id,parent_id,status,date_modified_gmt,line_items"}


def test_the_question_is_the_one_that_loses_nothing(woo: SandboxStage) -> None:
    read(woo.store)
    query = dict(woo.shop.requests[-1].request.query)
    assert (query["orderby"], query["order"], query["dates_are_gmt"]) == ("id", "asc", "true")
    assert query["modified_after"] == BEGIN.strftime("%Y-%m-%dT%H:%M:%S")
    assert set(unquote(query["status"]).split(",")) == {
        "trash", "pending", "active", "on-hold", "cancelled", "switched", "expired", "pending-cancel",
    }  # fmt: skip


def test_a_status_that_another_plugin_adds_is_seen(woo: SandboxStage) -> None:
    woo.shop.subscription_statuses.append("paused")
    number = woo.subscribe(BEGIN)
    woo.shop.subscriptions[number] |= {
        "status": "paused",
        "date_modified_gmt": (BEGIN + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S"),
    }
    one = only(woo.store)
    assert (one.status, one.live) == ("paused", False)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="html200", match="subscriptions", times=3), TransientError),
        (Fault(kind="empty", match="subscriptions", times=3), TransientError),
        (Fault(kind="status", status=502, match="subscriptions", times=3), TransientError),
        (
            Fault(kind="status", status=404, body=b"<html>no</html>", match="subscriptions", times=3),
            ServiceBlocked,
        ),
    ],
    ids=["web-page", "empty", "502", "404-not-from-wordpress"],
)
def test_an_answer_that_is_none_is_never_taken_for_no_subscriptions(
    woo: SandboxStage, fault: Fault, kind: type[WcsyncError]
) -> None:
    number = woo.subscribe(BEGIN)
    woo.shop.faults.add(fault)
    with pytest.raises(kind):
        read(woo.store)
    woo.shop.faults.clear()
    woo.shop.faults.add(fault)
    with pytest.raises(kind):
        woo.store.fetch_subscription(number)


def test_another_subscription_than_the_one_asked_for_is_refused(woo: SandboxStage) -> None:
    number = woo.subscribe(BEGIN)
    woo.shop.raw_subscriptions[number] = SOUND
    with pytest.raises(TransientError, match=f"subscription {number}"):
        woo.store.fetch_subscription(number)
