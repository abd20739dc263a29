"""Points at which a process may be killed, and a disk may refuse: named, counted, and struck one after the other."""

import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

import httpx

from wcsync.ledger.ledger import SqliteLedger
from wcsync.model import Page
from wcsync.sandbox.exchange import Request, Response
from wcsync.store.client import WooCommerce
from wcsync.times import Clock

Fate = Literal["never", "lost", "late", "half"]
"""What becomes of a call under way when its process is killed: it never arrives; it takes effect, and nobody is left to
hear the answer; it takes effect once the next process is long at work; or whoever took it dies in the middle of it as
well, which leaves a picture that was fetched and that nothing shows."""


class Killed(BaseException):
    """The process is gone."""


STATEMENT = threading.RLock()
"""Held while a statement changes the ledger's files, and while a process dies. It dies in all its threads at once: one
that reads a page is not to take its leave while another writes, as copies of the files would show two moments."""


@dataclass(frozen=True, slots=True)
class Point:
    """One place where a process may die. `under_way`: a call that writes is out there at that moment."""

    name: str
    under_way: bool


@dataclass
class Points:
    """Counts the points that are passed, and kills at the one whose turn it is.

    `kill_at`: the number of that point, from 0, or the name of it; None = none. `dying` is called at the last instant,
    while everything is as the process leaves it.
    """

    kill_at: int | str | None = None
    dying: Callable[[], None] = lambda: None
    passed: list[Point] = field(default_factory=list)
    calls_out: int = 0
    dead: bool = False

    def arm(self, kill_at: int | str | None = None) -> None:
        """A new process begins: what it passes is counted from 0."""
        self.kill_at, self.passed, self.calls_out, self.dead = kill_at, [], 0, False

    def point(self, name: str) -> None:
        with STATEMENT:  # nobody hears that the process is dead before it has left what it leaves
            if self.dead:
                raise Killed  # what a dead process still does on its way out reaches nobody
            if self.kill_at in {len(self.passed), name}:
                self.dead = True
                self.dying()
                raise Killed
            self.passed.append(Point(name, self.calls_out > 0))


Refuse = Callable[[str], sqlite3.OperationalError | None]
"""What the disk says to a statement; None = it does as it is told."""


Ill = Literal["full", "input/output error", "locked"]


@dataclass
class Outage:
    """A disk, or a lock, that fails from the nth statement of its kind on, counted from 0, for so many seconds.

    `number` None: it only counts. `began_at`: when the first statement was refused.
    """

    ill: Ill
    number: int | None
    clock: Clock
    lasts_s: float = 300.0
    seen: int = 0
    began_at: datetime | None = None

    def __call__(self, sql: str) -> sqlite3.OperationalError | None:
        if not sql.lstrip().startswith(_TOUCHED[self.ill]):
            return None
        self.seen += 1
        if self.number is None or self.seen <= self.number:
            return None
        self.began_at = self.began_at or self.clock()
        if (self.clock() - self.began_at).total_seconds() >= self.lasts_s:
            return None
        refusal = sqlite3.OperationalError(_WORDS[self.ill])
        refusal.sqlite_errorcode = _CODES[self.ill]
        return refusal


_WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE", "COMMIT")
_TOUCHED: Mapping[Ill, tuple[str, ...]] = {
    "full": _WRITING,
    "input/output error": (*_WRITING, "SELECT", "BEGIN"),
    "locked": ("BEGIN",),
}
_CODES: Mapping[Ill, int] = {
    "full": sqlite3.SQLITE_FULL,
    "input/output error": sqlite3.SQLITE_IOERR,
    "locked": sqlite3.SQLITE_BUSY,
}
_WORDS: Mapping[Ill, str] = {
    "full": "database or disk is full",
    "input/output error": "disk I/O error",
    "locked": "database is locked",
}


class Fragile:
    """A connection that `strike`s around each transaction, and asks `refuse` before each statement."""

    def __init__(self, connection: sqlite3.Connection, strike: Callable[[str], None], refuse: Refuse) -> None:
        self._connection = connection
        self._strike = strike
        self._refuse = refuse

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._pass(self._connection.execute, sql, *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._pass(self._connection.executemany, sql, *values)

    def _pass(self, act: Callable[..., sqlite3.Cursor], sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self._strike(f"before {_sentence()}")
        refusal = self._refuse(sql)
        if refusal is not None:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")  # as SQLite does by itself where a disk fails
            raise refusal
        with STATEMENT:
            cursor = act(sql, *values)
        if sql == "COMMIT":
            self._strike(f"after {_sentence()}")
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _sentence() -> str:
    """Which transaction it is, by the method of the ledger that began it."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        frame = frame.f_back
        if _is_ledgers(frame.f_code.co_filename):
            return frame.f_code.co_name
    return "a transaction"


@cache
def _is_ledgers(file: str) -> bool:
    path = Path(file)
    return path.parent.name == "ledger" and (path.stem == "ledger" or path.stem.startswith("sqlite_"))


class FragileLedger(SqliteLedger):
    """A ledger whose process can be killed around each transaction, and whose disk can refuse each statement."""

    def __init__(self, path: Path, strike: Callable[[str], None], refuse: Refuse) -> None:
        self._strike = strike
        self._refuse = refuse
        super().__init__(path)

    @property
    def _db(self) -> Any:
        return Fragile(super()._db, self._strike, self._refuse)


class Shopfront(WooCommerce):
    """A shop's client that can be killed once a page is decoded, and between two pages."""

    strike: Callable[[str], None] = staticmethod(lambda _name: None)

    def fetch_pages(self, since: datetime, *, first_page: int = 1, at_once: int = 1) -> Iterator[Page]:
        for page in super().fetch_pages(since, first_page=first_page, at_once=at_once):
            self.strike("page decoded")
            yield page
            self.strike("between two pages")


Handle = Callable[[Request], Response]
"""What a sandbox does with a call."""


@dataclass(kw_only=True)
class UnderWay:
    """What is out there when a process dies. `what`: its name; `arrive`: it takes effect; `break_off`: half of it."""

    what: str
    arrive: Callable[[], object]
    break_off: Callable[[], object] = lambda: None


@dataclass
class Hanging:
    """A call whose process is gone, and that takes effect all the same at that instant."""

    call: UnderWay
    due_at: datetime


class Wire(httpx.BaseTransport):
    """The network between the daemon and one sandbox. A process can be killed before a call goes out, while it is under
    way, and once it is answered.

    `hang` hears of a call that was under way when the process died; `break_off` has half of it done. `meanwhile` is
    what another thread of the daemon does while a write is under way.
    """

    def __init__(
        self,
        handle: Handle,
        points: Points,
        clock: Clock,
        hang: Callable[[UnderWay], None],
        meanwhile: Callable[[], None],
        break_off: Callable[[Request], None] = lambda _request: None,
    ) -> None:
        self._handle = handle
        self._points = points
        self._clock = clock
        self._hang = hang
        self._meanwhile = meanwhile
        self._break_off = break_off

    def handle_request(self, asked: httpx.Request) -> httpx.Response:
        request = as_sandbox_reads(asked)
        what = describe(request)
        self._points.point(f"before {what}")
        if writes(request):
            self._be_under_way(request, what)
        reply = self._handle(request)
        self._points.point(f"answered {what}")
        date = {"Date": self._clock().strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return httpx.Response(reply.status, headers={**date, **reply.headers}, content=reply.body)

    def _be_under_way(self, request: Request, what: str) -> None:
        self._points.calls_out += 1
        try:
            self._points.point(f"sent {what}")
            self._meanwhile()
        except Killed:
            arrive, break_off = (lambda: self._handle(request)), (lambda: self._break_off(request))
            self._hang(UnderWay(what=what, arrive=arrive, break_off=break_off))
            raise
        self._points.calls_out -= 1


def as_sandbox_reads(asked: httpx.Request) -> Request:
    path, _, query = asked.url.raw_path.decode().partition("?")
    return Request(
        method=asked.method,
        path=path,
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in asked.headers.items()},
        body=asked.content,
        secure=True,
    )


READING = ("_get_", "_list_", "get_site_info")
"""What the names of Moodle's functions that change nothing hold."""


def describe(request: Request) -> str:
    """A call by name, without numbers: `GET orders`, `core_user_create_users`."""
    function = dict(request.form).get("wsfunction")
    if function is not None:
        return function
    path = request.path.split("/wc/v3/")[-1].removeprefix("/").removeprefix("api/v2/")
    return f"{request.method} {re.sub('[0-9a-f]{24}|[0-9]+', 'N', path)}"


def writes(request: Request) -> bool:
    """Whether a call may change something."""
    function = dict(request.form).get("wsfunction")
    if function is not None:
        return not any(part in function for part in READING)
    return request.method != "GET" and not request.path.endswith("/token")
