"""Form fields as PHP reads them, and Moodle's strict check of a call's parameters."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from wcsync.sandbox.moodle_errors import invalid_parameter

Php = str | dict[str, "Php"]
"""A field's value, or what PHP makes of `name[key]`."""


class Presence(Enum):
    REQUIRED = "required"
    OPTIONAL = "optional"


REQUIRED: Final = Presence.REQUIRED
OPTIONAL: Final = Presence.OPTIONAL

Clean = Callable[[str], Any]
"""Reads one value or raises `invalidparameter`: Moodle never mends a value here, it refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """A list; the keys sent do not matter, their order does."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter. `default`: REQUIRED, OPTIONAL (then left out), or the value it gets."""

    shape: "Shape"
    default: Any = REQUIRED


Shape = Clean | Many | Mapping[str, Param]


def parse_fields(pairs: Iterable[tuple[str, str]]) -> dict[str, Php]:
    """Nests `users[0][email]` the way PHP does; a name sent twice counts once, with its last value."""
    fields: dict[str, Php] = {}
    for name, value in pairs:
        head, keys = _keys(name)
        _put(fields, [head, *keys], value)
    return fields


def check_parameters(shape: Mapping[str, Param], sent: Php) -> dict[str, Any]:
    """The call's parameters, read and complete.

    Raises `invalidparameter` for anything missing, extra or ill-typed.
    """
    if isinstance(sent, str) or not sent.keys() <= shape.keys():
        raise invalid_parameter()
    checked = {}
    for name, param in shape.items():
        if name in sent:
            checked[name] = _check(param.shape, sent[name])
        elif param.default is REQUIRED:
            raise invalid_parameter()
        elif param.default is not OPTIONAL:
            checked[name] = param.default
    return checked


def raw(value: str) -> str:
    """Any text that is UTF-8 and holds no NUL."""
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise invalid_parameter()
    return value


def trimmed(value: str) -> str:
    return _unless(value, value != value.strip(" \t\n\r\v"))


def no_tags(value: str) -> str:
    """Text in which PHP's strip_tags finds nothing to strip: a `<` may only stand before white space."""
    return _unless(value, re.search(r"<(?!\s)", value) is not None)


def letters(value: str) -> str:
    return _unless(value, re.fullmatch(r"[a-zA-Z]*", value) is None)


def word(value: str) -> str:
    return _unless(value, re.fullmatch(r"[a-zA-Z0-9_-]*", value) is None)


def integer(value: str) -> int:
    """A number written the way PHP would write it: no blanks, no sign but minus, no leading zeros."""
    _unless(value, re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value) is None)
    return int(value)


def php_int(value: str) -> int:
    """What PHP's `(int)` makes of a text: the number it begins with, else 0."""
    digits = re.match(r"\s*-?[0-9]+", value)
    return int(digits.group()) if digits else 0


def flag(value: str) -> bool:
    _unless(value, value not in {"0", "1"})
    return value == "1"


def _unless(value: str, wrong: bool) -> str:
    if wrong:
        raise invalid_parameter()
    return raw(value)


def _check(shape: Shape, sent: Php) -> Any:
    if isinstance(shape, Many):
        if isinstance(sent, str):
            raise invalid_parameter()
        return [_check(shape.of, item) for item in sent.values()]
    if isinstance(shape, Mapping):
        return check_parameters(shape, sent)
    if not isinstance(sent, str):
        raise invalid_parameter()
    return shape(sent)


def _keys(name: str) -> tuple[str, list[str]]:
    head, bracket, rest = name.partition("[")
    if not bracket or "]" not in rest:
        return re.sub(r"[ .\[]", "_", name), []
    return re.sub(r"[ .]", "_", head), re.findall(r"\[([^\]]*)\]", bracket + rest)


def _put(fields: dict[str, Php], keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        nested = fields.get(key or _next_index(fields))
        if not isinstance(nested, dict):
            nested = fields[key or _next_index(fields)] = {}
        fields = nested
    fields[keys[-1] or _next_index(fields)] = value


def _next_index(fields: dict[str, Php]) -> str:
    return str(max((int(key) for key in fields if key.isdecimal()), default=-1) + 1)
