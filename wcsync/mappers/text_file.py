"""What mapping and config have in common: text that a person saved, and words that a person mistyped."""

from collections.abc import Iterable
from difflib import get_close_matches

from wcsync.mappers.problems import refused

MAX_BYTES = 5_000_000
LONGEST_QUOTE = 60


def parse_text(name: str, content: bytes) -> str:
    """The text of a UTF-8 file, with or without a byte order mark. Raises ConfigError saying how to save it."""
    if len(content) > MAX_BYTES:
        raise refused(name, f"the file is larger than {MAX_BYTES // 1_000_000} MB", "Is it the right file?")
    if b"\0" in content:
        raise refused(name, "the file is UTF-16 or no text at all", SAVE_AS_UTF8)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
    # raised outside of the handler: UnicodeDecodeError carries the whole file, secrets included
    raise refused(f"{name}:{line}", "the file is not UTF-8 (perhaps Latin-1 or Windows-1252)", SAVE_AS_UTF8)


SAVE_AS_UTF8 = 'Save it as UTF-8; in a spreadsheet choose "CSV UTF-8".'


def render_quoted(text: str) -> str:
    """A value in quotes, short enough for a message and with nothing invisible in it."""
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in shown) + '"'


def render_suggestion(word: str, known: Iterable[str]) -> str:
    """`Did you mean "sku"? Known: lms, sku.` The question is asked only if something is close."""
    names = list(dict.fromkeys(known))
    close = get_close_matches(word[:LONGEST_QUOTE].casefold(), names, n=1)
    question = f'Did you mean "{close[0]}"? ' if close else ""
    return f"{question}Known: {', '.join(names)}."
