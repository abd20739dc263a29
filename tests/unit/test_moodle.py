"""The Moodle adapter's own rules, beyond what every LMS promises."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stamina
from pydantic import ValidationError

from wcsync.credentials import Secret
from wcsync.errors import (
    Finding,
    PermanentError,
    ServiceBlocked,
    Severity,
    TransientError,
    TurnedAway,
    WcsyncError,
)
from wcsync.lms.base import Write
from wcsync.lms.moodle import TARGET_KEYS, Moodle, MoodleSettings
from wcsync.lms.moodle.names import full_name, usernames
from wcsync.model import Applied, CourseId, Outcome, Person, Presence, Seat, Target
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.moodle_records import Account, ProfileField
from wcsync.sandbox.server import Fault, Request

ANNA = Person(email="anna.buyer@example.test", first_name="Anna", last_name="Buyer")
COURSE = CourseId("42")
NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY, TOMORROW, NEXT_WEEK = (NOW + timedelta(days=days) for days in (-1, 1, 7))


class Willing:
    """An intent that lets everything pass."""

    def declare(self, write: Write = Write.ENROLMENT) -> None: ...

    def confirm_absence(self) -> None: ...


@pytest.fixture(autouse=True)
def _hasty_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def site() -> Iterator[SandboxMoodle]:
    with SandboxMoodle() as site:
        site.add_course("Python", course_id=42)
        yield site


@pytest.fixture
def moodle(site: SandboxMoodle) -> Iterator[Moodle]:
    with closing(Moodle(settings(site))) as moodle:
        yield moodle


def settings(site: SandboxMoodle, **more: object) -> MoodleSettings:
    keys = {"name": "campus", "url": site.url, "token": Secret("sandboxtoken"), "timeout_s": 5.0}
    return MoodleSettings.model_validate(keys | more)


def seat(**more: object) -> Seat:
    return replace(Seat(learner=ANNA, course_id=COURSE), **more)  # type: ignore[arg-type]


def enrol(moodle: Moodle, wanted: Seat | None = None) -> Applied:
    return moodle.ensure_enrolled(wanted or seat(), Willing())


def withdraw(moodle: Moodle, wanted: Seat | None = None) -> Applied:
    return moodle.ensure_withdrawn(wanted or seat(), Willing())


def calls(site: SandboxMoodle) -> list[str]:
    return [dict(seen.form)["wsfunction"] for seen in site.requests]


def function(name: str) -> Callable[[Request], bool]:
    return lambda request: dict(request.form).get("wsfunction") == name


def answers(body: object, of: str, times: int | None = 1) -> Fault:
    """That function answers this, with status 200 and without acting."""
    return Fault(kind="status", status=200, body=json.dumps(body), match=function(of), times=times)


def refuses(code: str, of: str, times: int | None = 1) -> Fault:
    body = {"exception": "moodle_exception", "errorcode": code, "message": f"secret words {ANNA.email}"}
    return answers(body, of, times)


class TestSettings:
    def test_the_token_shows_nowhere(self, site: SandboxMoodle) -> None:
        assert "sandboxtoken" not in f"{settings(site)!r}{settings(site)}"

    @pytest.mark.parametrize(
        ("key", "value", "fits"),
        [
            ("course", "42", True),
            ("course", "2", True),
            ("course", "10", True),
            ("course", "1", False),
            ("course", "0", False),
            ("course", "042", False),
            ("course", "-3", False),
            ("course", "PY-101", False),
            ("course", "", False),
            ("group", "1", True),
            ("group", "0", False),
            ("cohort", "17", True),
            ("cohort", "x", False),
            ("role", "5", True),
            ("role", "student", False),
        ],
    )
    def test_a_mapping_row_takes_numbers(self, key: str, value: str, fits: bool) -> None:
        pattern = next(target.pattern for target in TARGET_KEYS if target.name == key)
        assert bool(re.fullmatch(pattern, value)) is fits


class TestWhatItCosts:
    def test_a_new_learner_costs_three_calls(self, site: SandboxMoodle, moodle: Moodle) -> None:
        enrol(moodle, seat(learner=Person(email="first@example.test")))
        site.requests.clear()
        enrol(moodle)
        assert calls(site) == ["core_user_get_users", "core_user_create_users", "enrol_manual_enrol_users"]

    def test_who_is_in_already_costs_two(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        enrol(moodle)
        assert calls(site) == ["core_user_get_users", "core_enrol_get_users_courses"]

    def test_a_known_learner_who_comes_in_costs_four(self, site: SandboxMoodle, moodle: Moodle) -> None:
        enrol(moodle, seat(learner=Person(email="first@example.test")))
        site.add_user(ANNA.email)
        site.requests.clear()
        enrol(moodle)
        assert len(calls(site)) == 4

    def test_a_withdrawal_costs_five(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        site.enrol(site.add_user("other@example.test"), 42)
        withdraw(moodle)
        assert len(calls(site)) == 5

    def test_one_connection_serves_them_all(self, site: SandboxMoodle, moodle: Moodle) -> None:
        enrol(moodle)
        withdraw(moodle)
        assert site.connections == 1


class TestBlocked:
    """Trouble a person must end, whatever is called."""

    @pytest.mark.parametrize(
        ("spoil", "remedy"),
        [
            pytest.param(
                lambda s: setattr(s, "webservices_enabled", False), "Advanced features", id="web services off"
            ),
            pytest.param(lambda s: s.expire_token(), "Manage tokens", id="token expired"),
            pytest.param(lambda s: s.tokens.clear(), "Manage tokens", id="token unknown"),
            pytest.param(
                lambda s: s.functions.pop("core_user_get_users"), "core_user_get_users", id="function missing"
            ),
            pytest.param(lambda s: s.deny("webservice/rest:use"), "webservice/rest:use", id="no REST"),
            pytest.param(
                lambda s: setattr(s.service_user, "suspended", True), "suspended", id="service user suspended"
            ),
            pytest.param(
                lambda s: setattr(s.service_user, "auth", "nologin"), "Manual accounts", id="no login"
            ),
            pytest.param(
                lambda s: setattr(s.service_user, "must_change_password", True), "password", id="password"
            ),
            pytest.param(
                lambda s: setattr(s.service_user, "policy_not_agreed", True), "site policy", id="policy"
            ),
            pytest.param(
                lambda s: setattr(s.service_user, "profile_incomplete", True), "fill it in", id="profile"
            ),
            pytest.param(lambda s: s.deny("moodle/user:create"), "moodle/user:create", id="may not create"),
            pytest.param(lambda s: s.deny("enrol/manual:enrol"), "enrol/manual:enrol", id="may not enrol"),
        ],
    )
    def test_it_is_said_where_to_do_what(
        self, site: SandboxMoodle, moodle: Moodle, spoil: Callable[[SandboxMoodle], object], remedy: str
    ) -> None:
        spoil(site)
        with pytest.raises(ServiceBlocked, match=re.escape(remedy)):
            enrol(moodle)
        assert site.active_enrolments() == set()

    def test_a_known_learner_cannot_be_looked_at_without_the_right(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.add_user(ANNA.email)
        site.deny("moodle/course:enrolreview")
        with pytest.raises(ServiceBlocked, match="moodle/course:enrolreview"):
            enrol(moodle)

    def test_hidden_addresses_are_not_taken_for_nobody(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user(ANNA.email)
        site.deny("moodle/site:viewuseridentity")
        with pytest.raises(ServiceBlocked, match="moodle/site:viewuseridentity"):
            enrol(moodle)

    def test_a_wrong_address_is_called_one(self, site: SandboxMoodle) -> None:
        with (
            closing(Moodle(settings(site, url=f"{site.url}/login"))) as moodle,
            pytest.raises(ServiceBlocked, match="front page"),
        ):
            moodle.fetch_target(Target(lms=moodle.name, course_id=COURSE))

    def test_a_firewall_against_everything_blocks(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.faults.add(Fault(kind="status", status=403, times=None))
        with pytest.raises(ServiceBlocked, match="firewall"):
            enrol(moodle)

    def test_a_firewall_against_one_name_costs_one_row(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.faults.add(Fault(kind="status", status=403, match="UNION SELECT", times=None))
        with pytest.raises(TurnedAway, match="firewall"):
            enrol(moodle, seat(learner=replace(ANNA, last_name="UNION SELECT")))


class TestOutages:
    @pytest.mark.parametrize("outage", ["maintenance", "upgrade", "database", "gateway", "cli_maintenance"])
    def test_the_whole_service_waits(self, site: SandboxMoodle, moodle: Moodle, outage: str) -> None:
        site.outage = outage  # type: ignore[assignment]
        with pytest.raises(TransientError) as caught:
            enrol(moodle)
        assert caught.value.whole_service
        assert caught.value.retry_after_s == (300 if outage == "cli_maintenance" else None)

    def test_maintenance_that_begins_before_a_write_did_not_act(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.faults.add(refuses("sitemaintenance", "core_user_create_users"))
        with pytest.raises(TransientError) as caught:
            enrol(moodle)
        assert not caught.value.answer_lost


class TestDiscretion:
    @pytest.mark.parametrize(
        "code", ["somenewcode", "", "dmlreadexception", f"<div>{ANNA.email}</div>", "nopermissions"]
    )
    @pytest.mark.parametrize(
        "name", ["core_user_get_users", "core_user_create_users", "enrol_manual_enrol_users"]
    )
    def test_moodles_own_words_are_never_passed_on(
        self, site: SandboxMoodle, moodle: Moodle, code: str, name: str
    ) -> None:
        site.faults.add(refuses(code, name))
        with pytest.raises(WcsyncError) as caught:
            enrol(moodle)
        assert "secret" not in str(caught.value)
        assert ANNA.email not in str(caught.value)
        assert "campus" in str(caught.value)


class TestAccounts:
    def test_moodle_mails_the_password_itself(self, site: SandboxMoodle, moodle: Moodle) -> None:
        enrol(moodle)
        assert site.created_passwords_mailed == [ANNA.email]

    def test_no_password_is_ever_sent(self, site: SandboxMoodle, moodle: Moodle) -> None:
        enrol(moodle)
        assert not any("[password]" in name for seen in site.requests for name, _ in seen.form)

    def test_an_account_that_logs_in_elsewhere_gets_no_password(self, site: SandboxMoodle) -> None:
        site.languages.add("es")
        with closing(Moodle(settings(site, auth="oauth2", lang="es"))) as moodle:
            enrol(moodle)
        account = site.accounts(ANNA.email)[0]
        assert (account.auth, account.lang, site.created_passwords_mailed) == ("oauth2", "es", [])

    def test_a_language_not_installed_is_named_as_a_cause(self, site: SandboxMoodle) -> None:
        with (
            closing(Moodle(settings(site, lang="xx"))) as moodle,
            pytest.raises(PermanentError, match="auth or lang"),
        ):
            enrol(moodle)

    def test_an_account_we_may_not_see_is_named_as_a_cause(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user(ANNA.email)
        site.deny("moodle/user:viewdetails")
        with pytest.raises(PermanentError, match="moodle/user:viewalldetails"):
            enrol(moodle)

    def test_two_accounts_with_one_address_need_a_person(self, site: SandboxMoodle, moodle: Moodle) -> None:
        numbers = [site.add_user(ANNA.email, username) for username in ("one", "two")]
        with pytest.raises(PermanentError, match=f"{numbers[0]}, {numbers[1]}"):
            enrol(moodle)
        assert site.enrolments == []

    def test_a_known_number_decides_between_two_accounts(self, site: SandboxMoodle, moodle: Moodle) -> None:
        _, second = (site.add_user(ANNA.email, username) for username in ("one", "two"))
        assert enrol(moodle, seat(user_id=str(second))).user_id == str(second)

    def test_a_number_that_is_none_is_not_asked_for(self, site: SandboxMoodle, moodle: Moodle) -> None:
        assert enrol(moodle, seat(user_id="x' OR 1=1")).outcome is Outcome.CREATED
        assert "core_user_get_users_by_field" not in calls(site)

    def test_an_answer_without_the_new_account_is_looked_into(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.faults.add(answers([], "core_user_create_users"))
        with pytest.raises(TransientError) as caught:
            enrol(moodle)
        assert caught.value.answer_lost

    def test_an_account_we_named_is_known_by_its_number_when_its_address_changed(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        user_id = site.add_user("anna.married@example.test", username=usernames(ANNA.email)[0])
        assert enrol(moodle, seat(user_id=str(user_id))).user_id == str(user_id)

    def test_a_deleted_account_is_not_brought_back(self, site: SandboxMoodle, moodle: Moodle) -> None:
        deleted = site.add_user(ANNA.email)
        site.delete_user(deleted)
        assert enrol(moodle, seat(user_id=str(deleted))).user_id != str(deleted)
        assert site.active_enrolments() == {(ANNA.email, 42)}

    def test_a_username_somebody_else_has_is_left_to_them(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user("somebody@example.test", ANNA.email)
        enrol(moodle)
        assert site.accounts(ANNA.email)[0].username == usernames(ANNA.email)[-1]

    def test_usernames_run_out_before_they_are_counted_up(self, site: SandboxMoodle, moodle: Moodle) -> None:
        for number, username in enumerate(usernames(ANNA.email)):
            site.add_user(f"other{number}@example.test", username)
        with pytest.raises(PermanentError, match="by hand"):
            enrol(moodle)
        assert site.accounts(ANNA.email) == []

    def test_an_unconfirmed_account_needs_a_person(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user(ANNA.email, confirmed=False)
        with pytest.raises(PermanentError, match="not confirmed"):
            enrol(moodle)

    def test_the_guest_account_buys_nothing(self, site: SandboxMoodle, moodle: Moodle) -> None:
        with pytest.raises(PermanentError, match="guest"):
            enrol(moodle, seat(learner=Person(email="root@localhost")))
        assert site.enrolments == []

    def test_an_address_full_of_wildcards_lists_nobody(self, site: SandboxMoodle, moodle: Moodle) -> None:
        for number in range(20):
            site.add_user(f"victim{number}@example.test")
        enrol(moodle, seat(learner=Person(email="%@example.test")))
        assert "core_user_get_users" not in calls(site)

    def test_a_name_of_one_word_is_given_a_last_name(self) -> None:
        assert full_name(Person(email="x@example.test", first_name="Cher")) == ("Cher", "-")

    def test_a_name_written_into_one_field_is_parted(self) -> None:
        assert full_name(Person(email="x@example.test", last_name="Ana María López")) == (
            "Ana María",
            "López",
        )

    def test_a_nameless_buyer_is_called_after_the_address(self) -> None:
        assert full_name(Person(email="ana.lopez@example.test")) == ("ana.lopez", "-")

    @pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
    def test_four_at_once_for_one_learner_end_in_one_account_and_enrolment(
        self, site: SandboxMoodle, moodle: Moodle, known: bool
    ) -> None:
        if known:
            site.add_user(ANNA.email)
        site.race_window_s = 0.05
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: attempt(moodle), range(4)))
        enrol(moodle)
        assert len(site.accounts(ANNA.email)) == 1
        assert len(site.enrolments) == 1

    def test_an_account_made_in_spite_of_an_error_is_used(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.faults.add(meanwhile(site, lambda _: None))
        assert enrol(moodle).outcome is Outcome.CREATED
        assert len(site.accounts(ANNA.email)) == 1

    def test_an_account_made_meanwhile_is_looked_at_like_any_other(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.faults.add(meanwhile(site, lambda user_id: site.enrol(user_id, 42, suspended=True)))
        with pytest.raises(PermanentError, match="suspended"):
            enrol(moodle)
        assert site.active_enrolments() == set()

    @pytest.mark.parametrize(
        "address",
        ["", "@" * 101, "anna", "anna buyer@example.test", "anna\0@example.test", "\ud83d@example.test"],
        ids=["empty", "long", "no at", "blank", "nul", "half a pair"],
    )
    def test_an_address_no_account_can_have_is_not_asked_for(
        self, site: SandboxMoodle, moodle: Moodle, address: str
    ) -> None:
        assert moodle.fetch_presences([seat(learner=Person(email=address))])[0] is Presence.ABSENT
        assert calls(site) == []

    def test_letters_beyond_ascii_are_named_as_the_cause(self, moodle: Moodle) -> None:
        with pytest.raises(PermanentError, match="beyond ASCII"):
            enrol(moodle, seat(learner=Person(email="josé@example.test")))

    def test_numbers_and_flags_are_read_however_they_are_written(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        user = {"id": "77", "username": "anna", "email": ANNA.email, "suspended": 1, "confirmed": "1"}
        site.faults.add(answers({"users": [user]}, "core_user_get_users"))
        with pytest.raises(PermanentError, match="account 77 is suspended"):
            enrol(moodle)


def meanwhile(site: SandboxMoodle, happens: Callable[[int], object]) -> Fault:
    """The account is made by hand just when we ask for it, and Moodle answers with an error."""

    def made_by_hand(request: Request) -> bool:
        asked = function("core_user_create_users")(request)
        if asked:
            happens(site.add_user(ANNA.email, "made.by.hand"))
        return asked

    body = {"exception": "moodle_exception", "errorcode": "Message was not sent."}
    return Fault(kind="status", status=200, body=json.dumps(body), match=made_by_hand)


def attempt(moodle: Moodle) -> Applied | None:
    try:
        return enrol(moodle)
    except TransientError:
        return None


class TestCourses:
    @pytest.mark.parametrize(
        ("spoil", "remedy"),
        [
            pytest.param(lambda s: s.courses.pop(42), "course 42: there is none", id="course unknown"),
            pytest.param(
                lambda s: setattr(s.courses[42], "manual", "missing"), "Enrolment methods", id="no manual"
            ),
            pytest.param(
                lambda s: setattr(s.courses[42], "manual", "disabled"), "Enrolment methods", id="manual off"
            ),
            pytest.param(lambda s: s.deny("moodle/role:assign"), "moodle/role:assign", id="may not assign"),
            pytest.param(
                lambda s: s.service_user.assignable_roles.clear(), "Allow role assignments", id="role"
            ),
            pytest.param(lambda s: s.deny("moodle/course:view"), "moodle/course:view", id="may not enter"),
        ],
    )
    def test_trouble_with_one_course_costs_its_rows_alone(
        self, site: SandboxMoodle, moodle: Moodle, spoil: Callable[[SandboxMoodle], object], remedy: str
    ) -> None:
        spoil(site)
        with pytest.raises(PermanentError, match=re.escape(remedy)) as caught:
            enrol(moodle)
        assert "course 42" in str(caught.value)

    def test_a_closed_course_costs_no_account_and_opens_at_once(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.courses[42].manual = "disabled"
        with pytest.raises(PermanentError):
            enrol(moodle)
        assert site.accounts(ANNA.email) == []
        site.courses[42].manual = "enabled"
        assert enrol(moodle).outcome is Outcome.CREATED

    def test_a_learner_in_a_closed_course_is_in_all_the_same(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        site.courses[42].manual = "disabled"
        assert enrol(moodle).outcome is Outcome.ALREADY

    def test_a_hidden_course_we_may_not_see_is_explained(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.courses[42].visible = False
        site.deny("moodle/course:viewhiddencourses")
        with pytest.raises(PermanentError, match="moodle/course:viewhiddencourses"):
            enrol(moodle)

    def test_in_a_hidden_course_who_is_in_stays_as_they_are(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.courses[42].visible = False
        assert enrol(moodle).outcome is Outcome.CREATED
        assert enrol(moodle).outcome is Outcome.ALREADY
        assert [write.action for write in site.enrolments[0].history] == ["enrolled"]
        assert moodle.fetch_presences([seat()])[0] is Presence.ENROLLED

    def test_in_a_hidden_course_a_suspension_is_seen(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.courses[42].visible = False
        site.enrol(site.add_user(ANNA.email), 42, suspended=True)
        with pytest.raises(PermanentError):
            enrol(moodle)

    def test_the_site_itself_is_no_course(self, moodle: Moodle) -> None:
        assert moodle.fetch_target(Target(lms=moodle.name, course_id=CourseId("1"))).title is None

    def test_somebody_far_down_a_big_course_is_found(self, site: SandboxMoodle, moodle: Moodle) -> None:
        fill(site, 1200)
        site.enrol(site.add_user(ANNA.email), 42)
        assert withdraw(moodle).outcome is Outcome.REMOVED

    def test_who_leaves_while_we_turn_the_page_hides_nobody(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        early = fill(site, 500)
        site.enrol(site.add_user(ANNA.email), 42)

        def leave(request: Request) -> bool:
            if request.text.endswith("=500") and "limitfrom&options[1][value]=450" in request.text:
                site.unenrol(early.pop(), 42)
            return False

        site.faults.add(Fault(kind="empty", match=leave))
        assert withdraw(moodle).outcome is Outcome.REMOVED
        assert len(early) < 500


def fill(site: SandboxMoodle, number: int) -> list[int]:
    users = [site.add_user(f"someone{i}@example.test") for i in range(number)]
    for user_id in users:
        site.enrol(user_id, 42)
    return users


PROFILE = {
    "institution": "company",
    "city": "town",
    "country": "land",
    "idnumber": "number",
    "phone1": "phone",
    "customfield:vat": "vat",
}


def told(site: SandboxMoodle, **fields: str) -> Account:
    """The account of a buyer whose order says so much."""
    learner = replace(ANNA, fields=tuple(sorted(fields.items())))
    with closing(Moodle(settings(site, profile=PROFILE))) as moodle:
        enrol(moodle, seat(learner=learner))
    (account,) = site.accounts(ANNA.email)
    return account


class TestProfile:
    @pytest.mark.parametrize(
        "key", ["company", "Institution", "email", "password", "customfield:", "customfield:a b", ""]
    )
    def test_a_field_that_no_account_has_is_refused_in_the_config(
        self, site: SandboxMoodle, key: str
    ) -> None:
        with pytest.raises(ValidationError, match="has no field"):
            settings(site, profile={key: "company"})

    def test_texts_are_cut_to_what_the_column_holds(self, site: SandboxMoodle) -> None:
        account = told(site, company="ñ" * 300, town="数" * 130)
        assert (account.institution, account.city) == ("ñ" * 255, "数" * 120)

    def test_a_number_that_does_not_fit_is_left_out(self, site: SandboxMoodle) -> None:
        account = told(site, phone="0" * 21, number="9" * 256)
        assert (account.phone1, account.idnumber) == ("", "")

    def test_a_number_that_just_fits_is_told(self, site: SandboxMoodle) -> None:
        account = told(site, phone="0" * 20, number="9" * 255)
        assert (account.phone1, account.idnumber) == ("0" * 20, "9" * 255)

    @pytest.mark.parametrize(
        ("land", "stored"), [("ES", "ES"), (" es ", "ES"), ("España", ""), ("ESP", ""), ("", "")]
    )
    def test_a_country_is_a_code_or_left_out(self, site: SandboxMoodle, land: str, stored: str) -> None:
        assert told(site, land=land).country == stored

    def test_a_profile_field_is_filled_by_its_short_name(self, site: SandboxMoodle) -> None:
        site.profile_fields.append(ProfileField(shortname="vat", name="VAT number"))
        assert told(site, vat="ES B123").customfields == {"vat": "ES B123"}

    def test_a_profile_field_that_is_not_there_keeps_nobody_out(self, site: SandboxMoodle) -> None:
        assert told(site, vat="ES B123").customfields == {}
        assert site.active_enrolments() == {(ANNA.email, 42)}


def suspend(moodle: Moodle, wanted: Seat | None = None) -> Applied:
    return moodle.ensure_suspended(wanted or seat(), Willing())


class TestSuspensions:
    def test_a_welcome_that_cannot_be_mailed_is_no_failure(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        site.courses[42].welcome, site.mail_fails = "noreply", True
        assert suspend(moodle).outcome is Outcome.SUSPENDED
        assert site.enrolments[0].status == "suspended"

    @pytest.mark.parametrize("code", ["dmlwriteexception", "wsusercannotassign"])
    def test_one_that_failed_is_not_taken_for_done(
        self, site: SandboxMoodle, moodle: Moodle, code: str
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        site.faults.add(refuses(code, "enrol_manual_enrol_users"))
        with pytest.raises((TransientError, PermanentError)):
            suspend(moodle)
        assert site.active_enrolments() == {(ANNA.email, 42)}

    def test_who_is_in_by_another_way_is_reported(self, site: SandboxMoodle, moodle: Moodle) -> None:
        user_id = site.add_user(ANNA.email)
        cohort = site.add_cohort("Staff")
        site.cohorts[cohort].members.append(user_id)
        site.sync_cohort(cohort, 42)
        site.enrol(user_id, 42)
        with pytest.raises(PermanentError, match="another enrolment method"):
            suspend(moodle)

    def test_an_end_that_has_come_is_suspension_enough(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42, timeend=stamp(YESTERDAY))
        assert suspend(moodle).outcome is Outcome.SUSPENDED
        assert "enrol_manual_enrol_users" not in calls(site)

    def test_in_a_hidden_course_it_works_as_well(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        site.courses[42].visible = False
        assert suspend(moodle).outcome is Outcome.SUSPENDED
        assert site.active_enrolments() == set()
        assert enrol(moodle, seat(dormant=True)).outcome is Outcome.RESTORED
        assert site.active_enrolments() == {(ANNA.email, 42)}

    def test_a_course_that_is_gone_has_nobody_to_suspend(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user(ANNA.email)
        assert suspend(moodle, seat(course_id=CourseId("99"))).outcome is Outcome.ABSENT

    def test_the_role_is_the_one_the_mapping_names(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.service_user.assignable_roles.add("teacher")
        site.enrol(site.add_user(ANNA.email), 42, "teacher")
        with pytest.raises(PermanentError, match="not just a learner"):
            suspend(moodle)
        suspend(moodle, seat(options=(("role", "4"),)))
        assert (site.enrolments[0].roles, site.enrolments[0].status) == (["teacher"], "suspended")

    def test_somebody_far_down_a_big_course_is_suspended(self, site: SandboxMoodle, moodle: Moodle) -> None:
        fill(site, 1000)
        site.enrol(site.add_user(ANNA.email), 42)
        suspend(moodle)
        assert len(site.active_enrolments()) == 1000

    def test_a_dormant_learner_whom_staff_woke_is_left_as_they_are(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        assert enrol(moodle, seat(dormant=True)).outcome is Outcome.ALREADY
        longer = seat(dormant=True, applied_until=TOMORROW, until=NEXT_WEEK)
        assert enrol(moodle, longer).outcome is Outcome.RESTORED
        assert site.enrolments[0].timeend == stamp(NEXT_WEEK)

    def test_a_wish_whose_end_has_come_wakes_nobody(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42, suspended=True)
        assert enrol(moodle, seat(dormant=True, until=YESTERDAY)).outcome is Outcome.ALREADY
        assert site.enrolments[0].status == "suspended"


class TestEnrolments:
    def test_a_suspension_flag_is_never_sent(self, site: SandboxMoodle, moodle: Moodle) -> None:
        enrol(moodle, seat(until=TOMORROW))
        sent = [name for seen in site.requests for name, _ in seen.form if name.startswith("enrolments")]
        assert [name.rpartition("[")[2] for name in sent] == ["roleid]", "userid]", "courseid]", "timeend]"]

    def test_a_welcome_that_cannot_be_mailed_is_no_failure(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.courses[42].welcome = "noreply"
        site.mail_fails = True
        assert enrol(moodle).outcome is Outcome.CREATED

    def test_a_moved_end_whose_mail_fails_is_no_failure(self, site: SandboxMoodle, moodle: Moodle) -> None:
        user_id = site.add_user(ANNA.email)
        site.enrol(user_id, 42, timeend=stamp(TOMORROW))
        site.courses[42].welcome, site.mail_fails = "noreply", True
        longer = seat(until=NEXT_WEEK, applied=True, applied_until=TOMORROW)
        assert enrol(moodle, longer).outcome is Outcome.RESTORED
        assert site.enrolments[0].timeend == stamp(NEXT_WEEK)

    @pytest.mark.parametrize("code", ["dmlwriteexception", "wsusercannotassign"])
    def test_a_moved_end_that_failed_is_not_taken_for_done(
        self, site: SandboxMoodle, moodle: Moodle, code: str
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42, timeend=stamp(TOMORROW))
        site.faults.add(refuses(code, "enrol_manual_enrol_users"))
        with pytest.raises((TransientError, PermanentError)):
            enrol(moodle, seat(until=NEXT_WEEK, applied=True, applied_until=TOMORROW))

    def test_an_end_of_ours_that_has_passed_begins_anew(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42, timeend=stamp(YESTERDAY))
        again = seat(until=NEXT_WEEK, applied=True, applied_until=YESTERDAY)
        assert enrol(moodle, again).outcome is Outcome.RESTORED
        assert site.active_enrolments() == {(ANNA.email, 42)}

    def test_an_end_that_has_passed_as_it_should_is_left_alone(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42, timeend=stamp(YESTERDAY))
        over = seat(until=YESTERDAY, applied=True, applied_until=YESTERDAY)
        assert enrol(moodle, over).outcome is Outcome.ALREADY
        assert site.active_enrolments() == set()

    @pytest.mark.parametrize(
        "known",
        [
            pytest.param({}, id="never ours"),
            pytest.param({"applied_until": YESTERDAY}, id="never confirmed to us"),
            pytest.param({"applied": True}, id="ours, without an end"),
            pytest.param({"applied": True, "applied_until": TOMORROW}, id="ours, ended before its time"),
        ],
    )
    def test_what_staff_ended_stays_ended(
        self, site: SandboxMoodle, moodle: Moodle, known: dict[str, object]
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42, timeend=stamp(YESTERDAY))
        with pytest.raises(PermanentError, match="Participants"):
            enrol(moodle, seat(until=NEXT_WEEK, **known))
        assert site.active_enrolments() == set()

    def test_a_teacher_whose_time_is_over_is_not_made_a_student(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42, "editingteacher", timeend=stamp(YESTERDAY))
        with pytest.raises(PermanentError):
            enrol(moodle, seat(until=NEXT_WEEK, applied=True, applied_until=YESTERDAY))
        assert site.enrolments[0].roles == ["editingteacher"]

    def test_the_mapping_may_name_another_role(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.service_user.assignable_roles.add("teacher")
        helper = seat(options=(("role", "4"),))
        enrol(moodle, helper)
        assert site.enrolments[0].roles == ["teacher"]
        assert withdraw(moodle, helper).outcome is Outcome.REMOVED

    def test_a_look_that_fails_does_not_hide_a_lost_answer(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user(ANNA.email)
        site.faults.add(Fault(kind="truncated", match=function("enrol_manual_enrol_users")))
        site.faults.add(
            Fault(kind="empty", match=function("core_enrol_get_users_courses"), skip=1, times=None)
        )
        with pytest.raises(TransientError) as caught:
            enrol(moodle)
        assert caught.value.answer_lost

    def test_a_failed_look_after_a_refusal_is_tried_again(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user(ANNA.email)
        site.courses[42].welcome, site.mail_fails = "noreply", True
        site.faults.add(Fault(kind="empty", match=function("core_enrol_get_users_courses"), skip=1))
        with pytest.raises(TransientError):
            enrol(moodle)
        assert enrol(moodle).outcome is Outcome.ALREADY

    @pytest.mark.parametrize("code", ["userdeleted", "invaliduser"])
    def test_an_account_that_vanishes_meanwhile_is_looked_for_again(
        self, site: SandboxMoodle, moodle: Moodle, code: str
    ) -> None:
        site.add_user(ANNA.email)
        site.faults.add(refuses(code, "enrol_manual_enrol_users"))
        with pytest.raises(TransientError):
            enrol(moodle)


class TestWithdrawals:
    def test_who_is_in_by_another_way_is_reported(self, site: SandboxMoodle, moodle: Moodle) -> None:
        cohort = site.add_cohort("Staff")
        site.sync_cohort(cohort, 42)
        user_id = site.add_user(ANNA.email)
        site.cohorts[cohort].members.append(user_id)
        site.write_enrolment(user_id, 42, role="student", method="cohort")
        with pytest.raises(PermanentError, match="another enrolment method"):
            withdraw(moodle)

    def test_a_course_that_is_gone_has_nobody_in_it(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user(ANNA.email)
        assert withdraw(moodle, seat(course_id=CourseId("777"))).outcome is Outcome.ABSENT

    def test_a_course_we_may_not_enter_is_not_taken_for_empty(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        site.deny("moodle/course:view")
        with pytest.raises(PermanentError, match="course 42"):
            withdraw(moodle)

    def test_a_suspended_learner_is_taken_out_too(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.enrol(site.add_user(ANNA.email), 42, suspended=True)
        assert withdraw(moodle).outcome is Outcome.REMOVED
        assert site.enrolments == []

    def test_a_course_without_manual_enrolment_is_explained(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.enrol(site.add_user(ANNA.email), 42)
        site.courses[42].manual = "missing"
        with pytest.raises(PermanentError, match="Enrolment methods"):
            withdraw(moodle)


class TestGroupsAndCohorts:
    def test_a_learner_joins_them_all(self, site: SandboxMoodle, moodle: Moodle) -> None:
        groups = [site.add_group(42, name) for name in ("A", "B")]
        cohort = site.add_cohort("Buyers")
        options = (("cohort", str(cohort)), *(("group", str(group)) for group in groups))
        user_id = int(enrol(moodle, seat(options=options)).user_id or 0)
        enrol(moodle, seat(options=options))
        assert [site.groups[group].members for group in groups] == [[user_id], [user_id]]
        assert site.cohorts[cohort].members == [user_id]

    @pytest.mark.parametrize("option", ["group", "cohort"])
    def test_one_that_is_not_there_is_named_and_the_enrolment_stands(
        self, site: SandboxMoodle, moodle: Moodle, option: str
    ) -> None:
        with pytest.raises(PermanentError, match=f"is enrolled in course 42 but .* {option} 9"):
            enrol(moodle, seat(options=((option, "9"),)))
        assert site.active_enrolments() == {(ANNA.email, 42)}

    def test_once_mended_a_repeat_comes_to_an_end(self, site: SandboxMoodle, moodle: Moodle) -> None:
        wanted = seat(options=(("group", "1"),))
        with pytest.raises(PermanentError):
            enrol(moodle, wanted)
        group = site.add_group(42, "A")
        assert enrol(moodle, wanted).outcome is Outcome.ALREADY
        assert len(site.groups[group].members) == 1

    @pytest.mark.parametrize(
        ("option", "name", "right"),
        [
            ("group", "core_group_add_group_members", "moodle/course:managegroups"),
            ("cohort", "core_cohort_add_cohort_members", "moodle/cohort:assign"),
        ],
    )
    def test_a_missing_right_for_them_blocks_no_other_row(
        self, site: SandboxMoodle, moodle: Moodle, option: str, name: str, right: str
    ) -> None:
        number = str(site.add_group(42, "A") if option == "group" else site.add_cohort("A"))
        site.deny(right)
        with pytest.raises(PermanentError, match=right):
            enrol(moodle, seat(options=((option, number),)))
        site.functions.pop(name)
        with pytest.raises(PermanentError, match=name):
            enrol(moodle, seat(options=((option, number),)))

    def test_an_answer_lost_there_ends_in_one_membership(self, site: SandboxMoodle, moodle: Moodle) -> None:
        group = site.add_group(42, "A")
        wanted = seat(options=(("group", str(group)),))
        site.faults.add(Fault(kind="reset_after", match=function("core_group_add_group_members")))
        with pytest.raises(TransientError):
            enrol(moodle, wanted)
        assert enrol(moodle, wanted).outcome is Outcome.ALREADY
        assert site.groups[group].members == [site.enrolments[0].user_id]


class TestIdentity:
    def test_a_site_is_known_by_its_own_address(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.siteurl = "https://campus.example.com/"
        identity = moodle.fetch_identity()
        assert identity.identity == "https://campus.example.com"
        assert (identity.title, identity.version) == ("Sandbox Campus", "4.5.6 (Build: 20250811)")
        assert identity.findings == ()

    def test_each_missing_function_is_named(self, site: SandboxMoodle, moodle: Moodle) -> None:
        for name in ("enrol_manual_enrol_users", "core_user_create_users"):
            site.functions.pop(name)
        named = [finding.message.split()[-1] for finding in fatal(moodle)]
        assert named == ["core_user_create_users", "enrol_manual_enrol_users"]

    def test_a_service_user_who_cannot_work_is_found_out(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.service_user.must_change_password = True
        assert "password" in fatal(moodle)[0].message

    def test_a_service_user_who_sees_no_addresses_is_found_out(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.deny("moodle/site:viewuseridentity")
        assert "moodle/site:viewuseridentity" in fatal(moodle)[0].remedy

    def test_a_service_user_who_sees_nobody_is_warned_about(
        self, site: SandboxMoodle, moodle: Moodle
    ) -> None:
        site.deny("moodle/user:viewdetails")
        (finding,) = moodle.fetch_identity().findings
        assert (finding.severity, "viewalldetails" in finding.remedy) == (Severity.WARNING, True)

    def test_an_old_moodle_is_warned_about(self, site: SandboxMoodle, moodle: Moodle) -> None:
        body = {
            "siteurl": site.url,
            "userid": 3,
            "functions": [],
            "release": "3.9",
            "version": "2020061500.00",
        }
        site.faults.add(answers(body, "core_webservice_get_site_info"))
        warnings = [f.message for f in moodle.fetch_identity().findings if f.severity is Severity.WARNING]
        assert warnings == ["Moodle 3.9 is older than any tried with wcsync"]


class TestMariaDB:
    """There text compares without regard to case and accents."""

    @pytest.fixture
    def site(self) -> Iterator[SandboxMoodle]:
        with SandboxMoodle(database="mariadb") as site:
            site.add_course("Python", course_id=42)
            yield site

    @pytest.mark.parametrize("address", ["Mixed.Case@Example.TEST", "Mixed_____Case@Example.TEST"])
    def test_case_makes_no_second_account(self, site: SandboxMoodle, moodle: Moodle, address: str) -> None:
        user_id = site.add_user(address)
        assert enrol(moodle, seat(learner=Person(email=address.lower()))).user_id == str(user_id)

    def test_an_accent_makes_somebody_else(self, site: SandboxMoodle, moodle: Moodle) -> None:
        site.add_user("jose______x@example.test")
        with pytest.raises(PermanentError):
            enrol(moodle, seat(learner=Person(email="josé______x@example.test")))
        assert site.enrolments == []


def fatal(moodle: Moodle) -> list[Finding]:
    return [finding for finding in moodle.fetch_identity().findings if finding.severity is Severity.FATAL]


def stamp(instant: datetime) -> int:
    return int(instant.timestamp())
