"""A change of a field, as a person reads it in a terminal."""

from wcsync.cli.course_diff import MOST_LINES, diff_lines


def test_only_the_blocks_that_differ_are_shown_with_what_stands_beside_them() -> None:
    before = "<p>All of it.</p><h3>Skills</h3><ul><li>Python</li><li>Git</li></ul><p>End</p>"
    after = before.replace("<li>Git</li>", "<li>Git</li><li>SQL</li>")
    assert list(diff_lines(before, after)) == [
        "  <li>Python</li>",
        "- <li>Git</li></ul>",
        "+ <li>Git</li>",
        "+ <li>SQL</li></ul>",
        "  <p>End</p>",
    ]


def test_an_empty_field_has_nothing_to_take_away() -> None:
    assert list(diff_lines("", "Course & more")) == ["+ Course & more"]


def test_what_goes_leaves_nothing() -> None:
    assert list(diff_lines("Python, SQL", "")) == ["- Python, SQL"]


def test_long_texts_are_cut_and_it_says_so() -> None:
    told = list(diff_lines("", "".join(f"<p>{number} {'word ' * 100}</p>" for number in range(99))))
    assert len(told) == MOST_LINES + 1
    assert told[-1] == f"  and {99 - MOST_LINES} lines more; --json has all"
    assert all(len(line) < 170 for line in told)
