"""The ledger's file: how it is made and opened, what SQLite is told, and what happens when the disk says no."""

import errno
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.spine import Spine
from wcsync.errors import ConfigError, PassingTrouble
from wcsync.ledger import connection
from wcsync.ledger.connection import connect, may_pass, prepare_file, transaction
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report
from wcsync.ledger.schema import migrations
from wcsync.mappers.entitlements import Planner
from wcsync.mappers.mapping import Mapping
from wcsync.model import Applied, Entitlement, Order, OrderPlan, Outcome
from wcsync.sale import Circumstances


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        SqliteLedger(path).close()
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.remedy
    return str(problem)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock for long."""
    monkeypatch.setattr(connection, "_PRAGMAS", ("PRAGMA busy_timeout = 10", *connection._PRAGMAS[1:]))


# -- opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hasty")
def test_a_lock_that_another_program_holds_is_trouble_that_may_pass(path: Path) -> None:
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PassingTrouble, match="locked"):
            SqliteLedger(path)
    SqliteLedger(path).close()


def test_a_damaged_ledger_does_not_pass(path: Path) -> None:
    path.write_bytes(b"no ledger at all" * 100)
    with pytest.raises(ConfigError) as caught:
        SqliteLedger(path)
    assert not isinstance(caught.value, PassingTrouble)


@pytest.mark.parametrize(
    ("trouble", "passes"),
    [
        pytest.param(OSError(errno.ENOSPC, "full"), True, id="full disk"),
        pytest.param(OSError(errno.EIO, "faulty"), True, id="faulty disk"),
        pytest.param(OSError(errno.EACCES, "forbidden"), False, id="rights"),
        pytest.param(OSError(errno.ENOENT, "missing"), False, id="no folder"),
        pytest.param(sqlite3.OperationalError("of no known code"), False, id="unknown"),
    ],
)
def test_what_may_pass_without_anybody_editing_a_file(trouble: Exception, passes: bool) -> None:
    assert may_pass(trouble) is passes


def test_the_file_is_its_owners_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        ledger = SqliteLedger(path)
        ledger.start_cursor("orders", T0, T0)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        ledger.close()
    finally:
        os.umask(before)
    assert modes["ledger.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_what_is_written_is_on_disk_before_the_call_returns(path: Path) -> None:
    prepare_file(path)
    with closing(connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
        assert db.execute("PRAGMA busy_timeout").fetchone()[0] == 10_000
        assert db.execute("PRAGMA journal_size_limit").fetchone()[0] == 4 * 1024**2


def test_a_connection_keeps_few_pages_for_a_daemon_has_one_in_each_thread(path: Path) -> None:
    SqliteLedger(path).close()
    with closing(connect(path)) as db:
        assert db.execute("PRAGMA cache_size").fetchone()[0] == -256


def test_every_table_is_strict(path: Path) -> None:
    prepare_file(path)
    with closing(connect(path)) as db:
        tables = db.execute(
            "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE '%sqlite_%'"
        ).fetchall()
        assert len(tables) >= 12
        assert [table["name"] for table in tables if not table["strict"]] == []
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("INSERT INTO mirror_uploads VALUES ('d', 'not a number', 't')")


def test_opening_again_changes_nothing(path: Path) -> None:
    SqliteLedger(path).close()
    before = path.read_bytes()
    SqliteLedger(path).close()
    assert path.read_bytes() == before


def test_several_processes_may_make_one_ledger_at_the_same_time(path: Path) -> None:
    script = "import sys; from pathlib import Path; from wcsync.ledger.ledger import SqliteLedger as L\n"
    script += "print('ready', flush=True); sys.stdin.readline(); l = L(Path(sys.argv[1]))\n"
    script += "print(l.identify('a@b.test')); l.close()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(keys)) == 1


def test_opening_a_ledger_in_use_takes_no_lock_away_from_its_user(path: Path) -> None:
    """Closing any descriptor of a file drops the process's POSIX locks on it, those of SQLite among them."""
    ledger = SqliteLedger(path)
    ledger.start_cursor("orders", T0, T0)
    held = _locks_of_this_process(path)
    SqliteLedger(path).close()
    assert held
    assert _locks_of_this_process(path) == held
    ledger.close()


def _locks_of_this_process(path: Path) -> list[str]:
    inode = f":{path.stat().st_ino} "
    lines = Path("/proc/locks").read_text().splitlines()
    return [line.split(":", 1)[1] for line in lines if inode in line and f" {os.getpid()} " in line]


def test_a_missing_folder_is_the_configs_fault(tmp_path: Path) -> None:
    assert "cannot be opened (No such file or directory)" in refusal(tmp_path / "nowhere" / "ledger.db")


def test_a_folder_in_the_files_place_is_the_configs_fault(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    assert "cannot be used" in refusal(tmp_path / "ledger.db")


def test_a_text_file_is_no_ledger(path: Path) -> None:
    path.write_text("this is not a database, but long enough to be looked at as one. " * 99)
    assert "is not a ledger or is damaged" in refusal(path)


@pytest.mark.parametrize("table", ["_sqlite_migrations", "facts"])
def test_a_damaged_file_is_refused(path: Path, table: str) -> None:
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert "damaged" in refusal(path)


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    assert "another program" in refusal(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_ledger_of_a_newer_version_is_refused(path: Path) -> None:
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('wcsync', 'm999_more', 'x')"
        )
    text = refusal(path)
    assert "newer wcsync (m999_more)" in text
    assert "Install that version again" in text


def test_a_first_start_that_was_cut_short_leaves_no_half_a_schema(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(type(migrations), "_record_applied", crash)
        assert "disk is full" in refusal(path)
    SqliteLedger(path).close()
    with closing(Report(path)) as report:
        assert report.summary().orders == 0


def test_a_ledger_without_its_key_gets_one_and_keeps_it(path: Path) -> None:
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM facts")
    one = SqliteLedger(path)
    other = SqliteLedger(path)
    assert one.identify("ana@example.test") == other.identify("ana@example.test")
    one.close()
    other.close()


def test_a_key_that_is_no_key_is_refused(path: Path) -> None:
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE facts SET value = 'zz' WHERE name = 'identity_key'")
    assert "damaged" in refusal(path)


# -- transactions ----------------------------------------------------------------------------------------------------


def test_a_transaction_takes_the_write_lock_at_once(path: Path) -> None:
    prepare_file(path)
    with closing(connect(path)) as one, closing(connect(path)) as other, transaction(one):
        other.execute("PRAGMA busy_timeout = 0").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(other):
            pass
        assert not other.in_transaction


def test_a_transaction_that_sqlite_ended_itself_does_not_hide_why(path: Path) -> None:
    prepare_file(path)

    def put_twice(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute("INSERT INTO facts VALUES ('a', 'b')")
            db.execute("INSERT OR ROLLBACK INTO facts VALUES ('a', 'c')")

    with closing(connect(path)) as db, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        put_twice(db)


def test_a_connection_that_cannot_be_set_up_is_closed(path: Path) -> None:
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        connect(path)


def test_the_audit_only_grows(spine: Spine) -> None:
    spine.record(make_order())
    spine.work()
    assert spine.rows("SELECT * FROM audit")
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        spine.execute("UPDATE audit SET actor = 'nobody'")
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        spine.execute("DELETE FROM audit")


def test_addresses_and_names_stand_in_one_table_alone(spine: Spine) -> None:
    spine.record(make_order(lines=(make_line(quantity="3"),)))
    spine.work()
    for table in spine.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'learners'"):
        text = repr(spine.rows(f"SELECT * FROM {table['name']}"))
        assert "ana@" not in text, table
        assert "Núñez" not in text, table


def test_each_thread_has_a_connection_of_its_own(spine: Spine) -> None:
    seen: list[object] = []
    threads = [
        threading.Thread(target=lambda: seen.append(spine.ledger.next_due_at(CAMPUS))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [None, None, None]


# -- a full disk -----------------------------------------------------------------------------------------------------


def fill(spine: Spine) -> None:
    """No page more for this thread's connection."""
    db = spine.ledger._db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}").fetchall()


def make_room(spine: Spine) -> None:
    spine.ledger._db.execute("PRAGMA max_page_count = 1000000").fetchall()


def many() -> list[Order]:
    return [make_order(n, email=f"{n}@example.test") for n in range(1, 301)]


def test_a_page_that_finds_the_disk_full_is_recorded_not_at_all_and_again_when_there_is_room(
    spine: Spine,
) -> None:
    spine.store.page_size = 100
    spine.poller.poll_once()
    for order in many():
        spine.store.put(order)
    fill(spine)
    assert not spine.poller.poll_once().complete
    assert spine.rows("SELECT count(*) AS n FROM entitlements")[0]["n"] % 100 == 0
    before = spine.summary()
    assert before.orders == before.lines == before.due
    make_room(spine)
    assert spine.poller.poll_once().complete
    assert (spine.summary().orders, spine.summary().due, spine.summary().unexplained) == (300, 300, 0)


def test_an_outcome_that_finds_the_disk_full_is_settled_not_at_all_and_again_when_there_is_room(
    spine: Spine,
) -> None:
    spine.record(make_order())
    claim = spine.ledger.claim(CAMPUS, T0)
    assert claim is not None
    fill(spine)
    before = spine.row()
    with pytest.raises(sqlite3.OperationalError, match="full"):
        spine.ledger.settle_applied(claim, Applied(outcome=Outcome.CREATED, user_id="1" * 9000), T0)
    assert spine.row() == before
    assert spine.rows("SELECT * FROM accounts") == []
    make_room(spine)
    assert spine.ledger.settle_applied(claim, Applied(outcome=Outcome.CREATED, user_id="100"), T0)
    assert spine.summary().enrolled == 1


# -- closing ---------------------------------------------------------------------------------------------------------


def test_a_ledger_that_is_closed_under_a_thread_lets_it_finish_its_transaction_and_no_more(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection closed in the midst of a statement of another thread ends the whole process by SIGSEGV."""
    monkeypatch.setattr("wcsync.ledger.ledger.REPLAN_BATCH", 1)
    ledger, begun, go_on = SqliteLedger(path), threading.Event(), threading.Event()
    unmapped = Planner(mapping=Mapping(), paid_statuses=frozenset(), identify=ledger.identify).plan
    planned: list[Order] = []

    def plan(order: Order, earlier: Sequence[Entitlement], circumstances: Circumstances) -> OrderPlan:
        planned.append(order)
        begun.set()
        assert go_on.wait(20)
        return unmapped(order, earlier, circumstances)

    ledger.record_page([make_order(1), make_order(2)], (), unmapped, None, T0)
    outcome: list[object] = []
    thread = threading.Thread(target=lambda: outcome.append(ledger.replan_unmapped(plan, T0)))
    thread.start()
    assert begun.wait(20)
    ledger.close()
    go_on.set()
    thread.join(20)
    assert len(outcome) == 1
    assert [order.order_id for order in planned] == [1]


def test_a_closed_ledger_is_opened_again_by_no_thread(path: Path) -> None:
    ledger, errors = SqliteLedger(path), list[Exception]()
    ledger.close()

    def read() -> None:
        try:
            ledger.read_cursor("orders")
        except sqlite3.ProgrammingError as exc:
            errors.append(exc)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join(20)
    assert "closed" in str(errors)


def test_no_ledger_is_made_at_the_far_end_of_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    """The one that was there knew what was done."""
    (tmp_path / "ledger.db").symlink_to(tmp_path / "moved.db")
    with pytest.raises(ConfigError, match="leads to no file"):
        SqliteLedger(tmp_path / "ledger.db")
    assert not (tmp_path / "moved.db").exists()
