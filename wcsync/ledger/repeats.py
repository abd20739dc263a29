"""Courses without end that were bought again for the same learner: most likely a mistake, told once beside the later
order. Everything here runs inside the caller's transaction."""

import sqlite3
from collections.abc import Collection

from wcsync.ledger.parking import ALSO, BOUGHT_AGAIN
from wcsync.model import NOBODY, LineId, Parked

# Of one order: its live seats, and the first other order that gave the same learner the same course without end.
_REPEATS = """
    SELECT DISTINCT s.line_id, s.lms, s.course_id, (
        SELECT o.number FROM entitlements AS e JOIN orders AS o USING (order_id)
        WHERE e.lms = s.lms AND e.course_id = s.course_id AND e.learner_key = s.learner_key AND e.live = 1
        AND e.access = '' AND o.paid = 1 AND (e.starts_at, e.order_id) < (s.starts_at, s.order_id)
        AND e.order_id <> s.order_id ORDER BY e.starts_at, e.order_id LIMIT 1) AS earlier
    FROM entitlements AS s JOIN orders AS p USING (order_id)
    WHERE s.order_id = :order_id AND s.live = 1 AND s.learner_key <> '' AND p.paid = 1
    AND NOT EXISTS (SELECT 1 FROM renewals AS r INDEXED BY renewals_of_order WHERE r.order_id = s.order_id)
"""


def find_repeats(db: sqlite3.Connection, order_id: int) -> list[Parked]:
    """What is to be told of an order as it stands: one entry for each line, a sentence for each course."""
    rows = db.execute(_REPEATS, {"order_id": order_id}).fetchall()
    found = sorted(
        (row["line_id"], row["lms"], row["course_id"], row["earlier"]) for row in rows if row["earlier"]
    )
    return [
        Parked(
            kind=BOUGHT_AGAIN,
            reason=ALSO.join(_reason(*about) for line, *about in found if line == line_id),
            line_id=LineId(line_id),
        )
        for line_id in sorted({line for line, *_ in found})
    ]


def others_with(db: sqlite3.Connection, order_id: int, keys: Collection[tuple[str, str, str]]) -> list[int]:
    """The other orders that gave these learners these courses."""
    found: set[int] = set()
    for key in keys:
        if key[2] != NOBODY:
            rows = db.execute(
                "SELECT DISTINCT order_id FROM entitlements WHERE lms = ? AND course_id = ? AND learner_key = ?",
                key,
            ).fetchall()
            found.update(row["order_id"] for row in rows)
    return sorted(found - {order_id})


def _reason(lms: str, course_id: str, earlier: str) -> str:
    return (
        f'the learner has course {course_id} of "{lms}" without end already, by order {earlier}. If this was bought by '
        "mistake, refund it; else drop this entry"
    )
