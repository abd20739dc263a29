"""Jinja2, with all taken away that could reach out of a template, run for long or grow large. Pure.

Jinja's own sandbox keeps templates from the rest of the program, but not from `range(10 ** 9)` or from doubling a text
forty times: here everything that repeats or grows is counted. https://jinja.palletsprojects.com/en/stable/sandbox/
"""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2 import Template as JinjaTemplate
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from wcsync.mappers.courses.budget import (
    A_TURN,
    LARGEST_NUMBER,
    MOST_LETTERS,
    RUN,
    Run,
    called,
    shown,
    together,
)
from wcsync.mappers.courses.filters import COUNTED, FILTERS, PUT_TOGETHER
from wcsync.mappers.courses.templates import BadTemplate, Occasion, Output
from wcsync.mappers.courses.views import ShownCourse, show_courses
from wcsync.mappers.courses.wording import WORDS, render_duration
from wcsync.mappers.text_file import render_quoted, render_suggestion

_NAME = "<template>"
_OF_TEXTS = frozenset({
    "capitalize", "casefold", "endswith", "isdigit", "lower", "lstrip", "removeprefix", "removesuffix",
    "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
})  # fmt: skip
_OF_LOOPS = frozenset({
    "changed", "cycle", "depth", "first", "index", "index0", "last", "length", "nextitem", "previtem",
    "revindex", "revindex0",
})  # fmt: skip
_OF_DAYS = frozenset({"day", "month", "year"})
_NOT_THERE: Mapping[type[nodes.Node], str] = {
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter",
    nodes.AssignBlock: "set … endset",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.ScopedEvalContextModifier: "autoescape",
}
_TROUBLES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
    MemoryError,
)


class _Missing(StrictUndefined):
    """What is not there says what is."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return str(self._undefined_hint)
        owner: object = self._undefined_obj
        name: object = self._undefined_name
        word = str(name)
        known = fields(owner) if is_dataclass(owner) else ()
        names = [one.name for one in known]
        if names:
            return f"{called(owner)} has no {render_quoted(word)}. {render_suggestion(word, names)}"
        if isinstance(owner, Sequence) and isinstance(name, int):
            return f"there is no number {word} in a list of {len(owner)}; ask first whether there is"
        if owner is None:
            return f"{render_quoted(word)} cannot be asked where nothing is known; ask first whether there is a value"
        if isinstance(owner, str | int | float | date | tuple | list):
            return f"{render_quoted(word)} cannot be asked of {called(owner)}"
        return f"there is no {render_quoted(word)}. {render_suggestion(word, VARIABLES)}"


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = all(isinstance(side, int | float) for side in (left, right))
        if numbers and operator != "**" and all(abs(side) <= LARGEST_NUMBER for side in (left, right)):
            return super().call_binop(context, operator, left, right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return together([left, right])
        raise SecurityError(f"{operator} works with usual numbers alone; texts are put together with ~")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - as in Jinja
        match obj:
            case str():
                return attr in _OF_TEXTS
            case LoopContext():
                return attr in _OF_LOOPS
            case date():
                return attr in _OF_DAYS
        return is_dataclass(obj) and attr in {field.name for field in fields(obj)}

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        return self.undefined(obj=obj, name=attribute)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        if isinstance(obj, Undefined):
            return super().call(context, obj)
        owner = getattr(obj, "__self__", None)
        if not isinstance(owner, str | LoopContext):
            raise SecurityError("nothing of that kind can be called")
        RUN.get().charge(A_TURN + (len(owner) if isinstance(owner, str) else 0))
        return super().call(context, obj, *args, **kwargs)


class Template:
    """A template that can be rendered again and again."""

    def __init__(self, template: JinjaTemplate, output: Output) -> None:
        self._template = template
        self._output = output

    def render(self, occasion: Occasion) -> str:
        """What it makes. Raises BadTemplate."""
        token = RUN.set(Run(language=occasion.language))
        try:
            return "".join(self._pieces(_variables(occasion, self._output)))
        except (TemplateError, *_TROUBLES) as exc:
            raise _explained(exc) from exc
        finally:
            RUN.reset(token)

    def _pieces(self, variables: Mapping[str, object]) -> Iterator[str]:
        size = 0
        for piece in self._template.generate(variables):
            size += len(piece)
            if size > MOST_LETTERS:
                raise SecurityError(f"it makes more than {MOST_LETTERS} letters")
            yield piece


@lru_cache(maxsize=2000)
def compiled(text: str, output: Output) -> Template:
    """Raises BadTemplate."""
    environment = _environment(output)
    try:
        tree = environment.parse(text.replace("\r\n", "\n"))
        _check_tree(tree)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return Template(environment.from_string(_counted(tree)), output)
    except (TemplateError, SyntaxError, *_TROUBLES) as exc:
        raise _explained(exc) from exc


@lru_cache
def _environment(output: Output) -> _Environment:
    environment = _Environment(
        autoescape=output is Output.HTML,
        undefined=_Missing,
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,
        finalize=shown,
        cache_size=0,
    )
    environment.globals = {}
    environment.filters = dict(FILTERS)
    return environment


def _check_tree(tree: nodes.Template) -> None:
    for node in tree.find_all(nodes.Stmt):
        recursive = isinstance(node, nodes.For) and node.recursive
        word = "for … recursive" if recursive else _NOT_THERE.get(type(node))
        if word:
            raise TemplateSyntaxError(f"there is no {{% {word} %}} here", node.lineno)


def _counted(tree: nodes.Template) -> nodes.Template:
    """Every loop and every text put together goes through a filter that counts."""
    for loop in tree.find_all(nodes.For):
        loop.iter = _filtered(loop.iter, COUNTED)
    _replace_concats(tree)
    return tree


def _replace_concats(node: nodes.Node) -> None:
    for name, value in node.iter_fields():
        if isinstance(value, nodes.Concat):
            setattr(node, name, _put_together(value))
        elif isinstance(value, list):
            changed: list[object] = [
                _put_together(one) if isinstance(one, nodes.Concat) else one for one in value
            ]
            value[:] = changed
    for child in node.iter_child_nodes():
        _replace_concats(child)


def _put_together(concat: nodes.Concat) -> nodes.Filter:
    return _filtered(nodes.List(concat.nodes, lineno=concat.lineno), PUT_TOGETHER)


def _filtered(value: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)


def _variables(occasion: Occasion, output: Output) -> Mapping[str, object]:
    """Of several courses `course` is the first; `authors`, `skills` and `duration` are those of all."""
    courses = show_courses(occasion.courses, occasion.language, Markup if output is Output.HTML else None)
    minutes = [course.duration_min for course in courses]
    known = [number for number in minutes if number is not None]
    total = sum(known) if known and len(known) == len(minutes) else None
    return {
        "course": courses[0],
        "courses": courses,
        "authors": _all(courses, lambda course: course.authors),
        "skills": _all(courses, lambda course: course.skills),
        "duration_min": total,
        "duration": render_duration(total or 0, occasion.language),
        "words": WORDS[occasion.language],
    }


VARIABLES = ("course", "courses", "authors", "skills", "duration", "duration_min", "words")


def _all(courses: Sequence[ShownCourse], of: Callable[[ShownCourse], tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for course in courses for text in of(course)))


def _explained(error: BaseException) -> BadTemplate:
    line = error.lineno if isinstance(error, TemplateSyntaxError) else _line(error)
    match error:
        case TemplateError():
            problem = _suggested(str(error.message or "it cannot be used"))
        case RecursionError() | MemoryError() | SyntaxError():
            problem, line = "it is nested too deeply", None
        case AssertionError():  # Jinja's own, of what truncate is given
            problem = f"a value does not fit: {error}"
        case ZeroDivisionError():
            problem = "it divides by zero"
        case _:
            problem = f"a value does not fit ({type(error).__name__})"
    return BadTemplate(f"{problem.rstrip('.')}", line)


def _suggested(problem: str) -> str:
    unknown = re.match(r"No filter named '(.*?)'", problem)
    if not unknown:
        return problem
    known = sorted(FILTERS.keys() - {COUNTED, PUT_TOGETHER})
    return f"there is no filter {render_quoted(unknown[1])}. {render_suggestion(unknown[1], known)}"


def _line(error: BaseException) -> int | None:
    """Jinja writes the template's own lines into tracebacks."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
