"""Killing processes at random moments of their lives."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from tests.system.nursery import Child
from tests.system.stock import troubles_after_a_kill
from tests.system.world import World

FULL = os.environ.get("WCSYNC_PROVE") == "full"
FRESH_SHARE = 0.25 if FULL else 0.1
"""So many of the processes begin by importing the program; the others have that behind them."""
EARLY_SHARE = 0.25
"""So many are killed on their way to the first call, the others at any time in the second after it."""
PATIENCE_S = 60.0


def sized(short: int, full: int) -> int:
    """So many in `make prove SHORT=1`, so many in `make prove`."""
    return full if FULL else short


@dataclass
class Killer:
    """Kills what is started beside `world`, and looks at the ledger after each kill.

    `kills`: how many did not end before. `early`: how many of those had asked nobody yet. `starts`: all. `troubles`:
    what was wrong with a ledger right after a kill, or how one ended by itself that should not have; `most_leased`: how
    many rows may be leased at once.
    """

    world: World
    dice: random.Random
    most_leased: int
    kills: int = 0
    early: int = 0
    starts: int = 0
    troubles: list[str] = field(default_factory=list)

    def let_live_and_kill(
        self,
        start: Callable[[bool], Child],
        meanwhile: Callable[[], object] = lambda: None,
        *,
        may_end: bool = False,
    ) -> None:
        """`start(fresh)` makes the process; `meanwhile` happens once or more while it is at work.

        `may_end`: it may come to its end, a good one, before it is killed.
        """
        asked = self._asked()
        fresh = self.dice.random() < FRESH_SHARE
        child = start(fresh)
        self.starts += 1
        if self.dice.random() < EARLY_SHARE:
            sleep(self.dice.uniform(0, 1.2 if fresh else 0.2))
        else:
            self._wait_for_call(child, asked)
            self._live(meanwhile)
        early = self._asked() == asked
        self.early += self.note(child.kill(), may_end=may_end) and early

    def note(self, code: int, *, may_end: bool = False) -> bool:
        """Whether what ended so was killed, and then a look at what that left."""
        killed = code == -signal.SIGKILL
        self.kills += killed
        if killed:
            self.troubles += troubles_after_a_kill(self.world, self.most_leased)
        elif code or not may_end:
            self.troubles.append(f"it ended by itself, with {code}")
        return killed

    def _wait_for_call(self, child: Child, asked: int) -> None:
        deadline = monotonic() + PATIENCE_S
        while self._asked() == asked and child.poll() is None:
            assert monotonic() < deadline, "nothing was asked"
            sleep(0.002)

    def _live(self, meanwhile: Callable[[], object]) -> None:
        for _ in range(self.dice.randrange(1, 4)):
            meanwhile()
            sleep(self.dice.uniform(0, 0.33))

    def _asked(self) -> int:
        return len(self.world.shop.requests) + len(self.world.moodle.requests)
