"""The shop and the LMSs: who they are and how they do. Everything here runs inside the caller's transaction, if any."""

import sqlite3
from datetime import datetime

from wcsync.health import Condition, Health
from wcsync.ledger.base import Known
from wcsync.ledger.rows import health_of, instant_of, plain, text_of
from wcsync.ledger.wishes import audit
from wcsync.times import render_instant


def read(db: sqlite3.Connection, name: str, now: datetime) -> Known:
    row = db.execute("SELECT * FROM services WHERE name = ?", (name,)).fetchone()
    if row is None:
        return Known(identity="", health=Health(condition=Condition.UP, since=now), checked_at=None)
    return Known(
        identity=row["identity"],
        health=health_of(row),
        checked_at=instant_of(row["checked_at"]),
        zone=row["zone"],
    )


def record_identity(
    db: sqlite3.Connection, name: str, identity: str, title: str, now: datetime, *, zone: str
) -> None:
    known = read(db, name, now)
    db.execute(
        "INSERT INTO services (name, identity, title, condition, since, failures, reason, checked_at, zone) "
        "VALUES (:name, :identity, :title, 'up', :now, 0, '', :now, :zone) ON CONFLICT (name) DO UPDATE SET "
        "identity = :identity, title = :title, checked_at = :now, zone = iif(:zone = '', zone, :zone)",
        {"name": name, "identity": identity, "title": title, "now": render_instant(now), "zone": zone},
    )
    if known.identity != identity:
        db.execute("DELETE FROM accounts WHERE lms = ?", (name,))
        actor = "operator" if known.identity else "daemon"
        audit(db, actor, "service_accepted", f"service {name}", identity, now)


def record_health(db: sqlite3.Connection, name: str, health: Health) -> None:
    db.execute(
        "INSERT INTO services (name, identity, title, condition, since, failures, retry_at, reason) "
        "VALUES (:name, '', '', :condition, :since, :failures, :retry_at, :reason) "
        "ON CONFLICT (name) DO UPDATE SET condition = :condition, since = :since, failures = :failures, "
        "retry_at = :retry_at, reason = :reason",
        {
            "name": name,
            "condition": health.condition.value,
            "since": render_instant(health.since),
            "failures": health.failures,
            "retry_at": text_of(health.retry_at),
            "reason": plain(health.reason),
        },
    )
