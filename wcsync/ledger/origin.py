"""Whether a ledger is a copy: a backup, or one that was restored, behind which the world has gone on meanwhile.

Everything here runs inside the caller's transaction, if any.
"""

import json
import sqlite3
from datetime import datetime, timedelta

from wcsync.ledger.base import Origin
from wcsync.ledger.facts import read_fact
from wcsync.ledger.rows import instant_of
from wcsync.mappers.access import COMPLETED
from wcsync.mappers.notes import NOTE_CHANNEL
from wcsync.model import Order
from wcsync.retry import State
from wcsync.times import render_instant

REDOING = timedelta(days=30)
"""For so long after a restore people may be saying again what they had said between the backup and it."""

MARGIN = timedelta(hours=1)
"""An order that was changed so long before the backup may not be in it: the shop's clock is another, and each look at
the shop begins a little before the one that went before it."""

_KNOWN_TIMES = """
    SELECT max(at) FROM (SELECT max(at) AS at FROM audit WHERE id = (SELECT max(id) FROM audit)
    UNION ALL SELECT max(polled_at) FROM cursors UNION ALL SELECT max(changed_at) FROM outbox)
"""
# A sale that the lost ledger may have seen: of an order that is in the backup, or was changed after it was taken.
_MAY_BE_DONE = """
    SELECT 1 FROM entitlements AS s JOIN orders AS o USING (order_id)
    WHERE s.lms = :lms AND s.course_id = :course_id AND s.learner_key = :learner_key
    AND s.starts_at <= :restored_at AND (s.sold_at <= :taken_at
        OR o.modified_at >= :since) LIMIT 1
"""
_DOUBT = """
    UPDATE enrolments SET written = 1, sending_since = :restored_at
    WHERE lms = :lms AND course_id = :course_id AND learner_key = :learner_key
    AND applied <> 'in' AND state <> 'leased' AND written = 0
"""


def read(db: sqlite3.Connection) -> Origin | None:
    """None: this ledger never was a copy."""
    row = db.execute("SELECT taken_at, restored_at, caught_up_at FROM origin WHERE id = 1").fetchone()
    if row is None:
        return None
    taken_at, restored_at, caught_up_at = map(instant_of, tuple(row))
    assert taken_at is not None, tuple(row)
    return Origin(taken_at=taken_at, restored_at=restored_at, caught_up_at=caught_up_at)


def mark(db: sqlite3.Connection, taken_at: datetime) -> None:
    """This file is a copy from now on. What an earlier restore had not caught up with is still to be looked up."""
    known = read(db)
    if known is not None and known.caught_up_at is None:
        taken_at = min(taken_at, known.taken_at)
    db.execute("DELETE FROM origin")
    db.execute("INSERT INTO origin (id, taken_at) VALUES (1, ?)", (render_instant(taken_at),))


def newest(db: sqlite3.Connection) -> datetime | None:
    """The last moment at which this ledger was surely in use."""
    return instant_of(db.execute(_KNOWN_TIMES).fetchone()[0])


def begin(db: sqlite3.Connection, now: datetime) -> Origin | None:
    """A daemon begins to work on a copy: whatever was still to be done may be done by now.

    Walks that were under way begin anew, as their pages are others by now. Alerts that waited may have been told.
    None: it is no copy, or the work on it was begun before.
    """
    known = read(db)
    if known is None or known.restored_at is not None:
        return None
    stamp = render_instant(now)
    db.execute("UPDATE origin SET restored_at = ?", (stamp,))
    db.execute(
        "UPDATE enrolments SET written = 1, sending_since = max(coalesce(sending_since, ''), ?) "
        "WHERE state <> 'settled' AND (desired = 'in' OR written = 1) AND applied <> 'in'",
        (stamp,),
    )
    db.execute(
        "UPDATE enrolments SET sending_since = max(coalesce(sending_since, ''), ?), withdrawing = 1 "
        "WHERE state <> 'settled' AND applied = 'in' AND desired = 'out'",
        (stamp,),
    )
    db.execute(
        "UPDATE outbox SET state = ?, error = 'may have been sent before the ledger was restored', changed_at = ? "
        "WHERE state IN ('due', 'leased') AND channel <> ?",
        (State.SETTLED.value, stamp, NOTE_CHANNEL),
    )
    db.execute(
        "UPDATE outbox SET state = 'due', attempts = 0, sending_since = NULL WHERE state IN ('due', 'leased')"
    )
    db.execute(
        "UPDATE cursors SET walk_since = NULL, walk_started_at = NULL, walk_newest = NULL, walk_page = NULL, "
        "walk_total = NULL"
    )
    return Origin(taken_at=known.taken_at, restored_at=now)


def end(db: sqlite3.Connection, now: datetime) -> None:
    """All that came between the backup and the restore was looked up."""
    db.execute("UPDATE origin SET caught_up_at = ? WHERE restored_at IS NOT NULL", (render_instant(now),))


def waits_for_the_shop(db: sqlite3.Connection) -> bool:
    """Whether a restored ledger has yet to read what has become of the shop's orders: until then nothing is done on
    the word of the old ones."""
    row = db.execute(
        "SELECT 1 FROM origin WHERE id = 1 AND restored_at IS NOT NULL AND caught_up_at IS NULL AND NOT EXISTS "
        "(SELECT 1 FROM cursors WHERE name = 'orders' AND polled_at >= restored_at)"
    ).fetchone()
    return row is not None


def doubt(db: sqlite3.Connection, key: tuple[str, str, str], now: datetime) -> None:
    """After a wish was made or changed: where the lost ledger may have carried it out, a call for it counts as sent and
    not answered. What is found of it is then ours, what is not found is believed only once none can come late, and
    what is to be taken back is looked for."""
    known = read(db)
    if known is None or known.restored_at is None or now > known.restored_at + REDOING:
        return
    values = {
        "lms": key[0],
        "course_id": key[1],
        "learner_key": key[2],
        "taken_at": render_instant(known.taken_at),
        "restored_at": render_instant(known.restored_at),
        "since": render_instant(known.taken_at - MARGIN),
    }
    if db.execute(_MAY_BE_DONE, values).fetchone() is not None:
        db.execute(_DOUBT, values)


def may_have_sold(db: sqlite3.Connection, order: Order) -> bool:
    """Whether the lost ledger may have sold an order that this one reads as given back already."""
    known = read(db)
    if known is None or known.restored_at is None or order.modified_at < known.taken_at - MARGIN:
        return False
    earlier = json.loads(read_fact(db, "paid_statuses") or "[]")
    sold_at = order.completed_at or (order.paid_at if set(earlier) - {COMPLETED} else None)
    return sold_at is not None and sold_at <= known.restored_at
