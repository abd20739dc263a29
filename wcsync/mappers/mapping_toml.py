"""A mapping file in TOML: its bytes in, its rows as texts out."""

from collections.abc import Iterator
from datetime import date

from wcsync.mappers.mapping_terms import UNTIL, WITH_SUBSCRIPTION
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.raw_rows import RawMapping, RawRow
from wcsync.mappers.text_file import render_quoted, render_suggestion
from wcsync.mappers.toml_file import TomlFile, parse_toml
from wcsync.mappers.toml_lines import KeyPath

TOP = ("map", "sku_is_course")
LONGEST_INT_BITS = 64


def parse_mapping_toml(name: str, content: bytes, problems: Problems) -> RawMapping:
    """Rows that cannot be read go to `problems`. Raises ConfigError if the file as a whole cannot be read."""
    file = parse_toml(name, content)
    for key in file.values:
        problems.attempt(_check_top, file, key)
    rows = [problems.attempt(_parse_table, file, number, table) for number, table in _tables(file, problems)]
    return RawMapping(
        rows=tuple(row for row in rows if row is not None),
        sku_is_course=problems.attempt(_parse_sku_is_course, file),
    )


def _check_top(file: TomlFile, key: str) -> None:
    if key not in TOP:
        message = f"unknown key {render_quoted(key)} outside of [[map]]"
        raise refused(file.where((key,)), message, render_suggestion(key, TOP))


def _parse_sku_is_course(file: TomlFile) -> tuple[str, str] | None:
    value, where = file.values.get("sku_is_course"), file.where(("sku_is_course",))
    if value is None:
        return None
    if not isinstance(value, str):
        remedy = 'Write the name of an LMS, as in sku_is_course = "campus".'
        raise refused(where, "sku_is_course is no text", remedy)
    return value.strip(), where


def _tables(file: TomlFile, problems: Problems) -> Iterator[tuple[int, dict[str, object]]]:
    rows = file.values.get("map", [])
    if not isinstance(rows, list):
        where = file.where(("map",))
        problems.add(where, "map is not a list of rows", "Begin each row with [[map]].")
        return
    for number, row in enumerate(rows):
        if isinstance(row, dict):
            yield number, row
        else:
            where = file.where(("map", number))
            problems.add(where, "this is no row", "Begin each row with [[map]].")


def _parse_table(file: TomlFile, number: int, table: dict[str, object]) -> RawRow:
    problems = Problems()
    here: KeyPath = ("map", number)
    cells: dict[str, tuple[str, ...]] = {}
    places = {key: file.where((*here, key)) for key in table}
    for key, value in table.items():
        texts = problems.attempt(_parse_value, key, value, places[key])
        if texts is not None:
            cells[key] = texts
    problems.raise_any()
    return RawRow(source=file.where(here), cells=cells, places=places)


def _parse_value(key: str, value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_parse_scalar(key, item, where) for item in value)
    return (_parse_scalar(key, value, where),)


def _parse_scalar(key: str, value: object, where: str) -> str:
    if isinstance(value, bool) and key in {"ignore", WITH_SUBSCRIPTION}:
        return "true" if value else "false"
    if isinstance(value, date) and key == UNTIL:  # a datetime is one
        return value.isoformat()
    too_long = isinstance(value, int) and value.bit_length() > LONGEST_INT_BITS
    if isinstance(value, bool) or too_long or not isinstance(value, str | int | float):
        message = f"the value of {render_quoted(key)} is neither text nor a usual number"
        raise refused(where, message, f'Write {key} = "…".')
    return str(value)
