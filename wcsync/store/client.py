"""A WooCommerce shop behind the `Store` protocol.

The `woocommerce` package gives the rules: how an address is built, when a key goes into the Authorization header and
when a request is signed with OAuth 1.0a instead, and how. Its transport is replaced. It opens a connection per call,
knows no errors, sends each parameter twice over http and writes the secret into its caller's parameters.
"""

import json
import time
from base64 import b64encode
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import woocommerce  # loads requests, 0.1 s and 7.5 MB: the price of not writing the rules a second time

from wcsync.errors import Finding, MalformedReply, PermanentError, ServiceBlocked, TransientError, WcsyncError
from wcsync.http import DEFAULT_TIMEOUT_S, Outgoing, Redirected, Reply, Service, Transport
from wcsync.model import Order, OrderId, Page, Product, ProductId, Unreadable, UnreadableProduct
from wcsync.store import checkup, wire
from wcsync.store.base import ShopIdentity
from wcsync.store.checkup import Line
from wcsync.store.products import Products, Talk
from wcsync.store.refusal import NO_WOOCOMMERCE, Way, explain, not_understood
from wcsync.times import Clock

PAGE_SIZE = 100
STATUSES_LAST_S = 3600.0
"""How long the shop's list of statuses is believed. A plugin that adds one is noticed within this time."""
STATUSES_UNKNOWN_S = 60.0
"""How soon a shop that did not understand the question is asked again."""

API_VERSION = "wc/v3"
_HEADERS = {"accept": "application/json", "cache-control": "no-cache"}


class WooCommerce:
    """Reads a shop's orders and products and writes notes of orders. Fulfils `Store`; thread-safe; `close()` when done.

    `url` as in a browser, `auth` says how the key travels over https; over http requests are signed instead.
    Raises ConfigError for a `ca_file` that cannot be used.
    """

    def __init__(
        self,
        *,
        url: str,
        consumer_key: str,
        consumer_secret: str,
        auth: Literal["basic", "query"] = "basic",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        ca_file: Path | None = None,
        page_size: int = PAGE_SIZE,
        transport: Transport | None = None,
    ) -> None:
        assert 1 <= page_size <= PAGE_SIZE, page_size
        self._url = _normalised(url)
        self._page_size = page_size
        self._way: Way = auth if self._url.startswith("https:") else "oauth"
        self._service = Service("shop", timeout_s=timeout_s, ca_file=ca_file, transport=transport)
        self._api = _Api(self._url, consumer_key.strip(), consumer_secret.strip(), self._way, self._service)
        talk = Talk(
            ask=self._api.ask,
            check=self._check,
            not_understood=self._not_understood,
            cached=self._cached,
        )
        self._products = Products(talk, page_size)
        self._zone: ZoneInfo | None = None
        self._unknown_zone = ""
        self._statuses: tuple[str, ...] = wire.STATUSES
        self._ask_statuses_at = 0.0

    def fetch_identity(self) -> ShopIdentity:
        """Who answers at the configured address, asked without keys.

        Raises ServiceBlocked also where WooCommerce's own API is missing.
        """
        address = f"{self._url}/wp-json?{urlencode(wire.render_index_query())}"
        try:
            reply = self._service.fetch(lambda: Outgoing(method="GET", url=address, headers=_HEADERS))
        except Redirected as exc:
            raise checkup.moved(exc) from exc
        if reply.status == 404 and (finding := checkup.absent(self._url, reply, self._fetch_front)):
            raise ServiceBlocked(f"shop: {finding}", finding=finding)
        self._check(reply)
        try:
            index = wire.parse_index(reply.content)
        except MalformedReply as exc:
            raise self._not_understood(reply) from exc
        if API_VERSION not in index.namespaces:
            raise ServiceBlocked(f"shop: {NO_WOOCOMMERCE}", finding=NO_WOOCOMMERCE)
        self._zone = _zone(index.timezone)
        self._unknown_zone = "" if self._zone else index.timezone
        return ShopIdentity(url=index.url, name=index.name, server_time=reply.server_time)

    def fetch_pages(self, since: datetime, *, first_page: int = 1) -> Iterator[Page]:
        """Yields every order of any status modified after `since`, in order of id, page by page to the end.

        Raises: TransientError, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-orders
        """
        statuses = self._fetch_statuses()
        before = b""
        for number in count(first_page):
            reply = self._fetch_page(since, number, statuses)
            if number == first_page and (others := self._listed_statuses(reply)):
                statuses = others  # a plugin was switched off; later in a walk this would shift its pages
                reply = self._fetch_page(since, number, statuses)
            self._check(reply)
            page = self._parse_page(reply, number)
            if page.size and reply.content == before:
                raise self._cached(f"answered page {number} with the page before it")
            before = reply.content
            yield page
            if page.last:
                return

    def fetch_order(self, order_id: OrderId) -> Order | Unreadable | None:
        """One order as it stands, in the trash or not; None if the shop does not know it (any more).

        Raises: TransientError, ServiceBlocked.
        """
        reply = self._api.ask(f"orders/{order_id}", wire.render_order_query())
        if reply.status == 404 and wire.says_no_such_order(reply.content):
            return None
        self._check(reply)
        try:
            order = wire.parse_order(reply.content)
        except MalformedReply as exc:
            raise self._not_understood(reply) from exc
        if order.order_id not in {order_id, None}:
            raise self._cached(f"was asked for order {order_id} and answered with another")
        if isinstance(order, Unreadable):
            return Unreadable(order_id=order_id, reason=order.reason)
        return order

    def fetch_products(
        self, *, ids: Collection[ProductId] = (), skus: Collection[str] = ()
    ) -> list[Product | UnreadableProduct]:
        """The products and variations that have one of the ids or SKUs, in the trash or not, each once.

        Raises: TransientError, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-products
        """
        return self._products.fetch(ids, skus)

    def fetch_catalogue(self) -> Iterator[Product | UnreadableProduct]:
        """Yields every product outside the trash in order of id, each followed by its variations.

        Raises: TransientError, ServiceBlocked.
        """
        return self._products.walk()

    def fetch_notes(self, order_id: OrderId) -> list[str] | None:
        """The texts of an order's notes, oldest first; None if the shop does not know the order (any more).

        Raises: TransientError, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-order-notes
        """
        reply = self._api.ask(f"orders/{order_id}/notes", wire.render_notes_query())
        if reply.status == 404 and wire.says_no_such_order(reply.content):
            return None
        self._check(reply)
        try:
            return wire.parse_notes(reply.content)
        except MalformedReply as exc:
            raise self._not_understood(reply) from exc

    def push_note(self, order_id: OrderId, text: str) -> None:
        """Adds a private note to an order. Not safe to repeat: look at its notes first.

        Raises: TransientError, PermanentError if there is no such order, ServiceBlocked also for a key that may read
        only.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#create-an-order-note
        """
        reply = self._api.tell(f"orders/{order_id}/notes", wire.render_note(text))
        if reply.status == 404 and wire.says_no_such_order(reply.content):
            raise PermanentError(f"shop: there is no order {order_id} any more; its note was not written")
        self._check(reply)
        try:
            wire.parse_new_note(reply.content)
        except MalformedReply as exc:
            raise self._unsure(reply) from exc

    def fetch_findings(self, clock: Clock, *, writing: bool) -> Iterator[Finding]:
        """Tries all that the daemon will need, and yields what works and what may not, each once. Changes nothing.

        Raises: TransientError, ServiceBlocked.
        """
        line = Line(
            way=self._way,
            zone=self._unknown_zone,
            ask=self._api.ask,
            ask_in_query=self._api.ask_in_query,
            tell=self._api.tell,
            check=self._check,
            parse_rows=self._parse_rows,
        )
        yield from checkup.look(line, clock, writing=writing)
        next(self.fetch_pages(clock() - timedelta(minutes=1)))  # the very question of every poll

    def close(self) -> None:
        self._service.close()

    def _fetch_front(self) -> Reply:
        return self._service.fetch(lambda: Outgoing(method="GET", url=f"{self._url}/"))

    def _fetch_page(self, since: datetime, number: int, statuses: tuple[str, ...]) -> Reply:
        begin = before_skipped_hour(since, self._zone)
        return self._api.ask(
            "orders",
            wire.render_orders_query(begin, page=number, page_size=self._page_size, statuses=statuses),
        )

    def _fetch_statuses(self) -> tuple[str, ...]:
        """The statuses this shop has, plugins' own included; the usual ones if it does not say.

        An order in a status we do not ask for is not seen. One that moves into such a status between two pages
        shifts the next page and hides another order.
        """
        if time.monotonic() >= self._ask_statuses_at:
            reply = self._api.ask("orders", wire.render_status_question())
            listed = self._listed_statuses(reply)
            if not listed and reply.status != 400:
                self._check(reply)
                self._parse_rows(reply)  # a firewall's page is no reason to make do with the usual ones
            self._ask_statuses_at = time.monotonic() + (STATUSES_LAST_S if listed else STATUSES_UNKNOWN_S)
        return self._statuses

    def _listed_statuses(self, reply: Reply) -> tuple[str, ...]:
        """The statuses a refusal lists, from now on asked for; empty if `reply` is no such refusal."""
        refusal = wire.parse_refusal(reply.content) if reply.status == 400 else None
        if refusal is None or not refusal.statuses:
            return ()
        self._statuses = tuple(status for status in refusal.statuses if status not in wire.NO_SALE)
        return self._statuses

    def _parse_page(self, reply: Reply, number: int) -> Page:
        """Past the end the shop counts 0 orders, whatever is true. An empty page that is counted for is a lie.

        A short page is the last only if the shop's count of pages agrees: hosts lower the page size unasked.
        """
        rows = self._parse_rows(reply)
        totals = wire.parse_totals(reply.headers)
        if not rows and (number <= (totals.pages or 0) or (number == 1 and totals.rows)):
            raise self._cached(f"counts orders on page {number} and sends none")
        short = len(rows) < self._page_size
        return Page(
            number=number,
            orders=tuple(row for row in rows if isinstance(row, Order)),
            unreadable=tuple(row for row in rows if isinstance(row, Unreadable)),
            size=len(rows),
            total=totals.rows if rows or number == 1 else None,
            server_time=reply.server_time,
            last=not rows or (short and 0 < (totals.pages or 0) <= number),
        )

    def _parse_rows(self, reply: Reply) -> list[Order | Unreadable]:
        try:
            return wire.parse_rows(reply.content)
        except MalformedReply as exc:
            raise self._not_understood(reply) from exc

    def _check(self, reply: Reply) -> None:
        if reply.status >= 400:
            raise explain("shop", reply.status, wire.parse_refusal(reply.content), self._way)

    def _not_understood(self, reply: Reply) -> WcsyncError:
        refusal = wire.parse_refusal(reply.content)
        if refusal is not None:
            return explain("shop", reply.status, refusal, self._way)
        finding = not_understood(empty=not reply.content.strip(), page=reply.looks_like_html)
        return TransientError(f"shop: {finding}", whole_service=True, finding=finding)

    def _unsure(self, reply: Reply) -> WcsyncError:
        """A write was answered by something else than its result: it may have been done all the same."""
        problem = self._not_understood(reply)
        return TransientError(str(problem), answer_lost=True, whole_service=True)

    def _cached(self, what: str) -> TransientError:
        finding = Finding(
            code="cached",
            message=what,
            remedy="if it stays so, a cache stands in front of it: exempt /wp-json/ from it",
        )
        return TransientError(f"shop: {finding}", whole_service=True, finding=finding)


class _Api(woocommerce.API):  # type: ignore[misc]  # the package comes without types
    """The package with its transport replaced; its addresses, its choice of authentication and its signature."""

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
        return self._service.fetch(lambda: Outgoing(method="GET", url=address, headers=_HEADERS))

    def tell(self, endpoint: str, body: dict[str, object]) -> Reply:
        """Writes, once: a lost answer says so."""
        reply = self.post(endpoint, body)
        assert isinstance(reply, Reply), reply
        return reply

    def _API__request(  # noqa: N802 - where the package's get() and post() end up
        self, method: str, endpoint: str, data: object, params: dict[str, str] | None = None, **_: Any
    ) -> Reply:
        if method == "GET":
            return self._service.fetch(lambda: self._prepare("GET", endpoint, params or {}))
        assert method == "POST", method
        body = json.dumps(data).encode()
        return self._service.send(lambda: self._prepare("POST", endpoint, params or {}, body))

    def _prepare(
        self, method: str, endpoint: str, params: dict[str, str], body: bytes | None = None
    ) -> Outgoing:
        """A request for one try: the shop takes each signature once."""
        address, headers = self._API__get_url(endpoint), dict(_HEADERS)
        if body is not None:
            headers["content-type"] = "application/json"
        if not self.is_ssl:
            query = f"?{urlencode(params)}" if params else ""
            url = self._API__get_oauth_url(f"{address}{query}", method)
            return Outgoing(method=method, url=url, headers=headers, content=body)
        if self.query_string_auth:
            params = params | {"consumer_key": self.consumer_key, "consumer_secret": self.consumer_secret}
        else:
            pair = f"{self.consumer_key}:{self.consumer_secret}".encode()
            headers["authorization"] = f"Basic {b64encode(pair).decode()}"
        query = f"?{urlencode(params)}" if params else ""
        return Outgoing(method=method, url=f"{address}{query}", headers=headers, content=body)


def before_skipped_hour(since: datetime, zone: ZoneInfo | None) -> datetime:
    """`since`, or an earlier instant whose UTC digits the site's clock knows.

    WordPress reads the digits by the site's clock before it takes them for UTC. In the hour that this clock skips in
    spring it moves them one hour on, answers 200, and leaves out an hour of orders.
    https://developer.wordpress.org/reference/classes/wp_date_query/build_mysql_datetime/
    """
    if zone is None:
        return since
    while not _on_the_clock(since.astimezone(UTC).replace(tzinfo=None), zone):
        since -= timedelta(minutes=30)
    return since


def _on_the_clock(digits: datetime, zone: ZoneInfo) -> bool:
    there = digits.replace(tzinfo=zone)
    return there.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == digits


def _zone(name: str) -> ZoneInfo | None:
    """The site's time zone; None for a fixed offset, which skips no hour, and for a name this machine lacks."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _normalised(url: str) -> str:
    parts = urlsplit(url.strip())
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
