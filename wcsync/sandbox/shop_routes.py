"""The routes of the sandbox shop's REST API, version 3: orders, their notes and refunds, and the rest.

What the real API can do and these cannot is answered 501, so that nobody relies on a guess.
https://woocommerce.github.io/woocommerce-rest-api-docs/
"""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from wcsync.sandbox.shop_errors import Problems, ShopError, not_imitated
from wcsync.sandbox.shop_http import Call, Result, Route
from wcsync.sandbox.shop_lists import Lists, Site, all_unbuilt, route, unbuilt
from wcsync.sandbox.shop_order_parts import Notes, Refunds
from wcsync.sandbox.shop_product_routes import product_routes
from wcsync.sandbox.shop_query import read_order_query
from wcsync.sandbox.shop_state import ShopState
from wcsync.sandbox.shop_term_routes import term_routes

PLAIN_FIELDS = ("customer_note", "customer_id", "payment_method", "payment_method_title", "transaction_id")
UNWRITABLE = (
    "line_items",
    "shipping_lines",
    "fee_lines",
    "coupon_lines",
    "currency",
    "parent_id",
    "set_paid",
)
ELSEWHERE = (
    r"(?:/orders/batch|/orders/\d+/actions/.*"
    r"|/products/(?:(?:categories|tags)/batch|(?:attributes|brands|reviews|shipping_classes)(?:/.*)?)"
    r"|/(?:customers|coupons|webhooks|reports|settings|system_status|data|taxes|shipping|payment_gateways)(?:/.*)?)?"
)
_EMAIL = re.compile(r"^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+@(?:[a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]+$")


def build_routes(
    state: ShopState,
    site_url: Callable[[], str],
    route_url: Callable[[str], str],
    index_link: Callable[[], str],
) -> tuple[Route, ...]:
    """All routes, each bound to the state."""
    site = Site(url=site_url, route_url=route_url, index_link=index_link)
    orders = Orders(state, site)
    notes, refunds = Notes(state, site), Refunds(state, site)
    one = orders.update
    return (
        route(r"/orders", GET=orders.find, POST=unbuilt("creating orders")),
        route(r"/orders/(\d+)", GET=orders.show, POST=one, PUT=one, PATCH=one, DELETE=orders.delete),
        route(r"/orders/(\d+)/notes", GET=notes.find, POST=notes.create),
        route(r"/orders/(\d+)/notes/(\d+)", GET=notes.show, DELETE=notes.delete),
        route(r"/orders/(\d+)/refunds", GET=refunds.find, POST=refunds.create),
        route(r"/orders/(\d+)/refunds/(\d+)", GET=refunds.show, DELETE=refunds.delete),
        *product_routes(state, site),
        *term_routes(state, site),
        route(ELSEWHERE, **all_unbuilt("this part of the API", "GET", "POST", "PUT", "PATCH", "DELETE")),
    )


class Orders(Lists):
    def find(self, call: Call) -> Result:
        query = read_order_query(call.fields, self._state.statuses, self._state.timezone)
        found = query.select(self._state.orders)
        render = self._render
        return self._paged("/orders", call.fields, query, found, [render.order(one) for one in found.ids])

    def show(self, call: Call) -> Result:
        return Result(value=self._render.order(self._existing(call, status=404)))

    def update(self, call: Call) -> Result:
        """Any PUT counts as a change, even of nothing."""
        order_id = self._existing(call, status=400)
        self._check(call.sent)
        changes = {name: call.sent[name] for name in PLAIN_FIELDS if name in call.sent}
        changes |= {name: call.sent[name] for name in ("billing", "shipping") if name in call.sent}
        self._state.edit(order_id, **changes)
        self._state.put_meta(order_id, call.sent.get("meta_data", []))
        if "status" in call.sent:
            self._state.set_status(order_id, call.sent["status"])
        return Result(value=self._render.order(order_id))

    def delete(self, call: Call) -> Result:
        """To the trash, or for good with `force`. Answers the order as it was before."""
        order_id = self._existing(call, status=404)
        before = copy.deepcopy(self._render.order(order_id))
        if call.flag("force"):
            self._state.delete_forever(order_id)
        elif self._state.orders[order_id]["status"] == "trash":
            message = "The shop_order has already been deleted."
            raise ShopError(410, "woocommerce_rest_already_trashed", message)
        else:
            self._state.trash(order_id)
        return Result(value=before)

    def _existing(self, call: Call, *, status: int) -> int:
        if call.ids[0] not in self._state.orders:
            raise ShopError(status, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
        return call.ids[0]

    def _check(self, sent: Mapping[str, Any]) -> None:
        for name in UNWRITABLE:
            if name in sent:
                raise not_imitated(f"writing {name} of an order")
        problems = Problems()
        statuses = self._state.statuses
        if "status" in sent and sent["status"] not in statuses:
            choices = f"{', '.join(statuses[:-1])}, and {statuses[-1]}"
            problems.add("status", "rest_not_in_enum", f"status is not one of {choices}.")
        email = sent.get("billing", {}).get("email")
        if email is not None and not _EMAIL.match(email):
            problems.add("billing", "rest_invalid_email", "Invalid email address.")
        problems.raise_if_any()
