from datetime import timedelta

import pytest

from tests.fakes import T0
from wcsync.health import AFTER, PROBES, Condition, Health, Sign

UP = Health(condition=Condition.UP, since=T0)
LATER = T0 + timedelta(minutes=10)


def down(failures: int = 1) -> Health:
    health, now = UP, T0
    for _ in range(failures):
        health = health.after(Sign.FAILED, now, jitter=0.5, reason="timed out")
        now = health.retry_at or now
    return health


def test_every_sign_means_a_condition_and_every_trouble_has_its_waits() -> None:
    assert set(AFTER) == set(Sign)
    assert set(AFTER.values()) == set(Condition)
    assert set(PROBES) == set(Condition) - {Condition.UP}


def test_a_service_that_is_up_may_be_called() -> None:
    assert UP.may_call(T0)


def test_a_failure_brings_it_down_and_says_why_and_until_when() -> None:
    health = UP.after(Sign.FAILED, LATER, jitter=0.0, reason="timed out")
    assert (health.condition, health.since, health.failures, health.reason) == (
        Condition.DOWN,
        LATER,
        1,
        "timed out",
    )
    assert health.retry_at == LATER + timedelta(seconds=2.5)


def test_it_is_left_alone_until_its_wait_is_over() -> None:
    health = down()
    assert health.retry_at is not None
    assert not health.may_call(health.retry_at - timedelta(microseconds=1))
    assert health.may_call(health.retry_at)


def test_repeated_failures_wait_longer_and_keep_the_beginning() -> None:
    first, second, many = down(1), down(2), down(30)
    assert second.since == first.since == many.since == T0
    assert [health.failures for health in (first, second, many)] == [1, 2, 30]
    wait = many.after(Sign.FAILED, LATER + timedelta(days=1), jitter=0.999, reason="").retry_at
    assert wait is not None
    assert wait <= LATER + timedelta(days=1, seconds=300)


def test_calls_that_were_under_way_together_count_as_one_failure() -> None:
    first = UP.after(Sign.FAILED, T0, jitter=0.5)
    second = first.after(Sign.FAILED, T0 + timedelta(seconds=1), jitter=0.5)
    third = second.after(Sign.FAILED, T0 + timedelta(seconds=2), jitter=0.5)
    assert third.failures == 1
    assert third.retry_at is not None
    assert third.retry_at <= T0 + timedelta(seconds=7)


def test_a_longer_wait_asked_for_by_a_second_call_is_kept() -> None:
    first = UP.after(Sign.FAILED, T0, jitter=0.5)
    second = first.after(Sign.FAILED, T0, jitter=0.5, retry_after_s=600)
    third = second.after(Sign.FAILED, T0 + timedelta(seconds=1), jitter=0.5)
    assert third.retry_at == T0 + timedelta(seconds=600)


def test_an_answer_ends_the_trouble() -> None:
    assert down(3).after(Sign.WORKED, LATER, jitter=0.5) == Health(condition=Condition.UP, since=LATER)


def test_success_after_success_changes_nothing() -> None:
    assert UP.after(Sign.WORKED, LATER, jitter=0.5) == UP


def test_a_refusal_blocks_and_waits_longer_than_a_failure() -> None:
    health = UP.after(Sign.REFUSED, T0, jitter=0.0, reason="token refused")
    assert health.condition is Condition.BLOCKED
    assert health.retry_at == T0 + timedelta(seconds=30)


@pytest.mark.parametrize("signs", [(Sign.FAILED, Sign.REFUSED), (Sign.REFUSED, Sign.FAILED)])
def test_another_kind_of_trouble_begins_anew(signs: tuple[Sign, Sign]) -> None:
    first = UP.after(signs[0], T0, jitter=0.5)
    second = first.after(signs[1], LATER, jitter=0.5)
    assert (second.condition, second.since, second.failures) == (AFTER[signs[1]], LATER, 1)


def test_a_wait_the_service_asked_for_is_kept() -> None:
    assert UP.after(Sign.FAILED, T0, jitter=0.5, retry_after_s=600).retry_at == T0 + timedelta(seconds=600)


def test_a_wait_from_a_clock_that_was_ahead_is_not_kept() -> None:
    health = UP.after(Sign.REFUSED, T0 + timedelta(days=365), jitter=0.5)
    assert health.may_call(T0)
