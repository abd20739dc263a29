"""Orders and mappings for tests of what a sale means: short to write, nothing left to guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256

from tests.fakes import make_line, make_order
from wcsync.mappers.entitlements import Planner, normalise_address
from wcsync.mappers.mapping import Match
from wcsync.model import (
    CourseId,
    Entitlement,
    LearnerKey,
    Line,
    LineId,
    LmsName,
    Order,
    OrderPlan,
    Person,
    Target,
)
from wcsync.sale import (
    NOTHING_SPECIAL,
    PLAIN_TERMS,
    Aftermath,
    Circumstances,
    Refund,
    RefundLine,
    SeatRule,
    Terms,
)

SOLD_STATUSES = frozenset({"completed"})


def identify(email: str) -> LearnerKey:
    return LearnerKey(sha256(normalise_address(email).encode()).hexdigest()[:32])


ANA, BEA, CID, DON = people = tuple(f"{name}@example.test" for name in ("ana", "bea", "cid", "don"))
KEYS = {identify(email): email.partition("@")[0] for email in people}


@dataclass
class Deals:
    """A mapping by SKU: the courses of one LMS, all on the same terms. `by_name` False: found by a wildcard."""

    courses: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"PY-101": ["42"]})
    terms: Terms = PLAIN_TERMS
    rule: SeatRule | None = None
    by_name: bool = True

    def match(self, line: Line) -> Match | None:
        if line.sku not in self.courses:
            return None
        targets = tuple(
            Target(lms=LmsName("campus"), course_id=CourseId(course)) for course in self.courses[line.sku]
        )
        return Match(
            targets=targets,
            source="mapping.toml:1",
            ignore=not targets,
            terms=(self.terms,) * len(targets),
            seats=self.rule,
            by_name=self.by_name,
        )


def planner(
    deals: Deals | None = None,
    *,
    paid: frozenset[str] = SOLD_STATUSES,
    never: frozenset[str] = frozenset(),
    zone: str = "",
    endings: Mapping[str, Aftermath] | None = None,
) -> Planner:
    plain = Planner(mapping=deals or Deals(), paid_statuses=paid, identify=identify, never=never, zone=zone)
    return plain if endings is None else replace(plain, endings=endings)


def plan(
    order: Order,
    known: Sequence[Entitlement] = (),
    circumstances: Circumstances = NOTHING_SPECIAL,
    *,
    by: Planner | None = None,
) -> OrderPlan:
    return (by or planner()).plan(order, known, circumstances)


def line_of(
    quantity: int = 1,
    *named: str,
    line_id: int = 1,
    sku: str = "PY-101",
    total: str = "50.00",
    part_of: int = 0,
    container: bool = False,
) -> Line:
    return replace(
        make_line(line_id, sku=sku, quantity=str(quantity)),
        total=total,
        learners=tuple(Person(email=email) for email in named),
        part_of=LineId(part_of),
        container=container,
    )


def order_of(
    *lines: Line, named: Sequence[str] = (), refunds: Sequence[Refund] = (), status: str = "completed"
) -> Order:
    order = make_order(status=status, lines=lines or (line_of(),))
    return replace(order, learners=tuple(Person(email=email) for email in named), refunds=tuple(refunds))


def refund(refund_id: int, *parts: tuple[int, int | str, str], total: str = "10.00") -> Refund:
    """`parts`: of which line, how many, how much."""
    lines = tuple(
        RefundLine(line_id=line_id, quantity=Decimal(quantity), total=Decimal(amount))
        for line_id, quantity, amount in parts
    )
    return Refund(refund_id=refund_id, total=Decimal(total), lines=lines)


def seated(planned: OrderPlan | Sequence[Entitlement], line_id: int = 1) -> list[str]:
    """Who has the seats of a line, in turn: a name, "-" for an open seat, in brackets if the seat has ended."""
    seats = planned.entitlements if isinstance(planned, OrderPlan) else planned
    names = [
        (KEYS.get(one.learner_key, "-"), one.live)
        for one in sorted(seats, key=lambda one: one.seat)
        if one.line_id == line_id
    ]
    return [name if live else f"({name})" for name, live in names]


def asked(planned: OrderPlan) -> list[str]:
    return [entry.kind for entry in planned.parked]
