"""The line numbers that a TOML parser does not tell."""

import re
import tomllib

KeyPath = tuple[str | int, ...]
"""A key with all that leads to it; rows of a list are numbered from 0."""


def scan_lines(text: str) -> dict[KeyPath, int]:
    """Where each key, table and row stands. `text` must be valid TOML with \\n line ends: check it first."""
    scanner = _Scanner(text)
    scanner.scan_document()
    return scanner.lines


# ++ on a character class: a text of megabytes is one step, and nothing is tried twice
_BLANK = re.compile(r"(?:[ \t\n]++|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*("(?:[^"\\]++|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*(\.?)""")
_TEXTS = (
    r'"""(?:[^"\\]++|\\.|"(?!""))*"""+',
    r"'''(?:[^']++|'(?!''))*'''+",
    r'"(?:[^"\\]++|\\.)*"',
    r"'[^']*'",
)
_TEXT = re.compile("|".join(_TEXTS), re.DOTALL)
_PLAIN = re.compile(r"[^,\]}#\n]+")


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._rows: dict[KeyPath, int] = {}

    def scan_document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._scan_header()
            else:
                self._scan_pair(table)
            self._skip(_BLANK)

    def _scan_header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`. Within a list of tables a name means its last row."""
        many = self._text.startswith("[[", self._at)
        self._at += 1 + many
        line = self._line
        *parents, name = self._scan_key()
        self._at = self._text.index("]", self._at) + 1 + many
        path: KeyPath = ()
        for parent in parents:
            path = self._last_row((*path, parent))
            self.lines.setdefault(path, line)
        path = (*path, name)
        if many:
            self._rows[path] = self._rows.get(path, 0) + 1
            self.lines.setdefault(path, line)
        path = self._last_row(path)
        self.lines[path] = line
        return path

    def _last_row(self, path: KeyPath) -> KeyPath:
        return (*path, self._rows[path] - 1) if path in self._rows else path

    def _scan_pair(self, table: KeyPath) -> None:
        path = table
        for part in self._scan_key():
            path = (*path, part)
            self.lines.setdefault(path, self._line)
        self._at = self._text.index("=", self._at) + 1
        self._skip(_BLANK)
        self._scan_value(path)

    def _scan_key(self) -> list[str]:
        parts: list[str] = []
        more = True
        while more:
            found = self._skip(_KEY)
            parts.append(_unquoted(found[1]))
            more = bool(found[2])
        return parts

    def _scan_value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case "[":
                self._scan_items(path, "]")
            case "{":
                self._scan_items(path, "}")
            case '"' | "'":
                self._skip(_TEXT)
            case _:
                self._skip(_PLAIN)

    def _scan_items(self, path: KeyPath, end: str) -> None:
        """The values of an array, numbered, or the pairs of an inline table."""
        self._at += 1
        self._skip(_BLANK)
        number = 0
        while not self._text.startswith(end, self._at):
            if end == "]":
                self.lines[*path, number] = self._line
                self._scan_value((*path, number))
            else:
                self._scan_pair(path)
            self._skip(_BLANK)
            if self._text.startswith(",", self._at):
                self._at += 1
                self._skip(_BLANK)
            number += 1
        self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        assert found is not None, (pattern.pattern, self._line)
        self._line += self._text.count("\n", self._at, found.end())
        self._at = found.end()
        return found


def _unquoted(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[0] in "\"'" else key
