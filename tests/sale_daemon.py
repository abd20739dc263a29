"""The daemon's parts between a shop and its LMSs, in one process that can be killed and started again."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import stamina

from tests.fakes import FakeClock
from tests.plain_reading import PlainTerms
from tests.sale_mapping import MISTAKES, keeper_of, render_mapping
from tests.sale_merchant import Merchant
from tests.sale_reading import ShopReading, Told
from tests.sale_stage import (
    ACADEMY,
    BEGIN,
    CAMPUS,
    EVE,
    LATEST_EFFECT_S,
    LIMITS,
    QUARANTINE_S,
    TERMS,
    Campus,
    FragileLedger,
    Killed,
    Pair,
    SkewedClock,
    Support,
    disk_full,
)
from wcsync.app.build import ask_lms, ask_shop, shop_zone
from wcsync.app.periods import LEASE_LIMIT
from wcsync.gate import SHOP, Gate
from wcsync.ledger.report import Report
from wcsync.lms.base import Budget
from wcsync.mappers.entitlements import Planner, Standing
from wcsync.mappers.notes import NOTE_CHANNEL
from wcsync.messenger import Messenger
from wcsync.model import LmsName, Order, OrderId, PlanOrder
from wcsync.notes import SERVICE as NOTES
from wcsync.notes import OrderNotes
from wcsync.patient import Patient
from wcsync.pollers.orders import OrdersPoller
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.pollers.subscriptions import SubscriptionsPoller
from wcsync.retry import Backoff
from wcsync.worker import Worker

CALLS_AN_ATTEMPT = 8
"""Who it is, who the learner is, the account, the enrolment, a look at it: with room, and far below a storm."""
CALLS_A_POLL = 60
"""All pages of a shop so small, each asked for up to three times, read again if it shrank meanwhile."""


class SaleDaemon(ShopReading):
    """The process, its clock, its disk and its work.

    `strikes`: so many transactions from now the process is killed, or the disk is full (`full`), before or behind one;
    None = it is left alone. `here` is the daemon's own clock.
    """

    def __init__(self, folder: Path, zone: str = "Europe/Madrid") -> None:
        self.path = folder / "ledger.db"
        self.mapping_file = folder / "mapping.toml"
        self.clock = FakeClock(BEGIN)
        self.here = SkewedClock(self.clock)
        self.zone = zone
        self.merchant = Merchant(self.clock, zone)
        self.shop = self.merchant.shop
        self.terms = dict(TERMS)
        self.mapping_file.write_text(render_mapping(self.terms))
        self.lmss = {
            LmsName(CAMPUS): Campus(name=LmsName(CAMPUS), clock=self.clock),
            LmsName(ACADEMY): Campus(
                name=LmsName(ACADEMY), identity="https://academy.example.test", capabilities=frozenset()
            ),
        }
        for lms in self.lmss.values():
            lms.on_withdraw = self._check_withdrawal
        self.strikes: int | None = None
        self.full = False
        self.late_for_s = 0.0
        self.told: dict[int, Told] = {}
        self.held: set[int] = set()
        self.same_person: dict[str, str] = {}
        self.forgotten: set[str] = set()
        self.versions: list[PlainTerms] = []
        self.read_pages: list[Sequence[Order]] = []
        self.hidden: set[int] = set()
        self.ever_hidden: set[int] = set()
        self.ever: set[Pair] = set()
        self.by_hand: set[Pair] = set()
        self.steady: set[Support] = set()
        self.open()
        self._reader = sqlite3.connect(self.path)
        self._reader.row_factory = sqlite3.Row
        self._seen_version = -1
        self._answers: dict[tuple[str, tuple[Any, ...]], list[dict[str, Any]]] = {}

    # -- the process -------------------------------------------------------------------------------------------------
    def open(self) -> None:
        self.ledger = ledger = FragileLedger(self.path, self._strike, self.read_pages)
        self.mapping = keeper_of(self.mapping_file, ledger, self.here)
        self.mapping.load()
        store = self.merchant.client
        shop_patient = self._patient(SHOP)
        gate = Gate(SHOP, ask_shop(store), ledger, self.here, every_s=600.0)
        parts: dict[str, Any] = {
            "store": store,
            "ledger": ledger,
            "gate": gate,
            "patient": shop_patient,
            "planner": lambda: self.plan,
            "clock": self.here,
            "overlap_s": 300.0,
        }
        self.orders = OrdersPoller(start=BEGIN - timedelta(hours=1), **parts)
        self.subscriptions = SubscriptionsPoller(
            every_s=300.0, timer=lambda: self.clock().timestamp(), **parts
        )
        self.gates = {
            name: Gate(name, ask_lms(lms), ledger, self.here, every_s=600.0)
            for name, lms in self.lmss.items()
        }
        self.patients = {name: self._patient(name) for name in self.lmss}
        self.workers = [self._worker(name) for name in self.lmss]
        ledger.post.record_channels([NOTE_CHANNEL], self.here())
        self.messenger = Messenger(
            channel=OrderNotes(store=store, ledger=ledger, clock=self.here, quarantine_s=QUARANTINE_S),
            ledger=ledger,
            patient=self._patient(NOTES),
            backoff=Backoff(max_attempts=1000),
            clock=self.here,
            ready=shop_patient.may_call,
            gate=gate.check,
            heed=shop_patient.note_wish,
        )
        self.reconciler = Reconciler(
            store=store,
            ledger=ledger,
            poller=self.orders,
            lmss=self.lmss,
            gates={SHOP: gate} | {str(name): one for name, one in self.gates.items()},
            patients={SHOP: shop_patient} | {str(name): one for name, one in self.patients.items()},
            planner=lambda: self.plan,
            paid=lambda order: self._planner().standing(order) is Standing.PAID,
            fates=self._fates,
            clock=self.here,
            dice=lambda: 0.5,
        )

    def _worker(self, name: LmsName) -> Worker:
        return Worker(
            lms=self.lmss[name],
            ledger=self.ledger,
            gate=self.gates[name],
            patient=self.patients[name],
            backoff=Backoff(max_attempts=1000),
            quarantine_s=QUARANTINE_S,
            clock=self.here,
            limits=LIMITS,
            budget=Budget(per_day=2) if name == ACADEMY else None,
            zone=lambda: self.zone,
        )

    def reopen(self) -> None:
        """Ends as a killed process ends, and starts again."""
        self.strikes = None
        self.mapping.close()
        self.ledger.close()
        self.open()
        self.ledger.recover(self.here(), self.here())
        self._read_on()

    @contextmanager
    def surviving(self, strikes: int | None = None, *, full: bool = False) -> Iterator[None]:
        """What happens in it may kill the process; then it is started again. Where the disk is full it goes on."""
        self.strikes, self.full = strikes, full
        try:
            yield
        except Killed:
            self.reopen()
        finally:
            self.strikes = None

    def close(self) -> None:
        self.mapping.close()
        self.ledger.close()
        self._reader.close()
        self.merchant.client.close()

    @property
    def plan(self) -> PlanOrder:
        return self._planner().plan

    def _planner(self) -> Planner:
        return Planner(
            mapping=self.mapping.current,
            paid_statuses=frozenset({"completed"}),
            identify=self.ledger.identify,
            never=frozenset({EVE}),
            zone=shop_zone(self.ledger),
        )

    def _patient(self, name: str) -> Patient:
        return Patient(name=name, ledger=self.ledger, clock=self.here, dice=lambda: 0.5)

    def _fates(self, order_ids: Sequence[OrderId]) -> Any:
        with closing(Report(self.path)) as report:
            return report.line_fates(order_ids)

    def _strike(self, when: str) -> None:
        """A full disk is met where something is to be written: never behind it."""
        if self.strikes is None or (self.full and when == "behind"):
            return
        self.strikes -= 1
        if self.strikes <= 0:
            self.strikes = None
            raise disk_full() if self.full else Killed

    # -- time --------------------------------------------------------------------------------------------------------
    def tick(self, seconds: float) -> None:
        """Late calls take effect before it is too late for them; leases that nobody will settle are given back."""
        self.late_for_s += seconds
        if self.late_for_s > LATEST_EFFECT_S:
            self.catch_up()
        self.clock.tick(seconds)
        if seconds >= LEASE_LIMIT.total_seconds():
            self.ledger.recover(self.here() - LEASE_LIMIT, self.here())
        self._keep_steady()

    def skew(self, seconds: float) -> None:
        """The daemon's clock is set so far from the true one. A call that is still under way meanwhile is out of the
        question: how long ago it was sent is then anybody's guess."""
        self.catch_up()
        self.here.apart = seconds
        self._keep_steady()

    def catch_up(self) -> None:
        for lms in self.lmss.values():
            lms.catch_up()

    # -- the daemon's work -------------------------------------------------------------------------------------------
    def poll(self, *, believed: bool = True) -> bool:
        """Whether all that changed was read, of orders and subscriptions. `believed`: the shop says what is so."""
        asked = self.merchant.asked
        with stamina.set_testing(True, attempts=3, cap=True):
            complete = self.orders.poll_once().complete and self.subscriptions.poll_once()
        assert self.merchant.asked - asked <= CALLS_A_POLL, self.merchant.asked - asked
        self._read_on()
        if complete and believed:
            self.steady = {one for one in self.support() if one[0] not in self.hidden | self.held}
        return complete

    def replay(self, pick: int) -> None:
        """An old page comes once more, however old it is: nothing changes by it, but for what no date tells."""
        page = self.read_pages[pick % len(self.read_pages)]
        self.hidden.update(self.ever_hidden & {order.order_id for order in page})
        self.steady = {one for one in self.steady if one[0] not in self.hidden}
        before = self._known_dates()
        self.ledger.record_page(page, (), self.plan, None, self.here())
        after = self._known_dates()
        assert all(after[order_id] >= modified_at for order_id, modified_at in before.items())
        self._read_on()

    def _known_dates(self) -> dict[int, str]:
        return {
            row["order_id"]: row["modified_at"]
            for row in self.rows("SELECT order_id, modified_at FROM orders")
        }

    def reconcile(self, depth: Depth = Depth.NONE) -> None:
        self.reconciler.run(BEGIN - timedelta(days=1), depth)
        self.hidden.clear()
        self._read_on()

    def work(self, times: int = 1000) -> int:
        """Where the disk is full a row keeps its lease until it is given back."""
        before, done = self._calls(), 0
        try:
            while done < times and sum(worker.run_once() for worker in self.workers):
                done += 1
                assert done < 1000, "the workers spin"
        except sqlite3.OperationalError:
            assert self.full
        calls = self._calls() - before
        assert calls <= CALLS_AN_ATTEMPT * len(self.workers) * (done + 1), calls
        return done

    def _calls(self) -> int:
        return sum(lms.reads + len(lms.writes) + lms.asked_who for lms in self.lmss.values())

    def send(self, times: int = 1000) -> int:
        """Writes the notes that are due."""
        done, asked = 0, self.merchant.asked
        try:
            with stamina.set_testing(True, attempts=3, cap=True):
                while done < times and self.messenger.run_once():
                    done += 1
                    assert done < 1000, "the messenger spins"
        except sqlite3.OperationalError:
            assert self.full
        assert self.merchant.asked - asked <= CALLS_AN_ATTEMPT * (done + 1)
        return done

    def end_expired(self) -> int:
        return self.ledger.end_expired(self.here())

    def edit_mapping(self, product: int, terms: PlainTerms) -> None:
        """The new rows are in force, and what was sold without any is sold by them."""
        self.terms[product] = terms
        self.mapping_file.write_text(render_mapping(self.terms))
        self.mapping.refresh()
        self.ledger.replan_unmapped(self.plan, self.here())
        self._read_on()

    def spoil_mapping(self, mistake: int, *, restarted: bool) -> None:
        """A slip of the finger, until it is mended: nothing changes, not even for a process that starts meanwhile."""
        good, before = self.mapping_file.read_text(), self.mapping.current
        self.mapping_file.write_text(MISTAKES[mistake % len(MISTAKES)](good))
        assert not self.mapping.refresh()
        if restarted:
            self.reopen()
        assert self.mapping.current.fingerprint == before.fingerprint
        self.ledger.replan_unmapped(self.plan, self.here())
        self._read_on()
        self.mapping_file.write_text(good)
        assert not self.mapping.refresh()

    # -- filled in by the world --------------------------------------------------------------------------------------
    def _read_on(self) -> None:
        """Keeps what the daemon has read by now, and what it has sold by that."""
        raise NotImplementedError

    def _keep_steady(self) -> None:
        raise NotImplementedError

    def _check_withdrawal(self, pair: Pair) -> None:
        raise NotImplementedError

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Asked again only once somebody has written."""
        [version] = self._reader.execute("PRAGMA data_version").fetchone()
        if version != self._seen_version:
            self._seen_version, self._answers = version, {}
        if (sql, values) not in self._answers:
            found = self._reader.execute(sql, values).fetchall()
            self._answers[sql, values] = [dict(row) for row in found]
        return self._answers[sql, values]
