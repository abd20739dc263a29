"""Whatever products, courses and cells are called: the files we write hold no formula and no row of somebody else's
making, and the files we read hold no more than mistakes, each named on a line of its own."""

import csv
import io
import tomllib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import example, given

from tests.hostile import FORMULA, LONG, examples, texts, unseen
from wcsync.errors import ConfigError
from wcsync.lms.registry import KINDS
from wcsync.mappers.added_rows import NewRow, render_rows
from wcsync.mappers.learners_csv import parse_learners_csv
from wcsync.mappers.mapping import Mapping, read_mapping
from wcsync.mappers.mapping_export import render_csv
from wcsync.mappers.mapping_table import TargetKey
from wcsync.mappers.suggested_rows import render_rows as suggested_rows
from wcsync.mappers.suggestions import suggest
from wcsync.model import CourseId, LmsName, Offer, Product, ProductId, Target

CAMPUS = LmsName("campus")
KEYS: dict[LmsName, tuple[TargetKey, ...]] = {CAMPUS: KINDS["moodle"].target_keys}


def product(text: str) -> Product:
    return Product(product_id=ProductId(1), name=text, sku=text, kind=text, categories=(text,))


def new_row(text: str) -> NewRow:
    target = Target(lms=CAMPUS, course_id=CourseId("42"))
    return NewRow(product_id=ProductId(1), sku=text.strip(), target=target, title=text)


def complaint(read: Callable[[], object]) -> str:
    """What people are told of a file; '' if nothing is wrong with it. Anything but a ConfigError is a fault of ours."""
    try:
        read()
    except ConfigError as exc:
        return str(exc)
    return ""


def cells(content: bytes, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


@examples(20)
@given(text=texts())
@example(text="＝1+1")
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_the_exported_mapping_has_one_row_and_no_formula(delimiter: str, text: str) -> None:
    content = render_csv([product(text)], Mapping(rows=()), KEYS, delimiter=delimiter, bom=True)
    header, *rows = cells(content, delimiter)
    assert len(rows) == 1
    assert len(rows[0]) == len(header)
    assert [cell for cell in rows[0] if FORMULA.match(cell)] == []
    assert unseen(content.decode("utf-8-sig"), allowed="\r\n\t") == []


@examples(20)
@given(text=texts())
@example(text="\x08\x08@SUM(1)")
def test_rows_added_to_a_spreadsheet_hold_no_formula(text: str) -> None:
    content = render_rows("mapping.csv", [new_row(text)], KEYS)
    _header, *rows = cells(content, ",")
    assert len(rows) == 1
    assert [cell for cell in rows[0] if FORMULA.match(cell)] == []


@examples(20)
@given(text=texts())
def test_rows_added_to_a_mapping_say_one_thing(text: str) -> None:
    content = render_rows("mapping.toml", [new_row(text)], KEYS).decode()
    [row] = tomllib.loads(content)["map"]
    assert row.keys() <= {"sku", "product_id", "lms", "course"}
    assert row.get("sku", "") == text.strip()
    assert unseen(content) == []


@examples(20)
@given(text=texts(), title=texts())
def test_suggested_rows_are_toml_that_nobody_else_wrote(text: str, title: str) -> None:
    goods = product(text)
    offer = Offer(lms=CAMPUS, key="course", value="42", title=title, concern=title)
    found = suggest([goods], [offer], Mapping(rows=()), {CAMPUS: "course"}, {})
    content = suggested_rows(found.rows)
    rows = tomllib.loads(content).get("map", [])
    assert all(row.keys() <= {"sku", "product_id", "lms", "course", "with_subscription"} for row in rows)
    assert unseen(content) == []


@examples(20)
@given(cell=texts(longest=4))
@pytest.mark.parametrize(
    "column", ["sku", "product_id", "variation_id", "lms", "course", "group", "days", "ignore"]
)
def test_a_cell_of_a_mapping_is_read_or_complained_of(column: str, cell: str) -> None:
    file = io.StringIO(newline="")
    known = {"sku": "X", "lms": "campus", "course": "42"} | {column: cell}
    writer = csv.DictWriter(file, list(known))
    writer.writeheader()
    writer.writerow(known)
    told = complaint(lambda: read_mapping("mapping.csv", file.getvalue().encode(), KEYS))
    assert all(line.startswith("mapping.csv") for line in told.split("\n") if told)
    assert unseen(told) == []


@examples(20)
@given(content=texts())
@pytest.mark.parametrize("name", ["mapping.toml", "mapping.csv"])
def test_any_file_at_all_is_a_mapping_or_complained_of(name: str, content: str) -> None:
    for text in (content, f'[[map]]\nsku = "{content}"\nlms = "campus"\ncourse = "42"\n'):
        assert unseen(complaint(partial(read_mapping, name, text.encode(), KEYS))) == []


@examples(20)
@given(cell=texts(longest=4))
def test_a_list_of_learners_is_read_or_complained_of(cell: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["order", "line", "email", "first_name"], [cell, cell, cell, cell]])
    content = file.getvalue().encode()
    assert unseen(complaint(lambda: parse_learners_csv("learners.csv", content))) == []


@pytest.mark.parametrize("name", ["mapping.toml", "mapping.csv"])
@pytest.mark.parametrize(
    "content",
    [
        b"x" * LONG,
        b"\x00" * LONG,
        b"[" * 100_000,
        b"a = " + b"[" * 100_000,
        b"a." * 2_000 + b"b = 1",
        b"a = " + b"{b=" * 50_000,
        b"a = " + b"9" * 100_000,
        b"\xff\xfe\x00",
    ],
    ids=["letters", "nul", "brackets", "lists", "dots", "tables", "digits", "utf-16"],
)
def test_a_file_made_to_bring_its_reader_down_is_complained_of(name: str, content: bytes) -> None:
    with pytest.raises(ConfigError):
        read_mapping(name, content, KEYS)
