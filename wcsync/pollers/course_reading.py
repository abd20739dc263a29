"""What the LMSs say of the mapped courses, and whether that may be believed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from wcsync.course import Course, CourseState
from wcsync.errors import REMOTE_ERRORS, WcsyncError
from wcsync.gate import Gate
from wcsync.ledger.mirror import FAILED, STOPPED, KnownCourse, Mirror
from wcsync.lms.base import Lms
from wcsync.mappers.courses.guards import Stop, guard_courses
from wcsync.model import CourseId, LmsName, Target
from wcsync.pulse import beat

log = structlog.get_logger(__name__)

LMS_MISSING = "lms_missing"
LMS_UNAVAILABLE = "lms_unavailable"
LMS_UNREADABLE = "lms_unreadable"
OF_ONE_LMS = frozenset({LMS_MISSING, LMS_UNAVAILABLE, LMS_UNREADABLE})
"""Codes of what keeps a run from one LMS, and not from the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why a run did not do all. `outcome`: STOPPED (a guard) or FAILED (a service); `code`: a word for scripts."""

    outcome: str
    code: str
    reason: str
    advice: str = ""

    @classmethod
    def of(cls, stop: Stop) -> "Halt":
        return cls(outcome=STOPPED, code=stop.code, reason=stop.reason, advice=stop.advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The courses of all targets asked for. `absent`, `silent`: as in `CourseReading`; `halts`: the LMSs that could not
    be read, or are not believed; `news`: how courses were known before, and are now."""

    courses: Mapping[Target, Course] = field(default_factory=dict)
    absent: Mapping[Target, str] = field(default_factory=dict)
    silent: Mapping[Target, str] = field(default_factory=dict)
    halts: Mapping[LmsName, Halt] = field(default_factory=dict)
    news: tuple[tuple[KnownCourse | None, KnownCourse], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Campuses:
    """The LMSs that may be asked for courses. `may_call`: whether one is to be left alone just now; `heed` hears what
    came of asking it, None = it answered."""

    lmss: Mapping[LmsName, Lms]
    gates: Mapping[LmsName, Gate]
    may_call: Callable[[LmsName], bool]
    heed: Callable[[LmsName, WcsyncError | None], None] = lambda _name, _exc: None

    def read(
        self,
        targets: Iterable[Target],
        mirror: Mirror,
        now: datetime,
        *,
        full: bool,
        allow_gone: Collection[str],
    ) -> Reading:
        """Asks each LMS for its targets; one that cannot be asked, or is not believed, costs only its own part."""
        by_lms = dict[LmsName, list[Target]]()
        for target in dict.fromkeys(targets):
            by_lms.setdefault(target.lms, []).append(target)
        total = Reading()
        for name, asked in by_lms.items():
            beat()
            total = _joined(
                total, self._read_one(name, asked, mirror, now, full=full, believed=name in allow_gone)
            )
        return total

    def _read_one(
        self,
        name: LmsName,
        targets: list[Target],
        mirror: Mirror,
        now: datetime,
        *,
        full: bool,
        believed: bool,
    ) -> Reading:
        if name not in self.lmss:
            return _halted(name, LMS_MISSING, f'{name}: no [[lms]] section of the config is called "{name}"')
        if not self.may_call(name):
            return _halted(name, LMS_UNAVAILABLE, f"{name}: it is in trouble and left alone for now")
        try:
            self.gates[name].check()
            found = self.lmss[name].fetch_courses(targets, full=full)
        except REMOTE_ERRORS as exc:
            self.heed(name, exc)
            return _halted(name, LMS_UNREADABLE, str(exc))
        self.heed(name, None)
        known = mirror.read_courses(name)
        seen = {target.course_id: course for target, course in found.courses.items()}
        asked = {target.course_id for target in targets if target not in found.silent}
        stop = None if believed else guard_courses(name, asked, seen, known)
        if stop is not None:
            return Reading(halts={name: Halt.of(stop)})
        return Reading(
            courses=found.courses,
            absent=found.absent,
            silent=found.silent,
            news=tuple(_news(name, asked, seen, known, now)),
        )


def tell_news(news: Iterable[tuple[KnownCourse | None, KnownCourse]]) -> None:
    """A line for each course that is gone, or back."""
    for before, after in news:
        if (before is None or _is_there(before)) is _is_there(after):
            continue
        if _is_there(after):
            log.info("course_back", lms=after.lms, course_id=after.course_id)
        else:
            log.warning("course_gone", lms=after.lms, course_id=after.course_id)


def _is_there(course: KnownCourse) -> bool:
    return course.gone_since is None and course.state is CourseState.OPEN


def _news(
    name: LmsName,
    asked: Collection[CourseId],
    seen: Mapping[CourseId, Course],
    known: Mapping[CourseId, KnownCourse],
    now: datetime,
) -> Iterator[tuple[KnownCourse | None, KnownCourse]]:
    """Every course whose record is another now. One that was never seen cannot be gone."""
    for course_id in sorted(asked):
        before = known.get(course_id)
        if course_id in seen:
            course = seen[course_id]
            after = KnownCourse(
                lms=name, course_id=course_id, name=course.name, state=course.state, seen_at=now
            )
            if before is None or replace(before, seen_at=now) != after:
                yield before, after
        elif before is not None and before.gone_since is None:
            yield before, replace(before, gone_since=now)


def _joined(one: Reading, other: Reading) -> Reading:
    return Reading(
        courses={**one.courses, **other.courses},
        absent={**one.absent, **other.absent},
        silent={**one.silent, **other.silent},
        halts={**one.halts, **other.halts},
        news=one.news + other.news,
    )


def _halted(name: LmsName, code: str, reason: str) -> Reading:
    return Reading(halts={name: Halt(outcome=FAILED, code=code, reason=reason)})
