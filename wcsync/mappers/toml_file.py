"""A TOML file that a person wrote: its values, and the line each of them stands on."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from wcsync.errors import ConfigError, Problem
from wcsync.mappers.text_file import parse_text
from wcsync.mappers.toml_lines import KeyPath, scan_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """`lines`: where each key stands, as in ("map", 0, "sku") → 4; lines count from 1."""

    name: str
    values: Mapping[str, object] = field(repr=False)
    lines: Mapping[KeyPath, int] = field(repr=False)

    def line(self, path: KeyPath) -> int | None:
        """The line of a key, or of the nearest table around it; None if the file knows neither."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def where(self, path: KeyPath = ()) -> str:
        """`config.toml:14`, or `config.toml` if there is no such line."""
        line = self.line(path)
        return self.name if line is None else f"{self.name}:{line}"


def parse_toml(name: str, content: bytes) -> TomlFile:
    """Raises ConfigError with the line and what is wrong there."""
    text = parse_text(name, content).replace("\r\n", "\n")
    try:
        return TomlFile(name=name, values=tomllib.loads(text), lines=scan_lines(text))
    except RecursionError:
        problem = Problem(
            where=name, message="its brackets are nested too deeply", remedy="Close them earlier."
        )
    except ValueError as exc:
        problem = _explain(name, text, str(exc))
    raise ConfigError([problem])


_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

_PLAIN_WORDS = (
    ("Illegal character '\\n'", "a text is not closed", "Put a quote at its end."),
    ('Expected "\'"', "a text is not closed", "Put a quote at its end."),
    ("Unterminated string", "a text is not closed", "Put a quote at its end."),
    ("Unclosed array", "a list is not closed", "Put ] at its end and a comma between its values."),
    ("Unclosed inline table", "a { is not closed", "Put } at its end, on the same line."),
    ("Invalid value", "the value cannot be read", 'A text goes in quotes: key = "text".'),
    (
        "Expected newline",
        "something follows the value",
        'A text goes in quotes: key = "text"; a date as well.',
    ),
    ("Expected '='", "a key has no value", 'Write key = "value"; a comment begins with #.'),
    ("Invalid statement", "this is no key and no section", 'Write key = "value", [section] or # comment.'),
    ("Unescaped '\\'", "a backslash in a text", "Write it twice, or put the text in single quotes."),
    ("Cannot overwrite", "a key or section is given twice", "Keep one of them."),
    (
        "Cannot declare",
        "a section is given twice",
        "Keep one; a list of rows is written [[…]], each row anew.",
    ),
    ("Cannot mutate", "a key or section is given twice", "Keep one of them."),
    ("Exceeds the limit", "a number is far too long", "Shorten it, or put it in quotes if it is a text."),
)


_ABOUT_QUOTES = ("Invalid value", "Illegal character '\\n'", 'Expected "\'"', "Unterminated string")
_CURVED = frozenset("“”„‟‘’‚«»")
_WITH_CURVED = (
    "",
    "curved quotes stand where straight ones belong",
    'Type straight ones in a plain editor: key = "text"; word processors curve them.',
)


def _line(text: str, number: int) -> str:
    return next(iter(text.split("\n")[number - 1 : number]), "")


def _explain(name: str, text: str, reason: str) -> Problem:
    place = _PLACE.search(reason)
    line = (place and place[1]) or text.rstrip().count("\n") + 1
    known = next((words for words in _PLAIN_WORDS if reason.startswith(words[0])), None)
    if reason.startswith(_ABOUT_QUOTES) and _CURVED & set(_line(text, int(line))):
        known = _WITH_CURVED
    _, message, remedy = known or ("", f"this is not TOML ({_PLACE.sub('', reason)})", "See https://toml.io.")
    return Problem(where=f"{name}:{line}" if place else name, message=message, remedy=remedy)
