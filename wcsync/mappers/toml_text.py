"""Texts as they may stand in a mapping file that wcsync writes. Pure."""

LONGEST_TITLE = 80


def comment(text: str, *, longest: int = LONGEST_TITLE) -> str:
    """What may stand in a comment: one line, nothing invisible, not endless."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def quoted(text: str) -> str:
    """A TOML text. https://toml.io/en/v1.0.0#string"""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped) + '"'
