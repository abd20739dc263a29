"""What WordPress makes of stored text when it shows it: paragraphs, typographic quotes, slugs. Simplified.

Texts without quotes come out as recorded. https://developer.wordpress.org/reference/functions/wpautop/
"""

import re
import unicodedata
from urllib.parse import quote

_BLOCKS = (
    "table|thead|tfoot|caption|col|colgroup|tbody|tr|td|th|div|dl|dd|dt|ul|ol|li|pre|form|map|area|blockquote|address"
    "|p|h[1-6]|hr|fieldset|legend|section|article|aside|hgroup|header|footer|nav|figure|figcaption|details|menu|summary"
)
_OPENING = re.compile(rf"(<(?:{_BLOCKS})(?:\s[^>]*)?/?>)", re.IGNORECASE)
_CLOSING = re.compile(rf"(</(?:{_BLOCKS})>)", re.IGNORECASE)
_BEFORE_BLOCK = re.compile(rf"<p>\s*(</?(?:{_BLOCKS})(?:\s[^>]*)?/?>)", re.IGNORECASE)
_AFTER_BLOCK = re.compile(rf"(</?(?:{_BLOCKS})(?:\s[^>]*)?/?>)\s*</p>", re.IGNORECASE)
_BREAK_AFTER_BLOCK = re.compile(rf"(</?(?:{_BLOCKS})[^>]*>)\s*<br />", re.IGNORECASE)
_BREAK_BEFORE_BLOCK = re.compile(r"<br />(\s*</?(?:p|li|div|dl|dd|dt|th|pre|td|ul|ol)[^>]*>)", re.IGNORECASE)
_MARKUP = re.compile(r"(<[^>]*>|\[[^\]]*\])")
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "ł": "l", "đ": "d"})


def paragraphs(text: str) -> str:
    """As `wpautop` does: `<p>` around what stands between blank lines, `<br />` at a line's end."""
    if not text.strip():
        return ""
    text = re.sub(r"\r\n?", "\n", text) + "\n"
    text = _CLOSING.sub(r"\1\n\n", _OPENING.sub(r"\n\n\1", text))
    parts = [part.strip("\n") for part in re.split(r"\n\s*\n", text) if part.strip()]
    text = "".join(f"<p>{part}</p>\n" for part in parts)
    text = re.sub(r"<p>\s*</p>\n?", "", text)
    text = _AFTER_BLOCK.sub(r"\1", _BEFORE_BLOCK.sub(r"\1", text))
    text = _BREAK_AFTER_BLOCK.sub(r"\1", re.sub(r"(?<!<br />)\s*\n", "<br />\n", text))
    return re.sub(r"\n</p>\n$", "</p>\n", _BREAK_BEFORE_BLOCK.sub(r"\1", text))


def typographic(text: str) -> str:
    """As `wptexturize` does, where it is simple: curly quotes, dashes and the ellipsis, outside of tags."""
    return "".join(part if place % 2 else _curly(part) for place, part in enumerate(_MARKUP.split(text)))


def slug(text: str) -> str:
    """As `sanitize_title` does: accents dropped, other scripts percent-encoded, at most 200 characters."""
    text = re.sub(r"<[^>]*>|&[a-z0-9#]+;", "", text).translate(_LETTERS)
    decomposed = unicodedata.normalize("NFD", text)
    latin = "".join(
        one for place, one in enumerate(decomposed)
        if not (unicodedata.combining(one) and place and decomposed[place - 1].isascii())
    )  # fmt: skip
    words = re.sub(r"[^\w\s-]", "", unicodedata.normalize("NFC", latin).lower())
    return quote(re.sub(r"[\s-]+", "-", words).strip("-")).lower()[:200]


def _curly(text: str) -> str:
    text = re.sub(r'(^|[\s(\[])"', r"\1&#8220;", text).replace('"', "&#8221;")
    text = re.sub(r"(^|[\s(\[])'", r"\1&#8216;", text).replace("'", "&#8217;")
    text = text.replace("...", "&#8230;").replace("---", "&#8212;").replace("--", "&#8211;")
    return text.replace(" - ", " &#8211; ")
