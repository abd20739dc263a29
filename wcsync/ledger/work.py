"""Claiming due enrolments and settling them. Everything here runs inside the caller's transaction.

Each settle compares the lease before it sets: a row worked off twice is harmless.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wcsync.health import CLOCKS_APART, Condition, Health
from wcsync.ledger import confirmations, missing
from wcsync.ledger.base import LONGEST_WAIT, Claim, Deferral, Surrender
from wcsync.ledger.leases import give_back
from wcsync.ledger.order_notes import note_orders_of
from wcsync.ledger.people import read_learner
from wcsync.ledger.rows import health_of, instant_of, parse_options, plain, text_of
from wcsync.ledger.wishes import ALSO, FOUND_ENROLMENT, audit, enrolment_subject, opening_of
from wcsync.model import Applied, CourseId, Desired, LearnerKey, LmsName, Outcome, Seat
from wcsync.retry import Event, State, next_state
from wcsync.times import parse_instant, render_instant

_KEY = "lms = :lms AND course_id = :course_id AND learner_key = :learner_key"

# SQLite left to itself looks for leases by the primary key: through all rows of the LMS.
_OLDEST_DUE = """
    SELECT course_id, learner_key FROM enrolments AS due INDEXED BY enrolments_due
    WHERE state = 'due' AND lms = :lms AND next_attempt_at <= :now AND NOT EXISTS (
        SELECT 1 FROM enrolments AS held INDEXED BY enrolments_leased
        WHERE held.state = 'leased' AND held.lms = due.lms AND held.learner_key = due.learner_key)
    ORDER BY next_attempt_at LIMIT 1
"""


def something_due(db: sqlite3.Connection, lms: str, now: datetime) -> bool:
    """A cheap look without a write transaction."""
    row = db.execute(
        "SELECT 1 FROM enrolments WHERE state = 'due' AND lms = ? AND next_attempt_at <= ? LIMIT 1",
        (lms, render_instant(now)),
    ).fetchone()
    return row is not None


def claim(db: sqlite3.Connection, lms: str, now: datetime) -> Claim | None:
    service = db.execute("SELECT * FROM services WHERE name = ?", (lms,)).fetchone()
    health = health_of(service) if service is not None else Health(condition=Condition.UP, since=now)
    up = health.condition is Condition.UP
    if not up and not (health.may_call(now) and _nothing_leased(db, lms)):
        return None
    chosen = db.execute(_OLDEST_DUE, {"lms": lms, "now": render_instant(now)}).fetchone()
    if chosen is None:
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


def record_sending(db: sqlite3.Connection, claim: Claim, now: datetime, *, enrolling: bool) -> bool:
    values = {"now": render_instant(now), "enrolling": int(enrolling)}
    return _update(db, claim, "sending_since = :now, written = max(written, :enrolling)", values)


def settle_applied(db: sqlite3.Connection, claim: Claim, applied: Applied, now: datetime) -> bool:
    """An enrolment that was there already is ours if an earlier attempt may have made it."""
    ours = claim.ours or applied.outcome is not Outcome.ALREADY or (claim.written and not claim.found)
    settled = _update(
        db,
        claim,
        "applied = :applied, applied_until = :until, applied_revision = :revision, applied_at = :now, "
        "outcome = :outcome, ours = :ours, sending_since = NULL, written = 0, error_kind = '', error = '', "
        "attempts = iif(revision = :revision, attempts, 0), next_attempt_at = :now, changed_at = :now, "
        "state = iif(revision = :revision, :settled, :due)",
        {
            "applied": claim.desired.value,
            "until": text_of(claim.seat.until) if claim.desired is Desired.IN else None,
            "revision": claim.revision,
            "now": render_instant(now),
            "outcome": applied.outcome.value,
            "ours": int(ours and claim.desired is Desired.IN),
            "settled": next_state(State.LEASED, Event.APPLIED).value,
            "due": next_state(State.LEASED, Event.DEFERRED).value,
        },
    )
    if settled and claim.shared and claim.ours:
        _hand_over(db, claim)
    if settled:
        _remember_account(db, claim, applied.user_id, now)
        confirmations.begin(db, claim, applied, now)
        missing.unpark(db, claim.lms, claim.course_id, claim.learner_key)
        _audit(db, claim, f"{claim.desired.value}_applied", applied.outcome.value, now)
        _note(db, claim, now)
    return settled


def settle_kept(db: sqlite3.Connection, claim: Claim, now: datetime) -> bool:
    settled = _update(
        db,
        claim,
        "applied_revision = :revision, outcome = 'kept', sending_since = NULL, error_kind = '', error = '', "
        "attempts = iif(revision = :revision, attempts, 0), next_attempt_at = :now, changed_at = :now, "
        "state = iif(revision = :revision, :settled, :due)",
        {
            "revision": claim.revision,
            "now": render_instant(now),
            "settled": next_state(State.LEASED, Event.APPLIED).value,
            "due": next_state(State.LEASED, Event.DEFERRED).value,
        },
    )
    if settled:
        _park_kept(db, claim, now)
        _audit(db, claim, "kept", "", now)
        _note(db, claim, now)
    return settled


def settle_deferred(db: sqlite3.Connection, claim: Claim, deferral: Deferral, now: datetime) -> bool:
    return _update(
        db,
        claim,
        "state = :state, attempts = iif(revision = :revision, max(attempts - :uncounted, 0), 0), "
        "sending_since = :open_since, next_attempt_at = iif(revision = :revision, :retry_at, :now), "
        "error_kind = :kind, error = :reason, "
        "changed_at = :now",
        {
            "state": next_state(State.LEASED, Event.DEFERRED).value,
            "uncounted": int(not deferral.counted),
            "open_since": text_of(deferral.open_since),
            "revision": claim.revision,
            "retry_at": render_instant(deferral.retry_at),
            "kind": deferral.kind,
            "reason": plain(deferral.reason),
            "now": render_instant(now),
        },
    )


def settle_dead(db: sqlite3.Connection, claim: Claim, surrender: Surrender, now: datetime) -> bool:
    settled = _update(
        db,
        claim,
        "state = iif(revision = :revision, :dead, :due), sending_since = :open_since, "
        "next_attempt_at = :now, "
        "attempts = iif(revision = :revision, attempts, 0), "
        "error_kind = :kind, error = :reason, changed_at = :now",
        {
            "dead": next_state(State.LEASED, Event.GAVE_UP).value,
            "due": next_state(State.LEASED, Event.DEFERRED).value,
            "revision": claim.revision,
            "open_since": text_of(surrender.open_since),
            "kind": surrender.kind,
            "reason": plain(surrender.reason),
            "now": render_instant(now),
        },
    )
    if settled:
        _audit(db, claim, "gave_up", surrender.kind, now)
        _note(db, claim, now)
    return settled


def recover(db: sqlite3.Connection, claimed_before: datetime, now: datetime) -> int:
    """Gives back leases as `give_back` says, and ends waits that hold no more.

    A process that begins was probably stopped to mend what was refused: such rows are due at once.
    """
    given_back = give_back(db, "enrolments", claimed_before, now)
    db.execute(
        "UPDATE enrolments SET next_attempt_at = :now WHERE state = 'due' AND next_attempt_at > :now "
        "AND (next_attempt_at > :longest OR changed_at > :ahead OR (:restarted AND error_kind = 'blocked'))",
        {
            "restarted": int(claimed_before >= now),
            "now": render_instant(now),
            "longest": render_instant(now + LONGEST_WAIT),
            "ahead": render_instant(now + CLOCKS_APART),
        },
    )
    if given_back:
        audit(db, "daemon", "leases_recovered", "ledger", str(given_back), now)
    return given_back


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
        shared=row["desired"] == Desired.OUT and bool(_sharers(db, dict(row))),
        refused_at=instant_of(row["changed_at"]) if row["error_kind"] == "blocked" else None,
        service_was_up=service_was_up,
    )


def _sharers(db: sqlite3.Connection, row: Mapping[str, Any]) -> list[str]:
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


def _update(db: sqlite3.Connection, claim: Claim, assignments: str, values: dict[str, object]) -> bool:
    key = {"lms": claim.lms, "course_id": claim.course_id, "learner_key": claim.learner_key}
    cursor = db.execute(
        f"UPDATE enrolments SET {assignments} WHERE {_KEY} AND state = 'leased' AND lease = :lease",
        {**values, **key, "lease": claim.lease},
    )
    return cursor.rowcount == 1


def _hand_over(db: sqlite3.Connection, claim: Claim) -> None:
    """The enrolment we made stays, for the person's other address: from now on it is ours under that one."""
    row = {"lms": claim.lms, "course_id": claim.course_id, "learner_key": claim.learner_key}
    db.executemany(
        "UPDATE enrolments SET ours = 1 WHERE lms = ? AND course_id = ? AND learner_key = ? AND applied = 'in'",
        [(claim.lms, claim.course_id, sharer) for sharer in _sharers(db, row)],
    )


def _remember_account(db: sqlite3.Connection, claim: Claim, user_id: str | None, now: datetime) -> None:
    if user_id is None:
        db.execute("DELETE FROM accounts WHERE lms = ? AND learner_key = ?", (claim.lms, claim.learner_key))
        return
    if user_id == claim.seat.user_id:
        return
    db.execute(
        "INSERT INTO accounts (lms, learner_key, user_id, seen_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (lms, learner_key) DO UPDATE SET user_id = excluded.user_id, seen_at = excluded.seen_at",
        (claim.lms, claim.learner_key, user_id, render_instant(now)),
    )


def _park_kept(db: sqlite3.Connection, claim: Claim, now: datetime) -> None:
    reason = (
        f"{opening_of(FOUND_ENROLMENT, claim.lms, claim.course_id)}before wcsync enrolled anybody there, so the "
        "enrolment was left alone; withdraw by hand if it should end"
    )
    db.execute(
        "INSERT INTO parked (order_id, line_id, kind, reason, since) "
        "SELECT order_id, line_id, ?, ?, ? FROM entitlements AS s JOIN enrolments AS e USING (lms, course_id, "
        "learner_key) WHERE lms = ? AND course_id = ? AND learner_key = ? AND s.live = 0 AND e.state = 'settled' "
        "ON CONFLICT (order_id, line_id, kind) DO UPDATE SET "
        "dropped_at = iif(instr(reason, excluded.reason), dropped_at, NULL), "
        "reason = iif(instr(reason, excluded.reason), reason, reason || ? || excluded.reason)",
        (FOUND_ENROLMENT, reason, render_instant(now), claim.lms, claim.course_id, claim.learner_key, ALSO),
    )


def _note(db: sqlite3.Connection, claim: Claim, now: datetime) -> None:
    note_orders_of(db, claim.lms, claim.course_id, claim.learner_key, now)


def _audit(db: sqlite3.Connection, claim: Claim, action: str, detail: str, now: datetime) -> None:
    subject = enrolment_subject(claim.lms, claim.course_id, claim.learner_key)
    audit(db, "worker", action, subject, detail, now)
