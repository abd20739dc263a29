"""How 360Learning is called: one request, its answer as a typed value, its refusals as our four errors.

Only the `code` of a refusal tells what is wrong. Too many requests and errors inside it are told by the status alone
and dealt with in `wcsync.http`.
https://360learning.readme.io/docs/errors
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from wcsync.credentials import Secret
from wcsync.errors import Finding, PermanentError, ServiceBlocked, Severity, TransientError, TurnedAway
from wcsync.http import Outgoing, Reply, Service
from wcsync.lms.base import Intent, LmsSettings, Write
from wcsync.lms.threesixty.answers import User, code_of
from wcsync.lms.threesixty.tokens import SETTINGS_PAGE, Tokens
from wcsync.lms.throttle import Throttle
from wcsync.pulse import beat

T = TypeVar("T")
Query = Sequence[tuple[str, str]]

API = "/api/v2"
VERSION = "v2.0"

READS_PER_S = 40.0
READS_AT_ONCE = 5
WRITES_PER_S = 8.0
WRITES_AT_ONCE = 1
"""360Learning takes 50 reads and 10 writes a second from a company, over all its credentials; some are left to others.

https://360learning.readme.io/docs/copy-of-rate-limiting-errors
"""

MOST_PAGES = 10_000

PATHS_READ = "paths:read"
"""The scope that only some rows of the mapping need: lacking it is their trouble, not the service's."""

INVALID_SCOPE = "invalid_scope"

_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_-]+)+")
_NEXT_PAGE = re.compile(r'<([^<>]*)>[^,<]*;\s*rel="?next"?', re.IGNORECASE)

OTHER_ADDRESS = Finding(
    code="other_address",
    message="its lists go on at another address than the configured one",
    remedy="set url in the config to the address the platform itself uses",
)
TOKEN_REFUSED = Finding(
    code="token_refused",
    message="does not accept the token it has just given",
    remedy=f"look whether the credentials are still there under {SETTINGS_PAGE} of the platform",
)


class Refused(PermanentError):
    """360Learning refused this one call. `code`: what it calls the reason."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class LacksScope(ServiceBlocked):
    """The credentials may not do what nothing goes without."""


class Stumbled(TransientError):
    """360Learning answered, but not so that it shows whether it acted. Look before telling anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation: `path` below /api/v2, `scope` what the credentials must be allowed."""

    method: str
    path: str
    scope: str
    query: Query = ()
    body: object = None


PROBE = Call(method="GET", path="/users", scope="users:read", query=(("mail[eq]", "wcsync@example.invalid"),))
"""The smallest call there is: it finds nobody."""


class Rest:
    """The API of one 360Learning company. Thread-safe; `close()` when done.

    Raises, everywhere: TransientError (Stumbled among them), ServiceBlocked, Refused.
    """

    def __init__(self, settings: LmsSettings, client_id: Secret, client_secret: Secret) -> None:
        self.name = f'360learning "{settings.name}"'
        self._base = settings.url.rstrip("/") + API
        self._service = Service(self.name, timeout_s=settings.timeout_s, ca_file=settings.ca_file)
        self._tokens = Tokens(self._service, f"{self._base}/oauth2/token", client_id, client_secret)
        self._reads = Throttle(per_s=READS_PER_S, burst=READS_AT_ONCE)
        self._writes = Throttle(per_s=WRITES_PER_S, burst=WRITES_AT_ONCE)

    def close(self) -> None:
        self._service.close()

    def read(self, call: Call, shape: type[T]) -> T:
        """The answer to a call that changes nothing."""
        return self._parse(self._fetch(call, self._url(call)), call, shape)

    def read_pages(self, call: Call, shape: type[T]) -> Iterator[T]:
        """Every page of a list. A list that changes meanwhile may repeat or miss what changed."""
        url, seen = self._url(call), set[str]()
        while url not in seen and len(seen) < MOST_PAGES:
            seen.add(url)
            beat()
            reply = self._fetch(call, url)
            yield self._parse(reply, call, shape)
            link = _NEXT_PAGE.search(reply.headers.get("link", ""))
            if link is None:
                return
            url = self._next_page(link[1], url)
        raise TransientError(f"{self.name}: its list at {call.path} goes round in circles; asked again later")

    def write(self, call: Call, intent: Intent, kinds: Sequence[Write] = (Write.ENROLMENT,)) -> Reply:
        """The answer, of status 2xx, to a call that may change something.

        Declares all that it writes at the last moment, when it has its token and its turn; each time it is sent.
        """

        def send(token: Secret) -> Reply:
            self._writes.wait()
            for kind in kinds:
                intent.declare(kind)
            return self._service.send(lambda: self._prepared(call, self._url(call), token))

        return self._checked(self._authorised(send), call)

    def parse_written(self, reply: Reply, call: Call, shape: type[T]) -> T:
        """What `write` brought. Raises Stumbled when it cannot be read: it may have been done all the same."""
        return self._parse(reply, call, shape, may_act=True)

    def lost(self, reply: Reply, call: Call, *, may_act: bool = True) -> Stumbled:
        """The error for an answer that says nothing."""
        finding = _not_understood(f"{call.method} {_kind(call)}", page=reply.looks_like_html)
        return Stumbled(
            f"{self.name}: {finding}",
            answer_lost=may_act,
            whole_service=reply.looks_like_html,
            finding=finding,
        )

    def _fetch(self, call: Call, url: str) -> Reply:
        def send(token: Secret) -> Reply:
            self._reads.wait()
            return self._service.fetch(lambda: self._prepared(call, url, token))

        return self._checked(self._authorised(send), call)

    def _authorised(self, send: Callable[[Secret], Reply]) -> Reply:
        """Sends with a token; once more with a new one if the first had been revoked or expired early."""
        token = self._tokens.current()
        reply = send(token)
        if reply.status != 401 or code_of(reply) != "invalid_token":
            return reply
        self._tokens.drop(token)
        return send(self._tokens.current())

    def _prepared(self, call: Call, url: str, token: Secret) -> Outgoing:
        headers = {"authorization": f"Bearer {token.reveal()}", "360-api-version": VERSION}
        if call.body is None:
            return Outgoing(method=call.method, url=url, headers=headers)
        headers["content-type"] = "application/json"
        return Outgoing(method=call.method, url=url, headers=headers, content=msgspec.json.encode(call.body))

    def _url(self, call: Call) -> str:
        """An id may come from a mapping or an answer: one that would lead to another operation is never sent."""
        if not _PLAIN_PATH.fullmatch(call.path):
            raise PermanentError(
                f"{self.name}: {call.method} cannot be asked for, as an id in its address holds other characters than "
                "letters and digits; check the mapping row"
            )
        return f"{self._base}{call.path}" + (f"?{urlencode(call.query)}" if call.query else "")

    def _next_page(self, link: str, here: str) -> str:
        """The next page's address. Never another host's: it would get our token."""
        url = urljoin(here, link)
        if _origin(url) != _origin(self._base):
            raise self._blocked(OTHER_ADDRESS)
        return url

    def _parse(self, reply: Reply, call: Call, shape: type[T], *, may_act: bool = False) -> T:
        try:
            return msgspec.json.decode(reply.content, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise self.lost(reply, call, may_act=may_act) from exc

    def _checked(self, reply: Reply, call: Call) -> Reply:
        if reply.status < 300:
            return reply
        code = code_of(reply)
        if reply.status == 401:
            raise self._blocked(TOKEN_REFUSED)
        if code == INVALID_SCOPE:
            raise self._lacks(call, code)
        if code:
            raise Refused(f"{self.name}: refused {call.method} {_kind(call)} ({code})", code)
        raise self._blame_firewall(reply, call)

    def _lacks(self, call: Call, code: str) -> Refused | LacksScope:
        finding = lacks_scope(call.scope)
        message = f"{self.name}: {finding}"
        return Refused(message, code) if call.scope == PATHS_READ else LacksScope(message, finding=finding)

    def _blocked(self, finding: Finding) -> ServiceBlocked:
        return ServiceBlocked(f"{self.name}: {finding}", finding=finding)

    def _blame_firewall(self, reply: Reply, call: Call) -> TurnedAway | ServiceBlocked:
        """Something in front that refuses everything blocks the service; refusing one call's content does not."""
        nobody_there = self._blocked(_nobody_there(reply.status))
        if call is PROBE:
            return nobody_there
        self.read(PROBE, list[User])
        return TurnedAway(
            f"{self.name}: something in front of it refused {call.method} {_kind(call)} (status {reply.status}) but "
            "lets other calls through; look for an odd name or address in the order"
        )


def lacks_scope(scope: str, *, severity: Severity = Severity.FATAL) -> Finding:
    return Finding(
        code="missing_scope",
        message=f"the credentials lack the scope {scope}",
        remedy=f"add it under {SETTINGS_PAGE} of the platform (your contact at 360Learning sets which scopes can be "
        "chosen there)",
        severity=severity,
    )


def _not_understood(what: str, *, page: bool) -> Finding:
    if page:
        return Finding(
            code="page_instead",
            message=f"answered {what} with a page instead of data",
            remedy="it will be asked again; if it stays so, check url, and any firewall in front of it",
        )
    return Finding(
        code="not_json",
        message=f"answered {what} with something that cannot be read",
        remedy="it will be asked again",
    )


def _nobody_there(status: int) -> Finding:
    return Finding(
        code="no_api",
        message=f"no API answers there (status {status})",
        remedy="set url in the config to the platform's address, and let this machine's address through any firewall "
        "in front of it",
    )


def _kind(call: Call) -> str:
    """The path without its ids."""
    return re.sub("/[0-9a-f]{24}", "/…", call.path)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
