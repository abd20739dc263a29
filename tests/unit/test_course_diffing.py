"""How a change of a field is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wcsync.mappers.courses.diffing import LONGEST_LINE, MOST_LINES, diff_lines


def test_a_short_text_is_shown_as_it_was_and_will_be() -> None:
    assert diff_lines("Python", "Python 3") == ["- Python", "+ Python 3"]


def test_what_is_written_into_an_empty_field_stands_beside_empty() -> None:
    assert diff_lines("", "Python") == ["- (empty)", "+ Python"]


def test_html_is_read_as_lines_of_which_only_those_that_differ_are_shown() -> None:
    before = "<p>Learn &amp; grow</p><h3>Modules</h3><ul><li>One</li><li>Two</li></ul>"
    after = "<p>Learn &amp; grow</p><h3>Modules</h3><ul><li>One</li><li>Two</li><li>Three &lt;3</li></ul>"
    assert diff_lines(before, after) == ["+ Three <3"]


def test_a_change_of_markup_alone_shows_the_markup() -> None:
    assert diff_lines("<p>An <b>apple</b></p>", "<p>An <i>apple</i></p>") == [
        "- <b>apple",
        "+ <i>apple",
        "- </b>",
        "+ </i>",
    ]


@pytest.mark.parametrize("place", [0, 500, 990])
def test_a_long_line_is_shown_around_the_change(place: int) -> None:
    before = "x" * 1000
    after = before[:place] + "NEW" + before[place:]
    removed, added = diff_lines(before, after)
    assert "NEW" in added
    assert len(added) <= LONGEST_LINE + 4
    assert removed.startswith("- ")


def test_a_long_list_says_how_much_more_there_is() -> None:
    after = "".join(f"<li>{number}</li>" for number in range(100))
    shown = diff_lines("", after)
    assert len(shown) == MOST_LINES
    assert shown[-1].endswith("lines more")


@given(before=st.text(max_size=300), after=st.text(max_size=300))
def test_any_two_texts_can_be_shown(before: str, after: str) -> None:
    shown = diff_lines(before, after)
    assert bool(shown) is (before != after) or before.split() == after.split()
    assert all("\n" not in line for line in shown)
