"""The sandbox Moodle beyond the recordings: overlapping requests, lost answers, mails, and its own helpers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from wcsync.sandbox.moodle import FUNCTIONS, PATH, SandboxMoodle
from wcsync.sandbox.moodle_pages import FUNCTIONS_ELSEWHERE
from wcsync.sandbox.moodle_params import parse_fields
from wcsync.sandbox.server import Fault

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY_S = 24 * 60 * 60
PASSWORD = "Passw0rd!x"
TAKEN = "invalidparameter"


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


class Caller:
    """A client that asks for JSON with the right token, as one should."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=10)

    def post(self, function: str, fields: dict[str, Any]) -> httpx.Response:
        head = {"wstoken": "sandboxtoken", "wsfunction": function, "moodlewsrestformat": "json"}
        return self.client.post(PATH, data=head | {name: str(value) for name, value in fields.items()})

    def __call__(self, function: str, **fields: Any) -> Any:
        answer = self.post(function, fields)
        assert answer.status_code == 200
        return answer.json()

    def create(self, email: str, username: str | None = None, **more: Any) -> Any:
        user = {
            "username": username or email,
            "firstname": "Ada",
            "lastname": "Buyer",
            "email": email,
            "password": PASSWORD,
        }
        return self(
            "core_user_create_users", **{f"users[0][{name}]": value for name, value in (user | more).items()}
        )

    def enrol(self, user_id: int, course_id: int, **more: Any) -> Any:
        row = {"roleid": 5, "userid": user_id, "courseid": course_id} | more
        return self(
            "enrol_manual_enrol_users", **{f"enrolments[0][{name}]": value for name, value in row.items()}
        )

    def find(self, key: str, value: str) -> Any:
        return self("core_user_get_users", **{"criteria[0][key]": key, "criteria[0][value]": value})

    def at_once(self, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(lambda call: self.post(*call).json(), calls))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def moodle(clock: Clock) -> Iterator[SandboxMoodle]:
    with SandboxMoodle(clock=clock) as site:
        yield site


@pytest.fixture
def call(moodle: SandboxMoodle) -> Iterator[Caller]:
    caller = Caller(moodle.url)
    with caller.client:
        yield caller


def new_user(username: str, email: str) -> tuple[str, dict[str, Any]]:
    row = {"username": username, "firstname": "A", "lastname": "B", "email": email, "password": PASSWORD}
    return "core_user_create_users", {f"users[0][{name}]": value for name, value in row.items()}


def codes(answers: list[Any]) -> list[str | None]:
    return [answer.get("errorcode") if isinstance(answer, dict) else None for answer in answers]


def test_one_email_in_two_overlapping_requests_makes_two_accounts(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.race_window_s = 0.3
    answers = call.at_once(new_user("one", "ada@example.test"), new_user("two", "Ada@example.test"))
    assert codes(answers) == [None, None]
    assert {account.username for account in moodle.accounts("ada@example.test")} == {"one", "two"}


def test_one_username_in_two_overlapping_requests_fails_one_of_them_in_the_database(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.race_window_s = 0.3
    answers = call.at_once(new_user("one", "ada@example.test"), new_user("one", "ada@example.test"))
    assert sorted(codes(answers), key=str) == [None, "dmlwriteexception"]
    assert len(moodle.accounts("ada@example.test")) == 1


def test_without_overlap_the_second_account_with_an_email_is_refused(
    moodle: SandboxMoodle, call: Caller
) -> None:
    call.create("ada@example.test", "one")
    assert call.create("ADA@example.test", "two")["errorcode"] == TAKEN
    assert len(moodle.accounts("ada@example.test")) == 1


def test_overlapping_equal_enrolments_leave_one_row_and_tell_one_caller_of_a_database_error(
    moodle: SandboxMoodle, call: Caller
) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    moodle.race_window_s = 0.3
    row = {"enrolments[0][roleid]": 5, "enrolments[0][userid]": user, "enrolments[0][courseid]": course}
    answers = call.at_once(*[("enrol_manual_enrol_users", row)] * 2)
    assert sorted(codes(answers), key=str) == [None, "dmlwriteexception"]
    assert [len(enrolment.history) for enrolment in moodle.enrolments] == [1]


def test_an_account_is_there_although_the_answer_to_its_creation_was_lost(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.faults.add(Fault(kind="reset_after", match="core_user_create_users"))
    with pytest.raises(httpx.TransportError):
        call.create("ada@example.test")
    assert [user["username"] for user in call.find("email", "ada@example.test")["users"]] == [
        "ada@example.test"
    ]


def test_an_account_can_appear_after_a_look_up_that_did_not_find_it(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.faults.add(Fault(kind="late_effect", match="core_user_create_users", seconds=0.3))
    with pytest.raises(httpx.TransportError):
        call.create("ada@example.test")
    assert call.find("email", "ada@example.test")["users"] == []
    moodle.wait_for_late_effects()
    assert len(call.find("email", "ada@example.test")["users"]) == 1


def test_a_late_twin_with_another_username_doubles_the_account(moodle: SandboxMoodle, call: Caller) -> None:
    moodle.race_window_s = 0.3
    moodle.faults.add(Fault(kind="late_effect", match="core_user_create_users", seconds=0.05))
    with pytest.raises(httpx.TransportError):
        call.create("ada@example.test", "first.try")
    assert codes([call.create("ada@example.test", "second.try")]) == [None]
    moodle.wait_for_late_effects()
    assert len(moodle.accounts("ada@example.test")) == 2


def test_the_welcome_mail_is_sent_at_every_enrolment_of_the_same_learner(
    moodle: SandboxMoodle, call: Caller
) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python", welcome="noreply")
    assert [call.enrol(user, course), call.enrol(user, course)] == [None, None]
    assert moodle.mails == {(user, course): 2}


def test_a_course_without_teacher_sends_no_welcome_mail(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    moodle.mail_fails = True
    assert call.enrol(user, course) is None
    assert not moodle.mails


def test_a_course_with_a_teacher_sends_a_welcome_mail(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    moodle.enrol(moodle.add_user("teacher@example.test"), course, "editingteacher")
    call.enrol(user, course)
    assert moodle.mails == {(user, course): 1}


def test_a_failing_welcome_mail_is_an_error_but_the_learner_is_in(
    moodle: SandboxMoodle, call: Caller
) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python", welcome="noreply")
    moodle.mail_fails = True
    assert call.enrol(user, course)["errorcode"] == "Message was not sent."
    assert moodle.active_enrolments() == {("ada@example.test", course)}
    assert not moodle.mails


def test_other_requests_are_served_while_one_waits_for_the_mail_server(
    moodle: SandboxMoodle, call: Caller
) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python", welcome="noreply")
    moodle.mail_delay_s = 0.3
    row = {"enrolments[0][roleid]": 5, "enrolments[0][userid]": user, "enrolments[0][courseid]": course}
    call.at_once(("enrol_manual_enrol_users", row), ("core_webservice_get_site_info", {}))
    assert [dict(request.form)["wsfunction"] for request in moodle.requests] == [
        "core_webservice_get_site_info",
        "enrol_manual_enrol_users",
    ]


def test_a_generated_password_is_mailed_and_the_one_sent_along_is_ignored(
    moodle: SandboxMoodle, call: Caller
) -> None:
    call.create("ada@example.test", createpassword=1)
    (account,) = moodle.accounts("ada@example.test")
    assert moodle.created_passwords_mailed == ["ada@example.test"]
    assert account.password != PASSWORD
    assert account.preferences == {"auth_forcepasswordchange": "1"}


def test_an_account_is_made_although_its_password_could_not_be_mailed(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.mail_fails = True
    assert codes([call.create("ada@example.test", createpassword=1)]) == [None]
    assert moodle.created_passwords_mailed == []


def test_a_password_of_the_callers_own_is_not_mailed(moodle: SandboxMoodle, call: Caller) -> None:
    call.create("ada@example.test")
    assert moodle.created_passwords_mailed == []


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        pytest.param("john_doe@example.test", ["john_doe", "johnxdoe"], id="underscore is any letter"),
        pytest.param(r"john\_doe@example.test", ["john_doe"], id="escaped underscore"),
        pytest.param("JOHN%", ["john_doe", "johnxdoe"], id="percent is any text"),
        pytest.param("johnxdoe@example.test", ["johnxdoe"], id="plain"),
        pytest.param("john.doe@example.test", [], id="a dot is only a dot"),
    ],
)
def test_the_search_by_email_takes_wildcards(
    moodle: SandboxMoodle, call: Caller, sought: str, found: list[str]
) -> None:
    moodle.add_user("john_doe@example.test", "john_doe")
    moodle.add_user("johnxdoe@example.test", "johnxdoe")
    assert [user["username"] for user in call.find("email", sought)["users"]] == found


def test_two_accounts_with_one_email_are_both_found(moodle: SandboxMoodle, call: Caller) -> None:
    moodle.add_user("ada@example.test", "one")
    moodle.add_user("ada@example.test", "two")
    assert len(call.find("email", "ada@example.test")["users"]) == 2


def test_who_may_not_see_addresses_cannot_look_up_by_them(moodle: SandboxMoodle, call: Caller) -> None:
    moodle.add_user("ada@example.test", "ada")
    moodle.deny("moodle/site:viewuseridentity")
    found = call("core_user_get_users_by_field", **{"field": "email", "values[0]": "ada@example.test"})
    assert found == []


def test_a_user_deleted_after_being_seen_still_answers_to_the_id(moodle: SandboxMoodle, call: Caller) -> None:
    user = moodle.add_user("ada@example.test", "ada")
    moodle.delete_user(user)
    (found,) = call("core_user_get_users_by_field", **{"field": "id", "values[0]": user})
    assert found["username"] == f"ada@example.test.{int(NOW.timestamp())}"
    assert moodle.accounts("ada@example.test") == []


def test_re_enrolling_overwrites_the_end_and_lifts_a_suspension(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    moodle.enrol(user, course, suspended=True, timeend=int(NOW.timestamp()) + DAY_S)
    call.enrol(user, course)
    (enrolment,) = moodle.enrolments
    assert (enrolment.status, enrolment.timeend) == ("active", 0)
    assert [write.action for write in enrolment.history] == ["enrolled", "updated"]


def test_the_enrolment_period_of_the_course_is_ignored(moodle: SandboxMoodle, call: Caller) -> None:
    user = moodle.add_user("ada@example.test")
    call.enrol(user, moodle.add_course("Python", enrolperiod_s=30 * DAY_S))
    assert [enrolment.timeend for enrolment in moodle.enrolments] == [0]


def test_a_role_is_added_to_those_held(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    moodle.enrol(user, course, "editingteacher")
    call.enrol(user, course)
    assert moodle.enrolments[0].roles == ["editingteacher", "student"]


def test_one_bad_enrolment_in_a_call_undoes_the_others(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    answer = call(
        "enrol_manual_enrol_users",
        **{
            "enrolments[0][roleid]": 5,
            "enrolments[0][userid]": user,
            "enrolments[0][courseid]": course,
            "enrolments[1][roleid]": 5,
            "enrolments[1][userid]": user + 1,
            "enrolments[1][courseid]": course,
        },
    )
    assert answer["errorcode"] == "invaliduser"
    assert moodle.enrolments == []


def test_an_unenrolment_is_remembered_apart_from_the_living(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    moodle.enrol(user, course)
    call("enrol_manual_unenrol_users", **{"enrolments[0][userid]": user, "enrolments[0][courseid]": course})
    assert moodle.enrolments == []
    assert [write.action for write in moodle.former_enrolments[0].history] == ["enrolled", "unenrolled"]


def test_a_cohort_keeps_its_members_in_the_course_when_they_are_unenrolled_by_hand(
    moodle: SandboxMoodle, call: Caller
) -> None:
    user, course, cohort = (
        moodle.add_user("ada@example.test"),
        moodle.add_course("Python"),
        moodle.add_cohort("Buyers"),
    )
    moodle.sync_cohort(cohort, course)
    member = {"cohorttype": ("id", cohort), "usertype": ("id", user)}
    fields = {
        f"members[0][{name}][{part}]": value
        for name, pair in member.items()
        for part, value in zip(("type", "value"), pair, strict=True)
    }
    assert call("core_cohort_add_cohort_members", **fields) == {"warnings": []}
    call("enrol_manual_unenrol_users", **{"enrolments[0][userid]": user, "enrolments[0][courseid]": course})
    assert moodle.active_enrolments() == {("ada@example.test", course)}


def test_leaving_a_course_is_leaving_its_groups(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    group = moodle.add_group(course, "Spring")
    moodle.enrol(user, course)
    call("core_group_add_group_members", **{"members[0][groupid]": group, "members[0][userid]": user})
    assert moodle.groups[group].members == [user]
    moodle.unenrol(user, course)
    assert moodle.groups[group].members == []


NOW_S = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("suspended", "timestart", "timeend", "active"),
    [
        pytest.param(False, 0, 0, True, id="open"),
        pytest.param(False, 0, NOW_S + 1, True, id="ends later"),
        pytest.param(False, 0, NOW_S, False, id="ends now"),
        pytest.param(False, NOW_S, 0, True, id="starts now"),
        pytest.param(False, NOW_S + 1, 0, False, id="starts later"),
        pytest.param(True, 0, 0, False, id="suspended"),
    ],
)
def test_only_an_enrolment_in_force_lets_a_learner_in(
    moodle: SandboxMoodle, call: Caller, suspended: bool, timestart: int, timeend: int, active: bool
) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    moodle.enrol(user, course, suspended=suspended, timestart=timestart, timeend=timeend)
    options = {"options[0][name]": "onlyactive", "options[0][value]": 1}
    assert len(call("core_enrol_get_enrolled_users", courseid=course)) == 1
    assert len(call("core_enrol_get_enrolled_users", courseid=course, **options)) == active
    assert len(call("core_enrol_get_users_courses", userid=user)) == active
    assert (("ada@example.test", course) in moodle.active_enrolments()) is active


def test_a_learner_of_a_hidden_course_does_not_see_it_in_the_list(
    moodle: SandboxMoodle, call: Caller
) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python", visible=False)
    call.enrol(user, course)
    assert call("core_enrol_get_users_courses", userid=user) == []
    assert moodle.active_enrolments() == {("ada@example.test", course)}


def enrolled(call: Caller, course: int, **options: Any) -> Any:
    fields = {
        f"options[{place}][{part}]": text
        for place, option in enumerate(options.items())
        for part, text in zip(("name", "value"), option, strict=True)
    }
    return call("core_enrol_get_enrolled_users", courseid=course, **fields)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param({}, [4, 5, 6], id="all"),
        pytest.param({"limitfrom": 1, "limitnumber": 1}, [5], id="a page"),
        pytest.param({"limitfrom": 2}, [6], id="from"),
        pytest.param({"groupid": 1}, [5], id="group"),
        pytest.param({"groupid": 99}, [], id="no such group"),
        pytest.param({"onlysuspended": 1}, [6], id="suspended"),
        pytest.param({"withcapability": "moodle/course:update"}, [4], id="teachers"),
    ],
)
def test_the_list_of_a_course_can_be_narrowed(
    moodle: SandboxMoodle, call: Caller, options: dict[str, Any], found: list[int]
) -> None:
    course = moodle.add_course("Python")
    teacher, learner, suspended = (moodle.add_user(f"{name}@example.test") for name in "abc")
    moodle.enrol(teacher, course, "editingteacher")
    moodle.enrol(learner, course)
    moodle.enrol(suspended, course, suspended=True)
    group = moodle.add_group(course, "Spring")
    call("core_group_add_group_members", **{"members[0][groupid]": group, "members[0][userid]": learner})
    assert [user["id"] for user in enrolled(call, course, **options)] == found


def test_active_and_suspended_at_once_is_a_coding_error(moodle: SandboxMoodle, call: Caller) -> None:
    answer = enrolled(call, moodle.add_course("Python"), onlyactive=1, onlysuspended=1)
    assert answer["errorcode"] == "codingerror"


@pytest.mark.parametrize(
    ("function", "fields", "errorcode"),
    [
        pytest.param(
            "core_group_get_course_groups", {"courseid": 99}, "invalidrecord", id="groups of no course"
        ),
        pytest.param(
            "core_group_add_group_members",
            {"members[0][groupid]": 1, "members[0][userid]": 99},
            "invaliduser",
            id="nobody into a group",
        ),
        pytest.param("core_cohort_get_cohorts", {"cohortids[0]": 99}, "invalidrecord", id="no cohort"),
    ],
)
def test_what_does_not_exist_is_named_by_its_table(
    moodle: SandboxMoodle, call: Caller, function: str, fields: dict[str, Any], errorcode: str
) -> None:
    moodle.add_group(moodle.add_course("Python"), "Spring")
    assert call(function, **fields)["errorcode"] == errorcode


def test_a_deleted_user_is_out_of_courses_and_cohorts(moodle: SandboxMoodle, call: Caller) -> None:
    user, course, cohort = (
        moodle.add_user("ada@example.test"),
        moodle.add_course("Python"),
        moodle.add_cohort("All"),
    )
    moodle.enrol(user, course)
    moodle.cohorts[cohort].members.append(user)
    moodle.delete_user(user)
    assert (moodle.enrolments, moodle.cohorts[cohort].members) == ([], [])


def test_a_cohort_that_is_synced_brings_its_members_along(moodle: SandboxMoodle) -> None:
    user, course, cohort = (
        moodle.add_user("ada@example.test"),
        moodle.add_course("Python"),
        moodle.add_cohort("All"),
    )
    moodle.cohorts[cohort].members.append(user)
    moodle.sync_cohort(cohort, course)
    assert [enrolment.method for enrolment in moodle.enrolments] == ["cohort"]


def test_the_newest_course_comes_first_in_its_category(moodle: SandboxMoodle, call: Caller) -> None:
    user = moodle.add_user("ada@example.test")
    for name, category in (("Old", "Later"), ("New", "Later"), ("First", None)):
        moodle.enrol(user, moodle.add_course(name, category=category))
    shown = call("core_enrol_get_users_courses", userid=user)
    assert [course["fullname"] for course in shown] == ["First", "New", "Old"]


def test_an_enrolment_method_shows_whether_manual_enrolment_works(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.add_course("Python", course_id=42)
    moodle.add_course("Closed", course_id=43, manual=False)
    found = call("core_course_get_courses_by_field")["courses"]
    assert [(course["id"], course["enrollmentmethods"]) for course in found] == [
        (1, []),
        (42, ["manual"]),
        (43, []),
    ]


def test_names_are_escaped_for_a_page_unless_raw_ones_are_asked_for(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.add_course('Q&A <b>"now"</b>', "QA")
    safe = call("core_course_get_courses_by_field", field="shortname", value="QA")
    stored = call("core_course_get_courses_by_field", field="shortname", value="QA", moodlewssettingraw="1")
    assert safe["courses"][0]["fullname"] == 'Q&amp;A "now"'
    assert stored["courses"][0]["fullname"] == 'Q&A <b>"now"</b>'


def test_a_forgotten_format_gives_xml_also_for_nothing(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    fields = {
        "enrolments[0][roleid]": "5",
        "enrolments[0][userid]": str(user),
        "enrolments[0][courseid]": str(course),
    }
    head = {"wstoken": "sandboxtoken", "wsfunction": "enrol_manual_enrol_users"}
    answer = call.client.post(PATH, data=head | fields)
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    assert answer.text == '<?xml version="1.0" encoding="UTF-8" ?>\n<RESPONSE>\n</RESPONSE>\n'


def test_xml_nests_lists_and_escapes_texts(moodle: SandboxMoodle, call: Caller) -> None:
    moodle.add_user("ada@example.test", firstname="A&B")
    head = {"wstoken": "sandboxtoken", "wsfunction": "core_user_get_users"}
    answer = call.client.post(PATH, data=head | {"criteria[0][key]": "email", "criteria[0][value]": "ada%"})
    assert '<KEY name="users"><MULTIPLE>\n<SINGLE>\n<KEY name="id"><VALUE>4</VALUE>\n</KEY>' in answer.text
    assert '<KEY name="firstname"><VALUE>A&amp;B</VALUE>' in answer.text


def test_json_is_escaped_as_php_does(moodle: SandboxMoodle, call: Caller) -> None:
    moodle.add_user("ada@example.test", firstname="Zoë/🚀")
    answer = call.post("core_user_get_users", {"criteria[0][key]": "email", "criteria[0][value]": "ada%"})
    assert r'"firstname":"Zo\u00eb\/\ud83d\ude80"' in answer.text


def test_nothing_to_say_is_null(moodle: SandboxMoodle, call: Caller) -> None:
    user, course = moodle.add_user("ada@example.test"), moodle.add_course("Python")
    row = {"enrolments[0][userid]": user, "enrolments[0][courseid]": course}
    assert call.post("enrol_manual_unenrol_users", row).text == "null"


def test_an_expired_token_is_refused_and_then_unknown(moodle: SandboxMoodle, call: Caller) -> None:
    moodle.expire_token()
    answers = [call("core_webservice_get_site_info") for _ in range(2)]
    assert codes(answers) == ["accessexception", "invalidtoken"]


def test_a_token_lasts_until_its_end(moodle: SandboxMoodle, call: Caller, clock: Clock) -> None:
    moodle.tokens["sandboxtoken"].valid_until = NOW + timedelta(seconds=1)
    before = call("core_webservice_get_site_info")
    clock.now = NOW + timedelta(seconds=1)
    assert codes([before, call("core_webservice_get_site_info")]) == [None, "accessexception"]


def test_a_function_taken_out_of_the_service_is_neither_listed_nor_callable(
    moodle: SandboxMoodle, call: Caller
) -> None:
    del moodle.functions["core_cohort_get_cohorts"]
    listed = {function["name"] for function in call("core_webservice_get_site_info")["functions"]}
    assert listed == FUNCTIONS.keys() - {"core_cohort_get_cohorts"}
    assert call("core_cohort_get_cohorts")["errorcode"] == "accessexception"


def test_a_function_the_sandbox_has_not_is_outside_the_service(call: Caller) -> None:
    answers = {function: call(function)["errorcode"] for function in FUNCTIONS_ELSEWHERE}
    assert answers == dict.fromkeys(FUNCTIONS_ELSEWHERE, "accessexception")


def test_a_site_that_calls_itself_by_another_address_says_so(moodle: SandboxMoodle, call: Caller) -> None:
    assert call("core_webservice_get_site_info")["siteurl"] == moodle.url
    moodle.siteurl = "https://campus.example.test"
    assert call("core_webservice_get_site_info")["siteurl"] == "https://campus.example.test"


def test_a_bad_token_is_a_bad_token_even_in_web_maintenance(moodle: SandboxMoodle, call: Caller) -> None:
    moodle.outage = "maintenance"
    answer = call.client.post(PATH, data={"wstoken": "bad", "moodlewsrestformat": "json"})
    assert answer.json()["errorcode"] == "invalidtoken"


def test_a_service_user_who_must_change_the_password_still_gets_the_site_info(
    moodle: SandboxMoodle, call: Caller
) -> None:
    moodle.service_user.must_change_password = True
    assert call("core_webservice_get_site_info")["username"] == "wcsync"
    assert call.create("ada@example.test")["errorcode"] == "forcepasswordchangenotice"


@pytest.mark.parametrize(
    ("pairs", "fields"),
    [
        pytest.param([("a", "1"), ("a", "2")], {"a": "2"}, id="the last one counts"),
        pytest.param([("a[b]", "1"), ("a[c]", "2")], {"a": {"b": "1", "c": "2"}}, id="keys"),
        pytest.param([("a[0][b]", "1")], {"a": {"0": {"b": "1"}}}, id="nested"),
        pytest.param([("a[]", "1"), ("a[]", "2")], {"a": {"0": "1", "1": "2"}}, id="counted"),
        pytest.param([("a[5]", "1"), ("a[]", "2")], {"a": {"5": "1", "6": "2"}}, id="counted on"),
        pytest.param([("a", "1"), ("a[b]", "2")], {"a": {"b": "2"}}, id="an array takes the place of a text"),
        pytest.param([("a.b c", "1")], {"a_b_c": "1"}, id="dots and blanks"),
        pytest.param([("a[b", "1")], {"a_b": "1"}, id="an open bracket"),
    ],
)
def test_form_fields_nest_as_in_php(pairs: list[tuple[str, str]], fields: dict[str, Any]) -> None:
    assert parse_fields(pairs) == fields


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("+5", id="plus"),
        pytest.param("05", id="leading zero"),
        pytest.param("5 ", id="blank"),
        pytest.param("5.0", id="decimal"),
        pytest.param("٥", id="another script"),
    ],
)
def test_a_number_must_be_written_as_php_writes_it(moodle: SandboxMoodle, call: Caller, value: str) -> None:
    assert call("core_enrol_get_users_courses", userid=value)["errorcode"] == "invalidparameter"
