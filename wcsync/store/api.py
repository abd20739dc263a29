"""How a shop is reached: the `woocommerce` package with its transport replaced.

The package gives the rules: how an address is built, when a key goes into the Authorization header and when a request
is signed with OAuth 1.0a instead, and how. Its transport is replaced. It opens a connection per call, knows no errors,
sends each parameter twice over http and writes the secret into its caller's parameters.
"""

import json
import time
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from wcsync.http import Outgoing, Reply, Service
from wcsync.store.package import load_api
from wcsync.store.refusal import Way

API_VERSION = "wc/v3"
HEADERS = {"accept": "application/json", "cache-control": "no-cache"}


_PackageApi: Any = load_api()


class Api(_PackageApi):  # type: ignore[misc]  # the package comes without types
    """The package's addresses, its choice of authentication and its signature.

    Raises, everywhere: TransientError, ServiceBlocked.
    """

    def __init__(self, url: str, consumer_key: str, consumer_secret: str, way: Way, service: Service) -> None:
        super().__init__(
            url, consumer_key, consumer_secret, version=API_VERSION, query_string_auth=way == "query"
        )
        self._service = service

    def ask(self, endpoint: str, params: dict[str, str]) -> Reply:
        """Reads, up to three times while the way is shaky."""
        reply = self.get(endpoint, params=params)
        assert isinstance(reply, Reply), reply
        return reply

    def ask_in_query(self, endpoint: str, params: dict[str, str]) -> Reply:
        """As `ask`, but the key travels in the query. Over https alone."""
        assert self.is_ssl, endpoint
        keys = {"consumer_key": self.consumer_key, "consumer_secret": self.consumer_secret}
        address = f"{self._API__get_url(endpoint)}?{urlencode(params | keys)}"
        return self._service.fetch(lambda: Outgoing(method="GET", url=address, headers=HEADERS))

    def tell(
        self,
        endpoint: str,
        body: Mapping[str, object],
        params: dict[str, str] | None = None,
        *,
        answered: Collection[int] = (),
    ) -> Reply:
        """Adds something, once: a lost answer says so. `answered` as in `Service.send`."""
        reply = self.post(endpoint, body, params=params, answered=answered)
        assert isinstance(reply, Reply), reply
        return reply

    def change(
        self,
        endpoint: str,
        body: Mapping[str, object],
        params: dict[str, str] | None = None,
        *,
        answered: Collection[int] = (),
    ) -> Reply:
        """Changes something that is there, once, as `tell`."""
        reply = self.put(endpoint, body, params=params, answered=answered)
        assert isinstance(reply, Reply), reply
        return reply

    def _API__request(  # noqa: N802 - where the package's get(), post() and put() end up
        self,
        method: str,
        endpoint: str,
        data: object,
        params: dict[str, str] | None = None,
        answered: Collection[int] = (),
        **_: Any,
    ) -> Reply:
        if method == "GET":
            return self._service.fetch(lambda: self._prepare("GET", endpoint, params or {}))
        assert method in {"POST", "PUT"}, method
        body = json.dumps(data).encode()
        return self._service.send(
            lambda: self._prepare(method, endpoint, params or {}, body), answered=answered
        )

    def _prepare(
        self, method: str, endpoint: str, params: dict[str, str], body: bytes | None = None
    ) -> Outgoing:
        """A request for one try: the shop takes each signature once."""
        address, headers = self._API__get_url(endpoint), dict(HEADERS)
        if body is not None:
            headers["content-type"] = "application/json"
        if not self.is_ssl:
            query = f"?{urlencode(params)}" if params else ""
            url = self._API__get_oauth_url(f"{address}{query}", method, oauth_timestamp=int(time.time()))
            return Outgoing(method=method, url=url, headers=headers, content=body)
        if self.query_string_auth:
            params = params | {"consumer_key": self.consumer_key, "consumer_secret": self.consumer_secret}
        else:
            pair = f"{self.consumer_key}:{self.consumer_secret}".encode()
            headers["authorization"] = f"Basic {b64encode(pair).decode()}"
        query = f"?{urlencode(params)}" if params else ""
        return Outgoing(method=method, url=f"{address}{query}", headers=headers, content=body)
