"""WooCommerce's JSON, read and asked for."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from wcsync.errors import MalformedReply, ServiceBlocked, TransientError
from wcsync.model import Line, LineId, Order, OrderId, Person, ProductId, Unreadable
from wcsync.sale import Refund
from wcsync.store import wire
from wcsync.store.refusal import Way, explain

RECORDINGS = Path(__file__).parents[1] / "recordings" / "woocommerce"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PERSONAL = "maria.garcia@example.test"


def line(**fields: Any) -> dict[str, Any]:
    return {
        "id": 316,
        "name": "Diseño Gráfico",
        "product_id": 17,
        "variation_id": 0,
        "quantity": 5,
        "sku": "COURSE-007",
        "total": "359.55",
        "price": 71.91,
        "meta_data": [],
    } | fields


def order(**fields: Any) -> dict[str, Any]:
    return {
        "id": 234,
        "number": "234",
        "status": "completed",
        "customer_id": 6,
        "billing": {"first_name": "D'Arcy", "last_name": "Smith & Sons", "email": "darcy196@example.test"},
        "line_items": [line()],
        "refunds": [],
        "date_created_gmt": "2026-11-21T19:17:08",
        "date_modified_gmt": "2026-11-21T19:17:10",
        "date_completed_gmt": "2026-11-21T19:17:08",
        "date_paid_gmt": "2026-11-21T19:17:08",
    } | fields


def without(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def read(value: Any) -> Order | Unreadable:
    [row] = wire.parse_rows(json.dumps([value]).encode())
    return row


def read_order(value: Any) -> Order:
    row = read(value)
    assert isinstance(row, Order), row
    return row


def read_reason(value: Any) -> str:
    row = read(value)
    assert isinstance(row, Unreadable), row
    return row.reason


def recorded(name: str, place: int) -> bytes:
    body = json.loads((RECORDINGS / name).read_text())[place]["response"]["body"]
    return json.dumps(body).encode()


def test_a_recorded_order_is_read_field_by_field() -> None:
    rows = wire.parse_rows(recorded("order_full.json", 0))
    assert rows[0] == Order(
        order_id=OrderId(234),
        number="234",
        status="completed",
        created_at=datetime(2026, 11, 21, 19, 17, 8, tzinfo=UTC),
        modified_at=datetime(2026, 11, 21, 19, 17, 10, tzinfo=UTC),
        paid_at=datetime(2026, 11, 21, 19, 17, 8, tzinfo=UTC),
        completed_at=datetime(2026, 11, 21, 19, 17, 8, tzinfo=UTC),
        customer_id=6,
        buyer=Person(email="darcy196@example.test", first_name="D'Arcy", last_name="Smith & Sons"),
        lines=(
            Line(
                line_id=LineId(316),
                product_id=ProductId(17),
                variation_id=ProductId(0),
                sku="COURSE-007",
                name="Diseño Gráfico",
                quantity=Decimal(5),
                total="359.55",
            ),
        ),
        refunded_total=Decimal("1.00"),
        refunds=(Refund(refund_id=238, total=Decimal("1.00")),),
    )


def test_a_line_whose_product_is_gone_for_good_keeps_its_name() -> None:
    found = wire.parse_order(recorded("line_items_vs_products.json", 7))
    assert isinstance(found, Order)
    gone = found.lines[0]
    assert (gone.product_id, gone.sku, gone.name) == (0, "", "Temporal")


def test_a_variations_line_names_parent_and_variation() -> None:
    found = wire.parse_order(recorded("line_items_vs_products.json", 3))
    assert isinstance(found, Order)
    assert [one.variation_id > 0 for one in found.lines].count(True) == 1


def test_an_order_without_e_mail_customer_and_lines_is_an_order() -> None:
    found = wire.parse_order(recorded("orders_odd_input.json", 1))
    assert isinstance(found, Order)
    assert (found.buyer.email, found.customer_id, found.lines) == ("", 0, ())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (line(sku=None), {"sku": ""}),
        (line(sku=7), {"sku": "7"}),
        (line(sku=7.0), {"sku": "7"}),
        (line(sku=False), {"sku": ""}),
        (without("sku", line()), {"sku": ""}),
        (line(id="316"), {"line_id": 316}),
        (line(product_id=0), {"product_id": 0}),
        (line(product_id=None), {"product_id": 0}),
        (line(product_id="17"), {"product_id": 17}),
        (without("variation_id", line()), {"variation_id": 0}),
        (line(quantity=1.5), {"quantity": Decimal("1.5")}),
        (line(quantity="2"), {"quantity": Decimal(2)}),
        (line(quantity="0.5"), {"quantity": Decimal("0.5")}),
        (line(quantity=0), {"quantity": Decimal(0)}),
        (line(quantity=-1), {"quantity": Decimal(-1)}),
        (line(name=None), {"name": ""}),
        (line(total=None), {"total": ""}),
        (line(total=12), {"total": "12"}),
    ],
    ids=[
        "sku-null", "sku-int", "sku-float", "sku-false", "no-sku", "id-text", "product-0", "product-null",
        "product-text", "no-variation", "fraction", "quantity-text", "fraction-text", "none", "negative",
        "name-null", "total-null", "total-int",
    ],
)  # fmt: skip
def test_a_line_is_read_whatever_plugins_made_of_it(
    changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    [found] = read_order(order(line_items=[changed])).lines
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (order(id="234"), {"order_id": 234}),
        (order(number=None), {"number": "234"}),
        (order(number="W-2026/7"), {"number": "W-2026/7"}),
        (without("number", order()), {"number": "234"}),
        (without("customer_id", order()), {"customer_id": 0}),
        (order(customer_id=None), {"customer_id": 0}),
        (order(customer_id="6"), {"customer_id": 6}),
        (order(line_items=None), {"lines": ()}),
        (without("line_items", order()), {"lines": ()}),
        (without("refunds", order()), {"refunded_total": Decimal(0)}),
        (order(refunds=[{"id": 1, "total": "-0.00"}]), {"refunded_total": Decimal(0)}),
        (order(refunds=[{"id": 1, "refund_reason": "x", "total": "-1.50"}, {"total": -2}]),
         {"refunded_total": Decimal("3.50")}),
        (order(refunds=[{"id": 1, "reason": None, "total": None}]), {"refunded_total": Decimal(0)}),
        (order(refunds={"3": {"total": "-4.00"}}), {"refunded_total": Decimal(4)}),
        (order(date_paid_gmt=None), {"paid_at": None}),
        (order(date_paid_gmt=""), {"paid_at": None}),
        (order(date_paid_gmt="0000-00-00T00:00:00"), {"paid_at": None}),
        (order(date_paid_gmt="-0001-11-30T00:00:00"), {"paid_at": None}),
        (without("date_completed_gmt", order()), {"completed_at": None}),
        (order(date_paid_gmt="2026-11-21T12:00:00Z"), {"paid_at": NOON}),
        (order(date_paid_gmt="2026-11-21T13:00:00+01:00"), {"paid_at": NOON}),
        (order(date_paid_gmt="2026-11-21 12:00:00"), {"paid_at": NOON}),
        (order(date_created_gmt=None), {"created_at": datetime(2026, 11, 21, 19, 17, 8, tzinfo=UTC)}),
        (order(status="wc-paid-course"), {"status": "wc-paid-course"}),
    ],
    ids=[
        "id-text", "number-null", "number-words", "no-number", "no-customer", "customer-null", "customer-text",
        "lines-null", "no-lines", "no-refunds", "minus-nothing", "other-reason-key", "refund-nulls", "php-object",
        "unpaid-null", "unpaid-empty", "zero-date", "older-zero-date", "no-completed", "z", "offset", "blank",
        "no-created", "custom-status",
    ],
)  # fmt: skip
def test_an_order_is_read_whatever_plugins_made_of_it(
    changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = read_order(changed)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("billing", "person"),
    [
        (None, Person(email="")),
        ([], Person(email="")),
        ({}, Person(email="")),
        ({"email": None, "first_name": None, "last_name": None}, Person(email="")),
        ({"email": " \t Ana@Example.TEST\n"}, Person(email="Ana@Example.TEST")),
        ({"email": "a@b.test", "first_name": " Ana ", "last_name": 7},
         Person(email="a@b.test", first_name=" Ana ", last_name="7")),
    ],
    ids=["null", "php-empty", "empty", "nulls", "trimmed", "names-as-they-are"],
)  # fmt: skip
def test_of_a_buyer_only_the_address_is_trimmed(billing: Any, person: Person) -> None:
    assert read_order(order(billing=billing)).buyer == person


def test_a_list_that_php_wrote_as_an_object_keeps_its_order() -> None:
    found = read_order(order(line_items={"0": line(id=5), "2": line(id=3)}))
    assert [one.line_id for one in found.lines] == [5, 3]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (order(id=None), "id: missing"),
        (order(id=-4), "id: negative"),
        (order(id="abc"), "id: not a number"),
        (order(id=2**63), "id: not a whole number"),
        (order(id="1e999999999"), "id: not a whole number"),
        (without("status", order()), "status: missing"),
        (order(status=7), "status: missing"),
        (without("date_modified_gmt", order()), "date_modified_gmt: missing"),
        (order(date_modified_gmt="0000-00-00T00:00:00"), "date_modified_gmt: missing"),
        (order(date_modified_gmt=PERSONAL), "date_modified_gmt: not a date"),
        (order(date_paid_gmt=1795288893), "date_paid_gmt: not a date"),
        (order(date_paid_gmt="0001-01-01T00:00:00+14:00"), "date_paid_gmt: not a date"),
        (order(customer_id=PERSONAL), "customer_id: not a number"),
        (order(billing=PERSONAL), "billing: of an unexpected kind"),
        (order(billing={"email": [PERSONAL]}), "billing.email: of an unexpected kind"),
        (order(line_items=PERSONAL), "line_items: of an unexpected kind"),
        (order(line_items=[line(), line(sku={"a": PERSONAL})]), "line_items.1.sku: of an unexpected kind"),
        (order(line_items={"7": line(sku=[PERSONAL])}), "line_items.?.sku: of an unexpected kind"),
        (order(line_items=[without("id", line())]), "line_items.0.id: missing"),
        (order(line_items=[line(product_id=1.5)]), "line_items.0.product_id: not a whole number"),
        (order(line_items=[line(quantity=None)]), "line_items.0.quantity: not a number"),
        (order(line_items=[line(quantity=PERSONAL)]), "line_items.0.quantity: not a number"),
        (order(line_items=[line(quantity="NaN")]), "line_items.0.quantity: a number out of all proportion"),
        (order(line_items=[line(quantity="1e999999999")]),
         "line_items.0.quantity: a number out of all proportion"),
        (order(line_items=[line(quantity=True)]), "line_items.0.quantity: not a number"),
        (order(refunds=[{"total": PERSONAL}]), "refunds.0.total: not a number"),
        ([], "order: of an unexpected kind"),
        (None, "order: of an unexpected kind"),
        (PERSONAL, "order: of an unexpected kind"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) and ":" in value else "",
)  # fmt: skip
def test_what_cannot_be_read_is_named_by_its_field_and_never_quoted(changed: Any, reason: str) -> None:
    assert read_reason(changed) == reason


def test_an_unreadable_order_is_known_by_its_id() -> None:
    assert read(order(status=None)) == Unreadable(order_id=OrderId(234), reason="status: missing")


def test_an_order_without_an_id_is_still_reported() -> None:
    assert read(without("id", order())) == Unreadable(order_id=None, reason="id: missing")


def test_a_bad_order_does_not_cost_its_page() -> None:
    rows = wire.parse_rows(json.dumps([order(id=1), order(id=2, status=None), order(id=3)]).encode())
    assert [type(row).__name__ for row in rows] == ["Order", "Unreadable", "Order"]


def test_broken_letters_cost_one_order_not_its_page() -> None:
    page = (
        json.dumps([order(id=1), order(id=2, number="@@"), order(id=3)]).encode().replace(b"@@", b"\xff\xfe")
    )
    rows = wire.parse_rows(page)
    assert rows[1] == Unreadable(order_id=OrderId(2), reason="order: not UTF-8")
    assert [row.order_id for row in rows] == [1, 2, 3]


def test_an_order_nested_without_end_costs_one_order() -> None:
    deep = b'{"id":2,"meta_data":' + b"[" * 900 + b"]" * 900 + b"}"
    page = json.dumps([order(id=1)]).encode()[:-1] + b"," + deep + b"]"
    assert wire.parse_rows(page)[0].order_id == 1


def test_an_order_twice_on_a_page_is_two_rows() -> None:
    assert len(wire.parse_rows(json.dumps([order(), order()]).encode())) == 2


def test_unknown_fields_are_ignored() -> None:
    assert read_order(order(plugin={"x": [1]}, _links={})) == read_order(order())


PAGE = json.dumps([{"id": 241, "note": "a [bracket] and {another}"}]).encode()
WARNING = (
    b'<br />\n<b>Warning</b>:  Undefined array key "foo[0]" in <b>/var/x.php</b> on line <b>12</b><br />\n'
)


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\xef\xbb\xbf",
        b"\n\n ",
        WARNING,
        WARNING * 3,
        WARNING + b"\xef\xbb\xbf",
        b"\nDeprecated: Creation of dynamic property [x] in /var/x.php on line 12\n",
    ],
    ids=["none", "bom", "blanks", "warning", "warnings", "warning-and-bom", "plain-text"],
)
def test_what_php_prints_before_an_answer_does_not_hold_up_orders(noise: bytes) -> None:
    [row] = wire.parse_rows(noise + PAGE)
    assert row.order_id == 241


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        PAGE[:-1],
        PAGE[: len(PAGE) // 2],
        WARNING + PAGE[:-2],
        PAGE + b"<!-- cached -->",
        PAGE + PAGE,
        b"<html><script>var x = [1]</script></html>",
        b'{"id":1}',
        b"null",
        b'"text"',
        b"17",
        b"\x00\x01\x02",
        b"\x1f\x8b\x08",
        b"[" * 100_000 + b"]" * 100_000,
        b"Notice: x [0]\nnothing more [1]",
    ],
    ids=[
        "empty", "blank", "cut", "half", "warning-and-cut", "text-behind", "twice", "html", "object", "null",
        "text", "number", "binary", "gzip", "deep", "brackets-in-text",
    ],
)  # fmt: skip
def test_an_answer_that_is_no_list_is_refused_whole(content: bytes) -> None:
    with pytest.raises(MalformedReply):
        wire.parse_rows(content)


@pytest.mark.parametrize("noise", [b"", WARNING, b"Notice: x\n"], ids=["bare", "warning", "plain-text"])
def test_a_cut_answer_is_never_read_from_its_middle(noise: bytes) -> None:
    whole = json.dumps([order(id=1), order(id=2)], separators=(",", ":")).encode()
    for end in range(1, len(whole)):
        with pytest.raises(MalformedReply):
            wire.parse_rows(noise + whole[:end])


def test_no_rest_of_an_answer_passes_for_the_whole() -> None:
    whole = json.dumps([order(id=1, number="[", billing={"first_name": "[]", "last_name": "[{}]"})]).encode()
    for begin in range(1, len(whole)):
        assert _refused(whole[begin:]), whole[begin:]


def _refused(content: bytes) -> bool:
    try:
        wire.parse_rows(content)
    except MalformedReply:
        return True
    return False


def test_one_order_is_read_from_its_own_answer() -> None:
    found = wire.parse_order(WARNING + json.dumps(order()).encode())
    assert found.order_id == 234


@pytest.mark.parametrize(
    "content", [b"[]", b"", b'{"code":"rest_no_route","message":"x","data":{"status":404}}'],
    ids=["list", "empty", "error"],
)  # fmt: skip
def test_an_answer_that_is_no_order_is_not_an_unreadable_order(content: bytes) -> None:
    with pytest.raises(MalformedReply):
        wire.parse_order(content)


MADRID = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (NOON, "2026-11-21T12:00:00"),
        (NOON + timedelta(microseconds=999_999), "2026-11-21T12:00:00"),
        (datetime(2026, 11, 21, 13, tzinfo=MADRID), "2026-11-21T12:00:00"),
        (datetime(970, 1, 1, tzinfo=UTC), "0970-01-01T00:00:00"),
    ],
    ids=["utc", "floored", "zoned", "long-ago"],
)
def test_the_window_begins_at_a_naive_utc_second_said_to_be_one(since: datetime, shown: str) -> None:
    query = wire.render_orders_query(since, page=1, page_size=100, statuses=wire.STATUSES)
    assert (query["modified_after"], query["dates_are_gmt"]) == (shown, "true")


def test_orders_are_asked_for_by_id_in_every_status_without_an_upper_end() -> None:
    query = wire.render_orders_query(NOON, page=3, page_size=50, statuses=("completed", "trash"))
    assert (query["orderby"], query["order"], query["page"], query["per_page"]) == ("id", "asc", "3", "50")
    assert query["status"] == "completed,trash"
    assert not {"before", "modified_before"} & set(query)


def test_no_more_of_a_buyer_is_asked_for_than_is_used() -> None:
    fields = wire.render_order_query()["_fields"].split(",")
    assert [name for name in fields if name.startswith("billing")] == [
        "billing.email", "billing.first_name", "billing.last_name",
    ]  # fmt: skip


def test_no_part_of_a_list_is_asked_for_because_that_drops_the_list() -> None:
    fields = wire.render_order_query()["_fields"].split(",")
    assert {"line_items", "refunds"} <= set(fields)
    assert not [name for name in fields if name.startswith(("line_items.", "refunds."))]


@pytest.mark.parametrize(
    ("headers", "totals"),
    [
        ({"x-wp-total": "202", "x-wp-totalpages": "3"}, wire.Totals(rows=202, pages=3)),
        ({}, wire.Totals(rows=None, pages=None)),
        ({"x-wp-total": "many", "x-wp-totalpages": "-1"}, wire.Totals(rows=None, pages=None)),
        ({"x-wp-total": "9" * 5000, "x-wp-totalpages": "²"}, wire.Totals(rows=None, pages=None)),
    ],
    ids=["numbers", "absent", "words", "absurd"],
)
def test_totals_are_numbers_or_nothing(headers: dict[str, str], totals: wire.Totals) -> None:
    assert wire.parse_totals(headers) == totals


def refusal(code: str, message: str = "", **inner: Any) -> bytes:
    return json.dumps({"code": code, "message": message, "data": inner}).encode()


def listed(sentence: str) -> tuple[str, ...]:
    found = wire.parse_refusal(refusal("rest_invalid_param", status=400, params={"status": sentence}))
    assert found is not None
    return found.statuses


@pytest.mark.parametrize(
    ("sentence", "statuses"),
    [
        ("status[0] is not one of any, trash, pending, completed, failed, and checkout-draft.",
         ("trash", "pending", "completed", "failed", "checkout-draft")),
        ("status[0] no es uno de any, trash, pending, completed, failed y checkout-draft.",
         ("trash", "pending", "completed", "failed", "checkout-draft")),
        ("status[0] ist nicht any, trash, pending, completed, failed und wc-own_1.",
         ("trash", "pending", "completed", "failed", "wc-own_1")),
        ("status[0] は any、trash、pending、completed、failed、checkout-draft のいずれか",
         ("trash", "pending", "completed", "failed")),
        ("status[0] ليس any، trash، pending، completed، failed و checkout-draft.",
         ("trash", "pending", "completed", "failed", "checkout-draft")),
        ("status[0] is not one of any, trash, and completed", ("trash", "completed")),
        ("status[0] is not one of any and trash.", ()),
        ("status must be an array.", ()),
        ("", ()),
    ],
    ids=["english", "spanish", "german", "japanese", "arabic", "three", "no-completed", "other", "empty"],
)  # fmt: skip
def test_the_statuses_of_a_shop_are_read_from_its_refusal(sentence: str, statuses: tuple[str, ...]) -> None:
    assert tuple(one for one in listed(sentence) if one != "any") == statuses


def test_the_recorded_refusal_lists_all_statuses() -> None:
    found = wire.parse_refusal(recorded("orders_paging.json", 17))
    assert found is not None
    assert set(wire.STATUSES) | {"auto-draft", "checkout-draft"} == set(found.statuses) - {"any"}


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        (refusal("rest_no_route", status=404), "rest_no_route", 404),
        (b'{"code":"x","message":"y","data":500}', "x", 500),
        (b'{"code":"x","data":null}', "x", 0),
        (b'{"code":7}', "7", 0),
        (b'{"code":"x","data":{"status":"404","params":["note"]}}', "x", 0),
        (refusal(f"code of {PERSONAL}"), "unreadable code", 0),
        (WARNING + refusal("x", status=401), "x", 401),
    ],
    ids=["usual", "int-data", "null-data", "int-code", "list-params", "unsafe-code", "after-a-warning"],
)
def test_an_error_is_read_in_every_form_it_takes(content: bytes, code: str, status: int) -> None:
    found = wire.parse_refusal(content)
    assert found is not None
    assert (found.code, found.status) == (code, status)


@pytest.mark.parametrize(
    "content", [b"", b"<html></html>", b"[]", b"null", b'{"id":1}', b'{"code":[1]}', b'{"code":"\xff"}'],
    ids=["empty", "html", "list", "null", "order", "odd-code", "not-utf8"],
)  # fmt: skip
def test_what_is_no_error_is_none(content: bytes) -> None:
    assert wire.parse_refusal(content) is None


def test_a_refusal_does_not_show_the_shops_text() -> None:
    assert PERSONAL not in repr(wire.parse_refusal(refusal("x", f"Sorry {PERSONAL}", params=[PERSONAL])))


@pytest.mark.parametrize(
    ("code", "message", "way", "says"),
    [
        ("woocommerce_rest_cannot_view", "Sorry", "basic", 'set auth = "query"'),
        ("woocommerce_rest_cannot_view", "Sorry", "query", "no proxy cuts the query"),
        ("woocommerce_rest_cannot_view", "Sorry", "oauth", "use https"),
        ("woocommerce_rest_authentication_error", "Consumer secret is invalid.", "basic", "copy both anew"),
        (
            "woocommerce_rest_authentication_error",
            "La clave no vale.",
            "basic",
            "consumer_secret does not fit",
        ),
        ("woocommerce_rest_authentication_error", "La firma no vale.", "oauth", "clock by NTP"),
        ("woocommerce_rest_authentication_error", "Invalid timestamp.", "oauth", "clock by NTP"),
        (
            "woocommerce_rest_authentication_missing_parameter",
            "x",
            "oauth",
            "did not get the whole signature",
        ),
        ("rest_not_logged_in", "x", "basic", "security plugin"),
    ],
    ids=[
        "stripped",
        "query",
        "oauth",
        "secret",
        "translated",
        "translated-oauth",
        "clock",
        "missing",
        "plugin",
    ],
)
def test_a_401_says_what_to_mend(code: str, message: str, way: Way, says: str) -> None:
    error = explain("shop", 401, wire.parse_refusal(refusal(code, message, status=401)), way)
    assert isinstance(error, ServiceBlocked)
    assert says in str(error)
    assert f"(401 {code})" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [(403, "rest_forbidden", "administrator or shop manager"), (405, "rest_closed", "security plugin"),
     (400, "rest_invalid_param", "changes REST requests"), (200, "rest_closed", "security plugin")],
    ids=["rights", "closed", "question", "despite-200"],
)  # fmt: skip
def test_any_other_refusal_says_where_to_look(status: int, code: str, says: str) -> None:
    error = explain("shop", status, wire.parse_refusal(refusal(code, PERSONAL)), "basic")
    assert isinstance(error, ServiceBlocked)
    assert says in str(error)
    assert code in str(error)
    assert PERSONAL not in str(error)


def test_a_nonce_drawn_twice_is_no_reason_to_stop() -> None:
    nonce = refusal("woocommerce_rest_authentication_error", "Invalid nonce - nonce has already been used.")
    assert isinstance(explain("shop", 401, wire.parse_refusal(nonce), "oauth"), TransientError)


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "password prompt"), (403, "firewall"), (404, "permalinks"), (406, "firewall"), (410, "firewall")],
    ids=str,
)
def test_a_page_in_place_of_an_error_points_at_what_stands_in_front(status: int, says: str) -> None:
    error = explain("shop", status, None, "basic")
    assert isinstance(error, ServiceBlocked)
    assert says in str(error)
    assert str(status) in str(error)


def test_a_refused_question_names_the_parameter() -> None:
    said = refusal("rest_invalid_param", status=400, params={"per_page": "out of bounds"})
    assert "(400 rest_invalid_param: per_page)" in str(
        explain("shop", 400, wire.parse_refusal(said), "basic")
    )


def test_an_error_inside_the_shop_may_pass_even_with_a_200() -> None:
    said = wire.parse_refusal(refusal("internal_server_error", status=500))
    assert isinstance(explain("shop", 200, said, "basic"), TransientError)


def test_the_index_is_read() -> None:
    index = wire.parse_index(recorded("errors_requests.json", 27))
    assert (index.url, index.name, "wc/v3" in index.namespaces) == (
        "https://127.0.0.1:8444",
        "Cursos ñ Test",
        True,
    )


@pytest.mark.parametrize("content", [b"[]", b"{}", b"<html>", b'{"namespaces":"wc/v3"}'], ids=str)
def test_what_is_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedReply):
        wire.parse_index(content)


@pytest.mark.parametrize(
    ("said", "offset"),
    [
        (5.5, "+05:30"),
        ("5.75", "+05:45"),
        (-8, "-08:00"),
        (-3.5, "-03:30"),
        (0, "+00:00"),
        ("", ""),
        (None, ""),
        ("far", ""),
        (99, ""),
        (True, ""),
    ],
    ids=str,
)
def test_what_the_sites_clock_is_ahead_is_read_in_hours(said: Any, offset: str) -> None:
    index = json.dumps({"namespaces": [], "timezone_string": "", "gmt_offset": said})
    assert wire.parse_index(index.encode()).offset == offset


def test_an_index_without_a_clock_has_none() -> None:
    index = wire.parse_index(b'{"namespaces":[]}')
    assert (index.timezone, index.offset) == ("", "")
