"""Texts a Moodle site sends around its JSON: pages in times of trouble, and XML for those who asked for none."""

from typing import Any
from xml.sax.saxutils import escape

from wcsync.sandbox.moodle_errors import MoodleError

MAINTENANCE_PAGE = """<!DOCTYPE html>
<html  lang="en" xml:lang="en">
    <head>
        <meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
                <title>The site is undergoing maintenance and is currently not available</title>
    </head>
    <body>
        <div id="page">
            <div id="region-main">
                <h1>The site is undergoing maintenance and is currently not available</h1>
            </div>
        </div>
    </body>
</html>
"""
BAD_GATEWAY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>"
    "\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)
DATAROOT_PAGE = (
    "Fatal error: $CFG->dataroot is not configured properly, directory does not exist or is not accessible!"
)
DATABASE_DOWN = (
    "<p>Error: Database connection failed</p>\n"
    "<p>It is possible that the database is overloaded or otherwise not running properly.</p>\n"
    "<p>The site administrator should also check that the database details have been correctly specified in "
    "config.php</p>"
)
FUNCTIONS_ELSEWHERE = frozenset(
    {
        "auth_email_signup_user",
        "core_cohort_create_cohorts",
        "core_cohort_delete_cohort_members",
        "core_cohort_delete_cohorts",
        "core_cohort_get_cohort_members",
        "core_cohort_search_cohorts",
        "core_competency_read_competency",
        "core_completion_get_activities_completion_status",
        "core_completion_get_course_completion_status",
        "core_course_create_categories",
        "core_course_create_courses",
        "core_course_delete_courses",
        "core_course_duplicate_course",
        "core_course_get_categories",
        "core_course_get_course_module",
        "core_course_search_courses",
        "core_course_update_courses",
        "core_enrol_get_course_enrolment_methods",
        "core_enrol_get_enrolled_users_with_capability",
        "core_enrol_search_users",
        "core_enrol_submit_user_enrolment_form",
        "core_enrol_unenrol_user_enrolment",
        "core_files_upload",
        "core_group_create_groups",
        "core_group_delete_group_members",
        "core_group_delete_groups",
        "core_group_get_group_members",
        "core_message_send_instant_messages",
        "core_role_assign_roles",
        "core_role_unassign_roles",
        "core_tag_get_tags",
        "core_user_add_user_device",
        "core_user_delete_users",
        "core_user_get_course_user_profiles",
        "core_user_get_user_preferences",
        "core_user_set_user_preferences",
        "core_user_update_users",
        "enrol_guest_get_instance_info",
        "enrol_self_enrol_user",
        "gradereport_user_get_grade_items",
        "message_popup_get_popup_notifications",
        "mod_assign_get_assignments",
        "mod_quiz_get_quizzes_by_courses",
        "tool_mobile_get_config",
    }
)
"""Functions a real site has and the sandbox has not: not in its service. Any other name is unknown."""

_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'


def render_xml(value: Any) -> str:
    """An answer as Moodle writes it when `moodlewsrestformat=json` was forgotten."""
    return f"{_HEAD}<RESPONSE>\n{'' if value is None else _element(value)}</RESPONSE>\n"


def render_xml_error(error: MoodleError) -> str:
    code = "" if error.errorcode is None else f"<ERRORCODE>{_text(error.errorcode)}</ERRORCODE>\n"
    message = f"<MESSAGE>{_text(error.message)}</MESSAGE>\n"
    return f'{_HEAD}<EXCEPTION class="{_text(error.exception)}">\n{code}{message}</EXCEPTION>\n'


def _element(value: Any) -> str:
    if isinstance(value, dict):
        keys = "".join(f'<KEY name="{key}">{_element(item)}</KEY>\n' for key, item in value.items())
        return f"<SINGLE>\n{keys}</SINGLE>\n"
    if isinstance(value, list):
        return f"<MULTIPLE>\n{''.join(_element(item) for item in value)}</MULTIPLE>\n"
    if value is None:
        return '<VALUE null="null"/>\n'
    return f"<VALUE>{_text(str(int(value) if isinstance(value, bool) else value))}</VALUE>\n"


def _text(text: str) -> str:
    return escape(text, {'"': "&quot;"})
