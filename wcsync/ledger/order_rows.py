"""Orders to columns and back. Learners stand there by their keys; who they are is in a table of its own."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from wcsync.ledger.rows import instant_of, text_of
from wcsync.model import Identify, Line, LineId, Order, OrderId, Person, ProductId
from wcsync.sale import Refund, RefundLine
from wcsync.times import parse_instant

Recall = Callable[[str], Person]
"""Who a learner key stands for."""


def digest_order(order: Order, key: bytes) -> str:
    """A keyed digest of all that was read: equal digests mean there is nothing new."""
    read = [
        _head(order),
        _said_of(order.buyer),
        [_said_of(person) for person in order.learners],
        [_said_of_line(line) for line in order.lines],
        _said_of_refunds(order.refunds),
    ]
    text = json.dumps(read, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def order_of(row: sqlite3.Row, lines: Sequence[sqlite3.Row], renews: Iterable[int], recall: Recall) -> Order:
    """An order as the ledger knows it. A learner who was erased, or never needed, has no address."""
    return Order(
        order_id=OrderId(row["order_id"]),
        number=row["number"],
        status=row["status"],
        created_at=parse_instant(row["created_at"]),
        modified_at=parse_instant(row["modified_at"]),
        paid_at=instant_of(row["paid_at"]),
        completed_at=instant_of(row["completed_at"]),
        customer_id=row["customer_id"],
        buyer=recall(row["learner_key"]),
        lines=tuple(line_of(line, recall) for line in lines),
        refunded_total=Decimal(row["refunded_total"]),
        refunds=parse_refunds(row["refunds"]),
        learners=parse_people(row["learners"], recall),
        renews=tuple(renews),
    )


def line_of(row: sqlite3.Row, recall: Recall) -> Line:
    return Line(
        line_id=LineId(row["line_id"]),
        product_id=ProductId(row["product_id"]),
        variation_id=ProductId(row["variation_id"]),
        sku=row["sku"],
        name=row["name"],
        quantity=Decimal(row["quantity"]),
        total=row["total"],
        learners=parse_people(row["learners"], recall),
        container=bool(row["container"]),
        part_of=LineId(row["part_of"]),
    )


def render_people(people: Iterable[Person], identify: Identify) -> str:
    """Their keys as JSON, in their order; '' stands for one without an address."""
    return json.dumps([identify(person.email) if person.email else "" for person in people])


def parse_people(text: str, recall: Recall) -> tuple[Person, ...]:
    return tuple(recall(key) for key in json.loads(text))


def render_refunds(refunds: Iterable[Refund]) -> str:
    return json.dumps(_said_of_refunds(refunds))


def parse_refunds(text: str) -> tuple[Refund, ...]:
    return tuple(
        Refund(
            refund_id=refund["id"],
            total=Decimal(refund["total"]),
            lines=tuple(
                RefundLine(line_id=line_id, quantity=Decimal(quantity), total=Decimal(amount))
                for line_id, quantity, amount in refund["lines"]
            ),
        )
        for refund in json.loads(text)
    )


def _head(order: Order) -> list[object]:
    return [
        order.order_id,
        order.number,
        order.status,
        text_of(order.created_at),
        text_of(order.modified_at),
        text_of(order.paid_at),
        text_of(order.completed_at),
        order.customer_id,
        str(order.refunded_total),
        list(order.renews),
    ]


def _said_of(person: Person) -> list[object]:
    return [person.email, person.first_name, person.last_name, person.fields]


def _said_of_line(line: Line) -> list[object]:
    product = [line.product_id, line.variation_id, line.sku, line.name, str(line.quantity), line.total]
    people = [_said_of(person) for person in line.learners]
    return [line.line_id, product, people, line.container, line.part_of]


def _said_of_refunds(refunds: Iterable[Refund]) -> list[object]:
    return [
        {
            "id": refund.refund_id,
            "total": str(refund.total),
            "lines": [[line.line_id, str(line.quantity), str(line.total)] for line in refund.lines],
        }
        for refund in refunds
    ]
