"""What is put in order from time to time, whoever reads orders and works them off."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import structlog

from wcsync.app import periods
from wcsync.app.build import longest_turn_s
from wcsync.config import Config
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report
from wcsync.model import LmsName
from wcsync.pollers.mapping import MappingKeeper
from wcsync.times import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`wake` tells the workers that something fell due."""

    config: Config
    ledger: SqliteLedger
    mapping: MappingKeeper
    clock: Clock
    wake: Callable[[], None]

    def end_expired(self) -> None:
        """Access whose time is over ends, whoever carries that out."""
        if self.ledger.end_expired(self.clock()):
            self.wake()

    def tell_waiting(self) -> None:
        """A note beside each order whose enrolments wait for long."""
        now = self.clock()
        self.ledger.post.record_waiting(now - timedelta(seconds=self.config.notes.waiting_after_s), now)

    def keep(self) -> None:
        """Gives back what a worker took so long ago that it will not settle it any more."""
        self.mapping.tell_if_stuck()
        now, turn = self.clock(), timedelta(seconds=longest_turn_s(self.config))
        recovered = self.ledger.recover(now - max(periods.LEASE_LIMIT, turn), now)
        if recovered:
            log.warning("leases_recovered", rows=recovered)

    def tell_missing_lmss(self, known: Iterable[LmsName]) -> None:
        """Enrolments that wait for an LMS which left the config have nobody to work on them."""
        with closing(Report(self.config.ledger.path)) as report:
            waiting = report.due_by_lms()
        for name in sorted(waiting.keys() - set(known)):
            hint = f'they wait until an [[lms]] section is called "{name}" again'
            log.error("lms_missing", lms=name, rows=waiting[name], hint=hint)
