"""The courses of a Moodle site as the mirror wants them.

Calls per reading: one about the service, one per hundred courses, one each for a course that was gone last time;
and two for every course whose sections and competencies have to be read. These are kept between two readings for as
long as Moodle gives the course the same marks: `cacherev` moves with every section and module, not with custom
fields, files, teachers (which are read each time) or competencies (which wait for a full reading).
https://docs.moodle.org/dev/Web_service_API_functions
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from wcsync.course import Course, CourseReading, Module
from wcsync.errors import Finding, ServiceBlocked, Severity, WcsyncError
from wcsync.lms.moodle.course_wire import (
    CourseCompetency,
    FullCourse,
    FullCourses,
    Section,
    parse_course,
    parse_modules,
    parse_skills,
)
from wcsync.lms.moodle.courses import FEWEST_TOGETHER, SITE_ITSELF, TOGETHER
from wcsync.lms.moodle.rest import Refused, Rest, SiteInfo, Stumbled
from wcsync.lms.moodle.troubles import lacks, lacks_function
from wcsync.model import CourseId, LmsName, Target
from wcsync.pulse import beat

SITE_INFO = "core_webservice_get_site_info"
BY_FIELD = "core_course_get_courses_by_field"
CONTENTS = "core_course_get_contents"
COMPETENCIES = "core_competency_list_course_competencies"

GONE = (
    "there is no course {} that the web service user can see: it was deleted, or it is hidden and that user's role "
    "lacks moodle/course:viewhiddencourses"
)
CLOSED = "the web service user may not enter course {}; allow moodle/course:view in its role there"

NO_SECTIONS = "shows no section of it, not even the first one, which every course has"

CLOSED_TO_US = frozenset({"errorcoursecontextnotvalid", "requireloginerror"})
SWITCHED_OFF = "competenciesarenotenabled"
"""From Moodle's source: the site has competencies switched off."""

MOST_FAILURES = 3
"""So many courses in a row that Moodle cannot show, and none that it can, are taken for a trouble of all."""

Marks = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inside:
    """What a look into a course showed, and the marks it had then; None = Moodle does not tell them."""

    marks: Marks | None
    modules: tuple[Module, ...]
    skills: tuple[str, ...]


class Shelf:
    """Reads courses, and changes nothing. Raises as `Rest`; ServiceBlocked also where a function or right is missing
    without which courses would seem to be empty.
    """

    def __init__(self, rest: Rest, lms: LmsName) -> None:
        self._rest = rest
        self._lms = lms
        self._kept: dict[CourseId, _Inside] = {}
        self._alone: frozenset[CourseId] = frozenset()

    def fetch_courses(self, targets: Collection[Target], *, full: bool) -> CourseReading:
        wanted = tuple(dict.fromkeys(target.course_id for target in targets))
        if not wanted:
            return CourseReading(courses={})
        site = self._fetch_site()
        unread = dict[CourseId, WcsyncError]()
        found = self._find([course_id for course_id in wanted if course_id != SITE_ITSELF], unread)
        self._require_entry(found.values())
        courses, absent = dict[CourseId, Course](), dict[CourseId, str]()
        for course_id in wanted:
            if course_id in unread:
                continue
            try:
                told = (
                    self._read(found[course_id], site, full=full)
                    if course_id in found
                    else GONE.format(course_id)
                )
            except (Refused, Stumbled) as exc:
                if _is_everybodys(exc):
                    raise
                unread[course_id] = exc
                continue
            if isinstance(told, Course):
                courses[course_id] = told
            else:
                absent[course_id] = told
        if unread and not courses:
            raise next(iter(unread.values()))
        return CourseReading(
            courses=_by_target(targets, courses),
            absent=_by_target(targets, absent),
            silent=_by_target(targets, {course_id: str(exc) for course_id, exc in unread.items()}),
        )

    def fetch_findings(self) -> tuple[Finding, ...]:
        """What the service lacks. Which modules the web service user is not shown cannot be told."""
        return tuple(_missing_functions(self._rest.read(SITE_INFO, [], SiteInfo)))

    def _fetch_site(self) -> SiteInfo:
        site = self._rest.read(SITE_INFO, [], SiteInfo)
        for finding in _missing_functions(site):
            if finding.severity is Severity.FATAL:
                raise ServiceBlocked(f"{self._rest.name}: {finding}", finding=finding)
        return site

    def _find(
        self, course_ids: Sequence[CourseId], unread: dict[CourseId, WcsyncError]
    ) -> dict[CourseId, FullCourse]:
        """Those of the courses that are to be seen. For many at once Moodle answers nothing where it does not know
        one: then their halves are asked for, and the one it was is asked for by itself from then on. What it tells of a
        course in a form that cannot be read goes to `unread`.
        """
        found = dict[CourseId, FullCourse]()
        waiting = _batches(course_ids, self._alone)
        while waiting:
            batch = waiting.pop()
            try:
                told = self._ask(batch)
            except Stumbled as exc:
                if exc.whole_service:
                    raise
                if len(batch) > 1:
                    waiting += _smaller(batch)
                    continue
                unread[batch[0]] = _stumbled_about(exc, batch[0])
                if not found and len(unread) >= MOST_FAILURES:
                    raise
            else:
                found |= {CourseId(str(course.id)): course for course in told if str(course.id) in batch}
                self._alone -= found.keys()
                if len(batch) == 1 and not told:
                    self._alone |= set(batch)
        return found

    def _ask(self, batch: Sequence[CourseId]) -> list[FullCourse]:
        beat()
        field = "id" if len(batch) == 1 else "ids"
        wanted = [("field", field), ("value", ",".join(batch))]
        return self._rest.read(BY_FIELD, wanted, FullCourses).courses

    def _require_entry(self, courses: Collection[FullCourse]) -> None:
        if courses and all(course.visible is None for course in courses):
            finding = lacks("moodle/course:view", "it cannot enter courses")
            raise ServiceBlocked(f"{self._rest.name}: {finding}", finding=finding)

    def _read(self, told: FullCourse, site: SiteInfo, *, full: bool) -> Course | str:
        """The course, or why there is none to be seen."""
        if told.visible is None:
            return CLOSED.format(told.id)
        try:
            inside = self._inside(told, site, full=full)
        except Refused as refusal:
            if refusal.code in CLOSED_TO_US:
                return CLOSED.format(told.id)
            course_id = CourseId(str(told.id))
            unread = dict[CourseId, WcsyncError]()
            if self._find([course_id], unread) or unread:
                raise Refused(_about(refusal, course_id), refusal.code) from refusal
            return GONE.format(told.id)
        except Stumbled as exc:
            raise _stumbled_about(exc, CourseId(str(told.id))) from exc
        return parse_course(told, self._lms, site.siteurl.rstrip("/"), inside.modules, inside.skills)

    def _inside(self, told: FullCourse, site: SiteInfo, *, full: bool) -> _Inside:
        course_id, marks = CourseId(str(told.id)), _marks(told)
        kept = self._kept.get(course_id)
        if kept is not None and not full and marks is not None and kept.marks == marks:
            return kept
        inside = _Inside(
            marks=marks,
            modules=self._modules(course_id),
            skills=self._skills(course_id) if _has(site, COMPETENCIES) else (),
        )
        self._kept[course_id] = inside
        return inside

    def _modules(self, course_id: CourseId) -> tuple[Module, ...]:
        beat()
        brief = [("options[0][name]", "excludecontents"), ("options[0][value]", "1")]
        sections = self._rest.read(CONTENTS, [("courseid", course_id), *brief], list[Section])
        if not sections:
            raise Stumbled(f"{self._rest.name}: {NO_SECTIONS}")
        return parse_modules(sections)

    def _skills(self, course_id: CourseId) -> tuple[str, ...]:
        beat()
        try:
            told = self._rest.read(COMPETENCIES, [("id", course_id)], list[CourseCompetency])
        except Refused as refusal:
            if refusal.code == SWITCHED_OFF:
                return ()
            raise
        return parse_skills(told)


def _is_everybodys(exc: Refused | Stumbled) -> bool:
    """Whether the next course would meet the same. One that Moodle cannot show costs only itself."""
    return isinstance(exc, Stumbled) and exc.whole_service


def _by_target(targets: Collection[Target], told: Mapping[CourseId, T]) -> dict[Target, T]:
    return {target: told[target.course_id] for target in targets if target.course_id in told}


def _about(exc: Refused | Stumbled, course_id: CourseId) -> str:
    """Whoever mends it must know which course it is."""
    return f"{exc}; it was about course {course_id}"


def _stumbled_about(exc: Stumbled, course_id: CourseId) -> Stumbled:
    return Stumbled(_about(exc, course_id), whole_service=exc.whole_service, finding=exc.finding)


def _has(site: SiteInfo, function: str) -> bool:
    return any(named.name == function for named in site.functions)


def _missing_functions(site: SiteInfo) -> Iterator[Finding]:
    for function in (BY_FIELD, CONTENTS):
        if not _has(site, function):
            yield lacks_function(function, why=", without which no course data can be read")
    if not _has(site, COMPETENCIES):
        why = ": so the competencies of courses are not taken for their skills"
        yield lacks_function(COMPETENCIES, severity=Severity.WARNING, why=why)


def _marks(told: FullCourse) -> Marks | None:
    if told.timemodified is None or told.cacherev is None:
        return None
    return told.timemodified, told.cacherev


def _batches(course_ids: Sequence[CourseId], alone: Collection[CourseId]) -> list[Sequence[CourseId]]:
    together = [course_id for course_id in course_ids if course_id not in alone]
    return [
        *(together[i : i + TOGETHER] for i in range(0, len(together), TOGETHER)),
        *([course_id] for course_id in course_ids if course_id in alone),
    ]


def _smaller(batch: Sequence[CourseId]) -> list[Sequence[CourseId]]:
    half = len(batch) // 2
    return [batch[half:], batch[:half]] if half >= FEWEST_TOGETHER else [[course_id] for course_id in batch]
