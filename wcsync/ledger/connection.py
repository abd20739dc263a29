"""Opening the ledger's file and the one way to write to it."""

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from wcsync.errors import ConfigError, PassingTrouble, Problem
from wcsync.ledger.schema import migrations
from wcsync.rights import with_rights

BUSY_TIMEOUT_MS = 10_000
"""How long a command waits for the daemon's transaction, and the other way round."""

CACHE_KIB = 256
"""Each connection's own cache of pages; a daemon has one for each of its threads. SQLite's own measure, 2 MB, has them
grow with the ledger to 2 MB times the threads. What one thread writes empties the others' caches, so that more of it
hardly saves a read."""

_PASSING_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
    }
)
_PASSING_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE}
)

_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA secure_delete = ON",  # what is blanked or deleted is not to stay in the file
    f"PRAGMA cache_size = -{CACHE_KIB}",
)


def prepare_file(path: Path) -> None:
    """Makes the ledger's file, readable by its owner alone, and brings its tables up to date. Safe to repeat, also by
    several processes at once.

    Raises ConfigError if the file cannot be used, with what to do about it; PassingTrouble if it may be used later.
    """
    if os.path.lexists(path) and not path.exists():
        raise _leads_nowhere(path)
    try:
        with _one_at_a_time(path.parent):
            _make(path)
            _close_to_others(path)
            with closing(connect(path)) as connection:
                migrate(path, connection)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except OSError as exc:
        raise unusable(path, f"cannot be opened ({exc.strerror})", cause=exc) from exc
    except sqlite3.OperationalError as exc:
        raise unusable(path, f"cannot be used ({exc})", cause=exc) from exc
    except sqlite3.DatabaseError as exc:
        raise unusable(path, f"is not a ledger or is damaged ({exc})") from exc


def require_sound(path: Path) -> None:
    """Raises ConfigError if any page of the file is not what SQLite left there; PassingTrouble if it cannot be read
    now."""
    remedy = "Put it aside and restore a backup; without one, start with a new ledger and `wcsync backfill`."
    try:
        with closing(connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as exc:
        raise unusable(path, f"cannot be used ({exc})", cause=exc) from exc
    except sqlite3.DatabaseError as exc:
        raise unusable(path, f"is damaged ({exc})", remedy) from exc
    if found != "ok":
        raise unusable(path, f"is damaged ({' '.join(found.split())})", remedy)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two processes that make one ledger at the same time would both find it without tables."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(path: Path) -> None:
    """A file that exists is not opened here: closing it again would take away the locks that SQLite holds on it."""
    with suppress(FileExistsError):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        give_to_folder_owner(handle, path.parent)
        os.close(handle)


def _close_to_others(path: Path) -> None:
    """A ledger that was copied back from a backup is open to whom the copier's umask let in: it holds people's names.
    What the group may do stays. Its companions are told by SQLite to be as it is."""
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            found = file.stat()
            if found.st_mode & 0o007 and os.geteuid() in {0, found.st_uid}:
                file.chmod(stat.S_IMODE(found.st_mode) & ~0o007)


def give_to_folder_owner(handle: int, folder: Path) -> None:
    """What root makes beside a daemon of another user must be that user's. Does nothing for others than root."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


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


def migrate(path: Path, connection: sqlite3.Connection) -> None:
    """Brings the tables up to date. Raises ConfigError for a database that is no ledger of ours."""
    database = Database(connection)
    missing = _check_version(path, database)
    if missing:
        with transaction(connection):
            migrations.apply(database)


def _check_version(path: Path, database: Database) -> bool:
    """Whether tables are to be brought up to date. Raises ConfigError for a file that is not ours to change."""
    known = {migration.name for migration in migrations._migrations}  # noqa: SLF001  no public list
    applied = [migration.name for migration in migrations.applied(database)]
    unknown = [name for name in applied if name not in known]
    if unknown:
        raise unusable(path, f"was written by a newer wcsync ({unknown[-1]})", "Install that version again.")
    if not applied and database.table_names():
        raise unusable(path, "is a database of another program", "Give the ledger a file of its own.")
    return len(applied) < len(known)


def require_tables(path: Path, database: Database) -> None:
    """Raises ConfigError unless the tables are those that this version reads; brings none up to date."""
    if _check_version(path, database):
        remedy = "Restart the daemon, which brings it up to date; without one: wcsync run --once."
        raise unusable(path, "was written by an older wcsync", remedy)


def inspect_file(path: Path) -> Problem | None:
    """What keeps the ledger at `path` from being used; None if nothing does, or if there is none yet.

    Makes and changes nothing.
    """
    if not os.path.lexists(path):
        return None
    try:
        _require_file(path)
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            _check_version(path, Database(connection))
    except ConfigError as exc:
        return exc.problems[0]
    except sqlite3.OperationalError as exc:
        return unusable(path, f"cannot be used ({exc})").problems[0]
    except sqlite3.DatabaseError as exc:
        return unusable(path, f"is not a ledger or is damaged ({exc})").problems[0]
    return None


def _require_file(path: Path) -> None:
    """Raises ConfigError for what this account cannot read and write as a file."""
    if not path.exists():
        raise _leads_nowhere(path)
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        raise unusable(
            path, "may not be read and written by this account" if path.is_file() else "is no file"
        )


def _leads_nowhere(path: Path) -> ConfigError:
    """SQLite would make an empty ledger at a link's far end, and forget what the one that was there knew."""
    remedy = (
        "Bring back what it led to (a disk that is not mounted, a ledger that was moved), or remove the link."
    )
    return unusable(path, "is a link that leads to no file", remedy)


def unusable(path: Path, what: str, remedy: str = "", *, cause: Exception | None = None) -> ConfigError:
    """That the file at `path` cannot be used as it is, in a person's words. PassingTrouble if the `cause` may pass."""
    advice = remedy or (
        "Check [ledger] path in the config, the folder's owner and free space; restore a backup if it is damaged."
    )
    kind = PassingTrouble if cause is not None and may_pass(cause) else ConfigError
    message = (
        f"the ledger {what}" if cause is None else with_rights(f"the ledger {what}", path, to_write=True)
    )
    return kind([Problem(where=str(path), message=message, remedy=advice)])


def may_pass(exc: Exception) -> bool:
    """Whether the same may work later without a file edited: a disk that is full, a lock that another one holds."""
    if isinstance(exc, OSError):
        return exc.errno in _PASSING_ERRNOS
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF in _PASSING_CODES
