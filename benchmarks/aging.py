"""A ledger as it is after years of sales."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.product import CAMPUS, render_mapping
from benchmarks.sales import paid_order, record
from wcsync.ledger.base import Claim
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.moodle import TARGET_KEYS
from wcsync.mappers.mapping import read_mapping
from wcsync.mappers.notes import NOTE_CHANNEL
from wcsync.model import Applied, Outcome

MAPPING = read_mapping("mapping.toml", render_mapping().encode(), {CAMPUS: TARGET_KEYS})
ASKED = ("orders", "order_lines", "entitlements", "enrolments", "learners", "accounts")
TOLD = ("outbox", "audit")
"""Tables that grow with every order: those that daily steps look up in, and those that only people do."""
SCATTERED = "(n * 2654435761) & 4294967295"
"""As hashes are: pages fill as they do in life."""
IN_ORDER = "n * (4294967295 / :copies)"
"""As far apart, one after the other: pages are filled to the brim, and in a fraction of the time."""
KEY_DIGITS = 32
"""Of a learner's key."""
FAST = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "locking_mode = EXCLUSIVE")


def age(path: Path, orders: int, keys: str) -> None:
    """Makes a ledger of so many orders of one line each, settled and told of, with all that belongs to them: one made
    by the product, the rest its copies under other keys, because making each by the product would take minutes."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.post.record_channels([NOTE_CHANNEL], datetime.now(UTC))
        record(ledger, MAPPING, [paid_order(1, buyer=1)])
        settle(ledger, claim(ledger))
        message = ledger.post.claim(NOTE_CHANNEL, datetime.now(UTC))
        assert message is not None
        assert ledger.post.settle_sent(message, datetime.now(UTC))
        ledger.post.record_channels([], datetime.now(UTC))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        _copy_all(db, orders - 1, keys)


def claim(ledger: SqliteLedger) -> Claim:
    claimed = ledger.claim(CAMPUS, datetime.now(UTC))
    assert claimed is not None
    return claimed


def settle(ledger: SqliteLedger, claimed: Claim) -> None:
    applied = Applied(outcome=Outcome.CREATED, user_id="7")
    assert ledger.settle_applied(claimed, applied, datetime.now(UTC))


def _copy_all(db: sqlite3.Connection, copies: int, keys: str) -> None:
    """Where keys are in order, nobody asks how much room the ledger takes: what is only told is left out, and indexes
    are made afterwards."""
    for setting in FAST:
        db.execute(f"PRAGMA {setting}").fetchall()
    quick = keys == IN_ORDER
    later = _drop_indexes(db) if quick else []
    db.execute("BEGIN")
    for table in ASKED if quick else (*ASKED, *TOLD):
        _copy(db, table, copies, keys)
    for statement in later:
        db.execute(statement)
    db.execute("COMMIT")


def _drop_indexes(db: sqlite3.Connection) -> list[str]:
    """Returns what makes them again."""
    found = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _sql in found:
        db.execute(f"DROP INDEX {name}")
    return [sql for _name, sql in found]


def _copy(db: sqlite3.Connection, table: str, copies: int, keys: str) -> None:
    """What each copy has of its own is its order's number, and its learner's key and account. A key is told apart by
    its beginning and by its end."""
    key = f"printf('%08x%.*s%08x', {keys}, length({{0}}) - 16, {{0}}, {SCATTERED})"
    of_learner = f"substr(subject, 1, length(subject) - {KEY_DIGITS})"
    own = {
        "order_id": "order_id + n",
        "learner_key": key.format("learner_key"),
        "user_id": "n",
        "key": "replace(key, '/order 1/', '/order ' || (1 + n) || '/')",
        "subject": "iif(subject = 'order 1', 'order ' || (1 + n), "
        f"{of_learner} || {key.format(f'substr(subject, -{KEY_DIGITS})')})",
        "id": "NULL",
    }
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})").fetchall()]
    db.execute(
        "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < :copies) "
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(own.get(name, name) for name in columns)} "
        f"FROM numbers, (SELECT * FROM {table})",
        {"copies": copies},
    )
    [made] = db.execute("SELECT changes()").fetchone()
    assert made == copies * (2 if table == "audit" else 1), (table, made)
