"""People are forgotten by themselves, once a day."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes import make_order
from tests.spine import Spine
from wcsync.pollers.retention import Retention


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    spine = Spine(tmp_path)
    yield spine
    spine.close()


def sell_and_refund(spine: Spine) -> None:
    spine.record(make_order(7))
    spine.work()
    spine.tick(60)
    spine.record(make_order(7, status="refunded", modified_at=spine.clock()))
    spine.work()


def test_people_are_forgotten_when_their_time_is_over_and_not_before(spine: Spine) -> None:
    sell_and_refund(spine)
    job = Retention(spine.ledger, spine.clock, days=30)
    assert job.run_if_due() == 0
    spine.tick(timedelta(days=30, seconds=1).total_seconds())
    assert job.run_if_due() == 1
    assert spine.rows("SELECT email FROM learners") == [{"email": ""}]


def test_it_looks_once_a_day(spine: Spine) -> None:
    job = Retention(spine.ledger, spine.clock, days=1)
    assert job.run_if_due() == 0
    sell_and_refund(spine)
    spine.execute("UPDATE learners SET changed_at = '2020-01-01T00:00:00.000000Z'")
    spine.execute("UPDATE enrolments SET changed_at = '2020-01-01T00:00:00.000000Z'")
    spine.execute(
        "UPDATE orders SET modified_at = '2020-01-01T00:00:00.000000Z', read_at = '2020-01-01T00:00:00.000000Z'"
    )
    assert job.run_if_due() == 0, "it looked a minute ago"
    spine.tick(timedelta(days=1).total_seconds())
    assert job.run_if_due() == 1


def test_a_clock_set_back_holds_nothing_up(spine: Spine) -> None:
    job = Retention(spine.ledger, spine.clock, days=30)
    spine.tick(timedelta(days=100).total_seconds())
    job.run_if_due()
    spine.tick(-timedelta(days=60).total_seconds())
    sell_and_refund(spine)
    spine.tick(timedelta(days=31).total_seconds())
    assert job.run_if_due() == 1
