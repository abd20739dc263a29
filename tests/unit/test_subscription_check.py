"""The proof reads subscriptions again, asks for those the shop hides, and ends nothing by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes import T0
from tests.spine import Spine
from wcsync.errors import TransientError
from wcsync.pollers.subscription_check import SubscriptionCheck
from wcsync.reckoning import Remark

LONG_AGO = T0 - timedelta(days=90)


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path, start=LONG_AGO)
    yield made
    made.close()


def look(spine: Spine) -> list[Remark]:
    check = SubscriptionCheck(
        store=spine.store, ledger=spine.ledger, planner=lambda: spine.plan, clock=spine.clock
    )
    return check.look(LONG_AGO)


def statuses(spine: Spine) -> dict[int, str]:
    rows = spine.rows("SELECT subscription_id, status FROM subscriptions")
    return {row["subscription_id"]: row["status"] for row in rows}


def test_a_shop_without_subscriptions_is_fine(spine: Spine) -> None:
    assert look(spine) == []


def test_one_that_no_poll_saw_is_known_after_the_proof(spine: Spine) -> None:
    spine.store.subscribe(77, T0, status="on-hold")
    assert look(spine) == []
    assert statuses(spine) == {77: "on-hold"}


def test_one_that_the_shop_does_not_know_any_more_is_told_and_stays(spine: Spine) -> None:
    spine.store.subscribe(77, T0, status="active")
    spine.store.subscribe(78, T0, status="active")
    look(spine)
    assert spine.store.subscriptions is not None
    del spine.store.subscriptions[77]
    [remark] = look(spine)
    assert remark.code == "subscription_gone"
    assert "subscription 77" in remark.message
    assert statuses(spine) == {77: "active", 78: "active"}


def test_a_list_that_fails_is_told_and_ends_no_proof(spine: Spine) -> None:
    spine.store.subscribe(77, T0)

    def fail(_number: int) -> None:
        raise TransientError("shop: broke off")

    spine.store.before_subscriptions = fail
    [remark] = look(spine)
    assert (remark.code, "broke off" in remark.message) == ("subscriptions_not_looked", True)
