"""The rows of a mapping file as they were written: keys and texts, with their places. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wcsync.mappers.cells import find_hidden
from wcsync.mappers.problems import refused

YES = frozenset({"true", "yes", "y", "1", "x", "verdadero", "vrai", "wahr", "vero"})
NO = frozenset({"false", "no", "n", "0", "falso", "faux", "falsch"})
"""What people and spreadsheets of several languages write for a key that is true or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """A row as written. `cells`: the values of each key; `places`: where a key stands, if not at `source`.

    `spreadsheet`: the row may have been through one, so that a SKU may be damaged.
    """

    source: str
    cells: Mapping[str, tuple[str, ...]]
    places: Mapping[str, str] = field(default_factory=dict)
    spreadsheet: bool = False

    def where(self, key: str) -> str:
        return self.places.get(key, self.source)

    def values(self, key: str) -> tuple[str, ...]:
        """The values of a key without outer blanks; none if it is not given. Raises ConfigError."""
        if key not in self.cells:
            return ()
        trimmed = tuple(value.strip(" \u00a0") for value in self.cells[key])
        if not trimmed or not all(trimmed):
            raise refused(self.where(key), f"{key} is empty", "Give it a value or remove it.")
        hidden = next(filter(None, map(find_hidden, trimmed)), None)
        if hidden:
            raise refused(
                self.where(key), f"{key} holds the invisible character {hidden}", "Type the value again."
            )
        return trimmed

    def value(self, key: str) -> str | None:
        """The one value of a key; None if it is not given. Raises ConfigError."""
        values = self.values(key)
        if len(values) > 1:
            raise refused(
                self.where(key), f"{key} takes one value, not {len(values)}", "Write one row for each."
            )
        return values[0] if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMapping:
    """A mapping file as written. `sku_is_course`: the name of an LMS and where it stands."""

    rows: tuple[RawRow, ...]
    sku_is_course: tuple[str, str] | None = None
