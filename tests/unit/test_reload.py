"""One engine in another's place: what a daemon does when asked to reload, and when something does not come back."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from wcsync import daemon as daemon_module
from wcsync import pool as pool_module
from wcsync.daemon import Daemon, Ending, Renewal, Signals, serve
from wcsync.errors import ConfigError, Problem
from wcsync.model import LmsName
from wcsync.pool import Pool
from wcsync.schedule import Job
from wcsync.shift import Shift, describe
from wcsync.supervisor import Supervisor

LONG_S = 20.0


class Worker:
    """Has nothing to do, and hangs while `held` is set."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.entered = threading.Event()

    def run_once(self) -> bool:
        while self.held.is_set():
            self.entered.set()
            time.sleep(0.01)
        return False


class Engine:
    lmss: Mapping[LmsName, object] = {LmsName("campus"): object()}

    def __init__(self, job: Callable[[], object] = lambda: None) -> None:
        self.stop = threading.Event()
        self.worker = Worker()
        self.longest_s = 0.5
        self.pool = Pool([self.worker], 2, self.stop, longest_s=self.longest_s)
        self.job = job
        self.reason = ""
        self.life: list[str] = []

    def prepare(self) -> None:
        self.life.append("prepared")

    def jobs(self) -> Sequence[Job]:
        return [Job(name="one", every_s=0.05, run=self.job)]

    def ring(self) -> None:
        self.life.append("rung")

    def sound(self) -> str:
        return self.reason

    def state(self) -> str:
        return "Shop is up."

    def close(self) -> None:
        self.life.append("closed")


class Words(Supervisor):
    """Hears what is said instead of sending it."""

    def __init__(self) -> None:
        super().__init__("@nobody", watchdog_s=0.1)
        self.heard: list[str] = []

    def _say(self, text: str) -> None:
        self.heard.append(text.partition("\n")[0])


class Asked(Signals):
    """Signals that a test gives by setting an attribute; `script` is what happens at each look."""

    def __init__(self, *script: Callable[["Asked"], None]) -> None:
        super().__init__()
        self.script = list(script)

    def wait(self, timeout_s: float) -> None:
        time.sleep(min(timeout_s, 0.02))
        if self.script:
            self.script.pop(0)(self)


def reload(signals: Signals) -> None:
    signals.reload = True


def stop(signals: Signals) -> None:
    signals.stop = True


def ring(signals: Signals) -> None:
    signals.bell = True


def look(_signals: Signals) -> None:
    """Nothing is asked."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "LOOK_S", 0.05)
    monkeypatch.setattr("wcsync.shift.JOIN_LOOK_S", 0.01)
    monkeypatch.setattr("wcsync.shift.AFTER_BUG_S", 0.01)
    monkeypatch.setattr("wcsync.schedule.AFTER_BUG_S", 0.01)
    monkeypatch.setattr(pool_module, "JOIN_LOOK_S", 0.01)
    monkeypatch.setattr(pool_module, "IDLE_S", 0.01)


@pytest.fixture
def logs() -> list[Any]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture.entries


def events(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs]


def run(engine: Engine, signals: Signals, renew: Callable[[], Renewal]) -> tuple[Ending, list[str]]:
    words = Words()
    ending = Daemon(engine, renew, signals, words).run()
    return ending, [word for word in words.heard if word != "WATCHDOG=1" and not word.startswith("STATUS")]


def never() -> Renewal:
    raise AssertionError("nobody asked for it")


def test_the_old_engine_is_settled_and_closed_before_the_new_one_takes_up_the_ledger(logs: list[Any]) -> None:
    old, new = Engine(), Engine()
    order: list[str] = []
    old.life = new.life = order
    renewal = Renewal(engine=new, changed=("orders",), commit=lambda: order.append("committed"))
    ending, words = run(old, Asked(look, reload, look, look, stop), lambda: renewal)
    assert ending is Ending.STOPPED
    assert order == ["prepared", "closed", "committed", "prepared", "closed"]
    assert old.stop.is_set()
    assert words == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert events(logs) == ["daemon_started", "config_reloaded", "daemon_stopping"]


def test_a_config_that_is_refused_leaves_the_engine_at_work(logs: list[Any]) -> None:
    engine = Engine()

    def refuse() -> Renewal:
        raise ConfigError([Problem(where="config.toml:3: orders.workers", message="is 0", remedy="Write 4.")])

    ending, words = run(engine, Asked(reload, look, stop), refuse)
    assert (ending, engine.life) == (Ending.STOPPED, ["prepared", "closed"])
    assert words == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    [refused] = [entry for entry in logs if entry["event"] == "config_refused"]
    assert refused["log_level"] == "error"
    assert "config.toml:3" in refused["problems"][0]


def test_of_thousands_of_mistakes_a_handful_is_told(logs: list[Any]) -> None:
    def refuse() -> Renewal:
        raise ConfigError([Problem(where="mapping.toml:3", message="is wrong", remedy="Mend it.")] * 3000)

    run(Engine(), Asked(reload, look, stop), refuse)
    [refused] = [entry for entry in logs if entry["event"] == "config_refused"]
    assert len(refused["problems"]) < 50
    assert "more" in refused["problems"][-1]


def test_a_fault_of_ours_while_reloading_leaves_the_engine_at_work(logs: list[Any]) -> None:
    def fail() -> Renewal:
        raise ZeroDivisionError("boom")

    ending, words = run(Engine(), Asked(reload, look, stop), fail)
    assert ending is Ending.STOPPED
    assert words[1:3] == ["RELOADING=1", "READY=1"]
    assert ("reload_failed", "critical") in {(entry["event"], entry["log_level"]) for entry in logs}


def test_a_stop_that_comes_with_a_reload_wins() -> None:
    def both(signals: Signals) -> None:
        signals.reload = signals.stop = True

    ending, words = run(Engine(), Asked(look, both), never)
    assert (ending, words) == (Ending.STOPPED, ["READY=1", "STOPPING=1"])


def test_a_stop_during_a_reload_closes_both_engines() -> None:
    old, new, signals = Engine(), Engine(), Asked(reload)

    def renew() -> Renewal:
        signals.stop = True
        return Renewal(engine=new, changed=(), commit=lambda: None)

    assert run(old, signals, renew)[0] is Ending.STOPPED
    assert (old.life, new.life) == (["prepared", "closed"], ["closed"])


def test_an_engine_that_cannot_be_prepared_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    monkeypatch.setattr(engine, "prepare", lambda: (_ for _ in ()).throw(ConfigError([])))
    with pytest.raises(ConfigError):
        run(engine, Asked(), never)
    assert engine.life == ["closed"]


def test_an_engine_that_cannot_begin_ends_the_daemon_to_be_started_anew(
    logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another program holds the ledger just then. The old engine is closed already."""
    old, new = Engine(), Engine()
    monkeypatch.setattr(new, "prepare", lambda: (_ for _ in ()).throw(ZeroDivisionError("boom")))
    renewal = Renewal(engine=new, changed=(), commit=lambda: None)
    ending, _ = run(old, Asked(look, reload), lambda: renewal)
    assert ending is Ending.UNSOUND
    assert new.life == ["closed"]
    assert new.stop.is_set()
    [told] = [entry for entry in logs if entry["event"] == "daemon_unsound"]
    assert told["log_level"] == "critical"
    assert told["exc_info"]


def test_a_thread_that_comes_back_after_nobody_waited_for_it_any_more_saves_nothing() -> None:
    """The others have ended: a daemon that goes on with them would do nothing."""
    held, engine = threading.Event(), Engine()
    shift = Shift(
        [Job(name="one", every_s=0.05, run=lambda: held.wait(LONG_S))],
        engine.pool,
        engine.stop,
        engine.sound,
        longest_s=0.05,
        look_s=LONG_S,
    )
    shift.start()
    time.sleep(0.2)
    assert not shift.settle()
    held.set()
    assert shift.settle()
    assert "one" in shift.look()


def test_a_thread_that_hangs_ends_the_daemon_and_a_reload_waits_for_it_no_longer(logs: list[Any]) -> None:
    old, new = Engine(), Engine()
    old.worker.held.set()

    def renew() -> Renewal:
        assert old.worker.entered.wait(LONG_S)
        return Renewal(engine=new, changed=(), commit=lambda: None)

    ending, _ = run(old, Asked(reload), renew)
    old.worker.held.clear()
    assert ending is Ending.HUNG
    assert new.life == ["closed"]
    assert {"daemon_hung", "daemon_unsound"} <= set(events(logs))
    assert any("run_once" in entry.get("reason", "") for entry in logs), "it says where the thread stands"


def test_a_job_that_hangs_ends_the_daemon(logs: list[Any]) -> None:
    held = threading.Event()
    ending, _ = run(Engine(job=lambda: held.wait(LONG_S)), Asked(), never)
    held.set()
    assert ending is Ending.HUNG
    assert "one has given no sign of life" in next(
        e["reason"] for e in logs if e["event"] == "daemon_unsound"
    )


def test_a_job_that_may_be_abandoned_may_hang_as_long_as_it_likes() -> None:
    held = threading.Event()
    engine = Engine()
    job = Job(name="mapping", every_s=0.05, run=lambda: held.wait(LONG_S), abandon_after_s=0.05)
    engine.jobs = lambda: [job]  # type: ignore[method-assign]  # one job in place of another
    ending, _ = run(engine, Asked(*[look] * 50, stop), never)
    held.set()
    assert ending is Ending.STOPPED


def test_a_job_that_fails_again_and_again_ends_the_daemon(logs: list[Any]) -> None:
    """The schedule only logs it: the daemon would look alive while doing nothing."""

    def fail() -> None:
        raise ZeroDivisionError("boom")

    assert run(Engine(job=fail), Asked(), never)[0] is Ending.UNSOUND
    assert "daemon_unsound" in events(logs)


def test_a_job_that_fails_once_ends_nothing() -> None:
    failures = [ZeroDivisionError("boom")]

    def job() -> None:
        if failures:
            raise failures.pop()

    engine = Engine(job=job)
    assert run(engine, Asked(*[look] * 50, stop), never)[0] is Ending.STOPPED


def test_what_is_unsound_is_no_longer_fed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, words = Engine(), Words()
    engine.reason = "the ledger's file was deleted"
    assert Daemon(engine, never, Asked(), words).run() is Ending.UNSOUND
    assert "WATCHDOG=1" not in words.heard


def test_nobody_is_late_for_the_time_the_whole_machine_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "LOOK_S", 0.01)
    skipped = [0.0]
    real = time.monotonic
    monkeypatch.setattr("wcsync.pulse.monotonic", lambda: real() + skipped[0])
    monkeypatch.setattr("wcsync.shift.time.monotonic", lambda: real() + skipped[0])

    def stand_still(_signals: Signals) -> None:
        skipped[0] += 3600

    assert run(Engine(), Asked(look, look, stand_still, look, look, stop), never)[0] is Ending.STOPPED


def test_serving_ends_with_false_when_a_thread_hangs() -> None:
    stop_event, worker = threading.Event(), Worker()
    worker.held.set()
    assert not serve([], Pool([worker], 1, stop_event, longest_s=0.05), stop_event)
    worker.held.clear()


@pytest.mark.parametrize(
    ("number", "asked"),
    [(signal.SIGTERM, (True, False)), (signal.SIGINT, (True, False)), (signal.SIGHUP, (False, True))],
)
def test_a_signal_is_written_down_and_ends_a_wait_at_once(
    number: signal.Signals, asked: tuple[bool, bool]
) -> None:
    before = signal.getsignal(number)
    with Signals() as signals:
        signals._terminals = []
        os.kill(os.getpid(), number)
        began = time.monotonic()
        signals.wait(LONG_S)
        assert time.monotonic() - began < LONG_S / 2
        assert (signals.stop, signals.reload) == asked
    assert signal.getsignal(number) is before


def test_a_terminal_that_was_closed_asks_to_stop() -> None:
    leader, follower = os.openpty()
    with Signals() as signals:
        signals._terminals = [follower]
        signals._note(signal.SIGHUP, None)
        assert (signals.stop, signals.reload) == (False, True)
        os.close(leader)
        signals._note(signal.SIGHUP, None)
        assert signals.stop
    os.close(follower)


def test_nobody_hung_is_no_reason() -> None:
    assert describe([]) == ""


# -- a bell ------------------------------------------------------------------------------------------------------------


def test_a_bell_has_the_orders_looked_at_once_and_reads_nothing_itself() -> None:
    class Slow(Engine):
        def jobs(self) -> Sequence[Job]:
            return [Job(name="orders", every_s=3600.0, run=self.job)]

    looks: list[str] = []
    engine = Slow(lambda: looks.append(engine.life[-1]))
    ending, _ = run(engine, Asked(look, look, ring, look, look, stop), never)
    assert ending is Ending.STOPPED
    assert looks == ["prepared", "rung"]


def test_sigusr1_is_a_bell_and_neither_stops_nor_reloads() -> None:
    with Signals() as signals:
        for _ in range(1000):
            os.kill(os.getpid(), signal.SIGUSR1)
        signals.wait(5.0)
        assert (signals.bell, signals.stop, signals.reload) == (True, False, False)
