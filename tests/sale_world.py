"""A sandbox shop, two LMSs and the real daemon's parts between them, in one process without a socket; what people do to
all of them; and what must hold, by a plain reading of the shop.

Of the ledger the reading takes nothing but what only it can know: which status of an order it has read, and what a
person decided there.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock
from tests.plain_reading import (
    PlainTerms,
    Readings,
    read_plainly,
    real_address,
    seat_owners,
)
from tests.sale_reading import ShopReading, Told, folded, named
from tests.sale_stage import (
    ACADEMY,
    ADDRESSES,
    BEGIN,
    CAMPUS,
    CLUB,
    EVE,
    LATEST_EFFECT_S,
    LIMITS,
    QUARANTINE_S,
    TERMS,
    Campus,
    FragileLedger,
    Killed,
    Merchant,
    Pair,
    Shelf,
    Support,
)
from wcsync.app.build import ask_lms, ask_shop, shop_zone
from wcsync.gate import SHOP, Gate
from wcsync.ledger.desk import Giving, Merging
from wcsync.ledger.report import Report, Summary
from wcsync.lms.base import Budget
from wcsync.mappers.entitlements import Planner, Standing
from wcsync.model import (
    LmsName,
    OrderId,
    Page,
    Person,
    PlanOrder,
)
from wcsync.patient import Patient
from wcsync.pollers.orders import OrdersPoller
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.pollers.subscriptions import SubscriptionsPoller
from wcsync.retry import Backoff
from wcsync.sandbox.shop_lines import Sold
from wcsync.worker import Worker


class SaleWorld(ShopReading):
    """Everything between the shop and the LMSs, and the plain reading beside it. `close()` when done.

    `strikes`: so many transactions from now the process is killed, before or behind one; None = it is left alone.
    """

    def __init__(self, folder: Path, zone: str = "Europe/Madrid") -> None:
        self.path = folder / "ledger.db"
        self.clock = FakeClock(BEGIN)
        self.zone = zone
        self.merchant = Merchant(self.clock, zone)
        self.shop = self.merchant.shop
        self.terms = dict(TERMS)
        self.lmss = {
            LmsName(CAMPUS): Campus(name=LmsName(CAMPUS), clock=self.clock),
            LmsName(ACADEMY): Campus(
                name=LmsName(ACADEMY), identity="https://academy.example.test", capabilities=frozenset()
            ),
        }
        for lms in self.lmss.values():
            lms.on_withdraw = self._check_withdrawal
        self.strikes: int | None = None
        self.late_for_s = 0.0
        self.told: dict[int, Told] = {}
        self.held: set[int] = set()
        self.same_person: dict[str, str] = {}
        self.versions: list[PlainTerms] = []
        self.read_pages: list[Page] = []
        self.hidden: set[int] = set()
        self.ever_hidden: set[int] = set()
        self.ever: set[Pair] = set()
        self.steady: set[Support] = set()
        self.open()
        assert self.poll()

    # -- the process -------------------------------------------------------------------------------------------------
    def open(self) -> None:
        self.ledger = ledger = FragileLedger(self.path, self._strike)
        store = self.merchant.client
        shop_patient = self._patient(SHOP)
        gate = Gate(SHOP, ask_shop(store), ledger, self.clock, every_s=600.0)
        parts: dict[str, Any] = {
            "store": store,
            "ledger": ledger,
            "gate": gate,
            "patient": shop_patient,
            "planner": lambda: self.plan,
            "clock": self.clock,
            "overlap_s": 300.0,
        }
        self.orders = OrdersPoller(start=BEGIN - timedelta(hours=1), **parts)
        self.subscriptions = SubscriptionsPoller(
            every_s=300.0, timer=lambda: self.clock().timestamp(), **parts
        )
        gates = {
            name: Gate(name, ask_lms(lms), ledger, self.clock, every_s=600.0)
            for name, lms in self.lmss.items()
        }
        patients = {name: self._patient(name) for name in self.lmss}
        self.workers = [
            Worker(
                lms=lms,
                ledger=ledger,
                gate=gates[name],
                patient=patients[name],
                backoff=Backoff(max_attempts=1000),
                quarantine_s=QUARANTINE_S,
                clock=self.clock,
                limits=LIMITS,
                budget=Budget(per_day=2) if name == ACADEMY else None,
                zone=lambda: self.zone,
            )
            for name, lms in self.lmss.items()
        ]
        self.reconciler = Reconciler(
            store=store,
            ledger=ledger,
            poller=self.orders,
            lmss=self.lmss,
            gates={SHOP: gate} | {str(name): one for name, one in gates.items()},
            patients={SHOP: shop_patient} | {str(name): one for name, one in patients.items()},
            planner=lambda: self.plan,
            paid=lambda order: self._planner().standing(order) is Standing.PAID,
            fates=self._fates,
            clock=self.clock,
            dice=lambda: 0.5,
        )

    def reopen(self) -> None:
        """Ends as a killed process ends, and starts again."""
        self.strikes = None
        self.ledger.close()
        self.open()
        self.ledger.recover(self.clock(), self.clock())
        self._read_on()

    @contextmanager
    def surviving(self) -> Iterator[None]:
        """What happens in it may kill the process; then it is started again."""
        try:
            yield
        except Killed:
            self.reopen()

    def close(self) -> None:
        self.ledger.close()
        self.merchant.client.close()

    @property
    def plan(self) -> PlanOrder:
        return self._planner().plan

    def _planner(self) -> Planner:
        return Planner(
            mapping=Shelf(self.terms),
            paid_statuses=frozenset({"completed"}),
            identify=self.ledger.identify,
            never=frozenset({EVE}),
            zone=shop_zone(self.ledger),
        )

    def _patient(self, name: str) -> Patient:
        return Patient(name=name, ledger=self.ledger, clock=self.clock, dice=lambda: 0.5)

    def _fates(self, order_ids: Sequence[OrderId]) -> Any:
        with closing(Report(self.path)) as report:
            return report.line_fates(order_ids)

    def _strike(self) -> None:
        if self.strikes is None:
            return
        self.strikes -= 1
        if self.strikes <= 0:
            self.strikes = None
            raise Killed

    # -- time --------------------------------------------------------------------------------------------------------
    def tick(self, seconds: float) -> None:
        """Late calls take effect before it is too late for them."""
        self.late_for_s += seconds
        if self.late_for_s > LATEST_EFFECT_S:
            self.catch_up()
        self.clock.tick(seconds)
        self._keep_steady()

    def catch_up(self) -> None:
        for lms in self.lmss.values():
            lms.catch_up()

    # -- the daemon's work -------------------------------------------------------------------------------------------
    def poll(self) -> bool:
        """Whether all that changed was read, of orders and subscriptions."""
        pages = self.merchant.client.fetch_pages(BEGIN - timedelta(days=1))
        self.read_pages = [*self.read_pages, *pages][-12:]
        complete = self.orders.poll_once().complete and self.subscriptions.poll_once()
        self._read_on()
        if complete:
            self.steady = {one for one in self.support() if one[0] not in self.hidden | self.held}
        return complete

    def replay(self, pick: int) -> None:
        """An old page comes once more, however old it is: nothing changes by it, but for what no date tells."""
        page = self.read_pages[pick % len(self.read_pages)]
        self.hidden.update(self.ever_hidden & {order.order_id for order in page.orders})
        self.steady = {one for one in self.steady if one[0] not in self.hidden}
        before = self._known_dates()
        self.ledger.record_page(page.orders, (), self.plan, None, self.clock())
        after = self._known_dates()
        assert all(after[order_id] >= modified_at for order_id, modified_at in before.items())
        self._read_on()

    def _known_dates(self) -> dict[int, str]:
        return {
            row["order_id"]: row["modified_at"]
            for row in self.rows("SELECT order_id, modified_at FROM orders")
        }

    def reconcile(self) -> None:
        self.reconciler.run(BEGIN - timedelta(days=1), Depth.NONE)
        self.hidden.clear()
        self._read_on()

    def work(self, times: int = 1000) -> int:
        done = 0
        while done < times and sum(worker.run_once() for worker in self.workers):
            done += 1
            assert done < 1000, "the workers spin"
        return done

    def end_expired(self) -> int:
        return self.ledger.end_expired(self.clock())

    def edit_mapping(self, product: int, terms: PlainTerms) -> None:
        """The new rows are in force, and what was sold without any is sold by them."""
        self.terms[product] = terms
        self.ledger.replan_unmapped(self.plan, self.clock())
        self._read_on()

    # -- the shop ----------------------------------------------------------------------------------------------------
    def buy(self, buyer: str, lines: Sequence[Sold], *, learner: str = "", status: str = "completed") -> int:
        self.tick(1)
        meta = {"learner_email": learner} if learner else None
        order_id = self.shop.buy(buyer, lines=lines, status=status, paid=status == "completed", meta=meta)
        if any(sold.product_id == CLUB for sold in lines):
            self.shop.start_subscription(order_id)
        self._changed()
        return order_id

    def set_status(self, order_id: int, status: str) -> None:
        self._change(lambda: self.shop.set_status(order_id, status))

    def trash(self, order_id: int) -> None:
        self._change(lambda: self.shop.trash(order_id))

    def restore(self, order_id: int) -> None:
        self._change(lambda: self.shop.restore(order_id))

    def refund_pieces(self, order_id: int, line_id: int, pieces: int) -> None:
        """As many as are left to be given back, without those of learners who are to stay."""
        [line] = [one for one in self.shop.orders[order_id]["line_items"] if one["id"] == line_id]
        amount = Decimal(line["total"]) * pieces / Decimal(str(line["quantity"]))
        if pieces and amount <= self.shop.refundable(order_id):
            self._change(lambda: self.shop.refund(order_id, amount, lines=[(line_id, pieces, amount)]))

    def refund_amount(self, order_id: int, amount: int, line_id: int | None = None) -> None:
        """A mere amount, of a line or of the order as a whole."""
        if amount <= self.shop.refundable(order_id):
            lines = [(line_id, 0, amount)] if line_id is not None else []
            self._change(lambda: self.shop.refund(order_id, amount, lines=lines))

    def refund_all(self, order_id: int) -> None:
        self._change(lambda: self.shop.refund(order_id))

    def delete_refund(self, order_id: int, pick: int) -> None:
        """No date of change tells of it."""
        refunds = self.shop.refunds[order_id]
        self._hide(order_id)
        self._change(lambda: self.shop.delete_refund(order_id, refunds[pick % len(refunds)]["id"]))

    def delete_forever(self, order_id: int) -> None:
        """The daemon has read all that came before: what it did not see, nobody can ask for any more."""
        assert self.poll()
        self.reconcile()
        self._hide(order_id)
        _ = self.merchant.orders, self.merchant.refunds
        self._change(lambda: self.shop.delete_forever(order_id))

    def subscription(self, act: str, number: int) -> None:
        self._change(lambda: getattr(self.shop, f"{act}_subscription")(number))

    def _hide(self, order_id: int) -> None:
        """Something becomes of it that its date of change does not tell."""
        self.hidden.add(order_id)
        self.ever_hidden.add(order_id)

    def _change(self, act: Callable[[], object]) -> None:
        self.tick(1)
        act()
        self._changed()

    # -- people's words ----------------------------------------------------------------------------------------------
    def assign(self, order_id: int, address: str) -> None:
        """An open seat of the first line that has any."""
        lines = self.ledger.desk.read_open_seats(OrderId(order_id))
        if not lines:
            return
        line_id = lines[0].line_id
        giving = Giving(order_id=OrderId(order_id), line_id=line_id, learners=(Person(email=address),))
        if self.ledger.desk.assign([giving], self.plan, self.clock()):
            assigned = self.told[order_id].assigned
            assigned[line_id] = (*assigned.get(line_id, ()), address)
        self._changed()

    def end(self, order_id: int) -> None:
        self.ledger.desk.end(OrderId(order_id), None, None, self.plan, self.clock())
        self._changed()

    def hold(self, order_id: int) -> None:
        self.ledger.desk.hold(OrderId(order_id), "", self.plan, self.clock())
        self.held.add(order_id)
        self.steady = {one for one in self.steady if one[0] != order_id}

    def release(self, order_id: int) -> None:
        self.ledger.desk.release(OrderId(order_id), self.plan, self.clock())
        self.held.discard(order_id)
        self._read_on()

    def relink(self, old: str, new: str) -> None:
        """Once for each address, and never onto one that is somebody else's: what that comes to, memory decides."""
        taken = {*self.same_person, *self.same_person.values()}
        if old == new or EVE in {old, new} or old in taken or new in self.same_person:
            return
        try:
            self.ledger.desk.relink(old, Person(email=new), self.plan, self.clock(), force=True)
        except (KeyError, Merging):
            return
        self.same_person[old] = new
        self._changed()
        self.steady = self.support() & {
            (order, new if who == old else who, course) for order, who, course in self.steady
        }

    def _read_on(self) -> None:
        """Keeps what the daemon has read by now, and what it has sold by that."""
        for row in self.rows("SELECT order_id, status FROM orders"):
            order_id = row["order_id"]
            told = self.told.setdefault(order_id, Told())
            if order_id in self.held:
                continue
            self.told[order_id] = told = folded(told, row["status"], self.decisions(order_id))
            if row["status"] == "completed":
                self._sell(order_id, told)
        self._changed()

    def _sell(self, order_id: int, told: Told) -> None:
        raw = self.merchant.orders[order_id]
        plain_shop = self.plain_shop([order_id])
        [plain] = plain_shop.orders
        for line, one in zip(raw["line_items"], plain.lines, strict=True):
            terms = told.terms.get(line["id"]) or self.terms.get(line["product_id"])
            if terms is None or (line["id"] not in told.terms and one.refunded >= one.quantity):
                continue
            told.terms[line["id"]] = terms
            owners = seat_owners(plain_shop, plain, one, terms)
            told.seated[line["id"]] = tuple(dict.fromkeys([*told.seated.get(line["id"], ()), *owners]))

    def _changed(self) -> None:
        """Who is let in by what the daemon has read is so rightly, though the shop may say something else by now."""
        self.ever.update(self.reading())
        shop = self.plain_shop([one for one, told in self.told.items() if told.status == "completed"])
        as_read = [
            replace(order, status="completed", lines=tuple(replace(line, refunded=0) for line in order.lines))
            for order in shop.orders
        ]
        self.ever.update(read_plainly(replace(shop, orders=as_read, subscriptions=()), self.clock()))
        self._keep_steady()

    def _keep_steady(self) -> None:
        self.steady &= self.support()

    # -- what must hold ----------------------------------------------------------------------------------------------
    def _check_withdrawal(self, pair: Pair) -> None:
        """Asked before each withdrawal: does any one order that was read long since let the learner in?"""
        orders = [number for number, *place in self.steady if tuple(place) == pair]
        assert not orders, f"{pair} is put out, whom orders {orders} let in"

    def check(self) -> None:
        """After every step."""
        assert self.summary().unexplained == 0
        for lms in self.lmss.values():
            owners = [address for address, _ in lms.accounts]
            assert len(owners) == len(set(owners)), owners
            assert lms.places() <= self.ever, lms.places() - self.ever
        self._check_paid_lines()

    def _check_paid_lines(self) -> None:
        """Every line of an order that was read as completed is sold, or on a list, or is no course."""
        listed = {row["order_id"] for row in self.rows("SELECT order_id FROM parked")}
        lines = {
            (row["order_id"], row["line_id"]): row["verdict"]
            for row in self.rows("SELECT order_id, line_id, verdict FROM order_lines")
        }
        sold = {
            (row["order_id"], row["line_id"])
            for row in self.rows("SELECT order_id, line_id FROM entitlements WHERE live = 1")
        }
        for order_id, told in self.told.items():
            if told.status != "completed" or order_id in self.held:
                continue
            for line in self.merchant.orders[order_id]["line_items"]:
                place = (order_id, line["id"])
                ended = lines.get(place) in {"unmapped", "ignored", "ended"}
                assert place in sold or ended or order_id in listed, (place, lines.get(place))

    def settle(self) -> None:
        """No more trouble: all is read and worked off, with time passing, until nothing waits. What waits for another
        row, which may wait for tomorrow's budget, is looked at every half an hour."""
        self.tick(LATEST_EFFECT_S + 1)
        self.tick(4000)
        assert self.poll()
        self.reconcile()
        assert self.poll()
        for _ in range(400):
            self.work()
            if self.ledger.desk.allow(None, self.clock()) or self.end_expired():
                continue
            due_at = [one for one in map(self.ledger.next_due_at, self.lmss) if one is not None]
            if not due_at:
                return
            self.tick(max((min(due_at) - self.clock()).total_seconds(), 1800) // 1 + 1)
        raise AssertionError("not settled")

    def check_settled(self) -> None:
        """The wishes and the LMSs are what the plain reading says."""
        wishes, inside = self.wishes(), set(chain.from_iterable(lms.places() for lms in self.lmss.values()))
        high, low = self.reading(), self.reading(paid_only=True)
        nowhere = object()
        for pair in sorted({*wishes, *inside, *high} - self._held_places()):
            wish, may_be = wishes.get(pair, nowhere), [high.get(pair, nowhere), low.get(pair, nowhere)]
            assert wish in may_be, (pair, wish, may_be)
            assert (pair in inside) == (wish is not nowhere), (pair, wish, inside)
        self._check_ends(wishes)
        summary = self.summary()
        assert (summary.unexplained, summary.due, summary.dead) == (0, 0, 0), summary

    def _check_ends(self, wishes: Readings) -> None:
        """An end in the LMS is never before the one that was paid for."""
        campus = self.lmss[LmsName(CAMPUS)]
        users = dict(campus.accounts)
        for (address, place), until in wishes.items():
            lms, _, course = place.partition(":")
            if lms == CAMPUS and (address, place) in campus.places():
                end = campus.enrolled[users[address], course]
                assert end is None or (until is not None and until <= end), (address, place, until, end)

    def _held_places(self) -> set[Pair]:
        """What an order that is held has to do with: there it is left as it was."""
        courses = {course for terms in [*self.versions, *TERMS.values()] for course in terms.courses}
        people = {
            real_address(self.aliases, address)
            for order_id in self.held
            for address in self._people(order_id)
        }
        return {(address, course) for address in people for course in courses}

    def _people(self, order_id: int) -> Iterator[str]:
        raw = self.merchant.orders[order_id]
        yield raw["billing"]["email"]
        yield from named(raw)
        for line in raw["line_items"]:
            yield from named(line)
        for assigned in self.told.get(order_id, Told()).assigned.values():
            yield from assigned

    def wishes(self) -> Readings:
        """Who is to be in, as the ledger has it."""
        keys = {self.ledger.identify(address): address for address in ADDRESSES}
        rows = self.rows("SELECT * FROM enrolments WHERE desired = 'in'")
        return {
            (keys[row["learner_key"]], f"{row['lms']}:{row['course_id']}"): _instant(row["until"])
            for row in rows
        }

    def summary(self) -> Summary:
        with closing(Report(self.path)) as report:
            return report.summary()

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql, values).fetchall()]


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def orders_of(world: SaleWorld, *statuses: str) -> list[int]:
    """The orders that have one of these statuses in the shop; without any, all that it has."""
    return [
        number for number, order in world.shop.orders.items() if not statuses or order["status"] in statuses
    ]
