"""The process: signals, start, reload and stop order, and whether it still does its work."""

import math
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

import structlog

from wcsync import __version__
from wcsync.errors import ConfigError, Problem
from wcsync.mappers.problems import render_problems
from wcsync.model import LmsName
from wcsync.pool import Pool
from wcsync.schedule import Job
from wcsync.shift import Shift
from wcsync.supervisor import Supervisor

log = structlog.get_logger(__name__)

LOOK_S = 5.0
"""How often a running daemon looks at itself."""
TELL_S = 15.0
"""How often people are told how things stand."""
RUNG = "orders"
"""The job that a bell is rung for."""
REFUSED = "The changed config is REFUSED (see the log), the old one is in force. "


UNLOCKED = "the lock beside the ledger was deleted or replaced, so that another process could work on it too"
BROKEN = "it could not begin, or met a fault of wcsync; the traceback says which"


class Engine(Protocol):
    """What a daemon drives: everything that is made from one config. `stop` set: begin nothing more.

    `prepare()` picks up what is left over, when nobody else works on the ledger any more. `sound()` says why it cannot
    go on, '' while it can; `state()` tells people how things stand. `longest_s`: no job or worker is silent for longer.
    """

    stop: threading.Event
    pool: Pool
    longest_s: float

    @property
    def lmss(self) -> Mapping[LmsName, object]: ...

    def prepare(self) -> None: ...

    def jobs(self) -> Sequence[Job]: ...

    def sound(self) -> str: ...

    def state(self) -> str: ...

    def ring(self) -> None:
        """Somebody says that there are new orders: the next round of the job RUNG looks, if it may."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A config read again, and an engine made from it that has done nothing yet.

    `changed`: the sections that differ; `commit` makes this config the one in force.
    """

    engine: Engine
    changed: Sequence[str]
    commit: Callable[[], None]


class Ending(StrEnum):
    """How a daemon ended."""

    STOPPED = "stopped"
    UNSOUND = "unsound"
    """It cannot go on, and is to be started anew."""
    HUNG = "hung"
    """As UNSOUND, and a thread that nobody can end is still there."""


def serve(
    jobs: Sequence[Job],
    pool: Pool,
    stop: threading.Event,
    sound: Callable[[], str] = lambda: "",
    *,
    longest_s: float = math.inf,
) -> bool:
    """Runs jobs and workers until `stop` is set, then lets both settle what they hold.

    `sound` tells why the process cannot go on, '' while it can. False if that ended it: it is to be started anew.
    """
    shift, reason = Shift(jobs, pool, stop, sound, longest_s=longest_s, look_s=LOOK_S), ""
    shift.start()
    try:
        while not stop.wait(LOOK_S) and not reason:
            reason = shift.look()
    finally:
        _lament(reason)
        log.info("daemon_stopping")
        settled = shift.settle()
    return settled and not reason


class Daemon:
    """One engine at work, and another in its place when people ask for it.

    `renew` reads the config again and raises ConfigError if it cannot be used; the engine at work then stays. `held`
    tells whether the ledger's lock still keeps others out.
    """

    def __init__(
        self,
        engine: Engine,
        renew: Callable[[], Renewal],
        signals: "Signals",
        supervisor: Supervisor,
        held: Callable[[], bool] = lambda: True,
    ) -> None:
        self._held = held
        self._engine = engine
        self._renew = renew
        self._signals = signals
        self._supervisor = supervisor
        self._refused = False
        self._state = ""

    def run(self) -> Ending:
        """Works until a signal asks to stop, or until it cannot go on. The engine is closed afterwards.

        Main thread only. After HUNG nothing is closed: the hung thread may still use it. Raises ConfigError if an
        engine cannot begin before a person has edited a file.
        """
        try:
            return self._run()
        except ConfigError:
            raise
        except Exception:
            log.critical("daemon_unsound", reason=BROKEN, exc_info=True)
            return Ending.UNSOUND
        finally:
            self._engine.stop.set()  # whatever went wrong here, nobody else goes on

    def _run(self) -> Ending:
        shift, reason = self._begin(), ""
        log.info("daemon_started", version=__version__, lms=sorted(self._engine.lmss))
        self._supervisor.ready()
        while not self._signals.stop and not reason:
            self._signals.wait(min(LOOK_S, (self._supervisor.watchdog_s or math.inf) / 4))
            if self._signals.reload and not self._signals.stop:
                shift = self._reload(shift)
            if self._signals.bell:
                self._ring(shift)
            reason = shift.look() or ("" if self._held() else UNLOCKED)
            if not reason:
                self._supervisor.feed()
                self._supervisor.tell(f"{REFUSED if self._refused else ''}{self._state}")
        return self._finish(shift, reason)

    def _ring(self, shift: Shift) -> None:
        """Nothing is read here, nor believed but that a look is worth while: anybody may ring by mistake."""
        self._signals.bell = False
        self._engine.ring()
        shift.run_now(RUNG)

    def _finish(self, shift: Shift, reason: str) -> Ending:
        self._supervisor.stopping()
        _lament(reason)
        log.info("daemon_stopping")
        if not shift.settle(_nothing if reason else self._supervisor.feed):
            return Ending.HUNG
        self._engine.close()
        return Ending.UNSOUND if reason else Ending.STOPPED

    def _begin(self) -> Shift:
        engine = self._engine
        try:
            engine.prepare()
        except BaseException:
            engine.close()
            raise
        jobs = list(engine.jobs())
        if self._supervisor.listens:
            jobs.append(Job(name="state", every_s=TELL_S, run=self._look_around))
        shift = Shift(jobs, engine.pool, engine.stop, engine.sound, longest_s=engine.longest_s, look_s=LOOK_S)
        shift.start()
        return shift

    def _look_around(self) -> None:
        """A job, because it reads the ledger: the main thread waits for nothing and nobody."""
        self._state = self._engine.state()

    def _reload(self, shift: Shift) -> Shift:
        """The shift that works by the config as it is now; `shift` itself if that config is refused."""
        self._signals.reload = False
        self._supervisor.reloading()
        try:
            return self._replace(shift)
        finally:
            self._supervisor.ready()

    def _replace(self, shift: Shift) -> Shift:
        try:
            renewal = self._renew()
        except ConfigError as exc:
            self._refuse(exc.problems)
            return shift
        except Exception:
            self._refused = True
            log.critical("reload_failed", exc_info=True)
            return shift
        if not shift.settle(self._supervisor.feed) or self._signals.stop:
            renewal.engine.close()
            return shift  # the next look ends the process, or the request to stop does
        self._engine.close()
        self._engine, self._refused = renewal.engine, False
        renewal.commit()
        log.info("config_reloaded", changed=list(renewal.changed))
        return self._begin()

    def _refuse(self, problems: Sequence[Problem]) -> None:
        self._refused = True
        hint = "the old config stays in force; mend the file, then reload again"
        log.error("config_refused", problems=render_problems(problems), hint=hint)


class Signals:
    """What people ask of the process: `stop` (SIGTERM, SIGINT), `reload` (SIGHUP), `bell` (SIGUSR1). Main thread only.

    The handlers only write down what was asked: an Event set by a handler waits for ever if the handler interrupts
    the very wait that holds the Event's lock. A terminal that was closed hangs up too: that is a request to stop.
    """

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self.bell = False
        self._terminals = [number for number in range(3) if os.isatty(number)]

    def __enter__(self) -> Self:
        self._news, self._bell = socket.socketpair()
        self._news.setblocking(False)
        self._bell.setblocking(False)
        self._bell_before = signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        self._before = {
            number: signal.signal(number, self._note)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._bell_before)
        self._news.close()
        self._bell.close()

    def wait(self, timeout_s: float) -> None:
        """Returns when the time is over, or at once when a signal comes."""
        select.select([self._news], [], [], timeout_s)
        with suppress(BlockingIOError):
            self._news.recv(4096)

    def _note(self, number: int, _frame: object) -> None:
        if number == signal.SIGUSR1:
            self.bell = True
            return
        hung_up = not all(os.isatty(terminal) for terminal in self._terminals)
        if number == signal.SIGHUP and not hung_up:
            self.reload = True
        else:
            self.stop = True


@contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP set `stop` while inside. Main thread only."""

    def ask_to_stop(_number: int, _frame: object) -> None:
        threading.Thread(target=stop.set).start()  # set here, it could wait for a lock this very thread holds

    before = {
        number: signal.signal(number, ask_to_stop)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lament(reason: str) -> None:
    if reason:
        log.critical("daemon_unsound", reason=reason)


def _nothing() -> None:
    """For a job or a pause in which there is nothing to do."""
