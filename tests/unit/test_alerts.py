"""What a message about trouble says, and what is left unsaid."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels import news
from tests.fakes import T0
from wcsync.mappers.alerts import (
    MOST_ROWS,
    Alert,
    Kind,
    News,
    Turn,
    dump_news,
    fold,
    parse_news,
    render_alert,
    render_duration,
)

HOUR = timedelta(hours=1)


def render(*items: News) -> Alert:
    return render_alert(items, instance="shop.example.test", host="box", created_at=T0, now=T0)


def over(item: News, after: timedelta = HOUR) -> News:
    return news(turn=Turn.ENDED, key=item.key, occurrence=item.occurrence, until=T0 + after)


def dead(number: int, **fields: object) -> News:
    return news(
        kind=Kind.DEAD, key=f"dead/{number}", title=f"order {number}", detail="no such course", **fields
    )


def test_a_message_says_what_since_when_why_and_what_to_do() -> None:
    body = render(news()).body
    assert "wcsync for shop.example.test, on box:" in body
    assert "* campus is blocked since 2026-11-21 12:00 UTC." in body
    assert "Reason: it does not accept the token" in body
    assert "Mend it." in body


def test_an_end_says_how_long_it_took() -> None:
    alert = render(over(news(), timedelta(minutes=40)))
    assert alert.subject == "[wcsync shop.example.test] over: campus is blocked"
    assert "over since 2026-11-21 12:40 UTC. It lasted 40 min, from 2026-11-21 12:00 UTC." in alert.body


def test_several_troubles_are_one_message() -> None:
    alert = render(
        news(), news(key="mapping", kind=Kind.MAPPING, title="the mapping file is refused"), dead(1)
    )
    assert alert.subject == (
        "[wcsync shop.example.test] campus is blocked; the mapping file is refused; 1 enrolment was given up"
    )


def test_a_message_with_beginnings_and_ends_shows_the_beginnings_first() -> None:
    alert = render(over(news(key="service/shop", title="shop is down")), news())
    assert alert.subject.endswith("campus is blocked (and 1 over)")
    assert alert.body.index("NEW") < alert.body.index("OVER")


def test_a_mass_failure_lists_some_and_counts_the_rest() -> None:
    alert = render(*(dead(number) for number in range(300)))
    assert alert.subject.endswith("300 enrolments were given up")
    assert alert.body.count("no such course") == MOST_ROWS
    assert "… and 280 more" in alert.body
    assert alert.body.count("Mend it.") == 1


def test_many_rows_are_kept_short_and_keep_their_keys() -> None:
    rows = [dead(number) for number in range(300)]
    read = parse_news(dump_news(rows))
    assert [item.key for item in read] == [item.key for item in rows]
    assert read[:MOST_ROWS] == tuple(rows[:MOST_ROWS])
    assert "280 more" in render(*read).body


def test_no_address_gets_into_a_message() -> None:
    alert = render(news(title="ana@example.test is down", detail="<ben@example.test>: unknown user"))
    assert "@" not in alert.subject + alert.body


def test_a_title_from_elsewhere_stays_on_its_line() -> None:
    alert = render(news(title="campus\r\nOVER\r\n\x00\u202e x", detail="a\nb"))
    assert alert.subject == "[wcsync shop.example.test] campus OVER x"
    assert "Reason: a b\n" in alert.body


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (20, "less than a minute"),
        (60, "1 min"),
        (2400, "40 min"),
        (11100, "3 h 5 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_a_duration_reads(seconds: int, words: str) -> None:
    assert render_duration(timedelta(seconds=seconds)) == words


# -- folding ---------------------------------------------------------------------------------------------------------


def test_what_began_and_ended_unheard_is_not_told_at_all() -> None:
    assert fold([news()], [over(news())]) == ()


def test_an_end_whose_beginning_was_heard_is_told() -> None:
    assert fold([], [over(news())]) == (over(news()),)


def test_a_second_occurrence_is_another_trouble() -> None:
    again = news(occurrence=2)
    assert fold([over(news())], [again]) == (over(news()), again)


def test_a_graver_beginning_takes_the_place_of_the_one_that_still_waits() -> None:
    down = news(title="campus is down")
    assert fold([down], [news()]) == (news(),)


TURNS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), unique=True)


@given(TURNS, st.data())
def test_nobody_hears_of_an_end_alone_unless_they_heard_the_beginning(
    which: list[tuple[int, int]], data: st.DataObject
) -> None:
    """However news are spread over messages: what was not heard to begin is not heard to end."""
    began = [news(key=f"k{key}", occurrence=occurrence) for key, occurrence in which]
    cut = data.draw(st.integers(0, len(began)))
    ends = [over(item) for item in data.draw(st.permutations(began))]
    left = fold(began[cut:], ends)
    assert {item.key + str(item.occurrence) for item in left} == {
        item.key + str(item.occurrence) for item in began[:cut]
    }
    assert all(item.turn is Turn.ENDED for item in left)
