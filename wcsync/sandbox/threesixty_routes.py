"""The operations of the 360Learning API that the sandbox knows, one function each.

https://360learning.readme.io/reference
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wcsync.sandbox.exchange import Request
from wcsync.sandbox.threesixty_errors import bad_request, not_found
from wcsync.sandbox.threesixty_library_routes import (
    check_path,
    list_courses,
    list_paths,
    list_tags,
    list_tags_of_path,
    show_classroom,
    show_course,
    show_path,
)
from wcsync.sandbox.threesixty_records import GROUP_ROLES, Answer, Session, User
from wcsync.sandbox.threesixty_state import Company

LANGS = re.compile("[a-z]{2,3}(_[A-Z]{2})?")
_ID = "([0-9a-fA-F]{24})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`path` is matched below /api/v2; what its brackets hold is given to `act`. `page_size`: of a list."""

    method: str
    path: re.Pattern[str]
    scope: str
    act: Callable[..., Answer]
    page_size: int = 0


def list_users(company: Company, request: Request) -> Answer:
    users: Iterable[User] = company.users.values()
    for name, wanted in request.query:
        match name:
            case "mail[eq]" if company.heeds_case:
                users = [user for user in users if user.mail == wanted]
            case "mail[eq]":
                users = [user for user in users if (user.mail or "").lower() == wanted.lower()]
            case "username[eq]":
                users = [user for user in users if user.username == wanted]
            case "status[eq]":
                users = [user for user in users if user.status == wanted]
            case "status[ne]":
                users = [user for user in users if user.status != wanted]
    return Answer(rows=[user.as_json() for user in users])


def create_user(company: Company, request: Request) -> Answer:
    body = json.loads(request.body)
    membership = body["membership"]
    if not (body.get("mail") or body.get("username")):
        raise bad_request("mailAndUsernameUndefined")
    wanted = User(
        id=company.new_id(),
        mail=body.get("mail"),
        username=body.get("username"),
        lang=body.get("lang", "en"),
        first_name=body.get("firstName"),
        last_name=body.get("lastName"),
        organization=body.get("organization"),
        job=body.get("job"),
        phone=body.get("phone"),
        custom=body.get("custom"),
    )
    tell = request.first("sendInvitationEmail") != "false"
    user, new = company.invite(wanted, membership["groupId"], membership["role"], tell=tell)
    return Answer(status=201 if new else 200, body=user.as_json())


def show_user(company: Company, _request: Request, user_id: str) -> Answer:
    return Answer(body=_user(company, user_id).as_json())


def delete_user(company: Company, _request: Request, user_id: str) -> Answer:
    _user(company, user_id)
    if user_id == company.owner_id:
        raise bad_request("userIsCompanyOwner")
    company.delete_user(user_id)
    return Answer(status=204)


def list_roles_of_user(company: Company, _request: Request, user_id: str) -> Answer:
    _user(company, user_id)
    rows = [{"groupId": group_id, "role": role} for group_id, who, role in company.roles if who == user_id]
    return Answer(rows=sorted(rows, key=lambda row: row["groupId"]))


def list_groups(company: Company, _request: Request) -> Answer:
    return Answer(rows=[group.as_json() for group in company.groups.values()])


def list_roles_in_group(company: Company, _request: Request, group_id: str) -> Answer:
    _check_group(company, group_id)
    rows = [{"userId": user_id, "role": role} for where, user_id, role in company.roles if where == group_id]
    return Answer(rows=sorted(rows, key=lambda row: row["userId"]))


def give_role(company: Company, _request: Request, group_id: str, role: str, user_id: str) -> Answer:
    _check_group(company, group_id)
    if _user(company, user_id).status == "deleted":
        raise bad_request("userDeleted")
    name = _role(role)
    if company.repeat_refused and (group_id, user_id, name) in company.roles:
        raise bad_request("userAlreadyInGroup")  # documented nowhere, and neither is its absence
    company.add_role(group_id, user_id, name)
    return Answer(status=204)


def take_role(company: Company, _request: Request, group_id: str, role: str, user_id: str) -> Answer:
    _check_group(company, group_id)
    if (group_id, user_id, _role(role)) not in company.roles:
        raise not_found("userNotFoundInGroup")
    company.remove_role(group_id, user_id, _role(role))
    return Answer(status=204)


def list_sessions(company: Company, _request: Request, path_id: str) -> Answer:
    check_path(company, path_id)
    sessions = [session for session in company.sessions.values() if session.path.id == path_id]
    return Answer(rows=[session.as_json() for session in sessions])


def show_session(company: Company, _request: Request, path_id: str, session_id: str) -> Answer:
    return Answer(body=_session(company, path_id, session_id).as_json())


def show_audience(company: Company, _request: Request, path_id: str, session_id: str) -> Answer:
    session = _session(company, path_id, session_id)
    if not session.audience_builder:
        raise bad_request("sessionIsNotAudienceBuilder")
    return Answer(body=session.audience_as_json())


def list_enrollments(company: Company, request: Request, path_id: str) -> Answer:
    check_path(company, path_id)
    rows = [one for one in company.enrollments if one.path_id == path_id]
    for name, wanted in request.query:
        if name == "status[eq]":
            rows = [one for one in rows if one.status == wanted]
        if name == "sessionId[eq]":
            rows = [one for one in rows if one.session_id == wanted]
    return Answer(rows=[one.as_json() for one in rows])


def _user(company: Company, user_id: str) -> User:
    if user_id not in company.users:
        raise not_found("userNotFound")
    return company.users[user_id]


def _check_group(company: Company, group_id: str) -> None:
    if group_id not in company.groups:
        raise not_found("groupNotFound")


def _session(company: Company, path_id: str, session_id: str) -> Session:
    check_path(company, path_id)
    if session_id not in company.sessions:
        raise not_found("sessionNotFound")
    if company.sessions[session_id].path.id != path_id:
        raise bad_request("sessionNotBelongToPath")
    return company.sessions[session_id]


def _role(word: str) -> str:
    """Addresses write `user-admin` for what bodies call `userAdmin`."""
    return "userAdmin" if word == "user-admin" else word


def _route(method: str, path: str, scope: str, act: Callable[..., Answer], page_size: int = 0) -> Route:
    return Route(method=method, path=re.compile(path), scope=scope, act=act, page_size=page_size)


_ROLES = "|".join("user-admin" if role == "userAdmin" else role for role in GROUP_ROLES)

ROUTES = (
    _route("GET", "/users", "users:read", list_users, 500),
    _route("POST", "/users", "users:write", create_user),
    _route("GET", f"/users/{_ID}", "users:read", show_user),
    _route("DELETE", f"/users/{_ID}", "users:write", delete_user),
    _route("GET", f"/users/{_ID}/roles", "users:read", list_roles_of_user, 1000),
    _route("GET", "/groups", "groups:read", list_groups, 500),
    _route("GET", f"/groups/{_ID}/roles", "groups:read", list_roles_in_group, 1000),
    _route("POST", f"/groups/{_ID}/({_ROLES})/{_ID}", "groups:write", give_role),
    _route("DELETE", f"/groups/{_ID}/({_ROLES})/{_ID}", "groups:write", take_role),
    _route("GET", "/paths", "paths:read", list_paths, 200),
    _route("GET", f"/paths/{_ID}", "paths:read", show_path),
    _route("GET", f"/paths/{_ID}/tags", "tags:read", list_tags_of_path, 500),
    _route("GET", f"/paths/{_ID}/sessions", "paths:read", list_sessions, 100),
    _route("GET", f"/paths/{_ID}/sessions/{_ID}", "paths:read", show_session),
    _route("GET", f"/paths/{_ID}/sessions/{_ID}/audiences", "paths:read", show_audience),
    _route("GET", f"/paths/{_ID}/enrollments", "paths:read", list_enrollments, 5000),
    _route("GET", "/courses", "courses:read", list_courses, 500),
    _route("GET", f"/courses/{_ID}", "courses:read", show_course),
    _route("GET", f"/classrooms/{_ID}", "classrooms:read", show_classroom),
    _route("GET", "/tags", "tags:read", list_tags, 5000),
)
