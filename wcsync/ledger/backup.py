"""Copies of a ledger: taken beside a running daemon, put back while none runs. Whole or not there, whenever killed."""

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from sqlite_utils import Database

from wcsync.errors import ConfigError, PassingTrouble, Problem
from wcsync.ledger import origin
from wcsync.ledger.base import Origin
from wcsync.ledger.connection import (
    BUSY_TIMEOUT_MS,
    give_to_folder_owner,
    may_pass,
    migrate,
    require_tables,
)
from wcsync.ledger.lock import AlreadyRunning
from wcsync.ledger.rows import instant_of
from wcsync.rights import with_rights

STEP_PAGES = 512
"""So many pages are copied at a time: 2 MB, some milliseconds."""
BESIDE = ("-wal", "-shm", "-journal")
"""How SQLite calls the files beside a database."""
_ANOTHER_DISK = "Name another file, on another disk if you can."
_NAME_ANOTHER = "Name a file that `wcsync backup` wrote."
_PART = ".{}.part"
_DATED = "wcsync-{:%Y%m%dT%H%M%SZ}.db"
_DATED_NAME = re.compile(r"wcsync-\d{8}T\d{6}Z\.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy that was verified. `orders`, `enrolments`: how many are in it."""

    file: Path
    size: int
    taken_at: datetime
    orders: int
    enrolments: int


def dated(folder: Path, now: datetime) -> Path:
    """A name for a backup of that moment; their order is that of their times."""
    return folder / _DATED.format(now)


def folder_at(file: Path, *, needed: bool) -> Path | None:
    """`file` if it is a folder, made for its owner alone where one is `needed` and nothing is there; else None.

    Raises ConfigError for a folder that is needed and cannot be had.
    """
    cause = None
    try:
        if needed and not os.path.lexists(file):
            file.mkdir(mode=0o700, exist_ok=True)
        if file.is_dir():
            return file
        reason = "that is no folder"
    except OSError as exc:
        cause, reason = exc, with_rights(exc.strerror or str(exc), file, to_write=True)
    if not needed:  # whoever writes the file says what is in the way
        return None
    remedy = "Make the folder yourself, for the user this runs as (install -d -m 700 -o USER DIR), or name another."
    raise _unusable(file, f"the folder for backups cannot be had ({reason})", remedy, cause=cause)


def take(
    ledger: Path, file: Path, now: datetime, *, force: bool = False, in_use: Mapping[Path, str] | None = None
) -> Backup:
    """Copies the ledger to `file`, which in the end is there as a whole, or is as it was before. Safe beside a daemon,
    which may write all the while: the copy shows one moment.

    `force`: overwrites also what is no backup, but neither the ledger nor the files `in_use`, which are said in words.
    Raises ConfigError for a file that is not ours to overwrite, PassingTrouble where there is no room.
    """
    file = Path(os.path.realpath(file))
    with _explained(file, "written", file):
        _refuse(ledger, file, in_use or {}, force=force)
        with _part(file) as part:
            counted = _copy(ledger, part, now)
            _sync(part)
            size = part.stat().st_size
            part.replace(file)
            _sync(file.parent)
    return Backup(file=file, size=size, taken_at=now, orders=counted[0], enrolments=counted[1])


def prune(folder: Path, keep: int) -> list[Path]:
    """Removes all but the newest `keep` backups that have a name of `dated` and are ours. Returns those removed.

    Raises ConfigError for one that cannot be removed.
    """
    dated_ones = [one for one in folder.iterdir() if _DATED_NAME.fullmatch(one.name)]
    ours = sorted(one for one in dated_ones if _is_backup(one))
    gone = ours[:-keep] if keep else []
    for one in gone:
        try:
            one.unlink()
        except OSError as exc:
            reason = with_rights(exc.strerror or str(exc), one, to_write=True)
            message = f"this older backup could not be removed ({reason}); the new one is there"
            raise _unusable(one, message, "Remove it yourself.", cause=exc) from exc
    return gone


def put_back(file: Path, ledger: Path) -> Origin:
    """Makes the copy in `file` the ledger, for a daemon to catch up from. Nobody may work on the ledger meanwhile.

    The ledger that was there stays beside it, with the ending `.before-restore`, and a number where a restore of before
    took that name. `file` may be the ledger itself, where a whole machine was put back: then it is marked and nothing
    else is done. A copy that bears no mark is taken to be of the moment at which it was last written. Raises
    ConfigError for a file that is no sound ledger.
    """
    _require_readable(file)
    target = Path(os.path.realpath(ledger))
    with _explained(file, "put back", target):
        if ledger.exists() and file.samefile(ledger):
            return _mark(target, file)
        with _part(target) as part:
            _copy(file, part, None)
            found = _mark(part, file)
            with part.open("rb") as handle:
                give_to_folder_owner(handle.fileno(), target.parent)
            _sync(part)
            _set_aside(target)
            part.replace(target)
            _sync(target.parent)
    return found


# -- copying -----------------------------------------------------------------------------------------------------------
def _copy(source: Path, part: Path, taken_at: datetime | None) -> tuple[int, int]:
    """Copies, marks where a time is given, and verifies. How many orders and enrolments there are."""
    with closing(_opened(source)) as live, closing(sqlite3.connect(part, isolation_level=None)) as copy:
        if taken_at is None:
            _require_ours(source, live)
        live.execute("BEGIN")  # one moment, however long it takes and whatever is written meanwhile
        counted = _counts(live)
        live.backup(copy, pages=STEP_PAGES)
        live.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, with none beside it
        if taken_at is None:
            migrate(source, copy)
        else:
            origin.mark(copy, taken_at)
        _verify(source, copy, counted)
    return counted


def _require_readable(file: Path) -> None:
    try:
        if not file.is_file():
            message = "that is no file" if file.exists() else "there is no such file"
            raise _unusable(file, message, _NAME_ANOTHER)
        file.open("rb").close()
    except OSError as exc:
        raise _unusable(
            file,
            f"the backup cannot be read ({with_rights(exc.strerror or str(exc), file, to_write=False)})",
            "Run this as a user who may read it and write the ledger, or copy it to where the daemon's user can.",
            cause=exc,
        ) from exc


def _require_ours(source: Path, db: sqlite3.Connection) -> None:
    try:
        tables = {
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        }
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as exc:
        raise _unusable(
            source, f"that is no sound backup ({exc}); nothing was changed", _NAME_ANOTHER
        ) from exc
    if not {"orders", "enrolments"} <= tables:
        raise _unusable(source, "that is no ledger of wcsync; nothing was changed", _NAME_ANOTHER)


def _opened(source: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").fetchall()
    return connection


def _counts(db: sqlite3.Connection) -> tuple[int, int]:
    row = db.execute("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM enrolments)").fetchone()
    return int(row[0]), int(row[1])


def _verify(source: Path, copy: sqlite3.Connection, counted: tuple[int, int]) -> None:
    require_tables(source, Database(copy))
    said = [row[0] for row in copy.execute("PRAGMA integrity_check(1)").fetchall()]
    if said != ["ok"] or _counts(copy) != counted:
        raise _unusable(
            source, f"the copy does not agree with what was copied ({said[0]})", "Restore an earlier backup."
        )


def _mark(path: Path, named: Path) -> Origin:
    """Brings a mark that it bears, or one of its last moment. `named`: as which file a person knows it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(named, db)
        known = origin.read(db)
        if known is None or known.restored_at is not None:
            last = origin.newest(db)
            if last is None:
                raise _unusable(named, "nothing was ever read into this ledger", "Name another copy.")
            origin.mark(db, last)
            known = origin.read(db)
        assert known is not None
        return known


# -- files -------------------------------------------------------------------------------------------------------------
@contextmanager
def _part(file: Path) -> Iterator[Path]:
    """A new file beside `file`, readable by its owner alone. What is left of it in the end, and of one that was killed,
    is removed."""
    part = file.with_name(_PART.format(file.name))
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise AlreadyRunning(f"another backup to {file} is being taken just now") from exc
        os.fchmod(handle, 0o600)
        os.ftruncate(handle, 0)
        _remove(*(_beside(part, ending) for ending in BESIDE))
        try:
            yield part
        finally:
            _remove(part, *(_beside(part, ending) for ending in BESIDE))
    finally:
        os.close(handle)


def _set_aside(ledger: Path) -> None:
    """A ledger is there at every moment: the old one under both names, then the copy. Its log goes first, into it if
    that can be, or it would be taken for the copy's."""
    if not ledger.exists():
        _remove(*(_beside(ledger, ending) for ending in BESIDE))
        return
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(ledger)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    aside = _aside(ledger)
    if not aside.exists():
        _remove(*(_beside(aside, ending) for ending in BESIDE))
        os.link(ledger, aside)
    for ending in BESIDE:
        with suppress(FileNotFoundError):
            _beside(ledger, ending).replace(_beside(aside, ending))
    _sync(ledger.parent)


def _aside(ledger: Path) -> Path:
    """A name that is free, or that a restore which was killed gave this very ledger."""
    names = (f"{ledger.name}.before-restore{f'-{number}' if number > 1 else ''}" for number in count(1))
    return next(
        one
        for one in map(ledger.with_name, names)
        if not os.path.lexists(one) or (one.exists() and one.samefile(ledger))
    )


def _refuse(ledger: Path, file: Path, in_use: Mapping[Path, str], *, force: bool) -> None:
    own = Path(os.path.realpath(ledger))
    taken = {own, *(_beside(own, ending) for ending in (*BESIDE, ".lock", ".courses.lock"))}
    if file in taken or (file.exists() and own.exists() and file.samefile(own)):
        raise _unusable(file, "that is the ledger itself", _ANOTHER_DISK)
    for used, what in in_use.items():
        if _is_same(file, used):
            raise _unusable(file, f"that is {what} in use", _ANOTHER_DISK)
    if not file.exists() or force:
        return
    if not _is_backup(file):
        raise _unusable(
            file, "there is a file that is no backup of wcsync", "Name another one, or add --force."
        )


def _is_same(file: Path, used: Path) -> bool:
    """A name that is no path is no file's, and a place that is closed to us is not written either."""
    with suppress(OSError, ValueError):
        return file == Path(os.path.realpath(used)) or file.samefile(used)
    return False


def _is_backup(file: Path) -> bool:
    try:
        with closing(_opened(file)) as db:
            row = db.execute("SELECT taken_at, restored_at FROM origin").fetchone()
            return row is not None and row[1] is None and instant_of(row[0]) is not None
    except (sqlite3.DatabaseError, ValueError):
        return False


@contextmanager
def _explained(file: Path, done: str, written: Path) -> Iterator[None]:
    """`written`: the file that is to be made, as what keeps us from it is told."""
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
        reason = with_rights(reason, written.with_name(_PART.format(written.name)), to_write=True)
        raise _unusable(
            file,
            f"the backup could not be {done} ({reason}); nothing was changed",
            "Look at the folder, its owner and its free space.",
            cause=exc,
        ) from exc


def _unusable(file: Path, message: str, remedy: str, *, cause: Exception | None = None) -> ConfigError:
    kind = PassingTrouble if cause is not None and may_pass(cause) else ConfigError
    return kind([Problem(where=str(file), message=message, remedy=remedy)])


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _remove(*files: Path) -> None:
    for file in files:
        with suppress(FileNotFoundError):
            file.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
