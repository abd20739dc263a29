"""The operations of the 360Learning API about what is taught: paths, courses, classrooms, tags; all of them reads.

https://360learning.readme.io/reference
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from wcsync.sandbox.exchange import Request
from wcsync.sandbox.threesixty_errors import ApiError, not_found
from wcsync.sandbox.threesixty_library import Course, Tag
from wcsync.sandbox.threesixty_records import Answer, Path
from wcsync.sandbox.threesixty_state import Company

CURSOR = "cursor"
Thing = TypeVar("Thing", Path, Course, Tag)


def list_paths(company: Company, request: Request) -> Answer:
    return Answer(rows=[path.as_json() for path in _filtered(company.paths.values(), request)])


def show_path(company: Company, _request: Request, path_id: str) -> Answer:
    check_path(company, path_id)
    return Answer(body=company.paths[path_id].as_json())


def list_tags_of_path(company: Company, _request: Request, path_id: str) -> Answer:
    check_path(company, path_id)
    tags = (company.holdings.tags[tag_id] for tag_id in company.holdings.path_tags.get(path_id, ()))
    return Answer(rows=[{"tagId": tag.id, "source": tag.source} for tag in tags])


def list_tags(company: Company, request: Request) -> Answer:
    return Answer(rows=[tag.as_json() for tag in _filtered(company.holdings.tags.values(), request)])


def list_courses(company: Company, request: Request) -> Answer:
    return Answer(rows=[course.as_json() for course in _filtered(company.holdings.courses.values(), request)])


def show_course(company: Company, _request: Request, course_id: str) -> Answer:
    if course_id not in company.holdings.courses:
        raise not_found("courseNotFound")
    return Answer(body=company.holdings.courses[course_id].as_json())


def show_classroom(company: Company, _request: Request, classroom_id: str) -> Answer:
    if classroom_id not in company.holdings.classrooms:
        raise not_found("classroomNotFound")
    return Answer(body=company.holdings.classrooms[classroom_id].as_json())


def check_path(company: Company, path_id: str) -> None:
    if path_id not in company.paths:
        raise not_found("pathNotFound")


def _filtered(things: Iterable[Thing], request: Request) -> list[Thing]:
    """Those that the query asks for, by status and dates. Other filters are not known here: 501."""
    kept = list(things)
    for name, wanted in request.query:
        if name == CURSOR:
            continue
        named, _, how = name.removesuffix("]").partition("[")
        if (named, how) not in FILTERS or not all(hasattr(one, FILTERS[named, how][0]) for one in kept):
            raise ApiError(501, "notInTheSandbox")
        attribute, fits = FILTERS[named, how]
        kept = [one for one in kept if fits(getattr(one, attribute), wanted)]
    return kept


def _instant(text: str) -> datetime:
    """As documented, the milliseconds of a filter are always 0."""
    return datetime.fromisoformat(text).replace(microsecond=0)


FILTERS: Mapping[tuple[str, str], tuple[str, Callable[[Any, str], bool]]] = {
    ("status", "eq"): ("status", lambda status, wanted: status == wanted),
    ("modifiedAt", "gte"): ("modified_at", lambda at, wanted: at >= _instant(wanted)),
    ("modifiedAt", "lt"): ("modified_at", lambda at, wanted: at < _instant(wanted)),
    ("createdAt", "gte"): ("created_at", lambda at, wanted: at >= _instant(wanted)),
    ("createdAt", "lt"): ("created_at", lambda at, wanted: at < _instant(wanted)),
}
