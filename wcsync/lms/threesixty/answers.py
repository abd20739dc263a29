"""What the 360Learning API answers: the fields we read, and the code of a refusal."""

import re

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
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    code = error if isinstance(error, str) else error.code
    return code if re.fullmatch("[A-Za-z0-9_]{1,60}", code) else ""
