"""The proof for one config: what compares shop, ledger and LMS, and when."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta

from wcsync.app.crew import Crew
from wcsync.config import Config
from wcsync.ledger.base import Barred
from wcsync.ledger.report import Report
from wcsync.mappers.entitlements import Standing
from wcsync.model import LineId, Order, OrderId
from wcsync.pollers.catching_up import CatchUp
from wcsync.pollers.halts import HaltWatch
from wcsync.pollers.nights import Nights
from wcsync.pollers.orders import OrdersPoller
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.pollers.subscription_check import SubscriptionCheck
from wcsync.times import Clock


def build_reconciler(crew: Crew, poller: OrdersPoller) -> Reconciler:
    def paid(order: Order) -> bool:
        return crew.planner().standing(order) is Standing.PAID

    def fates(order_ids: Sequence[OrderId]) -> Mapping[tuple[OrderId, LineId], str]:
        with closing(Report(crew.config.ledger.path)) as report:
            return report.line_fates(order_ids)

    subscriptions = SubscriptionCheck(
        store=crew.store, ledger=crew.ledger, planner=crew.plan, clock=crew.clock
    )
    return Reconciler(
        store=crew.store,
        ledger=crew.ledger,
        poller=poller,
        lmss=crew.lmss,
        gates=crew.gates,
        patients=crew.patients,
        planner=crew.plan,
        paid=paid,
        fates=fates,
        clock=crew.clock,
        dice=crew.dice,
        stopping=crew.stopping,
        ask_subscriptions=subscriptions.look,
    )


def build_nights(reconciler: Reconciler, crew: Crew) -> Nights:
    settings = crew.config.reconcile
    return Nights(
        reconciler=reconciler,
        ledger=crew.ledger,
        clock=crew.clock,
        at=settings.time_of_day,
        look_back=timedelta(days=settings.look_back_days),
        lms=Depth(settings.lms),
        sample=settings.sample,
        healthy=crew.may_call,
    )


def build_catch_up(reconciler: Reconciler, crew: Crew) -> CatchUp:
    def settled() -> bool:
        with closing(Report(crew.config.ledger.path)) as report:
            return not report.due()

    return CatchUp(
        reconciler=reconciler,
        ledger=crew.ledger,
        clock=crew.clock,
        settled=settled,
        healthy=crew.may_call,
    )


def build_halts(config: Config, clock: Clock) -> HaltWatch:
    def barred() -> Barred | None:
        with closing(Report(config.ledger.path)) as report:
            return report.barred(config.limits, clock())

    def waiting() -> Mapping[str, int]:
        with closing(Report(config.ledger.path)) as report:
            return report.waiting_for_budgets()

    return HaltWatch(barred=barred, waiting=waiting)
