"""HTML from an LMS → HTML that can hurt nobody, in the very form in which WooCommerce stores it. Pure.

What is kept survives both nh3 and WordPress's own filter, whichever version that is: attributes hold nothing that one
of them would write differently. https://developer.wordpress.org/reference/functions/wp_kses/
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial

from wcsync.mappers.courses.links import host_of, scrub, usable, within_shop
from wcsync.mappers.courses.plain import BACKSLASH, BRACKET, SHORTCODE, clean, cut, unambiguous

MOST_BYTES = 200_000
"""Of one text as it is stored."""
MOST_READ = 1_000_000
"""Letters of what an LMS sent that are looked at at all."""
MOST_DEEP = 200
"""Tags that may be open at a time; more is no text that a person wrote."""
MOST_WITHIN = 500_000
"""Tags, each counted with all that are open around it: browsers, and nh3, open bold and the like anew in every
paragraph until it is closed, so that a short text can make millions of elements."""

BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "caption", "dd", "details", "div", "dl", "dt",
    "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main",
    "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
})  # fmt: skip
_INLINE = frozenset({
    "a", "abbr", "b", "br", "cite", "code", "del", "dfn", "em", "i", "img", "ins", "kbd", "mark", "q", "s",
    "samp", "small", "strike", "strong", "sub", "sup", "tt", "u", "var",
})  # fmt: skip
TAGS = BLOCKS | _INLINE
_DROPPED_WHOLE = frozenset({
    "script", "style", "iframe", "object", "embed", "applet", "noscript", "noembed", "noframes", "template",
    "svg", "math", "canvas", "audio", "video", "select", "textarea", "button", "title", "head",
    "xmp", "plaintext",
})  # fmt: skip
"""Gone with what is in them: it is no text for readers."""

_OFTEN_UNCLOSED = frozenset({
    "br", "hr", "img", "input", "meta", "link", "col", "source", "wbr", "li", "p", "td", "tr",
})  # fmt: skip

_ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "ol": {"start"},
}
_OF_PEOPLE = {"class", "id", "title"}
"""Attributes that a template may have besides, on any tag."""

_NUMBER = re.compile(r"[0-9]{1,5}")
_PEOPLES_WORD = re.compile(r"[A-Za-z0-9_ :.-]{1,200}")
_AS_TYPESET = str.maketrans(
    {"'": "’", '"': "”", "<": "‹", ">": "›", "[": "(", "]": ")", "\\": "/", SHORTCODE: "("}
)
_PIECES = re.compile(r"(<[^<>]*>)")
_PRE = re.compile(r"(<pre(?:>| [^>]*>).*?</pre>)", re.DOTALL)
_BLANK = re.compile(r"\s+")
_LINK_TO_NOTHING = re.compile(r"<a>(.*?)</a>", re.DOTALL)
_NO_PICTURE = re.compile(r"<img(?![^>]* src=)[^>]*>")
_EMPTY = re.compile(
    r"<(?P<tag>p|div|h[1-6]|li|ul|ol|blockquote|section|a|b|strong|em|i|u)(?: [^>]*)?>(?:\s|<br>)*</(?P=tag)>"
)
_BLOCK_EDGE = re.compile(rf"\s*(</?(?:{'|'.join(sorted(BLOCKS))})(?:>| [^>]*>))\s*")
_END_OF_BLOCK = re.compile(rf"</(?:{'|'.join(sorted(BLOCKS))})>|<br>|<hr>")
_ALONE = re.compile(r"""(<p>|^)(https?://(?:[^\s<>"'&\\\[\]]|&amp;)+)(</p>|$)""")
_AS_LINK = r'\1<a href="\2">\2</a>\3'
"""An address that is all of a paragraph: WordPress would fetch it and show what is there.
https://developer.wordpress.org/reference/classes/wp_embed/autoembed/"""
_OPENS = re.compile(r"<[a-zA-Z]")

AttributeFilter = Callable[[str, str, str], str | None]


def sanitise(text: str, sites: Collection[str], more: str = "…") -> str:
    """What a course says of itself, safe. `sites`: addresses that only learners can use; `more`: a plain sentence for
    the end of a text that was too long. Doing it twice is the same as once."""
    foreign = frozenset(filter(None, map(host_of, sites)))
    filtered = partial(_lms_attribute, foreign=foreign)

    def once(markup: str) -> str:
        cleaned = _clean_html(markup, filtered, _ATTRIBUTES)
        return _ALONE.sub(_AS_LINK, _each_text(cleaned, lambda part: _protected(scrub(part, foreign))))

    return _bounded(_settled(clean(text[:MOST_READ]), once), once, more)


def finish(text: str, more: str = "…") -> str:
    """What a template made: markup as a person wrote it around texts that are safe already. Shortcodes of the template
    stay; those of the LMS do not work. '' if there is nothing to be seen in it."""

    def once(markup: str) -> str:
        attributes = {tag: _ATTRIBUTES.get(tag, set()) | _OF_PEOPLE for tag in TAGS}
        return _clean_html(markup, _template_attribute, attributes)

    done = _bounded(_settled(clean(text, keep=SHORTCODE), once), once, more)
    done = _each_text(done, lambda part: part.replace("\\", BACKSLASH).replace(SHORTCODE, BRACKET))
    return done if "<img" in done or text_of(done) else ""


def text_of(markup: str) -> str:
    """The text of HTML in one of the forms above, on one line."""
    spaced = _END_OF_BLOCK.sub(" ", markup)
    return _BLANK.sub(" ", html.unescape(_PIECES.sub("", spaced))).strip()


def first_paragraph(markup: str, longest: int) -> str:
    """The first text that stands for itself in HTML of one of the forms above, as plain text."""
    blocks = re.split(rf"</?(?:{'|'.join(sorted(BLOCKS))})(?:>| [^>]*>)", markup)
    texts = filter(None, map(text_of, blocks))
    return cut(next(texts, ""), longest)


def _settled(markup: str, once: Callable[[str], str]) -> str:
    """Repeated until it changes nothing more; mere text if that does not come about."""
    if len(_OPENS.findall(markup)) > MOST_DEEP and _is_tangled(markup):
        return _as_text(markup, once)
    before, after = markup, once(markup)
    for _ in range(8):
        before, after = after, once(after)
        if before == after:
            return after
    return _as_text(after, once)


def _as_text(markup: str, once: Callable[[str], str]) -> str:
    plain = html.escape(text_of(markup), quote=False)
    return once(f"<p>{plain}</p>") if plain else ""


def _is_tangled(markup: str) -> bool:
    """Whether tags are nested too deeply, or too many too deeply. Those that are never closed count as open to the end,
    and one that closes nothing does not count."""
    open_ones, depth, within = Counter[str](), 0, 0
    for closes, written in re.findall(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)", markup):
        tag = written.lower()
        within += depth
        if closes and not open_ones[tag]:
            continue
        if tag not in _OFTEN_UNCLOSED:
            step = -1 if closes else 1
            open_ones[tag] += step
            depth += step
        if depth > MOST_DEEP or within > MOST_WITHIN:
            return True
    return False


def _clean_html(markup: str, attribute_filter: AttributeFilter, attributes: dict[str, set[str]]) -> str:
    import nh3  # noqa: PLC0415 - loaded only where courses are mirrored

    cleaned = nh3.clean(
        markup,
        tags=set(TAGS),
        clean_content_tags=set(_DROPPED_WHOLE),
        attributes=attributes,
        attribute_filter=attribute_filter,
        link_rel=None,
        url_schemes={"http", "https", "mailto", "tel"},
        strip_comments=True,
    )
    return _tidied(unambiguous(clean(cleaned, keep=SHORTCODE).replace("&nbsp;", " ")))


def _tidied(markup: str) -> str:
    """Without links to nowhere, pictures of nothing, empty paragraphs, and blanks that a shop would show as breaks."""
    markup = _NO_PICTURE.sub("", _LINK_TO_NOTHING.sub(r"\1", markup))
    parts = _PRE.split(markup)
    for number in range(0, len(parts), 2):
        parts[number] = _BLOCK_EDGE.sub(r"\1", _BLANK.sub(" ", parts[number]))
    return _EMPTY.sub("", "".join(parts)).strip()


def _each_text(markup: str, change: Callable[[str], str]) -> str:
    pieces = _PIECES.split(markup)
    pieces[::2] = map(change, pieces[::2])
    return "".join(pieces)


def _protected(text: str) -> str:
    return text.replace("\\", BACKSLASH).replace("[", BRACKET)


def _lms_attribute(_tag: str, name: str, value: str, *, foreign: frozenset[str]) -> str | None:
    if name in {"href", "src"}:
        address = usable(value, foreign)
        return None if name == "src" and not (address or "").startswith("http") else address
    return _common_attribute(name, scrub(value, foreign))


def _template_attribute(_tag: str, name: str, value: str) -> str | None:
    if name in {"href", "src"}:
        return usable(value, ()) or within_shop(value)
    if name in {"class", "id"}:
        return value if _PEOPLES_WORD.fullmatch(value) else None
    return _common_attribute(name, value)


def _common_attribute(name: str, value: str) -> str | None:
    if name in {"alt", "title"}:
        return _BLANK.sub(" ", clean(value.translate(_AS_TYPESET))).replace("&#", "& #").strip()
    return value if _NUMBER.fullmatch(value) else None


def _bounded(markup: str, once: Callable[[str], str], more: str) -> str:
    """Cut behind a block, with a word that there is more."""
    room = MOST_BYTES - 1000
    if len(markup.encode()) <= MOST_BYTES:
        return markup
    head = markup.encode()[:room].decode(errors="ignore")
    ends = [found.end() for found in _END_OF_BLOCK.finditer(head)]
    head = head[: ends[-1]] if ends else head[: max(head.rfind(" "), head.rfind(">") + 1, 0)]
    note = f"<p>{html.escape(more, quote=False)}</p>"
    shorter = _settled(head + note, once)
    if len(shorter.encode()) <= MOST_BYTES:
        return shorter
    plain = html.escape(cut(text_of(shorter), MOST_BYTES // 10), quote=False)
    return once(f"<p>{plain}</p>{note}")
