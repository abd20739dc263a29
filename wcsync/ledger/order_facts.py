"""What the shop said of orders, and who the people are that they name. Inside the caller's transaction."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from functools import partial

from wcsync.ledger.circumstances import read_renewals, write_renewals
from wcsync.ledger.order_rows import (
    digest_order,
    order_of,
    parse_refunds,
    render_people,
    render_refunds,
)
from wcsync.ledger.people import read_learner
from wcsync.ledger.rows import text_of
from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.model import Identify, Order, OrderId, Person, Verdict
from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant

_WRITE_LEARNER = """
    INSERT INTO learners (learner_key, email, first_name, last_name, language, fields, changed_at)
    VALUES (:key, :email, :first_name, :last_name, '', :fields, :now) ON CONFLICT (learner_key) DO UPDATE SET
    email = iif(email = '', excluded.email, email),
    first_name = iif(excluded.first_name = '', first_name, excluded.first_name),
    last_name = iif(excluded.last_name = '', last_name, excluded.last_name),
    fields = iif(excluded.fields = '[]', fields, excluded.fields),
    changed_at = excluded.changed_at, erased_at = NULL
    WHERE erased_at IS NULL OR erased_at < :created_at
"""
ERASED = "erased"
"""The kind of what was given up because nobody knew any more whom it was for."""
_GIVEN_UP = """
    SELECT lms, course_id, learner_key FROM enrolments INDEXED BY enrolments_dead
    WHERE state = 'dead' AND error_kind = ? AND learner_key = ?
"""


def people_of(order: Order) -> Iterator[Person]:
    """Everybody the order names."""
    yield order.buyer
    yield from order.learners
    for line in order.lines:
        yield from line.learners


def audit_reading(db: sqlite3.Connection, order: Order, before: sqlite3.Row | None, now: datetime) -> None:
    """One line for what decides about an order, where it is another than `before`: its status, whether it is paid, and
    what was refunded."""
    told = _told(order.status, text_of(order.paid_at), [refund.refund_id for refund in order.refunds])
    if before is not None:
        refunds = [refund.refund_id for refund in parse_refunds(before["refunds"])]
        if told == _told(before["status"], before["paid_at"], refunds):
            return
    audit(db, "shop", "order_read", f"order {order.order_id}", told, now)


def write_person(
    db: sqlite3.Connection, key: str, person: Person, created_at: datetime, now: datetime
) -> None:
    """Keeps who a learner is. The latest word wins; an empty one does not blank an earlier one. Somebody who was erased
    stays so, but for what was created (`created_at`) after that: then what was given up meanwhile is tried again."""
    if person.email:
        known = db.execute("SELECT erased_at FROM learners WHERE learner_key = ?", (key,)).fetchone()
        db.execute(
            _WRITE_LEARNER,
            {
                "key": key,
                "email": person.email,
                "first_name": person.first_name,
                "last_name": person.last_name,
                "fields": json.dumps(person.fields, ensure_ascii=False),
                "created_at": render_instant(created_at),
                "now": render_instant(now),
            },
        )
        if known is not None and known["erased_at"] is not None:
            _try_again(db, key, now)


class OrderFacts:
    """Writes and reads the facts of orders through one open transaction."""

    def __init__(self, connection: sqlite3.Connection, digest_key: bytes, identify: Identify, now: datetime):
        self._db = connection
        self._digest_key = digest_key
        self._identify = identify
        self._now = now

    def read(self, order_id: OrderId) -> Order:
        """An order as it was read last, the people in it as far as they are known."""
        row = self._db.execute("SELECT * FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        lines = self._db.execute(
            "SELECT * FROM order_lines WHERE order_id = ? ORDER BY line_id", (order_id,)
        ).fetchall()
        return order_of(row, lines, read_renewals(self._db, order_id), partial(read_learner, self._db))

    def write(self, order: Order) -> None:
        """Puts the facts in the place of what was known. What they mean is not said yet."""
        self._write_order(order)
        self._write_lines(order)
        write_renewals(self._db, order)

    def write_learners(self, order: Order) -> None:
        """Keeps who the people are that the order names."""
        for person in people_of(order):
            write_person(self._db, self._identify(person.email), person, order.created_at, self._now)

    def _write_order(self, order: Order) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO orders (order_id, number, status, created_at, modified_at, paid_at, "
            "completed_at, customer_id, learner_key, refunded_total, refunds, learners, paid, digest, read_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
            (
                order.order_id,
                order.number,
                order.status,
                text_of(order.created_at),
                text_of(order.modified_at),
                text_of(order.paid_at),
                text_of(order.completed_at),
                order.customer_id,
                self._identify(order.buyer.email) if order.buyer.email else "",
                str(order.refunded_total),
                render_refunds(order.refunds),
                render_people(order.learners, self._identify),
                digest_order(order, self._digest_key),
                render_instant(self._now),
            ),
        )

    def _write_lines(self, order: Order) -> None:
        self._db.execute("DELETE FROM order_lines WHERE order_id = ?", (order.order_id,))
        self._db.executemany(
            "INSERT OR REPLACE INTO order_lines (order_id, line_id, product_id, variation_id, sku, name, quantity, "
            "total, learners, part_of, container, verdict, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
            [
                (
                    order.order_id,
                    line.line_id,
                    line.product_id,
                    line.variation_id,
                    line.sku,
                    line.name,
                    str(line.quantity),
                    line.total,
                    render_people(line.learners, self._identify),
                    line.part_of,
                    int(line.container),
                    Verdict.UNPAID.value,
                )
                for line in order.lines
            ],
        )


def _try_again(db: sqlite3.Connection, learner_key: str, now: datetime) -> None:
    """What was given up for want of an address, if that is there again."""
    if not read_learner(db, learner_key).email:
        return
    stamp, state = render_instant(now), next_state(State.DEAD, Event.REVIVED)
    for row in db.execute(_GIVEN_UP, (ERASED, learner_key)).fetchall():
        key = (row["lms"], row["course_id"], row["learner_key"])
        db.execute(
            "UPDATE enrolments SET state = ?, attempts = 0, next_attempt_at = ?, error_kind = '', error = '', "
            "changed_at = ? WHERE lms = ? AND course_id = ? AND learner_key = ?",
            (state.value, stamp, stamp, *key),
        )
        audit(db, "orders", "known_again", enrolment_subject(*key), "", now)


def _told(status: str, paid_at: str | None, refunds: list[int]) -> str:
    paid = f"paid {paid_at}" if paid_at else "no payment date"
    given_back = f", refunds {', '.join(map(str, sorted(refunds)))}" if refunds else ""
    return f"{status}, {paid}{given_back}"
