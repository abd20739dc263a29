"""What each LMS says of its courses beside their names, as people choose among them."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.openapi import WatchedThreeSixty
from wcsync.credentials import Secret
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.lms.threesixty import ThreeSixty, ThreeSixtySettings
from wcsync.model import Offer
from wcsync.sandbox.moodle import SandboxMoodle


@pytest.fixture
def campus() -> Iterator[SandboxMoodle]:
    with SandboxMoodle() as moodle:
        yield moodle


@pytest.fixture
def company() -> Iterator[WatchedThreeSixty]:
    with WatchedThreeSixty() as there:
        yield there
        assert there.faults_seen == []


def courses(moodle: SandboxMoodle) -> dict[str, Offer]:
    settings = MoodleSettings(name="campus", url=moodle.url, token=Secret("sandboxtoken"))
    with closing(Moodle(settings)) as lms:
        return {offer.title: offer for offer in lms.fetch_offers()}


def groups_and_paths(company: WatchedThreeSixty) -> dict[tuple[str, str], Offer]:
    settings = ThreeSixtySettings(
        name="academy",
        url=company.url,
        client_id=Secret("sandboxid"),
        client_secret=Secret("sandboxsecret"),
    )
    with closing(ThreeSixty(settings)) as lms:
        return {(offer.key, offer.title): offer for offer in lms.fetch_offers()}


def test_moodle_tells_short_names_and_what_speaks_against_a_course(campus: SandboxMoodle) -> None:
    campus.add_course("Open", "PY-101")
    campus.add_course("Hidden", visible=False)
    campus.add_course("Closed", manual=False)
    offers = courses(campus)
    assert offers["Open"].codes == ("PY-101",)
    assert {title: offer.concern for title, offer in offers.items()} == {
        "Open": "",
        "Hidden": "it is hidden",
        "Closed": "manual enrolment is off in it",
    }


def test_moodles_own_site_is_no_course(campus: SandboxMoodle) -> None:
    assert courses(campus) == {}


def test_360learning_tells_groups_and_paths_and_what_speaks_against_a_group(
    company: WatchedThreeSixty,
) -> None:
    group_id = company.add_group("Excel")
    path_id, _ = company.add_path("Excel avanzado", group_id)
    offers = groups_and_paths(company)
    assert offers["group", "Excel"].value == group_id
    assert offers["path", "Excel avanzado"].value == path_id
    concerns = {offer.concern for (key, _), offer in offers.items() if key == "group"}
    assert "it is the root group, which everybody is in" in concerns


def test_without_the_right_to_read_paths_the_groups_are_listed_all_the_same(
    company: WatchedThreeSixty,
) -> None:
    group_id = company.add_group("Excel")
    company.add_path("Excel avanzado", group_id)
    for credentials in company.credentials.values():
        credentials.scopes.discard("paths:read")
    assert {key for key, _ in groups_and_paths(company)} == {"group"}
