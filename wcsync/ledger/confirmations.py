"""Enrolments that an LMS accepted and carries out in its own time: looked at until they show, or a person is asked.

Everything here runs inside the caller's transaction.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from wcsync.health import CLOCKS_APART
from wcsync.ledger.base import Claim
from wcsync.ledger.order_notes import note_orders_of
from wcsync.ledger.parking import UNCONFIRMED, park_lines, unpark
from wcsync.ledger.people import read_learner
from wcsync.ledger.rows import parse_options, plain
from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.model import Applied, CourseId, Desired, LearnerKey, Presence, Seat, Unconfirmed
from wcsync.times import parse_instant, render_instant

FIRST_LOOK = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
LATE_AFTER = timedelta(minutes=30)
"""An LMS that has not let a learner in after this long probably never will: a person is asked."""
LOOKED_AT_FOR = timedelta(days=7)

_KEY = "lms = :lms AND course_id = :course_id AND learner_key = :learner_key"
_DUE = """
    SELECT c.*, e.options, a.user_id FROM confirmations AS c INDEXED BY confirmations_due
    JOIN enrolments AS e USING (lms, course_id, learner_key)
    LEFT JOIN accounts AS a ON a.lms = c.lms AND a.learner_key = c.learner_key
    WHERE c.lms = ? AND c.next_look_at <= ? ORDER BY c.next_look_at LIMIT ?
"""


def begin(db: sqlite3.Connection, claim: Claim, applied: Applied, now: datetime) -> None:
    """The LMS answered an attempt: from now on it is looked at, if its answer leaves something to confirm."""
    key = {"lms": claim.lms, "course_id": claim.course_id, "learner_key": claim.learner_key}
    if claim.desired is Desired.OUT or not applied.confirm:
        db.execute(f"DELETE FROM confirmations WHERE {_KEY}", key)
        return
    db.execute(
        "INSERT INTO confirmations (lms, course_id, learner_key, since, looks, next_look_at, hint) "
        "VALUES (:lms, :course_id, :learner_key, :now, 0, :first, :hint) ON CONFLICT DO UPDATE SET "
        "since = :now, looks = 0, next_look_at = :first, hint = :hint",
        key
        | {
            "now": render_instant(now),
            "first": render_instant(now + FIRST_LOOK),
            "hint": plain(applied.confirm),
        },
    )


def due(db: sqlite3.Connection, lms: str, now: datetime, limit: int) -> list[Unconfirmed]:
    rows = db.execute(_DUE, (lms, render_instant(now), limit)).fetchall()
    return [
        Unconfirmed(
            learner_key=LearnerKey(row["learner_key"]),
            seat=Seat(
                learner=read_learner(db, row["learner_key"]),
                course_id=CourseId(row["course_id"]),
                options=parse_options(row["options"]),
                user_id=row["user_id"],
                applied=True,
            ),
            since=parse_instant(row["since"]),
        )
        for row in rows
    ]


def settle(
    db: sqlite3.Connection,
    lms: str,
    looked: Sequence[tuple[Unconfirmed, Presence, str]],
    now: datetime,
) -> tuple[int, int]:
    """Writes down what a look showed, and why where it says. Returns how many showed, how many are late since now.

    One whose wish changed meanwhile is left out.
    """
    shown = late = 0
    for one, presence, reason in looked:
        key = {"lms": lms, "course_id": one.seat.course_id, "learner_key": one.learner_key}
        row = db.execute(
            f"SELECT * FROM confirmations WHERE {_KEY} AND since = :since",
            key | {"since": render_instant(one.since)},
        ).fetchone()
        if row is None:
            continue
        if presence is Presence.ENROLLED:
            shown += 1
            _confirm(db, key, now)
        else:
            late += _look_again(db, key, row, reason, now)
    return shown, late


def recover(db: sqlite3.Connection, now: datetime) -> None:
    """What a clock that was ahead put off is looked at now, and counts from now."""
    db.execute(
        "UPDATE confirmations INDEXED BY confirmations_due SET next_look_at = :now, since = min(since, :now) "
        "WHERE next_look_at > :longest OR since > :ahead",
        {
            "now": render_instant(now),
            "longest": render_instant(now + LONGEST_WAIT + CLOCKS_APART),
            "ahead": render_instant(now + CLOCKS_APART),
        },
    )


def _confirm(db: sqlite3.Connection, key: Mapping[str, str], now: datetime) -> None:
    db.execute(f"DELETE FROM confirmations WHERE {_KEY}", key)
    unpark(db, {UNCONFIRMED}, (key["lms"], key["course_id"], key["learner_key"]))
    audit(db, "worker", "confirmed", enrolment_subject(*key.values()), "", now)


def _look_again(
    db: sqlite3.Connection, key: Mapping[str, str], row: sqlite3.Row, reason: str, now: datetime
) -> bool:
    """Whether it is late since this look."""
    waited = now - parse_instant(row["since"])
    if waited >= LOOKED_AT_FOR:
        db.execute(f"DELETE FROM confirmations WHERE {_KEY}", key)
    else:
        wait = min(FIRST_LOOK * 2 ** min(row["looks"], 20), LONGEST_WAIT)
        db.execute(
            f"UPDATE confirmations SET looks = looks + 1, next_look_at = :next WHERE {_KEY}",
            {**key, "next": render_instant(now + wait)},
        )
    return waited >= LATE_AFTER and _park(db, key, reason or row["hint"], now)


def _park(db: sqlite3.Connection, key: Mapping[str, str], hint: str, now: datetime) -> bool:
    """Asks a person, once: what somebody dropped stays dropped."""
    enrolment = (key["lms"], key["course_id"], key["learner_key"])
    rest = (
        f"but does not show the learner in the course yet: {hint}. If it does within {LOOKED_AT_FOR.days} "
        "days of the enrolment, this entry goes away by itself"
    )
    parked = park_lines(db, UNCONFIRMED, enrolment, rest, now)
    if parked:
        audit(db, "worker", "unconfirmed", enrolment_subject(*enrolment), "", now)
        note_orders_of(db, *enrolment, now)
    return parked > 0
