"""What of a stored value survives the shop: two values of one canonical form are the same to buyers. Pure.

WooCommerce gives texts back as others than it was sent: `&` as `&amp;`, without backslashes. Editors of WordPress write
a paragraph as an empty line and a break as a line's end, which the shop shows alike.
https://developer.wordpress.org/reference/functions/wpautop/
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from wcsync.course import Image, Term

_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)
_TAG_NAME = re.compile(r"<(/?)\s*([A-Za-z][\w:-]*)")
_TAG_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>]+))?""")
_SAME_TAG = {"b": "strong", "i": "em"}
"""What editors write for it."""
_BLOCKS = (
    "address|article|aside|blockquote|caption|col|colgroup|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|h[1-6]|"
    "header|hr|li|main|nav|ol|p|pre|section|summary|table|tbody|td|tfoot|th|thead|tr|ul|video"
)
_OPEN, _SHUT = "\x02", "\x03"
"""Around what is a tag, so that `&lt;b&gt;` is not one."""
_PARAGRAPH, _BREAK = "\x04", "\x05"
_BLANKS = re.compile(rf"[\s{_PARAGRAPH}{_BREAK}]+")
_BLOCK_TAG = re.compile(
    rf"[ {_PARAGRAPH}{_BREAK}]?({_OPEN}/?(?:{_BLOCKS})\b[^{_SHUT}]*{_SHUT})[ {_PARAGRAPH}{_BREAK}]?"
)


def digest(text: str) -> str:
    """Of a value as it is, in 16 letters; never ''."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def canonical(markup: str) -> str:
    """HTML with its entities undone, without backslashes and with every blank collapsed. '' if there is nothing to see.

    Tags are kept, as far as they say more than a paragraph or a break that WordPress makes by itself.
    """
    markup = without_open_comments(markup.replace("\\", "").replace("\r\n", "\n"))
    text, end = list[str](), 0
    for found in _TAG.finditer(markup):
        text += [html.unescape(markup[end : found.start()]), _canonical_tag(found[0])]
        end = found.end()
    text.append(html.unescape(markup[end:]))
    return _collapsed("".join(text))


def plain(text: str) -> str:
    """A name or option: entities undone, without backslashes, blanks collapsed."""
    return " ".join(html.unescape(text.replace("\\", "")).split())


def key_of(name: str) -> str:
    """By which a tag, category or attribute is the same as another."""
    return plain(name).casefold()


def canonical_options(options: Iterable[str]) -> tuple[str, ...]:
    """Of an attribute: the shop ends an option at `|`."""
    parts = (plain(part) for option in options for part in option.split("|"))
    return tuple(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A value in all that judging it needs. `exact`: digest of it as it is; `canonical`: of its canonical form;
    `empty`: there is nothing to see; `shown`: as people read it."""

    exact: str
    canonical: str
    empty: bool
    shown: str

    @staticmethod
    @lru_cache(maxsize=16)
    def of_markup(markup: str) -> "Form":
        """Kept for a moment: a product that is as it should be holds each text twice, and each is asked for often."""
        form = canonical(markup)
        return Form(exact=digest(markup), canonical=digest(form), empty=not form, shown=markup)

    @classmethod
    def of_meta(cls, value: str | None) -> "Form":
        """Meta is kept as it is sent, letter by letter."""
        value = value or ""
        return cls(exact=digest(value), canonical=digest(value), empty=not value, shown=value)

    @classmethod
    def of_options(cls, options: Sequence[str]) -> "Form":
        form = canonical_options(options)
        return cls(
            exact=_digest_all(options), canonical=_digest_all(form), empty=not form, shown=", ".join(form)
        )

    @classmethod
    def of_terms(cls, terms: Iterable[Term]) -> "Form":
        """In whatever order."""
        names = {key_of(term.name): plain(term.name) for term in terms}
        form = _digest_all(sorted(names))
        return cls(exact=form, canonical=form, empty=not names, shown=", ".join(names.values()))

    @classmethod
    def of_image(cls, image: Image | None) -> "Form":
        """As stored it is the shop's number that counts; which content it has, tells its name."""
        if image is None:
            return cls(exact=digest("no image"), canonical=digest(""), empty=True, shown="")
        shown = image.name or image.src
        return cls(
            exact=digest(f"image {image.image_id}"), canonical=digest(image.name), empty=False, shown=shown
        )

    @classmethod
    def of_title(cls, title: str) -> "Form":
        """An image that is to be, by the name it will have."""
        return cls(exact=digest(title), canonical=digest(title), empty=False, shown=title)


def _digest_all(texts: Iterable[str]) -> str:
    return digest("\n".join(texts))


def without_open_comments(markup: str) -> str:
    """A comment that never ends is text; looked for at each, its end would take time by the square."""
    end = markup.rfind("-->") + 1
    return markup[:end] + markup[end:].replace("<!--", "&lt;!--")


@lru_cache(maxsize=512)
def _canonical_tag(tag: str) -> str:
    """Most tags of all courses are a few."""
    if tag.startswith("<!--"):
        return f"{_OPEN}!{' '.join(tag[4:-3].split())}{_SHUT}"
    named = _TAG_NAME.match(tag)
    assert named is not None, tag
    closing, name = named[1], named[2].lower()
    name = _SAME_TAG.get(name, name)
    attributes = (
        ""
        if closing
        else "".join(sorted(map(_canonical_attribute, _TAG_ATTRIBUTE.finditer(tag, named.end()))))
    )
    if name == "p" and not attributes:
        return _PARAGRAPH
    if name == "br" and not attributes:
        return _BREAK
    return f"{_OPEN}{closing}{name}{attributes}{_SHUT}"


def _canonical_attribute(found: re.Match[str]) -> str:
    name, value = found[1].lower(), html.unescape((found[2] or "").strip("\"'"))
    return f" {name}={' '.join(value.split())!r}"


def _collapsed(text: str) -> str:
    text = _BLANKS.sub(lambda found: _collapsed_blank(found[0]), text)
    return _BLOCK_TAG.sub(r"\1", text).strip(f" {_PARAGRAPH}{_BREAK}")


def _collapsed_blank(blank: str) -> str:
    """As WordPress shows it: two breaks are a paragraph, and a line's end after `<br>` is none of its own."""
    if _PARAGRAPH in blank or max(blank.count(_BREAK), blank.count("\n")) > 1:
        return _PARAGRAPH
    return _BREAK if _BREAK in blank or "\n" in blank else " "
