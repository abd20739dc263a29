"""Learners whom an LMS does not show any more: an entry for each line that sold them the course, a sentence for each.

Everything here runs inside the caller's transaction.
"""

import sqlite3
from datetime import datetime

from wcsync.ledger.parking import ALSO, MISSING, take_off
from wcsync.times import render_instant

_PARK = """
    INSERT INTO parked (order_id, line_id, kind, reason, since)
    SELECT DISTINCT order_id, line_id, :kind, :reason, :now FROM entitlements
    WHERE lms = :lms AND course_id = :course_id AND learner_key = :learner_key AND live = 1
    ON CONFLICT (order_id, line_id, kind) DO UPDATE SET
    reason = reason || :also || excluded.reason, dropped_at = NULL WHERE NOT instr(reason, :opening)
"""
_ENTRIES = """
    SELECT p.order_id, p.line_id, p.kind, p.reason FROM entitlements AS s JOIN parked AS p USING (order_id, line_id)
    WHERE s.lms = :lms AND s.course_id = :course_id AND s.learner_key = :learner_key AND p.kind = :kind
"""


def opening_of(lms: str, course_id: str, learner_key: str) -> str:
    """How the sentence begins that an entry holds about one learner in one course."""
    return f'"{lms}" does not show learner {learner_key[:8]}… in course {course_id} '


def park(db: sqlite3.Connection, lms: str, course_id: str, learner_key: str, now: datetime) -> bool:
    """Asks a person, once: what somebody dropped stays dropped. Whether that is news."""
    opening = opening_of(lms, course_id, learner_key)
    cursor = db.execute(
        _PARK,
        {
            **_key(lms, course_id, learner_key),
            "reason": f"{opening}any more; staff may have taken them out",
            "now": render_instant(now),
            "also": ALSO,
            "opening": opening,
        },
    )
    return cursor.rowcount > 0


def unpark(db: sqlite3.Connection, lms: str, course_id: str, learner_key: str) -> None:
    """The learner is there again, or was told anew: what entries say of that goes, the rest of them stays."""
    opening = opening_of(lms, course_id, learner_key)
    rows = db.execute(_ENTRIES, _key(lms, course_id, learner_key)).fetchall()
    for row in {(row["order_id"], row["line_id"]): row for row in rows}.values():
        take_off(db, row, opening)


def _key(lms: str, course_id: str, learner_key: str) -> dict[str, str]:
    return {"lms": lms, "course_id": course_id, "learner_key": learner_key, "kind": MISSING}
