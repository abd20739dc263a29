"""Taking a person's address and names out of the ledger, and every copy of them out of its file."""

import json
import re
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from wcsync.ledger.aliases import all_keys_of, marks
from wcsync.ledger.desk import Trace
from wcsync.ledger.wishes import audit
from wcsync.mappers.addresses import blot_addresses
from wcsync.model import CourseId, LearnerKey, LmsName, OrderId
from wcsync.times import render_instant

_BLANK = """
    UPDATE learners SET email = '', first_name = '', last_name = '', language = '', fields = '[]',
    erased_at = ?, changed_at = ? WHERE learner_key = ? AND erased_at IS NULL
"""
_ORDERS = """
    SELECT order_id FROM orders WHERE learner_key IN ({0}) OR {1}
    UNION SELECT order_id FROM entitlements WHERE learner_key IN ({0})
    UNION SELECT order_id FROM order_lines WHERE {1} ORDER BY order_id
"""
_ENROLMENTS = """
    SELECT lms, course_id, desired, state FROM enrolments WHERE learner_key IN ({0}) ORDER BY lms, course_id
"""
_ACCOUNTS = "SELECT DISTINCT lms, user_id FROM accounts WHERE learner_key IN ({0}) ORDER BY lms, user_id"
_IDLE = """
    SELECT learner_key FROM learners WHERE erased_at IS NULL AND changed_at < :since
    AND learner_key NOT IN (SELECT learner_key FROM orders WHERE modified_at >= :since OR read_at >= :since)
    AND learner_key NOT IN (
        SELECT learner_key FROM entitlements AS seat WHERE live = 1 AND NOT EXISTS (
            SELECT 1 FROM enrolments AS past WHERE past.lms = seat.lms AND past.course_id = seat.course_id
            AND past.learner_key = seat.learner_key AND past.desired = 'out' AND past.cause = 'expired'))
    AND learner_key NOT IN (
        SELECT learner_key FROM enrolments
        WHERE desired = 'in' OR state IN ('due', 'leased') OR changed_at >= :since)
    AND learner_key NOT IN (SELECT new_key FROM aliases WHERE at >= :since)
    AND learner_key NOT IN (SELECT old_key FROM aliases WHERE at >= :since)
"""
_TEXTS = (
    ("enrolments", "error", "lms, course_id, learner_key"),
    ("parked", "reason", "order_id, line_id, kind"),
    ("holds", "reason", "order_id"),
    ("outbox", "payload", "key"),
    ("outbox", "error", "key"),
    ("troubles", "title", "key, occurrence"),
    ("troubles", "detail", "key, occurrence"),
    ("services", "reason", "name"),
)
"""Columns that hold what others said: no address belongs there, and whoever asks to be forgotten is not to depend on
that. With the key of their tables."""


def trace(db: sqlite3.Connection, key: LearnerKey) -> Trace | None:
    """What is known of the person that this learner is."""
    keys = all_keys_of(db, key)
    orders = _orders_of(db, keys)
    people = _select(db, "SELECT email, first_name, last_name FROM learners WHERE learner_key IN ({0})", keys)
    if not orders and not people:
        return None
    enrolments = _select(db, _ENROLMENTS, keys)
    return Trace(
        keys=keys,
        known=any(any(row) for row in people),
        orders=orders,
        accounts=tuple((LmsName(row["lms"]), str(row["user_id"])) for row in _select(db, _ACCOUNTS, keys)),
        live=_places([row for row in enrolments if row["desired"] == "in"]),
        waiting=_places([row for row in enrolments if row["state"] in {"due", "leased"}]),
    )


def forget(db: sqlite3.Connection, keys: Sequence[LearnerKey], email: str, now: datetime) -> int:
    """Blanks these, who are one person. Returns how many were not blank before."""
    addresses = {
        row["email"] for row in _select(db, "SELECT email FROM learners WHERE learner_key IN ({0})", keys)
    }
    for address in sorted({email.strip(), *addresses} - {""}):
        _blot(db, address)
    return sum(_blank(db, key, "operator", now) for key in keys)


def idle(db: sqlite3.Connection, since: datetime) -> list[LearnerKey]:
    """Everybody who has had no live access, no order and nothing under way since then, and is not blank."""
    rows = db.execute(_IDLE, {"since": render_instant(since)}).fetchall()
    return [LearnerKey(row["learner_key"]) for row in rows]


def blank(db: sqlite3.Connection, keys: Sequence[LearnerKey], now: datetime) -> int:
    """As `forget`, because the retention time is over."""
    return sum(_blank(db, key, "retention", now) for key in keys)


def wipe(db: sqlite3.Connection) -> bool:
    """Outside of any transaction. What SQLite freed may keep its bytes: only a file that is written anew holds no copy.

    Others may go on reading and writing, and wait while this lasts. https://www.sqlite.org/lang_vacuum.html
    """
    try:
        db.execute("VACUUM")
        return truncate_log(db)
    except sqlite3.OperationalError:  # somebody wrote all the time, or the disk has no room for a second file
        return False


def truncate_log(db: sqlite3.Connection) -> bool:
    """Whether the write-ahead log is empty now: it holds what pages said before. Waits for readers for a while."""
    busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def _blank(db: sqlite3.Connection, key: LearnerKey, actor: str, now: datetime) -> int:
    stamp = render_instant(now)
    blanked = db.execute(_BLANK, (stamp, stamp, key)).rowcount
    if blanked:
        audit(db, actor, "forgotten", f"learner {key}", "", now)
    return blanked


def _blot(db: sqlite3.Connection, address: str) -> None:
    """Takes an address out of every text that came from elsewhere, also as JSON writes it."""
    for written in dict.fromkeys((address, json.dumps(address)[1:-1])):
        for table, column, key in _TEXTS:
            if column != "payload" or "@" in address:  # JSON holds words and quotes for reasons of its own
                _blot_column(db, written, table, column, key)


def _blot_column(db: sqlite3.Connection, address: str, table: str, column: str, key: str) -> None:
    rows = db.execute(
        f"SELECT {key}, {column} AS text FROM {table} WHERE instr(lower({column}), lower(?))", (address,)
    ).fetchall()
    names = key.split(", ")
    where = " AND ".join(f"{name} = ?" for name in names)
    db.executemany(
        f"UPDATE {table} SET {column} = ? WHERE {where}",
        [(_without(row["text"], address), *(row[name] for name in names)) for row in rows],
    )


def _without(text: str, address: str) -> str:
    """Also where the address is none that `blot_addresses` knows as one."""
    return re.sub(re.escape(address), "[address]", blot_addresses(text), flags=re.IGNORECASE)


def _orders_of(db: sqlite3.Connection, keys: Sequence[LearnerKey]) -> tuple[OrderId, ...]:
    """Those they bought, those they learn by, and those that name them."""
    named = " OR ".join("instr(learners, ?)" for _ in keys)
    sql = _ORDERS.format(marks(keys), named)
    return tuple(OrderId(row["order_id"]) for row in db.execute(sql, (*keys, *keys, *keys, *keys)).fetchall())


def _select(db: sqlite3.Connection, sql: str, keys: Sequence[LearnerKey]) -> list[sqlite3.Row]:
    return db.execute(sql.format(marks(keys)), tuple(keys)).fetchall()


def _places(rows: Sequence[sqlite3.Row]) -> tuple[tuple[LmsName, CourseId], ...]:
    return tuple(dict.fromkeys((LmsName(row["lms"]), CourseId(row["course_id"])) for row in rows))
