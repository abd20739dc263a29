"""The meta values of an order or a line: found by key or path, and never worth an error.

Anybody's plugin writes them, in any shape: a value is decoded only when it is asked for, and what cannot be decoded is
a text.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from wcsync.store.wire.scalars import Scalar, members, text

MOST_MEMBERS = 1001
"""So many members of a value are looked at: one more than a line may have seats."""

_DEEPEST = 8
_EMPTY = frozenset({b"", b"[]", b"{}", b"null"})
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # a wrong shape is a DecodeError, too


class _Entry(msgspec.Struct):
    key: Scalar = None
    value: msgspec.Raw = msgspec.Raw()


_ENTRIES = msgspec.json.Decoder(list[_Entry] | dict[str, _Entry] | None)
_ENTRY = msgspec.json.Decoder(_Entry)
_PARTS = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw] | None)


class Meta:
    """The meta values of one order or line."""

    def __init__(self, raw: msgspec.Raw | None = None) -> None:
        self._values: dict[str, list[msgspec.Raw]] = {}
        for entry in _entries(bytes(raw or b"")):
            self._values.setdefault(text(entry.key), []).append(entry.value)

    def __bool__(self) -> bool:
        return bool(self._values)

    def first(self, *keys: str) -> str:
        """The first of these keys that holds a text; '' if none does."""
        if not self._values:
            return ""
        found = (told for key in keys for told in self.find(key) if told)
        return next(found, "")

    def find(self, key: str) -> list[str]:
        """What stands at a key or path, member by member, '' where a member has nothing there; empty if nobody has.

        Several values of one key are members, too.
        """
        for name, path in _readings(key) if self._values else ():
            if name in self._values or "#" in name:
                found = list(islice(self._members(name, path), MOST_MEMBERS))
                if any(found):
                    return found
        return []

    def _members(self, name: str, path: tuple[str, ...]) -> Iterator[str]:
        if "#" in name:
            yield from self._numbered(name, path)
        for raw in self._values.get(name, ()):
            yield from _walk(_decoded(raw), path, _DEEPEST)

    def _numbered(self, name: str, path: tuple[str, ...]) -> Iterator[str]:
        """One member for each number from 0 to the last: what has no number stays in its place all the same."""
        pattern = re.compile(r"(\d{1,4})".join(map(re.escape, name.split("#", 1))))
        numbers = {int(found[1]): key for key in self._values if (found := pattern.fullmatch(key))}
        for number in range(max(numbers, default=-1) + 1):
            raws = self._values.get(numbers.get(number, ""), ())
            yield next((told for raw in raws for told in _walk(_decoded(raw), path, _DEEPEST)), "")


def meta_names(keys: Iterable[str]) -> frozenset[str]:
    """The names of all meta keys under which `Meta.find` would look for these keys and paths."""
    return frozenset(name for key in keys for name, _ in _readings(key))


def _entries(raw: bytes) -> list[_Entry]:
    if raw.strip() in _EMPTY:
        return []
    with suppress(*_BROKEN):
        return members(_ENTRIES.decode(raw))
    return list(_one_by_one(raw))


def _one_by_one(raw: bytes) -> Iterator[_Entry]:
    """Those entries among broken ones that can be read."""
    with suppress(*_BROKEN):
        for part in members(_PARTS.decode(raw)):
            with suppress(*_BROKEN):
                yield _ENTRY.decode(part)


@lru_cache(maxsize=1024)
def _readings(key: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The key as it stands, then every way to take it for a path, the longest meta key first."""
    parts = key.split(".")
    return tuple((".".join(parts[:end]), tuple(parts[end:])) for end in range(len(parts), 0, -1))


def _decoded(raw: msgspec.Raw) -> Any:
    content = bytes(raw)
    with suppress(*_BROKEN):
        return msgspec.json.decode(content) if content else None
    return content.decode(errors="replace")


def _walk(value: Any, path: tuple[str, ...], depth: int) -> Iterator[str]:
    value = _opened(value)
    if not path or depth == 0:
        yield from _leaves(value, depth)
        return
    head, rest = path[0], path[1:]
    if isinstance(value, dict) and head != "*":
        yield from _walk(value.get(head), rest, depth - 1)
    elif isinstance(value, list) and head.isdecimal() and len(head) < 5:
        yield from _walk(next(islice(value, int(head), None), None), rest, depth - 1)
    elif isinstance(value, list | dict):
        for member in members(value):
            yield from _walk(member, rest if head == "*" else path, depth - 1)
    else:
        yield ""


def _leaves(value: Any, depth: int) -> Iterator[str]:
    """Each text and number in a value. What lies too deep for anybody's purpose comes as it is written."""
    if not isinstance(value, list | dict):
        yield text(value).strip()
    elif depth == 0:
        yield msgspec.json.encode(value).decode()
    else:
        for member in members(value) or [None]:
            yield from _leaves(_opened(member), depth - 1)


def _opened(value: Any) -> Any:
    """A text that is JSON itself is what it says."""
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        with suppress(*_BROKEN):
            return msgspec.json.decode(value)
    return value
