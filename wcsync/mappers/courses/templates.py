"""Templates that people write: what may stand in them, and what they make. Pure, and bounded in time and size.

The engine behind it is loaded with the first template that is used: a daemon that mirrors nothing does without.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from wcsync.course import Course, CourseState, Module
from wcsync.errors import PermanentError
from wcsync.mappers.courses.fields import Field
from wcsync.mappers.courses.wording import WORDS
from wcsync.model import CourseId, LmsName

if TYPE_CHECKING:
    from wcsync.mappers.courses.jinja import Template

LONGEST_TEMPLATE = 20_000
"""Letters."""
GUIDE = "https://jinja.palletsprojects.com/templates/"


class Output(StrEnum):
    """What a template makes: HTML, or plain text."""

    HTML = "html"
    PLAIN = "plain"


class BadTemplate(PermanentError):
    """A template cannot be rendered for these courses. `line`: from 1; None if it is about all of it."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line} of the template: {problem}")
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a template is rendered for: one course at least. `language`: the shop's."""

    courses: tuple[Course, ...]
    language: str = "en"


def output_of(field: Field) -> Output:
    html = field in {Field.DESCRIPTION, Field.SHORT_DESCRIPTION}
    return Output.HTML if html else Output.PLAIN


def compile_template(text: str, output: Output) -> "Template":
    """Kept for the next time. Raises BadTemplate."""
    from wcsync.mappers.courses.jinja import compiled  # noqa: PLC0415 - see above

    if len(text) > LONGEST_TEMPLATE:
        raise BadTemplate(f"it is longer than {LONGEST_TEMPLATE} letters")
    return compiled(text, output)


@lru_cache(maxsize=2000)
def check_template(text: str, output: Output) -> str | None:
    """What is wrong with a template, in one sentence; None if courses with much and with little to say both render."""
    try:
        template = compile_template(text, output)
        for occasion in _SAMPLES:
            template.render(occasion)
    except BadTemplate as exc:
        return str(exc)
    return None


_FULL = Course(
    lms=LmsName("campus"),
    course_id=CourseId("42"),
    site="https://campus.example",
    name="Python & more",
    description="<p>For <b>beginners</b>.</p>",
    authors=("Ada Lovelace", "Grace Hopper"),
    skills=("Python", "Testing"),
    modules=(
        Module(title="Welcome", kind="page", section="Start", duration_min=5),
        Module(title="Loops", kind="quiz", section="Basics"),
    ),
    duration_min=90,
    language="en",
    level="Beginner",
    category="Programming",
    url="https://campus.example/course/view.php?id=42",
    starts_at=datetime(2026, 1, 1, tzinfo=UTC),
    ends_at=datetime(2026, 12, 31, tzinfo=UTC),
)
_BARE = Course(
    lms=LmsName("campus"),
    course_id=CourseId("43"),
    site="https://campus.example",
    name="Bare",
    state=CourseState.HIDDEN,
)
_SAMPLES = tuple(
    Occasion(courses=courses, language=language)
    for language in WORDS
    for courses in ((_FULL,), (_BARE,), (_FULL, _BARE))
)
