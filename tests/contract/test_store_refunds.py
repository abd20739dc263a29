"""Refunds of a WooCommerce shop: how they are asked for, remembered, and what is done where they cannot be read."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import stamina

from tests.stages import BEGIN, SandboxStage, fetch, read, sandbox
from wcsync.errors import ServiceBlocked, TransientError
from wcsync.model import Order, OrderId, Unreadable
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault
from wcsync.store import refunds
from wcsync.store.refunds import TRIES


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def woo() -> Iterator[SandboxStage]:
    with sandbox() as stage:
        yield stage


def refunded(woo: SandboxStage) -> OrderId:
    order_id = woo.buy(BEGIN)
    woo.shop.refund(order_id, "1.50")
    return order_id


def asked(woo: SandboxStage) -> list[str]:
    """Which questions for refunds the shop got."""
    paths = [recorded.request.path for recorded in woo.shop.requests]
    return [path for path in paths if path.endswith("/refunds")]


def reason(woo: SandboxStage, order_id: OrderId) -> str:
    found = woo.store.fetch_order(order_id)
    assert isinstance(found, Unreadable), found
    assert found.order_id == order_id
    return found.reason


def answer(woo: SandboxStage, body: Any, times: int | None = 1) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    woo.shop.faults.add(Fault(kind="status", status=200, body=content, match="/refunds", times=times))


def test_an_order_without_refunds_is_not_asked_about(woo: SandboxStage) -> None:
    fetch(woo.store, woo.buy(BEGIN))
    read(woo.store)
    assert asked(woo) == []


def test_an_order_whose_status_says_it_all_is_not_asked_about() -> None:
    with sandbox(ended=["refunded"]) as woo:
        order_id = refunded(woo)
        woo.shop.refund(order_id)
        assert [refund.lines for refund in fetch(woo.store, order_id).refunds] == [(), ()]
        assert asked(woo) == []
        woo.shop.complete_again(order_id)
        fetch(woo.store, order_id)
        assert len(asked(woo)) == 1


def test_refunds_that_did_not_change_are_asked_for_once(woo: SandboxStage) -> None:
    order_id = refunded(woo)
    first = fetch(woo.store, order_id)
    [page] = read(woo.store)
    assert page.orders == (first,)
    assert len(asked(woo)) == 1


def test_a_new_refund_and_a_deleted_one_are_asked_for(woo: SandboxStage) -> None:
    order_id = refunded(woo)
    fetch(woo.store, order_id)
    second = woo.shop.refund(order_id, "2.00")
    assert len(fetch(woo.store, order_id).refunds) == 2
    woo.shop.delete_refund(order_id, second)
    assert len(fetch(woo.store, order_id).refunds) == 1
    assert len(asked(woo)) == 2, "what was known before the second refund is still known"


def test_more_refunds_than_a_page_holds_are_all_read(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    made = [woo.shop.refund(order_id, "0.10") for _ in range(101)]
    found = fetch(woo.store, order_id)
    assert [refund.refund_id for refund in found.refunds] == made
    assert found.refunded_total == Decimal("10.10")
    assert len(asked(woo)) == 2


def test_a_full_page_of_refunds_is_not_taken_for_all(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    for _ in range(100):
        woo.shop.refund(order_id, "0.10")
    assert len(fetch(woo.store, order_id).refunds) == 100


def test_the_refund_of_all_the_rest_turns_the_status_and_says_nothing_of_lines(woo: SandboxStage) -> None:
    order_id = refunded(woo)
    woo.shop.refund(order_id)
    found = fetch(woo.store, order_id)
    assert (found.status, found.refunded_total) == ("refunded", Decimal("39.80"))
    assert [refund.lines for refund in found.refunds] == [(), ()]


def test_an_order_completed_again_keeps_its_refunds_until_they_are_deleted(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    refund_id = woo.shop.refund(order_id)
    woo.shop.complete_again(order_id)
    assert [refund.refund_id for refund in fetch(woo.store, order_id).refunds] == [refund_id]
    woo.shop.delete_refund(order_id, refund_id)
    assert fetch(woo.store, order_id).refunds == ()


def test_a_free_line_keeps_the_order_completed_until_it_is_given_back_too(woo: SandboxStage) -> None:
    order_id = woo.bundle()
    container, *parts = fetch(woo.store, order_id).lines
    woo.shop.refund(order_id, {container.line_id: 1})
    assert fetch(woo.store, order_id).status == "completed"
    woo.shop.refund(order_id, {part.line_id: 1 for part in parts})
    found = fetch(woo.store, order_id)
    assert found.status == "refunded"
    assert [line.quantity for line in found.refunds[1].lines] == [1, 1]


def test_a_refund_made_while_we_read_shows(woo: SandboxStage) -> None:
    order_id = refunded(woo)
    stale = json.dumps(woo.shop.orders[order_id] | {"refunds": [{"id": 1, "total": "-1.50"}]}).encode()
    woo.shop.faults.add(Fault(kind="status", status=200, body=stale, match=f"/orders/{order_id}", times=1))
    found = fetch(woo.store, order_id)
    assert [refund.total for refund in found.refunds] == [Decimal("1.50")]


def between(woo: SandboxStage, happens: Callable[[], object]) -> None:
    """Lets something happen after an order was read and before its refunds are."""

    def just_before(request: Request) -> bool:
        if request.path.endswith("/refunds"):
            happens()
        return False

    woo.shop.faults.add(Fault(kind="empty", match=just_before))


def test_a_refund_deleted_while_we_read_is_gone(woo: SandboxStage) -> None:
    order_id = woo.buy(BEGIN)
    refund_id = woo.shop.refund(order_id, "1.50")
    between(woo, lambda: woo.shop.delete_refund(order_id, refund_id))
    assert fetch(woo.store, order_id).refunds == ()


def test_an_order_deleted_while_we_read_is_named(woo: SandboxStage) -> None:
    order_id = refunded(woo)
    between(woo, lambda: woo.shop.delete_forever(order_id))
    assert "deleted the order while it was read" in reason(woo, order_id)


def test_only_so_many_refunds_are_kept_in_mind(woo: SandboxStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refunds, "REMEMBERED", 1)
    first, second = refunded(woo), refunded(woo)
    for order_id in (first, second, second, first):
        fetch(woo.store, order_id)
    assert len(asked(woo)) == 3


def test_a_list_that_lacks_what_the_order_names_is_not_believed(woo: SandboxStage) -> None:
    order_id = refunded(woo)
    answer(woo, [], times=None)
    assert "names others than the list" in reason(woo, order_id)


def test_refunds_that_vanish_with_their_order_cost_no_other(woo: SandboxStage) -> None:
    order_id, other = refunded(woo), woo.buy(BEGIN)
    gone = {"code": "woocommerce_rest_invalid_order_id", "message": "x", "data": {"status": 404}}
    woo.shop.faults.add(
        Fault(kind="status", status=404, body=json.dumps(gone).encode(), match="/refunds", times=None)
    )
    page = next(woo.store.fetch_pages(BEGIN.replace(year=2000)))
    assert [order.order_id for order in page.orders] == [other]
    assert [row.order_id for row in page.unreadable] == [order_id]


@pytest.mark.parametrize(
    "row",
    [{"amount": "1.50"}, {"id": 1, "amount": "x"}, {"id": 1, "line_items": "x"}, 7, None],
    ids=["no-id", "amount", "lines", "number", "null"],
)
def test_a_refund_in_a_form_of_its_own_costs_its_order_alone(woo: SandboxStage, row: Any) -> None:
    order_id = refunded(woo)
    answer(woo, [row], times=None)
    assert "a plugin writes them in a form of its own" in reason(woo, order_id)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b""], ids=["page", "object", "empty"])
def test_an_answer_that_is_no_list_is_asked_for_again(woo: SandboxStage, body: bytes) -> None:
    order_id = refunded(woo)
    answer(woo, body)
    with pytest.raises(TransientError):
        woo.store.fetch_order(order_id)
    assert isinstance(woo.store.fetch_order(order_id), Order)


@pytest.mark.parametrize(
    "fault",
    [Fault(kind="status", status=500, match="/refunds", times=None),
     Fault(kind="status", status=200, body=b"<html>", match="/refunds", times=None)],
    ids=["fatal", "page"],
)  # fmt: skip
def test_an_order_whose_refunds_always_fail_does_not_hold_up_its_page_for_good(
    woo: SandboxStage, fault: Fault
) -> None:
    order_id, other = refunded(woo), woo.buy(BEGIN)
    woo.shop.faults.add(fault)
    since = BEGIN.replace(year=2000)
    for _ in range(TRIES - 1):
        with pytest.raises(TransientError):
            next(woo.store.fetch_pages(since))
    page = next(woo.store.fetch_pages(since))
    assert [order.order_id for order in page.orders] == [other]
    [row] = page.unreadable
    assert row.order_id == order_id
    assert "with an error each time" in row.reason


def test_a_failure_now_and_then_is_not_counted_up(woo: SandboxStage) -> None:
    order_id = refunded(woo)
    for _ in range(TRIES + 1):
        woo.shop.refund(order_id, "0.10")
        woo.shop.faults.add(Fault(kind="status", status=500, match="/refunds", times=1))
        with pytest.raises(TransientError):
            woo.store.fetch_order(order_id)
        assert isinstance(woo.store.fetch_order(order_id), Order)


@pytest.mark.parametrize("status", [502, 503, 429])
def test_a_shop_that_is_down_is_never_taken_for_an_order_that_fails(woo: SandboxStage, status: int) -> None:
    order_id = refunded(woo)
    woo.shop.faults.add(Fault(kind="status", status=status, match="/refunds", times=None))
    for _ in range(TRIES + 1):
        with pytest.raises(TransientError):
            woo.store.fetch_order(order_id)


REFUSALS = [
    Fault(kind="status", status=403, body=b"<html>", match="/refunds", times=None),
    Fault(
        kind="status",
        status=404,
        body=json.dumps({"code": "rest_no_route", "message": "x", "data": {"status": 404}}).encode(),
        match="/refunds",
        times=None,
    ),
]


@pytest.mark.parametrize("fault", REFUSALS, ids=["firewall", "no-route"])
def test_a_firewall_before_refunds_alone_costs_their_orders_and_no_other(
    woo: SandboxStage, fault: Fault
) -> None:
    refused, other = {refunded(woo), refunded(woo)}, woo.buy(BEGIN)
    woo.shop.faults.add(fault)
    since = BEGIN.replace(year=2000)
    for _ in range(TRIES - 1):
        with pytest.raises(ServiceBlocked, match=r"asked for refunds alone, /wp-json/wc/v3/orders/…/refunds"):
            next(woo.store.fetch_pages(since))
    page = next(woo.store.fetch_pages(since))
    assert [order.order_id for order in page.orders] == [other]
    assert {row.order_id for row in page.unreadable} == refused
    assert all("let this machine's address read /wp-json/" in row.reason for row in page.unreadable)


def test_once_refunds_are_answered_again_each_order_has_all_its_tries(woo: SandboxStage) -> None:
    first, second = refunded(woo), refunded(woo)
    woo.shop.faults.add(REFUSALS[0])
    for _ in range(TRIES - 1):
        with pytest.raises(ServiceBlocked):
            woo.store.fetch_order(first)
    assert isinstance(woo.store.fetch_order(first), Unreadable)
    assert isinstance(woo.store.fetch_order(second), Unreadable)
    woo.shop.faults.clear()
    assert isinstance(woo.store.fetch_order(first), Order)
    woo.shop.faults.add(REFUSALS[0])
    with pytest.raises(ServiceBlocked):
        woo.store.fetch_order(second)


def test_a_list_of_refunds_that_fails_as_a_whole_holds_up_a_page_no_longer_than_one_order_does(
    woo: SandboxStage,
) -> None:
    failing = {refunded(woo) for _ in range(3)}
    woo.shop.faults.add(Fault(kind="status", status=500, match="/refunds", times=None))
    since = BEGIN.replace(year=2000)
    for _ in range(TRIES - 1):
        with pytest.raises(TransientError):
            next(woo.store.fetch_pages(since))
    assert {row.order_id for row in next(woo.store.fetch_pages(since)).unreadable} == failing


def test_a_zone_this_machine_lacks_is_told_by_its_offset(woo: SandboxStage) -> None:
    woo.live_at("+05:30")
    woo.shop.stated_timezone = "Mars/Olympus_Mons"
    assert woo.store.fetch_identity().zone == "+05:30"
