"""Reading orders: from the shop's pages into the ledger, none lost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Never

import structlog

from wcsync.cadence import Reach
from wcsync.errors import REMOTE_ERRORS, ServiceBlocked, TransientError
from wcsync.gate import Gate
from wcsync.health import Sign
from wcsync.ledger.base import Cursor, CursorMove, Ledger, PageRecord, Walk
from wcsync.model import Order, OrderId, Page, PlanOrder, Unreadable
from wcsync.patient import Patient
from wcsync.retry import LONGEST_ASKED_WAIT_S
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


class Tide:
    """Keeps from one poll to the next how far the window reaches back. For one poller, which polls one at a time."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._reach = Reach()
        self._began = timer()

    def back_s(self, place: float, overlap_s: float) -> float:
        """Seconds to reach back behind `place` in the look that begins now."""
        self._began = self._timer()
        return self._reach.back_s(place, overlap_s)

    def note(self, place: float, overlap_s: float) -> None:
        """The look is over and read everything, from its first page on."""
        self._reach = self._reach.after(place, began=self._began, ended=self._timer(), overlap_s=overlap_s)

    def forget(self) -> None:
        """Looks reach back again: changes that are still to come may be dated before what was read."""
        self._reach = Reach()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPoller:
    """Asks the shop for what changed and records it.

    `start`: where a new ledger begins to read, None = now by the shop's clock. `overlap_s`: how far behind the cursor
    each poll begins, for changes that became visible late; `tide` knows when none can come any more. `planner` gives
    the plan in force at that moment. `stopping` says that a long walk is to be left where it is; the next process
    takes it up there.
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

    def poll_once(self) -> Pass:
        """Reads all that changed since the last poll. Never raises; says in the log why a pass is not complete.

        Safe to repeat and to kill anywhere: what is recorded is recorded, the rest is read again. While the shop is to
        be left alone it is not asked.
        """
        began, asked, fresh, complete, failed = monotonic(), True, 0, False, False
        try:
            asked = self.patient.may_call()
            if asked:
                record, complete = self._poll_noting()
                fresh = record.fresh
            trouble_s = self._trouble_s()
        except Exception:
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
        total = PageRecord()
        for _ in range(WALKS):
            record, walked = self._walk(since, None, keep=False, on_page=on_page)
            total = total.plus(record)
            if walked:
                self.ledger.proof.record_beginning(since)
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
            record, complete = self._poll()
        except REMOTE_ERRORS as exc:
            self.gate.forget()
            self.patient.note_error(exc)
            return PageRecord(), False
        self.patient.note(Sign.WORKED)
        _tell(record, complete=complete, duration_ms=round((monotonic() - started) * 1000))
        return record, complete

    def _poll(self) -> tuple[PageRecord, bool]:
        self.gate.check()
        cursor = self.ledger.read_cursor(CURSOR) or self._begin()
        place = cursor.position.timestamp()
        since = cursor.position - timedelta(seconds=self.tide.back_s(place, self.overlap_s))
        walk = cursor.walk if cursor.walk is not None and cursor.walk.since == since else None
        total = PageRecord()
        for _ in range(WALKS):
            record, walked = self._walk(since, walk, keep=True)
            total = total.plus(record)
            if walked:
                if (
                    walk is None
                ):  # the rest of a walk says nothing of its first pages, which were read long ago
                    self.tide.note(place, self.overlap_s)
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
        self.tide.forget()
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
