"""Names an account in Moodle may have, made from what an order holds. Pure, and the same every time."""

import hashlib
import re
import unicodedata

from wcsync.mappers.entitlements import normalise_address
from wcsync.model import Person

NAME_LENGTH = 100
USERNAME_LENGTH = 100
NO_LAST_NAME = "-"

_LEGAL_USERNAME = re.compile(r"[a-z0-9._@-]{1,100}")
_ILLEGAL = re.compile(r"[^a-z0-9._@-]+")
_DIGEST_LENGTH = 16
_TAGS = str.maketrans("<>", "‹›")
_JOINERS = "\u200c\u200d"


def fold_address(address: str) -> bytes:
    """What two spellings of one address have in common: A-Z alone lose their case, so that no look-alike passes."""
    return normalise_address(address).encode(errors="replace")


def usernames(address: str) -> tuple[str, ...]:
    """User names to try for an address, the readable one first. The last one is that address's alone.

    Moodle takes a-z 0-9 - . _ @ and 100 characters. Never counted up: the same address gives the same names again.
    """
    folded = fold_address(address)
    digest = hashlib.sha256(folded).hexdigest()[:_DIGEST_LENGTH]
    readable = folded.decode()
    cleaned = _ILLEGAL.sub("-", readable)[: USERNAME_LENGTH - 1 - _DIGEST_LENGTH]
    unique = f"{cleaned}-{digest}"
    return (readable, unique) if _LEGAL_USERNAME.fullmatch(readable) else (unique,)


def full_name(person: Person) -> tuple[str, str]:
    """First and last name as Moodle takes them: never blank, no tags, no control characters, 100 characters."""
    first, last = _clean(person.first_name), _clean(person.last_name)
    if not (first and last):
        *firsts, last = (first or last).split() or [""]
        first, last = (" ".join(firsts), last) if firsts else (last, NO_LAST_NAME)
    return first or _clean(person.email.partition("@")[0]) or NO_LAST_NAME, last


def clean(text: str, length: int) -> str:
    """What Moodle takes of a text for a column of that many characters: no tags, no controls; '' if nothing stays."""
    kept = "".join(" " if _blank(char) else char for char in text.translate(_TAGS))
    words = " ".join(kept.split())[:length].strip()
    return words if any(unicodedata.category(char)[0] in "LNPS" for char in words) else ""


def _clean(text: str) -> str:
    return clean(text, NAME_LENGTH)


def _blank(char: str) -> bool:
    """Whether Moodle or a reader would stumble over it: controls, halves of a pair, marks that turn the text round."""
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} and char not in _JOINERS
