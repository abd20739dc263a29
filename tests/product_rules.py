"""What may happen to products and the courses they sell, in any order, as the rules of a state machine.

The model is two dicts: what people wrote, which stays; and what they said of each product otherwise (its SKU, its
status), which nobody else ever touches.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.fakes_showcase import as_stored
from tests.mirror_spine import QUARANTINE_S, Killed, MirrorSpine
from tests.sale_world import Tally
from wcsync.course import Attribute, Image, StoredProduct, Term
from wcsync.errors import ServiceBlocked, TransientError
from wcsync.ledger.mirror import DONE
from wcsync.mappers.courses.canonical import canonical
from wcsync.mappers.courses.rendering import render
from wcsync.mappers.courses.rules import Rules
from wcsync.model import CourseId, ProductId
from wcsync.store.base import BatchFailed

SOLD = {1: ("1",), 2: ("2", "1"), 3: ("3",), 4: ("2",), 5: ("4",)}
VARIATION, PARENT = 3, 2
TEXTS = ("name", "description", "short_description")
WRITTEN = (*TEXTS, "Skills", "categories", "images")
PRODUCTS, COURSES = st.sampled_from(sorted(SOLD)), st.sampled_from(["1", "2", "3", "4"])
NUMBERS = st.integers(0, 9)


def worded(what: str, number: int) -> Any:
    """A field of a course, in a version of it."""
    return {
        "name": f"Course & <{number}",
        "description": f"<p>Text {number} & a \\ backslash, [shortcode {number}]</p>",
        "skills": tuple(f"Skill {one}" for one in range(number % 3)),
    }[what]


def shown(product: StoredProduct, what: str) -> Any:
    if what != "Skills":
        return getattr(product, what)
    return next((one.options for one in product.attributes if one.name == what), ())


class ProductRules(RuleBasedStateMachine):
    """A shop's people, an LMS's people, and the mirror between them."""

    tally = Tally()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.written: dict[tuple[int, str], Any] = {}
        self.skus: dict[int, str] = {}
        self.full: dict[int, set[str]] = {}
        self.trashed: set[int] = set()
        self.away: dict[str, Any] = {}

    @initialize(synced=st.booleans())
    def begin(self, synced: bool) -> None:
        self.spine = MirrorSpine(Path(self.folder.name))
        self._spare_the_disk()
        for product_id, sold in SOLD.items():
            parent = {"parent_id": PARENT} if product_id == VARIATION else {}
            self.spine.sell(product_id, *sold, **parent)
        self.skus = {one: self.spine.product(one).sku for one in SOLD}
        if synced:
            self.spine.run()

    def _spare_the_disk(self) -> None:
        """No power is cut here."""
        self.spine.ledger._db.execute("PRAGMA synchronous = OFF")

    # -- people in the shop ------------------------------------------------------------------------------------------
    @rule(product_id=PRODUCTS, what=st.sampled_from(WRITTEN), number=NUMBERS)
    def somebody_edits(self, product_id: int, what: str, number: int) -> None:
        """Nobody can tell an edit from what a write that is under way overwrites: that one is through by then."""
        if product_id == VARIATION and what != "description":
            return
        self.spine.shop.catch_up()
        value: Any = f"<p>A person&#039;s {number}</p>"
        match what:
            case "Skills":
                others = [one for one in self.spine.product(product_id).attributes if one.name != what]
                value = (f"A person's {number}",)
                self.spine.shop.edit(product_id, attributes=(*others, Attribute(name=what, options=value)))
            case "categories":
                value = (Term(term_id=900 + number, name=f"Shelf {number}"),)
                self.spine.shop.edit(product_id, categories=value)
            case "images":
                value = (Image(image_id=700 + number, src=f"https://shop.example.com/{number}.png"),)
                self.spine.shop.edit(product_id, images=value)
            case _:
                self.spine.shop.edit(product_id, **{what: value})
        self.written[product_id, what] = value

    @rule(product_id=PRODUCTS, number=NUMBERS)
    def somebody_gives_another_sku(self, product_id: int, number: int) -> None:
        """As a price is: nothing of the mirror's."""
        self.skus[product_id] = f"SKU-{number}"
        self.spine.shop.edit(product_id, sku=self.skus[product_id])

    @rule(product_id=st.sampled_from([1, 4, 5]))
    def somebody_trashes_or_restores(self, product_id: int) -> None:
        self.trashed ^= {product_id}
        status = "trash" if product_id in self.trashed else "publish"
        self.spine.shop.edit(product_id, status=status)

    # -- people in the LMS -------------------------------------------------------------------------------------------
    @rule(course_id=COURSES, what=st.sampled_from(["name", "description", "skills"]), number=NUMBERS)
    def a_course_changes(self, course_id: str, what: str, number: int) -> None:
        shelf = self.away if course_id in self.away else self.spine.lms.courses
        key = course_id if course_id in self.away else CourseId(course_id)
        shelf[key] = replace(shelf[key], **{what: worded(what, number)})  # type: ignore[index]

    @rule(course_id=COURSES)
    def a_course_goes_or_comes_back(self, course_id: str) -> None:
        if course_id in self.away:
            self.spine.lms.courses[CourseId(course_id)] = self.away.pop(course_id)
        else:
            self.away[course_id] = self.spine.lms.courses.pop(CourseId(course_id))

    # -- the mirror --------------------------------------------------------------------------------------------------
    @rule(at=st.one_of(st.none(), st.integers(0, 40)))
    def sync(self, at: int | None) -> None:
        """Killed at that step, if at any."""
        if at is not None:
            self.spine.kill_at(at)
        try:
            self.spine.run()
        except Killed:
            self.spine.reopen()
            self._spare_the_disk()
        finally:
            self.spine.spare()

    @rule(
        service=st.sampled_from(["lms", "shop"]),
        blocked=st.booleans(),
        when=st.sampled_from(["read", "before", "item", "after"]),
    )
    def sync_while_something_fails(self, service: str, blocked: bool, when: str) -> None:
        def fail(*_: object) -> None:
            """Who refuses has done nothing."""
            if when == "item":
                raise BatchFailed("shop: reports an error inside it")
            if blocked and when != "after":
                raise ServiceBlocked("401")
            raise TransientError("down", answer_lost=when == "after")

        self.spine.lms.before_read = fail if service == "lms" else lambda: None
        if service == "shop":
            place = {"read": "read", "before": "push", "item": "item", "after": "push"}[when]
            setattr(self.spine.shop, f"{'after' if when == 'after' else 'before'}_{place}", fail)
        self.spine.run()
        self.spine.lms.before_read = self.spine.shop.before_read = lambda: None
        self.spine.spare()

    @rule()
    def sync_with_a_shop_that_acts_late(self) -> None:
        self.spine.shop.acts_late = True
        self.spine.run()
        self.spine.shop.acts_late = False

    @rule()
    def sync_with_an_lms_that_shows_nothing(self) -> None:
        """It was reset, or its token lost its rights: that is no reason to touch anything."""
        shown_then, writes = self.spine.lms.courses, self.spine.shop.writes
        self.spine.lms.courses = {}
        self.spine.run()
        self.spine.lms.courses = shown_then
        assert self.spine.shop.writes == writes

    @rule(seconds=st.sampled_from([30.0, QUARANTINE_S + 1, 86400.0, -3600.0]))
    def time_passes(self, seconds: float) -> None:
        """Or the clock is set back. What is late has come by then."""
        self.spine.shop.catch_up()
        self.spine.clock.tick(seconds)

    # -- what must hold ----------------------------------------------------------------------------------------------
    @invariant()
    def what_people_wrote_stays(self) -> None:
        self.tally.steps += 1
        for (product_id, what), value in self.written.items():
            found = shown(self.spine.product(product_id), what)
            self.tally.lost += found != value
            assert found == value, (product_id, what, found)
        for product_id, sku in self.skus.items():
            product = self.spine.product(product_id)
            assert product.sku == sku, (product_id, product.sku)
            assert product.in_trash == (product_id in self.trashed)

    @invariant()
    def nothing_is_emptied(self) -> None:
        for product_id in SOLD:
            full = {what for what in TEXTS if shown(self.spine.product(product_id), what)}
            assert self.full.get(product_id, set()) <= full, (product_id, full)
            self.full[product_id] = full

    def teardown(self) -> None:
        try:
            if hasattr(self, "spine"):
                self.settle()
        finally:
            if hasattr(self, "spine"):
                self.tally.lives += 1
                self.spine.ledger.close()
            self.folder.cleanup()

    def settle(self) -> None:
        """All are back and no more trouble: what nobody wrote shows the courses, and a further run writes nothing."""
        self.spine.shop.catch_up()
        for course_id, course in self.away.items():
            self.spine.lms.courses[CourseId(course_id)] = course
        for product_id in self.trashed:
            self.spine.shop.edit(product_id, status="publish")
        self.trashed.clear()
        for _ in range(3):
            self.spine.clock.tick(2 * 86400.0)
            outcome = self.spine.run().outcome
        assert outcome == DONE
        self.what_people_wrote_stays()
        for product_id, sold in SOLD.items():
            self._check_product(product_id, sold)
        writes = self.spine.shop.writes
        assert self.spine.run().changed == 0
        assert self.spine.shop.writes == writes

    def _check_product(self, product_id: int, sold: tuple[str, ...]) -> None:
        wanted = render([self.spine.lms.courses[CourseId(one)] for one in sold], Rules(), None)
        for what in ("description",) if product_id == VARIATION else (*TEXTS, "Skills"):
            if (product_id, what) in self.written:
                continue
            self.tally.seats += 1
            found = shown(self.spine.shop.products[ProductId(product_id)], what)
            if what == "Skills":
                assert found == wanted.attributes.get(what, ()), (product_id, what)
            elif getattr(wanted, what):
                assert canonical(found) == canonical(as_stored(getattr(wanted, what))), (product_id, what)
