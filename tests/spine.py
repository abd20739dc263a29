"""The spine put together: a fake shop and a fake LMS, the real ledger, poller and worker, a clock that is moved."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock, FakeLms, FakeMapping, FakeStore
from wcsync.confirmer import Confirmer
from wcsync.gate import SHOP, Answerer, Gate
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report, Summary
from wcsync.mappers.entitlements import Planner
from wcsync.mappers.notes import NOTE_CHANNEL
from wcsync.messenger import Messenger
from wcsync.model import Entitlement, Order, OrderPlan
from wcsync.notes import SERVICE as NOTES
from wcsync.notes import OrderNotes
from wcsync.patient import Patient
from wcsync.pollers.orders import OrdersPoller
from wcsync.pollers.subscriptions import SubscriptionsPoller
from wcsync.retry import Backoff
from wcsync.sale import NOTHING_SPECIAL, Circumstances
from wcsync.worker import Worker

QUARANTINE_S = 90.0
IDENTITY_EVERY_S = 600.0
SUBSCRIPTIONS_EVERY_S = 300.0

COURSES: dict[str, tuple[str, str] | list[tuple[str, str]] | None] = {
    "PY-101": ("campus", "42"),
    "PY-102": ("campus", "43"),
    "BOTH": [("campus", "42"), ("campus", "43")],
    "T-SHIRT": None,
}


class Spine:
    """Everything between a shop and one LMS. `reopen` is what a killed and restarted process does."""

    def __init__(
        self,
        folder: Path,
        *,
        backoff: Backoff | None = None,
        paid_statuses: frozenset[str] = frozenset({"completed"}),
        overlap_s: float = 300.0,
        start: datetime | None = None,
    ) -> None:
        self.path = folder / "ledger.db"
        self.clock = FakeClock()
        self.store = FakeStore()
        self.lms = FakeLms(clock=self.clock)
        self.mapping = FakeMapping(dict(COURSES))
        self.paid_statuses = paid_statuses
        self.never: frozenset[str] = frozenset()
        self.backoff = backoff or Backoff()
        self.overlap_s = overlap_s
        self.start = start
        self.ledger = self._open()

    def _open(self) -> SqliteLedger:
        ledger = SqliteLedger(self.path)
        self.ledger = ledger
        self.patient = self._patient(self.lms.name)
        self.poller = OrdersPoller(
            store=self.store,
            ledger=ledger,
            gate=self._gate(SHOP, self._ask_shop),
            patient=self._patient(SHOP),
            planner=lambda: self.plan,
            clock=self.clock,
            overlap_s=self.overlap_s,
            start=self.start,
        )
        self.subscriptions = SubscriptionsPoller(
            store=self.store,
            ledger=ledger,
            gate=self.poller.gate,
            patient=self.poller.patient,
            planner=lambda: self.plan,
            clock=self.clock,
            every_s=SUBSCRIPTIONS_EVERY_S,
            overlap_s=self.overlap_s,
            timer=lambda: self.clock().timestamp(),
        )
        self.worker = Worker(
            lms=self.lms,
            ledger=ledger,
            gate=self._gate(self.lms.name, self._ask_lms),
            patient=self.patient,
            backoff=self.backoff,
            quarantine_s=QUARANTINE_S,
            clock=self.clock,
        )
        ledger.post.record_channels([NOTE_CHANNEL], self.clock())
        self.confirmer = Confirmer(
            lms=self.lms,
            ledger=ledger,
            gate=self._gate(self.lms.name, self._ask_lms),
            patient=self.patient,
            clock=self.clock,
        )
        self.notes_patient = self._patient(NOTES)
        self.messenger = Messenger(
            channel=OrderNotes(store=self.store, ledger=ledger, clock=self.clock, quarantine_s=QUARANTINE_S),
            ledger=ledger,
            patient=self.notes_patient,
            backoff=self.backoff,
            clock=self.clock,
        )
        return ledger

    def reopen(self) -> int:
        """Ends as a killed process ends and starts again. Returns how many leases it left behind."""
        self.ledger.close()
        self._open()
        return self.ledger.recover(self.clock(), self.clock())

    def plan(
        self, order: Order, known: Sequence[Entitlement], circumstances: Circumstances = NOTHING_SPECIAL
    ) -> OrderPlan:
        planner = Planner(
            mapping=self.mapping,
            paid_statuses=self.paid_statuses,
            identify=self.ledger.identify,
            never=self.never,
        )
        return planner.plan(order, known, circumstances)

    def record(self, *orders: Order) -> None:
        """Has the ledger know these orders without a poll."""
        self.ledger.record_page(orders, (), self.plan, None, self.clock())

    def tick(self, seconds: float) -> None:
        """Time passes, here and in the shop."""
        self.clock.tick(seconds)
        self.store.now = self.clock.now

    def work(self) -> int:
        """Works off all that is due now. Returns how many attempts that took."""
        attempts = 0
        while self.worker.run_once():
            attempts += 1
            assert attempts < 1000, "the worker spins"
        return attempts

    def send(self) -> int:
        """Delivers all messages that are due now. Returns how many attempts that took."""
        attempts = 0
        while self.messenger.run_once():
            attempts += 1
            assert attempts < 1000, "the messenger spins"
        return attempts

    def settle(self, rounds: int = 200) -> None:
        """Works on, with time passing, until nothing waits any more."""
        for _ in range(rounds):
            self.work()
            due_at = self.ledger.next_due_at(self.lms.name)
            if due_at is None:
                return
            self.tick(max((due_at - self.clock()).total_seconds(), 30))
        raise AssertionError(f"not settled after {rounds} rounds")

    def summary(self) -> Summary:
        with closing(Report(self.path)) as report:
            return report.summary()

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds in the file, past the ledger's back."""
        with closing(sqlite3.connect(self.path)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql, values).fetchall()]

    def row(self, course_id: str = "42") -> dict[str, Any]:
        """The one enrolment row of a course."""
        (row,) = self.rows("SELECT * FROM enrolments WHERE course_id = ?", course_id)
        return row

    def execute(self, sql: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(sql, values)

    def close(self) -> None:
        self.ledger.close()

    def _patient(self, name: str) -> Patient:
        return Patient(name=name, ledger=self.ledger, clock=self.clock, dice=lambda: 0.5)

    def _gate(self, name: str, ask: Any) -> Gate:
        return Gate(name, ask, self.ledger, self.clock, every_s=IDENTITY_EVERY_S)

    def _ask_shop(self) -> Answerer:
        identity = self.store.fetch_identity()
        return Answerer(
            identity=identity.url,
            title=identity.name,
            server_time=identity.server_time,
            zone=identity.zone,
        )

    def _ask_lms(self) -> Answerer:
        identity = self.lms.fetch_identity()
        return Answerer(identity=identity.identity, title=identity.title)
