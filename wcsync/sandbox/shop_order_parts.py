"""What belongs to one order of the sandbox shop: its notes and its refunds.

https://woocommerce.github.io/woocommerce-rest-api-docs/#order-notes
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from wcsync.sandbox.shop_errors import ShopError, not_imitated
from wcsync.sandbox.shop_http import Call, Result
from wcsync.sandbox.shop_lists import Lists, read_plain_paging
from wcsync.sandbox.shop_query import cut
from wcsync.sandbox.shop_shapes import Json

REFUND_FILTERS = ("search", "after", "before", "include", "exclude", "order", "orderby", "parent", "dp")


class _OfOneOrder(Lists):
    """What notes and refunds share: they belong to an order."""

    def _order_id(self, call: Call, code: str) -> int:
        if call.ids[0] not in self._state.orders:
            raise ShopError(404, code, "Invalid order ID.")
        return call.ids[0]


class Notes(_OfOneOrder):
    def find(self, call: Call) -> Result:
        """Newest first."""
        order_id = self._known_order(call)
        if "type" in dict(call.fields):
            raise not_imitated("the type filter of notes")
        render = self._render
        newest_first = reversed(self._state.notes.get(order_id, []))
        return Result(value=[render.note(order_id, note) for note in newest_first])

    def create(self, call: Call) -> Result:
        if "note" not in call.sent:
            details = {"status": 400, "params": ["note"]}
            message = "Missing parameter(s): note"
            raise ShopError(400, "rest_missing_callback_param", message, details=details)
        order_id = self._known_order(call)
        note = self._state.add_note(order_id, str(call.sent["note"]), for_customer=call.flag("customer_note"))
        value = self._render.note(order_id, note)
        return Result(value=value, status=201, headers={"Location": value["_links"]["self"][0]["href"]})

    def show(self, call: Call) -> Result:
        return Result(value=self._render.note(self._known_order(call), self._note(call)))

    def delete(self, call: Call) -> Result:
        order_id, note = self._known_order(call), self._note(call)
        if not call.flag("force"):
            message = "Webhooks do not support trashing."
            raise ShopError(501, "woocommerce_rest_trash_not_supported", message)
        self._state.notes[order_id].remove(note)
        return Result(value=self._render.note(order_id, note))

    def _known_order(self, call: Call) -> int:
        return self._order_id(call, "woocommerce_rest_order_invalid_id")

    def _note(self, call: Call) -> Json:
        for note in self._state.notes.get(call.ids[0], []):
            if note["id"] == call.ids[1]:
                return note
        raise ShopError(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")


class Refunds(_OfOneOrder):
    def find(self, call: Call) -> Result:
        """Newest first."""
        order_id = self._known_order(call)
        given = dict(call.fields)
        for name in REFUND_FILTERS:
            if name in given:
                raise not_imitated(f"refunds by {name}")
        paging, render = read_plain_paging(given), self._render
        refunds = {refund["id"]: refund for refund in reversed(self._state.refunds.get(order_id, []))}
        found = cut(list(refunds), paging)
        rows = [render.refund(order_id, refunds[one]) for one in found.ids]
        return self._paged(f"/orders/{order_id}/refunds", call.fields, paging, found, rows)

    def create(self, call: Call) -> Result:
        order_id = self._known_order(call)
        if call.sent.get("api_refund", True):
            raise _no_refund("The payment gateway for this order does not support automatic refunds.")
        amount = self._amount(call, order_id)
        lines = [_line(line) for line in call.sent.get("line_items", [])]
        refund_id = self._state.refund(order_id, amount, reason=call.sent.get("reason", ""), lines=lines)
        refund = next(one for one in self._state.refunds[order_id] if one["id"] == refund_id)
        # The real shop leaves the pattern of its own route in there.
        location = rf"{self._site.url()}/wp-json/wc/v3/orders/(?P<order_id>[\d]+)/refunds/{refund_id}"
        return Result(value=self._render.refund(order_id, refund), status=201, headers={"Location": location})

    def show(self, call: Call) -> Result:
        return Result(value=self._render.refund(self._known_order(call), self._refund(call)))

    def delete(self, call: Call) -> Result:
        order_id, refund = self._known_order(call), self._refund(call)
        if not call.flag("force"):
            message = "The shop_order_refund does not support trashing."
            raise ShopError(501, "woocommerce_rest_trash_not_supported", message)
        self._state.delete_refund(order_id, refund["id"])
        return Result(value=self._render.refund(order_id, refund))

    def _known_order(self, call: Call) -> int:
        return self._order_id(call, "woocommerce_rest_invalid_order_id")

    def _amount(self, call: Call, order_id: int) -> Decimal:
        if "amount" not in call.sent:
            raise not_imitated("a refund without an amount")
        try:
            amount = Decimal(str(call.sent["amount"]))
        except InvalidOperation:
            raise not_imitated("a refund whose amount is no number") from None
        if not 0 < amount <= self._state.refundable(order_id):
            raise _no_refund("Invalid refund amount.")
        return amount

    def _refund(self, call: Call) -> Json:
        for refund in self._state.refunds.get(call.ids[0], []):
            if refund["id"] == call.ids[1]:
                return refund
        raise ShopError(404, "woocommerce_rest_invalid_order_refund_id", "Invalid order refund ID.")


def _line(sent: Mapping[str, Any]) -> tuple[int, float, Any]:
    if "refund_tax" in sent or not {"id", "refund_total"} <= set(sent):
        raise not_imitated("a line of a refund with anything but its id, quantity and refund_total")
    return sent["id"], sent.get("quantity", 0), sent["refund_total"]


def _no_refund(message: str) -> ShopError:
    """Unlike every other refusal this one has the bare number in `data`."""
    return ShopError(500, "woocommerce_rest_cannot_create_order_refund", message, details=500)
