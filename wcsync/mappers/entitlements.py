"""What an order means: an order, the mapping and what else decides in; the seats it sold out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from wcsync.mappers import parking
from wcsync.mappers.access import wish_for
from wcsync.mappers.addresses import normalise_address, usable_address
from wcsync.mappers.seating import learners_of
from wcsync.mappers.selling import Rules, Sale, Sells, Standing, not_paid, sold_plan
from wcsync.mappers.taking_back import ENDINGS
from wcsync.model import Entitlement, LinePlan, Order, OrderPlan, Verdict
from wcsync.sale import NOTHING_SPECIAL, Circumstances

__all__ = [
    "ENDINGS",
    "Planner",
    "Sells",
    "Standing",
    "learners_of",
    "normalise_address",
    "usable_address",
    "wish_for",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner(Rules):
    """Plans orders by one mapping and one set of rules."""

    def plan(
        self, order: Order, known: Sequence[Entitlement], circumstances: Circumstances = NOTHING_SPECIAL
    ) -> OrderPlan:
        """What `order` means, given the seats it is already known to have sold.

        A seat once sold keeps the course, the terms and the learner it was sold with; its life follows the order. Safe
        to repeat: the same order and the same circumstances come to the same plan. Raises ArithmeticError for a
        quantity that is no number.
        """
        if circumstances.held:
            return self._hold(order, known)
        return Sale(rules=self, order=order, known=known, circumstances=circumstances).plan()

    def _hold(self, order: Order, known: Sequence[Entitlement]) -> OrderPlan:
        """A person said that nothing is to be done: what was sold stays as it is, and nothing is sold. Each line that
        is paid waits for that person's word, since nobody can tell here whether its learners are in."""
        standing = self.standing(order)
        lines, parked = [], []
        for line in order.lines:
            sold = [seat for seat in known if seat.line_id == line.line_id]
            match = self.mapping.match(line)
            if sold:
                lines.append(sold_plan(line, sold))
                if standing is Standing.PAID and any(seat.live for seat in sold):
                    parked.append(parking.held(line))
            elif standing is not Standing.PAID:
                lines.append(not_paid(line, standing, order, self))
            elif match is not None and match.ignore:
                lines.append(LinePlan(line=line, verdict=Verdict.IGNORED, reason=match.source))
            else:
                parked.append(parking.held(line))
                lines.append(LinePlan(line=line, verdict=Verdict.PARKED, reason=parked[-1].reason))
        return OrderPlan(
            paid=standing is Standing.PAID,
            lines=tuple(lines),
            entitlements=tuple(known),
            parked=tuple(parked),
        )
