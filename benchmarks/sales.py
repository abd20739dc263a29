"""Orders made by hand and put into a ledger: one line each, for one course, by a buyer of our choice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from wcsync.ledger.base import Ledger
from wcsync.mappers.entitlements import Planner
from wcsync.mappers.mapping import Mapping
from wcsync.model import Line, LineId, Order, OrderId, Person, ProductId

OPENING = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)


def paid_order(number: int, buyer: int, product: int = 1) -> Order:
    """Order `number`: `buyer` bought one seat in the course that `product` sells."""
    created = OPENING + timedelta(seconds=number)
    line = Line(
        line_id=LineId(number),
        product_id=ProductId(product),
        variation_id=ProductId(0),
        sku=f"COURSE-{product:03d}",
        name=f"Diseño Gráfico, nivel {product}",
        quantity=Decimal(1),
        total="49.90",
    )
    return Order(
        order_id=OrderId(number),
        number=str(number),
        status="completed",
        created_at=created,
        modified_at=created,
        paid_at=created,
        completed_at=created,
        customer_id=buyer,
        buyer=Person(email=f"buyer{buyer}@example.test", first_name=f"Begoña {buyer}", last_name="Núñez"),
        lines=(line,),
    )


def record(ledger: Ledger, mapping: Mapping, orders: Sequence[Order]) -> int:
    """Records a page as the poller does. Returns how many of them were news."""
    planner = Planner(mapping=mapping, paid_statuses=frozenset({"completed"}), identify=ledger.identify)
    return ledger.record_page(orders, (), planner.plan, None, datetime.now(UTC)).fresh
