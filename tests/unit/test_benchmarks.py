"""The benchmarks themselves, at sizes that say nothing about speed."""

import ast
import json
import logging
import platform
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from subprocess import CalledProcessError
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import BENCHMARKS, main, run
from benchmarks.campus import Campus
from benchmarks.child import call
from benchmarks.exchange import Request
from benchmarks.harness import interleave, measure
from benchmarks.lessons import competencies, contents, lesson
from benchmarks.meter import Sample
from benchmarks.payload import render_pages
from benchmarks.pull import FIELDS
from benchmarks.rows import Row
from benchmarks.shelf import Shelf
from benchmarks.sites import ROOT, running
from benchmarks.sizes import QUICK, Sizes
from benchmarks.stats import Stats
from benchmarks.wares import ware, with_links
from wcsync.store.wire import parse_rows

pytestmark = pytest.mark.prove
"""Each of these measures in processes of its own."""

SOURCES = sorted((ROOT / "benchmarks").glob("*.py"))

TINY = replace(
    QUICK,
    repetitions=1,
    pages=2,
    page_size=5,
    latency_pages=2,
    shop_latency_s=0.02,
    campus_latency_s=0.005,
    workers=(1, 2),
    enrolments_each=2,
    enrolments=3,
    claims=3,
    turns=2,
    few_rows=10,
    many_rows=20,
    most_rows=30,
    idle_polls=2,
    daemon_polls=1,
    products=12,
    description_b=500,
    write_latency_s=0.002,
    item_s=0.001,
)


Document = dict[str, Any]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Subjects run here, not in processes of their own: those spend their time importing what is imported already."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    monkeypatch.setattr("benchmarks.harness.run_child", call)
    yield
    root.handlers[:] = handlers


def rows_of(name: str) -> dict[str, Document]:
    """The rows of a tiny run, as JSON says them."""
    document = json.loads(json.dumps(run(TINY, [name])[1]))
    assert document["failed"] == []
    return {row["name"]: row for row in document["rows"]}


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_figure_of_a_benchmark_comes_out_of_its_samples(name: str) -> None:
    rows = rows_of(name)
    assert rows
    for row in rows.values():
        assert row["name"].startswith(f"{name}."), row
        assert row["unit"], row
        assert row["better"] in {"lower", "higher"}, row
        assert row["value"] == median(row["samples"]), row
        assert row["floor"] == median(row["floor_samples"]) > 0, row
        assert row["ratio"] == pytest.approx(row["value"] / row["floor"]), row


@pytest.mark.usefixtures("_at_once")
def test_a_pull_takes_no_less_than_the_shop_makes_it_wait() -> None:
    row = rows_of("pull_latency")["pull_latency.next"]
    assert row["floor"] == pytest.approx(TINY.latency_pages * TINY.shop_latency_s)
    assert row["ratio"] >= 1


@pytest.mark.usefixtures("_at_once")
def test_a_new_learner_takes_three_calls_and_a_known_one_four() -> None:
    rows = rows_of("enrol_latency")
    assert rows["enrol_latency.calls"]["value"] == 3
    assert rows["enrol_latency.second_course.calls"]["value"] == 4


@pytest.mark.usefixtures("_at_once")
def test_a_mirror_with_nothing_to_do_asks_for_each_hundred_once() -> None:
    rows = rows_of("mirror")
    for name in ("product_reads", "product_reads_by_sku", "lms_calls"):
        assert rows[f"mirror.nothing.{name}"]["ratio"] == 1, name


def test_no_row_is_given_a_figure_by_its_author() -> None:
    """What is measured comes from samples; a floor does too, or from the run's settings and is marked so."""
    given = [
        call for path in SOURCES for call in ast.walk(ast.parse(path.read_text())) if _names(call) == "Row"
    ]
    assert len(given) > len(BENCHMARKS)
    for made in given:
        assert isinstance(made, ast.Call)
        words = {keyword.arg: keyword.value for keyword in made.keywords}
        assert _names(words["samples"]) == "of", ast.unparse(made)
        calculated = _names(words["floor_samples"]) == "against_settings"
        assert calculated or _names(words["floor_samples"]) == "of", ast.unparse(made)
        assert calculated == ("calculated" in words), ast.unparse(made)


def test_contenders_take_turns_and_begin_in_another_order_each_time() -> None:
    order: list[str] = []

    def contender(name: str) -> Sample:
        order.append(name)
        return {"cpu_s": float(len(order))}

    found = interleave({name: partial(contender, name) for name in "abc"}, 2)
    assert order == list("abcbca")
    assert found["a"].of("cpu_s") == (1.0, 6.0)


def test_a_subject_that_did_half_the_work_gives_no_figure(capfd: pytest.CaptureFixture[str]) -> None:
    with running("shop", orders=4, page_size=5, fields=FIELDS) as shop, pytest.raises(CalledProcessError):
        measure("pull_subjects:by_raw_socket", url=shop.url, query={"per_page": "5"}, orders=8)
    assert "(4, 8)" in capfd.readouterr().err


def test_a_benchmark_that_fails_is_named_and_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_sizes: Sizes) -> Iterator[Row]:
        raise AssertionError("half the work")

    monkeypatch.setitem(BENCHMARKS, "idle", broken)
    monkeypatch.setitem(BENCHMARKS, "ledger", _one_row)
    rows, document = run(TINY, ["idle", "ledger"])
    assert document["failed"] == ["idle"]
    assert [row.name for row in rows] == ["ledger.one"]
    assert "half the work" in capfd.readouterr().err


def test_the_command_writes_one_document_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(BENCHMARKS, "ledger", _one_row)
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(main, ["--quick", "--only", "ledger", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "ledger.one" in result.stdout
    assert [row["ratio"] for row in json.loads(file.read_text())["rows"]] == [1.5]


def test_without_a_file_the_document_follows_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BENCHMARKS, "ledger", _one_row)
    result = CliRunner().invoke(main, ["--only", "ledger"])
    table, brace, rest = result.stdout.partition("\n{")
    assert "ledger.one" in table
    assert json.loads(brace + rest)["machine"]["python"] == platform.python_version()


def test_a_site_ends_with_its_block() -> None:
    with running("campus") as campus:
        assert campus.stats().requests == 0
    with pytest.raises(ConnectionRefusedError):
        campus.stats()


def test_the_shop_sends_only_the_fields_it_is_asked_for() -> None:
    [page] = render_pages([1], FIELDS)
    [order] = parse_rows(page.cut)
    assert parse_rows(page.whole) == [order]
    assert 0 < len(page.cut) < len(page.whole) / 2


def test_the_campus_counts_what_is_made_twice() -> None:
    campus, stats = Campus(), Stats()
    for _ in range(2):
        campus.answer(
            _call("core_user_create_users", {"users[0][email]": "a@example.test", "users[0][username]": "a"})
        )
        campus.answer(
            _call(
                "enrol_manual_enrol_users", {"enrolments[0][userid]": "100", "enrolments[0][courseid]": "2"}
            )
        )
    campus.fill(stats)
    assert (stats.enrolments, stats.doubles) == (2, 2)


def test_the_shelf_keeps_what_is_written_to_it() -> None:
    shelf = Shelf(products=2, fields="id,name,meta_data")
    batch = {"update": [{"id": 2, "name": "Two", "meta_data": [{"key": "_a", "value": "1"}]}]}
    request = Request(path="/wp-json/wc/v3/products/batch", query={}, body=json.dumps(batch).encode())
    [answered] = json.loads(shelf.answer(request).body)["update"]
    assert (answered["id"], answered["name"], answered["sku"]) == (2, "Two", "COURSE-0002")
    for asked in ({"include": "2"}, {"sku": "COURSE-0002"}):
        query = asked | {"offset": "0", "per_page": "100"}
        [product] = json.loads(
            shelf.answer(Request(path="/wp-json/wc/v3/products", query=query, body=b"")).body
        )
        assert product == {"id": 2, "name": "Two", "meta_data": [{"id": 201, "key": "_a", "value": "1"}]}
    shelf.forget()
    assert b"Two" not in shelf.answer(Request(path="/wp-json/wc/v3/products", query=query, body=b"")).body


def test_products_and_courses_have_the_form_of_recorded_ones() -> None:
    stored = _recorded("woocommerce/products_batch")["update"][0]
    assert with_links(ware(1)).keys() == stored.keys()
    asked = _recorded("moodle/08_course_metadata", "by_field id")["courses"][0]
    assert lesson(2, edition=1, summary_b=10).keys() == asked.keys()
    assert competencies(2)[0].keys() == _recorded("moodle/08_course_metadata", "competencies")[0].keys()
    section = _recorded("moodle/08_course_metadata", "contents c1 excludecontents")[1]
    assert contents(2)[0].keys() == section.keys()
    assert contents(2)[0]["modules"][0].keys() == section["modules"][0].keys()


def _recorded(file: str, note: str = "") -> Any:
    """The first answer in a recording, or the first one with that note."""
    exchanges = json.loads((ROOT / "tests" / "recordings" / f"{file}.json").read_text())
    body = next(one for one in exchanges if not note or one.get("note") == note)["response"]["body"]
    return json.loads(body) if isinstance(body, str) else body


def _one_row(_sizes: Sizes) -> Iterator[Row]:
    yield Row(
        name="ledger.one",
        measured="this",
        against="that",
        unit="s",
        samples=(9.0, 3.0, 1.0),
        floor_samples=(2.0,),
    )


def _call(function: str, fields: dict[str, str]) -> Request:
    body = urlencode({"wsfunction": function, **fields}).encode()
    return Request(path="/webservice/rest/server.php", query={}, body=body)


def _names(node: ast.AST) -> str:
    """What a call calls."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@pytest.mark.parametrize("wished", [[], ["--only", "ledger_huge"]], ids=["nothing named", "named"])
def test_what_takes_a_disk_is_measured_only_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, wished: list[str]
) -> None:
    asked: list[str] = []

    def note_down(name: str, _sizes: Sizes) -> Iterator[Row]:
        asked.append(name)
        return iter(())

    for name in BENCHMARKS:
        monkeypatch.setitem(BENCHMARKS, name, partial(note_down, name))
    CliRunner().invoke(main, wished)
    assert ("ledger_huge" in asked) == bool(wished)
    assert ("mirror" in asked) != bool(wished)
