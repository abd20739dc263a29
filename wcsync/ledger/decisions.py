"""What people decide about an order: to end something, to let a withdrawal be done, to leave the order alone.

Everything here runs inside the caller's transaction; whoever changes what an order means plans it anew afterwards.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from wcsync.ledger.aliases import key_in_use
from wcsync.ledger.order_notes import note_orders_of
from wcsync.ledger.rows import plain
from wcsync.ledger.wishes import audit, enrolment_subject, refresh_wish
from wcsync.mappers.addresses import blot_addresses
from wcsync.model import LearnerKey, LineId, OrderId
from wcsync.retry import Event, State, next_state
from wcsync.sale import DELETED, Decision
from wcsync.times import render_instant

WITHDRAW_ASKED = "withdraw_asked"
SEATS_OVER = "seats_over"
REFUND_AMOUNT = "refund_amount"
_BY_STATUS = {"trashed": "trash", "deleted": DELETED}
_ASKED = "_asked"

Key = tuple[str, str, str]

_QUESTIONS = """
    SELECT line_id, kind, reason FROM parked WHERE order_id = :order_id AND (
        kind IN ('trashed', 'deleted', 'refund_amount', 'seats_over') OR kind LIKE '%\\_asked' ESCAPE '\\')
    AND (:line_id IS NULL OR line_id IN (0, :line_id)) ORDER BY line_id, kind
"""
_WAITING = """
    SELECT DISTINCT e.lms, e.course_id, e.learner_key, e.state FROM enrolments AS e
    JOIN entitlements AS s USING (lms, course_id, learner_key)
    WHERE s.order_id = :order_id AND (:line_id IS NULL OR s.line_id = :line_id) AND e.desired = 'out'
    AND (e.state IN ('due', 'leased') OR (e.state = 'settled' AND e.outcome = 'asked'))
    AND e.allowed_revision <> e.revision
"""
_ALL_WAITING = """
    SELECT lms, course_id, learner_key, state FROM enrolments
    WHERE desired = 'out' AND state IN ('due', 'leased') AND allowed_revision <> revision
"""
_LIVE = "SELECT count(*) FROM entitlements WHERE order_id = ? AND live = 1"


def questions(db: sqlite3.Connection, order_id: OrderId, line_id: LineId | None) -> list[sqlite3.Row]:
    """What is asked about an order that "end it" answers, also what a person took off the list."""
    return db.execute(_QUESTIONS, {"order_id": order_id, "line_id": line_id}).fetchall()


def decide(
    db: sqlite3.Connection,
    order_id: OrderId,
    line_id: LineId | None,
    learner: LearnerKey | None,
    asked: Sequence[sqlite3.Row],
    now: datetime,
) -> list[Decision]:
    """Writes a person's word down for each question that it answers. Returns what was written, known or not."""
    made = [one for row in asked for one in _decisions(db, order_id, line_id or row["line_id"], learner, row)]
    for one in dict.fromkeys(made):
        db.execute(
            "INSERT INTO decisions (order_id, line_id, seat, cause, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (order_id, one.line_id, one.seat, one.cause, render_instant(now)),
        )
        where = f", line {one.line_id}" if one.line_id else ""
        where += f", seat {one.seat}" if one.seat else ""
        audit(db, "operator", "end_decided", f"order {order_id}", f"{one.cause}{where}", now)
    return made


def count_live(db: sqlite3.Connection, order_id: OrderId) -> int:
    """How many seats of an order are live: one for each of its courses."""
    return int(db.execute(_LIVE, (order_id,)).fetchone()[0])


def live_keys(db: sqlite3.Connection, order_id: OrderId) -> set[Key]:
    """The enrolments that an order's live seats stand behind."""
    rows = db.execute(
        "SELECT DISTINCT lms, course_id, learner_key FROM entitlements WHERE order_id = ? AND live = 1 "
        "AND learner_key <> ''",
        (order_id,),
    ).fetchall()
    return {_key_of(row) for row in rows}


def waiting_of(db: sqlite3.Connection, order_id: OrderId, line_id: LineId | None) -> list[Key]:
    """Withdrawals behind an order's seats that nobody has allowed yet."""
    return [
        _key_of(row) for row in db.execute(_WAITING, {"order_id": order_id, "line_id": line_id}).fetchall()
    ]


def all_waiting(db: sqlite3.Connection) -> list[Key]:
    """Withdrawals that are due and that nobody has allowed yet."""
    return [_key_of(row) for row in db.execute(_ALL_WAITING).fetchall()]


def allow(db: sqlite3.Connection, keys: Iterable[Key], now: datetime) -> int:
    """Lets these be withdrawn, as they are wished for now; one that asked becomes due again. Returns how many."""
    allowed = 0
    for key in keys:
        row = db.execute(
            "SELECT state, outcome FROM enrolments WHERE lms = ? AND course_id = ? AND learner_key = ? "
            "AND desired = 'out' AND allowed_revision <> revision",
            key,
        ).fetchone()
        if row is None or not _can_be_allowed(row):
            continue
        allowed += 1
        _allow(db, key, row, now)
    return allowed


def hold(db: sqlite3.Connection, order_id: OrderId, reason: str, now: datetime) -> bool:
    cursor = db.execute(
        "INSERT INTO holds (order_id, reason, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (order_id, plain(blot_addresses(reason)), render_instant(now)),
    )
    if cursor.rowcount:
        audit(db, "operator", "held", f"order {order_id}", "", now)
    return cursor.rowcount > 0


def release(db: sqlite3.Connection, order_id: OrderId, now: datetime) -> bool:
    cursor = db.execute("DELETE FROM holds WHERE order_id = ?", (order_id,))
    if cursor.rowcount:
        audit(db, "operator", "released", f"order {order_id}", "", now)
    return cursor.rowcount > 0


def refresh_wishes_of(db: sqlite3.Connection, order_id: OrderId, now: datetime) -> None:
    """A hold decides which seats count: all wishes behind an order's seats are brought in line."""
    rows = db.execute(
        "SELECT DISTINCT lms, course_id, learner_key FROM entitlements WHERE order_id = ? AND learner_key <> ''",
        (order_id,),
    ).fetchall()
    for row in rows:
        refresh_wish(db, *_key_of(row), now)


def _decisions(
    db: sqlite3.Connection,
    order_id: OrderId,
    line_id: int,
    learner: LearnerKey | None,
    row: sqlite3.Row,
) -> Iterator[Decision]:
    """`line_id` 0 = all lines."""
    kind = row["kind"]
    if kind == REFUND_AMOUNT:
        for refund_id in _refunds_named(db, order_id, row["reason"]):
            yield Decision(cause=f"refund:{refund_id}", line_id=line_id)
    elif kind == SEATS_OVER:
        for seat in _seats_of(db, order_id, line_id, learner):
            yield Decision(cause="seats", line_id=line_id, seat=seat)
    elif kind != WITHDRAW_ASKED:
        yield Decision(cause=_BY_STATUS.get(kind, kind.removesuffix(_ASKED)), line_id=line_id)


def _refunds_named(db: sqlite3.Connection, order_id: OrderId, reason: str) -> list[int]:
    """The refunds of an order that the question is about: it names them, and perhaps other numbers too."""
    row = db.execute("SELECT refunds FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    known = [refund["id"] for refund in json.loads(row["refunds"])] if row is not None else []
    named = {int(number) for number in re.findall(r"[0-9]+", reason)}
    return [refund_id for refund_id in known if refund_id in named]


def _seats_of(
    db: sqlite3.Connection, order_id: OrderId, line_id: int, learner: LearnerKey | None
) -> list[int]:
    if learner is None:
        return []
    rows = db.execute(
        "SELECT DISTINCT seat FROM entitlements WHERE order_id = ? AND line_id = ? AND learner_key = ? AND live = 1",
        (order_id, line_id, key_in_use(db, learner)),
    ).fetchall()
    return [row["seat"] for row in rows]


def _can_be_allowed(row: sqlite3.Row) -> bool:
    return row["state"] in {State.DUE, State.LEASED} or row["outcome"] == "asked"


def _allow(db: sqlite3.Connection, key: Key, row: sqlite3.Row, now: datetime) -> None:
    state, stamp = State(row["state"]), render_instant(now)
    if state is State.SETTLED:
        state = next_state(state, Event.WISHED)
    db.execute(
        "UPDATE enrolments SET allowed_revision = revision, state = ?, next_attempt_at = iif(state = 'settled', ?, "
        "next_attempt_at), attempts = iif(state = 'settled', 0, attempts), outcome = iif(state = 'settled', '', "
        "outcome), changed_at = ? WHERE lms = ? AND course_id = ? AND learner_key = ?",
        (state.value, stamp, stamp, *key),
    )
    _answer(db, key)
    audit(db, "operator", "withdrawal_allowed", enrolment_subject(*key), "", now)
    note_orders_of(db, *key, now)


def _answer(db: sqlite3.Connection, key: Key) -> None:
    """Takes the question off the list for the lines that sold this, once none of their withdrawals asks any more."""
    db.execute(
        f"""DELETE FROM parked WHERE kind = '{WITHDRAW_ASKED}' AND (order_id, line_id) IN (
            SELECT order_id, line_id FROM entitlements WHERE lms = ? AND course_id = ? AND learner_key = ?)
        AND NOT EXISTS (
            SELECT 1 FROM entitlements AS s JOIN enrolments AS e USING (lms, course_id, learner_key)
            WHERE s.order_id = parked.order_id AND s.line_id = parked.line_id AND e.desired = 'out'
            AND e.state = 'settled' AND e.outcome = 'asked')""",
        key,
    )


def _key_of(row: sqlite3.Row) -> Key:
    return row["lms"], row["course_id"], row["learner_key"]
