"""What Moodle's codes mean when they concern more than one call, and where in Moodle to mend it.

Only `errorcode` is read: texts are translated. Of several causes Moodle tells some alike; then all are named.
"""

from dataclasses import replace

from wcsync.errors import Finding, Severity

USERS = "Site administration → Users → Browse list of users"
SERVICES = "Site administration → Server → Web services"
ROLES = "Site administration → Users → Permissions → Define roles"
_LOG_IN = "log in to Moodle as that user once"
_ASKED_AGAIN = "it will be asked again"

PASSING = {
    "sitemaintenance": Finding(
        code="maintenance", message="is in maintenance", remedy=f"{_ASKED_AGAIN}; nothing is lost"
    ),
    "upgraderunning": Finding(
        code="upgrade_running", message="is being upgraded", remedy=f"{_ASKED_AGAIN}; nothing is lost"
    ),
    "dbconnectionfailed": Finding(
        code="database_down", message="cannot reach its database", remedy=_ASKED_AGAIN
    ),
}
"""Codes of trouble that ends by itself."""

WRONG_TOKEN = Finding(
    code="wrong_token",
    message="does not know this token: it is mistyped, was deleted, or has expired",
    remedy=f"make one under {SERVICES} → Manage tokens and put it where the config reads the token from",
)
TOKEN_EXPIRED = Finding(
    code="token_expired",
    message="this token has expired; Moodle has just deleted it",
    remedy=f"make another under {SERVICES} → Manage tokens, without a date, and put it where the config reads it",
)
ACCESS_REFUSED = "accessexception"

BLOCKING = {
    "invalidtoken": WRONG_TOKEN,
    ACCESS_REFUSED: Finding(
        code="access_refused",
        message="does not let this token call {function}",
        remedy=(
            f"is that function in the service, and the service enabled ({SERVICES} → External services)? Is the token "
            "valid, not bound to another IP address (Manage tokens), and may its user use REST (webservice/rest:use)?"
        ),
    ),
    "nopermissions": Finding(
        code="missing_capability",
        message="does not let the web service user call {function}",
        remedy=f"allow {{rights}} in its role ({ROLES})",
    ),
    "wsaccessusersuspended": Finding(
        code="user_suspended",
        message="the web service user is suspended",
        remedy=f"activate it under {USERS}",
    ),
    "wsaccessuserdeleted": Finding(
        code="user_deleted",
        message="the web service user was deleted",
        remedy=f"make another one and a token for it ({SERVICES})",
    ),
    "wsaccessuserunconfirmed": Finding(
        code="user_unconfirmed",
        message="the web service user is not confirmed",
        remedy=f"confirm it under {USERS}",
    ),
    "wsaccessuserexpired": Finding(
        code="user_password_expired",
        message="the web service user's password expired",
        remedy=f"{_LOG_IN} and change it",
    ),
    "wsaccessusernologin": Finding(
        code="user_nologin",
        message="the web service user may not log in",
        remedy="set its authentication to Manual accounts",
    ),
    "forcepasswordchangenotice": Finding(
        code="user_must_change_password",
        message="the web service user must change its password",
        remedy=f"{_LOG_IN} and do it",
    ),
    "sitepolicynotagreed": Finding(
        code="user_must_agree",
        message="the web service user has not agreed to the site policy",
        remedy=f"{_LOG_IN} and do it",
    ),
    "usernotfullysetup": Finding(
        code="user_profile_incomplete",
        message="the web service user's profile lacks a required field",
        remedy=f"{_LOG_IN} and fill it in",
    ),
}
"""Codes of trouble that a person must end, whatever is called; each with where to do what."""

WEB_SERVICES_OFF = Finding(
    code="web_services_off",
    message="web services are off, or their REST protocol is",
    remedy=(
        "switch them on under Site administration → Advanced features → Enable web services, and REST under "
        f"{SERVICES} → Manage protocols"
    ),
)
FIREWALL = Finding(
    code="firewall",
    message="something in front of it refuses us (status 403)",
    remedy="let this machine's address through its firewall",
)


def blocking(code: str, function: str, rights: str) -> Finding:
    finding = BLOCKING[code]
    return replace(
        finding,
        message=finding.message.format(function=function),
        remedy=finding.remedy.format(rights=rights),
    )


def no_moodle(status: int) -> Finding:
    return Finding(
        code="no_moodle",
        message=f"no web service answers there (status {status})",
        remedy="set url in the config to the address of the site's front page, a folder like /moodle included",
    )


def unreadable(function: str, *, page: bool) -> Finding:
    if page:
        return Finding(
            code="page_instead",
            message=f"answered {function} with a page instead of data",
            remedy=(
                f"{_ASKED_AGAIN}; if it stays so, a log-in, captcha or firewall page stands in front of it (let this "
                "machine's address in), or url is not the address of a Moodle"
            ),
        )
    return Finding(
        code="not_json",
        message=f"answered {function} with something that cannot be read",
        remedy=f"{_ASKED_AGAIN}; if it stays so, look whether url is right, and into the web server's error log",
    )


def lacks(capability: str, why: str) -> Finding:
    """The web service user's role lacks a right, found out by trying."""
    return Finding(
        code="missing_capability",
        message=f"the web service user's role lacks {capability}: {why}",
        remedy=f"allow it in its role ({ROLES}), assigned in the system context",
    )


def lacks_function(function: str, *, severity: Severity = Severity.FATAL, why: str = "") -> Finding:
    return Finding(
        code="missing_function",
        message=f"the service lacks the function {function}{why}",
        remedy=f"add it under {SERVICES} → External services → Functions",
        severity=severity,
    )
