"""The courses of a real Moodle 4.5, read from its recorded answers."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wcsync.course import Course, CourseState, Module, Picture
from wcsync.credentials import Secret
from wcsync.errors import ServiceBlocked
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.model import CourseId, LmsName, Target
from wcsync.sandbox.server import Request, Response, SandboxServer

RECORDINGS = Path(__file__).parent.parent / "recordings" / "moodle"
SITE = "http://127.0.0.1:8082"
BY_FIELD, CONTENTS = "core_course_get_courses_by_field", "core_course_get_contents"
COMPETENCIES = "core_competency_list_course_competencies"
TAUGHT_BY_JOSE = "José Ñandú-O'Brien"


class Replay(SandboxServer):
    """Answers each function with what was recorded for it, whatever is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, str] = {}

    def handle(self, request: Request) -> Response:
        function = dict(request.form)["wsfunction"]
        return Response(headers={"Content-Type": "application/json"}, body=self.answers[function].encode())


@pytest.fixture
def replay() -> Iterator[Replay]:
    functions = [{"name": name} for name in (BY_FIELD, CONTENTS, COMPETENCIES)]
    with Replay() as server:
        server.answers["core_webservice_get_site_info"] = json.dumps(
            {"siteurl": SITE, "userid": 3, "functions": functions}
        )
        yield server


def test_a_course_is_read_with_all_it_tells(replay: Replay) -> None:
    course = read(replay, "2", {BY_FIELD: ("08", 5), CONTENTS: ("09", 1), COMPETENCIES: ("08", 33)})
    week = "Week one – básico"
    assert course == Course(
        lms=LmsName("campus"),
        course_id=CourseId("2"),
        site=SITE,
        name="Introduction to Web Development",
        description="<p>Learn <strong>HTML</strong>, CSS &amp; JS.</p><ul><li>One</li><li>Two</li></ul>",
        authors=("Anna Author", TAUGHT_BY_JOSE),
        skills=("HTML basics",),
        modules=(
            Module(title="Welcome page", kind="page", section=week),
            Module(title="External link", kind="url", section=week),
            Module(title="Slides", kind="resource", section=week),
            Module(title="Discussion", kind="forum", section="New section"),
            Module(title="Homework 1", kind="assign", section="New section"),
            Module(title="Final quiz", kind="quiz", section="New section"),
        ),
        level="Beginner",
        category="Development & Data",
        cover=Picture(
            url=f"{SITE}/pluginfile.php/19/course/overviewfiles/cover%20image.png", version="1795288731-70"
        ),
        url=f"{SITE}/course/view.php?id=2",
        starts_at=datetime(2026, 11, 21, tzinfo=UTC),
        modified_at=datetime.fromtimestamp(1795288731, UTC),
    )


def test_a_name_in_many_scripts_is_read_as_people_see_it(replay: Replay) -> None:
    course = read(replay, "3", {BY_FIELD: ("08", 6), CONTENTS: ("08", 25), COMPETENCIES: ("08", 34)})
    assert course.name == 'Données & Événements — 数据科学 für "Anfänger" fett 🚀'
    assert (course.category, course.level, course.skills) == ("Wissenschaft – Überblick", "", ())
    assert course.cover is not None
    assert course.cover.url.endswith(
        "/20/course/overviewfiles/%D0%BE%D0%B1%D0%BB%D0%BE%D0%B6%D0%BA%D0%B0.png"
    )


def test_modules_that_the_service_user_is_not_shown_are_missing_without_a_word(replay: Replay) -> None:
    course = read(replay, "2", {BY_FIELD: ("08", 5), CONTENTS: ("09", 0), COMPETENCIES: ("08", 34)})
    assert [module.kind for module in course.modules] == ["page", "url", "resource", "forum"]


def test_a_hidden_course_is_told_as_hidden(replay: Replay) -> None:
    course = read(replay, "4", {BY_FIELD: ("08", 17), CONTENTS: ("08", 23), COMPETENCIES: ("08", 34)})
    assert (course.state, course.modules, course.cover) == (CourseState.HIDDEN, (), None)


def test_a_markdown_summary_comes_as_html(replay: Replay) -> None:
    course = read(replay, "9", {BY_FIELD: ("09", 7), CONTENTS: ("08", 23), COMPETENCIES: ("08", 34)})
    assert course.description.startswith("<h1>Head</h1>")


def test_a_file_that_is_no_image_is_no_cover(replay: Replay) -> None:
    """Moodle keeps it among the course's images and shows one it draws itself."""
    course = read(replay, "7", {BY_FIELD: ("14", 27), CONTENTS: ("08", 23), COMPETENCIES: ("08", 34)})
    assert (course.cover, course.authors) == (None, (TAUGHT_BY_JOSE,))


def test_a_course_is_read_without_the_right_to_edit_it(replay: Replay) -> None:
    course = read(replay, "2", {BY_FIELD: ("14", 11), CONTENTS: ("09", 1), COMPETENCIES: ("08", 33)})
    assert (course.modified_at, course.level) == (None, "Beginner")


def test_without_the_right_to_enter_nothing_is_taken_for_empty(replay: Replay) -> None:
    with pytest.raises(ServiceBlocked) as caught:
        read(replay, "2", {BY_FIELD: ("14", 10), CONTENTS: ("09", 1), COMPETENCIES: ("08", 33)})
    assert caught.value.finding is not None
    assert caught.value.finding.code == "missing_capability"
    assert "moodle/course:view" in str(caught.value)


def test_a_hidden_course_is_absent_for_who_may_not_see_it(replay: Replay) -> None:
    target = Target(lms=LmsName("campus"), course_id=CourseId("4"))
    replay.answers[BY_FIELD] = recorded("14", 7)
    with closing(connect(replay)) as moodle:
        reading = moodle.fetch_courses([target], full=True)
    assert "moodle/course:viewhiddencourses" in reading.absent[target]


def test_a_course_out_of_reach_is_absent_where_others_can_be_entered(replay: Replay) -> None:
    """A web service user with its role in some categories alone."""
    courses = [json.loads(recorded(*place))["courses"][0] for place in (("14", 10), ("08", 6))]
    replay.answers |= {
        BY_FIELD: json.dumps({"courses": courses}),
        CONTENTS: recorded("08", 23),
        COMPETENCIES: "[]",
    }
    closed, entered = (Target(lms=LmsName("campus"), course_id=CourseId(number)) for number in "23")
    with closing(connect(replay)) as moodle:
        reading = moodle.fetch_courses([closed, entered], full=True)
    assert reading.courses.keys() == {entered}
    assert "moodle/course:view" in reading.absent[closed]


def test_a_site_without_competencies_has_courses_without_skills(replay: Replay) -> None:
    """The code is from Moodle's source."""
    off = '{"exception":"core\\\\exception\\\\moodle_exception","errorcode":"competenciesarenotenabled","message":""}'
    replay.answers |= {BY_FIELD: recorded("08", 5), CONTENTS: recorded("09", 1), COMPETENCIES: off}
    target = Target(lms=LmsName("campus"), course_id=CourseId("2"))
    with closing(connect(replay)) as moodle:
        assert moodle.fetch_courses([target], full=True).courses[target].skills == ()


def test_nothing_that_is_read_holds_a_token_or_leads_to_one(replay: Replay) -> None:
    """But the summary: links in it are undone by whoever makes a product of it."""
    course = read(replay, "3", {BY_FIELD: ("08", 6), CONTENTS: ("08", 25), COMPETENCIES: ("08", 34)})
    told = repr((course.cover, course.url, course.modules))
    assert "token" not in told.casefold()
    assert "/webservice/" not in told


def read(replay: Replay, course_id: str, answers: Mapping[str, tuple[str, int]]) -> Course:
    replay.answers |= {function: recorded(*place) for function, place in answers.items()}
    target = Target(lms=LmsName("campus"), course_id=CourseId(course_id))
    with closing(connect(replay)) as moodle:
        return moodle.fetch_courses([target], full=True).courses[target]


def recorded(name: str, index: int) -> str:
    (path,) = RECORDINGS.glob(f"{name}_*.json")
    body: str = json.loads(path.read_text(encoding="utf-8"))[index]["response"]["body"]
    return body


def connect(replay: Replay) -> Moodle:
    return Moodle(MoodleSettings(name="campus", url=replay.url, token=Secret("TOKEN")))
