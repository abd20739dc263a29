"""What people decide about an order: to end something, to let a withdrawal be done, to leave the order alone.

Everything here runs inside the caller's transaction; whoever changes what an order means plans it anew afterwards.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from wcsync.ledger.aliases import key_in_use
from wcsync.ledger.order_rows import parse_refunds
from wcsync.ledger.parking import WITHDRAW_ASKED
from wcsync.ledger.rows import plain
from wcsync.ledger.wishes import audit
from wcsync.mappers.addresses import blot_addresses
from wcsync.mappers.taking_back import REMOVED, SEATS, TRASH, cause_of
from wcsync.model import LearnerKey, LineId, OrderId
from wcsync.sale import DELETED, Decision
from wcsync.times import render_instant

SEATS_OVER = "seats_over"
REFUND_AMOUNT = "refund_amount"
_BY_KIND = {"trashed": TRASH, "deleted": DELETED, "line_removed": REMOVED}
_ASKED = "_asked"

Key = tuple[str, str, str]

_QUESTIONS = """
    SELECT line_id, kind, reason FROM parked WHERE order_id = :order_id AND (
        kind IN ('trashed', 'deleted', 'refund_amount', 'seats_over', 'line_removed')
        OR kind LIKE '%\\_asked' ESCAPE '\\')
    AND (:line_id IS NULL OR line_id IN (0, :line_id)) ORDER BY line_id, kind
"""
_HELD_BACK = "SELECT 1 FROM audit WHERE subject = ? AND action = 'held_back' AND at >= ? LIMIT 1"
_ONE_MORE_REASON = "UPDATE holds SET reason = iif(reason = '', '', reason || '; ') || ? WHERE order_id = ?"
_LIVE = "SELECT count(*) FROM entitlements WHERE order_id = ? AND live = 1"


def questions(
    db: sqlite3.Connection, order_id: OrderId, line_id: LineId | None, learner: LearnerKey | None
) -> list[sqlite3.Row]:
    """What is asked about an order that "end it" answers, also what a person took off the list. Whoever names a
    learner answers nothing else than whose seat goes."""
    rows = db.execute(_QUESTIONS, {"order_id": order_id, "line_id": line_id}).fetchall()
    return [row for row in rows if learner is None or row["kind"] == SEATS_OVER]


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
        audit(db, "operator", "end_decided", f"order {order_id}", _rendered(one), now)
    return made


def forget_outlived(
    db: sqlite3.Connection, order_id: OrderId, decisions: Iterable[Decision], now: datetime
) -> None:
    """What the shop took back since is asked again the next time it comes up."""
    for one in decisions:
        db.execute(
            "DELETE FROM decisions WHERE order_id = ? AND line_id = ? AND seat = ? AND cause = ?",
            (order_id, one.line_id, one.seat, one.cause),
        )
        audit(db, "orders", "end_outlived", f"order {order_id}", _rendered(one), now)


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
    return {key_of(row) for row in rows}


def hold(db: sqlite3.Connection, order_id: OrderId, reason: str, now: datetime) -> bool:
    held = _hold(db, order_id, reason, now)
    if held:
        audit(db, "operator", "held", f"order {order_id}", "", now)
    return held


def hold_back(db: sqlite3.Connection, order_id: OrderId, reason: str, since: datetime, now: datetime) -> bool:
    """Holds an order without a person's word, unless that was done before from `since` on. A person's hold goes on, for
    this reason too."""
    if db.execute(_HELD_BACK, (f"order {order_id}", render_instant(since))).fetchone() is not None:
        return False
    if not _hold(db, order_id, reason, now):
        db.execute(_ONE_MORE_REASON, (plain(blot_addresses(reason)), order_id))
    audit(db, "orders", "held_back", f"order {order_id}", "", now)
    return True


def release(db: sqlite3.Connection, order_id: OrderId, now: datetime) -> bool:
    cursor = db.execute("DELETE FROM holds WHERE order_id = ?", (order_id,))
    if cursor.rowcount:
        audit(db, "operator", "released", f"order {order_id}", "", now)
    return cursor.rowcount > 0


def _hold(db: sqlite3.Connection, order_id: OrderId, reason: str, now: datetime) -> bool:
    cursor = db.execute(
        "INSERT INTO holds (order_id, reason, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (order_id, plain(blot_addresses(reason)), render_instant(now)),
    )
    return cursor.rowcount > 0


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
            yield Decision(cause=cause_of(refund_id), line_id=line_id)
    elif kind == SEATS_OVER:
        for seat in _seats_of(db, order_id, line_id, learner):
            yield Decision(cause=SEATS, line_id=line_id, seat=seat)
    elif kind != WITHDRAW_ASKED:
        yield Decision(cause=_BY_KIND.get(kind, kind.removesuffix(_ASKED)), line_id=line_id)


def _rendered(one: Decision) -> str:
    line = f", line {one.line_id}" if one.line_id else ""
    return one.cause + line + (f", seat {one.seat}" if one.seat else "")


def _refunds_named(db: sqlite3.Connection, order_id: OrderId, reason: str) -> list[int]:
    """The refunds of an order that the question is about: it names them, and perhaps other numbers too."""
    row = db.execute("SELECT refunds FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    known = [refund.refund_id for refund in parse_refunds(row["refunds"])] if row is not None else []
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


def key_of(row: sqlite3.Row) -> Key:
    """Which enrolment a row is about."""
    return row["lms"], row["course_id"], row["learner_key"]
