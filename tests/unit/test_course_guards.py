"""When a run of the mirror is stopped."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from wcsync.mappers.courses.guards import guard_changes, guard_courses
from wcsync.model import CourseId, LmsName

CAMPUS = LmsName("campus")


@dataclass(frozen=True)
class Course:
    gone_since: datetime | None = None


def ids(count: int) -> list[CourseId]:
    return [CourseId(str(number)) for number in range(count)]


def known(count: int, gone: int = 0) -> dict[CourseId, Course]:
    then = datetime(2026, 11, 1, tzinfo=UTC)
    return {one: Course(gone_since=then if place < gone else None) for place, one in enumerate(ids(count))}


@pytest.mark.parametrize(
    ("expected", "seen", "stops"),
    [(0, 0, False), (1, 1, False), (1, 0, True), (2, 1, False), (3, 1, True), (10, 5, False), (10, 4, True)],
)
def test_less_than_half_of_the_courses_known_before_stops(expected: int, seen: int, stops: bool) -> None:
    stop = guard_courses(CAMPUS, ids(expected), ids(seen), known(expected))
    assert (stop is not None) is stops


def test_courses_never_seen_before_make_up_for_none_that_is_missed() -> None:
    new = [CourseId("new 1"), CourseId("new 2")]
    stop = guard_courses(CAMPUS, [*ids(2), *new], new, known(2))
    assert stop is not None
    assert stop.code == "courses_missing"
    assert "campus shows none of the 2 courses" in stop.reason
    assert "wcsync courses push --allow-gone campus" in stop.advice


def test_courses_the_mapping_does_not_mention_any_more_are_not_missed() -> None:
    assert guard_courses(CAMPUS, ids(1), ids(1), known(10)) is None


def test_courses_that_were_gone_already_are_not_missed_again() -> None:
    assert guard_courses(CAMPUS, ids(10), ids(10)[8:], known(10, gone=8)) is None


@pytest.mark.parametrize(
    ("changed", "products", "stops"),
    [(0, 0, False), (9, 9, False), (5, 10, False), (6, 10, True), (50, 1000, False), (51, 1000, True)],
)
def test_too_many_changes_stop(changed: int, products: int, stops: bool) -> None:
    stop = guard_changes(changed, products, 50, 0.5)
    assert (stop is not None) is stops
    if stop:
        assert "--allow-many" in stop.advice
        assert f"{changed} of {products} products" in stop.reason


def test_a_share_of_all_never_stops() -> None:
    assert guard_changes(40, 40, 50, 1.0) is None
