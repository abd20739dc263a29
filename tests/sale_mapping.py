"""The mapping file of a sale world: written as a person writes it, read by the daemon's own keeper."""

from collections.abc import Mapping
from pathlib import Path

from tests.plain_reading import PlainTerms
from tests.sale_stage import ACADEMY, CAMPUS, T_SHIRT
from wcsync.ledger.ledger import SqliteLedger
from wcsync.mappers.mapping import TargetKey
from wcsync.model import LmsName
from wcsync.pollers.mapping import MappingKeeper
from wcsync.times import Clock

COURSE = TargetKey(name="course", pattern=r"\S+", doc="a course", required=True, course=True)
MISTAKES = (
    lambda text: text.replace("campus", "nowhere", 1),
    lambda text: text + "\n[[map]\n",
    lambda text: text[: len(text) // 2] + "\nproduct_id = ",
    lambda text: text[:0],
    lambda text: text + '\n[[map]]\nproduct_id = 1\nlms = "campus"\ncourse = "py101"\ndays = -4\n',
)
"""What a slip of the finger makes of a mapping file."""


def render_mapping(terms: Mapping[int, PlainTerms]) -> str:
    """A row for each course of each product; bundles have none."""
    rows = [f"[[map]]\nproduct_id = {T_SHIRT}\nignore = true\n"]
    for product, plain in terms.items():
        rows.extend(_row(product, course, plain) for course in plain.courses)
    return "\n".join(rows)


def _row(product: int, place: str, plain: PlainTerms) -> str:
    lms, _, course = place.partition(":")
    lines = [
        "[[map]]",
        f"product_id = {product}",
        f'lms = "{lms}"',
        f'course = "{course}"',
        f'seats = "{plain.seats}"',
        f"days = {plain.days}" if plain.days else "",
        f'until = "{plain.until:%Y-%m-%dT%H:%MZ}"' if plain.until else "",
        "with_subscription = true" if plain.with_subscription else "",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def keeper_of(path: Path, ledger: SqliteLedger, clock: Clock) -> MappingKeeper:
    return MappingKeeper(path, {LmsName(CAMPUS): (COURSE,), LmsName(ACADEMY): (COURSE,)}, ledger, clock)
