"""Texts of an LMS as plain ones: what a person would read off its page."""

import unicodedata

_BLANKS = frozenset({"Cc", "Cs", "Zl", "Zp"})


def plain_line(text: str) -> str:
    """The text on one line: control characters and half characters gone, single blanks. Markup is left as it is."""
    return " ".join("".join(" " if unicodedata.category(char) in _BLANKS else char for char in text).split())
