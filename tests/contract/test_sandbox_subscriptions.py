"""The sandbox shop's subscriptions do what the plugin's documentation and source say, and claim nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.replay import HandClock
from wcsync.sandbox.shop import SandboxShop

API = "/wp-json/wc/v3"


@pytest.fixture
def product(shop: SandboxShop) -> int:
    shop.offers_subscriptions = True
    return shop.add_product("Introducción a Python", sku="PY-101", price="20.00")


@pytest.fixture
def subscription(shop: SandboxShop, product: int) -> int:
    order_id = shop.buy("ana@example.test", lines=[(product, 1)], customer_id=7)
    return shop.start_subscription(order_id)


def fetch(client: httpx.Client, path: str, **query: str) -> httpx.Response:
    return client.get(f"{API}{path}", params=query)


def show(client: httpx.Client, subscription_id: int) -> Any:
    return fetch(client, f"/subscriptions/{subscription_id}").json()


@pytest.mark.parametrize("path", ["/subscriptions", "/subscriptions/12"])
def test_a_shop_without_the_plugin_knows_no_such_route(
    shop: SandboxShop, client: httpx.Client, path: str
) -> None:
    for reply in (fetch(client, path), client.get(API + path, auth=None)):
        assert (reply.status_code, reply.json()["code"]) == (404, "rest_no_route")
    assert not shop.offers_subscriptions


def test_who_has_no_key_sees_no_subscriptions(client: httpx.Client, subscription: int) -> None:
    for path in ("/subscriptions", f"/subscriptions/{subscription}"):
        assert client.get(API + path, auth=None).status_code == 401


def test_a_subscription_is_no_order_and_has_a_number_of_its_own(
    shop: SandboxShop, client: httpx.Client, subscription: int
) -> None:
    assert subscription not in shop.orders
    assert [one["id"] for one in fetch(client, "/orders").json()] == [
        shop.subscriptions[subscription]["parent_id"]
    ]
    assert [one["id"] for one in fetch(client, "/subscriptions").json()] == [subscription]


def test_it_is_answered_with_its_order_its_lines_and_its_schedule(
    shop: SandboxShop, client: httpx.Client, subscription: int, product: int
) -> None:
    told = show(client, subscription)
    assert (told["status"], told["parent_id"]) == ("active", shop.subscriptions[subscription]["parent_id"])
    assert [line["product_id"] for line in told["line_items"]] == [product]
    assert (told["billing_period"], told["billing_interval"]) == ("month", "1")
    assert (told["end_date_gmt"], told["trial_end_date_gmt"]) == ("", "")
    assert told["start_date_gmt"] < told["next_payment_date_gmt"]
    assert told["_links"]["up"][0]["href"].endswith(f"/orders/{told['parent_id']}")


def test_an_unpaid_order_begins_a_pending_subscription(
    shop: SandboxShop, client: httpx.Client, product: int
) -> None:
    order_id = shop.buy("ana@example.test", lines=[(product, 1)], status="pending", paid=False)
    assert show(client, shop.start_subscription(order_id))["status"] == "pending"


@pytest.mark.parametrize(
    ("day", "next_payment"),
    [("2026-01-31T10:00:00", "2026-02-28T10:00:00"), ("2026-12-15T10:00:00", "2027-01-15T10:00:00")],
)
def test_a_month_later_is_the_same_day_or_the_months_last(
    shop: SandboxShop, subscription: int, day: str, next_payment: str
) -> None:
    order_id = shop.subscriptions[subscription]["parent_id"]
    number = shop.start_subscription(order_id, at=datetime.fromisoformat(day).replace(tzinfo=UTC))
    assert shop.subscriptions[number]["schedule"]["next_payment"] == next_payment


def test_a_renewal_puts_on_hold_until_its_order_is_paid(
    shop: SandboxShop, client: httpx.Client, clock: HandClock, subscription: int
) -> None:
    before = show(client, subscription)
    clock.instant += timedelta(hours=1)
    order_id = shop.renew_subscription(subscription, status="pending")
    order = fetch(client, f"/orders/{order_id}").json()
    assert (order["status"], order["created_via"], order["date_paid"]) == ("pending", "subscription", None)
    assert {"_subscription_renewal": str(subscription)}.items() <= {
        meta["key"]: meta["value"] for meta in order["meta_data"]
    }.items()
    assert show(client, subscription)["status"] == "on-hold"
    shop.pay_renewal(order_id)
    after = show(client, subscription)
    assert after["status"] == "active"
    assert after["next_payment_date_gmt"] > before["next_payment_date_gmt"]
    assert after["date_modified_gmt"] > before["date_modified_gmt"]


def test_a_renewal_that_fails_stays_on_hold(
    shop: SandboxShop, client: httpx.Client, subscription: int
) -> None:
    shop.renew_subscription(subscription, status="failed")
    assert show(client, subscription)["status"] == "on-hold"


def test_what_its_buyer_cancels_ends_when_the_next_payment_were_due(
    shop: SandboxShop, client: httpx.Client, subscription: int
) -> None:
    due = show(client, subscription)["next_payment_date_gmt"]
    shop.cancel_subscription(subscription)
    told = show(client, subscription)
    assert (told["status"], told["end_date_gmt"], told["next_payment_date_gmt"]) == (
        "pending-cancel",
        due,
        "",
    )
    assert told["cancelled_date_gmt"]


def test_the_trash_is_shown_only_to_who_asks_for_it(
    shop: SandboxShop, client: httpx.Client, subscription: int
) -> None:
    shop.trash_subscription(subscription)
    assert fetch(client, "/subscriptions").json() == []
    assert fetch(client, "/subscriptions", status="any").json() == []
    [told] = fetch(client, "/subscriptions", status="active,trash").json()
    assert told["status"] == "trash"


def test_an_unknown_status_is_refused_with_those_there_are(
    client: httpx.Client,
    subscription: int,
) -> None:
    reply = fetch(client, "/subscriptions", status="completed")
    assert reply.status_code == 400
    assert reply.json()["data"]["params"]["status"] == (
        "status[0] is not one of any, trash, pending, active, on-hold, cancelled, switched, expired, and "
        "pending-cancel."
    )


def test_one_that_is_not_there_is_not_found(
    shop: SandboxShop, client: httpx.Client, subscription: int
) -> None:
    shop.delete_subscription(subscription)
    reply = fetch(client, f"/subscriptions/{subscription}")
    assert (reply.status_code, reply.json()["code"]) == (404, "woocommerce_rest_shop_subscription_invalid_id")


def test_what_nobody_told_us_is_not_imitated(
    shop: SandboxShop, client: httpx.Client, subscription: int
) -> None:
    order_id = shop.subscriptions[subscription]["parent_id"]
    asked = [
        fetch(client, f"/subscriptions/{order_id}"),
        fetch(client, "/subscriptions/statuses"),
        fetch(client, f"/subscriptions/{subscription}/orders"),
        client.post(f"{API}/subscriptions", json={}),
        client.put(f"{API}/subscriptions/{subscription}", json={"status": "cancelled"}),
    ]
    assert [reply.status_code for reply in asked] == [501] * 5
