"""A shop and an LMS as plain objects, for tests of what stands between them."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from wcsync.course import Course, CourseReading, Sellable
from wcsync.errors import Finding, PermanentError, Severity, TransientError
from wcsync.lms.base import Capability, Intent, LmsIdentity, Sighting, Write
from wcsync.mappers.mapping import Match
from wcsync.model import (
    Applied,
    CourseId,
    Line,
    LineId,
    LmsName,
    Offer,
    Order,
    OrderId,
    Outcome,
    Page,
    Person,
    Presence,
    Product,
    ProductId,
    Seat,
    SubscriptionPage,
    Target,
    Unreadable,
    UnreadableProduct,
)
from wcsync.sale import PLAIN_TERMS, Refund, RefundLine, Subscription, Terms
from wcsync.store.base import ShopIdentity
from wcsync.times import Clock

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CAMPUS = LmsName("campus")


class FakeClock:
    """A clock that moves when told."""

    def __init__(self, now: datetime = T0) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def lost(_what: str) -> None:
    """Loses the answer to a write."""
    raise TransientError("campus: broke off the connection", answer_lost=True)


@dataclass
class FakeLms:
    """An LMS in memory that obeys the rules of `wcsync.lms.base`, and nothing else: it would make two accounts of one
    address if it were asked to.

    `before_write` and `after_write` are called with "create", "enrol", "suspend" or "withdraw" around each; what they
    raise is what the caller sees, before or after the LMS acted. A write that `acts_late` names is held back in
    `late` and its answer is lost (`lose` raises what the caller sees); `catch_up` lets it take effect.
    `writes` are (what, address), `history` holds what was done about each (address, course). With a `clock` an
    enrolment whose end has come lets nobody in. `told`: what each new account was told of its owner.
    """

    name: LmsName = CAMPUS
    capabilities: frozenset[Capability] = frozenset(Capability)
    identity: str = "https://campus.example.com"
    accounts: list[tuple[str, str]] = field(default_factory=list)
    enrolled: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    suspended: set[tuple[str, str]] = field(default_factory=set)
    clock: Callable[[], datetime] | None = None
    told: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    history: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    reads: int = 0
    asked_who: int = 0
    before_write: Callable[[str], None] = lambda _what: None
    after_write: Callable[[str], None] = lambda _what: None
    before_read: Callable[[], None] = lambda: None
    before_enrol_in: dict[str, Callable[[], None]] = field(default_factory=dict)
    after_look: Callable[[], None] = lambda: None
    before_identity: Callable[[], None] = lambda: None
    acts_late: Callable[[str], bool] = lambda _what: False
    lose: Callable[[str], None] = lost
    late: list[Callable[[], None]] = field(default_factory=list)
    unsure: bool = False
    offers: list[Offer] = field(default_factory=list)
    courses: dict[CourseId, Course] = field(default_factory=dict)
    sellables: list[Sellable] = field(default_factory=list)
    full_readings: int = 0
    lacks: tuple[Finding, ...] = ()
    sightings: dict[str, Sighting] = field(default_factory=dict)
    confirm: str = ""
    arrives: Callable[[Seat], bool] = lambda _seat: True

    def fetch_identity(self) -> LmsIdentity:
        self.asked_who += 1
        self.before_identity()
        return LmsIdentity(identity=self.identity, title="Campus", version="1", findings=self.lacks)

    def fetch_presences(self, seats: Sequence[Seat]) -> list[Presence]:
        """`arrives` False: who is in the course is not to be seen there yet."""
        self.before_read()
        return [self._presence(seat) for seat in seats]

    def _presence(self, seat: Seat) -> Presence:
        user_id = self._find(seat)
        if user_id is None or not self._lets_in((user_id, seat.course_id)):
            return Presence.ABSENT
        return Presence.ENROLLED if self.arrives(seat) else Presence.UNKNOWN

    def expect_targets(self, targets: Collection[Target]) -> None:
        pass

    def fetch_target(self, target: Target) -> Sighting:
        self.before_read()
        return self.sightings.get(target.course_id, Sighting(title=f"Course {target.course_id}"))

    def fetch_offers(self) -> list[Offer]:
        self.before_read()
        return self.offers

    def fetch_courses(self, targets: Collection[Target], *, full: bool) -> CourseReading:
        self.before_read()
        self.full_readings += full
        found = {
            target: self.courses[target.course_id] for target in targets if target.course_id in self.courses
        }
        return CourseReading(
            courses=found,
            absent={target: "there is no such course" for target in targets if target not in found},
        )

    def fetch_sellables(self) -> list[Sellable]:
        self.before_read()
        return self.sellables

    def fetch_course_findings(self) -> tuple[Finding, ...]:
        self.before_read()
        return ()

    def ensure_enrolled(self, seat: Seat, intent: Intent) -> Applied:
        user_id = self._find(seat) or self._create(seat, intent)
        key = (user_id, seat.course_id)
        outcome = self._judge(key, seat)
        if outcome is Outcome.ALREADY:
            self.after_look()
            return Applied(outcome=Outcome.ALREADY, user_id=user_id, confirm=self.confirm)
        self.before_enrol_in.get(seat.course_id, lambda: None)()
        intent.declare()
        self._write("enrol", seat, lambda: self._let_in(key, seat.until))
        return Applied(
            outcome=Outcome.UNKNOWN if self.unsure else outcome, user_id=user_id, confirm=self.confirm
        )

    def _judge(self, key: tuple[str, str], seat: Seat) -> Outcome:
        if key not in self.enrolled:
            return Outcome.CREATED
        end = self.enrolled[key]
        later = end is not None and (seat.until is None or seat.until > end)
        if self._lets_in(key):
            return Outcome.RESTORED if later else Outcome.ALREADY
        if seat.dormant or (seat.applied and later and key not in self.suspended):
            return Outcome.RESTORED
        raise PermanentError("campus: somebody suspended or ended the enrolment; make it active again there")

    def ensure_withdrawn(self, seat: Seat, intent: Intent) -> Applied:
        user_id = self._find(seat)
        if user_id is None or (user_id, seat.course_id) not in self.enrolled:
            intent.confirm_absence()
            return Applied(outcome=Outcome.ABSENT, user_id=user_id)
        intent.declare()
        key = (user_id, seat.course_id)
        self._write("withdraw", seat, lambda: self._put_out(key))
        return Applied(outcome=Outcome.REMOVED, user_id=user_id)

    def ensure_suspended(self, seat: Seat, intent: Intent) -> Applied:
        user_id = self._find(seat)
        if user_id is None or (user_id, seat.course_id) not in self.enrolled:
            intent.confirm_absence()
            return Applied(outcome=Outcome.ABSENT, user_id=user_id)
        key = (user_id, seat.course_id)
        if self._lets_in(key):
            intent.declare()
            self._write("suspend", seat, lambda: self.suspend(*key))
        else:
            intent.confirm_absence()
        return Applied(outcome=Outcome.SUSPENDED, user_id=user_id)

    def suspend(self, user_id: str, course_id: str) -> None:
        """As enrolling anew does it: who is not in it is in it then, suspended."""
        self.enrolled.setdefault((user_id, course_id), None)
        self.suspended.add((user_id, course_id))

    def close(self) -> None:
        pass

    def add_account(self, email: str) -> str:
        user_id = str(100 + len(self.accounts))
        self.accounts.append((email.casefold(), user_id))
        return user_id

    def catch_up(self) -> None:
        """Lets every late write take effect now."""
        held, self.late = self.late, []
        for effect in held:
            effect()

    def active(self) -> set[tuple[str, str]]:
        """(address, course) of every enrolment that lets its learner in."""
        address = {user_id: email for email, user_id in self.accounts}
        return {
            (address[user_id], course_id)
            for user_id, course_id in self.enrolled
            if self._lets_in((user_id, course_id))
        }

    def _lets_in(self, key: tuple[str, str]) -> bool:
        if key not in self.enrolled or key in self.suspended:
            return False
        end = self.enrolled[key]
        return end is None or self.clock is None or self.clock() < end

    def _let_in(self, key: tuple[str, str], until: datetime | None) -> None:
        self.enrolled[key] = until
        self.suspended.discard(key)

    def _put_out(self, key: tuple[str, str]) -> None:
        self.enrolled.pop(key, None)
        self.suspended.discard(key)

    def _find(self, seat: Seat) -> str | None:
        self.reads += 1
        self.before_read()
        return self._first(seat.learner.email)

    def _first(self, email: str) -> str | None:
        return next((user_id for owner, user_id in self.accounts if owner == email.casefold()), None)

    def _create(self, seat: Seat, intent: Intent) -> str:
        intent.declare(Write.ACCOUNT)
        self._write("create", seat, lambda: self._open_account(seat.learner))
        user_id = self._first(seat.learner.email)
        assert user_id is not None
        return user_id

    def _open_account(self, learner: Person) -> None:
        self.told[self.add_account(learner.email)] = learner.fields

    def _write(self, what: str, seat: Seat, effect: Callable[[], object]) -> None:
        self.before_write(what)
        address = seat.learner.email.casefold()

        def act() -> None:
            effect()
            self.writes.append((what, address))
            if what != "create":
                self.history.setdefault((address, seat.course_id), []).append(what)

        if self.acts_late(what):
            self.late.append(act)
            self.lose(what)
        act()
        self.after_write(what)


@dataclass
class FakeStore:
    """A shop in memory. `on_page` is called with each page number before that page is put together.

    `asked` and `pages` hold the window of each walk and the number of each page that was asked for. `subscriptions`
    None: it offers none. `ignores_window`: as a shop too old to know when they changed.
    """

    orders: dict[int, Order] = field(default_factory=dict)
    now: datetime = T0
    url: str = "https://shop.example.com"
    zone: str = ""
    page_size: int = 3
    unreadable: list[Unreadable] = field(default_factory=list)
    on_page: Callable[[int], None] = lambda _number: None
    before_identity: Callable[[], None] = lambda: None
    asked: list[datetime] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    tells_time: bool = True
    notes: dict[int, list[str]] = field(default_factory=dict)
    before_note: Callable[[str], None] = lambda _text: None
    after_note: Callable[[], None] = lambda: None
    products: list[Product] = field(default_factory=list)
    unreadable_products: list[UnreadableProduct] = field(default_factory=list)
    before_products: Callable[[], None] = lambda: None
    subscriptions: dict[int, Subscription] | None = None
    unreadable_subscriptions: list[Unreadable] = field(default_factory=list)
    before_subscriptions: Callable[[int], None] = lambda _number: None
    ignores_window: bool = False
    subscription_windows: list[datetime] = field(default_factory=list)
    subscription_pages: list[int] = field(default_factory=list)

    def put(self, order: Order) -> None:
        self.orders[order.order_id] = order

    def change(self, order_id: int, at: datetime, **fields: object) -> None:
        self.orders[order_id] = replace(self.orders[order_id], modified_at=at, **fields)  # type: ignore[arg-type]

    def refund(
        self, order_id: int, at: datetime, *lines: RefundLine, total: str | Decimal | None = None
    ) -> int:
        """Gives back of each line what it says, or a mere amount as well; answers the refund's id.

        Whoever gave back the last of an order turns its status themselves.
        """
        order = self.orders[order_id]
        given = Decimal(total) if total is not None else sum((line.total for line in lines), Decimal(0))
        refund_id = (
            max((one.refund_id for other in self.orders.values() for one in other.refunds), default=900) + 1
        )
        refund = Refund(refund_id=refund_id, total=given, lines=lines)
        refunds = (*order.refunds, refund)
        self.change(order_id, at, refunds=refunds, refunded_total=order.refunded_total + given)
        return refund_id

    def delete_refund(self, order_id: int, refund_id: int) -> None:
        """The date of change stays, as in a real shop."""
        order = self.orders[order_id]
        left = tuple(one for one in order.refunds if one.refund_id != refund_id)
        total = sum((one.total for one in left), Decimal(0))
        self.change(order_id, order.modified_at, refunds=left, refunded_total=total)

    def fetch_identity(self) -> ShopIdentity:
        self.before_identity()
        return ShopIdentity(url=self.url, name="Shop", server_time=self._server_time(), zone=self.zone)

    def fetch_pages(  # one page after the other, however many are allowed
        self, since: datetime, *, first_page: int = 1, at_once: int = 1
    ) -> Iterator[Page]:
        assert at_once >= 1, at_once
        self.asked.append(since)
        number = first_page
        while True:
            self.on_page(number)
            self.pages.append(number)
            page = self._page(since, number)
            yield page
            if page.last:
                return
            number += 1

    def fetch_order(self, order_id: OrderId) -> Order | Unreadable | None:
        return self.orders.get(order_id)

    def subscribe(self, subscription_id: int, at: datetime, **fields: object) -> None:
        """A subscription is there, or has changed."""
        if self.subscriptions is None:
            self.subscriptions = {}
        known = self.subscriptions.get(subscription_id) or Subscription(
            subscription_id=subscription_id,
            parent_id=1,
            status="active",
            products=frozenset({17}),
            modified_at=at,
        )
        self.subscriptions[subscription_id] = replace(known, modified_at=at, **fields)  # type: ignore[arg-type]

    def fetch_subscription_pages(self, since: datetime, *, first_page: int = 1) -> Iterator[SubscriptionPage]:
        self.subscription_windows.append(since)
        for number in count(first_page):
            self.before_subscriptions(number)
            self.subscription_pages.append(number)
            page = self._subscription_page(since, number)
            yield page
            if page.last:
                return

    def fetch_subscription(self, subscription_id: int) -> Subscription | Unreadable | None:
        if self.subscriptions is None:
            return Unreadable(order_id=OrderId(subscription_id), reason="the shop has no subscriptions")
        return self.subscriptions.get(subscription_id)

    def fetch_products(
        self, *, ids: Collection[ProductId] = (), skus: Collection[str] = ()
    ) -> list[Product | UnreadableProduct]:
        self.before_products()
        folded = {sku.strip().casefold() for sku in skus}
        there = [
            product
            for product in self.products
            if product.product_id in ids or (product.sku and product.sku.casefold() in folded)
        ]
        return [*there, *(bad for bad in self.unreadable_products if bad.product_id in ids)]

    def fetch_catalogue(self) -> Iterator[Product | UnreadableProduct]:
        self.before_products()
        roots = [one for one in self.products if not one.parent_id and one.status != "trash"]
        for product in sorted(roots, key=lambda one: one.product_id):
            yield product
            yield from (one for one in self.products if one.parent_id == product.product_id)
        yield from self.unreadable_products

    def fetch_notes(self, order_id: OrderId) -> list[str] | None:
        return list(self.notes.get(order_id, [])) if order_id in self.orders else None

    def push_note(self, order_id: OrderId, text: str) -> None:
        """`before_note` and `after_note` may raise: before or after the shop has taken it."""
        self.before_note(text)
        if order_id not in self.orders:
            raise PermanentError(f"shop: there is no order {order_id} any more")
        self.notes.setdefault(order_id, []).append(text)
        self.after_note()

    def fetch_findings(
        self,
        clock: Clock,  # noqa: ARG002 - a healthy shop
        *,
        writing: bool,  # noqa: ARG002 - as above
        mirroring: bool = False,  # noqa: ARG002 - as above
    ) -> Iterator[Finding]:
        yield Finding(code="may_read", message="the key may read orders", severity=Severity.OK)

    def close(self) -> None:
        pass

    def _page(self, since: datetime, number: int) -> Page:
        found = [order for _, order in sorted(self.orders.items()) if order.modified_at > since]
        rows = found[(number - 1) * self.page_size : number * self.page_size]
        return Page(
            number=number,
            orders=tuple(rows),
            unreadable=tuple(self.unreadable) if number == 1 else (),
            size=len(rows),
            total=len(found) if rows or number == 1 else None,
            server_time=self._server_time(),
            last=len(rows) < self.page_size,
        )

    def _subscription_page(self, since: datetime, number: int) -> SubscriptionPage:
        if self.subscriptions is None:
            return SubscriptionPage(number=number, last=True, offered=False)
        found = [
            one
            for _, one in sorted(self.subscriptions.items())
            if self.ignores_window or one.modified_at > since
        ]
        rows = found[(number - 1) * self.page_size : number * self.page_size]
        return SubscriptionPage(
            number=number,
            subscriptions=tuple(rows),
            unreadable=tuple(self.unreadable_subscriptions) if number == 1 else (),
            size=len(rows),
            total=len(found) if rows or number == 1 else None,
            server_time=self._server_time(),
            last=len(rows) < self.page_size,
        )

    def _server_time(self) -> datetime | None:
        return self.now if self.tells_time else None


@dataclass(frozen=True)
class FakeMapping:
    """Maps by SKU alone: `{"PY-101": ("campus", "42")}`; None means ignore, more targets stand in a list.
    `terms`: on what a SKU is sold, where that is not plain."""

    by_sku: dict[str, tuple[str, str] | list[tuple[str, str]] | None]
    terms: dict[str, Terms] = field(default_factory=dict)

    def match(self, line: Line) -> Match | None:
        if line.sku not in self.by_sku:
            return None
        sold = self.by_sku[line.sku]
        if sold is None:
            return Match(targets=(), source="mapping.toml:1", ignore=True)
        pairs = sold if isinstance(sold, list) else [sold]
        targets = tuple(Target(lms=LmsName(lms), course_id=CourseId(course_id)) for lms, course_id in pairs)
        terms = (self.terms.get(line.sku, PLAIN_TERMS),) * len(targets)
        return Match(targets=targets, source="mapping.toml:1", terms=terms)


def make_line(
    line_id: int = 1,
    sku: str = "PY-101",
    quantity: str = "1",
    product_id: int = 17,
    *,
    total: str = "49.00",
    variation_id: int = 0,
    learners: tuple[Person, ...] = (),
    container: bool = False,
    part_of: int = 0,
) -> Line:
    return Line(
        line_id=LineId(line_id),
        product_id=ProductId(product_id),
        variation_id=ProductId(variation_id),
        sku=sku,
        name=f"Course {sku}",
        quantity=Decimal(quantity),
        total=total,
        learners=learners,
        container=container,
        part_of=LineId(part_of),
    )


def make_refund(refund_id: int, *lines: tuple[int, str, str], total: str | None = None) -> Refund:
    """`lines`: (line id, quantity, total) of each that was given back of; `total`: None = what they come to."""
    given = tuple(
        RefundLine(line_id=line_id, quantity=Decimal(quantity), total=Decimal(amount))
        for line_id, quantity, amount in lines
    )
    whole = sum((line.total for line in given), Decimal(0)) if total is None else Decimal(total)
    return Refund(refund_id=refund_id, total=whole, lines=given)


def make_order(
    order_id: int = 1,
    *,
    status: str = "completed",
    email: str = "ana@example.test",
    lines: tuple[Line, ...] | None = None,
    modified_at: datetime = T0,
    paid_at: datetime | None = T0,
    refunds: tuple[Refund, ...] = (),
    learners: tuple[Person, ...] = (),
    renews: tuple[int, ...] = (),
) -> Order:
    return Order(
        order_id=OrderId(order_id),
        number=str(order_id),
        status=status,
        created_at=T0 - timedelta(hours=1),
        modified_at=modified_at,
        paid_at=paid_at,
        completed_at=modified_at if status == "completed" else None,
        customer_id=0,
        buyer=Person(email=email, first_name="Ana", last_name="Núñez"),
        lines=lines if lines is not None else (make_line(),),
        refunded_total=sum((refund.total for refund in refunds), Decimal(0)),
        refunds=refunds,
        learners=learners,
        renews=renews,
    )
