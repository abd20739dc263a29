"""A WooCommerce shop on loopback: state in plain dicts, the REST API in front, the real one's traps included."""

import copy
import ssl
from collections.abc import Mapping
from typing import Any

from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.server import SandboxServer
from wcsync.sandbox.shop_auth import Gate
from wcsync.sandbox.shop_http import Site
from wcsync.sandbox.shop_lists import Site as Place
from wcsync.sandbox.shop_product_render import EDIT, ProductRender
from wcsync.sandbox.shop_routes import build_routes
from wcsync.sandbox.shop_shapes import Json
from wcsync.sandbox.shop_subscription_routes import subscription_routes
from wcsync.sandbox.shop_subscriptions import SubscriptionState
from wcsync.times import Clock


class SandboxShop(SubscriptionState, SandboxServer):
    """WooCommerce 9.9 with order tables (HPOS), as a client sees it. Use as a context manager or `start()` it.

    Switches: `gate` (permissions, stripped Authorization header), `site` (maintenance, permalinks, folder, …),
    `site_url` (the address the shop believes to have; None = where it answers), `name`, `timezone` (by an IANA name, or
    an offset as in "+05:30" as where Settings > General has one), `stated_timezone` (the name of its time zone, if it
    is to state another).
    Over plain http it takes OAuth 1.0a signatures only; give it a `tls` context for keys.
    """

    def __init__(
        self,
        consumer_key: str = "ck_sandbox",
        consumer_secret: str = "cs_sandbox",  # noqa: S107 - opens nothing but this sandbox
        timezone: str = "Europe/Madrid",
        *,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        port: int = 0,
        latency_s: float = 0.0,
        name: str = "Sandbox Courses",
    ) -> None:
        SandboxServer.__init__(self, port=port, tls=tls, clock=clock, latency_s=latency_s)
        SubscriptionState.__init__(self, clock=self.clock, timezone=timezone, lock=self.lock)
        self.name = name
        self.site_url: str | None = None
        self.stated_timezone = ""
        self.gate = Gate(consumer_key=consumer_key, consumer_secret=consumer_secret, clock=self.clock)
        self.site = Site(url=self._address, index=self._index, admits=self._admits, routes=())
        self.site.routes = build_routes(
            self, self._address, self.site.route_url, index_link=lambda: self.site.index_link
        )
        place = Place(
            url=self._address, route_url=self.site.route_url, index_link=lambda: self.site.index_link
        )
        self.site.more_routes = subscription_routes(self, place)
        self.site.shows_more = lambda: self.offers_subscriptions

    def product(self, product_id: int) -> Json:
        """A product or variation as it is stored: what `GET /products/<id>?context=edit` answers."""
        with self.lock:
            return copy.deepcopy(
                ProductRender(self, self._address()).product(self.products[product_id], EDIT)
            )

    def handle(self, request: Request) -> Response:
        return self.site.answer(request)

    def _address(self) -> str:
        return self.site_url or self.url

    def _admits(self, request: Request, method: str) -> bool:
        return self.gate.admits(request, method, self._address())

    def _index(self) -> Mapping[str, Any]:
        offset = self.clock().astimezone(self.timezone).utcoffset()
        hours = offset.total_seconds() / 3600 if offset else 0
        return {
            "name": self.name,
            "description": "",
            "url": self._address(),
            "home": self._address(),
            "gmt_offset": int(hours) if hours == int(hours) else hours,
            "timezone_string": self.stated_timezone or getattr(self.timezone, "key", ""),
            "page_for_posts": 0,
            "page_on_front": 0,
            "show_on_front": "posts",
            "namespaces": list(self.site.namespaces),
            "authentication": {},
            "routes": {},
            "_links": {"help": [{"href": "https://developer.wordpress.org/rest-api/"}]},
        }
