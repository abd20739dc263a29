"""How many withdrawals may be done without a person's word. A mass of them is stopped before its first: a bulk edit or
a broken answer of the shop is mended sooner than a school let in again.

Everything here runs inside the caller's transaction, if any.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from math import ceil
from types import MappingProxyType

from wcsync.health import CLOCKS_APART
from wcsync.ledger.base import FEW, Barred, Limits
from wcsync.ledger.rows import instant_of
from wcsync.ledger.sale_tables import M006_LEFT, M006_UNASKED
from wcsync.times import render_instant

LATELY = timedelta(hours=24)

WAITING = (
    f"enrolments INDEXED BY enrolments_leaving WHERE state IN ('due', 'leased') AND {M006_UNASKED} "
    "AND NOT (on_withdraw = '' AND lms IN (SELECT value FROM json_each(:sparing)))"
)
"""Withdrawals that the limits count and may stop, with `sparing_of` them."""
_DONE = f"enrolments INDEXED BY enrolments_left WHERE {M006_LEFT} AND applied_at > :since AND applied_at <= :ahead"
_INSIDE = "enrolments INDEXED BY enrolments_inside WHERE applied = 'in' AND ours = 1"
_WALKING = """
    SELECT 1 FROM cursors WHERE walk_page IS NOT NULL AND walk_started_at BETWEEN :since AND :ahead LIMIT 1
"""


def are_stopped(db: sqlite3.Connection, limits: Limits, now: datetime) -> bool:
    """Whether withdrawals that nobody asked for have to wait. Quick, however large the ledger is."""
    if not _waiting(db, limits, now, 1):
        return False
    if is_walking(db, now):
        return True
    ceiling = max(limits.most, FEW) + 1
    done, waiting = _count(db, _DONE, now, ceiling), _waiting(db, limits, now, ceiling)
    return _is_mass(limits, done + waiting, lambda enough: done + _count(db, _INSIDE, now, enough))


def _is_mass(limits: Limits, total: int, inside: Callable[[int], int]) -> bool:
    """`inside`: how many are or were in an LMS, asked only where the share decides, and counted to so many."""
    if total <= FEW or total > limits.most:
        return total > FEW
    return not limits.share or total > limits.share * inside(ceil(total / limits.share))


def is_walking(db: sqlite3.Connection, now: datetime) -> bool:
    """Whether a walk through one of the shop's lists is under way, which may show more of a mass. One that has not come
    to its end for a day (a page that the shop breaks down over, a plugin that was switched off) holds nothing up."""
    around = {"since": render_instant(now - LATELY), "ahead": render_instant(now + LATELY)}
    return db.execute(_WALKING, around).fetchone() is not None


def barred(db: sqlite3.Connection, limits: Limits, now: datetime) -> Barred | None:
    """The withdrawals that wait for a person's word; None while there are no more than the limits allow."""
    waiting, done = _waiting(db, limits, now), _count(db, _DONE, now)
    total, inside = waiting + done, _count(db, _INSIDE, now) + done
    if not waiting or not _is_mass(limits, total, lambda _enough: inside):
        return None
    return Barred(waiting=waiting, done=done, inside=inside)


def waiting_since(db: sqlite3.Connection, limits: Limits) -> datetime | None:
    """Since when the first of those waits that nobody said a word about; None if none waits."""
    row = db.execute(f"SELECT min(wished_at) FROM {WAITING}", sparing_of(limits.sparing)).fetchone()
    return instant_of(row[0])


def sparing_of(names: Collection[str]) -> dict[str, str]:
    return {"sparing": json.dumps(sorted(names))}


def _waiting(db: sqlite3.Connection, limits: Limits, now: datetime, most: int = -1) -> int:
    return _count(db, WAITING, now, most, sparing_of(limits.sparing))


def _count(
    db: sqlite3.Connection,
    which: str,
    now: datetime,
    most: int = -1,
    more: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """How many there are; up to `most` are counted."""
    row = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {which} LIMIT :most)",
        {
            "most": most,
            "since": render_instant(now - LATELY),
            "ahead": render_instant(now + CLOCKS_APART),
            **more,
        },
    ).fetchone()
    return int(row[0])
