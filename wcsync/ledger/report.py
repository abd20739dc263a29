"""Reading the ledger for people: read-only queries, no addresses."""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from wcsync.errors import ConfigError, Problem
from wcsync.ledger import desk_report, origin, standing, withdrawals
from wcsync.ledger.base import Barred, Limits, Origin
from wcsync.ledger.connection import BUSY_TIMEOUT_MS, require_tables
from wcsync.ledger.fates import LINE_FATES, OPEN_SEATS, read_fates
from wcsync.ledger.mirror_report import describe_mirror
from wcsync.ledger.story import read_people, read_story
from wcsync.model import LineId, OrderId
from wcsync.rights import with_rights

Row = dict[str, Any]

LARGEST_ID = 2**63 - 1
_ID = re.compile(r"0|[1-9][0-9]{0,18}")
"""`00017` is a number some shops give, and never the id 17."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The ledger in numbers.

    `lines`: lines of paid orders; `enrolled`, `unmapped`, `ignored`, `dropped` (dealt with by hand), `ended` (given
    back, or their time is over) and `unexplained`: among those. `open_seats`: seats of theirs that nobody has.
    `parked`: entries on the parked list; `due`, `dead`: enrolments waiting for a call or given up, withdrawals
    included; `withdrawn`: enrolments ended. `unexplained` must be 0: whatever is there was lost track of.
    """

    orders: int
    lines: int
    enrolled: int
    open_seats: int
    withdrawn: int
    ended: int
    parked: int
    unmapped: int
    ignored: int
    dropped: int
    dead: int
    due: int
    unexplained: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class Report:
    """Answers questions about a ledger that may be in use by a daemon at the same time."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if there is no ledger at `path`, or one of another version."""
        try:
            self._db = Database(_connect(path))
        except sqlite3.DatabaseError as exc:
            raise ConfigError([_no_ledger(path, exc)]) from exc
        try:
            require_tables(path, self._db)
        except BaseException:
            self._db.close()
            raise

    def summary(self) -> Summary:
        """All figures are of one moment, so that they add up."""
        self._db.conn.execute("BEGIN")
        try:
            return self._summarise()
        finally:
            self._db.conn.execute("ROLLBACK")

    def services(self) -> list[Row]:
        return list(self._db.query("SELECT * FROM services ORDER BY name"))

    def cursors(self) -> list[Row]:
        return list(self._db.query("SELECT name, position, polled_at, walk_page FROM cursors ORDER BY name"))

    def has_mapping(self) -> bool:
        """Whether a mapping file was ever accepted."""
        return self._count("facts", "name = 'mapping'") > 0

    def mapping_refusal(self) -> Row | None:
        """Since when the mapping file is refused, and why; None if it is not."""
        rows = list(self._db.query("SELECT value FROM facts WHERE name = 'mapping_refusal' AND value <> ''"))
        refusal: Row | None = json.loads(rows[0]["value"]) if rows else None
        return refusal

    def due(self) -> int:
        """How many enrolments wait for a call. Quick, however large the ledger is."""
        return sum(self._count("enrolments", f"state = '{state}'") for state in ("due", "leased"))

    def due_by_lms(self) -> dict[str, int]:
        """How many enrolments wait for a call to each LMS, those included that are in the config no more."""
        rows = self._db.query(
            "SELECT lms, count(*) AS waiting FROM enrolments WHERE state IN ('due', 'leased') GROUP BY lms"
        )
        return {row["lms"]: row["waiting"] for row in rows}

    def oldest_due(self) -> str | None:
        """When the longest waiting enrolment was wished for."""
        rows = self._db.query(
            "SELECT min(wished_at) AS wished_at FROM enrolments WHERE state IN ('due', 'leased')"
        )
        oldest: str | None = next(iter(rows))["wished_at"]
        return oldest

    def find_orders(self, text: str) -> list[Row]:
        """Every order with this number or id: `order_id`, `number` (None if it was never read in full). `number:…` and
        `id:…` say which is meant."""
        way, colon, rest = text.partition(":")
        if not colon or way not in {"id", "number"}:
            way, rest = "", text.removeprefix("#")
        order_id = int(rest) if _ID.fullmatch(rest) and int(rest) <= LARGEST_ID else None
        key = {"number": None if way == "id" else rest, "id": None if way == "number" else order_id}
        return list(self._db.query(_FOUND, key))

    def ambiguous_numbers(self) -> frozenset[str]:
        """Numbers that are also the id or number of another order."""
        return frozenset(row["number"] for row in self._db.query(_AMBIGUOUS))

    def order_of(self, order_id: int) -> Row | None:
        """All the ledger knows of one order: what the shop said, seats, enrolments, what needs a person, notes."""
        return read_story(self._db, order_id)

    def people_of(self, order_id: int) -> list[Row]:
        """Who an order's learners are. The one answer that holds addresses: for whoever asks for them."""
        return read_people(self._db, order_id)

    def orders_of_learner(self, lms: str, course_id: str, learner: str) -> list[Row]:
        """The orders that sold a course to a learner, given by the beginning of the hash: `order_id` and `number`."""
        key = {"lms": lms, "course_id": course_id, "first": learner, "last": f"{learner}g"}
        return list(self._db.query(_ORDERS_OF_LEARNER, key))

    def line_fates(self, order_ids: Sequence[OrderId]) -> Mapping[tuple[OrderId, LineId], str]:
        """What became of each paid line of these orders, in one word; see `ledger.fates`."""
        return read_fates(self._db.conn, order_ids)

    def barred(self, limits: Limits, now: datetime) -> Barred | None:
        """The withdrawals that wait for a person's word, as there are more than the limits allow; None if not."""
        return withdrawals.barred(self._db.conn, limits, now)

    def dead(self) -> list[Row]:
        """What was given up, oldest first. `sales`: the order lines it was sold by."""
        rows = list(self._db.query(_DEAD))
        return [row | {"sales": json.loads(row["sales"])} for row in rows]

    def parked(self) -> list[Row]:
        """What needs a person, oldest first. Number and product are None where they are not known."""
        return list(self._db.query(_PARKED))

    def unmapped(self) -> list[Row]:
        """Products that were sold and that no mapping row names, most sold first."""
        return list(self._db.query(_UNMAPPED))

    def messages(self) -> list[Row]:
        """Per channel how many messages wait and how many were given up."""
        return list(
            self._db.query(
                "SELECT channel, sum(state IN ('due', 'leased')) AS waiting, sum(state = 'dead') AS given_up, "
                "min(iif(state IN ('due', 'leased'), created_at, NULL)) AS oldest "
                "FROM outbox GROUP BY channel ORDER BY channel"
            )
        )

    def mirror(self) -> Row | None:
        """How the course mirror does; None if it never ran."""
        return describe_mirror(self._db)

    def seats_of(self, order_id: int) -> list[Row]:
        """Every seat an order ever sold, with what its enrolment came to."""
        return desk_report.seats_of(self._db, order_id)

    def lines_of(self, order_id: int) -> dict[int, str]:
        """What the lines of an order sold, by their ids."""
        return desk_report.lines_of(self._db, order_id)

    def hold_of(self, order_id: int) -> Row | None:
        """Since when and why an order is held; None if it is not."""
        return desk_report.hold_of(self._db, order_id)

    def numbers_of(self, order_ids: Iterable[int]) -> list[Row]:
        """What people call these orders: `order_id` and `number`."""
        return desk_report.numbers_of(self._db, list(order_ids))

    def withdrawals(self) -> list[Row]:
        """Learners who are in and are to be withdrawn, longest first."""
        return desk_report.withdrawals(self._db)

    def held(self) -> list[Row]:
        """Orders about which nothing is done, longest first. `number` None: never read in full."""
        return desk_report.held(self._db)

    def accounts_made(self, lms: str, since: datetime | None) -> int:
        """How many accounts wcsync made in an LMS, or was about to; since that instant, None = ever."""
        return standing.accounts_made(self._db, lms, since)

    def waiting_for_budgets(self) -> dict[str, int]:
        """How many enrolments wait until an LMS may get further accounts, for each LMS where some do."""
        return standing.waiting_for_budgets(self._db)

    def origin(self) -> Origin | None:
        """What this ledger knows of itself as a copy; None if it never was one."""
        return origin.read(self._db.conn)

    def proof(self) -> Row:
        """How the proof did: the figures of the last one, when it was, and since when it does not work."""
        return standing.proof(self._db)

    def close(self) -> None:
        self._db.close()

    def _summarise(self) -> Summary:
        fates: dict[str, int] = {row["fate"]: row["n"] for row in self._db.query(_FATES)}
        states: dict[str, int] = {row["state"]: row["n"] for row in self._db.query(_STATES)}
        return Summary(
            orders=self._count("orders"),
            lines=sum(fates.values()),
            enrolled=fates.get("enrolled", 0),
            open_seats=self._one(OPEN_SEATS),
            withdrawn=self._count("enrolments", "desired = 'out' AND applied = 'out' AND state = 'settled'"),
            ended=fates.get("ended", 0),
            parked=self._count("parked", "dropped_at IS NULL"),
            unmapped=fates.get("unmapped", 0),
            ignored=fates.get("ignored", 0),
            dropped=fates.get("dropped", 0),
            dead=states.get("dead", 0),
            due=states.get("due", 0) + states.get("leased", 0),
            unexplained=fates.get("unexplained", 0) + self._count("enrolments", _UNFOUNDED),
        )

    def _count(self, table: str, where: str = "1") -> int:
        return self._one(f"SELECT count(*) AS n FROM {table} WHERE {where}")

    def _one(self, sql: str) -> int:
        return int(next(iter(self._db.query(sql)))["n"])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").fetchall()
        connection.execute("SELECT 1 FROM cursors").fetchall()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def is_missing(path: Path) -> bool:
    """Whether nothing is there; a folder of somebody else, as a unit has one, may hide something."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _no_ledger(path: Path, exc: sqlite3.DatabaseError) -> Problem:
    if is_missing(path):
        message, remedy = (
            "there is no ledger yet",
            "It is made by the first `wcsync run`; check [ledger] path.",
        )
    else:
        message = f"the ledger cannot be read ({with_rights(str(exc), path, to_write=True)})"
        remedy = "Run this as the user of the daemon, and check [ledger] path in the config."
    return Problem(where=str(path), message=message, remedy=remedy)


_FATES = f"SELECT fate, count(*) AS n FROM ({LINE_FATES.format(which='1')}) GROUP BY fate"

# Somebody is to be in although no seat says so.
_UNFOUNDED = """
    desired = 'in' AND NOT EXISTS (
        SELECT 1 FROM entitlements AS s WHERE s.live = 1 AND s.lms = enrolments.lms
        AND s.course_id = enrolments.course_id AND s.learner_key = enrolments.learner_key)
"""

_STATES = "SELECT state, count(*) AS n FROM enrolments GROUP BY state"

_FOUND = """
    SELECT order_id, number FROM orders WHERE number = :number
    UNION SELECT order_id, number FROM orders WHERE order_id = :id
    UNION SELECT order_id, NULL FROM parked WHERE order_id = :id AND order_id NOT IN (SELECT order_id FROM orders)
    UNION SELECT order_id, NULL FROM holds WHERE order_id = :id AND order_id NOT IN (SELECT order_id FROM orders)
    ORDER BY order_id
"""

_AMBIGUOUS = """
    SELECT o.number FROM orders AS o JOIN orders AS twin ON twin.order_id = CAST(o.number AS INTEGER)
    WHERE twin.order_id <> o.order_id AND CAST(twin.order_id AS TEXT) = o.number
    UNION SELECT number FROM orders GROUP BY number HAVING count(*) > 1
    UNION SELECT o.number FROM parked AS p JOIN orders AS o ON o.number = CAST(p.order_id AS TEXT)
    WHERE o.order_id <> p.order_id
"""

_ORDERS_OF_LEARNER = """
    SELECT DISTINCT o.order_id, o.number FROM entitlements AS s JOIN orders AS o USING (order_id)
    WHERE s.lms = :lms AND s.course_id = :course_id AND s.learner_key >= :first AND s.learner_key < :last
    ORDER BY o.order_id
"""

_DEAD = """
    SELECT e.lms, e.course_id, substr(e.learner_key, 1, 8) AS learner, e.desired, e.attempts, e.error_kind, e.error,
        e.changed_at, (
            SELECT group_concat(DISTINCT s.order_id) FROM entitlements AS s
            WHERE s.lms = e.lms AND s.course_id = e.course_id
            AND s.learner_key IN (e.learner_key, a.new_key)) AS orders, (
            SELECT json_group_array(json_object('order_id', s.order_id, 'number', o.number, 'line_id', s.line_id,
                'product', l.name, 'sku', l.sku, 'live', s.live))
            FROM entitlements AS s JOIN orders AS o USING (order_id)
            LEFT JOIN order_lines AS l USING (order_id, line_id)
            WHERE s.lms = e.lms AND s.course_id = e.course_id AND s.learner_key IN (e.learner_key, a.new_key)) AS sales
    FROM enrolments AS e LEFT JOIN aliases AS a ON a.old_key = e.learner_key
    WHERE e.state = 'dead' ORDER BY e.changed_at
"""

_PARKED = """
    SELECT p.order_id, p.line_id, p.kind, p.reason, p.since, o.number, l.name AS product, l.sku, l.quantity
    FROM parked AS p LEFT JOIN orders AS o USING (order_id) LEFT JOIN order_lines AS l USING (order_id, line_id)
    WHERE p.dropped_at IS NULL ORDER BY p.since, p.order_id, p.line_id
"""

_UNMAPPED = """
    SELECT l.product_id, l.variation_id, l.sku, max(l.name) AS name, count(*) AS lines, max(l.order_id) AS last_order
    FROM order_lines AS l WHERE l.verdict = 'unmapped' GROUP BY l.product_id, l.variation_id, l.sku
    ORDER BY lines DESC, l.product_id
"""
