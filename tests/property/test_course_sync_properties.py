"""Whatever happens to courses, products and the process: what people edited stays, the rest shows the courses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes_showcase import as_stored
from tests.mirror_spine import QUARANTINE_S, Killed, MirrorSpine
from wcsync.course import Attribute, StoredProduct
from wcsync.ledger.mirror import DONE
from wcsync.mappers.courses.canonical import canonical
from wcsync.mappers.courses.rendering import render
from wcsync.mappers.courses.rules import Rules
from wcsync.model import CourseId

SOLD = {1: ("1",), 2: ("2", "1"), 3: ("3",), 4: ("2",)}
TEXTS = ("name", "description", "short_description")
OF_VARIATIONS = ("description",)
VARIATION = 3

numbers = st.integers(0, 9)
courses = st.sampled_from(["1", "2", "3"])
changes = st.tuples(st.just("change"), courses, st.sampled_from(["name", "description", "skills"]), numbers)
edits = st.tuples(
    st.just("edit"), st.sampled_from(sorted(SOLD)), st.sampled_from([*TEXTS, "Skills"]), numbers
)
runs = st.tuples(st.just("run"), st.just(""), st.just(""), st.just(0))
kills = st.tuples(st.just("kill"), st.just(""), st.just(""), st.integers(0, 40))
histories = st.lists(st.one_of(changes, edits, runs, kills), max_size=14)

VALUES: dict[str, Any] = {
    "name": lambda number: f"Course & <{number}",
    "description": lambda number: f"<p>Text {number} & a \\ backslash, [shortcode {number}]</p>",
    "skills": lambda number: tuple(f"Skill {one}" for one in range(number % 3)),
}


class History:
    """One life of a shop: what people edited is kept, to be found again at the end."""

    def __init__(self, folder: Path) -> None:
        self.spine = MirrorSpine(folder)
        self.edited: dict[tuple[int, str], Any] = {}
        for product_id, sold in SOLD.items():
            parent = {"parent_id": 2} if product_id == VARIATION else {}
            self.spine.sell(product_id, *sold, **parent)

    def live(self, steps: Sequence[tuple[str, Any, str, int]]) -> None:
        for kind, about, what, number in steps:
            match kind:
                case "change":
                    course = self.spine.lms.courses[CourseId(about)]
                    self.spine.lms.courses[CourseId(about)] = replace(course, **{what: VALUES[what](number)})
                case "edit":
                    self.edit(about, what, number)
                case "run":
                    self.spine.run()
                case "kill":
                    self.kill(number)

    def edit(self, product_id: int, what: str, number: int) -> None:
        if product_id == VARIATION and what not in OF_VARIATIONS:
            return
        product = self.spine.product(product_id)
        if what == "Skills":
            others = [one for one in product.attributes if one.name != what]
            value: Any = (f"A person's {number}",)
            changed: dict[str, Any] = {"attributes": (*others, Attribute(name=what, options=value))}
        else:
            value = f"<p>A person&#039;s {number}</p>"
            changed = {what: value}
        self.spine.shop.edit(product_id, **changed)
        self.edited[product_id, what] = value

    def kill(self, step: int) -> None:
        self.spine.kill_at(step)
        try:
            self.spine.run()
        except Killed:
            self.spine.reopen()
            self.spine.clock.tick(QUARANTINE_S + 1)
        finally:
            self.spine.spare()

    def finish(self) -> None:
        self.spine.clock.tick(QUARANTINE_S + 1)
        assert self.spine.run().outcome == DONE


def shown(product: StoredProduct, what: str) -> Any:
    if what != "Skills":
        return getattr(product, what)
    return next((one.options for one in product.attributes if one.name == what), ())


@given(steps=histories)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_what_people_edited_stays_and_all_else_shows_the_courses(
    steps: Sequence[tuple[str, Any, str, int]],
) -> None:
    with TemporaryDirectory() as folder:
        history = History(Path(folder))
        spine = history.spine
        history.live(steps)
        history.finish()
        for product_id, sold in SOLD.items():
            wanted = render([spine.lms.courses[CourseId(one)] for one in sold], Rules(), None)
            fields = OF_VARIATIONS if product_id == VARIATION else (*TEXTS, "Skills")
            for what in fields:
                found = shown(spine.product(product_id), what)
                if (product_id, what) in history.edited:
                    assert found == history.edited[product_id, what], (product_id, what)
                elif what == "Skills":
                    assert found == wanted.attributes.get(what, ()), (product_id, what)
                elif getattr(wanted, what):
                    expected = canonical(as_stored(getattr(wanted, what)))
                    assert canonical(found) == expected, (product_id, what)
        writes, commits = spine.shop.writes, spine.ledger.mirror.read_marks(spine.shop.products)
        assert spine.run().changed == 0
        assert (spine.shop.writes, spine.ledger.mirror.read_marks(spine.shop.products)) == (writes, commits)
        spine.ledger.close()
