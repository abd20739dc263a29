"""Subscriptions of the plugin WooCommerce Subscriptions, in its JSON and ours.

The plugin keeps a subscription as a kind of order and lists it by the class that lists orders (`wc/v3`, since its
release 3.1), so that the same parameters and fields are there: none of this was recorded from a running shop, it is
what its documentation and source say. Windows of modification need WooCommerce 5.8; an older one ignores them.
https://woocommerce.github.io/subscriptions-rest-api-docs/
"""

from datetime import datetime

import msgspec

from wcsync.model import OrderId, Unreadable, UnreadableProduct
from wcsync.sale import Subscription
from wcsync.store.wire import rows
from wcsync.store.wire.answers import parse_refusal
from wcsync.store.wire.orders import render_orders_query
from wcsync.store.wire.scalars import Scalar, instant, members, needed, whole

SUBSCRIPTION_STATUSES = (
    "pending",
    "active",
    "on-hold",
    "cancelled",
    "switched",
    "expired",
    "pending-cancel",
    "trash",
)
"""What the plugin calls the states of a subscription, when no other plugin adds one."""

_FIELDS = "id,parent_id,status,date_modified_gmt,line_items"
_NO_SUCH = "woocommerce_rest_shop_subscription_invalid_id"
_NO_ROUTE = "rest_no_route"

SubscriptionRow = Subscription | Unreadable


def render_subscriptions_query(
    since: datetime, *, page: int, page_size: int, statuses: tuple[str, ...]
) -> dict[str, str]:
    """As `render_orders_query`: nobody's name or address travels."""
    asked = render_orders_query(since, page=page, page_size=page_size, statuses=statuses)
    return asked | render_subscription_query()


def render_subscription_query() -> dict[str, str]:
    return {"_fields": _FIELDS}


def parse_subscriptions(content: bytes) -> list[SubscriptionRow]:
    """The subscriptions of one page, as they stand in it. Raises MalformedReply if the answer is no list at all."""
    return [_ours(row) for row in rows.parse_list(content, _read)]


def parse_subscription(content: bytes) -> SubscriptionRow:
    """One subscription. Raises MalformedReply if the answer is no JSON object."""
    return _ours(rows.parse_alone(content, _read))


def says_no_subscriptions(content: bytes) -> bool:
    """Whether a 404 means that nothing answers to this address: the plugin is not there, or switched off."""
    refusal = parse_refusal(content)
    return refusal is not None and refusal.code == _NO_ROUTE


def says_no_such_subscription(content: bytes) -> bool:
    refusal = parse_refusal(content)
    return refusal is not None and refusal.code == _NO_SUCH


class _Line(msgspec.Struct):
    product_id: Scalar = None
    variation_id: Scalar = None


class _Subscription(msgspec.Struct):
    id: Scalar = None
    parent_id: Scalar = None
    status: Scalar = None
    date_modified_gmt: Scalar = None
    line_items: list[_Line] | dict[str, _Line] | None = None


_SUBSCRIPTION = msgspec.json.Decoder(_Subscription)


def _ours(row: Subscription | UnreadableProduct) -> SubscriptionRow:
    if isinstance(row, Subscription):
        return row
    return Unreadable(order_id=OrderId(row.product_id) if row.product_id else None, reason=row.reason)


def _read(raw: bytes) -> Subscription:
    """Of a product that is gone the shop says 0."""
    told = _SUBSCRIPTION.decode(raw)
    about = {
        whole(number, f"line_items.{place}.{name}")
        for place, line in enumerate(members(told.line_items))
        for name, number in (("product_id", line.product_id), ("variation_id", line.variation_id))
    }
    return Subscription(
        subscription_id=rows.product_id(whole(told.id, "id"), "id"),
        parent_id=whole(told.parent_id, "parent_id"),
        status=needed(told.status if isinstance(told.status, str) else "", "status"),
        products=frozenset(about - {0}),
        modified_at=needed(instant(told.date_modified_gmt, "date_modified_gmt"), "date_modified_gmt"),
    )
