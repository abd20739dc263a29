"""Two values of a field as people compare them: line by line, and word by word within a line. Pure."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest

from wcsync.mappers.courses.canonical import without_open_comments

AROUND = 40
"""Letters of what is the same that are shown before and after a change."""
LONGEST = 300
"""Letters of what is new or gone in one place; the rest is counted."""
MOST_WORDS = 1000
"""Of a line that is compared word by word: it takes time by the square."""
MOST_LINES = 400
"""Lines in which is looked for those that stayed, for the same reason."""

_BREAKS = re.compile(
    r"<br\b[^<>]*>|</?(?:p|div|h[1-6]|ul|ol|table|tr|blockquote|section|details|summary|dl|dt|dd)\b[^<>]*>",
    re.IGNORECASE,
)
_ITEM = re.compile(r"<li\b[^<>]*>", re.IGNORECASE)
_PICTURE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_ALT = re.compile(r"""\balt=["']([^"'>]+)["']""", re.IGNORECASE)
_ANY_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_WORDS = re.compile(r"\s+|[^\s\w]|\w+")
_EMPTY = "(empty)"


class Sign(StrEnum):
    """What became of a piece of text."""

    KEPT = "="
    GONE = "-"
    NEW = "+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of one line."""

    sign: Sign
    text: str

    @property
    def told(self) -> dict[str, str]:
        """As JSON."""
        return {"sign": self.sign.value, "text": self.text}


Line = tuple[Piece, ...]


def readable(markup: str) -> tuple[str, ...]:
    """HTML as lines of plain text: one for each paragraph, heading or item of a list; without empty ones."""
    text = _ITEM.sub("\n• ", re.sub(r"</li>", "\n", without_open_comments(markup), flags=re.IGNORECASE))
    text = _PICTURE.sub(_shown_picture, text)
    text = _ANY_TAG.sub("", _BREAKS.sub("\n", text))
    lines = (" ".join(line.split()) for line in html.unescape(text).split("\n"))
    return tuple(line for line in lines if line not in {"", "•"})


def diff(before: str, after: str) -> tuple[Line, ...]:
    """The lines that are not the same, each with what is around the change. Both texts may be HTML.

    Where they read the same and only the markup differs, the markup is compared. Nothing for two that are the same.
    """
    if before == after:
        return ()
    old, new = readable(before), readable(after)
    if old == new:
        old, new = tuple(before.splitlines()), tuple(after.splitlines())
    return tuple(_lines(old or (_EMPTY,), new or (_EMPTY,)))


def as_json(lines: Sequence[Line]) -> list[list[dict[str, str]]]:
    """The lines as lists of pieces."""
    return [[piece.told for piece in line] for line in lines]


def _shown_picture(found: re.Match[str]) -> str:
    alt = _ALT.search(found[0])
    return f"[image {alt[1]}]" if alt else "[image]"


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    for tag, start, end, new_start, new_end in _opcodes(old, new):
        if tag == "replace":
            yield from _replaced(old[start:end], new[new_start:new_end])
        elif tag == "delete":
            yield from (_whole(Sign.GONE, line) for line in old[start:end])
        elif tag == "insert":
            yield from (_whole(Sign.NEW, line) for line in new[new_start:new_end])


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Iterable[tuple[str, int, int, int, int]]:
    """As `SequenceMatcher` gives them; of long texts all between the first and the last change is one."""
    if max(len(old), len(new)) <= MOST_LINES:
        return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    return [("replace", head, len(old) - tail, head, len(new) - tail)]


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    for before, after in zip_longest(old, new):
        if before is None:
            yield _whole(Sign.NEW, after)
        elif after is None:
            yield _whole(Sign.GONE, before)
        elif _EMPTY in {before, after} or not _are_alike(before, after):
            yield _whole(Sign.GONE, before)
            yield _whole(Sign.NEW, after)
        else:
            yield _word_by_word(before, after)


def _are_alike(before: str, after: str) -> bool:
    """Enough for one line to be read as a change of the other, and not too long to be compared by its words."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        return False
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return matcher.quick_ratio() > 0.5 and matcher.ratio() > 0.5


def _word_by_word(before: str, after: str) -> Line:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    pieces = list[Piece]()
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece(sign=Sign.KEPT, text="".join(old[start:end])))
            continue
        pieces += [Piece(sign=Sign.GONE, text=_cut("".join(old[start:end])))] if end > start else []
        pieces += (
            [Piece(sign=Sign.NEW, text=_cut("".join(new[new_start:new_end])))] if new_end > new_start else []
        )
    last = len(pieces) - 1
    return tuple(
        Piece(sign=piece.sign, text=_context(piece.text, first=place == 0, last=place == last))
        if piece.sign is Sign.KEPT
        else piece
        for place, piece in enumerate(pieces)
    )


def _whole(sign: Sign, line: str) -> Line:
    return (Piece(sign=sign, text=_cut(line)),)


def _cut(text: str) -> str:
    more = len(text) - LONGEST
    return text if more <= 0 else f"{text[:LONGEST]}… ({more} more letters)"


def _context(text: str, *, first: bool, last: bool) -> str:
    """Of what is the same, only what is next to a change."""
    head = "" if first else text[:AROUND]
    tail = "" if last else text[-AROUND:]
    return text if len(text) <= len(head) + len(tail) + 1 else f"{head}…{tail}"
