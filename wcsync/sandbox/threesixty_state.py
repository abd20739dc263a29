"""A 360Learning company: its state, what staff can do to it, and how audiences follow groups."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from wcsync.sandbox.threesixty_errors import bad_request, not_found
from wcsync.sandbox.threesixty_library import Library
from wcsync.sandbox.threesixty_records import (
    Credentials,
    Enrollment,
    Grant,
    Group,
    Mode,
    Path,
    Session,
    Status,
    User,
)
from wcsync.times import Clock

SCOPES = frozenset(
    {
        "users:read",
        "users:write",
        "groups:read",
        "groups:write",
        "paths:read",
        "courses:read",
        "classrooms:read",
        "tags:read",
    }
)
_MAIL = re.compile(r"[^\s@]{1,64}@(?:[^\s@.]+(?:\.[^\s@.]+)+|\[[0-9a-f.:]+\])", re.IGNORECASE)


class Company(Library):
    """Everything behind the API of one company. Ids are 24 hexadecimal digits, as everywhere in 360Learning.

    Where the documentation is silent, a switch says which way it goes:
    `restore_joins`: inviting a deleted user also gives the role asked for. `repeat_refused`: giving a role that the
    user has is refused. `heeds_case`: `mail[eq]` tells upper and lower case apart. `enrol_delay_s`: how long a dynamic
    audience takes to follow a group.
    """

    def __init__(self, clock: Clock) -> None:
        Library.__init__(self, clock)
        self._due: list[tuple[datetime, Callable[[], None]]] = []
        self.groups: dict[str, Group] = {}
        self.roles: list[tuple[str, str, str]] = []
        self.sessions: dict[str, Session] = {}
        self.enrollments: list[Enrollment] = []
        self.credentials: dict[str, Credentials] = {}
        self.grants: dict[str, Grant] = {}
        self.restore_joins = True
        self.repeat_refused = False
        self.heeds_case = False
        self.enrol_delay_s = 0.0
        self.root_id = self.add_group("Sandbox Academy", parent_id=None)
        self.owner_id = self.add_user("owner@academy.example")
        self.add_role(self.root_id, self.owner_id, "owner")

    # -- what staff do

    def add_credentials(self, client_id: str, client_secret: str) -> None:
        self.credentials[client_id] = Credentials(client_secret=client_secret, scopes=set(SCOPES))

    def add_group(self, name: str, *, public: bool = False, parent_id: str | None = "root") -> str:
        group_id = self.new_id()
        parent = self.root_id if parent_id == "root" else parent_id
        self.groups[group_id] = Group(id=group_id, name=name, public=public, parent_id=parent)
        return group_id

    def add_user(self, mail: str | None, *, username: str | None = None, status: Status = "active") -> str:
        user = User(id=self.new_id(), mail=mail, username=username, status=status)
        if status == "deleted":
            user.deleted_at.append(self._now())
        self.users[user.id] = user
        return user.id

    def delete_user(self, user_id: str) -> None:
        """As the API does: the user stays and is marked."""
        user = self.users[user_id]
        user.status = "deleted"
        user.deleted_at.append(self._now())

    def add_path(self, name: str, *groups: str, mode: Mode = "dynamic") -> tuple[str, str]:
        """A path with one session, whose audience are the learners of the groups. Returns both ids."""
        at = self._now()
        path = Path(
            id=self.new_id(),
            name=name,
            group_id=self.root_id,
            author_id=self.owner_id,
            created_at=at,
            modified_at=at,
        )
        self.paths[path.id] = path
        return path.id, self.add_session(path.id, *groups, mode=mode)

    def add_session(self, path_id: str, *groups: str, mode: Mode = "dynamic") -> str:
        session = Session(id=self.new_id(), path=self.paths[path_id], groups=groups, mode=mode)
        self.sessions[session.id] = session
        return session.id

    def bind(self, session_id: str, *groups: str, mode: Mode = "dynamic") -> None:
        """From now on the learners of these groups, and of no others, are the session's audience."""
        session = self.sessions[session_id]
        session.groups, session.mode = groups, mode

    def remove_path(self, path_id: str) -> None:
        super().remove_path(path_id)
        self.sessions = {key: one for key, one in self.sessions.items() if one.path.id != path_id}

    def add_role(self, group_id: str, user_id: str, role: str = "learner") -> None:
        """Gives the role if the user does not have it; audiences follow."""
        if (group_id, user_id, role) in self.roles:
            return
        self.roles.append((group_id, user_id, role))
        if role == "learner":
            self._follow(group_id, ("dynamic", "dynamicEnrollment"), lambda one: self._enrol(one, user_id))

    def remove_role(self, group_id: str, user_id: str, role: str = "learner") -> None:
        """Takes the role; that of a learner from public subgroups too, down to the first private ones."""
        self.roles.remove((group_id, user_id, role))
        if role != "learner":
            return
        self._follow(group_id, ("dynamic", "dynamicUnenrollment"), lambda one: self._unenrol(one, user_id))
        for group in list(self.groups.values()):
            is_below = group.parent_id == group_id and group.public
            if is_below and (group.id, user_id, role) in self.roles:
                self.remove_role(group.id, user_id, role)

    # -- looks behind it

    def accounts(self, mail: str) -> list[User]:
        return [user for user in self.users.values() if (user.mail or "").lower() == mail.strip().lower()]

    def learners(self) -> set[tuple[str, str]]:
        """Who is a learner, or more, of which group and can log in or accept an invitation: mail and group id."""
        return {
            (self.users[user_id].mail or "", group_id)
            for group_id, user_id, _ in self.roles
            if group_id != self.root_id and self.users[user_id].status != "deleted"
        }

    def enrolled(self) -> set[tuple[str, str]]:
        """Who is enrolled in which session now: user id and session id."""
        self.catch_up()
        return {(one.user_id, one.session_id) for one in self.enrollments if one.status == "published"}

    # -- what the API does

    def catch_up(self) -> None:
        """Lets audiences follow what happened to their groups, as far as it is time."""
        due = [(at, act) for at, act in self._due if at <= self._now()]
        self._due = [(at, act) for at, act in self._due if at > self._now()]
        for _, act in due:
            act()

    def invite(self, wanted: User, group_id: str, role: str, *, tell: bool) -> tuple[User, bool]:
        """The user, and whether they are new; else they were restored. Raises ApiError."""
        if wanted.mail is not None and (len(wanted.mail) > 254 or not _MAIL.fullmatch(wanted.mail)):
            raise bad_request("mailInvalid")
        if group_id not in self.groups:
            raise not_found("groupNotFound")
        known = self._known(wanted)
        user = known or wanted
        if known is None:
            self.users[user.id] = user
        else:
            known.status, known.first_name, known.last_name = "invited", wanted.first_name, wanted.last_name
            known.organization = wanted.organization or known.organization
            known.job, known.phone = wanted.job or known.job, wanted.phone or known.phone
            known.custom = wanted.custom or known.custom
        if known is None or self.restore_joins:
            self.add_role(group_id, user.id, role)
        user.invitations += tell and user.mail is not None
        return user, known is None

    def _known(self, wanted: User) -> User | None:
        """The deleted user who has one of the identifiers."""
        by_mail = self.accounts(wanted.mail) if wanted.mail else []
        by_name = [one for one in self.users.values() if wanted.username and one.username == wanted.username]
        if any(one.status != "deleted" for one in by_mail):
            raise bad_request("mailAlreadyUsed")
        if any(one.status != "deleted" for one in by_name):
            raise bad_request("usernameAlreadyUsed")
        found = {one.id: one for one in (*by_mail, *by_name)}
        if len(found) > 1:
            raise bad_request("loginIdentifierMultipleUsersFound")
        return next(iter(found.values()), None)

    def _follow(self, group_id: str, modes: tuple[Mode, ...], act: Callable[[Session], None]) -> None:
        due_at = self._now() + timedelta(seconds=self.enrol_delay_s)
        for session in self.sessions.values():
            if group_id in session.groups and session.mode in modes:
                self._due.append((due_at, lambda session=session: act(session)))  # type: ignore[misc]

    def _enrol(self, session: Session, user_id: str) -> None:
        enrolled = Enrollment(
            id=self.new_id(),
            path_id=session.path.id,
            session_id=session.id,
            user_id=user_id,
            created_at=self._now(),
        )
        self.enrollments.append(enrolled)

    def _unenrol(self, session: Session, user_id: str) -> None:
        for enrolled in self.enrollments:
            if (enrolled.session_id, enrolled.user_id) == (session.id, user_id):
                enrolled.status = "archived"
