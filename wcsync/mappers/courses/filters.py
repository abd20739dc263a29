"""The filters that templates have: Jinja's harmless ones, and ours. Pure."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import wraps
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as JINJAS
from markupsafe import Markup, escape

from wcsync.mappers.courses.budget import A_TURN, LARGEST_NUMBER, RUN, called, shown, together
from wcsync.mappers.courses.sanitising import first_paragraph
from wcsync.mappers.courses.wording import render_date, render_duration, render_list

LONGEST_OPENING = 300
"""Letters."""
COUNTED, PUT_TOGETHER = "counted", "put_together"
"""Filters that no template names: they stand in for loops and for `~`."""

_USUAL = (
    "abs", "capitalize", "default", "first", "float", "int", "last", "length", "list", "lower", "map",
    "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "string", "title", "trim",
    "truncate", "unique", "upper",
)  # fmt: skip


def _counting(values: Any) -> Iterator[Any]:
    run = RUN.get()
    for value in values:
        run.charge(A_TURN)
        yield value


def _texts(values: Any) -> list[str]:
    if isinstance(values, str):
        return [values]
    return [text for text in (shown(value) for value in _counting(values)) if text or text == 0]


def _join(values: Any, between: str = "") -> str:
    texts = _texts(values)
    apart: list[Any] = [part for text in texts for part in (between, text)][1:]
    return together(apart)


def _joined(values: Any) -> Any:
    """As people list things; HTML among them stays HTML."""
    texts = _texts(values)
    if any(isinstance(text, Markup) for text in texts):
        return Markup(render_list([str(escape(text)) for text in texts], RUN.get().language))  # noqa: S704 - escaped
    return render_list([str(text) for text in texts], RUN.get().language)


def _date(value: Any) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, date):
        raise SecurityError(f"{called(value)} is no date")
    return render_date(value, RUN.get().language)


def _duration(value: Any) -> str:
    if value is None or value == "":
        return ""
    return render_duration(min(int(value), LARGEST_NUMBER), RUN.get().language)


def _opening(value: Any, longest: int = LONGEST_OPENING) -> str:
    """The first paragraph of HTML, as plain text."""
    text = str(value) if isinstance(value, Markup) else str(escape(value))
    return first_paragraph(text, max(20, min(int(longest), LONGEST_OPENING * 10)))


def _replace(value: Any, old: str, new: str) -> str:
    if not old:
        raise SecurityError("replace needs a text to look for")
    text = str(value)
    RUN.get().charge(len(text) + text.count(old) * len(new))
    return together([text.replace(old, new)])


def _round(value: Any, precision: int = 0) -> float:
    return round(float(value), max(-12, min(int(precision), 12)))


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)  # takes along by what Jinja knows that it wants the environment
    def charged(*args: Any, **kwargs: Any) -> Any:
        sizes = [len(arg) for arg in (*args, *kwargs.values()) if isinstance(arg, str | list | tuple)]
        RUN.get().charge(A_TURN + sum(sizes))
        return function(*args, **kwargs)

    return charged


_OURS: dict[str, Callable[..., Any]] = {
    COUNTED: _counting,
    PUT_TOGETHER: together,
    "join": _join,
    "joined": _joined,
    "date": _date,
    "duration": _duration,
    "opening": _opening,
    "replace": _replace,
    "round": _round,
}

FILTERS = {
    name: _charged(function)
    for name, function in {**_OURS, **{name: JINJAS[name] for name in _USUAL}}.items()
}
"""By name."""
