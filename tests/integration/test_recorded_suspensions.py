"""What the adapter sends to suspend, to wake and to tell an account of its owner is what a real Moodle 4.5 took."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wcsync.credentials import Secret
from wcsync.lms.base import Write
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.lms.moodle.profile import COUNTRY, NUMBERS, TEXTS
from wcsync.model import CourseId, Person, Seat
from wcsync.sandbox.moodle import SandboxMoodle

RECORDINGS = Path(__file__).parent.parent / "recordings" / "moodle"
NEXT_YEAR = datetime(2100, 1, 1, tzinfo=UTC)
ANNA = Person(email="anna@example.test", first_name="Anna", last_name="Buyer")
SEAT = Seat(learner=ANNA, course_id=CourseId("42"))
OURS = {"wstoken", "wsfunction", "moodlewsrestformat"}
UNRECORDED = {"institution", "department", "address", "phone1", "phone2"}
"""Known from Moodle's source alone."""

Exchange = dict[str, Any]


class Willing:
    def declare(self, write: Write = Write.ENROLMENT) -> None: ...

    def confirm_absence(self) -> None: ...


@pytest.fixture
def site() -> Iterator[SandboxMoodle]:
    with SandboxMoodle() as site:
        site.add_course("Python", course_id=42)
        yield site


def connect(site: SandboxMoodle, **profile: str) -> Moodle:
    settings = MoodleSettings(name="campus", url=site.url, token=Secret("sandboxtoken"), profile=profile)
    return Moodle(settings)


def recorded(name: str) -> list[Exchange]:
    exchanges: list[Exchange] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return exchanges


def taken(names: str, function: str, beginning: str) -> set[str]:
    """The parameters of calls that a real Moodle answered without a refusal."""
    return {
        parameter
        for path in RECORDINGS.glob(f"{names}.json")
        for exchange in recorded(path.stem)
        if str((exchange.get("response") or {}).get("body", "")).startswith(beginning)
        for form in [(exchange.get("request") or {}).get("form") or []]
        if ["wsfunction", function] in form
        for parameter, _ in form
    }


def sent(site: SandboxMoodle, function: str) -> list[dict[str, str]]:
    forms = [dict(seen.form) for seen in site.requests]
    return [
        {name: value for name, value in form.items() if name not in OURS}
        for form in forms
        if form["wsfunction"] == function
    ]


def test_a_suspension_is_the_call_that_hid_the_course_from_a_learner(site: SandboxMoodle) -> None:
    exchanges = recorded("03_enrol")
    place = next(i for i, one in enumerate(exchanges) if one["note"] == "suspend=1")
    then = dict(exchanges[place]["request"]["form"])
    assert exchanges[place]["response"]["body"] == "null"
    assert exchanges[place + 1]["response"]["body"] == "[]"
    site.enrol(site.add_user(ANNA.email), 42)
    with closing(connect(site)) as moodle:
        moodle.ensure_suspended(SEAT, Willing())
    (now,) = sent(site, "enrol_manual_enrol_users")
    assert now.keys() == then.keys() - OURS
    assert now["enrolments[0][suspend]"] == then["enrolments[0][suspend]"] == "1"


def test_a_waking_is_the_call_that_showed_the_course_again(site: SandboxMoodle) -> None:
    exchanges = recorded("03_enrol")
    place = next(i for i, one in enumerate(exchanges) if one["note"].startswith("re-enrol without suspend"))
    then = dict(exchanges[place]["request"]["form"])
    assert exchanges[place + 1]["response"]["body"].startswith('[{"id":2,')
    site.enrol(site.add_user(ANNA.email), 42, suspended=True)
    with closing(connect(site)) as moodle:
        moodle.ensure_enrolled(replace(SEAT, dormant=True), Willing())
    (now,) = sent(site, "enrol_manual_enrol_users")
    assert now.keys() == then.keys() - OURS


def test_ends_are_sent_as_a_real_moodle_took_them(site: SandboxMoodle) -> None:
    site.enrol(site.add_user(ANNA.email), 42)
    with closing(connect(site)) as moodle:
        moodle.ensure_suspended(replace(SEAT, applied=True, applied_until=NEXT_YEAR), Willing())
        moodle.ensure_enrolled(replace(SEAT, until=NEXT_YEAR, dormant=True), Willing())
    names = {name for call in sent(site, "enrol_manual_enrol_users") for name in call}
    assert names <= taken("03_*", "enrol_manual_enrol_users", "null")
    assert "enrolments[0][timeend]" in names


def test_what_accounts_are_told_is_sent_as_a_real_moodle_took_it(site: SandboxMoodle) -> None:
    profile = dict.fromkeys((*TEXTS, *NUMBERS), "x") | {COUNTRY: "land"}
    profile |= {"customfield:wooid": "x", "customfield:tier": "x"}
    learner = replace(ANNA, fields=(("land", "es"), ("x", "1")))
    with closing(connect(site, **profile)) as moodle:
        moodle.ensure_enrolled(replace(SEAT, learner=learner), Willing())
    (now,) = sent(site, "core_user_create_users")
    known = taken("*", "core_user_create_users", "[")
    assert now.keys() - known == {f"users[0][{name}]" for name in UNRECORDED}
    assert now["users[0][country]"] == "ES"


def test_a_welcome_is_mailed_at_every_enrolment_anew(site: SandboxMoodle) -> None:
    """As recorded of enrolling twice; that suspending mails it too follows from its being the same call."""
    site.courses[42].welcome = "noreply"
    user_id = site.add_user(ANNA.email)
    with closing(connect(site)) as moodle:
        moodle.ensure_enrolled(SEAT, Willing())
        moodle.ensure_suspended(SEAT, Willing())
        moodle.ensure_enrolled(replace(SEAT, dormant=True), Willing())
    assert site.mails[user_id, 42] == 3
