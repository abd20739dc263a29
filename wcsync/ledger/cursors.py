"""How far each poller has read. Everything here runs inside the caller's transaction, if any."""

import sqlite3
from datetime import datetime

from wcsync.ledger.base import Cursor, CursorMove, Walk
from wcsync.ledger.rows import instant_of, text_of
from wcsync.ledger.wishes import audit
from wcsync.times import parse_instant, render_instant


def read(db: sqlite3.Connection, name: str) -> Cursor | None:
    row = db.execute("SELECT * FROM cursors WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    return Cursor(
        position=parse_instant(row["position"]),
        walk=_walk_of(row),
        polled_at=instant_of(row["polled_at"]),
    )


def start(db: sqlite3.Connection, name: str, position: datetime, now: datetime) -> None:
    cursor = db.execute(
        "INSERT INTO cursors (name, position) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        (name, render_instant(position)),
    )
    if cursor.rowcount:
        audit(db, "orders", "cursor_started", f"cursor {name}", render_instant(position), now)


def move(db: sqlite3.Connection, move: CursorMove, now: datetime) -> None:
    """Keeps a walk under way, or ends it and goes forward. A cursor never goes back."""
    walk = move.walk
    db.execute(
        "UPDATE cursors SET position = max(position, coalesce(:position, position)), walk_since = :since, "
        "walk_started_at = :started_at, walk_newest = :newest, walk_page = :page, walk_total = :total, "
        "polled_at = iif(:page IS NULL, :now, polled_at) WHERE name = :name",
        {
            "name": move.name,
            "position": text_of(move.position),
            "since": text_of(walk.since) if walk else None,
            "started_at": text_of(walk.started_at) if walk else None,
            "newest": text_of(walk.newest) if walk else None,
            "page": walk.page if walk else None,
            "total": walk.total if walk else None,
            "now": render_instant(now),
        },
    )


def _walk_of(row: sqlite3.Row) -> Walk | None:
    if row["walk_page"] is None:
        return None
    return Walk(
        since=parse_instant(row["walk_since"]),
        started_at=parse_instant(row["walk_started_at"]),
        page=row["walk_page"],
        newest=instant_of(row["walk_newest"]),
        total=row["walk_total"],
    )
