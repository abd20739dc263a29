"""The proof for one config: what compares shop, ledger and LMS, and when."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from wcsync.config import Config
from wcsync.gate import Gate
from wcsync.ledger.base import Barred
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report
from wcsync.lms.base import Lms
from wcsync.mappers.entitlements import Planner, Standing
from wcsync.model import LineId, LmsName, Order, OrderId, PlanOrder
from wcsync.patient import Patient
from wcsync.pollers.catching_up import CatchUp
from wcsync.pollers.halts import HaltWatch
from wcsync.pollers.nights import Nights
from wcsync.pollers.orders import OrdersPoller
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.pollers.subscription_check import SubscriptionCheck
from wcsync.store.base import Store
from wcsync.times import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a proof works with. `planner`: the planner in force; `dice`: as in `Patient`."""

    config: Config
    ledger: SqliteLedger
    store: Store
    poller: OrdersPoller
    lmss: Mapping[LmsName, Lms]
    gates: Mapping[str, Gate]
    patients: Mapping[str, Patient]
    planner: Callable[[], Planner]
    stopping: Callable[[], bool]
    clock: Clock
    dice: Callable[[], float]


def build_reconciler(parts: Parts) -> Reconciler:
    def paid(order: Order) -> bool:
        return parts.planner().standing(order) is Standing.PAID

    def plan() -> PlanOrder:
        return parts.planner().plan

    def fates(order_ids: Sequence[OrderId]) -> Mapping[tuple[OrderId, LineId], str]:
        with closing(Report(parts.config.ledger.path)) as report:
            return report.line_fates(order_ids)

    subscriptions = SubscriptionCheck(store=parts.store, ledger=parts.ledger, planner=plan, clock=parts.clock)
    return Reconciler(
        store=parts.store,
        ledger=parts.ledger,
        poller=parts.poller,
        lmss=parts.lmss,
        gates=parts.gates,
        patients=parts.patients,
        planner=plan,
        paid=paid,
        fates=fates,
        clock=parts.clock,
        dice=parts.dice,
        stopping=parts.stopping,
        ask_subscriptions=subscriptions.look,
    )


def build_nights(parts: Parts, healthy: Callable[[str], bool]) -> Nights:
    settings = parts.config.reconcile
    return Nights(
        reconciler=build_reconciler(parts),
        ledger=parts.ledger,
        clock=parts.clock,
        at=settings.time_of_day,
        look_back=timedelta(days=settings.look_back_days),
        lms=Depth(settings.lms),
        sample=settings.sample,
        healthy=healthy,
    )


def build_catch_up(parts: Parts, healthy: Callable[[str], bool]) -> CatchUp:
    def settled() -> bool:
        with closing(Report(parts.config.ledger.path)) as report:
            return not report.due()

    return CatchUp(
        reconciler=build_reconciler(parts),
        ledger=parts.ledger,
        clock=parts.clock,
        settled=settled,
        healthy=healthy,
    )


def build_halts(config: Config, clock: Clock) -> HaltWatch:
    def barred() -> Barred | None:
        with closing(Report(config.ledger.path)) as report:
            return report.barred(config.limits, clock())

    def waiting() -> Mapping[str, int]:
        with closing(Report(config.ledger.path)) as report:
            return report.waiting_for_budgets()

    return HaltWatch(barred=barred, waiting=waiting)
