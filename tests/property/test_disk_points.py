"""The disk is full, fails or is locked from the nth statement of a story on, for five minutes: nobody is called without
a word about it on the disk, nothing is lost, and once there is room again all goes on, restarted or not."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest

from tests.points import Ill, Outage
from tests.points_runs import Run, Tally, quick_folder, tell, undisturbed
from tests.points_stories import STORIES, Story
from tests.points_town import BEGIN, WAIT_S, Town
from tests.proofs import Proof
from wcsync.errors import PassingTrouble

MOST = {"short": 2, "full": 10_000}[os.environ.get("WCSYNC_PROVE", "short")]
"""So many statements of each kind of a story are refused at the most, evenly spread."""
FEW = 30
"""So many of a story that is told in shares."""
PATIENCE = 10
"""The shop goes on being asked meanwhile; so many times the requests at the most."""
ILLS: tuple[Ill, ...] = ("full", "input/output error", "locked")

folder = pytest.fixture(scope="module")(quick_folder)


class StoppedError(Exception):
    """The supervisor starts the process anew."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """From which statement on the disk refuses, and whether the process is started anew meanwhile."""

    ill: Ill
    number: int | None
    restarted: bool = False

    def strike(self, town: Town, story: Story) -> int:
        """A command that is refused is repeated by the person who gave it, a start that fails by the supervisor. Where
        the process ends before its ledger was ever begun, the next one begins it by its own clock: a person has what
        was sold before read."""
        town.refuse = outage = Outage(self.ill, self.number, town.clock)
        if self.restarted:
            town.refused = self._stop
        while not self._lives(town, story):
            town.tick(WAIT_S)
        town.refuse = lambda _sql: None
        return int(outage.began_at is not None)

    def _stop(self) -> None:
        raise StoppedError

    def _lives(self, town: Town, story: Story) -> bool:
        """Whether the story came to its end."""
        try:
            if town.down:
                town.begin()
                if town.unbegun:
                    town.app.backfill(BEGIN - timedelta(hours=1))
            story.act(town)
        except (StoppedError, sqlite3.OperationalError, PassingTrouble):
            if self.restarted or town.down:
                town.refused = lambda: None  # once is enough
                town.stop()
            return False
        return True


Seen = Mapping[Ill, int]
"""How many statements of a story such a disk could refuse."""


def tell_counting(folder: Path, story: Story) -> tuple[Run, Seen]:
    """Undisturbed."""
    outages = list[Outage]()

    def hear(sql: str) -> None:
        for outage in outages:
            outage(sql)

    def act(town: Town, told: Story) -> int:
        outages.extend(Outage(ill, None, town.clock) for ill in ILLS)
        town.refuse = hear
        return undisturbed(town, told)

    whole = tell(folder, story, act)
    assert not whole.wrong, whole.wrong
    return whole, {outage.ill: outage.seen for outage in outages}


def refusals(seen_of: Seen, most: int = MOST) -> Iterator[Refusal]:
    for ill, seen in seen_of.items():
        for place in range(min(most, seen)):
            number = place * seen // min(most, seen)
            yield Refusal(ill, number, restarted=place % 2 == 1)
            if seen <= most:
                yield Refusal(ill, number, restarted=place % 2 == 0)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_as_ever_whatever_statement_the_disk_refuses(
    folder: Path, name: str, proof: Proof
) -> None:
    story, began = STORIES[name], perf_counter()
    whole, seen = tell_counting(folder, story)
    tally = Tally(whole, patience=PATIENCE)
    for refusal in refusals(seen, MOST if story.every == 1 else min(MOST, FEW)):
        tally.take(refusal, tell(folder, story, refusal.strike))
    tally.tell(proof, f"{name}; the disk refuses", perf_counter() - began)
    tally.check()


@pytest.mark.parametrize("ill", ILLS)
def test_a_sale_is_worked_off_though_the_disk_refuses_some_statements(folder: Path, ill: Ill) -> None:
    story = STORIES["enrol, new account"]
    whole, seen = tell_counting(folder, story)
    tally = Tally(whole, patience=PATIENCE)
    for number in range(0, seen[ill], 25):
        refusal = Refusal(ill, number)
        tally.take(refusal, tell(folder, story, refusal.strike))
    tally.check()
