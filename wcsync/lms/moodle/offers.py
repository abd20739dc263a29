"""The courses of a Moodle site, for people to choose from."""

import html

from wcsync.lms.moodle.courses import SITE_ITSELF
from wcsync.lms.moodle.rest import Course, CourseList, Rest
from wcsync.model import LmsName, Offer


def fetch_offers(rest: Rest, lms: LmsName) -> list[Offer]:
    """Every course but the site itself. Without moodle/course:update their idnumber is not told."""
    told = rest.read("core_course_get_courses_by_field", [], CourseList)
    return [_offer(course, lms) for course in told.courses if str(course.id) != SITE_ITSELF]


def _offer(course: Course, lms: LmsName) -> Offer:
    codes = (html.unescape(course.shortname), html.unescape(course.idnumber or ""))
    return Offer(
        lms=lms,
        key="course",
        value=str(course.id),
        title=html.unescape(course.fullname),
        codes=tuple(dict.fromkeys(filter(None, codes))),
        concern=_concern(course),
    )


def _concern(course: Course) -> str:
    if not course.takes_manual:
        return "manual enrolment is off in it"
    return "it is hidden" if course.visible == 0 else ""
