"""Reading orders: from the shop's pages into the ledger, none lost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Never

import structlog

from wcsync.errors import REMOTE_ERRORS
from wcsync.gate import Gate
from wcsync.health import Sign
from wcsync.ledger.base import Cursor, CursorMove, Ledger, PageRecord
from wcsync.model import Order, OrderId, Page, PlanOrder, Unreadable
from wcsync.patient import Patient
from wcsync.pollers.walking import Tide, Walker, believed, require_time
from wcsync.retry import LONGEST_ASKED_WAIT_S
from wcsync.store.base import Store
from wcsync.times import Clock, render_instant

log = structlog.get_logger(__name__)

CURSOR = "orders"
AT_ONCE = 2
"""So many pages are asked for at the same time where a long history is read. A shop serves its buyers too."""
OnPage = Callable[[Page, PageRecord], None]
"""Hears of each page once it is recorded, and what it brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one look at the shop came to. `complete`: all that changed was read; `fresh`: orders new or changed.

    `began` and `ended` by the monotonic clock. `trouble_s`: why it is not complete is trouble, and the shop is to be
    left alone for so long; None without trouble. `asked`: False if it was left alone this time. `failed`: a fault of
    ours, or of the ledger's disk, ended it.
    """

    asked: bool
    complete: bool
    fresh: int
    began: float
    ended: float
    trouble_s: float | None = None
    failed: bool = False

    def __bool__(self) -> Never:
        raise TypeError("a pass is neither true nor false; ask whether it is complete")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPoller:
    """Asks the shop for what changed and records it.

    `start`: where a new ledger begins to read, None = the first look, by the shop's clock. `overlap_s`: how far
    behind the cursor each poll begins, for changes that became visible late; `tide` knows when none can come any
    more. `planner` gives the plan in force at that moment. `before_recording` hears of orders before they are
    recorded. `stopping` says that a long walk is to be left where it is; the next process takes it up there.
    `explains` knows what is no fault of wcsync, and has told it.
    """

    store: Store
    ledger: Ledger
    gate: Gate
    patient: Patient
    planner: Callable[[], PlanOrder]
    clock: Clock
    overlap_s: float
    start: datetime | None = None
    stopping: Callable[[], bool] = lambda: False
    tide: Tide = field(default_factory=lambda: Tide(monotonic))
    explains: Callable[[Exception], bool] = lambda _exc: False
    before_recording: Callable[[Sequence[Order]], None] = lambda _orders: None
    _looked_at: list[datetime] = field(default_factory=list, repr=False)

    def poll_once(self) -> Pass:
        """Reads all that changed since the last poll. Never raises; says in the log why a pass is not complete.

        Safe to repeat and to kill anywhere: what is recorded is recorded, the rest is read again. While the shop is to
        be left alone it is not asked.
        """
        if not self._looked_at:
            self._looked_at.append(self.clock())
        began, asked, fresh, complete, failed = monotonic(), True, 0, False, False
        try:
            asked = self.patient.may_call()
            if asked:
                record, complete = self._poll_noting()
                fresh = record.fresh
            trouble_s = self._trouble_s()
        except Exception as exc:
            if not self.explains(exc):
                log.critical("poller_failed", exc_info=True)
            complete, trouble_s, failed = False, 0.0, True
        return Pass(
            asked=asked,
            complete=complete,
            fresh=fresh,
            began=began,
            ended=monotonic(),
            trouble_s=trouble_s,
            failed=failed,
        )

    def read_since(self, since: datetime, on_page: OnPage = lambda _page, _record: None) -> PageRecord:
        """Reads every order changed after `since`, whatever the cursor says, and leaves the cursor alone.

        Raises: TransientError, ServiceBlocked.
        """
        self.gate.check()
        record = self._walking(AT_ONCE).read_since(since, on_page)
        self.ledger.proof.record_beginning(since)
        return record

    def read_order(self, order_id: OrderId) -> PageRecord | None:
        """Reads one order again, and plans it anew by the config of today even if the shop says nothing new; None if
        the shop does not know it. Raises: TransientError, ServiceBlocked."""
        self.gate.check()
        order = self.store.fetch_order(order_id)
        if order is None:
            return None
        self.ledger.forget_reading(order_id)
        if isinstance(order, Unreadable):
            return self._record((), (order,))
        return self._record((order,), ())

    def _trouble_s(self) -> float | None:
        """How long the shop is to be left alone from now; None if it is well."""
        health, now = self.patient.health, self.clock()
        if health.retry_at is None:
            return None
        left_s = 0.0 if health.may_call(now) else (health.retry_at - now).total_seconds()
        return min(left_s, LONGEST_ASKED_WAIT_S)

    def _poll_noting(self) -> tuple[PageRecord, bool]:
        started = monotonic()
        try:
            self.gate.check()
            record, complete = self._walking().read_on()
        except REMOTE_ERRORS as exc:
            self.gate.forget()
            self.patient.note_error(exc)
            return PageRecord(), False
        self.patient.note(Sign.WORKED)
        _tell(record, complete=complete, duration_ms=round((monotonic() - started) * 1000))
        return record, complete

    def _walking(self, at_once: int = 1) -> Walker[Page]:
        return Walker(
            name=CURSOR,
            fetch=lambda since, first_page: self.store.fetch_pages(
                since, first_page=first_page, at_once=at_once
            ),
            record=lambda page, move: self._record(page.orders, page.unreadable, move),
            begin=self._begin,
            ledger=self.ledger,
            clock=self.clock,
            overlap_s=self.overlap_s,
            stopping=self.stopping,
            tide=self.tide,
        )

    def _begin(self) -> Cursor:
        """A new ledger begins at `start`, or now: a shop's long history is nobody's order of today."""
        position = self.start or self._first_look()
        self.ledger.start_cursor(CURSOR, position, self.clock())
        log.warning(
            "ledger_started",
            orders_since=render_instant(position - timedelta(seconds=self.overlap_s)),
            hint="orders last changed before this are not read; `wcsync backfill --since T` reads them",
        )
        return Cursor(position=position)

    def _first_look(self) -> datetime:
        """By the shop's clock. The ledger may have been out of order since, while orders went on coming in."""
        now = self.clock()
        shop_now = believed(require_time(self.store.fetch_identity().server_time), now)
        return shop_now - max(now - self._looked_at[0], timedelta())

    def _record(
        self, orders: Iterable[Order], unreadable: Iterable[Unreadable], move: CursorMove | None = None
    ) -> PageRecord:
        read = tuple(orders)
        self.before_recording(read)
        return self.ledger.record_page(read, tuple(unreadable), self.planner(), move, self.clock())


def _tell(record: PageRecord, *, complete: bool, duration_ms: int) -> None:
    say = log.info if record.fresh or record.parked or not complete else log.debug
    say(
        "orders_polled",
        fetched=record.fetched,
        fresh=record.fresh,
        lines=record.lines,
        unmapped=record.unmapped,
        parked=record.parked,
        complete=complete,
        duration_ms=duration_ms,
    )
