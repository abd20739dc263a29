"""The lines of the sandbox shop's orders: sold alone or as a bundle, given back."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from wcsync.sandbox.shop_errors import not_imitated
from wcsync.sandbox.shop_product_values import as_text
from wcsync.sandbox.shop_shapes import Json, money
from wcsync.sandbox.shop_shelf import Amount, Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """One line to be sold. `price`: of one piece, None = the product's. `meta`: what plugins wrote to the line.

    `parts`: what it holds, as Product Bundles sells it: lines of their own, at price 0 if they say no other.
    https://woocommerce.com/document/bundles/bundles-rest-api-reference
    """

    product_id: int
    quantity: float = 1
    price: Amount | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple["Sold", ...] = ()


Lines = Iterable[tuple[int, float] | Sold]
"""What is bought: (product or variation id, quantity), or more about it."""


class Till(Shelf):
    """`product_bundles`: that plugin is active, and adds its fields to every line; so it is once a bundle was sold."""

    product_bundles = False

    def sell(self, lines: Lines) -> list[Json]:
        """New lines; the parts of a bundle follow it."""
        return [line for sold in lines for line in self._rung_up(sold)]

    def give_back(self, order: Json, line_id: int, quantity: float, total: Amount) -> Json:
        """The line of a refund: negative, with a number of its own, and the line's own number in its meta."""
        sold = next((line for line in order["line_items"] if line["id"] == line_id), None)
        if sold is None:
            raise not_imitated("a refund of a line that the order does not have")
        price = Decimal(str(total)) / Decimal(str(quantity)) if quantity else 0
        given: Json = sold | {
            "id": self._take_id("line"),
            "quantity": -quantity,
            "total": money(-Decimal(str(total))),
            "price": str(price),
            "meta_data": [self.line_meta("_refunded_item_id", str(line_id))],
        }
        return given

    def line_meta(self, key: str, value: Any) -> Json:
        """A meta value as lines show it. Numbers and truth values are texts in the end."""
        stored = value if isinstance(value, str | list | dict) else as_text(value)
        return {
            "id": self._take_id("meta"),
            "key": key,
            "value": stored,
            "display_key": key,
            "display_value": stored,
        }

    def _rung_up(self, sold: Sold | tuple[int, float]) -> list[Json]:
        if not isinstance(sold, Sold):
            return [self._new_line(Sold(product_id=sold[0], quantity=sold[1]))]
        line = self._new_line(sold)
        return [line, *self._parts_of(line, sold)] if sold.parts else [line]

    def _parts_of(self, container: Json, sold: Sold) -> list[Json]:
        self.product_bundles = True
        parts = [self._new_line(part, price="0") for part in sold.parts]
        keys = [_cart_key(line["id"]) for line in parts]
        for part, key in zip(parts, keys, strict=True):
            part["bundled_by"], part["bundled_item_title"] = container["id"], part["name"]
            part["meta_data"].append(self.line_meta("_bundled_by", _cart_key(container["id"])))
            part["meta_data"].append(self.line_meta("_bundle_cart_key", key))
        container["bundled_items"] = [part["id"] for part in parts]
        container["meta_data"].append(self.line_meta("_bundled_items", keys))
        container["meta_data"].append(self.line_meta("_bundle_cart_key", _cart_key(container["id"])))
        return parts

    def _new_line(self, sold: Sold, *, price: Amount | None = None) -> Json:
        product = self.products[sold.product_id]
        parent_id = product["parent_id"]
        wanted = [one for one in (sold.price, price, product["price"]) if one is not None]
        line = {
            "id": self._take_id("line"),
            "name": product["name"],
            "product_id": parent_id or sold.product_id,
            "variation_id": sold.product_id if parent_id else 0,
            "quantity": sold.quantity,
            "total": money(Decimal(str(wanted[0])) * Decimal(str(sold.quantity))),
            "price": str(wanted[0]),
            "meta_data": [],
            "parent_name": self.products[parent_id]["name"] if parent_id else None,
            "bundled_by": "",
            "bundled_item_title": "",
            "bundled_items": [],
        }
        if parent_id:
            line["meta_data"] = [self._variation_meta(product)]
        line["meta_data"] += [self.line_meta(key, value) for key, value in sold.meta.items()]
        return line

    def _variation_meta(self, variation: Json) -> Json:
        attribute, option = variation["attribute"], variation["option"]
        return self.line_meta(attribute.lower(), option) | {"display_key": attribute}


def _cart_key(line_id: int) -> str:
    return hashlib.md5(str(line_id).encode(), usedforsecurity=False).hexdigest()
