"""E-mail addresses: compared, judged, and taken out of texts. Pure."""

import re
import unicodedata
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase

_WORD_WITH_AT = re.compile(r"[^\s<>\"'(),;:]++")
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)
_NO_ADDRESS = frozenset('"(),:;<>[\\]“”„«»')
_LITERAL = re.compile(r"\[(IPv6:)?[0-9A-Fa-f.:]+\]")
LONGEST_ADDRESS = 254
"""RFC 5321 §4.5.3.1.3 leaves room for no more between the angle brackets."""

_COMMON = "com"
_PROVIDERS = {
    "gmail": "com",
    "googlemail": "com de",
    "hotmail": "com co.uk de es fr it be nl se",
    "outlook": "com de es fr it pt",
    "yahoo": "com co.uk de es fr it ca",
    "icloud": "com",
    "protonmail": "com",
    "rocketmail": "com",
    "comcast": "net",
    "wanadoo": "fr",
    "freenet": "de",
    "t-online": "de",
}
"""Big mail providers with a name that is long and strange enough for a slip of the finger to show. Not among them are
short ones: life.com, gmz.de and aon.com are somebody's."""
_SOMEBODYS = frozenset({"gail.com", "grail.com"})
"""One letter from a provider, and real all the same."""


def blot_addresses(text: str) -> str:
    """The text without addresses: the last line of defence where none should be anyway."""
    return _WORD_WITH_AT.sub(_blotted, text) if "@" in text else text


def _blotted(word: re.Match[str]) -> str:
    """Each letter is looked at once: a search for both sides of an @ at a time takes hours over a megabyte."""
    parts = word[0].split("@")
    named = any(local and "." in domain[1:-1] for local, domain in pairwise(parts))
    return "[address]" if named else word[0]


def normalise_address(email: str) -> str:
    """The form in which addresses are compared: trimmed and case-folded, nothing else.

    Only A to Z fold: mail knows no other case, and `casefold()` would make one learner of straße@ and strasse@.
    """
    return email.strip().translate(_FOLD)


def usable_address(email: str) -> bool:
    """Whether a mail could reach it at all, at a name or at a number in brackets; the LMS judges the rest.

    Quotes, brackets and colons show that it stands in something else: a text, a tag, a value serialised by PHP.
    """
    local, at, domain = email.strip().rpartition("@")
    if not (at and local and domain) or len(email) > LONGEST_ADDRESS:
        return False
    if "@" in local or any(char in _NO_ADDRESS for char in local) or not all(domain.split(".")):
        return False
    visible = all(char.isprintable() and not char.isspace() for char in email.strip())
    literal = _LITERAL.fullmatch(domain) is not None
    odd = any(unicodedata.category(char)[0] in "PS" for char in domain if char not in "-._")
    return visible and (literal or not odd)


def domain_of(email: str) -> str:
    """What stands behind the @, in the form in which it is compared."""
    return normalise_address(email).rpartition("@")[2]


def is_unwanted(email: str, never: frozenset[str]) -> bool:
    """Whether `never` names the address or, as "@domain", all of its domain; a domain below that one is another."""
    return normalise_address(email) in never or f"@{domain_of(email)}" in never


def meant_domain(domain: str) -> str:
    """The provider's domain that this one is one slip away from; '' for one that may well be meant as it stands.

    A slip is a letter too many, too few, wrong, or two swapped; behind the first letter, since mail.com, email.com and
    ymail.com are as real as gmail.com.
    """
    if domain in _SOMEBODYS:
        return ""
    name, _, ending = domain.partition(".")
    for provider, endings in _PROVIDERS.items():
        known = endings.split()
        if name == provider:
            if _COMMON in known and ending not in known and _one_slip(ending, _COMMON):
                return f"{provider}.{_COMMON}"
        elif ending in known and name[:1] == provider[:1] and _one_slip(name, provider):
            return f"{provider}.{ending}"
    return ""


def _one_slip(written: str, meant: str) -> bool:
    if abs(len(written) - len(meant)) > 1 or written == meant:
        return False
    same = next(
        (at for at, (one, other) in enumerate(zip(written, meant, strict=False)) if one != other), None
    )
    if same is None:
        return True
    one, other = written[same:], meant[same:]
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return swapped or one[1:] == other[1:] or one[1:] == other or one == other[1:]
