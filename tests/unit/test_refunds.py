"""What refunds and an order's status leave of what was sold."""

from dataclasses import replace

import pytest

from tests.sales import BEA, CID, Deals, asked, line_of, order_of, plan, planner, refund, seated
from wcsync.model import Order, OrderPlan, Verdict
from wcsync.sale import DELETED, NOTHING_SPECIAL, Aftermath, Cause, Circumstances, Decision, Refund

FIVE = order_of(line_of(5, BEA, CID))
TWO = order_of(line_of(2, BEA, CID))


def after(
    order: Order, *refunds: Refund, first: Order | None = None, by: Circumstances | None = None
) -> OrderPlan:
    """`order` with those refunds, read after it was sold without."""
    sold = plan(first or order).entitlements
    return plan(replace(order, refunds=refunds), sold, by or Circumstances())


def decided(*decisions: Decision) -> Circumstances:
    return Circumstances(decisions=frozenset(decisions))


@pytest.mark.parametrize(
    ("order", "refunds", "seats", "questions"),
    [
        pytest.param(order_of(), [refund(7, (1, 1, "50.00"))], ["(ana)"], [], id="the one seat"),
        pytest.param(order_of(), [refund(7, (1, 1, "2.00"))], ["(ana)"], [], id="the seat for less money"),
        pytest.param(order_of(), [refund(7, (1, 0, "50.00"))], ["(ana)"], [], id="the whole price"),
        pytest.param(
            order_of(),
            [refund(7, (1, 0, "20.00")), refund(8, (1, 0, "30.00"))],
            ["(ana)"],
            [],
            id="the whole price in two goes",
        ),
        pytest.param(
            FIVE,
            [refund(7, (1, 2, "20.00"))],
            ["bea", "cid", "-", "(-)", "(-)"],
            ["open_seats"],
            id="open seats first, the highest number first",
        ),
        pytest.param(
            TWO, [refund(7, (1, 1, "25.00"))], ["bea", "cid"], ["seats_over"], id="fewer seats than learners"
        ),
        pytest.param(TWO, [refund(7, (1, 2, "50.00"))], ["(bea)", "(cid)"], [], id="all seats"),
        pytest.param(
            order_of(), [refund(7, (1, 0, "5.00"))], ["ana"], ["refund_amount"], id="a part of the price"
        ),
        pytest.param(order_of(), [refund(7)], ["ana"], ["refund_amount"], id="an amount off the order"),
        pytest.param(
            order_of(), [refund(7, (99, 1, "5.00"))], ["ana"], ["refund_amount"], id="a line nobody knows"
        ),
        pytest.param(
            order_of(line_of(2)),
            [refund(7, (1, 1, "25.00"), total="30.25")],
            ["ana", "(-)"],
            [],
            id="with the tax of what was given back",
        ),
        pytest.param(order_of(), [refund(7, (1, 0, "0.00"), total="0.00")], ["ana"], [], id="nothing at all"),
    ],
)
def test_a_refund_ends_what_it_gives_back(
    order: Order, refunds: list[Refund], seats: list[str], questions: list[str]
) -> None:
    planned = after(order, *refunds)
    assert (seated(planned), asked(planned)) == (seats, questions)
    given_back = plan(order, planned.entitlements)
    assert seated(given_back) == seated(plan(order))
    assert given_back.entitlements == plan(order).entitlements


def test_an_ended_seat_says_why() -> None:
    ended = [seat for seat in after(FIVE, refund(7, (1, 2, "20.00"))).entitlements if not seat.live]
    assert {(seat.cause, seat.reason) for seat in ended} == {(Cause.REFUND, "2 of 5 refunded")}
    (whole,) = after(order_of(), refund(7, (1, 0, "50.00"))).entitlements
    assert (whole.cause, whole.reason) == (Cause.REFUND, "refunded")


def test_the_question_which_seat_ends_says_how_many_are_left() -> None:
    (entry,) = after(TWO, refund(7, (1, 1, "25.00"))).parked
    assert entry.reason == "1 of 2 refunded; 1 is left, but 2 learners have one. Say whose seat ends"


def test_an_amount_is_asked_about_by_its_refunds() -> None:
    of_order, of_line = after(order_of(), refund(8), refund(7, (1, 0, "5.00"))).parked
    assert (of_order.line_id, "refund 8" in of_order.reason) == (None, True)
    assert (of_line.line_id, "refund 7" in of_line.reason) == (1, True)


@pytest.mark.parametrize(
    ("decision", "seats"),
    [
        pytest.param(
            Decision(cause="seats", line_id=1, seat=1), ["(bea)", "cid"], id="a seat that was named"
        ),
        pytest.param(Decision(cause="seats", line_id=1), ["bea", "(cid)"], id="any: the last"),
        pytest.param(Decision(cause="seats", line_id=2, seat=1), ["bea", "cid"], id="another line's"),
    ],
)
def test_a_person_says_whose_seat_ends(decision: Decision, seats: list[str]) -> None:
    assert seated(after(TWO, refund(7, (1, 1, "25.00")), by=decided(decision))) == seats


def test_a_seat_that_was_named_lives_while_there_are_enough() -> None:
    assert seated(plan(TWO, (), decided(Decision(cause="seats", line_id=1, seat=1)))) == ["bea", "cid"]


@pytest.mark.parametrize(
    ("decision", "live"),
    [
        pytest.param(Decision(cause="refund:7"), False, id="the order"),
        pytest.param(Decision(cause="refund:7", line_id=1), False, id="the line"),
        pytest.param(Decision(cause="refund:7", line_id=2), True, id="another line"),
        pytest.param(Decision(cause="refund:8"), True, id="another refund"),
    ],
)
@pytest.mark.parametrize("given", [refund(7), refund(7, (1, 0, "5.00"))], ids=["order", "line"])
def test_a_person_says_that_an_amount_ends_access(given: Refund, decision: Decision, *, live: bool) -> None:
    planned = after(order_of(), given, by=decided(decision))
    assert seated(planned) == (["ana"] if live else ["(ana)"])
    assert asked(planned) == (["refund_amount"] if live else [])


def test_a_line_refunded_before_it_was_read_sells_nothing_until_that_is_given_back() -> None:
    refunded = plan(order_of(refunds=[refund(7, (1, 1, "50.00"))]))
    assert (refunded.entitlements, refunded.lines[0].verdict) == ((), Verdict.ENDED)
    assert seated(plan(order_of(), refunded.entitlements)) == ["ana"]


def test_a_price_that_is_no_number_is_no_price() -> None:
    for total in ("", "free", "NaN"):
        assert seated(after(order_of(line_of(total=total)), refund(7, (1, 0, "5.00")))) == ["ana"]


def test_seats_of_a_line_that_was_taken_out_go_with_its_refund() -> None:
    gone = replace(order_of(), lines=())
    assert asked(after(gone, first=order_of())) == ["line_removed"]
    refunded = after(gone, refund(7, (1, 1, "50.00")), first=order_of())
    assert (seated(refunded), asked(refunded)) == (["(ana)"], [])


# -- bundles ---------------------------------------------------------------------------------------------------------

BUNDLE = line_of(2, line_id=1, sku="PACK", container=True)
PART = line_of(4, BEA, line_id=2, total="0.00", part_of=1)


def bundle(*refunds: Refund) -> Order:
    return order_of(BUNDLE, PART, refunds=refunds)


@pytest.mark.parametrize(
    ("refunds", "seats", "questions"),
    [
        pytest.param([], ["bea", "-", "-", "-"], ["open_seats"], id="parts at no price are sold"),
        pytest.param(
            [refund(7, (1, 1, "25.00"))], ["bea", "-", "(-)", "(-)"], ["open_seats"], id="one of two bundles"
        ),
        pytest.param(
            [refund(7, (1, 1, "25.00"), (2, 2, "0.00"))],
            ["bea", "-", "(-)", "(-)"],
            ["open_seats"],
            id="told of both, counted once",
        ),
        pytest.param([refund(7, (1, 2, "50.00"))], ["(bea)", *["(-)"] * 3], [], id="all of them"),
        pytest.param([refund(7, (1, 0, "50.00"))], ["(bea)", *["(-)"] * 3], [], id="the bundle's price"),
        pytest.param(
            [refund(7, (1, 0, "5.00"))],
            ["bea", "-", "-", "-"],
            ["open_seats", "refund_amount"],
            id="a part of the bundle's price",
        ),
    ],
)
def test_parts_without_a_price_go_with_their_bundle(
    refunds: list[Refund], seats: list[str], questions: list[str]
) -> None:
    planned = plan(bundle(*refunds), plan(bundle()).entitlements)
    assert (seated(planned, 2), asked(planned)) == (seats, questions)


def test_an_amount_off_a_bundle_may_end_its_parts() -> None:
    planned = plan(
        bundle(refund(7, (1, 0, "5.00"))), plan(bundle()).entitlements, decided(Decision(cause="refund:7"))
    )
    assert seated(planned, 2) == ["(bea)", "(-)", "(-)", "(-)"]


def test_a_part_with_a_price_of_its_own_goes_by_itself() -> None:
    priced = replace(PART, total="10.00")
    planned = plan(order_of(BUNDLE, priced, refunds=[refund(7, (1, 2, "50.00"))]))
    assert seated(planned, 2) == ["bea", "-", "-", "-"]


def test_parts_of_each_other_end_no_search() -> None:
    circle = order_of(line_of(line_id=1, total="0", part_of=2), line_of(line_id=2, total="0", part_of=1))
    assert seated(plan(circle), 1) == ["ana"]


def test_bundles_within_bundles_without_end_are_not_followed_without_end() -> None:
    numbers = range(1, 301)
    nested = [line_of(line_id=number, total="0", part_of=number - 1) for number in numbers]
    assert len(plan(order_of(*nested)).entitlements) == len(nested)


@pytest.mark.parametrize(
    ("courses", "by_name", "lines", "verdict"),
    [
        pytest.param({"PY-101": ["42"]}, True, (BUNDLE, PART), Verdict.IGNORED, id="no row"),
        pytest.param(
            {"PACK": ["9"], "PY-101": ["42"]}, False, (BUNDLE, PART), Verdict.IGNORED, id="a wildcard"
        ),
        pytest.param({"PACK": ["9"], "PY-101": ["42"]}, True, (BUNDLE, PART), Verdict.MAPPED, id="by name"),
        pytest.param({"PACK": ["9"]}, False, (BUNDLE,), Verdict.MAPPED, id="without parts in the order"),
        pytest.param({}, True, (BUNDLE,), Verdict.UNMAPPED, id="without parts and row"),
    ],
)
def test_a_bundle_is_sold_only_when_it_is_named(
    courses: dict[str, list[str]], lines: tuple[object, ...], verdict: Verdict, *, by_name: bool
) -> None:
    rules = planner(Deals(courses=courses, by_name=by_name))
    order = replace(order_of(), lines=lines)  # type: ignore[arg-type]  # they are lines
    assert plan(order, by=rules).lines[0].verdict is verdict


# -- statuses --------------------------------------------------------------------------------------------------------


def with_status(status: str, does: Aftermath, by: Circumstances = NOTHING_SPECIAL) -> OrderPlan:
    rules = planner(endings={status: does})
    return plan(order_of(status=status), plan(order_of()).entitlements, by, by=rules)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("trash", "trashed"),
        (DELETED, "deleted"),
        ("cancelled", "cancelled_asked"),
        ("refunded", "refunded_asked"),
        ("failed", "failed_asked"),
    ],
)
def test_a_status_may_ask_and_a_person_may_end(status: str, kind: str) -> None:
    kept = with_status(status, Aftermath.ASK)
    assert (seated(kept), asked(kept)) == (["ana"], [kind])
    word = decided(Decision(cause=status))
    ended = with_status(status, Aftermath.ASK, word)
    assert (seated(ended), asked(ended), ended.entitlements[0].cause) == (["(ana)"], [], Cause.ORDER)
    assert seated(plan(order_of(), ended.entitlements, word)) == ["ana"]
    assert seated(plan(order_of(status="on-hold"), ended.entitlements, word)) == ["(ana)"]


@pytest.mark.parametrize("status", ["cancelled", "refunded", "failed", "trash", DELETED])
def test_the_config_says_what_a_status_does(status: str) -> None:
    assert seated(with_status(status, Aftermath.END)) == ["(ana)"]
    kept = with_status(status, Aftermath.KEEP)
    assert (seated(kept), asked(kept)) == (["ana"], [])


def test_a_person_may_end_one_line_of_an_order() -> None:
    order = order_of(line_of(line_id=1), line_of(line_id=2))
    trashed = replace(order, status="trash")
    planned = plan(trashed, plan(order).entitlements, decided(Decision(cause="trash", line_id=2)))
    assert (seated(planned, 1), seated(planned, 2), asked(planned)) == (["ana"], ["(ana)"], ["trashed"])


def test_an_order_that_counts_is_not_ended_whatever_the_config_says_of_its_status() -> None:
    rules = planner(endings={"completed": Aftermath.END})
    assert seated(plan(order_of(), by=rules)) == ["ana"]


def test_a_refund_given_back_while_the_order_waits_gives_the_seat_back() -> None:
    refunded = after(order_of(), refund(7, (1, 1, "50.00"))).entitlements
    assert seated(plan(order_of(status="on-hold"), refunded)) == ["ana"]
