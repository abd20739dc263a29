"""The proof: every paid line that the shop shows is looked for in the ledger, and learners in their LMS."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from wcsync.errors import TransientError
from wcsync.gate import SHOP, Gate
from wcsync.ledger.base import FEW, Ledger, PageRecord
from wcsync.lms.base import Lms
from wcsync.model import LineId, LmsName, Order, OrderId, Page, PlanOrder, Unreadable
from wcsync.patient import Patient
from wcsync.pollers.orders import OnPage, OrdersPoller
from wcsync.pollers.presences import Presences
from wcsync.pulse import beat
from wcsync.reckoning import Fate, LmsLook, Reckoning, Remark
from wcsync.store.base import Store
from wcsync.times import Clock

AT_ONCE = 500
"""So many orders are looked up in the ledger at a time."""
MOST_REMARKS = 1000
"""So many findings are listed, the gravest first; the figures count all."""
MOST_ASKED_AGAIN = 200
"""So many orders with unexplained lines are read a second time before they are called so."""

Fates = Callable[[Sequence[OrderId]], Mapping[tuple[OrderId, LineId], str]]
"""What became of each paid line of these orders, by `reckoning.Fate`; a line that is not held is left out."""


class Depth(StrEnum):
    """How many learners are looked up in their LMS."""

    ALL = "all"
    SAMPLE = "sample"
    NONE = "none"


@dataclass(slots=True)
class Sighting:
    """What the shop showed: of each order the paid lines. Ids alone, so that a hundred thousand orders fit."""

    paid: Callable[[Order], bool]
    lines: dict[OrderId, tuple[LineId, ...]] = field(default_factory=dict)
    record: PageRecord = field(default_factory=PageRecord)

    def take(self, page: Page, record: PageRecord) -> None:
        for order in page.orders:
            self.see(order)
        for one in page.unreadable:
            if one.order_id is not None:
                self.lines.setdefault(one.order_id, ())
        self.record = self.record.plus(record)

    def see(self, order: Order) -> None:
        """The newest reading of an order counts."""
        paid = self.paid(order)
        self.lines[order.order_id] = tuple(line.line_id for line in order.lines) if paid else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Compares shop, ledger and LMS, and repairs what is safe to repair: what was missed enters as every order does.

    `paid`: the planner's own rule of payment; `fates`: the ledger's word on lines. `ask_subscriptions`: asks the shop
    for those that changed since an instant, and says what is amiss with them. `dice` gives numbers in [0, 1).
    """

    store: Store
    ledger: Ledger
    poller: OrdersPoller
    lmss: Mapping[LmsName, Lms]
    gates: Mapping[str, Gate]
    patients: Mapping[str, Patient]
    planner: Callable[[], PlanOrder]
    paid: Callable[[Order], bool]
    fates: Fates
    clock: Clock
    dice: Callable[[], float]
    stopping: Callable[[], bool] = lambda: False
    ask_subscriptions: Callable[[datetime], Sequence[Remark]] = lambda _since: ()

    def window(self, back_to: datetime) -> datetime:
        """From when on orders are to be compared: never from before what this ledger was begun or filled with, or
        the proof would bring in what nobody asked for."""
        beginning = self.ledger.proof.read_beginning()
        return back_to if beginning is None else max(back_to, beginning)

    def run(
        self,
        since: datetime,
        lms: Depth = Depth.SAMPLE,
        sample: int = 200,
        on_page: OnPage = lambda _page, _record: None,
    ) -> Reckoning:
        """One walk over all orders changed after `since`. Safe beside a running daemon, to kill and to repeat.

        An LMS that is down is told and holds nothing up. Raises TransientError, ServiceBlocked of the shop.
        """
        began_at, sighting = self.clock(), Sighting(self.paid)

        def take(page: Page, record: PageRecord) -> None:
            sighting.take(page, record)
            on_page(page, record)

        self.gates[SHOP].check()
        self.poller.read_since(since, take)
        shown = len(sighting.lines)
        deleted, remarks = self._ask_hidden(since, sighting)
        remarks += self.ask_subscriptions(since)
        looks = self._look(lms, sample, remarks)
        fates = self._count(sighting, remarks)
        return Reckoning(
            since=since,
            began_at=began_at,
            ended_at=self.clock(),
            orders=shown,
            fresh=sighting.record.fresh,
            deleted=deleted,
            fates=fates,
            looks=tuple(looks),
            remarks=tuple(sorted(remarks, key=lambda one: not one.suspect)[:MOST_REMARKS]),
        )

    # -- orders that the walk did not show -----------------------------------------------------------------------
    def _ask_hidden(self, since: datetime, sighting: Sighting) -> tuple[int, list[Remark]]:
        """How many orders the shop has deleted, and what is amiss with those that it hid.

        A shop that lost most of them is not asked for the rest.
        """
        known, hidden, gone = 0, list[OrderId](), list[OrderId]()
        for order_ids in self._known(since):
            known += len(order_ids)
            hidden += [order_id for order_id in order_ids if order_id not in sighting.lines]
        for order_id in hidden:
            if not self._ask(order_id, sighting):
                gone.append(order_id)
            if len(gone) > FEW and 2 * len(gone) > known:
                return 0, [_shop_suspect(len(gone), known)]
        for batch in _batches(gone):
            self._pause()
            self.ledger.record_deleted(batch, self.planner(), self.clock())
        return len(gone), [_deleted(order_id) for order_id in gone]

    def _known(self, since: datetime) -> Iterator[list[OrderId]]:
        after = OrderId(-1)
        while batch := self.ledger.proof.read_changed(since, after, AT_ONCE):
            self._pause()
            yield batch
            after = batch[-1]

    def _ask(self, order_id: OrderId, sighting: Sighting) -> bool:
        """Has one order read as any other. False if the shop does not know it."""
        self._pause()
        order = self._fetch_order(order_id)
        if order is None:
            return False
        orders, unreadable = ((), (order,)) if isinstance(order, Unreadable) else ((order,), ())
        record = self.ledger.record_page(orders, unreadable, self.planner(), None, self.clock())
        sighting.record = sighting.record.plus(record)
        sighting.lines[order_id] = ()
        if not isinstance(order, Unreadable):
            sighting.see(order)
        return True

    def _fetch_order(self, order_id: OrderId) -> Order | Unreadable | None:
        """A shop that asks to be left alone is left alone by everybody, not by the proof alone."""
        try:
            return self.store.fetch_order(order_id)
        except TransientError as exc:
            self.patients[SHOP].note_wish(exc)
            raise

    # -- learners ------------------------------------------------------------------------------------------------
    def _look(self, depth: Depth, sample: int, remarks: list[Remark]) -> list[LmsLook]:
        if depth is Depth.NONE:
            return []
        looks = []
        for name, lms in self.lmss.items():
            presences = Presences(
                lms=lms,
                proof=self.ledger.proof,
                gate=self.gates[name],
                patient=self.patients[name],
                clock=self.clock,
                dice=self.dice,
                pause=self._pause,
            )
            look, found = presences.look(None if depth is Depth.ALL else sample)
            looks.append(look)
            remarks.extend(found)
        return looks

    # -- counting ------------------------------------------------------------------------------------------------
    def _count(self, sighting: Sighting, remarks: list[Remark]) -> dict[Fate, int]:
        """Each paid line once. What seems lost is read again first: it may have changed since it was shown."""
        fates = dict.fromkeys(Fate, 0)
        doubtful = list[OrderId]()
        for batch in _batches([order_id for order_id, lines in sighting.lines.items() if lines]):
            self._pause()
            for order_id, found in self._fates_of(batch, sighting).items():
                if Fate.UNEXPLAINED in found.values() and len(doubtful) < MOST_ASKED_AGAIN:
                    doubtful.append(order_id)
                else:
                    _add(fates, order_id, found, remarks)
        for order_id in doubtful:
            if self._ask(order_id, sighting):
                _add(fates, order_id, self._fates_of([order_id], sighting)[order_id], remarks)
        return fates

    def _fates_of(
        self, order_ids: Sequence[OrderId], sighting: Sighting
    ) -> dict[OrderId, dict[LineId, Fate]]:
        held, amiss = self.fates(order_ids), self.ledger.proof.read_gone_amiss(order_ids)
        return {
            order_id: {
                line_id: _fate(held.get((order_id, line_id)), amiss.get((order_id, line_id)))
                for line_id in sighting.lines[order_id]
            }
            for order_id in order_ids
        }

    def _pause(self) -> None:
        """Between two steps: a sign of life, and the place to leave."""
        beat()
        if self.stopping():
            raise TransientError("the proof was stopped before its end; repeat it, that is safe")


def _fate(said: str | None, dropped: bool | None) -> Fate:
    """`dropped`: whether a person said to leave it so that a learner is missing in the LMS, None = none is."""
    fate = Fate.UNEXPLAINED if said is None else Fate(said)
    if fate is not Fate.ENROLLED or dropped is None:
        return fate
    return Fate.DROPPED if dropped else Fate.PARKED


def _add(
    fates: dict[Fate, int], order_id: OrderId, found: Mapping[LineId, Fate], remarks: list[Remark]
) -> None:
    for line_id, fate in found.items():
        fates[fate] += 1
        if fate is Fate.UNEXPLAINED and len(remarks) < MOST_REMARKS:
            remarks.append(_unexplained(order_id, line_id))


def _batches(order_ids: Sequence[OrderId]) -> Iterator[Sequence[OrderId]]:
    for start in range(0, len(order_ids), AT_ONCE):
        yield order_ids[start : start + AT_ONCE]


def _unexplained(order_id: OrderId, line_id: LineId) -> Remark:
    return Remark(
        code="unexplained",
        message="paid in the shop, and the ledger cannot say what became of it, although it was read twice",
        do=f"`wcsync parked retry id:{order_id}` reads it once more; if that does not help it is a fault of wcsync: "
        f"report it with `wcsync show id:{order_id} --json`",
        order_id=order_id,
        line_id=line_id,
    )


def _deleted(order_id: OrderId) -> Remark:
    return Remark(
        code="deleted",
        message="deleted in the shop for good; [taking_back] deleted in the config says what that means",
        do=f"`wcsync show id:{order_id}` tells what became of its seats",
        order_id=order_id,
    )


def _shop_suspect(gone: int, known: int) -> Remark:
    return Remark(
        code="shop_suspect",
        message=f"the shop does not know {gone} or more of the {known} orders that were read from it: it looks like an "
        "older copy, so nothing was made of that",
        do="see whether the shop was restored from a backup or answers from another database; if those orders were "
        "really deleted nothing is to be done, but this is told again until they leave the window",
        suspect=SHOP,
    )
