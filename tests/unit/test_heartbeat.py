"""A sign of life goes out after each pass, and nothing ever waits for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from wcsync.errors import TransientError
from wcsync.http import Service
from wcsync.notify.heartbeat import Heartbeat
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.server import SandboxServer


class Watchman(SandboxServer):
    def handle(self, request: Request) -> Response:  # noqa: ARG002
        return Response(body=b"OK")


@pytest.fixture
def watchman() -> Iterator[Watchman]:
    with Watchman() as server:
        yield server


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def beating(watchman: Watchman, timer: Timer, **settings: Any) -> Iterator[Heartbeat]:
    usual: dict[str, Any] = {
        "service": Service("heartbeat", timeout_s=1.0),
        "url": f"{watchman.url}/ping/s3cret-uuid",
        "method": "GET",
        "every_s": 30.0,
        "timer": timer,
    }
    heart = Heartbeat(**usual | settings)
    yield heart
    heart.close()


def test_a_pass_is_told_outside_before_the_process_ends(watchman: Watchman) -> None:
    with beating(watchman, Timer()) as heart:
        heart.beat()
    assert [(r.method, r.path) for r in watchman.requests] == [("GET", "/ping/s3cret-uuid")]


def test_no_more_than_one_ping_goes_out_in_its_time(watchman: Watchman) -> None:
    timer = Timer()
    with beating(watchman, timer) as heart:
        for timer.now in (0.0, 10.0, 29.0):
            heart.beat()
    assert len(watchman.requests) == 1


def test_without_a_pass_nothing_is_said(watchman: Watchman) -> None:
    with beating(watchman, Timer()):
        pass
    assert not watchman.requests


class Stuck(Service):
    """A watchman who takes his time: nobody may notice."""

    def __init__(self) -> None:
        super().__init__("heartbeat")
        self.release = threading.Event()
        self.calls = 0

    def send(self, prepare: Any, **_: Any) -> Any:  # noqa: ARG002
        self.calls += 1
        assert self.release.wait(10)
        raise TransientError("heartbeat: did not answer in time")


def test_a_slow_watchman_holds_up_nobody(watchman: Watchman) -> None:
    stuck, timer = Stuck(), Timer()
    with beating(watchman, timer, service=stuck) as heart:
        started = monotonic()
        for timer.now in range(0, 3000, 30):
            heart.beat()
        assert monotonic() - started < 1.0
        stuck.release.set()
    assert stuck.calls <= 2  # what was wanted meanwhile is one ping, not a hundred


def test_trouble_is_logged_when_it_begins_and_when_it_ends(watchman: Watchman) -> None:
    heart = Heartbeat(
        service=Service("heartbeat", timeout_s=1.0),
        url=f"{watchman.url}/ping/s3cret-uuid",
        method="POST",
        every_s=30.0,
    )
    watchman.faults.add(Fault(kind="status", status=500, times=1))
    watchman.faults.add(Fault(kind="status", status=404, times=2))
    with capture_logs() as logs:
        for _ in range(5):
            heart._ping()
    assert [line["event"] for line in logs] == ["heartbeat_failing", "heartbeat_recovered"]
    assert "s3cret" not in str(logs)
    assert len(watchman.requests) == 5  # each ping once: none is repeated
    heart.close()


def test_the_url_is_not_shown(watchman: Watchman) -> None:
    with beating(watchman, Timer()) as heart:
        assert "s3cret" not in repr(heart)
