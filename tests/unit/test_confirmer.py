"""An LMS that lets learners in at its own time is looked at until it has."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes import T0, make_line, make_order
from tests.spine import Spine
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.health import Condition, Sign
from wcsync.model import Order, Seat
from wcsync.pulse import Pulse


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path, start=T0)
    made.lms.confirm = "look whether the session has ended"
    made.lms.arrives = lambda _seat: False
    yield made
    made.close()


def sold(spine: Spine, order_id: int = 1017, sku: str = "PY-101", email: str = "ana@example.com") -> Order:
    order = make_order(order_id, lines=(make_line(1, sku=sku),), email=email, modified_at=spine.clock())
    spine.store.put(order)
    spine.poller.poll_once()
    spine.work()
    return order


def look(spine: Spine) -> int:
    """Looks at all that is due. Returns how often."""
    looks = 0
    while spine.confirmer.run_once():
        looks += 1
        assert looks < 100, "the confirmer spins"
    return looks


def kinds(spine: Spine) -> list[str]:
    return [row["kind"] for row in spine.rows("SELECT kind FROM parked WHERE dropped_at IS NULL")]


def pass_time(spine: Spine, seconds: float) -> None:
    """In steps, so that looks come when they are due."""
    for _ in range(int(seconds // 60)):
        spine.tick(60)
        look(spine)


def test_what_shows_within_minutes_needs_nobody(spine: Spine) -> None:
    sold(spine)
    assert look(spine) == 0, "not at once"
    pass_time(spine, 300)
    spine.lms.arrives = lambda _seat: True
    pass_time(spine, 600)
    assert kinds(spine) == []
    assert spine.rows("SELECT * FROM confirmations") == []


def test_what_does_not_show_for_half_an_hour_is_put_on_the_list(spine: Spine) -> None:
    order = sold(spine)
    pass_time(spine, 1200)
    assert kinds(spine) == []
    pass_time(spine, 3600)
    assert kinds(spine) == ["unconfirmed"]
    [row] = spine.rows("SELECT order_id, reason FROM parked")
    assert row["order_id"] == order.order_id
    assert "look whether the session has ended" in row["reason"]


def test_it_goes_off_the_list_by_itself_when_it_shows_after_all(spine: Spine) -> None:
    sold(spine)
    pass_time(spine, 7200)
    spine.lms.arrives = lambda _seat: True
    pass_time(spine, 3600)
    assert kinds(spine) == []


def test_the_orders_note_says_that_it_needs_a_person(spine: Spine) -> None:
    order = sold(spine)
    pass_time(spine, 7200)
    spine.send()
    assert "Needs a person" in spine.store.notes[order.order_id][-1]


def test_looks_become_rarer_and_end_after_a_week(spine: Spine) -> None:
    sold(spine)
    before = spine.lms.reads
    pass_time(spine, 8 * 86400)
    assert spine.rows("SELECT * FROM confirmations") == []
    assert kinds(spine) == ["unconfirmed"]
    assert 100 < spine.lms.reads - before < 200


def test_a_read_again_order_keeps_its_entry(spine: Spine) -> None:
    order = sold(spine)
    pass_time(spine, 7200)
    spine.store.change(order.order_id, spine.clock(), number="1017-b")
    spine.poller.poll_once()
    assert kinds(spine) == ["unconfirmed"]


def test_an_entry_that_somebody_dropped_stays_dropped(spine: Spine) -> None:
    order = sold(spine)
    pass_time(spine, 7200)
    spine.ledger.desk.drop_parked(order.order_id, None, spine.clock())
    pass_time(spine, 7200)
    assert kinds(spine) == []


def test_a_refund_ends_the_looks_and_the_entry(spine: Spine) -> None:
    order = sold(spine)
    pass_time(spine, 7200)
    spine.store.change(order.order_id, spine.clock(), status="refunded")
    spine.poller.poll_once()
    assert kinds(spine) == []
    assert spine.rows("SELECT * FROM confirmations") == []


def test_a_look_that_ends_after_a_refund_settles_nothing(spine: Spine) -> None:
    order = sold(spine)
    spine.tick(60)

    def refund() -> None:
        spine.lms.before_read = lambda: None
        spine.store.change(order.order_id, spine.clock(), status="refunded")
        spine.poller.poll_once()

    spine.lms.before_read = refund
    assert look(spine) == 1
    assert spine.rows("SELECT * FROM confirmations") == []


def test_a_sick_lms_is_left_alone_and_no_entry_comes_of_it(spine: Spine) -> None:
    sold(spine)
    spine.tick(60)
    spine.lms.before_read = lambda: _raise(TransientError("campus: maintenance", whole_service=True))
    assert look(spine) == 0
    assert spine.patient.health.condition is Condition.DOWN
    spine.tick(7200)
    assert look(spine) == 0
    assert kinds(spine) == []


@pytest.mark.parametrize(
    "error",
    [TransientError("campus: maintenance", whole_service=True), ServiceBlocked("campus: wrong token")],
    ids=["down", "blocked"],
)
def test_an_lms_that_failed_at_a_look_is_found_well_again_though_nobody_buys(
    spine: Spine, error: Exception
) -> None:
    sold(spine)
    spine.tick(60)
    spine.lms.before_read = lambda: _raise(error)
    look(spine)
    spine.lms.before_read = lambda: None
    pass_time(spine, 7200)
    assert spine.patient.health.condition is Condition.UP
    assert kinds(spine) == ["unconfirmed"]


def test_while_enrolments_wait_for_a_sick_lms_looks_do_not_call_it_well(spine: Spine) -> None:
    sold(spine)
    spine.tick(60)
    spine.patient.note(Sign.FAILED, "campus: writes are refused")
    spine.store.put(make_order(1018, email="bert@example.com", modified_at=spine.clock()))
    spine.poller.poll_once()
    spine.tick(7200)
    assert look(spine) == 0
    assert spine.patient.health.condition is Condition.DOWN


@pytest.mark.parametrize(
    "error",
    [TransientError("campus: moved", whole_service=True), ServiceBlocked("campus: wrong token")],
    ids=["down", "blocked"],
)
def test_after_trouble_at_a_look_it_is_asked_anew_who_answers(spine: Spine, error: Exception) -> None:
    """Also after a refusal: whoever mends a token may have put another site in its place."""
    sold(spine)
    spine.tick(60)
    spine.lms.before_read = lambda: _raise(error)
    look(spine)
    asked = spine.lms.asked_who
    spine.lms.before_read = lambda: None
    pass_time(spine, 300)
    assert spine.lms.asked_who == asked + 1


def test_a_refusal_blocks_the_lms_like_any_other(spine: Spine) -> None:
    sold(spine)
    spine.tick(60)
    spine.lms.before_read = lambda: _raise(ServiceBlocked("campus: wrong token"))
    assert look(spine) == 0
    assert spine.patient.health.condition is Condition.BLOCKED


def test_one_that_is_refused_does_not_speak_for_the_others(spine: Spine) -> None:
    def arrives(seat: Seat) -> bool:
        if seat.course_id == "43":
            raise PermanentError("campus: there is no path 43")
        return True

    sold(spine)
    sold(spine, 1018, "PY-102", "bert@example.com")
    spine.lms.arrives = arrives
    pass_time(spine, 7200)
    [row] = spine.rows("SELECT order_id, reason FROM parked")
    assert row["order_id"] == 1018
    assert "there is no path 43" in row["reason"]


def test_nothing_is_looked_at_where_the_lms_leaves_nothing_open(spine: Spine) -> None:
    spine.lms.confirm = ""
    sold(spine)
    assert spine.rows("SELECT * FROM confirmations") == []


def test_a_killed_process_goes_on_looking(spine: Spine) -> None:
    sold(spine)
    spine.reopen()
    pass_time(spine, 7200)
    assert kinds(spine) == ["unconfirmed"]


def _raise(exc: Exception) -> None:
    raise exc


def test_looks_put_off_by_a_clock_that_was_ahead_go_on_once_the_clock_is_right(spine: Spine) -> None:
    spine.tick(365 * 86400)
    sold(spine)
    spine.tick(-365 * 86400)
    spine.ledger.recover(spine.clock() - timedelta(minutes=15), spine.clock())
    pass_time(spine, 3600)
    assert kinds(spine) == ["unconfirmed"]


def test_two_courses_of_one_line_are_two_things_to_look_at(spine: Spine) -> None:
    sold(spine, sku="BOTH")
    pass_time(spine, 3600)
    [row] = spine.rows("SELECT reason FROM parked")
    assert "enrolment in 42" in row["reason"]
    assert "enrolment in 43" in row["reason"]
    spine.lms.arrives = lambda seat: seat.course_id == "42"
    pass_time(spine, 7200)
    [row] = spine.rows("SELECT reason FROM parked")
    assert "enrolment in 42" not in row["reason"]
    assert "enrolment in 43" in row["reason"]


def test_a_dropped_entry_of_two_courses_stays_dropped_when_one_of_them_shows(spine: Spine) -> None:
    sold(spine, sku="BOTH")
    pass_time(spine, 3600)
    spine.ledger.desk.drop_parked(1017, None, spine.clock())
    spine.lms.arrives = lambda seat: seat.course_id == "42"
    pass_time(spine, 7200)
    assert kinds(spine) == []


def test_looks_one_by_one_are_signs_of_life(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    sold(spine, sku="BOTH")
    spine.tick(60)
    beats: list[Pulse] = []
    monkeypatch.setattr(Pulse, "beat", lambda pulse: beats.append(pulse))  # noqa: PLW0108  binds as a method
    pulse = Pulse("looking")
    pulse.adopt()
    spine.lms.before_read = _refuse
    spine.confirmer.run_once()
    pulse.rest(0)
    assert len(beats) == 1 + 2


def _refuse() -> None:
    raise PermanentError("campus: there is no path 7")
