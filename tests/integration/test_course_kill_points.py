"""A run of the mirror killed before and after each write and each commit ends, run again, where it would have ended."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mirror_spine import PNG, QUARANTINE_S, Killed, MirrorSpine
from wcsync.course import Picture, StoredProduct, Term
from wcsync.ledger.mirror import DONE
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.rules import DEFAULT_OWNERSHIP, Rules

pytestmark = pytest.mark.prove
"""Every point at which a run may die, one after the other."""

MANY_STEPS = 400
COVER = Picture(url="https://campus.example.com/cover.png", version="1")
RULES = Rules(ownership={**DEFAULT_OWNERSHIP, Field.TAGS: Ownership.OWN_UNLESS_EDITED})


def begin(folder: Path) -> MirrorSpine:
    """A shop in the middle of its life: written once, one field edited by a person, then the courses changed."""
    folder.mkdir()
    spine = MirrorSpine(folder, rules=RULES)
    spine.sell(1, "41", tags=(Term(name="Sale", term_id=9),))
    spine.sell(2, "42")
    spine.sell(3, "43", parent_id=2)
    spine.sell(4, "44")
    spine.run()
    spine.shop.edit(4, description="<p>Ours is better.</p>")
    spine.pictures.files[COVER.url] = PNG
    for course_id in ("41", "43", "44"):
        spine.change(course_id, name=f"Renamed {course_id}", skills=("SQL",), cover=COVER)
    return spine


def shown(spine: MirrorSpine) -> list[StoredProduct]:
    """The products without what differs from run to run by nature: an image of several products has one text for those
    who cannot see it, that of the product that was written last."""
    products = [one for _, one in sorted(spine.shop.products.items())]
    return [
        replace(one, modified_gmt="", images=tuple(replace(image, alt="") for image in one.images))
        for one in products
    ]


@pytest.fixture
def end(tmp_path: Path) -> list[StoredProduct]:
    """Where a run ends that nobody disturbs."""
    spine = begin(tmp_path / "undisturbed")
    assert spine.run().outcome == DONE
    spine.ledger.close()
    return shown(spine)


@pytest.mark.parametrize("waited", [True, False], ids=["after the quarantine", "at once"])
def test_wherever_a_run_is_killed_the_next_ones_end_where_it_would_have(
    tmp_path: Path, end: list[StoredProduct], waited: bool
) -> None:
    for number in range(MANY_STEPS):
        spine = begin(tmp_path / f"killed-{number}")
        spine.kill_at(number)
        try:
            spine.run()
            killed = False
        except Killed:
            killed = True
        spine.spare()
        spine.reopen()
        if not waited:
            spine.run()
        spine.clock.tick(QUARANTINE_S + 1)
        assert spine.run().outcome == DONE
        assert shown(spine) == end, number
        assert spine.shop.uploads == 1, number
        writes = spine.shop.writes
        assert spine.run().changed == 0, number
        assert spine.shop.writes == writes, number
        spine.ledger.close()
        if not killed:
            assert number > 10
            return
    raise AssertionError("there is no end to the steps")
