"""What a buyer of a mapped course would meet: its place looked at, and the calls tried so that they cannot succeed.

A right shows only when it is used. So each writing function is called with something that Moodle refuses after it has
looked at the rights, and for more than one reason: an account without an address, password or known way to log in; an
enrolment of nobody with a role that does not exist; one in the site's own course, which has no manual enrolment. Which
refusal comes tells whether the right is there; nothing is written whatever comes.
https://github.com/moodle/moodle/blob/MOODLE_405_STABLE/enrol/manual/externallib.php
"""

import html
from collections.abc import Iterable, Iterator

from wcsync.errors import Finding, ServiceBlocked, Severity
from wcsync.lms.base import Sighting
from wcsync.lms.moodle.courses import SITE_ITSELF, Classrooms
from wcsync.lms.moodle.rest import Course, Numbered, Refused, Rest, SiteInfo
from wcsync.lms.moodle.troubles import lacks, lacks_function
from wcsync.model import CourseId, Target

NO_ROLE = "2147483647"
NOBODY = "0"
NO_ACCOUNT = {
    "username": "wcsync-check",
    "firstname": "wcsync",
    "lastname": "check",
    "email": "none",
    "auth": "wcsyncnone",
}

GROUPS, JOIN_GROUP = "core_group_get_course_groups", "core_group_add_group_members"
COHORTS, JOIN_COHORT = "core_cohort_get_cohorts", "core_cohort_add_cohort_members"


class Rehearsal:
    """Looks at mapped courses for `check`; asks once what holds for many. `student_role`: given where a row names none.

    Raises as `Rest`.
    """

    def __init__(self, rest: Rest, classrooms: Classrooms, student_role: int) -> None:
        self._rest = rest
        self._classrooms = classrooms
        self._student_role = str(student_role)
        self._courses: dict[CourseId, Course | None] = {}
        self._rights: tuple[Finding, ...] | None = None
        self._roles: dict[str, Finding | None] = {}
        self._groups: dict[CourseId, set[str] | Finding] = {}
        self._cohorts: dict[str, Finding | None] = {}
        self._functions: set[str] | None = None

    def expect(self, targets: Iterable[Target]) -> None:
        course_ids = dict.fromkeys(target.course_id for target in targets if target.course_id != SITE_ITSELF)
        unknown = [course_id for course_id in course_ids if course_id not in self._courses]
        if len(unknown) > 1:
            self._courses |= self._classrooms.fetch_together(unknown)

    def sight(self, target: Target) -> Sighting:
        course = self._course(target.course_id)
        if course is None:
            return Sighting(title=None, findings=(_unknown_course(target.course_id),))
        general, findings = list(self._needed(course)), [*self._place(course), *self._extras(target)]
        roles = [value for name, value in target.options if name == "role"]
        for role in roles or [self._student_role]:
            (findings if roles else general).extend(self._about_role(role, in_mapping=bool(roles)))
        return Sighting(
            title=html.unescape(course.fullname), findings=tuple(findings), general=tuple(general)
        )

    def _course(self, course_id: CourseId) -> Course | None:
        if course_id not in self._courses:
            self._courses[course_id] = self._classrooms.fetch(course_id)
        return self._courses[course_id]

    def _place(self, course: Course) -> Iterator[Finding]:
        if not course.takes_manual:
            yield Finding(
                code="no_manual_enrolment",
                message=f"course {course.id} has no manual enrolment, or has it switched off",
                remedy="add it or open its eye under Course → Participants → Enrolment methods → Manual enrolments",
            )
        if course.visible == 0:
            yield Finding(
                code="course_hidden",
                message=f"course {course.id} is hidden: buyers are enrolled but do not see it",
                remedy="set Course → Settings → Course visibility to Show",
                severity=Severity.WARNING,
            )

    def _needed(self, course: Course) -> tuple[Finding, ...]:
        """What the web service user lacks, tried in the first course there is."""
        if course.visible is None:
            return (lacks("moodle/course:view", "it cannot enter courses"),)
        if self._rights is None:
            self._rights = tuple(self._try_rights(str(course.id)))
        return self._rights

    def _try_rights(self, course_id: str) -> Iterator[Finding]:
        account = [(f"users[0][{name}]", value) for name, value in NO_ACCOUNT.items()]
        if self._refusal("core_user_create_users", account) == "nopermissions":
            yield lacks("moodle/user:create", "buyers without an account get none")
        nobody = [("enrolments[0][userid]", NOBODY), ("enrolments[0][courseid]", course_id)]
        enrolment = [*nobody, ("enrolments[0][roleid]", NO_ROLE)]
        if self._refusal("enrol_manual_enrol_users", enrolment) == "nopermissions":
            yield lacks("enrol/manual:enrol", "it cannot enrol")
        if self._refusal("enrol_manual_unenrol_users", nobody) == "nopermissions":
            yield lacks("enrol/manual:unenrol", "it cannot withdraw after a refund")
        yield from self._try_participants(course_id)

    def _try_participants(self, course_id: str) -> Iterator[Finding]:
        everybody = [("courseid", course_id), *_options(limitnumber="1", userfields="id")]
        suspended = [("courseid", course_id), *_options(limitnumber="1", userfields="id", onlysuspended="1")]
        function = "core_enrol_get_enrolled_users"
        if self._refusal(function, everybody) == "nopermissions":
            yield lacks("moodle/course:viewparticipants", "it does not see who is in a course")
        elif self._refusal(function, suspended) == "nopermissions":
            yield lacks("moodle/course:enrolreview", "it does not see who is suspended in a course")

    def _extras(self, target: Target) -> Iterator[Finding]:
        for name, value in target.options:
            if name == "group":
                yield from self._see_group(target.course_id, value)
            if name == "cohort":
                if value not in self._cohorts:
                    self._cohorts[value] = self._see_cohort(value)
                yield from filter(None, [self._cohorts[value]])

    def _about_role(self, role: str, *, in_mapping: bool) -> Iterator[Finding]:
        if role not in self._roles:
            self._roles[role] = self._try_role(role, in_mapping=in_mapping)
        yield from filter(None, [self._roles[role]])

    def _try_role(self, role: str, *, in_mapping: bool) -> Finding | None:
        """Tried where nobody can be enrolled. A web service user with rights in some category alone may not even try
        there: then nothing can be said.
        """
        enrolment = {"userid": NOBODY, "courseid": SITE_ITSELF, "roleid": role}
        fields = [(f"enrolments[0][{name}]", value) for name, value in enrolment.items()]
        if self._refusal("enrol_manual_enrol_users", fields) != "wsusercannotassign":
            return None
        return Finding(
            code="role_not_assignable",
            message=f"the web service user may not give the role {role}, or there is none with this number",
            remedy=(
                f"check {'role in the mapping' if in_mapping else 'student_role_id in the config'}, allow "
                "moodle/role:assign in its own role, and tick this one under Site administration → Users → "
                "Permissions → Define roles → Allow role assignments"
            ),
        )

    def _see_group(self, course_id: CourseId, group: str) -> Iterator[Finding]:
        if not self._has(JOIN_GROUP):
            yield lacks_function(JOIN_GROUP, why=", which rows with a group need")
            return
        if course_id not in self._groups:
            self._groups[course_id] = self._list_groups(course_id)
        there = self._groups[course_id]
        if isinstance(there, Finding):
            yield there
        elif group not in there:
            yield Finding(
                code="unknown_group",
                message=f"course {course_id} has no group {group}",
                remedy="correct group in the mapping: the number in the address of Course → Participants → Groups",
                in_mapping=True,
            )

    def _list_groups(self, course_id: CourseId) -> set[str] | Finding:
        if not self._has(GROUPS):
            return _cannot_look(GROUPS, "group")
        try:
            groups = self._rest.read(GROUPS, [("courseid", course_id)], list[Numbered])
        except Refused as refusal:
            if refusal.code == "nopermissions":
                return lacks("moodle/course:managegroups", "it cannot add learners to groups")
            return _cannot_look(GROUPS, "group")
        return {str(group.id) for group in groups}

    def _see_cohort(self, cohort: str) -> Finding | None:
        if not self._has(JOIN_COHORT):
            return lacks_function(JOIN_COHORT, why=", which rows with a cohort need")
        if not self._has(COHORTS):
            return _cannot_look(COHORTS, "cohort")
        match self._refusal(COHORTS, [("cohortids[0]", cohort)]):
            case "":
                return None
            case "invalidrecord":
                return Finding(
                    code="unknown_cohort",
                    message=f"there is no cohort {cohort}",
                    remedy="correct cohort in the mapping (Site administration → Users → Cohorts)",
                    in_mapping=True,
                )
        return _cannot_look(COHORTS, "cohort", ", or its user the right moodle/cohort:view")

    def _has(self, function: str) -> bool:
        if self._functions is None:
            site = self._rest.read("core_webservice_get_site_info", [], SiteInfo)
            self._functions = {named.name for named in site.functions}
        return function in self._functions

    def _refusal(self, function: str, fields: list[tuple[str, str]]) -> str:
        """The code that Moodle refuses the call with; '' if it does not."""
        try:
            self._rest.read(function, fields, object)
        except Refused as refusal:
            return refusal.code
        except ServiceBlocked as exc:
            if exc.finding is not None and exc.finding.code == "missing_capability":
                return "nopermissions"
            raise
        return ""


def _unknown_course(course_id: CourseId) -> Finding:
    return Finding(
        code="unknown_course",
        message=f"there is no course {course_id}, or it is hidden from wcsync's user",
        remedy=(
            "correct the course in the mapping (the number in course/view.php?id=42), or allow "
            "moodle/course:viewhiddencourses in that user's role; then `wcsync dead revive` for what was refused "
            "meanwhile"
        ),
        in_mapping=True,
    )


def _cannot_look(function: str, what: str, more: str = "") -> Finding:
    why = f"{more}: so nobody can tell before a sale whether the {what} of a row is there"
    return lacks_function(function, severity=Severity.WARNING, why=why)


def _options(**options: str) -> list[tuple[str, str]]:
    return [
        field
        for i, (name, value) in enumerate(options.items())
        for field in ((f"options[{i}][name]", name), (f"options[{i}][value]", value))
    ]
