"""What a mapping row says of the mirror: whose word counts for which part of its product, and how it is made. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from wcsync.mappers.cells import find_hidden
from wcsync.mappers.courses.fields import FOR_VARIATIONS, SYNC, TEMPLATE, WITH_TEMPLATE, Field, Ownership
from wcsync.mappers.courses.templates import GUIDE, check_template, output_of
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.text_file import render_quoted, render_suggestion

_TEMPLATES = {f"{TEMPLATE}_{field}": field for field in WITH_TEMPLATE}
OWNERSHIPS = (SYNC, *(f"{SYNC}_{field}" for field in Field))
_FIELDS = {f"{SYNC}_{field}": field for field in Field} | _TEMPLATES
SYNC_KEYS = (*OWNERSHIPS, *_TEMPLATES)
"""All keys a row may have for the mirror, whatever its LMS."""

Sync = tuple[tuple[str, str], ...]
"""Keys and values as in `MapRow.sync`, by key."""

Cells = Mapping[str, tuple[str, ...]]


def parse_sync(cells: Cells, places: Mapping[str, str]) -> Sync:
    """`places`: where each key stands. Raises ConfigError with everything that is wrong."""
    problems = Problems()
    said = []
    for key in SYNC_KEYS:
        if key in cells:
            if "variation_id" in cells:
                problems.attempt(_check_variation, key, places[key])
            value = problems.attempt(_parse_value, key, cells[key], places[key])
            said.append((key, value or ""))
    problems.raise_any()
    return tuple(sorted(said))


def merge_sync(said: Iterable[Sync]) -> Sync:
    """What several rows say of one product; of a key that is said twice the first counts."""
    merged: dict[str, str] = {}
    for sync in said:
        for key, value in sync:
            merged.setdefault(key, value)
    return tuple(sorted(merged.items()))


def _check_variation(key: str, where: str) -> None:
    field = _FIELDS.get(key)
    if field is not None and field not in FOR_VARIATIONS:
        own = ", ".join(sorted(FOR_VARIATIONS))
        raise refused(
            where,
            f"{key} means nothing to a variation, which has only its {own} for itself",
            "Remove it, or write it in the row of the product.",
        )


def _parse_value(key: str, values: Sequence[str], where: str) -> str:
    if len(values) != 1:
        raise refused(where, f"{key} takes one value, not {len(values)}", "Write one text.")
    text = values[0].replace("\r\n", "\n").strip(" \t\n\u00a0")
    if not text:
        raise refused(where, f"{key} is empty", "Give it a value or remove it.")
    return _parse_template(key, text, where) if key in _TEMPLATES else _parse_ownership(key, text, where)


def _parse_ownership(key: str, text: str, where: str) -> str:
    word = text.casefold()
    if word not in set(Ownership):
        raise refused(where, f"{key} is {render_quoted(text)}", render_suggestion(word, list(Ownership)))
    return word


def _parse_template(key: str, text: str, where: str) -> str:
    hidden = find_hidden(text.replace("\n", "").replace("\t", ""))
    if hidden:
        raise refused(where, f"{key} holds the invisible character {hidden}", "Type it again.")
    problem = check_template(text, output_of(_TEMPLATES[key]))
    if problem is not None:
        raise refused(where, f"{key} cannot be rendered: {problem}", f"Correct it: {GUIDE}.")
    return text
