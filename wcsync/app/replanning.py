"""Lines that waited for the mapping: planned anew as soon as it has learnt of them."""

import threading
from collections.abc import Callable

import structlog

from wcsync.app import periods
from wcsync.ledger.base import Ledger
from wcsync.mappers.mapping import Mapping
from wcsync.model import PlanOrder
from wcsync.pollers.mapping import MappingKeeper
from wcsync.times import Clock

log = structlog.get_logger(__name__)


class Replanning:
    """What the mapping in force knows counts for the orders with unmapped lines. `plan`: how orders are planned by it.

    `at_page`: whether a walk is to end; asked between two batches, after a breath in which others may write.
    """

    def __init__(
        self,
        ledger: Ledger,
        mapping: MappingKeeper,
        plan: Callable[[], PlanOrder],
        clock: Clock,
        at_page: Callable[[], bool],
        stop: threading.Event,
    ) -> None:
        self._ledger = ledger
        self._mapping = mapping
        self._plan = plan
        self._clock = clock
        self._at_page = at_page
        self._stop = stop
        self._owed = threading.Event()
        self._planned_by: Mapping | None = None

    def owe(self) -> None:
        """The next run has work to do, whether the mapping is another or not. From any thread."""
        self._owed.set()

    def run_if_owed(self) -> bool:
        """Whether there was anything to be planned."""
        owed = self._owed.is_set() or self._mapping.current is not self._planned_by
        if owed:
            self.run()
        return owed

    def run(self) -> None:
        self._owed.clear()  # first: what is owed from now on is owed again
        self._planned_by = self._mapping.current
        try:
            record = self._ledger.replan_unmapped(self._plan(), self._clock(), self._at_batch)
        except BaseException:
            self._owed.set()
            raise
        if record.lines > record.unmapped:
            log.info("lines_replanned", orders=record.fresh, still_unmapped=record.unmapped)

    def _at_batch(self) -> bool:
        self._stop.wait(periods.BREATH_S)
        stopping = self._at_page()
        if stopping:
            self._owed.set()
        return stopping
