"""What a product should show, made from its courses by the shipped templates or by people's own."""

import json
from dataclasses import replace

import pytest

from wcsync.course import Course, CourseState, Module
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.rendering import LONGEST_META, render
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.templates import BadTemplate
from wcsync.mappers.courses.wanted import WantedPicture
from wcsync.model import CourseId, LmsName

SITE = "https://campus.example"
COURSE = Course(
    lms=LmsName("campus"),
    course_id=CourseId("42"),
    site=SITE,
    name="Python & [más]",
    description=f'<p>For <b>all</b>.</p><p><a href="{SITE}/x">Inside</a></p>',
    authors=("Ada Lovelace", "Grace Hopper"),
    skills=("Python", "python", "Tests | QA"),
    modules=(
        Module(title="Welcome", kind="page", section="Start", duration_min=5),
        Module(title="Loops <for>", kind="quiz", section="Basics"),
        Module(title="\x00 "),
    ),
    duration_min=90,
    language="es",
    level="Beginner",
    category="Programming",
    url=f"{SITE}/course/view.php?id=42",
)
OTHER = Course(
    lms=LmsName("academy"),
    course_id=CourseId("5f"),
    site=SITE,
    name="Second",
    authors=("Ada Lovelace",),
    skills=("Maths",),
)
ALL = Rules(ownership=dict.fromkeys(Field, Ownership.OWN))
PICTURE = WantedPicture(digest="ab" * 32, src="https://cdn.example/a.png")


def test_one_course_fills_every_field() -> None:
    wanted = render([COURSE], ALL, PICTURE)
    assert wanted.name == "Python &amp; &#091;más]"
    assert wanted.description == (
        "<p>For <b>all</b>.</p><p>Inside</p>"
        "<p><strong>Authors:</strong> Ada Lovelace and Grace Hopper</p>"
        "<h3>Skills</h3><ul><li>Python</li><li>python</li><li>Tests | QA</li></ul>"
        "<h3>Course content</h3>"
        "<h4>Start</h4><ul><li>Welcome (5 minutes)</li></ul>"
        "<h4>Basics</h4><ul><li>Loops &lt;for&gt;</li></ul>"
    )
    assert wanted.short_description == "For all."
    assert wanted.attributes == {
        "Author": ("Ada Lovelace", "Grace Hopper"),
        "Skills": ("Python", "Tests / QA"),
        "Level": ("Beginner",),
        "Duration": ("1 hour 30 minutes",),
        "Language": ("Spanish",),
    }
    assert wanted.tags == ("Python", "Tests / QA")
    assert wanted.categories == ("Programming",)
    assert wanted.picture == PICTURE
    assert PICTURE.title == "wcsync-abababababababab"


def test_the_meta_is_for_programs() -> None:
    meta = render([COURSE], ALL, None).meta
    assert {key: json.loads(value or "") for key, value in meta.items() if value and value[0] in "[{"} == {
        "_wcsync_courses": ["campus:42"],
        "_wcsync_authors": ["Ada Lovelace", "Grace Hopper"],
        "_wcsync_skills": ["Python", "python", "Tests | QA"],
        "_wcsync_modules": [
            {"title": "Welcome", "kind": "page", "section": "Start", "duration_min": 5},
            {"title": "Loops <for>", "kind": "quiz", "section": "Basics"},
        ],
    }
    assert {key: value for key, value in meta.items() if not value or value[0] not in "[{"} == {
        "_wcsync_duration_min": "90",
        "_wcsync_language": "es",
        "_wcsync_level": "Beginner",
        "_wcsync_url": f"{SITE}/course/view.php?id=42",
        "_wcsync_state": None,
    }


def test_no_meta_is_markup() -> None:
    course = replace(COURSE, name="<img src=x onerror=alert(1)>", skills=("<script>",), level="</script>")
    meta = render([course], replace(ALL, meta={"title": "{{ course.name }}"}), None).meta
    assert meta["title"] == "‹img src=x onerror=alert(1)›"
    assert not any("<" in (value or "") for value in meta.values())


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("es", ["Autor", "Competencias", "Nivel", "Duración", "Idioma"]),
        ("fr", ["Auteur", "Compétences", "Niveau", "Durée", "Langue"]),
    ],
)
def test_words_and_names_are_in_the_shops_language(language: str, names: list[str]) -> None:
    wanted = render([COURSE], replace(ALL, language=language), None)
    assert list(wanted.attributes) == names
    assert names[1] in wanted.description


def test_several_courses_each_have_their_part_and_no_common_name_or_image() -> None:
    wanted = render([COURSE, OTHER], ALL, PICTURE)
    assert (wanted.name, wanted.picture) == ("", None)
    assert wanted.description.startswith("<h2>Python &amp; &#091;más]</h2><p>For")
    assert wanted.description.endswith(
        "<h2>Second</h2><p><strong>Author:</strong> Ada Lovelace</p><h3>Skills</h3><ul><li>Maths</li></ul>"
    )
    assert wanted.attributes["Author"] == ("Ada Lovelace", "Grace Hopper")
    assert wanted.attributes["Skills"] == ("Python", "Tests / QA", "Maths")
    assert "Duration" not in wanted.attributes
    assert wanted.meta["_wcsync_courses"] == '["campus:42","academy:5f"]'
    assert wanted.meta["_wcsync_duration_min"] is None


def test_of_several_courses_a_row_may_still_say_what_name_and_image_are() -> None:
    said = replace(
        ALL, own=frozenset({Field.NAME, Field.IMAGES}), templates={Field.NAME: "{{ courses|length }} courses"}
    )
    wanted = render([COURSE, OTHER], said, PICTURE)
    assert (wanted.name, wanted.picture) == ("2 courses", PICTURE)


def test_a_course_with_nothing_to_say_wants_nothing_but_its_name() -> None:
    bare = Course(lms=LmsName("campus"), course_id=CourseId("1"), site=SITE, name="Bare")
    wanted = render([bare], ALL, None)
    assert (wanted.name, wanted.description, wanted.short_description) == ("Bare", "", "")
    assert (wanted.attributes, wanted.tags, wanted.categories) == ({}, (), ())
    assert {key for key, value in wanted.meta.items() if value is not None} == {"_wcsync_courses"}


def test_what_is_switched_off_is_not_rendered() -> None:
    off = Rules(
        ownership=dict.fromkeys(Field, Ownership.OFF), templates={Field.NAME: "{{ course.skills[9] }}"}
    )
    wanted = render([COURSE], off, None)
    assert (wanted.name, wanted.attributes, wanted.meta, wanted.tags) == ("", {}, {}, ())


def test_peoples_templates_stand_in_for_the_shipped_ones() -> None:
    said = replace(
        ALL,
        templates={
            Field.DESCRIPTION: "<div class='c'>{{ course.name }} [cart]</div>",
            Field.TAGS: "b\n a|x \nB\n\n",
        },
        attributes={"Hours": "{{ course.duration }}", "Empty": " "},
        meta={"course_hours": " [{{ course.duration }}] ", "course_nothing": "{{ course.kind|default('') }}"},
    )
    wanted = render([COURSE], said, None)
    assert wanted.description == '<div class="c">Python &amp; &#091;más] [cart]</div>'
    assert wanted.tags == ("b", "a/x")
    assert wanted.attributes == {"Hours": ("1 hour 30 minutes",)}
    assert wanted.meta["course_hours"] == "[1 hour 30 minutes]"
    assert "course_nothing" not in wanted.meta
    assert "_wcsync_authors" in wanted.meta


def test_a_template_that_fails_names_its_field() -> None:
    with pytest.raises(BadTemplate, match=r"^description: line 1 of the template: there is no number 9"):
        render([COURSE], replace(ALL, templates={Field.DESCRIPTION: "{{ course.skills[9] }}"}), None)
    with pytest.raises(BadTemplate, match=r"^attributes Hours: "):
        render([COURSE], replace(ALL, attributes={"Hours": "{{ course.skills[9] }}"}), None)
    with pytest.raises(BadTemplate, match=r"^meta hours: "):
        render([COURSE], replace(ALL, meta={"hours": "{{ course.skills[9] }}"}), None)


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([CourseState.OPEN, CourseState.OPEN], None),
        ([CourseState.OPEN, CourseState.HIDDEN], "hidden"),
        ([CourseState.ARCHIVED, CourseState.HIDDEN], "archived"),
        ([], "gone"),
    ],
)
def test_a_course_that_cannot_be_found_is_marked_where_that_is_wished(
    states: list[CourseState], told: str | None
) -> None:
    courses = [replace(COURSE, state=state) for state in states]
    assert render(courses, replace(ALL, mark_gone=True), None).meta["_wcsync_state"] == told
    assert render(courses, ALL, None).meta.get("_wcsync_state") is None


def test_a_very_long_course_stays_within_what_a_shop_can_hold() -> None:
    many = tuple(Module(title=f"{number} " + "ñ" * 300, section=str(number)) for number in range(600))
    wanted = render([replace(COURSE, modules=many, skills=tuple(map(str, range(500))))], ALL, None)
    modules = wanted.meta["_wcsync_modules"]
    assert modules is not None
    assert len(modules) <= LONGEST_META
    assert json.loads(modules)
    assert len(wanted.attributes["Skills"]) == 100


def test_an_address_that_gives_something_away_is_no_address() -> None:
    assert render([replace(COURSE, url="https://x.example/?token=1")], ALL, None).meta["_wcsync_url"] is None
