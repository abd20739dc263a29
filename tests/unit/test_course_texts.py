"""HTML and plain text of an LMS become what a shop can hold: safe, and exactly as WooCommerce stores it."""

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.woostore import store_html
from wcsync.lms.moodle.course_wire import parse_name
from wcsync.mappers.courses import sanitising
from wcsync.mappers.courses.canonical import canonical
from wcsync.mappers.courses.diffing import diff
from wcsync.mappers.courses.links import host_of, scrub, usable, within_shop
from wcsync.mappers.courses.plain import bare, clean, cut, name_of, stored
from wcsync.mappers.courses.sanitising import MOST_BYTES, finish, first_paragraph, sanitise, text_of

SITE = "https://campus.example/moodle"
RECORDINGS = Path(__file__).parents[1] / "recordings"

HTML = [
    pytest.param("<p>a & b</p><p>c &lt; d</p>", "<p>a &amp; b</p><p>c &lt; d</p>", id="entities"),
    pytest.param("C:\\temp\\n", "C:&#092;temp&#092;n", id="backslash"),
    pytest.param("<p>[gallery ids=1] x</p>", "<p>&#091;gallery ids=1] x</p>", id="shortcode"),
    pytest.param("&#38;#58; &amp;#91;", "&#038;#58; &#038;#91;", id="what looks like an entity"),
    pytest.param("<script>x()</script><style>p{}</style>y", "y", id="script"),
    pytest.param('<p onclick="x()" style="color:red" class="c">y</p>', "<p>y</p>", id="attributes"),
    pytest.param("<iframe src='https://x.example'>z</iframe><video src=a>w</video>y", "y", id="embedded"),
    pytest.param("a\r\n\r\n  b\t c&nbsp;&nbsp;d", "a b c d", id="blanks"),
    pytest.param("a\u2028b\x85c<ol start=x><li>d</ol>", "a b c<ol><li>d</li></ol>", id="odd breaks and numbers"),
    pytest.param(
        "<p>a</p>\n\n<ul>\n<li>b</li>\n</ul>",
        "<p>a</p><ul><li>b</li></ul>",
        id="blanks between blocks",
    ),
    pytest.param("<p>&nbsp;</p><div><p></p></div>y<p><br></p>", "y", id="empty paragraphs"),
    pytest.param("<pre>a\n  [b]</pre>", "<pre>a\n  &#091;b]</pre>", id="what is laid out"),
    pytest.param("<span>a</span><font>b</font>", "ab", id="tags that are no use"),
    pytest.param("a\x00b\x1b\u202ec\u200bd\ud800\ue000e", "abcde", id="control characters"),
    pytest.param(
        "<p>a<p>b<table><tr><td>c",
        "<p>a</p><p>b</p><table><tbody><tr><td>c</td></tr></tbody></table>",
        id="not closed",
    ),
    pytest.param("<!-- a --><b>c</b>", "<b>c</b>", id="comment"),
    pytest.param("", "", id="nothing"),
    pytest.param(" <br> ", "<br>", id="a break"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "safe"), HTML)
def test_html_of_a_course_becomes(said: str, safe: str) -> None:
    assert sanitise(said, [SITE]) == safe


LINKS = [
    pytest.param(
        '<a href="https://docs.example/a?b=1&c=2">x</a>',
        '<a href="https://docs.example/a?b=1&amp;c=2">x</a>',
        id="elsewhere",
    ),
    pytest.param('<a href="mailto:a@b.example">x</a>', '<a href="mailto:a@b.example">x</a>', id="mail"),
    pytest.param('<a href="tel:+34600">x</a>', '<a href="tel:+34600">x</a>', id="phone"),
    pytest.param('<a href="https://campus.example/course/view.php?id=1">x</a>', "x", id="the LMS"),
    pytest.param('<a href="HTTPS://www.Campus.Example.:443/a">x</a>', "x", id="the LMS in other letters"),
    pytest.param('<a href="https://%63ampus.example/a">x</a>', "x", id="the LMS in disguise"),
    pytest.param(
        '<a href="https://r.example/?to=https%253A%252F%252Fcampus.example">x</a>',
        "x",
        id="the LMS behind another",
    ),
    pytest.param('<a href="//docs.example/a">x</a>', "x", id="without scheme"),
    pytest.param('<a href="/course/1">x</a> <a href="#a">y</a>', "x y", id="relative"),
    pytest.param('<a href="java\nscript:alert(1)">x</a><a href="data:text/html,a">y</a>', "xy", id="script"),
    pytest.param('<a href="https://u:p@docs.example">x</a>', "x", id="password"),
    pytest.param('<a href="https://docs.example/?ToKen=1">x</a>', "x", id="token"),
    pytest.param('<a href="https://docs.example/#access_token=1">x</a>', "x", id="token behind #"),
    pytest.param('<a href="https://docs.example/a;jsessionid=1">x</a>', "x", id="session in the path"),
    pytest.param('<a href="https://s3.example/a?X-Amz-Signature=1">x</a>', "x", id="signature"),
    pytest.param('<a href="https://a.example/draftfile.php/1">x</a>', "x", id="draft file"),
    pytest.param('<a href="mailto:?bcc=a@b.example">x</a>', "x", id="mail to nobody"),
    pytest.param("<a name=x>y</a>", "y", id="no link"),
    pytest.param('<img src="https://cdn.example/a b.png">', "", id="picture with a blank"),
    pytest.param(
        '<img src="https://cdn.example/ñ.png?a=[1]" alt="it\'s [x]" onerror=x>',
        '<img src="https://cdn.example/%C3%B1.png?a=%5B1%5D" alt="it’s (x)">',
        id="picture",
    ),
    pytest.param('<img src="@@PLUGINFILE@@/a.png" alt="x">y', "y", id="picture of the LMS"),
    pytest.param('<img src="data:image/png;base64,AA">y', "y", id="picture in the text"),
    pytest.param(
        "<p>see https://campus.example/x?a=1, www.campus.example and https://docs.example</p>",
        "<p>see and https://docs.example</p>",
        id="written out",
    ),
    pytest.param("<p>call ?wstoken=abc&x=1</p>", "<p>call</p>", id="token written out"),
    pytest.param(
        '<a href="https://docs.example/a?b&amp;#58;">y</a>',
        '<a href="https://docs.example/a?b%26#58;">y</a>',
        id="like an entity",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("said", "safe"), LINKS)
def test_links_and_pictures_stay_only_if_they_work_for_anybody(said: str, safe: str) -> None:
    assert sanitise(said, [SITE]) == safe


def test_an_address_that_cannot_be_read_is_none() -> None:
    assert usable("https://[::1", ()) is None
    assert usable("https://a.example:99999/", ()) is None
    assert usable("https://" + "a" * 70 + ".example/", ()) == "https://" + "a" * 70 + ".example/"
    assert usable("https://" + "a" * 3000 + ".example/", ()) is None
    assert host_of("https://[::1") == ""
    assert host_of("https://BÜCHER.example") == host_of("https://www.xn--bcher-kva.example.")
    assert usable("https://a.example/x", ["b.example"]) == "https://a.example/x"


def test_a_template_may_link_within_the_shop() -> None:
    assert within_shop("/contact?a=b#c") == "/contact?a=b#c"
    assert within_shop("//evil.example") is None
    assert within_shop("/a\\b") is None
    assert within_shop("contact") is None


def test_plain_text_loses_the_addresses_of_the_lms() -> None:
    assert scrub("Unit https://campus.example/a 1", ["campus.example"]) == "Unit  1"


def test_a_text_that_is_too_long_ends_behind_a_block_with_a_word_that_there_is_more() -> None:
    safe = sanitise("<p>para & graph</p>" * 20_000, [SITE], "More <in> it.")
    assert len(safe.encode()) <= MOST_BYTES
    assert safe.endswith("graph</p><p>More &lt;in&gt; it.</p>")


def test_a_text_of_one_endless_word_is_cut_as_well() -> None:
    safe = sanitise("x" * 500_000, [SITE], "More.")
    assert len(safe.encode()) <= MOST_BYTES
    assert safe.endswith("<p>More.</p>")


@pytest.mark.parametrize("tag", ["div", "b", "blockquote", "ul><li", "table><tr><td"])
def test_tags_without_end_cost_neither_time_nor_text(tag: str) -> None:
    assert sanitise(f"<{tag}>" * 20_000 + "hello", [SITE]) in {"<p>hello</p>", "hello", "<b>hello</b>"}


@pytest.mark.parametrize(
    "part",
    [
        "<a",
        "<a ",
        "<!",
        "<!--",
        "<![CDATA[",
        "<a href='",
        "<div></b>",
        "<p>x",
        "<br>",
        "&amp;",
        "&#38;",
        "ü",
        "\n ",
    ],
)
def test_no_text_takes_long_to_be_read(part: str) -> None:
    formatting = "<i><b><u><s><em><code><small><strike><strong><tt>" * 15
    text = f"{'<p>' + formatting if part == '<p>x' else 'https://'}{part * (100_000 // len(part))}"
    began = time.process_time()
    for read in (parse_name, bare, name_of, canonical, finish):
        read(text)
    safe = sanitise(text, [SITE])
    assert diff(safe, f"{text}<br>b")
    assert time.process_time() - began < 6


def test_bold_that_is_never_closed_does_not_grow_with_each_paragraph() -> None:
    open_ones = "<b><i><u><s>" * 40
    safe = sanitise(f"<p>{open_ones}" + "<p>a" * 5_000, [SITE])
    assert len(safe) < 100_000
    assert text_of(safe).startswith("aaa")


def test_markup_that_never_settles_becomes_text() -> None:
    def restless(markup: str) -> str:
        if markup.startswith("<p>"):
            return markup
        return f"{markup}x" if markup.endswith("</i>") else "<i>a</i>"

    assert sanitising._settled("<i>a</i>", restless) in {"<p>a</p>", "<p>ax</p>"}


def test_a_text_within_many_blocks_is_cut_to_mere_text() -> None:
    safe = sanitise("<blockquote>" * 190 + "word " * 50_000, [SITE], "More.")
    assert len(safe.encode()) <= MOST_BYTES
    assert safe.startswith("<p>word word")
    assert safe.endswith("…</p><p>More.</p>")


def test_markup_that_is_moved_about_settles() -> None:
    depth = 150
    safe = sanitise("<a href='https://a.example'><table><tr><td>" * depth + "x", [SITE])
    assert sanitise(safe, [SITE]) == safe
    assert text_of(safe) == "x"


def test_what_a_template_made_keeps_classes_and_the_shops_own_shortcodes() -> None:
    link = '<a href="/cart" onclick="y">C:\\x</a>'
    made = f'<div class="box" id="a" style="x" title="it\'s"><b class="{{}}"></b>[form] {link}</div>'
    stays = '<div class="box" id="a" title="it’s">[form] <a href="/cart">C:&#092;x</a></div>'
    assert finish(made) == stays
    assert store_html(stays, modern=True) == stays


@pytest.mark.parametrize("made", ["", "  \n", "<p> </p>", "<div><br></div>", "<hr>", "&nbsp;"])
def test_what_shows_nothing_is_nothing(made: str) -> None:
    assert finish(made) == ""


def test_a_picture_alone_is_something() -> None:
    assert finish('<img src="https://a.example/b.png">') == '<img src="https://a.example/b.png">'


@pytest.mark.parametrize(
    ("markup", "paragraph"),
    [
        ("<h2></h2><p>One &amp; <b>two</b></p><p>three</p>", "One & two"),
        ("one<br>two", "one two"),
        ("", ""),
        ("<p>" + "word " * 30 + "</p>", "word " * 10 + "word…"),
    ],
)
def test_the_first_paragraph_is_plain_and_short(markup: str, paragraph: str) -> None:
    assert first_paragraph(markup, 60).startswith(paragraph[:50])
    assert len(first_paragraph(markup, 60)) <= 60


NAMES = [
    pytest.param('Curso & "ñ" <3 \' \\ x', 'Curso &amp; "ñ" &lt;3 \' &#092; x', id="signs"),
    pytest.param("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;", id="tags are text"),
    pytest.param(" a\n b\t\x00c ", "a b c", id="one line"),
    pytest.param("[ES] Curso", "&#091;ES] Curso", id="bracket"),
    pytest.param("&#58;", "&#038;#58;", id="an entity that is none"),
    pytest.param("\u200b \n", "", id="nothing to be seen"),
    pytest.param("word " * 60, "word " * 38 + "word…", id="too long"),
]


@pytest.mark.parametrize(("text", "name"), NAMES)
def test_a_name_is_stored_as(text: str, name: str) -> None:
    assert name_of(text) == name
    assert store_html(name, modern=True) == name


def test_where_no_entity_works_letters_that_look_alike_stand_in() -> None:
    assert bare(" a|b <i> [x] C:\\d\n e ") == "a/b ‹i› (x) C:/d e"
    assert bare("R&amp;D &#124; &amp;lt;b&\u200bgt;") == "R&D / ‹b›"
    assert stored("a & b") == "a &amp; b"


def test_joined_letters_and_emoji_stay_whole() -> None:
    assert clean("👩‍💻 क्‍ष") == "👩‍💻 क्‍ष"


def test_a_text_is_cut_at_a_blank_where_there_is_one_near() -> None:
    assert cut("aaaa bbbb cccc", 12) == "aaaa bbbb…"
    assert cut("aaaabbbbcccc", 8) == "aaaabbb…"


# -- against the recordings --------------------------------------------------------------------------------------------


def test_the_model_of_storing_stores_as_the_recorded_shop_did() -> None:
    unknown = ("style=", "controls")
    seen = 0
    for name in ("products_write", "products_write2"):
        for exchange in json.loads((RECORDINGS / "woocommerce" / f"{name}.json").read_text()):
            request, response = exchange.get("request", {}), exchange.get("response", {})
            sent = request.get("body")
            if request.get("method") != "PUT" or response.get("status") != 200 or not isinstance(sent, dict):
                continue
            for field in {"name", "description", "short_description"} & sent.keys() & response["body"].keys():
                if not any(word in sent[field] for word in unknown):
                    assert store_html(sent[field], modern=True) == response["body"][field]
                    seen += 1
    assert seen >= 8


def test_recorded_summaries_are_safe_and_stay_as_they_are() -> None:
    summaries = set(_summaries(_documents()))
    assert len(summaries) > 5
    for summary in summaries:
        safe = sanitise(summary, ["http://127.0.0.1:8082"])
        assert store_html(safe, modern=True) == safe == sanitise(safe, ())
        assert "pluginfile" not in safe.casefold()


def _documents() -> list[object]:
    names = ("08_course_metadata.json", "09_course_contents_caps_and_settings.json", "14_more_traps.json")
    return [json.loads((RECORDINGS / "moodle" / name).read_text()) for name in names]


def _summaries(value: object) -> list[str]:
    match value:
        case dict():
            own = [value["summary"]] if isinstance(value.get("summary"), str) else []
            return own + [found for item in value.values() for found in _summaries(item)]
        case list():
            return [found for item in value for found in _summaries(item)]
        case str() if value.startswith(("{", "[")):
            with suppress(ValueError):
                return _summaries(json.loads(value))
    return []


@pytest.mark.parametrize("text", ["<p>{}</p>", "{}", "<p> {} </p><p>More</p>", "<p>Before</p><p>{}</p>"])
def test_an_address_that_stands_alone_is_a_link_and_no_embedded_page(text: str) -> None:
    address = "https://video.example.org/watch?v=1&amp;t=2#now"
    safe = sanitise(text.format(address), [SITE])
    assert f'<a href="{address}">{address}</a>' in safe
    assert f"<p>{address}" not in safe
    assert sanitise(safe, [SITE]) == safe
    assert finish(safe) == safe
