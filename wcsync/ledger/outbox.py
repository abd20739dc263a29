"""Things to say once: made in the transaction that causes them, claimed and settled like enrolments.

Everything here runs inside the caller's transaction.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from wcsync.health import CLOCKS_APART
from wcsync.ledger import origin
from wcsync.ledger.base import LONGEST_WAIT, Deferral
from wcsync.ledger.facts import put_fact, read_fact
from wcsync.ledger.leases import give_back
from wcsync.ledger.rows import instant_of, plain, text_of
from wcsync.model import Message
from wcsync.retry import Event, State, next_state
from wcsync.times import parse_instant, render_instant

CHANNELS = "channels"
"""The fact that names the channels wanted."""

_OLDEST_DUE = """
    SELECT * FROM outbox AS due INDEXED BY outbox_due
    WHERE state = 'due' AND channel = :channel AND next_attempt_at <= :now AND NOT EXISTS (
        SELECT 1 FROM outbox AS first INDEXED BY outbox_of_subject WHERE first.channel = due.channel
        AND first.subject = due.subject AND first.number < due.number AND first.state IN ('due', 'leased'))
    ORDER BY next_attempt_at LIMIT 1
"""


def record_channels(db: sqlite3.Connection, channels: Sequence[str], now: datetime) -> None:
    wanted = sorted(set(channels))
    put_fact(db, CHANNELS, json.dumps(wanted))
    marks = ", ".join("?" * len(wanted))
    db.execute(
        "UPDATE outbox SET state = ?, error = 'the channel was switched off', changed_at = ? "
        f"WHERE state = 'due' AND channel NOT IN ({marks})",
        (next_state(State.DUE, Event.MOOT).value, render_instant(now), *wanted),
    )


def wanted_channels(db: sqlite3.Connection) -> frozenset[str]:
    return frozenset(json.loads(read_fact(db, CHANNELS) or "[]"))


def take_back_unsent(db: sqlite3.Connection, channel: str, subject: str) -> None:
    """Messages about a subject that nobody tried to send yet are overtaken by newer news."""
    db.execute(
        "DELETE FROM outbox WHERE channel = ? AND subject = ? AND state = 'due' AND attempts = 0 "
        "AND sending_since IS NULL",
        (channel, subject),
    )


def said_last(db: sqlite3.Connection, channel: str, subject: str) -> str | None:
    """The payload of the newest message about a subject; None if there never was one."""
    row = db.execute(
        "SELECT payload FROM outbox WHERE channel = ? AND subject = ? ORDER BY number DESC LIMIT 1",
        (channel, subject),
    ).fetchone()
    return None if row is None else str(row["payload"])


def digests_of(db: sqlite3.Connection, channel: str, subject: str) -> frozenset[str]:
    """Of all messages that were ever made about a subject."""
    rows = db.execute(
        "SELECT digest FROM outbox WHERE channel = ? AND subject = ?", (channel, subject)
    ).fetchall()
    return frozenset(row["digest"] for row in rows)


def queue(
    db: sqlite3.Connection, channel: str, subject: str, *, payload: str, digest: str, now: datetime
) -> None:
    """Makes the next message about a subject, due at once."""
    row = db.execute(
        "SELECT coalesce(max(number), 0) FROM outbox WHERE channel = ? AND subject = ?", (channel, subject)
    ).fetchone()
    number, stamp = row[0] + 1, render_instant(now)
    db.execute(
        "INSERT INTO outbox (key, channel, payload, state, attempts, next_attempt_at, lease, sending_since, error, "
        "changed_at, subject, number, digest, created_at) VALUES (?, ?, ?, 'due', 0, ?, 0, NULL, '', ?, ?, ?, ?, ?)",
        (f"{channel}/{subject}/{number}", channel, payload, stamp, stamp, subject, number, digest, stamp),
    )


def something_due(db: sqlite3.Connection, channel: str, now: datetime) -> bool:
    """A cheap look without a write transaction."""
    row = db.execute(
        "SELECT 1 FROM outbox WHERE state = 'due' AND channel = ? AND next_attempt_at <= ? LIMIT 1",
        (channel, render_instant(now)),
    ).fetchone()
    return row is not None


def claim(db: sqlite3.Connection, channel: str, now: datetime) -> Message | None:
    row = db.execute(_OLDEST_DUE, {"channel": channel, "now": render_instant(now)}).fetchone()
    if row is None or origin.waits_for_the_shop(db):
        return None
    state = next_state(State(row["state"]), Event.CLAIMED)
    db.execute(
        "UPDATE outbox SET state = ?, lease = lease + 1, attempts = attempts + 1, sending_since = ?, changed_at = ? "
        "WHERE key = ?",
        (state.value, render_instant(now), render_instant(now), row["key"]),
    )
    return Message(
        key=row["key"],
        channel=channel,
        subject=row["subject"],
        digest=row["digest"],
        payload=row["payload"],
        created_at=parse_instant(row["created_at"]),
        attempts=row["attempts"] + 1,
        lease=row["lease"] + 1,
        sending_since=parse_instant(render_instant(now)),
        open_since=_not_after(instant_of(row["sending_since"]), now),
    )


def record_sending(db: sqlite3.Connection, message: Message, now: datetime) -> bool:
    return _update(db, message, "sending_since = :now", {"now": render_instant(now)})


def settle_sent(db: sqlite3.Connection, message: Message, now: datetime) -> bool:
    values = {"state": next_state(State.LEASED, Event.APPLIED).value, "now": render_instant(now)}
    return _update(db, message, "state = :state, sending_since = NULL, error = '', changed_at = :now", values)


def settle_deferred(db: sqlite3.Connection, message: Message, deferral: Deferral, now: datetime) -> bool:
    return _update(
        db,
        message,
        "state = :state, attempts = max(attempts - :uncounted, 0), sending_since = :open_since, "
        "next_attempt_at = :retry_at, error = :reason, changed_at = :now",
        {
            "state": next_state(State.LEASED, Event.DEFERRED).value,
            "uncounted": int(not deferral.counted),
            "open_since": text_of(deferral.open_since),
            "retry_at": render_instant(deferral.retry_at),
            "reason": plain(deferral.reason),
            "now": render_instant(now),
        },
    )


def settle_dead(db: sqlite3.Connection, message: Message, reason: str, now: datetime) -> bool:
    values = {"state": next_state(State.LEASED, Event.GAVE_UP).value, "reason": plain(reason)}
    return _update(
        db,
        message,
        "state = :state, error = :reason, changed_at = :now",
        {**values, "now": render_instant(now)},
    )


def recover(db: sqlite3.Connection, claimed_before: datetime, now: datetime) -> int:
    """Gives back leases as `give_back` says. What
    a clock that was ahead put off is due at once: it would hold up all that comes after it about the same subject."""
    given_back = give_back(db, "outbox", claimed_before, now)
    db.execute(
        "UPDATE outbox SET next_attempt_at = :now WHERE state = 'due' AND next_attempt_at > :now "
        "AND (next_attempt_at > :longest OR changed_at > :ahead)",
        {
            "now": render_instant(now),
            "longest": render_instant(now + LONGEST_WAIT),
            "ahead": render_instant(now + CLOCKS_APART),
        },
    )
    return given_back


def _not_after(instant: datetime | None, now: datetime) -> datetime | None:
    """Where the clock was set back, how long ago that instant was is not known: it is counted from now."""
    return None if instant is None else min(instant, parse_instant(render_instant(now)))


def _update(db: sqlite3.Connection, message: Message, assignments: str, values: Mapping[str, object]) -> bool:
    cursor = db.execute(
        f"UPDATE outbox SET {assignments} WHERE key = :key AND state = 'leased' AND lease = :lease",
        {**values, "key": message.key, "lease": message.lease},
    )
    return cursor.rowcount == 1
