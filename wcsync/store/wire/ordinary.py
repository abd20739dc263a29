"""Pages of orders in which nothing is out of the ordinary, read in one go: nearly all of them.

`read_ordinary` knows one form of each field, the one that WooCommerce gives it, and makes the very values of it that
`orders.py` makes. Where anything differs it reads nothing, and `orders.py`, which bears with every form there is and
takes many times the CPU, reads the orders one by one.
"""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from wcsync.errors import MalformedReply
from wcsync.model import Line, LineId, Order, OrderId, Person, ProductId
from wcsync.store.meta_keys import MetaKeys
from wcsync.store.wire.lines import PART_KEYS, WPC_PART, YITH_PART
from wcsync.store.wire.meta import meta_names
from wcsync.store.wire.refunds import RefundStub, read_stubs
from wcsync.store.wire.scalars import LARGEST_INT

RENEWS = ("_subscription_renewal", "_subscription_switch")
"""An order that pays a subscription anew, or pays for its change to other products, names it so. One that begins a new
subscription in place of one that ended names the old one by `_subscription_resubscribe`: that one gives nothing more.
https://woocommerce.com/document/subscriptions/switching-guide/
"""

_Number = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INT)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**17)]
_Instant = Annotated[str, msgspec.Meta(min_length=19, max_length=19)]
_Nobody = Literal[""] | None
"""The container of a line that is no part of any."""


class _Key(msgspec.Struct, gc=False):
    key: str


class _Line(msgspec.Struct, gc=False):
    id: _Number
    product_id: _Count
    variation_id: _Count
    name: str
    quantity: _Count
    total: str
    sku: str | None = None
    meta_data: list[_Key] = []
    bundled_by: _Nobody = ""
    composite_parent: _Nobody = ""
    mnm_child_of: _Nobody = ""


class _Billing(msgspec.Struct, gc=False):
    email: str
    first_name: str
    last_name: str


class _Order(msgspec.Struct, gc=False):
    id: _Number
    number: str
    status: Annotated[str, msgspec.Meta(min_length=1)]
    date_created_gmt: _Instant
    date_modified_gmt: _Instant
    date_paid_gmt: _Instant | None
    date_completed_gmt: _Instant | None
    customer_id: _Count
    billing: _Billing
    line_items: list[_Line]
    refunds: list[RefundStub]
    meta_data: list[_Key] = []


_ORDERS = msgspec.json.Decoder(list[_Order])


def read_ordinary(content: bytes, keys: MetaKeys) -> list[Order] | None:
    """The orders of one page; None if any of them is to be looked at more closely. Never raises."""
    telling = _telling(_names(keys)) if not keys.of_addresses else None
    if telling is None:
        return None
    try:
        rows = _ORDERS.decode(content)
        return [_order(row) for row in rows] if all(_is_silent(row, telling) for row in rows) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, MalformedReply):
        return None


def _names(keys: MetaKeys) -> tuple[str, ...]:
    fields = [name for names in keys.fields.values() for name in names]
    return (*keys.email, *keys.first_name, *keys.last_name, *keys.product, *fields)


@lru_cache(maxsize=8)
def _telling(names: tuple[str, ...]) -> frozenset[str] | None:
    """The meta keys at which there is more to read; None if they cannot be listed, for a number in them."""
    found = meta_names((*names, *RENEWS, *PART_KEYS, YITH_PART, WPC_PART))
    return None if any("#" in name for name in found) else found


def _is_silent(row: _Order, telling: frozenset[str]) -> bool:
    """Whether no meta value of an order or its lines is one that we read."""
    if not telling.isdisjoint([meta.key for meta in row.meta_data]):
        return False
    return all(
        telling.isdisjoint([meta.key for meta in line.meta_data]) for line in row.line_items if line.meta_data
    )


def _order(row: _Order) -> Order:
    modified_at = _instant(row.date_modified_gmt)
    refunds = read_stubs(row.refunds) if row.refunds else ()
    billing = row.billing
    return Order(
        order_id=OrderId(row.id),
        number=row.number or str(row.id),
        status=row.status,
        created_at=_instant(row.date_created_gmt),
        modified_at=modified_at,
        paid_at=_instant(row.date_paid_gmt) if row.date_paid_gmt else None,
        completed_at=_instant(row.date_completed_gmt) if row.date_completed_gmt else None,
        customer_id=row.customer_id,
        buyer=Person(email=billing.email.strip(), first_name=billing.first_name, last_name=billing.last_name),
        lines=tuple([_line(line) for line in row.line_items]),
        refunded_total=sum((refund.total for refund in refunds), Decimal(0)) if refunds else Decimal(0),
        refunds=refunds,
    )


def _line(row: _Line) -> Line:
    return Line(
        line_id=LineId(row.id),
        product_id=ProductId(row.product_id),
        variation_id=ProductId(row.variation_id),
        sku=row.sku or "",
        name=row.name,
        quantity=Decimal(row.quantity),
        total=row.total,
    )


def _instant(digits: str) -> datetime:
    """Raises ValueError, also for the zero dates of old databases."""
    return datetime.fromisoformat(digits + "+00:00")
