"""The functions about courses."""

import re
from typing import Any

from wcsync.sandbox.moodle_call import Call, Function
from wcsync.sandbox.moodle_errors import crash, invalid_parameter
from wcsync.sandbox.moodle_files import image_url, render_files
from wcsync.sandbox.moodle_params import Many, Param, integer, letters, php_int, raw
from wcsync.sandbox.moodle_records import SITE_COURSE_ID, Course

FILTERS = ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink", "mediaplugin")


def get_courses(call: Call) -> list[dict[str, Any]]:
    """Unknown ids are skipped; one course the service user cannot enter fails the whole call."""
    wanted = call.params["options"].get("ids")
    shown = []
    for course in call.site.courses.values():
        if wanted is None or course.id in wanted:
            call.enter_course_or_say_which(course)
            shown.append(_render_listed(call, course))
    return shown


def get_courses_by_field(call: Call) -> dict[str, Any]:
    """Asks nothing of the service user: hidden courses are just left out for one who may not see them."""
    found = _find(call, call.params["field"], call.params["value"])
    found.sort(key=lambda course: course.id)
    return {
        "courses": [render_course(call, course) for course in found if call.can_see(course)],
        "warnings": [],
    }


def render_course(call: Call, course: Course) -> dict[str, Any]:
    """As much of a course as the service user's rights show."""
    shown = _public(call, course)
    if course.id != SITE_COURSE_ID and not call.may("moodle/course:view"):
        return shown
    shown |= _entered(course)
    if call.may("moodle/course:update"):
        shown |= _managed(course)
    return shown


def render_own_course(call: Call, course: Course, user_id: int) -> dict[str, Any]:
    """A course in a user's own list."""
    enrolled = {row.user_id for row in call.site.enrolments_in(course.id)}
    roles = {
        role for row in call.site.enrolments_in(course.id) if row.user_id == user_id for role in row.roles
    }
    return {
        "id": course.id,
        "shortname": course.shortname,
        "fullname": format_name(call, course.fullname),
        "displayname": format_name(call, course.fullname),
        "enrolledusercount": len(enrolled),
        "idnumber": course.idnumber,
        "visible": int(course.visible),
        "summary": course.summary,
        "summaryformat": course.summaryformat,
        "format": "topics",
        "courseimage": image_url(call, course),
        "showgrades": True,
        "lang": course.lang,
        "enablecompletion": True,
        "completionhascriteria": False,
        "completionusertracked": "student" in roles,
        "category": course.category_id,
        "progress": None,
        "completed": False,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "marker": 0,
        "lastaccess": None,
        "isfavourite": False,
        "hidden": False,
        "overviewfiles": render_files(call, course, "overviewfiles"),
        "showactivitydates": False,
        "showcompletionconditions": True,
        "timemodified": course.timemodified,
    }


def format_name(call: Call, stored: str) -> str:
    """A name made safe for a page: tags stripped and bare ampersands escaped, quotes left alone."""
    if call.raw:
        return stored
    return re.sub(r"<(?!\s)[^>]*(?:>|$)", "", re.sub(r"&(?![a-zA-Z0-9#]{1,8};)", "&amp;", stored))


def _find(call: Call, field: str, value: str) -> list[Course]:
    courses = list(call.site.courses.values())
    match field:
        case "":
            return courses
        case "id":
            return [course for course in courses if course.id == php_int(value)]
        case "ids":
            return _find_all(call, value)
        case "shortname":
            return [course for course in courses if call.site.equal(course.shortname, value)]
        case "idnumber":
            return [course for course in courses if call.site.equal(course.idnumber, value)]
        case "category":
            return [course for course in courses if course.category_id == php_int(value)]
    raise invalid_parameter()


def _find_all(call: Call, value: str) -> list[Course]:
    """A single unknown id brings the whole call down."""
    numbers = {php_int(part) for part in value.split(",")}
    if not numbers <= call.site.courses.keys():
        raise crash('Attempt to assign property "contextvalidated" on null')
    return [call.site.courses[number] for number in numbers]


def _public(call: Call, course: Course) -> dict[str, Any]:
    at_site = course.id == SITE_COURSE_ID
    return {
        "id": course.id,
        "fullname": format_name(call, course.fullname),
        "displayname": format_name(call, course.fullname),
        "shortname": course.shortname,
        "courseimage": image_url(call, course),
        "categoryid": course.category_id,
        "categoryname": "" if at_site else format_name(call, call.site.categories[course.category_id]),
        "sortorder": course.sortorder,
        "summary": course.summary,
        "summaryformat": course.summaryformat,
        "summaryfiles": render_files(call, course, "summary"),
        "overviewfiles": render_files(call, course, "overviewfiles"),
        "showactivitydates": False,
        "showcompletionconditions": None if at_site else True,
        "contacts": [
            {"id": account.id, "fullname": account.fullname} for account in call.site.contacts(course.id)
        ],
        "enrollmentmethods": (["manual"] if course.manual == "enabled" else [])
        + ["cohort" for _ in course.cohort_ids],
        "customfields": _customfields(call, course),
    }


def _entered(course: Course) -> dict[str, Any]:
    at_site = course.id == SITE_COURSE_ID
    shown: dict[str, Any] = {
        "format": "site" if at_site else "topics",
        "showgrades": 1,
        "newsitems": 3 if at_site else 0,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "maxbytes": 0,
        "showreports": 0,
        "visible": int(course.visible),
        "groupmode": 0,
        "groupmodeforce": 0,
        "defaultgroupingid": 0,
        "enablecompletion": 0 if at_site else 1,
        "completionnotify": 0,
        "lang": course.lang,
        "theme": "",
        "marker": 0,
        "filters": [{"filter": name, "localstate": 0, "inheritedstate": 1} for name in FILTERS],
    }
    if not at_site:
        shown["courseformatoptions"] = [
            {"name": "hiddensections", "value": 1},
            {"name": "coursedisplay", "value": 0},
            {"name": "indentation", "value": "1"},
        ]
    return shown


def _managed(course: Course) -> dict[str, Any]:
    return {
        "idnumber": course.idnumber,
        "legacyfiles": 0,
        "calendartype": "",
        "timecreated": course.timecreated,
        "timemodified": course.timemodified,
        "requested": 0,
        "cacherev": course.cacherev,
    }


def _render_listed(call: Call, course: Course) -> dict[str, Any]:
    at_site = course.id == SITE_COURSE_ID
    shown = {
        "id": course.id,
        "shortname": course.shortname,
        "categoryid": course.category_id,
        "fullname": format_name(call, course.fullname),
        "displayname": format_name(call, course.fullname),
        "summary": course.summary,
        "summaryformat": course.summaryformat,
        "format": "site" if at_site else "topics",
        "startdate": course.startdate,
        "enddate": course.enddate,
        "showactivitydates": False,
        "showcompletionconditions": None if at_site else True,
        "customfields": _customfields(call, course),
    }
    return shown | _listed_for_managers(course) if call.may("moodle/course:update") else shown


def _listed_for_managers(course: Course) -> dict[str, Any]:
    at_site = course.id == SITE_COURSE_ID
    options = {"numsections": 1} if at_site else {"hiddensections": 1, "coursedisplay": 0}
    shown = {
        "categorysortorder": course.sortorder,
        "idnumber": course.idnumber,
        "showgrades": 1,
        "newsitems": 3 if at_site else 0,
        "numsections": 1 if at_site else 4,
        "maxbytes": 0,
        "showreports": 0,
        "visible": int(course.visible),
        "groupmode": 0,
        "groupmodeforce": 0,
        "defaultgroupingid": 0,
        "timecreated": course.timecreated,
        "timemodified": course.timemodified,
        "enablecompletion": 0 if at_site else 1,
        "completionnotify": 0,
        "lang": course.lang,
        "forcetheme": "",
        "courseformatoptions": [{"name": name, "value": value} for name, value in options.items()],
    }
    return shown if at_site else shown | {"hiddensections": 1}


def _customfields(call: Call, course: Course) -> list[dict[str, Any]]:
    """Those for teachers only are shown to whoever may update the course; a field that one course has, all have."""
    kept = {field["shortname"]: field for field in course.customfields}
    defined = {
        field["shortname"]: field | {"valueraw": "", "value": None}
        for other in call.site.courses.values()
        for field in other.customfields
    }
    return [
        {name: value for name, value in field.items() if name != "teachers_only"}
        for field in (defined | kept).values()
        if not field.get("teachers_only") or call.may("moodle/course:update")
    ]


FUNCTIONS = {
    "core_course_get_courses": Function(
        params={"options": Param({"ids": Param(Many(of=integer), None)}, {})}, run=get_courses
    ),
    "core_course_get_courses_by_field": Function(
        params={"field": Param(letters, ""), "value": Param(raw, "")}, run=get_courses_by_field
    ),
}
