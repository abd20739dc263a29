"""A sandbox shop read plainly: its orders in the words of `tests.plain_reading`."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.fakes import FakeClock
from tests.plain_reading import (
    PlainLine,
    PlainOrder,
    PlainShop,
    PlainSubscription,
    PlainTerms,
    Readings,
    read_plainly,
    real_address,
)
from tests.sale_stage import (
    ASKS,
    CLUB,
    ENDS,
    EVE,
    TERMS,
    Merchant,
    Support,
)
from wcsync.sandbox.shop import SandboxShop


@dataclass
class Told:
    """What the daemon has read of an order by now, and what stays of it: `was_paid` as in `PlainOrder`; by line the
    terms it was sold on, and who had a seat."""

    status: str = ""
    was_paid: bool = False
    terms: dict[int, PlainTerms] = field(default_factory=dict)
    seated: dict[int, tuple[str, ...]] = field(default_factory=dict)
    assigned: dict[int, tuple[str, ...]] = field(default_factory=dict)


class ShopReading:
    """Reads what a shop shows, what was read of it and what people said. The world fills in the rest."""

    clock: FakeClock
    zone: str
    merchant: Merchant
    shop: SandboxShop
    terms: dict[int, PlainTerms]
    told: dict[int, Told]
    held: set[int]
    same_person: dict[str, str]
    versions: list[PlainTerms]

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds in the ledger's file."""
        raise NotImplementedError

    def plain_shop(self, orders: Iterable[int], zone: str | None = None) -> PlainShop:
        read = [self._plain_order(number) for number in orders if self.told.get(number, Told()).status]
        terms = dict(enumerate(self.versions))
        return PlainShop(
            orders=read,
            terms=terms,
            subscriptions=[self._plain_subscription(one) for one in self.shop.subscriptions.values()],
            zone=self.zone if zone is None else zone,
            same_person=self.same_person,
            never=frozenset({EVE}),
        )

    def reading(self, *, paid_only: bool = False) -> Readings:
        """Who is to be in. `paid_only`: by completed orders alone: one that is neither paid nor taken back any more
        puts nobody out, and lets nobody in who was not."""
        orders = [
            number
            for number in self.merchant.orders
            if not paid_only or (self.status_of(number) == "completed" and number not in self.held)
        ]
        return read_plainly(self.plain_shop(orders), self.clock())

    def status_of(self, order_id: int) -> str:
        return str(self.shop.orders[order_id]["status"]) if order_id in self.shop.orders else "deleted"

    def _plain_order(self, order_id: int) -> PlainOrder:
        raw, told, status = self.merchant.orders[order_id], self.told[order_id], self.status_of(order_id)
        begins = raw["date_completed_gmt"] or raw["date_paid_gmt"] or raw["date_created_gmt"]
        return PlainOrder(
            order_id=order_id,
            status=status,
            buyer=raw["billing"]["email"],
            begins=datetime.fromisoformat(begins).replace(tzinfo=UTC),
            lines=tuple(self._plain_line(raw, line, told, status) for line in raw["line_items"]),
            learners=named(raw),
            was_paid=folded(told, status, self.decisions(order_id)).was_paid,
            ended_by_person=any(cause == status for cause, _ in self.decisions(order_id)),
        )

    def _plain_line(self, raw: dict[str, Any], line: dict[str, Any], told: Told, status: str) -> PlainLine:
        """What was not sold while the order was completed is not sold by a mapping that comes later."""
        sellable = self.terms.get(line["product_id"]) if status == "completed" else None
        plain = PlainLine(
            line_id=line["id"],
            product=self._version(told.terms.get(line["id"]) or sellable),
            quantity=int(line["quantity"]),
            learners=named(line),
            refunded=self._refunded(raw, line),
            bundle=int(line["bundled_by"] or 0),
            assigned=told.assigned.get(line["id"], ()),
        )
        seated = {real_address(self.aliases, one) for one in told.seated.get(line["id"], ())}
        if not 0 < plain.quantity - plain.refunded < len(seated):
            return plain
        return replace(plain, refunded=plain.quantity - len(seated))

    def _refunded(self, raw: dict[str, Any], line: dict[str, Any]) -> int:
        """How many pieces are gone: as many as were given back; all, if the price was, or a person said so."""
        given = self.merchant.given_back(raw["id"], line["id"])
        pieces, amount = sum(one[0] for one in given), sum((one[1] for one in given), Decimal(0))
        quantity, price = int(line["quantity"]), Decimal(line["total"])
        said = {cause for cause, about in self.decisions(raw["id"]) if about in {0, line["id"]}}
        mere = {f"refund:{number}" for counted, _, number in given if not counted}
        mere |= {f"refund:{one['id']}" for one in self.merchant.refunds[raw["id"]] if not one["line_items"]}
        whole = pieces >= quantity or (price and amount >= price) or said & mere
        container = next((one for one in raw["line_items"] if one["id"] == line["bundled_by"]), None)
        if container is not None and not price and self._refunded(raw, container) >= container["quantity"]:
            return quantity
        return quantity if whole else pieces

    def _plain_subscription(self, raw: dict[str, Any]) -> PlainSubscription:
        renewals = {
            number
            for number, order in self.merchant.orders.items()
            for meta in order["meta_data"]
            if meta["key"] == "_subscription_renewal" and int(meta["value"]) == raw["id"]
        }
        about = {line["product_id"] for line in raw["line_items"]}
        versions = {self._version(TERMS[CLUB])} if CLUB in about else set()
        return PlainSubscription(
            orders=frozenset({raw["parent_id"], *renewals}),
            products=frozenset(versions),
            live=raw["status"] in {"active", "pending-cancel"},
        )

    @property
    def aliases(self) -> PlainShop:
        return PlainShop(orders=(), terms={}, same_person=self.same_person)

    def _version(self, terms: PlainTerms | None) -> int:
        """By what number the reading knows terms; those of nothing, which nobody has, by a number of their own."""
        if terms is None:
            return -1
        if terms not in self.versions:
            self.versions.append(terms)
        return self.versions.index(terms)

    def support(self) -> set[Support]:
        """Which orders each let whom into what, read one by one."""
        now = self.clock()
        return {
            (number, *pair)
            for number in self.merchant.orders
            for pair in read_plainly(self.plain_shop([number]), now)
        }

    def decisions(self, order_id: int) -> set[tuple[str, int]]:
        """What a person said about an order: (about what, line)."""
        rows = self.rows("SELECT cause, line_id FROM decisions WHERE order_id = ?", order_id)
        return {(row["cause"], row["line_id"]) for row in rows}


def folded(told: Told, status: str, decisions: set[tuple[str, int]]) -> Told:
    """One more status of an order is read."""
    if status == told.status:
        return told
    ended = told.status in ENDS or (
        told.status in ASKS and any(cause == told.status for cause, _ in decisions)
    )
    was_paid = (told.was_paid or told.status == "completed") and not ended and status not in ENDS
    return replace(told, status=status, was_paid=was_paid)


def named(raw: dict[str, Any]) -> tuple[str, ...]:
    """The learner whom an order, or a line of one, names."""
    return tuple(meta["value"] for meta in raw["meta_data"] if meta["key"] == "learner_email")
