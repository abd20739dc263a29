"""What people are told of the course mirror by `status`."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import CAMPUS, T0
from wcsync.cli.mirror_status import print_mirror
from wcsync.course import CourseState
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.mirror import DONE, FAILED, STOPPED, KnownCourse, Run
from wcsync.ledger.report import Report
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.model import CourseId, ProductId

GOOD = Run(at=T0, outcome=DONE, courses=1, products=4, changed=2, written=1, failed=1, edited=1)
STOP = Run(
    at=T0 + timedelta(hours=1),
    outcome=STOPPED,
    code="too_many_changes",
    reason="90 of 100 products would change",
    advice="`wcsync courses push --allow-all` allows it once.",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.db")
    yield made
    made.close()


def told(ledger: SqliteLedger) -> dict[str, Any]:
    with closing(Report(ledger.path)) as report:
        mirror = report.mirror()
    assert mirror is not None
    return mirror


def shown(ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]) -> str:
    print_mirror(told(ledger))
    return " ".join(capsys.readouterr().out.split())


def mark(product_id: int, standing: Standing, note: str = "") -> Mark:
    return Mark(product_id=ProductId(product_id), field="description", standing=standing, note=note)


def test_a_mirror_that_never_ran_is_not_mentioned(ledger: SqliteLedger) -> None:
    with closing(Report(ledger.path)) as report:
        assert report.mirror() is None


def test_the_last_run_is_told_in_numbers(ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.mirror.record_run(GOOD, full=True)
    assert shown(ledger, capsys) == (
        "Course mirror: compared 1 course and 4 products 2026-11-21T12:00:00 (UTC), 1 product written, 1 NOT WRITTEN"
    )
    assert told(ledger)["last_run"]["written"] == 1
    assert told(ledger)["last_full_at"] == told(ledger)["last_good_at"] == "2026-11-21T12:00:00.000000Z"


def test_a_stop_says_why_and_what_to_do(ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.mirror.record_run(GOOD, full=False)
    ledger.mirror.record_run(STOP, full=False)
    assert shown(ledger, capsys) == (
        "Course mirror: STOPPED by a guard 2026-11-21T13:00:00 (UTC): 90 of 100 products would change "
        "-> `wcsync courses push --allow-all` allows it once. "
        "no run was good since 2026-11-21T13:00:00 (UTC); the last good run was 2026-11-21T12:00:00"
    )


def test_a_failure_after_a_stop_shows_both(ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.mirror.record_run(STOP, full=False)
    failed = replace(STOP, outcome=FAILED, at=T0 + timedelta(hours=2), reason="campus: is down", advice="")
    ledger.mirror.record_run(failed, full=False)
    text = shown(ledger, capsys)
    assert "FAILED 2026-11-21T14:00:00 (UTC): campus: is down" in text
    assert "before that: STOPPED by a guard" in text


def test_fields_that_people_changed_are_counted_and_the_newest_listed(
    ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        edited = mark(1000 + number, Standing.EDITED, "a person changed it")
        ledger.mirror.record_marks([edited], T0 + timedelta(days=number))
    ledger.mirror.record_marks([mark(2000, Standing.FOREIGN), mark(2001, Standing.OURS)], T0)
    ledger.mirror.record_run(GOOD, full=False)
    text = shown(ledger, capsys)
    assert "12 fields left alone, changed by people; 1 field left alone, written before wcsync came" in text
    assert "The newest 10 of 12 such fields" in text
    assert "1011 description edited 2026-12-02T12:00:00 a person changed it" in text
    assert not {"1001", "2000", "2001"} & set(text.split())
    assert told(ledger)["counts"] == {"edited": 12, "foreign": 1, "contested": 0, "failed": 0}
    assert len(told(ledger)["fields"]) == 13


def test_courses_that_are_gone_or_hidden_are_listed(
    ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    course = KnownCourse(
        lms=CAMPUS, course_id=CourseId("42"), name="\x1b[2JPython", state=CourseState.HIDDEN, seen_at=T0
    )
    gone = replace(course, course_id=CourseId("43"), gone_since=T0)
    there = replace(course, course_id=CourseId("44"), state=CourseState.OPEN)
    ledger.mirror.record_courses([course, gone, there], T0)
    text = shown(ledger, capsys)
    assert "campus 42 \N{REPLACEMENT CHARACTER}[2JPython hidden" in text
    assert "gone since 2026-11-21T12:00:00" in text
    assert [row["course_id"] for row in told(ledger)["courses"]] == ["42", "43"]
