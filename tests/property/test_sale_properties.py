"""Whatever happens to orders, and however they are read: who is in is what a plain reading of the shop says."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.plain_reading import (
    PlainLine,
    PlainOrder,
    PlainShop,
    PlainSubscription,
    PlainTerms,
    Readings,
    given_back,
    read_plainly,
)
from tests.sales import identify
from wcsync.mappers.access import wish_for
from wcsync.mappers.entitlements import Planner
from wcsync.mappers.mapping import Match
from wcsync.model import (
    NOBODY,
    CourseId,
    Desired,
    Entitlement,
    LearnerKey,
    Line,
    LineId,
    LmsName,
    Order,
    OrderId,
    Person,
    ProductId,
    Target,
)
from wcsync.sale import (
    Access,
    Circumstances,
    Decision,
    Refund,
    RefundLine,
    SeatRule,
    Subscription,
    Terms,
)

T0 = datetime(2026, 3, 20, 1, 30, tzinfo=UTC)
ADDRESSES = ("ana@example.test", "Bea@example.test", "cid@example.test", "don@gmial.test", "eve@example.test")
NAMEABLE = (*ADDRESSES, " ANA@example.test", "nobody at all")
NEVER = frozenset({"eve@example.test"})
ZONES = ("", "Europe/Madrid", "Asia/Kolkata", "America/Los_Angeles")
TERMS = {
    1: PlainTerms(courses=("py101",)),
    2: PlainTerms(courses=("py101", "py102"), days=9),
    3: PlainTerms(courses=("py102",), days=365, seats="learners-in-meta"),
    4: PlainTerms(courses=("py102",), until=datetime(2026, 6, 30, 22, tzinfo=UTC), seats="hold"),
    5: PlainTerms(courses=("py103",), with_subscription=True),
}
BUNDLE, T_SHIRT = 8, 9
PRODUCTS = (*TERMS, T_SHIRT)


# -- the same shop in our words --------------------------------------------------------------------------------------


class PlainMapping:
    """The rows of `TERMS`; a bundle is found by a wildcard only."""

    def match(self, line: Line) -> Match | None:
        if line.product_id not in TERMS:
            return Match(targets=(), source="rows", ignore=True) if line.product_id == T_SHIRT else None
        plain = TERMS[line.product_id]
        access = Access(days=plain.days or None, until=plain.until, with_subscription=plain.with_subscription)
        targets = tuple(Target(lms=LmsName("campus"), course_id=CourseId(one)) for one in plain.courses)
        return Match(
            targets=targets,
            source="rows",
            terms=(Terms(access=access),) * len(targets),
            seats=SeatRule(plain.seats),
        )


def as_order(plain: PlainOrder, version: int) -> Order:
    lines = tuple(as_line(line, plain) for line in plain.lines)
    whole = Refund(refund_id=1000, total=Decimal(5)) if plain.amount_off else None
    return Order(
        order_id=OrderId(plain.order_id),
        number=str(plain.order_id),
        status=plain.status,
        created_at=plain.begins,
        modified_at=T0 + timedelta(minutes=version),
        paid_at=plain.begins,
        completed_at=plain.begins,
        customer_id=0,
        buyer=Person(email=plain.buyer),
        lines=lines,
        learners=tuple(Person(email=one) for one in plain.learners),
        refunds=tuple(one for one in (whole, *(as_refund(line) for line in plain.lines)) if one is not None),
    )


def as_line(plain: PlainLine, order: PlainOrder) -> Line:
    return Line(
        line_id=LineId(plain.line_id),
        product_id=ProductId(plain.product),
        variation_id=ProductId(0),
        sku="",
        name="",
        quantity=Decimal(plain.quantity),
        total="0.00" if plain.bundle else str(100 * plain.quantity),
        learners=tuple(Person(email=one) for one in plain.learners),
        container=any(one.bundle == plain.line_id for one in order.lines),
        part_of=LineId(plain.bundle),
    )


def as_refund(line: PlainLine) -> Refund | None:
    """Seats given back with their price, one refund for each line, and with it a mere amount."""
    parts = [
        RefundLine(line_id=line.line_id, quantity=Decimal(line.refunded), total=Decimal(100 * line.refunded))
    ] * bool(line.refunded) + [
        RefundLine(line_id=line.line_id, quantity=Decimal(0), total=Decimal(7))
    ] * line.amount_off
    if not parts:
        return None
    return Refund(
        refund_id=line.line_id, total=sum((part.total for part in parts), Decimal(0)), lines=tuple(parts)
    )


def circumstances_of(shop: PlainShop, order: PlainOrder) -> Circumstances:
    subscriptions = tuple(
        Subscription(
            subscription_id=number,
            parent_id=0,
            status="active" if one.live else "cancelled",
            products=one.products,
            modified_at=T0,
        )
        for number, one in enumerate(shop.subscriptions, 1)
        if order.order_id in one.orders
    )
    decisions = frozenset({Decision(cause=order.status)}) if order.ended_by_person else frozenset()
    aliases = tuple((identify(old), identify(new)) for old, new in shop.same_person.items())
    return Circumstances(subscriptions=subscriptions, decisions=decisions, aliases=aliases)


# -- what happens ----------------------------------------------------------------------------------------------------


@st.composite
def first_orders(draw: st.DrawFn, order_id: int) -> PlainOrder:
    """An order as it is placed."""
    lines: list[PlainLine] = []
    for number in range(draw(st.integers(min_value=1, max_value=3))):
        line_id = 10 * order_id + 2 * number
        bundle = draw(st.booleans()) and draw(st.booleans())
        quantity = draw(st.sampled_from([1, 1, 2, 3, 4]))
        if bundle:
            lines.append(PlainLine(line_id=line_id, product=BUNDLE, quantity=quantity))
        learners = draw(st.lists(st.sampled_from(NAMEABLE), max_size=min(quantity, 2), unique=True))
        lines.append(
            PlainLine(
                line_id=line_id + 1,
                product=draw(st.sampled_from(PRODUCTS)),
                quantity=quantity,
                learners=tuple(learners),
                bundle=line_id if bundle else 0,
            )
        )
    return PlainOrder(
        order_id=order_id,
        status=draw(st.sampled_from(["pending", "completed"])),
        buyer=draw(st.sampled_from(ADDRESSES)),
        begins=T0 + timedelta(minutes=15 * draw(st.integers(min_value=0, max_value=2_000))),
        lines=tuple(lines),
        learners=tuple(draw(st.lists(st.sampled_from(ADDRESSES[:2]), max_size=1))),
    )


SETTLED = frozenset({"completed", "cancelled", "refunded", "failed"})
"""While an order has none of these, its lines do not change in our histories: nobody is seated then."""
STATUSES = ("completed", "completed", "cancelled", "refunded", "failed", "trash", "deleted", "on-hold")


@st.composite
def changes(draw: st.DrawFn, order: PlainOrder) -> PlainOrder:
    """What a shop, or a person, does to an order next."""
    kind = draw(st.sampled_from(["status", "status", "refund", "refund", "amount", "name", "grow"]))
    if kind == "status":
        return with_status(order, draw(st.sampled_from(STATUSES)), by_person=draw(st.booleans()))
    if kind == "amount":
        return replace(order, amount_off=not order.amount_off)
    if order.status not in SETTLED:
        return order
    number = draw(st.integers(min_value=0, max_value=len(order.lines) - 1))
    line = order.lines[number]
    if kind == "refund":
        line = draw(refunds(order, line))
    elif order.status != "completed":
        return order
    elif kind == "name" and line.learners and len(line.learners) + given_back(order, line) < line.quantity:
        line = replace(line, learners=(*line.learners, draw(st.sampled_from(NAMEABLE))))
    elif kind == "grow" and line.quantity > 1 and not in_bundle(order, line) and not line.refunded:
        line = replace(line, quantity=line.quantity + 1)
    return replace(order, lines=(*order.lines[:number], line, *order.lines[number + 1 :]))


@st.composite
def refunds(draw: st.DrawFn, order: PlainOrder, line: PlainLine) -> PlainLine:
    """Nothing, all, an amount, or as many seats as nobody has."""
    if draw(st.booleans()):
        return replace(line, amount_off=not line.amount_off)
    concerned = [line, *(one for one in order.lines if one.bundle == line.line_id)]
    learners = max(len(one.learners or order.learners or (order.buyer,)) for one in concerned)
    spare = range(max(line.quantity - learners, 0) + 1)
    return replace(line, refunded=draw(st.sampled_from([*spare, line.quantity])))


def in_bundle(order: PlainOrder, line: PlainLine) -> bool:
    return bool(line.bundle) or any(one.bundle == line.line_id for one in order.lines)


def with_status(order: PlainOrder, status: str, *, by_person: bool) -> PlainOrder:
    """A status that means nothing leaves what was; a person's word about the trash stays true in the trash."""
    asks = status in {"trash", "deleted"}
    before = replace(order, was_paid=order.was_paid or order.status == "completed")
    ended = before.status in {"cancelled", "refunded", "failed"} or before.ended_by_person
    return replace(
        before,
        status=status,
        was_paid=before.was_paid and not ended and status not in {"cancelled", "refunded", "failed"},
        ended_by_person=asks and by_person,
    )


@dataclass
class Reader:
    """What a ledger does with orders, in memory: never older over newer, seats kept, planned anew when told."""

    shop: PlainShop
    planner: Planner
    seats: dict[int, tuple[Entitlement, ...]] = field(default_factory=dict)
    read_at: dict[int, datetime] = field(default_factory=dict)

    def read(self, plain: PlainOrder, version: int) -> None:
        order = as_order(plain, version)
        if order.modified_at < self.read_at.get(plain.order_id, order.modified_at):
            return
        self.read_at[plain.order_id] = order.modified_at
        circumstances = circumstances_of(self.shop, plain)
        known = self.seats.get(plain.order_id, ())
        planned = self.planner.plan(order, known, circumstances)
        assert self.planner.plan(order, planned.entitlements, circumstances) == planned
        check_seats(planned.entitlements, order)
        check_live(planned.entitlements, plain)
        self.seats[plain.order_id] = planned.entitlements

    def who_is_in(self, now: datetime) -> Readings:
        bought: dict[tuple[str, str], list[Entitlement]] = {}
        for seat in (seat for seats in self.seats.values() for seat in seats):
            if seat.learner_key != NOBODY:
                bought.setdefault((seat.learner_key, seat.target.course_id), []).append(seat)
        wishes = {place: wish_for(seats, now) for place, seats in bought.items()}
        keys = {identify(address): address.lower() for address in ADDRESSES}
        return {
            (keys[LearnerKey(key)], course): wish.until
            for (key, course), wish in wishes.items()
            if wish.desired is Desired.IN
        }


def check_seats(seats: Sequence[Entitlement], order: Order) -> None:
    """No more seats than were sold, no learner with two of a line, nobody in a seat whose name was unusable."""
    for line in order.lines:
        mine = [seat for seat in seats if seat.line_id == line.line_id]
        assert {seat.seat for seat in mine} <= set(range(1, int(line.quantity) + 1))
        for course in {seat.target.course_id for seat in mine}:
            learners = [
                seat.learner_key for seat in mine if seat.target.course_id == course and seat.learner_key
            ]
            assert len(learners) == len(set(learners))
        if line.learners and all("@" not in person.email for person in line.learners):
            assert all(seat.learner_key == NOBODY for seat in mine)


def check_live(seats: Sequence[Entitlement], order: PlainOrder) -> None:
    """What was given back ends open seats first: in our histories never more live on than were left."""
    for line in order.lines:
        live = {seat.seat for seat in seats if seat.line_id == line.line_id and seat.live}
        assert len(live) <= line.quantity - given_back(order, line)


@settings(max_examples=60, deadline=None, phases=[Phase.generate, Phase.shrink])
@given(st.data())
def test_however_orders_change_and_are_read_the_plain_reading_holds(data: st.DataObject) -> None:
    histories = []
    for order_id in range(1, data.draw(st.integers(min_value=1, max_value=3)) + 1):
        history = [data.draw(first_orders(order_id))]
        for _ in range(data.draw(st.integers(min_value=0, max_value=5))):
            history.append(data.draw(changes(history[-1])))
        histories.append(history)
    shop = PlainShop(
        orders=[history[-1] for history in histories],
        terms=TERMS,
        subscriptions=data.draw(subscriptions(len(histories))),
        zone=data.draw(st.sampled_from(ZONES)),
        same_person=data.draw(st.sampled_from([{}, {"cid@example.test": "ana@example.test"}])),
        never=NEVER,
    )
    reader = reader_of(shop)
    for version, plain in data.draw(readings(histories)):
        reader.read(plain, version)
    now = T0 + timedelta(days=data.draw(st.sampled_from([0, 3, 12, 40, 400])))
    assert reader.who_is_in(now) == read_plainly(shop, now)


@st.composite
def subscriptions(draw: st.DrawFn, orders: int) -> list[PlainSubscription]:
    ids = st.integers(min_value=1, max_value=orders)
    chosen: list[PlainSubscription] = draw(
        st.lists(
            st.builds(
                PlainSubscription,
                orders=st.frozensets(ids, min_size=1),
                products=st.sampled_from([frozenset({5}), frozenset({1})]),
                live=st.booleans(),
            ),
            max_size=2,
        )
    )
    return chosen


@st.composite
def readings(draw: st.DrawFn, histories: list[list[PlainOrder]]) -> list[tuple[int, PlainOrder]]:
    """Every version in its turn, those of different orders in any order, with old ones again in between."""
    left = [list(enumerate(history)) for history in histories]
    read: list[tuple[int, PlainOrder]] = []
    while any(left):
        if draw(st.booleans()) and read:
            old: tuple[int, PlainOrder] = draw(st.sampled_from(read))
            read.append(old)
        waiting = [versions for versions in left if versions]
        read.append(draw(st.sampled_from(waiting)).pop(0))
    return read


def reader_of(shop: PlainShop) -> Reader:
    rules = Planner(
        mapping=PlainMapping(),
        paid_statuses=frozenset({"completed"}),
        identify=identify,
        never=shop.never,
        zone=shop.zone,
    )
    return Reader(shop=shop, planner=rules)
