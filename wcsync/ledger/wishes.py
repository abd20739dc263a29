"""What should be, derived from the seats: one enrolment row per learner and course. Inside the caller's transaction."""

import sqlite3
from datetime import datetime

from wcsync.ledger.missing import MISSING
from wcsync.ledger.rows import entitlement_of, render_options, text_of
from wcsync.mappers.entitlements import wish_for
from wcsync.model import Desired, Wish
from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant

FOUND_ENROLMENT = "found_enrolment"
UNCONFIRMED = "unconfirmed"
OF_THE_LMS = frozenset({FOUND_ENROLMENT, UNCONFIRMED, MISSING})
"""The kinds of parked entries that follow from what an LMS said, not from the plan of an order. There is one for each
line: it holds a sentence for each of the line's courses that it concerns."""
ALSO = ". Also "


def refresh_wish(
    connection: sqlite3.Connection, lms: str, course_id: str, learner_key: str, now: datetime
) -> None:
    """Brings one enrolment's wish in line with its live seats; a changed wish makes the row due at once."""
    key = (lms, course_id, learner_key)
    row = connection.execute(
        "SELECT * FROM enrolments WHERE lms = ? AND course_id = ? AND learner_key = ?", key
    ).fetchone()
    seats = connection.execute(
        "SELECT s.*, o.paid FROM entitlements AS s JOIN orders AS o USING (order_id) "
        "WHERE s.lms = ? AND s.course_id = ? AND s.learner_key = ?",
        key,
    ).fetchall()
    wish = wish_for((entitlement_of(seat) for seat in seats if seat["paid"] or _may_be_in(row)), now)
    if row is None:
        if wish.desired is Desired.IN:
            _insert(connection, key, wish, now)
    elif _differs(row, wish):
        _change(connection, row, wish, now)


def _may_be_in(row: sqlite3.Row | None) -> bool:
    """Whether the learner may be in by our doing. Until then a seat counts while its order does: a charge back that
    comes before the enrolment holds it up, one that comes later puts nobody out."""
    return row is not None and (
        row["applied"] == Desired.IN or row["written"] or row["state"] == State.LEASED
    )


def audit(
    connection: sqlite3.Connection, actor: str, action: str, subject: str, detail: str, now: datetime
) -> None:
    """Adds one line to the story of a row. No addresses, no names."""
    connection.execute(
        "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
        (render_instant(now), actor, action, subject, detail),
    )


def enrolment_subject(lms: str, course_id: str, learner_key: str) -> str:
    return f"enrolment {lms}/{course_id}/{learner_key}"


def _insert(connection: sqlite3.Connection, key: tuple[str, str, str], wish: Wish, now: datetime) -> None:
    stamp = render_instant(now)
    connection.execute(
        "INSERT INTO enrolments (lms, course_id, learner_key, desired, until, options, revision, applied, "
        "applied_until, applied_revision, applied_at, outcome, ours, state, attempts, next_attempt_at, lease, "
        "sending_since, withdrawing, written, error_kind, error, wished_at, changed_at) "
        "VALUES (?, ?, ?, ?, ?, ?, 1, 'none', NULL, 0, NULL, '', 0, 'due', 0, ?, 0, NULL, 0, 0, '', '', ?, ?)",
        (*key, wish.desired.value, text_of(wish.until), render_options(wish.options), stamp, stamp, stamp),
    )


def _differs(row: sqlite3.Row, wish: Wish) -> bool:
    if row["desired"] != wish.desired.value:
        return True
    if wish.desired is Desired.OUT:
        return False
    return bool(row["until"] != text_of(wish.until) or row["options"] != render_options(wish.options))


def _change(connection: sqlite3.Connection, row: sqlite3.Row, wish: Wish, now: datetime) -> None:
    moot = _is_moot(row, wish)
    state = next_state(State(row["state"]), Event.MOOT if moot else Event.WISHED)
    out = wish.desired is Desired.OUT
    stamp = render_instant(now)
    connection.execute(
        "UPDATE enrolments SET desired = ?, until = ?, options = ?, revision = revision + 1, "
        "applied_revision = iif(?, revision + 1, applied_revision), state = ?, attempts = iif(state = 'leased', "
        "attempts, 0), next_attempt_at = ?, error_kind = '', error = '', wished_at = ?, changed_at = ? "
        "WHERE lms = ? AND course_id = ? AND learner_key = ?",
        (
            wish.desired.value,
            row["until"] if out else text_of(wish.until),
            row["options"] if out else render_options(wish.options),
            moot,
            state.value,
            stamp,
            stamp,
            stamp,
            row["lms"],
            row["course_id"],
            row["learner_key"],
        ),
    )
    unpark(connection, UNCONFIRMED if out else FOUND_ENROLMENT, *_key_of(row))
    connection.execute(
        "DELETE FROM confirmations WHERE lms = ? AND course_id = ? AND learner_key = ?", _key_of(row)
    )
    subject = enrolment_subject(row["lms"], row["course_id"], row["learner_key"])
    audit(connection, "orders", "wish_changed", subject, f"{row['desired']} -> {wish.desired.value}", now)


def _is_moot(row: sqlite3.Row, wish: Wish) -> bool:
    """Out is wished for what never went in: nothing was written, so nothing has to be taken back."""
    if wish.desired is Desired.IN or row["state"] == State.LEASED:
        return False
    return row["applied"] != Desired.IN and not row["written"]


def unpark(db: sqlite3.Connection, kind: str, lms: str, course_id: str, learner_key: str) -> None:
    """Takes what entries of that kind say of this enrolment off the list, for all lines that sold it: it holds no
    more. What an entry says of the line's other courses stays."""
    rows = db.execute(
        "SELECT p.order_id, p.line_id, p.reason FROM entitlements AS s JOIN parked AS p USING (order_id, line_id) "
        "WHERE s.lms = ? AND s.course_id = ? AND s.learner_key = ? AND p.kind = ?",
        (lms, course_id, learner_key, kind),
    ).fetchall()
    for row in rows:
        sentences = row["reason"].split(ALSO)
        left = [one for one in sentences if not one.startswith(opening_of(kind, lms, course_id))]
        entry = (row["order_id"], row["line_id"], kind)
        if left and left != sentences:
            reason = ALSO.join(left)
            db.execute(
                "UPDATE parked SET reason = ? WHERE order_id = ? AND line_id = ? AND kind = ?",
                (reason, *entry),
            )
        else:
            db.execute("DELETE FROM parked WHERE order_id = ? AND line_id = ? AND kind = ?", entry)


def opening_of(kind: str, lms: str, course_id: str) -> str:
    """How the sentence begins that an entry of that kind holds about one course."""
    if kind == FOUND_ENROLMENT:
        return f'the learner was in course {course_id} of "{lms}" '
    assert kind == UNCONFIRMED, kind
    return f'"{lms}" accepted the enrolment in {course_id}, '


def _key_of(row: sqlite3.Row) -> tuple[str, str, str]:
    return row["lms"], row["course_id"], row["learner_key"]
