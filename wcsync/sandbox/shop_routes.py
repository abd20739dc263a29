"""The routes of the sandbox shop's REST API, version 3: orders, their notes and refunds, products.

What the real API can do and these cannot is answered 501, so that nobody relies on a guess.
https://woocommerce.github.io/woocommerce-rest-api-docs/
"""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from wcsync.sandbox.exchange import Pairs
from wcsync.sandbox.shop_errors import Problems, ShopError, not_imitated
from wcsync.sandbox.shop_http import Call, Handler, Result, Route
from wcsync.sandbox.shop_order_parts import Notes, Refunds
from wcsync.sandbox.shop_query import (
    Found,
    OrderQuery,
    Paging,
    cut,
    link_header,
    read_list,
    read_order_query,
    read_paging,
)
from wcsync.sandbox.shop_render import Render
from wcsync.sandbox.shop_shapes import Json
from wcsync.sandbox.shop_state import ShopState

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
PRODUCT_FILTERS = (
    "search",
    "search_sku",
    "category",
    "tag",
    "featured",
    "on_sale",
    "stock_status",
    "slug",
    "parent",
)
ELSEWHERE = (
    r"(?:/orders/batch|/orders/\d+/actions/.*"
    r"|/products/(?:batch|categories|tags|attributes|brands|reviews|shipping_classes|\d+/variations/batch)(?:/.*)?"
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
    orders = Orders(state, site_url, route_url, index_link)
    notes, refunds = Notes(state, site_url), Refunds(state, site_url)
    products = Products(state, site_url, route_url, index_link)
    one = orders.update
    return (
        _route(r"/orders", GET=orders.find, POST=_unbuilt("creating orders")),
        _route(r"/orders/(\d+)", GET=orders.show, POST=one, PUT=one, PATCH=one, DELETE=orders.delete),
        _route(r"/orders/(\d+)/notes", GET=notes.find, POST=notes.create),
        _route(r"/orders/(\d+)/notes/(\d+)", GET=notes.show, DELETE=notes.delete),
        _route(r"/orders/(\d+)/refunds", GET=refunds.find, POST=refunds.create),
        _route(r"/orders/(\d+)/refunds/(\d+)", GET=refunds.show, DELETE=refunds.delete),
        _route(r"/products", GET=products.find, POST=_unbuilt("creating products")),
        _route(
            r"/products/(\d+)",
            GET=products.show,
            POST=products.update,
            PUT=products.update,
            PATCH=products.update,
            DELETE=products.delete,
        ),
        _route(
            r"/products/(\d+)/variations", GET=products.find_variations, POST=_unbuilt("creating variations")
        ),
        _route(
            r"/products/(\d+)/variations/(\d+)",
            GET=products.show_variation,
            **_all_unbuilt("writing variations", "POST", "PUT", "PATCH", "DELETE"),
        ),
        _route(ELSEWHERE, **_all_unbuilt("this part of the API", "GET", "POST", "PUT", "PATCH", "DELETE")),
    )


class _Lists:
    """What the routes that answer page by page share."""

    def __init__(
        self,
        state: ShopState,
        site_url: Callable[[], str],
        route_url: Callable[[str], str],
        index_link: Callable[[], str],
    ) -> None:
        self._state = state
        self._site_url = site_url
        self._route_url = route_url
        self._index_link = index_link

    @property
    def _render(self) -> Render:
        return Render(self._state, self._site_url())

    def _paged(
        self, route: str, fields: Pairs, query: OrderQuery | Paging, found: Found, rows: list[Json]
    ) -> Result:
        url = self._route_url(f"/wc/v3{route}")
        link = link_header(url, fields, query, found, index=self._index_link())
        headers = {"X-WP-Total": str(found.total), "X-WP-TotalPages": str(found.pages), "Link": link}
        return Result(value=rows, headers=headers)


class Orders(_Lists):
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
            self._state.delete_for_good(order_id)
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


class Products(_Lists):
    def find(self, call: Call) -> Result:
        fields = dict(call.fields)
        for name in PRODUCT_FILTERS:
            if name in fields:
                raise not_imitated(f"the product filter {name}")
        paging = _read_product_paging(fields)
        found = cut([row["id"] for row in _sorted(self._filtered(call), fields)], paging)
        shown = [self._render.product(self._state.products[one]) for one in found.ids]
        return self._paged("/products", call.fields, paging, found, shown)

    def show(self, call: Call) -> Result:
        return Result(value=self._render.product(self._existing(call, status=404)))

    def update(self, call: Call) -> Result:
        product = self._existing(call, status=400)
        if product["type"] == "variation":
            raise ShopError(
                404,
                "woocommerce_rest_invalid_product_id",
                "To manipulate product variations you should use the "
                "/products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint.",
            )
        raise not_imitated("writing products")

    def delete(self, call: Call) -> Result:
        """To the trash, or for good with `force`. Answers the product as it was before."""
        product = self._existing(call, status=404)
        before = copy.deepcopy(self._render.product(product))
        if call.flag("force"):
            self._state.delete_product_for_good(product["id"])
        elif product["status"] == "trash":
            raise not_imitated("trashing a product twice")
        else:
            self._state.trash_product(product["id"])
        return Result(value=before)

    def find_variations(self, call: Call) -> Result:
        parent = self._existing(call, status=404)
        fields = dict(call.fields)
        paging = _read_product_paging(fields)
        below = [one for one in self._state.products.values() if one["parent_id"] == parent["id"]]
        found = cut([row["id"] for row in _sorted(below, fields)], paging)
        shown = [self._render.variation(self._state.products[one]) for one in found.ids]
        return self._paged(f"/products/{parent['id']}/variations", call.fields, paging, found, shown)

    def show_variation(self, call: Call) -> Result:
        variation = self._state.products.get(call.ids[1])
        if variation is None or variation["parent_id"] != call.ids[0]:
            raise ShopError(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        return Result(value=self._render.variation(variation))

    def _existing(self, call: Call, *, status: int) -> Json:
        product = self._state.products.get(call.ids[0])
        if product is None:
            raise ShopError(status, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        return product

    def _filtered(self, call: Call) -> list[Json]:
        """Variations are found by SKU alone; the trash only by asking for it. The whole list of SKUs is one, too."""
        fields = dict(call.fields)
        skus = fields.get("sku", "").strip()
        status, kind = fields.get("status", "any"), fields.get("type")
        wanted = {sku.casefold() for sku in (*skus.split(","), skus)} if skus else None
        included = {int(one) for one in read_list("include", call.fields) if one.isdecimal()}
        rows = []
        for product in self._state.products.values():
            by_sku = product["sku"].casefold() in wanted if wanted else product["type"] != "variation"
            by_status = product["status"] == status or (status == "any" and product["status"] != "trash")
            by_id = not included or product["id"] in included
            if by_sku and by_status and by_id and kind in {None, product["type"]}:
                rows.append(product)
        return rows


def _read_product_paging(fields: dict[str, str]) -> Paging:
    if fields.get("orderby", "date") not in {"date", "id"}:
        raise not_imitated("sorting products by anything but date and id")
    problems = Problems()
    paging = read_paging(fields, problems)
    problems.raise_if_any()
    return paging


def _sorted(rows: list[Json], fields: dict[str, str]) -> list[Json]:
    by_id = fields.get("orderby") == "id"
    descending = fields.get("order", "desc") == "desc"
    return sorted(rows, key=lambda row: (not by_id and row["created"], row["id"]), reverse=descending)


def _route(pattern: str, **handlers: Handler) -> Route:
    return Route(pattern=re.compile(rf"/wc/v3{pattern}"), handlers=handlers)


def _unbuilt(what: str) -> Handler:
    def refuse(_call: Call) -> Result:
        raise not_imitated(what)

    return refuse


def _all_unbuilt(what: str, *methods: str) -> dict[str, Handler]:
    return dict.fromkeys(methods, _unbuilt(what))
