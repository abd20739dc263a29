"""The shop of a sale world, without a socket, and what happens in it."""

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import httpx

from tests.fakes import FakeClock
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_lines import Sold
from wcsync.store.client import WooCommerce

URL = "https://shop.example.test"
PRICE = 100
Json = dict[str, Any]
Spoil = Callable[[Response], Response]
"""What becomes of an answer on its way; may raise what a broken connection raises."""


class Merchant:
    """The shop, and what happens in it. Each change has a second of its own, as dates of change know no less.

    `versions`: each order as it was from each of its dates of change on. `spoils`: what becomes of the next answers.
    """

    def __init__(self, clock: FakeClock, zone: str) -> None:
        self.clock = clock
        self.shop = SandboxShop(clock=clock, timezone=zone or "UTC")
        self.shop.site_url = URL
        self.shop.offers_subscriptions = True
        for number, name in enumerate(
            ("course", "days", "group", "until", "club", "pack", "shirt", "new"), 1
        ):
            self.shop.add_product(name, sku=f"P-{number}", price="100", product_id=number)
        self.client = WooCommerce(
            url=URL,
            consumer_key="ck_sandbox",
            consumer_secret="cs_sandbox",
            page_size=3,
            transport=httpx.MockTransport(self._answer),
        )
        self.last: dict[int, Json] = {}
        self.last_refunds: dict[int, list[Json]] = {}
        self.every_refund: dict[int, dict[int, Json]] = {}
        self.versions: dict[tuple[int, str], Json] = {}
        self.spoils: list[Spoil] = []
        self.asked = 0

    def _answer(self, asked: httpx.Request) -> httpx.Response:
        self.asked += 1
        path, _, query = asked.url.raw_path.decode().partition("?")
        reply = self.shop.handle(
            Request(
                method=asked.method,
                path=path,
                query=tuple(parse_qsl(query, keep_blank_values=True)),
                headers=dict(asked.headers),
                body=asked.content,
                secure=True,
            )
        )
        if self.spoils:
            reply = self.spoils.pop(0)(reply)
        date = {"Date": self.clock().strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return httpx.Response(reply.status, headers={**date, **reply.headers}, content=reply.body)

    @property
    def orders(self) -> dict[int, Json]:
        """As they are; those that were deleted, as they were."""
        self.last.update(self.shop.orders)
        return self.last

    @property
    def refunds(self) -> dict[int, list[Json]]:
        """As `orders`."""
        self.last_refunds.update({number: self.shop.refunds.get(number, []) for number in self.shop.orders})
        return self.last_refunds

    def keep_versions(self) -> None:
        """What is there now may be what the daemon reads."""
        for number, order in self.shop.orders.items():
            seen = self.versions.get((number, order["date_modified_gmt"]))
            if seen != order:
                self.versions[number, order["date_modified_gmt"]] = copy.deepcopy(order)
        for number, refunds in self.refunds.items():
            self.every_refund.setdefault(number, {}).update({one["id"]: one for one in refunds})

    # -- edits -------------------------------------------------------------------------------------------------------
    def plain_lines(self, order_id: int) -> list[Json]:
        """Those that are no part of a bundle and stand for none, and of which nothing was given back."""
        lines = self.shop.orders[order_id]["line_items"]
        containers = {int(line["bundled_by"] or 0) for line in lines}
        return [
            line
            for line in lines
            if not line["bundled_by"]
            and line["id"] not in containers
            and not self.given_back(order_id, line["id"])
        ]

    def edit_quantity(self, order_id: int, line: Json, quantity: int) -> None:
        line["quantity"] = quantity
        line["total"] = f"{PRICE * quantity}.00"
        self._reckon(order_id)

    def take_line_out(self, order_id: int, line: Json) -> None:
        self.shop.orders[order_id]["line_items"].remove(line)
        self._reckon(order_id)

    def put_line_in(self, order_id: int, sold: Sold) -> None:
        self.shop.orders[order_id]["line_items"].extend(self.shop.sell([sold]))
        self._reckon(order_id)

    def _reckon(self, order_id: int) -> None:
        total = sum((Decimal(line["total"]) for line in self.shop.orders[order_id]["line_items"]), Decimal(0))
        self.shop.edit(order_id, total=str(total))

    def rest_of(self, order_id: int, line_id: int) -> int:
        """How many pieces of a line were not given back yet."""
        [line] = [one for one in self.orders[order_id]["line_items"] if one["id"] == line_id]
        return int(line["quantity"]) - sum(part[0] for part in self.given_back(order_id, line_id))

    def given_back(self, order_id: int, line_id: int) -> list[tuple[int, Decimal, int]]:
        return given_of(self.refunds.get(order_id, []), line_id)


def given_of(refunds: list[Json], line_id: int) -> list[tuple[int, Decimal, int]]:
    """Of a line: (pieces, amount, refund) of each refund that names it."""
    return [
        (-int(part["quantity"]), -Decimal(part["total"]), refund["id"])
        for refund in refunds
        for part in refund["line_items"]
        if any(
            meta["key"] == "_refunded_item_id" and int(meta["value"]) == line_id for meta in part["meta_data"]
        )
    ]
