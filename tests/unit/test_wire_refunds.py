"""Refunds in WooCommerce's JSON."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from wcsync.errors import MalformedReply
from wcsync.sale import Refund, RefundLine
from wcsync.store import wire

LIFE = Path(__file__).parents[1] / "recordings" / "woocommerce" / "orders_date_modified_changes.json"
PERSONAL = "maria.garcia@example.test"


def recorded(place: int) -> bytes:
    return json.dumps(json.loads(LIFE.read_text())[place]["response"]["body"]).encode()


def item(line_id: Any, quantity: Any, total: Any, tax: Any = "0.00") -> dict[str, Any]:
    origin = [{"id": 1, "key": "_refunded_item_id", "value": line_id}]
    return {"id": 325, "quantity": quantity, "total": total, "total_tax": tax, "meta_data": origin}


def read(**fields: Any) -> Refund:
    refund = {"id": 242, "amount": "10.00", "line_items": [], "shipping_lines": [], "fee_lines": []}
    return wire.parse_refund(json.dumps(refund | fields).encode())


def line(line_id: int, quantity: str, total: str) -> RefundLine:
    return RefundLine(line_id=line_id, quantity=Decimal(quantity), total=Decimal(total))


def test_recorded_refunds_are_read() -> None:
    [row] = wire.parse_refund_rows(recorded(16))
    assert wire.parse_refund(row) == Refund(refund_id=242, total=Decimal("1.00"))
    assert wire.parse_refund(recorded(17)) == Refund(
        refund_id=243, total=Decimal("2.00"), lines=(line(323, "1", "2.00"),)
    )


def test_quantities_and_totals_lose_their_sign() -> None:
    refund = read(line_items=[item("5", -2, "-6.00"), item(6, -1.5, -4)])
    assert refund.lines == (line(5, "2", "6.00"), line(6, "1.5", "4"))
    assert refund.total == 10


def test_an_amount_beyond_the_lines_stays_in_the_total() -> None:
    refund = read(line_items=[item("5", 0, "-6.00")])
    assert (refund.total, refund.lines) == (Decimal("10.00"), (line(5, "0", "6.00"),))


def test_a_line_of_nothing_is_none() -> None:
    assert read(line_items=[item("5", 0, "0.00")]).lines == ()


def test_tax_shipping_and_fees_are_no_amount_of_their_own() -> None:
    refund = read(
        amount="18.15",
        line_items=[item("5", -1, "-10.00", "-2.10")],
        shipping_lines=[{"total": "-4.00", "total_tax": "-0.84"}],
        fee_lines=[{"total": "-1.00", "total_tax": "-0.21"}],
    )
    assert (refund.total, refund.lines) == (Decimal("10.00"), (line(5, "1", "10.00"),))


def test_shipping_alone_is_nothing_given_back_of_a_sale() -> None:
    refund = read(amount="4.84", shipping_lines={"0": {"total": "-4.00", "total_tax": "-0.84"}})
    assert refund == Refund(refund_id=242, total=Decimal(0))


def test_tax_alone_is_nothing_given_back_of_a_sale() -> None:
    refund = read(amount="2.10", line_items=[item("5", 0, "0.00", "-2.10")])
    assert refund == Refund(refund_id=242, total=Decimal(0))


@pytest.mark.parametrize("amount", ["19.99", "20.00", "20.01"])
def test_a_cent_lost_in_rounding_is_no_amount_of_its_own(amount: str) -> None:
    refund = read(amount=amount, line_items=[item("5", -1, "-16.53", "-3.47")])
    assert refund.total == Decimal("16.53")


@pytest.mark.parametrize("origin", [None, "", [], {}], ids=str)
def test_a_line_of_nobody_knows_which_is_a_mere_amount(origin: Any) -> None:
    refund = read(line_items=[item(origin, -1, "-10.00")])
    assert (refund.total, refund.lines) == (Decimal("10.00"), ())


def test_a_line_without_meta_is_a_mere_amount() -> None:
    refund = read(line_items={"1": {"quantity": -1, "total": "-10.00"}})
    assert (refund.total, refund.lines) == (Decimal("10.00"), ())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": None}, "refunds.id: missing"),
        ({"amount": PERSONAL}, "refunds.amount: not a number"),
        ({"line_items": PERSONAL}, "refunds: of an unexpected kind"),
        ({"line_items": [item("5", PERSONAL, "1")]}, "refunds.line_items.0.quantity: not a number"),
        (
            {"line_items": [item("5", 1, "1e99")]},
            "refunds.line_items.0.total: a number out of all proportion",
        ),
        ({"line_items": [item(PERSONAL, 1, "1")]}, "refunds.line_items.0._refunded_item_id: not a number"),
    ],
    ids=["no-id", "amount", "lines", "quantity", "total", "origin"],
)
def test_what_cannot_be_read_is_named_by_its_field_and_never_quoted(fields: Any, reason: str) -> None:
    with pytest.raises(MalformedReply) as caught:
        read(**fields)
    assert str(caught.value) == reason


@pytest.mark.parametrize("content", [b"", b"{}", b'{"code":"x"}', b"<html>", b"[", b"null"], ids=str)
def test_what_is_no_list_of_refunds_is_refused_whole(content: bytes) -> None:
    with pytest.raises(MalformedReply):
        wire.parse_refund_rows(content)
