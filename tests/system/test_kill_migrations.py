"""SIGKILL while a ledger of an older version is brought up to date: it is the old one or the new one, and whole."""

import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy, rmtree
from time import monotonic, sleep

import pytest
from sqlite_utils import Database

from tests.proofs import Proof
from tests.system.killing import FRESH_SHARE, PATIENCE_S, sized
from tests.system.nursery import Child
from tests.system.world import World
from wcsync.ledger.connection import connect, prepare_file, transaction
from wcsync.ledger.schema import migrations

KILLS = sized(24, 150)
NAMES = [migration.name for migration in migrations._migrations]
COPIES = 200
"""So often each sale stands in the ledger, under other ids, that bringing it up to date takes a while."""
FAR = 1_000_000
WORDS = (("run", "--once"), ("backfill", "--since", "2000-01-01"), ("reconcile",), ("run",))
"""What opens a ledger, and brings it up to date."""
ENDINGS = {-signal.SIGKILL, 0, 69}
"""How a command ends that was killed, or that came to asking a shop that does not answer."""
CHANGING = {"_sqlite_migrations", "sqlite_sequence", "audit", "services", "cursors", "facts", "troubles"}
"""Tables that a command writes to after it opened the ledger, or that hold when it was brought up to date."""


@dataclass
class Count:
    """`old`, `new`: what the ledger was found to be afterwards; `amid`: the old one, with a part of the new one written
    beside it. `torn`: what was neither, or did not open."""

    kills: int = 0
    old: int = 0
    amid: int = 0
    new: int = 0
    torn: list[str] = field(default_factory=list)
    takes_s: float = 0.1
    """How long the slowest took where nobody disturbed it."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """All that was sold is enrolled."""
    with closing(World(tmp_path)) as world:
        for buyer in range(25):
            world.sell(buyer, buyer % 5)
        world.settle()
        yield world


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_a_ledger_whose_upgrade_is_killed_opens_in_the_end_with_all_it_knew(
    world: World, proof: Proof
) -> None:
    dice, count = random.Random(KILLS), Count()
    _stop_servers(world)
    while count.kills < KILLS:
        name = dice.choice(NAMES[1:])
        _put(world, name)
        _kill_until_it_opens(world, dice, count, _upgraded(world, name, count))
    _resume(world)
    stock = world.count()
    proof.tell(
        "kills",
        "an older ledger brought up to date",
        trials=count.kills,
        **stock.figures(),
        found_old=count.old,
        found_amid=count.amid,
        found_new=count.new,
        torn=len(count.torn),
    )
    assert count.torn == []
    assert stock.wrong() == []
    assert count.old
    assert count.new


# -- old ledgers -----------------------------------------------------------------------------------------------------


def _put(world: World, stop_before: str) -> None:
    """In the place of the ledger one as an older version had it, with all the world's sales and more."""
    _old(world, stop_before)
    for path in world.folder.glob("ledger.db*"):
        path.unlink()
    copy(_keep(world) / f"{stop_before}.db", world.folder / "ledger.db")


def _old(world: World, stop_before: str) -> None:
    path = _keep(world) / f"{stop_before}.db"
    if path.exists():
        return
    with closing(connect(path)) as db:
        with transaction(db):
            migrations.apply(Database(db), stop_before=stop_before)
        db.execute("ATTACH ? AS later", (str(_keep(world) / "ledger.db"),))
        with transaction(db):
            for table in _tables(db) - {"_sqlite_migrations"}:
                _copy_rows(db, table)
            for table in ("orders", "order_lines", "entitlements", "enrolments"):
                _multiply(db, table)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _keep(world: World) -> Path:
    """The ledger as it was before any of this, and what is made from it."""
    keep = world.folder / "keep"
    if not keep.exists():
        keep.mkdir()
        with closing(connect(world.folder / "ledger.db")) as db:
            db.execute("VACUUM INTO ?", (str(keep / "ledger.db"),))
    return keep


def _copy_rows(db: sqlite3.Connection, table: str) -> None:
    shared = [name for name in _columns(db, "main", table) if name in _columns(db, "later", table)]
    if shared:
        names = ", ".join(shared)
        db.execute(f"INSERT OR IGNORE INTO main.{table} ({names}) SELECT {names} FROM later.{table}")


def _multiply(db: sqlite3.Connection, table: str) -> None:
    """The same under other order ids and learners."""
    columns = _columns(db, "main", table)
    other = {"order_id": f"order_id + n * {FAR}", "learner_key": "learner_key || '-' || n"}
    db.execute(
        f"WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {COPIES}) "
        f"INSERT INTO main.{table} ({', '.join(columns)}) "
        f"SELECT {', '.join(other.get(name, name) for name in columns)} FROM main.{table}, copies"
    )


def _tables(db: sqlite3.Connection) -> set[str]:
    return {row[0] for row in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}


def _columns(db: sqlite3.Connection, schema: str, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA {schema}.table_info({table})")]


def _upgraded(world: World, name: str, count: Count) -> dict[str, list[str]]:
    """What is in it once nobody disturbs its being brought up to date."""
    path = _keep(world) / f"{name}-upgraded.db"
    if not path.exists():
        copy(_keep(world) / f"{name}.db", path)
        began = monotonic()
        prepare_file(path)
        count.takes_s = max(count.takes_s, monotonic() - began)
    return _contents(path)


def _contents(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as db:
        return {
            table: sorted(str(tuple(row)) for row in db.execute(f"SELECT * FROM {table}"))
            for table in _tables(db) - CHANGING
        }


# -- killing ---------------------------------------------------------------------------------------------------------


def _kill_until_it_opens(
    world: World, dice: random.Random, count: Count, whole: dict[str, list[str]]
) -> None:
    while True:
        fresh = dice.random() < FRESH_SHARE
        child = world.run(*dice.choice(WORDS), fresh=fresh)
        _wait(world, child, dice, count.takes_s, fresh=fresh)
        code = child.kill()
        count.kills += code == -signal.SIGKILL
        if code not in ENDINGS:
            count.torn.append(f"it did not open: {world.said()[0][-2000:]}")
        if _is_new(world, count, whole) or code not in ENDINGS:
            return


def _wait(world: World, child: Child, dice: random.Random, takes_s: float, *, fresh: bool) -> None:
    """Until a random moment, most often one in which the ledger is being written to."""
    if dice.random() < 0.25:
        sleep(dice.uniform(0, 1.2 if fresh else 0.2))
        return
    deadline = monotonic() + PATIENCE_S
    while not (world.folder / "ledger.db-wal").exists() and child.poll() is None:
        assert monotonic() < deadline
        sleep(0.001)
    sleep(dice.uniform(0, 2 * takes_s))


def _is_new(world: World, count: Count, whole: dict[str, list[str]]) -> bool:
    """Whether it is up to date after a kill, looked at in a copy: opening it would mend it."""
    folder = world.folder / "look"
    folder.mkdir()
    for path in world.folder.glob("ledger.db*"):
        copy(path, folder)
    (folder / "ledger.db-shm").unlink(missing_ok=True)
    wal = folder / "ledger.db-wal"
    written = wal.exists() and wal.stat().st_size > 0
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            count.torn.append("the file is damaged")
        versions = [row[0] for row in db.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    new = versions == NAMES
    if new and _contents(folder / "ledger.db") != whole:
        count.torn.append(f"rows differ after an upgrade from {versions}")
    if not new and len(versions) == len(NAMES):
        count.torn.append(f"odd versions {versions}")
    count.new += new
    count.old += not new
    count.amid += not new and written
    rmtree(folder)
    return new


def _stop_servers(world: World) -> None:
    """Nobody answers, so that a command that opens the ledger changes nothing else in it."""
    for server in (world.shop, world.moodle):
        server.stop_answering()


def _resume(world: World) -> None:
    """Without the copies the world's own sales are left, to be worked on as ever."""
    for server in (world.shop, world.moodle):
        server.resume()
    with closing(connect(world.folder / "ledger.db")) as db, transaction(db):
        for table in ("orders", "order_lines", "entitlements"):
            db.execute(f"DELETE FROM {table} WHERE order_id >= {FAR}")
        db.execute("DELETE FROM enrolments WHERE learner_key LIKE '%-%'")
    for buyer in range(25, 30):
        world.sell(buyer, buyer % 5)
    world.settle()
