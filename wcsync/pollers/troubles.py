"""Looking for trouble in the ledger, again and again, and having people told of it once."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from wcsync.ledger.base import Cursor, Ledger, TroubleRecord, Walk
from wcsync.mappers.troubles import Look, Rules
from wcsync.pollers.orders import CURSOR
from wcsync.times import Clock

log = structlog.get_logger(__name__)

LONGEST_PAUSE = timedelta(minutes=5)
"""Two looks farther apart than this: the machine slept, or its clock was set."""


@dataclass(slots=True, kw_only=True)
class TroubleWatch:
    """Has every trouble told once when it begins and once when it is over. For one thread at a time.

    Time that this process did not live through proves nothing: after a start, a sleep of the machine or a jump of its
    clock, what has to last some time before it counts is believed at the next look.
    """

    ledger: Ledger
    rules: Rules
    clock: Clock
    _looked_at: datetime | None = field(default=None, repr=False)
    _steady_since: datetime | None = field(default=None, repr=False)
    _read_at: datetime | None = field(default=None, repr=False)
    _walk: Walk | None = field(default=None, repr=False)

    @property
    def looked(self) -> bool:
        """Whether there was a look yet. Before it, what an earlier process left unsent may be out of date."""
        return self._looked_at is not None

    def look(self) -> TroubleRecord:
        """One look of a process that stays. Safe to repeat and to kill anywhere."""
        now = self.clock()
        steady = self._looked_at is not None and timedelta() <= now - self._looked_at <= LONGEST_PAUSE
        return self._look(now, steady=steady)

    def look_once(self) -> TroubleRecord:
        """The only look of a process that has just asked everybody and ends now."""
        return self._look(self.clock(), steady=True)

    def _look(self, now: datetime, *, steady: bool) -> TroubleRecord:
        self._read_at = self._sign_of_life(self.ledger.read_cursor(CURSOR), now, steady=steady)
        if self._steady_since is None or not steady:
            self._steady_since = now
        look = Look(now=now, read_at=self._read_at, steady=steady, steady_since=self._steady_since)
        record = self.ledger.post.record_troubles(self.rules, look)
        self._looked_at = now
        if record.began or record.ended:
            log.info("troubles_told", began=record.began, ended=record.ended, messages=record.messages)
        return record

    def _sign_of_life(self, cursor: Cursor | None, now: datetime, *, steady: bool) -> datetime:
        """When the shop was last read: a pass completed, or a long walk that went on since the last look.

        Without a sign this process has seen, the time is counted from its own first look on.
        """
        walk, before = (cursor.walk if cursor else None), self._walk
        self._walk = walk
        known = self._read_at if steady and self._read_at is not None and self._read_at <= now else now
        if walk and before and walk.started_at == before.started_at and walk.page > before.page:
            return now
        polled_at = cursor.polled_at if cursor else None
        return polled_at if polled_at is not None and known < polled_at <= now else known
