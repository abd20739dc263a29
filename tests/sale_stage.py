"""What a sale world stands on: LMSs that tell before they put anybody out, a ledger whose process can be killed, or its
disk be full, between any two transactions, and what the shop sells."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock, FakeLms
from tests.plain_reading import PlainTerms
from wcsync.ledger.base import Limits, PageRecord
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.base import Capability, Intent
from wcsync.model import Applied, Order, Seat

BEGIN = datetime(2026, 3, 20, 1, 30, tzinfo=UTC)
"""The clocks of Madrid and Los Angeles change within the weeks around it."""
DAY = 86400.0
QUARANTINE_S = 90.0
LATEST_EFFECT_S = 60.0
"""After this a call that went unanswered takes effect no more; shorter than the quarantine."""
EVE = "eve@example.test"
ADDRESSES = ("ana@example.test", "bea@example.test", "cid@example.test", "don@gmial.test", EVE)
ENDS, ASKS = frozenset({"cancelled", "refunded", "failed"}), frozenset({"trash", "deleted"})
PAGES_KEPT = 12
LIMITS = Limits(most=6, share=0.5)

COURSE, DAYS, GROUP, UNTIL, CLUB, PACK, T_SHIRT, NEW = range(1, 9)
"""The products."""
ACADEMY, CAMPUS = "academy", "campus"
TERMS = {
    COURSE: PlainTerms(courses=("campus:py101",)),
    DAYS: PlainTerms(courses=("campus:py101", "campus:py102"), days=9),
    GROUP: PlainTerms(courses=("academy:a1",), days=30, seats="learners-in-meta"),
    UNTIL: PlainTerms(courses=("campus:py102",), until=datetime(2026, 5, 31, 22, tzinfo=UTC), seats="hold"),
    CLUB: PlainTerms(courses=("campus:py103",), with_subscription=True),
}
LATER_TERMS = (
    PlainTerms(courses=("academy:a2",), days=2),
    PlainTerms(courses=("campus:py101", "academy:a1")),
    PlainTerms(courses=("campus:py104",), days=400, seats="hold"),
)
"""What an edit of the mapping may make of a product."""

Pair = tuple[str, str]
"""(address, "lms:course")."""
Support = tuple[int, str, str]
"""An order that lets somebody into a course: (order, address, "lms:course")."""


class Killed(BaseException):
    """The process is gone."""


def disk_full() -> sqlite3.OperationalError:
    """What SQLite says once the disk is full: nothing of the transaction is on it."""
    exc = sqlite3.OperationalError("database or disk is full")
    exc.sqlite_errorcode = sqlite3.SQLITE_FULL
    return exc


class Fragile:
    """A connection whose process can be killed, or its disk be full, at any transaction. `strike` is called just before
    one begins, before its end is written, and just behind; what it raises is what happens."""

    def __init__(self, connection: sqlite3.Connection, strike: Callable[[str], None]) -> None:
        self._connection = connection
        self._strike = strike

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self._strike("begin")
        if sql == "COMMIT":
            self._strike("end")
        cursor = self._connection.execute(sql, *values)
        if sql == "COMMIT":
            self._strike("behind")
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class FragileLedger(SqliteLedger):
    """`pages`: those that came last, to come once more."""

    def __init__(
        self, path: Path, strike: Callable[[str], None], pages: list[Sequence[Order]] | None = None
    ) -> None:
        self._strike = strike
        self._pages = pages if pages is not None else []
        super().__init__(path)

    def record_page(self, orders: Sequence[Order], *args: Any, **kwargs: Any) -> PageRecord:
        if orders:
            self._pages[:] = [*self._pages, orders][-PAGES_KEPT:]
        return super().record_page(orders, *args, **kwargs)

    @property
    def _db(self) -> Any:
        connection = super()._db
        connection.execute("PRAGMA synchronous = OFF")  # no power is cut here
        return Fragile(connection, self._strike)


@dataclass
class SkewedClock:
    """The clock of the daemon's machine: `apart` seconds from the true one."""

    true: FakeClock
    apart: float = 0.0

    def __call__(self) -> datetime:
        return self.true() + timedelta(seconds=self.apart)


class Campus(FakeLms):
    """An LMS of the tests that tells before anybody is put out. Without `END_DATE` it knows no ends."""

    on_withdraw: Callable[[Pair], None] = staticmethod(lambda _pair: None)
    given: int = 0

    def ensure_enrolled(self, seat: Seat, intent: Intent) -> Applied:
        if Capability.END_DATE not in self.capabilities:
            seat = replace(seat, until=None)
        return super().ensure_enrolled(seat, intent)

    def _write(self, what: str, seat: Seat, effect: Callable[[], object]) -> None:
        if what in {"withdraw", "suspend"}:
            self.on_withdraw((seat.learner.email.casefold(), f"{self.name}:{seat.course_id}"))
        super()._write(what, seat, effect)

    def places(self) -> set[Pair]:
        return {(address, f"{self.name}:{course}") for address, course in self.active()}

    # -- what people there do ----------------------------------------------------------------------------------------
    def take_by_hand(self, address: str, course: str) -> None:
        """Staff enrol somebody, who gets an account if there is none."""
        user_id = self._first(address) or self.add_account(address)
        self._let_in((user_id, course), None)

    def put_out_by_hand(self, address: str, course: str) -> None:
        user_id = self._first(address)
        if user_id is not None:
            self._put_out((user_id, course))

    def delete_account(self, address: str) -> None:
        """With all that was in it."""
        user_id = self._first(address)
        self.accounts = [one for one in self.accounts if one[1] != user_id]
        for key in [key for key in self.enrolled if key[0] == user_id]:
            self._put_out(key)

    def add_account(self, email: str) -> str:
        """Numbers are never given twice."""
        self.given += 1
        user_id = str(100 + self.given)
        self.accounts.append((email.casefold(), user_id))
        return user_id
