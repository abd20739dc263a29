from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import T0
from wcsync.times import parse_http_date, parse_human_instant, parse_instant, render_instant

SOME_DAYS = timedelta(days=2)
INSTANTS = st.datetimes(timezones=st.just(UTC)).filter(
    lambda instant: (
        datetime.min.replace(tzinfo=UTC) + SOME_DAYS < instant < datetime.max.replace(tzinfo=UTC) - SOME_DAYS
    )
)
OFFSETS = st.integers(min_value=-23 * 60, max_value=23 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(INSTANTS, OFFSETS)
def test_what_was_rendered_is_read_back(instant: datetime, zone: timezone) -> None:
    text = render_instant(instant.astimezone(zone))
    assert parse_instant(text) == instant
    assert len(text) == 27


@given(INSTANTS, INSTANTS)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    assert (one < other) == (render_instant(one) < render_instant(other))


def test_an_instant_without_a_zone_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        render_instant(T0.replace(tzinfo=None))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("2026-11-21T12:00:00Z", id="no microseconds"),
        pytest.param("2026-11-21T12:00:00.000000+00:00", id="another zone notation"),
        pytest.param("2026-1-2T3:4:5.6Z", id="not of fixed width"),
        pytest.param("2026-11-21 12:00:00.000000Z", id="a blank in the middle"),
    ],
)
def test_only_the_ledgers_own_text_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|not a ledger"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC), id="bare date"),
        pytest.param(" 2026-01-01 ", datetime(2026, 1, 1, tzinfo=UTC), id="blanks around"),
        pytest.param("2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=UTC), id="Z"),
        pytest.param("2026-01-01T10:00+02:00", datetime(2026, 1, 1, 8, tzinfo=UTC), id="offset"),
    ],
)
def test_people_may_write_an_instant_in_several_ways(text: str, instant: datetime) -> None:
    assert parse_human_instant(text) == instant
    assert parse_human_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-01-01T10:00:00", id="no zone"),
        pytest.param("2026W01T00", id="a time of day without a zone, ten characters long"),
        pytest.param("yesterday", id="a word"),
        pytest.param("", id="nothing"),
        pytest.param("0001-01-01T00:00:00+05:00", id="before the first day there is"),
        pytest.param("9999-12-31T23:59:59-05:00", id="after the last day there is"),
    ],
)
def test_an_instant_that_says_too_little_or_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_human_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Sat, 21 Nov 2026 12:00:00 GMT", id="GMT"),
        pytest.param("Sat, 21 Nov 2026 12:00:00 -0000", id="no zone known"),
        pytest.param("Sat, 21 Nov 2026 13:00:00 +0100", id="offset"),
    ],
)
def test_an_http_date_is_read_as_utc(text: str) -> None:
    assert parse_http_date(text) == datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="absent"),
        pytest.param("", id="empty"),
        pytest.param("120", id="seconds"),
        pytest.param("soon", id="a word"),
        pytest.param("Sat, 41 Nov 2026 12:00:00 GMT", id="no such day"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 -0500", id="after the last day there is"),
    ],
)
def test_an_unreadable_http_date_is_no_date(text: str | None) -> None:
    assert parse_http_date(text) is None


@given(st.text())
def test_no_text_at_all_breaks_the_reading_of_an_http_date(text: str) -> None:
    parsed = parse_http_date(text)
    assert parsed is None or parsed.tzinfo is UTC
