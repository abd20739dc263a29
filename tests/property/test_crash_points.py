"""Killed at every point of every story, whatever becomes of the call that is under way: once it is quiet again, all is
out there as if nothing had happened, by the sandboxes' own books."""

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pytest

from tests.points import Fate, Point
from tests.points_runs import Run, Tally, crashing, quick_folder, tell, tell_undisturbed
from tests.points_stories import STORIES, Story
from tests.points_town import Town
from tests.proofs import Proof

FULL = os.environ.get("WCSYNC_PROVE", "short") == "full"
FEWEST_PAIRS = 3
PAIRS = 500 if FULL else FEWEST_PAIRS
"""So many times each story is struck twice; those that are told in shares, a share of them."""
SOME = 60
"""In the default run every so-many-th point is struck."""
FATES: tuple[Fate, ...] = ("never", "lost", "late")

folder = pytest.fixture(scope="module")(quick_folder)


@dataclass(frozen=True, slots=True)
class Crash:
    """Where the first process dies, and where those after it; and what becomes of what they had under way."""

    kills: tuple[int, ...] = ()
    fate: Fate = "never"
    at: str = ""

    def strike(self, town: Town, story: Story) -> int:
        town.fate = self.fate
        return crashing(self.kills)(town, story)


def strike(folder: Path, story: Story, crashes: Iterable[Crash], whole: Run) -> Tally:
    tally = Tally(whole)
    for crash in crashes:
        tally.take(crash, tell(folder, story, crash.strike))
    return tally


def single(points: Sequence[Point], every: int = 1, *, under_way: bool = False) -> Iterator[Crash]:
    """Every point, with each fate that makes a difference there. `every` above 1: so-many-th; with `under_way` those at
    which a call is out there besides."""
    for number, point in enumerate(points):
        if number % every == 0 or (under_way and point.under_way):
            for fate in fates_of(point):
                yield Crash((number,), fate, point.name)


def fates_of(point: Point) -> tuple[Fate, ...]:
    if not point.under_way:
        return FATES[:1]
    return (*FATES, "half") if point.name == "sent PUT products/N" else FATES


def pairs(name: str, points: Sequence[Point], many: int) -> Iterator[Crash]:
    """A second crash while the first is mended, as a die with a seed of its own says."""
    dice = random.Random(name)
    for _ in range(many):
        first, second = dice.randrange(len(points)), dice.randrange(len(points))
        yield Crash((first, second), dice.choice(FATES), points[first].name)


def told(proof: Proof, what: str, tally: Tally, began: float) -> None:
    points = tally.whole.points
    tally.tell(
        proof, what, perf_counter() - began, points=len(points), kinds=len({point.name for point in points})
    )
    tally.check()


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_as_ever_though_its_process_dies_at_some_points(folder: Path, name: str) -> None:
    story = STORIES[name]
    whole = tell_undisturbed(folder, story)
    strike(folder, story, single(whole.points, SOME), whole).check()


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_as_ever_wherever_its_process_dies(folder: Path, name: str, proof: Proof) -> None:
    story, began = STORIES[name], perf_counter()
    whole = tell_undisturbed(folder, story)
    crashes = single(whole.points, 1 if FULL else story.every, under_way=True)
    told(proof, name, strike(folder, story, crashes, whole), began)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_as_ever_though_the_next_process_dies_as_well(
    folder: Path, name: str, proof: Proof
) -> None:
    story, began = STORIES[name], perf_counter()
    whole = tell_undisturbed(folder, story)
    crashes = pairs(name, whole.points, max(PAIRS // story.every, FEWEST_PAIRS))
    told(proof, f"{name}; and again", strike(folder, story, crashes, whole), began)
