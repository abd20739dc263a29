"""The courses of a Moodle site, for people to choose from and to sell."""

import html

from wcsync.course import Sellable
from wcsync.lms.moodle.course_wire import parse_name
from wcsync.lms.moodle.courses import SITE_ITSELF
from wcsync.lms.moodle.rest import Course, CourseList, Rest
from wcsync.model import CourseId, LmsName, Offer, Target


def fetch_offers(rest: Rest, lms: LmsName) -> list[Offer]:
    """Every course but the site itself. Without moodle/course:update their idnumber is not told."""
    return [_offer(course, lms) for course in _fetch_all(rest)]


def fetch_sellables(rest: Rest, lms: LmsName) -> list[Sellable]:
    """Every course but the site itself."""
    return [
        Sellable(
            target=Target(lms=lms, course_id=CourseId(str(course.id))),
            title=parse_name(course.fullname),
            code=parse_name(course.shortname),
            concern=_concern(course),
        )
        for course in _fetch_all(rest)
    ]


def _fetch_all(rest: Rest) -> list[Course]:
    told = rest.read("core_course_get_courses_by_field", [], CourseList)
    return [course for course in told.courses if str(course.id) != SITE_ITSELF]


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
