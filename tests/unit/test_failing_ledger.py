"""A ledger whose disk is full, at every statement of a sale in turn: what was done is not forgotten, nor done again."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.fakes import make_order
from tests.spine import Spine
from wcsync.ledger.ailment import Ailment, ails, words_for
from wcsync.ledger.ledger import SqliteLedger
from wcsync.pool import Pool

CODES = {
    "full": (sqlite3.SQLITE_FULL, "its disk is full", "make room"),
    "busy": (sqlite3.SQLITE_BUSY, "another program holds it", "a backup that copies it"),
    "read-only": (sqlite3.SQLITE_READONLY, "may not be written", "give the file"),
    "moved": (sqlite3.SQLITE_READONLY | (4 << 8), "may not be written", "give the file"),
    "no-handles": (sqlite3.SQLITE_CANTOPEN, "cannot be opened", "too many files are open"),
    "disk": (sqlite3.SQLITE_IOERR, "its disk fails", "look at the disk"),
    "torn": (sqlite3.SQLITE_CORRUPT, "it is damaged", "restore a backup"),
    "foreign": (sqlite3.SQLITE_NOTADB, "it is damaged", "restore a backup"),
}
MOST_STATEMENTS = 200


def failure(code: int = sqlite3.SQLITE_FULL) -> sqlite3.OperationalError:
    exc = sqlite3.OperationalError("database or disk is full")
    exc.sqlite_errorcode = code
    return exc


class Disk:
    """Refuses `times` statements that write, or begin or end a transaction, once `free` of them went through."""

    def __init__(self) -> None:
        self.free, self.times, self.struck = MOST_STATEMENTS, 0, 0

    def fill_after(self, free: int, times: int) -> None:
        self.free, self.times, self.struck = free, times, 0

    def __call__(self) -> None:
        self.free -= 1
        if self.free < 0 and self.struck < self.times:
            self.struck += 1
            raise failure()


class Refusing:
    """A connection whose statements may not reach the disk. None that has is refused afterwards."""

    def __init__(self, connection: sqlite3.Connection, disk: Disk) -> None:
        self._connection, self._disk = connection, disk

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.lstrip().startswith(("BEGIN", "COMMIT", "INSERT", "UPDATE")):
            self._disk()
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class RefusingLedger(SqliteLedger):
    def __init__(self, path: Path, disk: Disk) -> None:
        self._disk = disk
        super().__init__(path)

    @property
    def _db(self) -> Any:
        return Refusing(super()._db, self._disk)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def spine(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spine]:
    monkeypatch.setattr("tests.spine.SqliteLedger", lambda path: RefusingLedger(path, disk))
    spine = Spine(tmp_path)
    yield spine
    spine.close()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("free", range(25))
def test_a_row_whose_ledger_failed_is_worked_off_without_a_restart_or_a_second_account(
    spine: Spine, disk: Disk, free: int, times: int
) -> None:
    """No lease is given back here by anybody but the worker itself."""
    spine.store.put(make_order())
    spine.record(make_order())
    disk.fill_after(free, times)
    for _ in range(40):
        try:
            spine.work()
            spine.send()
        except sqlite3.OperationalError:
            continue
        spine.tick(60)
    assert disk.struck == times
    row = spine.row()
    assert (row["state"], row["applied"]) == ("settled", "in")
    assert [what for what, _ in spine.lms.writes] == ["create", "enrol"]
    assert spine.rows("SELECT state FROM outbox") == [{"state": "settled"}]
    assert sum(len(notes) for notes in spine.store.notes.values()) == 1
    assert row["attempts"] <= 1, "the disk is no fault of the row"


@pytest.mark.parametrize(("code", "reason", "hint"), CODES.values(), ids=CODES)
def test_what_ails_the_ledger_is_told_once_with_what_to_do(code: int, reason: str, hint: str) -> None:
    ailment = Ailment(lambda: None)
    with capture_logs() as logs:
        assert ailment.explains(failure(code))
        assert ailment.explains(failure(code))
    [line] = logs
    assert (line["event"], line["log_level"]) == ("ledger_failing", "error")
    assert reason in line["reason"]
    assert hint in line["hint"]


def test_that_it_is_over_is_told_once_a_write_has_worked() -> None:
    troubles: list[Exception] = [failure(), failure()]

    def try_out() -> None:
        if troubles:
            raise troubles.pop()

    ailment = Ailment(try_out)
    assert ailment.look()
    assert len(troubles) == 2, "one that is well is not tried"
    with capture_logs() as logs:
        ailment.explains(failure())
        assert [ailment.look() for _ in range(4)] == [False, False, True, True]
    assert [line["event"] for line in logs] == ["ledger_failing", "ledger_recovered"]


@pytest.mark.parametrize(
    "exc", [ValueError("x"), OSError(28, "no space"), sqlite3.ProgrammingError("closed")]
)
def test_a_fault_of_wcsync_is_none_of_the_ledgers(exc: Exception) -> None:
    assert not ails(exc)
    assert words_for(exc) is None


def test_a_thread_that_the_ledger_failed_tells_no_fault_of_wcsync(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    class Failing:
        def run_once(self) -> bool:
            raise failure()

    monkeypatch.setattr("wcsync.pool.AFTER_BUG_S", 0.0)
    ailment: Any = Ailment(lambda: None)
    with capture_logs() as logs:
        Pool([Failing()], 1, threading.Event(), explains=ailment.explains).drain()
    assert [line["event"] for line in logs] == ["ledger_failing"]
