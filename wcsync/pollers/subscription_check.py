"""Subscriptions in the proof: those the shop shows are read again, and those it hides are asked for by themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from wcsync.errors import REMOTE_ERRORS
from wcsync.ledger.base import Ledger
from wcsync.model import PlanOrder, Unreadable
from wcsync.pulse import beat
from wcsync.reckoning import Remark
from wcsync.store.base import Store
from wcsync.times import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCheck:
    """Ends nothing by itself: one that the shop does not know any more is told of, and a person looks."""

    store: Store
    ledger: Ledger
    planner: Callable[[], PlanOrder]
    clock: Clock

    def look(self, since: datetime) -> list[Remark]:
        """Reads those that changed after `since` again. Safe to repeat. A shop without subscriptions is fine; trouble
        with this list alone is told and ends no proof."""
        try:
            shown = self._read(since)
            return [] if shown is None else self._ask_hidden(since, shown)
        except REMOTE_ERRORS as exc:
            return [_not_looked(str(exc))]

    def _read(self, since: datetime) -> set[int] | None:
        """Those that the shop showed; None if it has none to show."""
        shown = set[int]()
        for page in self.store.fetch_subscription_pages(since):
            beat()
            if not page.offered:
                return None
            self.ledger.record_subscriptions(page.subscriptions, self.planner(), None, self.clock())
            shown |= {one.subscription_id for one in page.subscriptions}
            shown |= {one.order_id for one in page.unreadable if one.order_id is not None}
        return shown

    def _ask_hidden(self, since: datetime, shown: set[int]) -> list[Remark]:
        remarks = []
        for number in self.ledger.proof.read_subscriptions(since):
            if number in shown:
                continue
            beat()
            found = self.store.fetch_subscription(number)
            if found is None:
                remarks.append(_gone(number))
            elif not isinstance(found, Unreadable):
                self.ledger.record_subscriptions([found], self.planner(), None, self.clock())
        return remarks


def _gone(number: int) -> Remark:
    return Remark(
        code="subscription_gone",
        message=f"the shop does not know subscription {number} any more; whoever has access by it keeps it",
        do="if it was deleted to end it, set its orders to cancelled or `wcsync parked end` their seats",
    )


def _not_looked(reason: str) -> Remark:
    return Remark(
        code="subscriptions_not_looked",
        message=f"subscriptions were not compared: {reason.removeprefix('shop: ')}",
        do="orders were; the next night looks again",
    )
