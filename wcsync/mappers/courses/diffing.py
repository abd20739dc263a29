"""What changes between two values of a field, for people at a terminal. Pure."""

import html
import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from wcsync.mappers.courses.sanitising import BLOCKS

LONGEST_LINE = 160
"""Letters shown of one line, around what changed in it."""
MOST_LINES = 12
"""Lines shown of one field, before and after together."""
MOST_COMPARED = 400
"""Lines in which is looked for those that stayed: it takes the square of their number at least."""
AROUND = 30
"""Letters shown beside the first and last change of a line."""

_EDGE = re.compile(rf"</?(?:{'|'.join(sorted(BLOCKS | {'br'}))})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAG = re.compile(r"<(?P<closing>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<rest>[^<>]*)>")


def diff_lines(before: str, after: str) -> list[str]:
    """Lines that begin with `-` (now in the shop) or `+` (to be written); nothing for equal texts.

    HTML is read as lines of text. Where the texts read alike, the markup itself is compared.
    """
    if before == after:
        return []
    old, new = _lines_of(before), _lines_of(after)
    if old == new:
        old, new = _markup_lines(before), _markup_lines(after)
    shown = list(_compare(old, new))
    if len(shown) > MOST_LINES:
        rest = len(shown) - MOST_LINES + 1
        shown = [*shown[: MOST_LINES - 1], f"  … and {rest} lines more"]
    return shown


def _compare(old: list[str], new: list[str]) -> Iterator[str]:
    for kind, a, b, c, d in _opcodes(old, new):
        if kind == "equal":
            continue
        if b - a == d - c:
            for one, other in zip(old[a:b], new[c:d], strict=True):
                yield from _pair(one, other)
        else:
            yield from (f"- {_cut(line, 0, len(line))}" for line in old[a:b])
            yield from (f"+ {_cut(line, 0, len(line))}" for line in new[c:d])


def _opcodes(old: list[str], new: list[str]) -> Iterable[tuple[str, int, int, int, int]]:
    """As `SequenceMatcher` gives them; of long texts all between the first and the last change is one."""
    if max(len(old), len(new)) <= MOST_COMPARED:
        return SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    return [("replace", head, len(old) - tail, head, len(new) - tail)]


def _pair(one: str, other: str) -> Iterator[str]:
    """A line and what becomes of it, each cut to what differs."""
    start = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    yield f"- {_cut(one, start, len(one) - end)}"
    yield f"+ {_cut(other, start, len(other) - end)}"


def _cut(line: str, start: int, end: int) -> str:
    """The part of a line from `start` to `end` with a little around it, at most `LONGEST_LINE` letters."""
    if len(line) <= LONGEST_LINE:
        return line
    first = max(0, start - AROUND)
    last = min(len(line), max(end + AROUND, first + LONGEST_LINE - 2), first + LONGEST_LINE - 2)
    return f"{'…' if first else ''}{line[first:last]}{'…' if last < len(line) else ''}"


def _lines_of(text: str) -> list[str]:
    lines = html.unescape(_TAG.sub("", _EDGE.sub("\n", text))).splitlines()
    return [line for line in (" ".join(line.split()) for line in lines) if line] or ["(empty)"]


def _markup_lines(text: str) -> list[str]:
    """As stored, a line for each tag."""
    lines = _TAG.sub(r"\n\g<0>", text).splitlines()
    return [line for line in (line.strip() for line in lines) if line] or ["(empty)"]
