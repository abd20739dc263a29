"""All that is known of one order, for people: read-only queries, no addresses unless they are asked for."""

import json
from typing import Any

from sqlite_utils import Database

from wcsync.ledger.order_rows import parse_refunds

Row = dict[str, Any]
SHOWN_OF_HASH = 8

_ORDER = """
    SELECT order_id, number, status, created_at, modified_at, paid_at, completed_at, refunded_total, paid, read_at,
        substr(learner_key, 1, 8) AS buyer, refunds, learners
    FROM orders WHERE order_id = :order_id
"""
_LINES = """
    SELECT line_id, product_id, variation_id, sku, name, quantity, total, verdict, reason, learners, part_of, container
    FROM order_lines WHERE order_id = :order_id ORDER BY line_id
"""
_SEATS = """
    SELECT s.line_id, s.seat, s.lms, s.course_id, substr(s.learner_key, 1, 8) AS learner, s.learner_key = '' AS open,
        s.live, s.cause, s.reason, s.source, s.starts_at, s.access, s.on_withdraw, s.sold_at,
        e.desired, e.until, e.state, e.outcome, e.applied, e.applied_until, e.dormant, e.attempts, e.next_attempt_at,
        e.applied_at, e.error_kind, e.error, e.cause AS wish_cause
    FROM entitlements AS s LEFT JOIN enrolments AS e USING (lms, course_id, learner_key)
    WHERE s.order_id = :order_id ORDER BY s.line_id, s.seat, s.lms, s.course_id
"""
_PARKED = """
    SELECT line_id, kind, reason, since, dropped_at FROM parked WHERE order_id = :order_id ORDER BY line_id, kind
"""
_NOTES = """
    SELECT number, state, attempts, error, created_at, changed_at, next_attempt_at FROM outbox
    WHERE channel = 'note' AND subject = 'order ' || :order_id ORDER BY number
"""
# What was said of a learner under an address that was put right later belongs to the story too.
_AUDIT = """
    SELECT a.at, a.actor, a.action, a.subject, a.detail FROM audit AS a WHERE a.subject IN (
        SELECT 'order ' || :order_id UNION
        SELECT 'enrolment ' || lms || '/' || course_id || '/' || learner_key FROM entitlements
        WHERE order_id = :order_id UNION
        SELECT 'enrolment ' || s.lms || '/' || s.course_id || '/' || a.old_key FROM entitlements AS s
        JOIN aliases AS a ON a.new_key = s.learner_key WHERE s.order_id = :order_id)
    ORDER BY a.id
"""
_HOLD = "SELECT reason, since FROM holds WHERE order_id = :order_id"
_DECISIONS = """
    SELECT cause, line_id, seat, at FROM decisions WHERE order_id = :order_id ORDER BY at, line_id, seat, cause
"""
_SUBSCRIPTIONS = """
    SELECT subscription_id, status, modified_at, read_at, parent_id = :order_id AS begun FROM subscriptions
    WHERE parent_id = :order_id OR subscription_id IN (
        SELECT subscription_id FROM renewals WHERE order_id = :order_id)
    ORDER BY subscription_id
"""
_PEOPLE = """
    SELECT substr(learner_key, 1, 8) AS learner, email, first_name, last_name, erased_at FROM learners
    WHERE learner_key IN (
        SELECT learner_key FROM entitlements WHERE order_id = :order_id
        UNION SELECT learner_key FROM orders WHERE order_id = :order_id)
    ORDER BY learner_key
"""
_SEVERAL = {
    "parked": _PARKED,
    "notes": _NOTES,
    "audit": _AUDIT,
    "decisions": _DECISIONS,
    "subscriptions": _SUBSCRIPTIONS,
}


def read_story(db: Database, order_id: int) -> Row | None:
    """All that is known of an order; None if nothing is. One that was never read in full has no status."""
    key = {"order_id": order_id}
    order = next(iter(db.query(_ORDER, key)), None)
    several = {name: list(db.query(sql, key)) for name, sql in _SEVERAL.items()}
    hold = next(iter(db.query(_HOLD, key)), None)
    if order is None and not several["parked"] and hold is None:
        return None
    lines = [_line(row) for row in db.query(_LINES, key)]
    seats = [_seat(row) for row in db.query(_SEATS, key)]
    head = {"order_id": order_id, "refunds": [], "learners": []} if order is None else _head(order)
    open_seats = sorted({(row["line_id"], row["seat"]) for row in seats if row["open"] and row["live"]})
    return {
        **head,
        "hold": hold,
        "lines": lines,
        "enrolments": seats,
        "open_seats": [{"line_id": line_id, "seat": seat} for line_id, seat in open_seats],
        **several,
    }


def read_people(db: Database, order_id: int) -> list[Row]:
    """Who the learners of an order are, by the beginning of their hash; without address if they were erased."""
    return list(db.query(_PEOPLE, {"order_id": order_id}))


def _head(row: Row) -> Row:
    refunds = [
        {
            "refund_id": refund.refund_id,
            "total": str(refund.total),
            "lines": [
                {"line_id": line.line_id, "quantity": str(line.quantity), "total": str(line.total)}
                for line in refund.lines
            ],
        }
        for refund in parse_refunds(row["refunds"])
    ]
    return row | {"refunds": refunds, "learners": _shortened(row["learners"])}


def _line(row: Row) -> Row:
    return row | {"learners": _shortened(row["learners"]), "container": bool(row["container"])}


def _seat(row: Row) -> Row:
    access = json.loads(row["access"]) if row["access"] else {}
    return row | {"access": access, "open": bool(row["open"])}


def _shortened(keys: str) -> list[str]:
    return [key[:SHOWN_OF_HASH] for key in json.loads(keys)]
