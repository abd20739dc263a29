"""Killed at any statement of what a person decided: nothing of it is done, or all; and said again, it is done once."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import make_line, make_order
from tests.spine import Spine
from wcsync.ledger.connection import connect
from wcsync.ledger.desk import Desk, Giving
from wcsync.ledger.recording import Recorder
from wcsync.ledger.sqlite_desk import SqliteDesk
from wcsync.model import LineId, OrderId, Person

pytestmark = pytest.mark.prove
"""Every point at which a process may die, one after the other."""

BEA = Person(email="bea@example.test", first_name="Bea")
Word = Callable[[Desk, Spine], object]


class Killed(BaseException):
    """The process is gone."""


class Fragile:
    """A connection whose process is killed before its nth statement; it never answers again."""

    def __init__(self, connection: sqlite3.Connection, left: int) -> None:
        self._connection = connection
        self._left = left
        self.passed = 0

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, *words: Any) -> sqlite3.Cursor:
        return self._pass(self._connection.execute, *words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        return self._pass(self._connection.executemany, *words)

    def _pass(self, act: Callable[..., sqlite3.Cursor], *words: Any) -> sqlite3.Cursor:
        self.passed += 1
        if self._left and self.passed >= self._left:
            raise Killed
        return act(*words)


def say(spine: Spine, word: Word, left: int = 0) -> int:
    """Says it through a connection that breaks before the nth statement. Returns how many statements there were."""
    identity = spine.ledger.identify
    with closing(connect(spine.path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # no power is cut here
        fragile = Fragile(connection, left)

        def record(db: sqlite3.Connection, now: Any) -> Recorder:
            return Recorder(db, b"key", identity, now)

        with suppress(Killed):
            word(SqliteDesk(lambda: fragile, record, identity), spine)  # type: ignore[arg-type,return-value]  # stands for one
        return fragile.passed


def contents(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return sorted(db.iterdump())


def giving(desk: Desk, spine: Spine) -> object:
    there = Giving(order_id=OrderId(7), line_id=LineId(3), learners=(BEA,))
    return desk.assign([there], spine.plan, spine.clock())


def trashed(spine: Spine) -> None:
    spine.tick(60)
    spine.record(replace(ORDER, status="trash", modified_at=spine.clock()))


def refunded(spine: Spine) -> None:
    spine.tick(60)
    spine.record(replace(ORDER, status="refunded", modified_at=spine.clock()))


def gone(spine: Spine) -> None:
    refunded(spine)
    spine.work()
    spine.tick(60)


def held(spine: Spine) -> None:
    spine.ledger.desk.hold(OrderId(7), "", spine.plan, spine.clock())


ORDER = make_order(7, lines=(make_line(3, quantity="3"),))
WORDS: dict[str, tuple[Callable[[Spine], None], Word]] = {
    "assign": (lambda _: None, giving),
    "end": (trashed, lambda desk, spine: desk.end(OrderId(7), None, None, spine.plan, spine.clock())),
    "allow": (refunded, lambda desk, spine: desk.allow(OrderId(7), spine.clock())),
    "hold": (lambda _: None, lambda desk, spine: desk.hold(OrderId(7), "why", spine.plan, spine.clock())),
    "hold_back": (
        lambda _: None,
        lambda desk, spine: desk.hold_back(OrderId(7), "why", spine.clock(), spine.plan, spine.clock()),
    ),
    "release": (held, lambda desk, spine: desk.release(OrderId(7), spine.plan, spine.clock())),
    "relink": (
        lambda _: None,
        lambda desk, spine: desk.relink("ana@example.test", BEA, spine.plan, spine.clock()),
    ),
    "forget": (lambda _: None, lambda desk, spine: desk.forget("ana@example.test", spine.clock())),
    "blank_idle": (gone, lambda desk, spine: desk.blank_idle(spine.clock(), spine.clock())),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_word_is_done_whole_or_not_at_all_wherever_the_process_is_killed(tmp_path: Path, name: str) -> None:
    prepare, word = WORDS[name]
    spine = Spine(tmp_path)
    spine.record(ORDER)
    spine.work()
    prepare(spine)
    spine.close()
    whole = tmp_path / "before.db"
    with closing(sqlite3.connect(spine.path)) as db:
        db.execute("VACUUM INTO ?", (str(whole),))
    before = contents(whole)
    spine.reopen()
    statements = say(spine, word)
    spine.close()
    after = contents(spine.path)
    assert after != before
    seen = set()
    for left in range(1, statements + 1):
        shutil.copy(whole, spine.path)
        spine.reopen()
        say(spine, word, left)
        spine.close()
        found = contents(spine.path)
        assert found in (before, after), f"half done, killed before statement {left}"
        seen.add(found == after)
        spine.reopen()
        say(spine, word)
        spine.close()
        assert contents(spine.path) == after, f"not done once, killed before statement {left} and said again"
    assert False in seen
