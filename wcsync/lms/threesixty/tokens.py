"""Access tokens of the 360Learning API: fetched when needed, one at a time, and shown to nobody.

https://360learning.readme.io/docs/authentication
"""

import threading
import time
from collections.abc import Callable

import msgspec

from wcsync.credentials import Secret
from wcsync.errors import Finding, ServiceBlocked, TransientError
from wcsync.http import Outgoing, Reply, Service
from wcsync.lms.threesixty.answers import code_of
from wcsync.pulse import holding

MARGIN_S = 60.0
"""A token is replaced so long before it expires, but not before half its life: no call may outlive its token."""

SETTINGS_PAGE = "Settings → API v2"

FIREWALL = Finding(
    code="firewall",
    message="something in front of it refuses us (status 403)",
    remedy="let this machine's address through any firewall in front of it, and check url",
)


class _Grant(msgspec.Struct):
    """`expires_in`: seconds, sent as a number or as text."""

    access_token: str
    expires_in: float


class Tokens:
    """The token of one pair of credentials. Thread-safe.

    `url`: where tokens are given out. `clock` is monotonic and in seconds.
    """

    def __init__(
        self,
        service: Service,
        url: str,
        client_id: Secret,
        client_secret: Secret,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._url = url
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._good_until = 0.0

    def current(self) -> Secret:
        """A token that is good for a while. Whoever comes while one is being fetched waits for that one.

        Raises: TransientError, ServiceBlocked.
        """
        with holding(self._lock):
            if self._token is None or self._clock() >= self._good_until:
                self._renew()
            assert self._token is not None
            return self._token

    def drop(self, token: Secret) -> None:
        """Forgets a token that was refused, unless another has taken its place meanwhile."""
        with self._lock:
            if self._token is token:
                self._token = None

    def _renew(self) -> None:
        asked_at = self._clock()
        grant = self._parse(self._service.fetch(self._prepared))
        self._token = Secret(grant.access_token)
        self._good_until = asked_at + grant.expires_in - min(MARGIN_S, grant.expires_in / 2)

    def _prepared(self) -> Outgoing:
        body = {
            "grant_type": "client_credentials",
            "client_id": self._client_id.reveal(),
            "client_secret": self._client_secret.reveal(),
        }
        headers = {"content-type": "application/json", "360-api-version": "v2.0"}
        return Outgoing(method="POST", url=self._url, headers=headers, content=msgspec.json.encode(body))

    def _parse(self, reply: Reply) -> _Grant:
        if reply.status >= 400:
            finding = _why_refused(reply)
            raise ServiceBlocked(f"{self._service.name}: {finding}", finding=finding)
        try:
            grant = msgspec.json.decode(reply.content, type=_Grant, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            grant = None
        if grant is None or not grant.access_token:
            finding = _no_token(page=reply.looks_like_html)
            raise TransientError(f"{self._service.name}: {finding}", whole_service=True, finding=finding)
        return grant


def _why_refused(reply: Reply) -> Finding:
    code = code_of(reply)
    if code == "invalid_client":
        return Finding(
            code="wrong_credentials",
            message="does not know these credentials",
            remedy=(
                f"compare client_id and client_secret with those under {SETTINGS_PAGE} of the platform, and url with "
                "its region"
            ),
        )
    if code:
        return Finding(
            code="no_token",
            message=f"gives no token ({code})",
            remedy=f"make new credentials under {SETTINGS_PAGE} of the platform",
        )
    if reply.status == 403:
        return FIREWALL
    return Finding(
        code="no_api",
        message=f"no API answers there (status {reply.status})",
        remedy=(
            "set url in the config to https://app.360learning.com or, for a platform hosted in the USA, "
            "https://app.us.360learning.com"
        ),
    )


def _no_token(*, page: bool) -> Finding:
    if page:
        return Finding(
            code="page_instead",
            message="gave a page instead of a token",
            remedy="it will be asked again; if it stays so, check url, and any firewall in front of it",
        )
    return Finding(
        code="not_json",
        message="gave something that cannot be read instead of a token",
        remedy="it will be asked again; if it stays so, check url",
    )
