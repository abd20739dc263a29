"""What would change in one field, in lines that fit a terminal."""

import re
from collections.abc import Iterator
from difflib import unified_diff
from textwrap import shorten

LONGEST_LINE = 160
MOST_LINES = 40

_BLOCK_END = re.compile(
    r"(?<=>)(?=<(?:p|h[1-6]|ul|ol|li|div|table|tr|blockquote)\b)|(?<=</ul>)|(?<=</ol>)|\n+"
)


def diff_lines(before: str, after: str) -> Iterator[str]:
    """`- ` what is taken away, `+ ` what comes, `  ` what stays beside it. HTML is broken where a block begins."""
    lines = list(unified_diff(_lines(before), _lines(after), n=1, lineterm=""))[2:]
    shown = [line for line in lines if not line.startswith("@@")]
    for line in shown[:MOST_LINES]:
        yield f"{line[0]} {shorten(line[1:], LONGEST_LINE, placeholder=' …')}"
    if len(shown) > MOST_LINES:
        yield f"  and {len(shown) - MOST_LINES} lines more; --json has all"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in _BLOCK_END.split(text) if line.strip()]
