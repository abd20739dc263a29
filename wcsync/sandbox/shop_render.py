"""The sandbox shop's answers: an order, a product, a note, a refund as WooCommerce 9.9 writes them."""

from datetime import UTC, datetime
from typing import Any

from wcsync.sandbox.shop_shapes import Json
from wcsync.sandbox.shop_state import ShopState

VERSION = "9.9.5"
NO_IMAGE = {"id": "", "src": ""}
LOST_IMAGE = {"id": 0, "src": ""}
FIRST_CATEGORY_ID = 15
ITEM_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CHILD_METHODS = ["GET", "DELETE"]


class Render:
    """Turns the state into JSON values. `site_url` is the address the shop believes to have."""

    def __init__(self, state: ShopState, site_url: str) -> None:
        self._state = state
        self._site = site_url
        self._api = f"{site_url}/wp-json/wc/v3"

    def order(self, order_id: int) -> Json:
        raw = self._state.raw_orders.get(order_id)
        return raw if raw is not None else self._order(self._state.orders[order_id])

    def _order(self, order: Json) -> Json:
        created, modified = order["date_created_gmt"], order["date_modified_gmt"]
        completed, paid = order["date_completed_gmt"], order["date_paid_gmt"]
        return {
            "id": order["id"],
            "parent_id": 0,
            "status": order["status"],
            "currency": order["currency"],
            "version": VERSION,
            "prices_include_tax": False,
            "date_created": self.site_time(created),
            "date_modified": self.site_time(modified),
            "discount_total": "0.00",
            "discount_tax": "0.00",
            "shipping_total": "0.00",
            "shipping_tax": "0.00",
            "cart_tax": "0.00",
            "total": order["total"],
            "total_tax": "0.00",
            "customer_id": order["customer_id"],
            "order_key": order["order_key"],
            "billing": order["billing"],
            "shipping": order["shipping"],
            "payment_method": order["payment_method"],
            "payment_method_title": order["payment_method_title"],
            "transaction_id": order["transaction_id"],
            "customer_ip_address": "",
            "customer_user_agent": "",
            "created_via": order["created_via"],
            "customer_note": order["customer_note"],
            "date_completed": self.site_time(completed),
            "date_paid": self.site_time(paid),
            "cart_hash": "",
            "number": str(order["id"]),
            "meta_data": order["meta_data"],
            "line_items": [self._line(line) for line in order["line_items"]],
            "tax_lines": [],
            "shipping_lines": [],
            "fee_lines": [],
            "coupon_lines": [],
            "refunds": self._refund_stubs(order["id"]),
            "payment_url": self._payment_url(order),
            "is_editable": order["status"] in {"pending", "on-hold", "auto-draft"},
            "needs_payment": order["status"] in {"pending", "failed"} and order["total"] != "0.00",
            "needs_processing": bool(
                order["line_items"]
            ),  # virtual is not enough, it would have to be a download
            "date_created_gmt": created,
            "date_modified_gmt": modified,
            "date_completed_gmt": completed,
            "date_paid_gmt": paid,
            "currency_symbol": "€",
            "_links": self._order_links(order),
        }

    def note(self, order_id: int, note: Json) -> Json:
        return {
            "id": note["id"],
            "author": "WooCommerce",
            "date_created": self.site_time(note["created"]),
            "date_created_gmt": note["created"],
            "note": note["note"],
            "customer_note": note["customer_note"],
            "_links": self._child_links(order_id, "notes", note["id"]),
        }

    def refund(self, order_id: int, refund: Json) -> Json:
        return {
            "id": refund["id"],
            "date_created": self.site_time(refund["created"]),
            "date_created_gmt": refund["created"],
            "amount": refund["amount"],
            "reason": refund["reason"],
            "refunded_by": 1,
            "refunded_payment": False,
            "meta_data": [],
            "line_items": [self._line(line) for line in refund["line_items"]],
            "shipping_lines": [],
            "tax_lines": [],
            "fee_lines": [],
            "_links": self._child_links(order_id, "refunds", refund["id"]),
        }

    def product(self, product: Json) -> Json:
        """A product as `/products` and `/products/<id>` show it, variations included."""
        slug = f"product-{product['id']}"
        children = [one for one in self._state.products.values() if one["parent_id"] == product["id"]]
        return {
            "id": product["id"],
            "name": product["name"],
            "slug": slug,
            "permalink": f"{self._site}/product/{slug}/",
            **self._product_dates(product),
            "type": product["type"],
            "status": product["status"],
            "catalog_visibility": "visible",
            "description": "",
            "short_description": "",
            "sku": self._sku(product),
            "price": product["price"],
            "regular_price": product["price"],
            "sale_price": "",
            "on_sale": False,
            "purchasable": True,
            "virtual": product["virtual"],
            "downloadable": False,
            "parent_id": product["parent_id"],
            "categories": _categories(product),
            "tags": [],
            "images": [],
            "attributes": _attributes(product, children),
            "variations": sorted(child["id"] for child in children),
            "grouped_products": [],
            "menu_order": 0,
            "meta_data": [],
            "stock_status": "instock",
            "has_options": bool(children),
            "_links": self._product_links(product),
        }

    def variation(self, variation: Json) -> Json:
        """A variation as `/products/<id>/variations` shows it: its name is the option alone."""
        path = f"{self._api}/products/{variation['parent_id']}"
        return {
            "id": variation["id"],
            "type": "variation",
            **self._product_dates(variation),
            "description": "",
            "permalink": f"{self._site}/product/product-{variation['parent_id']}/",
            "sku": self._sku(variation),
            "price": variation["price"],
            "regular_price": variation["price"],
            "sale_price": "",
            "status": variation["status"],
            "purchasable": True,
            "virtual": variation["virtual"],
            "downloadable": False,
            "stock_status": "instock",
            "attributes": _attributes(variation, []),
            "menu_order": 0,
            "meta_data": [],
            "name": variation["option"],
            "parent_id": variation["parent_id"],
            "_links": {
                "self": [_link(f"{path}/variations/{variation['id']}", ITEM_METHODS)],
                "collection": [{"href": f"{path}/variations"}],
                "up": [{"href": path}],
            },
        }

    def site_time(self, gmt: str | None) -> str | None:
        """UTC seconds as the shop's wall clock showed them, without a zone."""
        if gmt is None:
            return None
        instant = datetime.fromisoformat(gmt).replace(tzinfo=UTC)
        return instant.astimezone(self._state.timezone).strftime("%Y-%m-%dT%H:%M:%S")

    def _line(self, line: Json) -> Json:
        """SKU and product id are looked up now, not when the line was sold."""
        product = self._state.products.get(line["variation_id"] or line["product_id"])
        return {
            "id": line["id"],
            "name": line["name"],
            "product_id": line["product_id"] if product else 0,
            "variation_id": line["variation_id"] if product else 0,
            "quantity": line["quantity"],
            "tax_class": "",
            "subtotal": line["total"],
            "subtotal_tax": "0.00",
            "total": line["total"],
            "total_tax": "0.00",
            "taxes": [],
            "meta_data": line["meta_data"],
            "sku": self._sku(product) if product else None,
            "price": _number(line["price"]),
            "image": NO_IMAGE if product and not product["parent_id"] else LOST_IMAGE,
            "parent_name": line["parent_name"],
        }

    def _sku(self, product: Json) -> Any:
        """A variation without a SKU of its own shows its parent's."""
        parent = self._state.products.get(product["parent_id"])
        return product["sku"] or (parent["sku"] if parent else product["sku"])

    def _refund_stubs(self, order_id: int) -> list[Json]:
        newest_first = reversed(self._state.refunds.get(order_id, []))
        return [
            {"id": one["id"], "reason": one["reason"], "total": f"-{one['amount']}"} for one in newest_first
        ]

    def _payment_url(self, order: Json) -> str:
        path = f"{self._site}/checkout/order-pay/{order['id']}/"
        return f"{path}?pay_for_order=true&key={order['order_key']}"

    def _order_links(self, order: Json) -> Json:
        path = f"{self._api}/orders/{order['id']}"
        links: Json = {
            "self": [_link(path, ITEM_METHODS)],
            "collection": [{"href": f"{self._api}/orders"}],
            "email_templates": [{"embeddable": True, "href": f"{path}/actions/email_templates"}],
        }
        if order["customer_id"]:
            links["customer"] = [{"href": f"{self._api}/customers/{order['customer_id']}"}]
        return links

    def _child_links(self, order_id: int, kind: str, child_id: int) -> Json:
        path = f"{self._api}/orders/{order_id}"
        return {
            "self": [_link(f"{path}/{kind}/{child_id}", CHILD_METHODS)],
            "collection": [{"href": f"{path}/{kind}"}],
            "up": [{"href": path}],
        }

    def _product_links(self, product: Json) -> Json:
        links: Json = {
            "self": [_link(f"{self._api}/products/{product['id']}", ITEM_METHODS)],
            "collection": [{"href": f"{self._api}/products"}],
        }
        if product["parent_id"]:
            links["up"] = [{"href": f"{self._api}/products/{product['parent_id']}"}]
        return links

    def _product_dates(self, product: Json) -> Json:
        return {
            "date_created": self.site_time(product["created"]),
            "date_created_gmt": product["created"],
            "date_modified": self.site_time(product["modified"]),
            "date_modified_gmt": product["modified"],
        }


def _categories(product: Json) -> list[Json]:
    return [
        {"id": FIRST_CATEGORY_ID + place, "name": name, "slug": name.lower().replace(" ", "-")}
        for place, name in enumerate(product["categories"])
    ]


def _attributes(product: Json, children: list[Json]) -> list[Json]:
    if product["type"] == "variation":
        name = product["attribute"]
        return [{"id": 0, "name": name, "slug": name.lower(), "option": product["option"]}]
    if not children:
        return []
    name = children[0]["attribute"]
    options = [child["option"] for child in children]
    shown = {"position": 0, "visible": True, "variation": True}
    return [{"id": 0, "name": name, "slug": name, **shown, "options": options}]


def _link(href: str, methods: list[str]) -> Json:
    return {"href": href, "targetHints": {"allow": methods}}


def _number(price: Any) -> float | int:
    """PHP writes a whole price without a fraction."""
    value = float(price)
    return int(value) if value.is_integer() else value
