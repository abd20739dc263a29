"""How often the shop is asked, whatever it answers and however long it takes."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wcsync.cadence import BREATH_S, EARLY_S, FLOOR_S, HOT_TIMES, Cadence, Look, Tempo

HOUR_S = 3600.0
durations = st.floats(min_value=0.0, max_value=300.0)
tempos = st.builds(
    Tempo,
    longest_s=st.floats(min_value=0.5, max_value=3600.0),
    duty=st.floats(min_value=0.001, max_value=1.0),
    hot_s=st.floats(min_value=0.0, max_value=300.0),
)
troubles = st.one_of(st.none(), st.none(), st.floats(min_value=0.0, max_value=6 * HOUR_S))
events = st.lists(st.tuples(durations, st.booleans(), troubles), max_size=30)


def played(tempo: Tempo, plan: Iterable[tuple[float, bool, float | None]]) -> tuple[Cadence, list[Look]]:
    """What a daemon does that looks exactly when it is due."""
    cadence, now, looks = Cadence.begin(tempo), 1000.0, []
    for duration_s, hit, trouble_s in plan:
        now = max(now, cadence.due_at)
        look = Look(began=now, ended=now + duration_s, hit=hit and trouble_s is None, trouble_s=trouble_s)
        cadence, now = cadence.after(look), look.ended
        looks.append(look)
    return cadence, looks


def next_wait_s(cadence: Cadence, looks: list[Look]) -> float:
    return cadence.due_at - looks[-1].began


def test_the_first_look_is_due_at_once() -> None:
    assert Cadence.begin(Tempo()).is_due(-1e9)


@given(tempos, events)
def test_no_two_looks_are_nearer_than_the_floor(
    tempo: Tempo, plan: list[tuple[float, bool, float | None]]
) -> None:
    assume(plan)
    cadence, looks = played(tempo, plan)
    assert next_wait_s(cadence, looks) >= min(FLOOR_S, tempo.longest_s) * (1 - 1e-9)
    assert not cadence.is_due(looks[-1].began + min(FLOOR_S, tempo.longest_s) - 2 * EARLY_S)


@given(tempos, events)
def test_no_wait_after_a_look_without_trouble_is_longer_than_an_admin_allows(
    tempo: Tempo, plan: list[tuple[float, bool, float | None]]
) -> None:
    assume(plan and plan[-1][2] is None)
    cadence, looks = played(tempo, plan)
    assert cadence.due_at - looks[-1].ended <= tempo.longest_s * (1 + 1e-9)


@given(tempos, events, durations, durations, st.booleans())
def test_a_look_that_takes_longer_is_never_followed_sooner(
    tempo: Tempo, plan: list[tuple[float, bool, float | None]], one_s: float, other_s: float, hit: bool
) -> None:
    shorter, longer = sorted((one_s, other_s))
    before, _ = played(tempo, plan)
    waits = []
    for duration_s in (shorter, longer):
        began = max(before.due_at, 1e9)
        after = before.after(Look(began=began, ended=began + duration_s, hit=hit))
        waits.append(after.due_at - began)
    assert waits[0] <= waits[1] + 1e-6


@settings(max_examples=50)
@given(tempos, durations)
def test_an_idle_hour_costs_the_shop_no_more_than_the_budget(tempo: Tempo, duration_s: float) -> None:
    """But for the floor, and for an admin's own upper bound."""
    assume(tempo.longest_s >= 5)
    now, spent_s, cadence = 0.0, 0.0, Cadence.begin(tempo)
    while now < HOUR_S:
        cadence = cadence.after(Look(began=now, ended=now + duration_s))
        spent_s += duration_s
        now = cadence.due_at
    by_bound = duration_s / max(tempo.longest_s, duration_s + min(duration_s, tempo.longest_s))
    by_floor = duration_s / FLOOR_S if duration_s / tempo.duty < FLOOR_S else 0.0
    share = max(tempo.duty if duration_s / tempo.duty < tempo.longest_s else by_bound, by_floor)
    assert spent_s <= (share * HOUR_S + duration_s) * (1 + 1e-9)


@settings(max_examples=50)
@given(tempos, durations)
def test_a_hot_window_ends_and_the_wait_grows_back_to_what_the_budget_allows(
    tempo: Tempo, duration_s: float
) -> None:
    cadence = Cadence.begin(tempo).after(Look(began=0.0, ended=duration_s, hit=True))
    waits, now = list[float](), cadence.due_at
    while now <= duration_s + tempo.hot_s + 20 * HOUR_S and len(waits) < 5000:
        cadence = cadence.after(Look(began=now, ended=now + duration_s))
        waits.append(cadence.wait_s)
        now = cadence.due_at
        if cadence.wait_s >= tempo.wait_s(duration_s) and now > cadence.hot_until:
            break
    assert cadence.wait_s == pytest.approx(tempo.wait_s(duration_s))
    assert all(later >= sooner - 1e-9 for sooner, later in pairwise(waits))


@given(tempos, events, durations, st.floats(min_value=0.0, max_value=6 * HOUR_S))
def test_trouble_never_makes_the_next_look_sooner_and_the_asked_wait_is_kept(
    tempo: Tempo, plan: list[tuple[float, bool, float | None]], duration_s: float, trouble_s: float
) -> None:
    before, _ = played(tempo, plan)
    began = max(before.due_at, 1e6)
    well = before.after(Look(began=began, ended=began + duration_s))
    ill = before.after(Look(began=began, ended=began + duration_s, trouble_s=trouble_s))
    assert ill.due_at >= began + duration_s + trouble_s
    assert ill.due_at >= min(well.due_at, began + before.wait_s)
    assert ill.wait_s >= min(before.wait_s, well.wait_s)
    assert ill.wait_s <= tempo.longest_s * (1 + 1e-9)


def test_a_usual_shop_is_looked_at_every_19_seconds() -> None:
    """0.19 s for a look that finds nothing, as measured, and 1 % of a core."""
    cadence, looks = played(Tempo(), [(0.19, False, None)] * 3)
    assert round(next_wait_s(cadence, looks), 6) == 19.0


def test_after_a_hit_the_shop_is_looked_at_every_two_seconds_for_two_minutes() -> None:
    _, looks = played(Tempo(), [(0.19, False, None), (0.25, True, None), *[(0.19, False, None)] * 75])
    begins = [look.began - looks[1].ended for look in looks[2:]]
    hot = [begin for begin in begins if begin < 120]
    assert len(hot) in {59, 60}
    waits = [round(after - before, 2) for before, after in pairwise(begins)]
    assert waits[: len(hot) - 1] == [2.0] * (len(hot) - 1)
    assert waits[len(hot) :][:7] == [3.0, 4.5, 6.75, 10.12, 15.19, 19.0, 19.0]


def test_a_slow_shop_is_spared_in_the_hot_window_too() -> None:
    cadence, looks = played(Tempo(), [(1.5, True, None)])
    assert next_wait_s(cadence, looks) == 1.5 / (HOT_TIMES * 0.01)


def test_a_hot_window_may_be_switched_off() -> None:
    cadence, looks = played(Tempo(hot_s=0), [(0.19, False, None), (0.19, True, None)])
    assert round(next_wait_s(cadence, looks), 6) == 19.0


def test_a_shop_that_is_left_alone_is_due_when_that_is_over_and_keeps_its_pace() -> None:
    cadence, _ = played(Tempo(), [(0.19, False, None)] * 2)
    spared = cadence.after(Look(began=500.0, ended=500.0, trouble_s=3.0, asked=False))
    assert (spared.due_at, spared.wait_s) == (503.0, cadence.wait_s)


def test_trouble_ends_a_hot_window() -> None:
    cadence, _ = played(Tempo(), [(0.2, True, None), (0.2, False, 5.0), (0.2, False, None)])
    assert cadence.wait_s > FLOOR_S


@given(tempos, events)
def test_whoever_rings_has_the_shop_looked_at_once_it_has_rested(
    tempo: Tempo, plan: list[tuple[float, bool, float | None]]
) -> None:
    assume(plan)
    cadence, looks = played(tempo, plan)
    last, rung = looks[-1], cadence.rung().rung()
    rest_s = max(min(last.duration_s, tempo.longest_s), BREATH_S, last.trouble_s or 0.0)
    assert rung.due_at == min(cadence.due_at, last.ended + rest_s)
    assert rung.wait_s == cadence.wait_s


def test_a_bell_before_the_first_look_changes_nothing() -> None:
    assert Cadence.begin(Tempo()).rung() == Cadence.begin(Tempo())
