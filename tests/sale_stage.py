"""What a sale world stands on: a shop without a socket, LMSs that tell before they put anybody out, a ledger whose
process can be killed between any two transactions, and what the shop sells."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

from tests.fakes import FakeClock, FakeLms
from tests.plain_reading import (
    PlainTerms,
)
from wcsync.ledger.base import Limits
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.base import Capability, Intent
from wcsync.mappers.mapping import Match
from wcsync.model import (
    Applied,
    CourseId,
    Line,
    LmsName,
    Seat,
    Target,
)
from wcsync.sale import Access, SeatRule, Terms
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.shop import SandboxShop
from wcsync.store.client import WooCommerce

BEGIN = datetime(2026, 3, 20, 1, 30, tzinfo=UTC)
"""The clocks of Madrid and Los Angeles change within the weeks around it."""
DAY = 86400.0
QUARANTINE_S = 90.0
LATEST_EFFECT_S = 60.0
"""After this a call that went unanswered takes effect no more; shorter than the quarantine."""
URL = "https://shop.example.test"
EVE = "eve@example.test"
ADDRESSES = ("ana@example.test", "bea@example.test", "cid@example.test", "don@gmial.test", EVE)
ENDS, ASKS = frozenset({"cancelled", "refunded", "failed"}), frozenset({"trash", "deleted"})
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


class Fragile:
    """A connection whose process can be killed just before a transaction or just behind it. `strike` is called at both
    places; what it raises is what happens."""

    def __init__(self, connection: sqlite3.Connection, strike: Callable[[], None]) -> None:
        self._connection = connection
        self._strike = strike

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self._strike()
        cursor = self._connection.execute(sql, *values)
        if sql == "COMMIT":
            self._strike()
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class FragileLedger(SqliteLedger):
    def __init__(self, path: Path, strike: Callable[[], None]) -> None:
        self._strike = strike
        super().__init__(path)

    @property
    def _db(self) -> Any:
        connection = super()._db
        connection.execute("PRAGMA synchronous = OFF")  # no power is cut here
        return Fragile(connection, self._strike)


class Campus(FakeLms):
    """An LMS of the tests that tells before anybody is put out. Without `END_DATE` it knows no ends."""

    on_withdraw: Callable[[Pair], None] = staticmethod(lambda _pair: None)

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


@dataclass
class Shelf:
    """The mapping: what each product of the shop sells now, by rows of its own; bundles are found by no row."""

    terms: dict[int, PlainTerms]

    def match(self, line: Line) -> Match | None:
        if line.product_id == T_SHIRT:
            return Match(targets=(), source="rows", ignore=True)
        plain = self.terms.get(line.product_id)
        if plain is None:
            return None
        pairs = [course.split(":") for course in plain.courses]
        access = Access(days=plain.days or None, until=plain.until, with_subscription=plain.with_subscription)
        return Match(
            targets=tuple(Target(lms=LmsName(lms), course_id=CourseId(course)) for lms, course in pairs),
            source="rows",
            terms=(Terms(access=access),) * len(pairs),
            seats=SeatRule(plain.seats),
        )


class Merchant:
    """The shop, and what happens in it. Each change has a second of its own, as dates of change know no less."""

    def __init__(self, clock: FakeClock, zone: str) -> None:
        self.clock = clock
        self.shop = SandboxShop(clock=clock, timezone=zone or "UTC")
        self.shop.site_url = URL
        self.shop.offers_subscriptions = True
        for number, name in enumerate(
            ("course", "days", "group", "until", "club", "pack", "shirt", "new"), 1
        ):
            self.shop.add_product(name, sku=f"P-{number}", price="100", product_id=number)
        self.client = WooCommerce(
            url=URL,
            consumer_key="ck_sandbox",
            consumer_secret="cs_sandbox",
            page_size=3,
            transport=httpx.MockTransport(self._answer),
        )
        self.last: dict[int, dict[str, Any]] = {}
        self.last_refunds: dict[int, list[dict[str, Any]]] = {}

    def _answer(self, asked: httpx.Request) -> httpx.Response:
        path, _, query = asked.url.raw_path.decode().partition("?")
        reply = self.shop.handle(
            Request(
                method=asked.method,
                path=path,
                query=tuple(parse_qsl(query, keep_blank_values=True)),
                headers=dict(asked.headers),
                body=asked.content,
                secure=True,
            )
        )
        date = {"Date": self.clock().strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return httpx.Response(reply.status, headers={**date, **reply.headers}, content=reply.body)

    @property
    def orders(self) -> dict[int, dict[str, Any]]:
        """As they are; those that were deleted, as they were."""
        self.last.update(self.shop.orders)
        return self.last

    @property
    def refunds(self) -> dict[int, list[dict[str, Any]]]:
        """As `orders`."""
        self.last_refunds.update({number: self.shop.refunds.get(number, []) for number in self.shop.orders})
        return self.last_refunds

    def rest_of(self, order_id: int, line_id: int) -> int:
        """How many pieces of a line were not given back yet."""
        [line] = [one for one in self.orders[order_id]["line_items"] if one["id"] == line_id]
        return int(line["quantity"]) - sum(part[0] for part in self.given_back(order_id, line_id))

    def given_back(self, order_id: int, line_id: int) -> list[tuple[int, Decimal, int]]:
        """Of a line: (pieces, amount, refund) of each refund that names it."""
        return [
            (-int(part["quantity"]), -Decimal(part["total"]), refund["id"])
            for refund in self.refunds.get(order_id, [])
            for part in refund["line_items"]
            if any(
                meta["key"] == "_refunded_item_id" and int(meta["value"]) == line_id
                for meta in part["meta_data"]
            )
        ]
