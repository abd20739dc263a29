"""The whole life of sales, through a sandbox shop and two LMSs: who learns, how long, and what is taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from freezegun import freeze_time

from tests.system.till import ANA, BEA, CID, Till
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_lines import Sold
from wcsync.sandbox.shop_shapes import read_zone
from wcsync.sandbox.threesixty import SandboxThreeSixty


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    with (
        freeze_time("2026-11-21T12:00:00Z") as time,
        SandboxShop() as shop,
        SandboxMoodle() as moodle,
        SandboxThreeSixty() as academy,
    ):
        yield Till(tmp_path, time, shop, moodle, academy)


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


# -- taking back -----------------------------------------------------------------------------------------------------


def test_a_partial_refund_ends_open_seats_first_and_then_asks(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product, 3)
    line = till.line_of(order_id)
    till.pass_days()
    till.run("parked", "assign", str(order_id), BEA)
    till.shop.refund(order_id, {line: 1})
    till.pass_days()
    assert till.inside(course) == {ANA, BEA}
    assert till.parked() == []
    till.shop.refund(order_id, {line: 1})
    till.pass_days()
    assert till.inside(course) == {ANA, BEA}
    assert till.parked() == ["seats_over"]
    till.run("parked", "end", str(order_id), "--learner", BEA)
    till.pass_days()
    assert till.inside(course) == {ANA}


def test_a_mere_amount_ends_nothing_and_asks(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product)
    till.shop.refund(order_id, "20.00")
    till.pass_days()
    assert (till.inside(course), till.parked()) == ({ANA}, ["refund_amount"])
    till.run("parked", "end", str(order_id))
    till.pass_days()
    assert (till.inside(course), till.parked()) == (set(), [])


def test_a_refund_that_is_deleted_is_found_by_the_proof(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product)
    till.buy(BEA, product)
    other = till.shop.add_product("Mug", price="10")
    order_id = till.shop.buy(CID, lines=[(product, 1), (other, 1)])
    till.pass_days()
    refund = till.shop.refund(order_id, {till.line_of(order_id): 1})
    till.pass_days()
    assert till.inside(course) == {ANA, BEA}
    till.shop.delete_refund(order_id, refund)
    till.pass_days()
    till.run("reconcile", "--lms", "all")
    till.pass_days()
    assert till.inside(course) == {ANA, BEA, CID}


@pytest.mark.parametrize("status", ["cancelled", "failed", "refunded"])
def test_an_order_completed_again_gives_back_what_its_end_took(till: Till, status: str) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product)
    till.pass_days()
    till.shop.set_status(order_id, status)
    till.pass_days()
    assert till.inside(course) == set()
    till.shop.complete_again(order_id)
    till.pass_days()
    assert till.inside(course) == {ANA}
    assert "is enrolled" in till.notes(order_id)[-1]


def test_an_order_in_the_trash_asks_and_is_whole_again_when_restored(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product)
    till.pass_days()
    till.shop.trash(order_id)
    till.pass_days()
    assert (till.inside(course), till.parked()) == ({ANA}, ["trashed"])
    till.run("parked", "end", str(order_id))
    till.pass_days()
    assert (till.inside(course), till.parked()) == (set(), [])
    till.shop.restore(order_id)
    till.pass_days()
    assert (till.inside(course), till.parked()) == ({ANA}, [])


def test_an_order_deleted_for_good_is_found_by_the_proof_and_asks(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product)
    till.buy(BEA, product)
    till.pass_days()
    till.shop.delete_forever(order_id)
    till.pass_days()
    assert till.parked() == []
    till.run("reconcile")
    till.pass_days()
    assert (till.inside(course), till.parked()) == ({ANA, BEA}, ["deleted"])
    till.run("parked", "end", str(order_id))
    till.pass_days()
    assert till.inside(course) == {BEA}


@pytest.mark.parametrize("polls", [1, 4], ids=["in one poll", "in several polls"])
def test_sixty_orders_cancelled_at_once_put_nobody_out_before_a_word(till: Till, polls: int) -> None:
    product, course = till.sells_course()
    people = {f"buyer{number}@personal.example.test" for number in range(70)}
    orders = [till.buy(person, product) for person in sorted(people)]
    till.pass_days()
    till.pass_days(2)
    assert till.inside(course) == people
    for number in range(polls):
        for order_id in orders[number * 60 // polls : (number + 1) * 60 // polls]:
            till.shop.set_status(order_id, "cancelled")
        till.pass_days()
    left = till.inside(course)
    assert len(left) >= (70 if polls == 1 else 70 - 25)
    assert till.ask("status")["withdrawals"]["waiting"] == 60 - (70 - len(left))
    till.run("withdrawals", "allow")
    till.pass_days()
    assert len(till.inside(course)) == 10


def test_one_order_of_a_mass_can_be_let_go_alone(till: Till) -> None:
    product, course = till.sells_course()
    orders = [till.buy(f"buyer{number}@personal.example.test", product) for number in range(30)]
    till.pass_days()
    for order_id in orders[:28]:
        till.shop.set_status(order_id, "cancelled")
    till.pass_days()
    assert len(till.inside(course)) == 30
    till.run("withdrawals", "allow", "--order", str(orders[0]))
    till.pass_days()
    assert len(till.inside(course)) == 29


@pytest.mark.parametrize(
    ("mode", "inside"), [("unenrol", set[str]()), ("suspend", set[str]()), ("keep", {ANA}), ("ask", {ANA})]
)
def test_what_is_taken_back_goes_as_it_was_sold(till: Till, mode: str, inside: set[str]) -> None:
    product, course = till.sells_course(f'on_withdraw = "{mode}"')
    order_id = till.buy(ANA, product)
    till.pass_days()
    before = till.enrolment(ANA, course)
    till.shop.set_status(order_id, "cancelled")
    till.pass_days()
    assert till.inside(course) == inside
    assert (before in till.moodle.enrolments) == (mode != "unenrol")
    assert till.parked() == (["withdraw_asked"] if mode == "ask" else [])
    if mode == "ask":
        till.run("parked", "end", str(order_id))
        till.pass_days()
        assert till.inside(course) == set()


# -- budget and gates ------------------------------------------------------------------------------------------------


def test_two_accounts_a_day_let_four_buyers_in_on_two_days(till: Till) -> None:
    till.configure(campus_keys="[lms.budget]\nper_day = 2\n")
    product, course = till.sells_course()
    people = [f"buyer{number}@personal.example.test" for number in range(4)]
    for person in people:
        till.buy(person, product)
    till.pass_days()
    assert len(till.inside(course)) == 2
    assert till.parked() == ["budget", "budget"]
    assert till.ask("status")["summary"]["unexplained"] == 0
    till.pass_days(1)
    assert till.inside(course) == set(people)
    assert till.parked() == []


def test_a_held_order_is_left_alone_until_it_is_released(till: Till) -> None:
    product, course = till.sells_course()
    sold = till.buy(ANA, product)
    till.pass_days()
    held = till.buy(BEA, product)
    for order_id in (sold, held):
        till.run("hold", f"id:{order_id}", "--reason", "under review")
    till.shop.set_status(sold, "cancelled")
    till.pass_days()
    assert till.inside(course) == {ANA}
    assert till.parked() == ["held"]
    for order_id in (sold, held):
        till.run("release", str(order_id))
    till.pass_days()
    assert till.inside(course) == {BEA}


# -- the proof -------------------------------------------------------------------------------------------------------


def test_who_is_forgotten_is_in_no_report_and_the_proof_still_adds_up(till: Till) -> None:
    product, course = till.sells_course()
    order_id = till.buy(ANA, product)
    till.buy(BEA, product)
    till.pass_days()
    assert "campus" in till.run("forget", ANA).stdout
    assert till.inside(course) == {ANA, BEA}
    assert ANA not in till.run("show", str(order_id), "--json").output
    last = till.run("reconcile", "--lms", "all").stdout.splitlines()[-1]
    assert last == "paid_lines=2 enrolled=2 open_seats=0 parked=0 dead=0 unmapped=0 unexplained=0"
    assert ANA.encode() not in (till.folder / "ledger.db").read_bytes()


def test_a_learner_without_live_access_is_blanked_when_the_time_is_over(till: Till) -> None:
    till.configure("[retention]\ndays = 100\n")
    product, _ = till.sells_course("days = 30")
    till.buy(ANA, product)
    till.pass_days()
    till.pass_days(31)
    till.pass_days(110)
    assert ANA.encode() not in (till.folder / "ledger.db").read_bytes()
    assert till.ask("status")["summary"]["unexplained"] == 0
