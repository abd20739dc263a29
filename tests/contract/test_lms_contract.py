"""What every LMS must do, tried on each implementation against its sandbox.

A new LMS adds one `Campus` (how to start its sandbox and look behind it) and one empty class at the end of this file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stamina

from tests.openapi import WatchedThreeSixty
from wcsync.course import CourseState
from wcsync.credentials import Secret
from wcsync.errors import (
    BudgetSpent,
    PermanentError,
    ServiceBlocked,
    Severity,
    TransientError,
    WcsyncError,
)
from wcsync.lms.base import Capability, Intent, Lms, Write
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.lms.threesixty import ThreeSixty, ThreeSixtySettings
from wcsync.model import Applied, CourseId, LmsName, Outcome, Person, Presence, Seat, Target
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.moodle_records import ProfileField
from wcsync.sandbox.server import Fault, Request, SandboxServer

ANNA = Person(email="anna.buyer@example.test", first_name="Anna", last_name="Buyer")
ANNA_OF_ACME = replace(
    ANNA, fields=(("company", "Acme & Sons"), ("phone", "+34 600 000 001"), ("vat", "ESB123"))
)
BERT = Person(email="bert@example.test", first_name="Bert", last_name="Buyer")
LAST_YEAR, SOONER, NEXT_YEAR = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2099, 2100))
QUARANTINE_S = 90.0


class Campus(ABC):
    """One LMS's sandbox, and a look behind it. Users and courses are named as the adapter names them."""

    server: SandboxServer
    strange_addresses: tuple[str, ...] = ()
    """Addresses a buyer may have that this LMS will never take."""
    suspends: bool = True
    """Whether staff can suspend an account or an enrolment there, and lift that again."""
    profile: Mapping[str, str]
    """What an account there may be told: of a company, a phone and a tax number, in that order."""
    links: bool = True
    """Whether learners' address of a course is known."""
    closed: CourseState = CourseState.HIDDEN
    """What becomes of a course there that staff take away from learners without deleting it."""
    shared_calls: int = 6
    """So many questions a reading of up to a hundred courses may cost, however many they are."""
    calls_per_course: int = 2
    """So many questions it costs for each course besides, where that is read in depth."""
    calls_per_known_course: int = 0
    """The same where nothing has changed since."""

    @abstractmethod
    def connect(self, timeout_s: float) -> Lms:
        """A fresh adapter, which fills `profile`."""

    @abstractmethod
    def add_course(self, title: str) -> CourseId: ...

    @abstractmethod
    def add_account(self, email: str, *, suspended: bool = False) -> str: ...

    @abstractmethod
    def enrol(
        self, user_id: str, course_id: CourseId, *, teacher: bool = False, suspended: bool = False
    ) -> None:
        """Enrols by hand, as staff do. `suspended`: so that they cannot get in."""

    @abstractmethod
    def lengthen(self, email: str) -> None:
        """Sees to it that enrolling that learner takes two writes, where it would take one."""

    @abstractmethod
    def accounts(self, email: str) -> int: ...

    @abstractmethod
    def told(self, email: str) -> list[str]:
        """What the account was told of its owner, in the order of `profile`; '' where nothing."""

    @abstractmethod
    def enrolled(self) -> set[tuple[str, CourseId]]:
        """Who has an enrolment in which course, whether it lets them in or not."""

    @abstractmethod
    def come_to_end(self, email: str, course_id: CourseId, end: datetime) -> None:
        """The enrolment has that end."""

    @abstractmethod
    def active(self) -> set[tuple[str, CourseId]]:
        """Who can enter which course now."""

    @abstractmethod
    def end_of(self, email: str, course_id: CourseId) -> datetime | None: ...

    @abstractmethod
    def state(self) -> object:
        """All accounts, courses and enrolments, comparable."""

    @abstractmethod
    def is_write(self, request: Request) -> bool: ...

    @abstractmethod
    def target(self, course_id: CourseId) -> Target:
        """What a row of the mapping names to sell the course and to mirror its data."""

    @abstractmethod
    def describe(
        self,
        course_id: CourseId,
        *,
        name: str | None = None,
        description: str | None = None,
        authors: Sequence[str] | None = None,
        skills: Sequence[str] | None = None,
        modules: Sequence[str] | None = None,
        state: CourseState | None = None,
    ) -> None:
        """Edits the course as staff do; None = left as it is. `modules`: their titles in order."""

    @abstractmethod
    def remove(self, course_id: CourseId) -> None:
        """Deletes the course."""

    def writes(self) -> int:
        return sum(self.is_write(seen.request) for seen in self.server.requests)


class Row:
    """A due row as the ledger keeps it: what was sent and may still take effect. `now` is moved by hand."""

    def __init__(self, campus: Campus) -> None:
        self.now = 0.0
        self.open_since: float | None = None
        self.declared_after_writes: list[int] = []
        self.declared: list[Write] = []
        self.may_make_accounts = True
        self.absences_confirmed = 0
        self._campus = campus

    def attempt(self, call: Callable[[Intent], Applied]) -> Applied:
        """One attempt, settled as the worker settles it: only a lost answer leaves the row open."""
        intent = RowIntent(self, self._campus)
        try:
            applied = call(intent)
        except TransientError as exc:
            if not exc.answer_lost and not intent.held_back:
                self.open_since = None
            raise
        except WcsyncError:
            self.open_since = None
            raise
        self.open_since = None
        return applied

    def work_off(self, call: Callable[[Intent], Applied]) -> Applied:
        """Tries until it works: twice at once, for an impatient worker, then with the quarantine kept."""
        for patient in (False, False, True, True, True, True):
            if patient:
                self._campus.server.wait_for_late_effects()
                self.now += QUARANTINE_S + 1
            try:
                return self.attempt(call)
            except TransientError:
                continue
        return self.attempt(call)


class RowIntent:
    def __init__(self, row: Row, campus: Campus) -> None:
        self.held_back = False
        self._row = row
        self._campus = campus
        self._lost_at = row.open_since

    def declare(self, write: Write = Write.ENROLMENT) -> None:
        """A call may be declared as two things in a row."""
        self._hold_back()
        if write is Write.ACCOUNT and not self._row.may_make_accounts:
            raise BudgetSpent("no further account")
        self._row.open_since = self._row.now
        self._row.declared.append(write)
        if self._campus.writes() not in self._row.declared_after_writes[-1:]:
            self._row.declared_after_writes.append(self._campus.writes())

    def confirm_absence(self) -> None:
        self._hold_back()
        self._row.absences_confirmed += 1

    def _hold_back(self) -> None:
        if self._lost_at is not None and self._row.now < self._lost_at + QUARANTINE_S:
            self.held_back = True
            raise TransientError("an earlier call may still take effect")


LOST_ANSWERS = (
    "reset_before",
    "reset_after",
    "reset_in_body",
    "late_effect",
    "truncated",
    "empty",
    "html200",
    "wrong_type",
    "invalid_utf8",
    "php_warning",
)

DEAF = {
    "reset": Fault(kind="reset_before", times=None),
    "half an answer": Fault(kind="reset_in_body", times=None),
    "page": Fault(kind="html200", times=None),
    "truncated": Fault(kind="truncated", times=None),
    "empty": Fault(kind="empty", times=None),
    "wrong type": Fault(kind="wrong_type", times=None),
    "invalid utf-8": Fault(kind="invalid_utf8", times=None),
    "php warning": Fault(kind="php_warning", times=None),
    "redirect": Fault(kind="redirect", times=None),
    "maintenance": Fault(kind="maintenance", times=None),
    "too many requests": Fault(kind="status", status=429, times=None),
    "unauthorised": Fault(kind="status", status=401, times=None),
    "forbidden": Fault(kind="status", status=403, times=None),
    "not found": Fault(kind="status", status=404, times=None),
    "server error": Fault(kind="status", status=500, times=None),
    "bad gateway": Fault(kind="status", status=502, times=None),
    "late": Fault(kind="delay_before", seconds=1.0, times=None),
}

ODD_NAMES = {
    "blank": ("", ""),
    "spaces": (" \t ", "\u00a0"),
    "no last name": ("Cher", ""),
    "tags": ("<b>Anna</b>", "<script>alert(1)</script>"),
    "less than": ("a < b", "c > d"),
    "quotes": ('O\'Neil "The" \\', "'; DROP TABLE mdl_user; --"),
    "ampersand": ("Anna & Co", "x=1&users[0][auth]=nologin"),
    "nul": ("An\0na", "Bu\0yer"),
    "newlines": ("Anna\r\nBcc: x", "Buyer\n"),
    "escape": ("\x1b[31mAnna", "\x7f"),
    "emoji": ("🚀", "👩‍👩‍👧"),
    "chinese": ("数据", "科学"),
    "right to left": ("\u202eannA", "\u2066x"),
    "combining": ("Zoe\u0308", "Nu\u0303n\u0303ez"),
    "half a pair": ("\ud83d", "Buyer\udc00"),
    "very long": ("x" * 5000, "ÿ" * 101),
    "only joiners": ("\u200d", "\u200b"),
}

ODD_ADDRESSES = (
    "o'neil@example.test",
    "anna+shop@example.test",
    "UPPER.CASE@Example.TEST",
    "under_score_in_a_long_name@example.test",
    "______________@example.test",
    "100%sure@example.test",
    "a~b/c=d@example.test",
    "-dash-@example.test",
    f"{'l' * 64}@example.test",
    "x@xn--bcher-kva.example.test",
    "anna@[127.0.0.1]",
)

ODD_VALUES = {
    "long": "x" * 5000,
    "tags": "<b>Acme</b><script>",
    "nul": "Ac\0me",
    "newlines": "Acme\r\nSons",
    "half a pair": "Acme\ud83d",
    "emoji": "🚀 GmbH",
    "only blanks": "\u200b \u00a0",
}

NO_ADDRESSES = (
    "",
    "   ",
    "@",
    "anna",
    "anna buyer@example.test",
    "anna\n@example.test",
    f"{'a' * 300}@example.test",
)


@pytest.fixture(autouse=True)
def _hasty_retries() -> Iterator[None]:
    """Quick retries keep their number and lose their waits."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


class LmsContract:
    """The promises of `wcsync.lms.base.Lms`. Subclasses give a `campus`."""

    @pytest.fixture
    def campus(self) -> Iterator[Campus]:
        raise NotImplementedError

    @pytest.fixture
    def lms(self, campus: Campus) -> Iterator[Lms]:
        with closing(campus.connect(timeout_s=5.0)) as lms:
            yield lms

    @pytest.fixture
    def course_id(self, campus: Campus) -> CourseId:
        return campus.add_course("Python & data <em>for</em> all")

    @pytest.fixture
    def seat(self, course_id: CourseId) -> Seat:
        return Seat(learner=ANNA, course_id=course_id)

    @pytest.fixture
    def row(self, campus: Campus) -> Row:
        return Row(campus)

    # -- enrolling

    def test_a_new_learner_gets_an_account_and_gets_in(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        applied = row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert applied.outcome is Outcome.CREATED
        assert campus.accounts(ANNA.email) == 1
        assert campus.active() == {(ANNA.email, seat.course_id)}

    def test_a_known_learner_gets_in_with_the_account_they_have(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        user_id = campus.add_account(ANNA.email)
        applied = row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert applied == Applied(outcome=Outcome.CREATED, user_id=user_id)
        assert campus.accounts(ANNA.email) == 1

    def test_an_address_in_other_case_is_the_same_learner(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        user_id = campus.add_account("Anna.Buyer@Example.TEST")
        assert row.attempt(lambda intent: lms.ensure_enrolled(seat, intent)).user_id == user_id
        assert campus.accounts(ANNA.email) == 1

    def test_a_similar_address_is_somebody_else(
        self, campus: Campus, lms: Lms, course_id: CourseId, row: Row
    ) -> None:
        other = campus.add_account("johnxdoe@example.test")
        seat = Seat(learner=Person(email="john_doe@example.test"), course_id=course_id)
        assert row.attempt(lambda intent: lms.ensure_enrolled(seat, intent)).user_id != other
        assert campus.active() == {("john_doe@example.test", course_id)}

    def test_enrolling_again_writes_nothing(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        first = row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        writes, state = campus.writes(), campus.state()
        for known in (None, first.user_id):
            again = replace(seat, user_id=known)
            applied = row.attempt(lambda intent, again=again: lms.ensure_enrolled(again, intent))  # type: ignore[misc]
            assert applied == Applied(outcome=Outcome.ALREADY, user_id=first.user_id)
        assert (campus.writes(), campus.state()) == (writes, state)

    def test_a_number_that_is_somebody_elses_now_lets_nobody_in(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        known = replace(seat, user_id=campus.add_account("somebody.else@example.test"))
        with pytest.raises(PermanentError):
            row.attempt(lambda intent: lms.ensure_enrolled(known, intent))
        assert campus.writes() == 0
        assert campus.accounts(ANNA.email) == 0

    def test_an_address_counts_for_more_than_a_number(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        known = replace(seat, user_id=campus.add_account("somebody.else@example.test"))
        user_id = campus.add_account(ANNA.email)
        assert row.attempt(lambda intent: lms.ensure_enrolled(known, intent)).user_id == user_id

    def test_a_number_nobody_has_is_forgotten(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        user_id = campus.add_account(ANNA.email)
        stale = replace(seat, user_id="987654321")
        assert row.attempt(lambda intent: lms.ensure_enrolled(stale, intent)).user_id == user_id

    def test_one_learner_in_two_courses_has_one_account(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        other = replace(seat, course_id=campus.add_course("Second"))
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        row.attempt(lambda intent: lms.ensure_enrolled(other, intent))
        assert campus.accounts(ANNA.email) == 1
        assert campus.active() == {(ANNA.email, seat.course_id), (ANNA.email, other.course_id)}

    def test_different_learners_at_once_get_one_account_each(
        self, campus: Campus, lms: Lms, course_id: CourseId
    ) -> None:
        seats = [
            Seat(learner=Person(email=f"learner{i}@example.test"), course_id=course_id) for i in range(12)
        ]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda seat: Row(campus).work_off(lambda i: lms.ensure_enrolled(seat, i)), seats))
        assert campus.active() == {(seat.learner.email, course_id) for seat in seats}
        assert [campus.accounts(seat.learner.email) for seat in seats] == [1] * len(seats)

    def test_a_course_that_is_not_there_is_named_and_costs_no_account(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        lost = replace(seat, course_id=CourseId("99999"))
        with pytest.raises(PermanentError, match="99999"):
            row.attempt(lambda intent: lms.ensure_enrolled(lost, intent))
        assert campus.accounts(ANNA.email) == 0

    # -- ends

    def test_an_end_is_handed_on(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        _needs(lms, Capability.END_DATE)
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, until=NEXT_YEAR), intent))
        assert campus.end_of(ANNA.email, seat.course_id) == NEXT_YEAR

    @pytest.mark.parametrize(
        ("until", "outcome"),
        [
            pytest.param(NEXT_YEAR + timedelta(days=30), Outcome.RESTORED, id="later"),
            pytest.param(None, Outcome.RESTORED, id="none any more"),
            pytest.param(NEXT_YEAR, Outcome.ALREADY, id="the same"),
            pytest.param(NEXT_YEAR - timedelta(days=30), Outcome.ALREADY, id="earlier"),
        ],
    )
    def test_an_end_we_gave_moves_only_to_a_later_one(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, until: datetime | None, outcome: Outcome
    ) -> None:
        _needs(lms, Capability.END_DATE)
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, until=NEXT_YEAR), intent))
        later = replace(seat, until=until, applied=True, applied_until=NEXT_YEAR)
        assert row.attempt(lambda intent: lms.ensure_enrolled(later, intent)).outcome is outcome
        expected = until if outcome is Outcome.RESTORED else NEXT_YEAR
        assert campus.end_of(ANNA.email, seat.course_id) == expected

    def test_somebody_in_without_an_end_is_not_given_one(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        campus.enrol(campus.add_account(ANNA.email), seat.course_id)
        ending = replace(seat, until=NEXT_YEAR)
        assert row.attempt(lambda intent: lms.ensure_enrolled(ending, intent)).outcome is Outcome.ALREADY
        assert campus.end_of(ANNA.email, seat.course_id) is None

    # -- withdrawing

    def test_a_learner_is_taken_out_and_keeps_the_account(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        elsewhere = campus.add_course("Second")
        user_id = campus.add_account(ANNA.email)
        campus.enrol(user_id, seat.course_id)
        campus.enrol(user_id, elsewhere)
        applied = row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent))
        assert applied == Applied(outcome=Outcome.REMOVED, user_id=user_id)
        assert campus.active() == {(ANNA.email, elsewhere)}
        assert campus.accounts(ANNA.email) == 1

    def test_withdrawing_again_writes_nothing(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent))
        writes = campus.writes()
        again = row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent))
        assert (again.outcome, campus.writes()) == (Outcome.ABSENT, writes)

    @pytest.mark.parametrize("known", [False, True], ids=["no account", "an account"])
    def test_absence_is_confirmed_before_it_is_told(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, known: bool
    ) -> None:
        if known:
            campus.add_account(ANNA.email)
        applied = row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent))
        assert (applied.outcome, row.absences_confirmed) == (Outcome.ABSENT, 1)
        assert campus.writes() == 0

    def test_absence_proves_nothing_while_an_answer_is_open(self, lms: Lms, seat: Seat, row: Row) -> None:
        row.open_since = row.now
        with pytest.raises(TransientError):
            row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent))

    def test_a_late_enrolment_is_still_withdrawn(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        campus.add_account(ANNA.email)
        campus.server.faults.add(Fault(kind="late_effect", match=campus.is_write, seconds=0.2))
        with pytest.raises(TransientError):
            row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        row.work_off(lambda intent: lms.ensure_withdrawn(seat, intent))
        assert campus.active() == set()

    # -- suspending

    def test_a_suspended_learner_keeps_the_enrolment_and_does_not_get_in(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        _needs(lms, Capability.SUSPEND)
        user_id = row.attempt(lambda intent: lms.ensure_enrolled(seat, intent)).user_id
        applied = row.attempt(lambda intent: lms.ensure_suspended(seat, intent))
        assert applied == Applied(outcome=Outcome.SUSPENDED, user_id=user_id)
        assert campus.enrolled() == {(ANNA.email, seat.course_id)}
        assert campus.active() == set()
        assert lms.fetch_presences([seat]) == [Presence.ABSENT]

    def test_suspending_again_writes_nothing(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        _needs(lms, Capability.SUSPEND)
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        first = row.attempt(lambda intent: lms.ensure_suspended(seat, intent))
        writes, state = campus.writes(), campus.state()
        assert row.attempt(lambda intent: lms.ensure_suspended(seat, intent)) == first
        assert (campus.writes(), campus.state()) == (writes, state)

    def test_a_suspension_keeps_the_end_we_gave(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        _needs(lms, Capability.SUSPEND)
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, until=NEXT_YEAR), intent))
        ours = replace(seat, until=None, applied=True, applied_until=NEXT_YEAR)
        row.attempt(lambda intent: lms.ensure_suspended(ours, intent))
        assert campus.end_of(ANNA.email, seat.course_id) == NEXT_YEAR

    @pytest.mark.parametrize("known", [False, True], ids=["no account", "an account"])
    def test_whoever_is_not_in_the_course_is_not_suspended_there(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, known: bool
    ) -> None:
        _needs(lms, Capability.SUSPEND)
        if known:
            campus.add_account(ANNA.email)
        applied = row.attempt(lambda intent: lms.ensure_suspended(seat, intent))
        assert (applied.outcome, row.absences_confirmed) == (Outcome.ABSENT, 1)
        assert campus.enrolled() == set()
        assert campus.writes() == 0

    def test_a_teacher_is_never_suspended(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        _needs(lms, Capability.SUSPEND)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, teacher=True)
        state = campus.state()
        with pytest.raises(PermanentError) as caught:
            row.attempt(lambda intent: lms.ensure_suspended(seat, intent))
        assert campus.state() == state
        assert ANNA.email not in str(caught.value)

    def test_a_suspension_proves_nothing_while_an_answer_is_open(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        """An enrolment under way would let the learner in again."""
        _needs(lms, Capability.SUSPEND)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, suspended=True)
        row.open_since = row.now
        with pytest.raises(TransientError):
            row.attempt(lambda intent: lms.ensure_suspended(seat, intent))

    @pytest.mark.parametrize("until", [None, NEXT_YEAR], ids=["without end", "with an end"])
    def test_whom_we_suspended_a_new_sale_lets_in_again(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, until: datetime | None
    ) -> None:
        _needs(lms, Capability.SUSPEND)
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        row.attempt(lambda intent: lms.ensure_suspended(replace(seat, applied=True), intent))
        again = replace(seat, until=until, dormant=True)
        applied = row.attempt(lambda intent: lms.ensure_enrolled(again, intent))
        assert applied.outcome is Outcome.RESTORED
        assert campus.active() == {(ANNA.email, seat.course_id)}
        assert campus.end_of(ANNA.email, seat.course_id) == until
        writes = campus.writes()
        assert row.attempt(lambda intent: lms.ensure_enrolled(again, intent)).outcome is Outcome.ALREADY
        assert campus.writes() == writes

    def test_a_teacher_whom_staff_suspended_is_not_woken(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        _needs(lms, Capability.SUSPEND)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, teacher=True, suspended=True)
        state = campus.state()
        with pytest.raises(PermanentError):
            row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, dormant=True), intent))
        assert campus.state() == state

    def test_an_end_that_has_come_is_renewed_by_a_new_sale(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        _needs(lms, Capability.END_DATE)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id)
        campus.come_to_end(ANNA.email, seat.course_id, LAST_YEAR)
        assert campus.active() == set()
        renewed = replace(seat, until=NEXT_YEAR, dormant=True, applied_until=LAST_YEAR)
        applied = row.attempt(lambda intent: lms.ensure_enrolled(renewed, intent))
        assert applied.outcome is Outcome.RESTORED
        assert campus.active() == {(ANNA.email, seat.course_id)}
        assert campus.end_of(ANNA.email, seat.course_id) == NEXT_YEAR

    @pytest.mark.parametrize("dormant", [False, True], ids=["awake", "thought to be dormant"])
    def test_a_shorter_end_is_never_written_to_one_who_is_in(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, dormant: bool
    ) -> None:
        _needs(lms, Capability.END_DATE)
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, until=NEXT_YEAR), intent))
        shorter = replace(seat, until=SOONER, applied=not dormant, applied_until=NEXT_YEAR, dormant=dormant)
        assert row.attempt(lambda intent: lms.ensure_enrolled(shorter, intent)).outcome is Outcome.ALREADY
        assert campus.end_of(ANNA.email, seat.course_id) == NEXT_YEAR

    @pytest.mark.parametrize("kind", LOST_ANSWERS)
    def test_a_suspension_whose_answer_is_lost_ends_suspended(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, kind: str
    ) -> None:
        _needs(lms, Capability.SUSPEND)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id)
        fault = Fault(kind=kind, match=campus.is_write, seconds=0.2)  # type: ignore[arg-type]
        campus.server.faults.add(fault)
        applied = row.work_off(lambda intent: lms.ensure_suspended(seat, intent))
        campus.server.wait_for_late_effects()
        assert campus.server.faults.fired == [fault]
        assert applied.outcome is Outcome.SUSPENDED
        assert campus.active() == set()
        assert campus.enrolled() == {(ANNA.email, seat.course_id)}

    @pytest.mark.parametrize("kind", LOST_ANSWERS)
    def test_an_unanswered_suspension_does_not_undo_a_later_enrolment(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, kind: str
    ) -> None:
        _needs(lms, Capability.SUSPEND)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id)
        campus.server.faults.add(Fault(kind=kind, match=campus.is_write, seconds=0.2))  # type: ignore[arg-type]
        with suppress(TransientError):
            row.attempt(lambda intent: lms.ensure_suspended(seat, intent))

        def enrol(intent: Intent) -> Applied:
            applied = lms.ensure_enrolled(replace(seat, dormant=True), intent)
            if applied.outcome is Outcome.ALREADY:
                intent.confirm_absence()  # as for every withdrawal that is still open
            return applied

        row.work_off(enrol)
        campus.server.wait_for_late_effects()
        assert campus.active() == {(ANNA.email, seat.course_id)}

    @pytest.mark.parametrize("kind", LOST_ANSWERS)
    def test_a_waking_whose_answer_is_lost_lets_the_learner_in(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, kind: str
    ) -> None:
        _needs(lms, Capability.SUSPEND)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, suspended=True)
        campus.server.faults.add(Fault(kind=kind, match=campus.is_write, seconds=0.2))  # type: ignore[arg-type]
        again = replace(seat, until=NEXT_YEAR, dormant=True)
        row.work_off(lambda intent: lms.ensure_enrolled(again, intent))
        campus.server.wait_for_late_effects()
        assert campus.active() == {(ANNA.email, seat.course_id)}
        assert campus.end_of(ANNA.email, seat.course_id) == NEXT_YEAR

    def test_a_late_waking_is_still_suspended(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        _needs(lms, Capability.SUSPEND)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, suspended=True)
        campus.server.faults.add(Fault(kind="late_effect", match=campus.is_write, seconds=0.2))
        with pytest.raises(TransientError):
            row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, dormant=True), intent))
        row.work_off(lambda intent: lms.ensure_suspended(seat, intent))
        assert campus.active() == set()

    def test_an_lms_that_cannot_suspend_changes_nothing_when_asked(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        if Capability.SUSPEND in lms.capabilities:
            pytest.skip("this LMS can")
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        writes = campus.writes()
        with pytest.raises(PermanentError):
            row.attempt(lambda intent: lms.ensure_suspended(seat, intent))
        assert campus.writes() == writes

    # -- accounts that cost something

    def test_an_account_is_announced_before_it_is_made(self, lms: Lms, seat: Seat, row: Row) -> None:
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert row.declared[0] is Write.ACCOUNT
        assert Write.ENROLMENT in row.declared

    @pytest.mark.parametrize("before", ["nobody", "a deleted user"])
    def test_no_account_is_made_where_there_is_no_room_for_it(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, before: str
    ) -> None:
        if before != "nobody":
            campus.lengthen(ANNA.email)
        row.may_make_accounts = False
        state = campus.state()
        with pytest.raises(BudgetSpent):
            row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert campus.state() == state
        assert (campus.writes(), row.declared) == (0, [])
        row.may_make_accounts = True
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert campus.active() == {(ANNA.email, seat.course_id)}

    def test_somebody_who_has_an_account_costs_none(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        campus.add_account(ANNA.email)
        row.may_make_accounts = False
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert row.declared == [Write.ENROLMENT]

    # -- what an account is told of its owner

    def test_a_new_account_is_told_what_the_order_says(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, learner=ANNA_OF_ACME), intent))
        assert campus.told(ANNA.email) == ["Acme & Sons", "+34 600 000 001", "ESB123"]

    def test_what_the_order_does_not_say_is_left_out(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        vague = replace(ANNA, fields=(("company", " \n"), ("unasked", "x")))
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, learner=vague), intent))
        assert campus.told(ANNA.email) == ["", "", ""]

    @pytest.mark.parametrize("value", ODD_VALUES.values(), ids=ODD_VALUES.keys())
    def test_no_field_keeps_a_buyer_out(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, value: str
    ) -> None:
        odd = replace(ANNA, fields=(("company", value), ("phone", value), ("vat", value)))
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, learner=odd), intent))
        assert campus.active() == {(ANNA.email, seat.course_id)}

    def test_an_account_that_is_there_is_not_changed(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        campus.add_account(ANNA.email)
        row.attempt(lambda intent: lms.ensure_enrolled(replace(seat, learner=ANNA_OF_ACME), intent))
        assert campus.told(ANNA.email) == ["", "", ""]

    # -- writes that go wrong

    @pytest.mark.parametrize("nth", [0, 1], ids=["first write", "second write"])
    @pytest.mark.parametrize("kind", LOST_ANSWERS)
    def test_a_lost_answer_ends_in_one_account_and_one_enrolment(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, kind: str, nth: int
    ) -> None:
        if nth:
            campus.lengthen(ANNA.email)
        fault = Fault(kind=kind, match=campus.is_write, skip=nth, seconds=0.2)  # type: ignore[arg-type]
        campus.server.faults.add(fault)
        row.work_off(lambda intent: lms.ensure_enrolled(seat, intent))
        campus.server.wait_for_late_effects()
        assert campus.server.faults.fired == [fault]
        assert campus.accounts(ANNA.email) == 1
        assert campus.active() == {(ANNA.email, seat.course_id)}

    @pytest.mark.parametrize("nth", [0, 1], ids=["first write", "second write"])
    def test_an_answer_that_comes_too_late_ends_in_one_account_and_one_enrolment(
        self, campus: Campus, seat: Seat, row: Row, nth: int
    ) -> None:
        if nth:
            campus.lengthen(ANNA.email)
        campus.server.faults.add(Fault(kind="delay_after", match=campus.is_write, skip=nth, seconds=0.6))
        with closing(campus.connect(timeout_s=0.3)) as hasty:
            row.work_off(lambda intent: hasty.ensure_enrolled(seat, intent))
        assert campus.accounts(ANNA.email) == 1
        assert campus.active() == {(ANNA.email, seat.course_id)}

    @pytest.mark.parametrize("kind", LOST_ANSWERS)
    def test_a_withdrawal_whose_answer_is_lost_ends_outside(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, kind: str
    ) -> None:
        campus.enrol(campus.add_account(ANNA.email), seat.course_id)
        campus.server.faults.add(Fault(kind=kind, match=campus.is_write, seconds=0.2))  # type: ignore[arg-type]
        applied = row.work_off(lambda intent: lms.ensure_withdrawn(seat, intent))
        assert applied.outcome in {Outcome.REMOVED, Outcome.ABSENT}
        assert campus.active() == set()

    @pytest.mark.parametrize("kind", ["reset_after", "late_effect", "reset_in_body"])
    def test_a_write_without_an_answer_says_so(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, kind: str
    ) -> None:
        campus.server.faults.add(Fault(kind=kind, match=campus.is_write))  # type: ignore[arg-type]
        with pytest.raises(TransientError) as caught:
            row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert caught.value.answer_lost

    def test_every_write_is_declared_first(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent))
        assert row.declared_after_writes == list(range(campus.writes()))

    def test_nothing_is_written_while_an_answer_is_open(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        row.open_since = row.now
        with pytest.raises(TransientError):
            row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert campus.writes() == 0

    # -- reads that go wrong

    @pytest.mark.parametrize("fault", DEAF.values(), ids=DEAF.keys())
    def test_a_deaf_lms_is_never_written_to(self, campus: Campus, seat: Seat, row: Row, fault: Fault) -> None:
        state = campus.state()
        campus.server.faults.add(fault)
        with (
            closing(campus.connect(timeout_s=0.3)) as lms,
            pytest.raises((TransientError, ServiceBlocked)) as caught,
        ):
            row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert campus.state() == state
        assert row.declared_after_writes == []
        assert ANNA.email not in str(caught.value)

    @pytest.mark.parametrize("fault", DEAF.values(), ids=DEAF.keys())
    def test_a_deaf_lms_is_never_taken_for_an_empty_one(
        self, campus: Campus, seat: Seat, row: Row, fault: Fault
    ) -> None:
        campus.enrol(campus.add_account(ANNA.email), seat.course_id)
        campus.server.faults.add(fault)
        with closing(campus.connect(timeout_s=0.3)) as lms:
            for ask in (
                lambda: lms.fetch_presences([seat])[0],
                lambda: lms.fetch_target(Target(lms=lms.name, course_id=seat.course_id)),
                lms.fetch_identity,
                lms.fetch_offers,
                lambda: row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent)),
            ):
                with pytest.raises((TransientError, ServiceBlocked)):
                    ask()
        assert campus.active() == {(ANNA.email, seat.course_id)}

    def test_an_lms_that_is_down_is_told_from_a_row_in_trouble(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row
    ) -> None:
        campus.server.stop_answering()
        with pytest.raises(TransientError) as caught:
            row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert caught.value.whole_service
        assert not caught.value.answer_lost

    # -- odd people

    @pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES.keys())
    def test_no_name_keeps_a_buyer_out(
        self, campus: Campus, lms: Lms, seat: Seat, row: Row, names: tuple[str, str]
    ) -> None:
        odd = replace(seat, learner=replace(ANNA, first_name=names[0], last_name=names[1]))
        row.attempt(lambda intent: lms.ensure_enrolled(odd, intent))
        assert campus.active() == {(ANNA.email, seat.course_id)}

    @pytest.mark.parametrize("address", ODD_ADDRESSES)
    def test_an_odd_address_gets_its_owner_in_and_nobody_else(
        self, campus: Campus, lms: Lms, course_id: CourseId, row: Row, address: str
    ) -> None:
        for other in (BERT.email, "abcdefghijklmn@example.test", "100xsure@example.test"):
            campus.add_account(other)
        seat = Seat(learner=replace(ANNA, email=address), course_id=course_id)
        row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        again = row.attempt(lambda intent: lms.ensure_enrolled(seat, intent))
        assert again.outcome is Outcome.ALREADY
        assert {email.lower() for email, _ in campus.active()} == {address.lower()}
        assert campus.accounts(address) == 1

    def test_an_address_that_is_none_needs_a_person(
        self, campus: Campus, lms: Lms, course_id: CourseId, row: Row, subtests: pytest.Subtests
    ) -> None:
        state = campus.state()
        for address in (*NO_ADDRESSES, *campus.strange_addresses):
            with subtests.test(address=address):
                seat = Seat(learner=replace(ANNA, email=address), course_id=course_id)
                with pytest.raises(PermanentError) as caught:
                    row.attempt(lambda intent, seat=seat: lms.ensure_enrolled(seat, intent))  # type: ignore[misc]
                assert campus.state() == state
                assert len(address) < 5 or address not in str(caught.value)

    # -- what is not ours to change

    def test_a_teacher_who_buys_stays_a_teacher(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, teacher=True)
        state = campus.state()
        longer = replace(seat, applied=True, applied_until=NEXT_YEAR)
        for wish in (seat, longer):
            applied = row.attempt(lambda intent, wish=wish: lms.ensure_enrolled(wish, intent))  # type: ignore[misc]
            assert applied.outcome is Outcome.ALREADY
        assert campus.state() == state

    def test_a_teacher_is_never_put_out(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, teacher=True)
        state = campus.state()
        with pytest.raises(PermanentError) as caught:
            row.attempt(lambda intent: lms.ensure_withdrawn(seat, intent))
        assert campus.state() == state
        assert ANNA.email not in str(caught.value)

    def test_a_suspension_is_not_lifted(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        _needs_suspension(campus)
        campus.enrol(campus.add_account(ANNA.email), seat.course_id, suspended=True)
        state = campus.state()
        longer = replace(seat, applied=True, applied_until=NEXT_YEAR)
        for wish in (seat, longer):
            with pytest.raises(PermanentError):
                row.attempt(lambda intent, wish=wish: lms.ensure_enrolled(wish, intent))  # type: ignore[misc]
        assert campus.state() == state

    def test_a_suspended_account_needs_a_person(self, campus: Campus, lms: Lms, seat: Seat, row: Row) -> None:
        _needs_suspension(campus)
        user_id = campus.add_account(ANNA.email, suspended=True)
        state = campus.state()
        for wish in (seat, replace(seat, user_id=user_id)):
            with pytest.raises(PermanentError) as caught:
                row.attempt(lambda intent, wish=wish: lms.ensure_enrolled(wish, intent))  # type: ignore[misc]
            assert ANNA.email not in str(caught.value)
        assert campus.state() == state

    # -- looking

    def test_presence_tells_who_is_in(self, campus: Campus, lms: Lms, seat: Seat) -> None:
        campus.enrol(campus.add_account(ANNA.email), seat.course_id)
        campus.enrol(campus.add_account(BERT.email), seat.course_id, suspended=True)
        assert lms.fetch_presences([seat])[0] is Presence.ENROLLED
        assert lms.fetch_presences([replace(seat, learner=BERT)])[0] is Presence.ABSENT
        nobody = replace(seat, learner=Person(email="nobody@example.test"))
        assert lms.fetch_presences([nobody])[0] is Presence.ABSENT
        assert campus.writes() == 0

    def test_a_course_is_called_as_people_know_it(self, campus: Campus, lms: Lms) -> None:
        title = 'Données & Événements — 数据科学 für "Anfänger" 🚀'
        sighting = lms.fetch_target(Target(lms=lms.name, course_id=campus.add_course(title)))
        assert (sighting.title, sighting.findings, sighting.general) == (title, (), ())

    def test_a_course_that_is_not_there_is_a_mistake_in_the_mapping(self, campus: Campus, lms: Lms) -> None:
        campus.add_course("Another")
        sighting = lms.fetch_target(Target(lms=lms.name, course_id=CourseId("99999")))
        (finding,) = sighting.findings
        assert (sighting.title, finding.severity, finding.in_mapping) == (None, Severity.FATAL, True)
        assert "99999" in finding.message
        assert "mapping" in finding.remedy

    def test_a_look_at_a_target_changes_nothing(self, campus: Campus, lms: Lms, course_id: CourseId) -> None:
        before = campus.state()
        lms.fetch_target(Target(lms=lms.name, course_id=course_id))
        assert campus.state() == before

    def test_looks_at_many_targets_ask_little_more_than_one_question_each(
        self, campus: Campus, lms: Lms
    ) -> None:
        targets = [
            Target(lms=lms.name, course_id=campus.add_course(f"Course {number}")) for number in range(30)
        ]
        for target in targets * 3:
            lms.fetch_target(target)
        assert len(campus.server.requests) <= 40

    def test_every_course_is_on_offer_under_the_name_people_know(self, campus: Campus, lms: Lms) -> None:
        titles = ["Prévention & sécurité", "Inglés B1", "Inglés B2"]
        added = {campus.add_course(title): title for title in titles}
        offers = {offer.value: offer for offer in lms.fetch_offers()}
        assert {value: offers[value].title for value in added} == added
        assert {offers[value].concern for value in added} == {""}
        assert {offer.lms for offer in offers.values()} == {lms.name}

    def test_a_healthy_lms_says_who_it_is_and_lacks_nothing(self, campus: Campus, lms: Lms) -> None:
        identity = lms.fetch_identity()
        assert identity == lms.fetch_identity()
        assert identity.identity
        assert [finding for finding in identity.findings if finding.severity is Severity.FATAL] == []
        assert campus.writes() == 0


def _needs(lms: Lms, capability: Capability) -> None:
    if capability not in lms.capabilities:
        pytest.skip(f"this LMS has no {capability}")


def _needs_suspension(campus: Campus) -> None:
    if not campus.suspends:
        pytest.skip("nobody can be suspended in this LMS")


class MoodleCampus(Campus):
    profile: Mapping[str, str] = {"institution": "company", "phone1": "phone", "customfield:vat": "vat"}
    strange_addresses = (
        "josé@example.test",
        "anna@bücher.test",
        "anna@localhost",
        ".anna@example.test",
        f"anna@{'b' * 50}.{'c' * 50}.test",
    )

    def __init__(self, moodle: SandboxMoodle) -> None:
        self.server = self.moodle = moodle
        moodle.profile_fields.append(ProfileField(shortname="vat", name="VAT number"))

    def connect(self, timeout_s: float) -> Lms:
        settings = MoodleSettings(
            name="campus",
            url=self.moodle.url,
            token=Secret("sandboxtoken"),
            timeout_s=timeout_s,
            profile=dict(self.profile),
        )
        return Moodle(settings)

    def add_course(self, title: str) -> CourseId:
        return CourseId(str(self.moodle.add_course(title)))

    def add_account(self, email: str, *, suspended: bool = False) -> str:
        return str(self.moodle.add_user(email, suspended=suspended))

    def enrol(
        self, user_id: str, course_id: CourseId, *, teacher: bool = False, suspended: bool = False
    ) -> None:
        role = "editingteacher" if teacher else "student"
        self.moodle.enrol(int(user_id), int(course_id), role, suspended=suspended)

    def lengthen(self, email: str) -> None:
        """Takes two anyway: the account, then the enrolment."""

    def accounts(self, email: str) -> int:
        return len(self.moodle.accounts(email))

    def told(self, email: str) -> list[str]:
        (account,) = self.moodle.accounts(email)
        return [account.institution, account.phone1, account.customfields.get("vat", "")]

    def enrolled(self) -> set[tuple[str, CourseId]]:
        rows = self.moodle.enrolments
        return {(self.moodle.users[row.user_id].email, CourseId(str(row.course_id))) for row in rows}

    def come_to_end(self, email: str, course_id: CourseId, end: datetime) -> None:
        found = self.moodle.find_enrolment(self.moodle.accounts(email)[0].id, int(course_id))
        assert found is not None
        found.timeend = int(end.timestamp())

    def active(self) -> set[tuple[str, CourseId]]:
        return {(email, CourseId(str(course_id))) for email, course_id in self.moodle.active_enrolments()}

    def end_of(self, email: str, course_id: CourseId) -> datetime | None:
        found = self.moodle.find_enrolment(self.moodle.accounts(email)[0].id, int(course_id))
        return datetime.fromtimestamp(found.timeend, UTC) if found and found.timeend else None

    def state(self) -> object:
        return repr((self.moodle.users, self.moodle.courses, self.moodle.enrolments))

    def is_write(self, request: Request) -> bool:
        function = dict(request.form).get("wsfunction", "")
        return function.startswith(("core_user_create", "enrol_manual_", "core_group_add", "core_cohort_add"))

    def target(self, course_id: CourseId) -> Target:
        return Target(lms=LmsName("campus"), course_id=course_id)

    def describe(
        self,
        course_id: CourseId,
        *,
        name: str | None = None,
        description: str | None = None,
        authors: Sequence[str] | None = None,
        skills: Sequence[str] | None = None,
        modules: Sequence[str] | None = None,
        state: CourseState | None = None,
    ) -> None:
        self.moodle.describe_course(
            int(course_id),
            name=name,
            summary=description,
            teachers=authors,
            skills=skills,
            modules=None if modules is None else [("Week one", title, "page") for title in modules],
            visible=None if state is None else state is CourseState.OPEN,
        )

    def remove(self, course_id: CourseId) -> None:
        self.moodle.delete_course(int(course_id))


class TestMoodle(LmsContract):
    @pytest.fixture
    def campus(self) -> Iterator[Campus]:
        with SandboxMoodle() as moodle:
            yield MoodleCampus(moodle)


class ThreeSixtyCampus(Campus):
    """A course is a private group, described by the path it opens; a teacher is one who coaches it.

    Who is not to get in any more is deleted there.
    """

    profile: Mapping[str, str] = {"organization": "company", "phone": "phone", "custom": "vat"}

    strange_addresses = ("anna@localhost", "anna@example..test")
    suspends = False
    links = False
    closed = CourseState.ARCHIVED
    calls_per_course = 1

    def __init__(self, company: WatchedThreeSixty) -> None:
        self.server = self.company = company
        self.paths: dict[CourseId, str] = {}
        company.restore_joins = False

    def connect(self, timeout_s: float) -> Lms:
        settings = ThreeSixtySettings(
            name="academy",
            url=self.company.url,
            client_id=Secret("sandboxid"),
            client_secret=Secret("sandboxsecret"),
            timeout_s=timeout_s,
            profile=dict(self.profile),
        )
        return ThreeSixty(settings)

    def add_course(self, title: str) -> CourseId:
        course_id = CourseId(self.company.add_group(title))
        self.paths[course_id], _ = self.company.add_path(title, course_id)
        return course_id

    def add_account(self, email: str, *, suspended: bool = False) -> str:
        return self.company.add_user(email, status="deleted" if suspended else "active")

    def enrol(
        self, user_id: str, course_id: CourseId, *, teacher: bool = False, suspended: bool = False
    ) -> None:
        self.company.add_role(course_id, user_id, "coach" if teacher else "learner")
        if suspended:
            self.company.delete_user(user_id)

    def lengthen(self, email: str) -> None:
        self.company.add_user(email, status="deleted")

    def accounts(self, email: str) -> int:
        return len(self.company.accounts(email))

    def told(self, email: str) -> list[str]:
        (user,) = self.company.accounts(email)
        return [user.organization or "", user.phone or "", user.custom or ""]

    def enrolled(self) -> set[tuple[str, CourseId]]:
        return self.active()

    def come_to_end(self, email: str, course_id: CourseId, end: datetime) -> None:
        raise NotImplementedError("no enrolment has an end here")

    def active(self) -> set[tuple[str, CourseId]]:
        return {(mail, CourseId(group_id)) for mail, group_id in self.company.learners()}

    def end_of(self, email: str, course_id: CourseId) -> datetime | None:  # noqa: ARG002 - nobody has one
        return None

    def state(self) -> object:
        company = self.company
        company.catch_up()
        return repr((company.users, company.roles, company.enrollments, company.holdings, company.sessions))

    def is_write(self, request: Request) -> bool:
        return request.method != "GET" and not request.path.endswith("/oauth2/token")

    def target(self, course_id: CourseId) -> Target:
        return Target(lms=LmsName("academy"), course_id=course_id, options=(("path", self.paths[course_id]),))

    def describe(
        self,
        course_id: CourseId,
        *,
        name: str | None = None,
        description: str | None = None,
        authors: Sequence[str] | None = None,
        skills: Sequence[str] | None = None,
        modules: Sequence[str] | None = None,
        state: CourseState | None = None,
    ) -> None:
        self.company.describe_path(
            self.paths[course_id],
            name=name,
            description=description,
            authors=authors,
            tags=skills,
            steps=None if modules is None else [("course", title) for title in modules],
            state=None if state is None else "published" if state is CourseState.OPEN else "archived",
        )

    def remove(self, course_id: CourseId) -> None:
        self.company.remove_path(self.paths[course_id])


class TestThreeSixty(LmsContract):
    """All that goes over the wire is as 360Learning's own description has it, where that is at hand."""

    @pytest.fixture
    def campus(self) -> Iterator[Campus]:
        with WatchedThreeSixty() as company:
            yield ThreeSixtyCampus(company)
            assert company.faults_seen == []
