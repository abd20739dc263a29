"""`wcsync courses push` killed at random moments, over and over: it ends where an undisturbed one does."""

import random
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.proofs import Proof
from tests.system.gallery import PNG, SECRETS, Gallery
from tests.system.killing import EARLY_SHARE, FRESH_SHARE, PATIENCE_S, sized
from tests.system.nursery import Nursery, printed
from tests.system.stock import leaks
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault, Kind

KILLS = sized(18, 150)
"""Pushes that are killed, in each of the two campaigns below."""

WRITING_SHARE = 0.6
"""Of those that are not killed early, so many are killed after they have begun to write."""
LATEST_S = 2.5
"""No late effect comes later: the shop's time-out is 1 s, and three of those are waited."""
COURSES, PATHS = 9, 1
PATH = COURSES
"""The place of the path's product."""
WORDS = ("Python", "SQL", "R & D", "Ñandú")
SETTINGS = '[course_sync.tags]\nownership = "own-unless-edited"\n'


@dataclass
class Kills:
    """`done`: how many pushes did not end before; `among_writes`: how many of them had begun to write. `open_uploads`:
    how many rounds may have left an upload that was not noted: one each, as the next is asked for only after that.
    `rounds`: all, those whose push ended by itself too.
    """

    done: int = 0
    rounds: int = 0
    among_writes: int = 0
    open_uploads: int = 0


@pytest.fixture
def galleries(tmp_path: Path) -> Iterator[tuple[Gallery, Gallery]]:
    """Two of the same: one is disturbed, the other is not."""
    pair = _open(tmp_path / "disturbed"), _open(tmp_path / "calm")
    yield pair
    for gallery in pair:
        gallery.close()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with closing(Nursery()) as nursery:
        yield nursery


@pytest.mark.prove
@pytest.mark.parametrize("late", [False, True], ids=["answers lost", "late effects"])
@pytest.mark.timeout(3600)
def test_a_push_killed_again_and_again_ends_where_an_undisturbed_one_does(
    galleries: tuple[Gallery, Gallery], nursery: Nursery, proof: Proof, *, late: bool
) -> None:
    disturbed, calm = galleries
    dice, changes = random.Random(KILLS), random.Random(1)
    edits, kills = dict[tuple[int, str], str](), Kills()
    for gallery in galleries:
        assert gallery.push()["written"] == COURSES + PATHS
    disturbed.shop.latency_s = 0.05
    while kills.done < KILLS:
        disturbed.shop.wait_for_late_effects()
        seed = changes.random()
        for gallery in galleries:
            edits |= _live_on(gallery, kills.rounds, random.Random(seed))
        assert calm.push()["outcome"] == "done"
        _spoil_some(disturbed, dice, dice.uniform(0.6, LATEST_S) if late else 0.0)
        _push_and_kill(disturbed, nursery, dice, kills)
    disturbed.shop.faults.clear()
    disturbed.shop.latency_s = 0.0
    disturbed.shop.wait_for_late_effects()
    disturbed.run_until_quiet()
    outcome = Outcome.of(disturbed, calm, edits, kills)
    _tell(
        proof,
        f"courses push, {'late effects' if late else 'answers lost'}",
        outcome,
        disturbed,
        len(edits),
        kills,
    )
    assert outcome == Outcome()
    disturbed.assert_at_rest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is not as it should be: words of people that are gone, products that are not as where nobody disturbed,
    products and pictures that are there once more, secrets that were said."""

    edits_lost: tuple[tuple[int, str], ...] = ()
    unlike: tuple[str, ...] = ()
    doubled: int = 0
    leaked: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, disturbed: Gallery, calm: Gallery, edits: dict[tuple[int, str], str], kills: Kills
    ) -> "Outcome":
        pairs = zip(disturbed.shown(), calm.shown(), strict=False)
        spare = [
            disturbed.shop.uploads - _pictures(disturbed) - kills.open_uploads,
            calm.shop.uploads - _pictures(calm),
        ]
        log = disturbed.folder / "push.log"
        return cls(
            edits_lost=tuple(
                (place, field)
                for gallery in (disturbed, calm)
                for (place, field), text in edits.items()
                if gallery.product(place)[field] != text
            ),
            unlike=tuple(f"{one} instead of {other}" for one, other in pairs if one != other),
            doubled=len(disturbed.shop.products) - COURSES - PATHS + sum(max(one, 0) for one in spare),
            leaked=tuple(leaks([log.read_text(), printed(log).read_text()], list(SECRETS.values()))),
        )


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


def _push_and_kill(gallery: Gallery, nursery: Nursery, dice: random.Random, kills: Kills) -> None:
    """Starts a push and kills it, most often while it is at work, if it has not ended by itself."""
    asked, begun = len(gallery.moodle.requests), len(gallery.shop.requests)
    start = nursery.start_fresh if dice.random() < FRESH_SHARE else nursery.start
    words = ("courses", "push", "--config", str(gallery.folder / "config.toml"))
    process = start(*words, log=gallery.folder / "push.log")
    if dice.random() < EARLY_SHARE:
        sleep(dice.uniform(0, 0.2))
    else:
        writing, deadline = dice.random() < WRITING_SHARE, monotonic() + PATIENCE_S
        while process.poll() is None and monotonic() < deadline:
            if (
                any(_writes(one.request) for one in gallery.shop.requests[begun:])
                if writing
                else (len(gallery.moodle.requests) > asked)
            ):
                break
            sleep(0.005)
        sleep(dice.uniform(0, 0.15 if writing else 1.0))
    killed = process.kill() == -signal.SIGKILL
    told = [one.request for one in gallery.shop.requests[begun:]]
    kills.rounds += 1
    kills.done += killed
    kills.among_writes += killed and any(map(_writes, told))
    kills.open_uploads += any(map(_uploads, told))


def _writes(request: Request) -> bool:
    return request.method != "GET" and "/wc/v3/products" in request.path


def _uploads(request: Request) -> bool:
    return _writes(request) and b'"src"' in request.body


def _pictures(gallery: Gallery) -> int:
    """How many different pictures the shop was given."""
    return len({sha256(content).digest() for content in gallery.shop.media.contents.values()})


def _open(folder: Path) -> Gallery:
    folder.mkdir()
    gallery = Gallery(folder, courses=COURSES, paths=PATHS)
    with (folder / "config.toml").open("a") as file:
        file.write(f"[course_sync]\nmax_changes_share = 1\n{SETTINGS}")
    return gallery


def _tell(proof: Proof, what: str, outcome: Outcome, disturbed: Gallery, edits: int, kills: Kills) -> None:
    proof.tell(
        "kills",
        what,
        trials=kills.done,
        lost=len(outcome.edits_lost),
        doubled=outcome.doubled,
        leaked=len(outcome.leaked),
        unlike=len(outcome.unlike),
        among_writes=kills.among_writes,
        edits_kept=edits,
        writes=len(disturbed.writes()),
        pictures=_pictures(disturbed),
        uploads=disturbed.shop.uploads,
    )
