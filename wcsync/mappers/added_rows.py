"""New rows at the end of a mapping file, in its own format, with all that stands there kept. Pure."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wcsync.mappers.mapping import read_mapping
from wcsync.mappers.mapping_csv import SEVERAL, column_names
from wcsync.mappers.mapping_export import Cells, export_columns, guarded
from wcsync.mappers.mapping_rows import Targets
from wcsync.mappers.mapping_table import MapRow, TargetKey, course_key
from wcsync.mappers.problems import refused
from wcsync.mappers.toml_text import comment, quoted
from wcsync.model import ProductId, Target
from wcsync.sale import PLAIN_TERMS


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A product and the course it sells. It is named by its SKU, or by its number where the SKU is ''."""

    product_id: ProductId
    sku: str
    target: Target
    title: str


def add_rows(name: str, content: bytes, rows: Sequence[NewRow], lms: Targets) -> bytes:
    """The file `name` with the rows behind all others.

    Raises ConfigError if it does not then say exactly what it says now and the rows besides: whoever wrote it in a way
    of their own adds them by hand.
    """
    added = render_rows(name, rows, lms, content)
    new = content + _closing(content) + added
    before, after = read_mapping(name, content, lms, draft=True), read_mapping(name, new, lms)
    kept = after.rows[: len(before.rows)] == before.rows and after.sku_is_course == before.sku_is_course
    if not kept or [_meaning(row) for row in after.rows[len(before.rows) :]] != [
        _expected(row) for row in rows
    ]:
        raise refused(name, "rows at its end would not be read as they are meant", "Add them by hand.")
    return new


def render_rows(name: str, rows: Sequence[NewRow], lms: Targets, content: bytes = b"") -> bytes:
    """The rows alone, to be pasted. Of CSV in the columns of `content`; with all columns and their names if it is
    empty. Raises ConfigError if a column is missing there."""
    if name.casefold().endswith(".csv"):
        return _render_csv(name, rows, lms, content)
    blocks = ["\n".join(_block(row, lms)) for row in rows]
    text = "\n" + "\n\n".join(blocks) + "\n"
    return text.replace("\n", _line_end(content)).encode()


def _block(row: NewRow, lms: Targets) -> Iterator[str]:
    yield f"# {comment(row.title)}"
    yield "[[map]]"
    yield f"sku = {quoted(row.sku)}" if row.sku else f"product_id = {row.product_id}"
    yield f"lms = {quoted(row.target.lms)}"
    for key, values in _said(row.target, lms[row.target.lms]):
        texts = [quoted(value) for value in values]
        yield f"{key} = {texts[0]}" if len(texts) == 1 else f"{key} = [{', '.join(texts)}]"


def _render_csv(name: str, rows: Sequence[NewRow], lms: Targets, content: bytes) -> bytes:
    columns, delimiter = (
        column_names(name, content, lms) if content.strip() else ([*export_columns(lms)], ",")
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=_line_end(content, "\r\n"))
    if not content.strip():
        writer.writerow(columns)
    for row in rows:
        cells = _cells(row, lms[row.target.lms])
        if "note" not in columns:
            del cells["note"]
        missing = cells.keys() - set(columns)
        if missing:
            raise refused(
                name, f"there is no column {' and no '.join(sorted(missing))}", "Add it, even if empty."
            )
        writer.writerow([guarded(cells.get(column, "")) for column in columns])
    return text.getvalue().encode()


def _cells(row: NewRow, keys: Sequence[TargetKey]) -> Cells:
    cells = {"sku": row.sku} if row.sku else {"product_id": str(row.product_id)}
    cells |= {"lms": str(row.target.lms), "note": comment(row.title)}
    return cells | {key: SEVERAL.join(values) for key, values in _said(row.target, keys)}


def _said(target: Target, keys: Sequence[TargetKey]) -> Iterator[tuple[str, list[str]]]:
    """The keys that name the course, and their values."""
    yield course_key(keys).name, [str(target.course_id)]
    for name in dict.fromkeys(key for key, _ in target.options):
        yield name, [value for key, value in target.options if key == name]


def _closing(content: bytes) -> bytes:
    """What the last line lacks to be one."""
    return b"" if not content.strip() or content.endswith(b"\n") else _line_end(content).encode()


def _line_end(content: bytes, otherwise: str = "\n") -> str:
    if b"\n" not in content:
        return otherwise
    return "\r\n" if b"\r\n" in content else "\n"


def _meaning(row: MapRow) -> tuple[object, ...]:
    return row.selector, row.targets, row.ignore, row.sync, row.terms, row.seats


def _expected(row: NewRow) -> tuple[object, ...]:
    selector = ("sku", row.sku.casefold()) if row.sku else ("product_id", str(row.product_id))
    return selector, (row.target,), False, (), PLAIN_TERMS, None
