"""The functions about enrolments."""

from dataclasses import dataclass
from typing import Any

from wcsync.sandbox.moodle_call import Call, Function
from wcsync.sandbox.moodle_courses import format_name, render_own_course
from wcsync.sandbox.moodle_errors import (
    MoodleError,
    coding_error,
    invalid_parameter,
    missing_record,
    moodle_error,
    write_failed,
)
from wcsync.sandbox.moodle_params import OPTIONAL, Many, Param, flag, integer, php_int, raw, word
from wcsync.sandbox.moodle_records import CONTACT_ROLES, ROLE_CAPABILITIES, ROLE_IDS, Account, Course, Status
from wcsync.sandbox.moodle_state import GUEST_ID, role_name
from wcsync.sandbox.moodle_users import render_customfields, render_names, render_pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    user_id: int
    course_id: int
    role: str
    status: Status
    timestart: int
    timeend: int


def enrol_users(call: Call) -> None:
    """All or none, and an overwrite: what is left out becomes open-ended and active.

    The welcome mails go out after all is written; one that fails is an error all the same.
    """
    site = call.site
    wanted = [_checked(call, item) for item in call.params["enrolments"]]
    fresh = [one for one in wanted if site.find_enrolment(one.user_id, one.course_id) is None]
    site.let_others_in()
    if any(site.find_enrolment(one.user_id, one.course_id) for one in fresh):
        raise write_failed()  # another request was quicker: one row per user and instance
    for one in wanted:
        site.write_enrolment(
            one.user_id,
            one.course_id,
            role=one.role,
            status=one.status,
            timestart=one.timestart,
            timeend=one.timeend,
        )
    for one in wanted:
        _welcome(call, one)


def unenrol_users(call: Call) -> None:
    """All or none. Takes the whole manual enrolment, whatever `roleid` says."""
    call.enter_site()
    for item in call.params["enrolments"]:
        _check_unenrol(call, item)
    for item in call.params["enrolments"]:
        call.site.unenrol(item["userid"], item["courseid"])


def get_users_courses(call: Call) -> list[dict[str, Any]]:
    """Only what the learner sees now: expired, suspended, future and hidden are missing without a word."""
    call.enter_site()
    shown = [
        render_own_course(call, course, call.params["userid"])
        for course in call.site.courses_seen_by(call.params["userid"])
        if _may_list(call, course)
    ]
    if not call.params["returnusercount"]:
        for course in shown:
            del course["enrolledusercount"]
    return shown


def get_enrolled_users(call: Call) -> list[dict[str, Any]]:
    """Active, expired and suspended alike, and nothing in the answer tells them apart."""
    course = call.site.courses.get(call.params["courseid"])
    if course is None:
        raise missing_record("course")
    options = {item["name"]: item["value"] for item in call.params["options"]}
    _check_options(call, course, options)
    rows = [account for account in _enrolled(call, course) if _chosen(call, course, account, options)]
    visible = [row for row in rows if call.may("moodle/user:viewdetails") or _is_contact(call, row)]
    fields = [name.strip() for name in options.get("userfields", "").split(",") if name.strip()]
    return [_render_enrolled(call, course, account, fields) for account in _cut(visible, options)]


def _checked(call: Call, item: dict[str, Any]) -> _Wanted:
    course = call.site.courses.get(item["courseid"])
    if course is None:
        raise invalid_parameter()
    call.enter_course(course)
    call.require("enrol/manual:enrol")
    role = role_name(item["roleid"])
    if not call.may("moodle/role:assign") or role not in call.caller.assignable_roles:
        raise moodle_error(
            "wsusercannotassign",
            f"You don't have the permission to assign this role ({item['roleid']}) "
            f"to this user ({item['userid']}) in this course ({course.id}).",
        )
    if course.manual != "enabled":
        raise _no_instance(course)
    _check_learner(call.site.users.get(item["userid"]))
    return _Wanted(
        user_id=item["userid"],
        course_id=course.id,
        role=str(role),
        status="suspended" if item.get("suspend") else "active",
        timestart=item.get("timestart", 0),
        timeend=item.get("timeend", 0),
    )


def _check_learner(account: Account | None) -> None:
    """A suspended account is fine."""
    if account is None:
        raise missing_record("user")
    if account.deleted:
        raise moodle_error("userdeleted")
    if not account.confirmed:
        raise moodle_error("usernotconfirmed")
    if account.id == GUEST_ID:
        raise moodle_error("guestsarenotallowed", "The guest user is not allowed to do this")


def _check_unenrol(call: Call, item: dict[str, Any]) -> None:
    course = call.site.courses.get(item["courseid"])
    if course is None:
        raise missing_record("course")
    call.enter_course(course)
    call.require("enrol/manual:unenrol")
    if course.manual == "missing":
        raise _no_instance(course)
    if item["userid"] not in call.site.users:
        raise missing_record("user")


def _no_instance(course: Course) -> MoodleError:
    return moodle_error(
        "wsnoinstance",
        f"Manual enrolment plugin instance doesn't exist or is disabled for the course (id = {course.id})",
    )


def _welcome(call: Call, one: _Wanted) -> None:
    """Sent at every call, a repeated one too. Without a teacher there is no sender and no mail."""
    course = call.site.courses[one.course_id]
    if course.welcome == "off" or (course.welcome == "contact" and not call.site.contacts(course.id)):
        return
    if not call.site.send_mail():
        raise moodle_error("Message was not sent.")
    call.site.mails[one.user_id, one.course_id] += 1


def _may_list(call: Call, course: Course) -> bool:
    try:
        call.enter_course(course)
    except MoodleError:
        return False  # who is in a course the service user cannot enter is not disclosed
    return call.may("moodle/course:viewparticipants")


def _check_options(call: Call, course: Course, options: dict[str, str]) -> None:
    call.enter_course_or_say_which(course)
    call.require("moodle/course:viewparticipants")
    if options.get("withcapability"):
        call.require("moodle/role:review")
    if _set(options, "onlyactive") or _set(options, "onlysuspended"):
        call.require("moodle/course:enrolreview")
    if _set(options, "onlyactive") and _set(options, "onlysuspended"):
        raise coding_error("Both onlyactive and onlysuspended are set, this is probably not what you want!")


def _set(options: dict[str, str], name: str) -> bool:
    return php_int(options.get(name, "")) != 0


def _enrolled(call: Call, course: Course) -> list[Account]:
    user_ids = sorted({row.user_id for row in call.site.enrolments_in(course.id)})
    return [call.site.users[user_id] for user_id in user_ids]


def _chosen(call: Call, course: Course, account: Account, options: dict[str, str]) -> bool:
    capability = options.get("withcapability")
    roles = _roles(call, course, account)
    if capability and not any(capability in ROLE_CAPABILITIES.get(role, ()) for role in roles):
        return False
    group_id = php_int(options.get("groupid", ""))
    if group_id and account.id not in _members(call, group_id):
        return False
    if not _set(options, "onlyactive") and not _set(options, "onlysuspended"):
        return True
    now = call.site.clock()
    rows = [row for row in call.site.enrolments_in(course.id) if row.user_id == account.id]
    return any(row.is_active(now) for row in rows) == _set(options, "onlyactive")


def _members(call: Call, group_id: int) -> list[int]:
    group = call.site.groups.get(group_id)
    return group.members if group else []


def _cut(rows: list[Account], options: dict[str, str]) -> list[Account]:
    first, number = php_int(options.get("limitfrom", "")), php_int(options.get("limitnumber", ""))
    return rows[first : first + number] if number else rows[first:]


def _roles(call: Call, course: Course, account: Account) -> list[str]:
    rows = [row for row in call.site.enrolments_in(course.id) if row.user_id == account.id]
    return sorted({role for row in rows for role in row.roles}, key=ROLE_IDS.__getitem__)


def _is_contact(call: Call, account: Account) -> bool:
    return any(CONTACT_ROLES & set(row.roles) for row in call.site.enrolments_of(account.id))


def _render_enrolled(call: Call, course: Course, account: Account, fields: list[str]) -> dict[str, Any]:
    optional = {
        "idnumber": account.idnumber,
        "enrolledcourses": [
            {"id": seen.id, "fullname": format_name(call, seen.fullname), "shortname": seen.shortname}
            for seen in call.site.courses_seen_by(account.id)
        ],
        "customfields": [
            {name: value for name, value in field.items() if name != "displayvalue"}
            for field in render_customfields(call, account)
        ],
    }
    whole = (
        {"id": account.id, "username": account.username}
        | render_names(call, account)
        | {"department": account.department, "firstaccess": 0, "lastaccess": 0, "lastcourseaccess": 0}
        | render_pictures(call)
        | {"roles": [_render_role(role) for role in _roles(call, course, account)]}
        | {name: value for name, value in optional.items() if value}
    )
    return {name: value for name, value in whole.items() if not fields or name in {"id", "fullname", *fields}}


def _render_role(role: str) -> dict[str, Any]:
    return {"roleid": ROLE_IDS[role], "name": "", "shortname": role, "sortorder": 0}


_ENROLMENT = {
    "roleid": Param(integer),
    "userid": Param(integer),
    "courseid": Param(integer),
    "timestart": Param(integer, OPTIONAL),
    "timeend": Param(integer, OPTIONAL),
    "suspend": Param(integer, OPTIONAL),
}
_UNENROLMENT = {"userid": Param(integer), "courseid": Param(integer), "roleid": Param(integer, OPTIONAL)}

FUNCTIONS = {
    "enrol_manual_enrol_users": Function(
        params={"enrolments": Param(Many(of=_ENROLMENT))}, run=enrol_users, version="2024100700"
    ),
    "enrol_manual_unenrol_users": Function(
        params={"enrolments": Param(Many(of=_UNENROLMENT))}, run=unenrol_users, version="2024100700"
    ),
    "core_enrol_get_enrolled_users": Function(
        params={
            "courseid": Param(integer),
            "options": Param(Many(of={"name": Param(word), "value": Param(raw)}), ()),
        },
        run=get_enrolled_users,
    ),
    "core_enrol_get_users_courses": Function(
        params={"userid": Param(integer), "returnusercount": Param(flag, True)}, run=get_users_courses
    ),
}
