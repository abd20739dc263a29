"""Jobs that are late, long, broken, stuck, or waiting by a clock that somebody sets."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from wcsync.schedule import Job, Schedule, _Every


@pytest.fixture
def logs() -> list[Any]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture.entries


@contextmanager
def running(*jobs: Job) -> Iterator[Schedule]:
    schedule = Schedule(jobs)
    schedule.start()
    try:
        yield schedule
    finally:
        schedule.stop()


def until(happened: Callable[[], object]) -> None:
    deadline = monotonic() + 5
    while not happened():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.005)


def test_a_job_that_takes_long_is_not_run_twice_at_once_and_nobody_complains(
    logs: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    at_once, most, runs = [0], [0], []

    def take_long() -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        sleep(0.05)
        at_once[0] -= 1
        runs.append(monotonic())

    with running(Job(name="long", every_s=0.005, run=take_long)):
        until(lambda: len(runs) >= 4)
    assert most == [1]
    assert [record for record in caplog.records if record.levelno >= 30] == []
    assert logs == []


def test_a_time_that_came_while_a_job_was_running_counts_when_it_is_done() -> None:
    gate, runs = threading.Event(), []

    def wait_once() -> None:
        runs.append(monotonic())
        if len(runs) == 1:
            gate.wait(5)

    with running(Job(name="late", every_s=0.3, run=wait_once)):
        until(lambda: runs)
        sleep(0.35)
        assert len(runs) == 1
        released = monotonic()
        gate.set()
        until(lambda: len(runs) == 2)
    assert runs[1] - released < 0.2


def test_a_job_that_hangs_holds_up_no_other_and_no_stop(logs: list[Any]) -> None:
    forever, runs = threading.Event(), []
    hanging = Job(name="hangs", every_s=0.01, run=forever.wait, abandon_after_s=0.05)
    schedule = Schedule([hanging, Job(name="lives", every_s=0.01, run=lambda: runs.append(1))])
    schedule.start()
    until(lambda: len(runs) >= 3)
    began = monotonic()
    schedule.stop()
    assert monotonic() - began < 2
    assert [(entry["event"], entry["job"]) for entry in logs] == [("job_abandoned", "hangs")]
    forever.set()


def test_a_stop_waits_for_a_job_that_writes() -> None:
    began, done = threading.Event(), []

    def write() -> None:
        began.set()
        sleep(0.1)
        done.append(1)

    with running(Job(name="writes", every_s=60, run=write)):
        assert began.wait(5)
    assert done == [1]


def test_a_stop_is_not_held_up_by_a_job_that_rests_after_a_fault(logs: list[Any]) -> None:
    def fail() -> None:
        raise RuntimeError("no such thing")

    began = monotonic()
    with running(Job(name="broken", every_s=0.01, run=fail)):
        until(lambda: logs)
    assert monotonic() - began < 3
    assert [entry["event"] for entry in logs] == ["poller_failed"]


def test_a_job_that_touches_the_schedule_while_it_stops_does_not_deadlock(logs: list[Any]) -> None:
    stopping, schedules = threading.Event(), list[Schedule]()

    def touch() -> None:
        if stopping.wait(5):
            schedules[0].run_all_now()

    schedule = Schedule([Job(name="touches", every_s=60, run=touch)])
    schedules.append(schedule)
    schedule.start()
    thread = threading.Thread(target=schedule.stop)
    thread.start()
    stopping.set()
    thread.join(5)
    assert not thread.is_alive()


def test_after_a_clock_was_set_on_by_years_a_job_is_late_once() -> None:
    """A list of every second of 56 years would take all memory there is."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert _Every(1.0).get_next_fire_time(datetime(1970, 1, 1, tzinfo=UTC), now) == now + timedelta(seconds=1)
