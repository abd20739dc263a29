"""Whether a process can go on with the ledger's files as it opened them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import T0
from wcsync.app.fitness import Fitness
from wcsync.ledger.ledger import SqliteLedger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.db")
    yield made
    made.close()


def test_a_ledger_as_it_was_opened_is_fit(ledger: SqliteLedger) -> None:
    assert Fitness(ledger, ledger.path).lost() == ""


def test_a_write_ahead_log_deleted_before_the_first_look_is_noticed(ledger: SqliteLedger) -> None:
    fitness = Fitness(ledger, ledger.path)
    ledger.post.record_channels(["order notes"], T0)
    fitness.begin()
    ledger.path.with_name("ledger.db-wal").unlink()
    assert "write-ahead log was deleted" in fitness.lost()


def test_a_ledger_that_was_replaced_is_noticed(ledger: SqliteLedger) -> None:
    fitness = Fitness(ledger, ledger.path)
    ledger.path.rename(ledger.path.with_name("elsewhere.db"))
    ledger.path.touch()
    assert "deleted or replaced" in fitness.lost()
