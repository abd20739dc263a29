"""The lists of what needs a person, and the commands that take entries off them, by number or id."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import T0, make_line, make_order
from tests.spine import Spine
from tests.unprivileged import without_rights
from wcsync.cli import main
from wcsync.cli.lists import age
from wcsync.cli.orders import word_for
from wcsync.errors import ConfigError, PermanentError
from wcsync.ledger.rehearsal import Rehearsal
from wcsync.ledger.report import Report
from wcsync.model import OrderId, Unreadable
from wcsync.times import render_instant

CONFIG = """
[store]
url = "https://shop.example"
consumer_key = { env = "K" }
consumer_secret = { env = "S" }
[[lms]]
name = "campus"
kind = "moodle"
url = "https://campus.example"
token = { env = "T" }
[ledger]
path = "ledger.db"
"""
MAPPING = '[[map]]\nsku = "PY-101"\nlms = "campus"\ncourse = "42"\n'


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    spine = Spine(tmp_path)
    yield spine
    spine.close()


def wcsync(spine: Spine, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(spine.path.parent / "config.toml")])


def refuse(_what: str) -> None:
    raise PermanentError("no such course")


def kill(spine: Spine, *orders: Any) -> None:
    """Sells these and has the LMS refuse them."""
    spine.lms.before_write = refuse
    spine.record(*orders)
    spine.work()


# -- the lists -------------------------------------------------------------------------------------------------------


def test_the_parked_list_says_what_it_means_what_to_do_and_the_next_command(spine: Spine) -> None:
    spine.record(replace(make_order(7, lines=(make_line(3, quantity="2"),)), number="2026-0007"))
    shown = wcsync(spine, "parked", "list").stdout
    for part in (
        "1 entry needs a person",
        "Seats without a learner (open_seats): 1",
        "It means: seats were sold and nobody is known yet who has them",
        "You can:  ask the buyer who learns",
        "Order 2026-0007 (id 7), line 3 ",
        " ago",
        "wcsync parked assign 2026-0007 3 EMAIL NAME",
    ):
        assert part in shown


def test_the_dead_list_groups_by_cause_and_names_order_product_and_command(spine: Spine) -> None:
    kill(spine, make_order(7), make_order(8, email="bea@example.test"))
    shown = wcsync(spine, "dead", "list").stdout
    assert shown.count("no such course") == 1
    for part in (
        "2 enrolments were given up",
        "Refused (permanent): 2",
        "after 1 attempt",
        "campus course 42",
    ):
        assert part in shown
    for order_id in (7, 8):
        assert f"Order {order_id}: wcsync dead revive --order {order_id}" in shown


def test_json_keeps_its_fields_and_gains_the_words(spine: Spine) -> None:
    kill(spine, make_order(7, lines=(make_line(quantity="2"),)))
    (entry,) = json.loads(wcsync(spine, "parked", "list", "--json").stdout)
    assert {"order_id", "line_id", "kind", "reason", "since", "number", "product", "means", "do"} <= set(
        entry
    )
    (row,) = json.loads(wcsync(spine, "dead", "list", "--json").stdout)
    known = {
        "lms",
        "course_id",
        "learner",
        "desired",
        "attempts",
        "error_kind",
        "error",
        "changed_at",
        "orders",
    }
    assert known | {"sales", "means", "do"} <= set(row)
    assert row["orders"] == "7"


def test_hostile_names_reach_no_terminal_and_no_shell(spine: Spine) -> None:
    order = make_order(7, lines=(make_line(3, quantity="2"),))
    spine.record(replace(order, number="7; rm -rf ~ \x1b[2J"))
    shown = wcsync(spine, "parked", "list").stdout
    assert "\x1b" not in shown
    assert "parked assign id:7 3 EMAIL NAME" in shown


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("7", "7"),
        ("A 7", "'A 7'"),
        ("$(x)", "'$(x)'"),
        ("-7", "id:7"),
        ("#7", "id:7"),
        ("id:9", "id:7"),
        ("", "id:7"),
    ],
)
def test_an_order_is_named_so_that_the_command_finds_it(number: str, word: str) -> None:
    assert word_for(7, number, ()) == word


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (5, "5 seconds"),
        (600, "10 minutes"),
        (9000, "2 hours"),
        (3 * 86400, "3 days"),
        (-9, "0 seconds"),
    ],
)
def test_an_age_is_told_in_the_unit_a_person_would_use(spine: Spine, seconds: int, text: str) -> None:
    spine.clock.tick(seconds)
    assert age(render_instant(T0), spine.clock()) == text


@pytest.mark.parametrize("open_it", [Report, Rehearsal])
def test_a_ledger_in_a_folder_of_somebody_else_is_told_from_one_that_is_not_there(
    tmp_path: Path, open_it: Callable[[Path], object]
) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    folder.chmod(0)
    try:
        with without_rights(), pytest.raises(ConfigError, match="cannot be read"):
            open_it(folder / "ledger.db")
    finally:
        folder.chmod(0o700)


# -- by number or id -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["2026-0007", "#2026-0007", "7", "id:7", "number:2026-0007"])
def test_an_entry_is_dropped_by_number_or_id(spine: Spine, word: str) -> None:
    spine.record(replace(make_order(7, lines=(make_line(3, quantity="2"),)), number="2026-0007"))
    result = wcsync(spine, "parked", "drop", word)
    assert result.exit_code == 0
    dropped = "dropped: Order 2026-0007 (id 7), line 3: Seats without a learner (open_seats)"
    assert result.stdout.splitlines() == [dropped, "1 entry dropped"]
    assert wcsync(spine, "parked", "drop", word).exit_code == 1


@pytest.mark.parametrize(
    "words", [("parked", "drop"), ("dead", "drop"), ("dead", "revive", "--order")], ids=" ".join
)
def test_a_number_that_is_the_id_of_another_order_is_refused(spine: Spine, words: tuple[str, ...]) -> None:
    seats = (make_line(3, quantity="2"),)
    kill(
        spine,
        replace(make_order(7, lines=seats), number="8"),
        replace(make_order(8, lines=seats), number="9"),
    )
    before = spine.rows("SELECT * FROM parked"), spine.rows("SELECT * FROM enrolments")
    result = wcsync(spine, *words, "8")
    assert result.exit_code == 2
    assert "may mean several orders; nothing was done" in result.stderr
    assert "id:7   number 8" in result.stderr
    assert "id:8   number 9" in result.stderr
    assert before == (spine.rows("SELECT * FROM parked"), spine.rows("SELECT * FROM enrolments"))
    assert wcsync(spine, *words, "id:8").exit_code == 0


@pytest.mark.parametrize("word", ["0007", "#0007", "id:0007", "\u0667"])
def test_a_number_with_leading_zeros_is_never_taken_for_the_id_of_another(spine: Spine, word: str) -> None:
    seats = (make_line(3, quantity="2"),)
    spine.record(replace(make_order(7, lines=seats), number="9"))
    assert wcsync(spine, "parked", "drop", word).exit_code == 1
    spine.record(replace(make_order(8, lines=seats), number="0007"))
    shown = wcsync(spine, "parked", "list").stdout
    assert "wcsync parked drop 0007 --line 3" in shown
    assert "Order 0007 (id 8)" in wcsync(spine, "parked", "drop", "0007").stdout


def test_the_commands_in_the_list_work_where_numbers_are_ambiguous(spine: Spine) -> None:
    seats = (make_line(3, quantity="2"),)
    spine.record(
        replace(make_order(7, lines=seats), number="8"),
        replace(make_order(8, lines=seats, email="cleo@example.test"), number="8"),
    )
    spine.ledger.record_page((), [Unreadable(order_id=OrderId(9), reason="half")], spine.plan, None, T0)
    spine.record(replace(make_order(10, lines=seats, email="dora@example.test"), number="9"))
    shown = wcsync(spine, "parked", "list").stdout
    for number, line in enumerate(shown.splitlines()):
        if line.strip().startswith("wcsync parked assign"):
            words = line.replace("EMAIL", f"u{number}@example.test").split()
            assert wcsync(spine, *words[1:]).exit_code == 0, line
    assert [row["kind"] for row in json.loads(wcsync(spine, "parked", "list", "--json").stdout)] == [
        "unreadable"
    ]


def test_an_order_whose_id_could_not_be_read_can_be_dropped(spine: Spine) -> None:
    spine.ledger.record_page((), [Unreadable(order_id=None, reason="no id")], spine.plan, None, T0)
    assert "wcsync parked drop id:0" in wcsync(spine, "parked", "list").stdout
    assert wcsync(spine, "parked", "drop", "id:0").exit_code == 0


def test_an_order_that_is_not_in_the_ledger_is_nothing_to_do(spine: Spine) -> None:
    for words in (("parked", "drop", "77"), ("dead", "drop", "77"), ("dead", "revive", "--order", "77")):
        result = wcsync(spine, *words)
        assert (result.exit_code, "has no order 77" in result.stderr) == (1, True)


# -- what happened ---------------------------------------------------------------------------------------------------


def test_a_revival_names_each_row_and_what_the_mapping_of_today_makes_of_it(spine: Spine) -> None:
    kill(spine, make_order(7), make_order(8, email="bea@example.test", lines=(make_line(sku="PY-102"),)))
    told = wcsync(spine, "dead", "revive").stdout
    assert "Order 7: the enrolment in campus course 42" in told
    assert "is tried again" in told
    assert "Order 8: the enrolment in campus course 43" in told
    assert "is planned anew: no mapping row" in told
    assert "2 entries will be tried again" in told


def test_a_drop_names_every_order_that_the_enrolment_belonged_to(spine: Spine) -> None:
    kill(spine, make_order(7), make_order(8))
    told = wcsync(spine, "dead", "drop", "7").stdout
    assert "Order 7 and Order 8: the enrolment in campus course 42" in told
    assert "1 entry dropped" in told


def test_show_of_an_ambiguous_number_says_that_there_is_another(spine: Spine) -> None:
    spine.record(replace(make_order(7), number="8"), replace(make_order(8), number="9"))
    result = wcsync(spine, "show", "8")
    assert "Order 8 (id 7)" in result.stdout
    assert "wcsync show id:8" in result.stderr
    assert "Order 9 (id 8)" in wcsync(spine, "show", "id:8").stdout


def test_show_gives_the_next_command_for_what_needs_a_person(spine: Spine) -> None:
    spine.record(make_order(7, lines=(make_line(3, quantity="2"),)))
    shown = wcsync(spine, "show", "7").stdout
    assert "NEEDS A PERSON (open_seats)" in shown
    assert "wcsync parked assign 7 3 EMAIL NAME" in shown
