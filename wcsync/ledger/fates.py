"""What became of each paid line, by its seats and their enrolments. Reads only."""

import sqlite3
from collections.abc import Mapping, Sequence

from wcsync.model import LineId, OrderId

# The fate of one live seat, the worst first, so that min() over a line's seats tells the line's own.
SEAT_FATE = """
    CASE WHEN s.learner_key = '' THEN 3
         WHEN e.state IS NULL THEN 1
         WHEN e.state = 'dead' THEN 2
         WHEN e.state IN ('due', 'leased') THEN 4
         WHEN e.outcome = 'dropped' THEN 5
         WHEN e.desired = 'out' AND e.cause = 'expired' THEN 7
         WHEN e.desired = 'in' AND e.applied = 'in' AND e.applied_revision = e.revision THEN 6
         ELSE 1 END
"""
FATE = """
    CASE WHEN verdict IN ('unmapped', 'ignored', 'parked', 'ended') THEN verdict
         WHEN verdict <> 'mapped' OR worst IS NULL THEN 'unexplained'
         ELSE CASE worst WHEN 2 THEN 'dead' WHEN 3 THEN 'open_seats' WHEN 4 THEN 'due' WHEN 5 THEN 'dropped'
         WHEN 6 THEN 'enrolled' WHEN 7 THEN 'ended' ELSE 'unexplained' END END
"""
_LINES = f"""
    SELECT order_id, line_id, {FATE} AS fate FROM (
        SELECT l.order_id, l.line_id, l.verdict, (
            SELECT min({SEAT_FATE}) FROM entitlements AS s
            LEFT JOIN enrolments AS e USING (lms, course_id, learner_key)
            WHERE s.order_id = l.order_id AND s.line_id = l.line_id AND s.live = 1) AS worst
        FROM orders AS o JOIN order_lines AS l USING (order_id) WHERE o.order_id IN (%s) AND o.paid = 1)
"""


def read_fates(db: sqlite3.Connection, order_ids: Sequence[OrderId]) -> Mapping[tuple[OrderId, LineId], str]:
    """The fate of each paid line of up to 500 orders."""
    rows = db.execute(_LINES % ", ".join("?" * len(order_ids)), tuple(order_ids)).fetchall()
    return {(OrderId(row[0]), LineId(row[1])): row[2] for row in rows}
