"""The words of the shop and the LMS as frozen values. No I/O, no clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from wcsync.sale import UNLIMITED, Access, Cause, Circumstances, Refund, Subscription, Withdrawal

OrderId = NewType("OrderId", int)
LineId = NewType("LineId", int)
ProductId = NewType("ProductId", int)
CourseId = NewType("CourseId", str)
LmsName = NewType("LmsName", str)
LearnerKey = NewType("LearnerKey", str)
"""Keyed hash of a normalised address: who a learner is, wherever no address is needed."""

NOBODY = LearnerKey("")
"""Whose an open seat is."""

Identify = Callable[[str], LearnerKey]
"""Turns an address into its learner key. The key it hashes with belongs to one ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A buyer or learner. `email` is trimmed and otherwise as written; names may be empty.

    `fields`: what an LMS may want besides, by the names the config gives them, as in ("company", "Acme"); sorted.
    `erased`: there was an address, and it was to be forgotten.
    """

    email: str
    first_name: str = ""
    last_name: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    erased: bool = False

    def __repr__(self) -> str:
        return "Person(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line item. `variation_id` 0 = none, `product_id` 0 = the product is gone; `total` as the shop wrote it.

    `learners`: those whom the line itself names, in its order. `container`: it stands for a bundle whose parts are
    lines of their own; `part_of`: the line of the bundle it is a part of, 0 = none.
    """

    line_id: LineId
    product_id: ProductId
    variation_id: ProductId
    sku: str
    name: str
    quantity: Decimal
    total: str = ""
    learners: tuple[Person, ...] = ()
    container: bool = False
    part_of: LineId = LineId(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the shop told it. `refunded_total` is positive, in the order's currency.

    `learners`: those whom the order as a whole names. `renews`: the subscriptions that this order pays anew, or
    for whose change to other products it pays.
    """

    order_id: OrderId
    number: str
    status: str
    created_at: datetime
    modified_at: datetime
    paid_at: datetime | None
    completed_at: datetime | None
    customer_id: int
    buyer: Person
    lines: tuple[Line, ...]
    refunded_total: Decimal = Decimal(0)
    refunds: tuple[Refund, ...] = ()
    learners: tuple[Person, ...] = ()
    renews: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An order, or a subscription, which is one to the shop, that could not be read.

    `order_id`: its number, None when even that was missing. `reason` holds no address.
    """

    order_id: OrderId | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of orders as the shop answered it.

    `total`: X-WP-Total, None if absent; `server_time`: the shop's own clock (`Date` header), None if absent;
    `size`: rows in the answer, readable or not; `last`: the walk ends with this page.
    """

    number: int
    orders: tuple[Order, ...]
    unreadable: tuple[Unreadable, ...]
    size: int
    total: int | None
    server_time: datetime | None
    last: bool = False

    @property
    def newest(self) -> datetime | None:
        """When the order changed last that changed last."""
        return max((order.modified_at for order in self.orders), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPage:
    """One page of subscriptions as the shop answered it. Its fields as in `Page`.

    `offered`: False if the shop has no subscriptions at all, since the plugin is not there or switched off; the walk
    ends with this page.
    """

    number: int
    subscriptions: tuple[Subscription, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    size: int = 0
    total: int | None = None
    server_time: datetime | None = None
    last: bool = False
    offered: bool = True

    @property
    def newest(self) -> datetime | None:
        """When the subscription changed last that changed last."""
        return max((one.modified_at for one in self.subscriptions), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something a shop sells, or one variation of it, as it stands in the shop now.

    `parent_id` 0 = it is no variation; a variation's `name` begins with its parent's. `kind`: simple, variable,
    variation, grouped, external, or a plugin's own. Texts are plain: no HTML. `price` as the shop wrote it.
    """

    product_id: ProductId
    parent_id: ProductId = ProductId(0)
    sku: str = ""
    name: str = ""
    kind: str = "simple"
    status: str = "publish"
    price: str = ""
    virtual: bool = False
    categories: tuple[str, ...] = ()
    variation_ids: tuple[ProductId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableProduct:
    """A product that could not be read. `product_id` None when even the id was missing."""

    product_id: ProductId | None
    reason: str


Option = tuple[str, str]
"""One LMS-specific mapping key and its value, as in ("group", "17")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A course to enrol in, with what that LMS needs besides. `options` is sorted and has no repeats."""

    lms: LmsName
    course_id: CourseId
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """One seat sold, a snapshot of the mapping row of that day. Its key is made of facts alone.

    `learner_key` NOBODY: an open seat. `starts_at`: when its access begins, by the shop's facts. `cause`: why it is not
    live, None while it is. `product_id`, `variation_id`: what the line was about that day.
    """

    order_id: OrderId
    line_id: LineId
    seat: int
    target: Target
    learner_key: LearnerKey
    live: bool
    reason: str
    source: str
    product_id: ProductId
    variation_id: ProductId
    starts_at: datetime
    access: Access = UNLIMITED
    on_withdraw: Withdrawal | None = None
    cause: Cause | None = None


class Verdict(StrEnum):
    """What became of one line."""

    MAPPED = "mapped"
    UNMAPPED = "unmapped"
    IGNORED = "ignored"
    UNPAID = "unpaid"
    ENDED = "ended"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Something that needs a person. `line_id` None = the whole order. `kind` is one of a few fixed words."""

    kind: str
    reason: str
    line_id: LineId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlan:
    line: Line
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlan:
    """All that one order means: whether it counts as paid, what became of each line, every seat it ever sold, and
    what needs a person."""

    paid: bool
    lines: tuple[LinePlan, ...]
    entitlements: tuple[Entitlement, ...]
    parked: tuple[Parked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something an LMS has that a mapping row can name: a course, or what goes with one.

    `key`: the key of the row, as in `course`; `value`: what it would say. `codes`: short names people gave it, which
    a SKU may equal. `concern`: why selling it may go wrong, '' if nothing speaks against it.
    """

    lms: LmsName
    key: str
    value: str
    title: str
    codes: tuple[str, ...] = ()
    concern: str = ""


class Desired(StrEnum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What should be, for one learner and course: in (until when; None = unlimited) or out.

    Of out: `until`, the end of what was sold where that has come; `cause`, why, and `on_withdraw`, what is to be done
    about it (None = as the LMS's section says).
    """

    desired: Desired
    until: datetime | None = None
    options: tuple[Option, ...] = ()
    cause: Cause | None = None
    on_withdraw: Withdrawal | None = None


class Outcome(StrEnum):
    """What an LMS call came to. `UNKNOWN`: accepted, but the LMS cannot yet say whether it took effect.

    `SUSPENDED`: the enrolment stays and lets nobody in; `EXPIRED`: the LMS itself ended it at the end we gave it.
    """

    CREATED = "created"
    ALREADY = "already"
    RESTORED = "restored"
    REMOVED = "removed"
    ABSENT = "absent"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What an LMS is told of one enrolment.

    `user_id`: the LMS's own id as last seen, None if not known; it may be stale.
    `applied_until`: the end we last gave the LMS for this very enrolment; `applied`: it once confirmed one of ours.
    `dormant`: we suspended it, or it reached the end we gave it: letting the learner in again lifts that.
    """

    learner: Person
    course_id: CourseId
    options: tuple[Option, ...] = ()
    until: datetime | None = None
    user_id: str | None = None
    applied: bool = False
    applied_until: datetime | None = None
    dormant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The answer of `ensure_enrolled` and `ensure_withdrawn`. `user_id` None = the LMS has no such learner.

    `confirm`: not empty where the LMS lets the learner in later, in its own time: it is then looked at again whether
    that happened, and if not, a person is asked to look at what this text names.
    """

    outcome: Outcome
    user_id: str | None = None
    confirm: str = ""


class Presence(StrEnum):
    """Whether a learner has an active enrolment. `UNKNOWN`: let in, but not to be seen in the course yet."""

    ENROLLED = "enrolled"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """An enrolment that the LMS has not shown yet. `since`: when it was accepted."""

    learner_key: LearnerKey
    seat: Seat
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to say once, leased. `channel`: by which way; `subject`: about what, as in "order 1017".

    `payload`: what to say, in the channel's own form, without addresses and names of learners. `digest`: of what it
    says. `attempts` counts this one. `open_since`: an earlier attempt may still reach the far side since then.
    """

    key: str
    channel: str
    subject: str
    digest: str
    payload: str = field(repr=False)
    created_at: datetime
    attempts: int
    lease: int
    sending_since: datetime
    open_since: datetime | None


PlanOrder = Callable[[Order, Sequence[Entitlement], Circumstances], OrderPlan]
"""A plan of an order, given the seats it is already known to have sold and what else decides."""
