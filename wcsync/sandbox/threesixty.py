"""A 360Learning company on loopback: its API v2, with tokens, scopes, limits and pages.

https://360learning.readme.io/reference
"""

import base64
import json
import secrets
import ssl
import time
from collections import deque
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.server import SandboxServer
from wcsync.sandbox.threesixty_errors import ApiError, flat
from wcsync.sandbox.threesixty_records import Credentials, Grant
from wcsync.sandbox.threesixty_routes import ROUTES, Route
from wcsync.sandbox.threesixty_state import Company
from wcsync.times import Clock

API = "/api/v2"
TOKEN_PATH = f"{API}/oauth2/token"


class SandboxThreeSixty(Company, SandboxServer):
    """A company and its API. What can be set and seen: see Company; how it can fail: SandboxServer.

    `token_lifetime_s`, `expires_in_as_text`: what a token is worth and how that is written. `reads_per_s`,
    `writes_per_s`: the company's limits, None for none. `page_size`: of all lists, None for the documented ones.
    """

    def __init__(
        self,
        client_id: str = "sandboxid",
        client_secret: str = "sandboxsecret",  # noqa: S107 - a key to a toy
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        latency_s: float = 0.0,
    ) -> None:
        SandboxServer.__init__(self, port=port, tls=tls, clock=clock, latency_s=latency_s)
        Company.__init__(self, self.clock)
        self.add_credentials(client_id, client_secret)
        self.token_lifetime_s = 3600
        self.expires_in_as_text = False
        self.reads_per_s: int | None = 50
        self.writes_per_s: int | None = 10
        self.page_size: int | None = None
        self._reads = deque[float]()
        self._writes = deque[float]()

    def revoke_tokens(self) -> None:
        """None of the tokens given out is good any more."""
        self.grants.clear()

    def handle(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except ApiError as error:
            return Response.json(error.as_json(), status=error.status)

    def _answer(self, request: Request) -> Response:
        self.catch_up()
        if request.path == TOKEN_PATH and request.method == "POST":
            return Response.json(self._give_token(request))
        credentials = self._authorise(request)
        self._limit(request)
        route, ids = _find_route(request)
        if route is None:
            return Response.html("Cannot find it", status=404)
        if request.headers.get("360-api-version") != "v2.0":
            return Response.html("Bad Request", status=400)
        if route.scope not in credentials.scopes:
            raise ApiError(403, "invalid_scope")
        answer = route.act(self, request, *ids)
        if answer.rows is not None:
            return self._page(request, answer.rows, self.page_size or route.page_size)
        if answer.status == 204:
            return Response(status=204)
        return Response.json(answer.body, status=answer.status)

    def _give_token(self, request: Request) -> dict[str, Any]:
        body = _parsed(request)
        if body is None or not {"grant_type", "client_id", "client_secret"} <= set(body):
            raise flat(400, "invalid_request")
        if body["grant_type"] != "client_credentials":
            raise flat(400, "unsupported_grant_type")
        known = self.credentials.get(body["client_id"])
        if known is None or known.client_secret != body["client_secret"]:
            raise flat(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        lifetime = timedelta(seconds=self.token_lifetime_s)
        self.grants[token] = Grant(client_id=body["client_id"], expires_at=self.clock() + lifetime)
        expires_in = str(self.token_lifetime_s) if self.expires_in_as_text else self.token_lifetime_s
        return {"token_type": "Bearer", "access_token": token, "expires_in": expires_in}

    def _authorise(self, request: Request) -> Credentials:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.grants.get(token)
        if kind != "Bearer" or grant is None or grant.expires_at <= self.clock():
            raise flat(401, "invalid_token")
        return self.credentials[grant.client_id]

    def _limit(self, request: Request) -> None:
        """Counts real seconds, whatever clock the company lives by."""
        reading = request.method == "GET"
        recent, limit = (self._reads, self.reads_per_s) if reading else (self._writes, self.writes_per_s)
        now = time.monotonic()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if limit is not None and len(recent) >= limit:
            raise flat(429, "tooManyRequests")
        recent.append(now)

    def _page(self, request: Request, rows: list[Any], size: int) -> Response:
        """One page. The cursor goes forward only, and keeps the filters by being added to them."""
        start = _read_cursor(request.first("cursor"))
        headers = {}
        if start + size < len(rows):
            query = [(name, value) for name, value in request.query if name != "cursor"]
            query.append(("cursor", base64.urlsafe_b64encode(str(start + size).encode()).decode()))
            headers["Link"] = f'<{self.url}{request.path}?{urlencode(query)}>; rel="next"'
        return Response.json(rows[start : start + size], headers=headers)


def _find_route(request: Request) -> tuple[Route | None, tuple[str, ...]]:
    path = request.path.removeprefix(API)
    for route in ROUTES:
        found = route.path.fullmatch(path)
        if found and route.method == request.method and request.path.startswith(API):
            return route, found.groups()
    return None, ()


def _parsed(request: Request) -> dict[str, Any] | None:
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _read_cursor(text: str | None) -> int:
    return int(base64.urlsafe_b64decode(text)) if text else 0
