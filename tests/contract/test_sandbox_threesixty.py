"""The sandbox's company behaves as 360Learning's documentation says; where that is silent, as its switches say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.openapi import THREESIXTY, WatchedThreeSixty
from wcsync.sandbox.threesixty_records import Mode, StepType

NOBODY = "65b000000000000000000000"
ANNA = "anna@example.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: Any
    next_page: str


class Caller:
    """Asks a company's API with a token of its own."""

    def __init__(self, company: WatchedThreeSixty) -> None:
        self.company = company
        token = self.ask("POST", "/oauth2/token", body=credentials(), token="").body["access_token"]
        self.token = token

    def ask(
        self, method: str, path: str, *, body: object = None, token: str | None = None, **query: str
    ) -> Answer:
        headers = {
            "360-api-version": "v2.0",
            "authorization": f"Bearer {self.token if token is None else token}",
        }
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers["content-type"] = "application/json"
        whole = f"/api/v2{path}" + (f"?{urlencode(query)}" if query else "")
        return self.send(method, whole, content, headers)

    def send(self, method: str, whole: str, content: str | None, headers: dict[str, str]) -> Answer:
        connection = HTTPConnection(urlsplit(self.company.url).netloc, timeout=5)
        try:
            connection.request(method, whole, content, headers)
            response = connection.getresponse()
            raw = response.read()
            link = response.getheader("link", "")
        finally:
            connection.close()
        page = link.partition("<")[2].partition(">")[0].removeprefix(f"{self.company.url}/api/v2")
        return Answer(status=response.status, body=json.loads(raw) if raw else None, next_page=page)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def company(clock: Clock) -> Iterator[WatchedThreeSixty]:
    with WatchedThreeSixty(clock=clock) as company:
        yield company
        assert company.faults_seen == []


@pytest.fixture
def caller(company: WatchedThreeSixty) -> Caller:
    return Caller(company)


@pytest.fixture
def group(company: WatchedThreeSixty) -> str:
    return company.add_group("Python")


def credentials(**other: str) -> dict[str, str]:
    pair = {"client_id": "sandboxid", "client_secret": "sandboxsecret"}
    return {"grant_type": "client_credentials"} | pair | other


def invitation(group_id: str, **more: str) -> dict[str, object]:
    return {"mail": ANNA, "membership": {"groupId": group_id, "role": "learner"}, **more}


def code(answer: Answer) -> tuple[int, str]:
    error = answer.body["error"]
    return answer.status, error if isinstance(error, str) else error["code"]


class TestTokens:
    def test_wrong_credentials_get_none(self, caller: Caller) -> None:
        wrong = credentials(client_secret="guessed")
        assert code(caller.ask("POST", "/oauth2/token", body=wrong)) == (401, "invalid_client")

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (credentials(grant_type="password"), "unsupported_grant_type"),
            ({"grant_type": "client_credentials"}, "invalid_request"),
            ([], "invalid_request"),
        ],
        ids=["grant type", "no credentials", "a list"],
    )
    def test_a_malformed_request_gets_none(
        self, company: WatchedThreeSixty, caller: Caller, body: object, expected: str
    ) -> None:
        assert code(caller.ask("POST", "/oauth2/token", body=body)) == (400, expected)
        company.faults_seen = [fault for fault in company.faults_seen if not fault.startswith("body")]

    def test_a_token_ends_with_its_lifetime(self, caller: Caller, clock: Clock) -> None:
        assert caller.ask("GET", "/users").status == 200
        clock.now += timedelta(seconds=3600)
        assert code(caller.ask("GET", "/users")) == (401, "invalid_token")

    def test_a_made_up_token_is_none(self, caller: Caller) -> None:
        assert code(caller.ask("GET", "/users", token="made up")) == (401, "invalid_token")

    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("GET", "/users", "users:read"),
            ("GET", "/groups", "groups:read"),
            ("GET", "/paths", "paths:read"),
            ("DELETE", f"/users/{NOBODY}", "users:write"),
            ("POST", f"/groups/{NOBODY}/learner/{NOBODY}", "groups:write"),
        ],
    )
    def test_each_operation_needs_its_scope(
        self, company: WatchedThreeSixty, caller: Caller, method: str, path: str, scope: str
    ) -> None:
        company.credentials["sandboxid"].scopes.remove(scope)
        assert code(caller.ask(method, path)) == (403, "invalid_scope")


class TestLimits:
    def test_reads_and_writes_are_counted_apart(self, company: WatchedThreeSixty, caller: Caller) -> None:
        company.reads_per_s, company.writes_per_s = 2, 1
        assert [caller.ask("GET", "/groups").status for _ in range(3)] == [200, 200, 429]
        role = f"/groups/{NOBODY}/learner/{NOBODY}"
        assert [caller.ask("POST", role).status for _ in range(2)] == [404, 429]
        assert code(caller.ask("POST", role)) == (429, "tooManyRequests")


class TestPages:
    def test_a_list_goes_on_until_there_is_no_link(self, company: WatchedThreeSixty, caller: Caller) -> None:
        for number in range(4):
            company.add_user(f"user{number}@example.test")
        company.page_size = 2
        page, seen = caller.ask("GET", "/users"), []
        seen += page.body
        while page.next_page:
            page = caller.ask("GET", page.next_page)
            seen += page.body
        assert [user["_id"] for user in seen] == list(company.users)

    def test_the_filters_go_along(self, company: WatchedThreeSixty, caller: Caller) -> None:
        for number in range(3):
            company.add_user(f"user{number}@example.test", status="deleted")
        company.page_size = 2
        page = caller.ask("GET", "/users", **{"status[eq]": "deleted"})
        rest = caller.ask("GET", page.next_page)
        assert [user["status"] for user in page.body + rest.body] == ["deleted"] * 3
        assert rest.next_page == ""


class TestUsers:
    def test_a_new_user_is_invited_into_the_group(
        self, company: WatchedThreeSixty, caller: Caller, group: str
    ) -> None:
        made = caller.ask("POST", "/users", body=invitation(group, firstName="Anna"))
        assert (made.status, made.body["status"], made.body["lang"]) == (201, "invited", "en")
        assert company.learners() == {(ANNA, group)}

    @pytest.mark.parametrize("joins", [True, False])
    def test_a_deleted_user_is_restored(
        self, company: WatchedThreeSixty, caller: Caller, group: str, joins: bool
    ) -> None:
        company.restore_joins = joins
        user_id = company.add_user(ANNA, status="deleted")
        restored = caller.ask("POST", "/users", body=invitation(group))
        assert (restored.status, restored.body["_id"], restored.body["status"]) == (200, user_id, "invited")
        assert bool(company.learners()) is joins

    def test_a_refused_invitation_changes_nothing(
        self, company: WatchedThreeSixty, caller: Caller, group: str, subtests: pytest.Subtests
    ) -> None:
        company.add_user("used@example.test", username="used")
        company.add_user("gone@example.test", status="deleted")
        company.add_user(None, username="gone", status="deleted")
        before = repr((company.users, company.roles))
        membership: dict[str, Any] = {"membership": {"groupId": group, "role": "learner"}}
        for body, expected in (
            (invitation(group, mail="used@example.test"), (400, "mailAlreadyUsed")),
            (invitation(group, mail="USED@example.test"), (400, "mailAlreadyUsed")),
            (invitation(group, mail="none"), (400, "mailInvalid")),
            (invitation(group, username="used"), (400, "usernameAlreadyUsed")),
            (membership, (400, "mailAndUsernameUndefined")),
            (
                invitation(group, mail="gone@example.test", username="gone"),
                (400, "loginIdentifierMultipleUsersFound"),
            ),
            (invitation(NOBODY), (404, "groupNotFound")),
        ):
            with subtests.test(expected=expected[1]):
                assert code(caller.ask("POST", "/users", body=body)) == expected
                assert repr((company.users, company.roles)) == before

    def test_the_owner_cannot_be_deleted(self, company: WatchedThreeSixty, caller: Caller) -> None:
        assert code(caller.ask("DELETE", f"/users/{company.owner_id}")) == (400, "userIsCompanyOwner")

    def test_a_deleted_user_stays_and_is_marked(self, company: WatchedThreeSixty, caller: Caller) -> None:
        user_id = company.add_user(ANNA)
        assert caller.ask("DELETE", f"/users/{user_id}").status == 204
        shown = caller.ask("GET", f"/users/{user_id}").body
        assert (shown["status"], len(shown["deletedAt"])) == ("deleted", 1)


class TestRoles:
    def test_a_role_is_given_shown_and_taken(
        self, company: WatchedThreeSixty, caller: Caller, group: str
    ) -> None:
        user_id = company.add_user(ANNA)
        role = f"/groups/{group}/user-admin/{user_id}"
        assert caller.ask("POST", role).status == 204
        assert caller.ask("GET", f"/users/{user_id}/roles").body == [{"groupId": group, "role": "userAdmin"}]
        assert caller.ask("GET", f"/groups/{group}/roles").body == [{"userId": user_id, "role": "userAdmin"}]
        assert caller.ask("DELETE", role).status == 204
        assert code(caller.ask("DELETE", role)) == (404, "userNotFoundInGroup")

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_what_is_not_there_is_named(
        self, company: WatchedThreeSixty, caller: Caller, group: str, method: str
    ) -> None:
        user_id = company.add_user(ANNA)
        lost = caller.ask(method, f"/groups/{NOBODY}/learner/{user_id}")
        assert code(lost) == (404, "groupNotFound")
        strange = caller.ask(method, f"/groups/{group}/learner/{NOBODY}")
        assert code(strange) == (404, "userNotFound" if method == "POST" else "userNotFoundInGroup")

    def test_a_deleted_user_gets_no_role(
        self, company: WatchedThreeSixty, caller: Caller, group: str
    ) -> None:
        user_id = company.add_user(ANNA, status="deleted")
        assert code(caller.ask("POST", f"/groups/{group}/learner/{user_id}")) == (400, "userDeleted")

    def test_a_learner_leaves_public_subgroups_too_down_to_a_private_one(
        self, company: WatchedThreeSixty, caller: Caller, group: str
    ) -> None:
        public = company.add_group("Public", public=True, parent_id=group)
        private = company.add_group("Private", parent_id=public)
        below = company.add_group("Below", public=True, parent_id=private)
        user_id = company.add_user(ANNA)
        for group_id in (group, public, private, below):
            company.add_role(group_id, user_id)
        caller.ask("DELETE", f"/groups/{group}/learner/{user_id}")
        assert company.learners() == {(ANNA, private), (ANNA, below)}


class TestPaths:
    @pytest.mark.parametrize(
        ("mode", "joining", "leaving"),
        [
            ("dynamic", True, False),
            ("dynamicEnrollment", True, True),
            ("dynamicUnenrollment", False, False),
            ("manual", False, False),
        ],
    )
    def test_an_audience_follows_its_group_as_its_mode_says(
        self, company: WatchedThreeSixty, group: str, mode: Mode, joining: bool, leaving: bool
    ) -> None:
        company.add_path("Python", group, mode=mode)
        user_id = company.add_user(ANNA)
        company.add_role(group, user_id)
        assert bool(company.enrolled()) is joining
        company.remove_role(group, user_id)
        assert bool(company.enrolled()) is leaving

    def test_an_audience_takes_its_time(self, company: WatchedThreeSixty, group: str, clock: Clock) -> None:
        company.enrol_delay_s = 60
        company.add_path("Python", group)
        company.add_role(group, company.add_user(ANNA))
        clock.now += timedelta(seconds=59)
        assert not company.enrolled()
        clock.now += timedelta(seconds=1)
        assert company.enrolled()

    def test_a_path_shows_its_sessions_and_who_is_in_them(
        self, company: WatchedThreeSixty, caller: Caller, group: str
    ) -> None:
        path_id, session_id = company.add_path("Python", group)
        user_id = company.add_user(ANNA)
        company.add_role(group, user_id)
        assert [path["name"] for path in caller.ask("GET", "/paths").body] == ["Python"]
        assert caller.ask("GET", f"/paths/{path_id}").body["status"] == "published"
        assert [one["_id"] for one in caller.ask("GET", f"/paths/{path_id}/sessions").body] == [session_id]
        here = {"sessionId[eq]": session_id, "status[eq]": "published"}
        shown = caller.ask("GET", f"/paths/{path_id}/enrollments", **here).body
        assert [one["userId"] for one in shown] == [user_id]
        elsewhere = {"sessionId[eq]": NOBODY}
        assert caller.ask("GET", f"/paths/{path_id}/enrollments", **elsewhere).body == []

    @pytest.mark.parametrize("below", ["", "/sessions", "/enrollments"])
    def test_a_path_that_is_not_there_is_named(self, caller: Caller, below: str) -> None:
        assert code(caller.ask("GET", f"/paths/{NOBODY}{below}")) == (404, "pathNotFound")


class TestContents:
    """What is taught. `modifiedAt` behaves as documented: much passes it by."""

    @pytest.fixture
    def path_id(self, company: WatchedThreeSixty, group: str) -> str:
        return company.add_path("Python", group)[0]

    @pytest.fixture
    def full_path(self, company: WatchedThreeSixty, path_id: str) -> str:
        company.add_path("Inside")
        kinds: list[tuple[StepType, str]] = [
            ("path", "Inside"),
            ("course", "One"),
            ("classroom", "In Madrid"),
        ]
        kinds += [("assessment", ""), ("program", "")]
        kinds += [("email", ""), ("slackMessage", ""), ("teamsMessage", "")]
        company.describe_path(
            path_id,
            description="<p>It bites.</p>",
            authors=["Anna Ñandú", "Bert"],
            tags=["Snakes", "Data"],
            steps=kinds,
            duration=("week", 2),
        )
        return path_id

    def test_a_path_shows_ids_and_no_titles(self, caller: Caller, full_path: str) -> None:
        shown = caller.ask("GET", f"/paths/{full_path}").body
        assert shown in caller.ask("GET", "/paths").body
        steps = {step["type"]: step["_id"] for step in shown["steps"]}
        assert len(steps) == 8
        assert caller.ask("GET", f"/courses/{steps['course']}").body["name"] == "One"
        assert caller.ask("GET", f"/classrooms/{steps['classroom']}").body["name"] == "In Madrid"
        assert caller.ask("GET", f"/paths/{steps['path']}").body["name"] == "Inside"
        authors = [shown["authorId"], *shown["coAuthorIds"]]
        named = [caller.ask("GET", f"/users/{user_id}").body for user_id in authors]
        assert [user["firstName"] for user in named] == ["Anna", "Bert"]
        assert shown["estimatedDuration"] == {"unit": "week", "value": 2}

    def test_tags_are_links_to_a_list_of_names(self, caller: Caller, full_path: str) -> None:
        names = {tag["_id"]: tag["name"] for tag in caller.ask("GET", "/tags").body}
        linked = caller.ask("GET", f"/paths/{full_path}/tags").body
        assert [names[one["tagId"]] for one in linked] == ["Snakes", "Data"]

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            (f"/paths/{NOBODY}", "pathNotFound"),
            (f"/paths/{NOBODY}/tags", "pathNotFound"),
            (f"/courses/{NOBODY}", "courseNotFound"),
            (f"/classrooms/{NOBODY}", "classroomNotFound"),
        ],
    )
    def test_what_is_not_there_is_named(self, caller: Caller, path: str, expected: str) -> None:
        assert code(caller.ask("GET", path)) == (404, expected)

    @pytest.mark.parametrize(
        ("path", "scope"),
        [
            ("/courses", "courses:read"),
            (f"/courses/{NOBODY}", "courses:read"),
            (f"/classrooms/{NOBODY}", "classrooms:read"),
            ("/tags", "tags:read"),
            (f"/paths/{NOBODY}/tags", "tags:read"),
        ],
    )
    def test_each_needs_its_scope(
        self, company: WatchedThreeSixty, caller: Caller, path: str, scope: str
    ) -> None:
        company.credentials["sandboxid"].scopes.remove(scope)
        assert code(caller.ask("GET", path)) == (403, "invalid_scope")

    def test_most_changes_move_the_date_of_a_path(self, company: WatchedThreeSixty, full_path: str) -> None:
        dates = [company.paths[full_path].modified_at]
        company.describe_path(full_path, name="Python 2")
        dates.append(company.paths[full_path].modified_at)
        company.describe_path(full_path, steps=[("course", "One")])
        dates.append(company.paths[full_path].modified_at)
        assert sorted(set(dates)) == dates

    def test_tags_translations_and_archiving_leave_the_date_alone(
        self, company: WatchedThreeSixty, caller: Caller, full_path: str
    ) -> None:
        before = caller.ask("GET", f"/paths/{full_path}").body
        company.describe_path(full_path, tags=["Else"], state="archived", name="Python")
        company.translate_path(full_path, "fr", name="Serpent")
        company.holdings.courses[next(iter(company.holdings.courses))].status = "archived"
        after = caller.ask("GET", f"/paths/{full_path}").body
        assert after["modifiedAt"] == before["modifiedAt"]
        assert (after["status"], after["translations"][0]["lang"]) == ("archived", "fr")

    def test_lists_are_filtered_by_state_and_date(
        self, company: WatchedThreeSixty, caller: Caller, path_id: str, clock: Clock
    ) -> None:
        clock.now += timedelta(minutes=30)
        later = company.add_path("Later")[0]
        company.describe_path(path_id, state="archived")

        def ids(**query: str) -> list[str]:
            return [path["_id"] for path in caller.ask("GET", "/paths", **query).body]

        between = "2026-03-01T00:15:00.000Z"
        assert ids(**{"status[eq]": "archived"}) == [path_id]
        assert ids(**{"modifiedAt[gte]": between}) == ids(**{"createdAt[gte]": between}) == [later]
        assert ids(**{"modifiedAt[lt]": between}) == ids(**{"createdAt[lt]": between}) == [path_id]

    def test_renamed_courses_are_among_the_changed_ones(
        self, company: WatchedThreeSixty, caller: Caller, clock: Clock
    ) -> None:
        course_id, _ = company.add_course("One", duration_min=20), company.add_course("Two")
        clock.now += timedelta(minutes=30)
        company.rename_course(course_id, "One, anew")
        since = {"modifiedAt[gte]": "2026-03-01T00:15:00.000Z"}
        assert [course["name"] for course in caller.ask("GET", "/courses", **since).body] == ["One, anew"]

    def test_a_filter_that_the_sandbox_does_not_know_is_not_passed_over(
        self, company: WatchedThreeSixty, caller: Caller
    ) -> None:
        assert caller.ask("GET", "/courses", **{"type[eq]": "native"}).status == 501
        faults, company.faults_seen = company.faults_seen, []
        assert len(faults) == THREESIXTY.exists()
        assert all(fault.endswith("no such answer") for fault in faults)

    def test_what_is_deleted_is_gone_with_its_sessions(
        self, company: WatchedThreeSixty, caller: Caller, path_id: str
    ) -> None:
        company.remove_path(path_id)
        assert code(caller.ask("GET", f"/paths/{path_id}")) == (404, "pathNotFound")
        assert company.sessions == {}

    def test_an_audience_is_bound_anew(
        self, company: WatchedThreeSixty, caller: Caller, path_id: str
    ) -> None:
        session_id, other = next(iter(company.sessions)), company.add_group("Other")
        company.bind(session_id, other, mode="dynamicEnrollment")
        shown = caller.ask("GET", f"/paths/{path_id}/sessions/{session_id}/audiences").body
        assert shown == {"filters": [{"type": "groups", "ids": [other]}], "mode": "dynamicEnrollment"}
        company.add_session(path_id)
        assert len(caller.ask("GET", f"/paths/{path_id}/sessions").body) == 2
