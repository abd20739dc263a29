"""What every `Store` keeps, and what WooCommerce's keeps besides."""

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stamina

from tests.stages import (
    BEGIN,
    PAGE_SIZE,
    PRICE,
    FakeStage,
    SandboxStage,
    Stage,
    fetch,
    ids,
    read,
    sandbox,
)
from wcsync.errors import PermanentError, ServiceBlocked, TransientError, WcsyncError
from wcsync.model import Order, OrderId, Page, Unreadable
from wcsync.sale import Refund, RefundLine
from wcsync.sandbox.faults import Fault, Kind
from wcsync.store.base import Store
from wcsync.store.client import WooCommerce
from wcsync.store.listing import STATUSES_LAST_S


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(params=["fake", "http-oauth", "https-basic", "https-query"])
def stage(request: pytest.FixtureRequest, server_tls: ssl.SSLContext, ca_file: Path) -> Iterator[Stage]:
    match request.param:
        case "fake":
            yield FakeStage()
        case "http-oauth":
            with sandbox() as plain:
                yield plain
        case how:
            with sandbox(server_tls, ca_file=ca_file, auth=how.removeprefix("https-")) as secured:
                yield secured


@pytest.fixture
def woo() -> Iterator[SandboxStage]:
    with sandbox() as stage:
        yield stage


def read_while(store: Store, between: Callable[[], object]) -> list[Page]:
    """Reads all, and lets something happen after the first page."""
    pages = []
    for page in store.fetch_pages(BEGIN):
        pages.append(page)
        if page.number == 1:
            between()
    return pages


def test_a_store_says_who_it_is(stage: Stage) -> None:
    who = stage.store.fetch_identity()
    assert who.url.startswith("http")
    assert who.name
    assert who.server_time is not None


def test_a_quiet_store_has_one_empty_last_page(stage: Stage) -> None:
    stage.buy(BEGIN)
    [page] = read(stage.store, BEGIN)
    assert (page.number, page.size, page.orders, page.last) == (1, 0, (), True)


def test_the_window_begins_after_the_instant_itself(stage: Stage) -> None:
    stage.buy(BEGIN)
    later = stage.buy(BEGIN + timedelta(seconds=1))
    assert ids(read(stage.store, BEGIN)) == [later]


def test_all_orders_come_in_order_of_id_over_all_pages(stage: Stage) -> None:
    bought = [stage.buy(BEGIN + timedelta(minutes=60 - n)) for n in range(PAGE_SIZE * 2 + 1)]
    pages = read(stage.store)
    assert ids(pages) == bought
    assert [page.number for page in pages] == [1, 2, 3]
    assert [page.last for page in pages] == [False, False, True]


def test_orders_of_one_second_all_come(stage: Stage) -> None:
    bought = [stage.buy(BEGIN + timedelta(minutes=1)) for _ in range(PAGE_SIZE * 3 + 1)]
    assert ids(read(stage.store)) == bought


def test_a_full_last_page_is_not_taken_for_the_end(stage: Stage) -> None:
    bought = [stage.buy(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2)]
    pages = read(stage.store)
    assert ids(pages) == bought
    assert pages[-1].last


def test_reading_can_begin_at_a_later_page(stage: Stage) -> None:
    bought = [stage.buy(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2 + 1)]
    pages = read(stage.store, first_page=2)
    assert ids(pages) == bought[PAGE_SIZE:]
    assert pages[0].number == 2


def test_reading_beyond_the_end_is_empty_and_last(stage: Stage) -> None:
    stage.buy(BEGIN + timedelta(minutes=1))
    [page] = read(stage.store, first_page=9)
    assert (page.size, page.last) == (0, True)


def test_notes_come_back_oldest_first_and_as_they_were_written(stage: Stage) -> None:
    order_id = stage.buy(BEGIN)
    before = stage.store.fetch_notes(order_id)
    assert before is not None
    for text in ("erste\nzweite Zeile ñ 🎓", "Tom &amp; Jerry"):
        stage.store.push_note(order_id, text)
    assert stage.store.fetch_notes(order_id) == [*before, "erste\nzweite Zeile ñ 🎓", "Tom &amp; Jerry"]


def test_an_order_that_is_gone_has_no_notes_and_takes_none(stage: Stage) -> None:
    assert stage.store.fetch_notes(OrderId(9999)) is None
    with pytest.raises(PermanentError, match="order 9999"):
        stage.store.push_note(OrderId(9999), "too late")


def test_reading_twice_reads_the_same(stage: Stage) -> None:
    for n in range(PAGE_SIZE + 1):
        stage.buy(BEGIN + timedelta(minutes=n + 1))
    assert ids(read(stage.store)) == ids(read(stage.store))


def test_an_order_cancelled_while_we_read_hides_no_other(stage: Stage) -> None:
    bought = [stage.buy(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2 + 2)]
    pages = read_while(stage.store, lambda: stage.cancel(bought[1]))
    assert set(ids(pages)) == set(bought)


def test_an_order_is_found_by_its_id(stage: Stage) -> None:
    order_id = stage.buy(BEGIN)
    found = stage.store.fetch_order(order_id)
    assert isinstance(found, Order)
    assert (found.order_id, found.modified_at, found.status) == (order_id, BEGIN, "completed")


def test_an_order_the_store_does_not_know_is_none(stage: Stage) -> None:
    assert stage.store.fetch_order(OrderId(999_999)) is None


def test_the_store_tells_its_clock_with_each_page(stage: Stage) -> None:
    [page] = read(stage.store)
    assert page.server_time is not None


def test_an_order_that_nobody_gave_back_has_no_refunds(stage: Stage) -> None:
    assert fetch(stage.store, stage.buy(BEGIN)).refunds == ()


def test_a_refund_says_how_much_of_which_line_was_given_back(stage: Stage) -> None:
    order_id = stage.buy(BEGIN)
    [line] = fetch(stage.store, order_id).lines
    refund_id = stage.refund(order_id, line.line_id, 1)
    given = RefundLine(line_id=line.line_id, quantity=Decimal(1), total=PRICE)
    found = fetch(stage.store, order_id)
    assert found.refunds == (Refund(refund_id=refund_id, total=PRICE, lines=(given,)),)
    assert (found.refunded_total, found.lines[0].quantity) == (PRICE, Decimal(2))
    assert read(stage.store)[0].orders == (found,)


def test_an_amount_that_was_given_back_is_of_no_line(stage: Stage) -> None:
    order_id = stage.buy(BEGIN)
    refund_id = stage.refund_amount(order_id, Decimal("1.50"))
    found = fetch(stage.store, order_id)
    assert found.refunds == (Refund(refund_id=refund_id, total=Decimal("1.50")),)


def test_a_refund_that_was_deleted_is_gone_and_the_date_of_change_stays(stage: Stage) -> None:
    order_id = stage.buy(BEGIN)
    first, second = (stage.refund_amount(order_id, Decimal(1)) for _ in range(2))
    before = fetch(stage.store, order_id)
    stage.delete_refund(order_id, first)
    found = fetch(stage.store, order_id)
    assert [refund.refund_id for refund in found.refunds] == [second]
    assert (found.refunded_total, found.modified_at) == (Decimal(1), before.modified_at)


def test_a_line_names_who_learns(stage: Stage) -> None:
    [line] = fetch(stage.store, stage.gift("eva@example.test")).lines
    assert [person.email for person in line.learners] == ["eva@example.test"]


def test_the_parts_of_a_bundle_name_its_line(stage: Stage) -> None:
    container, *parts = fetch(stage.store, stage.bundle()).lines
    assert (container.container, container.part_of) == (True, 0)
    assert [(part.container, part.part_of) for part in parts] == [(False, container.line_id)] * 2
    assert {part.total for part in parts} == {"0.00"}


def test_an_order_names_the_subscription_it_renews(stage: Stage) -> None:
    assert fetch(stage.store, stage.renew(77)).renews == (77,)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "+05:30", "-08:00"])
def test_a_store_tells_the_clock_on_its_wall(stage: Stage, zone: str) -> None:
    stage.live_at(zone)
    assert stage.store.fetch_identity().zone == zone


def test_a_line_arrives_as_it_was_sold(woo: SandboxStage) -> None:
    level = woo.shop.add_variation(woo.product, "A1", sku="PY-A1", price="10.00")
    order_id = OrderId(woo.shop.buy("ana@example.test", lines=[(level, 3)]))
    found = woo.store.fetch_order(order_id)
    assert isinstance(found, Order)
    [line] = found.lines
    assert (line.product_id, line.variation_id, line.sku) == (woo.product, level, "PY-A1")
    assert (line.quantity, line.total) == (Decimal(3), "30.00")


def test_the_buyer_arrives_with_address_and_name(woo: SandboxStage) -> None:
    order_id = OrderId(
        woo.shop.buy("d.arcy@example.test", "D'Arcy", "Ñandú & Sons", lines=[(woo.product, 1)])
    )
    found = woo.store.fetch_order(order_id)
    assert isinstance(found, Order)
    buyer = found.buyer
    assert (buyer.email, buyer.first_name, buyer.last_name) == (
        "d.arcy@example.test",
        "D'Arcy",
        "Ñandú & Sons",
    )


def test_an_unpaid_order_has_no_payment_date(woo: SandboxStage) -> None:
    woo.shop.buy("ana@example.test", status="processing", paid=False)
    [order] = read(woo.store)[0].orders
    assert (order.status, order.paid_at) == ("processing", None)


def test_refunds_add_up(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    woo.shop.refund(order_id, "1.50")
    woo.shop.refund(order_id, "2.00", reason="ñ")
    found = woo.store.fetch_order(order_id)
    assert isinstance(found, Order)
    assert (found.refunded_total, found.status) == (Decimal("3.50"), "completed")


def test_the_trash_is_seen(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    woo.shop.trash(order_id)
    [order] = read(woo.store)[0].orders
    assert (order.order_id, order.status) == (order_id, "trash")


def test_a_trashed_order_is_found_by_its_id_and_a_deleted_one_is_not(woo: SandboxStage) -> None:
    trashed, deleted = woo.buy(BEGIN), woo.buy(BEGIN)
    woo.shop.trash(trashed)
    woo.shop.delete_forever(deleted)
    found = woo.store.fetch_order(trashed)
    assert isinstance(found, Order)
    assert (found.status, woo.store.fetch_order(deleted)) == ("trash", None)


@pytest.mark.parametrize("what", ["trash", "cancel", "edit", "buy", "revive"])
def test_whatever_happens_to_an_order_while_we_read_no_other_goes_missing(
    woo: SandboxStage, what: str
) -> None:
    old = woo.buy(BEGIN - timedelta(days=1))
    bought = [woo.buy(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2 + 2)]
    happens: dict[str, Callable[[], object]] = {
        "trash": lambda: woo.shop.trash(bought[0]),
        "cancel": lambda: woo.shop.set_status(bought[1], "cancelled"),
        "edit": lambda: woo.shop.edit(bought[2], customer_note="x"),
        "buy": lambda: woo.buy(BEGIN + timedelta(hours=1)),
        "revive": lambda: woo.shop.edit(old, customer_note="x"),
    }
    assert set(bought) <= set(ids(read_while(woo.store, happens[what])))


def test_an_order_deleted_for_good_while_we_read_shows_as_a_smaller_total(woo: SandboxStage) -> None:
    bought = [woo.buy(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2 + 1)]
    pages = read_while(woo.store, lambda: woo.shop.delete_forever(bought[0]))
    assert [page.total for page in pages if page.size] == [7, 6]


def test_past_the_end_no_total_is_claimed(woo: SandboxStage) -> None:
    for n in range(PAGE_SIZE):
        woo.buy(BEGIN + timedelta(minutes=n + 1))
    assert [page.total for page in read(woo.store)] == [3, None]


def test_an_order_in_a_plugins_status_is_seen(woo: SandboxStage) -> None:
    woo.shop.register_status("course-started")
    order_id = woo.buy(BEGIN)
    woo.shop.set_status(order_id, "course-started")
    [order] = read(woo.store)[0].orders
    assert order.status == "course-started"


def test_an_order_that_moves_into_a_plugins_status_while_we_read_hides_no_other(woo: SandboxStage) -> None:
    woo.shop.register_status("course-started")
    bought = [woo.buy(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2 + 2)]
    pages = read_while(woo.store, lambda: woo.shop.set_status(bought[0], "course-started"))
    assert set(ids(pages)) == set(bought)


def test_a_status_whose_plugin_was_switched_off_does_not_stop_the_reading(woo: SandboxStage) -> None:
    woo.shop.register_status("course-started")
    order_id = woo.buy(BEGIN + timedelta(minutes=1))
    read(woo.store)
    woo.shop.statuses.remove("course-started")
    assert ids(read(woo.store)) == [order_id]


def test_a_status_added_later_is_noticed(woo: SandboxStage, monkeypatch: pytest.MonkeyPatch) -> None:
    read(woo.store)
    woo.shop.register_status("course-started")
    order_id = woo.buy(BEGIN)
    woo.shop.set_status(order_id, "course-started")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + STATUSES_LAST_S + 1)
    assert ids(read(woo.store)) == [order_id]


def test_a_shop_that_hides_its_statuses_is_read_with_the_usual_ones(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN + timedelta(minutes=1))
    woo.shop.faults.add(Fault(kind="status", status=400, body=b"<html>no</html>", match="wcsync-unknown"))
    assert ids(read(woo.store)) == [order_id]


def test_carts_are_not_read(woo: SandboxStage) -> None:
    woo.shop.buy("half@typed.test", status="checkout-draft", paid=False)
    woo.shop.buy("half@typed.test", status="auto-draft", paid=False)
    assert read(woo.store)[0].size == 0


def test_a_cart_that_becomes_an_order_while_we_read_hides_no_other(woo: SandboxStage) -> None:
    cart = woo.shop.buy("x@example.test", status="checkout-draft", paid=False)
    bought = [woo.buy(BEGIN + timedelta(minutes=n + 1)) for n in range(PAGE_SIZE * 2 + 1)]
    pages = read_while(woo.store, lambda: woo.shop.set_status(cart, "processing"))
    assert set(bought) <= set(ids(pages))


def test_an_idle_poll_is_one_request_once_the_statuses_are_known(woo: SandboxStage) -> None:
    read(woo.store)
    before = len(woo.shop.requests)
    read(woo.store)
    assert len(woo.shop.requests) - before == 1


def test_all_calls_share_one_connection(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN + timedelta(minutes=1))
    woo.store.fetch_identity()
    read(woo.store)
    woo.store.fetch_order(order_id)
    assert woo.shop.connections == 1


def test_no_request_changes_anything_or_claims_another_method(woo: SandboxStage) -> None:
    read(woo.store)
    woo.store.fetch_order(OrderId(1))
    requests = [recorded.request for recorded in woo.shop.requests]
    assert {request.method for request in requests} == {"GET"}
    assert not [name for request in requests for name in request.headers if "override" in name]
    assert not [name for request in requests for name, _ in request.query if name == "_method"]


def test_one_unreadable_order_does_not_cost_its_page(woo: SandboxStage) -> None:
    first = woo.buy(BEGIN + timedelta(minutes=1))
    bad = woo.shop.put_raw_order({"id": first + 1, "status": "completed", "line_items": "none"})
    last = woo.buy(BEGIN + timedelta(minutes=1))
    [page, *_] = read(woo.store)
    assert [order.order_id for order in page.orders] == [first, last]
    assert page.unreadable == (Unreadable(order_id=OrderId(bad), reason="line_items: of an unexpected kind"),)


def test_an_unreadable_order_is_unreadable_by_its_id_too(woo: SandboxStage) -> None:
    bad = OrderId(woo.shop.put_raw_order({"id": 77, "status": None}))
    assert woo.store.fetch_order(bad) == Unreadable(order_id=bad, reason="date_modified_gmt: missing")


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault(kind="html200"), TransientError, "web page instead of data"),
        (Fault(kind="truncated"), TransientError, "half of it"),
        (Fault(kind="empty"), TransientError, "empty answer"),
        (Fault(kind="wrong_type"), TransientError, "not the JSON we asked for"),
        (Fault(kind="maintenance"), TransientError, "maintenance"),
        (Fault(kind="status", status=502), TransientError, "502"),
        (Fault(kind="reset_before", times=3), TransientError, "broke off"),
        (Fault(kind="reset_in_body", times=3), TransientError, "broke off"),
        (Fault(kind="redirect", location="https://www.example.test/x"), ServiceBlocked, "www.example.test"),
        (Fault(kind="status", status=403, body=b"<html>"), ServiceBlocked, "firewall"),
        (Fault(kind="status", status=403, body=b'{"message":"no"}'), ServiceBlocked, "firewall"),
        (Fault(kind="status", status=403, body=b'{"code":"rest_f'), TransientError, "half of it"),
        (Fault(kind="status", status=404, body=b"<html>"), ServiceBlocked, "[Pp]ermalinks"),
        (Fault(kind="status", status=401, body=b"<html>"), ServiceBlocked, "password prompt"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("call", ["pages", "order", "identity"])
def test_each_failure_is_the_right_kind_of_error(
    woo: SandboxStage, fault: Fault, kind: type[WcsyncError], says: str, call: str
) -> None:
    order_id = woo.buy(BEGIN + timedelta(minutes=1))
    read(woo.store)
    woo.shop.faults.add(fault)
    calls: dict[str, Callable[[], object]] = {
        "pages": lambda: read(woo.store),
        "order": lambda: woo.store.fetch_order(order_id),
        "identity": woo.store.fetch_identity,
    }
    with pytest.raises(kind, match=says):
        calls[call]()


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "reset_in_body"])
def test_a_single_broken_connection_is_not_even_noticed(woo: SandboxStage, kind: Any) -> None:
    order_id = woo.buy(BEGIN + timedelta(minutes=1))
    woo.shop.faults.add(Fault(kind=kind, times=2))
    assert ids(read(woo.store)) == [order_id]


def test_warnings_that_php_prints_hold_up_no_order(woo: SandboxStage) -> None:
    bought = [woo.buy(BEGIN + timedelta(minutes=1)) for _ in range(PAGE_SIZE + 1)]
    woo.shop.faults.add(Fault(kind="php_warning", times=None))
    assert ids(read(woo.store)) == bought
    assert woo.store.fetch_identity().name


def test_an_answer_that_was_cut_is_not_the_end_of_the_list(woo: SandboxStage) -> None:
    for n in range(PAGE_SIZE * 2):
        woo.buy(BEGIN + timedelta(minutes=n + 1))
    woo.shop.faults.add(Fault(kind="truncated", match="page=2", times=None))
    pages = woo.store.fetch_pages(BEGIN)
    assert next(pages).last is False
    with pytest.raises(TransientError):
        next(pages)


@pytest.mark.parametrize("secret", ["cs_wrong", "cs_sandboxx"], ids=["other", "longer"])
def test_a_wrong_secret_is_told_from_a_stripped_header(
    server_tls: ssl.SSLContext, ca_file: Path, secret: str
) -> None:
    with sandbox(server_tls, ca_file=ca_file) as stage:
        client = WooCommerce(
            url=stage.shop.url, consumer_key="ck_sandbox", consumer_secret=secret, ca_file=ca_file
        )
        with contextlib.closing(client), pytest.raises(ServiceBlocked, match="consumer_secret does not fit"):
            read(client)


def test_a_stripped_header_points_at_the_query(server_tls: ssl.SSLContext, ca_file: Path) -> None:
    with sandbox(server_tls, ca_file=ca_file) as stage:
        stage.shop.gate.strip_authorization = True
        with pytest.raises(ServiceBlocked, match='set auth = "query"'):
            read(stage.store)


def test_keys_in_the_query_work_where_the_header_is_stripped(
    server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    with sandbox(server_tls, ca_file=ca_file, auth="query") as stage:
        stage.shop.gate.strip_authorization = True
        assert read(stage.store)[0].last


def test_a_key_that_may_only_write_says_so(woo: SandboxStage) -> None:
    woo.shop.gate.permissions = "write"
    with pytest.raises(ServiceBlocked, match="may not read"):
        read(woo.store)


def test_plain_permalinks_are_named(woo: SandboxStage) -> None:
    woo.shop.site.plain_permalinks = True
    with pytest.raises(ServiceBlocked, match="permalinks"):
        woo.store.fetch_identity()


def test_a_shop_in_maintenance_says_how_long(woo: SandboxStage) -> None:
    woo.shop.site.maintenance = True
    with pytest.raises(TransientError) as caught:
        read(woo.store)
    assert (caught.value.retry_after_s, caught.value.whole_service) == (600.0, True)


def test_errors_and_requests_to_the_index_hold_no_key(server_tls: ssl.SSLContext, ca_file: Path) -> None:
    with sandbox(server_tls, ca_file=ca_file, auth="query") as stage:
        stage.store.fetch_identity()
        assert "cs_sandbox" not in repr(stage.shop.requests[-1])


def test_a_note_is_private_and_no_change_of_the_order(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    woo.store.push_note(order_id, "for the shop's people")
    assert woo.shop.notes[order_id][-1]["customer_note"] is False
    assert ids(read(woo.store, BEGIN)) == []


def test_a_key_that_may_only_read_says_so_when_a_note_is_written(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    woo.shop.gate.permissions = "read"
    assert woo.store.fetch_notes(order_id) == []
    with pytest.raises(ServiceBlocked, match="may not write"):
        woo.store.push_note(order_id, "no")


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "html200"])
def test_a_note_whose_answer_is_lost_or_spoilt_may_have_been_taken(woo: SandboxStage, kind: Kind) -> None:
    order_id = woo.buy(BEGIN)
    woo.shop.faults.add(Fault(kind=kind, match="notes"))
    with pytest.raises(TransientError) as caught:
        woo.store.push_note(order_id, "perhaps")
    assert caught.value.answer_lost
    assert len(woo.shop.requests) == 1, "a write is never repeated in place"


def test_an_odd_note_among_others_is_left_out(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    body = b'[{"id":"3","note":"new"},{"id":1,"note":"old"},{"id":2,"note":null},{"note":"no id"}]'
    woo.shop.faults.add(Fault(kind="status", status=200, body=body))
    assert woo.store.fetch_notes(order_id) == ["old", "new"]


@pytest.mark.parametrize("body", [b'{"id":1}', b'[{"id":1}]', b'{"0":{"id":1,"note":"x"}}', b"<html>"])
def test_an_answer_that_is_no_list_of_notes_is_not_taken_for_none(woo: SandboxStage, body: bytes) -> None:
    order_id = woo.buy(BEGIN)
    woo.shop.faults.add(Fault(kind="status", status=200, body=body, times=None))
    with pytest.raises(TransientError):
        woo.store.fetch_notes(order_id)
