"""Reading subscriptions: how they stand, from the shop's pages into the ledger."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from wcsync.errors import REMOTE_ERRORS, WcsyncError
from wcsync.gate import Gate
from wcsync.ledger.base import Cursor, CursorMove, Ledger, PageRecord
from wcsync.model import PlanOrder, SubscriptionPage, Unreadable
from wcsync.patient import Patient
from wcsync.pollers.walking import Tide, Walker
from wcsync.store.base import Store
from wcsync.times import Clock

log = structlog.get_logger(__name__)

CURSOR = "subscriptions"
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""All subscriptions are read once: one that ended years ago says so of an order that is read only today."""
SELDOM_S = 3600.0
"""How soon a shop is asked again that has no subscriptions, or answers with all of them each time."""
WINDOW_SLACK = timedelta(days=2)
"""What changed so long before the window was not asked for. (Time zones taken for one another move it by a day.)"""
GONE = (
    "the shop has no subscriptions any more (its plugin is switched off?): what they gave access to stays as it is; "
    "they are looked for once an hour"
)


@dataclass(slots=True, kw_only=True)
class SubscriptionsPoller:
    """Asks the shop every `every_s` seconds which subscriptions changed, and records it. For one thread at a time.

    Trouble with this list alone is not the shop's: orders are read on, and nobody's access ends for it. That it can be
    read does not say that orders can: whether a sick shop is well again their poller tells. `timer`: the
    clock by which `every_s` is counted; the rest as in `OrdersPoller`.
    """

    store: Store
    ledger: Ledger
    gate: Gate
    patient: Patient
    planner: Callable[[], PlanOrder]
    clock: Clock
    every_s: float
    overlap_s: float
    stopping: Callable[[], bool] = lambda: False
    timer: Callable[[], float] = monotonic
    explains: Callable[[Exception], bool] = lambda _exc: False
    _walker: Walker[SubscriptionPage] = field(init=False, repr=False)
    _due_at: float | None = field(default=None, repr=False)
    _trouble: str = field(default="", repr=False)
    _windowed: bool = field(default=True, repr=False)
    _told: set[Unreadable] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self._walker = Walker(
            name=CURSOR,
            fetch=self._pages,
            record=self._record,
            begin=lambda: Cursor(position=BEGINNING),
            ledger=self.ledger,
            clock=self.clock,
            overlap_s=self.overlap_s,
            stopping=self.stopping,
            tide=Tide(self.timer),
        )

    def run_if_due(self) -> None:
        """For the schedule: a look if its time has come. Never raises."""
        if self._due_at is None or self.timer() >= self._due_at:
            self.poll_once()

    def poll_once(self) -> bool:
        """Reads all that changed since the last look, and says whether that was everything. Never raises.

        Safe to repeat and to kill anywhere: what is recorded is recorded, the rest is read again. While the shop is to
        be left alone it is not asked.
        """
        began, wait_s, complete = self.timer(), self.every_s, False
        try:
            if self.patient.may_call():
                complete, wait_s = self._poll()
        except Exception as exc:
            if self.explains(exc):
                wait_s = self.every_s
            else:
                log.critical("poller_failed", exc_info=True)
                wait_s = SELDOM_S
        self._due_at = began + max(wait_s, self.every_s)
        return complete

    def _poll(self) -> tuple[bool, float]:
        """Whether all was read, and how many seconds to wait."""
        began = self.timer()
        try:
            self.gate.check()
            record, complete = self._walker.read_on()
        except _NotOfferedError:
            if self.ledger.read_cursor(CURSOR) is not None:
                self._note_trouble(GONE)
            return False, SELDOM_S
        except REMOTE_ERRORS as exc:
            self.gate.forget()
            self._note_trouble(str(exc))
            return False, self._asked_wait_s(exc)
        self._note_well()
        say = log.info if record.fresh or not complete else log.debug
        say(
            "subscriptions_polled",
            fetched=record.fetched,
            fresh=record.fresh,
            complete=complete,
            duration_ms=round((self.timer() - began) * 1000),
        )
        return complete, self.every_s if self._windowed else SELDOM_S

    def _pages(self, since: datetime, first_page: int) -> Iterator[SubscriptionPage]:
        """A cursor is there from the first page on: it says that this shop had subscriptions once."""
        self._windowed = True
        for page in self.store.fetch_subscription_pages(since, first_page=first_page):
            if not page.offered:
                raise _NotOfferedError
            if page.number == first_page and self.ledger.read_cursor(CURSOR) is None:
                self.ledger.start_cursor(CURSOR, BEGINNING, self.clock())
            self._windowed &= all(one.modified_at > since - WINDOW_SLACK for one in page.subscriptions)
            yield page

    def _record(self, page: SubscriptionPage, move: CursorMove | None) -> PageRecord:
        fresh = self.ledger.record_subscriptions(page.subscriptions, self.planner(), move, self.clock())
        for one in page.unreadable:
            if one not in self._told:
                self._told.add(one)
                log.warning("subscription_unreadable", subscription_id=one.order_id, reason=one.reason)
        return PageRecord(fetched=page.size, fresh=fresh)

    def _asked_wait_s(self, exc: WcsyncError) -> float:
        """Only a shop that asks to be left alone is left alone as a whole. If it is down, its orders will tell."""
        asked_s = self.patient.note_wish(exc)
        return self.every_s if asked_s is None else asked_s

    def _note_trouble(self, reason: str) -> None:
        if not self._trouble:
            log.warning("subscriptions_unavailable", reason=reason)
        self._trouble = reason

    def _note_well(self) -> None:
        if self._trouble:
            log.info("subscriptions_recovered")
        self._trouble = ""


class _NotOfferedError(Exception):
    """The shop has no subscriptions, or not any more."""
