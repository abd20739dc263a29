"""A store and hands to change what it holds: in memory, or WooCommerce's client in front of the sandbox shop."""

import contextlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from tests.fakes import FakeStore, make_line, make_order
from wcsync.model import Line, LineId, Order, OrderId, Page, Person
from wcsync.sale import RefundLine
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_lines import Sold
from wcsync.sandbox.shop_shapes import read_zone
from wcsync.store.base import Store
from wcsync.store.client import WooCommerce

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
"""The signatures are made by the real clock, so the shop keeps it too."""

PAGE_SIZE = 3
PRICE = Decimal("19.90")


class Stage(Protocol):
    """A store, and hands to change what it holds."""

    store: Store

    def buy(self, at: datetime) -> OrderId:
        """One line of two pieces."""

    def cancel(self, order_id: OrderId) -> None: ...

    def gift(self, address: str) -> OrderId:
        """As `buy`, for somebody else, whom the line names."""

    def bundle(self) -> OrderId:
        """A container and two parts that cost nothing of their own."""

    def renew(self, subscription_id: int) -> OrderId: ...

    def refund(self, order_id: OrderId, line_id: LineId, quantity: int) -> int: ...

    def refund_amount(self, order_id: OrderId, amount: Decimal) -> int: ...

    def delete_refund(self, order_id: OrderId, refund_id: int) -> None: ...

    def live_at(self, zone: str) -> None:
        """The clock on the shop's wall."""


class FakeStage:
    def __init__(self) -> None:
        self.fake = FakeStore(page_size=PAGE_SIZE)
        self.store: Store = self.fake

    def buy(self, at: datetime) -> OrderId:
        return self._sell(at, make_line(quantity="2", total=str(2 * PRICE)))

    def cancel(self, order_id: OrderId) -> None:
        self.fake.change(order_id, datetime.now(UTC), status="cancelled")

    def gift(self, address: str) -> OrderId:
        learners = (Person(email=address),)
        return self._sell(BEGIN, make_line(quantity="2", total=str(2 * PRICE), learners=learners))

    def bundle(self) -> OrderId:
        parts = [make_line(line_id, total="0.00", part_of=1) for line_id in (2, 3)]
        return self._sell(BEGIN, make_line(total=str(PRICE), container=True), *parts)

    def renew(self, subscription_id: int) -> OrderId:
        return self._sell(BEGIN, make_line(), renews=(subscription_id,))

    def refund(self, order_id: OrderId, line_id: LineId, quantity: int) -> int:
        [line] = [one for one in self.fake.orders[order_id].lines if one.line_id == line_id]
        total = Decimal(line.total) * quantity / line.quantity
        given = RefundLine(line_id=line_id, quantity=Decimal(quantity), total=total)
        return self.fake.refund(order_id, datetime.now(UTC), given)

    def refund_amount(self, order_id: OrderId, amount: Decimal) -> int:
        return self.fake.refund(order_id, datetime.now(UTC), total=amount)

    def delete_refund(self, order_id: OrderId, refund_id: int) -> None:
        self.fake.delete_refund(order_id, refund_id)

    def live_at(self, zone: str) -> None:
        self.fake.zone = zone

    def _sell(self, at: datetime, *lines: Line, renews: tuple[int, ...] = ()) -> OrderId:
        order_id = max(self.fake.orders, default=0) + 1
        self.fake.put(make_order(order_id, modified_at=at, lines=lines, renews=renews))
        return OrderId(order_id)


class SandboxStage:
    def __init__(self, shop: SandboxShop, client: WooCommerce) -> None:
        self.shop = shop
        self.store: Store = client
        self.product = shop.add_product("Introducción a Python", sku="PY-101", price=PRICE)

    def buy(self, at: datetime) -> OrderId:
        return OrderId(self.shop.buy("ana@example.test", lines=[(self.product, 2)], at=at))

    def cancel(self, order_id: OrderId) -> None:
        self.shop.set_status(order_id, "cancelled")

    def gift(self, address: str) -> OrderId:
        sold = Sold(product_id=self.product, quantity=2, meta={"learner_email": address})
        return OrderId(self.shop.buy("ana@example.test", lines=[sold]))

    def bundle(self) -> OrderId:
        part = Sold(product_id=self.product)
        pack = self.shop.add_product("Pack", kind="bundle", price=PRICE)
        sold = Sold(product_id=pack, parts=(part, part))
        return OrderId(self.shop.buy("ana@example.test", lines=[sold]))

    def renew(self, subscription_id: int) -> OrderId:
        meta = {"_subscription_renewal": subscription_id}
        return OrderId(self.shop.buy("ana@example.test", lines=[(self.product, 1)], meta=meta))

    def refund(self, order_id: OrderId, line_id: LineId, quantity: int) -> int:
        return self.shop.refund(order_id, {line_id: quantity})

    def refund_amount(self, order_id: OrderId, amount: Decimal) -> int:
        return self.shop.refund(order_id, amount)

    def delete_refund(self, order_id: OrderId, refund_id: int) -> None:
        self.shop.delete_refund(order_id, refund_id)

    def live_at(self, zone: str) -> None:
        self.shop.timezone = read_zone(zone)


@contextlib.contextmanager
def sandbox(tls: ssl.SSLContext | None = None, **settings: Any) -> Iterator[SandboxStage]:
    with SandboxShop(tls=tls) as shop:
        client = WooCommerce(
            url=shop.url,
            consumer_key="ck_sandbox",
            consumer_secret="cs_sandbox",
            **{"page_size": PAGE_SIZE, "timeout_s": 5.0} | settings,
        )
        with contextlib.closing(client):
            yield SandboxStage(shop, client)


def read(store: Store, since: datetime = BEGIN, first_page: int = 1) -> list[Page]:
    return list(store.fetch_pages(since, first_page=first_page))


def ids(pages: list[Page]) -> list[int]:
    return [order.order_id for page in pages for order in page.orders]


def fetch(store: Store, order_id: OrderId) -> Order:
    found = store.fetch_order(order_id)
    assert isinstance(found, Order), found
    return found
