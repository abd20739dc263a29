"""The proof: each paid line of the shop is found again, counted once, and what is amiss is told."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import CAMPUS, T0, make_line, make_order
from tests.spine import Spine
from wcsync.errors import ServiceBlocked, TransientError
from wcsync.gate import SHOP
from wcsync.ledger.report import Report
from wcsync.model import LineId, Order, OrderId, Seat, Unreadable
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.reckoning import Fate, Reckoning, Remark, render_proof
from wcsync.sale import DELETED

LONG_AGO = T0 - timedelta(days=90)


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path, start=LONG_AGO)
    yield made
    made.close()


def reconciler(spine: Spine, **others: Any) -> Reconciler:
    def fates(order_ids: Sequence[OrderId]) -> Mapping[tuple[OrderId, LineId], str]:
        with closing(Report(spine.path)) as report:
            return report.line_fates(order_ids)

    given = {
        "store": spine.store,
        "ledger": spine.ledger,
        "poller": spine.poller,
        "lmss": {CAMPUS: spine.lms},
        "gates": {SHOP: spine.poller.gate, CAMPUS: spine.worker.gate},
        "patients": {CAMPUS: spine.patient},
        "planner": lambda: spine.plan,
        "paid": lambda order: order.status == "completed",
        "fates": fates,
        "clock": spine.clock,
        "dice": random.Random(17).random,
    }
    return Reconciler(**{**given, **others})


def prove(spine: Spine, lms: Depth = Depth.ALL, **others: Any) -> Reckoning:
    return reconciler(spine, **others).run(LONG_AGO, lms)


def sell(spine: Spine, first: int, last: int, **others: Any) -> list[Order]:
    orders = [make_order(n, email=f"buyer{n}@example.test", **others) for n in range(first, last + 1)]
    for order in orders:
        spine.store.put(order)
    return orders


def sell_and_enrol(spine: Spine, first: int, last: int) -> None:
    sell(spine, first, last)
    spine.poller.poll_once()
    spine.work()


def parked(spine: Spine) -> list[tuple[int, str]]:
    rows = spine.rows("SELECT order_id, kind FROM parked WHERE dropped_at IS NULL ORDER BY order_id")
    return [(row["order_id"], row["kind"]) for row in rows]


def codes(reckoning: Reckoning) -> list[str]:
    return [remark.code for remark in reckoning.remarks]


def take_out(spine: Spine, order_id: int) -> None:
    """Somebody takes a learner out in the LMS."""
    address = f"buyer{order_id}@example.test"
    [user_id] = [number for email, number in spine.lms.accounts if email == address]
    spine.lms.enrolled.pop((user_id, "42"))


def test_every_paid_line_is_counted_once_over_many_pages(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 14)
    reckoning = prove(spine)
    assert reckoning.orders == 14
    assert reckoning.counts() == dict.fromkeys(reckoning.counts(), 0) | {"paid_lines": 14, "enrolled": 14}
    assert reckoning.remarks == ()


def test_the_figures_of_the_last_two_lines_add_up(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 2)
    sell(spine, 3, 3, lines=(make_line(1), make_line(2, sku="T-SHIRT"), make_line(3, sku="NEW")))
    sell(spine, 4, 4, status="processing")
    before, last = render_proof(prove(spine).counts())
    assert before == "due=1 ignored=1 ended=0 dropped=0"
    assert last == "paid_lines=5 enrolled=2 open_seats=0 parked=0 dead=0 unmapped=1 unexplained=0"


def test_an_order_that_was_missed_enters_as_every_order_does(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    spine.tick(86400)
    spine.poller.poll_once()
    sell(spine, 2000, 2000, modified_at=T0 - timedelta(hours=1))  # before what was read
    spine.poller.poll_once()
    assert spine.rows("SELECT 1 FROM orders WHERE order_id = 2000") == []
    reckoning = prove(spine)
    assert (reckoning.fresh, reckoning.counts()["due"], reckoning.unexplained) == (1, 1, 0)
    spine.work()
    assert prove(spine).counts()["enrolled"] == 4


def test_a_paid_line_without_a_fate_is_listed_with_what_to_do(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 2)
    spine.execute(
        "DELETE FROM enrolments WHERE learner_key = ?", spine.ledger.identify("buyer2@example.test")
    )
    reckoning = prove(spine)
    assert reckoning.unexplained == 1
    [remark] = reckoning.remarks
    assert (remark.code, remark.order_id, remark.line_id) == ("unexplained", 2, 1)
    assert "wcsync parked retry id:2" in remark.do


def test_a_line_that_the_ledger_lost_is_unexplained(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 1)
    spine.execute("DELETE FROM order_lines")
    assert prove(spine).unexplained == 1


def test_an_order_taken_back_while_the_proof_runs_is_not_called_lost(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 4)

    def fates(order_ids: Sequence[OrderId]) -> Mapping[tuple[OrderId, LineId], str]:
        if spine.store.orders[2].status == "completed":
            spine.store.change(2, T0 + timedelta(minutes=1), status="refunded")
            spine.poller.poll_once()
        with closing(Report(spine.path)) as report:
            return report.line_fates(order_ids)

    reckoning = prove(spine, Depth.NONE, fates=fates)
    assert (reckoning.paid_lines, reckoning.unexplained) == (3, 0)


def test_an_order_changed_behind_the_walk_is_asked_for_by_itself(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    spine.store.change(
        2, LONG_AGO - timedelta(days=1), status="refunded"
    )  # the walk does not show it any more
    reckoning = prove(spine)
    assert reckoning.deleted == 0
    assert spine.rows("SELECT order_id FROM orders WHERE order_id = 2") != []
    assert reckoning.paid_lines == 2


def test_an_order_deleted_in_the_shop_is_kept_as_such(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 8)
    del spine.store.orders[5]
    reckoning = prove(spine)
    assert (reckoning.deleted, reckoning.orders, reckoning.paid_lines) == (1, 7, 7)
    [row] = spine.rows("SELECT status FROM orders WHERE order_id = 5")
    assert row["status"] == DELETED
    assert codes(reckoning) == ["deleted"]
    assert prove(spine).deleted == 0


def test_a_shop_that_forgot_most_orders_is_believed_nothing(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 11)
    for order_id in range(5, 12):
        del spine.store.orders[order_id]
    reckoning = prove(spine)
    assert codes(reckoning) == ["shop_suspect"]
    assert reckoning.deleted == 0
    assert spine.rows("SELECT 1 FROM orders WHERE status = ?", DELETED) == []


def test_an_order_that_cannot_be_read_is_for_a_person_and_not_deleted(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    del spine.store.orders[3]
    spine.store.unreadable.append(Unreadable(order_id=OrderId(3), reason="line_items: not a list"))
    reckoning = prove(spine)
    assert reckoning.deleted == 0
    assert parked(spine) == [(3, "unreadable")]


def test_a_shop_that_asks_the_proof_to_wait_is_left_alone_by_all(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell_and_enrol(spine, 1, 3)
    del spine.store.orders[3]

    def busy(_order_id: OrderId) -> None:
        raise TransientError("shop: asked to wait", retry_after_s=3600)

    monkeypatch.setattr(spine.store, "fetch_order", busy)
    patient = spine.poller.patient
    with pytest.raises(TransientError):
        prove(spine, patients={CAMPUS: spine.patient, SHOP: patient})
    assert not patient.may_call()
    spine.tick(3700)
    assert patient.may_call()


def test_a_learner_taken_out_in_the_lms_is_for_a_person(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    take_out(spine, 2)
    reckoning = prove(spine)
    assert parked(spine) == [(2, "missing_in_lms")]
    assert (reckoning.counts()["enrolled"], reckoning.counts()["parked"]) == (2, 1)
    assert codes(reckoning) == ["missing_in_lms"]
    [row] = spine.rows("SELECT reason FROM parked")
    assert "staff may have taken them out" in row["reason"]
    assert "@" not in row["reason"]


def test_an_entry_goes_when_the_learner_is_seen_again(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    enrolled = dict(spine.lms.enrolled)
    take_out(spine, 2)
    prove(spine)
    spine.lms.enrolled = enrolled
    assert prove(spine).counts()["enrolled"] == 3
    assert parked(spine) == []


def test_an_entry_goes_when_the_order_is_taken_back(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    take_out(spine, 2)
    prove(spine)
    spine.tick(60)
    spine.store.change(2, spine.clock(), status="refunded")
    spine.poller.poll_once()
    spine.settle()
    assert parked(spine) == []


def test_a_person_can_have_the_learner_enrolled_again(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    take_out(spine, 2)
    prove(spine)
    assert spine.ledger.proof.enrol_again(OrderId(2), spine.clock()) == 1
    assert spine.ledger.proof.enrol_again(OrderId(2), spine.clock()) == 0
    spine.work()
    assert ("buyer2@example.test", "42") in spine.lms.active()
    assert parked(spine) == []


def test_what_a_person_dropped_stays_dropped_and_counts_so(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    take_out(spine, 2)
    prove(spine)
    spine.ledger.desk.drop_parked(2, None, spine.clock())
    reckoning = prove(spine)
    assert parked(spine) == []
    assert (reckoning.counts()["dropped"], reckoning.counts()["enrolled"]) == (1, 2)


def test_a_learner_enrolled_by_hand_is_left_alone_and_not_told_of(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 2)
    user_id = spine.lms.add_account("guest@example.test")
    spine.lms.enrolled[user_id, "42"] = None
    assert prove(spine).remarks == ()
    assert ("guest@example.test", "42") in spine.lms.active()


@pytest.mark.parametrize(
    "error",
    [TransientError("campus: maintenance", whole_service=True), ServiceBlocked("campus: wrong token")],
    ids=["down", "blocked"],
)
def test_an_lms_in_trouble_is_told_as_not_looked_at_and_nobody_as_missing(
    spine: Spine, error: Exception
) -> None:
    sell_and_enrol(spine, 1, 3)

    def fail() -> None:
        raise error

    spine.lms.before_read = fail
    reckoning = prove(spine)
    [look] = reckoning.looks
    assert (look.inside, look.looked, look.missing) == (3, 0, 0)
    assert codes(reckoning) == ["lms_not_looked"]
    assert parked(spine) == []
    assert reckoning.counts()["enrolled"] == 3


def test_a_learner_of_whom_the_lms_cannot_say_is_not_missing(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    spine.lms.arrives = lambda seat: seat.learner.email != "buyer1@example.test"
    [look] = prove(spine).looks
    assert (look.looked, look.unsure, look.missing) == (2, 1, 0)
    assert parked(spine) == []


def test_an_lms_that_forgot_most_learners_is_believed_nothing(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 10)
    spine.lms.enrolled.clear()
    reckoning = prove(spine)
    assert codes(reckoning) == ["lms_suspect"]
    assert parked(spine) == []


def test_a_few_missing_are_told_even_if_they_are_all(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    spine.lms.enrolled.clear()
    prove(spine)
    assert [kind for _, kind in parked(spine)] == ["missing_in_lms"] * 3


def test_a_sample_looks_up_so_many_and_whoever_was_missing(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 30)
    take_out(spine, 7)
    prove(spine)
    asked: list[str] = []

    def arrives(seat: Seat) -> bool:
        asked.append(seat.learner.email)
        return True

    spine.lms.arrives = arrives
    enrolled = dict(spine.lms.enrolled)
    [user_id] = [number for email, number in spine.lms.accounts if email == "buyer7@example.test"]
    spine.lms.enrolled = {**enrolled, (user_id, "42"): None}
    reckoning = reconciler(spine).run(LONG_AGO, Depth.SAMPLE, 5)
    [look] = reckoning.looks
    assert look.looked in {5, 6}
    assert "buyer7@example.test" in asked
    assert parked(spine) == []


def test_drawing_a_sample_can_be_stopped(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    asked = {Depth.NONE: 0, Depth.SAMPLE: 0}

    def run(depth: Depth) -> None:
        def stopping() -> bool:
            asked[depth] += 1
            return False

        reconciler(spine, stopping=stopping).run(LONG_AGO, depth, sample=0)

    for depth in asked:
        run(depth)
    assert asked[Depth.SAMPLE] > asked[Depth.NONE]


def test_each_learner_is_as_likely_in_a_sample(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 10)
    counted: dict[str, int] = {}

    def arrives(seat: Seat) -> bool:
        counted[seat.learner.email] = counted.get(seat.learner.email, 0) + 1
        return True

    spine.lms.arrives = arrives
    dice = random.Random(5).random
    for _ in range(200):
        reconciler(spine, dice=dice).run(LONG_AGO, Depth.SAMPLE, 3)
    assert len(counted) == 10
    assert all(30 <= times <= 90 for times in counted.values()), counted


def test_a_shop_that_fails_half_way_ends_the_proof_and_keeps_what_came(spine: Spine) -> None:
    sell(spine, 1, 9)

    def fail(number: int) -> None:
        if number == 3:
            raise TransientError("shop: broke off")

    spine.store.on_page = fail
    with pytest.raises(TransientError, match="broke off"):
        prove(spine)
    assert len(spine.rows("SELECT 1 FROM orders")) == 6
    spine.store.on_page = lambda _number: None
    assert prove(spine).paid_lines == 9


def test_a_proof_that_is_to_stop_stops_between_two_steps(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 3)
    with pytest.raises(TransientError, match="stopped before its end"):
        prove(spine, stopping=lambda: True)


def test_the_window_never_reaches_behind_what_the_ledger_was_begun_with(spine: Spine) -> None:
    proof = reconciler(spine)
    assert proof.window(T0) == T0
    spine.poller.poll_once()
    assert proof.window(LONG_AGO - timedelta(days=9)) == LONG_AGO
    spine.poller.read_since(LONG_AGO - timedelta(days=5))
    assert proof.window(LONG_AGO - timedelta(days=9)) == LONG_AGO - timedelta(days=5)
    assert proof.window(T0) == T0


def test_a_second_proof_changes_nothing(spine: Spine) -> None:
    sell_and_enrol(spine, 1, 5)
    take_out(spine, 3)
    first = prove(spine)
    tables = {
        table: spine.rows(f"SELECT * FROM {table}") for table in ("parked", "enrolments", "outbox", "audit")
    }
    spine.tick(3600)
    assert prove(spine).fates == first.fates
    assert tables == {table: spine.rows(f"SELECT * FROM {table}") for table in tables}


def test_what_is_amiss_with_subscriptions_is_listed_too(spine: Spine) -> None:
    found = Remark(code="subscription_gone", message="the shop does not know it")
    assert codes(prove(spine, ask_subscriptions=lambda _since: [found])) == ["subscription_gone"]


def test_every_fate_has_its_place_in_the_two_lines() -> None:
    counts = dict.fromkeys([fate.value for fate in Fate], 1) | {"paid_lines": len(Fate)}
    words = " ".join(render_proof(counts)).split()
    assert sum(int(word.partition("=")[2]) for word in words) == 2 * len(Fate)
