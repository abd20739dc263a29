"""The process: one instance per ledger, signals, start and stop order."""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from wcsync.errors import ConfigError, Problem, WcsyncError
from wcsync.ledger.connection import give_to_folder_owner
from wcsync.pool import Pool
from wcsync.schedule import Job, Schedule

log = structlog.get_logger(__name__)


class AlreadyRunning(WcsyncError):
    """Another process works on this ledger. It may end soon: trying again is right."""


@contextmanager
def only_instance(ledger: Path) -> Iterator[None]:
    """Holds the ledger's lock while inside; the kernel lets go of it when the process ends, however it ends.

    Raises AlreadyRunning if another process works on this ledger, ConfigError if its folder cannot be used.
    """
    try:
        handle = os.open(_lock_of(ledger), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigError([no_folder(ledger, exc)]) from exc
    try:
        give_to_folder_owner(handle, ledger.parent)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise AlreadyRunning(_taken(ledger, handle)) from exc
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def running_instance(ledger: Path) -> int | None:
    """The process that works on this ledger; None if none does."""
    try:
        handle = os.open(_lock_of(ledger), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return int(os.pread(handle, 20, 0).strip() or 0)
    finally:
        os.close(handle)
    return None


def no_folder(ledger: Path, exc: OSError) -> Problem:
    """That the ledger's folder is not there, or not ours."""
    return Problem(
        where=str(ledger.parent),
        message=f"the ledger's folder cannot be used ({exc.strerror})",
        remedy="systemd makes it when the service starts; by hand: install -d -m 700 and give it to the daemon's user.",
    )


def serve(jobs: Sequence[Job], pool: Pool, stop: threading.Event) -> None:
    """Runs jobs and workers until `stop` is set, then lets both settle what they hold."""
    schedule = Schedule(jobs)
    pool.start()
    schedule.start()
    try:
        stop.wait()
    finally:
        stop.set()
        log.info("daemon_stopping")
        schedule.stop()
        pool.join()


@contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop` while inside. Main thread only."""

    def ask_to_stop(_number: int, _frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lock_of(ledger: Path) -> Path:
    return ledger.with_name(ledger.name + ".lock")


def _taken(ledger: Path, handle: int) -> str:
    pid = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
    return (
        f"another wcsync works on {ledger} (process {pid}). Stop it first (`systemctl stop wcsync`), or give this one "
        "a ledger of its own in [ledger] path"
    )
