"""The whole life of sales, through a sandbox shop and two LMSs: who learns, how long, and what is taken back."""

import pytest

from tests.system.till import ANA, BEA, CID, Till
from wcsync.sandbox.shop_lines import Sold
from wcsync.sandbox.shop_shapes import read_zone

pytestmark = pytest.mark.prove
"""Each of these takes processes or a whole daemon of its own."""

# -- who learns ------------------------------------------------------------------------------------------------------


def test_a_gift_gets_in_whom_the_order_names_and_not_its_buyer(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product, meta={"learner_email": f" {BEA} ", "learner_first_name": "Bea"})
    till.pass_days()
    assert till.inside(course) == {BEA}
    assert till.moodle.accounts(BEA)[0].firstname == "Bea"
    assert till.moodle.accounts(ANA) == []
    [note] = till.notes(order_id)
    assert "is enrolled" in note


def test_the_learner_may_be_named_anywhere_in_the_orders_meta(till: Till) -> None:
    till.configure('[learners]\nemail = ["attendees.*.mail"]\nfirst_name = ["attendees.*.name"]\n')
    product, course = till.sells_course('seats = "learners-in-meta"')
    people = [{"mail": BEA, "name": "Bea"}, {"mail": CID, "name": "Cid"}]
    till.shop.buy(ANA, lines=[(product, 2)], meta={"attendees": people})
    till.pass_days()
    assert till.inside(course) == {BEA, CID}


def test_five_seats_are_the_buyers_and_those_of_a_list(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product, 5)
    till.pass_days()
    assert till.inside(course) == {ANA}
    assert till.parked() == ["open_seats"]
    assert till.ask("status")["summary"]["open_seats"] == 4
    assert "4 of 5 seats" in till.notes(order_id)[-1]
    people = [BEA, CID, "dan@personal.example.test", "eve@personal.example.test"]
    listed = "".join(f"{order_id},{till.line_of(order_id)},{person},Given Family\n" for person in people)
    (till.folder / "learners.csv").write_text(f"order,line,email,name\n{listed}")
    till.run("parked", "assign", "--csv", str(till.folder / "learners.csv"))
    till.pass_days()
    assert till.inside(course) == {ANA, *people}
    assert till.parked() == []


def test_seats_that_are_held_are_nobodys_until_a_person_says_whose(till: Till) -> None:
    product, course = till.sells_course('seats = "hold"')
    order_id = till.buy(ANA, product, 2)
    till.pass_days()
    assert till.inside(course) == set()
    till.run("parked", "assign", str(order_id), str(till.line_of(order_id)), BEA)
    till.pass_days()
    assert till.inside(course) == {BEA}


def test_a_mistyped_address_is_mended_in_both_lmss(till: Till) -> None:
    wrong = "ana.marked@gmial.com"
    product, course = till.sells_course()
    other, group = till.sells_group()
    till.shop.buy(wrong, lines=[(product, 1), (other, 1)])
    till.pass_days()
    assert till.parked() == ["typo"]
    till.run("relink", wrong, ANA)
    till.pass_days()
    assert (till.inside(course), till.inside(group)) == ({ANA}, {ANA})
    assert till.parked() == []


def test_two_people_are_not_made_one_by_a_slip(till: Till) -> None:
    product, course = till.sells_course()
    till.buy(ANA, product)
    till.buy(BEA, product)
    till.pass_days()
    till.run("relink", ANA, BEA, exit_code=1)
    till.pass_days()
    assert till.inside(course) == {ANA, BEA}


def test_a_bundle_is_sold_by_its_parts_though_they_cost_nothing(till: Till) -> None:
    (first, one), (second, two) = till.sells_course(), till.sells_course()
    pack = till.shop.add_product("Pack", kind="bundle", price="150")
    parts = (Sold(product_id=first), Sold(product_id=second))
    order_id = till.shop.buy(ANA, lines=[Sold(product_id=pack, parts=parts)])
    till.pass_days()
    assert (till.inside(one), till.inside(two)) == ({ANA}, {ANA})
    assert till.ask("status")["unmapped"] == []
    till.shop.refund(order_id, {till.line_of(order_id): 1})
    till.pass_days()
    assert (till.inside(one), till.inside(two)) == (set(), set())


def test_who_is_on_the_never_list_gets_no_seat(till: Till) -> None:
    till.configure('[learners]\nnever = ["@rival.example.test"]\n')
    product, course = till.sells_course()
    till.buy("spy.marked@rival.example.test", product)
    till.buy(ANA, product)
    till.pass_days()
    assert till.inside(course) == {ANA}
    assert till.parked() == ["not_wanted", "open_seats"]


# -- how long --------------------------------------------------------------------------------------------------------


def test_buying_again_adds_days_to_what_is_left_and_a_second_reading_adds_nothing(till: Till) -> None:
    product, course = till.sells_course("days = 30")
    till.buy(ANA, product)
    till.pass_days()
    assert round(till.ends_in_days(ANA, course)) == 30
    till.pass_days(10)
    till.buy(ANA, product)
    till.pass_days()
    assert round(till.ends_in_days(ANA, course)) == 50
    till.run("backfill", "--since", "2026-01-01T00:00:00Z")
    till.pass_days()
    assert round(till.ends_in_days(ANA, course)) == 50
    till.pass_days(51)
    assert till.inside(course) == set()


def test_who_buys_again_after_the_end_is_in_from_that_day_on(till: Till) -> None:
    product, course = till.sells_course("days = 30")
    till.buy(ANA, product)
    till.pass_days()
    till.pass_days(40)
    assert till.inside(course) == set()
    before = till.enrolment(ANA, course)
    till.buy(ANA, product)
    till.pass_days()
    assert till.inside(course) == {ANA}
    assert till.enrolment(ANA, course) is before
    assert round(till.ends_in_days(ANA, course)) == 30


def test_an_lms_without_ends_is_told_when_the_end_has_come(till: Till) -> None:
    product, group = till.sells_group("days = 30")
    till.buy(ANA, product)
    till.pass_days()
    till.pass_days(29)
    assert till.inside(group) == {ANA}
    till.pass_days(1)
    assert till.inside(group) == set()
    till.buy(ANA, product)
    till.pass_days()
    assert till.inside(group) == {ANA}


def test_an_old_order_whose_days_are_over_is_read_and_enrols_nobody(till: Till) -> None:
    product, course = till.sells_course("days = 30")
    order_id = till.buy(ANA, product)
    till.pass_days(60)
    assert till.inside(course) == set()
    last = till.run("reconcile", "--lms", "all").stdout.splitlines()[-1]
    assert last == "paid_lines=1 enrolled=0 open_seats=0 parked=0 dead=0 unmapped=0 unexplained=0"
    till.run("show", str(order_id))
    till.buy(ANA, product)
    till.pass_days()
    assert till.inside(course) == {ANA}


@pytest.mark.parametrize(
    ("zone", "end"),
    [("Asia/Kolkata", "2027-03-21T12:00"), ("America/Los_Angeles", "2027-03-21T11:00")],
    ids=["an offset of half an hour", "a clock that is put forward meanwhile"],
)
def test_days_are_counted_by_the_shops_own_clock(till: Till, zone: str, end: str) -> None:
    till.shop.timezone = read_zone(zone)
    product, course = till.sells_course("days = 120")
    till.buy(ANA, product)
    till.pass_days()
    assert f"{till.ends_at(ANA, course):%Y-%m-%dT%H:%M}" == end


def test_a_subscription_on_hold_suspends_and_comes_back_with_all_progress(till: Till) -> None:
    till.shop.offers_subscriptions = True
    product, course = till.sells_course("with_subscription = true")
    number = till.shop.start_subscription(till.buy(ANA, product))
    till.pass_days()
    before = till.enrolment(ANA, course)
    till.shop.hold_subscription(number)
    till.pass_days()
    assert till.inside(course) == set()
    assert (till.enrolment(ANA, course), before.status) == (before, "suspended")
    till.shop.reactivate_subscription(number)
    till.pass_days()
    assert till.inside(course) == {ANA}
    assert till.enrolment(ANA, course) is before


def test_what_is_bought_twice_without_end_is_told_once_and_done_once(till: Till) -> None:
    product, course = till.sells_course()
    till.buy(ANA, product)
    till.pass_days()
    second = till.buy(ANA, product)
    till.pass_days()
    till.pass_days()
    assert till.parked() == ["bought_again"]
    assert len(till.enrolment(ANA, course).history) == 1
    till.shop.set_status(second, "refunded")
    till.pass_days()
    assert (till.parked(), till.inside(course)) == ([], {ANA})
