"""What Moodle tells of a course, as `wcsync.course.Course`. Pure.

Names come escaped and stripped of tags, unless the site is set up to keep these; custom fields come as they are shown.
Never asked for with `moodlewssettingraw`: then all that is unfiltered.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from wcsync.course import Course, CourseState, Module, Picture
from wcsync.lms.moodle.durations import parse_minutes
from wcsync.mappers.courses.plain import one_line
from wcsync.model import CourseId, LmsName

DURATION = ("duration", "duracion", "duree")
LEVEL = ("level", "nivel", "niveau")
LANGUAGE = ("language", "idioma", "langue")
SKILLS = ("skills", "competencias", "compétences", "competences", "tags")
"""Short names of custom fields that we read, the first one that is filled in counts."""

DRAWN = "/course/generated/"
SUBSECTION = "mod_subsection"

_BREAK = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")


class CustomField(msgspec.Struct):
    """`value`: as people see it; of a field that is empty None."""

    shortname: str
    value: str | float | None = None


class StoredFile(msgspec.Struct):
    fileurl: str | None = None
    mimetype: str | None = None
    timemodified: int | None = None
    filesize: int | None = None


class Contact(msgspec.Struct):
    fullname: str


class FullCourse(msgspec.Struct):
    """`visible`, the dates, `timemodified` and `cacherev` are None when we may not know."""

    id: int
    fullname: str
    shortname: str = ""
    summary: str | None = ""
    categoryname: str | None = ""
    lang: str | None = ""
    contacts: list[Contact] = msgspec.field(default_factory=list)
    customfields: list[CustomField] = msgspec.field(default_factory=list)
    overviewfiles: list[StoredFile] = msgspec.field(default_factory=list)
    courseimage: str | None = None
    visible: int | None = None
    startdate: int | None = None
    enddate: int | None = None
    timemodified: int | None = None
    cacherev: int | None = None


class FullCourses(msgspec.Struct):
    courses: list[FullCourse]


class CourseModule(msgspec.Struct):
    name: str
    modname: str
    instance: int | None = None
    visible: int | None = 1
    visibleoncoursepage: int | None = 1
    description: str | None = None


class Section(msgspec.Struct):
    """`component`, `itemid`: the module that a section belongs to, if it stands within another one."""

    name: str
    visible: int | None = 1
    component: str | None = None
    itemid: int | None = None
    modules: list[CourseModule] = msgspec.field(default_factory=list)


class Competency(msgspec.Struct):
    shortname: str


class CourseCompetency(msgspec.Struct):
    competency: Competency


def parse_course(
    told: FullCourse, lms: LmsName, site: str, modules: tuple[Module, ...], competencies: tuple[str, ...]
) -> Course:
    """`site`: without a slash at its end. Where a course has no competencies, a custom field can name its skills."""
    fields = {field.shortname.casefold(): _lines(field.value) for field in told.customfields}
    language = _field(fields, LANGUAGE) or (told.lang or "").replace("_", "-")
    return Course(
        lms=lms,
        course_id=CourseId(str(told.id)),
        site=site,
        name=parse_name(told.fullname),
        description=told.summary or "",
        authors=_unique(html.unescape(contact.fullname) for contact in told.contacts),
        skills=competencies or _listed(fields),
        modules=modules,
        duration_min=parse_minutes(_field(fields, DURATION)),
        language=language,
        level=_field(fields, LEVEL),
        category=parse_name(told.categoryname or ""),
        cover=_cover(told),
        url=f"{site}/course/view.php?id={told.id}",
        starts_at=_instant(told.startdate),
        ends_at=_instant(told.enddate),
        modified_at=_instant(told.timemodified),
        state=CourseState.HIDDEN if told.visible == 0 else CourseState.OPEN,
    )


def parse_modules(sections: Sequence[Section]) -> tuple[Module, ...]:
    """In the order of the page, those of a subsection where that stands."""
    within = {section.itemid: section for section in sections if section.component == SUBSECTION}
    placed = {
        module.instance
        for section in sections
        for module in section.modules
        if module.modname == "subsection"
    }
    return tuple(
        module
        for section in sections
        if section.component is None or section.itemid not in placed
        for module in _section_modules(section, within)
    )


def parse_skills(told: Sequence[CourseCompetency]) -> tuple[str, ...]:
    return _unique(parse_name(one.competency.shortname) for one in told)


def parse_name(told: str) -> str:
    """The name as people read it."""
    return one_line(html.unescape(_TAG.sub("", told)))


def _section_modules(section: Section, within: Mapping[int | None, Section]) -> Iterator[Module]:
    if section.visible == 0:
        return
    for module in section.modules:
        if module.visible == 0 or module.visibleoncoursepage == 0 or _untitled(module):
            continue
        inner = within.get(module.instance) if module.modname == "subsection" else None
        if inner is not None:
            yield from _section_modules(inner, {})
        elif title := parse_name(module.name):
            yield Module(title=title, kind=module.modname, section=parse_name(section.name))


def _untitled(module: CourseModule) -> bool:
    """Text on the page, whose name is nothing but how it begins, or an image there."""
    if module.modname != "label":
        return False
    text = " ".join(_lines(module.description))
    return not text or text.startswith(parse_name(module.name).removesuffix("...").rstrip())


def _cover(told: FullCourse) -> Picture | None:
    """The first image, at the address that asks for no token. None where Moodle draws one itself: it does so also for
    files that only pass for images.
    """
    if DRAWN in (told.courseimage or ""):
        return None
    for file in told.overviewfiles:
        kind = file.mimetype or ""
        if file.fileurl and kind.startswith("image/") and not kind.startswith("image/svg"):
            url = file.fileurl.partition("?")[0].replace("/webservice/pluginfile.php/", "/pluginfile.php/", 1)
            return Picture(url=url, version=f"{file.timemodified}-{file.filesize}")
    return None


def _lines(value: str | float | None) -> list[str]:
    """A text with or without tags, line by line, without empty ones."""
    text = value if isinstance(value, str) else "" if value is None else f"{value:g}"
    lines = html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).splitlines()
    return [line for line in map(one_line, lines) if line]


def _field(fields: Mapping[str, Sequence[str]], names: Iterable[str]) -> str:
    return next((" ".join(fields[name]) for name in names if fields.get(name)), "")


def _listed(fields: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    lines = next((fields[name] for name in SKILLS if fields.get(name)), ())
    return _unique(part for line in lines for part in line.split(","))


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(one_line, texts))))


def _instant(seconds: int | None) -> datetime | None:
    """0: Moodle's way to say never. None also for what no calendar has."""
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
