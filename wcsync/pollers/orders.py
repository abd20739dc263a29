"""Reading orders: from the shop's pages into the ledger, none lost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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
WALKS = 3
"""How often a walk is begun anew when orders vanish under it, before it is left to the next poll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPoller:
    """Asks the shop for what changed and records it.

    `start`: where a new ledger begins to read, None = now by the shop's clock. `overlap_s`: how far behind the cursor
    each poll begins, for changes that became visible late. `planner` gives the plan in force at that moment.
    """

    store: Store
    ledger: Ledger
    gate: Gate
    patient: Patient
    planner: Callable[[], PlanOrder]
    clock: Clock
    overlap_s: float
    start: datetime | None = None

    def poll_once(self) -> bool:
        """Reads all that changed since the last poll. True if the pass was complete. Never raises; says why in the log.

        Safe to repeat and to kill anywhere: what is recorded is recorded, the rest is read again.
        """
        if not self.patient.may_call():
            return False
        started = monotonic()
        try:
            record, complete = self._poll()
        except TransientError as exc:
            self.patient.note(Sign.FAILED, str(exc), exc.retry_after_s)
            return False
        except (ServiceBlocked, PermanentError) as exc:
            self.patient.note(Sign.REFUSED, str(exc))
            return False
        except Exception:
            log.critical("poller_failed", exc_info=True)
            return False
        self.patient.note(Sign.WORKED)
        _tell(record, complete=complete, duration_ms=round((monotonic() - started) * 1000))
        return complete

    def read_since(self, since: datetime) -> PageRecord:
        """Reads every order changed after `since`, whatever the cursor says, and leaves the cursor alone.

        Raises: TransientError, ServiceBlocked.
        """
        self.gate.check()
        total = PageRecord()
        for page in self.store.fetch_pages(since):
            total = total.plus(self._record(page.orders, page.unreadable))
        return total

    def read_order(self, order_id: OrderId) -> PageRecord | None:
        """Reads one order again; None if the shop does not know it. Raises: TransientError, ServiceBlocked."""
        self.gate.check()
        order = self.store.fetch_order(order_id)
        if order is None:
            return None
        if isinstance(order, Unreadable):
            return self._record((), (order,))
        return self._record((order,), ())

    def _poll(self) -> tuple[PageRecord, bool]:
        self.gate.check()
        cursor = self.ledger.read_cursor(CURSOR) or self._begin()
        total = PageRecord()
        for _ in range(WALKS):
            record, complete = self._walk(cursor)
            total = total.plus(record)
            if complete:
                return total, True
            cursor = replace(cursor, walk=None)
        return total, False

    def _begin(self) -> Cursor:
        """A new ledger begins at `start`, or now: a shop's long history is nobody's order of today."""
        position = self.start or _require_time(self.store.fetch_identity().server_time)
        self.ledger.start_cursor(CURSOR, position, self.clock())
        log.warning(
            "ledger_started",
            orders_since=render_instant(position),
            hint="orders last changed before this are not read; `wcsync backfill --since T` reads them",
        )
        return Cursor(position=position)

    def _walk(self, cursor: Cursor) -> tuple[PageRecord, bool]:
        """One walk through all pages. Not complete if orders vanished from under it, which shifts pages."""
        since = cursor.position - timedelta(seconds=self.overlap_s)
        walk = cursor.walk if cursor.walk is not None and cursor.walk.since == since else None
        total = PageRecord()
        for page in self.store.fetch_pages(since, first_page=walk.page if walk else 1):
            if walk is not None and _shrank(walk.total, page):
                return total, False
            walk = _step(walk, page, since)
            move = CursorMove(name=CURSOR, position=_position(walk)) if page.last else None
            move = move or CursorMove(name=CURSOR, walk=walk)
            total = total.plus(self._record(page.orders, page.unreadable, move))
        return total, True

    def _record(
        self, orders: Iterable[Order], unreadable: Iterable[Unreadable], move: CursorMove | None = None
    ) -> PageRecord:
        return self.ledger.record_page(tuple(orders), tuple(unreadable), self.planner(), move, self.clock())


def _step(walk: Walk | None, page: Page, since: datetime) -> Walk:
    started_at = walk.started_at if walk else _require_time(page.server_time)
    seen = [order.modified_at for order in page.orders]
    if walk is not None and walk.newest is not None:
        seen.append(walk.newest)
    total = page.total if page.size else (walk.total if walk else page.total)
    return Walk(
        since=since, started_at=started_at, page=page.number, newest=max(seen, default=None), total=total
    )


def _position(walk: Walk | None) -> datetime | None:
    """How far the ledger is complete: the newest change seen, but never beyond the shop's clock at the walk's start.

    An order changed while the walk was under way, after its page was read, lies behind that instant; a date in the
    future (a clock that jumped) lies there too and must not carry the cursor along.
    """
    if walk is None or walk.newest is None:
        return None
    return min(walk.newest, walk.started_at)


def _shrank(total: int | None, page: Page) -> bool:
    return total is not None and page.total is not None and page.size > 0 and page.total < total


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
