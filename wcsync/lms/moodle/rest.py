"""How Moodle is called: one function, one POST; its answer as a typed value, its refusals as our four errors.

Moodle answers refusals with 200 and an `exception`. Only `errorcode` tells them apart: `exception` changed its form
between versions, `message` is translated, and with debugging on both hold addresses and SQL, so neither is read.
https://docs.moodle.org/dev/Creating_a_web_service_client
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from wcsync.credentials import Secret
from wcsync.errors import Finding, PermanentError, ServiceBlocked, TransientError, TurnedAway, WcsyncError
from wcsync.http import Outgoing, Reply, Service, Transport
from wcsync.lms.base import LmsSettings
from wcsync.lms.moodle import troubles

T = TypeVar("T")
Fields = Sequence[tuple[str, str]]

_SEES_USERS = "moodle/user:viewdetails, moodle/user:viewalldetails and moodle/site:viewuseridentity"

NEEDED = {
    "core_webservice_get_site_info": "webservice/rest:use",
    "core_user_get_users": _SEES_USERS,
    "core_user_get_users_by_field": _SEES_USERS,
    "core_user_create_users": "moodle/user:create",
    "core_course_get_courses_by_field": "moodle/course:view",
    "core_enrol_get_users_courses": "moodle/course:viewparticipants",
    "core_enrol_get_enrolled_users": "moodle/course:viewparticipants and moodle/course:enrolreview",
    "enrol_manual_enrol_users": "enrol/manual:enrol",
    "enrol_manual_unenrol_users": "enrol/manual:unenrol",
}
"""The functions wcsync cannot do without, and the rights each needs."""

OPTIONAL = {
    "core_group_add_group_members": "moodle/course:managegroups",
    "core_group_get_course_groups": "moodle/course:managegroups",
    "core_cohort_get_cohorts": "moodle/cohort:view",
    "core_cohort_add_cohort_members": "moodle/cohort:assign",
}
"""Functions that only some mapping rows need: lacking one is those rows' trouble, not the service's."""


MIRROR = {
    "core_course_get_contents": "moodle/course:view",
    "core_competency_list_course_competencies": "moodle/competency:coursecompetencyview",
}
"""Functions that only the mirror of course data needs."""


class Refused(PermanentError):
    """Moodle refused this one call. `code`: its errorcode."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Stumbled(TransientError):
    """Moodle answered, but not so that it shows whether it acted. Look before telling anybody."""


@contextmanager
def looking_into(error: Refused | Stumbled) -> Iterator[None]:
    """For the look after a failed write: should it fail too, a lost answer stays the thing to report."""
    try:
        yield
    except TransientError as exc:
        if isinstance(error, Stumbled) and error.answer_lost:
            raise error from exc
        raise


class Named(msgspec.Struct):
    name: str


class Numbered(msgspec.Struct):
    id: int


class SiteInfo(msgspec.Struct):
    siteurl: str
    userid: int
    functions: list[Named]
    sitename: str = ""
    release: str = ""
    version: str = ""


class User(msgspec.Struct):
    """`email` None: the web service user may not see it."""

    id: int
    username: str = ""
    email: str | None = None
    suspended: bool = False
    confirmed: bool = True

    @property
    def deleted(self) -> bool:
        """By its number a deleted account still comes back, with a hash for an address."""
        return re.fullmatch("[0-9a-f]{32}", self.email or "") is not None


class Users(msgspec.Struct):
    users: list[User]


class Created(msgspec.Struct):
    id: int


class Course(msgspec.Struct):
    """`visible` None when we may not know, as `enrollmentmethods` and `idnumber`."""

    id: int
    fullname: str
    shortname: str = ""
    idnumber: str | None = None
    visible: int | None = None
    enrollmentmethods: list[str] | None = None

    @property
    def takes_manual(self) -> bool:
        return self.enrollmentmethods is None or "manual" in self.enrollmentmethods


class CourseList(msgspec.Struct):
    courses: list[Course]


class Role(msgspec.Struct):
    roleid: int


class Member(msgspec.Struct):
    id: int
    roles: list[Role]


class CodedWarning(msgspec.Struct):
    warningcode: str


class WarningList(msgspec.Struct):
    warnings: list[CodedWarning]


class _Fault(msgspec.Struct):
    exception: object = None
    errorcode: object = None


class Rest:
    """The functions of one Moodle's web services. Thread-safe; `close()` when done.

    Raises, everywhere: TransientError (Stumbled among them), ServiceBlocked, Refused.
    """

    def __init__(self, settings: LmsSettings, token: Secret, *, transport: Transport | None = None) -> None:
        self.name = f'moodle "{settings.name}"'
        self._url = f"{settings.url.rstrip('/')}/webservice/rest/server.php"
        self._token = token
        self._service = Service(
            self.name, timeout_s=settings.timeout_s, ca_file=settings.ca_file, transport=transport
        )

    def read(self, function: str, fields: Fields, shape: type[T]) -> T:
        """Calls a function that changes nothing."""
        return self.read_timed(function, fields, shape)[0]

    def read_timed(self, function: str, fields: Fields, shape: type[T]) -> tuple[T, datetime | None]:
        """`read`, with the time it was in Moodle then."""
        reply = self._service.fetch(self._prepared(function, fields))
        return self._parse(reply, function, shape, may_act=False), reply.server_time

    def write(self, function: str, fields: Fields, shape: type[T]) -> T:
        """Calls a function that may change something, once."""
        reply = self._service.send(self._prepared(function, fields))
        return self._parse(reply, function, shape, may_act=True)

    def close(self) -> None:
        self._service.close()

    def _prepared(self, function: str, fields: Fields) -> Callable[[], Outgoing]:
        call = [
            ("wstoken", self._token.reveal()),
            ("wsfunction", function),
            ("moodlewsrestformat", "json"),
            *fields,
        ]
        headers = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode(call).encode()
        return lambda: Outgoing(method="POST", url=self._url, headers=headers, content=body)

    def _parse(self, reply: Reply, function: str, shape: type[T], *, may_act: bool) -> T:
        self._check_status(reply, function)
        try:
            fault = _fault(reply.content)
            if fault is None:
                return msgspec.json.decode(reply.content, type=shape, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise self._unreadable(reply, function, may_act=may_act) from exc
        raise self._refusal(function, fault)

    def _check_status(self, reply: Reply, function: str) -> None:
        if reply.status < 300:
            return
        if reply.status != 403:
            raise self._blocked(troubles.no_moodle(reply.status))
        if not reply.content.strip():
            raise self._blocked(troubles.WEB_SERVICES_OFF)
        self._blame_firewall(function)

    def _blame_firewall(self, function: str) -> None:
        """A firewall that refuses everything blocks the service; one that refuses this call's content does not."""
        if function == "core_webservice_get_site_info":
            raise self._blocked(troubles.FIREWALL)
        self.read("core_webservice_get_site_info", [], SiteInfo)
        raise TurnedAway(
            f"{self.name}: a firewall in front of it refused this call of {function} (status 403) but lets others "
            "through; look for an odd name or address in the order"
        )

    def _unreadable(self, reply: Reply, function: str, *, may_act: bool) -> Stumbled:
        finding = troubles.unreadable(function, page=reply.looks_like_html)
        return Stumbled(
            f"{self.name}: {finding}",
            answer_lost=may_act,
            whole_service=reply.looks_like_html,
            finding=finding,
        )

    def _blocked(self, finding: Finding) -> ServiceBlocked:
        return ServiceBlocked(f"{self.name}: {finding}", finding=finding)

    def _refusal(self, function: str, code: str) -> WcsyncError:
        if code in troubles.PASSING:
            finding = troubles.PASSING[code]
            return TransientError(f"{self.name}: {finding}", whole_service=True, finding=finding)
        if code in troubles.BLOCKING:
            finding = troubles.blocking(code, function, (NEEDED | OPTIONAL | MIRROR).get(function, ""))
            its_own = function in OPTIONAL and code in {troubles.ACCESS_REFUSED, "nopermissions"}
            return Refused(f"{self.name}: {finding}", code) if its_own else self._blocked(finding)
        if not code or code.startswith("dml"):
            return Stumbled(
                f"{self.name}: failed inside at {function} ({code or 'no code'}); it will be asked again"
            )
        return Refused(f"{self.name}: refused {function} ({_shown(code)})", code)


def _fault(content: bytes) -> str | None:
    """The errorcode, empty if there is none, of an answer that is a refusal; None for any other answer."""
    if content.lstrip()[:1] != b"{":
        return None
    fault = msgspec.json.decode(content, type=_Fault)
    if fault.exception is None:
        return None
    return fault.errorcode if isinstance(fault.errorcode, str) else ""


def _shown(code: str) -> str:
    """Codes are words; a few are sentences or HTML in the site's language, not to be passed on."""
    return code if re.fullmatch("[A-Za-z0-9_]{1,60}", code) else "with a text of its own"
