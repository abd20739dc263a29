"""The sandbox shop against recorded exchanges with a real one: same question, same answer."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.replay import (
    SITE,
    START,
    Exchange,
    HandClock,
    cases,
    error_of,
    now,
    outline,
    recorded,
    replay,
    then,
)
from wcsync.sandbox.exchange import Pairs
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_lines import Sold
from wcsync.sandbox.shop_shapes import read_zone


@pytest.fixture
def plain_shop(clock: HandClock) -> Iterator[SandboxShop]:
    with SandboxShop(clock=clock) as shop:
        shop.site_url = "http://127.0.0.1:8081"
        shop.buy("a@example.test", order_id=241, at=START)
        yield shop


def three_probes(shop: SandboxShop) -> None:
    for order_id, second in ((239, 33), (240, 35), (241, 38)):
        at = datetime(2026, 11, 21, 19, 18, second, tzinfo=UTC)
        shop.buy("probe@example.test", "", "", order_id=order_id, at=at, customer_id=8)


@pytest.mark.parametrize("exchange", cases("orders_date_filters") + cases("orders_z_plus_gmt_flag"))
def test_dates_filter_as_recorded(shop: SandboxShop, client: httpx.Client, exchange: Exchange) -> None:
    three_probes(shop)
    assert now(replay(client, exchange), exchange) == then(exchange)


@pytest.mark.parametrize(
    ("zone", "exchange"),
    [
        pytest.param(zone, one, id=f"{place}-{zone}")
        for place, (zone, one) in enumerate(
            zip(
                ["Europe/Madrid"] * 6 + ["America/New_York"] * 5 + ["UTC"],
                recorded("orders_dst_and_negative_offset"),
                strict=True,
            )
        )
    ],
)
def test_dates_filter_as_recorded_when_the_clocks_go_back(
    shop: SandboxShop, client: httpx.Client, zone: str, exchange: Exchange
) -> None:
    shop.timezone = ZoneInfo(zone)
    midnight = datetime(2026, 10, 25, tzinfo=UTC)
    for order_id, minutes in ((20083, 10), (20084, 30), (20085, 70), (20086, 90)):
        shop.buy(
            "a@example.test", order_id=order_id, at=midnight + timedelta(minutes=minutes), customer_id=23
        )
    assert now(replay(client, exchange), exchange) == then(exchange)


def test_a_utc_date_in_the_hour_the_site_skips_is_read_an_hour_late(
    shop: SandboxShop, client: httpx.Client
) -> None:
    """Madrid has no 02:30 on 2026-03-29; PHP makes it 03:30 before WordPress takes it for UTC."""
    for order_id, hour in ((31, 2), (32, 3)):
        shop.buy("a@example.test", order_id=order_id, at=datetime(2026, 3, 29, hour, 45, tzinfo=UTC))
    query = {"modified_after": "2026-03-29T02:30:00", "dates_are_gmt": "true"}
    rows = client.get("/wp-json/wc/v3/orders", params=query).json()
    assert [row["id"] for row in rows] == [32]


def two_hundred_orders(shop: SandboxShop) -> None:
    seconds = {27: 28, 30: 29, 31: 29, 35: 30, 38: 30, 40: 30, 44: 31, 45: 31, 51: 32}
    statuses = dict.fromkeys([*seconds, *range(60, 146), *range(231, 235)], "completed")
    statuses |= dict.fromkeys([*range(146, 192), 235, 236], "processing")
    statuses |= dict.fromkeys(range(192, 204), "refunded")
    statuses |= dict.fromkeys([*range(12, 25), *range(204, 231)], "pending") | {237: "failed"}
    for order_id, status in sorted(statuses.items()):
        at = datetime(2026, 11, 21, 19, 16, seconds.get(order_id, 40), tzinfo=UTC)
        at -= timedelta(minutes=order_id < 27)
        shop.buy("darcy196@example.test", status=status, order_id=order_id, at=at)


@pytest.mark.parametrize("exchange", cases("orders_paging"))
def test_pages_are_cut_as_recorded(shop: SandboxShop, client: httpx.Client, exchange: Exchange) -> None:
    two_hundred_orders(shop)
    real, ours = then(exchange), now(replay(client, exchange), exchange)
    if ["orderby", "modified"] in exchange["request"]["query"]:  # two of the rows share a second
        for answer in (real, ours):
            answer["body"].sort(key=lambda row: row["id"])
    assert ours == real


def test_any_leaves_the_trash_out_and_the_explicit_list_has_it(
    shop: SandboxShop, client: httpx.Client
) -> None:
    for _ in range(3):
        shop.buy("a@example.test")
    shop.trash(shop.buy("a@example.test"))
    totals = [replay(client, one).headers["x-wp-total"] for one in recorded("orders_status_any_trash")]
    assert totals == ["3", "1", "3", "4"]


def test_orders_of_one_second_get_lost_between_pages_sorted_by_change(
    shop: SandboxShop, client: httpx.Client
) -> None:
    for _ in range(60):
        shop.buy("a@example.test")
    query = {"orderby": "modified", "order": "asc", "per_page": "10", "_fields": "id"}
    pages = [client.get("/wp-json/wc/v3/orders", params=query | {"page": str(page)}) for page in range(1, 7)]
    rows = [row["id"] for page in pages for row in page.json()]
    assert len(rows) == 60 > len(set(rows))


def test_pages_drift_as_recorded(shop: SandboxShop, client: httpx.Client, clock: HandClock) -> None:
    for place in range(8):
        at = datetime(2026, 11, 21, 19, 29, 19 + place, tzinfo=UTC)
        order_id = shop.buy("a@example.test", order_id=249 + place, at=at, customer_id=9)
        shop.edit(order_id, touch=False, date_modified_gmt=f"2026-11-21T19:29:{19 + place}")
    real, ours = [], []
    for place, exchange in enumerate(recorded("page_drift")):
        start_trial(shop, place)
        clock.set(f"2026-11-21T19:29:{27 + place}")
        response = replay(client, exchange)
        if exchange["request"]["method"] == "GET":
            real.append([row["id"] for row in exchange["response"]["body"]])
            ours.append([row["id"] for row in response.json()])
    assert ours == real


def start_trial(shop: SandboxShop, place: int) -> None:
    """What was done between two of the recorded trials without being recorded."""
    if place in {4, 8, 12, 16, 20}:
        order = sorted(shop.orders.values(), key=lambda one: str(one["id"]))
        for second, one in enumerate(order):
            shop.edit(
                one["id"],
                touch=False,
                date_modified_gmt=f"2026-11-21T19:29:{10 + second}",
                status="completed",
            )
    if place == 21:
        shop.buy("a@example.test", customer_id=9)


def changing(body: Any) -> Any:
    """The parts of an order, note or refund that its history decides; ids of meta values differ by storage."""
    if isinstance(body, list):
        return [changing(row) for row in body]
    names = (
        "id", "code", "message", "data", "status", "refunds", "amount", "reason", "note", "customer_note",
        "date_created_gmt", "date_modified_gmt", "date_completed_gmt", "date_paid_gmt", "line_items",
    )  # fmt: skip
    kept = {name: body[name] for name in names if name in body}
    kept["meta"] = sorted((one["key"], one["value"]) for one in body.get("meta_data", []))
    for line in kept.get("line_items", []):
        line["meta_data"] = [one | {"id": 0} for one in line["meta_data"]]
    return kept


def test_an_orders_life_moves_its_dates_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock
) -> None:
    shop.add_product("Introducción a Python", sku="COURSE-001", product_id=11)
    shop._last_ids |= {"note": 210, "meta": 458, "line": 321}
    for order_id, second in ((239, 33), (240, 35), (241, 38)):
        at = datetime(2026, 11, 21, 19, 18, second, tzinfo=UTC)
        shop.buy("probe@example.test", "", "", [(11, 1)], order_id=order_id, at=at, customer_id=8)
    real, ours = [], []
    for place, exchange in enumerate(recorded("orders_date_modified_changes")):
        clock.set(moment(exchange))
        if place in {26, 33}:
            clock.set({26: "2026-11-21T19:20:19", 33: "2026-11-21T19:20:24"}[place])
        response = replay(client, exchange)
        allow = (exchange["response"]["headers"]["Allow"], response.headers["allow"])
        real.append((exchange["response"]["status"], allow[0], changing(exchange["response"]["body"])))
        ours.append((response.status_code, allow[1], changing(response.json())))
    assert ours == real


def moment(exchange: Exchange) -> str:
    """When the shop did it: what it wrote down, else the Date of its answer."""
    body = exchange["response"]["body"]
    if exchange["request"]["method"] == "PUT":
        return str(body["date_modified_gmt"])
    if exchange["request"]["method"] == "POST":
        return str(body["date_created_gmt"])
    date = parsedate_to_datetime(exchange["response"]["headers"]["Date"])
    return date.strftime("%Y-%m-%dT%H:%M:%S")


def test_the_sku_of_a_sold_line_is_live_and_its_name_is_not(shop: SandboxShop, client: httpx.Client) -> None:
    shop.add_product("Inglés por niveles", sku="COURSE-VAR", product_id=21)
    shop.add_variation(21, "A1", sku="COURSE-VAR-A1", variation_id=22, price="49")
    shop.add_product("Pack", sku="PACK-001", product_id=24, kind="grouped")
    shop.add_product("Temporal", sku="TEMP-1", product_id=5888, price="5")
    shop._last_ids |= {"line": 9509, "meta": 150702}
    shop.buy("a@example.test", "", "", [(5888, 2), (22, 1), (24, 1)], order_id=5889)

    def lines() -> Any:
        return client.get("/wp-json/wc/v3/orders/5889").json()["line_items"]

    stages = [lines()]
    shop.edit_product(5888, sku="TEMP-1-NEW", name="Renombrado")
    stages.append(lines())
    shop.trash_product(5888)
    stages.append(lines())
    shop.delete_product_for_good(5888)
    stages.append(lines())
    exchanges = recorded("line_items_vs_products")
    assert stages == [exchanges[place]["response"]["body"]["line_items"] for place in (1, 3, 5, 7)]


def test_an_order_has_the_whole_shape_of_a_real_one(
    shop: SandboxShop, client: httpx.Client, clock: HandClock
) -> None:
    real = recorded("order_full")[0]["response"]["body"][1]
    clock.set("2026-11-21T19:17:08")
    shop.add_product("漢字入門", sku="COURSE-003", product_id=13, price="39.90")
    shop._last_ids["line"] = 314
    shop.buy("emoji195@example.test", "🎉", "Emoji", [(13, 5)], order_id=233)
    billing = {"city": "Málaga", "country": "ES"}
    shop.edit(233, billing=billing, order_key=real["order_key"], created_via="rest-api")
    ours = client.get("/wp-json/wc/v3/orders/233").json()
    assert (ours, list(ours)) == (real, list(real))


@pytest.mark.parametrize("exchange", cases("errors_auth", skip=(0, 1, 2, 3, 4, 5, 6)))
def test_keys_in_the_query_are_judged_as_recorded(
    shop: SandboxShop, client: httpx.Client, exchange: Exchange
) -> None:
    for order_id in range(40, 242):
        shop.buy("a@example.test", order_id=order_id)
    client.auth = None  # type: ignore[assignment]  # httpx takes None, its setter's type does not say so
    assert now(replay(client, exchange), exchange) == then(exchange)


@pytest.mark.parametrize(
    ("place", "keys", "permissions"),
    [
        pytest.param(0, None, "read_write", id="no keys"),
        pytest.param(1, ("ck_other", "cs_sandbox"), "read_write", id="unknown key"),
        pytest.param(2, ("ck_sandbox", "cs_x"), "read_write", id="wrong secret"),
        pytest.param(3, ("ck_sandbox", ""), "read_write", id="empty secret"),
        pytest.param(4, ("admin", "admin"), "read_write", id="login instead of key"),
        pytest.param(5, ("ck_sandbox", "cs_sandbox"), "read", id="read key writes"),
        pytest.param(6, ("ck_sandbox", "cs_sandbox"), "write", id="write key reads"),
    ],
)
def test_keys_in_the_header_are_judged_as_recorded(
    shop: SandboxShop, client: httpx.Client, place: int, keys: tuple[str, str] | None, permissions: str
) -> None:
    shop.gate.permissions = permissions
    client.auth = keys  # type: ignore[assignment]  # as above
    exchange = recorded("errors_auth")[place]
    assert error_of(now(replay(client, exchange), exchange)) == error_of(then(exchange))


@pytest.mark.parametrize("place", [pytest.param(7, id="header"), pytest.param(8, id="query")])
def test_a_host_that_strips_the_header_leaves_the_query(
    shop: SandboxShop, client: httpx.Client, place: int
) -> None:
    shop.site_url = "https://127.0.0.1:8445"
    for order_id in range(40, 242):
        shop.buy("a@example.test", order_id=order_id)
    shop.gate.strip_authorization = True
    exchange = recorded("errors_server")[place]
    assert now(replay(client, exchange), exchange) == then(exchange)


def signed(query: Pairs, *, url: str, nonce: str, digest: str = "SHA256", at: datetime = START) -> Pairs:
    """OAuth 1.0a, one leg, as a careful client signs it."""
    fields = (
        *query,
        ("oauth_consumer_key", "ck_sandbox"),
        ("oauth_timestamp", str(int(at.timestamp()))),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", f"HMAC-{digest}"),
    )

    def encode(text: str) -> str:
        return quote(text, safe="~")

    pairs = sorted((encode(name), encode(value)) for name, value in fields)
    base = f"GET&{encode(url)}&{encode('&'.join(f'{name}={value}' for name, value in pairs))}"
    mac = hmac.digest(b"cs_sandbox&", base.encode(), getattr(hashlib, digest.lower()))
    return (*fields, ("oauth_signature", base64.b64encode(mac).decode()))


ORDERS_URL = "http://127.0.0.1:8081/wp-json/wc/v3/orders"


@pytest.mark.parametrize("digest", ["SHA256", "SHA1"])
def test_a_signed_request_over_http_is_answered(plain_shop: SandboxShop, digest: str) -> None:
    fields = signed((("per_page", "1"), ("_fields", "id")), url=ORDERS_URL, nonce="n1", digest=digest)
    response = httpx.get(f"{plain_shop.url}/wp-json/wc/v3/orders", params=fields)
    assert response.json() == [{"id": 241}]


def test_a_signature_covers_odd_characters(plain_shop: SandboxShop) -> None:
    zoned = ("modified_after", "2026-11-21T19:00:00+01:00")
    query = (zoned, ("status", "completed,on-hold"), ("x", "ñ ~*&=%"))
    fields = signed(query, url=ORDERS_URL, nonce="n1")
    assert httpx.get(f"{plain_shop.url}/wp-json/wc/v3/orders", params=fields).status_code == 200


OAUTH_REFUSALS: dict[str, tuple[int, Callable[[], Pairs]]] = {
    "bad signature": (2, lambda: (*signed((), url=ORDERS_URL, nonce="n")[:-1], ("oauth_signature", "AAAA"))),
    "missing fields": (3, lambda: (("oauth_consumer_key", "ck_sandbox"),)),
    "used nonce": (7, lambda: signed((), url=ORDERS_URL, nonce="used")),
    "20 minutes old": (8, lambda: signed((), url=ORDERS_URL, nonce="n", at=START - timedelta(minutes=20))),
    "status[] signed as sent": (11, lambda: signed((("status[]", "completed"),), url=ORDERS_URL, nonce="n")),
    "keys in the query": (1, lambda: (("consumer_key", "ck_sandbox"), ("consumer_secret", "cs_sandbox"))),
}


@pytest.mark.parametrize(("place", "fields"), OAUTH_REFUSALS.values(), ids=OAUTH_REFUSALS.keys())
def test_over_http_a_bad_signature_is_refused_as_recorded(
    plain_shop: SandboxShop, place: int, fields: Callable[[], Pairs]
) -> None:
    url = f"{plain_shop.url}/wp-json/wc/v3/orders"
    assert httpx.get(url, params=signed((), url=ORDERS_URL, nonce="used")).status_code == 200
    exchange = recorded("errors_auth_http")[place]
    assert error_of(now(httpx.get(url, params=fields()), exchange)) == error_of(then(exchange))


def test_a_signature_14_minutes_old_is_still_good(plain_shop: SandboxShop) -> None:
    fields = signed((), url=ORDERS_URL, nonce="n", at=START - timedelta(minutes=14))
    assert httpx.get(f"{plain_shop.url}/wp-json/wc/v3/orders", params=fields).status_code == 200


def test_basic_over_http_is_refused_as_recorded(plain_shop: SandboxShop) -> None:
    exchange = recorded("errors_auth_http")[0]
    with httpx.Client(base_url=plain_shop.url, auth=("ck_sandbox", "cs_sandbox")) as client:
        assert now(replay(client, exchange), exchange) == then(exchange)


PRODUCT_WRITES = (20, 21, 26)
OWN_TESTS = (17, 22, 23, 24, 27)


@pytest.mark.parametrize("exchange", cases("errors_requests", skip=PRODUCT_WRITES + OWN_TESTS))
def test_odd_requests_are_answered_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock, exchange: Exchange
) -> None:
    shop.add_product("Introducción a Python", sku="COURSE-001", product_id=11)
    shop._last_ids["line"] = 323
    at = datetime(2026, 11, 21, 19, 18, 38, tzinfo=UTC)
    shop.buy("probe@example.test", "", "", [(11, 1)], order_id=241, at=at, customer_id=8)
    real = then(exchange)
    body = real["body"]
    if "date_modified_gmt" in body:
        clock.set(body["date_modified_gmt"])
        own = {
            name: body[name]
            for name in ("order_key", "created_via", "payment_method", "payment_method_title")
        }
        shop.edit(241, touch=False, **own)
    assert now(replay(client, exchange), exchange) == real


def test_a_method_override_on_a_get_really_deletes(shop: SandboxShop, client: httpx.Client) -> None:
    order_id = shop.buy("a@example.test")
    client.get(f"/wp-json/wc/v3/orders/{order_id}", headers={"X-HTTP-Method-Override": "DELETE"})
    assert shop.orders[order_id]["status"] == "trash"


def test_a_product_is_deleted_by_nobody_without_keys(shop: SandboxShop) -> None:
    shop.add_product("Python", product_id=11)
    exchange = recorded("errors_requests")[17]
    with httpx.Client(base_url=shop.url, verify=False) as stranger:  # noqa: S501 - a loopback sandbox
        assert error_of(now(replay(stranger, exchange), exchange)) == error_of(then(exchange))


@pytest.mark.parametrize("exchange", cases("permalinks_and_urls", skip=(3, 7, 8, 9, 10, 11)))
def test_addresses_lead_where_they_led(shop: SandboxShop, client: httpx.Client, exchange: Exchange) -> None:
    shop.site.plain_permalinks = str(exchange["note"]).startswith("plain permalinks")
    order_id = shop.buy("a@example.test", order_id=6082)
    assert order_id == 6082
    real, ours = then(exchange), outline_of_page(replay(client, exchange))
    if real["x-wp-total"]:
        real |= {
            "x-wp-total": "1",
            "x-wp-totalpages": "1",
            "link": f'<{SITE}/wp-json/>; rel="https://api.w.org/"',
        }
    if "html" in real["content-type"]:
        real["body"] = real["cache-control"] = None
        ours |= {"body": None, "cache-control": None}
    assert ours == real


def outline_of_page(response: httpx.Response) -> dict[str, Any]:
    html = "html" in response.headers["content-type"]
    return outline(response.status_code, response.headers, None if html else response.json())


@pytest.mark.parametrize("place", [7, 8])
def test_keys_do_not_work_on_rest_route(shop: SandboxShop, client: httpx.Client, place: int) -> None:
    shop.site.plain_permalinks = True
    exchange = recorded("permalinks_and_urls")[place]
    assert now(replay(client, exchange), exchange) == then(exchange)


def test_a_base_url_with_a_trailing_slash_finds_no_page(shop: SandboxShop, client: httpx.Client) -> None:
    response = client.get(f"{shop.url}//wp-json/wc/v3/orders")
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=UTF-8")


def test_followed_redirects_of_plain_permalinks_end_at_the_home_page(
    shop: SandboxShop, client: httpx.Client
) -> None:
    shop.site_url = None
    shop.site.plain_permalinks = True
    response = client.get("/wp-json/wc/v3/orders", follow_redirects=True)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=UTF-8")


def test_maintenance_says_when_to_come_back(shop: SandboxShop, client: httpx.Client) -> None:
    shop.site.maintenance = True
    exchange = recorded("errors_server")[3]
    response = replay(client, exchange)
    recorded_headers = exchange["response"]["headers"]
    expected = (503, recorded_headers["Retry-After"], recorded_headers["Content-Type"])
    assert (
        response.status_code,
        response.headers["retry-after"],
        response.headers["content-type"],
    ) == expected


def test_the_index_says_who_the_shop_is_to_anybody(shop: SandboxShop, client: httpx.Client) -> None:
    real = recorded("errors_requests")[27]["response"]["body"]
    shop.name = real["name"]
    client.auth = None  # type: ignore[assignment]  # as above
    ours = client.get("/wp-json").json()
    names = ("name", "url", "home", "gmt_offset", "timezone_string")
    assert {name: ours[name] for name in names} == {name: real[name] for name in names}


def catalogue(shop: SandboxShop) -> None:
    shop.add_product("Introducción a Python", sku="COURSE-001", product_id=11)
    shop.add_product("Diseño", sku="COURSE-002", product_id=12)
    shop.add_product("Inglés por niveles", sku="COURSE-VAR", product_id=21)
    shop.add_variation(21, "A1", sku="COURSE-VAR-A1", variation_id=22)
    shop.add_variation(21, "B2", sku="COURSE-VAR-B2", variation_id=23)


@pytest.mark.parametrize("exchange", cases("products_sku_filter2", skip=(8, 9, 10)))
def test_products_are_found_by_sku_and_id_as_recorded(
    shop: SandboxShop, client: httpx.Client, exchange: Exchange
) -> None:
    catalogue(shop)
    ours = {row["id"]: row for row in replay(client, exchange).json()}
    assert ours == {row["id"]: row for row in exchange["response"]["body"]}


def test_a_variation_is_read_by_either_road(shop: SandboxShop, client: httpx.Client) -> None:
    catalogue(shop)
    below = client.get(
        "/wp-json/wc/v3/products/21/variations", params={"_fields": "id,name,sku,parent_id"}
    ).json()
    direct = client.get("/wp-json/wc/v3/products/22", params={"_fields": "id,type,sku,parent_id,name"}).json()
    assert below[1] == {"id": 22, "sku": "COURSE-VAR-A1", "name": "A1", "parent_id": 21}
    assert (direct["type"], direct["name"], direct["parent_id"]) == (
        "variation",
        "Inglés por niveles - A1",
        21,
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/orders", id="create order"),
        pytest.param("POST", "/products/21/variations", id="create variation"),
        pytest.param("POST", "/products/tags/batch", id="batch of tags"),
        pytest.param("GET", "/orders?search=ana", id="search"),
        pytest.param("GET", "/orders?_envelope=1", id="envelope"),
        pytest.param("GET", "/webhooks", id="webhooks"),
    ],
)
def test_what_is_not_imitated_says_so(
    shop: SandboxShop, client: httpx.Client, method: str, path: str
) -> None:
    catalogue(shop)
    response = client.request(method, f"/wp-json/wc/v3{path}")
    assert (response.status_code, response.json()["code"]) == (501, "sandbox_not_imitated")


def test_a_plugins_status_is_found_once_it_is_registered(shop: SandboxShop, client: httpx.Client) -> None:
    shop.register_status("shipped")
    order_id = shop.buy("a@example.test", status="shipped")
    rows = client.get("/wp-json/wc/v3/orders", params={"status": "shipped", "_fields": "id"}).json()
    assert rows == [{"id": order_id}]


def test_a_raw_order_is_answered_word_for_word(shop: SandboxShop, client: httpx.Client) -> None:
    odd = {
        "id": 77,
        "status": "completed",
        "line_items": [{"id": "9", "sku": 4711, "quantity": 1.5, "product_id": 0}],
    }
    shop.put_raw_order(odd)
    assert client.get("/wp-json/wc/v3/orders").json() == [odd]


def test_cash_on_delivery_is_paid_when_it_is_completed(shop: SandboxShop) -> None:
    order_id = shop.buy("a@example.test", status="pending", paid=False)
    shop.set_status(order_id, "processing")
    unpaid = shop.orders[order_id]["date_paid_gmt"]
    shop.set_status(order_id, "completed")
    assert (unpaid, shop.orders[order_id]["date_paid_gmt"]) == (None, shop.now())


def test_a_restored_order_has_its_old_status(shop: SandboxShop) -> None:
    order_id = shop.buy("a@example.test", status="processing")
    shop.trash(order_id)
    shop.restore(order_id)
    assert (shop.orders[order_id]["status"], shop.orders[order_id]["meta_data"]) == ("processing", [])


def test_ten_thousand_orders_are_sold_and_paged_quickly(shop: SandboxShop, client: httpx.Client) -> None:
    product_id = shop.add_product("Python")
    for number in range(10_000):
        shop.buy(f"buyer{number}@example.test", lines=[(product_id, 1)])
    query = {"orderby": "id", "order": "asc", "per_page": "100", "page": "100"}
    response = client.get("/wp-json/wc/v3/orders", params=query)
    assert (len(response.json()), response.headers["x-wp-total"]) == (100, "10000")
    assert response.elapsed < timedelta(seconds=2)


def test_the_index_of_a_shop_with_an_offset_names_no_zone(shop: SandboxShop, client: httpx.Client) -> None:
    shop.timezone = read_zone("-03:30")
    order_id = shop.buy("a@example.test", at=datetime(2026, 11, 21, 19, 0, tzinfo=UTC))
    index = client.get("/wp-json").json()
    assert (index["gmt_offset"], index["timezone_string"]) == (-3.5, "")
    order = client.get(f"/wp-json/wc/v3/orders/{order_id}").json()
    assert (order["date_created"], order["date_created_gmt"]) == (
        "2026-11-21T15:30:00",
        "2026-11-21T19:00:00",
    )


def test_what_plugins_write_to_orders_and_lines_is_shown(shop: SandboxShop, client: httpx.Client) -> None:
    product = shop.add_product("Python", product_id=11)
    sold = Sold(product_id=product, meta={"learner_email": "eva@example.test", "seats": 2})
    order_id = shop.buy("a@example.test", lines=[sold], meta={"_people": {"1": ["x"]}, "gift": True})
    order = client.get(f"/wp-json/wc/v3/orders/{order_id}").json()
    assert [(one["key"], one["value"]) for one in order["meta_data"]] == [
        ("_people", {"1": ["x"]}),
        ("gift", "1"),
    ]
    [line] = order["line_items"]
    assert {key: line["meta_data"][0][key] for key in ("key", "value", "display_key", "display_value")} == {
        "key": "learner_email",
        "value": "eva@example.test",
        "display_key": "learner_email",
        "display_value": "eva@example.test",
    }
    assert line["meta_data"][1]["value"] == "2"


def test_what_is_written_to_a_sold_line_later_changes_the_order(shop: SandboxShop, clock: HandClock) -> None:
    order_id = shop.buy("a@example.test", lines=[(shop.add_product("Python"), 1)])
    [line] = shop.orders[order_id]["line_items"]
    clock.set("2026-11-21T20:00:00")
    shop.write_meta(order_id, line["id"], who="eva@example.test", other="x")
    shop.write_meta(order_id, line["id"], other=None)
    shop.write_meta(order_id, why="gift")
    assert [(one["key"], one["value"]) for one in line["meta_data"]] == [("who", "eva@example.test")]
    order = shop.orders[order_id]
    assert ([one["value"] for one in order["meta_data"]], order["date_modified_gmt"]) == (
        ["gift"],
        shop.now(),
    )


def test_lines_have_a_bundles_fields_only_where_bundles_are_sold(
    shop: SandboxShop, client: httpx.Client
) -> None:
    course, pack = shop.add_product("Python", price="30"), shop.add_product("Pack", kind="bundle", price="50")
    plain = shop.buy("a@example.test", lines=[(course, 1)])

    def lines(order_id: int) -> Any:
        return client.get(f"/wp-json/wc/v3/orders/{order_id}").json()["line_items"]

    assert "bundled_by" not in lines(plain)[0]
    part, dear = Sold(product_id=course), Sold(product_id=course, price="5")
    container, first, second = lines(
        shop.buy("a@example.test", lines=[Sold(product_id=pack, parts=(part, dear))])
    )
    assert container["bundled_items"] == [first["id"], second["id"]]
    assert (container["total"], first["total"], second["total"]) == ("50.00", "0.00", "5.00")
    assert {first["bundled_by"], second["bundled_by"]} == {container["id"]}
    keys = {one["key"]: one["value"] for one in container["meta_data"]}
    assert first["meta_data"][0]["value"] == keys["_bundle_cart_key"]
    assert (lines(plain)[0]["bundled_by"], lines(plain)[0]["bundled_items"]) == ("", [])


def test_pieces_are_given_back_at_their_price(shop: SandboxShop, client: httpx.Client) -> None:
    order_id = shop.buy("a@example.test", lines=[(shop.add_product("Python", price="10"), 3)])
    [line] = shop.orders[order_id]["line_items"]
    refund_id = shop.refund(order_id, {line["id"]: 2})
    refund = client.get(f"/wp-json/wc/v3/orders/{order_id}/refunds/{refund_id}").json()
    assert (refund["amount"], len(refund["line_items"])) == ("20.00", 1)
    given = refund["line_items"][0]
    assert (given["quantity"], given["total"], given["price"]) == (-2, "-20.00", 10)
    order = client.get(f"/wp-json/wc/v3/orders/{order_id}").json()
    assert (order["status"], order["line_items"][0]["quantity"]) == ("completed", 3)
    shop.refund(order_id, {line["id"]: 1})
    assert shop.orders[order_id]["status"] == "refunded"


def test_refunds_come_by_the_page_newest_first(shop: SandboxShop, client: httpx.Client) -> None:
    order_id = shop.buy("a@example.test", lines=[(shop.add_product("Python", price="10"), 3)])
    made = [shop.refund(order_id, "0.10") for _ in range(12)]
    path = f"/wp-json/wc/v3/orders/{order_id}/refunds"
    first, second = client.get(path), client.get(path, params={"page": "2"})
    assert [row["id"] for row in [*first.json(), *second.json()]] == made[::-1]
    assert (first.headers["x-wp-total"], first.headers["x-wp-totalpages"]) == ("12", "2")
    assert client.get(path, params={"per_page": "101"}).status_code == 400


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        pytest.param("GET", {"after": "2026-01-01T00:00:00"}, None, id="filter"),
        pytest.param("POST", {}, {"line_items": [{"id": 1, "refund_total": 1}]}, id="no amount"),
        pytest.param("POST", {}, {"amount": "1", "line_items": [{"id": 1, "quantity": 1}]}, id="no total"),
        pytest.param(
            "POST", {}, {"amount": "1", "line_items": [{"id": 99, "refund_total": 1}]}, id="no line"
        ),
        pytest.param("POST", {}, {"amount": "x"}, id="no number"),
    ],
)
def test_what_was_never_seen_of_refunds_is_not_imitated(
    shop: SandboxShop, client: httpx.Client, method: str, query: dict[str, str], body: Any
) -> None:
    order_id = shop.buy("a@example.test", lines=[(shop.add_product("Python", price="10"), 3)])
    sent = None if body is None else body | {"api_refund": False}
    path = f"/wp-json/wc/v3/orders/{order_id}/refunds"
    response = client.request(method, path, params=query, json=sent)
    assert (response.status_code, response.json()["code"]) == (501, "sandbox_not_imitated")
    assert shop.refunds.get(order_id, []) == []
