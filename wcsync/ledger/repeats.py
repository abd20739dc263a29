"""Courses without end that were bought again for the same learner: most likely a mistake, told once beside the later
order. Everything here runs inside the caller's transaction."""

import sqlite3
from collections.abc import Collection

from wcsync.ledger.parking import ALSO, BOUGHT_AGAIN
from wcsync.model import NOBODY, Entitlement, LineId, Parked
from wcsync.times import render_instant

_SEATS = """
    SELECT s.line_id, s.lms, s.course_id, s.learner_key, s.starts_at
    FROM entitlements AS s JOIN orders AS o USING (order_id)
    WHERE s.order_id = :order_id AND s.live = 1 AND s.learner_key <> '' AND o.paid = 1
    AND NOT EXISTS (SELECT 1 FROM renewals AS r INDEXED BY renewals_of_order WHERE r.order_id = s.order_id)
"""
_WITHOUT_END = """
    SELECT s.starts_at, s.order_id, o.number FROM entitlements AS s JOIN orders AS o USING (order_id)
    WHERE s.lms = ? AND s.course_id = ? AND s.learner_key = ? AND s.live = 1 AND s.access = '' AND o.paid = 1
"""


def find_repeats(db: sqlite3.Connection, order_id: int) -> list[Parked]:
    """What is to be told of an order as it stands: one entry for each line, a sentence for each course."""
    told: dict[int, set[str]] = {}
    for seat in db.execute(_SEATS, {"order_id": order_id}).fetchall():
        number = _first_other(db, order_id, seat)
        if number is not None:
            told.setdefault(seat["line_id"], set()).add(_reason(seat["lms"], seat["course_id"], number))
    return [
        Parked(kind=BOUGHT_AGAIN, reason=ALSO.join(sorted(sentences)), line_id=LineId(line_id))
        for line_id, sentences in sorted(told.items())
    ]


def later_orders(db: sqlite3.Connection, order_id: int, seats: Collection[Entitlement]) -> list[int]:
    """The other orders whose entries these seats of an order may have a part in: what was bought after them for the
    same learner."""
    found: set[int] = set()
    for seat in seats:
        if seat.learner_key != NOBODY and seat.access.unlimited:
            rows = db.execute(
                "SELECT order_id FROM entitlements WHERE lms = ? AND course_id = ? AND learner_key = ? "
                "AND (starts_at, order_id) > (?, ?)",
                (
                    seat.target.lms,
                    seat.target.course_id,
                    seat.learner_key,
                    render_instant(seat.starts_at),
                    order_id,
                ),
            ).fetchall()
            found.update(row["order_id"] for row in rows)
    return sorted(found - {order_id})


def _first_other(db: sqlite3.Connection, order_id: int, seat: sqlite3.Row) -> str | None:
    """The number of the earliest other order, before this one, that gave the learner the course without end."""
    key = (seat["lms"], seat["course_id"], seat["learner_key"])
    others = [
        (row["starts_at"], row["order_id"], row["number"])
        for row in db.execute(_WITHOUT_END, key).fetchall()
        if row["order_id"] != order_id
    ]
    first = min(others, default=None)
    return first[2] if first is not None and first[:2] < (seat["starts_at"], order_id) else None


def _reason(lms: str, course_id: str, earlier: str) -> str:
    return (
        f'the learner has course {course_id} of "{lms}" without end already, by order {earlier}. If this was bought by '
        "mistake, refund it; else drop this entry"
    )
