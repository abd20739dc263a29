"""A person's word that withdrawals are right which wait for it. It all runs inside the caller's transaction."""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from wcsync.ledger.parking import WITHDRAW_ASKED, unpark
from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.ledger.withdrawals import WAITING, sparing_of
from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant

_WAITING_OF = """
    SELECT DISTINCT e.lms, e.course_id, e.learner_key, e.state, e.revision FROM enrolments AS e
    JOIN entitlements AS s USING (lms, course_id, learner_key)
    WHERE s.order_id = :order_id AND (:line_id IS NULL OR s.line_id = :line_id)
    AND e.desired = 'out' AND e.allowed_revision <> e.revision
    AND (e.state IN ('due', 'leased') OR (e.state = 'settled' AND e.outcome = 'asked'))
"""
_WAITING_ROW = """
    SELECT lms, course_id, learner_key, state, revision FROM enrolments
    WHERE lms = ? AND course_id = ? AND learner_key = ? AND desired = 'out' AND allowed_revision <> revision
    AND (state IN ('due', 'leased') OR (state = 'settled' AND outcome = 'asked'))
"""
_ALL_WAITING = f"SELECT lms, course_id, learner_key, state, revision FROM {WAITING}"
_ALLOW = """
    UPDATE enrolments SET allowed_revision = iif(:again, revision + 1, revision), revision = revision + :again,
    state = :state, next_attempt_at = iif(:again, :now, next_attempt_at), attempts = iif(:again, 0, attempts),
    changed_at = iif(state = 'leased', changed_at, :now)
    WHERE lms = :lms AND course_id = :course_id AND learner_key = :learner_key
"""


def waiting_of(db: sqlite3.Connection, order_id: int, line_id: int | None = None) -> list[sqlite3.Row]:
    """Withdrawals behind an order's seats that nobody has allowed yet, those asked about among them."""
    return db.execute(_WAITING_OF, {"order_id": order_id, "line_id": line_id}).fetchall()


def waiting_row(db: sqlite3.Connection, key: tuple[str, str, str]) -> list[sqlite3.Row]:
    """The withdrawal of that enrolment, if it waits or was asked about and nobody has allowed it."""
    return db.execute(_WAITING_ROW, key).fetchall()


def all_waiting(db: sqlite3.Connection, sparing: Collection[str]) -> list[sqlite3.Row]:
    """All withdrawals that the limits hold back, or may."""
    return db.execute(_ALL_WAITING, sparing_of(sparing)).fetchall()


def allow(db: sqlite3.Connection, rows: Sequence[sqlite3.Row], now: datetime) -> int:
    """Lets these be done; one that was asked about is due again. Returns how many."""
    for row in rows:
        key, state = (row["lms"], row["course_id"], row["learner_key"]), State(row["state"])
        asked = state is State.SETTLED
        values = {
            "again": int(asked),
            "state": next_state(state, Event.WISHED).value if asked else state.value,
            "now": render_instant(now),
        }
        db.execute(_ALLOW, values | {name: row[name] for name in ("lms", "course_id", "learner_key")})
        unpark(db, {WITHDRAW_ASKED}, key)
        audit(db, "operator", "withdrawal_allowed", enrolment_subject(*key), "", now)
    return len(rows)
