"""Reading orders: from the shop's pages into the ledger, none lost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog

from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.gate import Gate
from wcsync.health import Sign
from wcsync.ledger.base import Cursor, CursorMove, Ledger, PageRecord, Walk
from wcsync.model import Order, OrderId, Page, PlanOrder, Unreadable
from wcsync.patient import Patient
from wcsync.store.base import Store
from wcsync.times import Clock, render_instant

log = structlog.get_logger(__name__)

CURSOR = "orders"
HORIZON = timedelta(days=1)
"""How far ahead of ours the shop's clock is believed to be right."""
WALKS = 3
"""How often a walk is begun anew when orders vanish under it, before it is left to the next poll."""

OnPage = Callable[[Page, PageRecord], None]
"""Hears of each page once it is recorded, and what it brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPoller:
    """Asks the shop for what changed and records it.

    `start`: where a new ledger begins to read, None = now by the shop's clock. `overlap_s`: how far behind the cursor
    each poll begins, for changes that became visible late. `planner` gives the plan in force at that moment.
    `stopping` says that a long walk is to be left where it is; the next process takes it up there.
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

    def poll_once(self) -> bool:
        """Reads all that changed since the last poll. True if the pass was complete. Never raises; says why in the log.

        Safe to repeat and to kill anywhere: what is recorded is recorded, the rest is read again.
        """
        try:
            return self.patient.may_call() and self._poll_noting()
        except Exception:
            log.critical("poller_failed", exc_info=True)
            return False

    def read_since(self, since: datetime, on_page: OnPage = lambda _page, _record: None) -> PageRecord:
        """Reads every order changed after `since`, whatever the cursor says, and leaves the cursor alone.

        Raises: TransientError, ServiceBlocked.
        """
        self.gate.check()
        total = PageRecord()
        for _ in range(WALKS):
            record, walked = self._walk(since, None, keep=False, on_page=on_page)
            total = total.plus(record)
            if walked:
                return total
        raise TransientError(
            "shop: orders were deleted for good each time they were read, so that others may have been missed; "
            "read again later"
        )

    def read_order(self, order_id: OrderId) -> PageRecord | None:
        """Reads one order again; None if the shop does not know it. Raises: TransientError, ServiceBlocked."""
        self.gate.check()
        order = self.store.fetch_order(order_id)
        if order is None:
            return None
        if isinstance(order, Unreadable):
            return self._record((), (order,))
        return self._record((order,), ())

    def _poll_noting(self) -> bool:
        started = monotonic()
        try:
            record, complete = self._poll()
        except TransientError as exc:
            self.gate.forget()
            self.patient.note(Sign.FAILED, str(exc), exc.retry_after_s)
            return False
        except (ServiceBlocked, PermanentError) as exc:
            self.gate.forget()
            self.patient.note(Sign.REFUSED, str(exc))
            return False
        self.patient.note(Sign.WORKED)
        _tell(record, complete=complete, duration_ms=round((monotonic() - started) * 1000))
        return complete

    def _poll(self) -> tuple[PageRecord, bool]:
        self.gate.check()
        cursor = self.ledger.read_cursor(CURSOR) or self._begin()
        since = cursor.position - timedelta(seconds=self.overlap_s)
        walk = cursor.walk if cursor.walk is not None and cursor.walk.since == since else None
        total = PageRecord()
        for _ in range(WALKS):
            record, walked = self._walk(since, walk, keep=True)
            total = total.plus(record)
            if walked:
                return self._look_back(cursor, walked.started_at, total)
            if self.stopping():
                break
            walk = None
        return total, False

    def _look_back(self, cursor: Cursor, shop_now: datetime, total: PageRecord) -> tuple[PageRecord, bool]:
        """After the shop's clock was set back, changes are dated before the cursor: they are read from where that clock
        stood at our last complete pass. The cursor waits until the clock has caught up."""
        if cursor.polled_at is None or shop_now >= cursor.position:
            return total, True
        since_pass = max(self.clock() - cursor.polled_at, timedelta())
        since = shop_now - since_pass - timedelta(seconds=self.overlap_s)
        record, walked = self._walk(since, None, keep=False)
        return total.plus(record), walked is not None

    def _begin(self) -> Cursor:
        """A new ledger begins at `start`, or now: a shop's long history is nobody's order of today."""
        position = self.start or self._believed(_require_time(self.store.fetch_identity().server_time))
        self.ledger.start_cursor(CURSOR, position, self.clock())
        log.warning(
            "ledger_started",
            orders_since=render_instant(position - timedelta(seconds=self.overlap_s)),
            hint="orders last changed before this are not read; `wcsync backfill --since T` reads them",
        )
        return Cursor(position=position)

    def _walk(
        self,
        since: datetime,
        walk: Walk | None,
        *,
        keep: bool,
        on_page: OnPage = lambda _page, _record: None,
    ) -> tuple[PageRecord, Walk | None]:
        """One walk through all pages, or the rest of one. `keep`: the cursor follows.

        None for a walk that is not complete: orders vanished from under it, which shifts the pages that follow, or
        the process is to stop.
        """
        total, full = PageRecord(), 0
        for page in self.store.fetch_pages(since, first_page=walk.page if walk else 1):
            if walk is not None and _shrank(walk, page, full):
                return total, None
            if self.stopping():
                return total, None
            walk, full = _step(walk, page, since), page.size
            record = self._record(page.orders, page.unreadable, self._move(walk, page) if keep else None)
            total = total.plus(record)
            on_page(page, record)
        return total, walk

    def _move(self, walk: Walk, page: Page) -> CursorMove:
        if not page.last:
            return CursorMove(name=CURSOR, walk=walk)
        position = _position(walk)
        return CursorMove(name=CURSOR, position=position and self._believed(position))

    def _believed(self, instant: datetime) -> datetime:
        """A shop's clock that jumped far ahead must not carry the cursor along: all that comes later would be hidden.

        Our own clock plays no other part, and if it is the wrong one, more is read again and nothing is lost.
        """
        return min(instant, self.clock() + HORIZON)

    def _record(
        self, orders: Iterable[Order], unreadable: Iterable[Unreadable], move: CursorMove | None = None
    ) -> PageRecord:
        return self.ledger.record_page(tuple(orders), tuple(unreadable), self.planner(), move, self.clock())


def _step(walk: Walk | None, page: Page, since: datetime) -> Walk:
    started_at = walk.started_at if walk else _require_time(page.server_time)
    seen = [order.modified_at for order in page.orders]
    if walk is not None and walk.newest is not None:
        seen.append(walk.newest)
    total = page.total if page.total is not None or walk is None else walk.total
    return Walk(
        since=since, started_at=started_at, page=page.number, newest=max(seen, default=None), total=total
    )


def _position(walk: Walk) -> datetime | None:
    """How far the ledger is complete: the newest change seen, but never beyond the shop's clock at the walk's start.

    An order changed while the walk was under way, after its page was read, lies behind that instant; a date in the
    future (a clock that jumped) lies there too and must not carry the cursor along.
    """
    return None if walk.newest is None else min(walk.newest, walk.started_at)


def _shrank(walk: Walk, page: Page, full: int) -> bool:
    """Whether the shop holds fewer orders than a page ago. `full`: rows on the page before, 0 if this is the first.

    Past its end the shop counts nothing: there the orders it counted before are missing if they would have reached
    this page. A walk is cut short after a full page only, so that a first page without rows has lost them.
    """
    if page.size:
        return walk.total is not None and page.total is not None and page.total < walk.total
    return not full or (walk.total is not None and walk.total > full * (page.number - 1))


def _require_time(server_time: datetime | None) -> datetime:
    if server_time is None:
        raise ServiceBlocked(
            "shop: its answers carry no Date header, by which wcsync tells how far it has read; let the proxy in "
            "front of the shop pass that header on"
        )
    return server_time


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
