"""Opening the ledger's file and the one way to write to it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from wcsync.errors import ConfigError, Problem
from wcsync.ledger.schema import migrations

BUSY_TIMEOUT_MS = 10_000
"""How long a command waits for the daemon's transaction, and the other way round."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_size_limit = 4194304",
)


def prepare_file(path: Path) -> None:
    """Makes the ledger's file, readable by its owner alone, and brings its tables up to date. Safe to repeat.

    Raises ConfigError if the file cannot be used, with what to do about it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = connect(path)
    except OSError as exc:
        raise _unusable(path, f"cannot be opened ({exc.strerror})") from exc
    except sqlite3.DatabaseError as exc:
        raise _unusable(path, f"is not a ledger or is damaged ({exc})") from exc
    try:
        _migrate(path, connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the ledger's settings. Any thread may close it; only its own may use it."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction, taken at once: all of it is on disk afterwards, or none of it.

    A deferred BEGIN could fail half-way with SQLITE_BUSY_SNAPSHOT, which no busy time-out waits for.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    database = Database(connection)
    known = {migration.name for migration in migrations._migrations}  # noqa: SLF001  no public list
    unknown = [applied.name for applied in migrations.applied(database) if applied.name not in known]
    if unknown:
        raise _unusable(path, f"was written by a newer wcsync ({unknown[-1]})", "Install that version again.")
    try:
        migrations.apply(database)
    except sqlite3.DatabaseError as exc:
        raise _unusable(path, f"cannot be brought up to date ({exc})") from exc


def _unusable(path: Path, what: str, remedy: str = "") -> ConfigError:
    advice = remedy or (
        "Check [ledger] path in the config, the folder's owner and free space; restore a backup if it is damaged."
    )
    return ConfigError([Problem(where=str(path), message=f"the ledger {what}", remedy=advice)])
