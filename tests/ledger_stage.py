"""What a test of every `Ledger` stands on. Another implementation adds a class that says how it is opened."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, FakeMapping
from wcsync.ledger.base import Claim, Deferral, Ledger, Surrender
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report, Summary
from wcsync.mappers.entitlements import Planner
from wcsync.model import (
    Applied,
    Entitlement,
    LmsName,
    Order,
    OrderPlan,
    Outcome,
)
from wcsync.sale import NOTHING_SPECIAL, Circumstances

CREATED = Applied(outcome=Outcome.CREATED, user_id="100")
ACADEMY = LmsName("academy")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@dataclass
class Stage:
    """A ledger, and a look into it. `mapping` may be changed between two recordings."""

    ledger: Ledger
    summary: Callable[[], Summary]
    parked: Callable[[], list[dict[str, object]]]
    mapping: FakeMapping

    def plan(
        self, order: Order, known: Sequence[Entitlement], circumstances: Circumstances = NOTHING_SPECIAL
    ) -> OrderPlan:
        planner = Planner(
            mapping=self.mapping, paid_statuses=frozenset({"completed"}), identify=self.ledger.identify
        )
        return planner.plan(order, known, circumstances)

    def record(self, *orders: Order, now: datetime = T0) -> None:
        self.ledger.record_page(orders, (), self.plan, None, now)

    def claim(self, now: datetime = T0) -> Claim:
        claim = self.ledger.claim(CAMPUS, now)
        assert claim is not None
        return claim

    def kinds(self) -> list[object]:
        return [entry["kind"] for entry in self.parked()]


def deferral(seconds: float, *, counted: bool = True, open_since: datetime | None = None) -> Deferral:
    return Deferral(
        retry_at=at(seconds),
        kind="transient",
        reason="busy",
        counted=counted,
        open_since=open_since,
    )


def surrender() -> Surrender:
    return Surrender(kind="permanent", reason="no such course", open_since=None)


def later(order: Order, status: str, minutes: int = 1) -> Order:
    return replace(order, status=status, modified_at=order.modified_at + timedelta(minutes=minutes))


class LedgerContract(ABC):
    @abstractmethod
    def open(
        self, folder: Path
    ) -> tuple[Ledger, Callable[[], Summary], Callable[[], list[dict[str, object]]]]:
        """A ledger in `folder`, empty or as it was left, its figures and its parked list."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        ledger, summary, parked = self.open(tmp_path)
        mapping = FakeMapping(
            {"PY-101": ("campus", "42"), "BOTH": [("campus", "42"), ("campus", "43")], "A": ("academy", "7")}
        )
        yield Stage(ledger=ledger, summary=summary, parked=parked, mapping=mapping)
        ledger.close()


class OnSqlite:
    """Opens the ledger on SQLite."""

    def open(
        self, folder: Path
    ) -> tuple[Ledger, Callable[[], Summary], Callable[[], list[dict[str, object]]]]:
        path = folder / "ledger.db"
        ledger = SqliteLedger(path)

        def ask(question: str) -> object:
            report = Report(path)
            try:
                return getattr(report, question)()
            finally:
                report.close()

        return ledger, lambda: ask("summary"), lambda: ask("parked")  # type: ignore[return-value]
