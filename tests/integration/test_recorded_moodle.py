"""Real answers of a Moodle 4.5, on PostgreSQL and MariaDB, read by the adapter's call layer."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

from wcsync.credentials import Secret
from wcsync.errors import ServiceBlocked, TransientError, WcsyncError
from wcsync.lms.base import LmsSettings
from wcsync.lms.moodle.course_wire import CourseCompetency, Section
from wcsync.lms.moodle.rest import (
    MIRROR,
    NEEDED,
    OPTIONAL,
    CourseList,
    Created,
    Member,
    Numbered,
    Refused,
    Rest,
    SiteInfo,
    Stumbled,
    User,
    Users,
    WarningList,
)
from wcsync.sandbox.server import Request, Response, SandboxServer

RECORDINGS = sorted((Path(__file__).parent.parent / "recordings" / "moodle").glob("*.json"))

SHAPES: dict[str, Any] = {
    "core_webservice_get_site_info": SiteInfo,
    "core_user_get_users": Users,
    "core_user_get_users_by_field": list[User],
    "core_user_create_users": list[Created],
    "core_course_get_courses_by_field": CourseList,
    "core_enrol_get_users_courses": list[Numbered],
    "core_enrol_get_enrolled_users": list[Member],
    "enrol_manual_enrol_users": NoneType,
    "enrol_manual_unenrol_users": NoneType,
    "core_group_add_group_members": NoneType,
    "core_cohort_add_cohort_members": WarningList,
    "core_group_get_course_groups": list[Numbered],
    "core_cohort_get_cohorts": list[Numbered],
    "core_course_get_contents": list[Section],
    "core_competency_list_course_competencies": list[CourseCompetency],
}

WRITES = frozenset(name for name in SHAPES if "_get_" not in name and "_list_" not in name)

MEANINGS: dict[str | None, type] = {
    "invalidtoken": ServiceBlocked,
    "accessexception": ServiceBlocked,
    "nopermissions": ServiceBlocked,
    "wsaccessusersuspended": ServiceBlocked,
    "wsaccessusernologin": ServiceBlocked,
    "forcepasswordchangenotice": ServiceBlocked,
    "sitepolicynotagreed": ServiceBlocked,
    "usernotfullysetup": ServiceBlocked,
    "sitemaintenance": TransientError,
    "upgraderunning": TransientError,
    "dbconnectionfailed": TransientError,
    "dmlwriteexception": Stumbled,
    None: Stumbled,  # a crash of PHP has no code
    "not json": Stumbled,
    "codingerror": Refused,
    "errorcoursecontextnotvalid": Refused,
    "errorinvalidparam": Refused,
    "guestsarenotallowed": Refused,
    "invalidparameter": Refused,
    "invalidrecord": Refused,
    "invaliduser": Refused,
    "keyalreadyset": Refused,
    "Message was not sent.": Refused,
    "requireloginerror": Refused,
    "userdeleted": Refused,
    "usernotconfirmed": Refused,
    "wsnoinstance": Refused,
    "wsusercannotassign": Refused,
    "a sentence about passwords": Refused,
    "fine": NoneType,
}
"""What an answer means, by its errorcode."""


class Replay(SandboxServer):
    """Answers everything with one recorded response."""

    def __init__(self) -> None:
        super().__init__()
        self.answer_with = Response()

    def handle(self, request: Request) -> Response:  # noqa: ARG002 - whatever is asked
        return self.answer_with


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with Replay() as server:
        yield server


@pytest.fixture(scope="module")
def rest(replay: Replay) -> Iterator[Rest]:
    settings = LmsSettings(name="campus", kind="moodle", url=replay.url)
    with closing(Rest(settings, Secret("TOKEN"))) as rest:
        yield rest


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_each_recorded_answer_is_what_it_was_measured_to_be(
    replay: Replay, rest: Rest, recording: Path, subtests: pytest.Subtests
) -> None:
    for note, function, response in exchanges(recording):
        with subtests.test(note=note, function=function):
            replay.answer_with = response
            found = outcome(rest, function)
            assert type(found) is expected(response)
            if isinstance(found, WcsyncError):
                assert_discreet(str(found), response.body.decode())


def test_the_recordings_hold_every_meaning_in_the_table() -> None:
    seen = {
        code(response) for path in RECORDINGS for _, _, response in exchanges(path) if response.status == 200
    }
    assert seen == MEANINGS.keys()


def test_the_recordings_hold_every_function_we_call() -> None:
    seen = {function for path in RECORDINGS for _, function, _ in exchanges(path)}
    assert seen == SHAPES.keys() == NEEDED.keys() | OPTIONAL.keys() | MIRROR.keys()


def exchanges(recording: Path) -> Iterator[tuple[str, str, Response]]:
    """Those of the functions we call, in the format we ask for."""
    for exchange in json.loads(recording.read_text()):
        form = dict((exchange.get("request") or {}).get("form") or [])
        response = exchange.get("response") or {}
        function = form.get("wsfunction", "")
        if function in SHAPES and response.get("status") and asks_as_we_do(form):
            headers = {"Content-Type": response["headers"].get("Content-Type", "text/html")}
            yield (
                exchange.get("note", ""),
                function,
                Response(status=response["status"], headers=headers, body=response["body"].encode()),
            )


def outcome(rest: Rest, function: str) -> object:
    call = rest.write if function in WRITES else rest.read
    try:
        call(function, [], SHAPES[function])
    except WcsyncError as exc:
        return exc
    return None


def asks_as_we_do(form: dict[str, str]) -> bool:
    """We always want the roles of whoever is enrolled."""
    fields = [value for name, value in form.items() if "id," in value and name.startswith("options")]
    return all("roles" in value for value in fields)


def expected(response: Response) -> type:
    if response.status == 200:
        return MEANINGS[code(response)]
    return TransientError if response.status >= 500 else ServiceBlocked


def code(response: Response) -> str | None:
    try:
        answer = json.loads(response.body)
    except ValueError:
        return "not json"
    if not isinstance(answer, dict) or "exception" not in answer:
        return "fine"
    found: str | None = answer.get("errorcode")
    return "a sentence about passwords" if found and "assword" in found and " " in found else found


def assert_discreet(text: str, body: str) -> None:
    """Neither Moodle's own words nor anything it quotes get into an error."""
    answer = json.loads(body) if body.startswith("{") else {}
    for key in ("message", "debuginfo"):
        quoted = answer.get(key)
        assert not quoted or quoted not in text
    assert not re.search(r"@|<|SELECT|TOKEN", text)
