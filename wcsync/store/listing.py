"""A list of the shop, walked page by page so that nothing goes missing: its orders, and what is kept like them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from typing import Generic, Protocol, TypeVar

from wcsync.http import Reply
from wcsync.store import wire
from wcsync.store.ahead import Ahead, Left
from wcsync.store.talk import Talk

STATUSES_LAST_S = 3600.0
"""How long the shop's list of statuses is believed. A plugin that adds one is noticed within this time."""
STATUSES_UNKNOWN_S = 60.0
"""How soon a shop that did not understand the question is asked again."""

T = TypeVar("T")


class Render(Protocol):
    """The question for one page of what changed after `since`, in order of id, in any of `statuses`."""

    def __call__(
        self, since: datetime, *, page: int, page_size: int, statuses: tuple[str, ...]
    ) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet(Generic[T]):
    """One page of rows as the shop answered it. Its fields as in `model.Page`."""

    number: int
    rows: tuple[T, ...]
    total: int | None
    server_time: datetime | None
    last: bool


class Listing(Generic[T]):
    """`path`: where the list is; `statuses`: those it is asked for until the shop says which it has; `check` raises for
    a refusal."""

    def __init__(
        self,
        talk: Talk,
        path: str,
        *,
        render: Render,
        parse: Callable[[bytes], list[T]],
        statuses: tuple[str, ...],
        page_size: int,
        check: Callable[[Reply], None],
    ) -> None:
        self._talk = talk
        self._path = path
        self._render = render
        self._parse = parse
        self._statuses = statuses
        self._page_size = page_size
        self._check = check
        self._ask_statuses_at = 0.0
        self._left = Left()

    def walk(self, since: datetime, first_page: int = 1, *, at_once: int = 1) -> Iterator[Sheet[T]]:
        """Yields all that changed after `since`, page by page to the end. `at_once`: so many pages are asked for
        at the same time, once the shop said how many there are.

        What vanishes between two pages shows as a count that shrinks. Where it shrinks only because a page was answered
        before the one that precedes it, and something came in between, it is asked for once more.
        Raises: TransientError, ServiceBlocked.
        """
        self._left.settle()
        statuses = self._fetch_statuses()
        first = self._fetch_page(since, first_page, statuses)
        if others := self._listed_statuses(first):
            statuses = others  # a plugin was switched off; later in a walk this would shift its pages
            first = self._fetch_page(since, first_page, statuses)
        with Ahead(lambda number: self._fetch_page(since, number, statuses), at_once, self._left) as ahead:
            yield from self._sheets(first, first_page, ahead)

    def _sheets(self, first: Reply, first_page: int, ahead: Ahead) -> Iterator[Sheet[T]]:
        before, counted = b"", 0
        for number in count(first_page):
            reply = ahead.take(number, partial(_counts_fewer, counted)) if number > first_page else first
            self._check(reply)
            totals = wire.parse_totals(reply.headers)
            counted = totals.rows or 0
            ahead.look(number, totals.pages or 0)
            sheet = self._parse_page(reply, number)
            if sheet.rows and reply.content == before:
                raise self._talk.cached(f"answered page {number} with the page before it")
            before = reply.content
            yield sheet
            if sheet.last:
                return

    def parse_rows(self, reply: Reply) -> list[T]:
        return self._talk.understood(self._parse, reply)

    def _fetch_page(self, since: datetime, number: int, statuses: tuple[str, ...]) -> Reply:
        query = self._render(since, page=number, page_size=self._page_size, statuses=statuses)
        return self._talk.ask(self._path, query)

    def _fetch_statuses(self) -> tuple[str, ...]:
        """The statuses this shop has, plugins' own included; the usual ones if it does not say.

        A row in a status we do not ask for is not seen. One that moves into such a status between two pages shifts the
        next page and hides another row.
        """
        if time.monotonic() >= self._ask_statuses_at:
            reply = self._talk.ask(self._path, wire.render_status_question())
            listed = self._listed_statuses(reply)
            if not listed and reply.status != 400:
                self._check(reply)
                self.parse_rows(reply)  # a firewall's page is no reason to make do with the usual ones
            self._ask_statuses_at = time.monotonic() + (STATUSES_LAST_S if listed else STATUSES_UNKNOWN_S)
        return self._statuses

    def _listed_statuses(self, reply: Reply) -> tuple[str, ...]:
        """The statuses a refusal lists, from now on asked for; empty if `reply` is no such refusal."""
        refusal = wire.parse_refusal(reply.content) if reply.status == 400 else None
        if refusal is None or not refusal.statuses:
            return ()
        self._statuses = tuple(status for status in refusal.statuses if status not in wire.NO_SALE)
        return self._statuses

    def _parse_page(self, reply: Reply, number: int) -> Sheet[T]:
        """Past the end the shop counts 0 rows, whatever is true. An empty page that is counted for is a lie.

        A short page is the last only if the shop's count of pages agrees: hosts lower the page size unasked.
        """
        rows = self.parse_rows(reply)
        totals = wire.parse_totals(reply.headers)
        if not rows and (number <= (totals.pages or 0) or (number == 1 and totals.rows)):
            raise self._talk.cached(f"counts {self._path} on page {number} and sends none")
        short = len(rows) < self._page_size
        return Sheet(
            number=number,
            rows=tuple(rows),
            total=totals.rows if rows or number == 1 else None,
            server_time=reply.server_time,
            last=not rows or (short and 0 < (totals.pages or 0) <= number),
        )


def _counts_fewer(than: int, reply: Reply) -> bool:
    rows = wire.parse_totals(reply.headers).rows
    return rows is not None and rows < than
