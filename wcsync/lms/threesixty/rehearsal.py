"""What a buyer of a mapped group would meet: the group, the path it is to open, and the session that binds the two.

Looked at, never changed. 360Learning's API cannot tell before the first sale whether the credentials may write.
"""

from collections.abc import Iterator

from wcsync.errors import Finding, Severity
from wcsync.lms.base import Sighting
from wcsync.lms.threesixty.answers import Group, Path, Session
from wcsync.lms.threesixty.places import Groups
from wcsync.lms.threesixty.rest import INVALID_SCOPE, Refused, Rest
from wcsync.lms.threesixty.sessions import FOLLOWS, IN_PATH, KEEPS_REFUNDED, Sessions, get
from wcsync.model import CourseId, Target

MOST_SESSIONS = 50
"""So many sessions of one path are looked at for the one that has the group in its audience."""


class Rehearsal:
    """Looks at mapped groups for `check`; asks once what several rows share. Raises as `Rest`."""

    def __init__(self, rest: Rest, groups: Groups) -> None:
        self._rest = rest
        self._groups = groups
        self._sessions = Sessions(rest)
        self._paths: dict[str, Path | None] = {}

    def sight(self, target: Target) -> Sighting:
        group = self._groups.fetch(target.course_id)
        if group is None:
            return Sighting(title=None, findings=(_unknown_group(target.course_id),))
        findings = [*self._about_group(group)]
        try:
            findings += self._about_paths(target)
        except Refused as refusal:
            if refusal.code != INVALID_SCOPE:  # that one is told with the scopes
                raise
        return Sighting(title=group.name, findings=tuple(findings))

    def _about_group(self, group: Group) -> Iterator[Finding]:
        if group.public:
            yield Finding(
                code="group_public",
                message=f"group {group.id} is public: whoever finds it gets in without having paid",
                remedy="make it private in the group's settings",
                severity=Severity.WARNING,
            )
        if self._groups.has_subgroups(group.id):
            yield Finding(
                code="group_has_subgroups",
                message=f"group {group.id} has subgroups: a refund may take the learner out of those too",
                remedy="sell a group without subgroups, used for nothing else",
                severity=Severity.WARNING,
            )

    def _about_paths(self, target: Target) -> Iterator[Finding]:
        sessions = [value for name, value in target.options if name == "session"]
        for path_id in [value for name, value in target.options if name == "path"]:
            path = self._path(path_id)
            if path is None:
                yield Finding(
                    code="unknown_path",
                    message=f"there is no path {path_id}",
                    remedy="correct path in the mapping: the 24 digits and letters a-f in the path's address",
                    in_mapping=True,
                )
            elif path.status == "archived":
                yield Finding(
                    code="path_archived",
                    message=f"path {path_id} is archived: who buys is not let into it",
                    remedy="restore it in 360Learning, or sell another",
                )
            elif sessions:
                for session_id in sessions:
                    yield from self._about_session(path_id, session_id, target.course_id)
            else:
                yield from self._about_all_sessions(path_id, target.course_id)

    def _about_session(self, path_id: str, session_id: str, group_id: CourseId) -> Iterator[Finding]:
        session = next((one for one in self._sessions.of(path_id) if one.id == session_id), None)
        if session is None:
            yield Finding(
                code="unknown_session",
                message=f"path {path_id} has no session {session_id}",
                remedy=f"correct session in the mapping: its id ends the session's address ({IN_PATH})",
                in_mapping=True,
            )
        elif self._sessions.ended(session):
            yield Finding(
                code="session_ended",
                message=f"session {session_id} has ended: nobody is enrolled in it any more",
                remedy=f"take its end date away, or make a new session and write its id into the mapping ({IN_PATH})",
            )
        elif not session.is_audience_builder:
            yield Finding(
                code="session_without_audience",
                message=f"session {session_id} was not made with the audience builder: no group can be its audience",
                remedy=f"make a new session with the audience builder and write its id into the mapping ({IN_PATH})",
            )
        else:
            yield from self._about_audience(session, group_id)

    def _about_audience(self, session: Session, group_id: CourseId) -> Iterator[Finding]:
        audience = self._sessions.audience(session)
        if not audience.has(group_id):
            yield Finding(
                code="group_not_in_audience",
                message=f"session {session.id} does not have the group {group_id} in its audience: who buys is not "
                "let into its path",
                remedy=f"add the group to its audience ({IN_PATH} → Audience)",
            )
        elif audience.mode == KEEPS_REFUNDED:
            yield Finding(
                code="keeps_refunded",
                message=f"session {session.id} follows its group inwards alone: who is refunded stays enrolled",
                remedy=f"let its audience enrol and unenrol dynamically ({IN_PATH} → Audience)",
                severity=Severity.WARNING,
            )
        elif audience.mode != FOLLOWS:
            yield Finding(
                code="session_not_dynamic",
                message=f"session {session.id} does not follow its group: who buys is not let into its path",
                remedy=f"let its audience enrol and unenrol dynamically ({IN_PATH} → Audience)",
            )

    def _about_all_sessions(self, path_id: str, group_id: CourseId) -> Iterator[Finding]:
        """The row names none: one that is open and follows the group is enough."""
        usable = self._sessions.usable(path_id)
        bound = [one for one in usable[:MOST_SESSIONS] if self._sessions.audience(one).has(group_id)]
        modes = {self._sessions.audience(one).mode: one for one in bound}
        if not bound and len(usable) <= MOST_SESSIONS:
            yield Finding(
                code="path_not_sold",
                message=f"path {path_id} has no open session with the group {group_id} in its audience: who buys is "
                "not let into it",
                remedy=f"make one with the audience builder, with that group, dynamic ({IN_PATH})",
            )
        if bound and FOLLOWS not in modes:
            yield from self._about_audience(modes.get(KEEPS_REFUNDED, bound[0]), group_id)

    def _path(self, path_id: str) -> Path | None:
        if path_id not in self._paths:
            try:
                self._paths[path_id] = self._rest.read(get(f"/paths/{path_id}"), Path)
            except Refused as refusal:
                if refusal.code != "pathNotFound":
                    raise
                self._paths[path_id] = None
        return self._paths[path_id]


def _unknown_group(group_id: CourseId) -> Finding:
    return Finding(
        code="unknown_group",
        message=f"there is no group {group_id}",
        remedy=(
            "correct group in the mapping: the 24 digits and letters a-f at the end of the group's address; then "
            "`wcsync dead revive` for what was refused meanwhile"
        ),
        in_mapping=True,
    )
