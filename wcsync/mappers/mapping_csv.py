"""A mapping file in CSV, as a spreadsheet saves it: its bytes in, its rows as texts out."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from wcsync.mappers.mapping_rows import SELECTORS, Targets, course_keys, known_keys
from wcsync.mappers.mapping_sync import SYNC_KEYS
from wcsync.mappers.mapping_terms import TERM_KEYS
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.raw_rows import RawMapping, RawRow
from wcsync.mappers.text_file import parse_text, render_quoted, render_suggestion

DELIMITERS = (",", ";", "\t")
SEVERAL = "|"
"""Stands between the courses of one cell."""

_UNDIVIDED = frozenset({*SELECTORS, "lms", "ignore", "note", *SYNC_KEYS, *TERM_KEYS})
GUARD = re.compile(r"'['\s]*[=+\-@＝＋－＠]")
"""An apostrophe that keeps a spreadsheet from taking a text for a formula."""

_SEP_LINE = re.compile(r"sep=(.)(?:\r\n|\r|\n)", re.IGNORECASE)
"""The first line some spreadsheets write, which names the delimiter."""

Record = tuple[str, list[str]]
"""Where a record begins, and its cells."""


def parse_mapping_csv(name: str, content: bytes, lms: Targets, problems: Problems) -> RawMapping:
    """Rows that cannot be read go to `problems`. Raises ConfigError if the file as a whole cannot be read."""
    courses = course_keys(lms)
    known = tuple(key for key in known_keys(lms) if key not in {course.plural for course in courses})
    records = read_records(name, parse_text(name, content), known, problems)
    where, header = next(records, (name, []))
    columns = _parse_header(where, header, known, [course.name for course in courses])
    rows = [problems.attempt(_parse_record, where, cells, columns) for where, cells in records]
    return RawMapping(rows=tuple(row for row in rows if row is not None))


def column_names(name: str, content: bytes, lms: Targets) -> tuple[list[str], str]:
    """The names of the columns as `parse_mapping_csv` understands them, and the delimiter. Raises ConfigError."""
    courses = course_keys(lms)
    known = tuple(key for key in known_keys(lms) if key not in {course.plural for course in courses})
    text = parse_text(name, content)
    sep_line = _SEP_LINE.match(text)
    body = text[sep_line.end() :] if sep_line else text
    where, header = next(read_records(name, text, known, Problems()), (name, []))
    return _parse_header(where, header, known, [course.name for course in courses]), _sniff(body, known)


def read_records(name: str, text: str, known: Sequence[str], problems: Problems) -> Iterator[Record]:
    """The records that are not blank, the header first. What comes after a broken one is not believed.

    The delimiter is the one by which the header falls into the most columns that are `known`.
    """
    sep_line = _SEP_LINE.match(text)
    body = text[sep_line.end() :] if sep_line else text
    skipped = 1 if sep_line else 0
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=_sniff(body, known), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield f"{name}:{line + skipped}", cells
            line = reader.line_num + 1
    except csv.Error as exc:
        problems.add(
            f"{name}:{line + skipped}",
            f"from here on the file is not CSV ({exc})",
            'A quote within a text is written twice, and the text put in quotes: "5"" disk".',
        )


def _sniff(text: str, known: Sequence[str]) -> str:
    """The delimiter by which the header falls into the most columns we know."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(
        DELIMITERS, key=lambda delimiter: sum(column_name(cell) in known for cell in header.split(delimiter))
    )


def column_name(cell: str) -> str:
    """`Product ID` means product_id."""
    return re.sub(r"[\s_-]+", "_", cell.strip(' \t\u00a0"').casefold())


def _parse_header(
    where: str, header: Sequence[str], known: Sequence[str], courses: Sequence[str]
) -> list[str]:
    columns = [column_name(cell) for cell in header]
    if not set(columns) & set(known):
        raise refused(
            where,
            "the file does not begin with its column names",
            f"Begin with a line of: {', '.join(known)}.",
        )
    problems = Problems()
    for column, times in Counter(columns).items():
        if column and column not in known and column not in SYNC_KEYS:
            message = f"unknown column {render_quoted(column)}"
            like_mirror = column.startswith(("sync", "templ"))
            problems.add(where, message, render_suggestion(column, SYNC_KEYS if like_mirror else known))
        if column and times > 1:
            problems.add(where, f"column {render_quoted(column)} is there twice", "Keep one of them.")
    choices = (("lms",), courses, SELECTORS)
    missing = [" or ".join(choice) for choice in choices if not set(columns) & set(choice)]
    if missing:
        problems.add(where, f"there is no column {' and no '.join(missing)}", "Add it, even if empty.")
    problems.raise_any()
    return columns


def _parse_record(where: str, cells: Sequence[str], columns: Sequence[str]) -> RawRow:
    filled = {number: cell for number, cell in enumerate(cells) if cell.strip()}
    stray = next((number for number in filled if number >= len(columns) or not columns[number]), None)
    if stray is not None:
        raise refused(
            where,
            f"the cell {render_quoted(filled[stray])} is in column {stray + 1}, which has no name",
            "Name the column in the first line; put a text that holds the delimiter in quotes.",
        )
    return RawRow(
        source=where,
        cells={columns[number]: _divided(columns[number], cell) for number, cell in filled.items()},
        spreadsheet=True,
    )


def _divided(column: str, cell: str) -> tuple[str, ...]:
    cell = cell[1:] if GUARD.match(cell) else cell
    return (cell,) if column in _UNDIVIDED else tuple(cell.split(SEVERAL))
