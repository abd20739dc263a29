"""Whatever an LMS says and whatever people write into templates: products stay safe, and comparing finds its end."""

import html
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.woostore import store_html, store_name
from wcsync.course import Course, CourseState, Module
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.plain import LONGEST_NAME, SHORTCODE, bare, clean, name_of
from wcsync.mappers.courses.rendering import render
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.sanitising import MOST_BYTES, finish, sanitise, text_of
from wcsync.mappers.courses.templates import BadTemplate, Occasion, Output, check_template, compile_template
from wcsync.mappers.courses.wanted import Wanted
from wcsync.model import CourseId, LmsName
from wcsync.sandbox.shop_kses import stored_html

SITE = "https://campus.example/moodle"
SECRET = "s3cretplugh"
SCRAPS = (
    "<p>", "</p>", "<b>", "</b>", "<a href='", "'>", "</a>", "<img src=\"", '">', "<table>", "<tr>",
    "<td colspan=2>", "</table>", "<ul><li>", "<pre>\n\n", "</pre>", "<script>", "alert(1)", "</script>",
    "<style>", "</style>", "<svg>", "<math><mtext>", "<iframe src=x>",
    "<div onclick=\"x()\" style='a' class=b>", "</div>", "javascript:", "data:text/html,", "JaVaScRiPt&#58;",
    "https://campus.example/", "https://www.campus.example/pluginfile.php/1/x.png?token=", "//campus.example/x",
    "https://CAMPUS.example.:443/", "https://%63ampus.example/", "https://cdn.example/a.png?b=1&c='\"",
    f"https://x.example/?wstoken={SECRET}", f"?access_token={SECRET}&sig={SECRET}", "@@PLUGINFILE@@/a.png",
    "mailto:a@b.example", "https://r.example/?u=https%3A%2F%2Fcampus.example%2F", "[gallery ids=1]", "[", "]",
    "\\", "\\0", "C:\\temp", "&", "&amp;", "&lt;", "&#91;", "&#092;", "&#x202e;", "&nbsp;", "&copy", "<", ">",
    "<3", "'", '"', " ", "\n", "\r\n", "\t", "\x00", "\x1b", "\u202e", "\ue000", "\ud800", "\ufffe", "ñ", "漢字",
    "🎓", "<!-- x -->", "<![CDATA[", "<h1>", "</h1>", "<details open>", "<br/>", "<hr>", "x", "word ",
    "alt=\"it's [x]\"", "<p></p>", "<template>", "<noscript>", "<plaintext>", "<select><option>", "<form>",
    "&#0;", "&#128;", "{{ 7*7 }}", "{% raw %}",
)  # fmt: skip
dirty = st.lists(st.one_of(st.sampled_from(SCRAPS), st.text(max_size=4)), max_size=14).map("".join)
lines = st.one_of(dirty, st.text(max_size=20))
modules = st.builds(
    Module,
    title=lines,
    kind=lines,
    section=st.sampled_from(["", "One", "<Two>"]),
    duration_min=st.none() | st.integers(0, 10**6),
)
courses = st.builds(
    Course,
    lms=st.just(LmsName("campus")),
    course_id=st.integers(1, 99).map(lambda number: CourseId(str(number))),
    site=st.just(SITE),
    name=lines,
    description=dirty,
    authors=st.lists(lines, max_size=3).map(tuple),
    skills=st.lists(lines, max_size=3).map(tuple),
    modules=st.lists(modules, max_size=3).map(tuple),
    duration_min=st.none() | st.integers(0, 10**6),
    language=st.sampled_from(["", "es", "fr_CA", "[x]"]) | lines,
    level=lines,
    category=lines,
    url=st.sampled_from(
        ["", "https://campus.example/course/view.php?id=4", f"https://x.example/?token={SECRET}"]
    ),
    starts_at=st.none() | st.just(datetime(2026, 1, 2, tzinfo=UTC)),
    state=st.sampled_from(CourseState),
)
EVERYTHING = Rules(ownership=dict.fromkeys(Field, Ownership.OWN), mark_gone=True)
rules = st.builds(replace, st.just(EVERYTHING), language=st.sampled_from(["en", "es", "fr"]))

FOREIGN = re.compile(r"campus\.example|@@pluginfile|%63ampus", re.IGNORECASE)
HARMFUL = re.compile(
    r"<(?!/?[a-z0-6]+[ >])|<(?:script|iframe|svg|style|form|object)|\son\w+=|(?:href|src)=\"(?!https?:|mailto:|tel:)",
    re.IGNORECASE,
)


def assert_safe(markup: str) -> None:
    tags = re.findall(r"<[^>]*>?", markup)
    assert not [tag for tag in tags if HARMFUL.search(tag)], markup
    for address in re.findall(r"(?:href|src)=\"([^\"]*)\"", "".join(tags)):
        assert not FOREIGN.search(html.unescape(address)), markup
        assert SECRET not in address, markup
    for shown in re.findall(r"(?:https?:|//)[^\s<\"]*", markup):
        assert not FOREIGN.search(shown), markup
    assert "[" not in markup, markup
    assert "\\" not in markup, markup
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ue000]", markup), markup


def assert_stored(markup: str) -> None:
    assert store_html(markup, modern=True) == markup
    assert store_html(markup, modern=False) == markup
    assert stored_html(markup) == markup


@given(text=dirty)
@example(text="<a href='https://x.example/?a=1'><table><td><a href='https://y.example'>b")
@example(text='<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">')
@example(
    text='<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">'
)
@settings(max_examples=60)
def test_what_a_course_says_of_itself_is_safe_and_stays_as_it_is(text: str) -> None:
    safe = sanitise(text, [SITE])
    assert_safe(safe)
    assert_stored(safe)
    assert sanitise(safe, [SITE]) == safe


@given(text=dirty)
def test_what_a_template_made_is_stored_without_change(text: str) -> None:
    done = finish(text)
    tags = re.findall(r"<[^>]*>?", done)
    assert not [tag for tag in tags if HARMFUL.search(re.sub('="[/#]', '="https:', tag))], done
    assert_stored(done)


@settings(max_examples=50)
@given(text=dirty.filter(lambda text: "\r\n" not in text), keep=st.sampled_from(["", SHORTCODE]))
def test_a_text_is_cleaned_letter_by_letter(text: str, keep: str) -> None:
    assert clean(text, keep) == "".join(clean(letter, keep) for letter in text)


@given(text=lines)
def test_a_name_is_one_line_of_text_that_is_stored_without_change(text: str) -> None:
    name = name_of(text)
    assert store_name(name) == name
    assert not set(name) & set("<>[\\\n")
    assert len(html.unescape(name)) <= LONGEST_NAME
    assert bare(bare(text)) == bare(text)
    assert not set(html.unescape(bare(text))) & set("<>[]\\|\n")


def assert_wanted(wanted: Wanted) -> None:
    assert store_name(wanted.name) == wanted.name
    for markup in (wanted.description, wanted.short_description):
        assert_stored(markup)
        assert_safe(markup)
    members = [
        *wanted.tags,
        *wanted.categories,
        *(one for options in wanted.attributes.values() for one in options),
    ]
    for member in members:
        assert member
        assert member == member.strip()
        assert not set(member) & set("<>[]\\|\n\x00")
    for options in wanted.attributes.values():
        assert len({option.casefold() for option in options}) == len(options) > 0
    for value in wanted.meta.values():
        assert value is None or (value and "<" not in value and ">" not in value)
    everything = repr(wanted)
    assert f"token={SECRET}" not in everything


@given(sold=st.lists(courses, min_size=1, max_size=3), said=rules)
@settings(max_examples=60)
def test_whatever_the_courses_the_product_is_safe_and_always_the_same(
    sold: list[Course], said: Rules
) -> None:
    wanted = render(sold, said, None)
    assert_wanted(wanted)
    assert render(tuple(replace(course) for course in sold), said, None) == wanted
    assert not wanted.name or len(sold) == 1


@given(
    text=st.lists(
        st.sampled_from(["<p>word word</p>", "word ", "[", "<div>", "&amp;", "<li>a", "ñ" * 50]), max_size=4
    )
)
@settings(max_examples=3)
def test_a_text_without_end_is_cut(text: list[str]) -> None:
    safe = sanitise("".join(text) * 6000, [SITE], "More in the course.")
    assert len(safe.encode()) <= MOST_BYTES
    assert_stored(safe)
    assert sanitise(safe, [SITE]) == safe


# -- templates ---------------------------------------------------------------------------------------------------------

TEMPLATE_SCRAPS = (
    "{{ ", " }}", "{% ", " %}", "for a in ", "course", "courses", "authors", ".name", ".modules", ".nmae", "|",
    "join", "upper", "(", ")", "~", "+", "*", "**", "10", "9", "'x'", "[", "]", "{% endfor %}", "{% if ",
    "{% endif %}", "{% set x = ", "x", "loop", ".index", ".cycle", "{{ course.name }}", "{{ authors|joined }}",
    "{% for m in course.modules %}", "{{ m.title }}", "is defined", " not ", "range(10**9)", "__class__",
    ".__init__", "|map(attribute='", "')", "|sort", "|list", "|replace('', 'x')", "macro m()", "{% raw %}",
    "{# ", " #}", "\n", ".starts_at", "|date", "|duration", ".description", "|opening", "%", "/", "0", "1", ":",
    "{", "}", ",", "'", '"', "-", "if", "else", "in",
)  # fmt: skip
templates = st.lists(st.one_of(st.sampled_from(TEMPLATE_SCRAPS), st.text(max_size=3)), max_size=14).map(
    "".join
)


@given(text=templates, output=st.sampled_from(Output), course=courses)
@settings(max_examples=80)
def test_a_template_renders_or_says_what_is_wrong(text: str, output: Output, course: Course) -> None:
    problem = check_template(text, output)
    assert problem is None or problem
    try:
        made = compile_template(text, output).render(Occasion(courses=(course,)))
    except BadTemplate:
        return
    assert isinstance(made, str)


@given(course=courses)
@pytest.mark.parametrize("field", ["name", "level", "category", "language"])
def test_html_in_a_plain_text_of_a_course_is_shown_and_not_obeyed(field: str, course: Course) -> None:
    template = compile_template(f"<p>x{{{{ course.{field} }}}}x</p>", Output.HTML)
    made = finish(template.render(Occasion(courses=(course,))))
    assert re.sub(r"<p>.*</p>", "", made) == ""
    assert "<" not in made.removeprefix("<p>").removesuffix("</p>")
    assert "[" not in made
    assert text_of(made).startswith("x")
