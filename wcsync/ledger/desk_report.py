"""What a person needs to see before and after a decision: read-only queries, no addresses."""

import json
from typing import Any

from sqlite_utils import Database

Row = dict[str, Any]

_SEATS = """
    SELECT s.line_id, s.seat, s.lms, s.course_id, substr(s.learner_key, 1, 8) AS learner, s.live, s.reason, l.name,
        e.desired, e.state, e.outcome, e.applied
    FROM entitlements AS s LEFT JOIN enrolments AS e USING (lms, course_id, learner_key)
    LEFT JOIN order_lines AS l USING (order_id, line_id)
    WHERE s.order_id = :order_id ORDER BY s.line_id, s.seat, s.lms, s.course_id
"""
_WITHDRAWALS = """
    SELECT e.lms, e.course_id, substr(e.learner_key, 1, 8) AS learner, e.cause, e.on_withdraw, e.state, e.outcome,
        e.wished_at AS since, e.allowed_revision = e.revision AS allowed, (
            SELECT json_group_array(json_object('order_id', o.order_id, 'number', o.number)) FROM (
                SELECT DISTINCT o.order_id, o.number FROM entitlements AS s JOIN orders AS o USING (order_id)
                WHERE s.lms = e.lms AND s.course_id = e.course_id AND s.learner_key IN (
                    SELECT e.learner_key UNION SELECT new_key FROM aliases WHERE old_key = e.learner_key)
                ORDER BY o.order_id) AS o) AS orders
    FROM enrolments AS e WHERE e.desired = 'out' AND e.applied = 'in'
    AND (e.state IN ('due', 'leased') OR (e.state = 'settled' AND e.outcome = 'asked'))
    ORDER BY e.wished_at, e.lms, e.course_id, e.learner_key
"""


def seats_of(db: Database, order_id: int) -> list[Row]:
    """Every seat an order ever sold, with what its enrolment came to. `name`: the line's product, None if it is gone;
    `learner` '' = nobody has it."""
    return list(db.query(_SEATS, {"order_id": order_id}))


def lines_of(db: Database, order_id: int) -> dict[int, str]:
    """The lines an order has, by their ids, and what they sold."""
    rows = db.query("SELECT line_id, name FROM order_lines WHERE order_id = ? ORDER BY line_id", [order_id])
    return {row["line_id"]: row["name"] for row in rows}


def hold_of(db: Database, order_id: int) -> Row | None:
    """Since when and why an order is held; None if it is not."""
    rows = db.query("SELECT since, reason FROM holds WHERE order_id = ?", [order_id])
    return next(iter(rows), None)


def held(db: Database) -> list[Row]:
    """Every order that is held, longest first."""
    return list(
        db.query(
            "SELECT h.order_id, o.number, h.since, h.reason FROM holds AS h LEFT JOIN orders AS o USING (order_id) "
            "ORDER BY h.since, h.order_id"
        )
    )


def numbers_of(db: Database, order_ids: list[int]) -> list[Row]:
    """`order_id` and `number`, None where the order was never read in full."""
    rows = db.query(
        "SELECT k.value AS order_id, o.number FROM json_each(?) AS k LEFT JOIN orders AS o ON o.order_id = k.value "
        "ORDER BY k.value",
        [json.dumps(order_ids)],
    )
    return list(rows)


def withdrawals(db: Database) -> list[Row]:
    """Learners who are in and are to be withdrawn, longest first. `allowed`: a person said yes; `outcome` "asked": it
    waits for its own order's word. `orders`: those that sold it."""
    return [row | {"orders": json.loads(row["orders"])} for row in db.query(_WITHDRAWALS)]
