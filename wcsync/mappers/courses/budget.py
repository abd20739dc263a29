"""What a template may still do while it is rendered, and the texts it puts together. Pure."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from wcsync.mappers.courses.wording import Words, render_date

MOST_LETTERS = 1_000_000
"""Of what one template makes, and of any text on the way."""
MOST_STEPS = 5_000_000
"""A letter read by a filter is one, a turn of a loop twenty: a fraction of a second."""
A_TURN = 20
LARGEST_NUMBER = 10**12


@dataclass(slots=True, kw_only=True)
class Run:
    """One rendering: its language, and what it may still do."""

    language: str
    left: int = MOST_STEPS

    def charge(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise SecurityError("it does too much: a loop too long, or too many of them")


RUN: ContextVar[Run] = ContextVar("run")


def shown(value: Any) -> Any:
    """Only what reads as text; None is nothing."""
    if value is None:
        return ""
    if isinstance(value, str | int | float | Undefined):
        return value
    if isinstance(value, date):
        return render_date(value, RUN.get().language)
    remedy = "put |joined behind it" if isinstance(value, list | tuple) else "name one of its parts"
    raise SecurityError(f"{called(value)} is no text: {remedy}")


def called(value: object) -> str:
    match value:
        case Words():
            return "words"
        case str():
            return "a text"
        case bool() | int() | float():
            return "a number"
        case date():
            return "a date"
        case list() | tuple():
            return "a list"
    return type(value).__name__.removeprefix("Shown").casefold()


def together(parts: Sequence[Any]) -> str:
    """One text; if there is HTML among the parts, HTML, with the others escaped."""
    texts = [text if isinstance(text, str) else str(text) for text in map(shown, parts)]
    size = sum(map(len, texts))
    if size > MOST_LETTERS:
        raise SecurityError(f"it makes more than {MOST_LETTERS} letters")
    RUN.get().charge(size)
    return Markup("").join(texts) if any(isinstance(text, Markup) for text in texts) else "".join(texts)
