"""What became of each paid line, by its seats and their enrolments. Reads only."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from wcsync.model import LineId, OrderId

# The fate of one live seat, the worst first, so that min() over a line's seats tells the line's own. The time of one
# may be over (8) while the line has others. What waits for an LMS's budget, or behind a hold, is on the parked list.
SEAT_FATE = """
    CASE WHEN s.learner_key = '' THEN 5
         WHEN h.order_id IS NOT NULL AND (e.state IS NULL OR (e.desired = 'out' AND e.cause <> 'expired')) THEN 4
         WHEN e.state IS NULL THEN 1
         WHEN e.desired = 'out' AND e.cause = 'expired' THEN 8
         WHEN e.desired <> 'in' THEN 1
         WHEN e.state = 'dead' THEN 2
         WHEN e.state = 'due' AND e.error_kind = 'budget' THEN 4
         WHEN e.state IN ('due', 'leased') THEN 3
         WHEN e.outcome = 'dropped' THEN 6
         WHEN e.applied = 'in' AND e.applied_revision = e.revision THEN 7
         ELSE 1 END
"""
# Seats that have ended say why (`cause`). A line that was refunded before it was ever sold has none.
FATE = """
    CASE WHEN verdict IN ('unmapped', 'ignored', 'parked') THEN verdict
         WHEN verdict NOT IN ('mapped', 'ended') THEN 'unexplained'
         WHEN worst IS NULL THEN iif(verdict = 'ended' AND causeless = 0, 'ended', 'unexplained')
         WHEN worst = 8 THEN 'ended'
         WHEN verdict = 'ended' THEN 'unexplained'
         ELSE CASE worst WHEN 2 THEN 'dead' WHEN 3 THEN 'due' WHEN 4 THEN 'parked' WHEN 5 THEN 'open_seats'
         WHEN 6 THEN 'dropped' WHEN 7 THEN 'enrolled' ELSE 'unexplained' END END
"""
LINE_FATES = f"""
    SELECT order_id, line_id, {FATE} AS fate FROM (
        SELECT l.order_id, l.line_id, l.verdict, (
            SELECT min({SEAT_FATE}) FROM entitlements AS s
            LEFT JOIN enrolments AS e USING (lms, course_id, learner_key)
            WHERE s.order_id = l.order_id AND s.line_id = l.line_id AND s.live = 1) AS worst, (
            SELECT count(*) FROM entitlements AS s WHERE s.order_id = l.order_id AND s.line_id = l.line_id
            AND s.live = 0 AND s.cause = '') AS causeless
        FROM orders AS o JOIN order_lines AS l USING (order_id) LEFT JOIN holds AS h USING (order_id)
        WHERE o.paid = 1 AND {{which}})
"""
OPEN_SEATS = """
    SELECT count(*) AS n FROM (
        SELECT DISTINCT s.order_id, s.line_id, s.seat FROM entitlements AS s INDEXED BY entitlements_open
        JOIN orders AS o USING (order_id) WHERE s.learner_key = '' AND s.live = 1 AND o.paid = 1)
"""
_OF_ORDERS = LINE_FATES.format(which="o.order_id IN (SELECT value FROM json_each(?))")


def read_fates(db: sqlite3.Connection, order_ids: Sequence[OrderId]) -> Mapping[tuple[OrderId, LineId], str]:
    """The fate of each line of these orders, as far as they are paid: `unmapped`, `ignored`, `parked`, `unexplained`,
    `dead`, `due`, `open_seats`, `dropped`, `enrolled` or `ended`. A line of several seats has the worst of theirs."""
    rows = db.execute(_OF_ORDERS, (json.dumps(list(order_ids)),)).fetchall()
    return {(OrderId(row[0]), LineId(row[1])): row[2] for row in rows}
