"""Settling claims, and giving back those that nobody will settle. Everything here runs inside the caller's transaction.

Each settle compares the lease before it sets: a row worked off twice is harmless.
"""

import sqlite3
from datetime import datetime

from wcsync.health import CLOCKS_APART
from wcsync.ledger import confirmations
from wcsync.ledger.base import LONGEST_WAIT, Claim, Deferral, Surrender
from wcsync.ledger.claims import sharers
from wcsync.ledger.leases import give_back
from wcsync.ledger.order_notes import note_orders_of
from wcsync.ledger.parking import BUDGET, FOUND_ENROLMENT, WITHDRAW_ASKED, park_lines, unpark
from wcsync.ledger.rows import plain, text_of
from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.model import Applied, Desired, Outcome
from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant

_KEY = "lms = :lms AND course_id = :course_id AND learner_key = :learner_key"
_DORMANT = frozenset({Outcome.SUSPENDED, Outcome.EXPIRED})
_FOUND = (
    "before wcsync enrolled anybody there, so the enrolment was left alone; withdraw by hand if it should end"
)
_ASKED = (
    "should end, and a person is to say so first: `wcsync parked end` with the order ends it, `wcsync parked drop` "
    "leaves it"
)


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
        "outcome = :outcome, ours = :ours, dormant = :dormant, sending_since = NULL, written = :in_doubt, "
        "error_kind = '', error = '', "
        "attempts = iif(revision = :revision, attempts, 0), next_attempt_at = :now, changed_at = :now, "
        "state = iif(revision = :revision, :settled, :due)",
        {
            "applied": claim.desired.value,
            "until": text_of(_end_there(claim, applied)),
            "revision": claim.revision,
            "now": render_instant(now),
            "outcome": applied.outcome.value,
            "ours": int(ours and claim.desired is Desired.IN),
            "in_doubt": int(_end_in_doubt(claim, applied)),
            "dormant": int(applied.outcome in _DORMANT),
            "settled": next_state(State.LEASED, Event.APPLIED).value,
            "due": next_state(State.LEASED, Event.DEFERRED).value,
        },
    )
    if settled and claim.shared and claim.ours:
        _hand_over(db, claim)
    if settled:
        _remember_account(db, claim, applied.user_id, now)
        unpark(db, {BUDGET, WITHDRAW_ASKED}, _key_of(claim))
        confirmations.begin(db, claim, applied, now)
        _audit(db, claim, f"{claim.desired.value}_applied", applied.outcome.value, now)
        _note(db, claim, now)
    return settled


def _end_there(claim: Claim, applied: Applied) -> datetime | None:
    """The end that the enrolment has in the LMS by our doing: never earlier than it was. A dormant one keeps it."""
    had, wanted = claim.seat.applied_until, claim.seat.until
    if claim.desired is Desired.OUT:
        return had if applied.outcome in _DORMANT else None
    if applied.outcome is not Outcome.ALREADY or not claim.seat.applied:
        return wanted
    return None if had is None or wanted is None else max(had, wanted)


def _end_in_doubt(claim: Claim, applied: Applied) -> bool:
    """Whether an earlier call, for another end, may be what let the learner in."""
    return (
        claim.desired is Desired.IN
        and applied.outcome is Outcome.ALREADY
        and claim.written
        and claim.seat.until is not None
    )


def settle_kept(db: sqlite3.Connection, claim: Claim, now: datetime) -> bool:
    settled = _leave(db, claim, "kept", now)
    if settled:
        if claim.found and _row_of(db, claim)["state"] == State.SETTLED:
            park_lines(db, FOUND_ENROLMENT, _key_of(claim), _FOUND, now)
        _note(db, claim, now)
    return settled


def settle_asked(db: sqlite3.Connection, claim: Claim, now: datetime) -> bool:
    settled = _leave(db, claim, "asked", now)
    if settled:
        if _row_of(db, claim)["state"] == State.SETTLED:
            park_lines(db, WITHDRAW_ASKED, _key_of(claim), _ASKED, now)
        _note(db, claim, now)
    return settled


def settle_deferred(db: sqlite3.Connection, claim: Claim, deferral: Deferral, now: datetime) -> bool:
    before = _row_of(db, claim)
    settled = _update(
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
    if settled:
        if deferral.counted or before["error_kind"] != deferral.kind:
            _audit(db, claim, "deferred", f"{deferral.kind}, attempt {claim.attempts}", now)
        _tell_of_budget(db, claim, deferral, before, now)
    return settled


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
        unpark(db, {BUDGET}, _key_of(claim))
        _audit(db, claim, "gave_up", f"{surrender.kind}, attempt {claim.attempts}", now)
        _note(db, claim, now)
    return settled


def recover(db: sqlite3.Connection, claimed_before: datetime, now: datetime) -> int:
    """Gives back leases as `give_back` says, and ends waits that hold no more.

    A process that begins was probably stopped to mend what was refused, or to raise a budget: such rows are due at
    once.
    """
    given_back = give_back(db, "enrolments", claimed_before, now)
    db.execute(
        "UPDATE enrolments SET next_attempt_at = :now WHERE state = 'due' AND next_attempt_at > :now "
        "AND (next_attempt_at > :longest OR changed_at > :ahead "
        "OR (:restarted AND error_kind IN ('blocked', 'budget')))",
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


def _leave(db: sqlite3.Connection, claim: Claim, outcome: str, now: datetime) -> bool:
    """The enrolment stays as it is, although the learner should be out."""
    settled = _update(
        db,
        claim,
        "applied_revision = :revision, outcome = :outcome, sending_since = NULL, error_kind = '', error = '', "
        "attempts = iif(revision = :revision, attempts, 0), next_attempt_at = :now, changed_at = :now, "
        "state = iif(revision = :revision, :settled, :due)",
        {
            "revision": claim.revision,
            "outcome": outcome,
            "now": render_instant(now),
            "settled": next_state(State.LEASED, Event.APPLIED).value,
            "due": next_state(State.LEASED, Event.DEFERRED).value,
        },
    )
    if settled:
        _audit(db, claim, outcome, "", now)
    return settled


def _row_of(db: sqlite3.Connection, claim: Claim) -> sqlite3.Row:
    row: sqlite3.Row = db.execute(
        f"SELECT state, revision, error_kind FROM enrolments WHERE {_KEY}",
        {"lms": claim.lms, "course_id": claim.course_id, "learner_key": claim.learner_key},
    ).fetchone()
    return row


def _tell_of_budget(
    db: sqlite3.Connection, claim: Claim, deferral: Deferral, before: sqlite3.Row, now: datetime
) -> None:
    if before["revision"] != claim.revision:
        return
    if deferral.kind == BUDGET:
        park_lines(db, BUDGET, _key_of(claim), "waits; it is made as soon as the budget allows", now)
    elif before["error_kind"] == BUDGET:
        unpark(db, {BUDGET}, _key_of(claim))


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
        [(claim.lms, claim.course_id, sharer) for sharer in sharers(db, row)],
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


def _key_of(claim: Claim) -> tuple[str, str, str]:
    return claim.lms, claim.course_id, claim.learner_key


def _note(db: sqlite3.Connection, claim: Claim, now: datetime) -> None:
    note_orders_of(db, claim.lms, claim.course_id, claim.learner_key, now)


def _audit(db: sqlite3.Connection, claim: Claim, action: str, detail: str, now: datetime) -> None:
    subject = enrolment_subject(claim.lms, claim.course_id, claim.learner_key)
    audit(db, "worker", action, subject, detail, now)
