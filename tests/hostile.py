"""Texts that somebody could send to do harm, and what they must never become. One strategy for all boundaries.

`texts()` draws them; `examples(n)` says how many: a few by default, many where proofs are played in full.
"""

import os
import re
import unicodedata

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = 1_000_000
"""Letters of the longest texts: rarely drawn, as each costs its time."""

SCRAPS = (
    # terminals and logs
    "\x1b[2J", "\x1b]0;owned\x07", "\x1b[31m", "\x9b31m", "\x08\x08\x08", "\x07", "\x7f", "\r", "\n", "\r\n", "\x85",
    "\u2028", "\u2029", "\x0b", "\x0c", "\x00", '\n{"event":"daemon_stopped","level":"info"}', "\nwcsync parked drop 9",
    # letters that are not seen, turn the line round, or are none
    "\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\u061c", "\ufeff", "\u00ad", "\U000e0041", "\ufffe", "\ufdd0",
    # HTML, shortcodes, templates
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</p>", "<!--", "-->", "javascript:alert(1)",
    "[gallery]", "{{ 7*7 }}", "{% for x in y %}", "{0.__class__}", "%(name)s", "${jndi:ldap://x}", "$(id)", "`id`",
    "&#60;", "&lt;",
    # spreadsheets
    "=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(1)", "\t=1", "'=1", '"', '""', ";", ",", "＝1",
    # SQL, TOML, URLs, shells
    "' OR 1=1 --", "'); DROP TABLE orders;--", "%", "_", "\\", "\\u0000", '"""', "'''", "#", "[[map]]",
    "../../../etc/passwd",
    "..", "/", "?a=b", "&wstoken=x", "%0d%0a", "%00", "@evil.example.test", "http://169.254.169.254/", ":8080",
    "$HOME", "-rf",
    # mail and chats
    "\r\nBcc: eve@evil.example.test\r\n\r\nhello", "\r\n.\r\nQUIT", "=?utf-8?q?=0ABcc:?=", "<!channel>", "<!here|x>",
    "<http://evil.example.test|shop>", "@channel", "@all", "[shop](http://evil.example.test)", "![x](http://evil.example.test)",
    # numbers and words that something else may read
    "0", "-1", "1e999", "NaN", "null", "true", "9" * 40, "", " ", "ñ", "漢字", "🎓", "e\u0301" * 9, "x",
)  # fmt: skip

INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""The categories of what no screen should be sent."""

_COUNTS = {"short": 1, "full": 20}


def examples(number: int) -> settings:
    """So many examples; twenty times as many in full proofs."""
    many = number * _COUNTS[os.environ.get("WCSYNC_PROVE", "short")]
    return settings(max_examples=many, suppress_health_check=[HealthCheck.function_scoped_fixture])


def texts(*, surrogates: bool = False, longest: int = 12) -> st.SearchStrategy[str]:
    """Scraps and letters of all kinds in a row; now and then one of them a thousand times.

    `surrogates`: halves of letters too, which JSON can bring along but no file.
    """
    kinds = st.characters() if surrogates else st.characters(exclude_categories=["Cs"])
    piece = st.sampled_from(SCRAPS) | st.text(kinds, max_size=4)
    rows = st.lists(piece, max_size=longest).map("".join)
    often = st.sampled_from(SCRAPS).map(lambda scrap: scrap * 1000)
    return st.one_of(rows, rows, rows, often)


def unseen(text: str, allowed: str = "\n") -> list[str]:
    """The letters in a text that no person sees, and that may do what nobody sees."""
    return [
        f"U+{ord(char):04X}"
        for char in dict.fromkeys(text)
        if unicodedata.category(char) in INVISIBLE and char not in allowed
    ]


FORMULA = re.compile(r"\s*[=+\-@＝＋－＠\t\r]")
"""The beginning of a cell that a spreadsheet reckons with. https://owasp.org/www-community/attacks/CSV_Injection"""
