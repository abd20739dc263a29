"""A ledger that was restored from a backup: what came since counts as possibly done."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes import T0, make_line, make_order, make_refund
from tests.spine import QUARANTINE_S, Spine
from wcsync.cli.timeline import timeline
from wcsync.errors import TransientError
from wcsync.ledger.backup import put_back, take
from wcsync.ledger.report import Report
from wcsync.mappers.notes import tells_of_a_decision
from wcsync.model import Order, Person
from wcsync.pollers.catching_up import tell_restored
from wcsync.pollers.hindsight import REASON, Hindsight

DAY_S = 86_400.0
ANA = ("ana@example.test", "42")


class Restorable(Spine):
    """A spine whose ledger is lost and restored. Begun with a first poll, and one sale that is done."""

    def begin(self) -> None:
        self.poller.poll_once()
        self.buy(1, "old@example.test")
        self.live()

    def buy(self, order_id: int, email: str = "ana@example.test") -> Order:
        self.tick(1)
        now = self.clock()
        order = replace(make_order(order_id, email=email, modified_at=now, paid_at=now), created_at=now)
        self.store.put(order)
        return order

    def live(self) -> None:
        """All is read, done and told."""
        self.tick(QUARANTINE_S + 1)
        assert self.poller.poll_once().complete
        self.settle()
        self.send()
        self.tick(QUARANTINE_S + 1)
        self.send()

    def back_up(self) -> None:
        take(self.path, self.path.with_name("copy.db"), self.clock())
        self.tick(DAY_S / 4)

    def restore(self, after_s: float = DAY_S / 4) -> None:
        self.ledger.close()
        put_back(self.path.with_name("copy.db"), self.path)
        self.tick(after_s)
        self._open()
        tell_restored(self.ledger, self.clock())
        self.ledger.recover(self.clock(), self.clock())


def lost_decision(spine: Restorable) -> Order:
    """Restored; the address of order 2, which came after the backup, was put right meanwhile, and its note says so."""
    spine.back_up()
    order = spine.buy(2, "ann@example.test")
    spine.live()
    spine.ledger.desk.relink("ann@example.test", Person(email=ANA[0]), spine.plan, spine.clock())
    spine.live()
    assert tells_of_a_decision(spine.store.notes[2])
    spine.restore()
    return order


def watched(spine: Restorable) -> Hindsight:
    """A process that begins now: it remembers nothing of those before it."""
    hindsight = Hindsight(
        store=spine.store, ledger=spine.ledger, planner=lambda: spine.plan, clock=spine.clock
    )
    spine.poller = replace(spine.poller, before_recording=hindsight.look)
    return hindsight


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Restorable]:
    made = Restorable(tmp_path)
    made.begin()
    yield made
    made.close()


def test_what_was_enrolled_since_is_found_and_ends_with_its_order(spine: Restorable) -> None:
    spine.back_up()
    order = spine.buy(2)
    spine.live()
    writes = list(spine.lms.writes)
    spine.restore()
    spine.live()
    assert spine.lms.writes == writes
    assert spine.rows("SELECT count(*) AS n FROM enrolments WHERE ours = 1")[0]["n"] == 2
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    spine.live()
    assert ANA not in spine.lms.active()


def test_who_was_in_before_a_sale_that_follows_the_restore_is_left_in(spine: Restorable) -> None:
    spine.back_up()
    spine.restore()
    user = spine.lms.add_account(ANA[0])
    spine.lms.enrolled[user, "42"] = None
    order = spine.buy(2)
    spine.live()
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    spine.live()
    assert ANA in spine.lms.active()
    assert [row["kind"] for row in spine.rows("SELECT kind FROM parked")] == ["found_enrolment"]


def test_an_old_order_that_a_backfill_brings_says_nothing_of_who_was_in(spine: Restorable) -> None:
    spine.back_up()
    spine.restore()
    spine.live()
    user = spine.lms.add_account(ANA[0])
    spine.lms.enrolled[user, "42"] = None
    spine.record(make_order(2, modified_at=T0 - timedelta(days=300)))
    spine.settle()
    assert spine.rows("SELECT ours FROM enrolments WHERE applied = 'in' AND outcome = 'already'") == [
        {"ours": 0}
    ]


def test_what_waited_in_the_backup_and_was_done_since_is_ours(spine: Restorable) -> None:
    spine.buy(2)
    spine.poller.poll_once()
    spine.back_up()
    spine.live()
    writes = list(spine.lms.writes)
    spine.restore()
    spine.live()
    assert spine.lms.writes == writes
    assert {row["ours"] for row in spine.rows("SELECT ours FROM enrolments")} == {1}


@pytest.mark.parametrize("done", [True, False], ids=["withdrawn", "the daemon died before"])
def test_what_was_sold_and_given_back_since_ends_out(spine: Restorable, done: bool) -> None:
    spine.back_up()
    order = spine.buy(2)
    spine.live()
    spine.tick(1)
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    if done:
        spine.live()
    notes = {order_id: list(texts) for order_id, texts in spine.store.notes.items()}
    spine.restore()
    spine.live()
    assert spine.lms.active() == {("old@example.test", "42")}
    if done:
        assert spine.store.notes == notes
    assert spine.summary().unexplained == 0


def test_a_line_that_was_given_back_since_ends_out_and_the_other_stays(spine: Restorable) -> None:
    spine.back_up()
    spine.tick(1)
    now = spine.clock()
    lines = (make_line(1, sku="PY-101"), make_line(2, sku="PY-102"))
    order = make_order(2, lines=lines, modified_at=now, paid_at=now)
    spine.store.put(order)
    spine.live()
    refund = make_refund(7, (2, "1", "49.00"))
    spine.store.put(replace(order, modified_at=spine.clock(), refunds=(refund,), refunded_total=refund.total))
    spine.restore()
    spine.live()
    assert spine.lms.active() == {("old@example.test", "42"), ANA}


@pytest.mark.parametrize("status", ["cancelled", "failed", "on-hold", "processing"])
def test_an_order_that_was_never_completed_puts_nobody_out(spine: Restorable, status: str) -> None:
    spine.back_up()
    user = spine.lms.add_account(ANA[0])
    spine.lms.enrolled[user, "42"] = None
    spine.tick(1)
    spine.store.put(make_order(2, status=status, modified_at=spine.clock(), paid_at=spine.clock()))
    spine.restore()
    spine.live()
    assert ANA in spine.lms.active()
    assert spine.summary().due == 0


def test_nothing_is_done_on_the_word_of_old_orders(spine: Restorable) -> None:
    order = spine.buy(2)
    spine.poller.poll_once()
    spine.back_up()
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    spine.restore()
    spine.tick(QUARANTINE_S + 1)
    assert spine.work() == 0 or ANA not in spine.lms.active()
    spine.live()
    assert spine.lms.history.get(ANA) is None


def test_a_call_that_was_under_way_when_the_ledger_was_replaced_makes_no_second_account(
    spine: Restorable,
) -> None:
    spine.back_up()
    spine.buy(2)
    spine.poller.poll_once()
    spine.lms.acts_late = lambda what: what == "create"
    spine.work()
    spine.lms.acts_late = lambda _what: False
    spine.restore(after_s=0.5)
    spine.poller.poll_once()
    spine.work()
    assert len(spine.lms.accounts) == 1
    spine.lms.catch_up()
    spine.live()
    assert [email for email, _ in spine.lms.accounts].count(ANA[0]) == 1
    assert ANA in spine.lms.active()


def test_a_note_that_waited_in_the_backup_is_not_said_after_newer_ones(spine: Restorable) -> None:
    order = spine.buy(2)
    spine.poller.poll_once()
    spine.settle()
    spine.back_up()
    spine.live()
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    spine.live()
    notes = list(spine.store.notes[2])
    assert len(notes) == 2
    spine.restore()
    spine.live()
    assert spine.store.notes[2] == notes


def test_a_withdrawal_that_waited_in_the_backup_and_was_done_since_is_looked_up(spine: Restorable) -> None:
    order = spine.buy(2)
    spine.live()
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    spine.poller.poll_once()
    spine.back_up()
    spine.live()
    writes = list(spine.lms.writes)
    spine.restore()
    spine.live()
    assert spine.lms.writes == writes
    assert spine.summary().due == 0


def test_a_restored_ledger_stays_one_and_is_begun_once(spine: Restorable) -> None:
    spine.back_up()
    spine.restore()
    assert spine.ledger.begin_restored(spine.clock()) is None
    spine.reopen()
    origin = spine.ledger.read_origin()
    assert origin is not None
    assert origin.catching_up


def test_an_order_whose_address_was_put_right_since_is_held_until_that_is_said_again(
    spine: Restorable,
) -> None:
    lost_decision(spine)
    watched(spine)
    writes = list(spine.lms.writes)
    spine.live()
    assert spine.lms.writes == writes
    assert [row["order_id"] for row in spine.rows("SELECT order_id FROM holds")] == [2]
    spine.ledger.desk.relink("ann@example.test", Person(email=ANA[0]), spine.plan, spine.clock())
    spine.ledger.desk.release(spine.store.orders[2].order_id, spine.plan, spine.clock())
    spine.live()
    assert spine.lms.writes == writes
    assert spine.rows("SELECT ours FROM enrolments WHERE applied = 'in' AND ours = 0") == []


def test_an_order_that_a_person_released_is_not_held_again_by_the_next_process(spine: Restorable) -> None:
    order = lost_decision(spine)
    watched(spine)
    spine.live()
    assert [row["order_id"] for row in spine.rows("SELECT order_id FROM holds")] == [2]
    spine.ledger.desk.release(order.order_id, spine.plan, spine.clock())
    spine.reopen()
    watched(spine)
    spine.tick(1)
    spine.store.put(replace(order, modified_at=spine.clock()))
    spine.live()
    assert spine.rows("SELECT order_id FROM holds") == []
    assert ("ann@example.test", "42") in spine.lms.active()


def test_an_order_that_a_person_held_in_the_backup_tells_of_the_lost_decision_too(spine: Restorable) -> None:
    order = spine.buy(2, "ann@example.test")
    spine.ledger.desk.hold(order.order_id, "ask the buyer", spine.plan, spine.clock())
    spine.live()
    spine.back_up()
    spine.ledger.desk.release(order.order_id, spine.plan, spine.clock())
    spine.ledger.desk.relink("ann@example.test", Person(email=ANA[0]), spine.plan, spine.clock())
    spine.live()
    spine.restore()
    watched(spine)
    spine.store.put(replace(order, modified_at=spine.clock()))
    spine.live()
    [held] = spine.rows("SELECT reason FROM holds")
    assert held["reason"] == f"ask the buyer; {REASON}"
    spine.ledger.desk.release(order.order_id, spine.plan, spine.clock())
    watched(spine)
    spine.tick(1)
    spine.store.put(replace(order, modified_at=spine.clock()))
    spine.live()
    assert spine.rows("SELECT order_id FROM holds") == []


def test_a_decision_that_is_lost_a_second_time_holds_the_order_again(spine: Restorable) -> None:
    order = lost_decision(spine)
    watched(spine)
    spine.live()
    spine.ledger.desk.release(order.order_id, spine.plan, spine.clock())
    spine.back_up()
    spine.ledger.desk.relink("ann@example.test", Person(email=ANA[0]), spine.plan, spine.clock())
    spine.live()
    spine.restore()
    watched(spine)
    spine.tick(1)
    spine.store.put(replace(order, modified_at=spine.clock()))
    spine.live()
    assert [row["order_id"] for row in spine.rows("SELECT order_id FROM holds")] == [2]


def test_a_hold_for_a_lost_decision_is_told_as_an_act_of_wcsync(spine: Restorable) -> None:
    lost_decision(spine)
    watched(spine)
    spine.live()
    with closing(Report(spine.path)) as report:
        story = report.order_of(2)
    assert story is not None
    (held,) = [moment for moment in timeline(story) if moment["what"].startswith("held")]
    assert (held["by"], held["what"]) == (
        "wcsync",
        "held, as the restored ledger may lack a person's decision",
    )
    assert "a person" not in next(row["reason"] for row in story["parked"] if row["kind"] == "held")


def test_an_order_whose_decision_the_backup_holds_goes_on(spine: Restorable) -> None:
    order = spine.buy(2, "ann@example.test")
    spine.live()
    spine.ledger.desk.relink("ann@example.test", Person(email=ANA[0]), spine.plan, spine.clock())
    spine.live()
    assert tells_of_a_decision(spine.store.notes[2])
    spine.back_up()
    spine.store.put(replace(order, modified_at=spine.clock()))
    spine.restore()
    watched(spine).look([replace(order, modified_at=spine.clock())])
    assert spine.rows("SELECT order_id FROM holds") == []


def test_a_note_that_was_tried_before_the_backup_is_overtaken_by_what_the_shop_says_now(
    spine: Restorable,
) -> None:
    order = spine.buy(2)

    def refuse(_text: str) -> None:
        raise TransientError("shop: broke off")

    spine.store.before_note = refuse
    spine.poller.poll_once()
    spine.settle()
    spine.send()
    spine.back_up()
    spine.store.before_note = lambda _text: None
    spine.live()
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    spine.live()
    notes = list(spine.store.notes[2])
    assert len(notes) == 2
    spine.restore()
    spine.live()
    spine.live()
    assert spine.store.notes[2] == notes


def test_a_note_that_says_less_than_the_last_one_is_not_written(spine: Restorable) -> None:
    """A line was taken out of the order since: the restored ledger never knew of it."""
    spine.back_up()
    spine.tick(1)
    now = spine.clock()
    lines = (make_line(1, sku="PY-101"), make_line(2, sku="PY-102"))
    order = make_order(2, lines=lines, modified_at=now, paid_at=now)
    spine.store.put(order)
    spine.live()
    spine.tick(1)
    spine.store.put(replace(order, lines=lines[:1], modified_at=spine.clock()))
    notes = list(spine.store.notes[2])
    spine.restore()
    spine.live()
    assert spine.store.notes[2] == notes


def test_alerts_that_waited_in_the_backup_are_not_sent_any_more(spine: Restorable) -> None:
    spine.execute(
        "INSERT INTO outbox (key, channel, payload, state, attempts, next_attempt_at, lease, sending_since, error, "
        "changed_at, subject, number) VALUES ('mail/1', 'mail', '', 'due', 0, '', 0, NULL, '', '', 'troubles', 1)"
    )
    spine.back_up()
    spine.restore()
    spine.live()
    assert spine.ledger.post.claim("mail", spine.clock()) is None


def test_a_seat_whose_end_was_told_is_not_told_again_because_a_later_order_covers_it(
    spine: Restorable,
) -> None:
    order = spine.buy(2)
    spine.live()
    spine.back_up()
    spine.store.put(replace(order, status="refunded", modified_at=spine.clock()))
    spine.live()
    spine.buy(3)
    spine.live()
    notes = {order_id: list(texts) for order_id, texts in spine.store.notes.items()}
    spine.restore()
    spine.live()
    assert spine.store.notes == notes
