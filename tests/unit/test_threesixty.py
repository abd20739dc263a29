"""The 360Learning adapter's own rules, beyond what every LMS promises."""

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

from tests.openapi import WatchedThreeSixty
from wcsync.credentials import Secret
from wcsync.errors import PermanentError, ServiceBlocked, Severity, TransientError, TurnedAway, WcsyncError
from wcsync.http import Service
from wcsync.lms.base import Write
from wcsync.lms.threesixty import TARGET_KEYS, ThreeSixty, ThreeSixtySettings
from wcsync.lms.threesixty.tokens import Tokens
from wcsync.model import Applied, CourseId, Option, Outcome, Person, Presence, Seat, Target
from wcsync.pulse import Pulse
from wcsync.sandbox.server import Fault, Request
from wcsync.sandbox.threesixty import SandboxThreeSixty

ANNA = Person(email="anna.buyer@example.test", first_name="Anna", last_name="Buyer")
NOWHERE = CourseId("65b000000000000000000000")


class Willing:
    """An intent that lets everything pass."""

    def __init__(self) -> None:
        self.declared: list[Write] = []

    def declare(self, write: Write = Write.ENROLMENT) -> None:
        self.declared.append(write)

    def confirm_absence(self) -> None: ...


class Clock:
    """A company's clock, moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


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
def clock() -> Clock:
    return Clock()


@pytest.fixture
def company(clock: Clock) -> Iterator[WatchedThreeSixty]:
    with WatchedThreeSixty(clock=clock) as company:
        yield company
        assert company.faults_seen == []


@pytest.fixture
def group(company: WatchedThreeSixty) -> CourseId:
    return CourseId(company.add_group("Python"))


@pytest.fixture
def seat(group: CourseId) -> Seat:
    return Seat(learner=ANNA, course_id=group)


@pytest.fixture
def academy(company: WatchedThreeSixty) -> Iterator[ThreeSixty]:
    with closing(ThreeSixty(settings(company))) as academy:
        yield academy


def settings(company: SandboxThreeSixty, **more: object) -> ThreeSixtySettings:
    keys: dict[str, object] = {
        "name": "academy",
        "url": company.url,
        "client_id": Secret("sandboxid"),
        "client_secret": Secret("sandboxsecret"),
        "timeout_s": 5.0,
    }
    return ThreeSixtySettings.model_validate(keys | more)


def enrol(academy: ThreeSixty, seat: Seat) -> Applied:
    return academy.ensure_enrolled(seat, Willing())


def withdraw(academy: ThreeSixty, seat: Seat) -> Applied:
    return academy.ensure_withdrawn(seat, Willing())


def calls(company: SandboxThreeSixty) -> list[str]:
    """What was asked after the token, ids left out."""
    texts = [f"{seen.method} {seen.path.removeprefix('/api/v2')}" for seen in company.requests]
    return [re.sub("/[0-9a-f]{24}", "/…", text) for text in texts if "oauth2" not in text]


def tokens_given(company: SandboxThreeSixty) -> int:
    return sum(seen.path.endswith("/oauth2/token") for seen in company.requests)


def is_call(method: str, path: str) -> Callable[[Request], bool]:
    return lambda request: (
        request.method == method and re.fullmatch(f"/api/v2{path}", request.path) is not None
    )


GIVES_ROLE = is_call("POST", "/groups/.*")
TAKES_ROLE = is_call("DELETE", "/groups/.*")
INVITES = is_call("POST", "/users")
LOOKS_UP = is_call("GET", "/users")


def answers(status: int, body: object, match: Callable[[Request], bool], times: int | None = 1) -> Fault:
    return Fault(kind="status", status=status, body=json.dumps(body), match=match, times=times)


def refuses(status: int, code: str, match: Callable[[Request], bool], times: int | None = 1) -> Fault:
    body = {"error": {"code": code, "message": f"secret words {ANNA.email}"}}
    return answers(status, body, match, times)


class TestSettings:
    def test_the_secret_shows_nowhere(self, company: WatchedThreeSixty) -> None:
        kept = settings(company)
        assert "sandboxsecret" not in f"{kept!r}{kept}{kept.model_dump()}"

    @pytest.mark.parametrize("lang", ["english", "EN", "en-GB", ""])
    def test_a_language_is_written_as_360learning_writes_it(
        self, company: WatchedThreeSixty, lang: str
    ) -> None:
        with pytest.raises(ValidationError):
            settings(company, lang=lang)

    @pytest.mark.parametrize(
        ("value", "fits"),
        [
            pytest.param("65a000000000000000000001", True, id="id"),
            pytest.param("65A000000000000000000001", False, id="capitals"),
            pytest.param("65a00000000000000000001", False, id="too short"),
            pytest.param("https://app.360learning.com/group/65a000000000000000000001", False, id="address"),
            pytest.param("42", False, id="number"),
        ],
    )
    @pytest.mark.parametrize("key", ["group", "path", "session"])
    def test_a_mapping_row_takes_ids(self, key: str, value: str, fits: bool) -> None:
        pattern = next(target.pattern for target in TARGET_KEYS if target.name == key)
        assert bool(re.fullmatch(pattern, value)) is fits

    @pytest.mark.parametrize("key", ["company", "Organization", "mail", "customfield:vat", ""])
    def test_a_field_that_no_user_has_is_refused_in_the_config(
        self, company: WatchedThreeSixty, key: str
    ) -> None:
        with pytest.raises(ValidationError, match="has no field"):
            settings(company, profile={key: "company"})

    def test_the_group_is_the_course(self) -> None:
        assert [key.name for key in TARGET_KEYS if key.course] == ["group"]


class TestTokens:
    @pytest.fixture
    def service(self) -> Iterator[Service]:
        with closing(Service('360learning "academy"', timeout_s=5.0)) as service:
            yield service

    def test_one_token_serves_many_calls(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        enrol(academy, seat)
        withdraw(academy, seat)
        assert tokens_given(company) == 1

    @pytest.mark.parametrize("as_text", [False, True], ids=["a number", "text"])
    def test_a_token_is_replaced_before_it_expires(self, service: Service, as_text: bool) -> None:
        now = 0.0
        with SandboxThreeSixty() as company:
            company.expires_in_as_text = as_text
            url = f"{company.url}/api/v2/oauth2/token"
            tokens = Tokens(service, url, Secret("sandboxid"), Secret("sandboxsecret"), lambda: now)
            first = tokens.current()
            now = 3539.0
            assert tokens.current() is first
            now = 3541.0
            assert tokens.current().reveal() != first.reveal()

    def test_a_token_that_lives_for_seconds_is_used_for_half_of_them(
        self, company: WatchedThreeSixty, service: Service
    ) -> None:
        now = 0.0
        company.token_lifetime_s = 10
        url = f"{company.url}/api/v2/oauth2/token"
        tokens = Tokens(service, url, Secret("sandboxid"), Secret("sandboxsecret"), lambda: now)
        first = tokens.current()
        now = 4.9
        assert tokens.current() is first
        now = 5.1
        assert tokens.current() is not first

    def test_threads_that_come_at_once_fetch_one_token(
        self, company: WatchedThreeSixty, academy: ThreeSixty, group: CourseId
    ) -> None:
        company.latency_s = 0.05
        seats = [Seat(learner=Person(email=f"l{i}@example.test"), course_id=group) for i in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda seat: academy.fetch_presences([seat]), seats))
        assert tokens_given(company) == 1

    def test_a_late_complaint_about_an_old_token_keeps_the_new_one(
        self, company: WatchedThreeSixty, service: Service
    ) -> None:
        url = f"{company.url}/api/v2/oauth2/token"
        tokens = Tokens(service, url, Secret("sandboxid"), Secret("sandboxsecret"))
        old = tokens.current()
        tokens.drop(old)
        new = tokens.current()
        tokens.drop(old)
        assert tokens.current() is new

    def test_a_revoked_token_is_replaced_and_the_call_made_again(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        enrol(academy, seat)
        company.revoke_tokens()
        assert enrol(academy, seat).outcome is Outcome.ALREADY
        assert tokens_given(company) == 2

    def test_a_write_whose_token_was_refused_is_declared_and_sent_again(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.faults.add(answers(401, {"error": "invalid_token"}, INVITES))
        intent = Willing()
        assert academy.ensure_enrolled(seat, intent).outcome is Outcome.CREATED
        assert intent.declared == [Write.ACCOUNT, Write.ENROLMENT] * 2
        assert len(company.accounts(ANNA.email)) == 1

    def test_a_new_token_that_is_refused_too_needs_a_person(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.faults.add(answers(401, {"error": "invalid_token"}, LOOKS_UP, times=None))
        with pytest.raises(ServiceBlocked, match="Settings → API v2"):
            enrol(academy, seat)
        assert calls(company) == ["GET /users"] * 2

    def test_wrong_credentials_need_a_person(self, company: WatchedThreeSixty) -> None:
        wrong = settings(company, client_secret=Secret("qwertyuiop"))
        with (
            closing(ThreeSixty(wrong)) as academy,
            pytest.raises(ServiceBlocked, match=r"client_id and client_secret") as caught,
        ):
            academy.fetch_identity()
        assert "qwertyuiop" not in f"{caught.value}{caught.value.__cause__}"

    @pytest.mark.parametrize("grant", [[], {"access_token": "", "expires_in": 1}, {"access_token": "a"}])
    def test_an_answer_without_a_token_is_asked_for_again(
        self, company: WatchedThreeSixty, academy: ThreeSixty, grant: object
    ) -> None:
        company.faults.add(answers(200, grant, is_call("POST", "/oauth2/token")))
        with pytest.raises(TransientError, match="instead of a token"):
            academy.fetch_identity()

    def test_a_refusal_of_another_kind_names_its_code(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        refusal = answers(400, {"error": "unsupported_grant_type"}, is_call("POST", "/oauth2/token"))
        company.faults.add(refusal)
        with pytest.raises(ServiceBlocked, match="unsupported_grant_type"):
            academy.fetch_identity()

    def test_no_error_shows_a_token_or_a_key(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        academy.fetch_presences([seat])[0]
        hidden = [*company.grants, "sandboxsecret", ANNA.email]
        for fault in (
            refuses(400, "mailInvalid", INVITES),
            refuses(403, "invalid_scope", LOOKS_UP),
            answers(401, {"error": "invalid_token"}, LOOKS_UP, times=2),
            Fault(kind="reset_after", match=INVITES),
            Fault(kind="html200", match=LOOKS_UP),
        ):
            company.faults.add(fault)
            with pytest.raises(WcsyncError) as caught:
                enrol(academy, seat)
            shown = f"{caught.value!r}{caught.value}{caught.value.__cause__!r}"
            assert not [secret for secret in hidden if secret in shown]


class TestLimits:
    def test_too_many_requests_are_the_whole_services_trouble(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.reads_per_s = 0
        with pytest.raises(TransientError) as caught:
            enrol(academy, seat)
        assert caught.value.whole_service
        assert not caught.value.answer_lost

    def test_a_write_too_many_was_not_done(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.writes_per_s = 0
        with pytest.raises(TransientError) as caught:
            enrol(academy, seat)
        assert (caught.value.whole_service, caught.value.answer_lost) == (True, False)
        company.writes_per_s = 10
        assert enrol(academy, seat).outcome is Outcome.CREATED

    def test_reads_stay_below_the_limit_by_themselves(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        with ThreadPoolExecutor(4) as pool:
            assert all(
                found == [Presence.ABSENT] for found in pool.map(academy.fetch_presences, [[seat]] * 60)
            )
        assert {seen.status for seen in company.requests} == {200}

    def test_a_look_at_many_seats_gives_a_sign_of_life_at_each(
        self, academy: ThreeSixty, group: CourseId
    ) -> None:
        """Two hundred seats take longer than any single turn may."""
        pulse = CountingPulse("confirmer")
        pulse.adopt()
        try:
            academy.fetch_presences([Seat(learner=ANNA, course_id=group)] * 5)
        finally:
            pulse.rest(0)
        assert pulse.beats > 5, "the first is that of its turn"


class TestInviting:
    def test_a_new_learner_takes_one_look_and_one_write(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        enrol(academy, seat)
        assert calls(company) == ["GET /users", "POST /users"]

    @pytest.mark.parametrize("tell", [True, False])
    def test_an_invitation_is_mailed_unless_that_is_off(
        self, company: WatchedThreeSixty, seat: Seat, tell: bool
    ) -> None:
        with closing(ThreeSixty(settings(company, send_invitation=tell))) as academy:
            enrol(academy, seat)
        [user] = company.accounts(ANNA.email)
        assert (user.status, user.invitations) == ("invited", int(tell))

    def test_a_new_user_has_the_buyers_name_and_the_configured_language(
        self, company: WatchedThreeSixty, seat: Seat
    ) -> None:
        with closing(ThreeSixty(settings(company, lang="es"))) as academy:
            enrol(academy, seat)
        [user] = company.accounts(ANNA.email)
        assert (user.first_name, user.last_name, user.lang) == ("Anna", "Buyer", "es")

    def test_a_name_is_cut_and_cleaned_and_left_out_if_nothing_remains(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        odd = replace(ANNA, first_name="\u202e  An\0na\ud83d\n" + "x" * 200, last_name="\u200b ")
        enrol(academy, replace(seat, learner=odd))
        [user] = company.accounts(ANNA.email)
        assert (user.first_name, user.last_name) == (f"An na {'x' * 94}", None)

    def test_somebody_invited_in_the_same_moment_is_found_and_joins(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user_id = company.add_user(ANNA.email)
        company.faults.add(answers(200, [], LOOKS_UP))
        assert enrol(academy, seat) == Applied(outcome=Outcome.CREATED, user_id=user_id)
        assert company.learners() == {(ANNA.email, seat.course_id)}

    def test_an_address_in_use_that_no_look_finds_is_looked_for_again(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.heeds_case = True
        company.add_user("Anna.Buyer@example.test")
        with pytest.raises(TransientError, match="in use") as caught:
            enrol(academy, seat)
        assert not caught.value.answer_lost
        assert not caught.value.whole_service
        assert len(company.accounts(ANNA.email)) == 1

    def test_a_buyer_in_capitals_is_found_where_case_is_heeded(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.heeds_case = True
        user_id = company.add_user(ANNA.email)
        shouting = replace(seat, learner=replace(ANNA, email=ANNA.email.upper()))
        assert enrol(academy, shouting).user_id == user_id

    def test_a_look_up_that_finds_everybody_finds_nobody_else(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        others = [company.users[company.add_user(f"other{i}@example.test")] for i in range(3)]
        company.faults.add(answers(200, [user.as_json() for user in others], LOOKS_UP, times=None))
        assert enrol(academy, seat).user_id not in {user.id for user in others}

    def test_two_users_with_the_address_need_a_person(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        twins = [company.users[company.add_user(ANNA.email)] for _ in range(2)]
        with pytest.raises(PermanentError, match=f"2 users .*{twins[0].id}, {twins[1].id}"):
            enrol(academy, seat)

    def test_an_id_that_nobody_has_any_more_is_forgotten(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user_id = company.add_user(ANNA.email)
        assert enrol(academy, replace(seat, user_id=NOWHERE)).user_id == user_id

    @pytest.mark.parametrize("path", ["/users/[0-9a-f]{24}", "/users/[0-9a-f]{24}/roles"])
    def test_a_look_that_is_refused_for_another_reason_is_not_taken_for_an_empty_one(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, path: str
    ) -> None:
        user_id = company.add_user(ANNA.email)
        company.faults.add(refuses(400, "somethingNew", is_call("GET", path)))
        with pytest.raises(PermanentError, match="somethingNew"):
            enrol(academy, replace(seat, user_id=user_id))

    def test_a_look_at_many_gives_a_sign_of_life_for_each(
        self, academy: ThreeSixty, seat: Seat, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        beats: list[Pulse] = []
        monkeypatch.setattr(Pulse, "beat", lambda pulse: beats.append(pulse))  # noqa: PLW0108  binds as a method
        pulse = Pulse("looking")
        pulse.adopt()
        academy.fetch_presences([seat] * 5)
        pulse.rest(0)
        assert len(beats) >= 1 + 5

    def test_a_user_who_vanishes_between_two_looks_is_no_member(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.add_role(seat.course_id, company.add_user(ANNA.email))
        company.faults.add(refuses(404, "userNotFound", is_call("GET", "/users/[0-9a-f]{24}/roles")))
        assert academy.fetch_presences([seat])[0] is Presence.ABSENT

    @pytest.mark.parametrize("address", ["", "anna", "anna@", "an na@example.test"])
    def test_an_address_that_is_none_is_never_asked_for(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, address: str
    ) -> None:
        with pytest.raises(PermanentError, match="correct it in the order"):
            enrol(academy, replace(seat, learner=Person(email=address)))
        assert company.requests == []

    def test_an_invitation_answered_by_something_else_is_an_answer_lost(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user = company.users[company.owner_id].as_json()
        company.faults.add(answers(202, user, INVITES))
        with pytest.raises(TransientError) as caught:
            enrol(academy, seat)
        assert caught.value.answer_lost

    def test_a_deleted_twin_does_not_count(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.add_user(ANNA.email, status="deleted")
        user_id = company.add_user(ANNA.email)
        assert enrol(academy, seat).user_id == user_id

    def test_users_without_an_address_are_passed_over(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        nameless = company.users[company.add_user(None, username="anna")].as_json()
        company.faults.add(answers(200, [nameless], LOOKS_UP))
        assert enrol(academy, seat).outcome is Outcome.CREATED

    @pytest.mark.parametrize(
        ("status", "code", "words"),
        [
            (400, "mailInvalid", "address"),
            (400, "mailUsedTooManyTimes", "several users"),
            (400, "loginIdentifierMultipleUsersFound", "several users"),
            (400, "usernameNotAllowed", "user name"),
            (400, "deactivationDateInvalid", "deactivationDateInvalid"),
            (404, "groupNotFound", "check group in the mapping"),
            (409, "somethingNew", "somethingNew"),
        ],
    )
    def test_a_refused_invitation_needs_a_person_and_says_why(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, status: int, code: str, words: str
    ) -> None:
        company.faults.add(refuses(status, code, INVITES))
        with pytest.raises(PermanentError, match=words) as caught:
            enrol(academy, seat)
        assert "secret words" not in str(caught.value)

    def test_a_group_that_is_gone_is_named(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        with pytest.raises(PermanentError, match=NOWHERE):
            enrol(academy, replace(seat, course_id=NOWHERE))
        company.add_user(ANNA.email)
        with pytest.raises(PermanentError, match=NOWHERE):
            enrol(academy, replace(seat, course_id=NOWHERE))


class TestRestoring:
    @pytest.mark.parametrize("joins", [True, False], ids=["restoring joins", "restoring does not join"])
    def test_a_deleted_user_is_restored_and_a_learner(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, joins: bool
    ) -> None:
        company.restore_joins = joins
        user_id = company.add_user(ANNA.email, status="deleted")
        assert enrol(academy, seat) == Applied(outcome=Outcome.RESTORED, user_id=user_id)
        assert company.users[user_id].status == "invited"
        assert company.learners() == {(ANNA.email, seat.course_id)}

    @pytest.mark.parametrize("joins", [True, False], ids=["restoring joins", "restoring does not join"])
    def test_a_deleted_member_is_restored(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, joins: bool
    ) -> None:
        company.restore_joins = joins
        user_id = company.add_user(ANNA.email)
        company.add_role(seat.course_id, user_id)
        company.delete_user(user_id)
        assert academy.fetch_presences([seat])[0] is Presence.ABSENT
        assert enrol(academy, replace(seat, user_id=user_id)).outcome is Outcome.RESTORED
        assert academy.fetch_presences([seat])[0] is Presence.ENROLLED

    def test_a_user_deleted_between_look_and_write_is_restored_the_next_time(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user_id = company.add_user(ANNA.email)

        def delete_first(request: Request) -> bool:
            if GIVES_ROLE(request):
                company.delete_user(user_id)
            return False

        company.faults.add(Fault(kind="html200", match=delete_first))
        with pytest.raises(TransientError, match="deleted meanwhile") as caught:
            enrol(academy, seat)
        assert not caught.value.answer_lost
        company.faults.clear()
        assert enrol(academy, seat).outcome is Outcome.RESTORED

    def test_withdrawing_a_deleted_user_takes_the_role_and_restores_nobody(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user_id = company.add_user(ANNA.email)
        company.add_role(seat.course_id, user_id)
        company.delete_user(user_id)
        assert withdraw(academy, seat).outcome is Outcome.REMOVED
        assert company.users[user_id].status == "deleted"


class TestJoining:
    @pytest.mark.parametrize("refused", [True, False], ids=["a second role refused", "a second role taken"])
    def test_a_role_given_in_the_same_moment_is_already_there(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, refused: bool
    ) -> None:
        user_id = company.add_user(ANNA.email)

        def join_first(request: Request) -> bool:
            if GIVES_ROLE(request):
                company.add_role(seat.course_id, user_id)
            return refused and GIVES_ROLE(request)

        company.faults.add(refuses(400, "userAlreadyInGroup", join_first, times=None))
        expected = Outcome.ALREADY if refused else Outcome.CREATED
        assert enrol(academy, seat).outcome is expected
        assert company.learners() == {(ANNA.email, seat.course_id)}

    def test_a_refusal_that_left_nobody_in_needs_a_person(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.add_user(ANNA.email)
        company.faults.add(refuses(400, "somethingNew", GIVES_ROLE))
        with pytest.raises(PermanentError, match="somethingNew"):
            enrol(academy, seat)

    @pytest.mark.parametrize("role", ["admin", "coach", "contributor", "editor", "userAdmin"])
    def test_staff_of_the_group_are_left_as_they_are(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, role: str
    ) -> None:
        user_id = company.add_user(ANNA.email)
        company.add_role(seat.course_id, user_id, role)
        before = list(company.roles)
        assert enrol(academy, seat).outcome is Outcome.ALREADY
        with pytest.raises(PermanentError, match=user_id):
            withdraw(academy, seat)
        assert company.roles == before

    def test_a_learner_who_coaches_as_well_is_never_put_out(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user_id = company.add_user(ANNA.email)
        company.add_role(seat.course_id, user_id)
        company.add_role(seat.course_id, user_id, "coach")
        before = list(company.roles)
        with pytest.raises(PermanentError, match="not just a learner"):
            withdraw(academy, seat)
        assert company.roles == before

    def test_roles_in_other_groups_do_not_matter(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user_id = company.add_user(ANNA.email)
        company.add_role(company.root_id, user_id, "admin")
        company.add_role(company.add_group("Other"), user_id)
        assert enrol(academy, seat).outcome is Outcome.CREATED
        assert withdraw(academy, seat).outcome is Outcome.REMOVED

    def test_memberships_are_read_to_the_last_page(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        user_id = company.add_user(ANNA.email)
        for number in range(7):
            company.add_role(company.add_group(f"Group {number}"), user_id)
        company.add_role(last := company.add_group("Last"), user_id)
        company.page_size = 2
        assert enrol(academy, replace(seat, course_id=CourseId(last))).outcome is Outcome.ALREADY

    def test_no_user_is_ever_deleted_changed_or_activated(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        for _ in range(2):
            enrol(academy, seat)
            withdraw(academy, seat)
        assert set(calls(company)) == {
            "GET /users",
            "POST /users",
            "GET /users/…/roles",
            "POST /groups/…/learner/…",
            "DELETE /groups/…/learner/…",
        }


class TestLeaving:
    @pytest.mark.parametrize("code", ["userNotFoundInGroup", "groupNotFound"])
    def test_somebody_gone_in_the_same_moment_is_absent(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, code: str
    ) -> None:
        enrol(academy, seat)
        company.faults.add(refuses(404, code, TAKES_ROLE))
        assert withdraw(academy, seat).outcome is Outcome.ABSENT

    def test_another_refusal_needs_a_person(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        enrol(academy, seat)
        company.faults.add(refuses(400, "analystUnavailable", TAKES_ROLE))
        with pytest.raises(PermanentError, match="analystUnavailable"):
            withdraw(academy, seat)


class TestArriving:
    """Membership first, then the path: 360Learning itself enrols the learners of a group, in its own time."""

    @pytest.fixture
    def path(self, company: WatchedThreeSixty, group: CourseId) -> tuple[str, str]:
        return company.add_path("Python, the path", group)

    @pytest.fixture
    def wanted(self, seat: Seat, path: tuple[str, str]) -> Seat:
        return replace(seat, options=(("path", path[0]), ("session", path[1])))

    def test_enrolling_waits_for_no_path(
        self, company: WatchedThreeSixty, academy: ThreeSixty, wanted: Seat
    ) -> None:
        company.enrol_delay_s = 120
        assert enrol(academy, wanted).outcome is Outcome.CREATED
        assert not [call for call in calls(company) if "/paths" in call]

    def test_presence_is_unknown_until_the_path_shows_the_learner(
        self, company: WatchedThreeSixty, academy: ThreeSixty, wanted: Seat, clock: Clock
    ) -> None:
        company.enrol_delay_s = 120
        enrol(academy, wanted)
        assert academy.fetch_presences([wanted])[0] is Presence.UNKNOWN
        clock.tick(121)
        assert academy.fetch_presences([wanted])[0] is Presence.ENROLLED
        withdraw(academy, wanted)
        assert academy.fetch_presences([wanted])[0] is Presence.ABSENT

    def test_a_session_that_ignores_the_group_leaves_presence_unknown(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        path_id, _ = company.add_path("Bound to nothing", seat.course_id, mode="manual")
        wanted = replace(seat, options=(("path", path_id),))
        enrol(academy, wanted)
        assert academy.fetch_presences([wanted])[0] is Presence.UNKNOWN

    def test_another_session_of_the_path_does_not_count(
        self, company: WatchedThreeSixty, academy: ThreeSixty, wanted: Seat
    ) -> None:
        _, elsewhere = company.add_path("Other", NOWHERE)
        enrol(academy, wanted)
        options: tuple[Option, ...] = (wanted.options[0], ("session", elsewhere))
        assert academy.fetch_presences([replace(wanted, options=options)])[0] is Presence.UNKNOWN

    def test_any_session_counts_if_none_is_named(self, academy: ThreeSixty, wanted: Seat) -> None:
        enrol(academy, wanted)
        assert academy.fetch_presences([replace(wanted, options=wanted.options[:1])])[0] is Presence.ENROLLED

    def test_every_path_of_a_seat_counts(
        self, company: WatchedThreeSixty, academy: ThreeSixty, wanted: Seat
    ) -> None:
        other, _ = company.add_path("Other", NOWHERE)
        enrol(academy, wanted)
        both = replace(wanted, options=(*wanted.options, ("path", other)))
        assert academy.fetch_presences([both])[0] is Presence.UNKNOWN

    def test_enrolments_are_read_to_the_last_page(
        self, company: WatchedThreeSixty, academy: ThreeSixty, wanted: Seat
    ) -> None:
        for number in range(7):
            company.add_role(wanted.course_id, company.add_user(f"l{number}@example.test"))
        enrol(academy, wanted)
        company.page_size = 3
        assert academy.fetch_presences([wanted])[0] is Presence.ENROLLED
        assert calls(company).count("GET /paths/…/enrollments") == 3

    def test_many_seats_of_one_path_read_its_enrolments_once(
        self, company: WatchedThreeSixty, academy: ThreeSixty, wanted: Seat
    ) -> None:
        seats = [
            replace(wanted, learner=Person(email=f"l{number}@example.test", first_name="L", last_name="M"))
            for number in range(5)
        ]
        for one in seats:
            enrol(academy, one)
        before = calls(company).count("GET /paths/…/enrollments")
        assert academy.fetch_presences(seats) == [Presence.ENROLLED] * 5
        assert calls(company).count("GET /paths/…/enrollments") - before == 1

    def test_only_a_row_that_names_a_path_leaves_something_to_confirm(
        self, academy: ThreeSixty, seat: Seat, wanted: Seat
    ) -> None:
        assert enrol(academy, seat).confirm == ""
        assert wanted.options[0][1] in enrol(academy, wanted).confirm

    def test_a_path_that_is_not_there_is_named(self, academy: ThreeSixty, seat: Seat) -> None:
        wanted = replace(seat, options=(("path", NOWHERE),))
        enrol(academy, wanted)
        with pytest.raises(PermanentError, match=NOWHERE):
            academy.fetch_presences([wanted])[0]

    def test_lacking_the_right_to_see_paths_keeps_nobody_out(
        self, company: WatchedThreeSixty, academy: ThreeSixty, wanted: Seat
    ) -> None:
        company.credentials["sandboxid"].scopes.remove("paths:read")
        assert enrol(academy, wanted).outcome is Outcome.CREATED
        with pytest.raises(PermanentError, match="paths:read"):
            academy.fetch_presences([wanted])[0]


class TestPages:
    def test_a_list_that_goes_on_elsewhere_gets_no_token(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        with SandboxThreeSixty() as stranger:
            link = {"Link": f'<{stranger.url}/api/v2/users?cursor=abc>; rel="next"'}
            company.faults.add(Fault(kind="status", status=200, headers=link, body="[]", match=LOOKS_UP))
            with pytest.raises(ServiceBlocked, match="set url in the config"):
                enrol(academy, seat)
            assert stranger.requests == []

    def test_a_list_that_goes_round_in_circles_is_left(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        link = {"Link": '</api/v2/users?cursor=abc>; rel="next"'}
        fault = Fault(kind="status", status=200, headers=link, body="[]", match=LOOKS_UP, times=None)
        company.faults.add(fault)
        with pytest.raises(TransientError, match="circles"):
            enrol(academy, seat)
        assert len(calls(company)) == 2


class TestIdentity:
    def test_the_company_is_its_root_group(self, company: WatchedThreeSixty, academy: ThreeSixty) -> None:
        company.add_group("Another")
        company.page_size = 1
        identity = academy.fetch_identity()
        assert identity.identity == f"{company.url}/groups/{company.root_id}"
        assert (identity.title, [one.code for one in identity.findings]) == (
            "Sandbox Academy",
            ["writes_unseen"],
        )

    def test_new_credentials_are_the_same_company(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        company.add_credentials("another", "secret")
        other = settings(company, client_id=Secret("another"), client_secret=Secret("secret"))
        with closing(ThreeSixty(other)) as again:
            assert again.fetch_identity() == academy.fetch_identity()

    def test_the_groups_are_listed_once_for_it(self, company: WatchedThreeSixty, academy: ThreeSixty) -> None:
        for _ in range(3):
            academy.fetch_identity()
        assert calls(company).count("GET /groups") == 1

    @pytest.mark.parametrize(
        ("scope", "severity"), [("users:read", Severity.FATAL), ("paths:read", Severity.WARNING)]
    )
    def test_a_missing_scope_is_named(
        self, company: WatchedThreeSixty, academy: ThreeSixty, scope: str, severity: Severity
    ) -> None:
        company.credentials["sandboxid"].scopes.remove(scope)
        [finding, _] = academy.fetch_identity().findings
        assert finding.severity is severity
        assert scope in finding.message

    def test_without_a_look_at_the_groups_nobody_knows_the_company(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        company.credentials["sandboxid"].scopes.remove("groups:read")
        with pytest.raises(ServiceBlocked, match="groups:read"):
            academy.fetch_identity()

    def test_a_company_without_a_root_group_is_not_made_up(
        self, company: WatchedThreeSixty, academy: ThreeSixty
    ) -> None:
        company.groups.clear()
        with pytest.raises(ServiceBlocked, match="root group"):
            academy.fetch_identity()

    @pytest.mark.parametrize("scope", ["users:write", "groups:write"])
    def test_a_missing_scope_to_write_shows_at_the_first_write(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, scope: str
    ) -> None:
        company.credentials["sandboxid"].scopes.remove(scope)
        if scope == "groups:write":
            company.add_user(ANNA.email)
        with pytest.raises(ServiceBlocked, match=scope):
            enrol(academy, seat)

    def test_titles_are_looked_up_in_one_list(self, company: WatchedThreeSixty, academy: ThreeSixty) -> None:
        first, second = company.add_group("First"), company.add_group("Second")
        for group, title in ((first, "First"), (second, "Second")):
            assert academy.fetch_target(Target(lms=academy.name, course_id=CourseId(group))).title == title
        assert calls(company) == ["GET /groups"]


class TestFirewalls:
    """Something in front of it answers without a code."""

    def test_one_call_that_is_refused_is_that_rows_trouble(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        company.faults.add(Fault(kind="status", status=403, match=INVITES))
        with pytest.raises(TurnedAway, match="odd name"):
            enrol(academy, seat)

    def test_calls_that_are_all_refused_are_the_services(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat
    ) -> None:
        academy.fetch_presences([seat])[0]
        company.faults.add(Fault(kind="status", status=403, times=None))
        with pytest.raises(ServiceBlocked, match="firewall"):
            enrol(academy, seat)

    @pytest.mark.parametrize("status", [200, 201, 202])
    def test_a_role_that_may_or_may_not_be_given_is_an_answer_lost(
        self, company: WatchedThreeSixty, academy: ThreeSixty, seat: Seat, status: int
    ) -> None:
        company.add_user(ANNA.email)
        company.faults.add(Fault(kind="status", status=status, body="{}", match=GIVES_ROLE))
        with pytest.raises(TransientError) as caught:
            enrol(academy, seat)
        assert caught.value.answer_lost
