import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes import T0, make_line, make_order
from tests.spine import Spine
from wcsync.cli.show import print_story
from wcsync.errors import ConfigError, PermanentError, TransientError
from wcsync.ledger.connection import connect
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report, Summary
from wcsync.model import Order, OrderId, Unreadable

NOTHING = Summary(
    orders=0,
    lines=0,
    enrolled=0,
    open_seats=0,
    withdrawn=0,
    ended=0,
    parked=0,
    unmapped=0,
    ignored=0,
    dropped=0,
    dead=0,
    due=0,
    unexplained=0,
)


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def report(spine: Spine) -> Iterator[Report]:
    with closing(Report(spine.path)) as made:
        yield made


def dead(_what: str) -> None:
    raise PermanentError("no such course")


def refund(order: Order) -> Order:
    return replace(order, status="refunded", modified_at=order.modified_at + timedelta(minutes=1))


# -- figures ---------------------------------------------------------------------------------------------------------


def test_an_empty_ledger_counts_nothing(report: Report) -> None:
    assert report.summary() == NOTHING
    assert json.loads(json.dumps(report.summary().as_dict()))["unexplained"] == 0


@pytest.mark.parametrize(
    ("line", "fate"),
    [
        pytest.param(make_line(), {"due": 1}, id="due"),
        pytest.param(make_line(sku="NEW"), {"unmapped": 1}, id="unmapped"),
        pytest.param(make_line(sku="T-SHIRT"), {"ignored": 1}, id="ignored"),
        pytest.param(make_line(quantity="0"), {"parked": 1}, id="parked"),
        pytest.param(
            make_line(quantity="3"), {"parked": 1, "due": 1, "open_seats": 2}, id="due, with open seats"
        ),
        pytest.param(make_line(sku="BOTH"), {"due": 2}, id="two courses"),
    ],
)
def test_each_line_has_its_fate(spine: Spine, report: Report, line: object, fate: dict[str, int]) -> None:
    spine.record(make_order(lines=(line,)))  # type: ignore[arg-type]
    assert report.summary() == replace(NOTHING, orders=1, lines=1, **fate)


def test_an_unpaid_order_has_no_paid_lines(spine: Spine, report: Report) -> None:
    spine.record(make_order(status="pending"))
    assert report.summary() == replace(NOTHING, orders=1)


def test_an_enrolled_line_counts_as_enrolled(spine: Spine, report: Report) -> None:
    spine.record(make_order())
    spine.work()
    assert report.summary() == replace(NOTHING, orders=1, lines=1, enrolled=1)


def test_a_leased_row_counts_as_due(spine: Spine, report: Report) -> None:
    spine.record(make_order())
    spine.ledger.claim(spine.lms.name, T0)
    assert report.summary() == replace(NOTHING, orders=1, lines=1, due=1)


def test_a_line_of_two_courses_is_enrolled_only_with_both(spine: Spine, report: Report) -> None:
    spine.record(make_order(lines=(make_line(sku="BOTH"),)))
    spine.worker.run_once()
    assert (report.summary().enrolled, report.summary().due) == (0, 1)
    spine.work()
    assert (report.summary().enrolled, report.summary().due) == (1, 0)


def test_a_dead_row_is_counted_and_listed_with_its_orders(spine: Spine, report: Report) -> None:
    spine.lms.before_write = dead
    spine.record(make_order(7), make_order(8))
    spine.work()
    assert report.summary() == replace(NOTHING, orders=2, lines=2, dead=1, parked=1)
    (row,) = report.dead()
    assert set(row["orders"].split(",")) == {"7", "8"}
    assert (row["error"], row["course_id"], len(row["learner"])) == ("no such course", "42", 8)


def test_a_dropped_row_is_explained_and_not_enrolled(spine: Spine, report: Report) -> None:
    spine.lms.before_write = dead
    spine.record(make_order())
    spine.work()
    spine.ledger.desk.drop_dead(1, T0)
    assert report.summary() == replace(NOTHING, orders=1, lines=1, dropped=1)


def test_a_row_dropped_after_it_was_once_enrolled_is_not_counted_as_enrolled(
    spine: Spine, report: Report
) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.execute("UPDATE enrolments SET state = 'dead', revision = revision + 1")
    spine.ledger.desk.drop_dead(1, T0)
    assert (report.summary().enrolled, report.summary().unexplained) == (0, 0)


def test_a_refunded_line_is_withdrawn_and_no_paid_line_any_more(spine: Spine, report: Report) -> None:
    order = make_order()
    spine.record(order)
    spine.work()
    spine.record(refund(order))
    spine.work()
    assert report.summary() == replace(NOTHING, orders=1, withdrawn=1)


def test_an_unreadable_order_counts_as_parked_until_it_is_dropped(spine: Spine, report: Report) -> None:
    spine.ledger.record_page((), [Unreadable(order_id=OrderId(9), reason="half")], spine.plan, None, T0)
    assert report.summary().parked == 1
    spine.ledger.desk.drop_parked(9, None, T0)
    assert report.summary().parked == 0


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param("DELETE FROM enrolments", id="the wish is gone"),
        pytest.param("UPDATE enrolments SET desired = 'out'", id="the wish is the opposite"),
        pytest.param("UPDATE entitlements SET live = 0", id="the seat ended by itself"),
        pytest.param("DELETE FROM entitlements", id="the seat is gone"),
        pytest.param("UPDATE enrolments SET applied = 'none'", id="settled and never applied"),
        pytest.param("UPDATE enrolments SET revision = 9", id="settled for an earlier wish"),
        pytest.param("UPDATE order_lines SET verdict = 'ended'", id="a paid line is called ended"),
    ],
)
def test_what_was_lost_track_of_is_unexplained(spine: Spine, report: Report, harm: str) -> None:
    spine.record(make_order())
    spine.work()
    assert report.summary().unexplained == 0
    spine.execute(harm)
    assert report.summary().unexplained >= 1


def test_a_refund_of_what_was_lost_track_of_asks_for_nothing(spine: Spine, report: Report) -> None:
    order = make_order()
    spine.record(order)
    spine.execute("DELETE FROM enrolments")
    spine.record(refund(order))
    assert report.summary() == replace(NOTHING, orders=1)


def test_figures_of_one_summary_are_of_one_moment(
    spine: Spine, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = report._count

    def sell_meanwhile(table: str, where: str = "1") -> int:
        if table == "orders":
            spine.record(make_order(5, email="bea@example.test"))
        return count(table, where)

    monkeypatch.setattr(report, "_count", sell_meanwhile)
    assert report.summary() == NOTHING
    monkeypatch.undo()
    assert report.summary().orders == 1


# -- looking things up -----------------------------------------------------------------------------------------------


def test_an_order_is_told_with_its_whole_story(spine: Spine, report: Report) -> None:
    order = replace(make_order(7, lines=(make_line(1), make_line(2, quantity="2"))), number="2026-0007")
    spine.record(order)
    spine.work()
    assert report.find_orders("2026-0007") == report.find_orders("7")
    story = report.order_of(7)
    assert story is not None
    assert [line["verdict"] for line in story["lines"]] == ["mapped", "mapped"]
    assert [seat["state"] for seat in story["enrolments"]] == ["settled", "settled", None]
    assert [entry["kind"] for entry in story["parked"]] == ["open_seats"]
    assert [entry["action"] for entry in story["audit"]] == ["order_read", "in_applied"]
    assert "ana@example.test" not in json.dumps(story)


@pytest.mark.parametrize("number", ["99", "nonsense", "", "٣"])
def test_an_unknown_order_is_not_found(spine: Spine, report: Report, number: str) -> None:
    spine.record(make_order(7))
    assert report.find_orders(number) == []


def test_an_order_that_was_never_heard_of_has_no_story(report: Report) -> None:
    assert report.order_of(99) is None


def test_an_order_that_could_never_be_read_is_found_among_the_parked(spine: Spine, report: Report) -> None:
    spine.ledger.record_page((), [Unreadable(order_id=OrderId(9), reason="half")], spine.plan, None, T0)
    found = report.order_of(9)
    assert found is not None
    assert [entry["reason"] for entry in found["parked"]] == ["half"]


def test_unmapped_products_are_listed_most_sold_first(spine: Spine, report: Report) -> None:
    spine.record(
        make_order(1, lines=(make_line(1, sku="A"), make_line(2, sku="B"))),
        make_order(2, lines=(make_line(3, sku="B"),)),
    )
    assert [(row["sku"], row["lines"], row["last_order"]) for row in report.unmapped()] == [
        ("B", 2, 2),
        ("A", 1, 1),
    ]


def test_parked_entries_are_listed_oldest_first(spine: Spine, report: Report) -> None:
    spine.record(make_order(5, lines=(make_line(quantity="2"),)))
    spine.tick(60)
    spine.record(make_order(4, email="bea@example.test", lines=(make_line(quantity="2"),)))
    assert [row["order_id"] for row in report.parked()] == [5, 4]


def test_services_and_cursors_are_listed(spine: Spine, report: Report) -> None:
    spine.poller.poll_once()
    assert [(row["name"], row["condition"]) for row in report.services()] == [("shop", "up")]
    assert [(row["name"], row["polled_at"]) for row in report.cursors()] == [
        ("orders", "2026-11-21T12:00:00.000000Z")
    ]


def test_the_oldest_due_row_is_known_by_when_it_was_wished_for(spine: Spine, report: Report) -> None:
    assert report.oldest_due() is None
    spine.record(make_order())
    spine.tick(600)
    spine.record(make_order(2, email="bea@example.test"))
    assert report.oldest_due() == "2026-11-21T12:00:00.000000Z"


# -- the file --------------------------------------------------------------------------------------------------------


def test_a_report_of_no_ledger_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger yet") as caught:
        Report(tmp_path / "ledger.db")
    assert str(tmp_path / "ledger.db") in str(caught.value)
    assert not (tmp_path / "ledger.db").exists()


OTHER_VERSIONS = {
    "older": ("DELETE FROM _sqlite_migrations WHERE id > 1", "older wcsync", "Restart the daemon"),
    "newer": (
        "UPDATE _sqlite_migrations SET name = 'm999_to_come' WHERE id = 1",
        "newer wcsync",
        "Install that version",
    ),
    "of another program": ("DROP TABLE _sqlite_migrations", "another program", "a file of its own"),
}


@pytest.mark.parametrize(
    ("harm", "message", "remedy"), OTHER_VERSIONS.values(), ids=list(OTHER_VERSIONS.keys())
)
def test_a_report_of_a_ledger_of_another_version_is_refused_and_changes_nothing(
    tmp_path: Path, harm: str, message: str, remedy: str
) -> None:
    path = tmp_path / "ledger.db"
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(harm)
        db.commit()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=message) as caught:
        Report(path)
    assert remedy in str(caught.value)
    assert path.read_bytes() == before


def test_a_report_of_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(ConfigError, match="cannot be read"):
        Report(path)


@pytest.mark.parametrize("name", ["a b.db", "a%20b.db", "what?.db", "ñ#.db"])
def test_a_report_reads_a_ledger_of_any_name(tmp_path: Path, name: str) -> None:
    from wcsync.ledger.ledger import SqliteLedger

    SqliteLedger(tmp_path / name).close()
    with closing(Report(tmp_path / name)) as report:
        assert report.summary() == NOTHING


def test_a_report_changes_nothing_and_waits_for_no_writer(spine: Spine, report: Report) -> None:
    with closing(connect(spine.path)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert report.summary() == NOTHING
        db.execute("ROLLBACK")
    with pytest.raises(Exception, match="readonly"):
        report._db.execute("DELETE FROM cursors")


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        pytest.param(None, "written 2026-11-21", id="written"),
        pytest.param(TransientError("shop: down", whole_service=True), "shop: down", id="waits"),
        pytest.param(PermanentError("shop: no such order"), "given up: shop: no such order", id="given-up"),
    ],
)
def test_the_story_of_an_order_tells_of_its_note(
    spine: Spine, capsys: pytest.CaptureFixture[str], lose: Exception | None, words: str
) -> None:
    def before(_text: str) -> None:
        if lose is not None:
            raise lose

    order = make_order(17)
    spine.store.put(order)
    spine.record(order)
    spine.work()
    spine.store.before_note = before
    spine.send()
    with closing(Report(spine.path)) as report:
        story = report.order_of(17)
    assert story is not None
    print_story(story | {"timeline": []})
    assert words in capsys.readouterr().out
