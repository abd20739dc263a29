"""Recording what the shop said: facts, seats, wishes. Everything here runs inside the caller's transaction."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from wcsync.ledger import origin
from wcsync.ledger.base import PageRecord
from wcsync.ledger.circumstances import FUTURE, read_circumstances
from wcsync.ledger.decisions import forget_outlived
from wcsync.ledger.order_facts import OrderFacts, audit_reading, people_of
from wcsync.ledger.order_notes import note_order
from wcsync.ledger.order_rows import digest_order
from wcsync.ledger.parking import BOUGHT_AGAIN, NOT_PLANNED
from wcsync.ledger.repeats import find_repeats, later_orders
from wcsync.ledger.rows import entitlement_of, plain, render_access, render_options, text_of
from wcsync.ledger.wishes import audit, refresh_wish
from wcsync.mappers.access import COMPLETED
from wcsync.mappers.taking_back import outlived
from wcsync.model import (
    NOBODY,
    Entitlement,
    Identify,
    Order,
    OrderId,
    OrderPlan,
    Parked,
    PlanOrder,
    Unreadable,
    Verdict,
)
from wcsync.sale import DELETED, Circumstances
from wcsync.times import render_instant

REPLAN_BATCH = 200
UNREADABLE = "unreadable"
LARGEST_ID = 2**63 - 1


class Recorder:
    """Writes orders through one open transaction. `digest_key` keys the digests, `identify` the learners."""

    def __init__(self, connection: sqlite3.Connection, digest_key: bytes, identify: Identify, now: datetime):
        self._db = connection
        self._digest_key = digest_key
        self._identify = identify
        self._now = now
        self._now_text = render_instant(now)
        self._facts = OrderFacts(connection, digest_key, identify, now)

    def record_orders(self, orders: Sequence[Order], plan: PlanOrder) -> PageRecord:
        """Records each order that is news. One that the ledger cannot take is parked and harms no other."""
        total = PageRecord()
        for order in orders:
            brought = self._guarded(order.order_id, partial(self._record_news, order, plan))
            total = total.plus(brought)
        return replace(total, fetched=len(orders))

    def record_unreadable(self, unreadable: Sequence[Unreadable]) -> PageRecord:
        parked = 0
        for order in unreadable:
            order_id, reason = order.order_id or 0, plain(order.reason)
            if order_id > LARGEST_ID:
                order_id, reason = 0, f"order {order_id}: {reason}"
            parked += self._park(order_id, [Parked(kind=UNREADABLE, reason=reason)], kinds={UNREADABLE})
        return PageRecord(fetched=len(unreadable), parked=parked)

    def replan(self, order_id: OrderId, plan: PlanOrder) -> PageRecord:
        """Plans an order again from what is known of it, whose facts stay as they are. An unknown one is left out."""
        return self._guarded(order_id, lambda: self._replan(order_id, plan))

    def record_deleted(self, order_id: OrderId, plan: PlanOrder) -> PageRecord:
        """Keeps that the shop does not know an order any more. Should it ever again, that is news."""
        cursor = self._db.execute(
            "UPDATE orders SET status = ?, digest = '' WHERE order_id = ? AND status <> ?",
            (DELETED, order_id, DELETED),
        )
        if not cursor.rowcount:
            return PageRecord()
        audit(self._db, "shop", "order_read", f"order {order_id}", DELETED, self._now)
        return self.replan(order_id, plan)

    def _is_paid(self, order_id: OrderId) -> bool:
        row = self._read_head(order_id)
        return row is not None and bool(row["paid"])

    def _record_news(self, order: Order, plan: PlanOrder) -> PageRecord:
        stored = self._db.execute(
            "SELECT modified_at, digest FROM orders WHERE order_id = ?", (order.order_id,)
        ).fetchone()
        if stored is not None and self._is_older(order, stored["modified_at"]):
            return PageRecord()
        if stored is not None and stored["digest"] == digest_order(order, self._digest_key):
            self._park(order.order_id, (), kinds={UNREADABLE})
            return PageRecord()
        return self._record_order(order, plan)

    def _is_older(self, order: Order, stored_at: str) -> bool:
        """A stored date from the future was set by a shop's clock that was ahead: it holds nothing back."""
        if stored_at > render_instant(self._now + FUTURE):
            return False
        return render_instant(order.modified_at) < stored_at

    def _guarded(self, order_id: OrderId, record: Callable[[], PageRecord]) -> PageRecord:
        """What the order brought; parks it, with nothing else changed, if the ledger cannot take it."""
        self._db.execute("SAVEPOINT one_order")
        try:
            brought = record()
        except (ValueError, ArithmeticError, sqlite3.IntegrityError, sqlite3.InterfaceError) as exc:
            self._db.execute("ROLLBACK TO one_order")
            reason = f"the ledger cannot take it ({type(exc).__name__}); look at the order in the shop"
            brought = replace(
                self.record_unreadable([Unreadable(order_id=order_id, reason=reason)]), fetched=0
            )
        self._db.execute("RELEASE one_order")
        return brought

    def _replan(self, order_id: OrderId, plan: PlanOrder) -> PageRecord:
        before = self._read_head(order_id)
        if before is None:
            return PageRecord()
        return self._plan(self._facts.read(order_id), plan, before, every_seat=True)

    def _record_order(self, order: Order, plan_order: PlanOrder) -> PageRecord:
        """Facts first: what they mean is planned from what is then known."""
        before = self._read_head(order.order_id)
        self._facts.write(order)
        audit_reading(self._db, order, before, self._now)
        if origin.may_have_sold(self._db, order):
            self._sell_first(order, plan_order, before)
        brought = self._plan(order, plan_order, before, every_seat=False)
        if self._is_paid(order.order_id):
            self._facts.write_learners(order)
        return brought

    def _sell_first(self, order: Order, plan_order: PlanOrder, before: sqlite3.Row | None) -> None:
        """Has seats ended that the ledger never knew: after a restore, of an order that was sold and given back since
        the backup. What the lost ledger did for them is to be looked for. Nothing, where any seat would stay live
        without a payment, or where all of them are known."""
        if self._read_entitlements(order.order_id):
            return
        sold = replace(order, status=COMPLETED, refunds=(), refunded_total=Decimal(0))
        circumstances = self._circumstances(order, ())
        seats = plan_order(sold, (), circumstances).entitlements
        left = plan_order(order, seats, circumstances)
        unpaid = not left.paid and any(seat.live for seat in left.entitlements)
        if not unpaid and any(not seat.live for seat in left.entitlements):
            self._plan(sold, plan_order, before, every_seat=False)
            self._facts.write_learners(order)

    def _plan(
        self, order: Order, plan_order: PlanOrder, before: sqlite3.Row | None, *, every_seat: bool
    ) -> PageRecord:
        """`every_seat`: the wishes behind all its seats are looked at again, not only those that the plan changed."""
        known = self._read_entitlements(order.order_id)
        circumstances = self._circumstances(order, known)
        plan = plan_order(order, known, circumstances)
        paid_before = before is not None and bool(before["paid"])
        self._write_plan(order.order_id, plan)
        self._write_entitlements(plan.entitlements)
        if not circumstances.held:
            live = {(seat.line_id, seat.seat) for seat in plan.entitlements if seat.live}
            over = outlived(circumstances.decisions, paid=plan.paid, live=live)
            forget_outlived(self._db, order.order_id, over, self._now)
        changed = set(known) ^ set(plan.entitlements)
        if paid_before != plan.paid:
            changed |= {*known, *plan.entitlements}
        touched = _keys_of(changed)
        for key in sorted(touched | _keys_of(plan.entitlements) if every_seat else touched):
            refresh_wish(self._db, *key, self._now)
        parked = self._park(order.order_id, plan.parked, kinds=None)
        parked += self._park_repeats(order.order_id, changed)
        if (
            touched or parked
        ):  # else nothing is new, and an order from before notes were switched on stays untold
            note_order(self._db, order.order_id, self._now)
        return PageRecord(
            fresh=1,
            lines=len(plan.lines),
            unmapped=sum(line.verdict is Verdict.UNMAPPED for line in plan.lines),
            parked=parked,
        )

    def _circumstances(self, order: Order, known: Sequence[Entitlement]) -> Circumstances:
        keys = {self._identify(person.email) for person in people_of(order) if person.email}
        return read_circumstances(
            self._db, order.order_id, keys | {seat.learner_key for seat in known} - {NOBODY}
        )

    def _park_repeats(self, order_id: OrderId, changed: Collection[Entitlement]) -> int:
        """Keeps what is said of courses bought twice in line, in later orders too. Returns how many entries of this
        order are new."""
        for other in later_orders(self._db, order_id, changed):
            if self._park(other, find_repeats(self._db, other), kinds={BOUGHT_AGAIN}):
                note_order(self._db, other, self._now)
        return self._park(order_id, find_repeats(self._db, order_id), kinds={BOUGHT_AGAIN})

    def _read_head(self, order_id: OrderId) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(
            "SELECT status, paid_at, refunds, paid FROM orders WHERE order_id = ?", (order_id,)
        ).fetchone()
        return row

    def _write_plan(self, order_id: OrderId, plan: OrderPlan) -> None:
        self._db.execute("UPDATE orders SET paid = ? WHERE order_id = ?", (int(plan.paid), order_id))
        self._db.executemany(
            "UPDATE order_lines SET verdict = ?, reason = ? WHERE order_id = ? AND line_id = ?",
            [(one.verdict.value, one.reason, order_id, one.line.line_id) for one in plan.lines],
        )

    def _write_entitlements(self, entitlements: Sequence[Entitlement]) -> None:
        self._db.executemany(
            "INSERT INTO entitlements (order_id, line_id, seat, lms, course_id, learner_key, options, live, reason, "
            "source, product_id, variation_id, starts_at, access, on_withdraw, cause, sold_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (order_id, line_id, seat, lms, course_id) DO UPDATE SET learner_key = excluded.learner_key, "
            "live = excluded.live, reason = excluded.reason, cause = excluded.cause, starts_at = excluded.starts_at",
            [
                (
                    seat.order_id,
                    seat.line_id,
                    seat.seat,
                    seat.target.lms,
                    seat.target.course_id,
                    seat.learner_key,
                    render_options(seat.target.options),
                    int(seat.live),
                    seat.reason,
                    seat.source,
                    seat.product_id,
                    seat.variation_id,
                    text_of(seat.starts_at),
                    render_access(seat.access),
                    seat.on_withdraw or "",
                    seat.cause or "",
                    self._now_text,
                )
                for seat in entitlements
            ],
        )

    def _park(self, order_id: int, entries: Sequence[Parked], *, kinds: set[str] | None) -> int:
        """Puts `entries` on the list and takes those off that no longer hold; one that a person dropped stays
        dropped while its reason is the same. `kinds` None = all that a plan makes. Returns how many are new."""
        held = {(entry.line_id or 0, entry.kind): entry.reason for entry in entries}
        rows = self._db.execute(
            "SELECT line_id, kind, reason FROM parked WHERE order_id = ?", (order_id,)
        ).fetchall()
        known = {(row["line_id"], row["kind"]): row["reason"] for row in rows}
        for line_id, kind in known.keys() - held.keys():
            if kind in kinds if kinds is not None else kind not in NOT_PLANNED:
                self._db.execute(
                    "DELETE FROM parked WHERE order_id = ? AND line_id = ? AND kind = ?",
                    (order_id, line_id, kind),
                )
        self._db.executemany(
            "INSERT INTO parked (order_id, line_id, kind, reason, since) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (order_id, line_id, kind) DO UPDATE SET reason = excluded.reason, "
            "since = iif(reason = excluded.reason, since, excluded.since), "
            "dropped_at = iif(reason = excluded.reason, dropped_at, NULL)",
            [(order_id, entry.line_id or 0, entry.kind, entry.reason, self._now_text) for entry in entries],
        )
        return sum(known.get(key) != reason for key, reason in held.items())

    def _read_entitlements(self, order_id: int) -> list[Entitlement]:
        rows = self._db.execute("SELECT * FROM entitlements WHERE order_id = ?", (order_id,)).fetchall()
        return [entitlement_of(row) for row in rows]


def _keys_of(seats: Iterable[Entitlement]) -> set[tuple[str, str, str]]:
    """The enrolments behind these seats."""
    return {(seat.target.lms, seat.target.course_id, seat.learner_key) for seat in seats}
