"""Keeping below a limit of calls per second, for all threads of one LMS together."""

import math
import threading
import time
from collections.abc import Callable


class Throttle:
    """Lets at most `burst` calls through at once and `per_s` a second in the long run. Thread-safe.

    In no second do more than `per_s + burst` get through. `clock` is monotonic and in seconds.
    """

    def __init__(
        self,
        *,
        per_s: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap_s = 1 / per_s
        self._credit_s = (burst - 1) / per_s
        self._clock = clock
        self._sleep = sleep
        self._next_at = -math.inf
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the caller may make its call. Callers wait side by side, in the order they came."""
        wait_s = self._reserve()
        if wait_s > 0:
            self._sleep(wait_s)

    def _reserve(self) -> float:
        """Takes the next free place, and returns in how many seconds it comes up."""
        with self._lock:
            now = self._clock()
            place = max(self._next_at, now - self._credit_s)
            self._next_at = place + self._gap_s
            return place - now
