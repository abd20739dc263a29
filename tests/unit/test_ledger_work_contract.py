"""How every `Ledger` gives out work and takes the outcome, and what people may say about it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.ledger_stage import (
    ACADEMY,
    CREATED,
    LedgerContract,
    OnSqlite,
    Stage,
    at,
    deferral,
    later,
    surrender,
)
from wcsync.health import Condition, Health
from wcsync.model import (
    Applied,
    CourseId,
    Desired,
    LmsName,
    Outcome,
    Person,
)


class WorkContract(LedgerContract):
    # -- claims ------------------------------------------------------------------------------------------------------
    def test_nothing_due_is_nothing_to_claim(self, stage: Stage) -> None:
        assert stage.ledger.claim(CAMPUS, T0) is None
        assert stage.ledger.next_due_at(CAMPUS) is None

    def test_a_claim_says_all_that_the_call_needs(self, stage: Stage) -> None:
        stage.record(make_order())
        claim = stage.claim(at(1))
        assert (claim.lms, claim.course_id, claim.desired, claim.attempts) == ("campus", "42", Desired.IN, 1)
        assert claim.seat.learner == Person(email="ana@example.test", first_name="Ana", last_name="Núñez")
        assert (claim.seat.user_id, claim.seat.applied, claim.seat.until) == (None, False, None)
        assert (claim.open_since, claim.sending_since, claim.service_was_up) == (None, at(1), True)
        assert (claim.found, claim.ours, claim.written) == (False, False, False)

    def test_the_oldest_due_row_is_first(self, stage: Stage) -> None:
        for n, second in ((1, 30), (2, 10), (3, 20)):
            stage.record(make_order(n, email=f"{n}@example.test"), now=at(second))
        claimed = [stage.claim(at(60)).seat.learner.email for _ in range(3)]
        assert claimed == ["2@example.test", "3@example.test", "1@example.test"]

    def test_a_row_is_not_claimed_before_its_time(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.settle_deferred(stage.claim(), deferral(30), T0)
        assert stage.ledger.claim(CAMPUS, at(29)) is None
        assert stage.ledger.next_due_at(CAMPUS) == at(30)
        assert stage.claim(at(30)).attempts == 2

    def test_a_learner_is_never_worked_on_twice_at_once_in_one_lms(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH"),)))
        first = stage.claim()
        assert stage.ledger.claim(CAMPUS, T0) is None
        stage.ledger.settle_applied(first, CREATED, T0)
        assert stage.claim().course_id != first.course_id

    def test_another_learner_is_not_held_up(self, stage: Stage) -> None:
        stage.record(make_order(1, lines=(make_line(sku="BOTH"),)), make_order(2, email="bea@example.test"))
        assert stage.claim().learner_key != stage.claim().learner_key
        assert stage.ledger.claim(CAMPUS, T0) is None

    def test_a_learner_may_be_worked_on_in_two_lmss_at_once(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(1), make_line(2, sku="A"))))
        stage.claim()
        assert stage.ledger.claim(ACADEMY, T0) is not None

    def test_a_service_left_alone_gives_no_claims(self, stage: Stage) -> None:
        stage.record(make_order())
        sick = Health(condition=Condition.DOWN, since=T0, failures=1, retry_at=at(30), reason="timed out")
        stage.ledger.record_health(CAMPUS, sick)
        assert stage.ledger.claim(CAMPUS, at(29)) is None
        assert not stage.claim(at(30)).service_was_up

    def test_a_wait_of_a_service_from_a_clock_that_was_ahead_is_over(self, stage: Stage) -> None:
        stage.record(make_order())
        ahead = T0 + timedelta(days=400)
        stage.ledger.record_health(CAMPUS, Health(condition=Condition.DOWN, since=ahead, retry_at=ahead))
        assert stage.ledger.claim(CAMPUS, T0) is not None

    def test_an_open_answer_is_remembered_and_so_is_that_it_may_be_a_withdrawal(self, stage: Stage) -> None:
        order = make_order()
        stage.record(order)
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.record(later(order, "refunded"))
        stage.ledger.settle_deferred(stage.claim(at(1)), deferral(2, open_since=at(1)), at(1))
        stage.record(later(order, "completed", 2), now=at(2))
        claim = stage.claim(at(3))
        assert (claim.desired, claim.open_since, claim.open_withdrawal) == (Desired.IN, at(1), True)
        stage.ledger.settle_deferred(claim, deferral(4, open_since=at(1)), at(3))
        assert stage.claim(at(4)).open_withdrawal

    def test_an_account_that_may_be_in_the_making_is_known_to_the_learners_other_rows(
        self, stage: Stage
    ) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH"),)))
        stage.ledger.settle_deferred(stage.claim(), deferral(30, open_since=at(0)), T0)
        other = stage.claim(at(1))
        assert (other.open_since, other.account_open_since) == (None, at(0))

    def test_a_known_account_is_not_in_the_making(self, stage: Stage) -> None:
        stage.record(make_order(1))
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.record(
            make_order(2, lines=(make_line(sku="BOTH"),)), make_order(3, lines=(make_line(sku="A"),))
        )
        other = stage.claim(at(1))
        assert (other.course_id, other.seat.user_id, other.account_open_since) == ("43", "100", None)

    # -- settling ----------------------------------------------------------------------------------------------------
    def test_a_settled_row_is_not_claimed_again(self, stage: Stage) -> None:
        stage.record(make_order())
        assert stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        assert stage.ledger.claim(CAMPUS, at(9999)) is None
        assert stage.summary().enrolled == 1

    def test_a_lease_that_was_given_back_can_settle_nothing(self, stage: Stage) -> None:
        stage.record(make_order())
        stale = stage.claim()
        assert stage.ledger.recover(T0, T0) == 1
        fresh = stage.claim()
        assert not stage.ledger.record_sending(stale, T0, enrolling=True)
        assert not stage.ledger.settle_applied(stale, CREATED, T0)
        assert not stage.ledger.settle_kept(stale, T0)
        assert not stage.ledger.settle_deferred(stale, deferral(1), T0)
        assert not stage.ledger.settle_dead(stale, surrender(), T0)
        assert (stage.summary().due, stage.kinds()) == (1, [])
        assert stage.ledger.settle_applied(fresh, CREATED, T0)

    def test_a_row_is_settled_once(self, stage: Stage) -> None:
        stage.record(make_order())
        claim = stage.claim()
        assert stage.ledger.settle_dead(claim, surrender(), T0)
        assert not stage.ledger.settle_applied(claim, CREATED, T0)
        assert stage.summary().dead == 1

    @pytest.mark.parametrize("how", ["applied", "deferred", "dead", "kept"])
    def test_a_row_whose_wish_moved_on_stays_due_with_a_fresh_count(self, stage: Stage, how: str) -> None:
        order = make_order()
        stage.record(order)
        claim = stage.claim()
        stage.record(later(order, "refunded"))
        settle: dict[str, Callable[[], bool]] = {
            "applied": lambda: stage.ledger.settle_applied(claim, CREATED, at(1)),
            "deferred": lambda: stage.ledger.settle_deferred(claim, deferral(3600), at(1)),
            "dead": lambda: stage.ledger.settle_dead(claim, surrender(), at(1)),
            "kept": lambda: stage.ledger.settle_kept(claim, at(1)),
        }
        assert settle[how]()
        claim = stage.claim(at(1))
        assert (claim.desired, claim.attempts) == (Desired.OUT, 1)

    def test_an_uncounted_attempt_is_taken_back(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.settle_deferred(stage.claim(), deferral(1, counted=False), T0)
        assert stage.claim(at(1)).attempts == 1

    def test_a_withdrawal_of_our_own_enrolment_ends_it(self, stage: Stage) -> None:
        order = make_order()
        stage.record(order)
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.record(later(order, "refunded"))
        claim = stage.claim()
        assert (claim.ours, claim.found, claim.seat.applied, claim.seat.user_id) == (True, False, True, "100")
        stage.ledger.settle_applied(claim, Applied(outcome=Outcome.REMOVED, user_id="100"), T0)
        assert stage.summary().withdrawn == 1

    def test_an_enrolment_that_was_there_before_is_found(self, stage: Stage) -> None:
        order = make_order()
        stage.record(order)
        stage.ledger.settle_applied(stage.claim(), Applied(outcome=Outcome.ALREADY, user_id="100"), T0)
        stage.record(later(order, "refunded"))
        claim = stage.claim()
        assert (claim.ours, claim.found) == (False, True)
        assert stage.ledger.settle_kept(claim, T0)
        assert stage.kinds() == ["found_enrolment"]
        assert stage.ledger.next_due_at(CAMPUS) is None

    def test_an_account_that_is_gone_is_forgotten(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH"),)))
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        second = stage.claim()
        assert second.seat.user_id == "100"
        stage.ledger.settle_applied(second, Applied(outcome=Outcome.ABSENT, user_id=None), T0)
        stage.record(make_order(5, lines=(make_line(5), make_line(6, sku="BOTH"))), now=at(5))
        stage.mapping.by_sku["MORE"] = ("campus", "50")
        stage.record(make_order(6, lines=(make_line(7, sku="MORE"),)), now=at(6))
        assert stage.claim(at(7)).seat.user_id is None

    def test_an_account_that_changed_is_remembered_anew(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH"),)))
        stage.ledger.settle_applied(stage.claim(), CREATED, T0)
        stage.ledger.settle_applied(stage.claim(), Applied(outcome=Outcome.CREATED, user_id="200"), T0)
        stage.mapping.by_sku["MORE"] = ("campus", "50")
        stage.record(make_order(6, lines=(make_line(7, sku="MORE"),)))
        assert stage.claim().seat.user_id == "200"

    # -- recovering --------------------------------------------------------------------------------------------------
    def test_a_lease_left_behind_is_given_back_and_its_answer_is_open(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.claim(at(1))
        assert stage.ledger.recover(at(5), at(5)) == 1
        claim = stage.claim(at(6))
        assert (claim.open_since, claim.attempts) == (at(1), 2)

    def test_a_young_lease_is_left_to_its_holder(self, stage: Stage) -> None:
        stage.record(make_order())
        claim = stage.claim(at(100))
        assert stage.ledger.recover(at(50), at(110)) == 0
        assert stage.ledger.settle_applied(claim, CREATED, at(111))

    def test_a_lease_from_a_clock_that_was_ahead_is_given_back(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.claim(T0 + timedelta(days=400))
        assert stage.ledger.recover(T0, T0) == 1

    def test_a_lease_from_a_clock_a_little_ahead_is_left_to_its_holder(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.claim(at(2))
        assert stage.ledger.recover(at(-900), T0) == 0

    def test_a_wait_from_a_clock_that_was_ahead_ends(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.settle_deferred(stage.claim(), deferral(400 * 86400), T0)
        stage.ledger.recover(T0, T0)
        assert stage.ledger.claim(CAMPUS, T0) is not None

    # -- people ------------------------------------------------------------------------------------------------------
    def test_a_dead_row_waits_for_a_person_and_lives_again(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.settle_dead(stage.claim(), surrender(), T0)
        assert (stage.ledger.claim(CAMPUS, at(99999)), stage.summary().dead) == (None, 1)
        assert stage.ledger.desk.revive(None, None, None, stage.plan, at(5)) == 1
        assert stage.claim(at(5)).attempts == 1

    @pytest.mark.parametrize(
        ("lms", "course_id", "order_id", "revived"),
        [
            pytest.param(None, None, None, 2, id="all"),
            pytest.param(CAMPUS, None, None, 2, id="of an lms"),
            pytest.param(ACADEMY, None, None, 0, id="of another lms"),
            pytest.param(None, CourseId("43"), None, 1, id="of a course"),
            pytest.param(None, None, 1, 2, id="of an order"),
            pytest.param(None, None, 2, 0, id="of another order"),
            pytest.param(CAMPUS, CourseId("42"), 1, 1, id="of all three"),
        ],
    )
    def test_people_revive_what_they_name(
        self,
        stage: Stage,
        lms: LmsName | None,
        course_id: CourseId | None,
        order_id: int | None,
        revived: int,
    ) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH"),)))
        for _ in range(2):
            stage.ledger.settle_dead(stage.claim(), surrender(), T0)
        assert stage.ledger.desk.revive(lms, course_id, order_id, stage.plan, T0) == revived
        assert stage.summary().dead == 2 - revived

    def test_a_revived_line_that_never_got_in_follows_the_mapping_of_today(self, stage: Stage) -> None:
        stage.record(make_order())
        stage.ledger.settle_dead(stage.claim(), surrender(), T0)
        stage.mapping.by_sku["PY-101"] = ("campus", "44")
        assert stage.ledger.desk.revive(None, None, None, stage.plan, at(5)) == 1
        assert stage.claim(at(5)).course_id == "44"
        assert (stage.summary().dead, stage.summary().unexplained) == (0, 0)

    def test_a_revived_line_of_which_something_was_sent_keeps_what_was_sold(self, stage: Stage) -> None:
        stage.record(make_order())
        claim = stage.claim()
        stage.ledger.record_sending(claim, T0, enrolling=True)
        stage.ledger.settle_dead(claim, surrender(), T0)
        stage.mapping.by_sku["PY-101"] = ("campus", "44")
        stage.ledger.desk.revive(None, None, None, stage.plan, at(5))
        assert stage.claim(at(5)).course_id == "42"

    def test_a_revived_line_with_a_seat_that_got_in_keeps_what_was_sold(self, stage: Stage) -> None:
        stage.record(make_order(lines=(make_line(sku="BOTH"),)))
        stage.ledger.settle_applied(stage.claim(), Applied(outcome=Outcome.CREATED, user_id="7"), T0)
        dead = stage.claim()
        stage.ledger.settle_dead(dead, surrender(), T0)
        stage.mapping.by_sku["BOTH"] = ("campus", "44")
        stage.ledger.desk.revive(None, None, None, stage.plan, at(5))
        assert stage.claim(at(5)).course_id == dead.course_id

    def test_a_dropped_dead_row_leaves_the_list_until_its_wish_changes(self, stage: Stage) -> None:
        order = make_order()
        stage.record(order)
        claim = stage.claim()
        stage.ledger.record_sending(claim, T0, enrolling=True)
        stage.ledger.settle_dead(claim, surrender(), T0)
        assert stage.ledger.desk.drop_dead(2, T0) == 0
        assert stage.ledger.desk.drop_dead(1, T0) == 1
        assert (stage.summary().dead, stage.summary().unexplained) == (0, 0)
        assert stage.ledger.desk.revive(None, None, None, stage.plan, T0) == 0
        stage.record(later(order, "refunded"))
        assert stage.claim(at(1)).desired is Desired.OUT


class TestWorkOnSqlite(OnSqlite, WorkContract):
    pass
