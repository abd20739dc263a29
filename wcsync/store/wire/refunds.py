"""Refunds in WooCommerce's JSON: what each gave back of which line.

In an order a refund is a number and a total; only its own list says of which lines it is. Quantities and totals are
negative there, and each line names the one it gives back in its meta `_refunded_item_id`.

https://woocommerce.github.io/woocommerce-rest-api-docs/#order-refunds
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from wcsync.errors import MalformedReply
from wcsync.sale import Refund, RefundLine
from wcsync.store.jsontext import json_part
from wcsync.store.wire.meta import Meta
from wcsync.store.wire.scalars import Scalar, amount, members, needed, whole

PAGE_SIZE = 100
CENT = Decimal("0.01")

_ORIGIN = "_refunded_item_id"


class RefundStub(msgspec.Struct):
    """A refund as its order shows it."""

    id: Scalar = None
    total: Scalar = None


class _Item(msgspec.Struct):
    quantity: Scalar = None
    total: Scalar = None
    total_tax: Scalar = None
    meta_data: msgspec.Raw = msgspec.Raw()


_Items = list[_Item] | dict[str, _Item] | None


class _Refund(msgspec.Struct):
    id: Scalar = None
    amount: Scalar = None
    line_items: _Items = None
    shipping_lines: _Items = None
    fee_lines: _Items = None


_REFUND = msgspec.json.Decoder(_Refund)


def render_refunds_query(page: int) -> dict[str, str]:
    """Of the lists no part can be had."""
    return {
        "per_page": str(PAGE_SIZE),
        "page": str(page),
        "_fields": "id,amount,line_items,shipping_lines,fee_lines",
    }


def read_stubs(stubs: Sequence[RefundStub]) -> tuple[Refund, ...]:
    """In order of id; a refund without one has 0. Raises MalformedReply."""
    told = (
        Refund(
            refund_id=whole(stub.id, f"refunds.{place}.id"),
            total=amount(stub.total, f"refunds.{place}.total"),
        )
        for place, stub in enumerate(stubs)
    )
    return tuple(sorted(told, key=lambda refund: refund.refund_id))


def parse_refund_rows(content: bytes) -> list[bytes]:
    """The refunds of one page, unread. Raises MalformedReply if the answer is no list."""
    try:
        rows = msgspec.json.decode(json_part(content), type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise MalformedReply("answer", "JSON, but not a list") from None
    return [bytes(row) for row in rows]


def parse_refund(raw: bytes) -> Refund:
    """One refund. Its total is without the tax of its lines, without shipping and without fees: what is left beyond
    its lines was given back of no line, as a mere amount.

    Raises MalformedReply, which quotes no value.
    """
    try:
        told = _REFUND.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedReply("refunds", "of an unexpected kind") from None
    items = members(told.line_items)
    lines = [_line(item, f"refunds.line_items.{place}") for place, item in enumerate(items)]
    known = tuple(line for line in lines if line.line_id and (line.quantity or line.total))
    return Refund(
        refund_id=needed(whole(told.id, "refunds.id"), "refunds.id"),
        total=_of_lines(told, known),
        lines=known,
    )


def _line(item: _Item, where: str) -> RefundLine:
    origin = Meta(item.meta_data).first(_ORIGIN)
    return RefundLine(
        line_id=whole(origin, f"{where}.{_ORIGIN}"),
        quantity=amount(item.quantity, f"{where}.quantity"),
        total=amount(item.total, f"{where}.total"),
    )


def _of_lines(told: _Refund, lines: Sequence[RefundLine]) -> Decimal:
    """Taxes are rounded by themselves: a cent for each line is no amount of its own."""
    others = [*members(told.shipping_lines), *members(told.fee_lines)]
    beside = sum((amount(item.total, "refunds.shipping_lines.total") for item in others), Decimal(0))
    taxes = sum(
        (amount(item.total_tax, "refunds.total_tax") for item in [*others, *members(told.line_items)]),
        Decimal(0),
    )
    total = max(amount(told.amount, "refunds.amount") - beside - taxes, Decimal(0))
    named = sum((line.total for line in lines), Decimal(0))
    return named if abs(total - named) <= CENT * (len(lines) + len(others)) else total
