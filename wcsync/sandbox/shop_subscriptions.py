"""Subscriptions in the sandbox shop, as the plugin WooCommerce Subscriptions keeps them.

Nothing of it was recorded from a running shop: it follows the plugin's documentation and source. What is not told there
is answered 501.
https://woocommerce.com/document/subscriptions/statuses/
"""

import calendar
import copy
import threading
from datetime import datetime
from typing import Any

from wcsync.sandbox.shop_shapes import Json, blank_order, gmt_text
from wcsync.sandbox.shop_state import TRASH_META, ShopState
from wcsync.times import Clock

SUBSCRIPTION_STATUSES = (
    "pending",
    "active",
    "on-hold",
    "cancelled",
    "switched",
    "expired",
    "pending-cancel",
)
PAID = frozenset({"processing", "completed"})
RENEWAL_META = "_subscription_renewal"


class SubscriptionState(ShopState):
    """What becomes of subscriptions. Each method happens at `clock()`, is thread-safe and counts as a change.

    `offers_subscriptions`: whether the plugin is switched on; `subscriptions` maps an id to a plain dict, as `orders`
    does, and goes on while the plugin is off. `subscription_statuses`: another plugin may add some.
    """

    def __init__(self, *, clock: Clock, timezone: str, lock: threading.RLock) -> None:
        super().__init__(clock=clock, timezone=timezone, lock=lock)
        self.offers_subscriptions = False
        self.subscriptions: dict[int, Json] = {}
        self.raw_subscriptions: dict[int, Json] = {}
        self.subscription_statuses: list[str] = list(SUBSCRIPTION_STATUSES)

    def start_subscription(self, order_id: int, *, at: datetime | None = None) -> int:
        """One to all that an order is about, each month; active once that order is paid. Answers its id."""
        with self.lock:
            order, when = self.orders[order_id], self.now() if at is None else gmt_text(at)
            one = blank_order(self._take_id("post"), when)
            kept = ("currency", "total", "customer_id", "billing", "shipping", "payment_method")
            one |= {key: copy.deepcopy(order[key]) for key in kept}
            one["parent_id"] = order_id
            one["status"] = "active" if order["status"] in PAID else "pending"
            one["line_items"] = [
                copy.deepcopy(line) | {"id": self._take_id("line")} for line in order["line_items"]
            ]
            one["date_paid_gmt"] = order["date_paid_gmt"]
            one["schedule"] = {"start": when, "next_payment": _month_later(when), "cancelled": "", "end": ""}
            self.subscriptions[one["id"]] = one
            return int(one["id"])

    def renew_subscription(self, subscription_id: int, *, status: str = "completed") -> int:
        """Its payment falls due: it goes on hold, an order is made and, if `status` is one of a paid order, paid.

        Answers that order's id.
        """
        with self.lock:
            one = self.subscriptions[subscription_id]
            self._set_subscription(one, "on-hold")
            order_id = self.buy(
                one["billing"]["email"],
                one["billing"]["first_name"],
                one["billing"]["last_name"],
                [
                    (line["variation_id"] or line["product_id"], line["quantity"])
                    for line in one["line_items"]
                ],
                status="pending",
                paid=False,
                customer_id=one["customer_id"],
            )
            self.edit(order_id, created_via="subscription", payment_method=one["payment_method"])
            self.put_meta(order_id, [{"key": RENEWAL_META, "value": str(subscription_id)}])
            if status != "pending":
                self.pay_renewal(order_id, status=status)
            return order_id

    def pay_renewal(self, order_id: int, *, status: str = "completed") -> None:
        """A renewal's order takes that status; once it is paid, its subscription is active again."""
        with self.lock:
            self.set_status(order_id, status)
            if status in PAID:
                for meta in self.orders[order_id]["meta_data"]:
                    if meta["key"] == RENEWAL_META:
                        self._set_subscription(
                            self.subscriptions[int(meta["value"])],
                            "active",
                            next_payment=_month_later(self.now()),
                        )

    def hold_subscription(self, subscription_id: int) -> None:
        self._change(subscription_id, "on-hold")

    def reactivate_subscription(self, subscription_id: int) -> None:
        """From on-hold or pending-cancel."""
        self._change(subscription_id, "active", cancelled="", end="")

    def cancel_subscription(self, subscription_id: int) -> None:
        """As its buyer does: what was paid lasts to its end."""
        with self.lock:
            end = self.subscriptions[subscription_id]["schedule"]["next_payment"]
            self._change(subscription_id, "pending-cancel", cancelled=self.now(), next_payment="", end=end)

    def end_subscription(self, subscription_id: int) -> None:
        """Cancelled: what was paid has come to its end, or a merchant did it at once."""
        self._change(subscription_id, "cancelled", next_payment="", end=self.now())

    def expire_subscription(self, subscription_id: int) -> None:
        """The number of payments that was agreed on is reached."""
        self._change(subscription_id, "expired", next_payment="", end=self.now())

    def trash_subscription(self, subscription_id: int) -> None:
        """The plugin cancels what is moved to the trash."""
        with self.lock:
            self.end_subscription(subscription_id)
            one = self.subscriptions[subscription_id]
            one["meta_data"].append(
                {"id": self._take_id("meta"), "key": TRASH_META[0], "value": "wc-cancelled"}
            )
            self._set_subscription(one, "trash")

    def delete_subscription(self, subscription_id: int) -> None:
        """It was never there."""
        with self.lock:
            del self.subscriptions[subscription_id]
            self.raw_subscriptions.pop(subscription_id, None)

    def add_raw_subscription(self, raw: Json) -> int:
        """One that is answered verbatim, however odd. Needs an integer `id`; else found as one changed now."""
        with self.lock:
            one = blank_order(self._take_id("post", raw["id"]), self.now())
            self.subscriptions[one["id"]] = one | {"status": "active"}
            self.raw_subscriptions[one["id"]] = copy.deepcopy(raw)
            return int(one["id"])

    def _change(self, subscription_id: int, status: str, **dates: str) -> None:
        with self.lock:
            self._set_subscription(self.subscriptions[subscription_id], status, **dates)

    def _set_subscription(self, one: Json, status: str, **dates: Any) -> None:
        one["status"] = status
        one["schedule"] |= dates
        self._touch(one)


def _month_later(gmt: str) -> str:
    """The last day of a month that has no such day."""
    then = datetime.fromisoformat(gmt)
    year, month = then.year + then.month // 12, then.month % 12 + 1
    day = min(then.day, calendar.monthrange(year, month)[1])
    return then.replace(year=year, month=month, day=day).isoformat()
