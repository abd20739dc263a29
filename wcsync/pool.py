"""The worker threads: a few per LMS, so that a slow LMS holds up no other."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

IDLE_S = 1.0
"""How long an idle thread waits before it looks for due rows again, unless it is woken."""
AFTER_BUG_S = 5.0
DRAIN_FAILURES = 3
"""How often a thread may fail before it takes no further part in a drain."""


class Worker(Protocol):
    def run_once(self) -> bool: ...


class Pool:
    """`threads_each` threads for each worker, one for each of `singles`; all stopped by one event.

    A drain works the singles off last: what they have to do follows from what the workers did.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        threads_each: int,
        stop: threading.Event,
        singles: Sequence[Worker] = (),
    ) -> None:
        self._workers = [worker for worker in workers for _ in range(threads_each)]
        self._singles = singles
        self._stop = stop
        self._news = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins to work, until the stop event is set."""
        self._spawn([*self._workers, *self._singles], self._work_until_stopped)

    def wake(self) -> None:
        """Tells idle threads that there may be something to do."""
        with self._news:
            self._news.notify_all()

    def join(self) -> None:
        """Waits until every thread has settled what it holds. Set the stop event first."""
        self.wake()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def drain(self) -> None:
        """Works with all threads until nothing is due now, then returns."""
        for workers in (self._workers, self._singles):
            self._spawn(workers, self._work_while_due)
            self.join()

    def alive(self) -> bool:
        """Whether every thread that was started is still running."""
        return all(thread.is_alive() for thread in self._threads)

    def _spawn(self, workers: Sequence[Worker], target: Callable[[Worker], None]) -> None:
        for number, worker in enumerate(workers):
            name = f"worker-{type(worker).__name__}-{number}"
            thread = threading.Thread(target=target, args=(worker,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

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
        try:
            return worker.run_once()
        except Exception:
            log.critical("worker_failed", exc_info=True)
            self._stop.wait(AFTER_BUG_S)
            return None
