"""How long a thread may give no sign of life, and that it is found to be hung after that and not before."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from wcsync.app.build import longest_silence_s
from wcsync.config import load_config
from wcsync.daemon import LOOK_S
from wcsync.pool import Pool
from wcsync.schedule import AFTER_BUG_S, Job
from wcsync.shift import MISSES, Shift

CONFIG = """
[store]
url = "https://shop.example"
consumer_key = { env = "KEY" }
consumer_secret = { env = "KEY" }
#store
[[lms]]
name = "campus"
kind = "moodle"
url = "https://campus.example"
token = { env = "KEY" }
#lms
"""
MAIL = '[alerts.mail]\nhost = "smtp.example"\nsender = "a@shop.example"\nto = ["b@shop.example"]\n'
WEB = '[[alerts.web]]\nurl = { env = "HOOK" }\n'
LONG_S = 30.0


def silence(folder: Path, store: str = "", lms: str = "", rest: str = "") -> float:
    path = folder / "config.toml"
    path.touch(mode=0o600)
    path.write_text(CONFIG.replace("#store", store).replace("#lms", lms) + rest)
    env = {"KEY": "key", "HOOK": "https://hooks.example/"}
    return longest_silence_s(load_config(path, env).config)


@pytest.mark.parametrize(
    ("store", "lms", "rest", "seconds"),
    [
        pytest.param("", "", "", 3 * 2 * 30 + 60, id="as delivered: four minutes"),
        pytest.param("timeout_s = 2", "timeout_s = 1", "", 3 * 2 * 2 + 60, id="the shop is the slowest"),
        pytest.param("timeout_s = 1", "timeout_s = 4", "", 3 * 2 * 4 + 60, id="an LMS is the slowest"),
        pytest.param(
            "timeout_s = 1", "timeout_s = 1", MAIL + "timeout_s = 20", 6 * 20 + 60, id="the mail is"
        ),
        pytest.param(
            "timeout_s = 1", "timeout_s = 1", WEB + "timeout_s = 20", 2 * 20 + 60, id="a web call is"
        ),
    ],
)
def test_a_thread_may_be_silent_for_three_calls_of_the_slowest_service_and_a_minute(
    tmp_path: Path, store: str, lms: str, rest: str, seconds: float
) -> None:
    assert silence(tmp_path, store, lms, rest) == seconds


class Clock:
    """A monotonic one, moved by hand; the wall clock goes with it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("wcsync.pulse.monotonic", clock)
    monkeypatch.setattr("wcsync.shift.time", SimpleNamespace(monotonic=clock, time=clock))
    return clock


class Hanging:
    """A worker, or what a job runs, that gives no sign of life from some moment on."""

    def __init__(self) -> None:
        self.entered, self.held = threading.Event(), threading.Event()

    def run_once(self) -> bool:
        self.entered.set()
        self.held.wait(LONG_S)
        return False


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.held.set()


def noticed_after_s(shift: Shift, clock: Clock, limit_s: float = 300) -> float:
    """Looks as often as the daemon does, while the schedule is alive; how long until it is told."""
    [beacon, *_] = shift._watched
    began = clock()
    while not shift.look():
        assert clock() - began < limit_s, "nobody notices"
        beacon.job.run()
        clock.now += LOOK_S
    return clock() - began


def shift_of(jobs: list[Job], pool: Pool, longest_s: float) -> Shift:
    return Shift(jobs, pool, threading.Event(), lambda: "", longest_s=longest_s, look_s=LOOK_S)


def test_a_worker_that_hangs_is_noticed_at_the_first_look_after_it(
    tmp_path: Path, clock: Clock, hanging: Hanging
) -> None:
    longest_s = silence(tmp_path, "timeout_s = 2", "timeout_s = 1")
    pool = Pool([hanging], 1, stop := threading.Event(), longest_s=longest_s)
    shift = shift_of([], pool, longest_s)
    pool.start()
    assert hanging.entered.wait(LONG_S)
    assert longest_s < noticed_after_s(shift, clock) <= longest_s + LOOK_S
    assert "run_once" in shift.look()
    stop.set()


def test_a_job_that_hangs_is_noticed_at_the_first_look_after_it(
    tmp_path: Path, clock: Clock, hanging: Hanging
) -> None:
    longest_s = silence(tmp_path, "timeout_s = 2", "timeout_s = 1")
    shift = shift_of([Job(name="poll", every_s=20, run=hanging.run_once)], nobody(), longest_s)
    threading.Thread(target=shift._watched[1].job.run, daemon=True).start()
    assert hanging.entered.wait(LONG_S)
    assert longest_s < noticed_after_s(shift, clock) <= longest_s + LOOK_S
    assert "poll" in shift.look()


def test_a_job_that_only_fails_is_noticed_two_rounds_later(tmp_path: Path, clock: Clock) -> None:
    longest_s = silence(tmp_path, "timeout_s = 2", "timeout_s = 1")
    patience_s = MISSES * (20 + AFTER_BUG_S) + longest_s
    shift = shift_of([Job(name="poll", every_s=20, run=lambda: False)], nobody(), longest_s)
    shift._watched[1].job.run()
    assert patience_s < noticed_after_s(shift, clock) <= patience_s + LOOK_S


def nobody() -> Pool:
    return Pool([], 1, threading.Event())
