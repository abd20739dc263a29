"""Orders in WooCommerce's JSON and ours.

Each order is read on its own, so that one that cannot be read does not cost its page, and no error text quotes a
value: it names the field.

https://woocommerce.github.io/woocommerce-rest-api-docs/#orders
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from wcsync.errors import MalformedReply
from wcsync.model import Line, Order, OrderId, Person, Unreadable
from wcsync.store.jsontext import json_part
from wcsync.store.meta_keys import KNOWN_PLUGINS, MetaKeys
from wcsync.store.wire.answers import parse_refusal
from wcsync.store.wire.lines import LineRow, Read, read_lines
from wcsync.store.wire.meta import Meta
from wcsync.store.wire.ordinary import RENEWS, read_ordinary
from wcsync.store.wire.people import Named, Source, read_addresses, read_buyer, read_named
from wcsync.store.wire.refunds import RefundStub, read_stubs
from wcsync.store.wire.scalars import LARGEST_INT, Scalar, instant, members, needed, text, whole

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
    "billing.email,billing.first_name,billing.last_name,line_items,refunds,meta_data"
)
_PLACE = re.compile(r"at `\$\.?(?P<path>[^`]*)`$")


def render_orders_query(
    since: datetime,
    *,
    page: int,
    page_size: int,
    statuses: tuple[str, ...],
    keys: MetaKeys = KNOWN_PLUGINS,
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
        "_fields": _fields(keys),
    }


def render_order_query(keys: MetaKeys = KNOWN_PLUGINS) -> dict[str, str]:
    return {"_fields": _fields(keys)}


def parse_rows(content: bytes, keys: MetaKeys = KNOWN_PLUGINS) -> list[Order | Unreadable]:
    """The orders of one page, as they stand in it. Raises MalformedReply if the answer is no list at all."""
    ordinary = read_ordinary(content, keys)
    if ordinary is not None:
        return [*ordinary]
    try:
        rows = msgspec.json.decode(json_part(content), type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise MalformedReply("answer", "JSON, but not a list") from None
    return [_order_or_not(bytes(row), keys) for row in rows]


def parse_order(content: bytes, keys: MetaKeys = KNOWN_PLUGINS) -> Order | Unreadable:
    """One order. Raises MalformedReply if the answer is no JSON object."""
    part = json_part(content)
    if not part.startswith(b"{") or parse_refusal(part) is not None:
        raise MalformedReply("answer", "JSON, but not an order")
    return _order_or_not(part, keys)


class _Billing(msgspec.Struct):
    email: Scalar = None
    first_name: Scalar = None
    last_name: Scalar = None


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
    line_items: list[LineRow] | dict[str, LineRow] | None = None
    refunds: list[RefundStub] | dict[str, RefundStub] | None = None
    meta_data: msgspec.Raw = msgspec.Raw()


class _Id(msgspec.Struct):
    id: Scalar = None


_ORDER = msgspec.json.Decoder(_Order)
_ID = msgspec.json.Decoder(_Id)


def _fields(keys: MetaKeys) -> str:
    known = set(_FIELDS.split(","))
    return ",".join([_FIELDS, *(part for part in keys.of_addresses if part not in known)])


def _order_or_not(raw: bytes, keys: MetaKeys) -> Order | Unreadable:
    """`from None` throughout: a decoder's own exception may carry the bytes, with names and addresses."""
    try:
        return _order(_decoded(raw), read_addresses(raw, keys.of_addresses), keys)
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


def _order(told: _Order, addresses: dict[str, str], keys: MetaKeys) -> Order:
    order_id = _order_id(told.id)
    modified_at = needed(instant(told.date_modified_gmt, "date_modified_gmt"), "date_modified_gmt")
    paid_at = instant(told.date_paid_gmt, "date_paid_gmt")
    completed_at = instant(told.date_completed_gmt, "date_completed_gmt")
    created_at = instant(told.date_created_gmt, "date_created_gmt")
    meta = Meta(told.meta_data)
    source = Source(keys=keys, metas=(meta,), addresses=addresses)
    buyer = _buyer(told.billing, source)
    lines = read_lines(members(told.line_items))
    refunds = read_stubs(members(told.refunds))
    order = Order(
        order_id=order_id,
        number=text(told.number) or str(order_id),
        status=needed(told.status if isinstance(told.status, str) else "", "status"),
        created_at=created_at or paid_at or completed_at or modified_at,  # empty after some imports
        modified_at=modified_at,
        paid_at=paid_at,
        completed_at=completed_at,
        customer_id=whole(told.customer_id, "customer_id"),
        buyer=buyer,
        lines=tuple(_with_learners(line, source, buyer) for line in lines),
        refunded_total=sum((refund.total for refund in refunds), Decimal(0)),
        refunds=refunds,
        renews=tuple(_numbers([value for key in RENEWS for value in meta.find(key)])),
    )
    named = read_named(source, meta, buyer) if meta else []
    return _shared_out(order, named) if named else order


def _buyer(billing: _Billing | list[None] | None, source: Source) -> Person:
    told = billing if isinstance(billing, _Billing) else _Billing()
    return read_buyer(told.email, told.first_name, told.last_name, source)


def _with_learners(read: Read, source: Source, buyer: Person) -> Line:
    named = read_named(source.below(read.meta), read.meta, buyer) if read.meta else ()
    return replace(read.line, learners=tuple(one.person for one in named)) if named else read.line


def _shared_out(order: Order, named: Sequence[Named]) -> Order:
    """Those meant for one product go to its lines that name nobody themselves, as many to each as it has seats."""
    left, lines = list(named), []
    for place, line in enumerate(order.lines):
        if not line.learners:
            later = any(_sells(other, line.product_id) for other in order.lines[place + 1 :])
            meant = [one for one in left if one.product_id and _sells(line, one.product_id)]
            meant = meant[: max(int(line.quantity), 0)] if later else meant
            left = [one for one in left if not any(one is other for other in meant)]
            line = replace(line, learners=tuple(one.person for one in meant)) if meant else line  # noqa: PLW2901
        lines.append(line)
    return replace(order, lines=tuple(lines), learners=tuple(one.person for one in left))


def _sells(line: Line, product_id: int) -> bool:
    return not line.learners and product_id in {line.product_id, line.variation_id} - {0}


def _numbers(values: Sequence[str]) -> Iterator[int]:
    """The whole numbers among them, each once."""
    for value in dict.fromkeys(values):
        if value.isascii() and value.isdecimal() and 0 < int(value[:20]) <= LARGEST_INT:
            yield int(value[:20])


def _order_id(value: Scalar) -> OrderId:
    order_id = needed(whole(value, "id"), "id")
    if order_id < 0:
        raise MalformedReply("id", "negative")
    return OrderId(order_id)
