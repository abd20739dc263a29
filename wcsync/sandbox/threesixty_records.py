"""What a 360Learning company holds, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal["active", "invited", "deleted"]
Mode = Literal["dynamic", "dynamicEnrollment", "dynamicUnenrollment", "manual"]

StepType = Literal[
    "assessment", "classroom", "course", "email", "path", "program", "slackMessage", "teamsMessage"
]

STEP_OPTIONS: Mapping[StepType, Mapping[str, Any]] = {
    "assessment": {"isExamination": False},
    "classroom": {"optional": False, "autoRegistration": False, "selfRegistration": {"enabled": False}},
    "course": {"optional": False, "showCorrection": "onCompletion", "showForum": "onCompletion"},
    "email": {"recipientType": "learner"},
    "path": {"optional": False},
    "program": {"optional": False},
    "slackMessage": {"recipientType": "learner"},
    "teamsMessage": {"recipientType": "learner"},
}
PATH_OPTIONS = (
    "linearProgression",
    "mandatoryReplay",
    "displayForum",
    "displayClassroomMessages",
    "automatedReminders",
    "notificationOnStepCreation",
)

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
    organization: str | None = None
    job: str | None = None
    phone: str | None = None
    custom: str | None = None
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
            "organization": self.organization,
            "job": self.job,
            "phone": self.phone,
            "custom": self.custom,
            "deletedAt": [render_instant(at) for at in self.deleted_at] or None,
        }
        return without_nothing(shown)


@dataclass(slots=True, kw_only=True)
class Group:
    id: str
    name: str
    public: bool = False
    parent_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        shown = {"_id": self.id, "name": self.name, "public": self.public, "parentId": self.parent_id}
        return without_nothing(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a path: the id of what it is made of, never its title."""

    id: str
    type: StepType

    def as_json(self) -> dict[str, Any]:
        return {"_id": self.id, "type": self.type, "options": STEP_OPTIONS[self.type]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    name: str
    description: str = ""
    published: bool = True


@dataclass(slots=True, kw_only=True)
class Path:
    """`description`: HTML. `duration`: unit and value, None if nobody gave an estimate."""

    id: str
    name: str
    group_id: str
    author_id: str
    created_at: datetime
    modified_at: datetime
    description: str | None = None
    co_author_ids: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    duration: tuple[str, float] | None = None
    default_lang: str = "en"
    source_lang: str = "en"
    translations: dict[str, Translation] = field(default_factory=dict)
    status: Literal["archived", "published"] = "published"

    def as_json(self) -> dict[str, Any]:
        shown = {
            "_id": self.id,
            "name": self.name,
            "description": self.description,
            "groupId": self.group_id,
            "authorId": self.author_id,
            "coAuthorIds": self.co_author_ids,
            "createdAt": render_instant(self.created_at),
            "modifiedAt": render_instant(self.modified_at),
            "defaultLang": self.default_lang,
            "sourceLang": self.source_lang,
            "status": self.status,
            "estimatedDuration": {"unit": self.duration[0], "value": self.duration[1]}
            if self.duration
            else None,
            "options": dict.fromkeys(PATH_OPTIONS, False),
            "steps": [step.as_json() for step in self.steps],
            "translations": [self._translated(lang, one) for lang, one in self.translations.items()],
        }
        return without_nothing(shown)

    def _translated(self, lang: str, translation: Translation) -> dict[str, Any]:
        return {
            "lang": lang,
            "published": translation.published,
            "translatorIds": [],
            "translatedFields": without_nothing(
                {"name": translation.name, "description": translation.description or None}
            ),
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
        return without_nothing(shown)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`rows`: a list to be paged, instead of `body`."""

    status: int = 200
    body: Any = None
    rows: list[Any] | None = None


def render_instant(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def without_nothing(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if value is not None}
