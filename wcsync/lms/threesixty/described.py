"""A path of 360Learning as a course of the mirror. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from wcsync.course import Course, CourseState, Module
from wcsync.lms.threesixty.answers import (
    Author,
    Classroom,
    DescribedPath,
    Estimate,
    InnerPath,
    Lesson,
    Step,
    Texts,
)
from wcsync.mappers.courses.plain import one_line
from wcsync.model import LmsName, Target

MINUTES = {"minute": 1, "hour": 60}
"""Days, weeks and months say over how much of the calendar a path is spread, not how long it takes."""

MOST_MINUTES = 10_000_000

NAMELESS = {
    "assessment": {"en": "Assessment", "es": "Evaluación", "fr": "Évaluation"},
    "classroom": {"en": "Classroom session", "es": "Sesión presencial", "fr": "Session en présentiel"},
    "program": {"en": "Program", "es": "Programa", "fr": "Programme"},
}
"""What steps are called whose titles the API does not show, or not to us, by the language of the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What paths have only ids of. `skills`: the tags of each path, by name, in order."""

    lessons: Mapping[str, Lesson] = field(default_factory=dict)
    classrooms: Mapping[str, Classroom] = field(default_factory=dict)
    paths: Mapping[str, InnerPath] = field(default_factory=dict)
    authors: Mapping[str, Author] = field(default_factory=dict)
    skills: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def describe(path: DescribedPath, target: Target, site: str, around: Surroundings) -> Course:
    """The path as the target's course. No address for learners and no cover: the API shows neither, only an id."""
    texts, language = displayed(path)
    return Course(
        lms=LmsName(target.lms),
        course_id=target.course_id,
        site=site,
        name=one_line(texts.name or ""),
        description=texts.description or "",
        authors=tuple(_names(path, around.authors)),
        skills=around.skills.get(path.id, ()),
        modules=tuple(_modules(path.steps, language, around)),
        duration_min=minutes(path.estimate),
        language=language,
        modified_at=_in_utc(path.modified_at),
        state=CourseState.ARCHIVED if path.status == "archived" else CourseState.OPEN,
    )


def displayed(path: DescribedPath) -> tuple[Texts, str]:
    """The texts that learners of no particular language see, and their language.

    That is the path's default one where the path has been translated into it, else the one it was written in.
    """
    written = Texts(name=path.name, description=path.description)
    for one in path.translations:
        if one.published and one.lang == path.default_lang != path.source_lang:
            name, description = one.texts.name or written.name, one.texts.description or written.description
            return Texts(name=name, description=description), one.lang
    return written, path.source_lang or path.default_lang


def minutes(estimate: Estimate | None) -> int | None:
    """How long it takes, None where that is not said, or said in days and more."""
    return None if estimate is None else _whole(estimate.value * MINUTES.get(estimate.unit, 0))


def _in_utc(instant: datetime) -> datetime | None:
    """None for one at the end of all calendars."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return None


def _whole(duration_min: float | None) -> int | None:
    if duration_min is None or not 0 < duration_min < MOST_MINUTES:
        return None
    return max(1, round(duration_min))


def _names(path: DescribedPath, authors: Mapping[str, Author]) -> Iterable[str]:
    """The main author's first. Nobody's address or user name stands in for a name."""
    ids = dict.fromkeys((path.author_id, *path.co_author_ids))
    known = (authors[one] for one in ids if one in authors)
    names = (one_line(f"{author.first_name or ''} {author.last_name or ''}") for author in known)
    return dict.fromkeys(filter(None, names))


def _modules(steps: Iterable[Step], language: str, around: Surroundings) -> Iterable[Module]:
    modules = (_module(step, language, around) for step in steps)
    return (module for module in modules if module is not None)


def _module(step: Step, language: str, around: Surroundings) -> Module | None:
    """None for what learners do not see, or not as a part of the course, as messages to them."""
    match step.type:
        case "course":
            lesson = around.lessons.get(step.id)
            if lesson is None or lesson.status == "deleted":
                return None
            return _titled(lesson.name, step.subtype or "course", _whole(lesson.duration))
        case "path":
            inner = around.paths.get(step.id)
            return _titled(inner.name, "path", minutes(inner.estimate)) if inner else None
        case "classroom" if step.id in around.classrooms:
            return _titled(around.classrooms[step.id].name, "classroom", None)
        case kind if kind in NAMELESS:
            words = NAMELESS[kind]
            return Module(title=words.get(language[:2], words["en"]), kind=kind)
    return None


def _titled(title: str, kind: str, duration_min: int | None) -> Module | None:
    plain = one_line(title)
    return Module(title=plain, kind=kind, duration_min=duration_min) if plain else None
