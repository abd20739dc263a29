"""One trial after the other: a few calls meet a fault, and the daemon works on until it is quiet."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.matrix.calls import Call
from tests.matrix.judge import Before, Judge, Verdict
from tests.matrix.scenes import Scene
from tests.matrix.wire import Mishap
from tests.matrix.world import World, wired


class Trials:
    """A scene played again and again in one world, by a daemon that stays; where something went wrong, in a new one.
    `usual`: how often it makes each call unharmed."""

    def __init__(self, folder: Path, scene: Scene) -> None:
        self.folder = folder
        self.scene = scene
        self.usual: Counter[Call] = Counter()
        self._number = 0
        self._begin()
        for _ in range(2):  # the first time more is asked than ever after
            verdict = self.run(())
            assert not verdict.wrong, verdict
            self.usual = verdict.asked

    def run(self, mishaps: Sequence[Mishap]) -> Verdict:
        """Plays the scene once, with these mishaps in it."""
        with wired(self.world.wire):
            verdict = self._play(mishaps)
        if verdict.wrong:
            self.world.close()
            self._begin()
        return verdict

    def run_surely(self, mishap: Mishap) -> Verdict:
        """As `run`; where the scene made fewer calls this time than usual, as when courses are read in full once a
        day, with the first of them struck."""
        verdict = self.run([mishap])
        return verdict if mishap.met else self.run([replace(mishap, skip=0, met=[])])

    def close(self) -> None:
        """Asks the ledger's file whether it is whole."""
        [found] = self.world.rows("PRAGMA integrity_check")
        self.world.close()
        assert tuple(found) == ("ok",), tuple(found)

    def _play(self, mishaps: Sequence[Mishap]) -> Verdict:
        world, who = self.world, f"b{self._count()}"
        world.wire.pass_time(self.scene.pause_s)
        if self.scene.prepare is not None:
            self.scene.prepare(world, who)
            assert world.settle(), "what went before did not come to an end"
        before = Before.of(world)
        world.wire.mishaps = list(mishaps)
        self.scene.act(world, who)
        settled = world.settle()
        world.wire.mishaps = []
        judge = Judge(world=world, before=before, mishaps=mishaps, usual=self.usual)
        return judge.verdict(settled=settled)

    def _begin(self) -> None:
        folder = self.folder / f"world-{self._count()}"
        folder.mkdir(mode=0o700)
        self.world = World(folder, self.scene)
        with wired(self.world.wire):
            self.world.open()
            assert self.world.settle(), "the world does not come to rest"

    def _count(self) -> int:
        self._number += 1
        return self._number
