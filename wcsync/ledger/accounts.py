"""How many accounts we made in each LMS: each may cost a licence. Inside the caller's transaction."""

import sqlite3
from datetime import datetime

from wcsync.ledger.base import AccountLimit, Claim
from wcsync.times import render_instant

ALL_TIME = "", "~"


def reserve(db: sqlite3.Connection, claim: Claim, limit: AccountLimit, now: datetime) -> datetime | None:
    """Counts an account that is about to be made: once for each learner, however often it is tried.

    None: there is room. Else when to ask again; an LMS whose total is reached is asked for each day, as somebody may
    have bought more.
    """
    if _is_counted(db, claim):
        return None
    day = render_instant(limit.day_began), render_instant(limit.next_day)
    if _is_full(db, claim.lms, ALL_TIME, limit.total) or _is_full(db, claim.lms, day, limit.per_day):
        return limit.next_day
    db.execute(
        "INSERT INTO new_accounts (lms, learner_key, at) VALUES (?, ?, ?)",
        (claim.lms, claim.learner_key, render_instant(now)),
    )
    return None


def _is_counted(db: sqlite3.Connection, claim: Claim) -> bool:
    row = db.execute(
        "SELECT 1 FROM new_accounts WHERE lms = ? AND learner_key = ?", (claim.lms, claim.learner_key)
    ).fetchone()
    return row is not None


def _is_full(db: sqlite3.Connection, lms: str, span: tuple[str, str], most: int | None) -> bool:
    """What a clock that was ahead dated belongs to its own day, and not to each one until then."""
    if most is None:
        return False
    row = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM new_accounts INDEXED BY new_accounts_lately "
        "WHERE lms = ? AND at >= ? AND at < ? LIMIT ?)",
        (lms, *span, most),
    ).fetchone()
    return bool(row[0] >= most)
