"""Plain text from an LMS, made fit for the places of a shop that hold no HTML. Pure."""

import html
import re
import unicodedata

LONGEST_NAME = 200
"""Letters of a product's name, and of a tag or category: as many as WordPress keeps of those."""

SHORTCODE = "\ue000"
"""Stands for a `[` of the LMS while templates are rendered, so that it is told from one a person wrote. Private to us:
`clean` takes it out of every text that comes from elsewhere. https://codex.wordpress.org/Shortcode_API"""

BRACKET, BACKSLASH, AMPERSAND = "&#091;", "&#092;", "&#038;"
"""As WordPress writes them: neither a shortcode nor eaten. https://developer.wordpress.org/reference/functions/wp_unslash/"""

MOST_READ = 2000
"""Letters of a plain text that are looked at at all, where 200 are kept: entities of entities take many turns."""

_BLANK = re.compile(r"\s+")
_TWISTING = frozenset("\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Invisible, or turning the direction of what follows. Joiners stay: scripts and emoji need them."""

_LOOKALIKES = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "\\": "/", "|": "/", SHORTCODE: "("})


def clean(text: str, keep: str = "") -> str:
    """Without control characters and others that cannot be seen; any kind of break is a line break or blank.

    `keep`: one that stays all the same. Each letter is judged once, however often it comes: texts are long.
    """
    text = text.replace("\r\n", "\n")
    if text.isprintable():
        return text
    seen = {char: _visible(char) for char in set(text) if char != keep}
    others = {ord(char): shown for char, shown in seen.items() if shown != char}
    return text.translate(others) if others else text


def one_line(text: str) -> str:
    """Without breaks, outer blanks and invisible characters."""
    return _BLANK.sub(" ", clean(text)).strip()


def cut(text: str, longest: int) -> str:
    """At most so many letters, ended at a blank if there is one near, and with a sign that there was more."""
    if len(text) <= longest:
        return text
    head = text[: longest - 1]
    space = head.rfind(" ")
    return (head[:space] if space > longest * 2 // 3 else head).rstrip(" ,;:-–—(") + "…"


def stored(text: str) -> str:
    """Plain text as HTML that WooCommerce stores without change, on one line."""
    escaped = unambiguous(html.escape(text, quote=False))
    return escaped.replace("\\", BACKSLASH).replace("[", BRACKET).replace(SHORTCODE, BRACKET)


def unambiguous(markup: str) -> str:
    """HTML in which no `&` looks as if it began an entity: WordPress would make one of `&amp;#58;`."""
    return markup.replace("&amp;#", f"{AMPERSAND}#")


def name_of(text: str) -> str:
    """A product's name as WooCommerce stores it; '' if there is nothing to be seen in `text`."""
    return stored(cut(one_line(text.replace(SHORTCODE, "[")), LONGEST_NAME))


def bare(text: str) -> str:
    """For options, tags and categories, where no entity works: what a shop would take for markup is replaced by what
    looks like it. Entities are undone first, as the shop undoes them too. One line, at most 200 letters."""
    before, text = "", text[:MOST_READ]
    while before != text:
        before, text = text, one_line(html.unescape(text.replace(SHORTCODE, "[")))
    return cut(text.translate(_LOOKALIKES), LONGEST_NAME)


def _visible(char: str) -> str:
    if char in _TWISTING:
        return ""
    match unicodedata.category(char):
        case "Cc":
            return "\n" if char in "\n\r\v\f\x85" else " " if char == "\t" else ""
        case "Zl" | "Zp":
            return "\n"
        case "Zs":
            return " "
        case "Cs" | "Co" | "Cn":
            return ""
    return char
