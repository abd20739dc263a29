"""Groups and paths of a 360Learning company: looked at, never changed."""

import math
import threading
import time
from collections.abc import Collection

from wcsync.errors import Finding, PermanentError, ServiceBlocked
from wcsync.lms.threesixty.answers import Enrollment, Group
from wcsync.lms.threesixty.rest import PATHS_READ, Call, Refused, Rest
from wcsync.model import CourseId
from wcsync.pulse import holding

KEPT_S = 600.0
GROUPS = Call(method="GET", path="/groups", scope="groups:read")

NO_ROOT = Finding(
    code="no_root_group",
    message="shows no root group, so that the company cannot be told from others",
    remedy="make credentials that see all groups",
)


class Groups:
    """The groups of the company by id. There is no look-up of one, so the list is kept for a while. Thread-safe."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._root: Group | None = None
        self._kept: dict[str, Group] = {}
        self._kept_until = -math.inf
        self._lock = threading.Lock()

    def fetch_root(self) -> Group:
        """The group that has no parent. Asked once: credentials never change their company.

        Raises ServiceBlocked if it cannot be seen.
        """
        if self._root is None:
            roots = [group for group in self._list().values() if group.parent_id is None]
            if not roots:
                raise ServiceBlocked(f"{self._rest.name}: {NO_ROOT}", finding=NO_ROOT)
            self._root = min(
                roots, key=lambda group: group.id
            )  # ids grow with time: a later one changes nothing
        return self._root

    def fetch(self, group_id: CourseId) -> Group | None:
        return self._list().get(group_id)

    def has_subgroups(self, group_id: str) -> bool:
        return any(group.parent_id == group_id for group in self._list().values())

    def _list(self) -> dict[str, Group]:
        with holding(self._lock):
            if time.monotonic() >= self._kept_until:
                self._kept, self._kept_until = self._walk(), time.monotonic() + KEPT_S
            return self._kept

    def _walk(self) -> dict[str, Group]:
        return {group.id: group for page in self._rest.read_pages(GROUPS, list[Group]) for group in page}


Place = tuple[str, frozenset[str]]
"""A path, and the sessions of it that count; none = any."""


def enrolled_of(rest: Rest, path_id: str, sessions: frozenset[str], users: Collection[str]) -> set[str]:
    """Which of `users` are enrolled in the path now.

    Cannot be asked for single users: reads pages of 5,000 enrolments until all are found or there are no more.
    """
    query = [("status[eq]", "published")]
    if len(sessions) == 1:
        query += [("sessionId[eq]", session) for session in sessions]
    call = Call(method="GET", path=f"/paths/{path_id}/enrollments", scope=PATHS_READ, query=query)
    found = set[str]()
    try:
        for page in rest.read_pages(call, list[Enrollment]):
            found |= {entry.user_id for entry in page if _counts(entry, sessions)} & set(users)
            if len(found) == len(set(users)):
                break
    except Refused as refusal:
        if refusal.code == "pathNotFound":
            raise PermanentError(
                f"{rest.name}: there is no path {path_id}; check path in the mapping"
            ) from refusal
        raise
    return found


def _counts(entry: Enrollment, sessions: frozenset[str]) -> bool:
    return entry.status == "published" and (not sessions or entry.session_id in sessions)
