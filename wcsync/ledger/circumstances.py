"""What beside an order's own facts decides what it means. Everything here runs inside the caller's transaction."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta

from wcsync.model import LearnerKey, Order
from wcsync.sale import Circumstances, Decision, Subscription
from wcsync.times import parse_instant, render_instant

FUTURE = timedelta(minutes=15)
"""A change dated further ahead than this was dated by a clock that was wrong."""

_SUBSCRIPTIONS = """
    SELECT * FROM subscriptions WHERE subscription_id IN (
        SELECT subscription_id FROM subscriptions WHERE parent_id = :order_id
        UNION SELECT subscription_id FROM renewals INDEXED BY renewals_of_order WHERE order_id = :order_id)
"""


def read_circumstances(db: sqlite3.Connection, order_id: int, keys: Iterable[LearnerKey]) -> Circumstances:
    """`keys`: of everybody the order names or gave a seat."""
    return Circumstances(
        held=is_held(db, order_id),
        subscriptions=_subscriptions(db, order_id),
        decisions=_decisions(db, order_id),
        aliases=_aliases(db, keys),
    )


def is_held(db: sqlite3.Connection, order_id: int) -> bool:
    return db.execute("SELECT 1 FROM holds WHERE order_id = ?", (order_id,)).fetchone() is not None


def write_renewals(db: sqlite3.Connection, order: Order) -> None:
    """Keeps which subscriptions an order pays anew."""
    if set(read_renewals(db, order.order_id)) == set(order.renews):
        return
    db.execute("DELETE FROM renewals WHERE order_id = ?", (order.order_id,))
    db.executemany(
        "INSERT INTO renewals (subscription_id, order_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(subscription_id, order.order_id) for subscription_id in order.renews],
    )


def read_renewals(db: sqlite3.Connection, order_id: int) -> list[int]:
    rows = db.execute(
        "SELECT subscription_id FROM renewals INDEXED BY renewals_of_order WHERE order_id = ?", (order_id,)
    )
    return sorted(row["subscription_id"] for row in rows.fetchall())


def record_subscription(
    db: sqlite3.Connection, subscription: Subscription, now: datetime
) -> list[int] | None:
    """Keeps how a subscription stands. Returns the recorded orders that it is about; None if that is no news: the same
    as known, or older, where what is known was not dated by a clock that was ahead."""
    row = db.execute(
        "SELECT * FROM subscriptions WHERE subscription_id = ?", (subscription.subscription_id,)
    ).fetchone()
    modified_at = render_instant(subscription.modified_at)
    if row is not None and modified_at < row["modified_at"] <= render_instant(now + FUTURE):
        return None
    known = None if row is None else subscription_of(row)
    if known == subscription:
        return None
    db.execute(
        "INSERT INTO subscriptions (subscription_id, parent_id, status, products, modified_at, read_at) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (subscription_id) DO UPDATE SET parent_id = excluded.parent_id, "
        "status = excluded.status, products = excluded.products, modified_at = excluded.modified_at, "
        "read_at = excluded.read_at",
        (
            subscription.subscription_id,
            subscription.parent_id,
            subscription.status,
            json.dumps(sorted(subscription.products)),
            modified_at,
            render_instant(now),
        ),
    )
    return _orders_about(db, subscription, known)


def subscription_of(row: sqlite3.Row) -> Subscription:
    return Subscription(
        subscription_id=row["subscription_id"],
        parent_id=row["parent_id"],
        status=row["status"],
        products=frozenset(json.loads(row["products"])),
        modified_at=parse_instant(row["modified_at"]),
    )


def _orders_about(
    db: sqlite3.Connection, subscription: Subscription, known: Subscription | None
) -> list[int]:
    """The recorded orders that a subscription began or is renewed by, as it stands and as it stood, as far as it says
    how long they let in: a shop's first thousand renewals need no new plan because each was paid for some days."""
    parents = {subscription.parent_id, known.parent_id if known is not None else subscription.parent_id}
    rows = db.execute(
        "SELECT order_id FROM entitlements WHERE order_id IN (SELECT value FROM json_each(?)) "
        "AND access LIKE '%with_subscription%' UNION SELECT r.order_id FROM renewals AS r "
        "JOIN entitlements USING (order_id) WHERE r.subscription_id = ? AND access LIKE '%with_subscription%'",
        (json.dumps(sorted(parents)), subscription.subscription_id),
    )
    return [row["order_id"] for row in rows.fetchall()]


def _subscriptions(db: sqlite3.Connection, order_id: int) -> tuple[Subscription, ...]:
    rows = db.execute(_SUBSCRIPTIONS, {"order_id": order_id}).fetchall()
    return tuple(sorted(map(subscription_of, rows), key=lambda one: one.subscription_id))


def _decisions(db: sqlite3.Connection, order_id: int) -> frozenset[Decision]:
    rows = db.execute("SELECT cause, line_id, seat FROM decisions WHERE order_id = ?", (order_id,))
    return frozenset(Decision(**row) for row in rows.fetchall())


def _aliases(db: sqlite3.Connection, keys: Iterable[LearnerKey]) -> tuple[tuple[str, str], ...]:
    """Chains followed, each from its far end. When a word was said plays no part: clocks are set back."""
    chains = [_chain(db, key) for key in sorted(keys)]
    links = sorted({link for chain in chains for link in chain}, key=lambda link: (-link[0], link[1:]))
    return tuple((old, new) for _, old, new in links)


def _chain(db: sqlite3.Connection, key: str) -> list[tuple[int, str, str]]:
    """Whom a learner stands for, and so on: each link with how many follow it. `record_alias` keeps out circles."""
    links: list[tuple[str, str]] = []
    while (row := db.execute("SELECT new_key FROM aliases WHERE old_key = ?", (key,)).fetchone()) is not None:
        links.append((key, row["new_key"]))
        key = row["new_key"]
    return [(len(links) - place, *link) for place, link in enumerate(links)]
