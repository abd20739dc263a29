"""All products with what each maps to today, as a mapping file for a spreadsheet. Pure.

Read as mapping.csv it means what the mapping means now, for every product it lists: rows name products by their
numbers, which no spreadsheet changes, and products without a row say `later`.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from wcsync.mappers.mapping import Mapping, Match
from wcsync.mappers.mapping_csv import SEVERAL
from wcsync.mappers.mapping_rows import LATER, SELECTORS, Targets, course_keys, known_keys
from wcsync.mappers.mapping_sync import SYNC_KEYS
from wcsync.mappers.mapping_table import MapRow, course_key
from wcsync.mappers.mapping_terms import UNTIL, render_sale
from wcsync.mappers.selectors import as_line
from wcsync.model import LmsName, Option, Product, Target
from wcsync.sale import SeatRule, Terms

BOM = "\ufeff"
_FORMULA = re.compile(r"['\s]*[=+\-@＝＋－＠]|'*[\t\r]")
"""What a spreadsheet takes for a formula, or what we make of that. https://owasp.org/www-community/attacks/CSV_Injection"""

LONGEST_NOTE = 200
"""Letters of a SKU or a name."""

Cells = dict[str, str]
Goes = tuple[LmsName, tuple[Option, ...], Terms]


def render_csv(
    products: Iterable[Product], mapping: Mapping, lms: Targets, *, delimiter: str = ",", bom: bool = False
) -> bytes:
    """UTF-8, one line or more for each product, variations below their parents."""
    columns = export_columns(lms, mapping.rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    for product in products:
        for cells in _rows(product, mapping, lms):
            writer.writerow({column: guarded(cell) for column, cell in cells.items()})
    return ((BOM if bom else "") + text.getvalue()).encode()


def export_columns(lms: Targets, rows: Iterable[MapRow] = ()) -> Sequence[str]:
    """Those about the mirror only where one of the rows says something of it: they are many."""
    plurals = {course.plural for course in course_keys(lms)}
    said = {key for row in rows for key, _ in row.sync}
    usual = [key for key in known_keys(lms) if key not in plurals]
    return usual + [key for key in SYNC_KEYS if key in said]


def guarded(cell: str) -> str:
    """So that no spreadsheet takes it for a formula; reading the file takes the apostrophe away again."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _rows(product: Product, mapping: Mapping, lms: Targets) -> Iterator[Cells]:
    match = _decided(product, mapping)
    cells = _selectors(product) | {"note": _note(product, match)}
    if match is None:
        yield cells | {"ignore": LATER}
    elif match.ignore:
        yield cells | {"ignore": "yes"}
    else:
        for (name, options, terms), courses in _grouped(match.deals()).items():
            goes = {"lms": str(name), course_key(lms[name]).name: SEVERAL.join(courses)}
            yield cells | goes | _options(options) | _sale(terms, match.seats) | dict(match.sync)


def _decided(product: Product, mapping: Mapping) -> Match | None:
    """A parent is never bought itself: of rows about it only one by its number counts, for its variations."""
    line = as_line(product)
    return mapping.match(replace(line, sku="") if product.variation_ids else line)


def _selectors(product: Product) -> Cells:
    assert set(SELECTORS) >= {"product_id", "variation_id"}
    if product.parent_id:
        return {"product_id": str(product.parent_id), "variation_id": str(product.product_id)}
    return {"product_id": str(product.product_id)}


def _note(product: Product, match: Match | None) -> str:
    source = match.source if match else "no row"
    return " · ".join(filter(None, (_shown(product.sku), _shown(product.name), f"[{source}]")))


def _shown(text: str) -> str:
    """One line that every spreadsheet and our own reader take, whatever the shop calls its products."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= LONGEST_NOTE else f"{plain[: LONGEST_NOTE - 1]}…"


def _grouped(deals: Iterable[tuple[Target, Terms]]) -> dict[Goes, list[str]]:
    """Courses that go into one cell: those with the same options, on the same terms."""
    groups: dict[Goes, list[str]] = {}
    for target, terms in deals:
        groups.setdefault((target.lms, target.options, terms), []).append(str(target.course_id))
    return groups


def _sale(terms: Terms, seats: SeatRule | None) -> Cells:
    """The apostrophe keeps a spreadsheet from writing the date in a way of its own."""
    cells = render_sale(terms, seats)
    return cells | ({UNTIL: f"'{cells[UNTIL]}"} if UNTIL in cells else {})


def _options(options: Iterable[Option]) -> Cells:
    cells = Cells()
    for key, value in options:
        cells[key] = f"{cells[key]}{SEVERAL}{value}" if key in cells else value
    return cells
