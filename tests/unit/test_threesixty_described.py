"""A path as a course of the mirror: texts, durations, steps and names, without any call."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wcsync.course import Course, CourseState, Module
from wcsync.lms.threesixty.answers import Author, Classroom, DescribedPath, Estimate, InnerPath, Lesson, Step
from wcsync.lms.threesixty.described import Surroundings, describe, minutes
from wcsync.model import CourseId, LmsName, Target

GROUP = "65b00000000000000000000f"
TARGET = Target(lms=LmsName("academy"), course_id=CourseId(GROUP), options=(("path", "p"),))
SITE = "https://academy.example"
NOTHING = Surroundings()


def path(**more: Any) -> DescribedPath:
    known = {"id": "p", "name": "Python", "author_id": "anna", "source_lang": "en", "default_lang": "en"}
    return DescribedPath(**known | {"modified_at": datetime(2026, 3, 1, tzinfo=UTC)} | more)


def course(around: Surroundings = NOTHING, **more: Any) -> Course:
    return describe(path(**more), TARGET, SITE, around)


def translation(lang: str, *, published: bool = True, **texts: str) -> Mapping[str, object]:
    return {"lang": lang, "published": published, "translatedFields": texts}


def translated(*translations: Mapping[str, object], default: str = "fr") -> Course:
    raw = msgspec.to_builtins(path(description="<p>It</p>", default_lang=default))
    raw["translations"] = list(translations)
    return describe(msgspec.convert(raw, DescribedPath), TARGET, SITE, NOTHING)


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("minute", 90, 90),
        ("hour", 1.5, 90),
        ("minute", 0.2, 1),
        ("minute", 0, None),
        ("hour", -1, None),
        ("hour", 1e300, None),
        ("day", 2, None),
        ("week", 2, None),
        ("month", 1, None),
        ("fortnight", 1, None),
    ],
)
def test_only_minutes_and_hours_say_how_long_a_path_takes(
    unit: str, value: float, expected: int | None
) -> None:
    assert minutes(Estimate(unit=unit, value=value)) == expected


@given(st.sampled_from(["minute", "hour", "day", "week", "month"]), st.floats(allow_nan=False))
@settings(max_examples=50)
def test_no_estimate_is_too_odd_to_be_read(unit: str, value: float) -> None:
    told = minutes(Estimate(unit=unit, value=value))
    assert told is None or told >= 1


def test_a_path_without_an_estimate_has_no_duration() -> None:
    assert course().duration_min is None


def test_steps_become_modules_in_their_order() -> None:
    around = Surroundings(
        lessons={"l": Lesson(id="l", name=" First\tsteps ", duration=20.4), "q": Lesson(id="q", name="Quiz")},
        paths={"i": InnerPath(id="i", name="Inside", estimate=Estimate(unit="hour", value=1))},
        classrooms={"c": Classroom(id="c", name="In Madrid")},
    )
    steps = [
        Step(id="q", type="course", subtype="quiz"),
        Step(id="l", type="course"),
        Step(id="i", type="path"),
        Step(id="c", type="classroom"),
        Step(id="a", type="assessment"),
    ]
    assert course(around, steps=steps).modules == (
        Module(title="Quiz", kind="quiz"),
        Module(title="First steps", kind="course", duration_min=20),
        Module(title="Inside", kind="path", duration_min=60),
        Module(title="In Madrid", kind="classroom"),
        Module(title="Assessment", kind="assessment"),
    )


@pytest.mark.parametrize("kind", ["email", "slackMessage", "teamsMessage", "somethingNew"])
def test_messages_and_what_nobody_knows_are_no_modules(kind: str) -> None:
    assert course(steps=[Step(id="x", type=kind)]).modules == ()


@pytest.mark.parametrize(
    ("lang", "expected"),
    [("es", "Evaluación"), ("es_MX", "Evaluación"), ("fr", "Évaluation"), ("de", "Assessment")],
)
def test_a_step_without_a_title_is_called_by_its_kind_in_the_paths_language(lang: str, expected: str) -> None:
    told = course(steps=[Step(id="x", type="assessment")], source_lang=lang, default_lang=lang)
    assert told.modules == (Module(title=expected, kind="assessment"),)


@pytest.mark.parametrize(
    "lessons",
    [{}, {"l": Lesson(id="l", name="Gone", status="deleted")}, {"l": Lesson(id="l", name=" ")}],
    ids=["gone", "deleted", "nameless"],
)
def test_a_course_that_is_gone_is_no_module(lessons: Mapping[str, Lesson]) -> None:
    assert course(Surroundings(lessons=lessons), steps=[Step(id="l", type="course")]).modules == ()


def test_an_archived_course_stays_a_module() -> None:
    around = Surroundings(lessons={"l": Lesson(id="l", name="Old", status="archived")})
    assert len(course(around, steps=[Step(id="l", type="course")]).modules) == 1


def test_null_is_as_good_as_nothing_said() -> None:
    raw = msgspec.to_builtins(path(steps=[Step(id="l", type="course")]))
    raw["description"] = raw["estimatedDuration"] = raw["steps"][0]["subtype"] = None
    author = msgspec.convert({"_id": "anna", "firstName": None, "lastName": "Ñandú"}, Author)
    around = Surroundings(authors={"anna": author}, lessons={"l": Lesson(id="l", name="One")})
    told = describe(msgspec.convert(raw, DescribedPath), TARGET, SITE, around)
    assert (told.description, told.duration_min, told.authors) == ("", None, ("Ñandú",))
    assert told.modules == (Module(title="One", kind="course"),)


def test_authors_come_once_each_with_the_main_one_first() -> None:
    around = Surroundings(
        authors={
            "anna": Author(id="anna", first_name=" Anna ", last_name="Ñandú"),
            "bert": Author(id="bert", last_name="Bert"),
            "nobody": Author(id="nobody"),
        }
    )
    told = course(around, co_author_ids=["bert", "anna", "nobody", "gone"])
    assert told.authors == ("Anna Ñandú", "Bert")


def test_the_texts_are_those_of_the_default_language() -> None:
    told = translated(
        translation("fr", name="Serpent", description="<p>Ça</p>"), translation("es", name="No")
    )
    assert (told.name, told.description, told.language) == ("Serpent", "<p>Ça</p>", "fr")


def test_what_a_translation_leaves_out_is_told_as_it_was_written() -> None:
    told = translated(translation("fr", name="Serpent"))
    assert (told.name, told.description) == ("Serpent", "<p>It</p>")


@pytest.mark.parametrize(
    "told",
    [translated(translation("fr", name="Brouillon", published=False)), translated()],
    ids=["unpublished", "none"],
)
def test_without_a_published_translation_the_texts_stay_as_written(told: Course) -> None:
    assert (told.name, told.language) == ("Python", "en")


def test_an_archived_path_is_told_as_such() -> None:
    assert [course(status=status).state for status in ("archived", "published")] == [
        CourseState.ARCHIVED,
        CourseState.OPEN,
    ]


def test_a_course_goes_by_its_group_and_shows_no_link_and_no_cover() -> None:
    told = course(Surroundings(skills={"p": ("Snakes",)}))
    assert (told.course_id, told.site, told.skills, told.url, told.cover) == (
        CourseId(GROUP),
        SITE,
        ("Snakes",),
        "",
        None,
    )
    assert replace(told, name="").modified_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_an_instant_at_the_end_of_all_calendars_is_not_said() -> None:
    far = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    assert course(modified_at=far).modified_at is None
