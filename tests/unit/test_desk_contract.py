"""What every `Desk` does with a person's word. Another implementation adds a class that says how it is opened."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, make_line, make_order
from tests.spine import Spine
from wcsync.ledger.connection import connect
from wcsync.ledger.desk import Desk, Ended, Giving, Merging, TooFewSeats
from wcsync.model import Applied, LineId, Order, OrderId, Outcome, Person
from wcsync.sale import Access, Cause, Refund, RefundLine, Terms, Withdrawal

ANA, BEA, CLEO, DORA = (
    Person(email=f"{name}@example.test", first_name=name.title()) for name in ("ana", "bea", "cleo", "dora")
)


def sold(order_id: int = 7, quantity: str = "3", **facts: object) -> Order:
    order = make_order(order_id, lines=(make_line(3, quantity=quantity),))
    return replace(order, **facts)  # type: ignore[arg-type]


class DeskContract(ABC):
    @abstractmethod
    def open(self, folder: Path) -> Spine: ...

    @pytest.fixture
    def spine(self, tmp_path: Path) -> Iterator[Spine]:
        spine = self.open(tmp_path)
        yield spine
        spine.close()

    @pytest.fixture
    def desk(self, spine: Spine) -> Desk:
        return spine.ledger.desk

    # -- seats -------------------------------------------------------------------------------------------------------
    def test_an_open_seat_is_given_and_its_learner_gets_in(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold())
        assert give(spine, BEA, CLEO) == 2
        spine.work()
        assert {email for email, _ in inside(spine)} == {ANA.email, BEA.email, CLEO.email}
        assert kinds(spine) == []
        assert desk.read_open_seats(OrderId(7)) == []

    def test_open_seats_are_told_with_who_has_the_others(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold())
        (line,) = desk.read_open_seats(OrderId(7))
        assert (line.line_id, line.seats, line.learners) == (3, (2, 3), (spine.ledger.identify(ANA.email),))

    def test_a_seat_given_twice_is_given_once(self, spine: Spine) -> None:
        spine.record(sold())
        assert [give(spine, BEA), give(spine, BEA), give(spine, ANA)] == [1, 0, 0]
        assert kinds(spine) == ["open_seats"]

    def test_too_many_learners_get_nothing_at_all(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(), sold(8))
        two = [Giving(order_id=OrderId(8), line_id=LineId(3), learners=(BEA,)), giving(7, BEA, CLEO, DORA)]
        with pytest.raises(TooFewSeats) as raised:
            desk.assign(two, spine.plan, spine.clock())
        assert raised.value.seats == 2
        assert len(desk.read_open_seats(OrderId(8))[0].seats) == 2

    @pytest.mark.parametrize("place", [(9, 3), (7, 4)], ids=["order", "line"])
    def test_an_unknown_order_or_line_is_an_error(
        self, spine: Spine, desk: Desk, place: tuple[int, int]
    ) -> None:
        spine.record(sold())
        there = Giving(order_id=OrderId(place[0]), line_id=LineId(place[1]), learners=(BEA,))
        with pytest.raises(KeyError):
            desk.assign([there], spine.plan, spine.clock())

    def test_seats_that_were_given_back_meanwhile_are_too_few(self, spine: Spine) -> None:
        spine.record(sold())
        spine.tick(60)
        spine.record(sold(status="refunded", modified_at=spine.clock()))
        with pytest.raises(TooFewSeats) as raised:
            give(spine, BEA)
        assert raised.value.seats == 0

    def test_a_seat_given_by_a_person_survives_every_reading(self, spine: Spine) -> None:
        spine.record(sold())
        give(spine, BEA)
        spine.tick(60)
        spine.record(sold(modified_at=spine.clock(), refunded_total=Decimal(1)))
        spine.work()
        assert (BEA.email, "42") in inside(spine)

    # -- ending ------------------------------------------------------------------------------------------------------
    def test_an_order_in_the_trash_ends_by_a_person_and_is_withdrawn(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        trash(spine)
        assert kinds(spine) == ["trashed"]
        ended = end(spine)
        assert (ended.kinds, ended.seats, ended.allowed) == (("trashed",), 1, 1)
        spine.work()
        assert spine.lms.enrolled == {}
        assert kinds(spine) == []

    def test_an_order_that_is_restored_gives_access_back_and_asks_again_next_time(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        trash(spine)
        end(spine)
        spine.tick(60)
        spine.record(sold(quantity="1", modified_at=spine.clock()))
        spine.work()
        assert len(spine.lms.enrolled) == 1
        trash(spine)
        spine.work()
        assert (len(spine.lms.enrolled), kinds(spine)) == (1, ["trashed"])

    def test_an_order_that_is_paid_again_leaves_what_was_said_of_its_refunds(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        refund(spine, Refund(refund_id=77, total=Decimal(10)))
        end(spine)
        spine.tick(60)
        refund(spine, Refund(refund_id=77, total=Decimal(10)))
        assert kinds(spine) == []
        assert end(spine).seats == 0

    def test_a_line_that_another_took_the_place_of_ends_by_a_persons_word(self, spine: Spine) -> None:
        spine.mapping.terms["PY-101"] = Terms(access=Access(days=30))
        spine.record(sold(quantity="1"))
        spine.work()
        once = spine.row()["until"]
        for line_id in (4, 3, 4):
            spine.tick(60)
            edited = replace(sold(quantity="1"), lines=(make_line(line_id),), modified_at=spine.clock())
            spine.record(edited)
            spine.work()
            assert kinds(spine) == ["line_removed"]
            assert (end(spine).kinds, spine.row()["until"]) == (("line_removed",), once)
            spine.record(edited)
            spine.work()
            assert (kinds(spine), len(spine.lms.enrolled)) == ([], 1)

    def test_who_goes_is_asked_again_after_a_refund_was_deleted(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="2"))
        give(spine, BEA)
        spine.work()
        refund_one_of_two(spine, 77)
        desk.end(OrderId(7), None, desk.key_of(BEA.email), spine.plan, spine.clock())
        spine.work()
        spine.tick(60)
        spine.record(sold(quantity="2", modified_at=spine.clock()))
        refund_one_of_two(spine, 78)
        spine.settle()
        assert {email for email, _ in inside(spine)} == {ANA.email, BEA.email}
        assert kinds(spine) == ["seats_over"]

    def test_a_word_about_a_held_order_waits_for_its_release(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="2"))
        give(spine, BEA)
        spine.work()
        refund_one_of_two(spine, 77)
        desk.hold(OrderId(7), "", spine.plan, spine.clock())
        desk.release(OrderId(7), spine.plan, spine.clock())
        desk.end(OrderId(7), None, desk.key_of(BEA.email), spine.plan, spine.clock())
        desk.hold(OrderId(7), "", spine.plan, spine.clock())
        desk.release(OrderId(7), spine.plan, spine.clock())
        spine.work()
        assert {email for email, _ in inside(spine)} == {ANA.email}

    def test_nothing_asked_is_nothing_ended(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        ended = end(spine)
        assert (ended.kinds, ended.seats, ended.allowed) == ((), 0, 0)
        assert spine.rows("SELECT * FROM decisions") == []

    def test_ending_twice_ends_once(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        trash(spine)
        end(spine)
        assert (end(spine).seats, len(spine.rows("SELECT * FROM decisions"))) == (0, 1)

    def test_an_amount_given_back_ends_the_order_by_a_persons_word(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        refund(spine, Refund(refund_id=77, total=Decimal(10)))
        assert kinds(spine) == ["refund_amount"]
        assert end(spine).seats == 1
        assert spine.rows("SELECT cause, line_id FROM decisions") == [{"cause": "refund:77", "line_id": 0}]

    def test_too_few_seats_end_for_the_learner_who_is_named(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="2"))
        give(spine, BEA)
        spine.work()
        refund_one_of_two(spine, 77)
        assert kinds(spine) == ["seats_over"]
        assert end(spine).unanswered == (3,)
        ended = desk.end(OrderId(7), None, desk.key_of("BEA@example.test"), spine.plan, spine.clock())
        assert (ended.kinds, ended.seats) == (("seats_over",), 1)
        spine.work()
        assert {email for email, _ in inside(spine)} == {ANA.email}
        assert kinds(spine) == []

    def test_whoever_names_a_learner_ends_nothing_else(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        trash(spine)
        ended = desk.end(OrderId(7), None, desk.key_of(ANA.email), spine.plan, spine.clock())
        assert (ended.kinds, ended.seats) == ((), 0)

    def test_a_withdrawal_that_asks_is_done_once_it_is_allowed(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        asks(spine)
        refund_all(spine)
        spine.work()
        assert (kinds(spine), len(spine.lms.enrolled)) == (["withdraw_asked"], 1)
        ended = end(spine)
        assert (ended.kinds, ended.allowed) == (("withdraw_asked",), 1)
        assert kinds(spine) == []
        spine.work()
        assert spine.lms.enrolled == {}

    # -- allowing ----------------------------------------------------------------------------------------------------
    def test_all_that_is_due_is_allowed_once(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        refund_all(spine)
        assert [desk.allow(None, spine.clock()), desk.allow(None, spine.clock())] == [1, 0]
        claim = spine.ledger.claim(CAMPUS, spine.clock())
        assert claim is not None
        assert claim.allowed

    def test_what_asks_for_a_word_of_its_own_is_not_allowed_with_all(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        asks(spine)
        refund_all(spine)
        spine.work()
        assert desk.allow(None, spine.clock()) == 0
        assert desk.allow(OrderId(7), spine.clock()) == 1

    # -- holding -----------------------------------------------------------------------------------------------------
    def test_a_held_order_enrols_nobody_until_it_is_released(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        assert desk.hold(OrderId(7), "asked by ana@example.test", spine.plan, spine.clock())
        assert not desk.hold(OrderId(7), "again", spine.plan, spine.clock())
        spine.work()
        assert spine.lms.enrolled == {}
        assert "ana@" not in str(spine.rows("SELECT * FROM holds"))
        assert desk.release(OrderId(7), spine.plan, spine.clock())
        assert not desk.release(OrderId(7), spine.plan, spine.clock())
        spine.work()
        assert len(spine.lms.enrolled) == 1

    def test_an_order_that_nobody_read_yet_can_be_held(self, spine: Spine, desk: Desk) -> None:
        desk.hold(OrderId(7), "", spine.plan, spine.clock())
        spine.record(sold(quantity="1"))
        spine.work()
        assert (spine.lms.enrolled, kinds(spine)) == ({}, ["held"])
        desk.release(OrderId(7), spine.plan, spine.clock())
        spine.work()
        assert (len(spine.lms.enrolled), kinds(spine)) == (1, [])

    def test_a_hold_puts_nobody_out_and_a_release_does_what_the_shop_said(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        desk.hold(OrderId(7), "", spine.plan, spine.clock())
        refund_all(spine)
        spine.work()
        assert len(spine.lms.enrolled) == 1
        desk.release(OrderId(7), spine.plan, spine.clock())
        spine.work()
        assert spine.lms.enrolled == {}

    def test_what_was_held_back_is_held_until_it_is_released_and_not_again(
        self, spine: Spine, desk: Desk
    ) -> None:
        began = spine.clock()
        assert desk.hold_back(OrderId(7), "lost", began, spine.plan, spine.clock())
        spine.record(sold(quantity="1"))
        assert kinds(spine) == ["held"]
        spine.tick(60)
        assert desk.release(OrderId(7), spine.plan, spine.clock())
        assert not desk.hold_back(OrderId(7), "lost", began, spine.plan, spine.clock())
        spine.work()
        assert (len(spine.lms.enrolled), kinds(spine)) == (1, [])
        assert desk.hold_back(OrderId(7), "lost", spine.clock(), spine.plan, spine.clock())

    # -- another address ---------------------------------------------------------------------------------------------
    def test_another_address_gets_in_and_the_old_one_goes(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        assert relink(spine, ANA.email, BEA.email) == 1
        spine.work()
        assert inside(spine) == {(BEA.email, "42")}
        (old,) = spine.rows("SELECT cause FROM enrolments WHERE desired = 'out'")
        assert old["cause"] == Cause.RELINKED

    def test_orders_to_come_that_say_the_old_address_mean_the_new_one(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        relink(spine, ANA.email, BEA.email)
        spine.record(replace(make_order(8, lines=(make_line(1, sku="PY-102"),))))
        spine.work()
        assert inside(spine) == {(BEA.email, "42"), (BEA.email, "43")}

    def test_a_relink_said_twice_is_done_once(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        assert [relink(spine, ANA.email, BEA.email), relink(spine, ANA.email, BEA.email)] == [1, 0]

    @pytest.mark.parametrize(
        ("chain", "last"),
        [
            ((ANA, BEA, CLEO), CLEO),
            ((ANA, BEA, ANA), ANA),
            ((ANA, BEA, ANA, BEA), BEA),
            ((ANA, BEA, CLEO, ANA), ANA),
            ((ANA, BEA, CLEO, BEA), BEA),
        ],
        ids=["chain", "back", "to and fro", "circle", "one back"],
    )
    def test_relinks_follow_each_other(self, spine: Spine, chain: tuple[Person, ...], last: Person) -> None:
        spine.record(sold(quantity="1"))
        for old, new in pairwise(chain):
            spine.work()
            spine.tick(60)
            assert relink(spine, old.email, new.email) == 1
        spine.work()
        assert inside(spine) == {(last.email, "42")}
        spine.record(make_order(8, lines=(make_line(1, sku="PY-102"),)))
        spine.work()
        assert (last.email, "43") in inside(spine)

    def test_relinks_follow_each_other_though_the_clock_was_set_back_between_them(self, spine: Spine) -> None:
        chain = [ANA, BEA, CLEO, DORA]
        spine.record(sold(quantity="1"))
        for old, new in pairwise(chain):
            relink(spine, old.email, new.email)
            spine.tick(-60)
        spine.tick(600)
        spine.record(sold(8, "1", modified_at=spine.clock()))
        spine.settle()
        assert {email for email, _ in inside(spine)} == {DORA.email}
        assert "buyer_changed" not in kinds(spine)

    def test_an_address_nobody_knows_cannot_be_relinked(self, spine: Spine) -> None:
        with pytest.raises(KeyError):
            relink(spine, ANA.email, BEA.email)

    def test_two_learners_become_one_only_by_force(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"), replace(make_order(8, email=BEA.email), number="8"))
        with pytest.raises(Merging) as raised:
            relink(spine, ANA.email, BEA.email)
        assert raised.value.orders == (8,)
        assert spine.rows("SELECT * FROM aliases") == []
        assert relink(spine, ANA.email, BEA.email, force=True) == 1
        spine.work()
        assert inside(spine) == {(BEA.email, "42")}

    def test_an_order_put_right_in_the_shop_is_no_other_learner(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        spine.tick(60)
        spine.record(sold(quantity="1", modified_at=spine.clock(), buyer=BEA))
        assert relink(spine, ANA.email, BEA.email) == 1
        spine.work()
        assert (inside(spine), kinds(spine)) == ({(BEA.email, "42")}, [])

    def test_a_relink_leaves_the_old_access_where_the_sale_says_keep(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        spine.execute("UPDATE entitlements SET on_withdraw = ?", Withdrawal.KEEP.value)
        relink(spine, ANA.email, BEA.email)
        spine.work()
        assert inside(spine) == {(ANA.email, "42"), (BEA.email, "42")}

    @pytest.mark.parametrize("refunded", [False, True], ids=["in by an order", "asked about after a refund"])
    def test_a_relink_is_word_enough_where_withdrawals_ask(self, spine: Spine, refunded: bool) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        asks(spine)
        if refunded:
            refund_all(spine)
            spine.work()
            assert kinds(spine) == ["withdraw_asked"]
        relink(spine, ANA.email, BEA.email)
        spine.settle()
        assert {email for email, _ in inside(spine)} == (set() if refunded else {BEA.email})
        assert kinds(spine) == []

    def test_a_slip_of_the_finger_is_mended_by_a_relink(self, spine: Spine) -> None:
        spine.record(sold(quantity="1", buyer=replace(ANA, email="ana@gmial.com")))
        spine.work()
        assert kinds(spine) == ["typo"]
        relink(spine, "ana@gmial.com", "ana@gmail.com")
        assert kinds(spine) == []
        spine.work()
        assert inside(spine) == {("ana@gmail.com", "42")}

    def test_a_relink_while_the_old_address_is_being_worked_on_ends_right(self, spine: Spine) -> None:
        spine.record(sold(quantity="1"))
        claim = spine.ledger.claim(CAMPUS, spine.clock())
        assert claim is not None
        relink(spine, ANA.email, BEA.email)
        user_id = spine.lms.add_account(ANA.email)
        spine.lms.enrolled[user_id, "42"] = None
        applied = Applied(outcome=Outcome.CREATED, user_id=user_id)
        assert spine.ledger.settle_applied(claim, applied, spine.clock())
        spine.work()
        assert inside(spine) == {(BEA.email, "42")}

    def test_a_relink_is_told_beside_the_order(self, spine: Spine) -> None:
        spine.store.orders = {7: sold(quantity="1")}
        spine.record(sold(quantity="1"))
        spine.work()
        relink(spine, ANA.email, BEA.email)
        spine.work()
        payloads = [row["payload"] for row in spine.rows("SELECT payload FROM outbox ORDER BY number")]
        assert any(spine.ledger.identify(BEA.email) in payload for payload in payloads)
        assert not any("@" in payload for payload in payloads)

    # -- forgetting --------------------------------------------------------------------------------------------------
    def test_a_forgotten_person_is_named_by_keys_alone(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        before = spine.summary()
        found = desk.forget("ANA@example.test ", spine.clock())
        assert found is not None
        assert (found.known, found.orders, found.live) == (True, (7,), ((CAMPUS, "42"),))
        assert [lms for lms, _ in found.accounts] == [CAMPUS]
        assert spine.ledger.read_learners(found.keys) == {}
        assert spine.summary() == before

    def test_a_person_is_forgotten_once_and_told_again(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        desk.forget(ANA.email, spine.clock())
        again = desk.forget(ANA.email, spine.clock())
        assert again is not None
        assert not again.known
        assert len(spine.rows("SELECT * FROM audit WHERE action = 'forgotten'")) == 1

    def test_nobody_is_forgotten_by_an_address_that_is_unknown(self, spine: Spine, desk: Desk) -> None:
        assert desk.forget("nobody@example.test", spine.clock()) is None
        assert desk.trace("nobody@example.test") is None

    def test_reading_old_orders_again_brings_nobody_back_and_a_new_order_does(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        spine.tick(60)
        found = desk.forget(ANA.email, spine.clock())
        assert found is not None
        spine.tick(60)
        spine.record(sold(quantity="1", modified_at=spine.clock(), refunded_total=Decimal(1)))
        assert spine.ledger.read_learners(found.keys) == {}
        spine.tick(60)
        new = make_order(8, lines=(make_line(1, sku="PY-102"),), modified_at=spine.clock())
        spine.record(replace(new, created_at=spine.clock()))
        assert [person.email for person in spine.ledger.read_learners(found.keys).values()] == [ANA.email]

    def test_what_was_still_to_be_done_for_a_forgotten_person_is_given_up(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.record(sold(quantity="1"))
        found = desk.forget(ANA.email, spine.clock())
        assert found is not None
        assert found.waiting == ((CAMPUS, "42"),)
        spine.work()
        assert [row["error_kind"] for row in spine.rows("SELECT error_kind FROM enrolments")] == ["erased"]

    def test_a_plan_made_anew_for_a_forgotten_person_asks_nothing(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        desk.forget(ANA.email, spine.clock())
        desk.hold(OrderId(7), "", spine.plan, spine.clock())
        desk.release(OrderId(7), spine.plan, spine.clock())
        assert kinds(spine) == []
        assert spine.summary().unexplained == 0

    def test_a_plan_made_anew_never_asks_for_the_address_of_somebody_who_was_erased(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.record(make_order(7, lines=(replace(make_line(3, quantity="3"), learners=(BEA, CLEO)),)))
        spine.work()
        desk.forget(BEA.email, spine.clock())
        desk.hold(OrderId(7), "", spine.plan, spine.clock())
        desk.release(OrderId(7), spine.plan, spine.clock())
        assert kinds(spine) == ["open_seats"]
        assert {email for email, _ in inside(spine)} == {BEA.email, CLEO.email}

    def test_who_was_erased_and_buys_again_gets_what_was_given_up_for_want_of_an_address(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.record(sold(quantity="1"))
        desk.forget(ANA.email, spine.clock())
        spine.work()
        assert spine.summary().dead == 1
        spine.tick(60)
        spine.record(sold(quantity="1", modified_at=spine.clock(), refunded_total=Decimal(1)))
        assert spine.summary().dead == 1, "an old order brings nobody back"
        spine.record(sold(8, quantity="1", modified_at=spine.clock(), created_at=spine.clock()))
        spine.work()
        assert inside(spine) == {(ANA.email, "42")}
        assert spine.summary().dead == 0

    def test_an_address_that_stands_for_an_erased_one_is_known_again_by_a_relink(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.record(sold(quantity="1"))
        relink(spine, ANA.email, BEA.email)
        desk.forget(ANA.email, spine.clock())
        spine.tick(60)
        spine.record(sold(8, quantity="1", modified_at=spine.clock(), created_at=spine.clock()))
        spine.work()
        assert spine.summary().dead == 1
        spine.tick(60)
        relink(spine, ANA.email, BEA.email)
        spine.work()
        assert inside(spine) == {(BEA.email, "42")}
        assert spine.summary().dead == 0

    @pytest.mark.parametrize("text", ["eve@localhost", "İ" * 30 + " EVE@localhost, for one"])
    def test_an_address_is_taken_out_of_any_text(self, spine: Spine, desk: Desk, text: str) -> None:
        spine.record(sold(quantity="1", buyer=Person(email="eve@localhost")))
        spine.execute("UPDATE enrolments SET error = ?", text)
        desk.forget("eve@localhost", spine.clock())
        (row,) = spine.rows("SELECT error FROM enrolments")
        assert row["error"] == text.replace("eve@localhost", "[address]").replace(
            "EVE@localhost", "[address]"
        )

    @pytest.mark.parametrize("word", ["d", '"', "enrolled"])
    def test_what_is_no_address_leaves_the_json_of_notes_whole(
        self, spine: Spine, desk: Desk, word: str
    ) -> None:
        spine.record(sold(quantity="1", learners=(Person(email=word),)), make_order(8, lines=(make_line(4),)))
        spine.work()
        before = spine.rows("SELECT payload FROM outbox")
        assert desk.forget(word, spine.clock()) is not None
        assert spine.rows("SELECT payload FROM outbox") == before

    def test_forgetting_one_address_forgets_those_that_stand_for_it(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        relink(spine, ANA.email, BEA.email)
        found = desk.forget(ANA.email, spine.clock())
        assert found is not None
        assert len(found.keys) == 2
        assert spine.rows("SELECT email FROM learners WHERE email <> ''") == []

    @pytest.mark.parametrize("told", [True, False], ids=["after a message", "before"])
    def test_not_a_byte_of_a_forgotten_person_is_left_in_the_files(
        self, spine: Spine, desk: Desk, *, told: bool
    ) -> None:
        person = Person(
            email="Zaphodine.Q@betelgeuse.example",
            first_name="Zaphodine",
            last_name="Beeblebroxova",
            fields=(("company", "Magrathea " * 40),),  # long, so that much of the old row is left in its page
        )
        order = sold(quantity="1", buyer=person)
        spine.store.orders = {7: order}
        spine.record(order, *(make_order(100 + n, email=f"u{n}@example.test") for n in range(30)))
        if told:
            spine.work()
            spine.send()
        for other in range(100, 130):  # rows come and go around hers
            spine.execute("DELETE FROM outbox WHERE subject = ?", f"order {other}")
        spine.tick(60)
        desk.forget(person.email, spine.clock())
        assert desk.wipe()
        held = b"".join(file.read_bytes() for file in spine.path.parent.glob("ledger.db*")).lower()
        for word in ("zaphodine", "betelgeuse", "beeblebroxova", "magrathea"):
            assert word.encode() not in held

    def test_what_an_older_version_left_in_the_file_goes_too(self, spine: Spine, desk: Desk) -> None:
        person = replace(ANA, fields=(("company", "Magrathea " * 40),))
        spine.record(sold(quantity="1", buyer=person))
        with closing(sqlite3.connect(spine.path)) as db, db:
            db.execute("PRAGMA secure_delete = OFF")
            db.execute("UPDATE learners SET fields = '[]'")
        spine.ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert b"Magrathea" in spine.path.read_bytes()
        desk.forget(ANA.email, spine.clock())
        assert desk.wipe()
        assert b"Magrathea" not in spine.path.read_bytes()

    def test_an_address_in_what_others_said_goes_too(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        spine.execute("UPDATE enrolments SET error = 'user ANA@example.test is locked'")
        desk.forget(ANA.email, spine.clock())
        assert spine.row()["error"] == "user [address] is locked"

    @pytest.mark.parametrize("email", ["ana@intranet", "address"])
    def test_what_does_not_look_like_an_address_goes_too(self, spine: Spine, desk: Desk, email: str) -> None:
        spine.record(sold(quantity="1"))
        key = spine.ledger.identify(email)
        spine.execute("UPDATE learners SET learner_key = ?, email = ?", key, email)
        spine.execute("UPDATE enrolments SET error = ?", f"{'ß' * 40} {email.upper()} is locked")
        desk.forget(email, spine.clock())
        assert spine.row()["error"] == f"{'ß' * 40} [address] is locked"

    def test_a_wipe_that_cannot_be_done_says_so(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"))
        spine.ledger._db.execute("PRAGMA busy_timeout = 50")
        with closing(connect(spine.path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM orders").fetchall()
            assert not desk.wipe()
        assert desk.wipe()

    # -- retention ---------------------------------------------------------------------------------------------------
    def test_whoever_has_nothing_any_more_is_forgotten_after_the_time(self, spine: Spine, desk: Desk) -> None:
        spine.record(sold(quantity="1"), make_order(8, email=BEA.email))
        spine.work()
        spine.tick(60)
        refund_all(spine)
        spine.work()
        spine.tick(60)
        assert desk.blank_idle(spine.clock(), spine.clock()) == 1
        assert desk.blank_idle(spine.clock(), spine.clock()) == 0
        assert [row["email"] for row in spine.rows("SELECT email FROM learners WHERE email <> ''")] == [
            BEA.email
        ]

    def test_who_was_in_for_a_time_is_forgotten_after_it_though_nothing_was_taken_back(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.mapping.terms["PY-101"] = Terms(access=Access(days=30))
        spine.record(sold(quantity="1"))
        spine.work()
        spine.tick(29 * 86400)
        assert desk.blank_idle(spine.clock(), spine.clock()) == 0
        spine.tick(86400)
        spine.ledger.end_expired(spine.clock())
        spine.work()
        spine.tick(60)
        assert desk.blank_idle(spine.clock(), spine.clock()) == 1

    def test_nobody_is_forgotten_before_the_time_or_while_something_is_to_be_done(
        self, spine: Spine, desk: Desk
    ) -> None:
        spine.record(sold(quantity="1"))
        spine.work()
        spine.tick(60)
        since = spine.clock()
        refund_all(spine)
        assert desk.blank_idle(since, spine.clock()) == 0
        spine.tick(60)
        assert desk.blank_idle(spine.clock(), spine.clock()) == 0, "the withdrawal is still due"


class TestSqliteDesk(DeskContract):
    def open(self, folder: Path) -> Spine:
        return Spine(folder)


def giving(order_id: int, *learners: Person) -> Giving:
    return Giving(order_id=OrderId(order_id), line_id=LineId(3), learners=learners)


def give(spine: Spine, *learners: Person) -> int:
    return spine.ledger.desk.assign([giving(7, *learners)], spine.plan, spine.clock())


def end(spine: Spine) -> Ended:
    return spine.ledger.desk.end(OrderId(7), None, None, spine.plan, spine.clock())


def relink(spine: Spine, old: str, new: str, *, force: bool = False) -> int:
    return spine.ledger.desk.relink(old, Person(email=new), spine.plan, spine.clock(), force=force)


def inside(spine: Spine) -> set[tuple[str, str]]:
    """Who is in which course, by their addresses."""
    addresses = {user_id: email for email, user_id in spine.lms.accounts}
    return {(addresses[user_id], course_id) for user_id, course_id in spine.lms.enrolled}


def kinds(spine: Spine) -> list[str]:
    return [
        row["kind"] for row in spine.rows("SELECT kind FROM parked WHERE dropped_at IS NULL ORDER BY kind")
    ]


def trash(spine: Spine) -> None:
    spine.tick(60)
    spine.record(sold(quantity="1", status="trash", modified_at=spine.clock()))


def refund_all(spine: Spine) -> None:
    spine.tick(60)
    spine.record(sold(quantity="1", status="refunded", modified_at=spine.clock()))


def refund(spine: Spine, refund: Refund, quantity: str = "1") -> None:
    spine.tick(60)
    order = sold(quantity=quantity, refunds=(refund,), refunded_total=refund.total)
    spine.record(replace(order, modified_at=spine.clock()))


def refund_one_of_two(spine: Spine, refund_id: int) -> None:
    line = RefundLine(line_id=3, quantity=Decimal(1), total=Decimal("24.50"))
    refund(spine, Refund(refund_id=refund_id, total=Decimal("24.50"), lines=(line,)), quantity="2")


def asks(spine: Spine) -> None:
    """As if the seats had been sold with `on_withdraw = "ask"`."""
    spine.execute("UPDATE entitlements SET on_withdraw = ?", Withdrawal.ASK.value)
