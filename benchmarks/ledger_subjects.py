"""The ledger alone, each way in a process of its own."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.meter import Sample, timed
from benchmarks.product import CAMPUS, render_mapping
from benchmarks.raw import PlainLedger
from benchmarks.sales import paid_order, record
from wcsync.ledger.base import Claim
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.moodle import TARGET_KEYS
from wcsync.mappers.mapping import read_mapping
from wcsync.model import Applied, Outcome

MAPPING = read_mapping("mapping.toml", render_mapping().encode(), {CAMPUS: TARGET_KEYS})
LATER = 1_000_000
"""Orders from this number on come after all others."""


def claim_and_settle(*, claims: int) -> Sample:
    """Orders through the product's ledger: claimed, then settled, each on disk before the next step."""
    with _ledger() as ledger:
        record(ledger, MAPPING, [paid_order(number, buyer=number) for number in range(claims)])
        with timed() as span:
            for _ in range(claims):
                _settle(ledger, _claim(ledger))
        assert ledger.next_due_at(CAMPUS) is None
    return {"per_s": claims / span.wall_s, "cpu_s": span.cpu_s / claims}


def plain_updates(*, claims: int) -> Sample:
    """As many commits of one changed row each, in a table without any of the product's rules."""
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        ledger = PlainLedger(Path(folder, "plain.db"))
        ledger.fill(claims)
        with timed() as span:
            for number in range(claims):
                ledger.set_state(number, "leased")
                ledger.set_state(number, "settled")
        ledger.close()
    return {"per_s": claims / span.wall_s, "cpu_s": span.cpu_s / claims}


def plain_one_transaction(*, claims: int) -> Sample:
    """As many orders noted down and settled, each in one transaction: nothing is on disk before the call is made."""
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        ledger = PlainLedger(Path(folder, "plain.db"))
        with timed() as span:
            for number in range(claims):
                ledger.add_settled(number)
        ledger.close()
    return {"per_s": claims / span.wall_s, "cpu_s": span.cpu_s / claims}


def few_and_many(*, few: int, many: int, turns: int) -> Sample:
    """What daily steps take in a young ledger and in an old one, turn by turn. Medians, in seconds."""
    with _ledger() as young, _ledger() as old:
        for ledger, rows in ((young, few), (old, many)):
            _age(ledger, rows)
        sample: Sample = {}
        line_b = old.path.stat().st_size / many
        for step, act in (("claim", _step_claim), ("look_up", _step_look_up), ("known", _step_known)):
            took = _take_turns(act, {"few": young, "many": old}, turns)
            sample |= {f"{step}_{age}_s": median(times) for age, times in took.items()}
        return sample | {"line_b": line_b}


def _take_turns(
    act: Callable[[SqliteLedger, int], float], ledgers: dict[str, SqliteLedger], turns: int
) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {age: [] for age in ledgers}
    for turn in range(turns):
        for age in sorted(ledgers, reverse=bool(turn % 2)):
            took[age].append(act(ledgers[age], turn))
    return took


def _step_claim(ledger: SqliteLedger, turn: int) -> float:
    """Leases the oldest due row; settling it and buying the next are not part of it."""
    record(ledger, MAPPING, [paid_order(LATER + turn, buyer=LATER + turn)])
    with timed() as span:
        claim = _claim(ledger)
    _settle(ledger, claim)
    return span.wall_s


def _step_look_up(ledger: SqliteLedger, _turn: int) -> float:
    """Whether anything is due: asked by each idle thread every second."""
    with timed() as span:
        due_at = ledger.next_due_at(CAMPUS)
    assert due_at is None, due_at
    return span.wall_s


def _step_known(ledger: SqliteLedger, turn: int) -> float:
    """An order read again, nothing new in it."""
    order = paid_order(LATER + turn, buyer=LATER + turn)
    with timed() as span:
        fresh = record(ledger, MAPPING, [order])
    assert fresh == 0, fresh
    return span.wall_s


@contextmanager
def _ledger() -> Iterator[SqliteLedger]:
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        ledger = SqliteLedger(Path(folder, "ledger.db"))
        try:
            yield ledger
        finally:
            ledger.close()


def _claim(ledger: SqliteLedger) -> Claim:
    claim = ledger.claim(CAMPUS, datetime.now(UTC))
    assert claim is not None
    return claim


def _settle(ledger: SqliteLedger, claim: Claim) -> None:
    applied = Applied(outcome=Outcome.CREATED, user_id="7")
    assert ledger.settle_applied(claim, applied, datetime.now(UTC))


def _age(ledger: SqliteLedger, rows: int) -> None:
    """Fills a ledger with `rows` settled enrolments and all that belongs to them: one made by the product, the rest
    its copies under other keys, because making each by the product would take minutes."""
    record(ledger, MAPPING, [paid_order(1, buyer=1)])
    _settle(ledger, _claim(ledger))
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        for table in ("orders", "order_lines", "entitlements", "enrolments", "learners", "accounts", "audit"):
            _copy(db, table, rows - 1)
        db.execute("COMMIT")
        [settled] = db.execute("SELECT count(*) FROM enrolments WHERE state = 'settled'").fetchone()
        assert settled == rows, (settled, rows)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


OWN = {
    "order_id": "order_id + n",
    "learner_key": "printf('%08x', (n * 2654435761) & 4294967295) || substr(learner_key, 9)",
    "subject": "subject || n",
    "id": "NULL",
}
"""What each copy has of its own; keys are scattered, as hashes are."""


def _copy(db: sqlite3.Connection, table: str, copies: int) -> None:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})").fetchall()]
    only = "WHERE action = 'in_applied'" if table == "audit" else ""
    db.execute(
        "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
        f"INSERT INTO {table} SELECT {', '.join(OWN.get(column, column) for column in columns)} "
        f"FROM (SELECT * FROM {table} {only} LIMIT 1), numbers",
        (copies,),
    )
