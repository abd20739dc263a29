"""Accounts on a Moodle site: found by number or address, made where there is none."""

import re
import unicodedata
from collections.abc import Mapping

from wcsync.errors import Finding, PermanentError, ServiceBlocked
from wcsync.lms.base import Intent, Write
from wcsync.lms.moodle.names import fold_address, full_name, usernames
from wcsync.lms.moodle.profile import account_fields
from wcsync.lms.moodle.rest import Created, Refused, Rest, Stumbled, User, Users, looking_into
from wcsync.model import Person, Seat

ADDRESS_LENGTH = 100
WILDCARDS_BORNE = 3
GUEST = "guest"
BROWSE_USERS = "Site administration → Users → Browse list of users"

NO_ADDRESSES = Finding(
    code="missing_capability",
    message="the web service user may not see the addresses of accounts",
    remedy="Allow moodle/site:viewuseridentity in its role (Site administration → Users → Permissions → Define roles)",
)


class Accounts:
    """`auth`, `lang`: how accounts we create log in, and their language (None = the site's). `profile`: what else they
    are told, as in `LmsSettings`.
    """

    def __init__(self, rest: Rest, *, auth: str, lang: str | None, profile: Mapping[str, str]) -> None:
        self._rest = rest
        self._auth = auth
        self._lang = lang
        self._profile = profile

    def find(self, seat: Seat) -> User | None:
        """The account by its number, which outlives a change of address, else by the address.

        A number alone is no proof: a site restored from a backup gives it to somebody else. The account must have the
        learner's address, or a user name that we make of it. Suspended ones too. Raises PermanentError when two have
        the address, or when the number is another's now and nobody has the address: a person must choose.
        """
        known = self._find_by_id(seat.user_id) if seat.user_id else None
        if known is not None and (
            _belongs(known, seat.learner.email) or _named_by_us(known, seat.learner.email)
        ):
            return known
        found = self._find_by_address(seat.learner.email)
        if found is None and known is not None and not known.deleted:
            raise PermanentError(
                f"{self._rest.name}: account {known.id}, the learner's until now, has another address; correct it "
                f"there ({BROWSE_USERS}) if it is still the same person, or enrol by hand"
            )
        return found

    def find_all_by_id(self, *user_ids: int) -> list[User]:
        """Those among them that the web service user can see, deleted ones included."""
        return self._by_field("id", *dict.fromkeys(str(user_id) for user_id in user_ids))

    def create(self, learner: Person, intent: Intent) -> tuple[User, bool]:
        """The account, and whether it is new: somebody may have made it a moment ago.

        Any refusal is looked into before it is believed: Moodle says the same of an address that is taken, of one it
        does not take, and may fail at something else after the account is there.
        """
        self._refuse_address(learner.email)
        for username in usernames(learner.email):
            intent.declare(Write.ACCOUNT)
            try:
                return self._create(learner, username), True
            except (Refused, Stumbled) as error:
                with looking_into(error):
                    found = self._find_by_address(learner.email) or self._holder(username)
                if found is not None and _belongs(found, learner.email):
                    return found, False
                if isinstance(error, Stumbled):
                    raise
                if found is None:
                    raise self._not_created(error) from error
        raise PermanentError(
            f"{self._rest.name}: every user name for the learner's address belongs to somebody with another address; "
            "create the account by hand"
        )

    def refuse_unusable(self, user: User) -> None:
        """Raises PermanentError for an account that cannot get in, or must not."""
        for wrong, why in (
            (user.username == GUEST, "is the guest account; the order needs another address"),
            (user.suspended, f"is suspended; activate it under {BROWSE_USERS} if the learner is to get in"),
            (not user.confirmed, f"is not confirmed; confirm it under {BROWSE_USERS}"),
        ):
            if wrong:
                raise PermanentError(f"{self._rest.name}: the learner's account {user.id} {why}")

    def _find_by_id(self, user_id: str) -> User | None:
        if not re.fullmatch("[1-9][0-9]{0,18}", user_id):
            return None
        found = self._by_field("id", user_id)
        return next((user for user in found if str(user.id) == user_id and not user.deleted), None)

    def _find_by_address(self, address: str) -> User | None:
        if not _storable(address):
            return None
        found = self._search(address.strip())
        matches = [user for user in found if _belongs(user, address)]
        if len(matches) > 1:
            raise PermanentError(
                f"{self._rest.name}: {len(matches)} accounts have the learner's address "
                f"({', '.join(str(user.id) for user in matches)}); give all but one another address"
            )
        if not matches and any(user.email is None for user in found):
            raise ServiceBlocked(f"{self._rest.name}: {NO_ADDRESSES.message}. {NO_ADDRESSES.remedy}")
        return matches[0] if matches else None

    def _search(self, address: str) -> list[User]:
        """Accounts that may have the address, and others that look like it.

        The search ignores case but takes `%` and `_` for wildcards, so that `%@…` would list the whole site. An
        address with many of them is looked up as it is written, which on PostgreSQL heeds case.
        """
        if "%" in address or address.count("_") > WILDCARDS_BORNE:
            return self._by_field("email", *dict.fromkeys((address, address.lower())))
        criteria = [("criteria[0][key]", "email"), ("criteria[0][value]", address)]
        return self._rest.read("core_user_get_users", criteria, Users).users

    def _holder(self, username: str) -> User | None:
        return next(
            (user for user in self._by_field("username", username) if user.username == username), None
        )

    def _by_field(self, field: str, *values: str) -> list[User]:
        wanted = [("field", field), *((f"values[{i}]", value) for i, value in enumerate(values))]
        return self._rest.read("core_user_get_users_by_field", wanted, list[User])

    def _create(self, learner: Person, username: str) -> User:
        firstname, lastname = full_name(learner)
        account = {
            "username": username,
            "firstname": firstname,
            "lastname": lastname,
            "email": learner.email.strip(),
            "auth": self._auth,
        }
        if self._auth == "manual":
            account["createpassword"] = "1"
        if self._lang:
            account["lang"] = self._lang
        fields = [(f"users[0][{key}]", value) for key, value in account.items()]
        fields += [(f"users[0]{key}", value) for key, value in account_fields(self._profile, learner)]
        created = self._rest.write("core_user_create_users", fields, list[Created])
        if len(created) != 1:
            raise Stumbled(f"{self._rest.name}: did not say which account it created", answer_lost=True)
        return User(id=created[0].id, email=account["email"], username=username)

    def _refuse_address(self, address: str) -> None:
        if not (_storable(address) and address.isascii()):
            raise PermanentError(
                f"{self._rest.name}: the learner's address is not one Moodle takes (letters beyond ASCII, blanks, or "
                f"more than {ADDRESS_LENGTH} characters); correct it in the order or create the account by hand"
            )

    def _not_created(self, refusal: Refused) -> PermanentError:
        if refusal.code != "invalidparameter":
            return refusal
        return PermanentError(
            f"{self._rest.name}: would not create the learner's account. Either the address has a form Moodle does "
            "not take, or auth or lang in the config names something not installed, or the account is there and the "
            "web service user may not see it (allow moodle/user:viewdetails and moodle/user:viewalldetails)"
        )


def _belongs(user: User, address: str) -> bool:
    return user.email is not None and fold_address(user.email) == fold_address(address)


def _named_by_us(user: User, address: str) -> bool:
    return user.username in usernames(address)


def _storable(address: str) -> bool:
    """Whether some account could have this address: nothing else is worth asking for."""
    text = address.strip()
    if "@" not in text or len(text) > ADDRESS_LENGTH:
        return False
    return not any(char.isspace() or unicodedata.category(char) in {"Cc", "Cs"} for char in text)
