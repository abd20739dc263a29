"""What the adapter sends and the sandbox answers is what 360Learning itself describes.

The contract suite and the unit tests hold every exchange of theirs against the same file; without it they pass
unchecked, and these say so.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.openapi import ABSENT, WatchedThreeSixty, threesixty
from wcsync.credentials import Secret
from wcsync.lms.base import Write
from wcsync.lms.threesixty import ThreeSixty, ThreeSixtySettings
from wcsync.model import CourseId, Outcome, Person, Presence, Seat, Target

pytestmark = pytest.mark.skipif(threesixty() is None, reason=ABSENT)


class Willing:
    def declare(self, write: Write = Write.ENROLMENT) -> None: ...

    def confirm_absence(self) -> None: ...


@pytest.fixture
def company() -> Iterator[WatchedThreeSixty]:
    with WatchedThreeSixty() as company:
        company.page_size = 2
        yield company


@pytest.fixture
def academy(company: WatchedThreeSixty) -> Iterator[ThreeSixty]:
    settings = ThreeSixtySettings(
        name="academy",
        url=company.url,
        client_id=Secret("sandboxid"),
        client_secret=Secret("sandboxsecret"),
        lang="es",
    )
    with closing(ThreeSixty(settings)) as academy:
        yield academy


def test_a_learners_whole_story_is_as_described(company: WatchedThreeSixty, academy: ThreeSixty) -> None:
    group = CourseId(company.add_group("Python"))
    path, session = company.add_path("Python", group)
    seat = Seat(
        learner=Person(email="anna@example.test", first_name="Anna", last_name="Ñandú"),
        course_id=group,
        options=(("path", path), ("session", session)),
    )
    academy.fetch_identity()
    outcomes = [academy.ensure_enrolled(seat, Willing()).outcome]
    assert academy.fetch_presences([seat])[0] is Presence.ENROLLED
    outcomes.append(academy.ensure_withdrawn(seat, Willing()).outcome)
    company.delete_user(company.accounts("anna@example.test")[0].id)
    outcomes.append(academy.ensure_enrolled(seat, Willing()).outcome)
    assert (
        academy.fetch_target(Target(lms=academy.name, course_id=group, options=seat.options)).findings == ()
    )
    assert outcomes == [Outcome.CREATED, Outcome.REMOVED, Outcome.RESTORED]
    assert company.faults_seen == []
    assert company.exchanges_checked == len(company.requests) > 12


def test_a_reading_of_courses_is_as_described(company: WatchedThreeSixty, academy: ThreeSixty) -> None:
    groups = [company.add_group(f"Group {number}") for number in range(5)]
    paths = [company.add_path(f"Path {number}", group)[0] for number, group in enumerate(groups)]
    for number, path_id in enumerate(paths):
        company.describe_path(
            path_id,
            description="<p>It bites.</p>",
            authors=[f"Author {number}", "Anna Ñandú"],
            tags=["Snakes", "Data", f"Tag {number}"],
            steps=[
                ("course", f"Course {number}"),
                ("classroom", "In Madrid"),
                ("path", "Path 0"),
                ("email", ""),
            ],
            duration=("hour", 2),
        )
    company.translate_path(paths[0], "es", name="Serpiente", description="<p>Muerde.</p>")
    targets = [sellable.target for sellable in academy.fetch_sellables()]
    for full in (True, False):
        courses = academy.fetch_courses(targets, full=full).courses
        assert [len(courses[target].modules) for target in targets] == [3] * 5
    assert academy.fetch_course_findings() == ()
    assert company.faults_seen == []
    assert company.exchanges_checked == len(company.requests)
    assert {"/api/v2/courses", "/api/v2/tags", f"/api/v2/paths/{paths[0]}/tags"} <= {
        seen.path for seen in company.requests
    }


def test_the_check_sees_what_is_not_as_described(company: WatchedThreeSixty, academy: ThreeSixty) -> None:
    company.users[company.owner_id].lang = "klingon"
    academy.fetch_presences([Seat(learner=Person(email="owner@academy.example"), course_id=CourseId("1"))])[0]
    [fault] = company.faults_seen
    assert "lang: is none of" in fault
