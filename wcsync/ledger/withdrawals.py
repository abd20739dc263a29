"""How many withdrawals may be done without a person's word, and that word. A mass of them is stopped before its first:
a bulk edit or a broken answer of the shop is mended sooner than a school let in again.

Everything here runs inside the caller's transaction, if any.
"""

import sqlite3
from datetime import datetime, timedelta
from math import ceil

from wcsync.ledger.base import FEW, Barred, Limits
from wcsync.ledger.parking import WITHDRAW_ASKED, unpark
from wcsync.ledger.schema import M006_LEFT, M006_UNASKED
from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant

LATELY = timedelta(hours=24)

_WAITING = f"enrolments INDEXED BY enrolments_leaving WHERE state IN ('due', 'leased') AND {M006_UNASKED}"
_DONE = f"enrolments INDEXED BY enrolments_left WHERE {M006_LEFT} AND applied_at > :since"
_INSIDE = "enrolments INDEXED BY enrolments_inside WHERE applied = 'in' AND ours = 1"
_WALKING = "SELECT 1 FROM cursors WHERE walk_page IS NOT NULL LIMIT 1"
_WAITING_OF = """
    SELECT DISTINCT e.lms, e.course_id, e.learner_key, e.state, e.revision FROM enrolments AS e
    JOIN entitlements AS s USING (lms, course_id, learner_key)
    WHERE s.order_id = :order_id AND e.desired = 'out' AND e.allowed_revision <> e.revision
    AND (e.state IN ('due', 'leased') OR (e.state = 'settled' AND e.outcome = 'asked'))
"""
_ALL_WAITING = f"SELECT lms, course_id, learner_key, state, revision FROM {_WAITING}"
_ALLOW = """
    UPDATE enrolments SET allowed_revision = iif(:again, revision + 1, revision), revision = revision + :again,
    state = :state, next_attempt_at = iif(:again, :now, next_attempt_at), attempts = iif(:again, 0, attempts),
    changed_at = iif(state = 'leased', changed_at, :now)
    WHERE lms = :lms AND course_id = :course_id AND learner_key = :learner_key
"""


def are_stopped(db: sqlite3.Connection, limits: Limits, now: datetime) -> bool:
    """Whether withdrawals that nobody asked for have to wait. Quick, however large the ledger is."""
    if not _count(db, _WAITING, now, 1):
        return False
    if db.execute(_WALKING).fetchone() is not None:
        return True
    ceiling = max(limits.most, FEW) + 1
    done, waiting = _count(db, _DONE, now, ceiling), _count(db, _WAITING, now, ceiling)
    total = done + waiting
    if total <= FEW or total > limits.most:
        return total > FEW
    if not limits.share:
        return True
    enough = ceil(total / limits.share)
    return total > limits.share * (done + _count(db, _INSIDE, now, enough))


def barred(db: sqlite3.Connection, limits: Limits, now: datetime) -> Barred | None:
    """The withdrawals that wait for a person's word; None while there are no more than the limits allow."""
    waiting, done = _count(db, _WAITING, now), _count(db, _DONE, now)
    total, inside = waiting + done, _count(db, _INSIDE, now) + done
    if not waiting or total <= FEW or (total <= limits.most and total <= limits.share * inside):
        return None
    return Barred(waiting=waiting, done=done, inside=inside)


def allow(db: sqlite3.Connection, order_id: int | None, now: datetime) -> int:
    """A person allows what waits for them: the withdrawals of an order, those asked about among them, or all that the
    limits hold back. Returns how many."""
    sql = _ALL_WAITING if order_id is None else _WAITING_OF
    rows = db.execute(sql, {"order_id": order_id} if order_id is not None else {}).fetchall()
    for row in rows:
        key, state = (row["lms"], row["course_id"], row["learner_key"]), State(row["state"])
        asked = state is State.SETTLED
        db.execute(
            _ALLOW,
            {
                "again": int(asked),
                "state": next_state(state, Event.WISHED).value if asked else state.value,
                "now": render_instant(now),
                **dict(zip(("lms", "course_id", "learner_key"), key, strict=True)),
            },
        )
        unpark(db, {WITHDRAW_ASKED}, key)
        audit(db, "operator", "withdrawal_allowed", enrolment_subject(*key), "", now)
    return len(rows)


def _count(db: sqlite3.Connection, which: str, now: datetime, most: int = -1) -> int:
    """How many there are; up to `most` are counted."""
    row = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {which} LIMIT :most)",
        {"most": most, "since": render_instant(now - LATELY)},
    ).fetchone()
    return int(row[0])
