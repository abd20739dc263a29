"""`wcsync show`: an admin sees what happened to an order, why, and what to do next."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import T0, make_line, make_order
from tests.spine import Spine
from wcsync.cli import main
from wcsync.errors import PermanentError, TransientError
from wcsync.ledger.desk import Giving
from wcsync.model import LineId, OrderId, Person
from wcsync.reckoning import Fate
from wcsync.sale import Access, Refund, RefundLine, Terms


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    (tmp_path / "key").write_text("k")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "config.toml").write_text(
        """
        [store]
        url = "https://shop.example.com"
        consumer_key = { file = "key" }
        consumer_secret = { file = "key" }
        [[lms]]
        name = "campus"
        kind = "moodle"
        url = "https://campus.example.com"
        token = { file = "key" }
        [lms.budget]
        per_day = 2
        [ledger]
        path = "ledger.db"
        [mapping]
        path = "mapping.toml"
        """
    )
    made = Spine(tmp_path, start=T0)
    yield made
    made.close()


def wcsync(spine: Spine, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(spine.path.parent / "config.toml")])


def shown(spine: Spine, *words: str) -> str:
    result = wcsync(spine, "show", *words)
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def story(spine: Spine, *words: str) -> Any:
    return json.loads(wcsync(spine, "show", *words, "--json").stdout)


def five_seats(spine: Spine, refunded: int = 0) -> None:
    given_back = RefundLine(line_id=3, quantity=Decimal(refunded), total=Decimal(49 * refunded))
    refunds = (Refund(refund_id=77, total=Decimal(49 * refunded), lines=(given_back,)),) if refunded else ()
    line = replace(make_line(3, quantity="5"), total="245.00")
    spine.record(replace(make_order(7, lines=(line,), modified_at=spine.clock()), refunds=refunds))
    spine.work()


def test_an_order_says_what_the_shop_said_and_who_is_in(spine: Spine) -> None:
    spine.record(make_order(7))
    spine.work()
    text = shown(spine, "7")
    assert "Order 7 (id 7): completed, counts as paid" in text
    assert "Line 1, seat 1, campus course 42: in since 2026-11-21T12:00:00 (UTC), without end" in text
    assert "sold by mapping.toml:1" in text


def test_no_address_is_shown_unless_it_is_asked_for(spine: Spine) -> None:
    spine.record(make_order(7))
    assert "ana@example.test" not in wcsync(spine, "show", "7").stdout
    assert "ana@example.test" not in json.dumps(story(spine, "7"))
    assert "is Ana Núñez <ana@example.test>" in shown(spine, "7", "--names")
    assert story(spine, "7", "--names")["people"][0]["email"] == "ana@example.test"


def test_open_seats_stand_there_with_the_command_that_fills_them(spine: Spine) -> None:
    five_seats(spine)
    text = shown(spine, "7")
    assert "Line 3, seats 2-5, campus course 42: OPEN, waits for a learner" in text
    assert "wcsync parked assign 7 3 EMAIL" in text
    assert [seat["seat"] for seat in story(spine, "7")["open_seats"]] == [2, 3, 4, 5]


def test_what_was_given_back_is_told_with_the_seats_it_ended(spine: Spine) -> None:
    five_seats(spine)
    spine.tick(60)
    five_seats(spine, refunded=2)
    text = shown(spine, "7")
    assert "gave back 98 (refund 77): line 3: 2 of it, 98" in text
    assert "seats 2-3, campus course 42: OPEN, waits" in text
    assert "seats 4-5, campus course 42: ended (2 of 5 refunded)" in text


def test_a_held_order_says_how_to_let_it_go_on(spine: Spine) -> None:
    spine.record(make_order(7))
    spine.ledger.desk.hold(OrderId(7), "asked the buyer", spine.plan, spine.clock())
    text = shown(spine, "7")
    assert "HELD since" in text
    assert "asked the buyer" in text
    assert "wcsync release 7" in text


def test_each_attempt_is_told_with_its_kind_of_trouble(spine: Spine) -> None:
    def refuse(_what: str) -> None:
        raise TransientError("campus: too many requests")

    spine.lms.before_write = refuse
    spine.record(make_order(7))
    spine.work()
    spine.lms.before_write = lambda _what: None
    spine.settle()
    whats = [moment["what"] for moment in story(spine, "7")["timeline"]]
    assert whats.index("did not work, is tried again") < whats.index("enrolled")


def test_what_was_given_up_is_told_with_its_error(spine: Spine) -> None:
    def refuse(_what: str) -> None:
        raise PermanentError("campus: the address is not allowed there")

    spine.lms.before_write = refuse
    spine.record(make_order(7))
    spine.work()
    text = shown(spine, "7")
    assert "GIVEN UP" in text
    assert "the address is not allowed there" in text


def test_the_timeline_is_in_order_and_begins_with_the_sale(spine: Spine) -> None:
    five_seats(spine)
    spine.tick(3600)
    spine.ledger.desk.hold(OrderId(7), "", spine.plan, spine.clock())
    moments = story(spine, "7")["timeline"]
    assert [moment["at"] for moment in moments] == sorted(moment["at"] for moment in moments)
    assert (moments[0]["by"], moments[0]["what"]) == ("shop", "ordered")
    assert {"shop", "wcsync", "person"} <= {moment["by"] for moment in moments}
    assert "the shop said" in [moment["what"] for moment in moments]


def test_a_seat_that_was_given_away_is_told(spine: Spine) -> None:
    five_seats(spine)
    giving = Giving(order_id=OrderId(7), line_id=LineId(3), learners=(Person(email="bo@example.test"),))
    spine.ledger.desk.assign([giving], spine.plan, spine.clock())
    assert "a seat given to a learner, by a person" in shown(spine, "7")


def test_a_hold_on_an_order_that_was_never_read_is_shown(spine: Spine) -> None:
    spine.ledger.desk.hold(OrderId(9), "", spine.plan, spine.clock())
    assert "Order 9: never read in full HELD since" in shown(spine, "9")


def test_an_order_is_found_with_blanks_around_it(spine: Spine) -> None:
    spine.ledger.desk.hold(OrderId(9), "", spine.plan, spine.clock())
    assert "Order 9: never read in full" in shown(spine, " 9 ")


def test_status_tells_what_waits_for_a_word(spine: Spine) -> None:
    five_seats(spine)
    spine.ledger.desk.hold(OrderId(7), "asked the buyer", spine.plan, spine.clock())
    spine.ledger.proof.record_worked(
        {"paid_lines": 0} | dict.fromkeys([fate.value for fate in Fate], 0),
        {"campus": "12 of 12 learners are not there"},
        spine.clock() - timedelta(minutes=1),
        spine.clock(),
        nightly=True,
    )
    text = " ".join(wcsync(spine, "status").stdout.split())
    assert "release id:7" in text
    assert "Last proof: 2026-11-21T12:00:00 (UTC): paid_lines=0 enrolled=0" in text
    assert "but NOT BELIEVED since 2026-11-21T12:00:00 (UTC): 12 of 12 learners are not there" in text
    assert "0 of 2" in text
    document = json.loads(wcsync(spine, "status", "--json").stdout)
    assert document["summary"]["open_seats"] == 4
    assert document["held"][0]["order_id"] == 7
    assert document["budgets"][0] | {"today": 0} == {
        "lms": "campus",
        "today": 0,
        "per_day": 2,
        "total": 0,
        "most": None,
        "waiting": 0,
    }
    assert document["reconcile"]["worked_at"]


def test_a_seat_whose_time_was_over_when_it_was_sold_says_so(spine: Spine) -> None:
    spine.mapping.terms["PY-101"] = Terms(access=Access(days=1))
    spine.tick(3 * 86400)
    spine.record(make_order())
    assert "campus course 42: nobody was enrolled: its time is over" in shown(spine, "1")


def test_a_budget_without_a_figure_is_none(spine: Spine) -> None:
    config = spine.path.parent / "config.toml"
    config.write_text(config.read_text().replace("per_day = 2", ""))
    assert json.loads(wcsync(spine, "status", "--json").stdout)["budgets"] == []
