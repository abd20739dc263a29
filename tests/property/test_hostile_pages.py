"""Whatever courses, products and people are called, what we write into the shop is text there: no tag of theirs, no
shortcode, no template."""

import re
from contextlib import suppress
from html.parser import HTMLParser

from hypothesis import given

from tests.hostile import LONG, examples, texts, unseen
from wcsync.course import Course, Module
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.rendering import render
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.sanitising import TAGS
from wcsync.mappers.courses.templates import BadTemplate
from wcsync.mappers.notes import Fate, NoteLine, render_note, told_last
from wcsync.model import CourseId, LearnerKey, LmsName, Person

ANA = LearnerKey("9f3a")
DIGEST = "0123456789ab"
ATTRIBUTES = {"href", "src", "alt", "width", "height", "colspan", "rowspan", "start", "class", "id", "title"}
HIDING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Joiners and marks of direction stay: emoji and several scripts need them."""
RULES = Rules(ownership=dict.fromkeys(Field, Ownership.OWN))


class Tags(HTMLParser):
    """What a browser would find in a text beside text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, "", ""), *((tag, name, value or "") for name, value in attrs)]

    def handle_comment(self, data: str) -> None:
        self.found.append(("!", "", data))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("!", "", decl))

    def handle_pi(self, data: str) -> None:
        self.found.append(("?", "", data))


def note(text: str) -> str:
    lines = [
        NoteLine(fate=fate, product=text, place=text, learner_key=ANA, reason=text)
        for fate in (Fate.ENROLLED, Fate.GAVE_UP, Fate.PARKED)
    ]
    who = Person(email=f"{text}@example.test", first_name=text, last_name=text)
    return render_note(lines, {ANA: who}, DIGEST)


def course(text: str) -> Course:
    return Course(
        lms=LmsName("campus"), course_id=CourseId("4"), site="https://campus.example.test", name=text, description=text,
        authors=(text,), skills=(text,), modules=(Module(title=text, kind=text, section=text),), language=text,
        level=text, category=text, url="",
    )  # fmt: skip


@examples(20)
@given(text=texts(surrogates=True))
def test_a_note_holds_no_tag_and_one_mark(text: str) -> None:
    written = note(text)
    assert Tags(written).found == []
    assert unseen(written) == []
    assert told_last([written]) == DIGEST
    assert written.count("(wcsync ") == 1
    assert len(written.split("\n")) == 4


@examples(20)
@given(text=texts())
def test_a_product_page_holds_harmless_tags_alone(text: str) -> None:
    wanted = render([course(text)], RULES, None)
    for markup in (wanted.description, wanted.short_description):
        for tag, name, value in Tags(markup).found:
            assert tag in TAGS, markup
            assert name in {"", *ATTRIBUTES}, markup
            assert name not in {"href", "src"} or value.startswith(
                ("https://", "http://", "mailto:", "tel:", "#")
            )
        assert "[" not in markup
        assert not HIDING.search(markup)
    for plain in (wanted.name, *wanted.tags, *wanted.categories):
        assert Tags(plain).found == []
        assert not HIDING.search(plain)
        assert "\n" not in plain


def test_a_text_of_endless_length_is_written_as_what_a_shop_can_keep() -> None:
    for piece in ("<b>", "&", "<p>x", "[", "a", "https://x.example/ "):
        text = piece * (LONG // 20 // len(piece))
        assert len(note(text)) < 20_000
        with suppress(BadTemplate):  # it makes too many letters: the product is left alone
            assert len(render([course(text)], RULES, None).description) <= 1_000_000
