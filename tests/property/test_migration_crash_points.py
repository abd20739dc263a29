"""Killed at any statement of any migration, or in the middle of the commit or of the checkpoint: opened again, a ledger
of whatever age has all tables of today and all that was in it."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlite_utils import Database

from tests.points_town import ram
from tests.proofs import Proof
from wcsync.errors import ConfigError
from wcsync.ledger.connection import connect, migrate, prepare_file, transaction
from wcsync.ledger.schema import migrations

pytestmark = pytest.mark.prove
"""Every point at which a process may die, one after the other."""

NAMES = [migration.name for migration in migrations._migrations]
FRAME_HEADER, WAL_HEADER = 24, 32
TORN = 10
"""So many pages of a commit, and of a checkpoint, are torn."""


@dataclass(frozen=True)
class Disk:
    """What lies on the disk at one instant. The file beside the ledger that only the living share is not kept."""

    ledger: bytes
    wal: bytes

    @classmethod
    def of(cls, path: Path) -> "Disk":
        wal = Path(f"{path}-wal")
        return cls(path.read_bytes(), wal.read_bytes() if wal.exists() else b"")

    def put(self, path: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(self.ledger)
        if self.wal:
            Path(f"{path}-wal").write_bytes(self.wal)


def fill(db: sqlite3.Connection) -> None:
    """A row in every table, whatever its columns are."""
    tables = [row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in sorted(tables):
        if table.startswith(("sqlite_", "_sqlite_migrations")):
            continue
        columns = db.execute(f"PRAGMA table_info({table})").fetchall()
        values = [1 if column["type"] == "INTEGER" else "2026-01-01T00:00:00.000000Z" for column in columns]
        db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)


def make(path: Path, age: int) -> None:
    """A ledger as it was when so many migrations were known."""
    with closing(connect(path)) as db, transaction(db):
        if age:
            migrations.apply(Database(db), stop_before=NAMES[age] if age < len(NAMES) else None)
            fill(db)


def contents(path: Path) -> list[str]:
    """Tables, indexes and rows, without the instant at which a migration was done."""
    with closing(sqlite3.connect(path)) as db:
        lines = [line for line in db.iterdump() if '"_sqlite_migrations"' not in line]
        done = db.execute("SELECT name FROM _sqlite_migrations").fetchall()
        [(whole,)] = db.execute("PRAGMA integrity_check").fetchall()
    return [*sorted(lines), *sorted(name for (name,) in done), whole]


def deaths(path: Path) -> Iterator[Disk]:
    """Brings a ledger up to date, and yields what lies on the disk at every statement, in the middle of pages of the
    commit, and in the middle of pages that the checkpoint after it brings from one file to the other."""
    states = list[Disk]()
    with closing(connect(path)) as db:
        db.set_trace_callback(lambda _sql: states.append(Disk.of(path)))
        migrate(path, db)
        db.set_trace_callback(None)
        [(page_size,)] = db.execute("PRAGMA page_size").fetchall()
        done = Disk.of(path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        checked = Disk.of(path)
    yield from states
    pages = range(WAL_HEADER, len(done.wal), page_size + FRAME_HEADER)
    for end in [*pages[:: len(pages) // TORN + 1], pages[-1]]:
        yield Disk(done.ledger, done.wal[: end + page_size // 2])
    yield done
    brought = range(0, len(checked.ledger), page_size)
    for start in brought[:: len(brought) // TORN + 1]:
        end = start + page_size // 2
        yield Disk(checked.ledger[:end] + done.ledger[end:], done.wal)  # a checkpoint goes from page to page
    yield Disk(checked.ledger, done.wal)
    yield checked


def opened_again(disk: Disk, path: Path) -> list[str]:
    """What the next process has then."""
    disk.put(path)
    try:
        prepare_file(path)
    except (ConfigError, sqlite3.Error) as exc:
        return [f"cannot be used: {exc}"]
    return contents(path)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=ram(), prefix="wcsync-points-"))
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("age", range(len(NAMES)), ids=["new", *NAMES[:-1]])
def test_a_migration_is_done_whole_or_not_at_all_wherever_the_process_is_killed(
    folder: Path, age: int, proof: Proof
) -> None:
    path, copy = folder / "ledger.db", folder / "copy.db"
    make(path, age)
    states = list(deaths(path))
    whole = contents(path)
    found = dict[Disk, list[str]]()
    for state in states:
        if state not in found:
            found[state] = opened_again(state, copy)
    broken = [state for state in states if found[state] != whole]
    proof.tell(
        "crash points",
        f"migration of {NAMES[age - 1] if age else 'nothing'}",
        trials=len(states),
        lost=len(broken),
        points=len(states),
        states=len(found),
    )
    assert not broken
    assert len(states) > len(found) > TORN
    assert whole[-1] == "ok"
