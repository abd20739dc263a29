"""Ledger, worker and the real Moodle adapter against the sandbox: access that ends and comes back, as time is moved."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes import CAMPUS, T0, make_order
from tests.spine import Spine
from wcsync.credentials import Secret
from wcsync.lms.base import Budget
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.model import Desired, Person
from wcsync.sale import Cause
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.times import render_instant

ANA = ("ana@example.test", 42)
NEXT_MONTH, NEXT_YEAR = T0 + timedelta(days=30), T0 + timedelta(days=365)


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def site(spine: Spine) -> Iterator[SandboxMoodle]:
    with SandboxMoodle(clock=spine.clock) as site:
        site.add_course("Python", course_id=42)
        settings = MoodleSettings(name="campus", url=site.url, token=Secret("sandboxtoken"), timeout_s=5.0)
        with closing(Moodle(settings)) as moodle:
            spine.worker = replace(spine.worker, lms=moodle)
            yield site


def wish(spine: Spine, desired: str, cause: Cause | None = None, until: object = None) -> None:
    spine.execute(
        "UPDATE enrolments SET desired = ?, cause = ?, until = iif(? = 'out', until, ?), revision = revision + 1, "
        "state = 'due', next_attempt_at = ?",
        desired,
        cause or "",
        desired,
        until,
        render_instant(spine.clock()),
    )


def test_a_subscription_that_lapses_and_is_renewed_keeps_its_enrolment(
    spine: Spine, site: SandboxMoodle
) -> None:
    spine.record(make_order())
    spine.work()
    (enrolment,) = site.enrolments
    wish(spine, "out", Cause.SUBSCRIPTION)
    spine.work()
    assert site.active_enrolments() == set()
    wish(spine, "in")
    spine.work()
    assert site.active_enrolments() == {ANA}
    assert (site.enrolments, site.former_enrolments) == ([enrolment], [])


def test_an_end_comes_by_itself_and_a_later_sale_begins_anew(spine: Spine, site: SandboxMoodle) -> None:
    spine.record(make_order())
    wish(spine, "in", until=render_instant(NEXT_MONTH))
    spine.work()
    spine.clock.now = NEXT_MONTH - timedelta(seconds=1)
    assert site.active_enrolments() == {ANA}
    spine.clock.now = NEXT_MONTH
    assert site.active_enrolments() == set()
    asked = len(site.requests)
    wish(spine, "out", Cause.EXPIRED)
    spine.work()
    assert (spine.row()["outcome"], spine.row()["dormant"]) == ("expired", 1)
    assert len(site.requests) == asked
    wish(spine, "in", until=render_instant(NEXT_YEAR))
    spine.work()
    assert site.active_enrolments() == {ANA}
    assert site.enrolments[0].timeend == int(NEXT_YEAR.timestamp())


def test_a_longer_sale_moves_the_end_and_a_shorter_one_waits_for_it(
    spine: Spine, site: SandboxMoodle
) -> None:
    spine.record(make_order())
    for until in (NEXT_MONTH, NEXT_YEAR, NEXT_MONTH):
        wish(spine, "in", until=render_instant(until))
        spine.work()
    assert site.enrolments[0].timeend == int(NEXT_YEAR.timestamp())
    spine.clock.now = NEXT_MONTH
    wish(spine, "out", Cause.EXPIRED)
    spine.work()
    assert (spine.row()["outcome"], site.active_enrolments()) == ("suspended", set())


def test_a_learner_for_whom_there_is_no_room_gets_in_the_next_day(spine: Spine, site: SandboxMoodle) -> None:
    spine.worker = replace(spine.worker, budget=Budget(per_day=1))
    spine.record(make_order(1), make_order(2, email="bea@example.test"))
    spine.work()
    assert len(site.active_enrolments()) == 1
    spine.tick(86400)
    spine.work()
    assert site.active_enrolments() == {ANA, ("bea@example.test", 42)}


def test_whose_account_got_the_new_address_too_keeps_the_enrolment(spine: Spine, site: SandboxMoodle) -> None:
    """Staff mended the address over there as well: old and new are one account, and several workers are at it."""
    spine.record(make_order(email="anna@example.test"))
    spine.work()
    before = list(site.enrolments)
    next(user for user in site.users.values() if user.email == "anna@example.test").email = ANA[0]
    spine.ledger.desk.relink("anna@example.test", Person(email=ANA[0]), spine.plan, spine.clock())
    arriving = spine.ledger.claim(CAMPUS, spine.clock())
    assert arriving is not None
    assert arriving.desired is Desired.IN
    assert spine.ledger.claim(CAMPUS, spine.clock()) is None
    spine.tick(60)
    spine.ledger.recover(spine.clock(), spine.clock())
    spine.settle()
    assert site.active_enrolments() == {ANA}
    assert site.enrolments == before
    assert [row["ours"] for row in spine.rows("SELECT ours FROM enrolments ORDER BY desired")] == [1, 0]
