"""The client against what a real WooCommerce 9.9 shop answered: same bytes, same headers."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from wcsync.errors import ServiceBlocked, TransientError, WcsyncError
from wcsync.model import Order, OrderId, Page, Product, Unreadable
from wcsync.sale import Refund, RefundLine
from wcsync.store import wire
from wcsync.store.client import WooCommerce
from wcsync.store.wire.products import parse_product, parse_products

RECORDINGS = Path(__file__).parents[1] / "recordings" / "woocommerce"
SINCE = datetime(2026, 11, 21, 19, 18, 35, tzinfo=UTC)
KEY, SECRET = "ck_live_key", "cs_live_secret"

Exchange = dict[str, Any]


def recorded(name: str) -> list[Exchange]:
    exchanges: list[Exchange] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return exchanges


def noted(name: str, note: str) -> Exchange:
    [found] = [exchange for exchange in recorded(name) if exchange.get("note") == note]
    return found


BOGUS_STATUS = recorded("orders_paging")[17]


def replayed(exchange: Exchange) -> httpx.Response:
    answer = exchange["response"]
    body = answer["body"]
    content = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    headers = {name: value for name, value in answer["headers"].items() if name != "Content-Length"}
    return httpx.Response(answer["status"], headers=headers, content=content.encode())


class Shop:
    """Answers the question for statuses as recorded, and the n-th page with the n-th exchange."""

    def __init__(
        self, *exchanges: Exchange, answer: Callable[[httpx.Request], Exchange] | None = None
    ) -> None:
        self.exchanges = exchanges
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.params.get("status") == "wcsync-unknown":
            return replayed(BOGUS_STATUS)
        if self.answer is not None:
            return replayed(self.answer(request))
        place = int(request.url.params.get("page", "1")) - 1
        return replayed(self.exchanges[min(place, len(self.exchanges) - 1)])


Connect = Callable[..., WooCommerce]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:

        def open_client(shop: Shop, **settings: Any) -> WooCommerce:
            client = WooCommerce(
                consumer_key=KEY,
                consumer_secret=SECRET,
                transport=httpx.MockTransport(shop),
                **{"url": "https://127.0.0.1:8444"} | settings,
            )
            stack.callback(client.close)
            return client

        yield open_client


def seen(pages: list[Page]) -> list[int | None]:
    """All ids, page by page. The recordings of lists hold few fields, so most of their rows are unreadable."""
    ids: list[int | None] = []
    for page in pages:
        ids += [order.order_id for order in page.orders] + [row.order_id for row in page.unreadable]
    return ids


def read(client: WooCommerce) -> list[Page]:
    return list(client.fetch_pages(SINCE))


@pytest.mark.parametrize(
    ("file", "note", "url", "says"),
    [
        ("errors_auth", "no credentials", "https", 'set auth = "query"'),
        ("errors_auth", "unknown consumer key", "https", 'set auth = "query"'),
        ("errors_auth", "right key, wrong secret", "https", "consumer_secret does not fit"),
        ("errors_auth", "empty secret", "https", "check consumer_key and consumer_secret"),
        ("errors_auth", "wordpress login instead of key", "https", "check consumer_key and consumer_secret"),
        ("errors_auth", "read-only key writes", "https", "permissions to Read/Write"),
        ("errors_auth", "write-only key reads", "https", "permissions to Read or Read/Write"),
        ("errors_auth", "query-string wrong secret over https", "https", "consumer_secret does not fit"),
        ("errors_server", "Authorization stripped by the server", "https", 'set auth = "query"'),
        ("errors_auth_http", "Basic over plain http", "http", "use https"),
        ("errors_auth_http", "OAuth: bad signature", "http", "signature does not fit"),
        ("errors_auth_http", "OAuth: missing params", "http", "did not get the whole signature"),
        ("errors_auth_http", "OAuth: timestamp 20 min old", "http", "clock by NTP"),
        ("errors_auth_http", "OAuth with status[]", "http", "signature does not fit"),
        ("errors_requests", "unknown namespace", "https", "activate WooCommerce"),
        ("errors_requests", "unknown route", "https", "activate WooCommerce"),
        ("permalinks_and_urls", "double slash", "https", "permalinks"),
        ("permalinks_and_urls", "wp-json left out", "https", "check url"),
        ("permalinks_and_urls", "plain permalinks: /wp-json/", "https", "permalinks to anything but Plain"),
        ("permalinks_and_urls", "plain permalinks: ?rest_route= with Basic", "https", "set auth"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_what_needs_a_person_blocks_the_service_and_says_what_to_mend(
    connect: Connect, file: str, note: str, url: str, says: str
) -> None:
    client = connect(Shop(noted(file, note)), url=f"{url}://127.0.0.1:8444")
    with pytest.raises(ServiceBlocked) as caught:
        read(client)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("file", "note", "says", "retry_after_s"),
    [
        ("errors_auth_http", "OAuth: same nonce again", "asked again", None),
        ("errors_server", "PHP fatal", "answered 500", None),
        ("errors_server", ".maintenance file (core update running)", "maintenance", 600.0),
        ("errors_server", "502", "answered 502", None),
        ("errors_server", "504", "answered 504", None),
    ],
    ids=["nonce", "fatal", "maintenance", "502", "504"],
)
def test_what_may_pass_is_asked_again(
    connect: Connect, file: str, note: str, says: str, retry_after_s: float | None
) -> None:
    with pytest.raises(TransientError, match=says) as caught:
        read(connect(Shop(noted(file, note))))
    assert caught.value.retry_after_s == retry_after_s


def test_an_error_that_came_with_a_200_is_an_error(connect: Connect) -> None:
    disguised = json.loads(json.dumps(noted("errors_auth", "right key, wrong secret")))
    disguised["response"]["status"] = 200
    with pytest.raises(ServiceBlocked, match="consumer_secret does not fit"):
        read(connect(Shop(disguised)))


def test_a_fatal_error_inside_a_callback_may_pass(connect: Connect) -> None:
    with pytest.raises(TransientError, match="answered 500"):
        read(connect(Shop(recorded("orders_odd_input")[5])))


def test_a_refused_question_names_what_was_refused(connect: Connect) -> None:
    with pytest.raises(ServiceBlocked, match=r"400 rest_invalid_param: per_page"):
        read(connect(Shop(recorded("orders_paging")[4])))


def test_a_refused_status_is_learnt_from_and_asked_for_once_more(connect: Connect) -> None:
    shop = Shop(noted("errors_requests", "invalid param"))
    with pytest.raises(ServiceBlocked):
        read(connect(shop))
    assert len(shop.requests) == 3


@pytest.mark.parametrize(
    ("file", "note"),
    [
        ("errors_server", "PHP warning printed before JSON"),
        ("errors_server", "trailing slash"),
        ("errors_server", "stale .maintenance file (>10 min)"),
        ("errors_server", "same server, query-string keys"),
        ("errors_auth", "query-string credentials over https"),
        ("errors_auth_http", "OAuth 1.0a ok"),
        ("permalinks_and_urls", "normal"),
        ("permalinks_and_urls", "/index.php/wp-json"),
        ("permalinks_and_urls", "https request, site url stored as http on another port (TLS ended at a proxy)"),
    ],
    ids=lambda value: value.replace(" ", "-"),
)  # fmt: skip
def test_an_answer_with_orders_is_read_however_it_came(connect: Connect, file: str, note: str) -> None:
    page = next(connect(Shop(noted(file, note))).fetch_pages(SINCE))
    assert page.size == 1


@pytest.mark.parametrize("file", ["errors_auth", "errors_auth_http", "errors_requests", "errors_server",
                                  "permalinks_and_urls", "orders_paging", "orders_odd_input"])  # fmt: skip
def test_no_recorded_answer_ends_in_anything_but_our_errors_or_pages(connect: Connect, file: str) -> None:
    for exchange in recorded(file):
        with contextlib.suppress(WcsyncError):
            assert next(connect(Shop(exchange)).fetch_pages(SINCE)).number == 1


@pytest.mark.parametrize("file", ["errors_auth", "errors_auth_http", "errors_requests", "errors_server"])
def test_no_error_quotes_the_shops_text_or_our_key(connect: Connect, file: str) -> None:
    for exchange in recorded(file):
        body = exchange["response"]["body"]
        text = body.get("message", "") if isinstance(body, dict) else ""
        said = repr(error_of(connect(Shop(exchange), auth="query")))
        assert not text or text not in said
        assert KEY not in said
        assert SECRET not in said


def error_of(client: WooCommerce) -> WcsyncError | None:
    try:
        read(client)
    except WcsyncError as error:
        return error
    return None


def test_the_recorded_statuses_are_asked_for_without_any_and_without_carts(connect: Connect) -> None:
    shop = Shop(recorded("orders_paging")[2])
    read(connect(shop))
    asked = shop.requests[-1].url.params["status"].split(",")
    assert sorted(asked) == sorted(wire.STATUSES)


def test_the_walk_goes_on_past_a_short_page_while_the_shop_counts_more(connect: Connect) -> None:
    first, second, beyond = (recorded("orders_paging")[place] for place in (0, 1, 2))
    shop = Shop(first, second, beyond)
    pages = read(connect(shop, page_size=5))
    assert [page.size for page in pages] == [4, 4, 0]
    assert [page.total for page in pages] == [99, 99, None]
    assert pages[-1].last


def test_an_empty_first_page_that_is_counted_for_is_not_believed(connect: Connect) -> None:
    lie = json.loads(json.dumps(recorded("orders_paging")[3]))
    lie["response"]["body"] = []
    with pytest.raises(TransientError, match="counts orders on page 1 and sends none"):
        read(connect(Shop(lie)))


def test_an_empty_page_within_the_count_is_not_the_end(connect: Connect) -> None:
    first, second = (json.loads(json.dumps(recorded("orders_paging")[place])) for place in (0, 1))
    second["response"]["body"] = []
    pages = connect(Shop(first, second), page_size=5).fetch_pages(SINCE)
    next(pages)
    with pytest.raises(TransientError, match="counts orders on page 2 and sends none"):
        next(pages)


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-WP-Total": "0", "X-WP-TotalPages": "0"}, {"X-WP-TotalPages": "junk"}],
    ids=["stripped", "zero", "junk"],
)
def test_without_a_count_to_trust_the_walk_ends_at_an_empty_page(
    connect: Connect, headers: dict[str, str]
) -> None:
    pages = [json.loads(json.dumps(recorded("orders_paging")[place])) for place in (0, 1, 2)]
    for page in pages:
        page["response"]["headers"] = headers
    assert [page.size for page in read(connect(Shop(*pages)))] == [4, 4, 0]


def test_a_cache_that_answers_every_page_alike_does_not_keep_us_reading(connect: Connect) -> None:
    pages = connect(Shop(recorded("orders_paging")[0]), page_size=4).fetch_pages(SINCE)
    next(pages)
    with pytest.raises(TransientError, match="a cache stands in front"):
        next(pages)


def test_a_link_to_another_host_is_never_followed(connect: Connect) -> None:
    note = "https request, site url stored as http on another port (TLS ended at a proxy)"
    shop = Shop(noted("permalinks_and_urls", note), recorded("orders_paging")[2])
    read(connect(shop, page_size=1))
    assert {(request.url.host, request.url.port) for request in shop.requests} == {("127.0.0.1", 8444)}


def drift(*places: int) -> list[Exchange]:
    exchanges = recorded("page_drift")
    return [exchanges[place] for place in places]


def test_our_order_of_rows_loses_nothing_while_an_order_is_touched(connect: Connect) -> None:
    pages = read(connect(Shop(*drift(16, 18, 19)), page_size=3))
    assert seen(pages) == list(range(249, 257))


@pytest.mark.parametrize(
    ("places", "missed"),
    [((0, 2, 3), 252), ((8, 10, 11), 249), ((12, 14, 15), 252)],
    ids=["by-date-ascending", "by-date-descending", "completed-alone"],
)
def test_the_queries_we_do_not_send_are_those_that_lost_an_order(
    connect: Connect, places: tuple[int, ...], missed: int
) -> None:
    exchanges = drift(*places)
    ours = {"orderby": "id", "order": "asc", "status": ",".join(wire.STATUSES)}
    assert dict(exchanges[0]["request"]["query"]).items() & ours.items() != ours.items()
    rows = seen(read(connect(Shop(*exchanges), page_size=3)))
    assert set(range(249, 257)) - set(rows) == {missed}


def by_window(request: httpx.Request) -> Exchange:
    """The recorded answer to exactly this window."""
    asked = {name: request.url.params[name] for name in ("modified_after", "dates_are_gmt")}
    for exchange in recorded("orders_date_filters"):
        if asked.items() <= dict(exchange["request"]["query"]).items():
            return exchange
    raise AssertionError(f"never recorded: {asked}")


@pytest.mark.parametrize(
    ("since", "found"),
    [
        (SINCE, [241]),
        (SINCE - timedelta(seconds=1), [240, 241]),
        (SINCE - timedelta(seconds=0.001), [240, 241]),
        (SINCE + timedelta(seconds=0.999), [241]),
    ],
    ids=["itself-excluded", "a-second-before", "floored", "still-the-same-second"],
)
def test_the_window_finds_what_the_recorded_shop_found_for_it(
    connect: Connect, since: datetime, found: list[int]
) -> None:
    pages = list(connect(Shop(answer=by_window)).fetch_pages(since))
    assert seen(pages) == found


def item(name: str, place: int) -> Shop:
    return Shop(recorded(name)[place])


@pytest.mark.parametrize("place", [0, 1, 3], ids=["unknown", "zero", "a-products-id"])
def test_an_id_the_shop_does_not_know_is_none(connect: Connect, place: int) -> None:
    exchange = recorded("errors_requests")[place]
    order_id = OrderId(int(exchange["request"]["path"].rpartition("/")[2]))
    assert connect(Shop(exchange)).fetch_order(order_id) is None


def test_a_missing_route_is_not_taken_for_a_missing_order(connect: Connect) -> None:
    with pytest.raises(ServiceBlocked, match="activate WooCommerce"):
        connect(item("errors_requests", 2)).fetch_order(OrderId(7))


def test_another_order_than_the_one_asked_for_is_not_believed(connect: Connect) -> None:
    with pytest.raises(TransientError, match="answered with another"):
        connect(item("order_full", 1)).fetch_order(OrderId(7))


def with_refunds(order: Exchange, refunds: list[Any]) -> Shop:
    """An order as recorded, and the list of those of its refunds that were recorded, too."""
    listed = json.loads(json.dumps(recorded("orders_date_modified_changes")[16]))
    listed["response"]["body"] = refunds
    return Shop(answer=lambda request: listed if request.url.path.endswith("/refunds") else order)


def test_an_amount_that_was_given_back_is_of_no_line(connect: Connect) -> None:
    life = recorded("orders_date_modified_changes")
    shop = with_refunds(life[15], life[16]["response"]["body"])
    found = connect(shop).fetch_order(OrderId(240))
    assert isinstance(found, Order)
    assert (found.refunded_total, found.status) == (Decimal("1.00"), "completed")
    assert found.refunds == (Refund(refund_id=242, total=Decimal("1.00")),)
    assert shop.requests[-1].url.path == life[16]["request"]["path"]


def test_a_line_that_was_given_back_is_read_as_recorded(connect: Connect) -> None:
    life = recorded("orders_date_modified_changes")
    shop = with_refunds(life[18], [life[17]["response"]["body"], life[14]["response"]["body"]])
    found = connect(shop).fetch_order(OrderId(240))
    assert isinstance(found, Order)
    [line] = found.lines
    assert line.line_id == 323
    assert (found.refunded_total, found.status) == (Decimal("3.00"), "completed")
    assert found.refunds == (
        Refund(refund_id=242, total=Decimal("1.00")),
        Refund(
            refund_id=243,
            total=Decimal("2.00"),
            lines=(RefundLine(line_id=323, quantity=Decimal(1), total=Decimal("2.00")),),
        ),
    )


def test_an_order_completed_again_after_all_was_given_back_keeps_its_refunds(connect: Connect) -> None:
    life = recorded("orders_date_modified_changes")
    shop = with_refunds(life[22], [life[20]["response"]["body"], life[17]["response"]["body"]])
    found = connect(shop).fetch_order(OrderId(240))
    assert isinstance(found, Order)
    assert (found.refunded_total, found.status) == (Decimal("19.90"), "completed")
    assert [refund.refund_id for refund in found.refunds] == [243, 244]


def test_a_deleted_order_is_none(connect: Connect) -> None:
    assert connect(item("orders_date_modified_changes", 35)).fetch_order(OrderId(239)) is None


def test_every_whole_order_ever_recorded_can_be_read(connect: Connect) -> None:
    bodies = [
        exchange["response"]["body"] for path in RECORDINGS.glob("*.json") for exchange in recorded(path.stem)
    ]
    rows = [row for body in bodies for row in (body if isinstance(body, list) else [body])]
    orders = [
        row for row in rows if isinstance(row, dict) and {"line_items", "customer_id", "status"} <= set(row)
    ]
    found = wire.parse_rows(json.dumps(orders).encode())
    assert [row for row in found if isinstance(row, Unreadable)] == []
    assert len(found) > 30


def test_the_shop_names_itself(connect: Connect) -> None:
    shop = item("errors_requests", 27)
    who = connect(shop).fetch_identity()
    assert (who.url, who.name, who.zone) == ("https://127.0.0.1:8444", "Cursos ñ Test", "Europe/Madrid")
    assert who.server_time == datetime(2026, 11, 21, 19, 21, 45, tzinfo=UTC)
    [request] = shop.requests
    assert "authorization" not in request.headers


def test_a_site_without_woocommerce_is_named(connect: Connect) -> None:
    index = json.loads(json.dumps(noted("errors_requests", "no trailing wp-json slash")))
    index["response"]["body"]["namespaces"] = ["wp/v2", "wc/v2"]
    with pytest.raises(ServiceBlocked, match="activate WooCommerce"):
        connect(Shop(index)).fetch_identity()


@pytest.mark.parametrize("url", ["https://127.0.0.1:8444/", " https://127.0.0.1:8444// ", "HTTPS://127.0.0.1:8444"],
                         ids=["slash", "slashes-and-blanks", "capitals"])  # fmt: skip
def test_the_address_may_be_written_as_people_write_it(connect: Connect, url: str) -> None:
    shop = Shop(recorded("orders_paging")[2])
    read(connect(shop, url=url))
    assert str(shop.requests[-1].url).startswith("https://127.0.0.1:8444/wp-json/wc/v3/orders?")
    assert "authorization" in shop.requests[-1].headers


def body_of(exchange: Exchange) -> bytes:
    return json.dumps(exchange["response"]["body"], ensure_ascii=False).encode()


def test_products_and_variations_found_by_sku_are_read() -> None:
    found = parse_products(body_of(noted("products_sku_filter2", "sku=COURSE-001,NOPE,COURSE-VAR-B2")))
    assert [(one.product_id, one.sku, one.kind) for one in found if isinstance(one, Product)] == [
        (23, "COURSE-VAR-B2", "variation"),
        (11, "COURSE-001", "simple"),
    ]


def test_a_whole_product_is_read() -> None:
    product = parse_product(body_of(recorded("line_items_vs_products")[0]))
    assert isinstance(product, Product)
    assert (product.product_id, product.name, product.sku, product.price) == (5888, "Temporal", "TEMP-1", "5")
    assert (product.status, product.virtual, product.parent_id, product.variation_ids) == (
        "publish",
        True,
        0,
        (),
    )
    assert product.categories == ("Uncategorized",)
