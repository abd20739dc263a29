"""Every call the daemon makes: who is asked, and how one tells it from the others."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from wcsync.sandbox.exchange import Request

SHOP, CAMPUS, ACADEMY, HOOK = "shop", "campus", "academy", "hook"
TITLES = {CAMPUS: "Moodle", ACADEMY: "360Learning", SHOP: "shop", HOOK: "alerts"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One kind of call. `writes`: it may change something. `listed`: an empty list is one of its right answers, so that
    one which is wrong can be told by what else the answer says, or not at all."""

    site: str
    name: str
    is_one: Callable[[Request], bool]
    writes: bool = False
    listed: bool = False

    @property
    def title(self) -> str:
        return f"{self.name} ({TITLES[self.site]})"


def _function(name: str, *fields: str, without: str = "") -> Callable[[Request], bool]:
    def is_one(request: Request) -> bool:
        form = dict(request.form)
        return (
            form.get("wsfunction") == name
            and all(field in form for field in fields)
            and not (without and without in form)
        )

    return is_one


def _path(method: str, pattern: str) -> Callable[[Request], bool]:
    return lambda request: request.method == method and re.fullmatch(pattern, request.path) is not None


def _moodle(
    name: str, is_one: Callable[[Request], bool], *, writes: bool = False, listed: bool = False
) -> Call:
    return Call(site=CAMPUS, name=name, is_one=is_one, writes=writes, listed=listed)


def _learning(name: str, method: str, path: str, *, writes: bool = False, listed: bool = False) -> Call:
    return Call(site=ACADEMY, name=name, is_one=_path(method, f"/api/v2{path}"), writes=writes, listed=listed)


def _woo(name: str, method: str, path: str, *, writes: bool = False, listed: bool = False) -> Call:
    is_one = _path(method, f"/wp-json/wc/v[13]{path}")
    return Call(site=SHOP, name=name, is_one=is_one, writes=writes, listed=listed)


def _asks_statuses(request: Request) -> bool:
    return _path("GET", "/wp-json/wc/v3/orders")(request) and request.first("page") is None


def _is_page(request: Request) -> bool:
    return _path("GET", "/wp-json/wc/v3/orders")(request) and request.first("page") is not None


ID = "[0-9a-f]{24}"
SUSPENDS = "enrolments[0][suspend]"

CALLS: tuple[Call, ...] = (
    _moodle("site info", _function("core_webservice_get_site_info")),
    _moodle("find user", _function("core_user_get_users")),
    _moodle("user by number", _function("core_user_get_users_by_field"), listed=True),
    _moodle("create user", _function("core_user_create_users"), writes=True),
    _moodle("enrol", _function("enrol_manual_enrol_users", without=SUSPENDS), writes=True),
    _moodle("suspend", _function("enrol_manual_enrol_users", SUSPENDS), writes=True),
    _moodle("unenrol", _function("enrol_manual_unenrol_users"), writes=True),
    _moodle("courses of a user", _function("core_enrol_get_users_courses"), listed=True),
    _moodle("users of a course", _function("core_enrol_get_enrolled_users"), listed=True),
    _moodle("join a group", _function("core_group_add_group_members"), writes=True),
    _moodle("course read", _function("core_course_get_courses_by_field")),
    _moodle("course contents", _function("core_course_get_contents"), listed=True),
    _moodle("course skills", _function("core_competency_list_course_competencies"), listed=True),
    _moodle("cover", _path("GET", "(/webservice)?/pluginfile.php/.*")),
    _learning("token", "POST", "/oauth2/token"),
    _learning("groups", "GET", "/groups"),
    _learning("find user", "GET", "/users", listed=True),
    _learning("user by number", "GET", f"/users/{ID}"),
    _learning("create and assign", "POST", "/users", writes=True),
    _learning("assign", "POST", f"/groups/{ID}/learner/{ID}", writes=True),
    _learning("withdraw", "DELETE", f"/groups/{ID}/learner/{ID}", writes=True),
    _learning("verify", "GET", f"/users/{ID}/roles", listed=True),
    _learning("enrolled in a path", "GET", f"/paths/{ID}/enrollments", listed=True),
    _learning("path read", "GET", f"/paths(/{ID})?"),
    _learning("tags", "GET", f"/paths/{ID}/tags|/api/v2/tags", listed=True),
    _learning("course read", "GET", f"/courses(/{ID})?"),
    Call(site=SHOP, name="identity", is_one=_path("GET", "/wp-json/?")),
    Call(site=SHOP, name="front page", is_one=_path("GET", "/")),
    Call(site=SHOP, name="statuses", is_one=_asks_statuses),
    Call(site=SHOP, name="orders page", is_one=_is_page, listed=True),
    _woo("refunds", "GET", r"/orders/\d+/refunds", listed=True),
    _woo("single order", "GET", r"/orders/\d+"),
    _woo("subscriptions", "GET", "/subscriptions", listed=True),
    _woo("note read", "GET", r"/orders/\d+/notes", listed=True),
    _woo("note write", "POST", r"/orders/\d+/notes", writes=True),
    _woo("product read", "GET", r"/products(/\d+)?(/variations)?", listed=True),
    _woo("product batch write", "POST", "/products/batch", writes=True),
    _woo("image upload", "PUT", r"/products/\d+", writes=True),
    _woo("term look-up", "GET", "/products/(tags|categories)", listed=True),
    _woo("term write", "POST", "/products/(tags|categories)", writes=True),
    Call(site=HOOK, name="post", is_one=_path("POST", "/hook"), writes=True),
)


def call_of(site: str, request: Request) -> Call:
    """Raises LookupError for a call that is not on the list."""
    found = next((call for call in CALLS if call.site == site and call.is_one(request)), None)
    if found is None:
        raise LookupError(f"the matrix knows no such call of {site}: {request.text}")
    return found
