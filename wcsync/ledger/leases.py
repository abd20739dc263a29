"""Leases that nobody will settle. Everything here runs inside the caller's transaction."""

import sqlite3
from datetime import datetime
from typing import Literal

from wcsync.retry import Event, State, next_state
from wcsync.times import render_instant


def give_back(
    db: sqlite3.Connection, table: Literal["enrolments", "outbox"], claimed_before: datetime, now: datetime
) -> int:
    """Makes rows due whose lease was taken before that instant, or is dated later than any clock of ours can have
    meant. Returns how many. `sending_since` stays: whether the call of whoever held the lease took effect is not
    known. Leases given back while their holders may still live are as if sent now: a machine that stood still goes on
    where it stood, and so does a call that was just about to be made."""
    cursor = db.execute(
        f"UPDATE {table} SET state = :state, lease = lease + 1, next_attempt_at = :now, changed_at = :now, "
        "sending_since = iif(:beside AND sending_since IS NOT NULL, :now, sending_since) "
        "WHERE state = 'leased' AND (changed_at <= :claimed_before OR changed_at > :too_late)",
        {
            "state": next_state(State.LEASED, Event.RECOVERED).value,
            "now": render_instant(now),
            "beside": int(claimed_before < now),
            "claimed_before": render_instant(claimed_before),
            "too_late": render_instant(now + (now - claimed_before)),
        },
    )
    return cursor.rowcount
