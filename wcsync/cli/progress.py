"""How far a long reading has come: a bar on a terminal, now and then a log line elsewhere. Never on stdout."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from wcsync import log as logs
from wcsync.config import Config
from wcsync.ledger.base import PageRecord
from wcsync.model import Page
from wcsync.pollers.course_push import Tally

PAGES_PER_LINE = 20
"""One log line for so many pages."""

log = structlog.get_logger("wcsync")


@dataclass(slots=True)
class Reading:
    """Counts pages as they are recorded, and shows them. `pages`: how many there are in all, None if not known."""

    bar: Progress | None = None
    read: int = 0
    pages: int | None = None
    record: PageRecord = field(default_factory=PageRecord)
    order_ids: set[int] = field(default_factory=set)
    _task: TaskID | None = None
    _full: int = 0

    def take(self, page: Page, record: PageRecord) -> None:
        """One more page is recorded. A number that was there before begins a new walk."""
        self.read = page.number
        self._full = max(self._full, page.size)
        if page.last:
            self.pages = page.number
        elif page.total is not None and self._full:
            self.pages = max(-(-page.total // self._full), page.number)
        self.record = self.record.plus(record)
        self.order_ids |= {order.order_id for order in page.orders}
        self.order_ids |= {entry.order_id for entry in page.unreadable if entry.order_id is not None}
        self._show()

    def so_far(self) -> str:
        of = f" of about {self.pages}" if self.pages else ""
        return f"{self.read}{of} pages with {len(self.order_ids)} orders"

    def _show(self) -> None:
        if self.bar is not None:
            if self._task is None:
                self._task = self.bar.add_task("orders")
            self.bar.update(self._task, completed=self.read, total=self.pages, description=self.so_far())
        elif self.read % PAGES_PER_LINE == 0:
            log.info(
                "backfill_progressed",
                page=self.read,
                pages=self.pages,
                fetched=self.record.fetched,
                fresh=self.record.fresh,
            )


@contextmanager
def shown_reading(config: Config, *, level: str) -> Iterator[Reading]:
    """A reading whose progress is seen while inside. Log lines from `level` on go above the bar."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        configure_logs(config, level)
        yield Reading()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            configure_logs(config, level)  # to the stream that the bar now stands in for
            yield Reading(bar=bar)
    finally:
        configure_logs(config, level)


@contextmanager
def shown_push(config: Config) -> Iterator[Tally]:
    """A tally of products whose progress is seen while inside."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Tally()
        return
    level = config.log.level
    try:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True
        ) as bar:
            configure_logs(config, level)  # to the stream that the bar now stands in for
            task = bar.add_task("reading courses and products", total=None)

            def show(tally: Tally) -> None:
                words = f"{tally.done} of {tally.todo} products"
                bar.update(task, completed=tally.done, total=tally.todo, description=words)

            yield Tally(tell=show)
    finally:
        configure_logs(config, level)


def configure_logs(config: Config, level: str) -> None:
    logs.configure(level=level, style=config.log.format, secrets=config.secrets())
