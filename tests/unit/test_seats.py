"""Who gets which seat of a line."""

from dataclasses import replace

import pytest

from tests.sales import (
    ANA,
    BEA,
    CID,
    DON,
    Deals,
    asked,
    identify,
    line_of,
    order_of,
    plan,
    planner,
    refund,
    seated,
)
from wcsync.mappers.entitlements import Planner, learners_of
from wcsync.mappers.seating import stand_ins
from wcsync.model import LearnerKey, Order, Person, ProductId, Verdict
from wcsync.sale import Circumstances, Decision, SeatRule

ONCE, IN_META, HOLD = SeatRule.BUYER_ONCE, SeatRule.LEARNERS_IN_META, SeatRule.HOLD
BAD = "bea at home"


def by(rule: SeatRule, never: frozenset[str] = frozenset()) -> Planner:
    return planner(Deals(rule=rule), never=never)


@pytest.mark.parametrize(
    ("rule", "order", "seats", "questions"),
    [
        pytest.param(ONCE, order_of(), ["ana"], [], id="one seat is the buyer's"),
        pytest.param(IN_META, order_of(), ["ana"], [], id="one seat is the buyer's, whatever the rule"),
        pytest.param(HOLD, order_of(), ["ana"], [], id="one seat needs no hold"),
        pytest.param(ONCE, order_of(line_of(1, BEA)), ["bea"], [], id="a gift is whose name is on it"),
        pytest.param(ONCE, order_of(named=[BEA]), ["bea"], [], id="named by the order"),
        pytest.param(
            ONCE, order_of(line_of(1, CID), named=[BEA]), ["cid"], [], id="the line's word goes first"
        ),
        pytest.param(ONCE, order_of(line_of(3)), ["ana", "-", "-"], ["open_seats"], id="buyer once"),
        pytest.param(
            IN_META, order_of(line_of(3)), ["-", "-", "-"], ["open_seats"], id="learners in meta, none there"
        ),
        pytest.param(HOLD, order_of(line_of(2, BEA)), ["-", "-"], ["open_seats"], id="hold waits for a word"),
        pytest.param(
            ONCE, order_of(line_of(3, BEA, CID)), ["bea", "cid", "-"], ["open_seats"], id="named ones only"
        ),
        pytest.param(
            ONCE, order_of(line_of(2, BEA, " BEA@example.test")), ["bea", "-"], ["open_seats"], id="one twice"
        ),
        pytest.param(
            ONCE, order_of(line_of(1, BEA, CID)), ["bea"], ["too_many_learners"], id="more than seats"
        ),
        pytest.param(
            ONCE,
            order_of(line_of(1, BAD)),
            ["-"],
            ["open_seats", "bad_learner"],
            id="never the buyer instead",
        ),
        pytest.param(
            ONCE,
            order_of(line_of(2, BAD, CID)),
            ["cid", "-"],
            ["open_seats", "bad_learner"],
            id="bad and good",
        ),
    ],
)
def test_seats_are_given_by_the_rule(
    rule: SeatRule, order: Order, seats: list[str], questions: list[str]
) -> None:
    planned = plan(order, by=by(rule))
    assert (seated(planned), asked(planned)) == (seats, questions)
    assert plan(order, planned.entitlements, by=by(rule)) == planned


def test_no_question_quotes_an_address() -> None:
    planned = plan(order_of(line_of(1, BAD)), by=by(ONCE))
    assert all(BAD not in entry.reason for entry in planned.parked)


def test_an_order_without_a_usable_buyer_sells_to_those_it_names() -> None:
    order = replace(order_of(line_of(1, BEA)), buyer=Person(email=""))
    assert seated(plan(order)) == ["bea"]


def test_the_rule_of_the_config_counts_where_the_row_has_none() -> None:
    rules = replace(planner(), seats=IN_META)
    assert seated(plan(order_of(line_of(2)), by=rules)) == ["-", "-"]


def test_each_course_of_a_line_has_every_seat() -> None:
    both = planner(Deals(courses={"PY-101": ["42", "43"]}))
    seats = plan(order_of(line_of(2)), by=both).entitlements
    assert [(one.seat, one.target.course_id) for one in seats] == [(1, "42"), (1, "43"), (2, "42"), (2, "43")]


# -- read again ------------------------------------------------------------------------------------------------------


def test_learners_named_later_fill_open_seats_and_the_others_keep_theirs() -> None:
    first = plan(order_of(line_of(3, BEA)))
    planned = plan(order_of(line_of(3, CID, BEA)), first.entitlements)
    assert (seated(planned), asked(planned)) == (["bea", "cid", "-"], ["open_seats"])


def test_a_learner_named_instead_of_another_needs_a_person() -> None:
    planned = plan(order_of(line_of(1, CID)), plan(order_of(line_of(1, BEA))).entitlements)
    assert (seated(planned), asked(planned)) == (["bea"], ["too_many_learners"])


def test_a_buyer_never_fills_a_seat_that_was_left_open() -> None:
    first = plan(order_of(line_of(2)), by=by(HOLD))
    assert seated(plan(order_of(line_of(2)), first.entitlements, by=by(ONCE))) == ["-", "-"]


def test_a_buyer_who_is_wanted_again_gets_the_only_seat_of_a_line() -> None:
    first = plan(order_of(), by=by(HOLD, frozenset({ANA})))
    assert (seated(first), asked(first)) == (["-"], ["open_seats", "not_wanted"])
    planned = plan(order_of(), first.entitlements, by=by(HOLD))
    assert (seated(planned), asked(planned)) == (["ana"], [])


def test_a_held_line_that_shrank_to_one_seat_is_not_given_to_its_buyer() -> None:
    first = plan(order_of(line_of(2)), by=by(HOLD))
    assert seated(plan(order_of(line_of(1)), first.entitlements, by=by(HOLD))) == ["-", "(-)"]


def test_nobody_fills_a_seat_of_an_order_that_is_not_paid_now() -> None:
    first = plan(order_of(line_of(2, BEA)))
    later = order_of(line_of(2, BEA, CID), status="on-hold")
    assert seated(plan(later, first.entitlements)) == ["bea", "-"]


def test_a_line_that_grew_has_more_seats_of_what_was_sold() -> None:
    first = plan(order_of(line_of(1)))
    elsewhere = planner(Deals(courses={"PY-101": ["99"]}))
    planned = plan(order_of(line_of(3, BEA)), first.entitlements, by=elsewhere)
    assert seated(planned) == ["ana", "bea", "-"]
    assert {one.target.course_id for one in planned.entitlements} == {"42"}


def test_a_line_that_grew_beyond_belief_stays_as_it_was() -> None:
    planned = plan(order_of(line_of(5_000)), plan(order_of()).entitlements)
    assert (seated(planned), asked(planned)) == (["ana"], ["quantity"])


def test_a_line_that_got_another_product_grows_no_seats_of_the_first() -> None:
    changed = replace(line_of(3), product_id=ProductId(99))
    planned = plan(order_of(changed), plan(order_of()).entitlements)
    assert (seated(planned), asked(planned)) == (["ana"], ["line_changed"])


def test_a_line_that_shrank_ends_open_seats_and_keeps_its_learners() -> None:
    first = plan(order_of(line_of(3, BEA, CID)))
    assert seated(plan(order_of(line_of(2, BEA, CID)), first.entitlements)) == ["bea", "cid", "(-)"]
    planned = plan(order_of(line_of(1, BEA)), first.entitlements)
    assert (seated(planned), asked(planned)) == (["bea", "cid", "(-)"], ["seats_over"])


def test_learners_of_a_line_with_a_refund_get_only_what_is_left() -> None:
    planned = plan(order_of(line_of(2, BEA, CID), refunds=[refund(1, (1, 1, "25.00"))]))
    assert (seated(planned), asked(planned)) == (["bea", "(-)"], ["too_many_learners"])


# -- those who are not to get in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("never", "seats"),
    [
        pytest.param(frozenset({ANA}), ["-"], id="an address"),
        pytest.param(frozenset({"@example.test"}), ["-"], id="a domain"),
        pytest.param(frozenset({"@test"}), ["ana"], id="another domain"),
    ],
)
def test_who_is_not_wanted_gets_no_seat(never: frozenset[str], seats: list[str]) -> None:
    planned = plan(order_of(), by=by(ONCE, never))
    assert seated(planned) == seats
    assert asked(planned) == (["open_seats", "not_wanted"] if seats == ["-"] else [])


def test_who_is_not_wanted_gets_no_seat_by_an_address_that_stands_for_theirs() -> None:
    planned = plan(order_of(), (), alias((ANA, BEA)), by=by(ONCE, frozenset({BEA, "@elsewhere.test"})))
    assert (seated(planned), asked(planned)) == (["-"], ["open_seats", "not_wanted"])


def test_who_is_in_already_stays_in() -> None:
    planned = plan(order_of(), plan(order_of()).entitlements, by=by(ONCE, frozenset({ANA})))
    assert (seated(planned), asked(planned)) == (["ana"], [])


# -- a person's word -------------------------------------------------------------------------------------------------


def test_an_order_on_hold_by_a_person_sells_nothing_and_changes_nothing() -> None:
    first = plan(order_of(line_of(2)))
    order = order_of(line_of(2, line_id=1), line_of(1, line_id=2), status="refunded")
    held = Circumstances(held=True)
    assert plan(order, first.entitlements, held).entitlements == first.entitlements
    fresh = plan(order_of(), (), held)
    assert (fresh.entitlements, asked(fresh)) == ((), ["held"])
    assert [line.verdict for line in fresh.lines] == [Verdict.PARKED]
    assert plan(order_of(), fresh.entitlements) == plan(order_of())


@pytest.mark.parametrize(
    ("status", "sku", "verdict"),
    [
        pytest.param("pending", "PY-101", Verdict.UNPAID, id="not paid"),
        pytest.param("completed", "T-SHIRT", Verdict.IGNORED, id="no course"),
    ],
)
def test_a_hold_asks_only_about_what_would_be_sold(status: str, sku: str, verdict: Verdict) -> None:
    shirts = planner(Deals(courses={"PY-101": ["42"], "T-SHIRT": []}))
    planned = plan(order_of(line_of(sku=sku), status=status), (), Circumstances(held=True), by=shirts)
    assert (asked(planned), [line.verdict for line in planned.lines]) == ([], [verdict])


def alias(*pairs: tuple[str, str]) -> Circumstances:
    return Circumstances(aliases=tuple((identify(old), identify(new)) for old, new in pairs))


def test_a_relinked_learner_has_the_seats_of_the_old_address_now_and_later() -> None:
    chain = alias((ANA, BEA), (BEA, CID))
    assert seated(plan(order_of(), (), chain)) == ["cid"]
    assert seated(plan(order_of(), plan(order_of()).entitlements, chain)) == ["cid"]


def test_two_learners_who_are_one_have_one_seat_of_a_line() -> None:
    first = plan(order_of(line_of(2, BEA, CID)))
    planned = plan(order_of(line_of(2, BEA, CID)), first.entitlements, alias((CID, BEA)))
    assert (seated(planned), asked(planned)) == (["bea", "-"], ["open_seats"])


@pytest.mark.parametrize("pair", [(ANA, BEA), (BEA, ANA)], ids=["who is out is who is in", "the other way"])
def test_two_learners_who_are_one_keep_the_seat_that_lives(pair: tuple[str, str]) -> None:
    order = order_of(line_of(2, ANA, BEA))
    decided = frozenset({Decision(cause="seats", line_id=1, seat=1)})
    given_back = replace(order, refunds=(refund(9, (1, 1, "25.00")),))
    known = plan(given_back, plan(order).entitlements, Circumstances(decisions=decided)).entitlements
    assert seated(known) == ["(ana)", "bea"]
    planned = plan(given_back, known, replace(alias(pair), decisions=decided))
    assert (seated(planned), asked(planned)) == (["(-)", pair[1].partition("@")[0]], [])


def test_a_learner_whose_seat_ended_keeps_another_one_given_by_a_person() -> None:
    order = order_of(line_of(2, ANA, BEA), refunds=[refund(9, (1, 1, "25.00"))])
    decided = Circumstances(decisions=frozenset({Decision(cause="seats", line_id=1, seat=1)}))
    known = plan(order, plan(order_of(line_of(2, ANA, BEA))).entitlements, decided).entitlements
    grown = replace(order, lines=(line_of(3, ANA, BEA),))
    known = plan(grown, known, decided).entitlements
    given = [replace(row, learner_key=identify(ANA)) if row.seat == 3 else row for row in known]
    assert seated(plan(grown, given, decided)) == ["(-)", "bea", "ana"]


def test_an_alias_taken_back_runs_in_no_circle() -> None:
    pairs = [("a", "b"), ("b", "a"), ("c", "c")]
    find = stand_ins([(LearnerKey(old), LearnerKey(new)) for old, new in pairs])
    assert [find(LearnerKey(key)) for key in "abc"] == ["a", "a", "c"]


def test_everybody_whom_an_order_names_is_told_once_with_all_that_is_known() -> None:
    order = order_of(line_of(1, BEA), line_of(2, ANA.upper(), line_id=2), named=[DON])
    told = learners_of(order)
    assert [person.email for person in told] == [BEA, ANA.upper(), DON]
    assert (told[1].first_name, told[1].last_name) == ("Ana", "Núñez")


def test_who_has_no_address_is_nobody_to_tell_of() -> None:
    assert learners_of(replace(order_of(), buyer=Person(email=""))) == ()
