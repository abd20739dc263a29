"""Claiming due enrolments. Everything here runs inside the caller's transaction, if any."""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wcsync.health import Condition, Health
from wcsync.ledger import origin
from wcsync.ledger.base import Claim, Limits
from wcsync.ledger.people import read_learner
from wcsync.ledger.rows import health_of, instant_of, parse_options
from wcsync.ledger.sale_tables import M006_FREE
from wcsync.ledger.withdrawals import are_stopped
from wcsync.model import CourseId, Desired, LearnerKey, LmsName, Seat
from wcsync.retry import Event, State, next_state
from wcsync.sale import Cause, Withdrawal
from wcsync.times import parse_instant, render_instant

_KEY = "lms = :lms AND course_id = :course_id AND learner_key = :learner_key"

# SQLite left to itself looks for leases by the primary key: through all rows of the LMS. Somebody with a new address is
# let in by it before the old one goes: the account may be the same, and then the enrolment stays.
_OLDEST = """
    SELECT course_id, learner_key, on_withdraw, {free} AS free FROM enrolments AS due INDEXED BY {index}
    WHERE state = 'due' AND {which} AND lms = :lms AND next_attempt_at <= :now AND NOT EXISTS (
        SELECT 1 FROM enrolments AS held INDEXED BY enrolments_leased
        WHERE held.state = 'leased' AND held.lms = due.lms AND held.learner_key = due.learner_key)
    AND NOT (due.desired = 'out' AND due.cause = 'relinked' AND EXISTS (
        SELECT 1 FROM aliases AS a JOIN enrolments AS heir ON heir.learner_key = a.new_key
        WHERE a.old_key = due.learner_key AND heir.lms = due.lms AND heir.course_id = due.course_id
        AND heir.desired = 'in' AND heir.state IN ('due', 'leased')))
    ORDER BY next_attempt_at LIMIT 1
"""
_OLDEST_DUE = _OLDEST.format(index="enrolments_due", which="1", free=M006_FREE)
_OLDEST_FREE = _OLDEST.format(index="enrolments_free", which=M006_FREE, free="1")
"""While withdrawals are stopped: all others, and those that are stopped by nothing."""
_OLDEST_SPARED = _OLDEST.format(index="enrolments_due", which=f"({M006_FREE} OR on_withdraw = '')", free="1")
"""The same in an LMS that keeps or asks where nothing else was sold."""


def something_due(db: sqlite3.Connection, lms: str, now: datetime) -> bool:
    """A cheap look without a write transaction."""
    row = db.execute(
        "SELECT 1 FROM enrolments WHERE state = 'due' AND lms = ? AND next_attempt_at <= ? LIMIT 1",
        (lms, render_instant(now)),
    ).fetchone()
    return row is not None


def claim(db: sqlite3.Connection, lms: str, now: datetime, limits: Limits | None) -> Claim | None:
    service = db.execute("SELECT * FROM services WHERE name = ?", (lms,)).fetchone()
    health = health_of(service) if service is not None else Health(condition=Condition.UP, since=now)
    up = health.condition is Condition.UP
    if not up and not (health.may_call(now) and _nothing_leased(db, lms)):
        return None
    chosen = _choose(db, lms, now, limits)
    if chosen is None or origin.waits_for_the_shop(db):
        return None
    key = {"lms": lms, "course_id": chosen["course_id"], "learner_key": chosen["learner_key"]}
    row = db.execute(f"SELECT * FROM enrolments WHERE {_KEY}", key).fetchone()
    state = next_state(State(row["state"]), Event.CLAIMED)
    db.execute(
        "UPDATE enrolments SET state = :state, lease = lease + 1, attempts = attempts + 1, sending_since = :now, "
        "withdrawing = (desired = 'out' OR (sending_since IS NOT NULL AND withdrawing)), changed_at = :now "
        f"WHERE {_KEY}",
        {**key, "state": state.value, "now": render_instant(now)},
    )
    return _claim_of(db, row, now, service_was_up=up)


def _choose(db: sqlite3.Connection, lms: str, now: datetime, limits: Limits | None) -> sqlite3.Row | None:
    """The oldest due row that may be leased. Limits are looked at where it is one that they may stop."""
    values = {"lms": lms, "now": render_instant(now)}
    chosen: sqlite3.Row | None = db.execute(_OLDEST_DUE, values).fetchone()
    if chosen is None or chosen["free"] or limits is None:
        return chosen
    spared = lms in limits.sparing
    if (spared and not chosen["on_withdraw"]) or not are_stopped(db, limits, now):
        return chosen
    free: sqlite3.Row | None = db.execute(_OLDEST_SPARED if spared else _OLDEST_FREE, values).fetchone()
    return free


def _nothing_leased(db: sqlite3.Connection, lms: str) -> bool:
    """A sick service gets one probe at a time."""
    held = db.execute(
        "SELECT 1 FROM enrolments INDEXED BY enrolments_leased WHERE state = 'leased' AND lms = ? LIMIT 1",
        (lms,),
    ).fetchone()
    return held is None


def _claim_of(db: sqlite3.Connection, row: sqlite3.Row, now: datetime, *, service_was_up: bool) -> Claim:
    learner_key = LearnerKey(row["learner_key"])
    account = db.execute(
        "SELECT user_id FROM accounts WHERE lms = ? AND learner_key = ?", (row["lms"], learner_key)
    ).fetchone()
    in_before = row["applied"] == Desired.IN
    return Claim(
        lms=LmsName(row["lms"]),
        learner_key=learner_key,
        desired=Desired(row["desired"]),
        seat=Seat(
            learner=read_learner(db, learner_key),
            course_id=CourseId(row["course_id"]),
            options=parse_options(row["options"]),
            until=instant_of(row["until"]),
            user_id=account["user_id"] if account is not None else None,
            applied=bool(row["ours"]) and in_before,
            applied_until=instant_of(row["applied_until"]),
            dormant=bool(row["dormant"]),
        ),
        revision=row["revision"],
        lease=row["lease"] + 1,
        attempts=row["attempts"] + 1,
        ours=bool(row["ours"]),
        found=in_before and not row["ours"],
        nothing_sent=not in_before and not row["written"],
        written=bool(row["written"]),
        sending_since=parse_instant(render_instant(now)),
        open_since=instant_of(row["sending_since"]),
        open_withdrawal=row["sending_since"] is not None and bool(row["withdrawing"]),
        account_open_since=None if account is not None else _account_open_since(db, row, now),
        shared=row["desired"] == Desired.OUT and bool(sharers(db, dict(row))),
        refused_at=instant_of(row["changed_at"]) if row["error_kind"] == "blocked" else None,
        service_was_up=service_was_up,
        cause=Cause(row["cause"]) if row["cause"] else None,
        on_withdraw=Withdrawal(row["on_withdraw"]) if row["on_withdraw"] else None,
        allowed=row["allowed_revision"] == row["revision"],
    )


def sharers(db: sqlite3.Connection, row: Mapping[str, Any]) -> list[str]:
    """Other learners of ours with the same account, who are to stay in this course: one person, two addresses."""
    rows = db.execute(
        "SELECT e.learner_key FROM accounts AS own JOIN accounts AS twin INDEXED BY accounts_of_user "
        "ON twin.lms = own.lms AND twin.user_id = own.user_id AND twin.learner_key <> own.learner_key "
        "JOIN enrolments AS e ON e.lms = twin.lms AND e.course_id = ? AND e.learner_key = twin.learner_key "
        "WHERE own.lms = ? AND own.learner_key = ? AND e.desired = 'in'",
        (row["course_id"], row["lms"], row["learner_key"]),
    ).fetchall()
    return [found["learner_key"] for found in rows]


def _account_open_since(db: sqlite3.Connection, row: sqlite3.Row, now: datetime) -> datetime | None:
    """Since when another course's unanswered call may be making this learner's account."""
    newest = db.execute(
        "SELECT max(sending_since) FROM enrolments INDEXED BY enrolments_open WHERE lms = ? AND learner_key = ? "
        "AND course_id <> ? AND sending_since IS NOT NULL AND sending_since <= ?",
        (row["lms"], row["learner_key"], row["course_id"], render_instant(now)),
    ).fetchone()
    return instant_of(newest[0])
