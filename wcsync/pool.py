"""The worker threads: a few per LMS, so that a slow LMS holds up no other."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from wcsync.pulse import Pulse, beat

log = structlog.get_logger(__name__)

IDLE_S = 1.0
"""How long an idle thread waits before it looks for due rows again, unless it is woken."""
AFTER_BUG_S = 5.0
JOIN_LOOK_S = 0.2
DRAIN_FAILURES = 3
"""How often a thread may fail before it takes no further part in a drain."""


class Worker(Protocol):
    def run_once(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Hand:
    """One thread and its signs of life."""

    thread: threading.Thread
    pulse: Pulse

    @property
    def hung(self) -> bool:
        return self.pulse.late and self.thread.is_alive()


class Pool:
    """`threads_each` threads for each worker, one for each of `singles`; all stopped by one event.

    A drain works the singles off last: what they have to do follows from what the workers did. `longest_s`: how long
    any of them can be silent; a thread that is busy and silent for longer is hung. `explains` knows what is no fault of
    wcsync, and has told it.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        threads_each: int,
        stop: threading.Event,
        singles: Sequence[Worker] = (),
        longest_s: float = math.inf,
        explains: Callable[[Exception], bool] = lambda _exc: False,
    ) -> None:
        self._explains = explains
        self._workers = [worker for worker in workers for _ in range(threads_each)]
        self._singles = singles
        self._stop = stop
        self._news = threading.Condition()
        self._longest_s = longest_s
        self._hands: list[_Hand] = []

    def start(self) -> None:
        """Begins to work, until the stop event is set."""
        self._spawn([*self._workers, *self._singles], self._work_until_stopped)

    def wake(self) -> None:
        """Tells idle threads that there may be something to do."""
        with self._news:
            self._news.notify_all()

    def join(self, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Waits until every thread has settled what it holds. Set the stop event first.

        `meanwhile` is called several times a second. False if a thread is hung: it is waited for no longer.
        """
        self.wake()
        while busy := [hand for hand in self._hands if hand.thread.is_alive()]:
            if all(hand.hung for hand in busy):
                return False
            busy[0].thread.join(JOIN_LOOK_S)
            meanwhile()
        self._hands.clear()
        return True

    def drain(self) -> bool:
        """Works with all threads until nothing is due now, then returns. False as `join`."""
        for workers in (self._workers, self._singles):
            self._spawn(workers, self._work_while_due)
            if not self.join():
                return False
        return True

    def alive(self) -> bool:
        """Whether every thread that was started is still running."""
        return all(hand.thread.is_alive() for hand in self._hands)

    def pulses(self) -> list[Pulse]:
        return [hand.pulse for hand in self._hands]

    def hung(self) -> list[Pulse]:
        """The pulses of threads that are busy for longer than any attempt takes."""
        return [hand.pulse for hand in self._hands if hand.hung]

    def _spawn(self, workers: Sequence[Worker], target: Callable[[Worker], None]) -> None:
        for number, worker in enumerate(workers):
            pulse = Pulse(f"worker-{type(worker).__name__}-{number}", self._longest_s)
            thread = threading.Thread(
                target=self._live, args=(target, worker, pulse), name=pulse.name, daemon=True
            )
            self._hands.append(_Hand(thread, pulse))
            thread.start()

    def _live(self, target: Callable[[Worker], None], worker: Worker, pulse: Pulse) -> None:
        pulse.adopt()
        target(worker)

    def _work_until_stopped(self, worker: Worker) -> None:
        while not self._stop.is_set():
            if not self._guarded(worker):
                self._rest()

    def _rest(self) -> None:
        with self._news:
            if not self._stop.is_set():  # looked at under the lock: `join` wakes only those who wait
                self._news.wait(IDLE_S)

    def _work_while_due(self, worker: Worker) -> None:
        failures = 0
        while not self._stop.is_set() and failures < DRAIN_FAILURES:
            worked = self._guarded(worker)
            if worked is False:
                return
            failures += worked is None

    def _guarded(self, worker: Worker) -> bool | None:
        """The outermost line of a worker thread: whatever happens, it is told and the thread lives on. None: it
        failed."""
        beat()
        try:
            return worker.run_once()
        except Exception as exc:
            if not self._explains(exc):
                log.critical("worker_failed", exc_info=True)
            self._stop.wait(AFTER_BUG_S)
            return None
