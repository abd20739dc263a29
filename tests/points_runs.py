"""Telling stories again and again, with one trouble each, and counting what is not as it was without any."""

import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from tests.points import Killed, Point
from tests.points_config import wired
from tests.points_sites import Place
from tests.points_stories import Story
from tests.points_town import Town, ram
from tests.proofs import Proof

PATIENCE = 3
"""A crash makes a story cost so many times the requests at the most."""

Act = Callable[[Town, Story], int]
"""Has a story happen with a trouble in it. Answers how often that struck."""


def quick_folder() -> Iterator[Path]:
    """For fixtures."""
    made = Path(tempfile.mkdtemp(dir=ram(), prefix="wcsync-points-"))
    yield made
    shutil.rmtree(made)


@dataclass
class Run:
    """One telling of a story: its points, what is out there in the end, how often anybody was asked, what is wrong.

    `repeats`: by way, what is out there twice and is known to be the same; `excused`: as many as can be, since nobody
    but the far side could have kept them from being there.
    """

    points: Sequence[Point]
    picture: Counter[str]
    repeats: Counter[str]
    excused: Counter[str]
    asked: int
    strikes: int
    wrong: list[str]


@dataclass
class Tally:
    """What was counted over all troubles of a story, against how it goes undisturbed."""

    whole: Run
    patience: int = PATIENCE
    trials: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    wrong: list[str] = field(default_factory=list)

    def take(self, trouble: object, run: Run) -> None:
        missing, surplus = self.whole.picture - run.picture, run.picture - self.whole.picture
        self.trials += run.strikes > 0
        unexcused = run.repeats - run.excused
        self.lost += missing.total()
        self.doubled += surplus.total() + unexcused.total()
        self.repeated += (run.repeats & run.excused).total()
        wrong = [
            *run.wrong,
            *(f"missing: {one}" for one in missing),
            *(f"too much: {one}" for one in surplus),
            *(f"repeated for nothing, {many} times: {way}" for way, many in unexcused.items()),
        ]
        if run.asked > self.patience * (run.strikes + 1) * self.whole.asked:
            wrong.append(f"asked {run.asked} times instead of {self.whole.asked}")
        self.wrong += [f"{trouble}: {one}" for one in wrong]

    def tell(self, proof: Proof, what: str, took_s: float, **figures: int) -> None:
        if self.repeated:
            figures["repeated"] = self.repeated
        proof.tell(
            "crash points",
            what,
            trials=self.trials,
            lost=self.lost,
            doubled=self.doubled,
            per_s=round(self.trials / took_s, 1),
            **figures,
        )

    def check(self) -> None:
        assert not self.wrong, "\n".join(self.wrong[:20])


def undisturbed(town: Town, story: Story) -> int:
    if town.down:
        town.begin()
    story.act(town)
    return 0


def tell(folder: Path, story: Story, act: Act = undisturbed) -> Run:
    """Lives through a story, from its beginning until it is quiet."""
    faults: list[str] = []
    with (
        told_faults(faults),
        closing(Town(folder, story.scenery)) as town,
        wired(town),
    ):
        town.begin()
        story.prepare(town)
        before, asked = town.inside(), town.asked
        town.ever_inside = set(before)
        town.points.arm()
        strikes = act(town, story)
        points = list(town.points.passed)
        town.points.kill_at = None
        town.quiet()
        wrong = [*_wrong(town, story, before), *faults]
        return Run(
            points=points,
            picture=town.picture(),
            repeats=town.repeats(),
            excused=town.unsure,
            asked=town.asked - asked,
            strikes=strikes,
            wrong=wrong,
        )


def _wrong(town: Town, story: Story, before: set[Place]) -> Iterator[str]:
    yield from town.troubles()
    if town.inside() != story.inside:
        yield f"in there: {sorted(town.inside())}"
    if unpaid := town.ever_inside - before - story.inside - story.meanwhile:
        yield f"let in: {sorted(unpaid)}"


@cache
def tell_undisturbed(folder: Path, story: Story) -> Run:
    whole = tell(folder, story)
    assert not whole.wrong, whole.wrong
    return whole


def crashing(kills: Sequence[int]) -> Act:
    """The process dies at each of these points, the second counted from where the next one begins."""

    def act(town: Town, story: Story) -> int:
        crashes = 0
        for kill_at in (*kills, None):
            town.points.arm(kill_at)
            try:
                if town.down:
                    town.begin()
                    town.passed_by += town.unread()
                story.act(town)
                break
            except Killed:
                crashes += 1
                town.bury()
        return crashes

    return act


@contextmanager
def told_faults(faults: list[str]) -> Iterator[None]:
    """No log line is kept but those of bugs: a disk that refuses is none."""

    def take(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        if method == "critical" and not isinstance(sys.exc_info()[1], sqlite3.OperationalError):
            faults.append(str(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[take])
    try:
        yield
    finally:
        structlog.configure(**before)
