"""Which values are the same to a shop's buyers."""

import pytest

from wcsync.course import Image, Term
from wcsync.mappers.courses.canonical import Form, canonical, canonical_options, digest, key_of, plain


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("Curso & \"ñ\" <3 ' \\ x", "Curso &amp; \"ñ\" &lt;3 &#039;  x"),
        ("C:\\temp\\n", "C:tempn"),
        ("1 < 2 & 3 &amp; 🎓", "1 &lt; 2 &amp; 3 &amp; 🎓"),
        ("<p>á & b</p>\n<p>2</p>", "<p>á &amp; b</p>\n<p>2</p>"),
        ("<a href='x?a=1&b=2'>l</a>", '<a href="x?a=1&#038;b=2">l</a>'),
        ("<img src=x>", '<img src="x" />'),
        ("[gallery ids=\"1\"]", "[gallery ids=\"1\"]"),
    ],
    ids=["name", "backslashes", "signs", "paragraphs", "link", "image", "shortcode"],
)  # fmt: skip
def test_what_the_shop_makes_of_a_text_is_the_same(sent: str, stored: str) -> None:
    assert canonical(sent) == canonical(stored)


@pytest.mark.parametrize(
    ("ours", "saved"),
    [
        ("<p>Uno</p>\n<p>Dos</p>", "Uno\n\nDos"),
        ("<p>Uno<br />Dos</p>", "Uno\nDos"),
        (
            "<h3>Uno</h3>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>",
            "<h3>Uno</h3>\n<ul>\n \t<li>a</li>\n \t<li>b</li>\n</ul>",
        ),
        ("<p><b>Uno</b> <i>dos</i></p>", "<strong>Uno</strong> <em>dos</em>"),
        ("<p>Uno&nbsp;dos</p>", "Uno\u00a0dos"),
        ("<p>Uno</p>\r\n<p>Dos</p>", "<p>Uno</p><p>Dos</p>"),
    ],
    ids=["paragraphs", "break", "list", "bold", "blank", "line ends"],
)
def test_what_the_editor_makes_of_a_text_by_saving_it_is_the_same(ours: str, saved: str) -> None:
    assert canonical(ours) == canonical(saved)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>Uno</p><p>Dos</p>", "<p>Uno Dos</p>"),
        ("Uno<br>Dos", "Uno Dos"),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("&amp;lt;", "&lt;"),
        ("<!-- a -->x", "<!-- b -->x"),
        ('<a href="a">x</a>', '<a href="b">x</a>'),
        ('<p class="a">x</p>', "<p>x</p>"),
        ("<ul><li>a</li></ul>", "<ol><li>a</li></ol>"),
        ("Curso", "curso"),
    ],
)  # fmt: skip
def test_what_buyers_see_in_another_way_is_not_the_same(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("text", ["", "  \n", "<p></p>", "<p>&nbsp;</p>\n", "<br />", "\\", "<p>\n<br></p>"])
def test_a_text_without_anything_to_see_is_empty(text: str) -> None:
    assert Form.of_markup(text).empty


@pytest.mark.parametrize("text", ["0", "[x]", '<img src="a">', "<!--more-->", "<hr>"])
def test_a_text_with_something_to_see_is_not(text: str) -> None:
    assert not Form.of_markup(text).empty


def test_options_are_as_the_shop_divides_them() -> None:
    assert canonical_options(["R &amp; D", " a | b ", "", "x  y"]) == ("R & D", "a", "b", "x y")
    assert Form.of_options(["a", "b"]).canonical != Form.of_options(["b", "a"]).canonical
    assert Form.of_options([]).empty


def test_names_are_the_same_whatever_their_letters_and_entities() -> None:
    assert key_of("R &amp; D ") == key_of("r & d")
    assert plain("L&#039;été") == "L'été"


def test_terms_are_the_same_in_any_order() -> None:
    one, other = Term(name="SQL", term_id=1), Term(name="R & D", term_id=2)
    assert Form.of_terms([one, other]).exact == Form.of_terms([Term(name="r &amp; d"), one]).exact


def test_an_image_is_its_number_and_its_content_is_told_by_its_name() -> None:
    named = Form.of_image(Image(image_id=7, name="wcsync-aaaa"))
    assert named.canonical == Form.of_title("wcsync-aaaa").canonical
    assert named.exact == Form.of_image(Image(image_id=7, name="other")).exact
    assert named.exact != Form.of_image(Image(image_id=8, name="wcsync-aaaa")).exact
    assert Form.of_image(None).empty


def test_meta_is_compared_letter_by_letter() -> None:
    assert Form.of_meta("C:\\x").canonical != Form.of_meta("C:x").canonical
    assert Form.of_meta(None) == Form.of_meta("")


def test_a_digest_is_short_and_never_empty() -> None:
    assert len(digest("")) == len(digest("\ud800")) == 16
