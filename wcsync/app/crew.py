"""Who works for one config: pollers, workers and messengers, made from services that are open already."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wcsync.app.build import build_backoff, shop_zone
from wcsync.config import Config
from wcsync.confirmer import Confirmer
from wcsync.gate import SHOP, Gate
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.base import Lms
from wcsync.mappers.entitlements import Planner
from wcsync.messenger import Messenger
from wcsync.model import LmsName, PlanOrder
from wcsync.notes import OrderNotes
from wcsync.notify.base import Channel
from wcsync.patient import Patient
from wcsync.pollers.hindsight import Hindsight
from wcsync.pollers.orders import OrdersPoller
from wcsync.pollers.subscriptions import SubscriptionsPoller
from wcsync.pool import Worker as Hand
from wcsync.store.client import WooCommerce
from wcsync.times import Clock
from wcsync.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """`planner`: the planner in force just now; `stopping`: whether a walk is to end; `dice`: as in `Patient`."""

    config: Config
    ledger: SqliteLedger
    store: WooCommerce
    lmss: Mapping[LmsName, Lms]
    gates: Mapping[str, Gate]
    patients: Mapping[str, Patient]
    planner: Callable[[], Planner]
    stopping: Callable[[], bool]
    clock: Clock
    dice: Callable[[], float]

    def plan(self) -> PlanOrder:
        return self.planner().plan

    def may_call(self, name: str) -> bool:
        return self.patients[name].may_call()

    def orders(self) -> OrdersPoller:
        hindsight = Hindsight(store=self.store, ledger=self.ledger, planner=self.plan, clock=self.clock)
        return OrdersPoller(
            store=self.store,
            ledger=self.ledger,
            gate=self.gates[SHOP],
            patient=self.patients[SHOP],
            planner=self.plan,
            clock=self.clock,
            overlap_s=self.config.orders.overlap_s,
            start=self.config.orders.start_at,
            stopping=self.stopping,
            explains=self.ledger.ailment.explains,
            before_recording=hindsight.look,
        )

    def subscriptions(self) -> SubscriptionsPoller:
        return SubscriptionsPoller(
            store=self.store,
            ledger=self.ledger,
            gate=self.gates[SHOP],
            patient=self.patients[SHOP],
            planner=self.plan,
            clock=self.clock,
            every_s=self.config.subscriptions.every_s,
            overlap_s=self.config.orders.overlap_s,
            stopping=self.stopping,
            explains=self.ledger.ailment.explains,
        )

    def workers(self) -> list[Worker]:
        return [self._worker(lms) for lms in self.lmss.values()]

    def notes(self) -> list[Channel]:
        """The channel of order notes, if they are wanted."""
        notes = OrderNotes(
            store=self.store,
            ledger=self.ledger,
            clock=self.clock,
            quarantine_s=3 * self.config.store.timeout_s,
        )
        return [notes] if self.config.notes.enabled else []

    def singles(self, channels: Sequence[Channel], looked: Callable[[], bool]) -> list[Hand]:
        """Those who work alone: one per channel, one per LMS. `looked`: whether trouble was looked for yet."""
        return [
            *(self._messenger(channel, looked) for channel in channels),
            *(self._confirmer(lms) for lms in self.lmss.values()),
        ]

    def _messenger(self, channel: Channel, looked: Callable[[], bool]) -> Messenger:
        """Order notes go to the shop, and only while it is up and the one that is known; if it asks to be left alone
        there, all leave it alone. Alerts that an earlier process left wait for the first look: they may be out of
        date."""
        notes = isinstance(channel, OrderNotes)
        return Messenger(
            channel=channel,
            ledger=self.ledger,
            patient=Patient(name=channel.service, ledger=self.ledger, clock=self.clock, dice=self.dice),
            backoff=build_backoff(self.config),
            clock=self.clock,
            ready=self.patients[SHOP].is_up if notes else looked,
            gate=self.gates[SHOP].check if notes else lambda: None,
            heed=self.patients[SHOP].note_wish if notes else lambda _exc: None,
        )

    def _confirmer(self, lms: Lms) -> Confirmer:
        return Confirmer(
            lms=lms,
            ledger=self.ledger,
            gate=self.gates[lms.name],
            patient=self.patients[lms.name],
            clock=self.clock,
        )

    def _worker(self, lms: Lms) -> Worker:
        settings = next(entry for entry in self.config.lms if entry.name == lms.name)
        return Worker(
            lms=lms,
            ledger=self.ledger,
            gate=self.gates[lms.name],
            patient=self.patients[lms.name],
            backoff=build_backoff(self.config),
            quarantine_s=settings.quarantine_s,
            clock=self.clock,
            limits=self.config.limits,
            on_withdraw=settings.on_withdraw,
            budget=settings.budget,
            zone=lambda: shop_zone(self.ledger),
        )
