"""The terms of a sale and what becomes of it later, as frozen values. No I/O, no clock."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from wcsync.zones import instant_at, parse_zone


class SeatRule(StrEnum):
    """Who gets the seats of a line with a quantity above one. A seat without a learner is an open seat.

    `BUYER_ONCE`: the learners that the order names, else the buyer, who has one seat. `LEARNERS_IN_META`: only the
    learners that the order names. `HOLD`: nobody until a person says who.
    """

    BUYER_ONCE = "buyer-once"
    LEARNERS_IN_META = "learners-in-meta"
    HOLD = "hold"


class Withdrawal(StrEnum):
    """What is done in the LMS once nothing entitles a learner any more."""

    UNENROL = "unenrol"
    SUSPEND = "suspend"
    KEEP = "keep"
    ASK = "ask"


GENTLENESS = (Withdrawal.KEEP, Withdrawal.ASK, Withdrawal.SUSPEND, Withdrawal.UNENROL)
"""Where several seats ended in different ways, the first of these counts."""


class Aftermath(StrEnum):
    """What a status does to seats that were sold: end them, ask a person first, or leave them."""

    END = "end"
    ASK = "ask"
    KEEP = "keep"


class Cause(StrEnum):
    """Why a seat, or the access it gave, has ended."""

    ORDER = "order"
    REFUND = "refund"
    SUBSCRIPTION = "subscription"
    PERSON = "person"
    EXPIRED = "expired"
    RELINKED = "relinked"


LAPSES = frozenset({Cause.EXPIRED, Cause.SUBSCRIPTION})
"""Ends that a renewal may follow: where nothing else is said, the LMS suspends if it can, so that progress stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How long a seat lets its learner in. All at rest: without end.

    `days`: so many days of the calendar of `zone` (an IANA name, or an offset as in "+05:30"; "" = UTC), at the same
    time of day. `until`: an instant, whenever it was bought; of a mapping row that names no zone, what the shop's clock
    shows then (naive), and an instant once it is `placed`. `with_subscription`: as long as the subscription that paid
    for it lives.
    """

    days: int | None = None
    until: datetime | None = None
    with_subscription: bool = False
    zone: str = ""

    @property
    def unlimited(self) -> bool:
        return self.days is None and self.until is None and not self.with_subscription

    def placed(self, zone: str) -> "Access":
        """As a seat is sold on it in a shop of that zone, whose clock counts."""
        until = self.until
        if until is not None and until.tzinfo is None:
            until = instant_at(until, parse_zone(zone))
        return replace(self, until=until, zone=zone)


UNLIMITED = Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a mapping row sells a course. `on_withdraw` None: as the LMS's section in the config says."""

    access: Access = UNLIMITED
    on_withdraw: Withdrawal | None = None


PLAIN_TERMS = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLine:
    """What a refund gave back of one line. `quantity` and `total` are positive; 0 = only the other was given back."""

    line_id: int
    quantity: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """One refund of an order. `total` is positive; what no line accounts for was given back as a mere amount.

    As the totals of lines, it is without tax; what was given back of shipping and fees is not in it.
    """

    refund_id: int
    total: Decimal
    lines: tuple[RefundLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as the shop says it stands. `parent_id`: the order that began it, 0 = none.

    `products`: the products and variations it is about. Its renewals and switches name it themselves (`Order.renews`).
    """

    subscription_id: int
    parent_id: int
    status: str
    products: frozenset[int]
    modified_at: datetime

    @property
    def live(self) -> bool:
        """Whether it gives access now: one that is to be cancelled is paid until then."""
        return self.status in {"active", "pending-cancel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A person's word that something which was asked about is to end.

    `cause`: "trash" or "deleted" (the order's seats), "refund:77" (an amount given back by that refund), "seats"
    (this seat goes first where fewer are left than learners), "removed" (a line that is in the order no more).
    `line_id` and `seat` 0 = all of them. It holds until the shop takes back what was asked about
    (`taking_back.outlived`).
    """

    cause: str
    line_id: int = 0
    seat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What beside an order's own facts decides what it means.

    `held`: a person said that nothing is to be done about it. `subscriptions`: those it began or renews.
    `aliases`: learners that stand for others since a person said so, as (old, new) keys.
    """

    held: bool = False
    subscriptions: tuple[Subscription, ...] = ()
    decisions: frozenset[Decision] = frozenset()
    aliases: tuple[tuple[str, str], ...] = ()


NOTHING_SPECIAL = Circumstances()
DELETED = "deleted"
"""What we call the status of an order that the shop does not know any more."""
