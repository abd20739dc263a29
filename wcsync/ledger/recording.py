"""Recording what the shop said: facts, seats, wishes. Everything here runs inside the caller's transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from wcsync.ledger.base import CursorMove, PageRecord
from wcsync.ledger.order_notes import note_order
from wcsync.ledger.people import read_learner
from wcsync.ledger.rows import (
    digest_order,
    entitlement_of,
    order_of,
    plain,
    render_access,
    render_options,
    text_of,
)
from wcsync.ledger.wishes import OF_THE_LMS, refresh_wish
from wcsync.model import (
    Entitlement,
    Identify,
    LinePlan,
    Order,
    OrderId,
    OrderPlan,
    Parked,
    Person,
    PlanOrder,
    Unreadable,
    Verdict,
)
from wcsync.sale import NOTHING_SPECIAL
from wcsync.times import render_instant

REPLAN_BATCH = 200
UNREADABLE = "unreadable"
LARGEST_ID = 2**63 - 1
FUTURE = timedelta(minutes=15)
"""A change dated further ahead than this was dated by a clock that was wrong."""


class Recorder:
    """Writes orders through one open transaction. `digest_key` keys the digests, `identify` the learners."""

    def __init__(self, connection: sqlite3.Connection, digest_key: bytes, identify: Identify, now: datetime):
        self._db = connection
        self._digest_key = digest_key
        self._identify = identify
        self._now = now
        self._now_text = render_instant(now)

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
        """Plans an order again from what is known of it."""
        return self._guarded(order_id, lambda: self._record_order(self._read_order(order_id), plan))

    def move_cursor(self, move: CursorMove) -> None:
        """Keeps a walk under way, or ends it and goes forward. A cursor never goes back."""
        walk = move.walk
        self._db.execute(
            "UPDATE cursors SET position = max(position, coalesce(:position, position)), walk_since = :since, "
            "walk_started_at = :started_at, walk_newest = :newest, walk_page = :page, walk_total = :total, "
            "polled_at = iif(:page IS NULL, :now, polled_at) WHERE name = :name",
            {
                "name": move.name,
                "position": text_of(move.position),
                "since": text_of(walk.since) if walk else None,
                "started_at": text_of(walk.started_at) if walk else None,
                "newest": text_of(walk.newest) if walk else None,
                "page": walk.page if walk else None,
                "total": walk.total if walk else None,
                "now": self._now_text,
            },
        )

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

    def _record_order(self, order: Order, plan_order: PlanOrder) -> PageRecord:
        known = self._read_entitlements(order.order_id)
        plan = plan_order(order, known, NOTHING_SPECIAL)
        paid_before = self._read_paid(order.order_id)
        self._write_order(order, paid=plan.paid)
        self._write_lines(order, plan.lines)
        if plan.paid:
            self._write_learner(order.buyer)
        self._write_entitlements(plan.entitlements)
        parked = self._park(order.order_id, plan.parked, kinds=None)
        touched = _touched(known if paid_before == plan.paid else [], plan)
        for lms, course_id, learner_key in sorted(touched):
            refresh_wish(self._db, lms, course_id, learner_key, self._now)
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

    def _read_paid(self, order_id: OrderId) -> bool | None:
        row = self._db.execute("SELECT paid FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        return None if row is None else bool(row["paid"])

    def _write_order(self, order: Order, *, paid: bool) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO orders (order_id, number, status, created_at, modified_at, paid_at, "
            "completed_at, customer_id, learner_key, refunded_total, paid, digest, read_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order.order_id,
                order.number,
                order.status,
                text_of(order.created_at),
                text_of(order.modified_at),
                text_of(order.paid_at),
                text_of(order.completed_at),
                order.customer_id,
                self._identify(order.buyer.email) if order.buyer.email else "",
                str(order.refunded_total),
                int(paid),
                digest_order(order, self._digest_key),
                self._now_text,
            ),
        )

    def _write_lines(self, order: Order, plans: Sequence[LinePlan]) -> None:
        self._db.execute("DELETE FROM order_lines WHERE order_id = ?", (order.order_id,))
        self._db.executemany(
            "INSERT OR REPLACE INTO order_lines (order_id, line_id, product_id, variation_id, sku, name, quantity, "
            "total, verdict, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    order.order_id,
                    plan.line.line_id,
                    plan.line.product_id,
                    plan.line.variation_id,
                    plan.line.sku,
                    plan.line.name,
                    str(plan.line.quantity),
                    plan.line.total,
                    plan.verdict.value,
                    plan.reason,
                )
                for plan in plans
            ],
        )

    def _write_learner(self, buyer: Person) -> None:
        """The latest order's names win; an order without names does not blank those of an earlier one."""
        if not buyer.email:
            return
        self._db.execute(
            "INSERT INTO learners (learner_key, email, first_name, last_name, language, changed_at) "
            "VALUES (?, ?, ?, ?, '', ?) ON CONFLICT (learner_key) DO UPDATE SET "
            "email = iif(email = '', excluded.email, email), "
            "first_name = iif(excluded.first_name = '', first_name, excluded.first_name), "
            "last_name = iif(excluded.last_name = '', last_name, excluded.last_name), "
            "changed_at = excluded.changed_at",
            (self._identify(buyer.email), buyer.email, buyer.first_name, buyer.last_name, self._now_text),
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
            if kind in kinds if kinds is not None else kind not in OF_THE_LMS:
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

    def _read_order(self, order_id: OrderId) -> Order:
        row = self._db.execute("SELECT * FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        lines = self._db.execute(
            "SELECT * FROM order_lines WHERE order_id = ? ORDER BY line_id", (order_id,)
        ).fetchall()
        return order_of(row, lines, read_learner(self._db, row["learner_key"]))


def _touched(known: Sequence[Entitlement], plan: OrderPlan) -> set[tuple[str, str, str]]:
    """The enrolments whose seats this plan changed."""
    before = set(known)
    return {
        (seat.target.lms, seat.target.course_id, seat.learner_key)
        for seat in plan.entitlements
        if seat not in before
    }
