"""What the refunds of an order gave back of each line: a question of its own for every order that has any."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import count
from threading import Lock

from wcsync import pulse
from wcsync.errors import MalformedReply, ServiceBlocked, TransientError
from wcsync.http import Reply
from wcsync.model import Order, OrderId, Unreadable
from wcsync.sale import Refund
from wcsync.store import wire
from wcsync.store.talk import Talk

REMEMBERED = 5000
"""So many orders' refunds are kept in memory. A refund never changes: it is there, or it was deleted."""
TRIES = 3
"""So many times in a row an error about one order's refunds is taken for the shop's. Then it is that order's own: the
page it stands on was answered each time, and would be held up for good. From then on it is every order's, until a
question for refunds is answered again: else each of those on a page would hold it up anew."""

_GONE = "refunds: the shop has deleted the order while it was read; look for it there, and restore it if it was sold"
_NOT_LISTED = (
    "refunds: the order names others than the list of its refunds holds; open the order in the shop and save it. If "
    "that changes nothing, a cache or a plugin answers for the shop: exempt /wp-json/ from it"
)
_ALWAYS_FAILS = (
    "refunds: the shop answers the question for them with an error each time; look under WooCommerce > Status > Logs, "
    "then open the order in the shop and save it"
)
_REFUSED = (
    "refunds: the question for them is refused each time, though the shop answers others; let this machine's address "
    "read /wp-json/wc/v3/orders/…/refunds past its firewall or security plugin"
)
_ASKED_FOR = "asked for refunds alone, /wp-json/wc/v3/orders/…/refunds; other questions are answered"
_ODD = "{problem}; look at the order's refunds in the shop: a plugin writes them in a form of its own"

Facts = tuple[OrderId, tuple[tuple[int, Decimal], ...]]


class Refunds:
    """Fills in an order's refunds, line by line. `fetch_order` reads an order anew. Thread-safe."""

    def __init__(
        self,
        talk: Talk,
        fetch_order: Callable[[OrderId], Order | Unreadable | None],
        ended: Collection[str] = (),
    ) -> None:
        """`ended`: statuses that say all there is to say, so that nobody asks for the lines of their refunds."""
        self._talk = talk
        self._ended = frozenset(ended)
        self._fetch_order = fetch_order
        self._known: OrderedDict[Facts, tuple[Refund, ...]] = OrderedDict()
        self._failures: dict[OrderId, int] = {}
        self._hopeless = False
        self._lock = Lock()

    def complete(self, order: Order) -> Order | Unreadable:
        """The order with all that its refunds say. One whose refunds cannot be read is `Unreadable`, with the reason.

        Raises: TransientError, ServiceBlocked.
        """
        if not order.refunds or order.status in self._ended:
            return order
        facts = _facts(order)
        with self._lock:
            known = self._known.get(facts)
        return replace(order, refunds=known) if known is not None else self._patiently(order)

    def _patiently(self, order: Order) -> Order | Unreadable:
        try:
            completed = self._anew(order)
        except TransientError as exc:
            if exc.whole_service or not self._given_up(order.order_id):
                raise
            return Unreadable(order_id=order.order_id, reason=_ALWAYS_FAILS)
        except ServiceBlocked as exc:
            if not self._given_up(order.order_id):
                raise ServiceBlocked(f"{exc} ({_ASKED_FOR})", finding=exc.finding) from exc
            return Unreadable(order_id=order.order_id, reason=_REFUSED)
        with self._lock:
            self._failures.pop(order.order_id, None)
            self._hopeless = False
        return completed

    def _given_up(self, order_id: OrderId) -> bool:
        with self._lock:
            self._failures[order_id] = self._failures.get(order_id, 0) + 1
            self._hopeless |= self._failures[order_id] >= TRIES
            return self._hopeless

    def _anew(self, order: Order) -> Order | Unreadable:
        """If a refund was made or deleted since the order was read, its list shows others: it is read once more.

        A list that lacks what the order names is never believed: that would give access back.
        """
        completed = self._listed(order)
        if completed is not None:
            return completed
        again = self._fetch_order(order.order_id)
        if not isinstance(again, Order):
            return again or Unreadable(order_id=order.order_id, reason=_GONE)
        return self._listed(again) or Unreadable(order_id=order.order_id, reason=_NOT_LISTED)

    def _listed(self, order: Order) -> Order | Unreadable | None:
        """None if the list holds other refunds than the order names."""
        if not order.refunds:
            return order
        try:
            refunds = [wire.parse_refund(row) for row in self._rows(order.order_id)]
        except MalformedReply as exc:
            return Unreadable(order_id=order.order_id, reason=_ODD.format(problem=exc))
        told = tuple(sorted(refunds, key=lambda refund: refund.refund_id))
        if [one.refund_id for one in told] != [one.refund_id for one in order.refunds]:
            return None
        self._remember(_facts(order), told)
        return replace(order, refunds=told)

    def _rows(self, order_id: OrderId) -> Iterator[bytes]:
        """The refunds of an order, page by page; none if the shop does not know the order (any more)."""
        for page in count(1):
            pulse.beat()
            reply = self._talk.ask(f"orders/{order_id}/refunds", wire.render_refunds_query(page))
            if reply.status == 404 and wire.says_no_such_order(reply.content):
                return
            self._talk.check(reply)
            rows = self._understood(reply)
            yield from rows
            if len(rows) < wire.REFUNDS_PAGE_SIZE:
                return

    def _understood(self, reply: Reply) -> list[bytes]:
        """The page before was understood: what is not here is this answer's own trouble."""
        try:
            return self._talk.understood(wire.parse_refund_rows, reply)
        except TransientError as exc:
            raise TransientError(str(exc), finding=exc.finding) from exc

    def _remember(self, facts: Facts, refunds: tuple[Refund, ...]) -> None:
        with self._lock:
            self._known[facts] = refunds
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def _facts(order: Order) -> Facts:
    return order.order_id, tuple((refund.refund_id, refund.total) for refund in order.refunds)
