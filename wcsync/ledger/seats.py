"""Giving open seats to learners. Everything here runs inside the caller's transaction."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from wcsync.ledger.aliases import key_in_use
from wcsync.ledger.desk import Giving, OpenSeats, TooFewSeats
from wcsync.ledger.order_facts import write_person
from wcsync.ledger.wishes import audit, refresh_wish
from wcsync.model import NOBODY, Identify, LearnerKey, LineId, OrderId, Person

_SEATS = """
    SELECT line_id, seat, min(learner_key) AS learner_key FROM entitlements
    WHERE order_id = ? AND live = 1 GROUP BY line_id, seat ORDER BY line_id, seat
"""
_GIVE = """
    UPDATE entitlements SET learner_key = :learner_key
    WHERE order_id = :order_id AND line_id = :line_id AND seat = :seat AND learner_key = '' AND live = 1
    RETURNING lms, course_id
"""


def read_open_seats(db: sqlite3.Connection, order_id: OrderId) -> list[OpenSeats]:
    """Raises KeyError for an unknown order."""
    require_order(db, order_id)
    lines: dict[int, list[sqlite3.Row]] = {}
    for row in db.execute(_SEATS, (order_id,)).fetchall():
        lines.setdefault(row["line_id"], []).append(row)
    found = [_open_seats(order_id, line_id, rows) for line_id, rows in lines.items()]
    return [line for line in found if line.seats]


def give(
    db: sqlite3.Connection, givings: Sequence[Giving], identify: Identify, now: datetime
) -> dict[OrderId, int]:
    """How many seats each order gave. Raises KeyError, TooFewSeats."""
    given: dict[OrderId, int] = {}
    for giving in givings:
        seats = _give_line(db, giving, identify, now)
        given[giving.order_id] = given.get(giving.order_id, 0) + seats
    return given


def require_order(db: sqlite3.Connection, order_id: OrderId) -> None:
    """Raises KeyError for an order that was never read."""
    if not is_known(db, order_id):
        raise KeyError(order_id)


def require_line(db: sqlite3.Connection, giving: Giving) -> None:
    """Raises KeyError for a line that never sold a seat; one whose seats have all ended did."""
    place = (giving.order_id, giving.line_id)
    sql = "SELECT 1 FROM entitlements WHERE order_id = ? AND line_id = ?"
    if db.execute(sql, place).fetchone() is None:
        raise KeyError(giving.line_id)


def is_known(db: sqlite3.Connection, order_id: OrderId) -> bool:
    return db.execute("SELECT 1 FROM orders WHERE order_id = ?", (order_id,)).fetchone() is not None


def _give_line(db: sqlite3.Connection, giving: Giving, identify: Identify, now: datetime) -> int:
    require_order(db, giving.order_id)
    rows = [
        row for row in db.execute(_SEATS, (giving.order_id,)).fetchall() if row["line_id"] == giving.line_id
    ]
    if not rows:
        require_line(db, giving)
        raise TooFewSeats(giving, 0)
    line = _open_seats(giving.order_id, giving.line_id, rows)
    keyed = {key_in_use(db, identify(person.email)): person for person in giving.learners}
    fresh = {key: person for key, person in keyed.items() if key not in line.learners}
    if len(fresh) > len(line.seats):
        raise TooFewSeats(giving, len(line.seats))
    for seat, (key, person) in zip(line.seats, fresh.items(), strict=False):
        _give_seat(db, giving, seat, key, person, identify, now)
    return len(fresh)


def _give_seat(
    db: sqlite3.Connection,
    giving: Giving,
    seat: int,
    key: LearnerKey,
    person: Person,
    identify: Identify,
    now: datetime,
) -> None:
    if key == identify(person.email):  # one whose address stands for another is known by that one
        write_person(db, key, person, now, now)
    place = {"order_id": giving.order_id, "line_id": giving.line_id, "seat": seat, "learner_key": key}
    targets = db.execute(_GIVE, place).fetchall()
    for target in targets:
        refresh_wish(db, target["lms"], target["course_id"], key, now)
    detail = f"line {giving.line_id}, seat {seat}, learner {key[:8]}"
    audit(db, "operator", "seat_assigned", f"order {giving.order_id}", detail, now)


def _open_seats(order_id: OrderId, line_id: int, rows: Sequence[sqlite3.Row]) -> OpenSeats:
    return OpenSeats(
        order_id=order_id,
        line_id=LineId(line_id),
        seats=tuple(row["seat"] for row in rows if row["learner_key"] == NOBODY),
        learners=tuple(LearnerKey(row["learner_key"]) for row in rows if row["learner_key"] != NOBODY),
    )
