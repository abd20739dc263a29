"""The functions about groups and cohorts."""

from typing import Any

from wcsync.sandbox.moodle_call import Call, Function
from wcsync.sandbox.moodle_errors import invalid_parameter, missing_record
from wcsync.sandbox.moodle_params import Many, Param, integer, raw, word
from wcsync.sandbox.moodle_records import Cohort, Group


def get_course_groups(call: Call) -> list[dict[str, Any]]:
    course = call.site.courses.get(call.params["courseid"])
    if course is None:
        raise missing_record("course")
    call.enter_course_or_say_which(course)
    call.require("moodle/course:managegroups")
    groups = [group for group in call.site.groups.values() if group.course_id == course.id]
    return [_render_group(group) for group in sorted(groups, key=lambda group: group.name)]


def add_group_members(call: Call) -> None:
    """All or none. Who is not enrolled in the group's course is refused; who is in the group already is fine."""
    members = [_checked_member(call, item) for item in call.params["members"]]
    for group, user_id in members:
        if user_id not in group.members:
            group.members.append(user_id)


def add_cohort_members(call: Call) -> dict[str, Any]:
    """What cannot be done is a warning, never an error."""
    call.enter_site()
    call.require("moodle/cohort:assign")
    warnings = [_add_cohort_member(call, item) for item in call.params["members"]]
    return {"warnings": [warning for warning in warnings if warning is not None]}


def get_cohorts(call: Call) -> list[dict[str, Any]]:
    call.enter_site()
    call.require("moodle/cohort:view")
    wanted = call.params["cohortids"] or sorted(call.site.cohorts)
    if any(number not in call.site.cohorts for number in wanted):
        raise missing_record("cohort")
    return [_render_cohort(call.site.cohorts[number]) for number in wanted]


def _checked_member(call: Call, item: dict[str, int]) -> tuple[Group, int]:
    group = call.site.groups.get(item["groupid"])
    if group is None:
        raise missing_record("groups")
    account = call.site.users.get(item["userid"])
    if account is None or account.deleted:
        raise missing_record("user")
    call.enter_course_or_say_which(call.site.courses[group.course_id])
    call.require("moodle/course:managegroups")
    if account.id not in {row.user_id for row in call.site.enrolments_in(group.course_id)}:
        raise invalid_parameter()
    return group, account.id


def _add_cohort_member(call: Call, item: dict[str, dict[str, str]]) -> dict[str, str] | None:
    cohort_type, user_type = item["cohorttype"], item["usertype"]
    if cohort_type["type"] not in {"id", "idnumber"}:
        return _warning("1", f"invalid parameter: cohorttype={cohort_type['type']}")
    if user_type["type"] not in {"id", "username"}:
        return _warning("1", f"invalid parameter: usertype={user_type['type']}")
    cohort = _cohort(call, **cohort_type)
    if cohort is None:
        return _warning("2", f"cohort {cohort_type['type']}={cohort_type['value']} not exists")
    user_id = _user_id(call, **user_type)
    if user_id is None:
        return _warning("2", f"user {user_type['type']}={user_type['value']} not exists")
    if user_id in cohort.members:
        return _warning("3", f"record already exists: cohort(id={cohort.id} id={user_id})")
    _join(call, cohort, user_id)
    return None


def _join(call: Call, cohort: Cohort, user_id: int) -> None:
    cohort.members.append(user_id)
    for course in call.site.courses.values():
        if cohort.id in course.cohort_ids:
            call.site.write_enrolment(user_id, course.id, role="student", method="cohort")


def _cohort(call: Call, *, type: str, value: str) -> Cohort | None:  # noqa: A002 - Moodle's word
    for cohort in call.site.cohorts.values():
        if (str(cohort.id) if type == "id" else cohort.idnumber) == value:
            return cohort
    return None


def _user_id(call: Call, *, type: str, value: str) -> int | None:  # noqa: A002 - Moodle's word
    for account in call.site.users.values():
        if not account.deleted and (str(account.id) if type == "id" else account.username) == value:
            return account.id
    return None


def _warning(code: str, message: str) -> dict[str, str]:
    return {"warningcode": code, "message": message}


def _render_group(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "courseid": group.course_id,
        "name": group.name,
        "description": group.description,
        "descriptionformat": 1,
        "enrolmentkey": None,
        "idnumber": group.idnumber,
        "visibility": 0,
        "participation": True,
    }


def _render_cohort(cohort: Cohort) -> dict[str, Any]:
    return {
        "id": cohort.id,
        "name": cohort.name,
        "idnumber": cohort.idnumber,
        "description": cohort.description,
        "descriptionformat": 1,
        "visible": True,
        "theme": "",
        "customfields": [],
    }


_TYPED = {"type": Param(word), "value": Param(raw)}

FUNCTIONS = {
    "core_group_get_course_groups": Function(params={"courseid": Param(integer)}, run=get_course_groups),
    "core_group_add_group_members": Function(
        params={"members": Param(Many(of={"groupid": Param(integer), "userid": Param(integer)}))},
        run=add_group_members,
    ),
    "core_cohort_add_cohort_members": Function(
        params={"members": Param(Many(of={"cohorttype": Param(_TYPED), "usertype": Param(_TYPED)}))},
        run=add_cohort_members,
    ),
    "core_cohort_get_cohorts": Function(params={"cohortids": Param(Many(of=integer), ())}, run=get_cohorts),
}
