"""The proof comes once per night by the shop's clock, whatever the machine did meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.fakes import T0, make_order
from tests.spine import Spine
from tests.unit.test_reconcile import reconciler
from wcsync.errors import TransientError
from wcsync.gate import SHOP
from wcsync.ledger.base import Barred
from wcsync.pollers.halts import HaltWatch
from wcsync.pollers.nights import AGAIN_AFTER, Nights, last_night
from wcsync.pollers.reconcile import Depth

HOUR = 3600


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path, start=T0)
    made.store.put(make_order(1, modified_at=T0 + timedelta(seconds=1)))
    made.poller.poll_once()
    made.work()
    yield made
    made.close()


def nights(spine: Spine) -> Nights:
    return Nights(
        reconciler=reconciler(spine),
        ledger=spine.ledger,
        clock=spine.clock,
        at=time(3),
        look_back=timedelta(days=90),
        lms=Depth.SAMPLE,
        sample=200,
    )


def fail(spine: Spine) -> None:
    def broken(_number: int) -> None:
        raise TransientError("shop: broke off")

    spine.store.on_page = broken


def test_nothing_is_proven_before_the_first_night(spine: Spine) -> None:
    spine.tick(14 * HOUR)  # two in the morning
    assert nights(spine).run_if_due() is None


def test_each_night_has_one_proof(spine: Spine) -> None:
    watch = nights(spine)
    spine.tick(15 * HOUR)
    assert watch.run_if_due() is not None
    spine.tick(22 * HOUR)
    assert watch.run_if_due() is None
    spine.tick(2 * HOUR)
    assert watch.run_if_due() is not None


def test_another_process_does_not_prove_the_same_night_again(spine: Spine) -> None:
    spine.tick(16 * HOUR)
    assert nights(spine).run_if_due() is not None
    spine.reopen()
    spine.tick(HOUR)
    assert nights(spine).run_if_due() is None


def test_nights_that_the_machine_slept_through_are_made_up_for_once(spine: Spine) -> None:
    watch = nights(spine)
    spine.tick(10 * 24 * HOUR)
    assert watch.run_if_due() is not None
    assert watch.run_if_due() is None


def test_the_night_is_the_shops_own(spine: Spine) -> None:
    now = spine.clock()
    spine.ledger.record_identity(SHOP, "https://shop.example.com", "Shop", now, zone="Asia/Kolkata")
    watch = nights(spine)
    spine.tick(9 * HOUR)  # 21:00 UTC is half past two in the morning there
    assert watch.run_if_due() is None
    spine.tick(HOUR)
    assert watch.run_if_due() is not None


def test_a_proof_that_fails_is_kept_and_tried_again_in_an_hour(spine: Spine) -> None:
    fail(spine)
    watch = nights(spine)
    spine.tick(15 * HOUR)
    with capture_logs() as logs:
        assert watch.run_if_due() is None
    assert [line["event"] for line in logs if line["event"] == "reconcile_failed"] == ["reconcile_failed"]
    last = spine.ledger.proof.read_last()
    assert (last.failed_since, last.tried_at, last.reason) == (
        spine.clock(),
        spine.clock(),
        "shop: broke off",
    )
    spine.store.on_page = lambda _number: None
    assert watch.run_if_due() is None
    spine.tick(AGAIN_AFTER.total_seconds())
    assert watch.run_if_due() is not None
    assert spine.ledger.proof.read_last().failed_since is None


def test_a_shop_in_trouble_is_not_asked(spine: Spine) -> None:
    watch = nights(spine)
    watch.healthy = lambda _name: False
    spine.tick(15 * HOUR)
    assert watch.run_if_due() is None
    assert spine.ledger.proof.read_last().failed_since is None


def test_a_proof_that_is_stopped_is_no_failure(spine: Spine) -> None:
    watch = nights(spine)
    watch.reconciler = replace(watch.reconciler, stopping=lambda: True)
    spine.tick(15 * HOUR)
    assert watch.run_if_due() is None
    assert spine.ledger.proof.read_last().failed_since is None


def test_the_outcome_is_kept_and_told(spine: Spine) -> None:
    spine.tick(15 * HOUR)
    with capture_logs() as logs:
        nights(spine).run_if_due()
    [line] = [line for line in logs if line["event"] == "reconciled"]
    assert (line["paid_lines"], line["enrolled"], line["unexplained"], line["log_level"]) == (1, 1, 0, "info")
    last = spine.ledger.proof.read_last()
    assert last.counts["enrolled"] == 1
    assert last.worked_at == last.nightly_at == spine.clock()


def test_an_unexplained_line_is_an_error_and_kept_since_its_first_night(spine: Spine) -> None:
    spine.execute("DELETE FROM enrolments")
    watch = nights(spine)
    spine.tick(15 * HOUR)
    with capture_logs() as logs:
        watch.run_if_due()
    assert [line["log_level"] for line in logs if line["event"] == "reconciled"] == ["error"]
    first = spine.clock()
    spine.tick(24 * HOUR)
    watch.run_if_due()
    assert spine.ledger.proof.read_last().unexplained_since == first


def test_an_lms_that_forgot_its_learners_is_told_until_it_has_them_again(spine: Spine) -> None:
    for number in range(2, 10):
        spine.store.put(
            make_order(number, email=f"u{number}@example.test", modified_at=T0 + timedelta(seconds=1))
        )
    spine.poller.poll_once()
    spine.work()
    enrolled = dict(spine.lms.enrolled)
    spine.lms.enrolled.clear()
    watch = nights(spine)
    spine.tick(15 * HOUR)
    with capture_logs() as logs:
        watch.run_if_due()
    [line] = [line for line in logs if line["event"] == "service_suspect"]
    assert (line["service"], line["log_level"]) == ("campus", "error")
    first = spine.clock()
    spine.tick(24 * HOUR)
    watch.run_if_due()
    [suspect] = spine.ledger.proof.read_last().suspects
    assert (suspect.name, suspect.since) == ("campus", first)
    assert "9 of 9 learners are not there" in suspect.why
    spine.tick(24 * HOUR)
    watch.lms = Depth.NONE
    watch.run_if_due()
    assert len(spine.ledger.proof.read_last().suspects) == 1, "nobody looked"
    spine.lms.enrolled = enrolled
    spine.tick(24 * HOUR)
    watch.lms = Depth.SAMPLE
    watch.run_if_due()
    assert spine.ledger.proof.read_last().suspects == ()


@pytest.mark.parametrize(
    ("now", "zone", "night"),
    [
        (
            "2026-03-29T01:30:00",
            "Europe/Berlin",
            "2026-03-29T01:00:00",
        ),  # 02:30 does not exist: 03:00 is 01:00 UTC
        ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T02:00:00"),
        ("2026-11-21T02:00:00", "", "2026-11-20T03:00:00"),
        ("2026-11-21T10:30:00", "-08:00", "2026-11-20T11:00:00"),
        ("2026-11-21T11:00:00", "-08:00", "2026-11-21T11:00:00"),
    ],
    ids=["spring", "autumn", "before", "west-before", "west-now"],
)
def test_the_night_follows_the_clock_on_the_shops_wall(now: str, zone: str, night: str) -> None:
    def instant(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    assert last_night(instant(now), time(3), zone) == instant(night)


def test_a_mass_withdrawal_and_a_spent_budget_are_told_when_they_begin() -> None:
    barred: list[Barred | None] = [None]
    waiting: dict[str, int] = {}
    watch = HaltWatch(barred=lambda: barred[0], waiting=lambda: dict(waiting))

    def told() -> list[str]:
        with capture_logs() as logs:
            watch.look()
        return [line["event"] for line in logs]

    assert told() == []
    barred[0] = Barred(waiting=40, done=0, inside=50)
    waiting["campus"] = 3
    assert told() == ["withdrawals_stopped", "budget_spent"]
    assert told() == []
    barred[0] = None
    waiting.clear()
    assert told() == []
    waiting["campus"] = 1
    assert told() == ["budget_spent"]
