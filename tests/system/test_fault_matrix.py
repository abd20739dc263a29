"""Every call the daemon makes meets every fault, in one process by a clock that is moved: nothing is lost, doubled or
told, nobody is given up, and nobody is asked too often."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.matrix.calls import ACADEMY, CALLS, CAMPUS, Call
from tests.matrix.faults import TROUBLES, Follows, Trouble
from tests.matrix.judge import Verdict
from tests.matrix.scenes import SALE, SCENES
from tests.matrix.trials import Trials
from tests.matrix.wire import Mishap
from tests.proofs import Proof

FULL = os.environ.get("WCSYNC_PROVE") == "full"
SHARE = 1 if FULL else 6
"""Of the cells of each call every so manieth is tried."""
COSTLY = () if FULL else ("cover (Moodle)", "image upload (shop)")
"""Of these every second of that share: a day passes in a trial before all is shown."""
QUICK_SHARE = 20
PAIRS = 5000 if FULL else 200
IN_A_ROW = (1, 3)
QUICK = ("find user (Moodle)", "enrol (Moodle)", "create and assign (360Learning)", "orders page (shop)")
"""Calls a few of whose cells every run of the tests tries."""

EMPTY, WITHOUT_END, SIX_HOURS = "200 [], counted", "truncated, no length", "429, wait 1e9"
CANNOT_BE_TOLD = {
    (
        "users of a course (Moodle)",
        EMPTY,
    ): "Moodle counts nothing beside its lists: this one may be the truth",
    ("courses of a user (Moodle)", EMPTY): "as above",
    ("course skills (Moodle)", EMPTY): "as above",
    (
        "groups (360Learning)",
        EMPTY,
    ): "a company that shows no group has taken the key's rights away, or seems so",
    ("cover (Moodle)", WITHOUT_END): "half a picture begins as a whole one does",
    ("cover (Moodle)", SIX_HOURS): "a picture is asked for at every run, whatever its server asks",
}
"""Cells that are not tried, and why."""
GIVES_UP_AFTER_THREE = "image upload (shop)"
"""By its design: the picture is left out then, and told."""


def cells(call: Call) -> Iterator[tuple[Trouble, int]]:
    for trouble in TROUBLES:
        if (call.title, trouble.name) in CANNOT_BE_TOLD:
            continue
        yield from ((trouble, times) for times in IN_A_ROW)


def share(call: Call, of: int) -> list[tuple[Trouble, int]]:
    """Some of a call's cells, by a seed: the same each time."""
    every = list(cells(call))
    Random(call.title).shuffle(every)
    return every[: -(-len(every) // of)]


def try_out(folder: Path, call: Call, proof: Proof, tried: list[tuple[Trouble, int]]) -> None:
    trials, dice = Trials(folder, SCENES[call.title]), Random(call.title)
    verdicts = dict[str, Verdict]()
    for trouble, times in tried:
        most = 2 if call.title == GIVES_UP_AFTER_THREE else times
        skip = dice.randrange(max(trials.usual[call], 1))
        mishap = Mishap(call=call, trouble=trouble, times=min(times, most), skip=skip)
        verdicts[f"{trouble.name} × {times}"] = trials.run_surely(mishap)
    trials.close()
    found = verdicts.values()
    proof.tell(
        "faults × calls",
        call.title,
        trials=len(tried),
        lost=sum(one.lost for one in found),
        doubled=sum(one.doubled for one in found),
        leaked=sum(one.leaked for one in found),
        requests_at_most=max(one.asked[call] for one in found),
        stopped=sum(one.followed is Follows.STOP for one in found),
    )
    assert {what: one.wrong for what, one in verdicts.items() if one.wrong} == {}


def named(title: str) -> Call:
    return next(call for call in CALLS if call.title == title)


def test_every_call_has_its_scene() -> None:
    beside = {"front page (shop)"}  # asked for only to tell why the API is not there
    assert {call.title for call in CALLS} - beside == set(SCENES)


@pytest.mark.parametrize("title", QUICK)
def test_some_faults_leave_a_call_with_one_effect(tmp_path: Path, proof: Proof, title: str) -> None:
    call = named(title)
    try_out(tmp_path, call, proof, share(call, QUICK_SHARE))


@pytest.mark.prove
@pytest.mark.parametrize("title", SCENES)
def test_a_fault_leaves_a_call_with_one_effect(tmp_path: Path, proof: Proof, title: str) -> None:
    call = named(title)
    try_out(tmp_path, call, proof, share(call, 2 * SHARE if title in COSTLY else SHARE))


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(4))
def test_two_faults_in_one_sale_leave_it_with_one_effect(tmp_path: Path, proof: Proof, seed: int) -> None:
    dice, trials = Random(seed), Trials(tmp_path, SALE)
    asked = sorted(trials.usual, key=lambda call: call.title)
    found, wrong = list[Verdict](), dict[str, tuple[str, ...]]()
    for _ in range(PAIRS // 4):
        mishaps = [
            Mishap(call=call, trouble=dice.choice(list(cells(call)))[0], times=dice.choice(IN_A_ROW))
            for call in dice.sample(asked, 2)
        ]
        verdict = trials.run(mishaps)
        found.append(verdict)
        missed = ("was never made",)  # the first may keep the daemon from the second
        if any(not one.endswith(missed) for one in verdict.wrong):
            wrong[" and ".join(f"{one.call.title}: {one.trouble.name} × {one.times}" for one in mishaps)] = (
                verdict.wrong
            )
    trials.close()
    proof.tell(
        "faults × calls",
        f"pairs of faults, {seed}",
        trials=len(found),
        lost=sum(one.lost for one in found),
        doubled=sum(one.doubled for one in found),
        leaked=sum(one.leaked for one in found),
        requests_at_most=max(one.asked.total() for one in found),
    )
    assert wrong == {}


def test_a_list_of_notes_that_is_shorter_than_it_says_brings_no_second_note(tmp_path: Path) -> None:
    by_name = {trouble.name: trouble for trouble in TROUBLES}
    trials = Trials(tmp_path, SALE)
    lost = Mishap(call=named("note write (shop)"), trouble=by_name["reset after it acted"], times=3)
    short = Mishap(call=named("note read (shop)"), trouble=by_name["200 [], counted"], times=3)
    verdict = trials.run([lost, short])
    trials.close()
    assert lost.met
    assert short.met
    assert verdict.wrong == ()


def test_an_lms_is_asked_for_no_other_host(tmp_path: Path) -> None:
    """The redirect's target is no site of the wire: a client that followed it would fail here."""
    trials = Trials(tmp_path, SALE)
    redirect = next(one for one in TROUBLES if one.name == "301")
    for call in CALLS:
        if call in trials.usual and call.site in {CAMPUS, ACADEMY}:
            verdict = trials.run([Mishap(call=call, trouble=redirect)])
            assert (verdict.followed, verdict.wrong) == (Follows.STOP, ())
    trials.close()
