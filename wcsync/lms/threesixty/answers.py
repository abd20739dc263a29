"""What the 360Learning API answers: the fields we read, and the code of a refusal."""

import re
from datetime import datetime

import msgspec

from wcsync.http import Reply

LEARNER = "learner"


class User(msgspec.Struct, rename={"id": "_id"}):
    """`mail` None: somebody who logs in with a user name alone."""

    id: str
    status: str
    mail: str | None = None

    @property
    def deleted(self) -> bool:
        return self.status == "deleted"


class Membership(msgspec.Struct):
    group_id: str = msgspec.field(name="groupId")
    role: str


class Group(msgspec.Struct, rename={"id": "_id"}):
    """`parent_id` None: the root group, of which each company has one."""

    id: str
    name: str
    parent_id: str | None = msgspec.field(name="parentId", default=None)
    public: bool = False


class Path(msgspec.Struct, rename={"id": "_id"}):
    id: str
    name: str = ""
    status: str = "published"


class Estimate(msgspec.Struct):
    """How long something takes. `unit`: minute, hour, day, week or month."""

    unit: str
    value: float


class Step(msgspec.Struct, rename={"id": "_id"}):
    """`id`: of what the step is made of. `subtype`: `quiz`, of some courses."""

    id: str
    type: str
    subtype: str | None = None


class Texts(msgspec.Struct):
    name: str | None = None
    description: str | None = None


class Translation(msgspec.Struct):
    lang: str
    published: bool
    texts: Texts = msgspec.field(name="translatedFields")


class DescribedPath(msgspec.Struct, rename={"id": "_id"}):
    """A path with all that is mirrored of it. `description`: HTML, in the language `source_lang` like `name`."""

    id: str
    name: str
    author_id: str = msgspec.field(name="authorId")
    modified_at: datetime = msgspec.field(name="modifiedAt")
    status: str = "published"
    description: str | None = None
    co_author_ids: list[str] = msgspec.field(name="coAuthorIds", default=[])
    steps: list[Step] = []
    estimate: Estimate | None = msgspec.field(name="estimatedDuration", default=None)
    source_lang: str = msgspec.field(name="sourceLang", default="")
    default_lang: str = msgspec.field(name="defaultLang", default="")
    translations: list[Translation] = []


class InnerPath(msgspec.Struct, rename={"id": "_id"}):
    """A path as a step of another."""

    id: str
    name: str
    estimate: Estimate | None = msgspec.field(name="estimatedDuration", default=None)


class Lesson(msgspec.Struct, rename={"id": "_id"}):
    """A course, as a step of a path. `duration`: minutes. `status`: archived, deleted or published."""

    id: str
    name: str
    status: str = "published"
    duration: float | None = None


class Classroom(msgspec.Struct, rename={"id": "_id"}):
    id: str
    name: str


class Tag(msgspec.Struct, rename={"id": "_id"}):
    id: str
    name: str


class TagLink(msgspec.Struct):
    tag_id: str = msgspec.field(name="tagId")


class Author(msgspec.Struct, rename={"id": "_id"}):
    """A user, as people see the name. Whoever has none is known by a user name or address alone."""

    id: str
    first_name: str | None = msgspec.field(name="firstName", default=None)
    last_name: str | None = msgspec.field(name="lastName", default=None)


class Session(msgspec.Struct, rename={"id": "_id"}):
    """One run of a path. `end_date` None: open for good."""

    id: str
    path_id: str = msgspec.field(name="pathId")
    is_audience_builder: bool = msgspec.field(name="isAudienceBuilder")
    end_date: datetime | None = msgspec.field(name="endDate", default=None)


class AudienceFilter(msgspec.Struct):
    type: str
    ids: list[str] = []


class Audience(msgspec.Struct):
    """Who is enrolled in a session; `mode`: what follows when that changes."""

    filters: list[AudienceFilter]
    mode: str

    def groups(self) -> list[str]:
        return [group_id for one in self.filters if one.type == "groups" for group_id in one.ids]

    def has(self, group_id: str) -> bool:
        return group_id in self.groups()


class Enrollment(msgspec.Struct):
    user_id: str = msgspec.field(name="userId")
    session_id: str = msgspec.field(name="sessionId")
    status: str


class _Nested(msgspec.Struct):
    code: str


class _Refusal(msgspec.Struct):
    error: str | _Nested


def code_of(reply: Reply) -> str:
    """The code of a refusal in either of its two forms, '' if it has none.

    `{"error": "invalid_token"}` and `{"error": {"code": "mailInvalid", "message": "…"}}`. Messages are for people
    and may change, so they are not read. What does not look like a code is none: it may quote what was sent.
    """
    try:
        error = msgspec.json.decode(reply.content, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    code = error if isinstance(error, str) else error.code
    return code if re.fullmatch("[A-Za-z0-9_]{1,60}", code) else ""
