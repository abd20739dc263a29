import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wcsync.retry import LONGEST_ASKED_WAIT_S, TRANSITIONS, Backoff, Event, State, next_state

JITTER = st.floats(min_value=0, max_value=1, exclude_max=True)


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_event_can_happen_somewhere() -> None:
    assert {event for moves in TRANSITIONS.values() for event in moves} == set(Event)


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_a_move_is_in_the_table_or_refused(state: State, event: Event) -> None:
    if event in TRANSITIONS[state]:
        assert next_state(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(KeyError):
            next_state(state, event)


def test_every_state_is_reached_from_a_new_row() -> None:
    reached, border = {State.DUE}, [State.DUE]
    while border:
        fresh = set(TRANSITIONS[border.pop()].values()) - reached
        reached |= fresh
        border.extend(fresh)
    assert reached == set(State)


@pytest.mark.parametrize("state", list(State))
def test_a_changed_wish_is_heard_in_every_state(state: State) -> None:
    assert next_state(state, Event.WISHED) in {State.DUE, State.LEASED}


def test_only_a_lease_can_be_settled() -> None:
    settling = {Event.APPLIED, Event.DEFERRED, Event.GAVE_UP, Event.RECOVERED}
    assert all(not settling & set(TRANSITIONS[state]) for state in State if state is not State.LEASED)


@given(st.integers(min_value=0, max_value=10**9), JITTER)
def test_a_wait_lies_between_half_the_first_and_the_longest(failures: int, jitter: float) -> None:
    backoff = Backoff(first_delay_s=30, max_delay_s=3600)
    assert 15 <= backoff.delay_s(failures, jitter=jitter) <= 3600


@given(st.integers(min_value=1, max_value=60), JITTER)
def test_waits_never_become_shorter(failures: int, jitter: float) -> None:
    backoff = Backoff()
    assert backoff.delay_s(failures, jitter=jitter) <= backoff.delay_s(failures + 1, jitter=jitter)


def test_waits_double() -> None:
    backoff = Backoff(first_delay_s=30)
    assert [backoff.delay_s(n, jitter=0) for n in (0, 1, 2, 3, 4)] == [15, 15, 30, 60, 120]


def test_jitter_spreads_over_the_upper_half() -> None:
    assert Backoff(first_delay_s=100).delay_s(1, jitter=0) == 50
    assert Backoff(first_delay_s=100).delay_s(1, jitter=0.5) == 75


def test_a_longer_wait_that_was_asked_for_is_kept() -> None:
    assert Backoff().delay_s(1, jitter=0.5, retry_after_s=600) == 600


@pytest.mark.parametrize(
    ("asked_s", "expected_s"),
    [
        pytest.param(1e12, LONGEST_ASKED_WAIT_S, id="thirty thousand years"),
        pytest.param(math.inf, LONGEST_ASKED_WAIT_S, id="for ever"),
        pytest.param(-5.0, 22.5, id="in the past"),
        pytest.param(0.0, 22.5, id="at once"),
        pytest.param(math.nan, 22.5, id="not a number"),
        pytest.param(None, 22.5, id="not said"),
    ],
)
def test_an_absurd_retry_after_neither_stops_nor_hurries_us(asked_s: float | None, expected_s: float) -> None:
    assert Backoff().delay_s(1, jitter=0.5, retry_after_s=asked_s) == expected_s


def test_a_row_is_given_up_at_its_last_attempt_and_not_before() -> None:
    backoff = Backoff(max_attempts=3)
    assert [backoff.exhausted(n) for n in (0, 2, 3, 4)] == [False, False, True, True]
