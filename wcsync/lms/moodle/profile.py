"""What a new account is told of its owner beside the name: fields of `core_user_create_users`. Pure.

A value that is too long for its column is refused together with the whole account (`dmlwriteexception`), and so is one
with a tag or a NUL in it; a country that is none is stored as "0", an unknown profile field or a choice that a menu
does not have is dropped without a word. A learner who paid gets in all the same: a text is cut, and what would say
something else once it is cut is left out.
https://docs.moodle.org/dev/Web_service_API_functions
"""

import re
from collections.abc import Iterator, Mapping

from wcsync.credentials import refusal
from wcsync.lms.moodle.names import clean
from wcsync.model import Person

TEXTS = {"institution": 255, "department": 255, "address": 255, "city": 120}
NUMBERS = {"idnumber": 255, "phone1": 20, "phone2": 20}
"""The columns' lengths in characters. A text that was cut is still one; a number that was cut is another."""

COUNTRY = "country"
CUSTOM = "customfield:"
CUSTOM_LENGTH = 2048
"""What Moodle's own form takes in a profile field of the kind text, unless it was set to less."""

_CUSTOM = re.compile(f"{CUSTOM}[A-Za-z0-9_-]{{1,100}}")
_COUNTRY = re.compile("[A-Z]{2}")


def check_profile(profile: dict[str, str]) -> dict[str, str]:
    """For the config: raises for a key that no account has."""
    for key in profile:
        if key not in {*TEXTS, *NUMBERS, COUNTRY} and not _CUSTOM.fullmatch(key):
            raise refusal(
                f"an account in Moodle has no field {key[:60]!r} that wcsync fills",
                f"Use one of {', '.join(sorted({*TEXTS, *NUMBERS, COUNTRY}))}, or {CUSTOM} and the short name of a "
                "profile field (Site administration → Users → User profile fields), in quotes.",
            )
    return profile


def account_fields(profile: Mapping[str, str], learner: Person) -> Iterator[tuple[str, str]]:
    """The parameters of the account, without the `users[0]` in front. Nothing for what the order does not say."""
    known = dict(learner.fields)
    custom = 0
    for key, source in sorted(profile.items()):
        value = _fit(key, known.get(source, ""))
        if not value:
            continue
        if not key.startswith(CUSTOM):
            yield f"[{key}]", value
            continue
        yield f"[customfields][{custom}][type]", key.removeprefix(CUSTOM)
        yield f"[customfields][{custom}][value]", value
        custom += 1


def _fit(key: str, value: str) -> str:
    """As much of the value as the column takes; '' where only the whole of it would do."""
    if key == COUNTRY:
        code = value.strip().upper()
        return code if _COUNTRY.fullmatch(code) else ""
    if key in NUMBERS:
        whole = clean(value, len(value))
        return whole if len(whole) <= NUMBERS[key] else ""
    return clean(value, TEXTS.get(key, CUSTOM_LENGTH))
