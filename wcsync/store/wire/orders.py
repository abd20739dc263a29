"""Orders in WooCommerce's JSON and ours.

Each order is read on its own, so that one that cannot be read does not cost its page, and no error text quotes a
value: it names the field.

https://woocommerce.github.io/woocommerce-rest-api-docs/#orders
"""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from wcsync.errors import MalformedReply
from wcsync.model import Line, LineId, Order, OrderId, Person, ProductId, Unreadable
from wcsync.store.jsontext import json_part
from wcsync.store.wire.answers import parse_refusal

STATUSES = (
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "trash",
)
"""What a shop without plugins calls the states an order can be in once somebody has placed it."""

NO_SALE = frozenset({"any", "auto-draft", "checkout-draft"})
"""Accepted as a status but left out. `any` hides the trash. Drafts are carts: half-typed addresses we have no
business with, which become a new row of the list when they turn into an order; no order ever turns back into one,
so leaving them out shifts no page."""

_FIELDS = (  # of a buyer no more than we use travels; of the lists a part cannot be had
    "id,number,status,date_created_gmt,date_modified_gmt,date_paid_gmt,date_completed_gmt,customer_id,"
    "billing.email,billing.first_name,billing.last_name,line_items,refunds"
)
_LARGEST_INT = 2**63 - 1  # what SQLite can keep
_PLACE = re.compile(r"at `\$\.?(?P<path>[^`]*)`$")
_ZERO_DATES = ("0000-", "-0001-")

T = TypeVar("T")
Scalar = int | float | str | bool | None


def render_orders_query(
    since: datetime, *, page: int, page_size: int, statuses: tuple[str, ...]
) -> dict[str, str]:
    """Asks for the orders modified after the whole second `since` falls in, in order of id.

    The instant is naive UTC *and* flagged as such: with a `Z` besides the flag the shop shifts it by its offset.
    Statuses are one comma list, since the package signs `status[]` wrongly.
    """
    assert since.tzinfo is not None, since
    return {
        "modified_after": since.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(),
        "dates_are_gmt": "true",
        "orderby": "id",
        "order": "asc",
        "status": ",".join(statuses),
        "page": str(page),
        "per_page": str(page_size),
        "_fields": _FIELDS,
    }


def render_order_query() -> dict[str, str]:
    return {"_fields": _FIELDS}


def parse_rows(content: bytes) -> list[Order | Unreadable]:
    """The orders of one page, as they stand in it. Raises MalformedReply if the answer is no list at all."""
    try:
        rows = msgspec.json.decode(json_part(content), type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise MalformedReply("answer", "JSON, but not a list") from None
    return [_order_or_not(bytes(row)) for row in rows]


def parse_order(content: bytes) -> Order | Unreadable:
    """One order. Raises MalformedReply if the answer is no JSON object."""
    part = json_part(content)
    if not part.startswith(b"{") or parse_refusal(part) is not None:
        raise MalformedReply("answer", "JSON, but not an order")
    return _order_or_not(part)


class _Billing(msgspec.Struct):
    email: Scalar = None
    first_name: Scalar = None
    last_name: Scalar = None


class _Line(msgspec.Struct):
    id: Scalar = None
    product_id: Scalar = None
    variation_id: Scalar = None
    sku: Scalar = None
    name: Scalar = None
    quantity: Scalar = None
    total: Scalar = None


class _Refund(msgspec.Struct):
    total: Scalar = None


class _Order(msgspec.Struct):
    """PHP writes an empty object as `[]`, and a list that lost a member as an object: hence the unions."""

    id: Scalar = None
    number: Scalar = None
    status: Scalar = None
    date_created_gmt: Scalar = None
    date_modified_gmt: Scalar = None
    date_paid_gmt: Scalar = None
    date_completed_gmt: Scalar = None
    customer_id: Scalar = None
    billing: _Billing | list[None] | None = None
    line_items: list[_Line] | dict[str, _Line] | None = None
    refunds: list[_Refund] | dict[str, _Refund] | None = None


class _Id(msgspec.Struct):
    id: Scalar = None


_ORDER = msgspec.json.Decoder(_Order)
_ID = msgspec.json.Decoder(_Id)


def _order_or_not(raw: bytes) -> Order | Unreadable:
    """`from None` throughout: a decoder's own exception may carry the bytes, with names and addresses."""
    try:
        return _order(_decoded(raw))
    except MalformedReply as exc:
        return Unreadable(order_id=_id_at_least(raw), reason=str(exc))


def _decoded(raw: bytes) -> _Order:
    try:
        return _ORDER.decode(raw)
    except msgspec.ValidationError as exc:
        place = _PLACE.search(str(exc))
        path = place["path"].replace("[...]", ".?").replace("[", ".").replace("]", "") if place else ""
        raise MalformedReply(path or "order", "of an unexpected kind") from None
    except (msgspec.DecodeError, RecursionError):
        raise MalformedReply("order", "not JSON") from None
    except UnicodeDecodeError:
        raise MalformedReply("order", "not UTF-8") from None


def _id_at_least(raw: bytes) -> OrderId | None:
    try:
        return _order_id(_ID.decode(raw).id)
    except (MalformedReply, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _order(told: _Order) -> Order:
    order_id = _order_id(told.id)
    modified_at = _needed(_instant(told.date_modified_gmt, "date_modified_gmt"), "date_modified_gmt")
    paid_at = _instant(told.date_paid_gmt, "date_paid_gmt")
    completed_at = _instant(told.date_completed_gmt, "date_completed_gmt")
    created_at = _instant(told.date_created_gmt, "date_created_gmt")
    return Order(
        order_id=order_id,
        number=_text(told.number) or str(order_id),
        status=_needed(told.status if isinstance(told.status, str) else "", "status"),
        created_at=created_at or paid_at or completed_at or modified_at,  # empty after some imports
        modified_at=modified_at,
        paid_at=paid_at,
        completed_at=completed_at,
        customer_id=_whole(told.customer_id, "customer_id"),
        buyer=_person(told.billing),
        lines=tuple(_line(line, f"line_items.{n}") for n, line in enumerate(_members(told.line_items))),
        refunded_total=sum(
            (
                abs(_decimal(refund.total or "0", f"refunds.{n}.total"))
                for n, refund in enumerate(_members(told.refunds))
            ),
            Decimal(0),
        ),
    )


def _person(billing: _Billing | list[None] | None) -> Person:
    if not isinstance(billing, _Billing):
        return Person(email="")
    return Person(
        email=_text(billing.email).strip(),
        first_name=_text(billing.first_name),
        last_name=_text(billing.last_name),
    )


def _line(told: _Line, where: str) -> Line:
    return Line(
        line_id=LineId(_needed(_whole(told.id, f"{where}.id"), f"{where}.id")),
        product_id=ProductId(_whole(told.product_id, f"{where}.product_id")),
        variation_id=ProductId(_whole(told.variation_id, f"{where}.variation_id")),
        sku=_text(told.sku),
        name=_text(told.name),
        quantity=_decimal(told.quantity, f"{where}.quantity"),
        total=_text(told.total),
    )


def _members(many: list[T] | dict[str, T] | None) -> list[T]:
    return list(many.values()) if isinstance(many, dict) else many or []


def _needed(value: T | None, where: str) -> T:
    if not value:
        raise MalformedReply(where, "missing")
    return value


def _order_id(value: Scalar) -> OrderId:
    order_id = _needed(_whole(value, "id"), "id")
    if order_id < 0:
        raise MalformedReply("id", "negative")
    return OrderId(order_id)


def _text(value: Scalar) -> str:
    if type(value) is str:
        return value
    if value is None or value is False:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _whole(value: Scalar, where: str) -> int:
    """0 for what PHP calls empty."""
    if type(value) is int and abs(value) <= _LARGEST_INT:
        return value  # nearly always: 30 % of a page's CPU was spent on the way round
    try:
        number = Decimal(_text(value).strip() or "0")
    except InvalidOperation:
        raise MalformedReply(where, "not a number") from None
    if not number.is_finite() or number.adjusted() > 18 or number != number.to_integral_value():
        raise MalformedReply(where, "not a whole number")
    if abs(number) > _LARGEST_INT:
        raise MalformedReply(where, "not a whole number")
    return int(number)


def _decimal(value: Scalar, where: str) -> Decimal:
    try:
        number = Decimal(_text(value).strip())
    except InvalidOperation:
        raise MalformedReply(where, "not a number") from None
    if not number.is_finite() or not -18 <= number.adjusted() <= 18:
        raise MalformedReply(where, "a number out of all proportion")
    return number


_NAIVE_WIDTH = len("2026-01-01T00:00:00")


def _instant(value: Scalar, where: str) -> datetime | None:
    """None for no date at all, among them the zero dates of old databases."""
    if value is None or value is False or value == "":
        return None
    if not isinstance(value, str):
        raise MalformedReply(where, "not a date")
    if value.startswith(_ZERO_DATES):
        return None
    try:
        if len(value) == _NAIVE_WIDTH:
            return datetime.fromisoformat(value + "+00:00")
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedReply(where, "not a date") from None
