"""`wcsync courses push` killed at random moments, over and over: it ends where an undisturbed one does."""

import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.system.gallery import PNG, Gallery
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault, Kind

KILLS = {"short": 25, "full": 150}[os.environ.get("WCSYNC_PROVE", "short")]
"""Pushes that are to be killed, in each of the two campaigns below."""

COURSES, PATHS = 9, 1
PATH = COURSES
"""The place of the path's product."""
WORDS = ("Python", "SQL", "R & D", "Ñandú")
SETTINGS = '[course_sync.tags]\nownership = "own-unless-edited"\n'


@dataclass
class Kills:
    """`done`: how many pushes did not end before; `among_writes`: how many of them had begun to write. `open_uploads`:
    how many rounds may have left an upload that was not noted: one each, as the next is asked for only after that.
    """

    done: int = 0
    among_writes: int = 0
    open_uploads: int = 0


@pytest.fixture
def galleries(tmp_path: Path) -> Iterator[tuple[Gallery, Gallery]]:
    """Two of the same: one is disturbed, the other is not."""
    pair = _open(tmp_path / "disturbed", alone=True), _open(tmp_path / "calm", alone=False)
    yield pair
    for gallery in pair:
        gallery.close()


@pytest.mark.prove
@pytest.mark.parametrize("late_s", [0.0, 0.6], ids=["answers-lost", "late-effects"])
@pytest.mark.timeout(3600)
def test_a_push_killed_again_and_again_ends_where_an_undisturbed_one_does(
    galleries: tuple[Gallery, Gallery], late_s: float
) -> None:
    disturbed, calm = galleries
    dice = random.Random(KILLS)
    changes = random.Random(1)
    edits = dict[tuple[int, str], str]()
    kills = Kills()
    for gallery in galleries:
        assert gallery.push()["written"] == COURSES + PATHS
    disturbed.shop.latency_s = 0.05
    for number in range(KILLS):
        disturbed.shop.wait_for_late_effects()
        seed = changes.random()
        for gallery in galleries:
            edits |= _live_on(gallery, number, random.Random(seed))
        assert calm.push()["outcome"] == "done"
        _spoil_some(disturbed, dice, late_s)
        _push_and_kill(disturbed, dice, kills)
    disturbed.shop.faults.clear()
    disturbed.shop.latency_s = 0.0
    disturbed.shop.wait_for_late_effects()
    disturbed.run_until_quiet()
    _verify(disturbed, calm, edits, kills)
    _tell(disturbed, calm, late_s, len(edits), kills)


def _verify(disturbed: Gallery, calm: Gallery, edits: dict[tuple[int, str], str], kills: Kills) -> None:
    assert disturbed.shown() == calm.shown()
    for gallery in (disturbed, calm):
        for (place, field), text in edits.items():
            assert gallery.product(place)[field] == text, (place, field)
    assert calm.shop.uploads == _pictures(calm)
    assert disturbed.shop.uploads <= _pictures(disturbed) + kills.open_uploads
    disturbed.assert_at_rest()


def _live_on(gallery: Gallery, number: int, dice: random.Random) -> dict[tuple[int, str], str]:
    """What authors and people do in one round: the same in both galleries. Returns what people wrote."""
    for place in dice.sample(range(COURSES), 3):
        gallery.moodle.describe_course(
            gallery.courses[place],
            name=f"Course {place} & round {number}",
            summary=f"<p>All about {place}, by round {number}.</p>",
            modules=[("", f"Module {one}", "page") for one in range(dice.randrange(1, 5))],
            skills=dice.sample(WORDS, 2),
        )
    if dice.random() < 0.5:
        content = PNG + b"." * dice.randrange(1, 2 + KILLS // 5)
        for place in dice.sample(range(COURSES), 2):
            gallery.moodle.describe_course(gallery.courses[place], cover=content)
    steps = [("course", f"Step {one}") for one in range(dice.randrange(1, 4))]
    gallery.academy.describe_path(gallery.paths[0], name=f"Path, round {number}", steps=steps)  # type: ignore[arg-type]
    if dice.random() < 0.3:
        place, field = dice.randrange(COURSES), dice.choice(("name", "description", "short_description"))
        text = f"People's own, round {number}"
        changes: dict[str, Any] = {field: text}
        gallery.shop.edit_product(gallery.products[place], **changes)
        return {(place, field): text}
    return {}


def _spoil_some(gallery: Gallery, dice: random.Random, late_s: float) -> None:
    """In half of the rounds a write loses its answer after it acted, or acts after the caller gave up."""
    gallery.shop.faults.clear()
    kind: Kind = "late_effect" if late_s else "reset_after"
    if dice.random() < 0.5:
        gallery.shop.faults.add(Fault(kind=kind, match=_writes, skip=dice.randrange(4), seconds=late_s))
    elif dice.random() < 0.3:
        gallery.shop.faults.add(Fault(kind="halfway", match="/products/batch", items=dice.randrange(1, 5)))


def _push_and_kill(gallery: Gallery, dice: random.Random, kills: Kills) -> None:
    """Starts a push and kills it while it is at work, if it has not ended by itself."""
    asked, begun = len(gallery.moodle.requests), len(gallery.shop.requests)
    process = gallery.start("courses", "push")
    deadline = monotonic() + 30
    while len(gallery.moodle.requests) == asked and process.poll() is None and monotonic() < deadline:
        sleep(0.005)
    sleep(dice.uniform(0, 1.0))
    process.kill()
    process.communicate(timeout=30)
    told = [one.request for one in gallery.shop.requests[begun:]]
    kills.done += process.returncode == -signal.SIGKILL
    kills.among_writes += process.returncode == -signal.SIGKILL and any(map(_writes, told))
    kills.open_uploads += any(map(_uploads, told))


def _writes(request: Request) -> bool:
    return request.method != "GET" and "/wc/v3/products" in request.path


def _uploads(request: Request) -> bool:
    return _writes(request) and b'"src"' in request.body


def _pictures(gallery: Gallery) -> int:
    """How many different pictures the shop was given."""
    return len({sha256(content).digest() for content in gallery.shop.media.contents.values()})


def _open(folder: Path, *, alone: bool) -> Gallery:
    folder.mkdir()
    gallery = Gallery(folder, courses=COURSES, paths=PATHS, alone=alone)
    with (folder / "config.toml").open("a") as file:
        file.write(f"[course_sync]\nmax_changes_share = 1\n{SETTINGS}")
    return gallery


def _tell(disturbed: Gallery, calm: Gallery, late_s: float, edits: int, kills: Kills) -> None:
    figures = {
        "proof": "kill loop of courses push",
        "late_s": late_s,
        "pushes": KILLS,
        "killed": kills.done,
        "killed_among_writes": kills.among_writes,
        "products": COURSES + PATHS,
        "edits_kept": edits,
        "writes": len(disturbed.writes()),
        "pictures": _pictures(disturbed),
        "uploads": disturbed.shop.uploads,
        "uploads_undisturbed": calm.shop.uploads,
    }
    sys.stdout.write(json.dumps(figures | {"edits_lost": 0, "fields_wrong": 0}) + "\n")
