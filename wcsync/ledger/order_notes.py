"""What each order's note has to say, and when there is news. Everything here runs inside the caller's transaction."""

import sqlite3
from collections.abc import Collection, Iterator
from datetime import datetime

from wcsync.ledger.outbox import digests_of, queue, said_last, take_back_unsent, wanted_channels
from wcsync.ledger.parking import FOUND_ENROLMENT, WITHDRAW_ASKED
from wcsync.mappers.notes import (
    NOTE_CHANNEL,
    UNDER_WAY,
    Fate,
    NoteLine,
    digest_note,
    dump_lines,
    parse_lines,
    same_news,
)
from wcsync.model import Desired, LearnerKey, OrderId, Outcome
from wcsync.retry import State
from wcsync.sale import Cause
from wcsync.times import render_instant

OPEN_SEATS = "open_seats"
"""The kind of parked entries that a plan makes of seats which nobody has."""

_SEATS = """
    SELECT s.lms, s.course_id, s.learner_key, s.live, s.relinked, substr(l.name, 1, 500) AS name,
        e.state, e.desired, e.applied, e.outcome, e.error, e.ours, e.cause
    FROM entitlements AS s JOIN enrolments AS e USING (lms, course_id, learner_key)
    LEFT JOIN order_lines AS l USING (order_id, line_id)
    WHERE s.order_id = ? ORDER BY s.line_id, s.seat, s.lms, s.course_id
"""
_PARKED = """
    SELECT p.line_id, p.kind, p.reason, substr(l.name, 1, 500) AS name, o.number
    FROM parked AS p LEFT JOIN order_lines AS l USING (order_id, line_id) LEFT JOIN orders AS o USING (order_id)
    WHERE p.order_id = ? AND p.dropped_at IS NULL AND p.kind NOT IN (?, ?) ORDER BY p.line_id, p.kind
"""
_ORDERS_OF_ENROLMENT = (
    "SELECT DISTINCT order_id FROM entitlements WHERE lms = ? AND course_id = ? AND learner_key = ?"
)
_WAITING = """
    SELECT DISTINCT s.order_id FROM enrolments AS e INDEXED BY enrolments_waiting
    JOIN entitlements AS s USING (lms, course_id, learner_key)
    WHERE e.state IN ('due', 'leased') AND e.wished_at <= ? AND e.applied <> 'in' AND s.live = 1
"""


def note_orders_of(db: sqlite3.Connection, lms: str, course_id: str, learner_key: str, now: datetime) -> None:
    """An enrolment was settled: the orders behind it may have news."""
    if NOTE_CHANNEL in wanted_channels(db):
        for row in db.execute(_ORDERS_OF_ENROLMENT, (lms, course_id, learner_key)).fetchall():
            _note(db, row["order_id"], now, waiting=False)


def note_order(db: sqlite3.Connection, order_id: int, now: datetime) -> None:
    """An order was read: it may have news at once, where nothing has to be done for it."""
    if NOTE_CHANNEL in wanted_channels(db):
        _note(db, order_id, now, waiting=False)


def note_waiting(db: sqlite3.Connection, wished_before: datetime, now: datetime) -> int:
    """Orders that wait since before that instant are told so, once. Returns how many were told now."""
    if NOTE_CHANNEL not in wanted_channels(db):
        return 0
    rows = db.execute(_WAITING, (render_instant(wished_before),)).fetchall()
    return sum(_note(db, row["order_id"], now, waiting=True) for row in rows)


def _note(db: sqlite3.Connection, order_id: int, now: datetime, *, waiting: bool) -> bool:
    """Queues a note if it would tell something that the one before it did not. While something of the order is
    still to be done it says nothing, unless that takes long (`waiting`)."""
    lines = tuple(dict.fromkeys([*_seats(db, order_id), *_parked(db, order_id)]))
    if not waiting and any(line.fate in UNDER_WAY for line in lines):
        return False
    subject, payload = f"order {order_id}", dump_lines(lines)
    if said_last(db, NOTE_CHANNEL, subject) == payload:
        return False
    take_back_unsent(db, NOTE_CHANNEL, subject)
    before = said_last(db, NOTE_CHANNEL, subject)
    known = set(parse_lines(before) if before is not None else ())
    if all(_is_told(line, known) for line in lines):
        return False
    if before is None and all(line.fate is Fate.CALLED_OFF for line in lines):
        return False
    queue(db, NOTE_CHANNEL, subject, payload=payload, digest=digest_note(subject, lines), now=now)
    return True


def read_digests(db: sqlite3.Connection, order_id: OrderId) -> frozenset[str]:
    return digests_of(db, NOTE_CHANNEL, f"order {order_id}")


def _is_told(line: NoteLine, known: Collection[NoteLine]) -> bool:
    """Also a seat that had ended is no news again because a later order lets the learner in."""
    return any(told in known for told in same_news(line))


def _seats(db: sqlite3.Connection, order_id: int) -> Iterator[NoteLine]:
    for row in db.execute(_SEATS, (order_id,)).fetchall():
        fate, reason = _fate(row)
        if fate is not None:
            yield NoteLine(
                fate=fate,
                product=row["name"] or "",
                place=f"{row['lms']}, course {row['course_id']}",
                learner_key=LearnerKey(row["learner_key"]),
                reason=reason,
            )


def _parked(db: sqlite3.Connection, order_id: int) -> Iterator[NoteLine]:
    """What the seats do not tell themselves."""
    for row in db.execute(_PARKED, (order_id, FOUND_ENROLMENT, WITHDRAW_ASKED)).fetchall():
        fate, reason = Fate.PARKED, row["reason"]
        if row["kind"] == OPEN_SEATS:
            command = f"wcsync parked assign {row['number']} {row['line_id']} EMAIL"
            fate, reason = Fate.OPEN, f"{reason}: `{command}`"
        yield NoteLine(fate=fate, product=row["name"] or "", reason=reason)


def _fate(row: sqlite3.Row) -> tuple[Fate | None, str]:
    """What became of a seat, and why; None where there is nothing to tell."""
    if row["desired"] == Desired.IN:
        return _fate_of_wanted(row) if row["live"] else _fate_of_covered(row)
    return _fate_of_ended(row)


def _fate_of_wanted(row: sqlite3.Row) -> tuple[Fate | None, str]:
    inside = row["applied"] == Desired.IN
    match State(row["state"]):
        case State.DUE | State.LEASED:
            return (Fate.CHANGES if inside else Fate.WAITS), ""
        case State.DEAD:
            return (Fate.NOT_CHANGED if inside else Fate.GAVE_UP), row["error"]
    if row["outcome"] == "dropped":
        return Fate.DEALT_WITH, ""
    if row["relinked"] and inside:
        return Fate.MOVED, f"{row['relinked']} times" if row["relinked"] > 1 else ""
    return (Fate.ENROLLED, "") if inside else (None, "")


def _fate_of_covered(row: sqlite3.Row) -> tuple[Fate | None, str]:
    """The seat has ended, but another one keeps the learner in."""
    return (Fate.STAYS, "another paid order covers it") if row["applied"] == Desired.IN else (None, "")


def _fate_of_ended(row: sqlite3.Row) -> tuple[Fate | None, str]:
    match State(row["state"]):
        case State.DUE | State.LEASED:
            return Fate.ENDING, ""
        case State.DEAD:
            return Fate.NOT_ENDED, row["error"]
    if row["outcome"] in _PUT_OUT:
        return _fate_of_gone(row)
    if row["outcome"] == "" and row["cause"] == Cause.EXPIRED:
        return Fate.TOO_LATE, ""
    if row["outcome"] == "kept" and row["ours"]:
        return Fate.STAYS, "it was sold so (on_withdraw)"
    return _ENDED_OTHERWISE.get(row["outcome"], (None, ""))


def _fate_of_gone(row: sqlite3.Row) -> tuple[Fate | None, str]:
    if row["applied"] != Desired.OUT:
        return None, ""
    if row["cause"] == Cause.EXPIRED:
        return Fate.EXPIRED, ""
    return (Fate.SUSPENDED if row["outcome"] == Outcome.SUSPENDED else Fate.ENDED), ""


_PUT_OUT = frozenset({Outcome.REMOVED, Outcome.ABSENT, Outcome.SUSPENDED, Outcome.EXPIRED})
_ENDED_OTHERWISE: dict[str, tuple[Fate, str]] = {
    "": (Fate.CALLED_OFF, ""),
    "dropped": (Fate.DEALT_WITH, ""),
    "asked": (Fate.ASKED, ""),
    "kept": (Fate.STAYS, "the learner was in the course before wcsync enrolled anybody there"),
}
"""By the outcome of the enrolment; '' where nothing was ever done."""
