"""One order being planned: its lines, the seats they sell, and what becomes of these. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from wcsync.mappers import asking, parking
from wcsync.mappers.access import COMPLETED, granted, lapsed_subscription, start_of
from wcsync.mappers.mapping import Match
from wcsync.mappers.seating import (
    MOST_SEATS,
    Claimants,
    claimants_of,
    give_seats,
    seat_once,
    stand_ins,
)
from wcsync.mappers.taking_back import ENDINGS, Left, ends_by_status, left_of, left_of_removed, lives
from wcsync.model import (
    NOBODY,
    Entitlement,
    Identify,
    LearnerKey,
    Line,
    LineId,
    LinePlan,
    Order,
    OrderPlan,
    Parked,
    Verdict,
)
from wcsync.sale import Aftermath, Cause, Circumstances, SeatRule


class Sells(Protocol):
    """Knows what a line sells, as `Mapping` does."""

    def match(self, line: Line) -> Match | None: ...


class Standing(StrEnum):
    """What an order's status says of its seats. `OPEN`: neither paid nor taken back; what was sold stays sold."""

    PAID = "paid"
    ENDED = "ended"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """By what orders are planned.

    `paid_statuses`: statuses that count as paid if the order also has a payment date; `completed` always does.
    `endings`: what other statuses do to seats that were sold; one that is not named leaves them. `seats`: who gets
    several seats where the mapping row does not say. `never`: addresses in their normal form, and "@domain"s, that get
    no seat. `zone`: the shop's, by whose calendar days of access are counted; "" = UTC.
    """

    mapping: Sells
    paid_statuses: frozenset[str]
    identify: Identify
    endings: Mapping[str, Aftermath] = field(default_factory=lambda: ENDINGS)
    seats: SeatRule = SeatRule.BUYER_ONCE
    never: frozenset[str] = frozenset()
    zone: str = ""

    def standing(self, order: Order) -> Standing:
        """`completed` is the merchant's word; another status needs a payment date besides: cash on delivery sits in
        `processing` unpaid."""
        if order.status == COMPLETED:
            return Standing.PAID
        if order.status in self.paid_statuses and order.paid_at is not None:
            return Standing.PAID
        return Standing.ENDED if self.endings.get(order.status) is Aftermath.END else Standing.OPEN

    def why_unpaid(self, order: Order) -> str:
        if order.status in self.paid_statuses:
            return f"order {order.status}, but without a payment date"
        counting = ", ".join(sorted(self.paid_statuses | {COMPLETED}))
        return f"order {order.status}; paid_statuses in the config: {counting}"

    def seat_rule(self, line: Line) -> SeatRule:
        """Who gets several seats of the line: its mapping row's word, else the config's."""
        match = self.mapping.match(line)
        return (match.seats if match is not None else None) or self.seats


_Planned = tuple[LinePlan, list[Entitlement], list[Parked]]


class Sale:
    """One order being planned."""

    def __init__(
        self, *, rules: Rules, order: Order, known: Sequence[Entitlement], circumstances: Circumstances
    ) -> None:
        self.rules = rules
        self.circumstances = circumstances
        self.decisions = circumstances.decisions
        self.known: dict[LineId, list[Entitlement]] = {}
        for seat in known:
            self.known.setdefault(seat.line_id, []).append(seat)
        present = {line.line_id for line in order.lines}
        self.removed = [
            _remembered(line_id, self.known[line_id]) for line_id in sorted(self.known.keys() - present)
        ]
        self.present = order.lines
        self.order = replace(order, lines=(*order.lines, *self.removed))
        self.standing = rules.standing(order)
        self.starts_at = start_of(order, rules.paid_statuses)
        self._stand_in = stand_ins(circumstances.aliases)
        never = (one for one in rules.never if circumstances.aliases and not one.startswith("@"))
        self._barred = frozenset(rules.identify(address) for address in never)

    def plan(self) -> OrderPlan:
        lines, seats, parked = [], [], []
        for line in self.present:
            plan, its_seats, its_parked = (
                self._plan_sold(line) if line.line_id in self.known else self._plan_new(line)
            )
            lines.append(plan)
            seats.extend(its_seats)
            parked.extend(its_parked)
        for line in self.removed:
            _, its_seats, its_parked = self._plan_sold(line, removed=True)
            seats.extend(its_seats)
            if _live(its_seats):
                parked.extend([parking.line_removed(line.line_id), *its_parked])
        return OrderPlan(
            paid=self.standing is Standing.PAID,
            lines=tuple(lines),
            entitlements=tuple(seats),
            parked=(*self._asked(_live(seats)), *parked),
        )

    # -- lines ---------------------------------------------------------------------------------------------------

    def _plan_sold(self, line: Line, *, removed: bool = False) -> _Planned:
        """A line that is known to have sold seats: they follow the order; what was added to it is added."""
        rows = self.known[line.line_id]
        changed = _is_changed(line, rows)
        grows = self.standing is Standing.PAID and not (changed or removed)
        had = {row.seat: self._stand_in(row.learner_key) for row in rows}
        seats = seat_once(had, {row.seat for row in _live(rows)})
        if grows and line.quantity <= MOST_SEATS:
            seats = dict.fromkeys(range(1, int(line.quantity) + 1), NOBODY) | seats
        claimants = Claimants() if removed else self._claimants(line)
        only_open = list(seats.values()) == [NOBODY]  # the one seat of a line is the buyer's by any rule
        named = claimants.learners if grows and (claimants.by_name or only_open) else ()
        left = (left_of_removed if removed else left_of)(line, self.order, self.decisions)
        seats, alive, waiting = self._seat(line, seats, left, named)
        settled = [self._settled(row, seats[row.seat], alive, left) for row in _copied(rows, seats)]
        parked = [parking.line_changed(line)] if changed and _live(settled) else []
        parked.extend(self._asked_of(line, settled, left, claimants, waiting))
        return sold_plan(line, settled), settled, parked

    def _plan_new(self, line: Line) -> _Planned:
        if self.standing is not Standing.PAID:
            return not_paid(line, self.standing, self.order, self.rules), [], []
        match = self.rules.mapping.match(line)
        nothing = self._why_nothing(line, match)
        if nothing is not None:
            return nothing, [], []
        assert match is not None, line
        claimants = self._claimants(line)
        hurdle = self._hurdle(line, claimants)
        if hurdle is not None:
            return LinePlan(line=line, verdict=Verdict.PARKED, reason=hurdle.reason), [], [hurdle]
        left = left_of(line, self.order, self.decisions)
        numbers = dict.fromkeys(range(1, int(line.quantity) + 1), NOBODY)
        seats, alive, waiting = self._seat(line, numbers, left, claimants.learners)
        rows = [
            self._settled(row, key, alive, left)
            for number, key in sorted(seats.items())
            for row in self._sell(line, match, number)
        ]
        return sold_plan(line, rows), rows, self._asked_of(line, rows, left, claimants, waiting)

    def _why_nothing(self, line: Line, match: Match | None) -> LinePlan | None:
        """Why a line of a paid order sells nothing, unless it does."""
        bundle = line.container and any(one.part_of == line.line_id for one in self.present)
        if match is not None and match.ignore:
            return LinePlan(line=line, verdict=Verdict.IGNORED, reason=match.source)
        if bundle and (match is None or not match.by_name):
            reason = "a bundle: its parts are sold by lines of their own"
            return LinePlan(line=line, verdict=Verdict.IGNORED, reason=reason)
        left = left_of(line, self.order, self.decisions)
        if left.whole:
            return LinePlan(line=line, verdict=Verdict.ENDED, reason=left.reason)
        if match is None:
            return LinePlan(line=line, verdict=Verdict.UNMAPPED, reason=_why_unmapped(line))
        return None

    def _hurdle(self, line: Line, claimants: Claimants) -> Parked | None:
        """What stops a line from being sold at all: it is sold once that is mended in the shop."""
        if claimants.bad and not claimants.by_name:
            return parking.no_address(line)
        return parking.odd_quantity(line) if not 1 <= line.quantity <= MOST_SEATS else None

    # -- seats ---------------------------------------------------------------------------------------------------

    def _identify(self, email: str) -> LearnerKey:
        return self._stand_in(self.rules.identify(email))

    def _claimants(self, line: Line) -> Claimants:
        rule = self.rules.seat_rule(line)
        return claimants_of(line, self.order, rule, self._identify, self.rules.never, self._barred)

    def _seat(
        self, line: Line, seats: dict[int, LearnerKey], left: Left, learners: Sequence[LearnerKey]
    ) -> tuple[dict[int, LearnerKey], set[int], list[LearnerKey]]:
        """Who has which seat, which of them live, and who has none."""
        alive = lives(seats, left, self.decisions, line.line_id)
        free = sorted(number for number in alive if seats[number] == NOBODY)
        given, waiting = give_seats(seats, free, learners)
        return given, alive, waiting

    def _sell(self, line: Line, match: Match, number: int) -> list[Entitlement]:
        return [
            Entitlement(
                order_id=self.order.order_id,
                line_id=line.line_id,
                seat=number,
                target=target,
                learner_key=NOBODY,
                live=True,
                reason="",
                source=match.source,
                product_id=line.product_id,
                variation_id=line.variation_id,
                starts_at=self.starts_at,
                access=granted(terms.access, self.rules.zone),
                on_withdraw=terms.on_withdraw,
            )
            for target, terms in match.deals()
        ]

    def _settled(self, row: Entitlement, key: LearnerKey, alive: Collection[int], left: Left) -> Entitlement:
        """The seat as it stands by the order, its refunds and its subscription."""
        row = replace(row, learner_key=key, starts_at=self.starts_at)
        if self._ends(row.line_id):
            return _ended(row, Cause.ORDER, f"order {self.order.status}")
        if self.standing is not Standing.PAID and row.cause is Cause.ORDER:
            return row  # an order that neither is paid again nor ended again leaves what ended with it
        if row.seat not in alive:
            return _ended(row, Cause.REFUND, left.reason)
        paid_at = self.order.paid_at or self.order.completed_at
        lapsed = lapsed_subscription(row, self.circumstances.subscriptions, paid_at)
        if lapsed is not None:
            return _ended(row, Cause.SUBSCRIPTION, f"subscription {lapsed.subscription_id} {lapsed.status}")
        return replace(row, live=True, reason="", cause=None)

    def _ends(self, line_id: int) -> bool:
        return self.standing is not Standing.PAID and ends_by_status(
            self.order.status, self.rules.endings, self.decisions, line_id
        )

    # -- what needs a person -------------------------------------------------------------------------------------

    def _asked_of(
        self,
        line: Line,
        seats: Sequence[Entitlement],
        left: Left,
        claimants: Claimants,
        waiting: Sequence[LearnerKey],
    ) -> list[Parked]:
        return list(
            asking.about_line(line, self.order, _live(seats), left, claimants, waiting, self.decisions)
        )

    def _asked(self, live: Sequence[Entitlement]) -> Iterable[Parked]:
        if not live:
            return
        rules, order = self.rules, self.order
        if self.standing is not Standing.PAID and rules.endings.get(order.status) is Aftermath.ASK:
            yield parking.status_asked(order.status)
        yield from asking.about_refunds(order, live, self.decisions)
        seat_rules = {line.line_id: rules.seat_rule(line) for line in self.present}
        if asking.is_another_buyer(order, live, seat_rules, self._identify, rules.never):
            yield parking.buyer_changed()
        yield from asking.about_typos(order, live, rules.identify, self._identify)


def _live(seats: Iterable[Entitlement]) -> list[Entitlement]:
    return [seat for seat in seats if seat.live]


def _ended(seat: Entitlement, cause: Cause, reason: str) -> Entitlement:
    return replace(seat, live=False, cause=cause, reason=reason)


def _copied(rows: Sequence[Entitlement], numbers: Collection[int]) -> list[Entitlement]:
    """The seats that are there, and copies of the first for those numbers that are not."""
    first = min(row.seat for row in rows)
    there = {row.seat for row in rows}
    model = [row for row in rows if row.seat == first]
    added = [replace(row, seat=number) for number in sorted(set(numbers) - there) for row in model]
    return [*rows, *added]


def _remembered(line_id: LineId, rows: Sequence[Entitlement]) -> Line:
    """A line that is in the order no more, as far as its seats tell."""
    return Line(
        line_id=line_id,
        product_id=rows[0].product_id,
        variation_id=rows[0].variation_id,
        sku="",
        name="",
        quantity=Decimal(len({row.seat for row in rows})),
    )


def _is_changed(line: Line, rows: Sequence[Entitlement]) -> bool:
    """A line may keep its id and get another product; one deleted from the shop reads as 0 and is no change."""
    now = (line.product_id, line.variation_id)
    return bool(line.product_id) and any(now != (row.product_id, row.variation_id) for row in rows)


def sold_plan(line: Line, seats: Sequence[Entitlement]) -> LinePlan:
    if _live(seats):
        return LinePlan(line=line, verdict=Verdict.MAPPED)
    return LinePlan(line=line, verdict=Verdict.ENDED, reason=seats[0].reason)


def not_paid(line: Line, standing: Standing, order: Order, rules: Rules) -> LinePlan:
    if standing is Standing.ENDED:
        return LinePlan(line=line, verdict=Verdict.ENDED, reason=f"order {order.status}")
    return LinePlan(line=line, verdict=Verdict.UNPAID, reason=rules.why_unpaid(order))


def _why_unmapped(line: Line) -> str:
    if not line.product_id and not line.sku:
        return "the product was deleted from the shop and the line has no SKU; enrol by hand"
    name = f"product {line.product_id}" + (f", variation {line.variation_id}" if line.variation_id else "")
    return f"no mapping row for {name}" + (f" (sku {line.sku!r})" if line.sku else "")
