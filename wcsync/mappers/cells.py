"""What happens to a value on its way through a spreadsheet, and how to tell."""

import re
import unicodedata

_NUMBER_AS_TEXT = "Write the plain number, as in 42; in a spreadsheet format the column as text first."

_DAMAGES = (
    (
        re.compile(r"#\S+[!?]|#N/[AD]"),
        "is what a spreadsheet writes where a formula failed",
        "Put the value itself into the cell.",
    ),
    (
        re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+"),
        "was turned into scientific notation",
        _NUMBER_AS_TEXT,
    ),
    (
        re.compile(r"\d+[.,]0+"),
        "was turned into a decimal number",
        _NUMBER_AS_TEXT,
    ),
    (
        re.compile(r"\d{1,3}(?:[\s.,'’]\d{3})+"),
        "was given thousands separators",
        _NUMBER_AS_TEXT,
    ),
    (
        re.compile(r"'\d+"),
        "begins with an apostrophe",
        "Remove the apostrophe.",
    ),
)

_SKU_DAMAGE = re.compile(r"\d(?:[.,]\d+)?E\+\d+|#\S+[!?]|#N/[AD]")
"""Of a SKU we can be sure only of what no shop would choose: `1.0E+05`, `#REF!`."""


def describe_damage(value: str) -> tuple[str, str] | None:
    """What a spreadsheet did to a number, and the remedy; None if nothing of the kind is to be seen."""
    return next(((done, remedy) for sign, done, remedy in _DAMAGES if sign.fullmatch(value)), None)


def describe_sku_damage(sku: str) -> tuple[str, str] | None:
    return describe_damage(sku) if _SKU_DAMAGE.fullmatch(sku) else None


def find_hidden(value: str) -> str | None:
    """The code point (`U+200B`) of the first control or invisible character; None if there is none."""
    for char in value:
        if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}:
            return f"U+{ord(char):04X}"
    return None
