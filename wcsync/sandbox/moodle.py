"""A Moodle on loopback: the web service of a 4.5 site, with its traps.

Every application error is HTTP 200. https://docs.moodle.org/dev/Web_services
"""

import ssl
from typing import Any
from urllib.parse import parse_qsl

from wcsync.sandbox import moodle_contents, moodle_courses, moodle_enrol, moodle_groups, moodle_users
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.moodle_authors import Authors
from wcsync.sandbox.moodle_call import Call, Function
from wcsync.sandbox.moodle_errors import (
    MoodleError,
    NotKnown,
    access_denied,
    invalid_parameter,
    invalid_token,
    missing_record,
    moodle_error,
)
from wcsync.sandbox.moodle_files import serve_file
from wcsync.sandbox.moodle_pages import (
    BAD_GATEWAY_PAGE,
    DATABASE_DOWN,
    DATAROOT_PAGE,
    FUNCTIONS_ELSEWHERE,
    MAINTENANCE_PAGE,
    render_xml,
    render_xml_error,
)
from wcsync.sandbox.moodle_params import Php, check_parameters, parse_fields
from wcsync.sandbox.moodle_records import ServiceUser, Token
from wcsync.sandbox.moodle_state import Database
from wcsync.sandbox.server import SandboxServer
from wcsync.times import Clock

PATH = "/webservice/rest/server.php"
FUNCTIONS: dict[str, Function] = (
    moodle_users.FUNCTIONS
    | moodle_enrol.FUNCTIONS
    | moodle_courses.FUNCTIONS
    | moodle_contents.FUNCTIONS
    | moodle_groups.FUNCTIONS
)
_NO_CACHE = {"Cache-Control": "private, must-revalidate, pre-check=0, post-check=0, max-age=0"}


class SandboxMoodle(Authors, SandboxServer):
    """A Moodle site and its REST server. What can be set and seen: see MoodleSite and Authors; how it can fail:
    SandboxServer. What no site was ever seen to do is answered with 501.

    `siteurl` None: the site calls itself by the address it answers at.
    """

    def __init__(
        self,
        token: str = "sandboxtoken",  # noqa: S107 - a key to a toy
        *,
        database: Database = "postgres",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        latency_s: float = 0.0,
    ) -> None:
        SandboxServer.__init__(self, port=port, tls=tls, clock=clock, latency_s=latency_s)
        Authors.__init__(self, token=token, database=database, clock=self.clock)
        self.functions = {name: function.version for name, function in FUNCTIONS.items()}

    def expire_token(self, token: str | None = None) -> None:
        """The token (by default the only one) is past its time: it is deleted when it is used next."""
        self.tokens[token or next(iter(self.tokens))].valid_until = self.clock()

    def handle(self, request: Request) -> Response:
        instead = self._page_instead()
        if instead is not None:
            return instead
        if request.path.removesuffix("/") != PATH:
            return serve_file(self, request)
        if not self.webservices_enabled or not self.rest_enabled:
            return Response.html("", status=403)
        fields = _fields(request)
        as_json = fields.pop("moodlewsrestformat", None) == "json"
        try:
            value = self._run(fields)
        except MoodleError as exc:
            return _json(exc.as_body()) if as_json else _xml(render_xml_error(exc))
        except NotKnown as exc:
            return Response.html(str(exc), status=501)
        return _json(value) if as_json else _xml(render_xml(value))

    def _page_instead(self) -> Response | None:
        """Troubles that come before any web service code runs."""
        match self.outage:
            case "cli_maintenance":
                return Response.html(MAINTENANCE_PAGE, status=503, headers={"Retry-After": "300"})
            case "gateway":
                return Response.html(BAD_GATEWAY_PAGE, status=502)
            case "dataroot":
                return Response.html(DATAROOT_PAGE, status=500)
        return None

    def _run(self, fields: dict[str, Php]) -> Any:
        self._check_running()
        raw = fields.pop("moodlewssettingraw", "") in ("1", "true")
        for setting in ("filter", "fileurl", "lang", "timezone"):
            fields.pop(f"moodlewssetting{setting}", None)
        token = self._authenticate(fields.pop("wstoken", ""))
        function = self._find_function(token, fields.pop("wsfunction", ""))
        return function.run(
            Call(
                site=self,
                caller=token.user,
                params=check_parameters(function.params, fields),
                base_url=self.siteurl or self.url,
                raw=raw,
            )
        )

    def _check_running(self) -> None:
        if self.outage == "database":
            raise MoodleError("dml_connection_exception", "dbconnectionfailed", DATABASE_DOWN)
        if self.outage == "upgrade":
            raise moodle_error("upgraderunning", "Site is being upgraded, please retry later.")

    def _authenticate(self, text: Php) -> Token:
        token = self.tokens.get(text) if isinstance(text, str) else None
        if token is None:
            raise invalid_token()
        if token.valid_until is not None and token.valid_until <= self.clock():
            del self.tokens[str(text)]
            raise access_denied()
        if not token.address_allowed:
            raise access_denied()
        if self.outage == "maintenance":
            raise moodle_error(
                "sitemaintenance", "The site is undergoing maintenance and is currently not available"
            )
        _check_user(token.user)
        return token

    def _find_function(self, token: Token, name: Php) -> Function:
        if not isinstance(name, str) or not name:
            raise invalid_parameter()
        if name not in FUNCTIONS and name not in FUNCTIONS_ELSEWHERE:
            raise missing_record("external_functions")
        if name not in self.functions or not token.service_enabled:
            raise access_denied()
        return FUNCTIONS[name]


def _check_user(user: ServiceUser) -> None:
    """Codes of an unconfirmed, deleted or expired user are from Moodle's source, the others were recorded."""
    if user.suspended:
        raise moodle_error(
            "wsaccessusersuspended", f"Refused web service access for suspended username: {user.username}"
        )
    for wrong, code in (
        (user.deleted, "wsaccessuserdeleted"),
        (not user.confirmed, "wsaccessuserunconfirmed"),
        (user.password_expired, "wsaccessuserexpired"),
    ):
        if wrong:
            raise moodle_error(code, f"Refused web service access for username: {user.username}")
    if user.auth == "nologin":
        raise moodle_error(
            "wsaccessusernologin",
            f"Refused web service access for nologin authentication username: {user.username}",
        )
    if "webservice/rest:use" not in user.capabilities:
        raise access_denied()


def _fields(request: Request) -> dict[str, Php]:
    """Query and form together, the form winning. A JSON body is not read; broken UTF-8 is kept to be refused."""
    form: list[tuple[str, str]] = []
    urlencoded = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if request.method == "POST" and urlencoded:
        text = request.body.decode("utf-8", "surrogateescape")
        form = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    return parse_fields(request.query) | parse_fields(form)


def _json(value: Any) -> Response:
    return Response.json(value, headers={"Content-Type": "application/json"} | _NO_CACHE)


def _xml(text: str) -> Response:
    return Response(
        headers={"Content-Type": "application/xml; charset=utf-8"} | _NO_CACHE, body=text.encode()
    )
