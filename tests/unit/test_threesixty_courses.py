"""How the 360Learning adapter reads courses for the mirror: what it asks for, what it keeps, what it refuses."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
import stamina

from tests.openapi import WatchedThreeSixty
from wcsync.course import Course, Module, Sellable
from wcsync.credentials import Secret
from wcsync.errors import PermanentError, ServiceBlocked, Severity, TransientError
from wcsync.lms.threesixty import ThreeSixty, ThreeSixtySettings
from wcsync.model import CourseId, LmsName, Target
from wcsync.pulse import Pulse
from wcsync.sandbox.server import Fault, Request
from wcsync.sandbox.threesixty_records import Mode

NOWHERE = "65b000000000000000000000"
SCOPES = ("paths:read", "courses:read", "tags:read", "users:read")


class CountingPulse(Pulse):
    beats = 0

    def beat(self) -> None:
        self.beats += 1
        super().beat()


@pytest.fixture(autouse=True)
def _hasty_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def company() -> Iterator[WatchedThreeSixty]:
    with WatchedThreeSixty() as company:
        company.reads_per_s = None
        yield company
        assert company.faults_seen == []


@pytest.fixture
def academy(company: WatchedThreeSixty) -> Iterator[ThreeSixty]:
    settings = ThreeSixtySettings(
        name="academy",
        url=company.url,
        client_id=Secret("sandboxid"),
        client_secret=Secret("sandboxsecret"),
        timeout_s=5.0,
    )
    with closing(ThreeSixty(settings)) as academy:
        yield academy


def target(path_id: str | None, group_id: str = NOWHERE) -> Target:
    options = (("path", path_id),) if path_id else ()
    return Target(lms=LmsName("academy"), course_id=CourseId(group_id), options=options)


def path(company: WatchedThreeSixty, name: str = "Python") -> str:
    path_id, _ = company.add_path(name)
    return path_id


def read(academy: ThreeSixty, *path_ids: str, full: bool = False) -> list[Course]:
    wanted = [target(path_id) for path_id in path_ids]
    courses = academy.fetch_courses(wanted, full=full).courses
    return [courses[one] for one in wanted if one in courses]


def titles(course: Course) -> list[str]:
    return [module.title for module in course.modules]


class Calls:
    """What was asked since `start`, token and ids left out."""

    def __init__(self, company: WatchedThreeSixty) -> None:
        self._company = company
        self._from = len(company.requests)

    def counted(self) -> dict[str, int]:
        asked = [seen.path.removeprefix("/api/v2") for seen in self._company.requests[self._from :]]
        return Counter(re.sub("/[0-9a-f]{24}", "/…", one) for one in asked if "oauth2" not in one)


def answer(company: WatchedThreeSixty, where: str, document: object) -> None:
    """From now on what is asked for there (at its end a slash: below it) is answered so."""
    body = json.dumps(document)

    def matches(request: Request) -> bool:
        return request.path.startswith(where) if where.endswith("/") else request.path == where

    company.faults.add(Fault(kind="status", status=200, body=body, match=matches, times=None))


class TestReading:
    def test_a_path_is_told_with_all_that_is_mirrored(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        path_id, inner = path(company), path(company, "Inside")
        company.add_course("First steps", duration_min=20)
        company.describe_path(
            path_id,
            description="<p>It bites.</p>",
            authors=["Anna Ñandú", "Bert"],
            tags=["Snakes", "Data"],
            steps=[
                ("course", "First steps"),
                ("email", ""),
                ("classroom", "In Madrid"),
                ("path", "Inside"),
                ("program", ""),
            ],
            duration=("hour", 2),
        )
        company.describe_path(inner, duration=("minute", 30))
        [course] = read(academy, path_id)
        assert (course.name, course.description) == ("Python", "<p>It bites.</p>")
        assert (course.authors, course.skills) == (("Anna Ñandú", "Bert"), ("Snakes", "Data"))
        assert course.modules == (
            Module(title="First steps", kind="course", duration_min=20),
            Module(title="In Madrid", kind="classroom"),
            Module(title="Inside", kind="path", duration_min=30),
            Module(title="Program", kind="program"),
        )
        assert (course.duration_min, course.language, course.site) == (120, "en", company.url)
        assert company.exchanges_checked in {0, len(company.requests)}

    def test_a_row_without_a_path_is_told_what_to_add(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        group_alone = target(None)
        reading = academy.fetch_courses([group_alone], full=True)
        assert (reading.courses, reading.absent) == ({}, {})
        assert "path = " in reading.silent[group_alone]
        assert company.requests == []

    def test_a_path_that_is_gone_is_absent(self, company: WatchedThreeSixty, academy: ThreeSixty) -> None:
        path_id = path(company)
        assert len(read(academy, path_id)) == 1
        company.remove_path(path_id)
        reading = academy.fetch_courses([target(path_id), target(NOWHERE)], full=False)
        assert reading.courses == {}
        assert path_id in reading.absent[target(path_id)]

    def test_a_path_that_goes_between_two_calls_is_absent(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        path_id = path(company)
        body = '{"error":{"code":"pathNotFound","message":""}}'
        company.faults.add(Fault(kind="status", status=404, body=body, match=lambda one: "/tags" in one.path))
        assert set(academy.fetch_courses([target(path_id)], full=False).absent) == {target(path_id)}

    def test_two_groups_that_open_one_path_are_two_courses_read_once(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        path_id, calls = path(company), Calls(company)
        both = [target(path_id, f"65b00000000000000000000{last}") for last in "ab"]
        courses = academy.fetch_courses(both, full=True).courses
        assert [courses[one].course_id for one in both] == [one.course_id for one in both]
        assert calls.counted()["/paths/…"] == 1

    def test_a_long_reading_gives_signs_of_life(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        paths = [path(company, f"Path {number}") for number in range(4)]
        pulse = CountingPulse("courses")
        pulse.adopt()
        read(academy, *paths)
        assert pulse.beats > len(paths)
        pulse.rest(0)


class TestCalls:
    def test_few_paths_are_asked_for_one_by_one(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        paths = [path(company, f"Path {number}") for number in range(5)]
        calls = Calls(company)
        read(academy, *paths[:2])
        assert (calls.counted()["/paths"], calls.counted()["/paths/…"]) == (0, 2)

    def test_many_paths_are_read_in_pages(self, company: WatchedThreeSixty, academy: ThreeSixty) -> None:
        paths = [path(company, f"Path {number}") for number in range(7)]
        calls = Calls(company)
        company.page_size = 4
        assert len(read(academy, *paths)) == 7
        assert (calls.counted()["/paths"], calls.counted()["/paths/…"]) == (2, 0)

    def test_a_long_list_is_given_up_once_single_calls_are_cheaper(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        paths = [path(company, f"Path {number}") for number in range(12)]
        company.page_size, wanted = 1, paths[-4:]
        costs = []
        for _ in range(2):
            calls = Calls(company)
            assert len(read(academy, *wanted)) == 4
            costs.append((calls.counted()["/paths"], calls.counted()["/paths/…"]))
        assert costs == [(4, 4), (0, 4)]

    def test_what_the_pages_miss_is_asked_for_before_it_passes_for_gone(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        paths = [path(company, f"Path {number}") for number in range(5)]

        def is_list(request: Request) -> bool:
            return request.path == "/api/v2/paths"

        company.faults.add(Fault(kind="status", status=200, body="[]", match=is_list))
        assert len(read(academy, *paths)) == 5

    @pytest.mark.parametrize("others", [1, 12], ids=["one by one", "in pages"])
    def test_a_path_told_of_in_another_form_costs_only_itself(
        self, company: WatchedThreeSixty, academy: ThreeSixty, others: int
    ) -> None:
        odd, paths = path(company), [path(company, f"Path {number}") for number in range(others)]
        nameless = {"_id": odd, "authorId": NOWHERE}
        told = [nameless] if others == 1 else [nameless, {"_id": None}, None]
        answer(company, "/api/v2/paths", told)
        answer(company, f"/api/v2/paths/{odd}", nameless)
        reading = academy.fetch_courses([target(one) for one in (odd, *paths)], full=True)
        assert set(reading.courses) == {target(one) for one in paths}
        assert not reading.absent
        assert f"path {odd}" in reading.silent[target(odd)]

    def test_a_path_with_a_step_that_cannot_be_read_does_not_lose_it(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        odd, other = path(company), path(company, "Other")
        company.describe_path(odd, steps=[("course", "Loops")])
        answer(company, "/api/v2/courses/", {"_id": NOWHERE, "name": None})
        reading = academy.fetch_courses([target(odd), target(other)], full=True)
        assert set(reading.courses) == {target(other)}
        assert set(reading.silent) == {target(odd)}

    def test_where_nothing_can_be_read_the_reading_ends_soon(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        paths, calls = [path(company, f"Path {number}") for number in range(9)], Calls(company)
        answer(company, "/api/v2/paths", {})
        with pytest.raises(TransientError, match="cannot be read"):
            academy.fetch_courses([target(one) for one in paths], full=True)
        assert sum(calls.counted().values()) <= 4

    def test_a_list_without_tags_takes_no_skill_away(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        path_id = path(company)
        company.describe_path(path_id, tags=["Data"])
        answer(company, "/api/v2/tags", [])
        with pytest.raises(TransientError, match="lists no tag"):
            read(academy, path_id)

    def test_titles_names_and_tags_are_read_once_for_all(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        paths = [path(company, f"Path {number}") for number in range(9)]
        for number, path_id in enumerate(paths):
            steps = [("course", "Shared"), ("course", f"Own {number}")]
            company.describe_path(path_id, authors=["Anna Ñandú"], tags=["Snakes"], steps=steps)  # type: ignore[arg-type]
        calls = Calls(company)
        courses = read(academy, *paths)
        assert [titles(course)[0] for course in courses] == ["Shared"] * 9
        assert calls.counted() == {
            "/paths": 1,
            "/paths/…/tags": 9,
            "/tags": 1,
            "/courses": 1,
            "/users/…": 1,
        }

    def test_with_nothing_changed_only_lists_are_read(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        paths = [path(company, f"Path {number}") for number in range(6)]
        for path_id in paths:
            steps = [("course", "Shared"), ("classroom", "In Madrid"), ("path", "Path 0")]
            company.describe_path(path_id, tags=["Snakes"], steps=steps)  # type: ignore[arg-type]
        first = read(academy, *paths)
        calls = Calls(company)
        assert read(academy, *paths) == first
        assert calls.counted() == {"/paths": 2, "/courses": 1}

    def test_a_full_reading_reads_everything_again(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        path_id = path(company)
        company.describe_path(path_id, tags=["Snakes"], steps=[("course", "One"), ("classroom", "In Madrid")])
        read(academy, path_id, full=True)
        calls = Calls(company)
        read(academy, path_id, full=True)
        expected = {"/paths/…", "/paths/…/tags", "/tags", "/courses/…", "/classrooms/…", "/users/…"}
        assert calls.counted() == dict.fromkeys(expected, 1)


class TestChanges:
    @pytest.fixture
    def path_id(self, company: WatchedThreeSixty) -> str:
        path_id = path(company)
        steps = [("course", "One"), ("classroom", "In Madrid"), ("path", "Inside")]
        path(company, "Inside")
        company.describe_path(path_id, authors=["Anna Ñandú"], tags=["Snakes"], steps=steps)  # type: ignore[arg-type]
        return path_id

    def test_what_moves_the_date_is_seen_at_the_next_reading(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str
    ) -> None:
        read(academy, path_id)
        company.describe_path(path_id, name="Python 2", authors=["Bert"], steps=[("course", "Two")])
        [course] = read(academy, path_id)
        assert (course.name, course.authors, titles(course)) == ("Python 2", ("Bert",), ["Two"])

    def test_renamed_courses_and_inner_paths_are_seen_though_their_path_did_not_change(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str
    ) -> None:
        read(academy, path_id)
        [lesson] = company.holdings.courses
        company.rename_course(lesson, "One, anew")
        inner = next(one.id for one in company.paths.values() if one.name == "Inside")
        company.describe_path(inner, name="Inside, anew")
        assert titles(read(academy, path_id)[0]) == ["One, anew", "In Madrid", "Inside, anew"]

    def test_tags_that_leave_the_date_alone_are_seen_at_a_full_reading(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str
    ) -> None:
        read(academy, path_id)
        company.describe_path(path_id, tags=["Data"])
        assert [read(academy, path_id, full=full)[0].skills for full in (False, True)] == [
            ("Snakes",),
            ("Data",),
        ]

    def test_tags_changed_together_with_the_path_are_seen_at_once(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str
    ) -> None:
        read(academy, path_id)
        company.describe_path(path_id, name="Python 2", tags=["Data"])
        assert read(academy, path_id)[0].skills == ("Data",)

    def test_a_translation_comes_with_the_path_itself(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str
    ) -> None:
        read(academy, path_id)
        company.paths[path_id].default_lang = "fr"
        company.translate_path(path_id, "fr", name="Serpent")
        assert read(academy, path_id)[0].name == "Serpent"

    def test_a_reading_that_broke_off_loses_no_change(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str
    ) -> None:
        read(academy, path_id)
        company.describe_path(path_id, name="Python 2", tags=["Data"], authors=["Bert"])
        company.faults.add(Fault(kind="maintenance", match=lambda one: one.path.endswith("v2/tags")))
        with pytest.raises(TransientError):
            read(academy, path_id)
        [course] = read(academy, path_id)
        assert (course.skills, course.authors) == (("Data",), ("Bert",))


class TestScopes:
    @pytest.fixture
    def path_id(self, company: WatchedThreeSixty) -> str:
        path_id = path(company)
        company.describe_path(path_id, tags=["Snakes"], steps=[("course", "One"), ("classroom", "In Madrid")])
        return path_id

    @pytest.mark.parametrize("scope", SCOPES)
    def test_a_missing_scope_is_named_and_passes_for_nothing_else(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str, scope: str
    ) -> None:
        company.credentials["sandboxid"].scopes.remove(scope)
        with pytest.raises(ServiceBlocked, match=scope) as caught:
            read(academy, path_id)
        assert caught.value.finding is not None
        assert "Settings → API v2" in caught.value.finding.remedy

    def test_without_classrooms_read_only_their_titles_are_missing(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str
    ) -> None:
        company.credentials["sandboxid"].scopes.remove("classrooms:read")
        assert titles(read(academy, path_id)[0]) == ["One", "Classroom session"]

    def test_nothing_is_amiss_with_all_scopes(self, company: WatchedThreeSixty, academy: ThreeSixty) -> None:
        assert academy.fetch_course_findings() == ()
        assert {seen.method for seen in company.requests if "oauth2" not in seen.path} == {"GET"}

    @pytest.mark.parametrize("scope", [*SCOPES, "classrooms:read"])
    def test_each_missing_scope_is_a_finding(
        self, company: WatchedThreeSixty, academy: ThreeSixty, scope: str
    ) -> None:
        company.credentials["sandboxid"].scopes.remove(scope)
        [finding] = academy.fetch_course_findings()
        assert scope in finding.message
        assert finding.severity is (Severity.WARNING if scope == "classrooms:read" else Severity.FATAL)

    @pytest.mark.parametrize("where", ["/paths", "/tags"])
    def test_another_refusal_is_no_missing_scope(
        self, company: WatchedThreeSixty, academy: ThreeSixty, path_id: str, where: str
    ) -> None:
        body = '{"error":{"code":"somethingNew","message":""}}'
        company.faults.add(Fault(kind="status", status=400, body=body, match=lambda one: where in one.path))
        with pytest.raises(PermanentError, match="somethingNew"):
            read(academy, path_id)


class TestSellables:
    def test_a_path_goes_with_the_private_group_that_opens_it(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        group = company.add_group("Python buyers")
        path_id, _ = company.add_path(" Python  101", group)
        assert academy.fetch_sellables() == [Sellable(target=target(path_id, group), title="Python 101")]

    def test_what_is_sellable_can_be_sold_and_described(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        company.add_path("Python", company.add_group("Python buyers"))
        [sellable] = academy.fetch_sellables()
        assert academy.fetch_target(sellable.target).findings == ()
        assert set(academy.fetch_courses([sellable.target], full=True).courses) == {sellable.target}

    def test_archived_paths_are_not_sold(self, company: WatchedThreeSixty, academy: ThreeSixty) -> None:
        path_id, _ = company.add_path("Old", company.add_group("Old buyers"))
        company.describe_path(path_id, state="archived")
        assert academy.fetch_sellables() == []

    @pytest.mark.parametrize("group", ["none", "public", "with subgroups", "root", "unknown"])
    def test_a_path_without_a_group_of_its_own_says_what_to_do(
        self, company: WatchedThreeSixty, academy: ThreeSixty, group: str
    ) -> None:
        parent = company.add_group("Parent")
        company.add_group("Child", parent_id=parent)
        groups = {
            "none": (),
            "public": (company.add_group("Public", public=True),),
            "with subgroups": (parent,),
            "root": (company.root_id,),
            "unknown": (NOWHERE,),
        }[group]
        path_id, _ = company.add_path("Python", *groups)
        [sellable] = academy.fetch_sellables()
        assert sellable.target == target(path_id, "")
        assert "make such a group" in sellable.concern

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            ("dynamicEnrollment", "who is refunded stays enrolled"),
            ("manual", "does not follow the group"),
            ("dynamicUnenrollment", "does not follow the group"),
        ],
    )
    def test_a_session_that_does_not_follow_its_group_is_a_concern(
        self, company: WatchedThreeSixty, academy: ThreeSixty, mode: Mode, expected: str
    ) -> None:
        company.add_path("Python", company.add_group("Python buyers"), mode=mode)
        [sellable] = academy.fetch_sellables()
        assert expected in sellable.concern

    def test_the_session_that_follows_its_group_counts(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        path_id, _ = company.add_path("Python", company.add_group("Old buyers"), mode="manual")
        buyers = company.add_group("Buyers")
        company.bind(company.add_session(path_id), buyers)
        [sellable] = academy.fetch_sellables()
        assert sellable.target.course_id == buyers
        assert "2 private groups" in sellable.concern

    def test_a_session_without_an_audience_builder_opens_nothing(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        _, session_id = company.add_path("Python", company.add_group("Buyers"))
        company.sessions[session_id].audience_builder = False
        [sellable] = academy.fetch_sellables()
        assert sellable.target.course_id == ""

    def test_one_group_that_opens_two_paths_is_a_concern(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        group = company.add_group("Everything")
        company.add_path("Python", group)
        company.add_path("Excel", group)
        assert ["opens 2 paths" in one.concern for one in academy.fetch_sellables()] == [True, True]

    def test_without_paths_read_nothing_passes_for_an_empty_list(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        company.credentials["sandboxid"].scopes.remove("paths:read")
        with pytest.raises(ServiceBlocked, match="paths:read"):
            academy.fetch_sellables()
