"""A ledger in memory on which a recording can be tried out: what would happen, without a byte written anywhere."""

import secrets
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wcsync.ledger.ailment import Ailment
from wcsync.ledger.connection import BUSY_TIMEOUT_MS, migrate, unusable
from wcsync.ledger.facts import read_fact
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import is_missing

Row = dict[str, Any]
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a rehearsed recording would change.

    Orders are `new`, `changed` or `known` (read again, nothing new); `paid_lines` are those of new and changed orders.
    `enrol` and `withdraw`: per course, how many learners would be told to the LMS; `had_already`: seats of learners who
    are to be in that course anyway. `unmapped`: products without a mapping row. `parked`: new entries on that list.
    """

    new: int
    changed: int
    known: int
    paid_lines: int
    enrol: list[Row]
    withdraw: list[Row]
    had_already: int
    unmapped: list[Row]
    parked: list[Row]


class Rehearsal(SqliteLedger):
    """A copy of the ledger at `path`, an empty one if there is none. The file is only read, also beside a daemon.

    To be used by the thread that made it. `close()` forgets everything.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if the file cannot be read or belongs to another program."""
        self.path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.ailment = Ailment(self._try_out)
        memory = sqlite3.connect(":memory:", isolation_level=None)
        memory.row_factory = sqlite3.Row
        self._connections = [(threading.current_thread(), memory)]
        self._local.connection = memory
        try:
            if not is_missing(path):
                _copy(path, memory)
            migrate(path, memory)
            for statement in _SNAPSHOT:
                memory.execute(statement)
            self._identity_key = self._known_key()
        except (sqlite3.DatabaseError, ValueError, OSError) as exc:
            self.close()
            raise unusable(path, f"cannot be read ({exc})") from exc
        except BaseException:
            self.close()
            raise

    def outlook(self, fetched: int) -> Outlook:
        """What is another than in the copy at first. `fetched`: how many different orders were read."""
        figures = self._db.execute(_ORDERS).fetchone()
        new, changed = figures["new"], figures["changed"]
        return Outlook(
            new=new,
            changed=changed,
            known=max(fetched - new - changed, 0),
            paid_lines=self._db.execute(_PAID_LINES).fetchone()[0],
            enrol=self._rows(_TOLD, desired="in"),
            withdraw=self._rows(_TOLD, desired="out"),
            had_already=self._db.execute(_HAD_ALREADY).fetchone()[0],
            unmapped=self._rows(_UNMAPPED),
            parked=self._rows(_PARKED),
        )

    def _rows(self, sql: str, **values: str) -> list[Row]:
        return [dict(row) for row in self._db.execute(sql, values).fetchall()]

    def _known_key(self) -> bytes:
        """The ledger's own key, so that its learners are known again; a new ledger has none yet."""
        known = read_fact(self._db, "identity_key")
        return bytes.fromhex(known) if known else secrets.token_bytes(32)


def _copy(path: Path, memory: sqlite3.Connection) -> None:
    """One consistent copy.

    A ledger that nobody has open is read as a file that does not change: SQLite would leave files of its own beside
    it otherwise. If somebody opens it meanwhile, it is copied again.
    """
    for _ in range(_TRIES):
        quiet, before = _quiet(path), path.stat().st_mtime_ns
        mode = "immutable=1" if quiet else "mode=ro"
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)) as source:
            source.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").fetchall()
            source.backup(memory)
        if not quiet or (_quiet(path) and path.stat().st_mtime_ns == before):
            return
    raise sqlite3.OperationalError("it was opened and closed again and again meanwhile; try again")


def _quiet(path: Path) -> bool:
    return not path.with_name(f"{path.name}-wal").exists()


_SNAPSHOT = (
    "CREATE TEMP TABLE orders_before AS SELECT order_id, digest FROM orders",
    "CREATE UNIQUE INDEX temp.orders_before_key ON orders_before (order_id)",
    "CREATE TEMP TABLE seats_before AS SELECT order_id, line_id, seat, lms, course_id FROM entitlements",
    "CREATE UNIQUE INDEX temp.seats_before_key ON seats_before (order_id, line_id, seat, lms, course_id)",
    "CREATE TEMP TABLE enrolments_before AS SELECT lms, course_id, learner_key, revision FROM enrolments",
    "CREATE UNIQUE INDEX temp.enrolments_before_key ON enrolments_before (lms, course_id, learner_key)",
    "CREATE TEMP TABLE parked_before AS SELECT order_id, line_id, kind, reason FROM parked",
)

_TOUCHED = """
    SELECT o.order_id, o.paid, b.order_id IS NULL AS fresh FROM orders AS o
    LEFT JOIN orders_before AS b USING (order_id) WHERE b.order_id IS NULL OR b.digest <> o.digest
"""

_ORDERS = f"SELECT coalesce(sum(fresh), 0) AS new, coalesce(sum(NOT fresh), 0) AS changed FROM ({_TOUCHED})"

_PAID_LINES = f"SELECT count(*) FROM ({_TOUCHED}) AS t JOIN order_lines USING (order_id) WHERE t.paid"

_TOLD = """
    SELECT e.lms, e.course_id, count(*) AS learners FROM enrolments AS e
    LEFT JOIN enrolments_before AS b USING (lms, course_id, learner_key)
    WHERE e.state = 'due' AND e.desired = :desired AND (b.revision IS NULL OR b.revision <> e.revision)
    GROUP BY e.lms, e.course_id ORDER BY e.lms, learners DESC, e.course_id
"""

_HAD_ALREADY = """
    SELECT count(*) FROM entitlements AS s
    LEFT JOIN seats_before AS b USING (order_id, line_id, seat, lms, course_id)
    JOIN enrolments AS e USING (lms, course_id, learner_key)
    JOIN enrolments_before AS was USING (lms, course_id, learner_key)
    WHERE b.order_id IS NULL AND s.live = 1 AND was.revision = e.revision
"""

_UNMAPPED = f"""
    SELECT l.product_id, l.variation_id, l.sku, max(l.name) AS name, count(*) AS lines
    FROM ({_TOUCHED}) AS t JOIN order_lines AS l USING (order_id) WHERE l.verdict = 'unmapped'
    GROUP BY l.product_id, l.variation_id, l.sku ORDER BY lines DESC, l.product_id
"""

_PARKED = """
    SELECT p.order_id, p.line_id, p.kind, p.reason, o.number FROM parked AS p
    LEFT JOIN parked_before AS b USING (order_id, line_id, kind) LEFT JOIN orders AS o USING (order_id)
    WHERE p.dropped_at IS NULL AND b.reason IS NOT p.reason ORDER BY p.kind, p.order_id, p.line_id
"""
