"""What should be, derived from the seats: one enrolment row per learner and course. Inside the caller's transaction."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from wcsync.ledger import missing, origin
from wcsync.ledger.parking import NEVER_IN, OF_THE_LMS, OF_WANTED, park_lines, unpark
from wcsync.ledger.rows import entitlement_of, render_options, text_of
from wcsync.ledger.sale_tables import M006_BY_TIME
from wcsync.mappers.entitlements import wish_for
from wcsync.model import NOBODY, Desired, Wish
from wcsync.retry import Event, State, next_state
from wcsync.sale import Cause
from wcsync.times import render_instant

_EXPIRED = """
    SELECT lms, course_id, learner_key, revision FROM enrolments INDEXED BY enrolments_ending
    WHERE desired = 'in' AND until IS NOT NULL AND until <= ? ORDER BY until LIMIT ?
"""
# Whose end, come when it was wished so, is still to come: the clock was ahead then.
_EARLY = f"""
    SELECT lms, course_id, learner_key, revision FROM enrolments INDEXED BY enrolments_over
    WHERE desired = 'out' AND {M006_BY_TIME} AND until > ? ORDER BY until LIMIT ?
"""
_BEGUN = """
    SELECT detail FROM audit WHERE subject = 'cursor orders' AND action = 'cursor_started' ORDER BY id LIMIT 1
"""
NEWS = timedelta(days=90)
"""A sale older than this is history, whose learner need not be asked about."""

# A person's word for a withdrawal holds on while it is a withdrawal.
_CHANGE = """
    UPDATE enrolments SET desired = :desired, until = :until, options = :options, cause = :cause,
    on_withdraw = :on_withdraw, revision = revision + 1,
    allowed_revision = iif(allowed_revision = revision AND desired = :desired, revision + 1, allowed_revision),
    applied_revision = iif(:moot, revision + 1, applied_revision), state = :state,
    attempts = iif(state = 'leased', attempts, 0), next_attempt_at = :now, error_kind = '', error = '',
    wished_at = :now, changed_at = :now
    WHERE lms = :lms AND course_id = :course_id AND learner_key = :learner_key
"""


# Nothing is to be done: how the withdrawal was answered, that was wished for before, stands.
_RAN_OUT = """
    UPDATE enrolments SET cause = ?, until = ?, wished_at = ?, changed_at = ?
    WHERE lms = ? AND course_id = ? AND learner_key = ?
"""


def refresh_wish(
    connection: sqlite3.Connection, lms: str, course_id: str, learner_key: str, now: datetime
) -> None:
    """Brings one enrolment's wish in line with its seats; a changed wish makes the row due at once. Nobody, who has the
    open seats, is enrolled nowhere."""
    if learner_key == NOBODY:
        return
    key = (lms, course_id, learner_key)
    row = connection.execute(
        "SELECT * FROM enrolments WHERE lms = ? AND course_id = ? AND learner_key = ?", key
    ).fetchone()
    seats = connection.execute(
        "SELECT s.*, o.paid, h.order_id AS held FROM entitlements AS s JOIN orders AS o USING (order_id) "
        "LEFT JOIN holds AS h USING (order_id) WHERE s.lms = ? AND s.course_id = ? AND s.learner_key = ?",
        key,
    ).fetchall()
    counts = _may_be_in(row)
    counted = [seat for seat in seats if counts or (seat["paid"] and seat["held"] is None)]
    wish = wish_for([entitlement_of(seat) for seat in counted], now)
    if row is None:
        if wish.desired is Desired.IN or wish.cause is Cause.EXPIRED:
            _insert(connection, key, wish, now)
    elif _differs(row, wish):
        _change(connection, row, wish, now)
    else:
        if _ran_out_too(row, wish):
            connection.execute(_RAN_OUT, (wish.cause, text_of(wish.until), *[render_instant(now)] * 2, *key))
            audit(connection, "orders", "wish_changed", enrolment_subject(*key), "out -> out, expired", now)
        return
    if _came_to_nothing(row, wish) and _is_news(connection, counted, now):
        park_lines(connection, NEVER_IN, key, "before the order was read", now)
    if wish.desired is Desired.IN:
        origin.doubt(connection, key, now)


def _is_news(connection: sqlite3.Connection, seats: Sequence[sqlite3.Row], now: datetime) -> bool:
    """Whether a sale whose time was over when it was read is anybody's order of today: made since this ledger reads
    orders, and not long ago. Older ones, that a backfill brings, were somebody else's to carry out."""
    begun = connection.execute(_BEGUN).fetchone()
    if begun is None:
        return False
    since = max(begun["detail"], render_instant(now - NEWS))
    return any(seat["live"] and seat["starts_at"] >= since for seat in seats)


def some_expired(db: sqlite3.Connection, now: datetime) -> bool:
    """A cheap look without a write transaction: whether some are, or were taken to be by a clock that was ahead."""
    asked = (render_instant(now), 1)
    return any(db.execute(which, asked).fetchone() is not None for which in (_EXPIRED, _EARLY))


def end_expired(db: sqlite3.Connection, now: datetime, most: int) -> int:
    """Brings up to `most` wishes in line whose end has come, and as many that a clock that was ahead had end too early.
    Returns how many changed."""
    asked = (render_instant(now), most)
    rows = [row for which in (_EXPIRED, _EARLY) for row in db.execute(which, asked).fetchall()]
    for row in rows:
        refresh_wish(db, row["lms"], row["course_id"], row["learner_key"], now)
    return sum(_revision(db, _key_of(row)) != row["revision"] for row in rows)


def _revision(db: sqlite3.Connection, key: tuple[str, str, str]) -> int:
    row = db.execute(
        "SELECT revision FROM enrolments WHERE lms = ? AND course_id = ? AND learner_key = ?", key
    ).fetchone()
    return int(row["revision"])


def _may_be_in(row: sqlite3.Row | None) -> bool:
    """Whether the learner may be in by our doing. Until then a seat counts while its order does: a charge back or a
    hold that comes before the enrolment holds it up, one that comes later puts nobody out."""
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
    """A seat whose time was over before it was read, or before it went to its learner, leaves nothing to be done, and a
    row that says so."""
    stamp, due = render_instant(now), wish.desired is Desired.IN
    state, applied_revision = (State.DUE, 0) if due else (State.SETTLED, 1)
    connection.execute(
        "INSERT INTO enrolments (lms, course_id, learner_key, desired, until, options, revision, applied, "
        "applied_until, applied_revision, applied_at, outcome, ours, state, attempts, next_attempt_at, lease, "
        "sending_since, withdrawing, written, error_kind, error, wished_at, changed_at, cause, on_withdraw) "
        "VALUES (?, ?, ?, ?, ?, ?, 1, 'none', NULL, ?, NULL, '', 0, ?, 0, ?, 0, NULL, 0, 0, '', '', ?, ?, ?, ?)",
        (
            *key,
            wish.desired.value,
            text_of(wish.until),
            render_options(wish.options),
            applied_revision,
            state.value,
            *(stamp, stamp, stamp),
            wish.cause or "",
            wish.on_withdraw or "",
        ),
    )


def _differs(row: sqlite3.Row, wish: Wish) -> bool:
    """A learner who is out stays out, whatever else would have been a reason for it; but a sale that came to nothing is
    to be told of."""
    if row["desired"] != wish.desired.value:
        return True
    if wish.desired is Desired.OUT:
        if row["state"] == State.SETTLED:
            return _came_to_nothing(row, wish)
        return (row["cause"], row["on_withdraw"]) != (wish.cause or "", wish.on_withdraw or "")
    return bool(row["until"] != text_of(wish.until) or row["options"] != render_options(wish.options))


def _came_to_nothing(row: sqlite3.Row | None, wish: Wish) -> bool:
    """Whether somebody who was never in, or had been put out before, was sold time that is over before it was read."""
    if wish.cause is not Cause.EXPIRED:
        return False
    return row is None or (_is_out(row) and row["cause"] != Cause.EXPIRED and _is_moot(row, wish))


def _ran_out_too(row: sqlite3.Row, wish: Wish) -> bool:
    """Whether somebody who should be out and was left in was sold time that is over before it was read: from now on
    that is why they should be out, and the new sale is explained."""
    return _is_out(row) and wish.cause is Cause.EXPIRED and row["cause"] != Cause.EXPIRED


def _is_out(row: sqlite3.Row) -> bool:
    return bool(row["desired"] == Desired.OUT and row["state"] == State.SETTLED)


def _change(connection: sqlite3.Connection, row: sqlite3.Row, wish: Wish, now: datetime) -> None:
    moot = _is_moot(row, wish)
    state = next_state(State(row["state"]), Event.MOOT if moot else Event.WISHED)
    out = wish.desired is Desired.OUT
    connection.execute(
        _CHANGE,
        {
            "desired": wish.desired.value,
            "until": row["until"] if out and not _is_out(row) else text_of(wish.until),
            "options": row["options"] if out else render_options(wish.options),
            "cause": wish.cause or "",
            "on_withdraw": wish.on_withdraw or "",
            "moot": moot,
            "state": state.value,
            "now": render_instant(now),
            "lms": row["lms"],
            "course_id": row["course_id"],
            "learner_key": row["learner_key"],
        },
    )
    key = _key_of(row)
    unpark(connection, OF_WANTED if out else _over_with(row, now), key)
    missing.unpark(connection, *key)
    if moot and wish.cause is Cause.EXPIRED and not _is_out(row):
        park_lines(connection, NEVER_IN, key, "before the learner could be let in", now)
    connection.execute("DELETE FROM confirmations WHERE lms = ? AND course_id = ? AND learner_key = ?", key)
    detail = f"{row['desired']} -> {wish.desired.value}" + (f", {wish.cause}" if wish.cause else "")
    audit(connection, "orders", "wish_changed", enrolment_subject(*key), detail, now)


def _over_with(row: sqlite3.Row, now: datetime) -> frozenset[str]:
    """What people need not be told any more now that the learner is to be in. Time that was never used is owed,
    whatever was bought since; unless only a clock that was ahead took it for over."""
    ahead = row["until"] is not None and row["until"] > render_instant(now)
    return OF_THE_LMS - OF_WANTED - (frozenset() if ahead else {NEVER_IN})


def _is_moot(row: sqlite3.Row, wish: Wish) -> bool:
    """Out is wished for what never went in: nothing was written, so nothing has to be taken back."""
    if wish.desired is Desired.IN or row["state"] == State.LEASED:
        return False
    return row["applied"] != Desired.IN and not row["written"]


def _key_of(row: sqlite3.Row) -> tuple[str, str, str]:
    return row["lms"], row["course_id"], row["learner_key"]
