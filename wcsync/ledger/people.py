"""What people decide about rows that wait for them. Everything here runs inside the caller's transaction."""

import json
import sqlite3
from datetime import datetime

from wcsync.ledger.order_notes import note_orders_of
from wcsync.ledger.wishes import audit, enrolment_subject, refresh_wish
from wcsync.model import Person
from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant

_DEAD = """
    SELECT DISTINCT e.lms, e.course_id, e.learner_key FROM enrolments AS e INDEXED BY enrolments_dead
    LEFT JOIN aliases AS a ON a.old_key = e.learner_key
    LEFT JOIN entitlements AS s ON s.lms = e.lms AND s.course_id = e.course_id
    AND s.learner_key IN (e.learner_key, a.new_key)
    WHERE e.state = 'dead' AND (:lms IS NULL OR e.lms = :lms) AND (:course_id IS NULL OR e.course_id = :course_id)
    AND (:order_id IS NULL OR s.order_id = :order_id)
"""


def revive(
    db: sqlite3.Connection, lms: str | None, course_id: str | None, order_id: int | None, now: datetime
) -> tuple[int, list[int]]:
    """How many rows were dead, and the orders to plan again: seats that never got in are given back to the mapping,
    the others are tried again as they were sold."""
    state = next_state(State.DEAD, Event.REVIVED)
    keys = _dead(db, lms, course_id, order_id)
    unseated = _unseat(db, set(keys), now)
    for key in keys:
        db.execute(
            "UPDATE enrolments SET state = ?, attempts = 0, next_attempt_at = ?, changed_at = ? "
            "WHERE lms = ? AND course_id = ? AND learner_key = ? AND state = 'dead'",
            (state.value, render_instant(now), render_instant(now), *key),
        )
        audit(db, "operator", "revived", enrolment_subject(*key), "", now)
    return len(keys), unseated


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
        note_orders_of(db, *key, now)
    return len(keys)


def drop_parked(db: sqlite3.Connection, order_id: int, line_id: int | None, now: datetime) -> int:
    cursor = db.execute(
        "UPDATE parked SET dropped_at = ? WHERE order_id = ? AND dropped_at IS NULL AND (? IS NULL OR line_id = ?)",
        (render_instant(now), order_id, line_id, line_id),
    )
    if cursor.rowcount:
        audit(db, "operator", "parked_dropped", f"order {order_id}", str(cursor.rowcount), now)
    return cursor.rowcount


def read_learner(db: sqlite3.Connection, learner_key: str) -> Person:
    """Who a learner is; without an address if the row is not there or was erased."""
    row = db.execute(
        "SELECT email, first_name, last_name, fields, erased_at FROM learners WHERE learner_key = ?",
        (learner_key,),
    ).fetchone()
    if row is None:
        return Person(email="")
    fields = tuple((name, value) for name, value in json.loads(row["fields"]))
    return Person(
        email=row["email"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        fields=fields,
        erased=row["erased_at"] is not None,
    )


def _unseat(db: sqlite3.Connection, keys: set[tuple[str, str, str]], now: datetime) -> list[int]:
    """Undoes the plan of lines of which no seat ever reached an LMS, so that they are planned anew.

    What was sold is a snapshot; but where the row of that day was a mistake that no LMS would take, there is nothing
    to protect yet. Seats that a person gave to somebody stay as they are.
    """
    orders = []
    for order_id, line_id in sorted({line for key in keys for line in _lines_of(db, key)}):
        seats = _keys_of(db, order_id, line_id)
        named = _named(db, order_id, line_id)
        if not all(seat in keys and seat[2] in named and _untouched(db, seat) for seat in seats):
            continue
        db.execute("DELETE FROM entitlements WHERE order_id = ? AND line_id = ?", (order_id, line_id))
        db.execute(
            "UPDATE order_lines SET verdict = 'unmapped', reason = 'to be planned again' "
            "WHERE order_id = ? AND line_id = ?",
            (order_id, line_id),
        )
        for seat in seats:
            refresh_wish(db, *seat, now)
        audit(db, "operator", "unseated", f"order {order_id}", f"line {line_id}", now)
        orders.append(order_id)
    return sorted(set(orders))


def _lines_of(db: sqlite3.Connection, key: tuple[str, str, str]) -> list[tuple[int, int]]:
    rows = db.execute(
        "SELECT DISTINCT order_id, line_id FROM entitlements "
        "WHERE lms = ? AND course_id = ? AND learner_key = ? AND live = 1",
        key,
    ).fetchall()
    return [(row["order_id"], row["line_id"]) for row in rows]


def _keys_of(db: sqlite3.Connection, order_id: int, line_id: int) -> list[tuple[str, str, str]]:
    rows = db.execute(
        "SELECT DISTINCT lms, course_id, learner_key FROM entitlements "
        "WHERE order_id = ? AND line_id = ? AND learner_key <> ''",
        (order_id, line_id),
    ).fetchall()
    return [(row["lms"], row["course_id"], row["learner_key"]) for row in rows]


def _named(db: sqlite3.Connection, order_id: int, line_id: int) -> set[str]:
    """The learners that the shop itself names for a line."""
    row = db.execute(
        "SELECT o.learner_key, o.learners AS by_order, l.learners AS by_line FROM orders AS o "
        "JOIN order_lines AS l USING (order_id) WHERE order_id = ? AND line_id = ?",
        (order_id, line_id),
    ).fetchone()
    return (
        set()
        if row is None
        else {row["learner_key"], *json.loads(row["by_order"]), *json.loads(row["by_line"])}
    )


def _untouched(db: sqlite3.Connection, key: tuple[str, str, str]) -> bool:
    """Whether nothing was ever sent for this enrolment."""
    row = db.execute(
        "SELECT 1 FROM enrolments WHERE lms = ? AND course_id = ? AND learner_key = ? "
        "AND applied = 'none' AND written = 0 AND sending_since IS NULL",
        key,
    ).fetchone()
    return row is not None


def _dead(
    db: sqlite3.Connection, lms: str | None, course_id: str | None, order_id: int | None
) -> list[tuple[str, str, str]]:
    rows = db.execute(_DEAD, {"lms": lms, "course_id": course_id, "order_id": order_id}).fetchall()
    return [(row["lms"], row["course_id"], row["learner_key"]) for row in rows]
