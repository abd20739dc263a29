"""What the shop's own notes remember of people's decisions that a restored ledger has lost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from wcsync.ledger.base import Ledger
from wcsync.ledger.origin import MARGIN
from wcsync.mappers.notes import tells_of_a_decision
from wcsync.model import Order, OrderId, PlanOrder
from wcsync.store.base import Store
from wcsync.times import Clock

log = structlog.get_logger(__name__)

REASON = (
    "wcsync's note in the shop tells of a decision that the restored ledger does not know (an address put right, a "
    "seat dealt with by hand): say it again, then release the order"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """Looks, before orders are recorded, whether something was decided about them since the backup. Such an order is
    held: what it says by itself is not what holds. Once for each restore: who releases it is not asked again. One call
    for each order changed since, until the ledger has caught up; none in a ledger that was not restored."""

    store: Store
    ledger: Ledger
    planner: Callable[[], PlanOrder]
    clock: Clock
    _looked: set[OrderId] = field(default_factory=set)

    def look(self, orders: Iterable[Order]) -> None:
        """Raises: TransientError, ServiceBlocked."""
        origin = self.ledger.read_origin()
        if origin is None or origin.restored_at is None or not origin.catching_up:
            return
        for order in orders:
            if order.modified_at >= origin.taken_at - MARGIN and order.order_id not in self._looked:
                self._look_at(order.order_id, origin.restored_at)
                self._looked.add(order.order_id)

    def _look_at(self, order_id: OrderId, restored_at: datetime) -> None:
        known = self.ledger.post.read_digests(order_id)
        if not tells_of_a_decision(self.store.fetch_notes(order_id) or (), known):
            return
        if self.ledger.desk.hold_back(order_id, REASON, restored_at, self.planner(), self.clock()):
            log.warning("decision_lost", order_id=order_id, hint=REASON)
