"""Single values that belong to a ledger as a whole. Everything here runs inside the caller's transaction, if any."""

import sqlite3


def read_fact(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def put_fact(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute(
        "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
