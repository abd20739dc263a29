"""A sandbox shop read plainly: its orders in the words of `tests.plain_reading`."""

import json
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
from tests.sale_merchant import Json, Merchant, given_of
from tests.sale_stage import ASKS, CLUB, ENDS, EVE, TERMS, Support
from wcsync.sandbox.shop import SandboxShop


@dataclass
class Told:
    """What the daemon has read of an order by now, and what stays of it: `was_paid` as in `PlainOrder`; by line the
    terms it was sold on, how many seats it has, and who had one."""

    status: str = ""
    was_paid: bool = False
    terms: dict[int, PlainTerms] = field(default_factory=dict)
    seats: dict[int, int] = field(default_factory=dict)
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

    def plain_shop(self, orders: Iterable[int], *, as_read: bool = False) -> PlainShop:
        """What the shop shows of the orders that were read; or what of it was read."""
        seen = [number for number in orders if self.told.get(number, Told()).status]
        read = [self._plain_order(number, as_read=as_read) for number in seen]
        terms = dict(enumerate(self.versions))
        return PlainShop(
            orders=read,
            terms=terms,
            subscriptions=[self._plain_subscription(one) for one in self.shop.subscriptions.values()],
            zone=self.zone,
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

    def as_read(self, order_id: int) -> tuple[Json, list[Json]]:
        """An order and its refunds as the daemon has read them last, by what is kept of each of its versions."""
        [row] = self.rows("SELECT modified_at, refunds FROM orders WHERE order_id = ?", order_id)
        raw = self.merchant.versions[order_id, row["modified_at"][:19]]
        refunds = self.merchant.every_refund.get(order_id, {})
        return raw, [refunds[one["id"]] for one in json.loads(row["refunds"])]

    def _plain_order(self, order_id: int, *, as_read: bool) -> PlainOrder:
        told = self.told[order_id]
        if as_read:
            (raw, refunds), status = self.as_read(order_id), told.status
        else:
            raw, refunds = self.merchant.orders[order_id], self.merchant.refunds.get(order_id, [])
            status = self.status_of(order_id)
        begins = raw["date_completed_gmt"] or raw["date_paid_gmt"] or raw["date_created_gmt"]
        present = {line["id"] for line in raw["line_items"]}
        removed = [self._removed_line(order_id, one, refunds) for one in told.terms if one not in present]
        return PlainOrder(
            order_id=order_id,
            status=status,
            buyer=raw["billing"]["email"],
            begins=datetime.fromisoformat(begins).replace(tzinfo=UTC),
            lines=(
                *(self._plain_line(raw, line, refunds, status) for line in raw["line_items"]),
                *removed,
            ),
            learners=named(raw),
            was_paid=folded(told, status, self.decisions(order_id)).was_paid,
            ended_by_person=any(cause == status for cause, _ in self.decisions(order_id)),
        )

    def _plain_line(self, raw: Json, line: Json, refunds: list[Json], status: str) -> PlainLine:
        """What was not sold while the order was completed is not sold by a mapping that comes later."""
        told = self.told[raw["id"]]
        sellable = self.terms.get(line["product_id"]) if status == "completed" else None
        plain = PlainLine(
            line_id=line["id"],
            product=self._version(told.terms.get(line["id"]) or sellable),
            quantity=int(line["quantity"]),
            learners=named(line),
            refunded=self._refunded(raw, line, refunds),
            bundle=int(line["bundled_by"] or 0),
            assigned=told.assigned.get(line["id"], ()),
            seats=told.seats.get(line["id"], 0),
            seated=self._seated(told, line["id"]),
        )
        if not 0 < plain.quantity - plain.refunded < len(plain.seated):
            return plain
        return replace(plain, refunded=plain.quantity - len(plain.seated))

    def _removed_line(self, order_id: int, line_id: int, refunds: list[Json]) -> PlainLine:
        """A line that was sold and is in the order no more: that alone ends nothing. A person says so."""
        told, seated = self.told[order_id], self._seated(self.told[order_id], line_id)
        said = {cause for cause, about in self.decisions(order_id) if about in {0, line_id}}
        mere = {f"refund:{one['id']}" for one in refunds if not one["line_items"]}
        over = "removed" in said or said & mere
        return PlainLine(
            line_id=line_id,
            product=self._version(told.terms[line_id]),
            quantity=max(told.seats[line_id], 1),
            refunded=max(told.seats[line_id], 1) if over else 0,
            assigned=told.assigned.get(line_id, ()),
            seats=told.seats[line_id],
            seated=seated,
            removed=True,
        )

    def _seated(self, told: Told, line_id: int) -> tuple[str, ...]:
        """Who has a seat of the line for good, each once."""
        people = told.seated.get(line_id, ())
        return tuple(dict.fromkeys(real_address(self.aliases, one) for one in people))

    def _refunded(self, raw: Json, line: Json, refunds: list[Json]) -> int:
        """How many pieces are gone: as many as were given back; all, if the price was, or a person said so."""
        given = given_of(refunds, line["id"])
        pieces, amount = sum(one[0] for one in given), sum((one[1] for one in given), Decimal(0))
        quantity, price = int(line["quantity"]), Decimal(line["total"])
        said = {cause for cause, about in self.decisions(raw["id"]) if about in {0, line["id"]}}
        mere = {f"refund:{number}" for counted, _, number in given if not counted}
        mere |= {f"refund:{one['id']}" for one in refunds if not one["line_items"]}
        whole = pieces >= quantity or (price and amount >= price) or said & mere
        container = next((one for one in raw["line_items"] if one["id"] == line["bundled_by"]), None)
        if container is not None and not price:
            whole = whole or self._refunded(raw, container, refunds) >= container["quantity"]
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

    def support(self, now: datetime | None = None) -> set[Support]:
        """Which orders each let whom into what, read one by one."""
        at = now or self.clock()
        return {
            (number, *pair)
            for number in self.merchant.orders
            for pair in read_plainly(self.plain_shop([number]), at)
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
