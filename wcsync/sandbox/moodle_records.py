"""The rows of a Moodle site as plain objects."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

SITE_COURSE_ID = 1
ROLE_IDS = {"manager": 1, "coursecreator": 2, "editingteacher": 3, "teacher": 4, "student": 5}
CONTACT_ROLES = frozenset({"editingteacher"})
"""Who is shown as a course's teacher."""

ROLE_CAPABILITIES = {
    "manager": frozenset({"moodle/course:update", "moodle/course:viewhiddencourses"}),
    "editingteacher": frozenset({"moodle/course:update", "moodle/course:viewhiddencourses"}),
    "teacher": frozenset({"moodle/course:viewhiddencourses"}),
}
"""What a role may do in its course, as far as a web service shows it."""

SERVICE_CAPABILITIES = frozenset(
    {
        "enrol/manual:enrol",
        "enrol/manual:unenrol",
        "mod/assign:view",
        "mod/quiz:view",
        "moodle/cohort:assign",
        "moodle/cohort:view",
        "moodle/course:enrolreview",
        "moodle/course:managegroups",
        "moodle/course:update",
        "moodle/course:view",
        "moodle/course:viewhiddencourses",
        "moodle/course:viewparticipants",
        "moodle/role:assign",
        "moodle/role:review",
        "moodle/site:viewuseridentity",
        "moodle/user:create",
        "moodle/user:viewalldetails",
        "moodle/user:viewdetails",
        "webservice/rest:use",
    }
)
"""All a service user needs for every function here."""

KINDS = {
    "assign": ("assessment", "Assignments"),
    "forum": ("collaboration", "Forums"),
    "label": ("content", "Text and media areas"),
    "page": ("content", "Pages"),
    "quiz": ("assessment", "Quizzes"),
    "resource": ("content", "Files"),
    "url": ("content", "URLs"),
}
"""What each kind of module that was ever recorded is for, and what many of it are called."""

MODULE_RIGHTS = {"assign": "mod/assign:view", "quiz": "mod/quiz:view"}
"""What it takes to be shown such a module at all; all other kinds are shown to everybody in the course."""

Status = Literal["active", "suspended"]
Method = Literal["manual", "cohort"]
Manual = Literal["enabled", "disabled", "missing"]
Welcome = Literal["contact", "noreply", "off"]


@dataclass(slots=True, kw_only=True)
class Account:
    """A user. A deleted one keeps its row, under a made-up username and e-mail."""

    id: int
    username: str
    email: str
    firstname: str
    lastname: str
    password: str = field(default="", repr=False)
    auth: str = "manual"
    suspended: bool = False
    confirmed: bool = True
    deleted: bool = False
    idnumber: str = ""
    lang: str = "en"
    timezone: str = "99"
    city: str = ""
    country: str = ""
    department: str = ""
    institution: str = ""
    address: str = ""
    phone1: str = ""
    phone2: str = ""
    customfields: dict[str, str] = field(default_factory=dict)
    preferences: dict[str, str] = field(default_factory=dict)

    @property
    def fullname(self) -> str:
        return f"{self.firstname} {self.lastname}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileField:
    """A field an administrator added to the users' profile."""

    shortname: str
    name: str
    datatype: Literal["text", "menu"] = "text"
    default: str = ""
    options: tuple[str, ...] = ()

    def accept(self, value: str) -> str:
        """What is kept of a value: a menu has no other choices than its options."""
        return value if self.datatype == "text" or value in self.options else self.default


@dataclass(slots=True, kw_only=True)
class Activity:
    """A module of a course, named as typed. `on_page` False: learners reach it by its address alone.

    `more`: what else a site tells of it, and this one does not use.
    """

    id: int
    kind: str
    name: str
    instance: int
    visible: bool = True
    on_page: bool = True
    description: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Section:
    """`number`: its place, from 0. Without a name it is shown under one that Moodle gives it."""

    id: int
    number: int
    name: str = ""
    summary: str = ""
    visible: bool = True
    activities: list[Activity] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in one of a course's areas: its images, or what its summary shows. `timemodified` in seconds."""

    area: Literal["overviewfiles", "summary"]
    name: str
    content: bytes = field(repr=False)
    mimetype: str
    timemodified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Competency:
    id: int
    shortname: str
    idnumber: str = ""
    description: str = ""


@dataclass(slots=True, kw_only=True)
class Course:
    """A course. `fullname` as typed by its author; instants in seconds since 1970.

    `cacherev`: grows whenever something changes that Moodle keeps a course's page for.

    `manual`: its instance of manual enrolment. `enrolperiod_s` belongs to it and is ignored by the web service.
    `welcome`: who sends the mail on enrolment; "contact" is the default and sends none where there is no teacher.
    """

    id: int
    fullname: str
    shortname: str
    idnumber: str = ""
    visible: bool = True
    category_id: int = 1
    sortorder: int = 0
    summary: str = ""
    summaryformat: int = 1
    startdate: int = 0
    enddate: int = 0
    manual: Manual = "enabled"
    enrolperiod_s: int = 0
    welcome: Welcome = "contact"
    cohort_ids: list[int] = field(default_factory=list)
    customfields: list[dict[str, Any]] = field(default_factory=list)
    lang: str = ""
    sections: list[Section] = field(default_factory=list)
    files: list[StoredFile] = field(default_factory=list)
    competencies: list[Competency] = field(default_factory=list)
    timecreated: int = 0
    timemodified: int = 0
    cacherev: int = 0

    @property
    def context_id(self) -> int:
        """By this number the addresses of its files go."""
        return 2 if self.id == SITE_COURSE_ID else 17 + self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write to an enrolment, as it was asked for."""

    at: datetime
    action: Literal["enrolled", "updated", "unenrolled"]
    role: str | None = None
    status: Status = "active"
    timestart: int = 0
    timeend: int = 0


@dataclass(slots=True, kw_only=True)
class Enrolment:
    """One user in one course by one method. `timestart`, `timeend`: seconds since 1970, 0 = open."""

    user_id: int
    course_id: int
    method: Method = "manual"
    roles: list[str] = field(default_factory=list)
    status: Status = "active"
    timestart: int = 0
    timeend: int = 0
    history: list[Write] = field(default_factory=list)

    def is_active(self, now: datetime) -> bool:
        seconds = now.timestamp()
        return (
            self.status == "active"
            and self.timestart <= seconds
            and (not self.timeend or seconds < self.timeend)
        )


@dataclass(slots=True, kw_only=True)
class Group:
    id: int
    course_id: int
    name: str
    idnumber: str = ""
    description: str = ""
    members: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Cohort:
    id: int
    name: str
    idnumber: str = ""
    description: str = ""
    members: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ServiceUser:
    """The user a token belongs to, what it may do, and what may be wrong with it."""

    user_id: int
    username: str
    capabilities: set[str]
    assignable_roles: set[str] = field(default_factory=lambda: {"student"})
    suspended: bool = False
    deleted: bool = False
    confirmed: bool = True
    password_expired: bool = False
    auth: str = "manual"
    must_change_password: bool = False
    profile_incomplete: bool = False
    policy_not_agreed: bool = False


@dataclass(slots=True, kw_only=True)
class Token:
    """`valid_until` None: for ever. An expired token is deleted when it is first used."""

    user: ServiceUser
    valid_until: datetime | None = None
    service_enabled: bool = True
    address_allowed: bool = True
