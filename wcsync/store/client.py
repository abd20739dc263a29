"""A WooCommerce shop behind the `Store` protocol, and behind `Showcase` by its attribute `showcase`."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wcsync.errors import Finding, PermanentError, ServiceBlocked
from wcsync.http import DEFAULT_TIMEOUT_S, Outgoing, Redirected, Reply, Service, Transport
from wcsync.model import (
    Order,
    OrderId,
    Page,
    Product,
    ProductId,
    SubscriptionPage,
    Unreadable,
    UnreadableProduct,
)
from wcsync.sale import Subscription
from wcsync.store import checkup, wire
from wcsync.store.api import API_VERSION, HEADERS, Api
from wcsync.store.base import ShopIdentity, Showcase
from wcsync.store.checkup import Line
from wcsync.store.listing import Listing
from wcsync.store.meta_keys import KNOWN_PLUGINS, MetaKeys
from wcsync.store.products import SUMMARIES, Products
from wcsync.store.refunds import Refunds
from wcsync.store.refusal import NO_WOOCOMMERCE, Way
from wcsync.store.showcase import WooShowcase
from wcsync.store.subscriptions import Subscriptions
from wcsync.store.talk import Talk
from wcsync.times import Clock

PAGE_SIZE = 100


class WooCommerce:
    """Reads a shop's orders and products and writes notes of orders. Fulfils `Store`; thread-safe; `close()` when done.

    `url` as in a browser, `auth` says how the key travels over https; over http requests are signed instead.
    `meta_keys`: where its orders say who learns. `ended`: statuses in which nobody asks which lines were refunded.
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
        meta_keys: MetaKeys = KNOWN_PLUGINS,
        ended: Collection[str] = (),
        transport: Transport | None = None,
    ) -> None:
        assert 1 <= page_size <= PAGE_SIZE, page_size
        self._url = _normalised(url)
        self._page_size = page_size
        self._way: Way = auth if self._url.startswith("https:") else "oauth"
        self._service = Service("shop", timeout_s=timeout_s, ca_file=ca_file, transport=transport)
        self._api = Api(self._url, consumer_key.strip(), consumer_secret.strip(), self._way, self._service)
        self._talk = Talk(self._api, self._way)
        self._keys = meta_keys
        self._refunds = Refunds(self._talk, self._fetch_alone, ended)
        self._products = Products(self._talk, SUMMARIES, page_size)
        self.showcase: Showcase = WooShowcase(self._talk, page_size)
        self._zone: ZoneInfo | None = None
        self._unknown_zone = ""
        self._orders = Listing(
            self._talk,
            "orders",
            render=partial(wire.render_orders_query, keys=meta_keys),
            parse=partial(wire.parse_rows, keys=meta_keys),
            statuses=wire.STATUSES,
            page_size=page_size,
            check=self._talk.check,
        )
        self._subscriptions = Subscriptions(self._talk, page_size)

    def fetch_identity(self) -> ShopIdentity:
        """Who answers at the configured address, asked without keys.

        Raises ServiceBlocked also where WooCommerce's own API is missing.
        """
        address = f"{self._url}/wp-json?{urlencode(wire.render_index_query())}"
        try:
            reply = self._service.fetch(lambda: Outgoing(method="GET", url=address, headers=HEADERS))
        except Redirected as exc:
            raise checkup.moved(exc) from exc
        if reply.status == 404 and (finding := checkup.absent(self._url, reply, self._fetch_front)):
            raise ServiceBlocked(f"shop: {finding}", finding=finding)
        self._talk.check(reply)
        index = self._talk.understood(wire.parse_index, reply)
        if API_VERSION not in index.namespaces:
            raise ServiceBlocked(f"shop: {NO_WOOCOMMERCE}", finding=NO_WOOCOMMERCE)
        self._zone = _zone(index.timezone)
        self._unknown_zone = "" if self._zone else index.timezone
        zone = index.timezone if self._zone else index.offset
        return ShopIdentity(url=index.url, name=index.name, server_time=reply.server_time, zone=zone)

    def fetch_pages(self, since: datetime, *, first_page: int = 1, at_once: int = 1) -> Iterator[Page]:
        """Yields every order of any status modified after `since`, in order of id, page by page to the end.

        Raises: TransientError, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-orders
        """
        for sheet in self._orders.walk(before_skipped_hour(since, self._zone), first_page, at_once=at_once):
            page = Page(
                number=sheet.number,
                orders=tuple(row for row in sheet.rows if isinstance(row, Order)),
                unreadable=tuple(row for row in sheet.rows if isinstance(row, Unreadable)),
                size=len(sheet.rows),
                total=sheet.total,
                server_time=sheet.server_time,
                last=sheet.last,
            )
            yield self._with_refunds(page)

    def fetch_order(self, order_id: OrderId) -> Order | Unreadable | None:
        """One order as it stands, in the trash or not; None if the shop does not know it (any more).

        Raises: TransientError, ServiceBlocked.
        """
        order = self._fetch_alone(order_id)
        return self._refunds.complete(order) if isinstance(order, Order) else order

    def fetch_subscription_pages(self, since: datetime, *, first_page: int = 1) -> Iterator[SubscriptionPage]:
        """As `fetch_pages`, of subscriptions. One page that is not `offered` if the shop has none of them at all.

        Raises: TransientError, ServiceBlocked.
        https://woocommerce.github.io/subscriptions-rest-api-docs/#list-all-subscriptions
        """
        return self._subscriptions.walk(before_skipped_hour(since, self._zone), first_page)

    def fetch_subscription(self, subscription_id: int) -> Subscription | Unreadable | None:
        """One subscription as it stands, in the trash or not; None if the shop does not know it (any more).

        Raises: TransientError, ServiceBlocked.
        https://woocommerce.github.io/subscriptions-rest-api-docs/#retrieve-a-subscription
        """
        return self._subscriptions.fetch(subscription_id)

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
        self._talk.check(reply)
        counted = wire.parse_totals(reply.headers).rows
        return self._talk.understood(partial(wire.parse_notes, counted=counted), reply)

    def push_note(self, order_id: OrderId, text: str) -> None:
        """Adds a private note to an order. Not safe to repeat: look at its notes first.

        Raises: TransientError, PermanentError if there is no such order, ServiceBlocked also for a key that may read
        only.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#create-an-order-note
        """
        reply = self._api.tell(f"orders/{order_id}/notes", wire.render_note(text))
        if reply.status == 404 and wire.says_no_such_order(reply.content):
            raise PermanentError(f"shop: there is no order {order_id} any more; its note was not written")
        self._talk.check(reply)
        self._talk.surely(wire.parse_new_note, reply)

    def fetch_findings(self, clock: Clock, *, writing: bool, mirroring: bool = False) -> Iterator[Finding]:
        """Tries all that the daemon will need, and yields what works and what may not, each once. Changes nothing.

        Raises: TransientError, ServiceBlocked.
        """
        line = Line(
            way=self._way,
            zone=self._unknown_zone,
            ask=self._api.ask,
            ask_in_query=self._api.ask_in_query,
            tell=self._api.tell,
            check=self._talk.check,
            parse_rows=self._orders.parse_rows,
        )
        yield from checkup.look(line, clock, writing=writing, mirroring=mirroring)
        next(self.fetch_pages(clock() - timedelta(minutes=1)))  # the very question of every poll

    def close(self) -> None:
        self._service.close()

    def _fetch_alone(self, order_id: OrderId) -> Order | Unreadable | None:
        """An order whose refunds are not read yet."""
        reply = self._api.ask(f"orders/{order_id}", wire.render_order_query(self._keys))
        if reply.status == 404 and wire.says_no_such_order(reply.content):
            return None
        self._talk.check(reply)
        order = self._talk.understood(lambda content: wire.parse_order(content, self._keys), reply)
        if order.order_id not in {order_id, None}:
            raise self._talk.cached(f"was asked for order {order_id} and answered with another")
        if isinstance(order, Unreadable):
            return Unreadable(order_id=order_id, reason=order.reason)
        return order

    def _with_refunds(self, page: Page) -> Page:
        if not any(order.refunds for order in page.orders):
            return page
        rows = [self._refunds.complete(order) for order in page.orders]
        unreadable = [row for row in rows if isinstance(row, Unreadable)]
        orders = tuple(row for row in rows if isinstance(row, Order))
        return replace(page, orders=orders, unreadable=(*page.unreadable, *unreadable))

    def _fetch_front(self) -> Reply:
        return self._service.fetch(lambda: Outgoing(method="GET", url=f"{self._url}/"))


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
