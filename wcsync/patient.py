"""One service's health over time: noted after each call, kept in the ledger, logged when it changes."""

import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from wcsync.errors import TransientError, WcsyncError
from wcsync.health import Condition, Health, Sign
from wcsync.ledger.base import Ledger
from wcsync.times import Clock

log = structlog.get_logger(__name__)

ROWS_IN_A_ROW = 3
"""So many different rows failing, none working in between, are the service's trouble and not theirs."""

_EVENTS = {
    Condition.UP: "service_recovered",
    Condition.DOWN: "service_unavailable",
    Condition.BLOCKED: "service_blocked",
}


@dataclass(slots=True, kw_only=True)
class Patient:
    """Keeps the health of the service called `name`. Thread-safe. `dice` gives numbers in [0, 1)."""

    name: str
    ledger: Ledger
    clock: Clock
    dice: Callable[[], float]
    _health: Health | None = field(default=None, repr=False)
    _worked_at: datetime | None = field(default=None, repr=False)
    _suspects: set[str] = field(default_factory=set, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def health(self) -> Health:
        with self._lock:
            return self._current()

    def is_up(self) -> bool:
        return self.health.condition is Condition.UP

    def may_call(self) -> bool:
        return self.health.may_call(self.clock())

    def note(self, sign: Sign, reason: str = "", retry_after_s: float | None = None) -> None:
        """Takes in what a call told about the service; trouble is logged when it begins and when it ends."""
        with self._lock:
            before = self._current()
            if sign is Sign.WORKED:
                self._suspects.clear()
                self._worked_at = self.clock()
            if sign is Sign.WORKED and before.condition is Condition.UP:
                return
            now = self.clock()
            after = before.after(sign, now, jitter=self.dice(), reason=reason, retry_after_s=retry_after_s)
            self._health = after
            self.ledger.record_health(self.name, after)
        if before.condition is not after.condition:
            Context().run(self._tell, before, after)  # the service's news, whichever row met it first

    def note_error(self, exc: WcsyncError) -> None:
        """Takes in what a call raised: trouble that may pass, or a refusal that a person must mend."""
        if isinstance(exc, TransientError):
            self.note(Sign.FAILED, str(exc), exc.retry_after_s)
        else:
            self.note(Sign.REFUSED, str(exc))

    def note_wish(self, exc: WcsyncError) -> float | None:
        """Takes in, of what a call raised, only that the service asks to be left alone, which all are to heed. For how
        many seconds it asks; None if it does not."""
        if not isinstance(exc, TransientError) or exc.retry_after_s is None:
            return None
        self.note_error(exc)
        return exc.retry_after_s

    def worked_since(self, instant: datetime | None) -> bool:
        """Whether a call worked after `instant`, as far as this process knows."""
        with self._lock:
            return instant is not None and self._worked_at is not None and self._worked_at > instant

    def suspect(self, row: str, reason: str) -> None:
        """Takes in that `row` failed by itself, as far as one can tell. See `ROWS_IN_A_ROW`."""
        with self._lock:
            self._suspects.add(row)
            many = len(self._suspects) >= ROWS_IN_A_ROW
        if many:
            self.note(Sign.FAILED, reason)

    def _current(self) -> Health:
        if self._health is None:
            self._health = self._admit()
        return self._health

    def _admit(self) -> Health:
        """What an earlier process knew. It was probably stopped to mend things, so a sick service is asked at once."""
        now = self.clock()
        health = self.ledger.read_service(self.name, now).health
        if not health.may_call(now):
            health = replace(health, retry_at=now)
            self.ledger.record_health(self.name, health)
        return health

    def _tell(self, before: Health, after: Health) -> None:
        if after.condition is Condition.UP:
            down_s = round((after.since - before.since).total_seconds())
            log.info(_EVENTS[Condition.UP], service=self.name, down_s=down_s)
            return
        level = log.error if after.condition is Condition.BLOCKED else log.warning
        level(_EVENTS[after.condition], service=self.name, reason=after.reason)
