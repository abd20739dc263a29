"""How every `Ledger` keeps limits, of withdrawals that nobody asked for and of accounts; and what a person is asked."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.ledger_stage import CREATED, LedgerContract, OnSqlite, Stage, at, deferral, later, surrender
from wcsync.ledger.base import AccountLimit, Barred, Claim, CursorMove, Deferral, Limits, Walk
from wcsync.ledger.desk import Giving
from wcsync.ledger.report import Report
from wcsync.model import Applied, Desired, OrderId, Outcome, Person
from wcsync.sale import Access, Cause, Terms, Withdrawal

LIMITS = Limits(most=25, share=0.5)
REMOVED = Applied(outcome=Outcome.REMOVED, user_id="100")
DAY = timedelta(days=1)
BUDGET = AccountLimit(day_began=T0, next_day=T0 + DAY, per_day=2)


def enrol(stage: Stage, number: int, now: datetime = T0, first: int = 1) -> None:
    """So many learners, one order each, are in."""
    numbers = range(first, first + number)
    stage.record(*(make_order(n, email=f"{n}@example.test") for n in numbers), now=now)
    for _ in numbers:
        stage.ledger.settle_applied(stage.claim(now), CREATED, now)


def take_back(stage: Stage, number: int, now: datetime = T0, first: int = 1) -> None:
    numbers = range(first, first + number)
    stage.record(*(later(make_order(n, email=f"{n}@example.test"), "refunded") for n in numbers), now=now)


def withdraw(stage: Stage, now: datetime = T0, limits: Limits | None = LIMITS) -> int:
    """Does what is due and lets itself be done. Returns how many."""
    done = 0
    while (claim := stage.ledger.claim(CAMPUS, now, limits)) is not None:
        assert claim.desired is Desired.OUT
        stage.ledger.settle_applied(claim, REMOVED, now)
        done += 1
    return done


def budget_spent() -> Deferral:
    return Deferral(retry_at=T0 + DAY, kind="budget", reason="full", counted=False, open_since=None)


class LimitsContract(LedgerContract):
    # -- the cap -----------------------------------------------------------------------------------------------------
    @pytest.mark.parametrize(
        ("inside", "leaving", "limits", "done"),
        [
            pytest.param(60, 25, LIMITS, 25, id="as many as may be"),
            pytest.param(60, 26, LIMITS, 0, id="one too many"),
            pytest.param(60, 26, None, 26, id="no limit"),
            pytest.param(12, 6, LIMITS, 6, id="as large a share as may be"),
            pytest.param(11, 6, LIMITS, 0, id="too large a share"),
            pytest.param(5, 5, Limits(most=0, share=0.0), 5, id="so few are no mass"),
            pytest.param(60, 6, Limits(most=25, share=0.0), 0, id="no share at all"),
            pytest.param(60, 6, Limits(most=0, share=1.0), 0, id="none at all"),
        ],
    )
    def test_a_mass_of_withdrawals_is_stopped_before_its_first(
        self, stage: Stage, inside: int, leaving: int, limits: Limits | None, done: int
    ) -> None:
        enrol(stage, inside)
        take_back(stage, leaving)
        assert withdraw(stage, limits=limits) == done
        assert stage.summary().withdrawn == done

    def test_those_done_in_the_last_day_count_too(self, stage: Stage) -> None:
        enrol(stage, 60)
        take_back(stage, 20)
        assert withdraw(stage) == 20
        take_back(stage, 6, first=21)
        assert withdraw(stage, T0 + DAY - timedelta(seconds=1)) == 0
        assert withdraw(stage, T0 + DAY) == 6

    def test_those_done_by_a_clock_that_was_ahead_count_for_a_day_of_its_own(self, stage: Stage) -> None:
        enrol(stage, 60)
        take_back(stage, 20)
        assert withdraw(stage, T0 + 400 * DAY) == 20
        take_back(stage, 6, first=21)
        assert withdraw(stage, at(2)) == 6

    def test_letting_in_goes_on_meanwhile(self, stage: Stage) -> None:
        enrol(stage, 10)
        take_back(stage, 10)
        stage.record(make_order(99, email="new@example.test"), now=at(5))
        claim = stage.ledger.claim(CAMPUS, at(6), LIMITS)
        assert claim is not None
        assert (claim.desired, claim.seat.learner.email) == (Desired.IN, "new@example.test")
        assert stage.ledger.claim(CAMPUS, at(6), LIMITS) is None

    def test_a_person_allows_them(self, stage: Stage) -> None:
        enrol(stage, 10)
        take_back(stage, 10)
        assert stage.ledger.desk.allow(OrderId(3), at(1)) == 1
        assert withdraw(stage, at(1)) == 1
        assert stage.ledger.desk.allow(None, at(2)) == 9
        assert withdraw(stage, at(2)) == 9

    def test_those_allowed_leave_room_for_others(self, stage: Stage) -> None:
        enrol(stage, 60)
        take_back(stage, 50)
        stage.ledger.desk.allow(None, at(1))
        assert withdraw(stage, at(1)) == 50
        take_back(stage, 5, first=51)
        assert withdraw(stage, at(2)) == 5

    def test_a_word_for_a_withdrawal_does_not_hold_for_a_later_one(self, stage: Stage) -> None:
        enrol(stage, 10)
        take_back(stage, 10)
        stage.ledger.desk.allow(None, at(1))
        stage.record(
            *(later(make_order(n, email=f"{n}@example.test"), "completed", 2) for n in range(1, 11)),
            now=at(2),
        )
        stage.record(
            *(later(make_order(n, email=f"{n}@example.test"), "refunded", 3) for n in range(1, 11)), now=at(3)
        )
        assert withdraw(stage, at(4)) == 0

    def test_those_whose_time_has_come_are_no_mass(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        enrol(stage, 40)
        assert stage.ledger.end_expired(T0 + 10 * DAY) == 40
        assert withdraw(stage, T0 + 10 * DAY) == 40
        assert stage.ledger.end_expired(T0 + 10 * DAY) == 0

    def test_a_mass_whose_end_came_nearer_and_is_over_is_stopped(self, stage: Stage) -> None:
        """The orders that had extended them are taken back: their time would not have come yet."""
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        enrol(stage, 40)
        numbers = range(101, 141)
        again = {n: make_order(n, email=f"{n - 100}@example.test") for n in numbers}
        stage.record(*again.values(), now=at(1))
        while (claim := stage.ledger.claim(CAMPUS, at(2))) is not None:
            stage.ledger.settle_applied(claim, CREATED, at(2))
        now = T0 + 11 * DAY
        stage.record(*(later(order, "cancelled") for order in again.values()), now=now)
        assert withdraw(stage, now) == 0
        assert stage.ledger.desk.allow(None, now) == 40
        assert withdraw(stage, now) == 40

    def test_a_few_whose_end_came_nearer_count_once_they_are_done(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(access=Access(days=10))
        enrol(stage, 12)
        stage.record(*(make_order(n + 100, email=f"{n}@example.test") for n in range(1, 6)), now=at(1))
        while (claim := stage.ledger.claim(CAMPUS, at(2))) is not None:
            stage.ledger.settle_applied(claim, CREATED, at(2))
        stage.mapping.terms["PY-101"] = Terms()
        enrol(stage, 3, first=21)
        now = T0 + 10 * DAY + timedelta(hours=1)
        take_back(stage, 5, now=now, first=101)
        stage.ledger.end_expired(now)
        assert withdraw(stage, now) == 12
        take_back(stage, 3, now=now, first=21)
        assert withdraw(stage, now, Limits(most=7, share=1.0)) == 0

    def test_a_learner_who_was_relinked_is_not_held_back(self, stage: Stage) -> None:
        enrol(stage, 10)
        take_back(stage, 9)
        stage.ledger.desk.relink("10@example.test", Person(email="ten@example.test"), stage.plan, at(1))
        freed = []
        while (claim := stage.ledger.claim(CAMPUS, at(2), LIMITS)) is not None:
            stage.ledger.settle_applied(claim, CREATED if claim.desired is Desired.IN else REMOVED, at(2))
            freed.append(claim.desired)
        assert freed == [Desired.IN, Desired.OUT]
        assert stage.ledger.claim(CAMPUS, at(2), LIMITS) is None

    def test_while_a_walk_is_under_way_none_is_done(self, stage: Stage) -> None:
        enrol(stage, 10)
        stage.ledger.start_cursor("orders", T0, T0)
        order = later(make_order(1, email="1@example.test"), "refunded")
        walk = Walk(since=T0, started_at=T0, page=1)
        stage.ledger.record_page([order], (), stage.plan, CursorMove(name="orders", walk=walk), at(1))
        assert withdraw(stage, at(1)) == 0
        stage.ledger.record_page((), (), stage.plan, CursorMove(name="orders", position=at(2)), at(2))
        assert withdraw(stage, at(2)) == 1

    def test_an_lms_that_keeps_or_asks_has_no_mass(self, stage: Stage) -> None:
        """What its section of the config says is done at once for whatever was sold without a word of its own."""
        sparing = replace(LIMITS, most=6, sparing=frozenset({CAMPUS}))
        enrol(stage, 20)
        stage.mapping.terms["PY-101"] = Terms(on_withdraw=Withdrawal.UNENROL)
        enrol(stage, 7, first=21)
        take_back(stage, 27)
        assert stage.ledger.desk.allow(None, at(1), sparing=sparing.sparing) == 7
        stage.ledger.desk.allow(OrderId(1), at(1))
        done = []
        while (claim := stage.ledger.claim(CAMPUS, at(2), sparing)) is not None:
            stage.ledger.settle_asked(claim, at(2))
            done.append(claim.allowed)
        assert (len(done), sum(done)) == (27, 8)

    def test_what_was_sold_otherwise_in_an_lms_that_keeps_is_stopped_as_a_mass(self, stage: Stage) -> None:
        sparing = replace(LIMITS, most=6, sparing=frozenset({CAMPUS}))
        enrol(stage, 20)
        stage.mapping.terms["PY-101"] = Terms(on_withdraw=Withdrawal.UNENROL)
        enrol(stage, 7, first=21)
        take_back(stage, 27)
        done = 0
        while (claim := stage.ledger.claim(CAMPUS, at(2), sparing)) is not None:
            assert claim.on_withdraw is None
            stage.ledger.settle_kept(claim, at(2))
            done += 1
        assert done == 20

    def test_a_walk_that_never_ends_holds_withdrawals_up_for_a_day(self, stage: Stage) -> None:
        """Subscriptions whose plugin was switched off between two pages, say."""
        enrol(stage, 10)
        stage.ledger.start_cursor("subscriptions", T0, T0)
        walk = Walk(since=T0, started_at=at(1), page=1)
        stage.ledger.record_subscriptions((), stage.plan, CursorMove(name="subscriptions", walk=walk), at(1))
        take_back(stage, 1, now=at(2))
        assert withdraw(stage, T0 + DAY) == 0
        assert withdraw(stage, at(2) + DAY) == 1

    # -- asking, keeping ---------------------------------------------------------------------------------------------
    def asked(self, stage: Stage) -> Claim:
        stage.mapping.terms["PY-101"] = Terms(on_withdraw=Withdrawal.ASK)
        enrol(stage, 1)
        take_back(stage, 1)
        claim = stage.claim()
        assert (claim.cause, claim.on_withdraw, claim.allowed) == (Cause.ORDER, Withdrawal.ASK, False)
        assert stage.ledger.settle_asked(claim, T0)
        return claim

    def test_a_withdrawal_that_asks_waits_for_a_person(self, stage: Stage) -> None:
        self.asked(stage)
        assert (stage.kinds(), stage.ledger.claim(CAMPUS, at(9))) == (["withdraw_asked"], None)
        assert stage.ledger.desk.allow(OrderId(1), at(10)) == 1
        claim = stage.claim(at(11))
        assert (claim.desired, claim.allowed, stage.kinds()) == (Desired.OUT, True, [])
        stage.ledger.settle_applied(claim, REMOVED, at(11))
        assert stage.summary().withdrawn == 1

    def test_a_withdrawal_that_asks_is_asked_no_more_once_the_learner_is_to_stay(self, stage: Stage) -> None:
        claim = self.asked(stage)
        assert not stage.ledger.settle_asked(claim, T0)
        stage.record(later(make_order(1, email="1@example.test"), "completed", 2), now=at(2))
        assert stage.kinds() == []
        assert stage.claim(at(3)).desired is Desired.IN

    def test_what_was_sold_to_be_kept_is_kept_without_a_word(self, stage: Stage) -> None:
        stage.mapping.terms["PY-101"] = Terms(on_withdraw=Withdrawal.KEEP)
        enrol(stage, 1)
        take_back(stage, 1)
        claim = stage.claim()
        assert claim.on_withdraw is Withdrawal.KEEP
        assert stage.ledger.settle_kept(claim, T0)
        assert (stage.kinds(), stage.ledger.next_due_at(CAMPUS)) == ([], None)

    # -- accounts ----------------------------------------------------------------------------------------------------
    def test_a_learners_account_counts_once(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH"),)))
        first = stage.claim()
        limit = AccountLimit(day_began=T0, next_day=T0 + DAY, per_day=1, total=1)
        assert [stage.ledger.reserve_account(first, limit, T0) for _ in range(2)] == [None, None]
        stage.ledger.settle_applied(first, CREATED, T0)
        assert stage.ledger.reserve_account(stage.claim(), limit, T0) is None

    def test_a_day_has_room_for_so_many_and_the_next_again(self, stage: Stage) -> None:
        stage.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 5)))
        claims = [stage.claim() for _ in range(4)]
        asked = [stage.ledger.reserve_account(claim, BUDGET, at(1)) for claim in claims]
        assert asked == [None, None, T0 + DAY, T0 + DAY]
        tomorrow = AccountLimit(day_began=T0 + DAY, next_day=T0 + 2 * DAY, per_day=2)
        assert stage.ledger.reserve_account(claims[2], tomorrow, T0 + DAY) is None

    def test_accounts_made_by_a_clock_that_was_ahead_take_no_room_of_today(self, stage: Stage) -> None:
        stage.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 4)))
        claims = [stage.claim() for _ in range(3)]
        ahead = AccountLimit(day_began=T0 + 9 * DAY, next_day=T0 + 10 * DAY, per_day=2)
        assert stage.ledger.reserve_account(claims[0], ahead, T0 + 9 * DAY) is None
        assert [stage.ledger.reserve_account(claim, BUDGET, at(1)) for claim in claims[1:]] == [None, None]

    def test_a_total_is_kept_over_all_days(self, stage: Stage) -> None:
        stage.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 3)))
        claims = [stage.claim() for _ in range(2)]
        limit = AccountLimit(day_began=T0, next_day=T0 + DAY, total=1)
        assert stage.ledger.reserve_account(claims[0], limit, T0) is None
        later_on = AccountLimit(day_began=T0 + DAY, next_day=T0 + 2 * DAY, total=1)
        assert stage.ledger.reserve_account(claims[1], later_on, T0 + DAY) == T0 + 2 * DAY

    def test_lines_that_wait_for_an_account_are_parked_until_they_are_settled(self, stage: Stage) -> None:
        stage.record(make_order(1), make_order(2, lines=(make_line(sku="A"),)))
        for _ in range(2):
            claim = stage.claim(T0 + 2 * DAY)
            stage.ledger.settle_deferred(claim, budget_spent(), T0)
        assert [(entry["order_id"], entry["kind"]) for entry in stage.parked()] == [(1, "budget")]
        assert (stage.summary().due, stage.summary().unexplained) == (2, 0)
        stage.ledger.settle_applied(stage.claim(T0 + DAY), CREATED, T0 + DAY)
        assert stage.kinds() == []

    def test_a_process_that_begins_asks_at_once_whether_there_is_room_now(self, stage: Stage) -> None:
        """The budget may have been raised, and the config read again."""
        stage.record(make_order())
        stage.ledger.settle_deferred(stage.claim(), budget_spent(), T0)
        stage.ledger.recover(T0 - DAY, at(1))
        assert stage.ledger.claim(CAMPUS, at(1)) is None
        stage.ledger.recover(at(2), at(2))
        stage.ledger.settle_applied(stage.claim(at(2)), CREATED, at(2))
        assert stage.kinds() == []

    @pytest.mark.parametrize("how", ["deferred", "dead", "taken back"])
    def test_lines_wait_for_an_account_no_more_once_something_else_is_in_the_way(
        self, stage: Stage, how: str
    ) -> None:
        stage.record(make_order())
        claim = stage.claim()
        stage.ledger.settle_deferred(claim, budget_spent(), T0)
        if how == "taken back":
            stage.record(later(make_order(), "refunded"))
        elif how == "dead":
            stage.ledger.settle_dead(stage.claim(T0 + DAY), surrender(), T0 + DAY)
        else:
            stage.ledger.settle_deferred(stage.claim(T0 + DAY), deferral(99), T0 + DAY)
        assert stage.kinds() == []

    def test_what_holds_for_another_learner_of_the_line_stays(self, stage: Stage) -> None:
        order = make_order(lines=(make_line(quantity="2"),))
        stage.record(order)
        stage.ledger.desk.drop_parked(1, None, T0)
        line = stage.ledger.desk.read_open_seats(OrderId(1))[0]
        given = Person(email="bea@example.test")
        giving = Giving(order_id=line.order_id, line_id=line.line_id, learners=(given,))
        stage.ledger.desk.assign([giving], stage.plan, T0)
        for _ in range(2):
            claim = stage.claim()
            stage.ledger.settle_deferred(claim, budget_spent(), T0)
        stage.ledger.settle_applied(stage.claim(T0 + DAY), CREATED, T0 + DAY)
        assert stage.kinds() == ["budget"]
        stage.ledger.settle_applied(stage.claim(T0 + DAY), CREATED, T0 + DAY)
        assert stage.kinds() == []


class TestLimitsOnSqlite(OnSqlite, LimitsContract):
    def test_a_report_tells_what_waits_for_a_person(self, stage: Stage, tmp_path: Path) -> None:
        enrol(stage, 60)
        take_back(stage, 20)
        withdraw(stage)
        with closing(Report(tmp_path / "ledger.db")) as report:
            assert report.barred(LIMITS, at(1)) is None
            take_back(stage, 6, first=21)
            assert report.barred(LIMITS, at(1)) == Barred(waiting=6, done=20, inside=60)
            assert report.barred(LIMITS, T0 + DAY) is None

    def test_the_story_has_a_line_for_each_failed_attempt_and_none_for_the_same_wait(
        self, stage: Stage, tmp_path: Path
    ) -> None:
        stage.record(make_order())
        for second, counted in enumerate((True, True, False, False)):
            stage.ledger.settle_deferred(
                stage.claim(at(second)), deferral(second + 1, counted=counted), at(second)
            )
        stage.ledger.settle_dead(stage.claim(at(9)), surrender(), at(9))
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
            rows = db.execute("SELECT action, detail FROM audit WHERE actor = 'worker'").fetchall()
        assert rows == [
            ("deferred", "transient, attempt 1"),
            ("deferred", "transient, attempt 2"),
            ("gave_up", "permanent, attempt 3"),
        ]
