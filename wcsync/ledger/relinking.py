"""Giving a learner another address. Everything here runs inside the caller's transaction."""

import sqlite3
from datetime import datetime

from wcsync.ledger import missing
from wcsync.ledger.aliases import key_in_use, record_alias
from wcsync.ledger.allowing import allow, waiting_row
from wcsync.ledger.desk import Merging
from wcsync.ledger.order_facts import write_person
from wcsync.ledger.parking import OF_THE_LMS, unpark
from wcsync.ledger.people import read_learner
from wcsync.ledger.wishes import audit, refresh_wish
from wcsync.model import Identify, LearnerKey, OrderId, Person
from wcsync.sale import GENTLENESS, Cause, Withdrawal

_ORDERS_OF = """
    SELECT order_id FROM orders WHERE learner_key = :key
    UNION SELECT order_id FROM entitlements WHERE learner_key = :key ORDER BY order_id
"""
_SEATS_OF = "SELECT DISTINCT order_id FROM entitlements WHERE learner_key = ?"


def relink(
    db: sqlite3.Connection, old: str, new: Person, identify: Identify, now: datetime, *, force: bool
) -> tuple[int, list[OrderId]]:
    """How many seats moved, and the orders to plan anew. Raises KeyError for an unknown old address, Merging."""
    source, target = key_in_use(db, identify(old)), identify(new.email)
    if source == target:
        if _is_known(db, target):  # whoever was erased since is known again
            write_person(db, target, new, now, now)
        return 0, []
    orders = orders_of(db, source)
    if not orders and not _is_known(db, source):
        raise KeyError(source)
    own = _orders_of_its_own(db, source, target)
    if own and not force:
        raise Merging(own)
    return _move(db, source, target, new, now), sorted({*orders, *own})


def orders_of(db: sqlite3.Connection, key: LearnerKey) -> list[OrderId]:
    """Those that a learner bought or learns by."""
    return [OrderId(row["order_id"]) for row in db.execute(_ORDERS_OF, {"key": key}).fetchall()]


def _orders_of_its_own(db: sqlite3.Connection, source: LearnerKey, target: LearnerKey) -> list[OrderId]:
    """The orders of another learner who has the new address. One that was put right in the shop is none: by it, the
    old address learns. An address that stands for somebody else is that person's."""
    holder = key_in_use(db, target)
    if holder == source:
        return []
    shared = {row["order_id"] for row in db.execute(_SEATS_OF, (source,)).fetchall()}
    seats = {row["order_id"] for row in db.execute(_SEATS_OF, (holder,)).fetchall()}
    return [order_id for order_id in orders_of(db, holder) if order_id in seats or order_id not in shared]


def _is_known(db: sqlite3.Connection, key: LearnerKey) -> bool:
    return db.execute("SELECT 1 FROM learners WHERE learner_key = ?", (key,)).fetchone() is not None


def _move(db: sqlite3.Connection, source: LearnerKey, target: LearnerKey, new: Person, now: datetime) -> int:
    holder = key_in_use(db, target)
    if holder not in {source, target}:  # forced: the new address is one that stands for this one
        target = holder
    else:
        write_person(db, target, _with_names(new, read_learner(db, source)), now, now)
    record_alias(db, source, target, now)
    moved = _move_seats(db, source, target, now)
    audit(db, "operator", "relinked", f"learner {source}", f"now {target}", now)
    return moved


def _with_names(new: Person, old: Person) -> Person:
    return Person(
        email=new.email,
        first_name=new.first_name or old.first_name,
        last_name=new.last_name or old.last_name,
        fields=new.fields or old.fields,
    )


def _move_seats(db: sqlite3.Connection, source: LearnerKey, target: LearnerKey, now: datetime) -> int:
    rows = db.execute(
        "SELECT DISTINCT lms, course_id FROM entitlements WHERE learner_key = ?", (source,)
    ).fetchall()
    places = [(row["lms"], row["course_id"]) for row in rows]
    ways = {place: _way_out(db, *place, source) for place in places}
    for place in places:
        unpark(db, OF_THE_LMS, (*place, source))
        missing.unpark(db, *place, source)
    moved = db.execute(
        "UPDATE entitlements SET learner_key = ? WHERE learner_key = ?", (target, source)
    ).rowcount
    for place in places:
        refresh_wish(db, *place, target, now)
        refresh_wish(db, *place, source, now)
        _say_why(db, (*place, source), ways[place], now)
    return moved


def _way_out(db: sqlite3.Connection, lms: str, course_id: str, key: LearnerKey) -> Withdrawal | None:
    """What the seats that leave the old address say of withdrawing: the gentlest of it."""
    rows = db.execute(
        "SELECT DISTINCT on_withdraw FROM entitlements WHERE lms = ? AND course_id = ? AND learner_key = ? "
        "AND live = 1",
        (lms, course_id, key),
    ).fetchall()
    said = {row["on_withdraw"] for row in rows}
    return next((way for way in GENTLENESS if way.value in said), None)


def _say_why(
    db: sqlite3.Connection, key: tuple[str, str, str], way: Withdrawal | None, now: datetime
) -> None:
    """No seat is left that could tell why the old address is to go. Nobody is asked whether it is: a person just said
    so, and there is no order any more beside which it could be asked."""
    db.execute(
        "UPDATE enrolments SET cause = ?, on_withdraw = ? WHERE lms = ? AND course_id = ? AND learner_key = ? "
        "AND desired = 'out' AND applied_revision < revision",
        (Cause.RELINKED.value, way.value if way is not None else "", *key),
    )
    if way is not Withdrawal.KEEP:
        allow(db, waiting_row(db, key), now)
