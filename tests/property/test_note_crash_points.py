"""Killed at any point of what leads to a note, however late the shop acts within the quarantine: each piece of news
stands beside its order once."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import T0, make_line, make_order
from tests.spine import QUARANTINE_S, Spine
from wcsync.ledger.ledger import SqliteLedger

pytestmark = pytest.mark.prove
"""Every point at which a process may die, one after the other."""

STEPS = (
    "record_page",
    "claim",
    "record_sending",
    "settle_applied",
)
POST_STEPS = ("claim", "record_sending", "settle_sent", "settle_deferred")
STORY = ("completed", "refunded", "completed")
TOLD = ("is enrolled", "has ended", "is enrolled")


class Killed(BaseException):
    """The process is gone."""


class Fuse:
    """Kills at the nth point that is passed; never, if there are fewer."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.passed = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed == self.left:
            raise Killed


class Street(Spine):
    """A spine that can be killed before and after each step of its ledger, and around each note.

    With `late_s` the shop acts so long after the process that asked was killed.
    """

    def __init__(self, folder: Path, fuse: Fuse, late_s: float | None) -> None:
        self.fuse = fuse
        self.late_s = late_s
        self.late: list[tuple[Any, Any, str]] = []
        super().__init__(folder, start=T0)
        self.take = self.store.push_note
        self.store.push_note = self.push  # type: ignore[method-assign]  # the shop's end of the line is what fails
        look = self.store.fetch_notes
        self.store.fetch_notes = self.around(look)  # type: ignore[method-assign]

    def _open(self) -> SqliteLedger:
        ledger = super()._open()
        for part, steps in ((ledger, STEPS), (ledger.post, POST_STEPS)):
            for step in steps:
                setattr(part, step, self.around(getattr(part, step)))
        ledger._db.execute(
            "PRAGMA synchronous = OFF"
        )  # no power is cut here, and this runs some hundred times
        return ledger

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any, **kwargs: Any) -> Any:
            self.fuse.point()
            done = act(*args, **kwargs)
            self.fuse.point()
            return done

        return acted

    def push(self, order_id: Any, text: str) -> None:
        self.fuse.point()
        if self.late_s is None:
            self.take(order_id, text)
            self.fuse.point()
            return
        try:
            self.fuse.point()
        except Killed:
            self.late.append((self.clock() + timedelta(seconds=self.late_s), order_id, text))
            raise
        self.take(order_id, text)

    def tick(self, seconds: float) -> None:
        super().tick(seconds)
        for entry in [entry for entry in self.late if entry[0] <= self.clock()]:
            self.late.remove(entry)
            self.take(*entry[1:])

    def live(self, act: Callable[[], object]) -> bool:
        """Whether it was survived."""
        try:
            act()
        except Killed:
            self.reopen()
            return False
        return True

    def turn(self) -> None:
        assert self.poller.poll_once().complete
        self.work()
        self.send()

    def rest(self) -> None:
        for _ in range(3):
            self.tick(QUARANTINE_S)
            self.live(self.turn)


def told(street: Street) -> list[str]:
    """What the notes say, without the marks, the same news one after the other kept."""
    found = [re.search("is enrolled|has ended", text) for text in street.store.notes.get(1017, [])]
    return [match.group() for match in found if match]


def tell(folder: Path, kill_at: int, late_s: float | None, *, patient: bool) -> tuple[list[str], int]:
    """What stands beside the order in the end. `patient`: each chapter is told to its end before the next begins."""
    folder.mkdir()
    fuse = Fuse(kill_at)
    street = Street(folder, fuse, late_s)
    street.store.put(make_order(1017, lines=(make_line(1),), status="pending", modified_at=street.clock()))
    for status in STORY:
        street.tick(1)
        street.store.change(1017, street.clock(), status=status)
        street.live(street.turn)
        if patient:
            street.rest()
    street.rest()
    street.close()
    return told(street), fuse.passed


@pytest.mark.parametrize("late_s", [None, QUARANTINE_S - 2], ids=["at once", "late"])
@pytest.mark.parametrize("patient", [True, False], ids=["slowly", "quickly"])
def test_each_piece_of_news_is_told_once_wherever_the_process_is_killed(
    tmp_path: Path, late_s: float | None, patient: bool
) -> None:
    whole, points = tell(tmp_path / "whole", 0, late_s, patient=patient)
    assert whole == list(TOLD)
    assert points > 50
    for number in range(1, points + 1):
        story, _ = tell(tmp_path / f"at-{number}", number, late_s, patient=patient)
        if patient:
            assert story == list(TOLD), number
        assert story[-1] == TOLD[-1], number
        assert all(one != other for one, other in pairwise(story)), (number, story)
