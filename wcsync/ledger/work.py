"""Claiming due enrolments and settling them. Everything here runs inside the caller's transaction.

Each settle compares the lease before it sets: a row worked off twice is harmless.
"""

import sqlite3
from datetime import datetime

from wcsync.health import Condition
from wcsync.ledger.base import Claim, Deferral
from wcsync.ledger.rows import instant_of, parse_options, text_of
from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.model import Applied, CourseId, Desired, LearnerKey, LmsName, Outcome, Person, Seat
from wcsync.retry import Event, State, next_state
from wcsync.times import parse_instant, render_instant

_KEY = "lms = :lms AND course_id = :course_id AND learner_key = :learner_key"

_OLDEST_DUE = """
    SELECT course_id, learner_key FROM enrolments AS due
    WHERE state = 'due' AND lms = :lms AND next_attempt_at <= :now AND NOT EXISTS (
        SELECT 1 FROM enrolments AS held
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
    service = db.execute("SELECT condition, retry_at FROM services WHERE name = ?", (lms,)).fetchone()
    up = service is None or service["condition"] == Condition.UP
    if not up and not _may_probe(db, lms, service["retry_at"], now):
        return None
    chosen = db.execute(_OLDEST_DUE, {"lms": lms, "now": render_instant(now)}).fetchone()
    if chosen is None:
        return None
    key = {"lms": lms, "course_id": chosen["course_id"], "learner_key": chosen["learner_key"]}
    row = db.execute(f"SELECT * FROM enrolments WHERE {_KEY}", key).fetchone()
    state = next_state(State(row["state"]), Event.CLAIMED)
    db.execute(
        "UPDATE enrolments SET state = :state, lease = lease + 1, attempts = attempts + 1, "
        f"sending_since = :now, changed_at = :now WHERE {_KEY}",
        {**key, "state": state.value, "now": render_instant(now)},
    )
    return _claim_of(db, row, now, service_was_up=up)


def record_sending(db: sqlite3.Connection, claim: Claim, now: datetime) -> bool:
    return _update(db, claim, "sending_since = :now", {"now": render_instant(now)})


def settle_applied(db: sqlite3.Connection, claim: Claim, applied: Applied, now: datetime) -> bool:
    ours = claim.ours or applied.outcome is not Outcome.ALREADY or claim.open_since is not None
    settled = _update(
        db,
        claim,
        "applied = :applied, applied_until = :until, applied_revision = :revision, applied_at = :now, "
        "outcome = :outcome, ours = :ours, sending_since = NULL, error_kind = '', error = '', "
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
    if settled:
        _remember_account(db, claim, applied.user_id, now)
        _audit(db, claim, f"{claim.desired.value}_applied", applied.outcome.value, now)
    return settled


def settle_kept(db: sqlite3.Connection, claim: Claim, now: datetime) -> bool:
    settled = _update(
        db,
        claim,
        "applied_revision = :revision, outcome = 'kept', sending_since = NULL, error_kind = '', error = '', "
        "next_attempt_at = :now, changed_at = :now, state = iif(revision = :revision, :settled, :due)",
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
    return settled


def settle_deferred(db: sqlite3.Connection, claim: Claim, deferral: Deferral, now: datetime) -> bool:
    return _update(
        db,
        claim,
        "state = :state, attempts = max(attempts - :uncounted, 0), sending_since = :open_since, "
        "next_attempt_at = iif(revision = :revision, :retry_at, :now), error_kind = :kind, error = :reason, "
        "changed_at = :now",
        {
            "state": next_state(State.LEASED, Event.DEFERRED).value,
            "uncounted": int(not deferral.counted),
            "open_since": text_of(deferral.open_since),
            "revision": claim.revision,
            "retry_at": render_instant(deferral.retry_at),
            "kind": deferral.kind,
            "reason": deferral.reason,
            "now": render_instant(now),
        },
    )


def settle_dead(
    db: sqlite3.Connection, claim: Claim, kind: str, reason: str, open_since: datetime | None, now: datetime
) -> bool:
    settled = _update(
        db,
        claim,
        "state = iif(revision = :revision, :dead, :due), sending_since = :open_since, next_attempt_at = :now, "
        "attempts = iif(revision = :revision, attempts, 0), "
        "error_kind = :kind, error = :reason, changed_at = :now",
        {
            "dead": next_state(State.LEASED, Event.GAVE_UP).value,
            "due": next_state(State.LEASED, Event.DEFERRED).value,
            "revision": claim.revision,
            "open_since": text_of(open_since),
            "kind": kind,
            "reason": reason,
            "now": render_instant(now),
        },
    )
    if settled:
        _audit(db, claim, "gave_up", kind, now)
    return settled


def recover(db: sqlite3.Connection, claimed_before: datetime, now: datetime) -> int:
    """`sending_since` stays: whether the call of whoever held the lease took effect is not known."""
    state = next_state(State.LEASED, Event.RECOVERED)
    cursor = db.execute(
        "UPDATE enrolments SET state = :state, lease = lease + 1, next_attempt_at = :now, changed_at = :now "
        "WHERE state = 'leased' AND changed_at <= :claimed_before",
        {"state": state.value, "now": render_instant(now), "claimed_before": render_instant(claimed_before)},
    )
    if cursor.rowcount:
        audit(db, "daemon", "leases_recovered", "ledger", str(cursor.rowcount), now)
    return cursor.rowcount


def _may_probe(db: sqlite3.Connection, lms: str, retry_at: str | None, now: datetime) -> bool:
    """A sick service gets one probe at a time, and only when its wait is over."""
    if retry_at is not None and render_instant(now) < retry_at:
        return False
    held = db.execute(
        "SELECT 1 FROM enrolments WHERE state = 'leased' AND lms = ? LIMIT 1", (lms,)
    ).fetchone()
    return held is None


def _claim_of(db: sqlite3.Connection, row: sqlite3.Row, now: datetime, *, service_was_up: bool) -> Claim:
    learner_key = LearnerKey(row["learner_key"])
    learner = db.execute(
        "SELECT email, first_name, last_name FROM learners WHERE learner_key = ?", (learner_key,)
    ).fetchone()
    account = db.execute(
        "SELECT user_id FROM accounts WHERE lms = ? AND learner_key = ?", (row["lms"], learner_key)
    ).fetchone()
    return Claim(
        lms=LmsName(row["lms"]),
        learner_key=learner_key,
        desired=Desired(row["desired"]),
        seat=Seat(
            learner=Person(**learner) if learner is not None else Person(email=""),
            course_id=CourseId(row["course_id"]),
            options=parse_options(row["options"]),
            until=instant_of(row["until"]),
            user_id=account["user_id"] if account is not None else None,
            applied=bool(row["ours"]) and row["applied"] == Desired.IN,
            applied_until=instant_of(row["applied_until"]),
        ),
        revision=row["revision"],
        lease=row["lease"] + 1,
        attempts=row["attempts"] + 1,
        ours=bool(row["ours"]),
        ever_applied=row["applied"] != "none",
        sending_since=parse_instant(render_instant(now)),
        open_since=instant_of(row["sending_since"]),
        service_was_up=service_was_up,
    )


def _update(db: sqlite3.Connection, claim: Claim, assignments: str, values: dict[str, object]) -> bool:
    key = {"lms": claim.lms, "course_id": claim.course_id, "learner_key": claim.learner_key}
    cursor = db.execute(
        f"UPDATE enrolments SET {assignments} WHERE {_KEY} AND state = 'leased' AND lease = :lease",
        {**values, **key, "lease": claim.lease},
    )
    return cursor.rowcount == 1


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
        f'the learner was in course {claim.course_id} of "{claim.lms}" before wcsync enrolled anybody there, so the '
        "enrolment was left alone; withdraw by hand if it should end"
    )
    db.execute(
        "INSERT INTO parked (order_id, line_id, kind, reason, since) "
        "SELECT order_id, line_id, 'found_enrolment', ?, ? FROM entitlements "
        "WHERE lms = ? AND course_id = ? AND learner_key = ? AND live = 0 "
        "ON CONFLICT (order_id, line_id, kind) DO NOTHING",
        (reason, render_instant(now), claim.lms, claim.course_id, claim.learner_key),
    )


def _audit(db: sqlite3.Connection, claim: Claim, action: str, detail: str, now: datetime) -> None:
    subject = enrolment_subject(claim.lms, claim.course_id, claim.learner_key)
    audit(db, "worker", action, subject, detail, now)
