"""The process: one instance per ledger, signals, start and stop order."""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from wcsync.errors import ConfigError, Problem
from wcsync.pool import Pool
from wcsync.schedule import Job, Schedule

log = structlog.get_logger(__name__)


@contextmanager
def only_instance(ledger: Path) -> Iterator[None]:
    """Holds the ledger's lock while inside; the kernel lets go of it when the process ends, however it ends.

    Raises ConfigError if another process works on this ledger.
    """
    path = ledger.with_name(ledger.name + ".lock")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise ConfigError([_taken(ledger, handle)]) from exc
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


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


def _taken(ledger: Path, handle: int) -> Problem:
    pid = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
    return Problem(
        where=str(ledger),
        message=f"another wcsync works on this ledger (process {pid})",
        remedy="Stop it first (`systemctl stop wcsync`), or give this one a ledger of its own in [ledger] path.",
    )
