"""After a restore: one proof over all that was done since the backup, and then the ledger has caught up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from wcsync.errors import REMOTE_ERRORS
from wcsync.gate import SHOP
from wcsync.ledger.base import Ledger
from wcsync.ledger.origin import MARGIN
from wcsync.pollers.nights import AGAIN_AFTER, tell
from wcsync.pollers.orders import CURSOR
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.reckoning import Reckoning
from wcsync.times import Clock, render_instant

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class CatchUp:
    """Once for each restore, when orders have been read and what came of that is done. `settled`: whether nothing is
    due any more; what waits long does not hold it up for more than an hour. For one thread at a time."""

    reconciler: Reconciler
    ledger: Ledger
    clock: Clock
    settled: Callable[[], bool]
    healthy: Callable[[str], bool] = lambda _name: True
    _tried_at: datetime | None = field(default=None, repr=False)

    def run_if_due(self) -> Reckoning | None:
        """The proof from the backup on, every learner looked up, if the ledger has not caught up yet."""
        since = self._is_due()
        if since is None or not self.healthy(SHOP):
            return None
        self._tried_at = self.clock()
        try:
            reckoning = self.reconciler.run(self.reconciler.window(since), Depth.ALL)
        except REMOTE_ERRORS as exc:
            if not self.reconciler.stopping():
                log.warning(
                    "reconcile_failed",
                    reason=str(exc),
                    hint="it is tried again every hour until the restored ledger has caught up",
                )
            return None
        tell(reckoning)
        self.ledger.record_caught_up(self.clock())
        missing = sum(look.missing for look in reckoning.looks)
        log.info("ledger_caught_up", orders=reckoning.orders, fresh=reckoning.fresh, missing=missing)
        return reckoning

    def _is_due(self) -> datetime | None:
        """From when on, or None."""
        known, now = self.ledger.read_origin(), self.clock()
        if known is None or known.restored_at is None or known.caught_up_at is not None:
            return None
        if self._tried_at is not None and abs(now - self._tried_at) < AGAIN_AFTER:
            return None
        cursor = self.ledger.read_cursor(CURSOR)
        if cursor is None or cursor.polled_at is None or cursor.polled_at < known.restored_at:
            return None
        if not self.settled() and now - known.restored_at < AGAIN_AFTER:
            return None
        return known.taken_at - MARGIN


def tell_restored(ledger: Ledger, now: datetime) -> None:
    """Begins the work on a ledger that was restored, with a line in the log; does nothing for any other."""
    begun = ledger.begin_restored(now)
    if begun is not None:
        log.warning(
            "ledger_restored",
            taken_at=render_instant(begun.taken_at),
            hint="what was done since then is looked up before anything is written; what people decided since (assign, "
            "relink, end, hold, drop) is to be said again",
        )
