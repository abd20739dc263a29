"""A Moodle site without its web service: tables, settings, and the hands of its staff."""

import hashlib
import threading
import time
import unicodedata
from collections import Counter
from typing import Literal

from wcsync.sandbox.moodle_records import (
    CONTACT_ROLES,
    ROLE_CAPABILITIES,
    ROLE_IDS,
    SERVICE_CAPABILITIES,
    SITE_COURSE_ID,
    Account,
    Cohort,
    Course,
    Enrolment,
    Group,
    Manual,
    Method,
    ProfileField,
    ServiceUser,
    Status,
    Token,
    Welcome,
    Write,
)
from wcsync.times import Clock

Database = Literal["postgres", "mariadb"]
Outage = Literal["cli_maintenance", "maintenance", "upgrade", "database", "gateway", "dataroot"]
GUEST_ID, ADMIN_ID, SERVICE_ID = 1, 2, 3


class MoodleSite:
    """Accounts, courses and enrolments, with the switches of an administrator as plain attributes.

    Settings: `database` (how text compares), `allow_same_email`, `extended_usernames`, `password_policy`,
    `min_password_length`, `languages`, `sitename`, `release`.
    Trouble: `outage`; `webservices_enabled`; `rest_enabled`; `service_user` (capabilities and what may be wrong with
    it); `tokens`; `functions` (those in the service); `mail_fails`, `mail_delay_s` (of each mail, within the request).
    `race_window_s`: how long two requests that check and then write can overlap.
    Seen by tests: `enrolments`, `former_enrolments`, `mails` (welcome mails sent, per user and course),
    `created_passwords_mailed` (the addresses). `next_user_id` may be set.
    """

    def __init__(self, *, token: str, database: Database, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.database: Database = database
        self.sitename = "Sandbox Campus"
        self.release = "4.5.6 (Build: 20250811)"
        self.siteurl: str | None = None
        self.outage: Outage | None = None
        self.webservices_enabled = True
        self.rest_enabled = True
        self.allow_same_email = False
        self.extended_usernames = False
        self.password_policy = True
        self.min_password_length = 8
        self.languages = {"en"}
        self.mail_fails = False
        self.mail_delay_s = 0.0
        self.race_window_s = 0.0
        self.users: dict[int, Account] = {}
        self.courses: dict[int, Course] = {}
        self.categories = {1: "Category 1"}
        self.groups: dict[int, Group] = {}
        self.cohorts: dict[int, Cohort] = {}
        self.profile_fields: list[ProfileField] = []
        self.enrolments: list[Enrolment] = []
        self.former_enrolments: list[Enrolment] = []
        self.mails: Counter[tuple[int, int]] = Counter()
        self.created_passwords_mailed: list[str] = []
        self.functions: dict[str, str] = {}
        self.next_user_id = 1
        self.service_user = ServiceUser(
            user_id=SERVICE_ID, username="wcsync", capabilities=set(SERVICE_CAPABILITIES)
        )
        self.tokens = {token: Token(user=self.service_user)}
        self._install()

    def add_course(
        self,
        fullname: str,
        shortname: str | None = None,
        course_id: int | None = None,
        *,
        visible: bool = True,
        manual: bool | Manual = True,
        enrolperiod_s: int = 0,
        welcome: Welcome = "contact",
        category: str | None = None,
        idnumber: str = "",
        summary: str = "",
        startdate: int = 0,
        enddate: int = 0,
    ) -> int:
        """A course, newest first in its category. `manual` False: without an instance of manual enrolment."""
        with self.lock:
            number = course_id or max(self.courses, default=SITE_COURSE_ID) + 1
            assert number not in self.courses, f"course {number} exists"
            shortname = shortname or f"C{number}"
            assert all(course.shortname != shortname for course in self.courses.values()), (
                f"{shortname} exists"
            )
            now = self.now_s()
            self.courses[number] = Course(
                id=number,
                fullname=fullname,
                shortname=shortname,
                idnumber=idnumber,
                visible=visible,
                category_id=self._category_id(category),
                summary=summary,
                startdate=startdate or now,
                enddate=enddate,
                manual=("enabled" if manual else "missing") if isinstance(manual, bool) else manual,
                enrolperiod_s=enrolperiod_s,
                welcome=welcome,
                timecreated=now,
                timemodified=now,
                cacherev=now,
            )
            self._sort_courses(self.courses[number].category_id)
            return number

    def add_group(self, course_id: int, name: str, idnumber: str = "") -> int:
        with self.lock:
            assert course_id in self.courses, f"no course {course_id}"
            number = max(self.groups, default=0) + 1
            self.groups[number] = Group(id=number, course_id=course_id, name=name, idnumber=idnumber)
            return number

    def add_cohort(self, name: str, idnumber: str = "") -> int:
        with self.lock:
            number = max(self.cohorts, default=0) + 1
            self.cohorts[number] = Cohort(id=number, name=name, idnumber=idnumber)
            return number

    def sync_cohort(self, cohort_id: int, course_id: int) -> None:
        """From now on the cohort's members are in the course, present and future ones."""
        with self.lock:
            self.courses[course_id].cohort_ids.append(cohort_id)
            for user_id in self.cohorts[cohort_id].members:
                self.write_enrolment(user_id, course_id, role="student", method="cohort")

    def add_user(
        self,
        email: str,
        username: str | None = None,
        firstname: str = "Given",
        lastname: str = "Family",
        *,
        suspended: bool = False,
        confirmed: bool = True,
        idnumber: str = "",
    ) -> int:
        """An account made by hand: nothing is checked, so that odd sites can be built."""
        account = Account(
            id=0,
            username=username if username is not None else email.lower(),
            email=email,
            firstname=firstname,
            lastname=lastname,
            suspended=suspended,
            confirmed=confirmed,
            idnumber=idnumber,
        )
        return self.insert_user(account)

    def insert_user(self, account: Account) -> int:
        """Stores an account under the next id."""
        with self.lock:
            account.id = self.next_user_id
            assert account.id not in self.users, f"user {account.id} exists"
            self.next_user_id += 1
            self.users[account.id] = account
            return account.id

    def delete_user(self, user_id: int) -> None:
        """As Moodle does it: the row stays under another name, all that hung on it goes."""
        with self.lock:
            account = self.users[user_id]
            account.username, account.email = (
                f"{account.email}.{self.now_s()}".lower(),
                hashlib.md5(account.username.encode(), usedforsecurity=False).hexdigest(),
            )
            account.idnumber, account.deleted = "", True
            for enrolment in [row for row in self.enrolments if row.user_id == user_id]:
                self._remove_enrolment(enrolment)
            for cohort in self.cohorts.values():
                cohort.members = [member for member in cohort.members if member != user_id]

    def enrol(
        self,
        user_id: int,
        course_id: int,
        role: str = "student",
        *,
        suspended: bool = False,
        timestart: int = 0,
        timeend: int = 0,
    ) -> Enrolment:
        """Enrols by hand, as staff do in the course: overwrites, and sends no mail."""
        assert user_id in self.users, f"no user {user_id}"
        assert course_id in self.courses, f"no course {course_id}"
        status: Status = "suspended" if suspended else "active"
        with self.lock:
            return self.write_enrolment(
                user_id, course_id, role=role, status=status, timestart=timestart, timeend=timeend
            )

    def write_enrolment(
        self,
        user_id: int,
        course_id: int,
        *,
        role: str,
        status: Status = "active",
        timestart: int = 0,
        timeend: int = 0,
        method: Method = "manual",
    ) -> Enrolment:
        """Inserts or overwrites: dates and status become what is given, the role is added to those held."""
        enrolment = self.find_enrolment(user_id, course_id, method)
        action: Literal["enrolled", "updated"] = "enrolled" if enrolment is None else "updated"
        if enrolment is None:
            enrolment = Enrolment(user_id=user_id, course_id=course_id, method=method)
            self.enrolments.append(enrolment)
        enrolment.status, enrolment.timestart, enrolment.timeend = status, timestart, timeend
        if role not in enrolment.roles:
            enrolment.roles.append(role)
        enrolment.history.append(
            Write(
                at=self.clock(), action=action, role=role, status=status, timestart=timestart, timeend=timeend
            )
        )
        return enrolment

    def unenrol(self, user_id: int, course_id: int, method: Method = "manual") -> None:
        """Removes that method's enrolment, whatever its roles; nothing to remove is fine."""
        with self.lock:
            enrolment = self.find_enrolment(user_id, course_id, method)
            if enrolment is not None:
                self._remove_enrolment(enrolment)

    def active_enrolments(self) -> set[tuple[str, int]]:
        """Who can enter which course now: (e-mail, course id), any role, suspended accounts left out."""
        now = self.clock()
        with self.lock:
            return {
                (self.users[row.user_id].email, row.course_id)
                for row in self.enrolments
                if row.is_active(now) and not self.users[row.user_id].suspended
            }

    def accounts(self, email: str) -> list[Account]:
        """The living accounts with that address, case ignored: more than one is an accident to be seen."""
        with self.lock:
            return [
                account
                for account in self.users.values()
                if not account.deleted and account.email.lower() == email.lower()
            ]

    def deny(self, capability: str) -> None:
        """Takes a capability from the service user. Raises KeyError if it has no such one."""
        self.service_user.capabilities.remove(capability)

    def find_enrolment(self, user_id: int, course_id: int, method: Method = "manual") -> Enrolment | None:
        return next(
            (
                row
                for row in self.enrolments_of(user_id)
                if (row.course_id, row.method) == (course_id, method)
            ),
            None,
        )

    def enrolments_of(self, user_id: int) -> list[Enrolment]:
        return [row for row in self.enrolments if row.user_id == user_id]

    def enrolments_in(self, course_id: int) -> list[Enrolment]:
        return [row for row in self.enrolments if row.course_id == course_id]

    def contacts(self, course_id: int) -> list[Account]:
        """The course's teachers."""
        now = self.clock()
        return [
            self.users[row.user_id]
            for row in self.enrolments_in(course_id)
            if CONTACT_ROLES & set(row.roles) and row.is_active(now)
        ]

    def courses_seen_by(self, user_id: int) -> list[Course]:
        """The courses a user has an active enrolment in and can see, as the user's own list shows them."""
        now = self.clock()
        active = [row for row in self.enrolments_of(user_id) if row.is_active(now)]
        seen = {
            row.course_id: self.courses[row.course_id]
            for row in active
            if self.courses[row.course_id].visible or _sees_hidden(row.roles)
        }
        return sorted(seen.values(), key=lambda course: (not course.visible, course.sortorder))

    def equal(self, stored: str, sought: str) -> bool:
        """The database's `=`: PostgreSQL compares bytes, MariaDB overlooks case and accents."""
        return stored == sought if self.database == "postgres" else _bare(stored) == _bare(sought)

    def let_others_in(self) -> None:
        """The moment between a check and the write that relies on it: other requests run meanwhile."""
        self.wait_unlocked(self.race_window_s)

    def send_mail(self) -> bool:
        """Talks to the mail server; True if it took the mail."""
        self.wait_unlocked(self.mail_delay_s)
        return not self.mail_fails

    def wait_unlocked(self, seconds: float) -> None:
        """For a request that holds `lock` once: lets go of it for so long."""
        if seconds <= 0:
            return
        self.lock.release()
        try:
            time.sleep(seconds)
        finally:
            self.lock.acquire()

    def now_s(self) -> int:
        return int(self.clock().timestamp())

    def _install(self) -> None:
        for username, email, first, last in (
            ("guest", "root@localhost", "Guest user", " "),
            ("admin", "admin@campus.example.test", "Admin", "User"),
            ("wcsync", "wcsync@campus.example.test", "WC", "Sync"),
        ):
            self.add_user(email, username, first, last)
        self.courses[SITE_COURSE_ID] = Course(
            id=SITE_COURSE_ID,
            fullname=self.sitename,
            shortname="campus",
            category_id=0,
            sortorder=1,
            summaryformat=0,
            manual="missing",
            timecreated=self.now_s(),
            timemodified=self.now_s(),
        )

    def _remove_enrolment(self, enrolment: Enrolment) -> None:
        self.enrolments.remove(enrolment)
        enrolment.history.append(Write(at=self.clock(), action="unenrolled"))
        self.former_enrolments.append(enrolment)
        if any(row.course_id == enrolment.course_id for row in self.enrolments_of(enrolment.user_id)):
            return
        for group in self.groups.values():
            if group.course_id == enrolment.course_id and enrolment.user_id in group.members:
                group.members.remove(enrolment.user_id)

    def _category_id(self, name: str | None) -> int:
        if name is None:
            return 1
        known = {stored: number for number, stored in self.categories.items()}
        number = known.get(name, max(self.categories) + 1)
        self.categories[number] = name
        return number

    def _sort_courses(self, category_id: int) -> None:
        newest_first = sorted(
            (course for course in self.courses.values() if course.category_id == category_id),
            key=lambda course: -course.id,
        )
        for place, course in enumerate(newest_first, start=1):
            course.sortorder = category_id * 10_000 + place


def role_name(role_id: int) -> str | None:
    return next((name for name, number in ROLE_IDS.items() if number == role_id), None)


def _sees_hidden(roles: list[str]) -> bool:
    return any("moodle/course:viewhiddencourses" in ROLE_CAPABILITIES.get(role, ()) for role in roles)


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
