"""Users of a 360Learning company: found by id or address, invited or restored where there is none."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from wcsync.errors import PermanentError, TransientError
from wcsync.lms.base import Intent, Write
from wcsync.lms.threesixty.answers import LEARNER, Membership, User
from wcsync.lms.threesixty.rest import Call, Refused, Rest
from wcsync.mappers.entitlements import normalise_address, usable_address
from wcsync.model import CourseId, Outcome, Person, Seat

OBJECT_ID = "[0-9a-f]{24}"
NAME_LENGTH = 100
FIELD_LENGTH = 255
"""How long a text of a user may be is not documented; a name or an address of a company is shorter."""

FIELDS = ("custom", "job", "organization", "phone")
"""What a user can be told beside the name. `custom` is what the platform calls *Additional information*; the custom
fields of a company are nothing that an invitation can fill.
https://360learning.readme.io/reference/v2_users_createusercontroller_createuser
"""

REFUSALS = {
    "mailInvalid": "does not take the learner's address; correct it in the order or invite the learner by hand",
    "mailUsedTooManyTimes": "has several users with the learner's address; give all but one another address",
    "loginIdentifierMultipleUsersFound": "finds several users for the learner's address; tidy them up by hand",
    "usernameNotAllowed": "does not take the learner's user name; invite the learner by hand",
}
"""What a refusal to invite means, and what to do."""

_JOINERS = "\u200c\u200d"


class People:
    """`lang`: the language of users we invite (None = the platform's); `send_invitation`: whether they are told;
    `profile`: what else is known of them, as in `LmsSettings`.
    """

    def __init__(
        self, rest: Rest, *, lang: str | None, send_invitation: bool, profile: Mapping[str, str]
    ) -> None:
        self._rest = rest
        self._lang = lang
        self._send_invitation = send_invitation
        self._profile = profile

    def find(self, seat: Seat) -> User | None:
        """The user by id if it still has the learner's address, else by address. Deleted ones only if no other fits.

        Raises PermanentError when two have the address, or when the id is somebody's with another address now and
        nobody has the learner's: a person must choose.
        """
        known = self._find_by_id(seat.user_id) if seat.user_id else None
        if known and not known.deleted and _belongs(known, seat.learner.email):
            return known
        found = self._find_by_address(seat.learner.email)
        if found is None and known and not known.deleted:
            raise PermanentError(
                f"{self._rest.name}: user {known.id}, the learner's until now, has another address; correct it there "
                "if it is still the same person, or add the learner to the group by hand"
            )
        return found or known

    def fetch_roles(self, user: User, group_id: CourseId) -> frozenset[str]:
        """What the user is in the group; empty = not a member.

        Asked of the user and not of the group: few users are in many groups, but a sold group has many members.
        """
        call = Call(method="GET", path=f"/users/{user.id}/roles", scope="users:read")
        try:
            pages = list(self._rest.read_pages(call, list[Membership]))
        except Refused as refusal:
            if refusal.code == "userNotFound":
                return frozenset()
            raise
        return frozenset(entry.role for page in pages for entry in page if entry.group_id == group_id)

    def invite(self, learner: Person, group_id: CourseId, intent: Intent) -> tuple[User, Outcome | None]:
        """The user, and what came of it: CREATED as a learner of the group, RESTORED from deletion (the group is
        still to be looked at), None = somebody else had created the user a moment ago.

        Whether the group comes with it or not, it is declared as both: an account, restored ones too, which may cost a
        licence, and an enrolment.
        """
        if not usable_address(learner.email):
            raise PermanentError(
                f"{self._rest.name}: the learner's address is none that mail can reach; correct it in the order"
            )
        call = self._invitation(learner, group_id)
        try:
            reply = self._rest.write(call, intent, (Write.ACCOUNT, Write.ENROLMENT))
        except Refused as refusal:
            return self._after_refusal(refusal, learner, group_id), None
        user = self._rest.parse_written(reply, call, User)
        match reply.status:
            case 201:
                return user, Outcome.CREATED
            case 200:
                return user, Outcome.RESTORED
        raise self._rest.lost(reply, call)

    def _after_refusal(self, refusal: Refused, learner: Person, group_id: CourseId) -> User:
        if refusal.code == "groupNotFound":
            raise no_such_group(self._rest.name, group_id) from refusal
        if refusal.code != "mailAlreadyUsed":
            why = REFUSALS.get(refusal.code)
            raise (Refused(f"{self._rest.name}: {why}", refusal.code) if why else refusal) from refusal
        found = self._find_by_address(learner.email)
        if found is None or found.deleted:
            raise TransientError(
                f"{self._rest.name}: says that the learner's address is in use, yet shows no user with it; it will be "
                "asked again. Should that not help, look for a user with that address written in another way"
            ) from refusal
        return found

    def _find_by_id(self, user_id: str) -> User | None:
        if not re.fullmatch(OBJECT_ID, user_id):
            return None
        try:
            return self._rest.read(Call(method="GET", path=f"/users/{user_id}", scope="users:read"), User)
        except Refused as refusal:
            if refusal.code == "userNotFound":
                return None
            raise

    def _find_by_address(self, address: str) -> User | None:
        """Whoever has the address in any case: whether the look-up itself heeds it is not documented."""
        if not usable_address(address):
            return None
        written = address.strip()
        for spelling in dict.fromkeys((written, written.lower())):
            matches = list(self._matches(spelling))
            if len(matches) > 1:
                raise PermanentError(
                    f"{self._rest.name}: {len(matches)} users have the learner's address "
                    f"({', '.join(user.id for user in matches)}); give all but one another address"
                )
            if matches:
                return matches[0]
        return None

    def _matches(self, address: str) -> Iterator[User]:
        """Users with the address; deleted ones only if there is no other."""
        call = Call(method="GET", path="/users", scope="users:read", query=(("mail[eq]", address),))
        pages = self._rest.read_pages(call, list[User])
        found = {user.id: user for page in pages for user in page if _belongs(user, address)}
        alive = [user for user in found.values() if not user.deleted]
        yield from alive or list(found.values())[:1]

    def _invitation(self, learner: Person, group_id: CourseId) -> Call:
        body: dict[str, object] = {
            "mail": learner.email.strip(),
            "membership": {"groupId": group_id, "role": LEARNER},
        }
        known = dict(learner.fields)
        optional = {
            "firstName": _clean(learner.first_name),
            "lastName": _clean(learner.last_name),
            "lang": self._lang,
        } | {key: _clean(known.get(source, ""), FIELD_LENGTH) for key, source in self._profile.items()}
        body |= {key: value for key, value in optional.items() if value}
        tell = "true" if self._send_invitation else "false"
        return Call(
            method="POST",
            path="/users",
            scope="users:write",
            query=(("sendInvitationEmail", tell),),
            body=body,
        )


def no_such_group(name: str, group_id: CourseId) -> PermanentError:
    return PermanentError(f"{name}: there is no group {group_id}; check group in the mapping")


def _belongs(user: User, address: str) -> bool:
    return user.mail is not None and normalise_address(user.mail) == normalise_address(address)


def _clean(name: str, length: int = NAME_LENGTH) -> str:
    """The text without what a reader would stumble over: controls, halves of a pair, marks that turn text round."""
    kept = "".join(" " if _blank(char) else char for char in name)
    words = " ".join(kept.split())[:length].strip()
    return words if any(unicodedata.category(char)[0] in "LNPS" for char in words) else ""


def _blank(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} and char not in _JOINERS
