"""The process: one per ledger, stopped politely, its jobs never skipped."""

import contextlib
import errno
import fcntl
import os
import signal
import threading
import time
from pathlib import Path
from time import monotonic

import pytest
import structlog
from structlog.testing import LogCapture

from wcsync import log as logs
from wcsync.cli.common import in_plain_words
from wcsync.daemon import serve, stopping_on_signals
from wcsync.errors import ConfigError, PassingTrouble, Problem
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.lock import AlreadyRunning, only_instance, only_mirror, running_instance
from wcsync.pool import Pool
from wcsync.schedule import Job


class CountingWorker:
    """Has `rows` to do and fails on those named."""

    def __init__(self, rows: int, failing: frozenset[int] = frozenset()) -> None:
        self.left = list(range(rows))
        self.failing = failing
        self.done: list[int] = []

    def run_once(self) -> bool:
        try:
            row = self.left.pop(0)
        except IndexError:
            return False
        if row in self.failing:
            raise RuntimeError(row)
        self.done.append(row)
        return True


def test_a_second_instance_is_refused_and_told_who_holds_the_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    with only_instance(ledger), pytest.raises(AlreadyRunning, match=str(os.getpid())), only_instance(ledger):
        pass


def test_who_looks_whether_one_runs_keeps_none_from_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` holds the lock for a moment to know that nobody does."""
    looking = os.open(tmp_path / "ledger.db.lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    waits: list[float] = []

    def look_away(seconds: float) -> None:
        waits.append(seconds)
        fcntl.flock(looking, fcntl.LOCK_UN)

    monkeypatch.setattr("wcsync.ledger.lock.time.sleep", look_away)
    with contextlib.closing(os.fdopen(looking)), only_instance(tmp_path / "ledger.db"):
        assert running_instance(tmp_path / "ledger.db") == os.getpid()
    assert len(waits) == 1


def test_a_ledger_reached_by_a_link_is_the_same_ledger(tmp_path: Path) -> None:
    ledger, link = tmp_path / "ledger.db", tmp_path / "shop" / "ledger.db"
    link.parent.mkdir()
    link.symlink_to(ledger)
    with only_instance(ledger), pytest.raises(AlreadyRunning), only_instance(link):
        pass


def test_a_full_disk_is_no_reason_to_stay_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wcsync.ledger.lock.os.open", refuse)
    with pytest.raises(PassingTrouble, match="No space left"), only_instance(tmp_path / "ledger.db"):
        pass


@pytest.mark.parametrize(("kind", "code"), [(PassingTrouble, 75), (ConfigError, 78)])
def test_only_what_a_person_must_edit_keeps_the_service_from_being_started_again(
    kind: type[ConfigError], code: int
) -> None:
    @in_plain_words
    def command() -> None:
        raise kind([Problem(where="ledger.db", message="the ledger cannot be used", remedy="Make room.")])

    with pytest.raises(SystemExit) as caught:
        command()
    assert caught.value.code == code


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with only_instance(tmp_path / "ledger.db"):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_makes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    with only_instance(tmp_path / "ledger.db"):
        SqliteLedger(tmp_path / "ledger.db").close()
    assert {path.stat().st_uid for path in tmp_path.iterdir()} == {12345}


def test_sigterm_asks_to_stop_and_the_old_handler_returns(tmp_path: Path) -> None:
    before, stop = signal.getsignal(signal.SIGTERM), threading.Event()
    with stopping_on_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_serving_runs_jobs_and_workers_until_stopped() -> None:
    stop, worker, ran = threading.Event(), CountingWorker(5), threading.Event()
    pool = Pool([worker], 2, stop)
    thread = threading.Thread(target=serve, args=([Job(name="one", every_s=60, run=ran.set)], pool, stop))
    thread.start()
    assert ran.wait(5)
    deadline = monotonic() + 5
    while worker.left and monotonic() < deadline:
        pool.wake()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert sorted(worker.done) == [0, 1, 2, 3, 4]


def test_a_job_that_raises_is_told_with_its_traceback_and_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wcsync.schedule.AFTER_BUG_S", 0.05)
    capture = LogCapture()
    structlog.configure(processors=[capture])
    stop, twice, calls = threading.Event(), threading.Event(), []

    def job() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("once")
        twice.set()

    pool = Pool([], 1, stop)
    thread = threading.Thread(target=serve, args=([Job(name="one", every_s=0.05, run=job)], pool, stop))
    thread.start()
    again = twice.wait(5)
    stop.set()
    thread.join(10)
    assert again
    told = [entry for entry in capture.entries if entry["log_level"] == "critical"]
    assert told == [{"event": "poller_failed", "log_level": "critical", "job": "one", "exc_info": True}]


def test_draining_works_everything_off_and_returns() -> None:
    worker = CountingWorker(50)
    Pool([worker], 4, threading.Event()).drain()
    assert sorted(worker.done) == list(range(50))


def test_a_thread_survives_a_worker_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wcsync.pool.AFTER_BUG_S", 0.01)
    stop, worker = threading.Event(), CountingWorker(6, failing=frozenset({2}))
    pool = Pool([worker], 1, stop)
    pool.start()
    deadline = monotonic() + 5
    while worker.left and monotonic() < deadline:
        pool.wake()
    assert pool.alive()
    stop.set()
    pool.join()
    assert worker.done == [0, 1, 3, 4, 5]


def test_a_daemon_that_cannot_go_on_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wcsync.daemon.LOOK_S", 0.01)
    stop = threading.Event()
    assert not serve([], Pool([], 1, stop), stop, lambda: "the ledger's file was deleted")
    assert stop.is_set()


def test_jobs_run_at_once_after_the_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs wait by the wall clock: set back by hours it would keep them for hours."""
    monkeypatch.setattr("wcsync.daemon.LOOK_S", 0.01)
    stop, ran, real = threading.Event(), [], time.time
    offset = [0.0]
    monkeypatch.setattr("wcsync.shift.time.time", lambda: real() + offset[0])
    thread = threading.Thread(
        target=serve,
        args=([Job(name="one", every_s=3600, run=lambda: ran.append(1))], Pool([], 1, stop), stop),
    )
    thread.start()
    deadline = monotonic() + 5
    while not ran and monotonic() < deadline:
        time.sleep(0.01)
    offset[0] = -7200.0
    while len(ran) < 2 and monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    thread.join(10)
    assert len(ran) >= 2


def test_a_log_whose_reader_went_away_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        logs.configure(style="json", stream=stream)
        structlog.get_logger().info("orders_polled")
        worker = CountingWorker(3)
        Pool([worker], 2, threading.Event()).drain()
        with contextlib.suppress(BrokenPipeError):
            stream.close()
    assert sorted(worker.done) == [0, 1, 2]


def test_a_command_that_writes_courses_waits_for_nobody_and_needs_no_daemon_to_stop(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    with (
        only_instance(ledger),
        only_mirror(ledger),
        pytest.raises(AlreadyRunning, match=str(os.getpid())),
        only_mirror(ledger),
    ):
        pass
