"""The mapping: which product sells which courses. Pure: bytes of a file in, a Mapping or every problem out."""

from collections.abc import Iterable

from wcsync.mappers.mapping_csv import parse_mapping_csv
from wcsync.mappers.mapping_rows import Targets, parse_lms_name, parse_row
from wcsync.mappers.mapping_table import COURSE, Mapping, MapRow, Match, TargetKey, course_key
from wcsync.mappers.mapping_toml import parse_mapping_toml
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.raw_rows import RawMapping
from wcsync.mappers.text_file import render_quoted
from wcsync.model import LmsName

__all__ = ["MapRow", "Mapping", "Match", "TargetKey", "read_mapping"]

ADD_A_ROW = (
    "Add a row with a product, its lms and its course. If nothing is to be sold any more, say so in a row with "
    'sku = "*" and ignore = true.'
)
"""A file without rows is more often a save that failed than somebody's wish."""


def read_mapping(name: str, content: bytes, lms: Targets, *, draft: bool = False) -> Mapping:
    """What the file `name` (ending .toml or .csv) maps.

    `lms`: what a row may say for each LMS in the config. A `draft` may map nothing yet. Raises ConfigError with every
    problem in the file.
    """
    if draft and not content.strip():
        return Mapping()
    problems = Problems()
    raw = _parse_raw(name, content, lms, problems)
    rows = [problems.attempt(parse_row, row, lms) for row in raw.rows]
    sku_is_course = problems.attempt(_parse_sku_is_course, raw, lms)
    good = tuple(row for row in rows if row is not None)
    problems.attempt(_check_repeats, good)
    problems.attempt(_check_sync, good)
    problems.attempt(_check_seats, good)
    problems.raise_any()
    if not draft and sku_is_course is None and all(row.ignore and row.sku != "*" for row in good):
        raise refused(name, "the file maps nothing", ADD_A_ROW)
    return Mapping(rows=good, sku_is_course=sku_is_course, course_pattern=_course_pattern(sku_is_course, lms))


def _parse_raw(name: str, content: bytes, lms: Targets, problems: Problems) -> RawMapping:
    ending = name.rpartition(".")[2].casefold()
    if ending not in {"toml", "csv"}:
        raise refused(name, "a mapping is a .toml or a .csv file", "Save it as one of the two.")
    if not content.strip():
        raise refused(name, "the file is empty", ADD_A_ROW)
    if ending == "csv":
        return parse_mapping_csv(name, content, lms, problems)
    return parse_mapping_toml(name, content, problems)


def _parse_sku_is_course(raw: RawMapping, lms: Targets) -> LmsName | None:
    if raw.sku_is_course is None:
        return None
    text, where = raw.sku_is_course
    name = parse_lms_name(text, where, lms)
    needed = [key.name for key in lms[name] if key.required and not key.course]
    if needed:
        raise refused(
            where,
            f'lms "{name}" needs {" and ".join(needed)} beside the {course_key(lms[name]).name}',
            "Write a row for each product.",
        )
    return name


def _course_pattern(name: LmsName | None, lms: Targets) -> str:
    return course_key(lms[name]).pattern if name is not None else COURSE.pattern


def _check_repeats(rows: Iterable[MapRow]) -> None:
    """No two rows say the same of a product, and none contradicts another."""
    problems = Problems()
    first: dict[tuple[str, str], MapRow] = {}
    said: dict[tuple[str, ...], MapRow] = {}
    for row in rows:
        earlier = first.setdefault(row.selector, row)
        if earlier.ignore != row.ignore:
            message = f"{_words(row.selector)} is both ignored and mapped, see {earlier.source}"
            problems.add(row.source, message, "Remove one of the two rows.")
        for statement in _statements(row):
            if statement in said:
                message = f"{_words(statement)} {_repeated(row, said[statement])}"
                problems.add(row.source, message, "Remove one of the two.")
            said[statement] = row
    problems.raise_any()


def _repeated(row: MapRow, before: MapRow) -> str:
    if row.terms != before.terms:
        return f"is sold on other terms in {before.source}"
    return f"is already said in {before.source}"


def _check_seats(rows: Iterable[MapRow]) -> None:
    """Rows about one product agree on who gets several seats, or one of them says it for all."""
    problems = Problems()
    said: dict[tuple[str, str], MapRow] = {}
    for row in rows:
        if row.seats is not None:
            before = said.setdefault(row.selector, row)
            if before.seats != row.seats:
                message = f"seats of {_words(row.selector)} is said otherwise in {before.source}"
                problems.add(row.source, message, "Keep one of the two; it counts for the whole product.")
    problems.raise_any()


def _check_sync(rows: Iterable[MapRow]) -> None:
    """Rows about one product say the same of the mirror, or speak of different things."""
    problems = Problems()
    said: dict[tuple[str, str, str], tuple[str, str]] = {}
    for row in rows:
        for key, value in row.sync:
            before, source = said.setdefault((*row.selector, key), (value, row.source))
            if before != value:
                message = f"{key} of {_words(row.selector)} is said otherwise in {source}"
                problems.add(row.source, message, "Keep one of the two; it counts for the whole product.")
    problems.raise_any()


def _statements(row: MapRow) -> list[tuple[str, ...]]:
    if row.ignore:
        return [(*row.selector, "ignore")]
    return [(*row.selector, target.lms, "course", target.course_id) for target in row.targets]


def _words(statement: tuple[str, ...]) -> str:
    selector, value, *rest = statement
    return " ".join([selector, render_quoted(value), *rest])
