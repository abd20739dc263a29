"""Locks beside the ledger: files the kernel unlocks when their process ends, however it ends."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from wcsync.errors import ConfigError, PassingTrouble, Problem, WcsyncError
from wcsync.ledger.connection import give_to_folder_owner, may_pass
from wcsync.rights import with_rights

INSTANCE = ".lock"
"""Ends the name of the file that the one process holds which works on this ledger."""
MIRROR = ".courses.lock"
"""Ends the name of the file that is held while course data is written to products, by the daemon or beside it."""

ONCE = "once"
"""Stands behind the process that a lock names if it looks at the shop a single time."""

LOOKS, LOOK_S = 50, 0.01
"""So often, and at such distances, a lock is read that names nobody yet, or tried that others look at."""


class AlreadyRunning(WcsyncError):
    """Another process does this on this ledger. It may end soon: trying again is right."""


@contextmanager
def only_instance(ledger: Path, *, once: bool = False) -> Iterator[Callable[[], bool]]:
    """Holds the ledger's lock while inside. `once`: for a single look at the shop, and what follows from it.

    Gives a question: whether the lock's file is still the one that others would find.

    Raises AlreadyRunning if another process works on this ledger, ConfigError (PassingTrouble: not now) if its folder
    cannot be used.
    """
    with _held(ledger, INSTANCE, _taken, once=once) as held:
        yield held


@contextmanager
def only_mirror(ledger: Path) -> Iterator[None]:
    """As `only_instance`, for whoever writes course data to the shop's products: a daemon, or a command beside it."""
    with _held(ledger, MIRROR, _mirroring):
        yield


def running_instance(ledger: Path) -> int | None:
    """The process that works on this ledger, 0 if its lock does not say which; None if none does."""
    try:
        handle = os.open(_beside(ledger, INSTANCE), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _process_named(handle)
    finally:
        os.close(handle)
    return None


def running_since(ledger: Path) -> datetime | None:
    """When the process that works on this ledger began to, by this machine's clock; None if none does, or one that
    looks at the shop once."""
    if running_instance(ledger) is None:
        return None
    file = _beside(ledger, INSTANCE)
    try:
        once = ONCE in file.read_text(errors="replace").split()
        return None if once else datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return None


def _process_named(handle: int) -> int:
    """The process that a held lock names. Whoever takes one writes its name down a moment later; 0 if it never does."""
    for _ in range(LOOKS):
        named = _name_in(handle)
        if named.isascii() and named.isdigit():
            return int(named)
        time.sleep(LOOK_S)
    return 0


def _name_in(handle: int) -> str:
    return os.pread(handle, 20, 0).decode(errors="replace").partition(" ")[0].strip()


def no_folder(ledger: Path, exc: OSError) -> Problem:
    """That the ledger's folder is not there, or not ours."""
    reason = with_rights(exc.strerror or str(exc), ledger, to_write=True)
    return Problem(
        where=str(ledger.parent),
        message=f"the ledger's folder cannot be used ({reason})",
        remedy="systemd makes it when the service starts; by hand: install -d -m 700 and give it to the daemon's user.",
    )


@contextmanager
def _held(
    ledger: Path, ending: str, taken: Callable[[Path, str], str], *, once: bool = False
) -> Iterator[Callable[[], bool]]:
    file = _beside(ledger, ending)
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        kind = PassingTrouble if may_pass(exc) else ConfigError
        raise kind([no_folder(ledger, exc)]) from exc
    try:
        give_to_folder_owner(handle, ledger.parent)
        try:
            _take(handle)
        except OSError as exc:
            raise AlreadyRunning(taken(ledger, _name_in(handle) or "unknown")) from exc
        _sign(handle, f"{os.getpid()}{f' {ONCE}' if once else ''}\n")
        yield lambda: _is_at(handle, _beside(ledger, ending))
    finally:
        os.close(handle)


def _sign(handle: int, name: str) -> None:
    """Says who holds the lock. A full disk keeps nobody from holding it: then nobody is named."""
    try:
        written = os.pwrite(handle, name.encode(), 0)  # first, while what stood there still has its room
    except OSError:
        written = 0
    os.ftruncate(handle, written)


def _take(handle: int) -> None:
    """Raises OSError if another process holds the lock. Who only looks whether one does has it for a moment, shared:
    that is waited for."""
    for _ in range(LOOKS):
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(handle, fcntl.LOCK_UN)
        time.sleep(LOOK_S)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _beside(ledger: Path, ending: str) -> Path:
    """Beside the file itself, whatever link it is reached by: SQLite follows links too."""
    file = Path(os.path.realpath(ledger))
    return file.with_name(file.name + ending)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _taken(ledger: Path, pid: str) -> str:
    return (
        f"another wcsync works on {ledger} (process {pid}). Stop it first (`systemctl stop wcsync`), or give this one "
        "a ledger of its own in [ledger] path"
    )


def _mirroring(_ledger: Path, pid: str) -> str:
    return (
        f"course data is being written to the products just now (process {pid}; the daemon does so on its schedule). "
        "Try again when that has ended; nothing was done"
    )
