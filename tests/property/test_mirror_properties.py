"""Whatever courses and people do, wherever a run is killed: people's work stays, and all else shows the courses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes_showcase import FakeShowcase
from wcsync.course import Attribute, Image, Patch, StoredProduct, Term, TermKind
from wcsync.errors import TransientError
from wcsync.mappers.courses.canonical import canonical, canonical_options, key_of
from wcsync.mappers.courses.decisions import decide
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.marks import Mark
from wcsync.mappers.courses.plan import Plan
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.settling import sending, settle, unharmed, withdrawn
from wcsync.mappers.courses.wanted import Wanted, WantedPicture
from wcsync.model import ProductId

PRODUCT = ProductId(1017)
QUARANTINE = timedelta(minutes=10)
LISTS = {"tags": TermKind.TAGS, "categories": TermKind.CATEGORIES}
TEXTS = ("name", "description", "short_description")
NAMES = ("Author", "Skills")

words = st.sampled_from(
    ["", "Curso", "Curso & más", "1 < 2", "C:\\temp", "Él dijo «sí»", "漢字 🎓", "AT&amp;T [gallery]"]
)
markups = st.sampled_from([
    "",
    "<p>Hola &amp; adiós</p>",
    "<p>Uno</p>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>",
    "<p>R & D</p><p>\\backslash</p>",
    '<p><a href="https://example.com/?a=1&amp;b=2">más</a></p>',
    "<p>1 < 2</p>",
])  # fmt: skip
options = st.lists(st.sampled_from(["Ana", "R & D", "a|b", "SQL"]), max_size=3, unique=True).map(tuple)
members = st.lists(st.sampled_from(["python", "R & D", "SQL", "Ética"]), max_size=3, unique=True).map(tuple)
pictures = st.one_of(
    st.none(),
    st.sampled_from("abc").map(
        lambda one: WantedPicture(digest=one * 64, src=f"https://lms.example.com/{one}.png")
    ),
)
courses = st.builds(
    Wanted,
    name=words,
    description=markups,
    short_description=markups,
    attributes=st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, options)),
    tags=members,
    categories=members,
    picture=pictures,
    meta=st.fixed_dictionaries({
        "_wcsync_level": st.one_of(st.none(), st.sampled_from(["A1", 'C:\\x "y"', "5"])),
        "_wcsync_language": st.one_of(st.none(), st.sampled_from(["es", "en"])),
    }),
)  # fmt: skip


def rules_of(ownership: Ownership) -> Rules:
    return Rules(ownership=dict.fromkeys(Field, ownership))


class Mirror:
    """The smallest engine there can be: reads, decides, notes, writes, notes. Can be killed at every step."""

    def __init__(self, ownership: Ownership = Ownership.OWN_UNLESS_EDITED) -> None:
        self.shop = FakeShowcase()
        self.rules = rules_of(ownership)
        self.wanted = Wanted()
        self.marks: dict[str, Mark] = {}
        self.now = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

    @property
    def product(self) -> StoredProduct:
        return self.shop.products[PRODUCT]

    def plan(self, take_back: frozenset[str] = frozenset()) -> Plan:
        return decide(self.product, self.wanted, self.rules, self.marks, self.now, QUARANTINE, take_back)

    def note(self, marks: tuple[Mark, ...]) -> None:
        self.marks |= {mark.field: mark for mark in marks}

    def run(self, killed: str = "") -> Plan:
        plan, before = self.plan(), self.product
        self.note(plan.marks)
        if plan.patch is None or killed == "before announcing":
            return plan
        self.note(sending(plan, self.now))
        if killed == "before sending":
            return plan
        if killed == "not connected":
            self.note(withdrawn(plan))
            return plan
        self.shop.acts_late = killed == "answer lost"
        try:
            answer = self.shop.push_patch(self._with_terms(plan.patch))
        except TransientError:
            return plan
        finally:
            self.shop.acts_late = False
        if killed == "before noting":
            return plan
        assert answer.stored is not None, answer
        assert unharmed(before, answer.stored, plan) == ()
        self.note(settle(plan, answer.stored))
        return plan

    def _with_terms(self, patch: Patch) -> Patch:
        lists = {
            name: tuple(term if term.term_id else self.shop.ensure_term(kind, term.name) for term in terms)
            for name, kind in LISTS.items()
            if (terms := getattr(patch, name)) is not None
        }
        return replace(patch, **lists)  # type: ignore[arg-type]  # a mapping of names to lists of terms


KILLS = ["", "", "", "before announcing", "before sending", "not connected", "answer lost", "before noting"]


class People(RuleBasedStateMachine):
    """`theirs`: what a person left in a field, which must stay so. `put`: the members of lists that people put; `away`:
    those they took away; `either`: those they took away before wcsync could know that they were there. `unsure`: fields
    that wcsync cannot know to be its own, as its ledger was lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mirror = Mirror()
        self.shop = self.mirror.shop
        self.theirs: dict[str, object] = {}
        self.put: dict[str, set[str]] = {name: set() for name in LISTS}
        self.away: dict[str, set[str]] = {name: set() for name in LISTS}
        self.either: dict[str, set[str]] = {name: set() for name in LISTS}
        self.gallery: set[int] = set()
        self.unsure: set[str] = set()
        self.edits = 0

    @initialize(
        wanted=courses,
        name=st.sampled_from(["", "Curso de Python"]),
        description=st.sampled_from(["", "<p>Mío</p>"]),
    )
    def begin(self, wanted: Wanted, name: str, description: str) -> None:
        self.mirror.wanted = wanted
        self.shop.add(
            PRODUCT,
            name=name,
            description=description,
            sku="PY-1",
            attributes=(
                Attribute(name="Colour", options=("red",)),
                Attribute(name="Skills", options=("x",), attribute_id=3),
            ),
            tags=(Term(name="Sale", term_id=31),),
            categories=(Term(name="Courses", term_id=41),),
            meta={"_yoast": "1"},
        )
        self.theirs = {field: text for field, text in (("name", name), ("description", description)) if text}
        self.theirs |= {"attributes:Colour": ("red",)}
        self.put = {"tags": {"sale"}, "categories": {"courses"}}

    # the courses

    @rule(wanted=courses)
    def the_courses_change(self, wanted: Wanted) -> None:
        self.mirror.wanted = wanted

    # the daemon

    @rule(killed=st.sampled_from(KILLS))
    def wcsync_runs(self, killed: str) -> None:
        self._let_late_ones_in_time()
        self.mirror.run(killed)

    @rule(minutes=st.integers(1, 12))
    def time_passes(self, minutes: int) -> None:
        self.mirror.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.shop.late)
    @rule()
    def a_late_write_takes_effect(self) -> None:
        """It wins over what people did since; nobody could know."""
        self.shop.catch_up()
        self._look_again()

    @rule()
    def the_ledger_is_lost(self) -> None:
        self.a_late_write_takes_effect()
        self.mirror.marks = {}
        self.unsure |= {name for name in TEXTS if getattr(self.mirror.product, name)}
        self.unsure |= {f"attributes:{name}" for name in NAMES} | {"images"}
        self.theirs = {name: value for name, value in self.theirs.items() if value}
        self.put = {name: self._members(name) for name in LISTS}
        self.away = {name: set() for name in LISTS}

    # people

    @rule(field=st.sampled_from(TEXTS), empty=st.booleans())
    def a_person_writes(self, field: str, empty: bool) -> None:
        self.edits += 1
        text = "" if empty else f"<p>Mine {self.edits}</p>"
        if text or getattr(self.mirror.product, field):
            self.shop.edit(PRODUCT, **{field: text})
            self._is_theirs(field, text)

    @rule(field=st.sampled_from(TEXTS[1:]))
    def a_person_saves_what_is_there(self, field: str) -> None:
        """The editor writes paragraphs as empty lines; nothing is changed for buyers."""
        if field in self.theirs:
            return
        text = getattr(self.mirror.product, field)
        saved = text.replace("<p>", "").replace("</p>\n", "\n\n").replace("</p>", "\n\n").strip()
        assert canonical(saved) == canonical(text)
        self.shop.edit(PRODUCT, **{field: saved})

    @rule(name=st.sampled_from(NAMES), empty=st.booleans())
    def a_person_changes_an_attribute(self, name: str, empty: bool) -> None:
        self.edits += 1
        options = () if empty else (f"mine {self.edits}",)
        there = self._attribute(name)
        kept = [one for one in self.mirror.product.attributes if one is not there]
        if options:
            kept.append(Attribute(name=name, options=options, position=5))
        elif there is None:
            return
        self.shop.edit(PRODUCT, attributes=tuple(kept))
        self._is_theirs(f"attributes:{name}", options)

    @rule(name=st.sampled_from(NAMES))
    def a_person_writes_an_attributes_name_large(self, name: str) -> None:
        there = self._attribute(name)
        renamed = [
            replace(one, name=one.name.upper()) if one is there else one
            for one in self.mirror.product.attributes
        ]
        self.shop.edit(PRODUCT, attributes=tuple(renamed))

    @rule(name=st.sampled_from(NAMES))
    def buyers_are_to_choose_by_an_attribute(self, name: str) -> None:
        there = self._attribute(name)
        if there is not None:
            others = [
                replace(one, variation=True) if one is there else one
                for one in self.mirror.product.attributes
            ]
            self.shop.edit(PRODUCT, attributes=tuple(others))
            self._is_theirs(f"attributes:{name}", there.options)
            self.unsure.add(f"attributes:{name}")

    @rule(field=st.sampled_from(sorted(LISTS)), name=st.sampled_from(["Sale", "new", "python", "R &amp; D"]))
    def a_person_adds_a_member(self, field: str, name: str) -> None:
        """Not one that was ours a moment ago, or is on its way: nobody could tell who put it."""
        key, mark = key_of(name), self.mirror.marks.get(field)
        if key in self._members(field) or (mark and (mark.pending or key in mark.ours)):
            return
        term = self.shop.ensure_term(LISTS[field], name)
        self.shop.edit(PRODUCT, **{field: (*getattr(self.mirror.product, field), term)})
        self.put[field].add(key)
        self.away[field].discard(key)

    @rule(field=st.sampled_from(sorted(LISTS)), place=st.integers(0, 5))
    def a_person_takes_a_member_away(self, field: str, place: int) -> None:
        terms = getattr(self.mirror.product, field)
        if place >= len(terms):
            return
        gone, mark = key_of(terms[place].name), self.mirror.marks.get(field)
        self.shop.edit(PRODUCT, **{field: tuple(term for term in terms if term is not terms[place])})
        self.put[field].discard(gone)
        if mark and gone in mark.known:
            self.away[field].add(gone)
        elif mark and gone in mark.pending_ours:
            self.either[field].add(gone)

    @rule(change=st.sampled_from(["first", "last", "remove", "clear"]))
    def a_person_changes_the_images(self, change: str) -> None:
        images = self.mirror.product.images
        self.edits += 1
        new = Image(image_id=max(self.shop.media, default=0) + 1, name=f"photo {self.edits}")
        changed = {"first": (new, *images[1:]), "last": (*images, new), "remove": images[1:], "clear": ()}[
            change
        ]
        self.shop.edit(PRODUCT, images=changed)
        self.gallery = {one.image_id for one in changed if one.name.startswith("photo")}
        if self._first(images) != self._first(changed):
            self._is_theirs("images", self._first(changed))

    # what must hold

    @invariant()
    def what_people_wrote_is_as_they_left_it(self) -> None:
        for field, value in self.theirs.items():
            assert self._value(field) == value, (field, self.mirror.marks.get(field))

    @invariant()
    def what_people_put_is_there_and_what_they_took_away_is_not(self) -> None:
        for field in LISTS if self.mirror.shop.products else ():
            assert self.put[field] <= self._members(field), self.mirror.marks.get(field)
            assert not self.away[field] & self._members(field), self.mirror.marks.get(field)

    @invariant()
    def what_nobody_may_write_is_as_it_was(self) -> None:
        if self.shop.products:
            product = self.mirror.product
            assert product.guarded == "simple|publish|PY-1"
            assert product.meta["_yoast"] == "1"
            assert any(one.attribute_id == 3 and one.options == ("x",) for one in product.attributes)
            assert self.gallery <= {one.image_id for one in product.images}

    @rule()
    def all_is_calm(self) -> None:
        """Nothing is on its way: all that is ours shows the courses, and another run has nothing to do."""
        if not self.shop.products:
            return
        self.a_late_write_takes_effect()
        self.mirror.now += QUARANTINE
        self.mirror.run()
        again = self.mirror.run()
        assert (again.patch, again.waits, again.marks) == (None, False, ()), again
        self._shows_the_courses()

    def teardown(self) -> None:
        if self.shop.products:
            self.all_is_calm()
            self.what_people_wrote_is_as_they_left_it()
            self.what_people_put_is_there_and_what_they_took_away_is_not()
            self.what_nobody_may_write_is_as_it_was()

    def _shows_the_courses(self) -> None:
        product, wanted = self.mirror.product, self.mirror.wanted
        free = (
            {*TEXTS, *(f"attributes:{name}" for name in NAMES), "images"} - self.theirs.keys() - self.unsure
        )
        for field in free & set(TEXTS):
            if getattr(wanted, field):
                assert canonical(getattr(product, field)) == canonical(getattr(wanted, field))
        if "attributes:Author" in free:
            asked = tuple(one.replace("|", "/") for one in wanted.attributes.get("Author", ()))
            assert canonical_options(self._options("Author")) == canonical_options(asked)
        if "images" in free and wanted.picture:
            assert product.images[0].name == wanted.picture.title
        for field in LISTS:
            assert {key_of(one) for one in getattr(wanted, field)} - self.away[field] - self.either[
                field
            ] <= self._members(field)
        for key, value in wanted.meta.items():
            assert product.meta.get(key) == value

    # how it is told

    def _let_late_ones_in_time(self) -> None:
        """No write takes effect after the quarantine."""
        since = [mark.pending_since for mark in self.mirror.marks.values() if mark.pending_since]
        if self.shop.late and (not since or self.mirror.now - min(since) >= QUARANTINE):
            self.a_late_write_takes_effect()

    def _is_theirs(self, field: str, value: object) -> None:
        """An empty field is one that nobody wrote, unless wcsync knows that it did."""
        mark = self.mirror.marks.get(field)
        if value or (mark and mark.sent):
            self.theirs[field] = value
            self.unsure.discard(field)
        else:
            self.theirs.pop(field, None)

    def _look_again(self) -> None:
        """After a write that nobody expected any more."""
        if not self.shop.products:
            return
        self.theirs = {field: value for field, value in self.theirs.items() if self._value(field) == value}
        for field in LISTS:
            self.put[field] &= self._members(field)
            self.away[field] -= self._members(field)
        self.gallery &= {one.image_id for one in self.mirror.product.images}

    def _value(self, field: str) -> object:
        if field == "images":
            return self._first(self.mirror.product.images)
        if field.startswith("attributes:"):
            return self._options(field.partition(":")[2])
        return getattr(self.mirror.product, field)

    def _attribute(self, name: str) -> Attribute | None:
        own = [one for one in self.mirror.product.attributes if not one.attribute_id]
        return next((one for one in own if one.name.casefold() == name.casefold()), None)

    def _options(self, name: str) -> tuple[str, ...]:
        there = self._attribute(name)
        return there.options if there else ()

    def _members(self, field: str) -> set[str]:
        return {key_of(term.name) for term in getattr(self.mirror.product, field)}

    @staticmethod
    def _first(images: tuple[Image, ...]) -> int:
        return images[0].image_id if images else 0


People.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestPeopleAndTheMirror = People.TestCase


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(courses, st.sampled_from(KILLS), st.booleans()), max_size=8), courses)
def test_what_the_course_owns_shows_the_course_whatever_people_write(
    story: list[tuple[Wanted, str, bool]], last: Wanted
) -> None:
    mirror = Mirror(Ownership.OWN)
    mirror.shop.add(PRODUCT, name="Theirs", tags=(Term(name="Sale", term_id=31),))
    for wanted, killed, edits in story:
        mirror.wanted = wanted
        mirror.run(killed)
        mirror.shop.catch_up()
        mirror.now += QUARANTINE
        if edits:
            mirror.shop.edit(PRODUCT, name="Theirs", description="", tags=(Term(name="Sale", term_id=31),))
    mirror.wanted = last
    mirror.run()
    product, again = mirror.product, mirror.run()
    assert again.patch is None
    assert mirror.run().marks == ()
    assert not last.name or canonical(product.name) == canonical(last.name)
    assert {key_of(one) for one in last.tags} | {"sale"} <= {key_of(term.name) for term in product.tags}
    assert product.guarded == "simple|publish|"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(courses, st.sampled_from(KILLS)), min_size=1, max_size=8))
def test_what_is_only_filled_is_never_changed_once_it_is_there(story: list[tuple[Wanted, str]]) -> None:
    mirror = Mirror(Ownership.FILL)
    mirror.shop.add(PRODUCT, name="Theirs")
    looks: list[Callable[[StoredProduct], Any]] = [
        lambda product: product.name,
        lambda product: product.description,
        lambda product: [term.name for term in product.tags],
        lambda product: product.images,
    ]
    for wanted, killed in story:
        before, mirror.wanted = mirror.product, wanted
        mirror.run(killed)
        mirror.shop.catch_up()
        mirror.now += QUARANTINE
        for look in looks:
            assert not look(before) or look(mirror.product) == look(before)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(courses, st.sampled_from(KILLS)), max_size=6))
def test_what_is_switched_off_is_never_written(story: list[tuple[Wanted, str]]) -> None:
    mirror = Mirror(Ownership.OFF)
    mirror.shop.add(PRODUCT)
    for wanted, killed in story:
        mirror.wanted = wanted
        mirror.run(killed)
    assert mirror.shop.writes == 0
    assert mirror.marks == {}


@settings(max_examples=50, deadline=None)
@given(courses, courses)
def test_what_a_person_takes_back_for_the_course_shows_it_and_stays_ours(
    first: Wanted, second: Wanted
) -> None:
    mirror = Mirror()
    mirror.shop.add(PRODUCT, name="Theirs", description="<p>Theirs</p>")
    mirror.wanted = first
    mirror.run()
    mirror.shop.edit(PRODUCT, description="<p>Edited</p>")
    plan = mirror.plan(frozenset({"description"}))
    mirror.note(plan.marks)
    if plan.patch is not None:
        stored = mirror.shop.push_patch(plan.patch).stored
        assert stored is not None
        mirror.note(settle(plan, stored))
    assert mirror.product.name == "Theirs"
    mirror.wanted = second
    mirror.run()
    if first.description:
        assert canonical(mirror.product.description) == canonical(second.description or first.description)
