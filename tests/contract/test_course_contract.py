"""What every LMS must tell the mirror about its courses, tried on each implementation against its sandbox.

A new LMS adds one empty class at the end of this file; its `Campus` is in `test_lms_contract.py`.
"""

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from tests.contract.test_lms_contract import (
    DEAF,
    Campus,
    MoodleCampus,
    ThreeSixtyCampus,
    _hasty_retries,
)
from tests.openapi import WatchedThreeSixty
from wcsync.course import Course, CourseState
from wcsync.errors import ServiceBlocked, Severity, TransientError
from wcsync.lms.base import Lms
from wcsync.model import CourseId, Target
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.server import Fault

__all__ = ["_hasty_retries"]

MANY = 30

NAMES = {
    "ampersand": "Salt & pepper",
    "quotes": "O'Neil's \"Best of\" \\ ‘all’",
    "accents": "Données – Événements für Anfänger",
    "chinese": "数据科学",
    "emoji": "Rockets 🚀 for 👩‍👩‍👧",
    "shortcode": "[gallery] 100 % {{ 7 * 7 }}",
    "long": "x" * 240,
}


class CourseContract:
    """The promises of `wcsync.lms.base.Lms` about course data. Subclasses give a `campus`."""

    @pytest.fixture
    def campus(self) -> Iterator[Campus]:
        raise NotImplementedError

    @pytest.fixture
    def lms(self, campus: Campus) -> Iterator[Lms]:
        with closing(campus.connect(timeout_s=5.0)) as lms:
            yield lms

    @pytest.fixture
    def course_id(self, campus: Campus) -> CourseId:
        course_id = campus.add_course("Python for all")
        campus.describe(
            course_id,
            description="<p>All about <b>Python</b>.</p>",
            authors=["Ada Lovelace", "José Ñandú-O'Brien"],
            skills=["Loops", "Salt & pepper"],
            modules=["Welcome", "First steps", "Exam"],
        )
        return course_id

    # -- what a course is

    def test_a_course_is_told_as_learners_see_it(self, campus: Campus, lms: Lms, course_id: CourseId) -> None:
        course = read(lms, campus.target(course_id))
        assert (course.lms, course.course_id, course.name) == (lms.name, course_id, "Python for all")
        assert course.state is CourseState.OPEN
        assert "All about <b>Python</b>." in course.description
        assert set(course.authors) == {"Ada Lovelace", "José Ñandú-O'Brien"}
        assert set(course.skills) == {"Loops", "Salt & pepper"}
        assert titles(course) == ["Welcome", "First steps", "Exam"]
        assert course.site == campus.server.url
        assert bool(course.url) is campus.links
        assert course.url.startswith(course.site if campus.links else "")

    def test_the_same_course_is_told_the_same_again(
        self, campus: Campus, lms: Lms, course_id: CourseId
    ) -> None:
        target = campus.target(course_id)
        first = read(lms, target)
        assert read(lms, target, full=False) == read(lms, target, full=True) == first

    def test_a_course_that_is_told_nothing_of_has_a_name_all_the_same(self, campus: Campus, lms: Lms) -> None:
        course = read(lms, campus.target(campus.add_course("Bare")))
        assert (course.name, course.skills, course.modules) == ("Bare", (), ())
        assert (course.cover, course.duration_min, course.level) == (None, None, "")

    @pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
    def test_names_come_as_people_typed_them(self, campus: Campus, lms: Lms, name: str) -> None:
        course_id = campus.add_course(name)
        campus.describe(course_id, modules=[name, "Another"])
        course = read(lms, campus.target(course_id))
        assert course.name == name
        assert titles(course) == [name, "Another"]

    def test_a_name_with_tags_comes_with_all_its_words(self, campus: Campus, lms: Lms) -> None:
        typed = "Data <b>bold</b>"
        course_id = campus.add_course(typed)
        campus.describe(course_id, modules=[typed])
        course = read(lms, campus.target(course_id))
        for told in (course.name, *titles(course)):
            assert told in {typed, "Data bold"}

    def test_control_characters_go_no_further(self, campus: Campus, lms: Lms) -> None:
        course_id = campus.add_course("Bell\x07 and\ttab")
        campus.describe(course_id, skills=["Bell\x07 and\ttab"], modules=["Bell\x07 and\ttab"])
        course = read(lms, campus.target(course_id))
        for told in (course.name, *course.skills, *titles(course)):
            assert told == "Bell and tab"
            assert not any(unicodedata.category(char) == "Cc" for char in told)

    # -- what changes

    @pytest.mark.parametrize("full", [True, False], ids=["full", "quick"])
    def test_a_renamed_course_shows(self, campus: Campus, lms: Lms, course_id: CourseId, full: bool) -> None:
        target = campus.target(course_id)
        read(lms, target)
        campus.describe(course_id, name="Python & friends", description="<p>New</p>")
        course = read(lms, target, full=full)
        assert course.name == "Python & friends"
        assert "New" in course.description

    @pytest.mark.parametrize("full", [True, False], ids=["full", "quick"])
    @pytest.mark.parametrize(
        "modules",
        [
            ["Welcome", "First steps", "Second steps", "Exam"],
            ["Welcome", "Exam"],
            ["Exam", "First steps", "Welcome"],
            ["Welcome", "First footsteps", "Exam"],
            [],
        ],
        ids=["added", "removed", "reordered", "renamed", "all gone"],
    )
    def test_a_changed_module_list_shows(
        self, campus: Campus, lms: Lms, course_id: CourseId, modules: list[str], full: bool
    ) -> None:
        target = campus.target(course_id)
        read(lms, target)
        campus.describe(course_id, modules=modules)
        assert titles(read(lms, target, full=full)) == modules

    def test_a_full_reading_shows_what_moves_no_date(
        self, campus: Campus, lms: Lms, course_id: CourseId
    ) -> None:
        target = campus.target(course_id)
        read(lms, target, full=False)
        campus.describe(course_id, authors=["Grace Hopper"], skills=["Loops", "Compilers"])
        course = read(lms, target, full=True)
        assert (set(course.authors), set(course.skills)) == ({"Grace Hopper"}, {"Loops", "Compilers"})

    def test_a_course_taken_away_from_learners_can_still_be_read(
        self, campus: Campus, lms: Lms, course_id: CourseId
    ) -> None:
        target = campus.target(course_id)
        before = read(lms, target)
        campus.describe(course_id, state=campus.closed)
        closed = read(lms, target, full=False)
        assert (closed.state, closed.name, closed.modules) == (campus.closed, before.name, before.modules)
        campus.describe(course_id, state=CourseState.OPEN)
        assert read(lms, target, full=False).state is CourseState.OPEN

    # -- what is not there

    @pytest.mark.parametrize("full", [True, False], ids=["full", "quick"])
    def test_a_course_that_went_is_absent_and_the_others_are_not(
        self, campus: Campus, lms: Lms, course_id: CourseId, full: bool
    ) -> None:
        others = [campus.target(campus.add_course(f"Other {number}")) for number in range(7)]
        gone = campus.target(course_id)
        lms.fetch_courses([gone, *others], full=False)
        campus.remove(course_id)
        reading = lms.fetch_courses([gone, *others], full=full)
        assert set(reading.courses) == set(others)
        assert set(reading.absent) == {gone}
        assert reading.absent[gone].strip()
        assert reading.silent == {}

    def test_many_that_went_are_absent_each(self, campus: Campus, lms: Lms) -> None:
        course_ids = [campus.add_course(f"Course {number}") for number in range(MANY)]
        targets = [campus.target(course_id) for course_id in course_ids]
        for course_id in course_ids[::3]:
            campus.remove(course_id)
        reading = lms.fetch_courses(targets, full=True)
        assert set(reading.absent) == set(targets[::3])
        assert set(reading.courses) == set(targets) - set(targets[::3])

    def test_no_target_is_no_question(self, lms: Lms) -> None:
        reading = lms.fetch_courses([], full=True)
        assert (reading.courses, reading.absent, reading.silent) == ({}, {}, {})

    # -- what it costs

    def test_many_courses_cost_few_questions(self, campus: Campus, lms: Lms) -> None:
        targets = add_many(campus)
        assert asked(campus, lambda: lms.fetch_courses(targets, full=True)) <= (
            campus.shared_calls + MANY * campus.calls_per_course
        )

    def test_what_did_not_change_is_not_asked_for_again(self, campus: Campus, lms: Lms) -> None:
        targets = add_many(campus)
        first = lms.fetch_courses(targets, full=True)
        again = asked(campus, lambda: lms.fetch_courses(targets, full=False))
        assert again <= campus.shared_calls + MANY * campus.calls_per_known_course
        assert lms.fetch_courses(targets, full=False) == first

    def test_a_full_reading_trusts_nothing_it_read_before(self, campus: Campus, lms: Lms) -> None:
        targets = add_many(campus)
        lms.fetch_courses(targets, full=True)
        full = asked(campus, lambda: lms.fetch_courses(targets, full=True))
        assert full >= MANY * campus.calls_per_course

    def test_courses_nobody_asked_for_are_not_read_in_depth(self, campus: Campus, lms: Lms) -> None:
        targets = add_many(campus)
        one = asked(campus, lambda: lms.fetch_courses(targets[:1], full=True))
        assert one <= campus.shared_calls + campus.calls_per_course

    # -- what goes wrong

    @pytest.mark.parametrize("fault", DEAF.values(), ids=DEAF.keys())
    def test_an_outage_is_never_an_empty_shelf(self, campus: Campus, fault: Fault) -> None:
        target = campus.target(campus.add_course("Python"))
        campus.server.faults.add(fault)
        with closing(campus.connect(timeout_s=0.3)) as lms:
            for ask in (
                lambda: lms.fetch_courses([target], full=True),
                lambda: lms.fetch_courses([target], full=False),
                lms.fetch_sellables,
            ):
                with pytest.raises((TransientError, ServiceBlocked)):
                    ask()

    @pytest.mark.parametrize("skip", range(1, 8))
    def test_an_outage_half_way_is_none_either(
        self, campus: Campus, lms: Lms, course_id: CourseId, skip: int
    ) -> None:
        targets = [campus.target(course_id), *add_many(campus, 6)]
        campus.server.faults.add(Fault(kind="status", status=502, times=None, skip=skip))
        with pytest.raises(TransientError):
            lms.fetch_courses(targets, full=True)
        campus.server.faults.clear()
        assert set(lms.fetch_courses(targets, full=False).courses) == set(targets)

    def test_what_was_read_before_does_not_hide_an_outage(
        self, campus: Campus, lms: Lms, course_id: CourseId
    ) -> None:
        target = campus.target(course_id)
        lms.fetch_courses([target], full=True)
        campus.server.stop_answering()
        with pytest.raises(TransientError) as caught:
            lms.fetch_courses([target], full=False)
        assert caught.value.whole_service

    def test_reading_changes_nothing(self, campus: Campus, lms: Lms, course_id: CourseId) -> None:
        state = campus.state()
        lms.fetch_courses([campus.target(course_id)], full=True)
        lms.fetch_sellables()
        lms.fetch_course_findings()
        assert (campus.state(), campus.writes()) == (state, 0)

    @pytest.mark.usefixtures("course_id")
    def test_a_healthy_lms_keeps_nothing_back(self, lms: Lms) -> None:
        findings = lms.fetch_course_findings()
        assert [finding for finding in findings if finding.severity is not Severity.OK] == []
        assert lms.fetch_course_findings() == findings

    # -- what could be sold

    def test_every_course_could_be_sold(self, campus: Campus, lms: Lms, course_id: CourseId) -> None:
        named = campus.add_course("Salt & pepper")
        campus.describe(named, modules=["One"])
        sellables = {sellable.target: sellable for sellable in lms.fetch_sellables()}
        assert sellables[campus.target(course_id)].title == "Python for all"
        assert sellables[campus.target(named)].title == "Salt & pepper"
        assert {one.concern for one in sellables.values()} == {""}
        assert set(lms.fetch_courses(list(sellables), full=True).courses) == set(sellables)

    def test_a_course_that_learners_cannot_see_is_sold_with_a_concern(
        self, campus: Campus, lms: Lms, course_id: CourseId
    ) -> None:
        campus.describe(course_id, state=campus.closed)
        found = [one for one in lms.fetch_sellables() if one.target == campus.target(course_id)]
        assert all(one.concern for one in found)


def read(lms: Lms, target: Target, *, full: bool = True) -> Course:
    reading = lms.fetch_courses([target], full=full)
    assert reading.absent == {}
    return reading.courses[target]


def titles(course: Course) -> list[str]:
    return [module.title for module in course.modules]


def add_many(campus: Campus, many: int = MANY) -> list[Target]:
    """Courses that share their author and their skills."""
    course_ids = [campus.add_course(f"Course {number}") for number in range(many)]
    for course_id in course_ids:
        campus.describe(course_id, authors=["Ada Lovelace"], skills=["Loops"], modules=["One", "Two"])
    return [campus.target(course_id) for course_id in course_ids]


def asked(campus: Campus, ask: Callable[[], object]) -> int:
    """How many questions that cost."""
    before = len(campus.server.requests)
    ask()
    return len(campus.server.requests) - before


class TestMoodleCourses(CourseContract):
    @pytest.fixture
    def campus(self) -> Iterator[Campus]:
        with SandboxMoodle() as moodle:
            yield MoodleCampus(moodle)

    def test_two_ways_into_one_course_are_told_of_the_same(
        self, campus: Campus, lms: Lms, course_id: CourseId
    ) -> None:
        plain = campus.target(course_id)
        grouped = replace(plain, options=(("group", "7"),))
        reading = lms.fetch_courses([plain, grouped], full=True)
        assert reading.courses[plain] == reading.courses[grouped]


class TestThreeSixtyCourses(CourseContract):
    """All that goes over the wire is as 360Learning's own description has it, where that is at hand."""

    @pytest.fixture
    def campus(self) -> Iterator[Campus]:
        with WatchedThreeSixty() as company:
            yield ThreeSixtyCampus(company)
            assert company.faults_seen == []
