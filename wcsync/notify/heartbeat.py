"""A sign of life for somebody outside: silence is what they notice."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import structlog

from wcsync.errors import PermanentError, WcsyncError
from wcsync.http import Outgoing, Service

log = structlog.get_logger(__name__)

PATIENCE_S = 10.0
"""How long the end of the process waits for a ping that is under way."""


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """Pings a url, at most once in `every_s`, in a thread of its own: whoever calls `beat` never waits.

    A ping is sent once and never repeated: the next one says the same. Trouble is logged when it begins and when it
    ends. `timer` tells monotonic seconds.
    """

    service: Service
    url: str = field(repr=False)
    method: str
    every_s: float
    timer: Callable[[], float] = monotonic
    _wanted: bool = False
    _closing: bool = False
    _failing: bool = False
    _beat_at: float | None = None
    _news: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def beat(self) -> None:
        """A pass was successful. Returns at once."""
        with self._news:
            if self._closing or not self._is_time():
                return
            self._wanted, self._beat_at = True, self.timer()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()
            self._news.notify()

    def close(self) -> None:
        """Lets a ping that is due go out, but does not wait for it for long."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
        if self._thread is None or not self._thread.is_alive():
            self.service.close()

    def _is_time(self) -> bool:
        return self._beat_at is None or self.timer() - self._beat_at >= self.every_s

    def _run(self) -> None:
        while self._next():
            self._ping()

    def _next(self) -> bool:
        """Waits for a ping that is wanted; False when there is none and none will come."""
        with self._news:
            while not self._wanted and not self._closing:
                self._news.wait()
            wanted, self._wanted = self._wanted, False
            return wanted

    def _ping(self) -> None:
        try:
            self._send()
        except WcsyncError as exc:
            if not self._failing:
                hint = "nothing else waits for it; look at [heartbeat] in the config"
                log.warning("heartbeat_failing", reason=str(exc), hint=hint)
            self._failing = True
            return
        if self._failing:
            log.info("heartbeat_recovered")
        self._failing = False

    def _send(self) -> None:
        reply = self.service.send(lambda: Outgoing(method=self.method, url=self.url))
        if reply.status >= 400:
            raise PermanentError(f"heartbeat: answered {reply.status}; is the url still the right one?")
