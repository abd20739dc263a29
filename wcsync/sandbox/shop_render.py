"""The sandbox shop's answers: an order, a note, a refund as WooCommerce 9.9 writes them."""

from typing import Any

from wcsync.sandbox.shop_product_render import ProductRender
from wcsync.sandbox.shop_shapes import ITEM_METHODS, Json, link, site_time
from wcsync.sandbox.shop_state import ShopState

VERSION = "9.9.5"
NO_IMAGE = {"id": "", "src": ""}
LOST_IMAGE = {"id": 0, "src": ""}
BUNDLE_FIELDS = ("bundled_by", "bundled_item_title", "bundled_items")
CHILD_METHODS = ["GET", "DELETE"]


class Render:
    """Turns the state into JSON values. `site_url` is the address the shop believes to have."""

    def __init__(self, state: ShopState, site_url: str) -> None:
        self._state = state
        self._site = site_url
        self._api = f"{site_url}/wp-json/wc/v3"
        self._products = ProductRender(state, site_url)

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

    def site_time(self, gmt: str | None) -> str | None:
        """UTC seconds as the shop's wall clock showed them, without a zone."""
        return site_time(gmt, self._state.timezone)

    def _line(self, line: Json) -> Json:
        """SKU and product id are looked up now, not when the line was sold."""
        product = self._state.products.get(line["variation_id"] or line["product_id"])
        shown = {
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
            "sku": self._products.sku(product) if product else None,
            "price": _number(line["price"]),
            "image": NO_IMAGE if product and not product["parent_id"] else LOST_IMAGE,
            "parent_name": line["parent_name"],
        }
        return shown | {key: line[key] for key in BUNDLE_FIELDS} if self._state.product_bundles else shown

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
            "self": [link(path, ITEM_METHODS)],
            "collection": [{"href": f"{self._api}/orders"}],
            "email_templates": [{"embeddable": True, "href": f"{path}/actions/email_templates"}],
        }
        if order["customer_id"]:
            links["customer"] = [{"href": f"{self._api}/customers/{order['customer_id']}"}]
        return links

    def _child_links(self, order_id: int, kind: str, child_id: int) -> Json:
        path = f"{self._api}/orders/{order_id}"
        return {
            "self": [link(f"{path}/{kind}/{child_id}", CHILD_METHODS)],
            "collection": [{"href": f"{path}/{kind}"}],
            "up": [{"href": path}],
        }


def _number(price: Any) -> float | int:
    """PHP writes a whole price without a fraction."""
    value = float(price)
    return int(value) if value.is_integer() else value
