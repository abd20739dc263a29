from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest

from tests.fakes import T0, FakeMapping, make_line, make_order
from wcsync.mappers.entitlements import Planner, normalise_address, usable_address, wish_for
from wcsync.model import (
    NOBODY,
    CourseId,
    Desired,
    Entitlement,
    LearnerKey,
    Line,
    LmsName,
    Order,
    OrderPlan,
    Person,
    ProductId,
    Target,
    Verdict,
    Wish,
)
from wcsync.sale import Access

MAPPING = FakeMapping(
    {"PY-101": ("campus", "42"), "BOTH": [("campus", "42"), ("academy", "7")], "T-SHIRT": None}
)


def identify(email: str) -> LearnerKey:
    return LearnerKey(sha256(normalise_address(email).encode()).hexdigest()[:32])


ANA = identify("ana@example.test")
LONG_AGO = T0 - timedelta(days=365)


def plan(
    order: Order,
    known: Sequence[Entitlement] = (),
    *,
    paid_statuses: Sequence[str] = ("completed",),
    mapping: FakeMapping = MAPPING,
) -> OrderPlan:
    return Planner(mapping=mapping, paid_statuses=frozenset(paid_statuses), identify=identify).plan(
        order, known
    )


def sold(order: Order | None = None) -> tuple[Entitlement, ...]:
    return plan(order or make_order()).entitlements


def kinds(planned: OrderPlan) -> list[str]:
    return [entry.kind for entry in planned.parked]


def verdicts(planned: OrderPlan) -> list[Verdict]:
    return [line.verdict for line in planned.lines]


def seat(
    *, live: bool = True, until: datetime | None = None, options: tuple[tuple[str, str], ...] = ()
) -> Entitlement:
    (one,) = sold()
    return replace(one, live=live, access=Access(until=until), target=replace(one.target, options=options))


# -- what counts as paid ---------------------------------------------------------------------------------------------


def test_a_completed_line_sells_one_seat_of_its_course_to_the_buyer() -> None:
    planned = plan(make_order(7, lines=(make_line(3),)))
    assert planned.paid
    assert verdicts(planned) == [Verdict.MAPPED]
    assert planned.parked == ()
    (one,) = planned.entitlements
    assert (one.order_id, one.line_id, one.seat, one.learner_key, one.live) == (7, 3, 1, ANA, True)
    assert one.target == Target(lms=LmsName("campus"), course_id=CourseId("42"))
    assert one.source == "mapping.toml:1"


def test_a_completed_order_without_a_payment_date_counts() -> None:
    assert plan(make_order(paid_at=None)).paid


@pytest.mark.parametrize(
    ("status", "paid_at", "paid_statuses", "paid"),
    [
        pytest.param("processing", T0, ("processing",), True, id="listed and dated"),
        pytest.param("processing", None, ("processing",), False, id="cash on delivery: listed, no date"),
        pytest.param("processing", T0, ("completed",), False, id="dated, not listed"),
        pytest.param("completed", T0, (), True, id="completed counts unlisted"),
        pytest.param("licensed", T0, ("licensed",), True, id="a plugin's own status"),
    ],
)
def test_another_status_counts_only_if_listed_and_dated(
    status: str, paid_at: datetime | None, paid_statuses: Sequence[str], paid: bool
) -> None:
    planned = plan(make_order(status=status, paid_at=paid_at), paid_statuses=paid_statuses)
    assert planned.paid is paid
    assert bool(planned.entitlements) is paid


@pytest.mark.parametrize(
    "status", ["pending", "processing", "on-hold", "checkout-draft", "trash", "whatever"]
)
def test_an_open_order_sells_nothing_yet(status: str) -> None:
    planned = plan(make_order(status=status))
    assert (planned.entitlements, verdicts(planned), planned.parked) == ((), [Verdict.UNPAID], ())


@pytest.mark.parametrize("status", ["cancelled", "refunded", "failed"])
def test_an_order_that_ended_before_we_saw_it_sells_nothing(status: str) -> None:
    planned = plan(make_order(status=status))
    assert (planned.entitlements, verdicts(planned)) == ((), [Verdict.ENDED])


# -- the life of what was sold ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["cancelled", "refunded", "failed"])
def test_an_order_taken_back_ends_its_seats_and_says_why(status: str) -> None:
    planned = plan(make_order(status=status), sold())
    assert [(one.live, one.reason) for one in planned.entitlements] == [(False, f"order {status}")]
    assert verdicts(planned) == [Verdict.ENDED]
    assert not planned.paid


def test_an_order_completed_again_gives_its_seats_back() -> None:
    ended = plan(make_order(status="refunded"), sold()).entitlements
    assert plan(make_order(), ended).entitlements == sold()


@pytest.mark.parametrize("status", ["pending", "on-hold", "processing", "whatever"])
def test_a_step_back_to_an_open_status_takes_nothing_away(status: str) -> None:
    planned = plan(make_order(status=status), sold())
    assert planned.entitlements == sold()
    assert verdicts(planned) == [Verdict.MAPPED]


@pytest.mark.parametrize("status", ["pending", "trash"])
def test_an_open_status_revives_no_ended_seat(status: str) -> None:
    ended = plan(make_order(status="refunded"), sold()).entitlements
    assert plan(make_order(status=status), ended).entitlements == ended


def test_a_trashed_order_keeps_its_seats_and_is_shown_to_a_person() -> None:
    planned = plan(make_order(status="trash"), sold())
    assert planned.entitlements == sold()
    assert kinds(planned) == ["trashed"]


def test_a_trashed_order_whose_seats_had_ended_needs_nobody() -> None:
    ended = plan(make_order(status="refunded"), sold()).entitlements
    assert kinds(plan(make_order(status="trash"), ended)) == []


@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param(FakeMapping({}), id="row removed"),
        pytest.param(FakeMapping({"PY-101": ("campus", "99")}), id="another course"),
        pytest.param(FakeMapping({"PY-101": None}), id="now ignored"),
        pytest.param(FakeMapping({"PY-101": [("campus", "42"), ("campus", "43")]}), id="one course more"),
    ],
)
def test_a_mapping_edit_changes_nothing_that_was_sold(mapping: FakeMapping) -> None:
    assert plan(make_order(), sold(), mapping=mapping).entitlements == sold()


def test_a_line_taken_out_of_the_order_keeps_its_seat_and_is_shown() -> None:
    planned = plan(make_order(lines=()), sold())
    assert planned.entitlements == sold()
    assert [(entry.kind, entry.line_id) for entry in planned.parked] == [("line_removed", 1)]


def test_a_line_taken_out_of_a_refunded_order_ends_with_it_and_needs_nobody() -> None:
    planned = plan(make_order(status="refunded", lines=()), sold())
    assert [one.live for one in planned.entitlements] == [False]
    assert kinds(planned) == []


def test_a_line_that_lives_again_outside_of_its_order_is_shown() -> None:
    ended = plan(make_order(status="refunded", lines=()), sold()).entitlements
    assert kinds(plan(make_order(lines=()), ended)) == ["line_removed"]


def test_a_line_put_in_after_the_sale_sells_besides() -> None:
    both = (make_line(1), make_line(2, sku="BOTH"))
    planned = plan(make_order(lines=both), sold())
    assert sorted((one.line_id, one.target.course_id) for one in planned.entitlements) == [
        (1, "42"),
        (2, "42"),
        (2, "7"),
    ]


def test_a_changed_address_leaves_the_seat_with_the_first_learner_and_is_shown() -> None:
    planned = plan(make_order(email="bea@example.test"), sold())
    assert [one.learner_key for one in planned.entitlements] == [ANA]
    assert kinds(planned) == ["buyer_changed"]


@pytest.mark.parametrize(
    "email", [pytest.param(" ANA@Example.TEST ", id="spelling"), pytest.param("", id="blanked")]
)
def test_a_mere_spelling_of_the_address_needs_nobody(email: str) -> None:
    assert kinds(plan(make_order(email=email), sold())) == []


def test_a_changed_address_on_an_order_taken_back_needs_nobody() -> None:
    assert kinds(plan(make_order(email="bea@example.test", status="refunded"), sold())) == []


def test_an_order_completed_again_under_another_address_is_shown() -> None:
    ended = plan(make_order(status="refunded"), sold()).entitlements
    planned = plan(make_order(email="bea@example.test"), ended)
    assert [(one.learner_key, one.live) for one in planned.entitlements] == [(ANA, True)]
    assert kinds(planned) == ["buyer_changed"]


# -- lines that need a person, or nobody -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("", id="none"),
        pytest.param("ana", id="no at"),
        pytest.param("@example.test", id="no mailbox"),
        pytest.param("ana@", id="no host"),
        pytest.param("a@b@example.test", id="two ats"),
        pytest.param("ana maria@example.test", id="blank inside"),
        pytest.param("ana\u200b@example.test", id="invisible"),
        pytest.param("ana\ud800@example.test", id="half a character"),
        pytest.param("a" * 250 + "@example.test", id="too long"),
        pytest.param('"ana@example.test"', id="in quotes"),
        pytest.param("'ana@example.test'", id="in single quotes"),
        pytest.param("“ana@example.test”", id="in curved quotes"),
        pytest.param('s:16:"ana@example.test"', id="serialised by PHP"),
        pytest.param("Mail:ana@example.test", id="with a label"),
        pytest.param("(ana@example.test", id="a bracket"),
        pytest.param("<b>ana@example.test", id="a tag"),
        pytest.param("ana@example.test.", id="the end of a sentence"),
        pytest.param("ana@.example.test", id="a dot before the host"),
        pytest.param("ana@example..test", id="two dots"),
    ],
)
def test_a_line_without_a_usable_address_is_parked(email: str) -> None:
    assert not usable_address(email)
    planned = plan(make_order(email=email))
    assert planned.entitlements == ()
    assert verdicts(planned) == [Verdict.PARKED]
    assert kinds(planned) == ["no_address"]
    assert all(email not in entry.reason for entry in planned.parked if email)


@pytest.mark.parametrize(
    "email",
    [
        " ana@example.test ",
        "josé@exámple.test",
        "o'neil+x@sub.example.test",
        "ana@xn--exmple-qta.test",
        "ana@उदाहरण.test",
        "ana@host_1.example.test",
        "ana@localhost",
        "ana@[127.0.0.1]",
        "ana@[IPv6:2001:db8::1]",
        "!#$%&*/=?^`{|}~-._@example.test",
    ],
)
def test_an_unusual_address_is_usable(email: str) -> None:
    assert usable_address(email)


@pytest.mark.parametrize("quantity", ["0", "0.5", "-1"])
def test_less_than_one_seat_is_parked(quantity: str) -> None:
    planned = plan(make_order(lines=(make_line(quantity=quantity),)))
    assert planned.entitlements == ()
    assert (verdicts(planned), kinds(planned)) == ([Verdict.PARKED], ["quantity"])


def test_the_buyer_gets_one_of_several_seats_and_the_rest_are_open() -> None:
    planned = plan(make_order(lines=(make_line(quantity="3"),)))
    assert [(one.seat, one.learner_key, one.live) for one in planned.entitlements] == [
        (1, ANA, True),
        (2, NOBODY, True),
        (3, NOBODY, True),
    ]
    assert (verdicts(planned), kinds(planned)) == ([Verdict.MAPPED], ["open_seats"])
    assert planned.parked[0].reason == "2 of 3 seats have no learner yet"


def test_half_a_seat_is_sold_to_nobody_and_shown() -> None:
    planned = plan(make_order(lines=(make_line(quantity="1.5"),)))
    assert [(one.seat, one.learner_key) for one in planned.entitlements] == [(1, ANA)]
    assert (verdicts(planned), kinds(planned)) == ([Verdict.MAPPED], ["quantity"])


def test_more_seats_than_anybody_sells_are_parked() -> None:
    planned = plan(make_order(lines=(make_line(quantity="1001"),)))
    assert (planned.entitlements, verdicts(planned), kinds(planned)) == ((), [Verdict.PARKED], ["quantity"])


def test_open_seats_stay_on_the_list_while_the_order_lives_and_leave_with_it() -> None:
    line = make_line(quantity="3")
    seats = sold(make_order(lines=(line,)))
    assert kinds(plan(make_order(lines=(line,)), seats)) == ["open_seats"]
    assert kinds(plan(make_order(lines=(line,), status="refunded"), seats)) == []


def test_an_unmapped_line_says_which_product_it_is() -> None:
    line = replace(make_line(sku="NEW"), variation_id=ProductId(18))
    planned = plan(make_order(lines=(line,)))
    assert (planned.entitlements, verdicts(planned)) == ((), [Verdict.UNMAPPED])
    assert planned.lines[0].reason == "no mapping row for product 17, variation 18 (sku 'NEW')"


def test_a_line_of_a_deleted_product_without_sku_is_sent_to_a_person() -> None:
    planned = plan(make_order(lines=(make_line(sku="", product_id=0),)))
    assert verdicts(planned) == [Verdict.UNMAPPED]
    assert "deleted" in planned.lines[0].reason


def test_a_line_of_a_deleted_product_still_counts_by_its_sku() -> None:
    assert len(plan(make_order(lines=(make_line(product_id=0),))).entitlements) == 1


def test_an_ignored_line_sells_nothing_and_needs_nobody() -> None:
    planned = plan(make_order(lines=(make_line(sku="T-SHIRT", quantity="0"),)))
    assert (planned.entitlements, verdicts(planned), planned.parked) == ((), [Verdict.IGNORED], ())


def test_a_product_may_sell_several_courses() -> None:
    seats = sold(make_order(lines=(make_line(sku="BOTH"),)))
    assert [(one.target.lms, one.target.course_id) for one in seats] == [("campus", "42"), ("academy", "7")]


def test_each_line_is_judged_by_itself() -> None:
    lines = (make_line(1), make_line(2, sku="NEW"), make_line(3, sku="T-SHIRT"), make_line(4, quantity="0"))
    planned = plan(make_order(lines=lines))
    assert verdicts(planned) == [Verdict.MAPPED, Verdict.UNMAPPED, Verdict.IGNORED, Verdict.PARKED]
    assert [one.line_id for one in planned.entitlements] == [1]


def test_an_order_without_lines_sells_nothing() -> None:
    planned = plan(make_order(lines=()))
    assert (planned.paid, planned.lines, planned.entitlements, planned.parked) == (True, (), (), ())


def test_planning_twice_is_planning_once() -> None:
    line: Line = make_line(sku="BOTH", quantity="2")
    order = replace(make_order(lines=(line,)), buyer=Person(email="Ana@Example.test"))
    first = plan(order)
    assert plan(order, first.entitlements) == first


@pytest.mark.parametrize("quantity", ["NaN", "Infinity"])
def test_a_quantity_that_is_no_number_is_no_plan(quantity: str) -> None:
    with pytest.raises(ArithmeticError):
        plan(make_order(lines=(replace(make_line(), quantity=Decimal(quantity)),)))


# -- what should be --------------------------------------------------------------------------------------------------


def test_nobody_with_no_live_seat_is_to_be_in() -> None:
    assert wish_for([], LONG_AGO) == wish_for([seat(live=False)], LONG_AGO) == Wish(desired=Desired.OUT)


def test_one_live_seat_among_ended_ones_is_enough() -> None:
    assert wish_for([seat(live=False), seat()], LONG_AGO).desired is Desired.IN


def test_the_latest_end_counts_and_ended_seats_count_for_nothing() -> None:
    one, other, gone = T0, T0 + timedelta(days=1), T0 + timedelta(days=9)
    assert (
        wish_for([seat(until=one), seat(until=other), seat(until=gone, live=False)], LONG_AGO).until == other
    )


def test_no_end_is_later_than_any() -> None:
    assert wish_for([seat(until=T0), seat()], LONG_AGO) == Wish(desired=Desired.IN)


def test_options_of_all_live_seats_are_wished_for_once_and_sorted() -> None:
    seats = [
        seat(options=(("group", "2"),)),
        seat(options=(("group", "1"), ("group", "2"))),
        seat(options=(("group", "9"),), live=False),
    ]
    assert wish_for(seats, LONG_AGO).options == (("group", "1"), ("group", "2"))


def test_a_line_that_got_another_product_is_shown_and_keeps_what_was_sold() -> None:
    order = make_order()
    changed = replace(order, lines=(make_line(sku="PY-102", product_id=18),))
    planned = plan(changed, sold(order))
    assert kinds(planned) == ["line_changed"]
    assert planned.entitlements == sold(order)


def test_a_line_whose_product_was_deleted_from_the_shop_is_no_change() -> None:
    order = make_order()
    assert kinds(plan(replace(order, lines=(make_line(product_id=0, sku=""),)), sold(order))) == []
