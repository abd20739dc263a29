"""The proof, every night by the shop's clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

import structlog

from wcsync.errors import REMOTE_ERRORS
from wcsync.gate import SHOP
from wcsync.ledger.base import Ledger
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.reckoning import Reckoning
from wcsync.times import Clock
from wcsync.zones import instant_at, parse_zone

log = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(hours=1)
"""A proof that did not work is tried again after so long."""


@dataclass(slots=True, kw_only=True)
class Nights:
    """Once per night, at `at` by the shop's clock; a night that the machine slept through is made up for.

    `healthy`: whether a service may be called just now. For one thread at a time.
    """

    reconciler: Reconciler
    ledger: Ledger
    clock: Clock
    at: time
    look_back: timedelta
    lms: Depth
    sample: int
    healthy: Callable[[str], bool] = lambda _name: True
    _tried_at: datetime | None = field(default=None, repr=False)

    def run_if_due(self) -> Reckoning | None:
        """The proof if its time has come, and the shop is well. Its outcome is kept; trouble is told and kept too."""
        now = self.clock()
        if not self._is_due(now) or not self.healthy(SHOP):
            return None
        self._tried_at = now
        try:
            reckoning = self.reconciler.run(
                self.reconciler.window(now - self.look_back), self.lms, self.sample
            )
        except REMOTE_ERRORS as exc:
            if not self.reconciler.stopping():
                self._note_failure(str(exc))
            return None
        self.ledger.proof.record_worked(
            reckoning.counts(), reckoning.suspects(), reckoning.began_at, reckoning.ended_at, nightly=True
        )
        tell(reckoning)
        return reckoning

    def _is_due(self, now: datetime) -> bool:
        if self._tried_at is not None and timedelta() <= now - self._tried_at < AGAIN_AFTER:
            return False
        last = self.ledger.proof.read_last().nightly_at
        begun = self.ledger.proof.read_beginning()
        if begun is None:  # nothing was ever read: there is nothing to compare
            return False
        since = last if last is not None and last <= now else begun
        return since < last_night(now, self.at, self.ledger.read_service(SHOP, now).zone)

    def _note_failure(self, reason: str) -> None:
        self.ledger.proof.record_failed(reason, self.clock())
        log.warning(
            "reconcile_failed",
            reason=reason,
            hint="it is tried again every hour; nothing is lost meanwhile, orders are read as always",
        )


def last_night(now: datetime, at: time, zone: str) -> datetime:
    """When the clock of `zone` showed `at` last."""
    place = parse_zone(zone)
    today = datetime.combine(now.astimezone(place).date(), at)
    tonight = instant_at(today, place)
    return tonight if tonight <= now else instant_at(today - timedelta(days=1), place)


def tell(reckoning: Reckoning) -> None:
    """One line in the log for a proof that came to its end, and one for each service that was not believed."""
    for name, why in reckoning.suspects().items():
        if why:
            log.error("service_suspect", service=name, reason=why, hint="`wcsync reconcile` says what to do")
    say = log.error if reckoning.unexplained else log.info
    say(
        "reconciled",
        **reckoning.counts(),
        orders=reckoning.orders,
        fresh=reckoning.fresh,
        deleted=reckoning.deleted,
        looked=sum(look.looked for look in reckoning.looks),
        missing=sum(look.missing for look in reckoning.looks),
        findings=len(reckoning.remarks),
        duration_ms=round((reckoning.ended_at - reckoning.began_at).total_seconds() * 1000),
    )
