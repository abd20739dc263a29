"""How the Moodle adapter reads courses, beyond what every LMS promises."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
import stamina

from wcsync.course import Course, CourseReading, CourseState, Module
from wcsync.credentials import Secret
from wcsync.errors import PermanentError, ServiceBlocked, Severity, TransientError
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.lms.moodle.course_wire import CourseModule, Section, parse_modules
from wcsync.lms.moodle.durations import parse_minutes
from wcsync.model import CourseId, LmsName, Target
from wcsync.pulse import Pulse
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.moodle_authors import COVER_NAME
from wcsync.sandbox.server import Fault

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
PYTHON = 42
BY_FIELD, CONTENTS = "core_course_get_courses_by_field", "core_course_get_contents"
COMPETENCIES = "core_competency_list_course_competencies"


@pytest.fixture(autouse=True)
def _hasty_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def site() -> Iterator[SandboxMoodle]:
    with SandboxMoodle() as site:
        site.add_course("Python", course_id=PYTHON)
        yield site


@pytest.fixture
def moodle(site: SandboxMoodle) -> Iterator[Moodle]:
    keys = {"name": "campus", "url": site.url, "token": Secret("sandboxtoken"), "timeout_s": 5.0}
    with closing(Moodle(MoodleSettings.model_validate(keys))) as moodle:
        yield moodle


# -- what is read


def test_custom_fields_tell_level_duration_and_language(site: SandboxMoodle, moodle: Moodle) -> None:
    site.describe_course(PYTHON, level="<p>Beginner &amp; up</p>", duration="1 h 30", language="Español")
    course = read(moodle)
    assert (course.level, course.duration_min, course.language) == ("Beginner & up", 90, "Español")


@pytest.mark.parametrize("shortname", ["nivel", "niveau", "Level"])
def test_custom_fields_may_be_called_as_in_spain_or_france(
    site: SandboxMoodle, moodle: Moodle, shortname: str
) -> None:
    site.set_field(PYTHON, shortname, "Avancé")
    assert read(moodle).level == "Avancé"


def test_a_course_with_a_forced_language_is_in_that_language(site: SandboxMoodle, moodle: Moodle) -> None:
    site.courses[PYTHON].lang = "pt_br"
    assert read(moodle).language == "pt-br"


@pytest.mark.parametrize(
    "typed",
    ["Loops, Salt &amp; pepper,, Loops", "<p>Loops</p><p>Salt &amp; pepper</p>", "Loops\nSalt & pepper"],
)
def test_a_field_names_the_skills_of_a_course_without_competencies(
    site: SandboxMoodle, moodle: Moodle, typed: str
) -> None:
    site.set_field(PYTHON, "skills", typed)
    assert read(moodle).skills == ("Loops", "Salt & pepper")
    site.describe_course(PYTHON, skills=["Recursion"])
    assert read(moodle).skills == ("Recursion",)


def test_the_cover_is_behind_the_address_for_everybody(site: SandboxMoodle, moodle: Moodle) -> None:
    site.describe_course(PYTHON, cover=PNG)
    cover = read(moodle).cover
    assert cover is not None
    context = site.courses[PYTHON].context_id
    assert cover.url == f"{site.url}/pluginfile.php/{context}/course/overviewfiles/cover%20image.png"
    assert COVER_NAME == "cover image.png"
    site.describe_course(PYTHON, cover=PNG + b"more")
    other = read(moodle).cover
    assert other is not None
    assert other.url == cover.url
    assert other.version != cover.version


@pytest.mark.parametrize("cover", [b"", b"no image"], ids=["none", "passes for one"])
def test_what_moodle_draws_itself_is_no_cover(site: SandboxMoodle, moodle: Moodle, cover: bytes) -> None:
    site.describe_course(PYTHON, cover=cover)
    assert read(moodle).cover is None


def test_what_learners_do_not_see_is_no_module(site: SandboxMoodle, moodle: Moodle) -> None:
    modules = [
        ("One", "Shown", "page"),
        ("One", "Hidden", "page"),
        ("One", "By address", "url"),
        ("Two", "X", "quiz"),
    ]
    site.describe_course(PYTHON, modules=modules)
    _, one, two = site.courses[PYTHON].sections
    one.activities[1].visible = False
    one.activities[2].on_page = False
    two.visible = False
    assert read(moodle).modules == (Module(title="Shown", kind="page", section="One"),)


@pytest.mark.parametrize(
    ("name", "text", "titles"),
    [
        ("Look here", "<p>Look <b>here</b></p>", []),
        (
            "Look here at this very long text that goes on...",
            "<p>Look here at this very long text that goes on, on</p>",
            [],
        ),
        ("Text and media area", '<img src="x.png">', []),
        ("Before you start", "<p>Have a pen at hand</p>", ["Before you start"]),
    ],
    ids=["its own text", "cut", "an image", "titled"],
)
def test_text_on_the_page_is_a_module_only_with_a_title(name: str, text: str, titles: list[str]) -> None:
    label = CourseModule(name=name, modname="label", description=text)
    assert [module.title for module in parse_modules([Section(name="One", modules=[label])])] == titles


def test_a_subsection_stands_where_its_authors_put_it() -> None:
    def page(name: str) -> CourseModule:
        return CourseModule(name=name, modname="page")

    within = CourseModule(name="Inside", modname="subsection", instance=7)
    sections = [
        Section(name="One", modules=[page("A"), within, page("D")]),
        Section(name="Two", modules=[page("E")]),
        Section(name="Inside", component="mod_subsection", itemid=7, modules=[page("B"), page("C")]),
        Section(name="Lost", component="mod_subsection", itemid=8, modules=[page("F")]),
    ]
    found = [(module.section, module.title) for module in parse_modules(sections)]
    assert found == [
        ("One", "A"),
        ("Inside", "B"),
        ("Inside", "C"),
        ("One", "D"),
        ("Two", "E"),
        ("Lost", "F"),
    ]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("90 min", 90),
        ("45 minutos", 45),
        ("1h30", 90),
        ("1 h 30", 90),
        ("1 hour and 30 minutes", 90),
        ("2 Stunden", 120),
        ("1,5 horas", 90),
        ("2.25 h", 135),
        ("1:05", 65),
        ("12 heures", 720),
        ("", None),
        ("0", None),
        ("3 days", None),
        ("8 weeks", None),
        ("self-paced", None),
        ("10-12 h", None),
        ("99999999999", None),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, minutes: int | None) -> None:
    assert parse_minutes(text) == minutes


# -- what is read again


def test_only_a_course_whose_marks_moved_is_looked_into_again(site: SandboxMoodle, moodle: Moodle) -> None:
    other = site.add_course("Other")
    read_all(moodle, PYTHON, other)
    site.describe_course(PYTHON, modules=[("One", "New", "page")])
    before = len(site.requests)
    reading = read_all(moodle, PYTHON, other, full=False)
    assert [module.title for module in reading.courses[target(PYTHON)].modules] == ["New"]
    assert functions(site)[before:] == ["core_webservice_get_site_info", BY_FIELD, CONTENTS, COMPETENCIES]


def test_what_moves_no_mark_shows_all_the_same(site: SandboxMoodle, moodle: Moodle) -> None:
    site.describe_course(PYTHON, teachers=["Ada Lovelace"])
    read(moodle)
    site.describe_course(PYTHON, teachers=["Grace Hopper"], level="Expert", cover=PNG, category="Science")
    course = read(moodle, full=False)
    assert (course.authors, course.level, course.category) == (("Grace Hopper",), "Expert", "Science")
    assert course.cover is not None


def test_competencies_wait_for_a_full_reading(site: SandboxMoodle, moodle: Moodle) -> None:
    read(moodle)
    site.describe_course(PYTHON, skills=["Loops"])
    assert read(moodle, full=False).skills == ()
    assert read(moodle, full=True).skills == ("Loops",)
    assert read(moodle, full=False).skills == ("Loops",)


def test_without_the_right_to_see_the_marks_every_course_is_looked_into(
    site: SandboxMoodle, moodle: Moodle
) -> None:
    site.deny("moodle/course:update")
    read(moodle)
    before = len(site.requests)
    course = read(moodle, full=False)
    assert course.modified_at is None
    assert CONTENTS in functions(site)[before:]


def test_a_course_that_went_costs_one_question_from_then_on(site: SandboxMoodle, moodle: Moodle) -> None:
    courses = [site.add_course(f"Course {number}") for number in range(90)]
    site.delete_course(courses[17])
    read_all(moodle, *courses)
    before = len(site.requests)
    reading = read_all(moodle, *courses, full=False)
    assert set(reading.absent) == {target(courses[17])}
    assert len(site.requests) - before == 3


def test_courses_hidden_from_us_cost_no_question_each(site: SandboxMoodle, moodle: Moodle) -> None:
    courses = [site.add_course(f"Course {number}", visible=False) for number in range(90)]
    site.deny("moodle/course:viewhiddencourses")
    for _ in range(3):
        before = len(site.requests)
        assert len(read_all(moodle, *courses, full=False).absent) == 90
        assert len(site.requests) - before == 2


def test_a_course_that_came_back_is_seen_again(site: SandboxMoodle, moodle: Moodle) -> None:
    site.courses[PYTHON].visible = False
    site.deny("moodle/course:viewhiddencourses")
    assert target(PYTHON) in read_all(moodle, PYTHON).absent
    site.describe_course(PYTHON, visible=True)
    assert read(moodle, full=False).state is CourseState.OPEN


def test_a_page_instead_of_courses_ends_the_reading_at_once(site: SandboxMoodle, moodle: Moodle) -> None:
    courses = [site.add_course(f"Course {number}") for number in range(12)]
    site.faults.add(Fault(kind="html200", match=BY_FIELD, times=None))
    with pytest.raises(TransientError) as caught:
        read_all(moodle, *courses)
    assert caught.value.whole_service
    assert len(site.requests) == 2


def test_the_site_itself_is_no_course(site: SandboxMoodle, moodle: Moodle) -> None:
    assert target(1) in read_all(moodle, 1).absent
    assert BY_FIELD not in functions(site)


def test_a_sign_of_life_is_given_before_each_question(
    site: SandboxMoodle, moodle: Moodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = []
    pulse = Pulse("courses", 60.0)
    monkeypatch.setattr(pulse, "beat", lambda: beats.append(len(site.requests)))
    courses = [site.add_course(f"Course {number}") for number in range(5)]
    pulse.adopt()
    try:
        read_all(moodle, *courses)
    finally:
        pulse.rest(0.0)
    assert set(beats) == set(range(12))


# -- what is missing


@pytest.mark.parametrize("function", [BY_FIELD, CONTENTS])
def test_a_missing_function_stops_the_reading_and_is_named(
    site: SandboxMoodle, moodle: Moodle, function: str
) -> None:
    del site.functions[function]
    with pytest.raises(ServiceBlocked) as caught:
        read(moodle)
    (finding,) = moodle.fetch_course_findings()
    assert caught.value.finding == finding
    assert (finding.code, finding.severity) == ("missing_function", Severity.FATAL)
    assert function in finding.message
    assert "External services → Functions" in finding.remedy


def test_without_competencies_courses_are_read_all_the_same(site: SandboxMoodle, moodle: Moodle) -> None:
    site.describe_course(PYTHON, skills=["Loops"])
    del site.functions[COMPETENCIES]
    site.set_field(PYTHON, "skills", "Recursion")
    assert read(moodle).skills == ("Recursion",)
    (finding,) = moodle.fetch_course_findings()
    assert (finding.code, finding.severity) == ("missing_function", Severity.WARNING)


def test_without_the_right_to_enter_courses_the_reading_stops(site: SandboxMoodle, moodle: Moodle) -> None:
    site.deny("moodle/course:view")
    with pytest.raises(ServiceBlocked, match="moodle/course:view"):
        read(moodle)


def test_a_course_that_goes_between_two_questions_is_absent(site: SandboxMoodle, moodle: Moodle) -> None:
    def goes(*_: object) -> bool:
        site.courses.pop(PYTHON, None)
        return False

    site.faults.add(Fault(kind="empty", match=lambda request: CONTENTS in request.text and goes()))
    assert target(PYTHON) in read_all(moodle, PYTHON).absent


@pytest.mark.parametrize("code", ["errorcoursecontextnotvalid", "requireloginerror"])
def test_a_course_closed_to_us_between_two_questions_is_absent(
    site: SandboxMoodle, moodle: Moodle, code: str
) -> None:
    refuse(site, CONTENTS, code)
    assert "moodle/course:view" in read_all(moodle, PYTHON).absent[target(PYTHON)]


@pytest.mark.parametrize("function", [CONTENTS, COMPETENCIES])
def test_a_refusal_nobody_knows_is_not_taken_for_an_empty_course(
    site: SandboxMoodle, moodle: Moodle, function: str
) -> None:
    for code in ("coursemisconf", "invalidrecord", "invalidparameter"):
        refuse(site, function, code)
        with pytest.raises(PermanentError, match=f"{code}.*course {PYTHON}"):
            read(moodle)
        site.faults.clear()


def test_the_right_to_see_competencies_is_named_where_it_is_missing(
    site: SandboxMoodle, moodle: Moodle
) -> None:
    refuse(site, COMPETENCIES, "nopermissions")
    with pytest.raises(ServiceBlocked, match="moodle/competency:coursecompetencyview"):
        read(moodle)


def test_a_course_that_cannot_be_asked_for_even_alone_is_no_absent_one(
    site: SandboxMoodle, moodle: Moodle
) -> None:
    others = [site.add_course(f"Course {number}") for number in range(12)]
    refuse(site, BY_FIELD, None)
    with pytest.raises(TransientError):
        read_all(moodle, *others)
    assert len(site.requests) <= 6


def test_a_course_that_moodle_cannot_show_is_named(site: SandboxMoodle, moodle: Moodle) -> None:
    refuse(site, CONTENTS, None)
    with pytest.raises(TransientError, match=f"course {PYTHON}") as caught:
        read(moodle)
    assert not caught.value.whole_service


def test_a_course_that_moodle_cannot_show_costs_only_itself(site: SandboxMoodle, moodle: Moodle) -> None:
    other = site.add_course("Deutsch", course_id=PYTHON + 1)
    fault = json.dumps({"exception": "Error", "message": "x"})
    site.faults.add(
        Fault(
            kind="status",
            status=200,
            body=fault,
            match=lambda request: CONTENTS in request.text and f"courseid={PYTHON}" in request.text,
            times=None,
        )
    )
    reading = read_all(moodle, PYTHON, other)
    assert [course.name for course in reading.courses.values()] == ["Deutsch"]
    assert not reading.absent
    assert f"course {PYTHON}" in reading.silent[target(PYTHON)]


@pytest.mark.parametrize(
    "told",
    [
        {"id": PYTHON},
        {"id": PYTHON, "fullname": None},
        {"id": PYTHON, "fullname": "Python", "contacts": None},
        {"id": PYTHON, "fullname": "Python", "customfields": [{"shortname": "level", "value": {"a": 1}}]},
    ],
    ids=["nameless", "null", "no contacts", "odd field"],
)
@pytest.mark.parametrize("others", [1, 12])
def test_a_course_told_of_in_another_form_costs_only_itself(
    site: SandboxMoodle, moodle: Moodle, told: dict[str, object], others: int
) -> None:
    ids = [site.add_course(f"Course {number}") for number in range(others)]
    answer(site, {"courses": [told], "warnings": []}, BY_FIELD, str(PYTHON))
    reading = read_all(moodle, PYTHON, *ids)
    assert len(reading.courses) == others
    assert not reading.absent
    assert f"course {PYTHON}" in reading.silent[target(PYTHON)]


def test_a_course_that_shows_no_section_at_all_is_not_taken_for_an_empty_one(
    site: SandboxMoodle, moodle: Moodle
) -> None:
    other = site.add_course("Deutsch", course_id=PYTHON + 1)
    answer(site, [], CONTENTS, f"courseid={PYTHON}")
    reading = read_all(moodle, PYTHON, other)
    assert [course.name for course in reading.courses.values()] == ["Deutsch"]
    assert "no section" in reading.silent[target(PYTHON)]


def answer(site: SandboxMoodle, document: object, function: str, about: str) -> None:
    """From now on calls of that function in which these words stand are answered so."""
    body = json.dumps(document)
    site.faults.add(
        Fault(
            kind="status",
            status=200,
            body=body,
            match=lambda request: function in request.text and about in request.text,
            times=None,
        )
    )


def refuse(site: SandboxMoodle, function: str, code: str | None) -> None:
    """From now on that function refuses with that code, or PHP gives up without one."""
    fault = {"exception": "Error", "message": "x"} | ({} if code is None else {"errorcode": code})
    site.faults.add(Fault(kind="status", status=200, body=json.dumps(fault), match=function, times=None))


def target(course_id: int) -> Target:
    return Target(lms=LmsName("campus"), course_id=CourseId(str(course_id)))


def read(moodle: Moodle, *, full: bool = True) -> Course:
    return read_all(moodle, PYTHON, full=full).courses[target(PYTHON)]


def read_all(moodle: Moodle, *course_ids: int, full: bool = True) -> CourseReading:
    return moodle.fetch_courses([target(course_id) for course_id in course_ids], full=full)


def functions(site: SandboxMoodle) -> list[str]:
    return [dict(seen.form)["wsfunction"] for seen in site.requests]
