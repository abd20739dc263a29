"""Courses of a Moodle site and who is in them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from wcsync.errors import PermanentError, TransientError
from wcsync.lms.moodle.rest import Course, CourseList, Member, Numbered, Refused, Rest, Stumbled
from wcsync.model import CourseId

KEPT_S = 600.0
PAGE_SIZE = 500
PAGE_STEP = 450
"""Pages overlap, so that whoever leaves the course meanwhile does not hide the learner between two of them."""

TOGETHER = 100
FEWEST_TOGETHER = 5
"""So many courses are asked for at once, and so few one by one, where some of them may be missing."""

SITE_ITSELF = "1"

_UNKNOWN = (
    "there is none with this number that the web service user can see; check course in the mapping, and for a hidden "
    "course allow moodle/course:viewhiddencourses"
)
_CLOSED_TO_US = (
    "the web service user may not enter it; allow moodle/course:view, and for a hidden course "
    "moodle/course:viewhiddencourses, in its role"
)

REFUSALS = {
    "invalidparameter": _UNKNOWN,
    "invalidrecord": _UNKNOWN,
    "requireloginerror": _CLOSED_TO_US,
    "errorcoursecontextnotvalid": _CLOSED_TO_US,
    "wsnoinstance": "manual enrolment is off in it; switch it on under Course → Participants → Enrolment methods",
    "wsusercannotassign": (
        "the web service user may not give this role there; check role in the mapping and student_role_id in the "
        "config, allow moodle/role:assign in its own role, and tick this one under Site administration → Users → "
        "Permissions → Define roles → Allow role assignments"
    ),
    "usernotconfirmed": "the learner's account is not confirmed; confirm it under Browse list of users",
    "guestsarenotallowed": "the learner's account is the guest account; the order needs another address",
}
"""What a refusal at a course means, and what to do where."""

VANISHED = frozenset({"invaliduser", "userdeleted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody enrolled stands. `roles` None: not looked up. `seen_at`: Moodle's own clock."""

    active: bool
    roles: frozenset[int] | None = None
    seen_at: datetime | None = None


class Classrooms:
    """Looks into courses, and changes nothing. Raises Refused with a sentence about the course."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._kept: dict[CourseId, tuple[float, Course]] = {}

    def fetch(self, course_id: CourseId) -> Course | None:
        """The course; None if there is none, or none that the web service user can see."""
        if course_id == SITE_ITSELF:
            return None
        wanted = [("field", "id"), ("value", course_id)]
        found = self._rest.read("core_course_get_courses_by_field", wanted, CourseList).courses
        return next((course for course in found if str(course.id) == course_id), None)

    def fetch_together(self, course_ids: Sequence[CourseId]) -> dict[CourseId, Course]:
        """Those of the courses that can be had a hundred at a time. Nothing is said about the others.

        Moodle answers for none of them where it does not know one: then their halves are asked for.
        """
        found = dict[CourseId, Course]()
        waiting = [course_ids[i : i + TOGETHER] for i in range(0, len(course_ids), TOGETHER)]
        while waiting:
            batch = waiting.pop()
            wanted = [("field", "ids"), ("value", ",".join(batch))]
            try:
                told = self._rest.read("core_course_get_courses_by_field", wanted, CourseList).courses
            except Stumbled as exc:
                if exc.whole_service:
                    break
                half = len(batch) // 2
                waiting += [part for part in (batch[half:], batch[:half]) if len(part) >= FEWEST_TOGETHER]
            except (TransientError, PermanentError):
                break
            else:
                found |= {CourseId(str(course.id)): course for course in told}
        return {course_id: found[course_id] for course_id in course_ids if course_id in found}

    def require_open(self, course_id: CourseId) -> None:
        """Raises PermanentError when nobody can be enrolled by hand in the course."""
        if not self._course(course_id).takes_manual:
            raise PermanentError(self._about(course_id, "wsnoinstance"))

    def place(self, course_id: CourseId, user_id: int) -> Place | None:
        """Where the learner stands; None = not enrolled.

        The quick list has only active enrolments in courses the learner can see, so a miss in it means nothing yet.
        """
        wanted = [("userid", str(user_id)), ("returnusercount", "0")]
        courses = self._rest.read("core_enrol_get_users_courses", wanted, list[Numbered])
        if any(str(course.id) == course_id for course in courses):
            return Place(active=True)
        hidden = not self._course(course_id).visible
        return self._walk(course_id, user_id, active=False) or (
            self._walk(course_id, user_id, active=True) if hidden else None
        )

    def enrolment(self, course_id: CourseId, user_id: int) -> Place | None:
        """An enrolment in whatever state, with its roles; None = not enrolled, or no such course any more."""
        try:
            return self._walk(course_id, user_id, active=True)
        except Refused as refusal:
            if refusal.code == "invalidrecord":
                return None
            raise

    def standing(self, course_id: CourseId, user_id: int) -> Place | None:
        """`enrolment`, and whether it lets the learner in."""
        try:
            inactive = self._walk(course_id, user_id, active=False)
        except Refused as refusal:
            if refusal.code == "invalidrecord":
                return None
            raise
        return inactive or self.enrolment(course_id, user_id)

    def explained(self, refusal: Refused, course_id: CourseId) -> Refused | TransientError:
        """The refusal in words that name the course and the remedy."""
        if refusal.code in VANISHED:
            return TransientError(
                f"{self._rest.name}: the learner's account vanished; it will be looked for again"
            )
        if refusal.code not in REFUSALS:
            return Refused(f"{refusal} for course {course_id}", refusal.code)
        return Refused(self._about(course_id, refusal.code), refusal.code)

    def _course(self, course_id: CourseId) -> Course:
        kept_until, kept = self._kept.get(course_id, (0.0, None))
        if kept is not None and time.monotonic() < kept_until:
            return kept
        course = self.fetch(course_id)
        if course is None:
            raise PermanentError(self._about(course_id, "invalidrecord"))
        if course.takes_manual:  # what a person has to mend is looked at afresh every time
            self._kept[course_id] = (time.monotonic() + KEPT_S, course)
        return course

    def _walk(self, course_id: CourseId, user_id: int, *, active: bool) -> Place | None:
        """Goes through everybody enrolled; with `active` False through those who are suspended or expired."""
        start, seen = 0, set[int]()
        while True:
            page, seen_at = self._participants(course_id, start, only_inactive=not active)
            for member in page:
                if member.id == user_id:
                    roles = frozenset(role.roleid for role in member.roles)
                    return Place(active=active, roles=roles, seen_at=seen_at)
            if seen.issuperset(member.id for member in page):
                return None
            seen.update(member.id for member in page)
            start += PAGE_STEP

    def _participants(
        self, course_id: CourseId, start: int, *, only_inactive: bool
    ) -> tuple[list[Member], datetime | None]:
        options = {"userfields": "id,roles", "limitfrom": str(start), "limitnumber": str(PAGE_SIZE)}
        if only_inactive:
            options["onlysuspended"] = "1"
        wanted = [("courseid", str(course_id))]
        for i, (name, value) in enumerate(options.items()):
            wanted += [(f"options[{i}][name]", name), (f"options[{i}][value]", value)]
        try:
            return self._rest.read_timed("core_enrol_get_enrolled_users", wanted, list[Member])
        except Refused as refusal:
            raise self.explained(refusal, course_id) from refusal

    def _about(self, course_id: CourseId, code: str) -> str:
        return f"{self._rest.name}: course {course_id}: {REFUSALS[code]}"
