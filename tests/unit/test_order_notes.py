"""Order notes: one for each piece of news, whatever happens on the way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import T0, make_line, make_order
from tests.spine import QUARANTINE_S, Spine
from wcsync.errors import PermanentError, ServiceBlocked, TransientError, WcsyncError
from wcsync.health import Condition
from wcsync.ledger.desk import Giving
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.base import Capability
from wcsync.mappers.notes import NOTE_CHANNEL
from wcsync.model import LineId, Order, OrderId, Person
from wcsync.retry import Backoff
from wcsync.sale import Access, Terms
from wcsync.times import render_instant

CHANGED_WISH = "UPDATE enrolments SET state = 'due', revision = revision + 1, next_attempt_at = wished_at"


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path, start=T0, backoff=Backoff(max_attempts=3, first_delay_s=30, max_delay_s=60))
    yield made
    made.close()


def buy(spine: Spine, **fields: Any) -> Order:
    order = make_order(**fields)
    spine.store.put(order)
    return order


def sold(spine: Spine, **fields: Any) -> Order:
    """An order, read and worked off."""
    order = buy(spine, **fields)
    assert spine.poller.poll_once().complete
    spine.work()
    return order


def notes(spine: Spine, order: Order) -> list[str]:
    return spine.store.notes.get(order.order_id, [])


def lose(*_: object) -> None:
    raise TransientError("shop: broke off the connection", answer_lost=True)


def test_an_enrolment_is_told_once_beside_its_order(spine: Spine) -> None:
    order = sold(spine)
    assert spine.send() == 1
    [note] = notes(spine, order)
    assert "is enrolled (campus, course 42)" in note
    assert order.buyer.email in note
    for _ in range(3):
        spine.tick(3600)
        spine.poller.poll_once()
        spine.work()
        assert spine.send() == 0


def test_an_order_of_several_courses_gets_one_note_when_all_are_done(spine: Spine) -> None:
    order = buy(spine, lines=(make_line(1, sku="PY-101"), make_line(2, sku="PY-102")))
    spine.poller.poll_once()
    spine.worker.run_once()
    assert spine.send() == 0
    spine.work()
    spine.send()
    [note] = notes(spine, order)
    assert "course 42" in note
    assert "course 43" in note


def test_what_sells_no_course_gets_no_note(spine: Spine) -> None:
    order = sold(spine, lines=(make_line(1, sku="T-SHIRT"), make_line(2, sku="UNKNOWN")))
    assert spine.send() == 0
    assert notes(spine, order) == []


def test_an_unpaid_order_gets_no_note(spine: Spine) -> None:
    order = sold(spine, status="on-hold")
    assert spine.send() == 0
    assert notes(spine, order) == []


def test_what_needs_a_person_is_told(spine: Spine) -> None:
    spine.lms.before_write = lambda _what: _raise(PermanentError("campus: there is no course 42"))
    order = sold(spine)
    spine.send()
    [note] = notes(spine, order)
    assert "could NOT be enrolled" in note
    assert "there is no course 42" in note


def test_what_was_mended_later_is_told_again(spine: Spine) -> None:
    spine.lms.before_write = lambda _what: _raise(PermanentError("campus: there is no course 42"))
    order = sold(spine)
    spine.send()
    spine.lms.before_write = lambda _what: None
    spine.ledger.desk.revive(None, None, None, spine.plan, spine.clock())
    spine.work()
    spine.send()
    assert ["could NOT" in notes(spine, order)[0], "is enrolled" in notes(spine, order)[1]] == [True, True]


def test_an_order_parked_at_once_is_told(spine: Spine) -> None:
    order = sold(spine, lines=(make_line(1, quantity="0"),))
    spine.send()
    [note] = notes(spine, order)
    assert "Needs a person" in note


def test_seats_that_nobody_has_are_told_with_how_to_give_them(spine: Spine) -> None:
    order = sold(spine, lines=(make_line(1, quantity="3"),))
    spine.send()
    [note] = notes(spine, order)
    assert f"2 of 3 seats have no learner yet: `wcsync parked assign {order.number} 1 EMAIL`" in note


def test_a_seat_that_was_given_to_somebody_is_told(spine: Spine) -> None:
    order = sold(spine, lines=(make_line(1, quantity="2"),))
    spine.send()
    giving = Giving(order_id=order.order_id, line_id=LineId(1), learners=(Person(email="bea@example.test"),))
    spine.ledger.desk.assign([giving], spine.plan, spine.clock())
    spine.work()
    spine.send()
    assert "bea@example.test is enrolled" in notes(spine, order)[-1]
    assert "parked assign" not in notes(spine, order)[-1]


def test_an_address_that_was_put_right_is_told_beside_the_order(spine: Spine) -> None:
    order = sold(spine)
    spine.send()
    spine.ledger.desk.relink("ana@example.test", Person(email="ana@example.com"), spine.plan, spine.clock())
    spine.work()
    spine.send()
    assert (
        "ana@example.com is enrolled (campus, course 42), as the learner's address was put right"
        in (notes(spine, order)[-1])
    )


def test_an_address_that_was_put_right_to_one_who_has_the_course_is_told(spine: Spine) -> None:
    spine.mapping.terms["PY-101"] = Terms(access=Access(until=spine.clock() + timedelta(days=9)))
    order = sold(spine)
    sold(spine, order_id=2, email="bea@example.test")
    spine.send()
    bea = Person(email="bea@example.test")
    spine.ledger.desk.relink("ana@example.test", bea, spine.plan, spine.clock(), force=True)
    spine.work()
    spine.send()
    assert "bea@example.test is enrolled (campus, course 42), as" in notes(spine, order)[-1]


def test_an_address_that_was_put_right_twice_is_told_so(spine: Spine) -> None:
    order = sold(spine)
    for old, new in (("ana@example.test", "ana@example.com"), ("ana@example.com", "ana@example.test")):
        spine.ledger.desk.relink(old, Person(email=new), spine.plan, spine.clock())
        spine.work()
        spine.send()
    assert "as the learner's address was put right (2 times)." in notes(spine, order)[-1]


def test_a_time_that_was_over_when_it_was_sold_is_told(spine: Spine) -> None:
    spine.mapping.terms["PY-101"] = Terms(access=Access(until=spine.clock() - timedelta(days=1)))
    order = sold(spine)
    spine.send()
    assert (
        "was not enrolled (campus, course 42): the time that was sold is over already"
        in notes(spine, order)[-1]
    )


def end_of(spine: Spine, ending: str) -> str:
    """What the note of an order tells once its course has ended."""
    order = sold(spine)
    spine.execute(ending)
    spine.record(replace(order, status="refunded", modified_at=order.modified_at + timedelta(minutes=1)))
    spine.work()
    spine.send()
    return notes(spine, order)[-1]


@pytest.mark.parametrize(
    ("on_withdraw", "words"),
    [
        pytest.param(
            "suspend", "is suspended (campus, course 42); what was learnt there is kept", id="suspend"
        ),
        pytest.param("keep", "keeps the access (campus, course 42): it was sold so", id="keep"),
        pytest.param("ask", "keeps the access (campus, course 42) until somebody says otherwise", id="ask"),
        pytest.param("", "has ended (campus, course 42)", id="unenrol"),
    ],
)
def test_a_note_tells_in_which_way_access_ended(spine: Spine, on_withdraw: str, words: str) -> None:
    spine.lms.capabilities = frozenset({Capability.SUSPEND})
    assert words in end_of(spine, f"UPDATE entitlements SET on_withdraw = '{on_withdraw}'")


def test_a_note_tells_that_the_time_is_over(spine: Spine) -> None:
    spine.mapping.by_sku["TEN"] = ("campus", "42")
    spine.mapping.terms["TEN"] = Terms(access=Access(days=10))
    order = sold(spine, lines=(make_line(1, sku="TEN"),))
    spine.tick(11 * 86400)
    assert spine.ledger.end_expired(spine.clock()) == 1
    spine.work()
    spine.send()
    assert "The time of ana@example.test is over (campus, course 42)." in notes(spine, order)[-1]


def test_an_order_that_waits_long_is_told_so_once_and_then_that_it_is_in(spine: Spine) -> None:
    spine.lms.before_read = lambda: _raise(TransientError("campus: maintenance", whole_service=True))
    order = sold(spine)
    for _ in range(5):
        spine.tick(600)
        spine.work()
        spine.ledger.post.record_waiting(spine.clock(), spine.clock())
        spine.send()
    assert ["not enrolled yet" in note for note in notes(spine, order)] == [True]
    spine.lms.before_read = lambda: None
    spine.settle()
    spine.send()
    assert ["is enrolled" in note for note in notes(spine, order)] == [False, True]


def test_an_order_that_waits_shortly_is_told_nothing(spine: Spine) -> None:
    spine.tick(600)
    order = buy(spine, modified_at=spine.clock())
    spine.poller.poll_once()
    assert spine.ledger.post.record_waiting(T0, spine.clock()) == 0
    assert spine.send() == 0
    assert notes(spine, order) == []


def test_waiting_is_told_once_however_often_it_is_looked_at(spine: Spine) -> None:
    buy(spine)
    spine.poller.poll_once()
    assert [spine.ledger.post.record_waiting(spine.clock(), spine.clock()) for _ in range(3)] == [1, 0, 0]
    assert len(spine.rows("SELECT key FROM outbox")) == 1


def test_news_that_nobody_sent_yet_is_overtaken_by_newer_news(spine: Spine) -> None:
    order = buy(spine)
    spine.poller.poll_once()
    spine.ledger.post.record_waiting(spine.clock(), spine.clock())
    spine.work()
    spine.send()
    assert ["is enrolled" in note for note in notes(spine, order)] == [True]


def test_a_refund_is_told_and_so_is_the_order_completed_again(spine: Spine) -> None:
    order = sold(spine)
    spine.send()
    for status, words in (("refunded", "access of"), ("completed", "is enrolled")):
        spine.tick(60)
        spine.store.change(order.order_id, spine.clock(), status=status)
        spine.poller.poll_once()
        spine.work()
        spine.send()
        assert words in notes(spine, order)[-1]
    assert len(notes(spine, order)) == 3


def test_a_lost_answer_does_not_write_the_note_twice(spine: Spine) -> None:
    order = sold(spine)
    spine.store.after_note = lose
    spine.send()
    spine.store.after_note = lambda: None
    spine.tick(3600)
    assert spine.send() == 1
    assert len(notes(spine, order)) == 1


def test_a_note_that_takes_effect_late_is_waited_for(spine: Spine) -> None:
    order = sold(spine)
    spine.store.before_note = lose  # the shop will write it, but only later
    spine.send()
    spine.store.before_note = lambda _text: None
    spine.tick(61)
    assert spine.send() == 1, "it looks, and does not believe what it does not see"
    assert notes(spine, order) == []
    [row] = spine.rows("SELECT payload, digest FROM outbox")
    spine.store.notes[order.order_id] = [f"late (wcsync {row['digest']})"]
    spine.tick(QUARANTINE_S)
    spine.send()
    assert len(notes(spine, order)) == 1


def test_a_clock_set_back_does_not_cut_the_wait_for_a_late_note(spine: Spine) -> None:
    order = sold(spine)
    spine.store.before_note = lose
    spine.send()
    spine.store.before_note = lambda _text: None
    spine.clock.now -= timedelta(hours=2)
    spine.execute("UPDATE outbox SET next_attempt_at = ?", render_instant(spine.clock()))
    assert spine.send() == 1
    assert notes(spine, order) == [], "how long ago it was sent is not known any more"
    spine.tick(QUARANTINE_S + 60)
    assert spine.send() == 1
    assert len(notes(spine, order)) == 1, "and it is waited for once, not until the clock is where it was"


def test_a_note_put_off_by_a_clock_that_was_ahead_goes_out_once_the_clock_is_right(spine: Spine) -> None:
    spine.tick(365 * 86400)
    order = sold(spine, modified_at=spine.clock())
    spine.store.before_note = lambda _text: _raise(TransientError("shop: answered 500"))
    spine.send()
    spine.store.before_note = lambda _text: None
    spine.tick(-365 * 86400)
    spine.ledger.recover(spine.clock() - timedelta(minutes=15), spine.clock())
    spine.tick(61)
    assert spine.send() == 1
    assert len(notes(spine, order)) == 1


def test_a_note_that_waits_its_turn_is_left_alone_by_the_care_for_leases(spine: Spine) -> None:
    sold(spine)
    spine.store.before_note = lambda _text: _raise(TransientError("shop: answered 500", retry_after_s=7200))
    assert spine.send() == 1
    spine.tick(3600)
    spine.ledger.recover(spine.clock() - timedelta(minutes=15), spine.clock())
    assert spine.send() == 0


def test_a_note_that_never_arrived_is_written_after_the_quarantine(spine: Spine) -> None:
    order = sold(spine)
    spine.store.before_note = lose
    spine.send()
    spine.store.before_note = lambda _text: None
    spine.tick(QUARANTINE_S + 60)
    spine.send()
    assert len(notes(spine, order)) == 1


def test_a_look_for_notes_that_began_too_early_is_not_believed_however_late_it_is_answered(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was still to come may have come while the answer was on its way."""
    order = sold(spine)
    spine.store.before_note = lose
    spine.send()
    spine.store.before_note = lambda _text: None
    fetch = spine.store.fetch_notes

    def fetch_slowly(order_id: OrderId) -> list[str] | None:
        found = fetch(order_id)
        spine.tick(20)
        return found

    spine.tick(QUARANTINE_S - 10)
    monkeypatch.setattr(spine.store, "fetch_notes", fetch_slowly)
    spine.execute("UPDATE outbox SET next_attempt_at = ?", render_instant(spine.clock()))
    assert spine.messenger.run_once()
    assert notes(spine, order) == []


def test_a_process_killed_right_after_the_shop_took_the_note_does_not_repeat_it(spine: Spine) -> None:
    order = sold(spine)
    spine.store.after_note = lambda: _raise(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        spine.send()
    spine.store.after_note = lambda: None
    assert spine.reopen() == 1
    spine.tick(QUARANTINE_S + 60)
    assert spine.send() == 1
    assert len(notes(spine, order)) == 1


def test_a_new_ledger_does_not_tell_again_what_stands_there(spine: Spine, tmp_path: Path) -> None:
    order = sold(spine)
    spine.send()
    spine.close()
    spine.path = tmp_path / "other.db"
    spine._open()
    spine.poller.poll_once()
    spine.work()
    assert spine.send() == 1
    assert len(notes(spine, order)) == 1


def test_a_note_copied_with_its_order_is_not_taken_for_the_new_orders_own(spine: Spine) -> None:
    order = sold(spine)
    spine.send()
    spine.tick(5)
    spine.store.notes[1018] = notes(spine, order).copy()
    copy = sold(spine, order_id=1018, email="bea@example.test", modified_at=spine.clock())
    spine.send()
    assert "bea@example.test" in notes(spine, copy)[-1]


def test_notes_of_one_order_go_out_one_after_the_other(spine: Spine) -> None:
    order = sold(spine)
    spine.store.before_note = lose
    spine.send()
    spine.store.before_note = lambda _text: None
    spine.tick(10)
    spine.store.change(order.order_id, spine.clock(), status="refunded")
    spine.poller.poll_once()
    spine.work()
    assert spine.send() == 0, "the first one's fate is not known yet"
    spine.tick(QUARANTINE_S + 60)
    spine.send()
    assert ["is enrolled" in notes(spine, order)[0], "access of" in notes(spine, order)[1]] == [True, True]


def test_a_key_that_may_only_read_holds_up_notes_and_nothing_else(spine: Spine) -> None:
    spine.store.before_note = lambda _text: _raise(ServiceBlocked("shop: its key may not write"))
    orders = [sold(spine)]
    assert spine.send() == 1
    spine.tick(5)
    orders.append(sold(spine, order_id=1018, modified_at=spine.clock()))
    assert spine.send() == 0, "the whole way waits"
    assert spine.notes_patient.health.condition is Condition.BLOCKED
    assert spine.summary().enrolled == 2
    spine.store.before_note = lambda _text: None
    spine.tick(3600)
    spine.send()
    assert [len(notes(spine, order)) for order in orders] == [1, 1]


def test_an_order_that_is_gone_from_the_shop_costs_one_attempt(spine: Spine) -> None:
    order = sold(spine)
    del spine.store.orders[order.order_id]
    assert spine.send() == 1
    spine.tick(86400)
    assert spine.send() == 0
    assert spine.summary().dead == 0


def test_a_note_the_shop_chokes_on_is_given_up_in_the_end(spine: Spine) -> None:
    sold(spine)
    spine.store.before_note = lambda _text: _raise(TransientError("shop: answered 500", answer_lost=True))
    attempts = 0
    for _ in range(20):
        attempts += spine.send()
        spine.tick(300)
    assert attempts == 3
    assert spine.rows("SELECT state FROM outbox") == [{"state": "dead"}]


def test_an_outage_of_the_shop_gives_no_note_up(spine: Spine) -> None:
    order = sold(spine)
    spine.store.before_note = lambda _text: _raise(TransientError("shop: maintenance", whole_service=True))
    for _ in range(50):
        spine.send()
        spine.tick(3600)
    spine.store.before_note = lambda _text: None
    spine.send()
    assert len(notes(spine, order)) == 1


def test_a_shop_that_asks_for_a_pause_beside_a_note_is_heard_by_whoever_else_asks_it(spine: Spine) -> None:
    sold(spine)
    heard = list[WcsyncError]()
    busy = TransientError("shop: answered 429", whole_service=True, retry_after_s=600)
    spine.store.before_note = lambda _text: _raise(busy)
    assert replace(spine.messenger, heed=heard.append).run_once()
    assert heard == [busy]


def test_a_note_that_waits_for_an_earlier_one_is_no_pause_of_the_shop(spine: Spine) -> None:
    sold(spine)
    heard = list[WcsyncError]()
    spine.store.before_note = lambda _text: _raise(TransientError("shop: broke off", answer_lost=True))
    spine.send()
    spine.tick(30)
    messenger = replace(spine.messenger, heed=heard.append)
    assert messenger.run_once()
    assert "may still appear" in spine.rows("SELECT error FROM outbox")[0]["error"]
    assert not heard


def test_a_bug_in_a_note_is_no_bug_in_the_rest(spine: Spine) -> None:
    order = sold(spine)
    spine.store.before_note = lambda _text: _raise(ZeroDivisionError())
    assert spine.send() == 1
    spine.store.before_note = lambda _text: None
    spine.tick(3601)
    spine.send()
    assert len(notes(spine, order)) == 1


def test_without_the_channel_nothing_is_queued_and_what_was_is_dropped(spine: Spine) -> None:
    sold(spine)
    spine.ledger.post.record_channels([], spine.clock())
    assert spine.send() == 0
    spine.tick(5)
    sold(spine, order_id=1018, modified_at=spine.clock())
    assert spine.rows("SELECT state, error FROM outbox") == [
        {"state": "settled", "error": "the channel was switched off"}
    ]


def test_what_was_settled_before_notes_were_switched_on_is_no_news(spine: Spine) -> None:
    spine.ledger.post.record_channels([], spine.clock())
    order = sold(spine, lines=(make_line(1), make_line(2, sku="UNKNOWN"), make_line(3, quantity="3")))
    spine.ledger.post.record_channels([NOTE_CHANNEL], spine.clock())
    spine.ledger.replan_unmapped(spine.plan, spine.clock())
    spine.tick(60)
    spine.store.change(order.order_id, spine.clock())  # a bulk edit that changes nothing that was sold
    spine.poller.poll_once()
    assert spine.send() == 0
    spine.mapping.by_sku["UNKNOWN"] = ("campus", "44")
    spine.ledger.replan_unmapped(spine.plan, spine.clock())
    spine.work()
    spine.send()
    [note] = notes(spine, order)
    assert "course 44" in note


def test_a_message_taken_over_by_another_is_not_sent(spine: Spine) -> None:
    order = sold(spine)
    message = spine.ledger.post.claim("note", spine.clock())
    assert message is not None
    other = SqliteLedger(spine.path)
    other.recover(spine.clock(), spine.clock())
    other.close()
    assert not spine.ledger.post.record_sending(message, spine.clock())
    assert not spine.ledger.post.settle_sent(message, spine.clock())
    spine.tick(QUARANTINE_S + 1)
    spine.send()
    assert len(notes(spine, order)) == 1


def test_a_name_as_long_as_a_book_does_not_fill_the_outbox(spine: Spine) -> None:
    order = sold(spine, lines=(replace(make_line(1), name="N" * 1_000_000), make_line(2, quantity="3")))
    assert len(str(spine.rows("SELECT payload FROM outbox"))) < 3000
    spine.send()
    [note] = notes(spine, order)
    assert "NNN…: ana@example.test is enrolled" in note


def test_no_address_stands_in_the_outbox(spine: Spine) -> None:
    order = sold(spine)
    told = str(spine.rows("SELECT * FROM outbox"))
    assert order.buyer.email not in told


def test_who_is_in_is_not_told_to_wait_while_something_about_it_changes(spine: Spine) -> None:
    order = sold(spine)
    spine.send()
    spine.lms.before_read = lambda: _raise(TransientError("campus: maintenance", whole_service=True))
    spine.execute(CHANGED_WISH)
    spine.tick(3600)
    spine.work()
    assert spine.ledger.post.record_waiting(spine.clock(), spine.clock()) == 0
    spine.lms.before_read = lambda: None
    spine.settle()
    spine.send()
    assert len(notes(spine, order)) == 1


def test_a_change_that_fails_for_good_does_not_read_as_if_nobody_were_in(spine: Spine) -> None:
    order = sold(spine)
    spine.send()
    spine.execute(CHANGED_WISH)
    spine.lms.before_read = lambda: _raise(PermanentError("campus: there is no group 17"))
    spine.work()
    spine.send()
    assert "is enrolled, but a change" in notes(spine, order)[-1]


def test_an_order_that_was_told_to_wait_is_told_when_there_is_nothing_to_wait_for(spine: Spine) -> None:
    spine.lms.before_read = lambda: _raise(TransientError("campus: maintenance", whole_service=True))
    order = sold(spine)
    spine.tick(3600)
    spine.ledger.post.record_waiting(spine.clock(), spine.clock())
    spine.send()
    spine.tick(60)
    spine.store.change(order.order_id, spine.clock(), status="refunded")
    spine.poller.poll_once()
    spine.send()
    assert ["not enrolled" in note for note in notes(spine, order)] == [True, True]
    assert "again by itself" not in notes(spine, order)[-1]


def test_a_later_purchase_is_no_news_for_an_order_whose_access_had_ended(spine: Spine) -> None:
    first = sold(spine)
    spine.send()
    spine.tick(60)
    spine.store.change(first.order_id, spine.clock(), status="refunded")
    spine.poller.poll_once()
    spine.work()
    spine.send()
    spine.tick(86400)
    second = sold(spine, order_id=1018, modified_at=spine.clock())
    spine.send()
    assert [len(notes(spine, order)) for order in (first, second)] == [2, 1]
    spine.tick(60)
    spine.store.change(second.order_id, spine.clock(), status="refunded")
    spine.poller.poll_once()
    spine.work()
    spine.send()
    assert [len(notes(spine, order)) for order in (first, second)] == [2, 2]


def test_an_order_taken_back_before_anybody_heard_of_it_is_no_news(spine: Spine) -> None:
    spine.lms.before_read = lambda: _raise(TransientError("campus: maintenance", whole_service=True))
    order = sold(spine)
    spine.tick(60)
    spine.store.change(order.order_id, spine.clock(), status="refunded")
    spine.poller.poll_once()
    assert spine.send() == 0


def _raise(exc: BaseException) -> None:
    raise exc
