"""What a 360Learning company holds, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal["active", "invited", "deleted"]
Mode = Literal["dynamic", "dynamicEnrollment", "dynamicUnenrollment", "manual"]

GROUP_ROLES = ("admin", "analyst", "coach", "contributor", "editor", "learner", "userAdmin")


@dataclass(slots=True, kw_only=True)
class User:
    id: str
    mail: str | None
    username: str | None = None
    status: Status = "invited"
    lang: str = "en"
    first_name: str | None = None
    last_name: str | None = None
    deleted_at: list[datetime] = field(default_factory=list)
    invitations: int = 0
    """Invitation mails sent."""

    def as_json(self) -> dict[str, Any]:
        shown = {
            "_id": self.id,
            "mail": self.mail,
            "username": self.username,
            "status": self.status,
            "lang": self.lang,
            "firstName": self.first_name,
            "lastName": self.last_name,
            "deletedAt": [render_instant(at) for at in self.deleted_at] or None,
        }
        return _without_nothing(shown)


@dataclass(slots=True, kw_only=True)
class Group:
    id: str
    name: str
    public: bool = False
    parent_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        shown = {"_id": self.id, "name": self.name, "public": self.public, "parentId": self.parent_id}
        return _without_nothing(shown)


@dataclass(slots=True, kw_only=True)
class Path:
    id: str
    name: str
    group_id: str
    author_id: str
    created_at: datetime
    status: Literal["archived", "published"] = "published"

    def as_json(self) -> dict[str, Any]:
        at = render_instant(self.created_at)
        options = (
            "linearProgression",
            "mandatoryReplay",
            "displayForum",
            "displayClassroomMessages",
            "automatedReminders",
            "notificationOnStepCreation",
        )
        return {
            "_id": self.id,
            "name": self.name,
            "groupId": self.group_id,
            "authorId": self.author_id,
            "coAuthorIds": [],
            "createdAt": at,
            "modifiedAt": at,
            "defaultLang": "en",
            "sourceLang": "en",
            "status": self.status,
            "options": dict.fromkeys(options, False),
            "steps": [],
            "translations": [],
        }


@dataclass(slots=True, kw_only=True)
class Session:
    """One run of a path. `groups`: whose learners are its audience; `mode`: what follows when that changes.

    `audience_builder` False: made before there was one, so that it has no audience to be seen. `ends_at`: when it ends.
    """

    id: str
    path: Path
    groups: tuple[str, ...]
    mode: Mode
    name: str = "Always open"
    audience_builder: bool = True
    ends_at: datetime | None = None

    def audience_as_json(self) -> dict[str, Any]:
        return {
            "filters": [{"type": "groups", "ids": list(self.groups)}] if self.groups else [],
            "mode": self.mode,
        }

    def as_json(self) -> dict[str, Any]:
        at = render_instant(self.path.created_at)
        shown = {
            "_id": self.id,
            "pathId": self.path.id,
            "groupId": self.path.group_id,
            "name": self.name,
            "mainInstructorId": self.path.author_id,
            "instructorIds": [],
            "registrationRequestValidation": "disabled",
            "isAudienceBuilder": self.audience_builder,
            "startDate": at,
            "endDate": render_instant(self.ends_at) if self.ends_at else None,
            "createdAt": at,
            "modifiedAt": at,
            "translations": [],
        }
        return _without_nothing(shown)


@dataclass(slots=True, kw_only=True)
class Enrollment:
    id: str
    path_id: str
    session_id: str
    user_id: str
    created_at: datetime
    status: Literal["archived", "published"] = "published"

    def as_json(self) -> dict[str, Any]:
        at = render_instant(self.created_at)
        return {
            "_id": self.id,
            "userId": self.user_id,
            "sessionId": self.session_id,
            "isSelfEnrolled": False,
            "status": self.status,
            "createdAt": at,
            "modifiedAt": at,
        }


@dataclass(slots=True, kw_only=True)
class Credentials:
    """What an admin made under Settings → API v2."""

    client_secret: str
    scopes: set[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token given out: for whom, and how long it is good."""

    client_id: str
    expires_at: datetime


def render_instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _without_nothing(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if value is not None}
