"""Who does not come back in time is late, and can be found."""

import threading
from contextlib import closing

import httpx
import pytest
from freezegun import freeze_time

from wcsync.http import Outgoing, Service
from wcsync.pulse import Pulse, asking, beat, holding


def test_a_thread_that_does_not_turn_is_late_and_one_that_does_is_not() -> None:
    with freeze_time() as clock:
        pulse = Pulse("worker", 10)
        clock.tick(9)
        assert not pulse.late
        pulse.beat()
        clock.tick(9)
        assert not pulse.late
        clock.tick(2)
        assert pulse.late


def test_a_sign_of_life_from_deep_within_a_turn_renews_the_pulse_of_its_own_thread_alone() -> None:
    with freeze_time() as clock:
        mine, other = Pulse("mine", 10), Pulse("other", 10)
        thread = threading.Thread(target=other.adopt)
        thread.start()
        thread.join()
        mine.adopt()
        clock.tick(9)
        beat()
        clock.tick(9)
        assert (mine.late, other.late) == (False, True)
        mine.rest(0)


def test_who_waits_for_a_lock_that_another_holds_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wcsync.pulse.LOCK_LOOK_S", 0.01)
    lock, pulse, beats = threading.Lock(), Pulse("waiting", 10), threading.Semaphore(0)
    monkeypatch.setattr(pulse, "beat", beats.release)

    def wait() -> None:
        pulse.adopt()
        with holding(lock):
            pass

    with lock:
        thread = threading.Thread(target=wait)
        thread.start()
        assert all(beats.acquire(timeout=5) for _ in range(3))
    thread.join(5)
    assert not thread.is_alive()
    assert not lock.locked()


def test_a_sign_of_life_where_nobody_listens_does_nothing() -> None:
    beat()


def test_between_turns_the_pulse_waits_for_the_next_and_beats_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wcsync.pulse.monotonic", lambda: 100.0)
    pulse = Pulse("job", 10)
    pulse.adopt()
    pulse.rest(99.0)
    beat()
    assert pulse.late
    pulse.forgive(2.0)
    assert not pulse.late


def test_it_says_where_its_thread_stands() -> None:
    pulse, held = Pulse("worker", 10), threading.Event()
    adopted = threading.Event()

    def hang_here() -> None:
        pulse.adopt()
        adopted.set()
        held.wait(10)

    thread = threading.Thread(target=hang_here)
    thread.start()
    assert adopted.wait(10)
    assert any("hang_here" in place for place in pulse.whereabouts())
    held.set()
    thread.join()
    assert pulse.whereabouts() == []


def test_each_call_is_a_breath_and_asks_nobody_whether_to_leave() -> None:
    """A turn may take many calls, and one may be left only where it says so itself."""

    def leave() -> None:
        raise KeyboardInterrupt

    pulse = Pulse("worker", 10)
    pulse.adopt()
    pulse.forgive(-20)
    was_late = pulse.late
    transport = httpx.MockTransport(lambda _request: httpx.Response(200))
    with asking(leave), closing(Service("campus", transport=transport)) as service:
        service.send(lambda: Outgoing(method="GET", url="https://campus.example.test/"))
    assert (was_late, pulse.late) == (True, False)
    pulse.rest(0.0)
