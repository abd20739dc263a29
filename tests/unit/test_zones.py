"""A shop's clock: what it shows, and when."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wcsync.sale import Access
from wcsync.zones import day_of, instant_at, parse_zone

ZONES = ["", "+05:30", "-08:00", "Europe/Madrid", "America/Los_Angeles", "Asia/Kolkata", "Africa/Cairo"]


def wall(text: str) -> datetime:
    """What a clock shows."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        pytest.param("", wall("2027-07-01T00:00"), datetime(2027, 7, 1, tzinfo=UTC), id="no zone is UTC"),
        pytest.param(
            "+05:30", wall("2027-07-01T00:00"), datetime(2027, 6, 30, 18, 30, tzinfo=UTC), id="an offset"
        ),
        pytest.param(
            "-08:00", wall("2027-07-01T00:00"), datetime(2027, 7, 1, 8, tzinfo=UTC), id="an offset behind"
        ),
        pytest.param(
            "Europe/Madrid", wall("2027-07-01T00:00"), datetime(2027, 6, 30, 22, tzinfo=UTC), id="summer time"
        ),
        pytest.param(
            "Europe/Madrid",
            wall("2026-03-29T02:30"),
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            id="a time that is skipped",
        ),
        pytest.param(
            "Africa/Cairo",
            wall("2026-04-24T00:00"),
            datetime(2026, 4, 23, 22, tzinfo=UTC),
            id="a midnight that is skipped",
        ),
        pytest.param(
            "Europe/Madrid",
            wall("2026-10-25T02:30"),
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
            id="a time that comes twice",
        ),
        pytest.param(
            "Mars/Olympus",
            wall("2027-07-01T00:00"),
            datetime(2027, 7, 1, tzinfo=UTC),
            id="a zone nobody knows",
        ),
        pytest.param(
            "+99:00", wall("2027-07-01T00:00"), datetime(2027, 7, 1, tzinfo=UTC), id="no offset at all"
        ),
    ],
)
def test_what_a_clock_shows_is_an_instant(zone: str, local: datetime, instant: datetime) -> None:
    assert instant_at(local, parse_zone(zone)) == instant


@settings(max_examples=200)
@given(
    st.sampled_from(ZONES),
    st.datetimes(min_value=wall("2000-01-01T00:00"), max_value=wall("2100-01-01T00:00")),
)
def test_the_instant_is_the_first_at_which_the_clock_is_there_or_beyond(zone: str, local: datetime) -> None:
    place = parse_zone(zone)
    shown = instant_at(local, place).astimezone(place).replace(tzinfo=None)
    assert local <= shown < local + timedelta(hours=2)
    if shown != local:
        just_before = (instant_at(local, place) - timedelta(seconds=1)).astimezone(place)
        assert just_before.replace(tzinfo=None) < local


def test_terms_are_placed_in_the_zone_of_the_shop() -> None:
    local = Access(until=wall("2027-07-01T00:00"))
    assert local.placed("Asia/Kolkata") == Access(
        until=datetime(2027, 6, 30, 18, 30, tzinfo=UTC), zone="Asia/Kolkata"
    )
    assert Access(days=30).placed("+05:30") == Access(days=30, zone="+05:30")


def test_an_instant_that_names_its_zone_is_the_same_in_every_shop() -> None:
    named = Access(until=datetime(2027, 7, 1, tzinfo=timezone(timedelta(hours=2))))
    assert named.placed("America/Los_Angeles").until == datetime(2027, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "instant", "began", "next_day"),
    [
        pytest.param("", "2026-11-21T12:00+00:00", "2026-11-21T00:00", "2026-11-22T00:00", id="utc"),
        pytest.param("+05:30", "2026-11-21T18:29+00:00", "2026-11-20T18:30", "2026-11-21T18:30", id="offset"),
        pytest.param(
            "Europe/Madrid", "2026-03-29T12:00+00:00", "2026-03-28T23:00", "2026-03-29T22:00", id="short day"
        ),
        pytest.param(
            "Europe/Madrid", "2026-10-25T12:00+00:00", "2026-10-24T22:00", "2026-10-25T23:00", id="long day"
        ),
        pytest.param(
            "America/Santiago",
            "2026-09-06T12:00+00:00",
            "2026-09-06T04:00",
            "2026-09-07T03:00",
            id="no midnight",
        ),
        pytest.param(
            "America/Havana",
            "2026-11-01T04:30+00:00",
            "2026-11-01T04:00",
            "2026-11-02T05:00",
            id="two midnights",
        ),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight(zone: str, instant: str, began: str, next_day: str) -> None:
    found = day_of(datetime.fromisoformat(instant), parse_zone(zone))
    assert [one.isoformat(timespec="minutes") for one in found] == [f"{began}+00:00", f"{next_day}+00:00"]
