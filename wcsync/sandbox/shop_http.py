"""The sandbox shop's web side: from a request to a route, and from its result to an answer."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from wcsync.sandbox.exchange import Pairs, Request, Response, as_php_reads
from wcsync.sandbox.faults import MAINTENANCE_PAGE
from wcsync.sandbox.shop_errors import ShopError, no_route, not_imitated
from wcsync.sandbox.shop_query import read_list

NO_CACHE = "no-cache, must-revalidate, max-age=0, no-store, private"
NAMESPACES = (
    "oembed/1.0",
    "wc/v3",
    "wc/v2",
    "wc/v1",
    "wc-admin",
    "wc-analytics",
    "wc/store",
    "wc/store/v1",
    "wp/v2",
)
NOT_IMITATED = ("_envelope", "_embed", "_jsonp")
PREFIXES = ("/wp-json", "/index.php/wp-json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request on its way to a route. `ids`: the numbers in its path; `sent`: the JSON object or form it carries."""

    fields: Pairs
    sent: Mapping[str, Any]
    ids: tuple[int, ...] = ()

    def flag(self, name: str) -> bool:
        return str(self.sent.get(name, dict(self.fields).get(name, ""))).lower() in {"1", "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a route found: one value or the rows of a list. `picked`: `_fields` is applied already."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    picked: bool = False


Handler = Callable[[Call], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path below /wc/v3, and what each method does there."""

    pattern: re.Pattern[str]
    handlers: Mapping[str, Handler]

    @property
    def allow(self) -> str:
        return ", ".join(self.handlers)


@dataclass(kw_only=True)
class Site:
    """A WordPress site around the routes.

    `url`: the address it believes to have, in its links; `admits(request, method)` whether the keys are right.
    `maintenance`: as while WordPress updates itself. `plain_permalinks`: as with that setting, no /wp-json at all.
    `folder`: below which WordPress lies, as in `/shop`; what is not below it is not WordPress. `namespaces`: of its
    REST API. `closed`: as with a plugin that closes the REST API to strangers. `no_rewrite`: the web server does not
    hand /wp-json to WordPress. `more_routes`: a plugin's, there while it is switched on (`shows_more`).
    """

    url: Callable[[], str]
    index: Callable[[], Mapping[str, Any]]
    admits: Callable[[Request, str], bool]
    routes: tuple[Route, ...]
    maintenance: bool = False
    plain_permalinks: bool = False
    folder: str = ""
    front_page: str = ""
    namespaces: tuple[str, ...] = NAMESPACES
    closed: bool = False
    no_rewrite: bool = False
    more_routes: tuple[Route, ...] = ()
    shows_more: Callable[[], bool] = lambda: False

    def answer(self, request: Request) -> Response:
        if self.maintenance:
            page = f"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>{MAINTENANCE_PAGE}</body></html>"
            return Response.html(page, status=503, headers={"Retry-After": "600"})
        if self.folder and not f"{request.path}/".startswith(f"{self.folder}/"):
            return self._outside(request.path)
        return self._inside(replace(request, path=request.path.removeprefix(self.folder)))

    def _inside(self, request: Request) -> Response:
        fields = as_php_reads(request.query)
        stated = dict(fields).get("rest_route")
        if stated is not None:
            return self._rest(request, fields, stated)
        prefix = next((one for one in PREFIXES if f"{request.path}/".startswith(f"{one}/")), None)
        if prefix is None or self.no_rewrite:
            return self._page(request.path)
        if self.plain_permalinks:
            return self._without_permalinks(request, prefix)
        return self._rest(request, fields, request.path.removeprefix(prefix))

    @property
    def index_link(self) -> str:
        path = "/index.php?rest_route=/" if self.plain_permalinks else "/wp-json/"
        return f'<{self.url()}{path}>; rel="https://api.w.org/"'

    def route_url(self, route: str) -> str:
        return f"{self.url()}{'/index.php' if self.plain_permalinks else '/wp-json' + route}"

    def _outside(self, path: str) -> Response:
        """The web server's own pages; its front page may be WordPress's, as where WordPress lies in a folder."""
        if path == "/" and self.front_page:
            return Response.html(self.front_page)
        return Response.html("<html><body><h1>404 Not Found</h1></body></html>", status=404)

    def _page(self, path: str) -> Response:
        found = path in {"/", "/index.php"}
        title = "Home" if found else "Page not found"
        page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body></body></html>"
        return Response.html(page, status=200 if found else 404, headers={"Link": self.index_link})

    def _without_permalinks(self, request: Request, prefix: str) -> Response:
        if request.path.endswith("/"):
            return self._page("/")
        query = f"?{urlencode(request.query)}" if request.query else ""
        location = f"{self.url()}/wp-json{request.path.removeprefix(prefix)}/{query}"
        return Response.html("", status=301, headers={"Location": location})

    def _rest(self, request: Request, fields: Pairs, stated: str) -> Response:
        headers = {"Link": self.index_link}
        method = (
            dict(fields).get("_method") or request.headers.get("x-http-method-override") or request.method
        )
        route = stated.rstrip("/")
        if self.closed:
            refusal = ShopError(
                401, "rest_cannot_access", "Only authenticated users can access the REST API."
            )
            return refusal.response(headers)
        try:
            if not route:
                return self._index(fields, headers)
            # Keys are looked at only where the address itself says so: ?rest_route= alone asks as nobody.
            known = "/wp-json/wc/" in request.path and self.admits(request, method.upper())
            if known:
                headers["Cache-Control"] = NO_CACHE
            return self._dispatch(request, method.upper(), route, fields, headers, known=known)
        except ShopError as error:
            return error.response(headers)

    def _index(self, fields: Pairs, headers: Mapping[str, str]) -> Response:
        wanted = read_list("_fields", fields)
        value = self.index()
        return Response.json(
            pick(value, wanted) if wanted else value, headers=dict(headers) | {"Allow": "GET"}
        )

    def _dispatch(
        self,
        request: Request,
        method: str,
        route: str,
        fields: Pairs,
        headers: dict[str, str],
        *,
        known: bool,
    ) -> Response:
        method = "GET" if method == "HEAD" else method
        match, found = self._find(route)
        if method not in found.handlers:
            raise not_imitated("OPTIONS") if method == "OPTIONS" else no_route()
        if not known:
            raise _stranger(method, one=route[-1].isdecimal())
        headers["Allow"] = found.allow
        for name in NOT_IMITATED:
            if name in dict(fields):
                raise not_imitated(name)
        call = Call(
            fields=fields, sent=_read_body(request), ids=tuple(int(number) for number in match.groups())
        )
        return _finish(call, found.handlers[method](call), headers)

    def _find(self, route: str) -> tuple[re.Match[str], Route]:
        for one in (*self.routes, *(self.more_routes if self.shows_more() else ())):
            match = one.pattern.fullmatch(route)
            if match is not None:
                return match, one
        raise no_route()


def pick(row: Any, paths: list[str]) -> Any:
    """What `_fields` leaves of a value. A path into a list drops it; nothing left is PHP's empty array."""
    if not isinstance(row, Mapping):
        return []
    kept = {}
    for key, value in row.items():
        below = [path.removeprefix(f"{key}.") for path in paths if path.startswith(f"{key}.")]
        if key in paths:
            kept[key] = value
        elif below and (inner := pick(value, below)):
            kept[key] = inner
    return kept or []


def _finish(call: Call, result: Result, headers: Mapping[str, str]) -> Response:
    wanted = [] if result.picked else read_list("_fields", call.fields)
    value = result.value
    if wanted and isinstance(value, list):
        value = [pick(row, wanted) for row in value]
    elif wanted:
        value = pick(value, [*wanted, "_links"])
    return Response.json(value, status=result.status, headers=dict(headers) | dict(result.headers))


def _read_body(request: Request) -> Mapping[str, Any]:
    """Its fields; whatever else it carries is no field at all. Raises ShopError for broken JSON."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return dict(request.form)
    if not request.body:
        return {}
    try:
        value = json.loads(request.body.decode())
    except ValueError as exc:
        details = {"status": 400, "json_error_code": 4, "json_error_message": "Syntax error"}
        raise ShopError(400, "rest_invalid_json", "Invalid JSON body passed.", details=details) from exc
    return value if isinstance(value, dict) else {}


def _stranger(method: str, *, one: bool) -> ShopError:
    code, message = {
        "GET": ("view", "you cannot view this resource" if one else "you cannot list resources"),
        "POST": ("edit", "you are not allowed to edit this resource")
        if one
        else ("create", "you are not allowed to create resources"),
        "DELETE": ("delete", "you are not allowed to delete this resource"),
    }.get(method, ("edit", "you are not allowed to edit this resource"))
    return ShopError(401, f"woocommerce_rest_cannot_{code}", f"Sorry, {message}.")
