"""The demo shop's own books: who is to be where and until when, read from orders and refunds without any of wcsync."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from wcsync.demo.curriculum import DAYS_SKU, NAMED_SKU
from wcsync.sandbox.shop import SandboxShop

Json = dict[str, Any]

RECIPIENT = "learner_email"
"""The order's meta key of who a gift is for."""
TICKETS, ATTENDEE = "WooCommerceEventsOrderTickets", "WooCommerceEventsAttendee"
"""Where FooEvents keeps the names that a company gave. https://help.fooevents.com/docs/topics/tickets/ticket-sending/"""

DAYS = {DAYS_SKU: 90}
"""For how many days a course is sold, where not without end."""
NAMED_ONLY = {NAMED_SKU}
"""Whose seats, where there are several, go to those alone who are named; of others the buyer has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One line of a paid order. `sold`: its pieces; `left`: those not given back; `learners`: their addresses, small
    letters, each once."""

    order_id: int
    line_id: int
    sku: str
    begins: datetime
    sold: int
    left: int
    learners: tuple[str, ...]

    @property
    def given_back(self) -> int:
        return self.sold - self.left

    @property
    def open_seats(self) -> int:
        return self.left - len(self.learners)


def read_sales(
    shop: SandboxShop, skus: Mapping[int, str], by_hand: Mapping[int, Collection[str]]
) -> list[Sale]:
    """`skus`: by the products' numbers; `by_hand`: whom a person gave seats of an order."""
    with shop.lock:
        return [
            _read_line(shop, order, line, skus[line["product_id"]], by_hand.get(number, ()))
            for number, order in shop.orders.items()
            if order["status"] == "completed"
            for line in order["line_items"]
        ]


def read_ends(sales: list[Sale], zone: tzinfo) -> dict[tuple[str, str], datetime]:
    """Until when each learner is to be in what is sold for days, by the shop's clock; who buys again adds to it."""
    ends: dict[tuple[str, str], datetime] = {}
    for sale in sorted(sales, key=lambda one: (one.begins, one.order_id)):
        for learner in sale.learners if sale.sku in DAYS else ():
            start = max(sale.begins, ends.get((learner, sale.sku), sale.begins))
            there = start.astimezone(zone).replace(tzinfo=None) + timedelta(days=DAYS[sale.sku])
            ends[learner, sale.sku] = there.replace(tzinfo=zone).astimezone(UTC)
    return ends


def _read_line(shop: SandboxShop, order: Json, line: Json, sku: str, by_hand: Collection[str]) -> Sale:
    sold, back = int(line["quantity"]), _given_back(shop, order["id"], line["id"])
    buyer = [] if sku in NAMED_ONLY and sold > 1 else [order["billing"]["email"]]
    learners = dict.fromkeys(one.casefold() for one in [*(list(_named(order)) or buyer), *by_hand])
    return Sale(
        order_id=order["id"],
        line_id=line["id"],
        sku=sku,
        begins=datetime.fromisoformat(order["date_completed_gmt"]).replace(tzinfo=UTC),
        sold=sold,
        left=sold - back,
        learners=tuple(learners)[: sold - back],
    )


def _given_back(shop: SandboxShop, order_id: int, line_id: int) -> int:
    return sum(
        -int(given["quantity"])
        for refund in shop.refunds.get(order_id, ())
        for given in refund["line_items"]
        if any(
            meta["key"] == "_refunded_item_id" and meta["value"] == str(line_id)
            for meta in given["meta_data"]
        )
    )


def _named(order: Json) -> Iterator[str]:
    meta = {one["key"]: one["value"] for one in order["meta_data"]}
    if RECIPIENT in meta:
        yield meta[RECIPIENT]
    for tickets in meta.get(TICKETS, {}).values():
        yield from (ticket[f"{ATTENDEE}Email"] for ticket in tickets.values())
