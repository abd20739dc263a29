"""How two values of a field are shown to people."""

import json

import pytest

from wcsync.mappers.courses.diffing import AROUND, LONGEST, Piece, Sign, as_json, diff, readable


def told(before: str, after: str) -> list[str]:
    return ["".join(f"[{piece.sign.value}{piece.text}]" for piece in line) for line in diff(before, after)]


@pytest.mark.parametrize("text", ["", "Curso", "<p>a</p>\n<p>b</p>"])
def test_what_is_the_same_shows_nothing(text: str) -> None:
    assert diff(text, text) == ()


def test_html_is_read_as_lines_of_plain_text() -> None:
    markup = "<h3>Temas</h3>\n<ul>\n<li>Uno &amp; dos</li><li><b>Tres</b></li></ul><p>a<br />b</p><!-- c -->"
    assert readable(markup) == ("Temas", "• Uno & dos", "• Tres", "a", "b")


def test_a_picture_is_read_by_what_it_shows() -> None:
    assert readable('<p><img src="x.png" alt="Un gato"> <img src="y.png"></p>') == (
        "[image Un gato] [image]",
    )


def test_a_changed_word_is_shown_within_its_line() -> None:
    assert told("<p>Python for all people</p>", "<p>Python for most people</p>") == [
        "[=Python for ][-all][+most][= people]"
    ]


def test_a_line_that_is_new_or_gone_is_shown_alone() -> None:
    before = "<ul><li>Uno</li><li>Dos</li></ul>"
    assert told(before, "<ul><li>Uno</li><li>Dos</li><li>Tres</li></ul>") == ["[+• Tres]"]
    assert told(before, "<ul><li>Dos</li></ul>") == ["[-• Uno]"]


def test_lines_that_have_little_in_common_are_shown_one_after_the_other() -> None:
    assert told("<p>Grapes and melons</p>", "<p>Python</p>") == ["[-Grapes and melons]", "[+Python]"]


def test_an_empty_value_says_so() -> None:
    assert told("", "<p>Hola</p>") == ["[-(empty)]", "[+Hola]"]
    assert told("<p>Hola</p>", "") == ["[-Hola]", "[+(empty)]"]


def test_texts_that_read_the_same_are_compared_by_their_markup() -> None:
    shown = told("<p>Hola <b>Ana</b></p>", "<p>Hola Ana</p>")
    assert shown
    assert "b" in "".join(shown)


def test_a_long_text_is_shortened_around_the_change() -> None:
    long = " ".join(f"word{n}" for n in range(200))
    [line] = diff(f"{long} old {long}", f"{long} new {long}")
    assert [piece.sign for piece in line] == [Sign.KEPT, Sign.GONE, Sign.NEW, Sign.KEPT]
    assert len(line[0].text) == len(line[3].text) == AROUND + 1
    assert line[0].text.startswith("…")
    assert line[3].text.endswith("…")


def test_a_long_addition_is_cut_and_says_how_much_there_is() -> None:
    [gone, new] = diff("", "x" * (LONGEST + 7))
    assert gone == (Piece(sign=Sign.GONE, text="(empty)"),)
    assert new[0].text.endswith("… (7 more letters)")


def test_a_diff_can_be_told_as_json() -> None:
    assert json.loads(json.dumps(as_json(diff("a b c d", "a b c e")))) == [
        [{"sign": "=", "text": "a b c "}, {"sign": "-", "text": "d"}, {"sign": "+", "text": "e"}]
    ]


def test_of_two_paragraphs_and_one_each_is_shown() -> None:
    assert told("<p>uno dos tres</p>", "<p>uno dos cuatro</p><p>zzz</p>") == [
        "[=uno dos ][-tres][+cuatro]",
        "[+zzz]",
    ]
    assert told("<p>uno dos cuatro</p><p>zzz</p>", "<p>uno dos tres</p>")[-1] == "[-zzz]"


def test_a_line_of_very_many_words_is_shown_as_a_whole() -> None:
    long = "a " * 5000
    assert [line[0].sign for line in diff(f"{long}b", f"{long}c")] == [Sign.GONE, Sign.NEW]
