"""The functions about users, and about the site itself."""

import re
from typing import Any

from wcsync.sandbox.moodle_accounts import clean_username, new_account, username_taken
from wcsync.sandbox.moodle_call import Call, Function
from wcsync.sandbox.moodle_errors import coding_error, invalid_parameter, moodle_error, write_failed
from wcsync.sandbox.moodle_params import (
    OPTIONAL,
    Many,
    Param,
    flag,
    integer,
    letters,
    no_tags,
    php_int,
    raw,
    trimmed,
    word,
)
from wcsync.sandbox.moodle_records import CONTACT_ROLES, Account

_PAIR = Many(of={"type": Param(word), "value": Param(raw)})
_NEW_USER = {
    "createpassword": Param(flag, OPTIONAL),
    "username": Param(raw),
    "auth": Param(word, "manual"),
    "password": Param(raw, OPTIONAL),
    "firstname": Param(no_tags),
    "lastname": Param(no_tags),
    "email": Param(trimmed),
    "maildisplay": Param(integer, OPTIONAL),
    "city": Param(no_tags, OPTIONAL),
    "country": Param(letters, OPTIONAL),
    "timezone": Param(raw, OPTIONAL),
    "description": Param(no_tags, OPTIONAL),
    "firstnamephonetic": Param(no_tags, OPTIONAL),
    "lastnamephonetic": Param(no_tags, OPTIONAL),
    "middlename": Param(no_tags, OPTIONAL),
    "alternatename": Param(no_tags, OPTIONAL),
    "interests": Param(no_tags, OPTIONAL),
    "idnumber": Param(raw, ""),
    "institution": Param(no_tags, OPTIONAL),
    "department": Param(no_tags, OPTIONAL),
    "phone1": Param(no_tags, OPTIONAL),
    "phone2": Param(no_tags, OPTIONAL),
    "address": Param(no_tags, OPTIONAL),
    "lang": Param(word, "en"),
    "calendartype": Param(word, "gregorian"),
    "theme": Param(word, OPTIONAL),
    "mailformat": Param(integer, OPTIONAL),
    "customfields": Param(_PAIR, OPTIONAL),
    "preferences": Param(_PAIR, OPTIONAL),
}

_ADVANCED = {
    "usecomments": 1,
    "usetags": 1,
    "enablenotes": 1,
    "messaging": 1,
    "enableblogs": 1,
    "enablecompletion": 1,
    "enablebadges": 1,
    "messagingallusers": 0,
    "enablecustomreports": 1,
    "enableglobalsearch": 0,
    "mnet_dispatcher_mode": 0,
    "enablecompetencies": 1,
}


def get_site_info(call: Call) -> dict[str, Any]:
    """Works for a service user nothing else works for: it never enters the site."""
    site = call.site
    me = site.users[call.caller.user_id]
    return {
        "sitename": site.sitename,
        "username": me.username,
        "firstname": me.firstname,
        "lastname": me.lastname,
        "fullname": me.fullname,
        "lang": "en",
        "userid": me.id,
        "siteurl": call.base_url,
        "userpictureurl": _picture(call, "f1"),
        "functions": site_functions(call),
        "downloadfiles": 1,
        "uploadfiles": 0,
        "release": site.release,
        "version": "2024100706",
        "mobilecssurl": "",
        "advancedfeatures": [{"name": name, "value": value} for name, value in _ADVANCED.items()],
        "usercanmanageownfiles": True,
        "userquota": 104857600,
        "usermaxuploadfilesize": 67108864,
        "userhomepage": 1,
        "userprivateaccesskey": "sandboxaccesskey",
        "siteid": 1,
        "sitecalendartype": "gregorian",
        "usercalendartype": "gregorian",
        "userissiteadmin": False,
        "theme": "boost",
        "limitconcurrentlogins": 0,
        "policyagreed": 0,
    }


def site_functions(call: Call) -> list[dict[str, str]]:
    return [{"name": name, "version": version} for name, version in call.site.functions.items()]


def create_users(call: Call) -> list[dict[str, Any]]:
    """All or none. The e-mail is looked for and then written: nothing stops another request in between."""
    call.enter_site()
    call.require("moodle/user:create")
    created: list[Account] = []
    for sent in call.params["users"]:
        created.append(new_account(call.site, sent, created))
    call.site.let_others_in()
    if any(username_taken(call.site, account.username) for account in created):
        raise write_failed()  # the one unique index there is
    for account in created:
        call.site.insert_user(account)
    answer = [{"id": account.id, "username": account.username} for account in created]
    for sent, account in zip(call.params["users"], created, strict=True):
        if sent.get("createpassword"):
            _mail_password(call, account)
    return answer


def get_users(call: Call) -> dict[str, Any]:
    """A key it does not know does not narrow the search: everybody is found, with a warning."""
    call.enter_site()
    keys = [item["key"].strip() for item in call.params["criteria"]]
    if len(set(keys)) < len(keys):
        raise moodle_error("keyalreadyset")
    found = [
        account for account in _living(call) if all(_meets(call, account, item) for item in _known(call))
    ]
    return {
        "users": [render_user(call, account) for account in found if may_see(call, account)],
        "warnings": [_unknown_key(key) for key in keys if key not in _SEARCHES],
    }


def get_users_by_field(call: Call) -> list[dict[str, Any]]:
    """Exact by the database's own idea of equal. By id even the deleted are found, looking alive."""
    call.enter_site()
    field, values = call.params["field"], call.params["values"]
    if field not in {"id", "idnumber", "username", "email"}:
        raise coding_error("invalid field parameter")
    for value in values:
        _check_sought(call, field, value)
    found = [
        account
        for account in call.site.users.values()
        if any(call.site.equal(str(getattr(account, field)), value) for value in values)
    ]
    rendered = [render_user(call, account) for account in found if may_see(call, account)]
    return [user for user in rendered if user.get(field)]  # what is sought must be among what is shown


def may_see(call: Call, account: Account) -> bool:
    """Both rights for anybody; one is enough for teachers, who are public. Lacking them is no error."""
    roles = {role for row in call.site.enrolments_of(account.id) for role in row.roles}
    return call.may("moodle/user:viewalldetails") and (
        call.may("moodle/user:viewdetails") or bool(roles & CONTACT_ROLES)
    )


def render_user(call: Call, account: Account) -> dict[str, Any]:
    """A user as the site-wide look-ups show it. Empty texts are mostly left out."""
    optional = {name: getattr(account, name) for name in ("idnumber", "city", "country")}
    shown = {name: value for name, value in optional.items() if value not in {"", "0"}}
    customfields = render_customfields(call, account)
    return (
        {"id": account.id, "username": account.username}
        | render_names(call, account)
        | {"department": account.department, "firstaccess": 0, "lastaccess": 0}
        | {
            "auth": account.auth,
            "suspended": account.suspended,
            "confirmed": account.confirmed,
            "lang": account.lang,
            "theme": "",
            "timezone": account.timezone,
            "mailformat": 1,
            "trackforums": 0,
        }
        | shown
        | render_pictures(call)
        | ({"customfields": customfields} if customfields else {})
    )


def render_names(call: Call, account: Account) -> dict[str, Any]:
    """Names, and the e-mail for those who may see it."""
    email = {"email": account.email} if call.may("moodle/site:viewuseridentity") else {}
    return {
        "firstname": account.firstname,
        "lastname": account.lastname,
        "fullname": account.fullname,
    } | email


def render_pictures(call: Call) -> dict[str, str]:
    return {"profileimageurlsmall": _picture(call, "f2"), "profileimageurl": _picture(call, "f1")}


def render_customfields(call: Call, account: Account) -> list[dict[str, str]]:
    """The profile fields that have a value, given or by default."""
    values = {
        field: account.customfields.get(field.shortname, field.default) for field in call.site.profile_fields
    }
    return [
        {
            "type": field.datatype,
            "value": value,
            "displayvalue": value,
            "name": field.name,
            "shortname": field.shortname,
        }
        for field, value in values.items()
        if value
    ]


def _mail_password(call: Call, account: Account) -> None:
    """After the account is there; a mail that cannot be sent goes unnoticed."""
    account.preferences["auth_forcepasswordchange"] = "1"
    if call.site.send_mail():
        call.site.created_passwords_mailed.append(account.email)


_SEARCHES = frozenset({"id", "lastname", "firstname", "idnumber", "username", "email", "auth"})
_LIKE = frozenset({"lastname", "firstname", "email"})


def _living(call: Call) -> list[Account]:
    return [account for account in call.site.users.values() if not account.deleted]


def _known(call: Call) -> list[dict[str, str]]:
    return [item for item in call.params["criteria"] if item["key"].strip() in _SEARCHES]


def _meets(call: Call, account: Account, criterion: dict[str, str]) -> bool:
    key, value = criterion["key"].strip(), criterion["value"].strip()
    stored = str(getattr(account, key))
    if key in _LIKE:
        return _like(stored, value)
    if key == "id":
        return account.id == php_int(value)
    return call.site.equal(stored, clean_username(call.site, value) if key == "username" else value)


def _like(stored: str, pattern: str) -> bool:
    """SQL's LIKE without regard to case: `%` any text, `_` any letter, a backslash takes that away."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    regex = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, stored, re.IGNORECASE | re.DOTALL) is not None


def _unknown_key(key: str) -> dict[str, str]:
    return {
        "item": key,
        "warningcode": "invalidfieldparameter",
        "message": f"The search key '{key}' is not supported, look at the web service documentation",
    }


def _check_sought(call: Call, field: str, value: str) -> None:
    """A value Moodle would have to clean first is refused, not searched for."""
    if field == "id" and re.fullmatch(r"-?\d+", value) is None:
        raise invalid_parameter()
    if field == "username" and value != clean_username(call.site, value):
        raise invalid_parameter()
    if field == "email" and value != value.strip():
        raise invalid_parameter()


def _picture(call: Call, size: str) -> str:
    return f"{call.base_url}/theme/image.php/boost/core/1/u/{size}"


FUNCTIONS = {
    "core_webservice_get_site_info": Function(
        params={"serviceshortnames": Param(Many(of=word), ())}, run=get_site_info
    ),
    "core_user_create_users": Function(params={"users": Param(Many(of=_NEW_USER))}, run=create_users),
    "core_user_get_users_by_field": Function(
        params={"field": Param(letters), "values": Param(Many(of=raw))}, run=get_users_by_field
    ),
    "core_user_get_users": Function(
        params={"criteria": Param(Many(of={"key": Param(word), "value": Param(raw)}))}, run=get_users
    ),
}
