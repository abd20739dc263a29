import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from wcsync import pool as pool_module
from wcsync.pool import Pool

LONG_S = 20.0


class Jobs:
    """A worker with so many rows to work off."""

    def __init__(self, rows: int = 0) -> None:
        self.rows = rows
        self.done = 0
        self.looks = 0
        self.looked = threading.Event()
        self.worked = threading.Event()
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def run_once(self) -> bool:
        with self._lock:
            self.looks += 1
            self.looked.set()
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            if self.rows == 0:
                return False
            self.rows -= 1
            self.done += 1
            self.worked.set()
            return True


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def logs() -> list[Any]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture.entries


def test_draining_works_until_nothing_is_due_for_any_worker(stop: threading.Event) -> None:
    one, other = Jobs(7), Jobs(3)
    Pool([one, other], 2, stop).drain()
    assert (one.done, other.done) == (7, 3)


def test_draining_stops_when_told(stop: threading.Event) -> None:
    stop.set()
    jobs = Jobs(5)
    Pool([jobs], 2, stop).drain()
    assert jobs.done == 0


def test_a_started_pool_works_on_when_something_comes(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "IDLE_S", LONG_S)
    jobs = Jobs()
    pool = Pool([jobs], 1, stop)
    pool.start()
    assert jobs.looked.wait(LONG_S)
    jobs.rows = 3
    while not jobs.worked.wait(0.01):
        pool.wake()
    stop.set()
    pool.join()
    assert jobs.done >= 1


def test_a_stopped_pool_ends_at_once_though_its_threads_are_idle(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "IDLE_S", LONG_S)
    jobs = Jobs()
    pool = Pool([jobs], 3, stop)
    pool.start()
    assert jobs.looked.wait(LONG_S)
    assert pool.alive()
    stop.set()
    ended = threading.Thread(target=pool.join)
    ended.start()
    ended.join(LONG_S / 2)
    assert not ended.is_alive()


def test_a_thread_that_ended_is_noticed(stop: threading.Event) -> None:
    pool = Pool([Jobs()], 1, stop)
    stop.set()
    pool.start()
    for hand in pool._hands:
        hand.thread.join()
    assert not pool.alive()


def test_whatever_happens_is_told_and_the_thread_lives_on(
    stop: threading.Event, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "AFTER_BUG_S", 0.0)
    monkeypatch.setattr(pool_module, "IDLE_S", 0.0)
    jobs = Jobs(1)
    jobs.error = ZeroDivisionError("boom")
    pool = Pool([jobs], 1, stop)
    pool.start()
    assert jobs.worked.wait(LONG_S)
    stop.set()
    pool.join()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("worker_failed", "critical")]


def test_a_drain_that_only_fails_comes_to_an_end(
    stop: threading.Event, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def run_once(self) -> bool:
            raise ZeroDivisionError("boom")

    monkeypatch.setattr(pool_module, "AFTER_BUG_S", 0.0)
    Pool([Broken()], 1, stop).drain()
    assert len(logs) == pool_module.DRAIN_FAILURES


def test_one_failure_does_not_end_a_drain(stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "AFTER_BUG_S", 0.0)
    jobs = Jobs(4)
    jobs.error = ZeroDivisionError("boom")
    Pool([jobs], 1, stop).drain()
    assert jobs.done == 4


class Stuck:
    """A worker that does not come back until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def run_once(self) -> bool:
        self.entered.set()
        self.let_go.wait(LONG_S)
        return False


def test_a_hung_thread_is_found_and_waited_for_no_longer(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "JOIN_LOOK_S", 0.01)
    stuck, beats = Stuck(), []
    pool = Pool([stuck, Jobs()], 1, stop, longest_s=0.05)
    pool.start()
    assert stuck.entered.wait(LONG_S)
    stop.set()
    assert not pool.join(lambda: beats.append(1))
    assert [pulse.name for pulse in pool.hung()] == ["worker-Stuck-0"]
    assert beats
    stuck.let_go.set()
    pool._hands[0].thread.join()
    assert pool.join()
    assert pool.hung() == []


def test_a_drain_with_a_hung_thread_comes_to_an_end(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "JOIN_LOOK_S", 0.01)
    stuck, after = Stuck(), Jobs(1)
    pool = Pool([stuck], 1, stop, singles=[after], longest_s=0.05)
    assert not pool.drain()
    assert after.done == 0
    stuck.let_go.set()
    pool._hands[0].thread.join()
    assert pool.join()


def test_a_thread_that_works_row_after_row_for_long_is_not_hung(stop: threading.Event) -> None:
    class Slow(Jobs):
        def run_once(self) -> bool:
            stop.wait(0.02)
            return super().run_once()

    jobs = Slow(10)
    assert Pool([jobs], 1, stop, longest_s=0.15).drain()
    assert jobs.done == 10
