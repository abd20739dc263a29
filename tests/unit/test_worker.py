import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.fakes import T0, lost, make_line, make_order
from tests.spine import QUARANTINE_S, Spine
from wcsync.errors import PermanentError, ServiceBlocked, TransientError, TurnedAway
from wcsync.events import ALWAYS, EVENTS
from wcsync.health import Condition
from wcsync.model import Order
from wcsync.retry import Backoff
from wcsync.times import render_instant
from wcsync.worker import BUG_DELAY_S

ANA = ("ana@example.test", "42")


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def logs() -> list[Any]:
    capture = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    return capture.entries


def failing(error: Exception, times: int = 10**9) -> Callable[[], None]:
    left = [times]

    def fail() -> None:
        if left[0] > 0:
            left[0] -= 1
            raise error

    return fail


def failing_on(what: str, error: Exception, times: int = 10**9) -> Callable[[str], None]:
    fail = failing(error, times)

    def hook(write: str) -> None:
        if write == what:
            fail()

    return hook


def refund(order: Order, minutes: int = 1) -> Order:
    return replace(order, status="refunded", modified_at=order.modified_at + timedelta(minutes=minutes))


def again(order: Order, minutes: int = 2) -> Order:
    return replace(order, status="completed", modified_at=order.modified_at + timedelta(minutes=minutes))


def settled(logs: list[Any]) -> list[Any]:
    return [entry for entry in logs if entry["event"] == "enrolment_settled"]


# -- the plain way ---------------------------------------------------------------------------------------------------


def test_a_paid_line_is_enrolled_with_one_account_and_one_enrolment(spine: Spine) -> None:
    spine.record(make_order())
    assert spine.work() == 1
    assert spine.lms.active() == {ANA}
    assert spine.lms.writes == [("create", ANA[0]), ("enrol", ANA[0])]
    assert spine.row()["state"] == "settled"
    assert spine.summary().enrolled == 1


def test_with_nothing_due_the_lms_is_not_even_asked_who_it_is(spine: Spine) -> None:
    assert not spine.worker.run_once()
    assert spine.lms.asked_who == 0


def test_two_courses_of_one_learner_share_an_account(spine: Spine) -> None:
    spine.record(make_order(lines=(make_line(sku="BOTH"),)))
    spine.work()
    assert spine.lms.active() == {ANA, (ANA[0], "43")}
    assert len(spine.lms.accounts) == 1


def test_a_learner_already_in_is_left_as_they_are(spine: Spine) -> None:
    spine.lms.enrolled[spine.lms.add_account(ANA[0]), "42"] = None
    spine.record(make_order())
    spine.work()
    assert spine.lms.writes == []
    assert (spine.row()["outcome"], spine.row()["ours"]) == ("already", 0)


def test_a_refund_withdraws_and_keeps_the_account(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    assert spine.lms.active() == set()
    assert len(spine.lms.accounts) == 1
    assert spine.summary().withdrawn == 1


def test_a_learner_with_another_live_order_stays_in(spine: Spine) -> None:
    first = make_order(1)
    spine.record(first, make_order(2))
    spine.work()
    spine.record(refund(first))
    assert spine.work() == 0
    assert spine.lms.active() == {ANA}


def test_a_wish_may_flip_out_and_in_again(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    spine.record(again(order))
    spine.work()
    assert spine.lms.active() == {ANA}
    assert [what for what, _ in spine.lms.writes] == ["create", "enrol", "withdraw", "enrol"]


def test_a_refund_before_anything_was_sent_costs_no_call(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.record(refund(order))
    assert spine.work() == 0
    assert (spine.lms.reads, spine.lms.writes) == (0, [])
    assert spine.row()["state"] == "settled"


def test_a_flip_back_before_anything_was_sent_enrols_once(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.record(refund(order))
    spine.record(again(order))
    assert spine.work() == 1
    assert spine.lms.active() == {ANA}


def test_an_order_refunded_while_its_row_is_worked_on_ends_withdrawn(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.lms.after_write = lambda what: spine.record(refund(order)) if what == "enrol" else None
    assert spine.worker.run_once()
    assert spine.lms.active() == {ANA}
    assert spine.row()["state"] == "due"
    spine.work()
    assert spine.lms.active() == set()
    assert spine.row()["state"] == "settled"


def test_an_enrolment_found_is_left_alone_on_a_refund_and_shown(spine: Spine) -> None:
    spine.lms.enrolled[spine.lms.add_account(ANA[0]), "42"] = None
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    reads = spine.lms.reads
    spine.work()
    assert spine.lms.active() == {ANA}
    assert spine.lms.reads == reads
    assert [row["kind"] for row in spine.rows("SELECT kind FROM parked")] == ["found_enrolment"]


def test_an_enrolment_found_and_shown_stays_on_the_list_when_the_order_is_merely_edited(spine: Spine) -> None:
    spine.lms.enrolled[spine.lms.add_account(ANA[0]), "42"] = None
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    spine.record(refund(order, minutes=5))
    assert [row["kind"] for row in spine.rows("SELECT kind FROM parked")] == ["found_enrolment"]


def test_an_enrolment_found_and_shown_leaves_the_list_when_the_order_lives_again(spine: Spine) -> None:
    spine.lms.enrolled[spine.lms.add_account(ANA[0]), "42"] = None
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    spine.record(again(order))
    spine.work()
    assert spine.rows("SELECT kind FROM parked") == []
    assert spine.lms.active() == {ANA}


def test_every_course_that_was_left_alone_is_named(spine: Spine) -> None:
    user_id = spine.lms.add_account(ANA[0])
    spine.lms.enrolled.update({(user_id, "42"): None, (user_id, "43"): None})
    order = make_order(lines=(make_line(sku="BOTH"),))
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    (parked,) = spine.rows("SELECT * FROM parked")
    assert "course 42" in parked["reason"]
    assert "course 43" in parked["reason"]


def test_an_order_refunded_and_then_cancelled_is_withdrawn_once(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    spine.record(replace(refund(order, minutes=5), status="cancelled"))
    assert spine.work() == 0
    assert [what for what, _ in spine.lms.writes].count("withdraw") == 1


def test_a_row_that_somebody_else_took_meanwhile_is_none_of_ours(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    spine.record(make_order())
    monkeypatch.setattr(spine.ledger, "claim", lambda *_: None)
    assert not spine.worker.run_once()
    assert spine.lms.reads == 0


# -- lost answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["create", "enrol"])
def test_after_a_lost_answer_the_lms_is_looked_at_before_anything_is_written_again(
    spine: Spine, what: str
) -> None:
    spine.lms.after_write = failing_on(what, TransientError("broke off", answer_lost=True), times=1)
    spine.record(make_order())
    spine.settle()
    assert spine.lms.active() == {ANA}
    assert spine.lms.writes == [("create", ANA[0]), ("enrol", ANA[0])]


def test_a_lost_answer_that_did_enrol_makes_the_enrolment_ours(spine: Spine) -> None:
    spine.lms.after_write = failing_on("enrol", TransientError("broke off", answer_lost=True), times=1)
    order = make_order()
    spine.record(order)
    spine.settle()
    spine.record(refund(order))
    spine.settle()
    assert spine.lms.active() == set()


def test_after_a_lost_withdrawal_the_lms_is_looked_at_first(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.lms.after_write = failing_on("withdraw", TransientError("broke off", answer_lost=True), times=1)
    spine.settle()
    assert spine.lms.active() == set()
    assert [what for what, _ in spine.lms.writes].count("withdraw") == 1
    assert spine.summary().withdrawn == 1


@pytest.mark.parametrize("what", ["create", "enrol"])
def test_a_negative_look_is_not_believed_while_the_call_may_still_take_effect(
    spine: Spine, what: str
) -> None:
    held = [what]
    spine.lms.acts_late = lambda write: write in held and bool(held.pop())
    spine.record(make_order())
    spine.work()
    spine.tick(QUARANTINE_S - 30)
    spine.work()
    assert what not in [done for done, _ in spine.lms.writes]
    spine.lms.catch_up()
    spine.settle()
    assert spine.lms.writes == [("create", ANA[0]), ("enrol", ANA[0])]
    assert len(spine.lms.accounts) == 1


def test_a_negative_look_is_believed_once_the_quarantine_is_over(spine: Spine) -> None:
    spine.lms.before_write = failing_on("create", TransientError("broke off", answer_lost=True), times=1)
    spine.record(make_order())
    spine.work()
    spine.tick(QUARANTINE_S + 1)
    spine.work()
    assert spine.lms.active() == {ANA}


def test_waiting_for_an_open_answer_costs_no_attempt(spine: Spine) -> None:
    spine.lms.before_write = failing_on("create", TransientError("broke off", answer_lost=True), times=1)
    spine.record(make_order())
    spine.work()
    assert spine.row()["attempts"] == 1
    spine.tick(45)
    assert spine.work() == 1
    assert spine.row()["attempts"] == 1


def test_a_row_that_waits_for_an_open_answer_is_due_when_the_quarantine_ends(spine: Spine) -> None:
    spine.lms.before_write = failing_on("create", TransientError("broke off", answer_lost=True), times=1)
    spine.record(make_order())
    spine.work()
    spine.tick(45)
    spine.work()
    due_at = spine.ledger.next_due_at(spine.lms.name)
    assert due_at is not None
    assert (due_at - T0).total_seconds() == QUARANTINE_S


def test_another_course_of_the_learner_makes_no_second_account_meanwhile(spine: Spine) -> None:
    held = ["create"]
    spine.lms.acts_late = lambda write: write in held and bool(held.pop())
    spine.record(make_order(lines=(make_line(sku="BOTH"),)))
    spine.work()
    spine.tick(10)
    spine.work()
    spine.lms.catch_up()
    spine.settle()
    assert len(spine.lms.accounts) == 1
    assert spine.lms.active() == {ANA, (ANA[0], "43")}


def test_another_learner_does_not_wait_for_an_open_answer(spine: Spine) -> None:
    held = ["create"]
    spine.lms.acts_late = lambda write: write in held and bool(held.pop())
    spine.record(make_order(1), make_order(2, email="bea@example.test"))
    spine.work()
    assert len(spine.lms.active()) == len(spine.lms.late) == 1


def test_a_withdrawal_believes_no_absence_while_an_enrolment_may_still_take_effect(spine: Spine) -> None:
    held = ["enrol"]
    spine.lms.acts_late = lambda write: write in held and bool(held.pop())
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.tick(10)
    spine.work()
    spine.lms.catch_up()
    assert spine.lms.active() == {ANA}
    spine.settle()
    assert spine.lms.active() == set()


def test_an_enrolment_believes_no_presence_while_a_withdrawal_may_still_take_effect(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    held = ["withdraw"]
    spine.lms.acts_late = lambda write: write in held and bool(held.pop())
    spine.record(refund(order))
    spine.work()
    spine.record(again(order))
    spine.tick(10)
    spine.work()
    spine.lms.catch_up()
    spine.settle()
    assert spine.lms.active() == {ANA}


def test_a_lost_enrolment_of_a_learner_who_was_out_before_is_taken_back_on_a_refund(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    spine.record(again(order))
    spine.lms.after_write = failing_on("enrol", TransientError("broke off", answer_lost=True), times=1)
    spine.work()
    spine.record(refund(order, minutes=9))
    spine.settle()
    assert spine.lms.active() == set()
    assert spine.rows("SELECT * FROM parked") == []


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(PermanentError("enrolled, but could not be added to group 9"), id="permanent"),
        pytest.param(TransientError("enrolled, but the group is locked"), id="transient"),
        pytest.param(ServiceBlocked("enrolled, but groups are forbidden"), id="blocked"),
    ],
)
def test_what_was_half_done_is_taken_back_on_a_refund(spine: Spine, error: Exception) -> None:
    spine.lms.after_write = failing_on("enrol", error)
    order = make_order()
    spine.record(order)
    spine.work()
    assert spine.lms.active() == {ANA}
    spine.record(refund(order))
    spine.settle()
    assert spine.lms.active() == set()


def test_somebody_in_before_stays_in_when_a_group_could_not_be_joined(spine: Spine) -> None:
    spine.lms.enrolled[spine.lms.add_account(ANA[0]), "42"] = None
    spine.lms.after_look = failing(PermanentError("could not be added to group 9"), times=1)
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    assert spine.lms.active() == {ANA}
    assert spine.lms.writes == []


def test_somebody_in_before_stays_in_when_we_died_before_we_looked(spine: Spine) -> None:
    spine.lms.enrolled[spine.lms.add_account(ANA[0]), "42"] = None
    order = make_order()
    spine.record(order)
    assert spine.ledger.claim(spine.lms.name, spine.clock()) is not None
    spine.reopen()
    spine.work()
    assert spine.row()["ours"] == 0
    spine.record(refund(order))
    spine.work()
    assert spine.lms.active() == {ANA}


def test_what_was_half_done_and_is_found_later_is_ours(spine: Spine) -> None:
    spine.lms.after_write = failing_on("enrol", PermanentError("could not be added to group 9"), times=1)
    order = make_order()
    spine.record(order)
    spine.work()
    assert spine.ledger.desk.revive(None, None, None, spine.plan, spine.clock()) == 1
    spine.work()
    assert spine.row()["outcome"] == "already"
    spine.record(refund(order))
    spine.work()
    assert spine.lms.active() == set()


def test_accepted_but_not_to_be_seen_is_looked_at_again_after_the_quarantine(spine: Spine) -> None:
    spine.lms.unsure = True
    spine.record(make_order())
    spine.work()
    row = spine.row()
    assert (row["state"], row["error_kind"], row["sending_since"] is not None) == ("due", "transient", True)
    spine.tick(QUARANTINE_S + 1)
    spine.work()
    assert spine.row()["state"] == "settled"
    assert [what for what, _ in spine.lms.writes].count("enrol") == 1


def test_our_clock_set_back_does_not_end_the_quarantine(spine: Spine) -> None:
    held = ["create"]
    spine.lms.acts_late = lambda write: write in held and bool(held.pop())
    order = make_order()
    spine.record(order)
    spine.work()
    spine.tick(-3600)
    spine.execute("UPDATE enrolments SET next_attempt_at = '2026-11-21T00:00:00.000000Z'")
    spine.work()
    assert spine.lms.writes == []
    spine.lms.catch_up()
    spine.settle()
    assert len(spine.lms.accounts) == 1
    assert spine.lms.active() == {ANA}


def test_a_long_attempt_stamps_each_write_anew(spine: Spine) -> None:
    spine.lms.after_write = lambda what: spine.tick(60) if what == "create" else lost(what)
    spine.record(make_order())
    spine.work()
    assert spine.row()["sending_since"] == "2026-11-21T12:01:00.000000Z"


def test_nothing_is_written_for_a_row_that_was_taken_over(spine: Spine, logs: list[Any]) -> None:
    def slow() -> None:
        spine.tick(3600)
        assert spine.ledger.recover(spine.clock(), spine.clock()) == 1

    spine.lms.before_read = slow
    spine.record(make_order())
    assert spine.worker.run_once()
    assert spine.lms.writes == []
    assert [entry["outcome"] for entry in settled(logs)] == ["taken_over"]


def test_what_a_frozen_worker_holds_is_not_sent_by_another_before_it_has_had_its_say(spine: Spine) -> None:
    """The machine stood still between the look and the call, for longer than any lease. All go on at once."""
    stood_still = list[bool]()

    def stand_still(_what: str) -> None:
        if not stood_still:
            stood_still.append(True)
            spine.tick(3600)
            assert spine.ledger.recover(spine.clock() - timedelta(minutes=15), spine.clock()) == 1
            spine.work()

    spine.lms.before_write = stand_still
    spine.record(make_order())
    spine.settle()
    assert spine.lms.writes == [("create", ANA[0]), ("enrol", ANA[0])]
    assert spine.lms.active() == {ANA}


def test_a_call_that_went_out_late_is_waited_for_from_when_its_answer_was_lost(spine: Spine) -> None:
    """The machine stood still between the word in the ledger and the call, which then takes effect late."""

    def stand_still(what: str) -> None:
        spine.tick(QUARANTINE_S)
        lost(what)

    spine.lms.before_write = stand_still
    spine.record(make_order())
    spine.work()
    spine.lms.before_write = lambda _what: None
    spine.tick(QUARANTINE_S - 1)
    spine.work()
    assert spine.lms.writes == []
    spine.tick(2)
    spine.settle()
    assert spine.lms.active() == {ANA}


def test_a_look_that_began_too_early_is_not_believed_however_late_it_is_answered(spine: Spine) -> None:
    """What was still to come may have come while the answer was on its way."""
    spine.lms.before_write = lost
    spine.record(make_order())
    spine.work()
    spine.lms.before_write = lambda _what: None
    spine.tick(QUARANTINE_S - 10)
    spine.lms.before_read = lambda: spine.tick(20)
    spine.execute("UPDATE enrolments SET next_attempt_at = ?", render_instant(spine.clock()))
    spine.worker.run_once()
    assert spine.lms.writes == []
    spine.lms.before_read = lambda: None
    spine.settle()
    assert spine.lms.writes == [("create", ANA[0]), ("enrol", ANA[0])]


# -- each class of error ---------------------------------------------------------------------------------------------


def test_trouble_with_one_row_makes_it_wait_longer_each_time(spine: Spine) -> None:
    spine.lms.before_read = failing(TransientError("user is locked"))
    spine.record(make_order())
    waits = []
    for _ in range(4):
        before = spine.clock()
        spine.work()
        due_at = spine.ledger.next_due_at(spine.lms.name)
        assert due_at is not None
        waits.append((due_at - before).total_seconds())
        spine.tick(waits[-1])
    assert waits == [22.5, 45, 90, 180]
    assert spine.row()["attempts"] == 4


def test_a_wait_that_was_asked_for_is_kept(spine: Spine) -> None:
    spine.lms.before_read = failing(TransientError("slow down", retry_after_s=500))
    spine.record(make_order())
    spine.work()
    spine.tick(499)
    assert spine.work() == 0
    spine.tick(1)
    assert spine.work() == 1


def test_a_row_is_dead_after_its_last_attempt_and_can_be_revived(tmp_path: Path) -> None:
    spine = Spine(tmp_path, backoff=Backoff(max_attempts=3))
    spine.lms.before_read = failing(TransientError("user is locked"), times=3)
    spine.record(make_order())
    spine.settle()
    assert (spine.row()["state"], spine.row()["attempts"], spine.summary().dead) == ("dead", 3, 1)
    assert spine.ledger.desk.revive(None, None, 1, spine.plan, spine.clock()) == 1
    spine.settle()
    assert spine.lms.active() == {ANA}
    spine.close()


def test_what_will_fail_again_is_dead_at_once_and_others_go_on(spine: Spine) -> None:
    spine.lms.before_read = failing(PermanentError("course 42 unknown"), times=1)
    spine.record(make_order(1), make_order(2, email="bea@example.test"))
    spine.work()
    assert spine.summary().dead == 1
    assert len(spine.lms.active()) == 1
    assert spine.patient.health.condition is Condition.UP


def test_a_call_that_was_turned_away_is_tried_again_before_it_is_given_up(spine: Spine) -> None:
    """A firewall may have refused it for what is in it, or for once."""
    spine.lms.before_write = failing_on("enrol", TurnedAway("campus: a firewall refused this"), times=3)
    spine.record(make_order())
    spine.settle()
    assert spine.lms.active() == {ANA}


def test_a_call_that_is_always_turned_away_ends_dead_and_holds_up_no_other(tmp_path: Path) -> None:
    spine = Spine(tmp_path, backoff=Backoff(max_attempts=3))
    spine.lms.before_enrol_in["43"] = failing(TurnedAway("campus: a firewall refused this"))
    spine.record(make_order(lines=(make_line(1, sku="PY-102"), make_line(2, sku="PY-101"))))
    spine.work()
    assert spine.lms.active() == {ANA}
    assert spine.patient.health.condition is Condition.UP
    spine.settle()
    assert (spine.row("43")["state"], spine.row("43")["attempts"]) == ("dead", 3)
    spine.close()


def test_a_dead_row_whose_wish_changes_is_tried_again(spine: Spine) -> None:
    order = make_order()
    spine.lms.after_write = failing_on("enrol", PermanentError("no group 9"), times=1)
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    assert spine.row()["state"] == "due"


def test_a_service_in_trouble_costs_each_row_one_attempt_at_most(spine: Spine) -> None:
    spine.lms.before_read = failing(TransientError("refused", whole_service=True))
    spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 6)))
    for _ in range(40):
        spine.work()
        spine.tick(60)
    rows = spine.rows("SELECT attempts, state FROM enrolments")
    assert max(row["attempts"] for row in rows) <= 1
    assert {row["state"] for row in rows} == {"due"}
    assert spine.lms.reads < 20


def test_after_trouble_with_the_service_all_rows_are_worked_off(spine: Spine) -> None:
    spine.lms.before_read = failing(TransientError("refused", whole_service=True), times=5)
    spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 6)))
    spine.settle()
    assert len(spine.lms.active()) == 5
    assert spine.patient.health.condition is Condition.UP


def test_a_service_in_trouble_is_sent_one_row_as_a_probe(spine: Spine) -> None:
    spine.lms.before_read = failing(TransientError("refused", whole_service=True), times=1)
    spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 4)))
    assert spine.work() == 1
    spine.tick(60)
    now = spine.clock()
    probe = spine.ledger.claim(spine.lms.name, now)
    assert probe is not None
    assert not probe.service_was_up
    assert spine.ledger.claim(spine.lms.name, now) is None


def test_a_poison_row_that_looks_like_service_trouble_neither_blocks_nor_spins(spine: Spine) -> None:
    poison = "1@example.test"
    real = spine.lms.ensure_enrolled

    def poisoned(seat: Any, intent: Any) -> Any:
        if seat.learner.email == poison:
            raise TransientError("answered 500", whole_service=True)
        return real(seat, intent)

    spine.lms.ensure_enrolled = poisoned  # type: ignore[method-assign]
    spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 8)))
    attempts = 0
    for _ in range(20):
        attempts += spine.work()
        spine.tick(60)
    assert len(spine.lms.active()) == 6
    assert attempts < 40


def test_rows_that_fail_one_after_another_are_the_trouble_of_the_service(spine: Spine) -> None:
    spine.lms.before_write = failing_on("create", TransientError("campus: did not answer in time"))
    for number in range(1, 7):
        spine.record(make_order(number, email=f"u{number}@example.test"))
    spine.work()
    assert spine.patient.health.condition is Condition.DOWN
    assert [row["attempts"] for row in spine.rows("SELECT attempts FROM enrolments ORDER BY 1 DESC")] == [
        1,
        1,
        1,
        0,
        0,
        0,
    ]


def test_an_outage_of_days_in_which_each_call_hangs_kills_no_row(spine: Spine) -> None:
    hangs = TransientError("campus: did not answer in time", answer_lost=True)
    spine.lms.before_write = failing_on("create", hangs)
    for number in range(1, 6):
        spine.record(make_order(number, email=f"u{number}@example.test"))
    for _ in range(3 * 24 * 12):
        spine.work()
        spine.clock.tick(300)
    assert spine.summary().dead == 0
    spine.lms.before_write = lambda _what: None
    spine.clock.tick(6 * 3600)
    spine.work()
    assert spine.summary().enrolled == 5


def test_a_row_alone_in_an_outage_is_not_blamed_for_it(spine: Spine) -> None:
    spine.record(make_order())
    spine.work()
    spine.record(make_order(2, email="bob@example.test"))
    hangs = TransientError("campus: did not answer in time")
    spine.lms.before_read = failing(hangs)
    spine.lms.before_identity = failing(hangs)
    for _ in range(100):
        spine.work()
        spine.clock.tick(3600)
    assert spine.rows("SELECT state, attempts FROM enrolments WHERE attempts = 0 OR state <> 'settled'") == [
        {"state": "due", "attempts": 0}
    ]


def test_a_row_that_fails_alone_while_others_work_ends_dead(tmp_path: Path) -> None:
    spine = Spine(tmp_path, backoff=Backoff(max_attempts=3))
    spine.lms.before_write = lambda _what: None
    spine.record(make_order())
    spine.work()
    spine.record(make_order(2, email="poison@example.test"))
    spine.lms.before_write = failing_on("create", TransientError("campus: answered 500"))
    for _ in range(3):
        spine.work()
        spine.clock.tick(7 * 3600)
    assert spine.summary().dead == 1
    assert spine.patient.health.condition is Condition.UP
    spine.close()


def test_a_blocked_service_is_left_alone_as_a_whole_and_costs_no_attempt(spine: Spine) -> None:
    spine.lms.before_read = failing(ServiceBlocked("the token is not valid"))
    spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 4)))
    assert spine.work() == 1
    assert spine.work() == 0
    assert [row["attempts"] for row in spine.rows("SELECT attempts FROM enrolments")] == [0, 0, 0]
    assert spine.patient.health.condition is Condition.BLOCKED


def test_a_blocked_service_that_was_mended_resumes(spine: Spine) -> None:
    spine.lms.before_read = failing(ServiceBlocked("the token is not valid"), times=3)
    spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 4)))
    spine.settle()
    assert len(spine.lms.active()) == 3


def test_a_row_that_alone_is_refused_holds_up_no_other_and_ends_dead(tmp_path: Path) -> None:
    spine = Spine(tmp_path, backoff=Backoff(max_attempts=4))
    refused = ServiceBlocked("course 43: the role may not enrol there")
    spine.lms.before_enrol_in["43"] = failing(refused)
    spine.record(make_order(1, email="bad@example.test", lines=(make_line(sku="PY-102"),)))
    waits = []
    for number in range(2, 40):
        spine.record(make_order(number, email=f"u{number}@example.test"))
        waited = 0
        while spine.summary().enrolled < number - 1:
            spine.work()
            spine.clock.tick(10)
            waited += 10
        waits.append(waited)
    assert max(waits) <= 130
    assert spine.row("43")["state"] == "dead"
    spine.close()


def test_a_refusal_of_all_kills_no_row_however_long(tmp_path: Path) -> None:
    spine = Spine(tmp_path, backoff=Backoff(max_attempts=2))
    spine.lms.before_read = failing(ServiceBlocked("the token is not valid"))
    for number in range(1, 4):
        spine.record(make_order(number, email=f"u{number}@example.test"))
    for _ in range(200):
        spine.work()
        spine.clock.tick(1800)
    assert [row["attempts"] for row in spine.rows("SELECT attempts FROM enrolments")] == [0, 0, 0]
    spine.lms.before_read = lambda: None
    for _ in range(3):
        spine.clock.tick(3600)
        spine.work()
    assert spine.summary().enrolled == 3
    spine.close()


def test_a_bug_is_told_with_its_traceback_and_puts_its_row_off_alone(spine: Spine, logs: list[Any]) -> None:
    spine.lms.before_read = failing(ZeroDivisionError("boom"), times=1)
    spine.record(make_order(1), make_order(2, email="bea@example.test"))
    spine.work()
    (critical,) = [entry for entry in logs if entry["log_level"] == "critical"]
    assert (critical["event"], critical["exc_info"]) == ("worker_failed", True)
    assert len(spine.lms.active()) == 1
    (row,) = spine.rows("SELECT * FROM enrolments WHERE state = 'due'")
    assert row["error_kind"] == "bug"
    spine.tick(BUG_DELAY_S - 1)
    assert spine.work() == 0
    spine.tick(1)
    assert spine.work() == 1
    assert len(spine.lms.active()) == 2


def test_a_bug_after_a_write_was_announced_leaves_its_answer_open(spine: Spine) -> None:
    spine.lms.after_write = failing_on("enrol", ZeroDivisionError("boom"), times=1)
    spine.record(make_order())
    spine.work()
    assert spine.row()["sending_since"] is not None


def test_a_row_that_always_meets_a_bug_ends_dead(tmp_path: Path) -> None:
    spine = Spine(tmp_path, backoff=Backoff(max_attempts=2))
    spine.lms.before_read = failing(ZeroDivisionError("boom"))
    spine.record(make_order())
    spine.settle()
    assert (spine.row()["state"], spine.row()["error_kind"]) == ("dead", "bug")
    spine.close()


def test_attempts_begin_anew_when_the_wish_changed_while_the_row_was_worked_on(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.lms.before_read = failing(TransientError("user is locked"), times=3)
    spine.settle()
    spine.record(refund(order))
    spine.lms.before_read = failing(TransientError("user is locked"), times=1)
    real = spine.lms.before_read

    def flip() -> None:
        spine.record(again(order))
        real()

    spine.lms.before_read = flip
    spine.worker.run_once()
    assert spine.row()["attempts"] == 0


@pytest.mark.parametrize("refunded", [False, True], ids=["to be in", "to be out"])
def test_an_erased_learner_is_left_to_a_person_without_a_call(spine: Spine, refunded: bool) -> None:
    order = make_order()
    spine.record(order)
    if refunded:
        spine.work()
        spine.record(refund(order))
    reads = spine.lms.reads
    spine.execute("UPDATE learners SET email = '', first_name = '', last_name = ''")
    spine.work()
    assert spine.lms.reads == reads
    assert (spine.row()["state"], spine.row()["error_kind"]) == ("dead", "erased")


def test_an_erased_learner_says_nothing_about_a_sick_service(spine: Spine) -> None:
    spine.lms.before_read = failing(ServiceBlocked("the token is not valid"))
    spine.record(make_order())
    spine.work()
    spine.execute("UPDATE learners SET email = ''")
    spine.tick(3600)
    spine.work()
    assert spine.row()["state"] == "dead"
    assert spine.patient.health.condition is Condition.BLOCKED


def test_an_attempt_the_ledger_could_not_settle_is_looked_at_first_and_not_called_a_bug(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    spine.record(make_order())
    with monkeypatch.context() as patched:
        patched.setattr(spine.ledger, "settle_applied", full)
        with pytest.raises(sqlite3.OperationalError):
            spine.worker.run_once()
    assert spine.row()["state"] == "leased"
    spine.tick(3600)
    spine.ledger.recover(spine.clock(), spine.clock())
    spine.settle()
    assert spine.lms.writes == [("create", ANA[0]), ("enrol", ANA[0])]
    assert (spine.row()["state"], spine.row()["ours"]) == ("settled", 1)


# -- who answers -----------------------------------------------------------------------------------------------------


def test_the_first_answer_becomes_the_known_identity(spine: Spine, logs: list[Any]) -> None:
    spine.record(make_order())
    spine.work()
    assert spine.ledger.read_service("campus", spine.clock()).identity == "https://campus.example.com"
    assert [entry["identity"] for entry in logs if entry["event"] == "service_first_seen"] == [
        "https://campus.example.com"
    ]


def test_another_lms_gets_no_call_and_the_message_says_how_to_accept_it(spine: Spine) -> None:
    spine.ledger.record_identity("campus", "https://campus.example.com", "Campus", spine.clock())
    spine.lms.identity = "https://staging.example.com"
    spine.record(make_order())
    assert spine.work() == 0
    assert (spine.lms.reads, spine.lms.writes) == (0, [])
    health = spine.patient.health
    assert health.condition is Condition.BLOCKED
    assert "`wcsync accept campus`" in health.reason
    assert "https://staging.example.com" in health.reason


def test_an_accepted_lms_is_worked_with(spine: Spine) -> None:
    spine.ledger.record_identity("campus", "https://old.example.com", "Campus", spine.clock())
    spine.record(make_order())
    assert spine.work() == 0
    assert spine.worker.gate.accept().title == "Campus"
    spine.tick(3600)
    spine.work()
    assert spine.lms.active() == {ANA}


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param("http://campus.example.com", id="scheme"),
        pytest.param("https://campus.example.com/", id="slash"),
        pytest.param("https://Campus.Example.com", id="case"),
    ],
)
def test_the_same_site_spelt_otherwise_is_the_same(spine: Spine, identity: str) -> None:
    spine.ledger.record_identity("campus", "https://campus.example.com", "Campus", spine.clock())
    spine.lms.identity = identity
    spine.record(make_order())
    assert spine.work() == 1


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param("https://campus.example.com/staging", id="another folder"),
        pytest.param("https://campus.example.com:8443", id="another port"),
        pytest.param("https://[campus.example.com", id="no address at all"),
    ],
)
def test_another_place_is_another_site(spine: Spine, identity: str) -> None:
    spine.ledger.record_identity("campus", "https://campus.example.com", "Campus", spine.clock())
    spine.lms.identity = identity
    spine.record(make_order())
    assert spine.work() == 0


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        pytest.param(TransientError("timed out"), Condition.DOWN, id="transient"),
        pytest.param(PermanentError("not understood"), Condition.BLOCKED, id="permanent"),
        pytest.param(ServiceBlocked("wrong token"), Condition.BLOCKED, id="blocked"),
    ],
)
def test_an_lms_that_cannot_say_who_it_is_gets_no_row(
    spine: Spine, error: Exception, condition: Condition
) -> None:
    spine.lms.before_identity = failing(error)
    spine.record(make_order())
    assert spine.work() == 0
    assert spine.patient.health.condition is condition
    assert spine.row()["attempts"] == 0
    assert spine.lms.asked_who == 1


def test_who_answers_is_asked_once_in_a_while(spine: Spine) -> None:
    spine.record(*(make_order(n, email=f"{n}@example.test") for n in range(1, 5)))
    spine.work()
    assert spine.lms.asked_who == 1
    spine.tick(3600)
    spine.record(make_order(9, email="9@example.test"))
    spine.work()
    assert spine.lms.asked_who == 2


# -- health and logs -------------------------------------------------------------------------------------------------


def test_health_outlives_the_process(spine: Spine) -> None:
    spine.lms.before_read = failing(ServiceBlocked("the token is not valid"))
    spine.record(make_order())
    spine.work()
    spine.tick(5)
    spine.reopen()
    health = spine.patient.health
    assert (health.condition, health.since, health.reason) == (
        Condition.BLOCKED,
        T0,
        "the token is not valid",
    )


def test_a_sick_service_is_probed_at_once_after_a_restart(spine: Spine) -> None:
    spine.lms.before_read = failing(ServiceBlocked("the token is not valid"), times=1)
    spine.record(make_order())
    spine.work()
    spine.tick(31)
    spine.execute("UPDATE services SET retry_at = '2026-11-21T12:30:00.000000Z'")
    spine.reopen()
    spine.work()
    assert spine.lms.active() == {ANA}


def test_trouble_is_told_when_it_begins_and_when_it_ends(spine: Spine, logs: list[Any]) -> None:
    spine.lms.before_read = failing(TransientError("refused", whole_service=True), times=4)
    spine.record(make_order())
    spine.settle()
    told = [(entry["event"], entry["log_level"]) for entry in logs if entry["event"].startswith("service_")]
    assert told == [
        ("service_first_seen", "info"),
        ("service_unavailable", "warning"),
        ("service_recovered", "info"),
    ]


def test_a_service_falls_ill_and_gets_well_in_no_enrolments_name(spine: Spine, logs: list[Any]) -> None:
    """`tail` and people who search by a learner would take the service's trouble for that learner's."""
    spine.record(make_order())
    spine.lms.before_read = failing(TransientError("refused", whole_service=True), times=1)
    for _ in range(2):
        spine.work()
        spine.tick(QUARANTINE_S)
    told = {entry["event"]: set(entry) - {*ALWAYS, "log_level"} for entry in logs}
    assert told["service_unavailable"] == set(EVENTS["service_unavailable"].keys)
    assert told["service_recovered"] == set(EVENTS["service_recovered"].keys)


def test_a_blocked_service_is_told_as_an_error(spine: Spine, logs: list[Any]) -> None:
    spine.lms.before_read = failing(ServiceBlocked("the token is not valid"))
    spine.record(make_order())
    spine.work()
    (told,) = [entry for entry in logs if entry["event"] == "service_blocked"]
    assert (told["log_level"], told["reason"]) == ("error", "the token is not valid")


@pytest.mark.parametrize(
    ("error", "level", "outcome"),
    [
        pytest.param(None, "info", "created", id="worked"),
        pytest.param(TransientError("busy"), "warning", "deferred", id="transient"),
        pytest.param(PermanentError("no such course"), "error", "dead", id="permanent"),
        pytest.param(ServiceBlocked("no token"), "warning", "deferred", id="blocked"),
        pytest.param(ZeroDivisionError("boom"), "warning", "deferred", id="bug"),
    ],
)
def test_each_attempt_ends_in_one_line_without_names_or_addresses(
    spine: Spine, logs: list[Any], error: Exception | None, level: str, outcome: str
) -> None:
    if error is not None:
        spine.lms.before_read = failing(error)
    spine.record(make_order())
    assert spine.work() == 1
    (line,) = settled(logs)
    assert (line["log_level"], line["outcome"], line["attempt"], line["lms"], line["course_id"]) == (
        level,
        outcome,
        1,
        "campus",
        "42",
    )
    everything = repr(logs).casefold()
    assert all(word not in everything for word in ("ana@", "ana'", "núñez", "example.test"))


def test_a_kept_enrolment_ends_in_one_line_too(spine: Spine, logs: list[Any]) -> None:
    spine.lms.enrolled[spine.lms.add_account(ANA[0]), "42"] = None
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    assert [entry["outcome"] for entry in settled(logs)] == ["already", "kept"]


def test_nothing_stays_bound_to_the_log_after_an_attempt(spine: Spine) -> None:
    spine.record(make_order())
    spine.work()
    assert structlog.contextvars.get_contextvars() == {}


# -- one person, two addresses ---------------------------------------------------------------------------------------


def test_a_refund_under_one_address_leaves_in_whom_the_other_address_keeps_in(spine: Spine) -> None:
    user_id = spine.lms.add_account(ANA[0])
    first, second = make_order(1), make_order(2, email="ana.married@example.test")
    spine.record(first)
    spine.work()
    spine.lms.accounts.append(("ana.married@example.test", user_id))
    spine.record(second)
    spine.work()
    spine.record(refund(first))
    spine.work()
    assert ("enrol", ANA[0]) in spine.lms.writes
    assert [what for what, _ in spine.lms.writes] == ["enrol"]
    spine.record(refund(second))
    spine.work()
    assert spine.lms.enrolled == {}


# -- paid no more ----------------------------------------------------------------------------------------------------


def test_a_charge_back_before_the_enrolment_holds_it_up(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.record(replace(order, status="on-hold", modified_at=order.modified_at + timedelta(minutes=1)))
    spine.work()
    assert spine.lms.active() == set()
    spine.record(again(order))
    spine.work()
    assert spine.lms.active() == {ANA}


def test_a_charge_back_after_the_enrolment_puts_nobody_out(spine: Spine) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(replace(order, status="on-hold", modified_at=order.modified_at + timedelta(minutes=1)))
    spine.work()
    assert spine.lms.active() == {ANA}
