"""How withdrawals and new accounts go through worker and ledger, with answers that get lost on the way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes import T0, lost, make_line, make_order
from tests.spine import QUARANTINE_S, Spine
from wcsync.errors import TransientError
from wcsync.health import Condition, Sign
from wcsync.ledger.base import Limits
from wcsync.lms.base import Budget, Capability
from wcsync.model import OrderId
from wcsync.sale import Cause, Withdrawal
from wcsync.times import render_instant

ANA = ("ana@example.test", "42")
NEXT_MONTH, NEXT_YEAR = T0 + timedelta(days=30), T0 + timedelta(days=365)


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def inside(spine: Spine) -> Spine:
    """Ana is in, by our doing."""
    spine.record(make_order())
    spine.work()
    assert spine.lms.active() == {ANA}
    spine.lms.writes.clear()
    return spine


def wish_out(spine: Spine, cause: Cause, on_withdraw: Withdrawal | None = None) -> None:
    spine.execute(
        "UPDATE enrolments SET desired = 'out', cause = ?, on_withdraw = ?, revision = revision + 1, "
        "state = iif(state = 'leased', state, 'due'), next_attempt_at = ?",
        cause.value,
        on_withdraw or "",
        render_instant(spine.clock()),
    )


def wish_in(spine: Spine, until: datetime | None = None) -> None:
    spine.execute(
        "UPDATE enrolments SET desired = 'in', until = ?, cause = '', on_withdraw = '', revision = revision + 1, "
        "state = iif(state = 'leased', state, 'due'), next_attempt_at = ?",
        render_instant(until) if until else None,
        render_instant(spine.clock()),
    )


def lose_once(spine: Spine, what: str, *, after: bool = True) -> None:
    """The answer to the next such write is lost; `after` it took effect."""

    def hook(write: str) -> None:
        if write == what:
            spine.lms.before_write = spine.lms.after_write = lambda _what: None
            lost(write)

    if after:
        spine.lms.after_write = hook
    else:
        spine.lms.before_write = hook


def die_once(spine: Spine, what: str, *, after: bool) -> None:
    """The process is killed around the next such write."""

    def hook(write: str) -> None:
        if write == what:
            spine.lms.before_write = spine.lms.after_write = lambda _what: None
            raise KeyboardInterrupt

    if after:
        spine.lms.after_write = hook
    else:
        spine.lms.before_write = hook


def outcome(spine: Spine) -> tuple[str, str, int]:
    row = spine.row()
    return row["applied"], row["outcome"], row["dormant"]


# -- what a withdrawal comes to


def test_a_lapse_suspends_and_a_renewal_wakes(inside: Spine) -> None:
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.work()
    assert (outcome(inside), inside.lms.active()) == (("out", "suspended", 1), set())
    wish_in(inside)
    inside.work()
    assert (outcome(inside), inside.lms.active()) == (("in", "restored", 0), {ANA})
    assert inside.lms.history[ANA] == ["enrol", "suspend", "enrol"]
    assert inside.row()["ours"] == 1


def test_a_learner_woken_is_ours_to_take_out_again(inside: Spine) -> None:
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.work()
    wish_in(inside)
    inside.work()
    wish_out(inside, Cause.ORDER)
    inside.work()
    assert (outcome(inside), inside.lms.enrolled) == (("out", "removed", 0), {})


def test_a_course_sold_to_be_kept_is_kept_and_nobody_is_asked(inside: Spine) -> None:
    wish_out(inside, Cause.ORDER, Withdrawal.KEEP)
    inside.work()
    assert (inside.row()["outcome"], inside.row()["state"]) == ("kept", "settled")
    assert inside.lms.active() == {ANA}
    assert inside.rows("SELECT * FROM parked") == []


def test_a_withdrawal_that_is_asked_about_waits_on_the_list(inside: Spine) -> None:
    wish_out(inside, Cause.ORDER, Withdrawal.ASK)
    inside.work()
    assert inside.row()["outcome"] == "asked"
    assert inside.lms.active() == {ANA}
    assert [row["kind"] for row in inside.rows("SELECT kind FROM parked")] == ["withdraw_asked"]


def test_the_config_says_it_for_a_whole_lms(inside: Spine) -> None:
    inside.worker = replace(inside.worker, on_withdraw=Withdrawal.SUSPEND)
    wish_out(inside, Cause.ORDER)
    inside.work()
    assert inside.row()["outcome"] == "suspended"


def test_an_end_the_lms_was_given_takes_no_call_and_a_later_sale_wakes(spine: Spine) -> None:
    spine.lms.clock = spine.clock
    spine.record(make_order())
    wish_in(spine, NEXT_MONTH)
    spine.work()
    spine.clock.now = NEXT_MONTH
    assert spine.lms.active() == set()
    wish_out(spine, Cause.EXPIRED)
    spine.work()
    assert outcome(spine) == ("out", "expired", 1)
    assert spine.lms.history[ANA] == ["enrol"]
    wish_in(spine, NEXT_YEAR)
    spine.work()
    assert (outcome(spine), spine.lms.active()) == (("in", "restored", 0), {ANA})


def test_an_lms_without_ends_and_suspensions_unenrols_when_the_time_is_over(spine: Spine) -> None:
    spine.lms.capabilities = frozenset[Capability]()
    spine.record(make_order())
    wish_in(spine, NEXT_MONTH)
    spine.work()
    spine.clock.now = NEXT_MONTH
    wish_out(spine, Cause.EXPIRED)
    spine.work()
    assert (spine.row()["outcome"], spine.lms.enrolled) == ("removed", {})


def test_what_takes_no_call_needs_no_lms(spine: Spine) -> None:
    spine.record(make_order())
    wish_in(spine, NEXT_MONTH)
    spine.work()
    spine.clock.now = NEXT_MONTH
    wish_out(spine, Cause.EXPIRED)
    spine.lms.before_read = lambda: lost("read")
    spine.work()
    assert spine.row()["outcome"] == "expired"


def test_an_earlier_end_than_the_lms_has_is_made_by_a_call(inside: Spine) -> None:
    inside.lms.clock = inside.clock
    wish_in(inside, NEXT_MONTH)
    inside.work()
    assert inside.lms.writes == []
    inside.clock.now = NEXT_MONTH
    wish_out(inside, Cause.EXPIRED)
    inside.work()
    assert (outcome(inside), inside.lms.active()) == (("out", "suspended", 1), set())


def test_an_end_that_was_never_confirmed_is_made_by_a_call(spine: Spine) -> None:
    """The lost call let the learner in without end; the one that was wished for since was not written."""
    spine.lms.clock = spine.clock
    lose_once(spine, "enrol")
    spine.record(make_order())
    spine.work()
    wish_in(spine, NEXT_MONTH)
    spine.tick(QUARANTINE_S)
    spine.work()
    assert spine.row()["state"] == "settled"
    spine.clock.now = NEXT_MONTH
    wish_out(spine, Cause.EXPIRED)
    spine.work()
    assert (outcome(spine), spine.lms.active()) == (("out", "suspended", 1), set())
    assert spine.row()["written"] == 0


# -- whose suspension it is


def test_whom_staff_suspended_a_new_sale_does_not_wake(inside: Spine) -> None:
    (user_id,) = [one for _, one in inside.lms.accounts]
    inside.lms.suspend(user_id, "42")
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.work()
    assert outcome(inside) == ("out", "absent", 0)
    wish_in(inside)
    inside.work()
    assert (inside.row()["state"], inside.lms.active()) == ("dead", set())
    assert inside.lms.writes == []


def test_a_suspension_whose_answer_was_lost_is_ours(inside: Spine) -> None:
    lose_once(inside, "suspend")
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.settle()
    assert outcome(inside) == ("out", "suspended", 1)
    wish_in(inside)
    inside.settle()
    assert inside.lms.active() == {ANA}
    assert inside.lms.history[ANA] == ["enrol", "suspend", "enrol"]


# -- suspensions that nobody answered


@pytest.mark.parametrize("after", [True, False], ids=["after it took effect", "before it was sent"])
def test_a_suspension_cut_off_by_a_kill_ends_suspended_once(inside: Spine, after: bool) -> None:
    die_once(inside, "suspend", after=after)
    wish_out(inside, Cause.SUBSCRIPTION)
    with pytest.raises(KeyboardInterrupt):
        inside.work()
    assert inside.reopen() == 1
    inside.settle()
    assert outcome(inside) == ("out", "suspended", 1)
    assert inside.lms.history[ANA] == ["enrol", "suspend"]


@pytest.mark.parametrize("after", [True, False], ids=["after it took effect", "before it was sent"])
@pytest.mark.parametrize("how", ["killed", "lost"])
def test_a_renewal_after_an_unanswered_suspension_lets_in(inside: Spine, how: str, after: bool) -> None:
    wish_out(inside, Cause.SUBSCRIPTION)
    if how == "killed":
        die_once(inside, "suspend", after=after)
        with pytest.raises(KeyboardInterrupt):
            inside.work()
        inside.reopen()
    else:
        lose_once(inside, "suspend", after=after)
        inside.work()
    wish_in(inside)
    inside.settle()
    assert (inside.row()["state"], inside.lms.active()) == ("settled", {ANA})


def test_a_late_suspension_does_not_undo_a_renewal(inside: Spine) -> None:
    inside.lms.acts_late = lambda what: what == "suspend"
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.work()
    inside.lms.acts_late = lambda _what: False
    wish_in(inside)
    inside.work()
    assert inside.row()["state"] == "due"
    inside.tick(QUARANTINE_S / 2)
    inside.lms.catch_up()
    inside.settle()
    assert (inside.row()["state"], inside.lms.active()) == ("settled", {ANA})


def test_a_waking_that_comes_late_does_not_undo_a_suspension(inside: Spine) -> None:
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.work()
    inside.lms.acts_late = lambda what: what == "enrol"
    wish_in(inside)
    inside.work()
    inside.lms.acts_late = lambda _what: False
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.work()
    inside.tick(QUARANTINE_S / 2)
    inside.lms.catch_up()
    inside.settle()
    assert (inside.row()["state"], inside.lms.active()) == ("settled", set())
    assert outcome(inside) == ("out", "suspended", 1)


def test_a_renewal_that_comes_while_we_suspend_lets_in(inside: Spine) -> None:
    wish_out(inside, Cause.SUBSCRIPTION)

    def renew(what: str) -> None:
        if what == "suspend":
            wish_in(inside)

    inside.lms.after_write = renew
    inside.settle()
    assert (inside.row()["state"], inside.lms.active()) == ("settled", {ANA})


@pytest.mark.parametrize("after", [True, False], ids=["after it took effect", "before it was sent"])
def test_a_waking_cut_off_by_a_kill_lets_in_once(inside: Spine, after: bool) -> None:
    wish_out(inside, Cause.SUBSCRIPTION)
    inside.work()
    die_once(inside, "enrol", after=after)
    wish_in(inside, NEXT_YEAR)
    with pytest.raises(KeyboardInterrupt):
        inside.work()
    inside.reopen()
    inside.settle()
    assert inside.lms.active() == {ANA}
    assert inside.lms.history[ANA] == ["enrol", "suspend", "enrol"]
    assert inside.row()["ours"] == 1


# -- one person, two addresses


def test_one_of_two_addresses_that_lapses_suspends_nobody(spine: Spine) -> None:
    user_id = spine.lms.add_account(ANA[0])
    spine.lms.accounts.append(("ana@work.test", user_id))
    spine.record(make_order(1), make_order(2, email="ana@work.test"))
    spine.work()
    spine.execute(
        "UPDATE enrolments SET desired = 'out', cause = 'subscription', revision = revision + 1, state = 'due' "
        "WHERE ours = 1"
    )
    spine.settle()
    assert [what for what, _ in spine.lms.writes] == ["enrol"]
    assert (user_id, "42") not in spine.lms.suspended
    assert len(spine.rows("SELECT 1 FROM enrolments WHERE ours = 1")) == 1


# -- the budget of accounts


def limited(spine: Spine, zone: str = "", **budget: int) -> None:
    spine.worker = replace(spine.worker, budget=Budget(**budget), zone=lambda: zone)


def people(number: int) -> list[str]:
    return [f"learner{n}@example.test" for n in range(number)]


def buy(spine: Spine, emails: list[str]) -> None:
    spine.record(*(make_order(number, email=email) for number, email in enumerate(emails, 1)))


def test_no_more_accounts_are_made_than_a_day_has_room_for(spine: Spine) -> None:
    limited(spine, per_day=2)
    buy(spine, people(3))
    spine.work()
    assert len(spine.lms.accounts) == 2
    (waiting,) = spine.rows("SELECT * FROM enrolments WHERE state = 'due'")
    assert (waiting["error_kind"], waiting["attempts"]) == ("budget", 0)
    assert [row["kind"] for row in spine.rows("SELECT kind FROM parked")] == ["budget"]
    assert spine.patient.health.condition is Condition.UP


def test_an_lms_that_answers_again_is_up_although_its_budget_is_spent(spine: Spine) -> None:
    limited(spine, per_day=0)
    spine.record(make_order())
    spine.patient.note(Sign.FAILED, "campus: no answer")
    spine.tick(3600)
    spine.work()
    assert spine.row()["error_kind"] == "budget"
    assert spine.patient.health.condition is Condition.UP


def test_the_next_day_has_room_again(spine: Spine) -> None:
    limited(spine, per_day=2)
    buy(spine, people(5))
    spine.work()
    spine.clock.now = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
    assert spine.work() == 0
    spine.tick(1)
    spine.work()
    assert len(spine.lms.accounts) == 4
    spine.tick(86400)
    spine.work()
    assert len(spine.lms.accounts) == 5
    assert spine.rows("SELECT * FROM parked") == []
    assert len(spine.lms.active()) == 5


@pytest.mark.parametrize(
    ("zone", "next_day"),
    [
        ("Asia/Kolkata", datetime(2026, 11, 21, 18, 30, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 11, 22, 8, tzinfo=UTC)),
        ("-03:30", datetime(2026, 11, 22, 3, 30, tzinfo=UTC)),
        ("Nowhere/AtAll", datetime(2026, 11, 22, tzinfo=UTC)),
    ],
)
def test_a_day_is_one_of_the_shops_calendar(spine: Spine, zone: str, next_day: datetime) -> None:
    limited(spine, zone, per_day=1)
    buy(spine, people(2))
    spine.work()
    assert spine.ledger.next_due_at(spine.lms.name) == next_day


def test_the_total_is_never_exceeded(spine: Spine) -> None:
    limited(spine, total=2)
    buy(spine, people(4))
    for _ in range(5):
        spine.work()
        spine.tick(86400)
    assert len(spine.lms.accounts) == 2
    limited(spine, total=3)
    spine.work()
    assert len(spine.lms.accounts) == 3


def test_who_has_an_account_needs_no_room(spine: Spine) -> None:
    limited(spine, per_day=0)
    spine.lms.add_account(ANA[0])
    spine.record(make_order())
    spine.work()
    assert spine.lms.active() == {ANA}


def test_two_courses_of_one_learner_take_one_account(spine: Spine) -> None:
    limited(spine, total=1)
    spine.record(make_order(lines=(make_line(sku="BOTH"),)))
    spine.work()
    assert spine.lms.active() == {ANA, (ANA[0], "43")}


@pytest.mark.parametrize("after", [True, False], ids=["after it was made", "before it was sent"])
@pytest.mark.parametrize("how", ["killed", "lost"])
def test_an_account_whose_answer_is_lost_counts_once(spine: Spine, how: str, after: bool) -> None:
    limited(spine, total=1)
    spine.record(make_order())
    if how == "killed":
        die_once(spine, "create", after=after)
        with pytest.raises(KeyboardInterrupt):
            spine.work()
        spine.reopen()
        limited(spine, total=1)
    else:
        lose_once(spine, "create", after=after)
        spine.work()
    spine.settle()
    assert spine.lms.active() == {ANA}
    assert len(spine.rows("SELECT * FROM new_accounts")) == 1


def test_a_row_that_waits_for_room_stays_alive_however_long(spine: Spine) -> None:
    limited(spine, per_day=0)
    spine.record(make_order())
    for _ in range(40):
        assert spine.work() == 1
        spine.tick(86400)
    assert (spine.row()["state"], spine.row()["attempts"]) == ("due", 0)


def test_somebody_without_room_holds_up_nobody_who_needs_none(spine: Spine) -> None:
    limited(spine, per_day=0)
    spine.lms.add_account("bea@example.test")
    buy(spine, [ANA[0], "bea@example.test"])
    spine.work()
    assert spine.lms.active() == {("bea@example.test", "42")}


def test_trouble_after_room_was_found_is_trouble_as_ever(spine: Spine) -> None:
    limited(spine, per_day=1)
    spine.record(make_order())

    def refuse(what: str) -> None:
        if what == "create":
            raise TransientError("campus: stumbled")

    spine.lms.before_write = refuse
    spine.work()
    assert (spine.row()["error_kind"], spine.row()["attempts"]) == ("transient", 1)


def test_an_account_is_told_what_the_order_says_of_the_learner(spine: Spine) -> None:
    order = make_order()
    buyer = replace(order.buyer, fields=(("company", "Acme"),))
    spine.record(replace(order, buyer=buyer))
    spine.work()
    assert list(spine.lms.told.values()) == [(("company", "Acme"),)]


# -- a mass of withdrawals


def leave_all(spine: Spine, number: int) -> None:
    buy(spine, people(number))
    spine.work()
    wish_out(spine, Cause.ORDER)
    spine.worker = replace(spine.worker, limits=Limits(most=10, share=0.5))


def test_a_mass_of_withdrawals_is_stopped_before_its_first(spine: Spine) -> None:
    leave_all(spine, 12)
    assert spine.work() == 0
    assert len(spine.lms.active()) == 12


def test_a_few_withdrawals_are_no_mass(spine: Spine) -> None:
    leave_all(spine, 4)
    assert spine.work() == 4
    assert spine.lms.active() == set()


def test_without_limits_nothing_is_stopped(spine: Spine) -> None:
    leave_all(spine, 12)
    spine.worker = replace(spine.worker, limits=None)
    assert spine.work() == 12


def test_what_a_person_allowed_is_done_while_the_rest_waits(spine: Spine) -> None:
    leave_all(spine, 12)
    assert spine.ledger.desk.allow(OrderId(3), spine.clock()) == 1
    assert spine.work() == 1
    assert len(spine.lms.active()) == 11
    spine.ledger.desk.allow(None, spine.clock())
    assert spine.work() == 11


def test_somebody_new_gets_in_while_a_mass_is_stopped(spine: Spine) -> None:
    leave_all(spine, 12)
    spine.record(make_order(99))
    assert spine.work() == 1
    assert ANA in spine.lms.active()


def test_whose_time_is_over_leaves_while_a_mass_is_stopped(spine: Spine) -> None:
    leave_all(spine, 12)
    spine.execute(
        "UPDATE enrolments SET cause = 'expired', until = wished_at WHERE learner_key = ?",
        spine.ledger.identify("learner0@example.test"),
    )
    assert spine.work() == 1
    assert len(spine.lms.active()) == 11


def test_a_withdrawal_that_was_asked_about_and_allowed_is_done(inside: Spine) -> None:
    wish_out(inside, Cause.ORDER, Withdrawal.ASK)
    inside.work()
    assert inside.ledger.desk.allow(OrderId(1), inside.clock()) == 1
    inside.work()
    assert (outcome(inside), inside.lms.enrolled) == (("out", "removed", 0), {})
    assert inside.rows("SELECT * FROM parked") == []


def test_an_account_in_the_making_is_not_forgotten_by_a_refund(spine: Spine) -> None:
    """The refund came while the row was worked on, so there is something to settle."""
    spine.lms.acts_late = lambda what: what == "create"
    spine.record(make_order())
    spine.work()
    spine.lms.acts_late = lambda _what: False
    wish_out(spine, Cause.ORDER)
    spine.work()
    assert spine.row()["state"] == "due"
    wish_in(spine)
    spine.work()
    spine.tick(QUARANTINE_S / 2)
    spine.lms.catch_up()
    spine.settle()
    assert (len(spine.lms.accounts), spine.lms.active()) == (1, {ANA})
