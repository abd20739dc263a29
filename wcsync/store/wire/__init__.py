"""WooCommerce's JSON and our values: the only place that knows how WooCommerce names a field, header or parameter.

Answers are not trusted: what cannot be read is said to be so, by the name of its field.
"""

from wcsync.store.wire.answers import (
    CANNOT_VIEW,
    NOT_AUTHENTICATED,
    Index,
    Refusal,
    Totals,
    is_damaged,
    parse_index,
    parse_refusal,
    parse_totals,
    render_index_query,
    render_key_question,
    render_status_question,
    says_no_such_order,
)
from wcsync.store.wire.notes import parse_new_note, parse_notes, render_note, render_notes_query
from wcsync.store.wire.orders import (
    NO_SALE,
    STATUSES,
    parse_order,
    parse_rows,
    render_order_query,
    render_orders_query,
)
from wcsync.store.wire.refunds import PAGE_SIZE as REFUNDS_PAGE_SIZE
from wcsync.store.wire.refunds import parse_refund, parse_refund_rows, render_refunds_query
from wcsync.store.wire.subscriptions import (
    SUBSCRIPTION_STATUSES,
    parse_subscription,
    parse_subscriptions,
    render_subscription_query,
    render_subscriptions_query,
    says_no_subscriptions,
    says_no_such_subscription,
)

__all__ = [
    "CANNOT_VIEW",
    "NOT_AUTHENTICATED",
    "NO_SALE",
    "REFUNDS_PAGE_SIZE",
    "STATUSES",
    "SUBSCRIPTION_STATUSES",
    "Index",
    "Refusal",
    "Totals",
    "is_damaged",
    "parse_index",
    "parse_new_note",
    "parse_notes",
    "parse_order",
    "parse_refund",
    "parse_refund_rows",
    "parse_refusal",
    "parse_rows",
    "parse_subscription",
    "parse_subscriptions",
    "parse_totals",
    "render_index_query",
    "render_key_question",
    "render_note",
    "render_notes_query",
    "render_order_query",
    "render_orders_query",
    "render_refunds_query",
    "render_status_question",
    "render_subscription_query",
    "render_subscriptions_query",
    "says_no_subscriptions",
    "says_no_such_order",
    "says_no_such_subscription",
]
