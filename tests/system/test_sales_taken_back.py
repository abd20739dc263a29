"""What is taken back of sales, what stops that, and the proof, through a sandbox shop and two LMSs."""

import pytest

from tests.system.till import ANA, BEA, CID, Till

pytestmark = pytest.mark.prove
"""Each of these takes processes or a whole daemon of its own."""

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
