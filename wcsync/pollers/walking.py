"""Walking through a list of the shop from where a cursor stands, so that nothing is lost: orders, subscriptions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Generic, Protocol, TypeVar

from wcsync.cadence import Reach
from wcsync.errors import ServiceBlocked, TransientError
from wcsync.ledger.base import Cursor, CursorMove, Ledger, PageRecord, Walk
from wcsync.times import Clock

HORIZON = timedelta(days=1)
"""How far ahead of ours the shop's clock is believed to be right."""
WALKS = 3
"""How often a walk is begun anew when rows vanish under it, before it is left to the next poll."""


class Leaf(Protocol):
    """One page of a list, as `model.Page` describes it."""

    @property
    def number(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def total(self) -> int | None: ...
    @property
    def server_time(self) -> datetime | None: ...
    @property
    def last(self) -> bool: ...
    @property
    def newest(self) -> datetime | None: ...


L = TypeVar("L", bound=Leaf)


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
class Walker(Generic[L]):
    """Reads on from where the cursor `name` stands.

    `begin` makes that cursor in a new ledger. `record` keeps a page, with what it means for the cursor. `overlap_s`:
    how far behind the cursor each poll begins, for changes that became visible late; `tide` knows when none can come
    any more. `stopping` says that a long walk is to be left where it is; the next process takes it up there.
    """

    name: str
    fetch: Callable[[datetime, int], Iterator[L]]
    record: Callable[[L, CursorMove | None], PageRecord]
    begin: Callable[[], Cursor]
    ledger: Ledger
    clock: Clock
    overlap_s: float
    stopping: Callable[[], bool] = lambda: False
    tide: Tide = field(default_factory=lambda: Tide(monotonic))

    def read_on(self) -> tuple[PageRecord, bool]:
        """Reads all that changed since the last poll, and whether that was everything."""
        cursor = self.ledger.read_cursor(self.name) or self.begin()
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

    def read_since(self, since: datetime, on_page: Callable[[L, PageRecord], None]) -> PageRecord:
        """Reads all that changed after `since`, whatever the cursor says, and leaves the cursor alone.

        Raises: TransientError, ServiceBlocked.
        """
        total = PageRecord()
        for _ in range(WALKS):
            record, walked = self._walk(since, None, keep=False, on_page=on_page)
            total = total.plus(record)
            if walked:
                return total
        raise TransientError(
            f"shop: {self.name} were deleted for good each time they were read, so that others may have been missed; "
            "read again later"
        )

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

    def _walk(
        self,
        since: datetime,
        walk: Walk | None,
        *,
        keep: bool,
        on_page: Callable[[L, PageRecord], None] = lambda _page, _record: None,
    ) -> tuple[PageRecord, Walk | None]:
        """One walk through all pages, or the rest of one. `keep`: the cursor follows.

        None for a walk that is not complete: rows vanished from under it, which shifts the pages that follow, or
        the process is to stop.
        """
        total, full = PageRecord(), 0
        for page in self.fetch(since, walk.page if walk else 1):
            if walk is not None and _shrank(walk, page, full):
                return total, None
            if self.stopping():
                return total, None
            walk, full = _step(walk, page, since), page.size
            record = self.record(page, self._move(walk, page) if keep else None)
            total = total.plus(record)
            on_page(page, record)
        return total, walk

    def _move(self, walk: Walk, page: L) -> CursorMove:
        if not page.last:
            return CursorMove(name=self.name, walk=walk)
        position = _position(walk)
        return CursorMove(name=self.name, position=position and believed(position, self.clock()))


def believed(instant: datetime, now: datetime) -> datetime:
    """A shop's clock that jumped far ahead must not carry the cursor along: all that comes later would be hidden.

    Our own clock plays no other part, and if it is the wrong one, more is read again and nothing is lost.
    """
    return min(instant, now + HORIZON)


def require_time(server_time: datetime | None) -> datetime:
    """Raises ServiceBlocked for an answer without a date."""
    if server_time is None:
        raise ServiceBlocked(
            "shop: its answers carry no Date header, by which wcsync tells how far it has read; let the proxy in "
            "front of the shop pass that header on"
        )
    return server_time


def _step(walk: Walk | None, page: Leaf, since: datetime) -> Walk:
    started_at = walk.started_at if walk else require_time(page.server_time)
    seen = [one for one in (page.newest, walk.newest if walk else None) if one is not None]
    total = page.total if page.total is not None or walk is None else walk.total
    return Walk(
        since=since, started_at=started_at, page=page.number, newest=max(seen, default=None), total=total
    )


def _position(walk: Walk) -> datetime | None:
    """How far the ledger is complete: the newest change seen, but never beyond the shop's clock at the walk's start.

    A row changed while the walk was under way, after its page was read, lies behind that instant; a date in the
    future (a clock that jumped) lies there too and must not carry the cursor along.
    """
    return None if walk.newest is None else min(walk.newest, walk.started_at)


def _shrank(walk: Walk, page: Leaf, full: int) -> bool:
    """Whether the shop holds fewer rows than a page ago. `full`: rows on the page before, 0 if this is the first.

    Past its end the shop counts nothing: there the rows it counted before are missing if they would have reached
    this page. A walk is cut short after a full page only, so that a first page without rows has lost them.
    """
    if page.size:
        return walk.total is not None and page.total is not None and page.total < walk.total
    return not full or (walk.total is not None and walk.total > full * (page.number - 1))
