"""The functions about what is in a course: sections with their modules, and competencies."""

from typing import Any

from wcsync.sandbox.moodle_call import Call, Function
from wcsync.sandbox.moodle_courses import format_name
from wcsync.sandbox.moodle_errors import NotKnown, missing_record, moodle_error
from wcsync.sandbox.moodle_params import Many, Param, integer, raw, word
from wcsync.sandbox.moodle_records import (
    KINDS,
    MODULE_RIGHTS,
    SITE_COURSE_ID,
    Activity,
    Competency,
    Course,
    Section,
)

OPTIONS = frozenset({"excludemodules", "excludecontents"})
OPTIONS_ELSEWHERE = frozenset(
    {"includestealthmodules", "sectionid", "sectionnumber", "cmid", "modname", "modid"}
)
"""Options a real site takes and the sandbox does not."""

WITH_CONTENTS = frozenset({"page", "resource", "url"})


def get_contents(call: Call) -> list[dict[str, Any]]:
    """Hidden sections and modules are shown to who may see them. A kind of module that one has no right to view is
    left out without a word.
    """
    options = {option["name"]: option["value"] for option in call.params["options"]}
    for name in options:
        if name in OPTIONS_ELSEWHERE:
            raise NotKnown(f"the option {name} was not recorded")
        if name not in OPTIONS:
            raise moodle_error("errorinvalidparam", f'The param "{name}" is invalid.')
    course = _course(call, call.params["courseid"])
    call.enter_course_or_say_which(course)
    if course.id == SITE_COURSE_ID:
        return []
    switched = {name for name, value in options.items() if value not in {"", "0"}}
    sections = course.sections or [Section(id=course.id * 1000, number=0)]
    return [_render_section(call, section, switched) for section in sections]


def list_course_competencies(call: Call) -> list[dict[str, Any]]:
    """What a site says of an unknown course, or to one who may not enter, was not recorded."""
    course = call.site.courses.get(call.params["id"])
    if course is None or not (course.visible or call.may("moodle/course:viewhiddencourses")):
        raise NotKnown("competencies of a course that is not to be seen were not recorded")
    return [
        {
            "competency": _render_competency(course, competency),
            "coursecompetency": _render_link(course, place, competency),
        }
        for place, competency in enumerate(course.competencies)
    ]


def _course(call: Call, course_id: int) -> Course:
    if course_id not in call.site.courses:
        raise missing_record("course")
    return call.site.courses[course_id]


def _render_section(call: Call, section: Section, switched: set[str]) -> dict[str, Any]:
    shown = [
        activity
        for activity in section.activities
        if activity.kind not in MODULE_RIGHTS or call.may(MODULE_RIGHTS[activity.kind])
    ]
    return {
        "id": section.id,
        "name": format_name(call, section.name) or ("New section" if section.number else "General"),
        "visible": int(section.visible),
        "summary": section.summary,
        "summaryformat": 1,
        "section": section.number,
        "hiddenbynumsections": 0,
        "uservisible": True,
        "component": None,
        "itemid": None,
        "modules": []
        if "excludemodules" in switched
        else [_render_activity(call, activity, switched) for activity in shown],
    }


def _render_activity(call: Call, activity: Activity, switched: set[str]) -> dict[str, Any]:
    purpose, plural = KINDS[activity.kind]
    is_label = activity.kind == "label"
    shown = {
        "id": activity.id,
        "name": format_name(call, activity.name),
        "instance": activity.instance,
        "contextid": 29 + activity.id,
        "visible": int(activity.visible),
        "uservisible": True,
        "visibleoncoursepage": int(activity.on_page),
        "modname": activity.kind,
        "purpose": purpose,
        "branded": False,
        "modplural": plural,
        "availability": None,
        "indent": 0,
        "onclick": "",
        "afterlink": None,
        "customdata": '""',
        "noviewlink": is_label,
        "completion": 0,
        "downloadcontent": 1,
        "dates": [],
        "groupmode": 0,
    } | activity.more
    if not is_label:
        shown["url"] = f"{call.base_url}/mod/{activity.kind}/view.php?id={activity.id}"
    if activity.description is not None:
        shown["description"] = activity.description
    if activity.kind in WITH_CONTENTS:
        shown["contents"] = _contents(activity, switched)
    return shown


def _contents(activity: Activity, switched: set[str]) -> list[Any]:
    if "excludecontents" in switched:
        return []
    if "contents" not in activity.more:
        raise NotKnown(f"the sandbox keeps no contents of a {activity.kind}; ask with excludecontents")
    contents: list[Any] = activity.more["contents"]
    return contents


def _render_competency(course: Course, competency: Competency) -> dict[str, Any]:
    return {
        "shortname": competency.shortname,
        "idnumber": competency.idnumber,
        "description": competency.description,
        "descriptionformat": 1,
        "sortorder": competency.id - 1,
        "parentid": 0,
        "path": "/0/",
        "ruleoutcome": 0,
        "ruletype": None,
        "ruleconfig": None,
        "scaleid": None,
        "scaleconfiguration": None,
        "competencyframeworkid": 1,
        "id": competency.id,
        "timecreated": course.timecreated,
        "timemodified": course.timecreated,
        "usermodified": 2,
    }


def _render_link(course: Course, place: int, competency: Competency) -> dict[str, Any]:
    return {
        "courseid": course.id,
        "competencyid": competency.id,
        "sortorder": place,
        "ruleoutcome": 1,
        "id": competency.id,
        "timecreated": course.timecreated,
        "timemodified": course.timecreated,
        "usermodified": 2,
    }


FUNCTIONS = {
    "core_course_get_contents": Function(
        params={
            "courseid": Param(integer),
            "options": Param(Many(of={"name": Param(word), "value": Param(raw)}), ()),
        },
        run=get_contents,
    ),
    "core_competency_list_course_competencies": Function(
        params={"id": Param(integer)}, run=list_course_competencies
    ),
}
