"""Forgetting people by itself once nothing has been theirs for long enough."""

from datetime import datetime, timedelta

import structlog

from wcsync.ledger.base import Ledger
from wcsync.times import Clock

log = structlog.get_logger(__name__)
EVERY = timedelta(days=1)


class Retention:
    """Blanks address, names and fields of whoever has had no live access, no order and nothing under way for `days`."""

    def __init__(self, ledger: Ledger, clock: Clock, days: int) -> None:
        self._ledger = ledger
        self._clock = clock
        self._kept_for = timedelta(days=days)
        self._ran_at: datetime | None = None

    def run_if_due(self) -> int:
        """Once a day, and first when the process begins; a clock set back counts as a day. Returns how many were
        forgotten. Safe to repeat."""
        now = self._clock()
        if self._ran_at is not None and self._ran_at <= now < self._ran_at + EVERY:
            return 0
        forgotten = self._ledger.desk.blank_idle(now - self._kept_for, now)
        self._ran_at = now
        if forgotten:
            log.info("learners_forgotten", learners=forgotten)
        return forgotten
