"""The sandbox shop's memory of orders, notes and refunds as plain dicts, and the shop's own rules for them.

Instants are kept the way the shop's tables keep them: whole seconds of UTC as `2026-11-21T19:18:35`. What an answer
derives from them (site time, live SKUs, links) is made in `shop_render`.
"""

import copy
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from wcsync.sandbox.shop_lines import Lines, Till
from wcsync.sandbox.shop_product_values import as_text
from wcsync.sandbox.shop_shapes import Json, blank_order, gmt_text, money
from wcsync.sandbox.shop_shelf import Amount
from wcsync.times import Clock

CORE_STATUSES = (
    "auto-draft",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
)
TRASH_META = ("_wp_trash_meta_status", "_wp_trash_meta_time")


class ShopState(Till):
    """What a merchant and the buyers do to a shop. Every method is thread-safe and happens at `clock()`.

    `orders` and `products` map an id to a plain dict; `raw_orders` holds those that are answered verbatim.
    """

    def __init__(self, *, clock: Clock, timezone: str, lock: threading.RLock) -> None:
        super().__init__(clock=clock, timezone=timezone, lock=lock)
        self.raw_orders: dict[int, Json] = {}
        self.notes: dict[int, list[Json]] = {}
        self.refunds: dict[int, list[Json]] = {}
        self.statuses: list[str] = list(CORE_STATUSES)

    def buy(
        self,
        email: str,
        first_name: str = "Ana",
        last_name: str = "García",
        lines: Lines = (),
        *,
        status: str = "completed",
        paid: bool = True,
        meta: Mapping[str, Any] | None = None,
        customer_id: int = 0,
        order_id: int | None = None,
        at: datetime | None = None,
    ) -> int:
        """A new order; answers its id. `meta`: what plugins wrote to it. `at`: when, default now."""
        with self.lock:
            assert status in self.statuses, f"register_status({status!r}) first"
            when = self.now() if at is None else gmt_text(at)
            order = blank_order(self._take_id("post", order_id), when)
            order["status"] = status
            order["customer_id"] = customer_id
            order["billing"] |= {"first_name": first_name, "last_name": last_name, "email": email}
            order["date_completed_gmt"] = when if status == "completed" else None
            order["date_paid_gmt"] = when if paid else None
            method = ("bacs", "Transferencia") if paid else ("cod", "Contra reembolso")
            order["payment_method"], order["payment_method_title"] = method
            order["line_items"] = self.sell(lines)
            order["total"] = money(sum((Decimal(line["total"]) for line in order["line_items"]), Decimal(0)))
            self.orders[order["id"]] = order
            self.put_meta(order["id"], [{"key": key, "value": value} for key, value in (meta or {}).items()])
            return int(order["id"])

    def put_raw_order(self, raw: Mapping[str, Any]) -> int:
        """An order answered verbatim, however odd. Needs an integer `id`; else found as one completed now."""
        with self.lock:
            order_id = self._take_id("post", raw["id"])
            order = blank_order(order_id, self.now())
            for key in ("status", "date_created_gmt", "date_modified_gmt", "customer_id"):
                order[key] = raw[key] if isinstance(raw.get(key), type(order[key])) else order[key]
            self.raw_orders[order_id] = copy.deepcopy(dict(raw))
            self.orders[order_id] = order
            return order_id

    def set_status(self, order_id: int, status: str) -> None:
        """What a save with that status does: dates, the refund of the rest when it becomes `refunded`, a note."""
        with self.lock:
            assert status in self.statuses, f"register_status({status!r}) first"
            order = self.orders[order_id]
            before, order["status"] = order["status"], status
            self._touch(order)
            if before == status:
                return
            if status == "completed":
                order["date_completed_gmt"] = self.now()
            self._mark_paid(order)
            if status == "refunded" and self.refundable(order_id) > 0:
                self._add_refund(order, self.refundable(order_id), "Order fully refunded.", [])
            self.add_note(order_id, f"Order status changed from {_label(before)} to {_label(status)}.")

    def edit(self, order_id: int, *, touch: bool = True, **changes: Any) -> None:
        """Sets an order's own fields; `billing` and `shipping` are merged. `touch=False` as by hand in the database."""
        with self.lock:
            order = self.orders[order_id]
            if touch:
                self._touch(order)
            for key, value in changes.items():
                assert key in order, f"an order has no {key!r}"
                order[key] = order[key] | value if key in {"billing", "shipping"} else value

    def refund(
        self,
        order_id: int,
        what: Amount | Mapping[int, float] | None = None,
        *,
        reason: str = "",
        lines: Iterable[tuple[int, float, Amount]] = (),
    ) -> int:
        """Gives an amount back, pieces of lines (line id → quantity), or all that is left; answers the refund's id.

        `lines`: (line id, quantity, total) that an amount is said to be of. The refund of the last cent turns the
        order's status to refunded; where a line is free of charge, that of the last piece.
        """
        with self.lock:
            order = self.orders[order_id]
            rest = self.refundable(order_id)
            if isinstance(what, Mapping):
                lines = self._pieces(order, what)
                what = sum((Decimal(str(total)) for _, _, total in lines), Decimal(0))
            wanted = rest if what is None else Decimal(str(what))
            assert 0 <= wanted <= rest, f"{wanted} of {rest}"
            items = [self.give_back(order, line_id, quantity, total) for line_id, quantity, total in lines]
            refund_id = self._add_refund(order, wanted, reason, items)
            if self.refundable(order_id) == 0 and not self._free_pieces_left(order):
                self.set_status(order_id, "refunded")
            return refund_id

    def delete_refund(self, order_id: int, refund_id: int) -> None:
        """Takes a refund back. The order's status and date of change stay as they are, as in the real shop."""
        with self.lock:
            self.refunds[order_id] = [one for one in self.refunds[order_id] if one["id"] != refund_id]

    def complete_again(self, order_id: int) -> None:
        """A cancelled, refunded or trashed order counts again. Its refunds stay until they are deleted."""
        assert self.orders[order_id]["status"] != "completed", order_id
        self.set_status(order_id, "completed")

    def refundable(self, order_id: int) -> Decimal:
        """What has not been given back yet."""
        given = sum((Decimal(one["amount"]) for one in self.refunds.get(order_id, ())), Decimal(0))
        return Decimal(self.orders[order_id]["total"]) - given

    def trash(self, order_id: int) -> None:
        with self.lock:
            order = self.orders[order_id]
            values = (f"wc-{order['status']}", str(int(self.clock().timestamp())))
            for key, value in zip(TRASH_META, values, strict=True):
                order["meta_data"].append({"id": self._take_id("meta"), "key": key, "value": value})
            order["status"] = "trash"
            self._touch(order)

    def restore(self, order_id: int) -> None:
        """Back from the trash with the status it had, as from the admin's list."""
        with self.lock:
            order = self.orders[order_id]
            assert order["status"] == "trash", order["status"]
            marks = [meta for meta in order["meta_data"] if meta["key"] in TRASH_META]
            before = [mark["value"] for mark in marks if mark["key"] == TRASH_META[0]]
            order["meta_data"] = [meta for meta in order["meta_data"] if meta not in marks]
            order["status"] = before[-1].removeprefix("wc-")
            self._touch(order)

    def delete_forever(self, order_id: int) -> None:
        """The order was never there."""
        with self.lock:
            del self.orders[order_id]
            self.raw_orders.pop(order_id, None)
            self.notes.pop(order_id, None)
            self.refunds.pop(order_id, None)

    def add_note(self, order_id: int, text: str, *, for_customer: bool = False) -> Json:
        """A note beside the order. It does not count as a change of the order."""
        with self.lock:
            note: Json = {
                "id": self._take_id("note"),
                "created": self.now(),
                "note": text,
                "customer_note": for_customer,
            }
            self.notes.setdefault(order_id, []).append(note)
            return note

    def put_meta(self, order_id: int, entries: Iterable[Mapping[str, Any]]) -> None:
        """Meta values as a PUT sends them: same key or id updates in place, null deletes."""
        with self.lock:
            kept: list[Json] = self.orders[order_id]["meta_data"]
            for entry in entries:
                known = next((meta for meta in kept if _same_meta(meta, entry)), None)
                if entry.get("value") is None:
                    kept[:] = [meta for meta in kept if meta is not known]
                elif known is not None:
                    known["value"] = _stored(entry["value"])
                else:
                    kept.append(
                        {"id": self._take_id("meta"), "key": entry["key"], "value": _stored(entry["value"])}
                    )

    def write_meta(self, order_id: int, line_id: int = 0, **values: Any) -> None:
        """What a plugin or a person writes to an order, or to one of its lines, and saves; None takes a value away."""
        with self.lock:
            order = self.orders[order_id]
            self._touch(order)
            if not line_id:
                self.put_meta(order_id, [{"key": key, "value": value} for key, value in values.items()])
                return
            line = next(one for one in order["line_items"] if one["id"] == line_id)
            kept = [meta for meta in line["meta_data"] if meta["key"] not in values]
            new = [self.line_meta(key, value) for key, value in values.items() if value is not None]
            line["meta_data"] = [*kept, *new]

    def register_status(self, status: str) -> None:
        """A plugin's own order status."""
        self.statuses.append(status)

    def _touch(self, order: Json) -> None:
        order["date_modified_gmt"] = self.now()

    def _mark_paid(self, order: Json) -> None:
        """Cash on delivery counts as paid when it is completed, all else from `processing` on."""
        paying = {"completed"} if order["payment_method"] == "cod" else {"completed", "processing"}
        if order["status"] in paying and order["date_paid_gmt"] is None:
            order["date_paid_gmt"] = self.now()

    def _add_refund(self, order: Json, amount: Decimal, reason: str, items: list[Json]) -> int:
        refund: Json = {
            "id": self._take_id("post"),
            "created": self.now(),
            "amount": money(amount),
            "reason": reason,
            "line_items": items,
        }
        self.refunds.setdefault(order["id"], []).append(refund)
        self._touch(order)
        return int(refund["id"])

    def _free_pieces_left(self, order: Json) -> bool:
        """As `wc_create_refund` has it: an order that holds anything free is not refunded before all of it is."""
        free = any(Decimal(line["total"]) == 0 for line in order["line_items"])
        sold = sum(line["quantity"] for line in order["line_items"])
        refunds = self.refunds.get(order["id"], ())
        given = sum(-line["quantity"] for refund in refunds for line in refund["line_items"])
        return free and bool(sold > given)

    def _pieces(self, order: Json, quantities: Mapping[int, float]) -> list[tuple[int, float, Amount]]:
        """What so many of each line cost."""
        sold = {line["id"]: line for line in order["line_items"]}
        return [
            (line_id, quantity, _share(sold[line_id], quantity)) for line_id, quantity in quantities.items()
        ]


def _label(status: str) -> str:
    return status.replace("-", " ").capitalize()


def _share(line: Json, quantity: float) -> Decimal:
    whole = Decimal(line["total"])
    return Decimal(money(whole * Decimal(str(quantity)) / Decimal(str(line["quantity"]))))


def _stored(value: Any) -> Any:
    return value if isinstance(value, str | list | dict) else as_text(value)


def _same_meta(meta: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return bool(entry["id"] == meta["id"] if entry.get("id") else entry.get("key") == meta["key"])
