"""What the sandbox shop's routes that answer page by page share."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from wcsync.sandbox.exchange import Pairs
from wcsync.sandbox.shop_errors import Problems, not_imitated
from wcsync.sandbox.shop_http import Call, Handler, Result, Route
from wcsync.sandbox.shop_product_render import EDIT, VIEW, ProductRender
from wcsync.sandbox.shop_query import Found, OrderQuery, Paging, link_header, read_paging
from wcsync.sandbox.shop_render import Render
from wcsync.sandbox.shop_shapes import Json
from wcsync.sandbox.shop_state import ShopState


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the shop believes to be: its address, a route's, and the Link to its index."""

    url: Callable[[], str]
    route_url: Callable[[str], str]
    index_link: Callable[[], str]


class Lists:
    def __init__(self, state: ShopState, site: Site) -> None:
        self._state = state
        self._site = site

    @property
    def _render(self) -> Render:
        return Render(self._state, self._site.url())

    @property
    def _products(self) -> ProductRender:
        return ProductRender(self._state, self._site.url())

    def _paged(
        self, route: str, fields: Pairs, query: OrderQuery | Paging, found: Found, rows: list[Json]
    ) -> Result:
        url = self._site.route_url(f"/wc/v3{route}")
        link = link_header(url, fields, query, found, index=self._site.index_link())
        headers = {"X-WP-Total": str(found.total), "X-WP-TotalPages": str(found.pages), "Link": link}
        return Result(value=rows, headers=headers)


def read_context(call: Call) -> str:
    """`view`, if it does not ask for `edit`."""
    context = dict(call.fields).get("context", VIEW)
    if context not in {VIEW, EDIT}:
        raise not_imitated("a context that is neither view nor edit")
    return context


def read_plain_paging(fields: dict[str, str]) -> Paging:
    """Raises ShopError 400 for pages that are none."""
    problems = Problems()
    paging = read_paging(fields, problems)
    problems.raise_if_any()
    return paging


def route(pattern: str, **handlers: Handler) -> Route:
    return Route(pattern=re.compile(rf"/wc/v3{pattern}"), handlers=handlers)


def unbuilt(what: str) -> Handler:
    """A handler that says that the sandbox cannot do it."""

    def refuse(_call: Call) -> Result:
        raise not_imitated(what)

    return refuse


def all_unbuilt(what: str, *methods: str) -> dict[str, Handler]:
    return dict.fromkeys(methods, unbuilt(what))
