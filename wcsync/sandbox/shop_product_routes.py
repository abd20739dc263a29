"""The sandbox shop's routes of products and variations.

https://woocommerce.github.io/woocommerce-rest-api-docs/#products
"""

import copy
from collections.abc import Mapping
from typing import Any

from wcsync.sandbox.shop_batch import run_batch
from wcsync.sandbox.shop_errors import ShopError, not_imitated
from wcsync.sandbox.shop_http import Call, Result, Route
from wcsync.sandbox.shop_lists import (
    Lists,
    Site,
    all_unbuilt,
    read_context,
    read_plain_paging,
    route,
    unbuilt,
)
from wcsync.sandbox.shop_product_render import EDIT
from wcsync.sandbox.shop_product_writer import ProductWriter, check_product
from wcsync.sandbox.shop_query import Paging, cut, read_list
from wcsync.sandbox.shop_shapes import Json
from wcsync.sandbox.shop_state import ShopState

FILTERS = (
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


def product_routes(state: ShopState, site: Site) -> tuple[Route, ...]:
    products, variations = Products(state, site), Variations(state, site)
    one, choice = products.update, variations.update
    choices = r"/products/(\d+)/variations"
    return (
        route(r"/products", GET=products.find, POST=products.create),
        route(r"/products/batch", POST=products.batch, PUT=products.batch, PATCH=products.batch),
        route(r"/products/(\d+)", GET=products.show, POST=one, PUT=one, PATCH=one, DELETE=products.delete),
        route(choices, GET=variations.find, POST=unbuilt("creating variations")),
        route(
            rf"{choices}/batch",
            POST=variations.batch,
            PUT=variations.batch,
            PATCH=variations.batch,
        ),
        route(
            rf"{choices}/(\d+)",
            GET=variations.show,
            POST=choice,
            PUT=choice,
            PATCH=choice,
            **all_unbuilt("deleting variations", "DELETE"),
        ),
    )


class Products(Lists):
    def __init__(self, state: ShopState, site: Site) -> None:
        super().__init__(state, site)
        self._writer = ProductWriter(state)

    def find(self, call: Call) -> Result:
        fields = dict(call.fields)
        for name in FILTERS:
            if name in fields:
                raise not_imitated(f"the product filter {name}")
        paging, context = _read_paging(fields), read_context(call)
        found = cut([row["id"] for row in _sorted(self._filtered(call), fields)], paging)
        shown = [self._products.product(self._state.products[one], context) for one in found.ids]
        return self._paged("/products", call.fields, paging, found, shown)

    def show(self, call: Call) -> Result:
        product = self._existing(call.ids[0], status=404)
        return Result(value=self._products.product(product, read_context(call)))

    def create(self, call: Call) -> Result:
        check_product(call.sent)
        made = self._create(call.sent)
        return Result(value=made, status=201, headers={"Location": made["_links"]["self"][0]["href"]})

    def update(self, call: Call) -> Result:
        product = self._existing(call.ids[0], status=400)
        check_product(call.sent)
        return Result(value=self._stored(self._writer.update(product, call.sent)))

    def batch(self, call: Call) -> Result:
        return run_batch(self._state, call, {"create": self._create, "update": self._update})

    def delete(self, call: Call) -> Result:
        """To the trash, or for good with `force`. Answers the product as it was before."""
        product = self._existing(call.ids[0], status=404)
        before = copy.deepcopy(self._stored(product))
        if call.flag("force"):
            self._state.delete_product_for_good(product["id"])
        elif product["status"] == "trash":
            raise not_imitated("trashing a product twice")
        else:
            self._state.trash_product(product["id"])
        return Result(value=before)

    def _create(self, sent: Mapping[str, Any]) -> Json:
        return self._stored(self._writer.create(sent))

    def _update(self, sent: Mapping[str, Any]) -> Json:
        product = self._existing(number(sent.get("id")), status=400)
        return self._stored(self._writer.update(product, sent))

    def _stored(self, product: Json) -> Json:
        return copy.deepcopy(self._products.product(product, EDIT))

    def _existing(self, product_id: int, *, status: int) -> Json:
        product = self._state.products.get(product_id)
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


class Variations(Lists):
    def __init__(self, state: ShopState, site: Site) -> None:
        super().__init__(state, site)
        self._writer = ProductWriter(state)

    def find(self, call: Call) -> Result:
        parent_id = call.ids[0]
        if parent_id not in self._state.products:
            raise ShopError(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        fields = dict(call.fields)
        paging = _read_paging(fields)
        below = [one for one in self._state.products.values() if one["parent_id"] == parent_id]
        found = cut([row["id"] for row in _sorted(below, fields)], paging)
        shown = [self._products.variation(self._state.products[one]) for one in found.ids]
        return self._paged(f"/products/{parent_id}/variations", call.fields, paging, found, shown)

    def show(self, call: Call) -> Result:
        return Result(value=self._products.variation(self._existing(call.ids[0], call.ids[1], status=404)))

    def update(self, call: Call) -> Result:
        parent_id, variation_id = call.ids
        variation = self._existing(parent_id, variation_id, status=400)
        check_product(call.sent)
        return Result(value=self._write(variation, call.sent))

    def batch(self, call: Call) -> Result:
        """Not recorded: as the batch of products, of which WooCommerce says that it is the same."""

        def update(sent: Mapping[str, Any]) -> Json:
            return self._write(self._existing(call.ids[0], number(sent.get("id")), status=400), sent)

        return run_batch(self._state, call, {"update": update})

    def _write(self, variation: Json, sent: Mapping[str, Any]) -> Json:
        return copy.deepcopy(self._products.variation(self._writer.update_variation(variation, sent)))

    def _existing(self, parent_id: int, variation_id: int, *, status: int) -> Json:
        variation = self._state.products.get(variation_id)
        if variation is None or variation["parent_id"] != parent_id:
            raise ShopError(status, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        return variation


def number(value: Any) -> int:
    """An id as PHP reads it, 0 if it is none."""
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0


def _read_paging(fields: dict[str, str]) -> Paging:
    if fields.get("orderby", "date") not in {"date", "id"}:
        raise not_imitated("sorting products by anything but date and id")
    return read_plain_paging(fields)


def _sorted(rows: list[Json], fields: dict[str, str]) -> list[Json]:
    by_id = fields.get("orderby") == "id"
    descending = fields.get("order", "desc") == "desc"
    return sorted(rows, key=lambda row: (not by_id and row["created"], row["id"]), reverse=descending)
