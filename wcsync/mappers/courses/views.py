"""Courses as templates see them: every text clean, and nothing in it that works in a shop. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial

from wcsync.course import Course, Module
from wcsync.mappers.courses.links import host_of, scrub, usable
from wcsync.mappers.courses.plain import BRACKET, SHORTCODE, one_line
from wcsync.mappers.courses.sanitising import sanitise, text_of
from wcsync.mappers.courses.wording import WORDS, render_duration, render_language

MOST_MODULES = 500
"""Of one course; more is no list that a buyer reads."""
MOST_WORDS = 200
"""Authors or skills of one course."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownModule:
    """`duration`: in words, '' if it is not known."""

    title: str
    kind: str
    section: str
    duration_min: int | None
    duration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSection:
    """Modules that follow each other under one heading; `title` '' = under none."""

    title: str
    modules: tuple[ShownModule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCourse:
    """`description` is safe HTML, or plain text where a template makes plain text. `language`, `duration`: in words.
    `language_code`: as the LMS says it. `state`: open, hidden or archived."""

    id: str
    lms: str
    name: str
    description: object
    authors: tuple[str, ...]
    skills: tuple[str, ...]
    modules: tuple[ShownModule, ...]
    sections: tuple[ShownSection, ...]
    duration_min: int | None
    duration: str
    language: str
    language_code: str
    level: str
    category: str
    url: str
    starts_at: datetime | None
    ends_at: datetime | None
    state: str


@lru_cache(maxsize=8)
def show_courses(
    courses: tuple[Course, ...], language: str, markup: Callable[[str], object] | None
) -> tuple[ShownCourse, ...]:
    """`markup`: marks text as HTML for a template; None = it makes plain text. Kept for the product's next template."""
    return tuple(_show(course, language, markup) for course in courses)


def _show(course: Course, language: str, markup: Callable[[str], object] | None) -> ShownCourse:
    line = partial(_line, foreign=frozenset(filter(None, (host_of(course.site), host_of(course.url)))))
    safe = _safe(course.description, (course.site, course.url), language)
    modules = tuple(
        _module(module, line, language) for module in course.modules[:MOST_MODULES] if line(module.title)
    )
    return ShownCourse(
        id=line(course.course_id),
        lms=course.lms,
        name=line(course.name),
        description=markup(safe.replace(BRACKET, SHORTCODE)) if markup else _marked(text_of(safe)),
        authors=_lines(course.authors, line),
        skills=_lines(course.skills, line),
        modules=modules,
        sections=_sections(modules),
        duration_min=course.duration_min,
        duration=render_duration(course.duration_min or 0, language),
        language=render_language(line(course.language), language),
        language_code=line(course.language),
        level=line(course.level),
        category=line(course.category),
        url=usable(course.url, ()) or "",
        starts_at=course.starts_at,
        ends_at=course.ends_at,
        state=course.state.value,
    )


@lru_cache(maxsize=8)
def _safe(description: str, sites: tuple[str, ...], language: str) -> str:
    """Kept too: a product's HTML and its plain texts are made of the same."""
    return sanitise(description, sites, WORDS[language].more)


def _module(module: Module, line: Callable[[str], str], language: str) -> ShownModule:
    return ShownModule(
        title=line(module.title),
        kind=line(module.kind),
        section=line(module.section),
        duration_min=module.duration_min,
        duration=render_duration(module.duration_min or 0, language),
    )


def _sections(modules: Iterable[ShownModule]) -> tuple[ShownSection, ...]:
    sections: list[tuple[str, list[ShownModule]]] = []
    for module in modules:
        if not sections or sections[-1][0] != module.section:
            sections.append((module.section, []))
        sections[-1][1].append(module)
    return tuple(ShownSection(title=title, modules=tuple(inside)) for title, inside in sections)


def _lines(texts: Sequence[str], line: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(line, texts))))[:MOST_WORDS]


@lru_cache(maxsize=2048)
def _line(text: str, foreign: frozenset[str]) -> str:
    """Kept: a module's texts are asked for with HTML and without, and its kind and heading are those of many."""
    return _marked(one_line(scrub(one_line(text), foreign)))


def _marked(text: str) -> str:
    return text.replace("[", SHORTCODE)
