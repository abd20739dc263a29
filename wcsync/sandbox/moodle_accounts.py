"""What Moodle checks before it makes an account, and the account it makes."""

import re
from typing import Any

from wcsync.sandbox.moodle_errors import invalid_parameter, moodle_error, write_failed
from wcsync.sandbox.moodle_records import Account
from wcsync.sandbox.moodle_state import MoodleSite

AUTHS_WITH_PASSWORD = frozenset({"email", "manual", "nologin", "none"})
AUTHS = AUTHS_WITH_PASSWORD | {"cas", "db", "ldap", "lti", "oauth2", "shibboleth"}
COLUMN_LENGTHS = {
    "username": 100,
    "firstname": 100,
    "lastname": 100,
    "email": 100,
    "idnumber": 255,
    "city": 120,
    "department": 255,
    "institution": 255,
    "address": 255,
    "phone1": 20,
    "phone2": 20,
}
MAX_PASSWORD = 128
PASSWORD_RULES = (
    ("Passwords must have at least 1 digit(s).", str.isdecimal),
    ("Passwords must have at least 1 lower case letter(s).", str.islower),
    ("Passwords must have at least 1 upper case letter(s).", str.isupper),
    (
        "The password must have at least 1 special character(s) such as *, -, or #.",
        lambda letter: not letter.isalnum(),
    ),
)

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    rf"(?=[^@]{{1,64}}@){_ATEXT}(?:\.{_ATEXT})*@(?:{_LABEL}(?:\.{_LABEL})+|\[\d{{1,3}}(?:\.\d{{1,3}}){{3}}\])"
)


def clean_username(site: MoodleSite, username: str) -> str:
    """What Moodle would keep of it: lower case, trimmed, and only `a-z 0-9 - . _ @` unless extended."""
    lowered = username.lower().strip(" \t\n\r\v")
    return lowered if site.extended_usernames else re.sub(r"[^-.@_a-z0-9]", "", lowered)


def new_account(site: MoodleSite, sent: dict[str, Any], earlier: list[Account]) -> Account:
    """The account one item of a call asks for; `earlier` are those before it in the same call.

    Raises: MoodleError. Which item was wrong is never said.
    """
    _check_names(site, sent, earlier)
    _check_choices(site, sent)
    _check_email(site, sent["email"], earlier)
    _check_password(site, sent)
    if any(len(sent.get(column, "")) > length for column, length in COLUMN_LENGTHS.items()):
        raise write_failed()
    return Account(
        id=0,
        username=sent["username"],
        email=sent["email"],
        firstname=sent["firstname"],
        lastname=sent["lastname"],
        password="" if sent.get("createpassword") else sent.get("password", ""),
        auth=sent["auth"],
        idnumber=sent["idnumber"],
        lang=sent["lang"],
        timezone=sent.get("timezone", "99"),
        city=sent.get("city", ""),
        country=_country(sent.get("country", "")),
        department=sent.get("department", ""),
        institution=sent.get("institution", ""),
        address=sent.get("address", ""),
        phone1=sent.get("phone1", ""),
        phone2=sent.get("phone2", ""),
        customfields=_kept_customfields(site, sent.get("customfields", [])),
        preferences={item["type"]: item["value"] for item in sent.get("preferences", [])},
    )


def username_taken(site: MoodleSite, username: str) -> bool:
    return any(site.equal(account.username, username) for account in site.users.values())


def _check_names(site: MoodleSite, sent: dict[str, Any], earlier: list[Account]) -> None:
    username = sent["username"]
    if username != clean_username(site, username):
        raise invalid_parameter()
    if not all(sent[name].strip() for name in ("username", "firstname", "lastname")):
        raise invalid_parameter()
    if username_taken(site, username) or any(site.equal(other.username, username) for other in earlier):
        raise invalid_parameter()


def _check_choices(site: MoodleSite, sent: dict[str, Any]) -> None:
    if sent["auth"] not in AUTHS or sent["lang"] not in site.languages:
        raise invalid_parameter()
    wants_password = sent["auth"] in AUTHS_WITH_PASSWORD and not sent.get("createpassword")
    if wants_password and not sent.get("password"):
        raise invalid_parameter()


def _check_email(site: MoodleSite, email: str, earlier: list[Account]) -> None:
    if _EMAIL.fullmatch(email) is None:
        raise invalid_parameter()
    others = [*site.users.values(), *earlier]
    if not site.allow_same_email and any(other.email.lower() == email.lower() for other in others):
        raise invalid_parameter()


def _check_password(site: MoodleSite, sent: dict[str, Any]) -> None:
    if sent.get("createpassword") or sent["auth"] not in AUTHS_WITH_PASSWORD:
        return
    password = sent["password"]
    if len(password) > MAX_PASSWORD:
        raise moodle_error(f"The password can't be more than {MAX_PASSWORD} characters.")
    if not site.password_policy:
        return
    broken = [text for text, rule in PASSWORD_RULES if not any(map(rule, password))]
    if len(password) < site.min_password_length:
        broken.insert(0, f"Passwords must be at least {site.min_password_length} characters long.")
    if broken:  # the sentences shown to a person become the code
        raise moodle_error("".join(f"<div>{text}</div>" for text in broken))


def _country(sent: str) -> str:
    known = re.fullmatch(r"[A-Z]{2}", sent) is not None and sent not in {"XX", "ZZ"}
    return sent if known or not sent else "0"


def _kept_customfields(site: MoodleSite, sent: list[dict[str, str]]) -> dict[str, str]:
    """Unknown fields are dropped without a word, impossible choices turn into the default."""
    fields = {field.shortname: field for field in site.profile_fields}
    return {
        item["type"]: fields[item["type"]].accept(item["value"]) for item in sent if item["type"] in fields
    }
