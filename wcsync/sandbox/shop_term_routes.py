"""The sandbox shop's routes of tags and categories.

https://woocommerce.github.io/woocommerce-rest-api-docs/#product-tags
"""

from wcsync.sandbox.shop_errors import Problems, ShopError, not_imitated
from wcsync.sandbox.shop_http import Call, Result, Route
from wcsync.sandbox.shop_lists import Lists, Site, all_unbuilt, read_plain_paging, route
from wcsync.sandbox.shop_memory import CATEGORIES, TAGS
from wcsync.sandbox.shop_query import Found, read_list
from wcsync.sandbox.shop_state import ShopState
from wcsync.sandbox.shop_terms import TermExists

FILTERS = ("exclude", "hide_empty", "product", "parent", "slug", "orderby", "order")
EXISTS = {TAGS: "in this taxonomy", CATEGORIES: "with this parent"}


def term_routes(state: ShopState, site: Site) -> tuple[Route, ...]:
    routes: list[Route] = []
    for kind in (TAGS, CATEGORIES):
        terms = TermRoutes(state, site, kind)
        writing = all_unbuilt(f"changing {kind}", "POST", "PUT", "PATCH", "DELETE")
        routes += [
            route(rf"/products/{kind}", GET=terms.find, POST=terms.create),
            route(rf"/products/{kind}/(\d+)", GET=terms.show, **writing),
        ]
    return tuple(routes)


class TermRoutes(Lists):
    """One list of words, `tags` or `categories`. Reading them was not recorded; it follows the documentation."""

    def __init__(self, state: ShopState, site: Site, kind: str) -> None:
        super().__init__(state, site)
        self._kind = kind
        self._terms = state.terms[kind]

    def find(self, call: Call) -> Result:
        """By name. Past the end the total stays, unlike that of orders."""
        fields = dict(call.fields)
        for name in FILTERS:
            if name in fields:
                raise not_imitated(f"the filter {name} of {self._kind}")
        paging = read_plain_paging(fields)
        wanted = {int(one) for one in read_list("include", call.fields) if one.isdecimal()}
        rows = [
            row for row in self._terms.matching(fields.get("search", "")) if not wanted or row["id"] in wanted
        ]
        page = rows[paging.first : paging.first + paging.per_page]
        found = Found(
            ids=[row["id"] for row in page], total=len(rows), pages=-(-len(rows) // paging.per_page)
        )
        shown = [self._products.term(self._kind, row) for row in page]
        return self._paged(f"/products/{self._kind}", call.fields, paging, found, shown)

    def show(self, call: Call) -> Result:
        row = self._terms.rows.get(call.ids[0])
        if row is None:
            raise ShopError(404, "woocommerce_rest_term_invalid", "Resource does not exist.")
        return Result(value=self._products.term(self._kind, row))

    def create(self, call: Call) -> Result:
        name = self._name(call)
        try:
            row = self._terms.rows[self._terms.insert(name)]
        except TermExists as known:
            details = {"status": 400, "resource_id": known.term_id}
            message = f"A term with the name provided already exists {EXISTS[self._kind]}."
            raise ShopError(400, "term_exists", message, details=details) from known
        made = self._products.term(self._kind, row)
        return Result(value=made, status=201, headers={"Location": made["_links"]["self"][0]["href"]})

    def _name(self, call: Call) -> str:
        if set(call.sent) - {"name"}:
            raise not_imitated(f"creating {self._kind} from more than a name")
        if "name" not in call.sent:
            details = {"status": 400, "params": ["name"]}
            raise ShopError(400, "rest_missing_callback_param", "Missing parameter(s): name", details=details)
        name = call.sent["name"]
        problems = Problems()
        if not isinstance(name, str):
            problems.add_wrong_type("name", "string")
        problems.raise_if_any()
        if not name.strip():
            raise not_imitated("a term without a name")
        return str(name)
