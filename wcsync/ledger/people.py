"""What people decide about rows that wait for them. Everything here runs inside the caller's transaction."""

import sqlite3
from datetime import datetime

from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant

_DEAD = """
    SELECT DISTINCT e.lms, e.course_id, e.learner_key FROM enrolments AS e INDEXED BY enrolments_dead
    LEFT JOIN entitlements AS s USING (lms, course_id, learner_key)
    WHERE e.state = 'dead' AND (:lms IS NULL OR e.lms = :lms) AND (:course_id IS NULL OR e.course_id = :course_id)
    AND (:order_id IS NULL OR s.order_id = :order_id)
"""


def revive(
    db: sqlite3.Connection, lms: str | None, course_id: str | None, order_id: int | None, now: datetime
) -> int:
    state = next_state(State.DEAD, Event.REVIVED)
    keys = _dead(db, lms, course_id, order_id)
    for key in keys:
        db.execute(
            "UPDATE enrolments SET state = ?, attempts = 0, next_attempt_at = ?, changed_at = ? "
            "WHERE lms = ? AND course_id = ? AND learner_key = ? AND state = 'dead'",
            (state.value, render_instant(now), render_instant(now), *key),
        )
        audit(db, "operator", "revived", enrolment_subject(*key), "", now)
    return len(keys)


def drop_dead(db: sqlite3.Connection, order_id: int, now: datetime) -> int:
    state = next_state(State.DEAD, Event.DROPPED)
    keys = _dead(db, None, None, order_id)
    for key in keys:
        db.execute(
            "UPDATE enrolments SET state = ?, outcome = 'dropped', applied_revision = revision, changed_at = ? "
            "WHERE lms = ? AND course_id = ? AND learner_key = ? AND state = 'dead'",
            (state.value, render_instant(now), *key),
        )
        audit(db, "operator", "dropped", enrolment_subject(*key), f"order {order_id}", now)
    return len(keys)


def drop_parked(db: sqlite3.Connection, order_id: int, line_id: int | None, now: datetime) -> int:
    cursor = db.execute(
        "UPDATE parked SET dropped_at = ? WHERE order_id = ? AND dropped_at IS NULL AND (? IS NULL OR line_id = ?)",
        (render_instant(now), order_id, line_id, line_id),
    )
    if cursor.rowcount:
        audit(db, "operator", "parked_dropped", f"order {order_id}", str(cursor.rowcount), now)
    return cursor.rowcount


def _dead(
    db: sqlite3.Connection, lms: str | None, course_id: str | None, order_id: int | None
) -> list[tuple[str, str, str]]:
    rows = db.execute(_DEAD, {"lms": lms, "course_id": course_id, "order_id": order_id}).fetchall()
    return [(row["lms"], row["course_id"], row["learner_key"]) for row in rows]
