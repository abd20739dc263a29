"""A list of learners in CSV, as a spreadsheet saves it: its bytes in, who is to have which seat out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wcsync.mappers.addresses import usable_address
from wcsync.mappers.cells import find_hidden
from wcsync.mappers.mapping_csv import GUARD, column_name, read_records
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.text_file import parse_text, render_quoted, render_suggestion
from wcsync.model import Person

COLUMNS = ("order", "line", "email", "first_name", "last_name", "name")
_ALSO = {"e_mail": "email", "mail": "email"}
NO_ADDRESS = "Write it as in anna@example.com."


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerRow:
    """One learner. `where`: file and line; `order` and `line` as written, '' where the row does not say."""

    where: str
    order: str
    line: str
    person: Person


def parse_learners_csv(name: str, content: bytes) -> tuple[LearnerRow, ...]:
    """Raises ConfigError with every problem and its line."""
    problems = Problems()
    records = read_records(name, parse_text(name, content), (*COLUMNS, *_ALSO), problems)
    where, header = next(records, (name, []))
    columns = _parse_header(where, header)
    rows = [problems.attempt(_parse_row, place, cells, columns) for place, cells in records]
    if not rows:
        problems.add(name, "the file names no learner", "Give each learner a line of their own.")
    problems.raise_any()
    return tuple(row for row in rows if row is not None)


def split_name(name: str) -> tuple[str, str]:
    """First and last name of "First Middle Last" or "Last, First"; a single word is a first name."""
    last, comma, first = (part.strip() for part in name.partition(","))
    if comma:
        return first, last
    words = name.split()
    return (" ".join(words[:-1]), words[-1]) if len(words) > 1 else (name.strip(), "")


def _parse_header(where: str, header: Sequence[str]) -> list[str]:
    columns = [_ALSO.get(column_name(cell), column_name(cell)) for cell in header]
    if "email" not in columns:
        remedy = f"Begin with a line of: {', '.join(COLUMNS[:-1])}; or of: email, name."
        raise refused(where, "the file does not begin with its column names, email among them", remedy)
    problems = Problems()
    for column in dict.fromkeys(columns):
        if column and column not in COLUMNS:
            message = f"unknown column {render_quoted(column)}"
            problems.add(where, message, render_suggestion(column, COLUMNS))
        if column and columns.count(column) > 1:
            problems.add(where, f"column {render_quoted(column)} is there twice", "Keep one of them.")
    problems.raise_any()
    return columns


def _parse_row(where: str, cells: Sequence[str], columns: Sequence[str]) -> LearnerRow:
    filled = {number: _clean(cell) for number, cell in enumerate(cells) if cell.strip()}
    if any(number >= len(columns) or not columns[number] for number in filled):
        remedy = "Name the column in the first line; put a text that holds the delimiter in quotes."
        raise refused(where, "a cell stands in a column that has no name", remedy)
    values = {columns[number]: cell for number, cell in filled.items()}
    if any(map(find_hidden, values.values())):
        raise refused(where, "a cell holds an invisible character", "Type its text again.")
    return LearnerRow(
        where=where,
        order=values.get("order", ""),
        line=values.get("line", ""),
        person=_person(where, values),
    )


def _person(where: str, values: Mapping[str, str]) -> Person:
    email = values.get("email", "")
    if not email:
        raise refused(where, "there is no e-mail address", NO_ADDRESS)
    if not usable_address(email):
        raise refused(where, "the e-mail address cannot be used", NO_ADDRESS)
    first, last = split_name(values.get("name", ""))
    return Person(
        email=email,
        first_name=values.get("first_name", first),
        last_name=values.get("last_name", last),
    )


def _clean(cell: str) -> str:
    trimmed = cell.strip(" \t\u00a0")
    return trimmed[1:] if GUARD.match(trimmed) else trimmed
