"""360Learning over its API v2: users by e-mail, membership in the group that was sold.

The API cannot enrol anybody in a path. An admin binds a session of the path to a private group, once; whoever
becomes a learner of that group is enrolled by 360Learning itself, and whoever leaves it is taken out. So the group
is the course here: one additive call per seat, and no session is ever rewritten under an admin's hands.

Calls per seat: a new learner 2 (find, invite into the group); a known one who is in already 2 (find, look); a known
one who comes in 3 (find, look, add); a withdrawal 3 (find, look, remove). Add one where the buyer wrote the address
in capitals, and one token an hour for all.

An address belongs to one user at most. 360Learning itself refuses a second, so a lost race reads as found.
https://360learning.readme.io/reference
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from pydantic import Field, field_validator

from wcsync.course import CourseReading, Sellable
from wcsync.credentials import Secret, refusal
from wcsync.errors import Finding, PermanentError, Severity, TransientError
from wcsync.lms.base import Capability, Intent, LmsIdentity, LmsSettings, Sighting
from wcsync.lms.threesixty.answers import LEARNER, User
from wcsync.lms.threesixty.offers import fetch_offers
from wcsync.lms.threesixty.paths import Paths
from wcsync.lms.threesixty.people import FIELDS, OBJECT_ID, People, no_such_group
from wcsync.lms.threesixty.places import Groups, Place, enrolled_of
from wcsync.lms.threesixty.rehearsal import Rehearsal
from wcsync.lms.threesixty.rest import Call, Refused, Rest
from wcsync.lms.threesixty.scopes import FOR_COURSES, FOR_SALES, missing_scopes
from wcsync.lms.threesixty.sellables import fetch_sellables
from wcsync.mappers.mapping import TargetKey
from wcsync.mappers.mapping_terms import NO_SUSPENDING
from wcsync.model import Applied, CourseId, LmsName, Offer, Outcome, Presence, Seat, Target
from wcsync.pulse import beat

WRITES_UNSEEN = Finding(
    code="writes_unseen",
    message="whether the credentials have the scopes users:write and groups:write shows only at the first sale",
    severity=Severity.OK,
)

TARGET_KEYS = (
    TargetKey(
        name="group",
        pattern=OBJECT_ID,
        doc="the id of the sold group, 24 digits and letters a-f at the end of its address",
        required=True,
        course=True,
    ),
    TargetKey(name="path", pattern=OBJECT_ID, doc="the id of the path that the group gives access to"),
    TargetKey(
        name="session", pattern=OBJECT_ID, doc="the id of the path's session that is bound to the group"
    ),
    NO_SUSPENDING,
)

GUIDE = (
    "In 360Learning, Settings → API v2: credentials with the scopes that README's section `In 360Learning` names; the "
    "client id and the secret are two files"
)
"""Where the credentials come from."""


class ThreeSixtySettings(LmsSettings):
    """The keys of an `[[lms]]` section with `kind = "360learning"`."""

    kind: Literal["360learning"] = Field(default="360learning", description="which LMS it is")
    client_id: Secret = Field(description="client id of the API v2 credentials")
    client_secret: Secret = Field(description="the secret that belongs to client_id")
    send_invitation: bool = Field(
        default=True, strict=True, description="whether 360Learning mails an invitation to users we create"
    )
    lang: str | None = Field(
        default=None,
        pattern="^[a-z]{2,3}(_[A-Z]{2})?$",
        description="language of users we create; the platform's default if absent",
    )

    @field_validator("profile")
    @classmethod
    def _known_fields(cls, profile: dict[str, str]) -> dict[str, str]:
        for key in profile:
            if key not in FIELDS:
                raise refusal(
                    f"a user in 360Learning has no field {key[:60]!r} that an invitation can fill",
                    f"Use one of {', '.join(FIELDS)} (custom: its Additional information).",
                )
        return profile


class ThreeSixty:
    """One 360Learning company. `wcsync.lms.base.Lms` says what each method promises.

    It can neither end an enrolment at a date nor suspend one: the daemon takes the learner out of the group instead.
    """

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, settings: ThreeSixtySettings) -> None:
        self.name = LmsName(settings.name)
        self._url = settings.url.rstrip("/")
        self._rest = Rest(settings, settings.client_id, settings.client_secret)
        self._where = self._rest.name
        self._people = People(
            self._rest,
            lang=settings.lang,
            send_invitation=settings.send_invitation,
            profile=settings.profile,
        )
        self._groups = Groups(self._rest)
        self._rehearsal = Rehearsal(self._rest, self._groups)
        self._paths = Paths(self._rest, self._url)

    def close(self) -> None:
        self._rest.close()

    def fetch_identity(self) -> LmsIdentity:
        """`identity` ends in the id of the company's root group: new credentials do not change it, another company
        does. Scopes to write show only when something is written.
        """
        root = self._groups.fetch_root()
        return LmsIdentity(
            identity=f"{self._url}/groups/{root.id}",
            title=root.name,
            version="API v2",
            findings=(*missing_scopes(self._rest, FOR_SALES), WRITES_UNSEEN),
        )

    def fetch_presences(self, seats: Sequence[Seat]) -> list[Presence]:
        """UNKNOWN: a member of the group, but not yet to be seen in the path the mapping names.

        A path's enrolments can only be listed whole: each list is read once, however many seats name it.
        """
        users = [self._member(seat) for seat in seats]
        wanted = defaultdict[Place, set[str]](set)
        for seat, user in zip(seats, users, strict=True):
            if user is not None:
                for place in _places(seat):
                    wanted[place].add(user.id)
        seen = {place: enrolled_of(self._rest, *place, ids) for place, ids in wanted.items()}
        return [_presence(seat, user, seen) for seat, user in zip(seats, users, strict=True)]

    def expect_targets(self, targets: Collection[Target]) -> None:
        """Each group has a call of its own here."""

    def fetch_target(self, target: Target) -> Sighting:
        return self._rehearsal.sight(target)

    def fetch_offers(self) -> list[Offer]:
        """Every group, and every path where the credentials may read paths. No call tells which belong together."""
        return fetch_offers(self._rest, self.name)

    def fetch_courses(self, targets: Collection[Target], *, full: bool) -> CourseReading:
        """Describes the path that a row names beside its group; a group alone has nothing to tell."""
        return self._paths.fetch(targets, full=full)

    def fetch_sellables(self) -> list[Sellable]:
        """Published paths, each with the private group that opens it. `course_id` is '' where none does yet."""
        return fetch_sellables(self._rest, self._groups, self.name)

    def fetch_course_findings(self) -> tuple[Finding, ...]:
        return tuple(missing_scopes(self._rest, FOR_COURSES))

    def ensure_enrolled(self, seat: Seat, intent: Intent) -> Applied:
        """RESTORED: the user had been deleted. Whoever has any role in the group already is left as they are."""
        self._refuse_shape(seat.course_id)
        user, outcome = self._people.find(seat), None
        if user is None or user.deleted:
            user, outcome = self._people.invite(seat.learner, seat.course_id, intent)
        if outcome is not Outcome.CREATED:
            outcome = self._join(user, seat.course_id, intent, outcome)
        return Applied(outcome=outcome, user_id=user.id, confirm=_to_confirm(seat))

    def ensure_withdrawn(self, seat: Seat, intent: Intent) -> Applied:
        """Takes the role of learner, whoever gave it, from somebody who has no other role in the group."""
        user = self._people.find(seat)
        roles = self._people.fetch_roles(user, seat.course_id) if user else frozenset()
        if roles - {LEARNER}:
            raise PermanentError(
                f"{self._where}: user {user.id if user else ''} is not just a learner in group {seat.course_id}; "
                "take them out by hand if that is meant"
            )
        removed = user is not None and LEARNER in roles and self._leave(user, seat.course_id, intent)
        if not removed:
            intent.confirm_absence()
        outcome = Outcome.REMOVED if removed else Outcome.ABSENT
        return Applied(outcome=outcome, user_id=user.id if user else None)

    def ensure_suspended(self, seat: Seat, intent: Intent) -> Applied:  # noqa: ARG002 - the same for all
        """Nobody can be suspended here: `capabilities` says so, and nobody asks."""
        raise PermanentError(
            f"{self._where}: there is no way to suspend an enrolment here; take the learner out"
        )

    def _join(self, user: User, group_id: CourseId, intent: Intent, restored: Outcome | None) -> Outcome:
        """Makes the user a learner of the group, unless they are something in it.

        Whether restoring a user gives the group asked for, and whether a role given twice is refused, is not
        documented: a look before and after tells.
        """
        if self._people.fetch_roles(user, group_id):
            return restored or Outcome.ALREADY
        try:
            self._change_role("POST", user, group_id, intent)
        except Refused as refusal:
            if refusal.code == "groupNotFound":
                raise no_such_group(self._where, group_id) from refusal
            if refusal.code in {"userDeleted", "userNotFound"}:
                raise TransientError(
                    f"{self._where}: the learner's user was deleted meanwhile; it will be looked for again"
                ) from refusal
            if LEARNER not in self._people.fetch_roles(user, group_id):
                raise
            return restored or Outcome.ALREADY
        return restored or Outcome.CREATED

    def _leave(self, user: User, group_id: CourseId, intent: Intent) -> bool:
        """False: the user was no learner of the group any more."""
        try:
            self._change_role("DELETE", user, group_id, intent)
        except Refused as refusal:
            if refusal.code in {"userNotFoundInGroup", "groupNotFound"}:
                return False
            raise
        return True

    def _change_role(self, method: str, user: User, group_id: CourseId, intent: Intent) -> None:
        path = f"/groups/{group_id}/{LEARNER}/{user.id}"
        call = Call(method=method, path=path, scope="groups:write")
        reply = self._rest.write(call, intent)
        if reply.status != 204:
            raise self._rest.lost(reply, call)

    def _member(self, seat: Seat) -> User | None:
        """The learner's user, if it has any role in the group."""
        beat()
        user = self._people.find(seat)
        if user is None or user.deleted or not self._people.fetch_roles(user, seat.course_id):
            return None
        return user

    def _refuse_shape(self, group_id: CourseId) -> None:
        if not re.fullmatch(OBJECT_ID, group_id):
            raise no_such_group(self._where, group_id)


def _presence(seat: Seat, user: User | None, seen: Mapping[Place, set[str]]) -> Presence:
    if user is None:
        return Presence.ABSENT
    arrived = all(user.id in seen[place] for place in _places(seat))
    return Presence.ENROLLED if arrived else Presence.UNKNOWN


def _places(seat: Seat) -> list[Place]:
    """The paths the seat names, each with the sessions it may be in.

    Seats from several rows of the mapping are one seat here, and then no session can be told to belong to a path.
    """
    paths, sessions = _chosen(seat, "path"), _chosen(seat, "session")
    asked = frozenset(sessions) if len(paths) == 1 else frozenset[str]()
    return [(path, asked) for path in paths]


def _to_confirm(seat: Seat) -> str:
    """What to look at if the learner is not let into a path that the mapping names."""
    paths = _chosen(seat, "path")
    if not paths:
        return ""
    return (
        f"look in 360Learning whether path {', '.join(paths)} is archived, its session has ended, or the session's "
        f"audience is not group {seat.course_id}"
    )


def _chosen(seat: Seat, option: str) -> list[str]:
    return [value for name, value in seat.options if name == option]
