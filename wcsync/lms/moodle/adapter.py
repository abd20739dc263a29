"""Moodle over its REST web services: accounts by e-mail, manual enrolments, groups and cohorts.

Calls per seat: a new learner 3 (find, create, enrol); a known one who is in already 2 (find, look); a known one who
comes in 4 (find, look twice, enrol); a withdrawal 5 (find, look, unenrol, look twice); a suspension 6 (find, look
twice, enrol anew as suspended, look twice). Add one per course every ten minutes, one per group and cohort, and one per
450 participants wherever a whole course has to be looked through.

Moodle knows no key against doubles and has no unique index on e-mail, hence: look before each write, one user name
per address, and never two calls for one learner at once (the worker sees to that). Enrolling overwrites there: it
would lift a suspension and replace an end date, so whoever is in already is left as they are. The two exceptions are
an end that we gave ourselves and that has to move later, and a suspension or an end of ours (`Seat.dormant`).

A course whose manual enrolment sends a welcome message (the default since Moodle 4.5) sends it again each time somebody
is enrolled anew: when an end moves, when a suspension is lifted, and, as suspending is enrolling too, then as well.
https://docs.moodle.org/dev/Web_service_API_functions
"""

import html
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from types import NoneType
from typing import Literal

from pydantic import Field, field_validator

from wcsync.course import CourseReading, Sellable
from wcsync.credentials import Secret
from wcsync.errors import Finding, PermanentError, ServiceBlocked, Severity
from wcsync.http import Transport
from wcsync.lms.base import Capability, Intent, LmsIdentity, LmsSettings, Sighting, Write
from wcsync.lms.moodle.accounts import NO_ADDRESSES, Accounts
from wcsync.lms.moodle.courses import REFUSALS, Classrooms, Place
from wcsync.lms.moodle.offers import fetch_offers, fetch_sellables
from wcsync.lms.moodle.profile import check_profile
from wcsync.lms.moodle.rehearsal import Rehearsal
from wcsync.lms.moodle.rest import NEEDED, Refused, Rest, SiteInfo, Stumbled, WarningList, looking_into
from wcsync.lms.moodle.shelf import Shelf
from wcsync.lms.moodle.troubles import ACCESS_REFUSED, BLOCKING, TOKEN_EXPIRED, WRONG_TOKEN, lacks_function
from wcsync.mappers.mapping import TargetKey
from wcsync.model import Applied, CourseId, LmsName, Offer, Outcome, Presence, Seat, Target
from wcsync.pulse import beat

OLDEST_TRIED = 2022112800
"""The `version` of Moodle 4.1."""

SITE_INFO = "core_webservice_get_site_info"
ALREADY_IN_COHORT = "3"

_NUMBER = "[1-9][0-9]{0,9}"

TARGET_KEYS = (
    TargetKey(
        name="course",
        pattern="[2-9]|[1-9][0-9]{1,9}",
        doc="the number in the course's address, course/view.php?id=42 (1 is the site itself)",
        required=True,
        course=True,
    ),
    TargetKey(name="group", pattern=_NUMBER, doc="the number of a group of that course", many=True),
    TargetKey(name="cohort", pattern=_NUMBER, doc="the number of a cohort to add the learner to", many=True),
    TargetKey(name="role", pattern=_NUMBER, doc="the number of the role to enrol with instead of Student"),
)

GUIDE = (
    "In Moodle, Site administration → Server → Web services → Manage tokens: a token for the user and the service that "
    "README's section `In Moodle` tells how to make"
)
"""Where the token comes from."""


class MoodleSettings(LmsSettings):
    """The keys of an `[[lms]]` section with `kind = "moodle"`."""

    kind: Literal["moodle"] = Field(default="moodle", description="which LMS it is")
    token: Secret = Field(description="token of the web service user")
    student_role_id: int = Field(default=5, gt=0, description="number of the role learners get")
    auth: str = Field(
        default="manual",
        pattern="^[a-z][a-z0-9_]*$",
        description="how accounts we create log in; with manual Moodle itself mails them a first password",
    )
    lang: str | None = Field(
        default=None,
        pattern="^[a-z][a-z_]+$",
        description="language of accounts we create, an installed one; the site's if absent",
    )

    @field_validator("profile")
    @classmethod
    def _known_fields(cls, profile: dict[str, str]) -> dict[str, str]:
        return check_profile(profile)


class Moodle:
    """One Moodle site. `wcsync.lms.base.Lms` says what each method promises."""

    capabilities = frozenset({Capability.END_DATE, Capability.SUSPEND})

    def __init__(self, settings: MoodleSettings, *, transport: Transport | None = None) -> None:
        self.name = LmsName(settings.name)
        self._student_role = settings.student_role_id
        self._rest = Rest(settings, settings.token, transport=transport)
        self._where = self._rest.name
        self._accounts = Accounts(
            self._rest, auth=settings.auth, lang=settings.lang, profile=settings.profile
        )
        self._classrooms = Classrooms(self._rest)
        self._rehearsal = Rehearsal(self._rest, self._classrooms, settings.student_role_id)
        self._shelf = Shelf(self._rest, self.name)

    def close(self) -> None:
        self._rest.close()

    def fetch_identity(self) -> LmsIdentity:
        """`identity` is the site's own address, as it knows it."""
        site = self._fetch_site()
        return LmsIdentity(
            identity=site.siteurl.rstrip("/"),
            title=html.unescape(site.sitename),
            version=site.release,
            findings=(*_missing_functions(site), *_too_old(site), *self._sight(site)),
        )

    def fetch_presences(self, seats: Sequence[Seat]) -> list[Presence]:
        return [self._presence(seat) for seat in seats]

    def _presence(self, seat: Seat) -> Presence:
        beat()
        user = self._accounts.find(seat)
        place = self._classrooms.place(seat.course_id, user.id) if user else None
        return Presence.ENROLLED if place and place.active else Presence.ABSENT

    def expect_targets(self, targets: Collection[Target]) -> None:
        self._rehearsal.expect(targets)

    def fetch_target(self, target: Target) -> Sighting:
        return self._rehearsal.sight(target)

    def fetch_offers(self) -> list[Offer]:
        """Every course the web service user can see. Course groups, cohorts and roles are not listed."""
        return fetch_offers(self._rest, self.name)

    def fetch_courses(self, targets: Collection[Target], *, full: bool) -> CourseReading:
        return self._shelf.fetch_courses(targets, full=full)

    def fetch_sellables(self) -> list[Sellable]:
        """Every course the web service user can see."""
        return fetch_sellables(self._rest, self.name)

    def fetch_course_findings(self) -> tuple[Finding, ...]:
        return self._shelf.fetch_findings()

    def ensure_enrolled(self, seat: Seat, intent: Intent) -> Applied:
        """RESTORED: an end we gave earlier was moved to a later one, or what made the seat dormant was lifted. An
        enrolment of any other kind is ALREADY.

        When a group or cohort cannot be joined the enrolment stands: PermanentError says so, and a repeat ends in
        ALREADY once that is mended.
        """
        user, new = self._accounts.find(seat), False
        if user is None:  # no account, and no mail about one, for a course that nobody can enter
            self._classrooms.require_open(seat.course_id)
            user, new = self._accounts.create(seat.learner, intent)
        self._accounts.refuse_unusable(user)
        outcome = Outcome.CREATED if new else self._judge(seat, user.id)
        if outcome is not Outcome.ALREADY:
            self._enrol(seat, user.id, outcome, intent)
        self._join_groups(seat, user.id, intent)
        self._join_cohorts(seat, user.id, intent)
        return Applied(outcome=outcome, user_id=str(user.id))

    def ensure_withdrawn(self, seat: Seat, intent: Intent) -> Applied:
        """Takes the manual enrolment, whoever made it, from somebody who is nothing but a learner in the course."""
        user = self._accounts.find(seat)
        place = self._classrooms.enrolment(seat.course_id, user.id) if user else None
        if user is None or place is None:
            intent.confirm_absence()
            return Applied(outcome=Outcome.ABSENT, user_id=str(user.id) if user else None)
        self._require_learner(seat, user.id, place)
        intent.declare()
        self._unenrol(seat.course_id, user.id)
        return Applied(outcome=Outcome.REMOVED, user_id=str(user.id))

    def ensure_suspended(self, seat: Seat, intent: Intent) -> Applied:
        """Suspends the manual enrolment, whoever made it, of somebody who is nothing but a learner in the course; the
        end that we gave it stays. One that lets nobody in any more is left as it is. The course's welcome message may
        be mailed once more.
        """
        user = self._accounts.find(seat)
        place = self._classrooms.standing(seat.course_id, user.id) if user else None
        if user is None or place is None:
            intent.confirm_absence()
            return Applied(outcome=Outcome.ABSENT, user_id=str(user.id) if user else None)
        if place.active:
            self._require_learner(seat, user.id, place)
            intent.declare()
            self._suspend(seat, user.id)
        else:
            intent.confirm_absence()
        return Applied(outcome=Outcome.SUSPENDED, user_id=str(user.id))

    def _fetch_site(self) -> SiteInfo:
        """Moodle says the same of many mistakes. But it deletes an expired token when that is used: then the second
        answer is another one.
        """
        try:
            return self._rest.read(SITE_INFO, [], SiteInfo)
        except ServiceBlocked as exc:
            if exc.finding is None or exc.finding.code != BLOCKING[ACCESS_REFUSED].code:
                raise
            refused = exc
        try:
            return self._rest.read(SITE_INFO, [], SiteInfo)
        except ServiceBlocked as exc:
            if exc.finding == WRONG_TOKEN:
                raise ServiceBlocked(f"{self._where}: {TOKEN_EXPIRED}", finding=TOKEN_EXPIRED) from refused
            raise

    def _judge(self, seat: Seat, user_id: int) -> Outcome:
        """What enrolling somebody we found would come to. ALREADY: nothing is to be written."""
        place = self._classrooms.place(seat.course_id, user_id)
        if place is None:
            return Outcome.CREATED
        longer = (seat.applied or seat.dormant) and _later(seat.until, seat.applied_until)
        learner = frozenset({self._role(seat)})
        if place.active:
            found = self._classrooms.enrolment(seat.course_id, user_id) if longer else None
            return Outcome.RESTORED if found and found.roles == learner else Outcome.ALREADY
        if _passed(seat.until, place.seen_at):
            return Outcome.ALREADY
        ours = seat.dormant or (longer and _passed(seat.applied_until, place.seen_at))
        if ours and place.roles == learner:
            return Outcome.RESTORED
        raise PermanentError(
            f"{self._where}: the enrolment of user {user_id} in course {seat.course_id} was suspended or ended by "
            "somebody; make it active again under Course → Participants if the learner is to get in"
        )

    def _enrol(self, seat: Seat, user_id: int, outcome: Outcome, intent: Intent) -> None:
        """Enrols, and believes no error before it has looked: an unsent mail is reported after the enrolment."""
        intent.declare()
        try:
            self._write(seat, user_id, seat.until)
        except (Refused, Stumbled) as error:
            if self._took_effect(error, seat, user_id, outcome):
                return
            if isinstance(error, Refused):
                raise self._classrooms.explained(error, seat.course_id) from error
            raise

    def _suspend(self, seat: Seat, user_id: int) -> None:
        """Believes no error before it has looked, as above. The end goes with it, for enrolling overwrites."""
        end = seat.applied_until if seat.applied else seat.until
        try:
            self._write(seat, user_id, end, suspend=1)
        except (Refused, Stumbled) as error:
            with looking_into(error):
                place = self._classrooms.standing(seat.course_id, user_id)
            if place is None or not place.active:
                return
            if isinstance(error, Refused):
                raise self._classrooms.explained(error, seat.course_id) from error
            raise
        place = self._classrooms.standing(seat.course_id, user_id)
        if place is not None and place.active:
            raise self._otherwise_in(seat.course_id, user_id)

    def _write(self, seat: Seat, user_id: int, end: datetime | None, **more: int) -> None:
        enrolment = {"roleid": self._role(seat), "userid": user_id, "courseid": seat.course_id, **more}
        if end is not None:
            enrolment["timeend"] = int(end.timestamp())
        fields = [(f"enrolments[0][{key}]", str(value)) for key, value in enrolment.items()]
        self._rest.write("enrol_manual_enrol_users", fields, NoneType)

    def _took_effect(self, error: Refused | Stumbled, seat: Seat, user_id: int, outcome: Outcome) -> bool:
        """A new enrolment shows by being there. A moved end shows nowhere: there the error must be a late one."""
        if isinstance(error, Refused) and error.code in REFUSALS:
            return False
        if outcome is Outcome.RESTORED and isinstance(error, Stumbled):
            return False
        with looking_into(error):
            place = self._classrooms.place(seat.course_id, user_id)
        return place is not None and place.active

    def _unenrol(self, course_id: CourseId, user_id: int) -> None:
        fields = [("enrolments[0][userid]", str(user_id)), ("enrolments[0][courseid]", str(course_id))]
        try:
            self._rest.write("enrol_manual_unenrol_users", fields, NoneType)
        except Refused as refusal:
            raise self._classrooms.explained(refusal, course_id) from refusal
        if self._classrooms.enrolment(course_id, user_id) is not None:
            raise self._otherwise_in(course_id, user_id)

    def _require_learner(self, seat: Seat, user_id: int, place: Place) -> None:
        if place.roles != frozenset({self._role(seat)}):
            raise PermanentError(
                f"{self._where}: user {user_id} is not just a learner in course {seat.course_id}; take them out by "
                "hand (Course → Participants) if that is meant"
            )

    def _otherwise_in(self, course_id: CourseId, user_id: int) -> PermanentError:
        return PermanentError(
            f"{self._where}: user {user_id} is still in course {course_id} through another enrolment method, such "
            "as a cohort; take them out there"
        )

    def _join_groups(self, seat: Seat, user_id: int, intent: Intent) -> None:
        for group in _chosen(seat, "group"):
            intent.declare(Write.BESIDE)
            member = [("members[0][groupid]", group), ("members[0][userid]", str(user_id))]
            try:
                self._rest.write("core_group_add_group_members", member, NoneType)
            except Refused as refusal:
                raise self._not_joined(seat, f"group {group}", refusal) from refusal

    def _join_cohorts(self, seat: Seat, user_id: int, intent: Intent) -> None:
        for cohort in _chosen(seat, "cohort"):
            intent.declare(Write.BESIDE)
            member = [
                ("members[0][cohorttype][type]", "id"),
                ("members[0][cohorttype][value]", cohort),
                ("members[0][usertype][type]", "id"),
                ("members[0][usertype][value]", str(user_id)),
            ]
            try:
                answer = self._rest.write("core_cohort_add_cohort_members", member, WarningList)
            except Refused as refusal:
                raise self._not_joined(seat, f"cohort {cohort}", refusal) from refusal
            if any(warning.warningcode != ALREADY_IN_COHORT for warning in answer.warnings):
                raise self._not_joined(seat, f"cohort {cohort}")

    def _not_joined(self, seat: Seat, what: str, refusal: Refused | None = None) -> PermanentError:
        why = f" ({refusal})" if refusal and refusal.code in {"accessexception", "nopermissions"} else ""
        return PermanentError(
            f"{self._where}: the learner is enrolled in course {seat.course_id} but could not be added to {what}; "
            f"check that number in the mapping{why}"
        )

    def _role(self, seat: Seat) -> int:
        return int(next(iter(_chosen(seat, "role")), self._student_role))

    def _sight(self, site: SiteInfo) -> Iterator[Finding]:
        """Whether the web service user may work, and sees accounts beside its own: the site's first two."""
        try:
            users = self._accounts.find_all_by_id(site.userid, 1, 2)
        except ServiceBlocked as exc:
            yield exc.finding or Finding(code="other", message=str(exc))
            return
        others = [user for user in users if user.id != site.userid]
        if not others:
            yield Finding(
                code="sees_no_accounts",
                message="the web service user seems to see no account but its own",
                remedy="Allow moodle/user:viewdetails and moodle/user:viewalldetails in its role",
                severity=Severity.WARNING,
            )
        elif all(user.email is None for user in others):
            yield NO_ADDRESSES


def _missing_functions(site: SiteInfo) -> Iterator[Finding]:
    present = {function.name for function in site.functions}
    return (lacks_function(function) for function in NEEDED if function not in present)


def _too_old(site: SiteInfo) -> Iterator[Finding]:
    digits = re.match("[0-9]+", site.version)
    if digits is None or int(digits.group()) < OLDEST_TRIED:
        yield Finding(
            code="old_version",
            message=f"Moodle {site.release} is older than any tried with wcsync",
            remedy="Upgrade to 4.1 or later",
            severity=Severity.WARNING,
        )


def _chosen(seat: Seat, option: str) -> list[str]:
    return [value for name, value in seat.options if name == option]


def _later(one: datetime | None, other: datetime | None) -> bool:
    """Whether the first end is later than the second; no end is later than any."""
    return other is not None and (one is None or one > other)


def _passed(end: datetime | None, now: datetime | None) -> bool:
    return end is not None and now is not None and end <= now
