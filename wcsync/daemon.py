"""The process: one instance per ledger, signals, start and stop order."""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from wcsync.errors import ConfigError, Problem, WcsyncError
from wcsync.ledger.connection import give_to_folder_owner
from wcsync.pool import Pool
from wcsync.schedule import Job, Schedule

log = structlog.get_logger(__name__)

LOOK_S = 5.0
"""How often a running daemon looks at itself."""
JUMP_S = 3.0


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


def serve(
    jobs: Sequence[Job], pool: Pool, stop: threading.Event, sound: Callable[[], str] = lambda: ""
) -> bool:
    """Runs jobs and workers until `stop` is set, then lets both settle what they hold.

    `sound` tells why the process cannot go on, '' while it can. False if that ended it: it is to be started anew.
    """
    schedule, drift, reason = Schedule(jobs), _Drift(), ""
    pool.start()
    schedule.start()
    try:
        while not stop.wait(LOOK_S) and not reason:
            reason = sound()
            if drift.jumped():
                log.warning("clock_jumped")
                schedule.run_all_now()
    finally:
        stop.set()
        if reason:
            log.critical("daemon_unsound", reason=reason)
        log.info("daemon_stopping")
        schedule.stop()
        pool.join()
    return not reason


class _Drift:
    """Notices that the wall clock was set: jobs are due by that clock, and would wait until it has caught up."""

    def __init__(self) -> None:
        self._apart = self._measure()

    def jumped(self) -> bool:
        """Whether it was set by more than a few seconds since the last look."""
        apart = self._measure()
        jumped = abs(apart - self._apart) > JUMP_S
        self._apart = apart
        return jumped

    def _measure(self) -> float:
        return time.time() - time.monotonic()


@contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP set `stop` while inside. Main thread only."""

    def ask_to_stop(_number: int, _frame: object) -> None:
        stop.set()

    before = {
        number: signal.signal(number, ask_to_stop)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
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
