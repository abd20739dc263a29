"""Whatever rows there are and however they are written down, they mean the same; whatever bytes, nothing breaks."""

import csv
import io
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from wcsync.errors import ConfigError, Problem
from wcsync.mappers.courses.fields import Ownership
from wcsync.mappers.mapping import Mapping, MapRow, TargetKey, read_mapping
from wcsync.mappers.mapping_export import guarded
from wcsync.mappers.mapping_sync import OWNERSHIPS, SYNC_KEYS
from wcsync.mappers.mapping_terms import TERM_KEYS, render_terms
from wcsync.mappers.toml_lines import KeyPath, scan_lines
from wcsync.model import CourseId, Line, LineId, LmsName, Option, ProductId, Target
from wcsync.sale import UNLIMITED, Access, SeatRule, Terms, Withdrawal

ANY = TargetKey(name="course", pattern=r"[^\s|]{1,20}", doc="a course", course=True)
LMS = {
    LmsName("campus"): (
        ANY,
        TargetKey(name="group", pattern="[0-9]+", doc="a group", many=True),
        TargetKey(name="role", pattern="[0-9]+", doc="a role"),
    ),
    LmsName("academy"): (replace(ANY, name="group", doc="a sold group"),),
}
COLUMNS = (
    "product_id",
    "variation_id",
    "sku",
    "lms",
    "course",
    "group",
    "role",
    "ignore",
    "note",
    *SYNC_KEYS,
    *TERM_KEYS,
)
COURSE_KEYS = {LmsName("campus"): "course", LmsName("academy"): "group"}
DAMAGED = re.compile(r"\d([.,]\d+)?E\+\d+|#\S+[!?]|#N/[AD]")

# -- rows --------------------------------------------------------------------------------------------------------------

visible = st.characters(exclude_categories=("C", "Z"))
course_ids = st.text(visible.filter(lambda char: char != "|"), min_size=1, max_size=8).map(CourseId)
product_ids = st.integers(1, 10**18 - 1).map(ProductId)
skus = (
    st.text(st.one_of(st.sampled_from("ABab*?-1 ,;|\"'"), visible), min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda sku: bool(sku) and not DAMAGED.fullmatch(sku))
)
numbers = st.integers(1, 999).map(str)


@st.composite
def selectors(draw: st.DrawFn) -> MapRow:
    match draw(st.sampled_from(["product", "variation", "both", "sku"])):
        case "product":
            return MapRow(source="", product_id=draw(product_ids))
        case "variation":
            return MapRow(source="", variation_id=draw(product_ids))
        case "both":
            return MapRow(source="", variation_id=draw(product_ids), product_id=draw(product_ids))
        case _:
            return MapRow(source="", sku=draw(skus))


@st.composite
def targets(draw: st.DrawFn) -> tuple[Target, ...]:
    lms = draw(st.sampled_from(sorted(LMS)))
    options: set[Option] = set()
    if lms == "campus":
        options.update(("group", group) for group in draw(st.lists(numbers, max_size=2)))
        options.update(("role", role) for role in draw(st.lists(numbers, max_size=1)))
    courses = draw(st.lists(course_ids, min_size=1, max_size=3, unique=True))
    return tuple(Target(lms=lms, course_id=course, options=tuple(sorted(options))) for course in courses)


OF_VARIATIONS = ("sync", "sync_description", "sync_images", "sync_meta", "template_description")
TEMPLATES = ("{{ course.name|upper }}", "=a\nb | c", "- '\"")


@st.composite
def syncs(draw: st.DrawFn, about: MapRow) -> tuple[tuple[str, str], ...]:
    said: dict[str, str] = {}
    keys = SYNC_KEYS if about.variation_id is None else OF_VARIATIONS
    for key in draw(st.lists(st.sampled_from(keys), max_size=2)):
        said[key] = draw(
            st.sampled_from([word.value for word in Ownership] if key in OWNERSHIPS else TEMPLATES)
        )
    return tuple(sorted(said.items()))


day_ends = st.dates(date(2000, 1, 2), date(2999, 12, 30)).map(lambda day: datetime.combine(day, time()))
moments = st.datetimes(
    min_value=datetime(2000, 1, 2),  # noqa: DTZ001 - what a clock shows
    max_value=datetime(2999, 12, 30),  # noqa: DTZ001 - as above
    timezones=st.sampled_from([None, UTC]),
)
accesses = st.one_of(
    st.just(UNLIMITED),
    st.builds(Access, days=st.integers(1, 36500)),
    st.builds(Access, until=st.one_of(day_ends, moments)),
    st.just(Access(with_subscription=True)),
)
sales = st.builds(Terms, access=accesses, on_withdraw=st.sampled_from([None, *Withdrawal]))


@st.composite
def row_lists(draw: st.DrawFn) -> list[MapRow]:
    """Rows without contradictions or repeats, of which one at least sells something."""
    rows: dict[tuple[str, str], MapRow] = {}
    for about in draw(st.lists(selectors(), min_size=1, max_size=6)):
        ignore = bool(rows) and draw(st.integers(0, 4)) == 0
        sold = (
            replace(about, ignore=True)
            if ignore
            else replace(
                about,
                targets=draw(targets()),
                sync=draw(syncs(about)),
                terms=draw(sales),
                seats=draw(st.sampled_from([None, *SeatRule])),
            )
        )
        rows.setdefault(about.selector, sold)
    return list(rows.values())


def cells_of(row: MapRow) -> dict[str, list[str]]:
    """The row as a person would write it: per key its values."""
    cells: dict[str, list[str]] = {
        "product_id": [str(row.product_id)] if row.product_id else [],
        "variation_id": [str(row.variation_id)] if row.variation_id else [],
        "sku": [row.sku] if row.sku else [],
        "ignore": ["true"] if row.ignore else [],
        "lms": [target.lms for target in row.targets[:1]],
        **{key: [value] for key, value in row.sync},
        **{key: [value] for key, value in render_terms(row.terms).items()},
        "seats": [row.seats] if row.seats else [],
    }
    for target in row.targets[:1]:
        cells[COURSE_KEYS[target.lms]] = [target.course_id for target in row.targets]
        for key, value in target.options:
            cells.setdefault(key, []).append(value)
    return {key: values for key, values in cells.items() if values}


def write_toml(rows: list[MapRow]) -> bytes:
    tables = tomlkit.aot()
    for row in rows:
        table = tomlkit.table()
        for key, values in cells_of(row).items():
            course_key = COURSE_KEYS.get(LmsName("".join(cells_of(row).get("lms", ()))))
            name = f"{key}s" if key == course_key and len(values) > 1 else key
            table[name] = (
                True if key in {"ignore", "with_subscription"} else values if len(values) > 1 else values[0]
            )
        tables.append(table)
    return tomlkit.dumps({"map": tables}).encode()


def write_csv(
    rows: list[MapRow], *, delimiter: str = ",", line_end: str = "\n", beginning: str = ""
) -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(COLUMNS)
    for row in rows:
        cells = cells_of(row)
        writer.writerow([guarded("|".join(cells.get(column, ()))) for column in COLUMNS])
    return (beginning + written.getvalue()).encode()


WRITERS = [
    pytest.param("m.toml", write_toml, id="TOML"),
    pytest.param("m.toml", lambda rows: write_toml(rows).replace(b"\n", b"\r\n"), id="TOML, CRLF"),
    pytest.param("m.csv", write_csv, id="CSV"),
    pytest.param("m.csv", lambda rows: write_csv(rows, delimiter=";"), id="CSV, semicolon"),
    pytest.param("m.csv", lambda rows: write_csv(rows, delimiter="\t"), id="CSV, tab"),
    pytest.param("m.csv", lambda rows: write_csv(rows, beginning="\ufeff"), id="CSV, BOM"),
    pytest.param("m.csv", lambda rows: write_csv(rows, line_end="\r\n"), id="CSV, CRLF"),
    pytest.param("m.csv", lambda rows: write_csv(rows, delimiter=";", beginning="sep=;\n"), id="CSV, sep="),
]


def without_source(mapping: Mapping) -> list[MapRow]:
    return [replace(row, source="") for row in mapping.rows]


@pytest.mark.parametrize(("name", "write"), WRITERS)
@given(rows=row_lists())
def test_rows_written_down_are_read_back(
    name: str, write: Callable[[list[MapRow]], bytes], rows: list[MapRow]
) -> None:
    mapping = read_mapping(name, write(rows), LMS)
    assert without_source(mapping) == rows
    assert mapping.fingerprint == Mapping(rows=tuple(rows)).fingerprint


@given(rows=row_lists())
def test_a_mapping_kept_and_read_again_is_equal(rows: list[MapRow]) -> None:
    mapping = Mapping(rows=tuple(rows), sku_is_course=LmsName("campus"), course_pattern="[0-9]+")
    assert Mapping.from_json(mapping.to_json()) == mapping


# -- anything else -----------------------------------------------------------------------------------------------------

SCRAPS = st.sampled_from(
    [
        *COLUMNS, "courses", "map", "sku_is_course", "campus", "academy", "[[map]]", "[map]", " = ", '"', "'", '"""',
        "\n", "\r\n", "\r", ",", ";", "\t", "|", "1", "42.0", "1E+5", "true", "[", "]", "{", "}", "#", ".", "*", "?",
        "0x" + "f" * 5000, "1979-05-27", "nan", "\ufeff", "\u200b", "\0", "é", "sep=", "[" * 300,
    ]
)  # fmt: skip
contents = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    st.lists(SCRAPS, max_size=60).map(lambda scraps: "".join(scraps).encode()),
    st.lists(SCRAPS, max_size=30)
    .map(lambda scraps: "sku,lms,course,group\n" + "".join(scraps))
    .map(str.encode),
    st.lists(SCRAPS, max_size=30).map(lambda scraps: "[[map]]\n" + "".join(scraps)).map(str.encode),
)


@given(name=st.sampled_from(["m.toml", "m.csv", "m.txt"]), content=contents)
def test_whatever_the_bytes_nothing_but_a_config_error_is_raised(name: str, content: bytes) -> None:
    with suppress(ConfigError):
        read_mapping(name, content, LMS)


def find_problems(name: str, content: bytes) -> tuple[Problem, ...]:
    try:
        read_mapping(name, content, LMS)
    except ConfigError as exc:
        return exc.problems
    return ()


@given(name=st.sampled_from(["m.toml", "m.csv"]), content=contents)
def test_every_problem_has_a_place_a_message_and_a_remedy(name: str, content: bytes) -> None:
    for problem in find_problems(name, content):
        assert re.fullmatch(re.escape(name) + r"(:[1-9]\d*)?", problem.where)
        assert problem.message
        assert problem.remedy.endswith(".")


@given(rows=row_lists(), at=st.floats(0, 1), scrap=SCRAPS, write=st.sampled_from([write_toml, write_csv]))
def test_a_damaged_file_is_read_or_refused(
    rows: list[MapRow], at: float, scrap: str, write: Callable[[list[MapRow]], bytes]
) -> None:
    content = write(rows)
    place = int(at * len(content))
    with suppress(ConfigError):
        read_mapping(
            "m.toml" if write is write_toml else "m.csv",
            content[:place] + scrap.encode() + content[place:],
            LMS,
        )


# -- what a line sells -------------------------------------------------------------------------------------------------

few_skus = st.text(st.sampled_from("ABa"), max_size=3)
few_patterns = st.text(st.sampled_from("AB*?"), min_size=1, max_size=3)
few_ids = st.integers(1, 3).map(ProductId)


@st.composite
def crowded_rows(draw: st.DrawFn) -> tuple[MapRow, ...]:
    """Many rows about few products, each with a course of its own."""
    about = st.one_of(
        st.builds(MapRow, source=st.just(""), product_id=few_ids),
        st.builds(MapRow, source=st.just(""), variation_id=few_ids),
        st.builds(MapRow, source=st.just(""), sku=few_patterns),
    )
    rows = draw(st.lists(about, max_size=8))
    return tuple(
        replace(row, targets=(Target(lms=LmsName("campus"), course_id=CourseId(str(number))),))
        for number, row in enumerate(rows)
    )


@st.composite
def lines(draw: st.DrawFn) -> Line:
    ids = st.integers(0, 4).map(ProductId)
    return Line(
        line_id=LineId(1),
        product_id=draw(ids),
        variation_id=draw(ids),
        sku=draw(few_skus),
        name="",
        quantity=Decimal(1),
    )


def rank(row: MapRow, sold: Line) -> tuple[int, int] | None:
    """How narrowly the row is about the line, by the rules as a person would tell them; None if it is not."""
    sku, pattern = sold.sku.lower(), (row.sku or "").lower()
    if row.variation_id is not None:
        return (4, 0) if row.variation_id == sold.variation_id else None
    if row.product_id is not None:
        return (3, 0) if row.product_id == sold.product_id else None
    if not sku:
        return None
    if "*" in pattern or "?" in pattern:
        return (1, sum(char not in "*?" for char in pattern)) if fnmatchcase(sku, pattern) else None
    return (2, 0) if sku == pattern else None


@given(rows=crowded_rows(), sold=lines())
def test_the_narrowest_selector_gives_all_its_courses_and_no_other_does(
    rows: tuple[MapRow, ...], sold: Line
) -> None:
    ranked = [(rank(row, sold), row) for row in rows]
    best = max((place for place, _ in ranked if place), default=None)
    first = next((row for place, row in ranked if place == best), None) if best else None
    expected = [row.targets[0] for row in rows if first is not None and row.selector == first.selector]
    match = Mapping(rows=rows).match(sold)
    assert (list(match.targets) if match else []) == expected


@given(rows=crowded_rows(), sold=lines())
def test_an_equal_fingerprint_means_an_equal_answer(rows: tuple[MapRow, ...], sold: Line) -> None:
    mapping, turned = Mapping(rows=rows), Mapping(rows=rows[::-1])
    if mapping.fingerprint == turned.fingerprint:
        assert mapping.match(sold) == turned.match(sold)


# -- line numbers ------------------------------------------------------------------------------------------------------

VALUES = (
    "1", '"x"', "'y]'", '"""m\n"q" \\""""', "'''n\n'z''''", "[]", "[1, # x]\n 2,\n]", "[[1],[\n2]]", '""""""',
    "{a=1, b = {c=[{d=2}]}}", "1979-05-27 07:32:00Z", "true", '""', "''", '"\\\\"', '"a#b"', '[{a=1},\n {"b x"=2}]',
)  # fmt: skip
KEYS = ("a", "b", "c", '"q k"', "'l'", "a.b", 'd . "e" .f')
HEADERS = (
    "[t]",
    "[[u]]",
    "[u.v] # x",
    "[[u.w]]",
    "[ x . y ]",
    '[["p q"]]',
    "# [z]",
    "",
    "[t.s]",
    "[[u.w.k]]",
)
pairs = st.tuples(
    st.sampled_from(KEYS),
    st.sampled_from([" = ", "="]),
    st.sampled_from(VALUES),
    st.sampled_from(["", " # c"]),
)
documents = st.lists(st.one_of(pairs.map("".join), st.sampled_from(HEADERS)), max_size=7, unique=True).map(
    "\n".join
)


def paths(value: Any, here: KeyPath = ()) -> Iterator[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*here, key)
        yield from paths(item, (*here, key))


@given(text=documents)
def test_every_key_of_a_toml_has_the_line_it_stands_on(text: str) -> None:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = scan_lines(text)
    assert set(lines) == set(paths(values))
    written = text.split("\n")
    for path, number in lines.items():
        assert str(path[-1] if isinstance(path[-1], str) else "") in written[number - 1]
