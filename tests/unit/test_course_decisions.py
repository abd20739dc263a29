"""What is written to a product, and what never is, on good days and bad ones."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wcsync.course import Attribute, Image, Patch, StoredProduct, Term
from wcsync.mappers.courses.decisions import decide
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.judging import MOST_REWRITES
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.mappers.courses.plan import Decision, Plan, Verdict
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.settling import refused, sending, settle, unharmed, unkept, withdrawn
from wcsync.mappers.courses.wanted import Wanted, WantedPicture
from wcsync.model import ProductId

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
QUARANTINE = timedelta(minutes=10)
ID = ProductId(1017)
COVER = WantedPicture(digest="a" * 64, src="https://lms.example.com/a.png", alt="Python")
OTHER_COVER = WantedPicture(digest="b" * 64, src="https://lms.example.com/b.png")
OLD, NEW, THEIRS = "<p>Old</p>", "<p>New</p>", "<p>Theirs</p>"


def a_product(**values: Any) -> StoredProduct:
    return StoredProduct(product_id=ID, **values)


def rules(**ownership: Ownership) -> Rules:
    base = dict.fromkeys(Field, Ownership.OWN_UNLESS_EDITED)
    return Rules(ownership=base | {Field(name): one for name, one in ownership.items()})


DEFAULT = rules()


def judged(
    product: StoredProduct,
    wanted: Wanted,
    marks: Mapping[str, Mark] | None = None,
    *,
    by: Rules = DEFAULT,
    now: datetime = NOW,
    take_back: str = "",
) -> Plan:
    return decide(product, wanted, by, marks or {}, now, QUARANTINE, frozenset({take_back} - {""}))


def stored_with(product: StoredProduct, patch: Patch | None) -> StoredProduct:
    """As a shop keeps a patch that it takes as it is."""
    if patch is None:
        return product
    values = {
        name: value
        for name in ("name", "description", "short_description", "attributes", "tags", "categories", "images")
        if (value := getattr(patch, name)) is not None
    }
    if "images" in values:
        values["images"] = tuple(
            image if image.image_id else replace(image, image_id=900 + place)
            for place, image in enumerate(values["images"])
        )
    meta = {key: value for key, value in (dict(product.meta) | dict(patch.meta)).items() if value is not None}
    return replace(product, **values, meta=meta)


def pushed(product: StoredProduct, wanted: Wanted, marks: dict[str, Mark], **how: Any) -> StoredProduct:
    """Written, answered and noted."""
    plan = judged(product, wanted, marks, **how)
    stored = stored_with(product, plan.patch)
    marks |= {mark.field: mark for mark in (*plan.marks, *settle(plan, stored))}
    return stored


def the_decision(plan: Plan, field: str) -> Decision:
    [decision] = [one for one in plan.decisions if one.field == field]
    return decision


def verdict(plan: Plan, field: str = "description") -> Verdict:
    return the_decision(plan, field).verdict


# texts


@pytest.mark.parametrize("ownership", [Ownership.OWN, Ownership.OWN_UNLESS_EDITED, Ownership.FILL])
def test_an_empty_field_is_written(ownership: Ownership) -> None:
    plan = judged(a_product(), Wanted(description=NEW), by=rules(description=ownership))
    assert plan.patch == Patch(product_id=ID, description=NEW)
    assert the_decision(plan, "description").reason == (
        "the course has the last word on it" if ownership is Ownership.OWN else "it is empty"
    )


@pytest.mark.parametrize("ownership", list(Ownership))
def test_what_the_courses_do_not_say_empties_nothing(ownership: Ownership) -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(description=OLD), marks)
    for empty in ("", "<p></p>\n"):
        plan = judged(
            product,
            Wanted(description=empty),
            marks,
            by=rules(description=ownership),
            take_back="description",
        )
        assert plan.patch is None


def test_what_is_switched_off_is_not_even_taken_back() -> None:
    plan = judged(
        a_product(), Wanted(description=NEW), by=rules(description=Ownership.OFF), take_back="description"
    )
    assert (verdict(plan), plan.patch) == (Verdict.OFF, None)


def test_what_was_there_before_us_is_left_alone_and_told() -> None:
    plan = judged(a_product(description=THEIRS), Wanted(description=NEW))
    assert (verdict(plan), plan.patch) == (Verdict.FOREIGN, None)
    assert the_decision(plan, "description").reason == "it had a content before wcsync first wrote it"
    assert [(mark.field, mark.standing) for mark in plan.marks] == [("description", Standing.FOREIGN)]


def test_what_shows_the_course_already_becomes_ours_without_a_write() -> None:
    marks: dict[str, Mark] = {}
    product = a_product(name="R &amp; D  C:temp")
    assert verdict(judged(product, Wanted(name="R & D C:\\temp")), "name") is Verdict.ADOPTED
    product = pushed(product, Wanted(name="R & D C:\\temp"), marks)
    assert judged(product, Wanted(name="Changed"), marks).patch == Patch(product_id=ID, name="Changed")


def test_our_text_follows_the_course_and_rests_in_between() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(description=OLD), marks)
    rest = judged(product, Wanted(description=OLD), marks)
    assert (rest.patch, rest.marks, verdict(rest)) == (None, (), Verdict.SAME)
    assert judged(product, Wanted(description=NEW), marks).patch == Patch(product_id=ID, description=NEW)


@pytest.mark.parametrize(("text", "did"), [(THEIRS, "changed"), ("", "emptied")])
def test_what_a_person_changed_or_emptied_stays_for_good(text: str, did: str) -> None:
    marks: dict[str, Mark] = {}
    product = replace(pushed(a_product(), Wanted(description=OLD), marks), description=text)
    for wanted in (OLD, NEW, OLD):
        plan = judged(product, Wanted(description=wanted), marks)
        assert (verdict(plan), plan.patch) == (Verdict.EDITED, None)
        assert f"a person {did} what wcsync wrote" in the_decision(plan, "description").reason
        marks |= {mark.field: mark for mark in plan.marks}
    assert [one.field for one in plan.edited] == ["description"]
    assert marks["description"].standing is Standing.EDITED


@pytest.mark.parametrize(
    "text", [OLD, "Old", " <p>Old</p>\n"], ids=["exactly", "by the editor", "with blanks"]
)
def test_what_a_person_puts_back_as_we_wrote_it_is_ours_again(text: str) -> None:
    marks: dict[str, Mark] = {}
    product = replace(pushed(a_product(), Wanted(description=OLD), marks), description=text)
    assert judged(product, Wanted(description=NEW), marks).patch == Patch(product_id=ID, description=NEW)
    assert pushed(product, Wanted(description=OLD), marks) == product
    assert marks["description"].standing is Standing.OURS


def test_what_a_plugin_makes_of_our_text_when_it_is_stored_is_no_edit() -> None:
    marks: dict[str, Mark] = {}
    plan = judged(a_product(), Wanted(description=OLD), marks)
    stored = a_product(description="<div class='plugin'>Old</div>")
    marks |= {mark.field: mark for mark in settle(plan, stored)}
    assert unkept(plan, stored) == ("description",)
    rest = judged(stored, Wanted(description=OLD), marks)
    assert (rest.patch, rest.marks) == (None, ())
    assert judged(stored, Wanted(description=NEW), marks).patch == Patch(product_id=ID, description=NEW)


def test_taking_back_writes_over_what_people_wrote_and_it_is_ours_from_then_on() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(description=THEIRS, name="Theirs"), Wanted(description=OLD, name="Old"), marks)
    product = pushed(product, Wanted(description=OLD, name="Old"), marks, take_back="description")
    assert (product.description, product.name) == (OLD, "Theirs")
    assert judged(product, Wanted(description=NEW), marks).patch == Patch(product_id=ID, description=NEW)


def test_fill_leaves_alone_whatever_is_there_and_nags_nobody() -> None:
    marks: dict[str, Mark] = {}
    by = rules(description=Ownership.FILL)
    product = pushed(a_product(), Wanted(description=OLD), marks, by=by)
    plan = judged(product, Wanted(description=NEW), marks, by=by)
    assert (plan.patch, plan.marks, verdict(plan)) == (None, (), Verdict.FOREIGN)
    emptied = replace(product, description="")
    assert judged(emptied, Wanted(description=NEW), marks, by=by).patch == Patch(
        product_id=ID, description=NEW
    )


def test_own_writes_over_edits_until_it_is_plain_that_the_shop_does_not_keep_it() -> None:
    marks: dict[str, Mark] = {}
    by = rules(description=Ownership.OWN)
    product, writes = a_product(description=THEIRS), 0
    while judged(product, Wanted(description=NEW), marks, by=by).patch is not None:
        pushed(product, Wanted(description=NEW), marks, by=by)
        writes += 1
    assert writes == 1 + MOST_REWRITES
    plan = judged(product, Wanted(description=NEW), marks, by=by)
    assert verdict(plan) is Verdict.CONTESTED
    assert "did not keep it" in the_decision(plan, "description").reason
    marks |= {mark.field: mark for mark in plan.marks}
    again = judged(product, Wanted(description=NEW), marks, by=by)
    assert (again.patch, again.marks) == (None, ())
    assert judged(product, Wanted(description=OLD), marks, by=by).patch is not None
    assert judged(product, Wanted(description=NEW), marks, by=by, take_back="description").patch is not None


def test_edits_of_what_the_course_owns_that_are_far_between_are_not_held_against_it() -> None:
    marks: dict[str, Mark] = {}
    by, wanted = rules(description=Ownership.OWN), Wanted(description=NEW)
    product = a_product()
    for _ in range(3 * MOST_REWRITES):
        product = pushed(replace(product, description=THEIRS), wanted, marks, by=by)
        assert product.description == NEW
        assert pushed(product, wanted, marks, by=by) == product


# writes whose end is not known


def sent(product: StoredProduct, wanted: Wanted, marks: dict[str, Mark]) -> StoredProduct:
    """Announced, and killed; what the shop shows if it took effect."""
    plan = judged(product, wanted, marks)
    marks |= {mark.field: mark for mark in (*plan.marks, *sending(plan, NOW))}
    return stored_with(product, plan.patch)


def test_after_a_kill_before_sending_the_product_waits_and_then_is_written() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(description=OLD), marks)
    sent(product, Wanted(description=NEW), marks)
    waits = judged(product, Wanted(description=NEW, name="Curso"), marks, now=NOW + QUARANTINE / 2)
    assert (waits.patch, waits.marks, waits.waits) == (None, (), True)
    assert [(one.field, one.verdict) for one in waits.decisions] == [("description", Verdict.WAITS)]
    late = judged(product, Wanted(description=NEW), marks, now=NOW + QUARANTINE)
    assert late.patch == Patch(product_id=ID, description=NEW)


def test_after_a_kill_before_noting_nothing_is_written_again_nor_waited_for() -> None:
    marks: dict[str, Mark] = {}
    product = sent(a_product(), Wanted(description=OLD, name="Curso"), marks)
    plan = judged(product, Wanted(description=OLD, name="Curso"), marks)
    assert (plan.patch, plan.waits) == (None, False)
    assert {mark.field: mark.pending for mark in plan.marks} == {"description": "", "name": ""}
    marks |= {mark.field: mark for mark in plan.marks}
    assert judged(product, Wanted(description=NEW), marks).patch == Patch(product_id=ID, description=NEW)


def test_a_product_waits_while_a_part_of_what_was_sent_is_not_to_be_seen() -> None:
    marks: dict[str, Mark] = {}
    sent(a_product(), Wanted(description=OLD, name="Curso"), marks)
    assert judged(a_product(name="Curso"), Wanted(), marks).waits


@pytest.mark.parametrize("took_effect", [True, False])
def test_a_course_that_changes_while_a_write_is_pending_is_shown_in_the_end(took_effect: bool) -> None:
    marks: dict[str, Mark] = {}
    before = pushed(a_product(), Wanted(description=OLD), marks)
    after = sent(before, Wanted(description="<p>Between</p>"), marks)
    plan = judged(after if took_effect else before, Wanted(description=NEW), marks, now=NOW + QUARANTINE)
    assert plan.patch == Patch(product_id=ID, description=NEW)


@pytest.mark.parametrize("ever", [True, False])
def test_what_a_person_writes_while_a_write_is_pending_stays(ever: bool) -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(description=OLD), marks) if ever else a_product()
    sent(product, Wanted(description=NEW), marks)
    edited = replace(product, description=THEIRS)
    plan = judged(edited, Wanted(description=NEW), marks, now=NOW + QUARANTINE)
    assert (verdict(plan), plan.patch) == (Verdict.EDITED if ever else Verdict.FOREIGN, None)
    assert plan.marks[0].pending == ""


def test_a_clock_that_was_put_back_does_not_make_a_product_wait_for_long() -> None:
    marks: dict[str, Mark] = {}
    sent(a_product(), Wanted(description=NEW), marks)
    assert (
        judged(a_product(), Wanted(description=NEW), marks, now=NOW - timedelta(days=400)).patch is not None
    )


def test_after_an_answer_that_was_an_error_nobody_waits() -> None:
    marks: dict[str, Mark] = {}
    sent(a_product(), Wanted(description=NEW), marks)
    plan = decide(a_product(), Wanted(description=NEW), DEFAULT, marks, NOW, timedelta())
    assert plan.patch is not None


def test_what_was_pending_in_a_field_nobody_speaks_of_any_more_is_cleared() -> None:
    marks: dict[str, Mark] = {}
    sent(a_product(), Wanted(meta={"_wcsync_level": "A1"}), marks)
    plan = judged(a_product(), Wanted(), marks, now=NOW + QUARANTINE)
    assert [(mark.field, mark.pending) for mark in plan.marks] == [("meta:_wcsync_level", "")]


def test_what_surely_was_not_sent_leaves_the_marks_as_they_were() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(description=OLD), marks)
    plan = judged(product, Wanted(description=NEW), marks)
    assert withdrawn(plan) == (marks["description"],)


def test_with_a_lost_ledger_what_shows_the_course_is_ours_again_and_the_rest_is_left_alone() -> None:
    product = a_product(description=OLD, name="Edited")
    plan = judged(product, Wanted(description=OLD, name="Curso"))
    assert (verdict(plan), verdict(plan, "name"), plan.patch) == (Verdict.ADOPTED, Verdict.FOREIGN, None)


# refusals


def test_what_the_shop_refuses_is_told_and_tried_again() -> None:
    marks: dict[str, Mark] = {}
    wanted = Wanted(description=NEW)
    marks |= {mark.field: mark for mark in refused(judged(a_product(), wanted), "no")}
    assert (marks["description"].standing, marks["description"].note) == (
        Standing.FAILED,
        "the shop refuses it: no",
    )
    assert judged(a_product(), wanted, marks).patch is not None
    pushed(a_product(), wanted, marks)
    assert marks["description"].standing is Standing.OURS


# attributes

COLOUR = Attribute(name="Colour", options=("red", "blue"), position=4, variation=True)
MATERIAL = Attribute(name="Material", options=("paper",), attribute_id=3, position=2, visible=False)


def test_our_attribute_comes_after_the_others_which_stay_as_they_are() -> None:
    plan = judged(a_product(attributes=(COLOUR, MATERIAL)), Wanted(attributes={"Author": ("Ana", "Bo|b")}))
    ours = Attribute(name="Author", options=("Ana", "Bo/b"), position=5)
    assert plan.patch == Patch(product_id=ID, attributes=(COLOUR, MATERIAL, ours))


def test_our_attribute_changes_where_it_stands_and_goes_when_the_courses_do_not_say_it_any_more() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(attributes={"Author": ("Ana",), "Level": ("A1",)}), marks)
    product = replace(product, attributes=(*product.attributes, MATERIAL))
    changed = pushed(product, Wanted(attributes={"Author": ("Eva",)}), marks)
    assert [(one.name, one.options) for one in changed.attributes] == [
        ("Author", ("Eva",)),
        ("Material", ("paper",)),
    ]
    assert marks["attributes:Level"] == Mark(product_id=ID, field="attributes:Level")
    again = pushed(changed, Wanted(attributes={"Author": ("Eva",), "Level": ("B2",)}), marks)
    assert again.attributes[-1] == Attribute(name="Level", options=("B2",), position=3)


@pytest.mark.parametrize(
    "options", [("Ana", "Mine"), ("Bea", "Ana"), ()], ids=["added to", "put in another order", "taken away"]
)
def test_an_attribute_a_person_changed_or_took_away_stays_so(options: tuple[str, ...]) -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(attributes={"Author": ("Ana", "Bea")}), marks)
    edited = tuple(replace(one, options=options) for one in product.attributes if options)
    for attributes in ({"Author": ("Eva",)}, {"Author": ("Ana", "Bea")}, {}):
        assert judged(replace(product, attributes=edited), Wanted(attributes=attributes), marks).patch is None


@pytest.mark.parametrize(
    "there",
    [
        replace(MATERIAL, name="Author"),
        Attribute(name="author", options=("x",), variation=True),
        replace(MATERIAL, name="AUTHOR", variation=True),
    ],
    ids=["for all products", "buyers choose by it", "both"],
)
@pytest.mark.parametrize("ownership", [Ownership.OWN, Ownership.OWN_UNLESS_EDITED, Ownership.FILL])
def test_an_attribute_of_the_shop_is_never_written_not_even_taken_back(
    there: Attribute, ownership: Ownership
) -> None:
    plan = judged(
        a_product(attributes=(there,)),
        Wanted(attributes={"Author": ("Ana",)}),
        by=rules(attributes=ownership),
        take_back="attributes",
    )
    assert (plan.patch, verdict(plan, "attributes:Author")) == (None, Verdict.FOREIGN)


def test_our_attribute_that_buyers_are_to_choose_by_is_theirs() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(attributes={"Level": ("A1",)}), marks)
    chosen = replace(product, attributes=(replace(product.attributes[0], variation=True),))
    plan = judged(
        chosen, Wanted(attributes={"Level": ("A1", "A2")}), marks, by=rules(attributes=Ownership.OWN)
    )
    assert (plan.patch, verdict(plan, "attributes:Level")) == (None, Verdict.EDITED)
    assert judged(chosen, Wanted(), marks).patch is None


def test_of_two_attributes_of_one_name_the_one_written_the_same_is_ours() -> None:
    marks: dict[str, Mark] = {}
    lower = Attribute(name="author", options=("theirs",))
    product = pushed(a_product(), Wanted(attributes={"Author": ("Ana",)}), marks)
    both = replace(product, attributes=(lower, *product.attributes))
    changed = pushed(both, Wanted(attributes={"Author": ("Eva",)}), marks)
    assert changed.attributes == (lower, replace(product.attributes[0], options=("Eva",)))


def test_an_attribute_renamed_in_other_letters_is_the_same() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(attributes={"Author": ("Ana",)}), marks)
    renamed = replace(product, attributes=(replace(product.attributes[0], name="AUTHOR"),))
    assert judged(renamed, Wanted(attributes={"Author": ("Ana",)}), marks).patch is None
    changed = pushed(renamed, Wanted(attributes={"author": ("Eva",)}), marks)
    assert [(one.name, one.options) for one in changed.attributes] == [("AUTHOR", ("Eva",))]
    assert list(marks) == ["attributes:Author"]


def test_an_attribute_to_go_whose_end_is_not_known_is_as_if_never_written_once_it_is_gone() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(attributes={"Level": ("A1",)}), marks)
    gone = sent(product, Wanted(), marks)
    assert gone.attributes == ()
    assert pushed(gone, Wanted(), marks) == gone
    assert pushed(gone, Wanted(attributes={"Level": ("A1",)}), marks).attributes[0].options == ("A1",)


# tags and categories


def names(terms: tuple[Term, ...]) -> list[str]:
    return [term.name for term in terms]


SALE, RD = Term(name="Sale", term_id=31), Term(name="R &amp; D", term_id=32)


def test_tags_are_added_to_those_of_people_and_only_ours_are_taken_away() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(tags=(SALE, RD)), Wanted(tags=("r & d", "Python")), marks)
    assert product.tags == (SALE, RD, Term(name="Python"))
    assert marks["tags"].ours == ("python",)
    assert judged(product, Wanted(tags=("Python", "R & D")), marks).patch is None
    assert names(pushed(product, Wanted(tags=("SQL",)), marks).tags) == ["Sale", "R &amp; D", "SQL"]
    assert marks["tags"].ours == ("sql",)


def test_a_tag_a_person_took_away_stays_away_and_is_told() -> None:
    marks: dict[str, Mark] = {}
    wanted = Wanted(tags=("Python", "SQL"))
    product = pushed(a_product(), wanted, marks)
    less = replace(product, tags=product.tags[1:])
    plan = judged(less, wanted, marks)
    assert (plan.patch, verdict(plan, "tags")) == (None, Verdict.EDITED)
    less = pushed(less, Wanted(tags=("SQL",)), marks)
    more = pushed(less, Wanted(tags=("Python", "SQL", "Git")), marks)
    assert names(more.tags) == ["SQL", "Git"]
    assert marks["tags"].standing is Standing.EDITED
    assert judged(more, Wanted(tags=("Python", "SQL", "Git")), marks).marks == ()
    assert names(pushed(more, wanted, marks, take_back="tags").tags) == ["SQL", "Python"]


def test_a_tag_the_course_dropped_and_takes_up_again_comes_back() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(tags=("Python",)), marks)
    product = pushed(product, Wanted(), marks)
    assert product.tags == ()
    assert names(pushed(product, Wanted(tags=("Python",)), marks).tags) == ["Python"]


def test_what_the_course_owns_puts_tags_back_and_leaves_those_of_people() -> None:
    marks: dict[str, Mark] = {}
    by = rules(tags=Ownership.OWN)
    pushed(a_product(tags=(SALE,)), Wanted(tags=("Python",)), marks, by=by)
    product = pushed(a_product(tags=(SALE,)), Wanted(tags=("Python",)), marks, by=by)
    assert names(product.tags) == ["Sale", "Python"]


def test_tags_are_filled_only_where_there_are_none() -> None:
    by = rules(tags=Ownership.FILL)
    assert judged(a_product(tags=(SALE,)), Wanted(tags=("Python",)), by=by).patch is None
    plan = judged(a_product(), Wanted(tags=("Python",)), by=by)
    assert plan.patch == Patch(product_id=ID, tags=(Term(name="Python"),))


def test_a_tag_the_shop_does_not_keep_is_not_sent_for_ever() -> None:
    marks: dict[str, Mark] = {}
    wanted, writes = Wanted(tags=("Python",)), 0
    while (plan := judged(a_product(), wanted, marks)).patch is not None:
        marks |= {mark.field: mark for mark in settle(plan, a_product())}
        writes += 1
    assert (writes, verdict(plan, "tags")) == (1 + MOST_REWRITES, Verdict.CONTESTED)


def test_the_last_category_is_not_taken_away() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(categories=("Cursos",)), marks)
    assert judged(product, Wanted(), marks).patch is None
    assert names(pushed(product, Wanted(categories=("Otros",)), marks).categories) == ["Otros"]


def test_of_two_categories_of_one_name_none_is_taken_away() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(categories=(SALE,)), Wanted(categories=("Cursos",)), marks)
    twice = replace(product, categories=(*product.categories, Term(name="Cursos", term_id=77)))
    assert judged(twice, Wanted(), marks).patch is None


def test_of_tags_whose_write_was_never_answered_those_taken_away_since_stay_away() -> None:
    marks: dict[str, Mark] = {}
    wanted = Wanted(tags=("Python", "SQL"))
    product = sent(a_product(), wanted, marks)
    less = replace(product, tags=product.tags[:1])
    plan = judged(less, wanted, marks, now=NOW + QUARANTINE)
    assert plan.patch is None
    marks |= {mark.field: mark for mark in plan.marks}
    assert judged(less, Wanted(), marks).patch is None, "whose Python is, nobody can tell: it stays"


@pytest.mark.parametrize("took_effect", [True, False])
def test_tags_whose_write_was_never_answered_are_ours_if_they_are_there(took_effect: bool) -> None:
    marks: dict[str, Mark] = {}
    product = sent(a_product(), Wanted(tags=("Python",)), marks)
    product = pushed(
        product if took_effect else a_product(), Wanted(tags=("Python",)), marks, now=NOW + QUARANTINE
    )
    assert names(product.tags) == ["Python"]
    assert pushed(product, Wanted(), marks).tags == ()


def test_a_list_that_is_switched_off_is_not_looked_at() -> None:
    plan = judged(a_product(tags=(SALE,)), Wanted(tags=("Python",)), by=rules(tags=Ownership.OFF))
    assert (plan.patch, verdict(plan, "tags")) == (None, Verdict.OFF)


# images

PHOTO, DETAIL = Image(image_id=7, name="photo"), Image(image_id=8, name="detail")


def test_a_product_without_an_image_gets_the_cover() -> None:
    plan = judged(a_product(), Wanted(picture=COVER))
    image = Image(image_id=0, src=COVER.src, name=COVER.title, alt="Python")
    assert plan.patch == Patch(product_id=ID, images=(image,))


def test_a_new_cover_takes_the_place_of_ours_and_the_gallery_stays_in_its_order() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(picture=COVER), marks)
    product = replace(product, images=(*product.images, PHOTO, DETAIL))
    assert judged(product, Wanted(picture=COVER), marks).patch is None
    changed = judged(product, Wanted(picture=OTHER_COVER), marks).patch
    assert changed is not None
    assert changed.images is not None
    assert [one.name for one in changed.images] == [OTHER_COVER.title, "photo", "detail"]


def test_our_image_is_known_by_its_number_under_another_name_and_by_its_name_with_a_lost_ledger() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(a_product(), Wanted(picture=COVER), marks)
    renamed = replace(product, images=(replace(product.images[0], name="Portada"),))
    assert judged(renamed, Wanted(picture=COVER), marks).patch is None
    assert judged(renamed, Wanted(picture=OTHER_COVER), marks).patch is not None
    assert verdict(judged(product, Wanted(picture=COVER)), "images") is Verdict.ADOPTED


@pytest.mark.parametrize(
    "images",
    [(PHOTO,), (PHOTO, Image(image_id=900, name=COVER.title)), ()],
    ids=["changed", "moved", "taken away"],
)
def test_an_image_a_person_changed_or_took_away_stays_so(images: tuple[Image, ...]) -> None:
    marks: dict[str, Mark] = {}
    product = replace(pushed(a_product(), Wanted(picture=COVER), marks), images=images)
    plan = judged(product, Wanted(picture=OTHER_COVER), marks)
    assert (plan.patch, verdict(plan, "images")) == (None, Verdict.EDITED)
    assert judged(product, Wanted(), marks).patch is None


def test_taking_back_the_image_keeps_what_people_put_there() -> None:
    plan = judged(a_product(images=(PHOTO, DETAIL)), Wanted(picture=COVER), take_back="images")
    assert plan.patch is not None
    assert plan.patch.images is not None
    assert [one.name for one in plan.patch.images] == [COVER.title, "photo", "detail"]


def test_an_image_the_product_has_already_is_not_uploaded_again() -> None:
    ours = Image(image_id=900, name=COVER.title)
    plan = judged(a_product(images=(PHOTO, ours)), Wanted(picture=COVER), take_back="images")
    assert plan.patch == Patch(product_id=ID, images=(ours, PHOTO))


# meta


def test_our_meta_is_written_when_it_differs_and_taken_away_when_nobody_says_it() -> None:
    product = a_product(meta={"_wcsync_level": "A1", "_wcsync_url": "x", "_wcsync_same": "5", "_yoast": "1"})
    wanted = Wanted(
        meta={"_wcsync_level": "B2", "_wcsync_url": None, "_wcsync_same": "5", "_wcsync_none": None}
    )
    plan = judged(product, wanted, by=rules(meta=Ownership.FILL))
    assert plan.patch == Patch(product_id=ID, meta={"_wcsync_level": "B2", "_wcsync_url": None})
    marks = {mark.field: mark for mark in (*plan.marks, *settle(plan, stored_with(product, plan.patch)))}
    again = judged(stored_with(product, plan.patch), wanted, marks, by=rules(meta=Ownership.FILL))
    assert (again.patch, again.marks) == (None, ())


def test_meta_the_shop_keeps_in_another_form_is_not_sent_for_ever() -> None:
    plan = judged(a_product(), Wanted(meta={"_wcsync_n": "5.0"}))
    stored = a_product(meta={"_wcsync_n": "5"})
    marks = {mark.field: mark for mark in settle(plan, stored)}
    assert judged(stored, Wanted(meta={"_wcsync_n": "5.0"}), marks).patch is None


def test_meta_of_others_is_taken_away_only_if_we_wrote_it() -> None:
    by, marks = rules(meta=Ownership.OWN), dict[str, Mark]()
    assert judged(a_product(meta={"level": "A1"}), Wanted(meta={"level": None}), by=by).patch is None
    product = pushed(a_product(), Wanted(meta={"level": "A1"}), marks, by=by)
    assert pushed(product, Wanted(meta={"level": None}), marks, by=by).meta == {}


def test_meta_that_is_switched_off_is_not_written_not_even_ours() -> None:
    assert judged(a_product(), Wanted(meta={"_wcsync_n": "5"}), by=rules(meta=Ownership.OFF)).patch is None


# variations


def test_of_a_variation_only_its_own_parts_are_written() -> None:
    choice = a_product(parent_id=ProductId(1000), kind="variation", images=(PHOTO,))
    wanted = Wanted(name="x", description=NEW, attributes={"A": ("a",)}, tags=("t",), meta={"_wcsync_n": "1"})
    plan = judged(choice, wanted)
    expected = Patch(product_id=ID, parent_id=ProductId(1000), description=NEW, meta={"_wcsync_n": "1"})
    assert plan.patch == expected
    assert {one.field for one in plan.decisions} == {"description", "images", "meta:_wcsync_n"}


def test_a_variation_has_one_image() -> None:
    choice = a_product(parent_id=ProductId(1000), images=(PHOTO,))
    plan = judged(choice, Wanted(picture=COVER), take_back="images")
    assert plan.patch is not None
    assert plan.patch.images is not None
    assert len(plan.patch.images) == 1


# what else may have changed


def everything() -> StoredProduct:
    return a_product(
        name="Curso",
        attributes=(COLOUR, MATERIAL),
        tags=(SALE,),
        categories=(RD,),
        images=(PHOTO, DETAIL),
        meta={"_yoast": "1"},
        guarded="49 EUR",
    )


def test_a_write_that_changed_what_it_names_and_nothing_else_did_no_harm() -> None:
    marks: dict[str, Mark] = {}
    product = pushed(
        a_product(), Wanted(tags=("Old",), picture=COVER, attributes={"Author": ("Ana",)}), marks
    )
    wanted = Wanted(
        description=NEW,
        tags=("New",),
        picture=OTHER_COVER,
        attributes={"Level": ("A1",)},
        meta={"_wcsync_n": "1"},
    )
    plan = judged(product, wanted, marks)
    assert unharmed(product, stored_with(product, plan.patch), plan) == ()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"guarded": "0 EUR"}, "its status, type, SKU, price, visibility or stock"),
        ({"name": "Otro"}, "name"),
        ({"attributes": (MATERIAL,)}, "attribute Colour"),
        ({"attributes": (replace(COLOUR, variation=False), MATERIAL)}, "attribute Colour"),
        ({"tags": ()}, "tags Sale"),
        ({"categories": ()}, "categories R &amp; D"),
        ({"images": (DETAIL,)}, "images"),
        ({"images": (DETAIL, PHOTO)}, "images"),
        ({"meta": {}}, "meta _yoast"),
    ],
)
def test_what_changed_besides_is_named(change: dict[str, Any], named: str) -> None:
    before = everything()
    plan = judged(before, Wanted(description=NEW))
    assert unharmed(before, replace(stored_with(before, plan.patch), **change), plan) == (named,)


def test_a_plan_without_anything_to_write_has_no_patch() -> None:
    plan = judged(everything(), Wanted())
    assert (plan.patch, plan.writings, plan.marks) == (None, (), ())
    assert sending(plan, NOW) == settle(plan, everything()) == ()
