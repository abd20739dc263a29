"""Whatever looks like an e-mail address in a text. Pure."""

import re

_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[^\s@<>\"'(),;:]+")


def blot_addresses(text: str) -> str:
    """The text without addresses: the last line of defence where none should be anyway."""
    return _ADDRESS.sub("[address]", text)
