"""What wcsync needs of an LMS.

A new LMS costs one file, one registry line and one class in the contract suite:

1. `lms/<name>.py`, or a package of that name once it passes 400 lines: a settings model (derive from `LmsSettings`),
   `TARGET_KEYS` (what a mapping row may say for this LMS; with `NO_SUSPENDING` where it lacks `Capability.SUSPEND`),
   `GUIDE` (where its secrets come from) and a class that fulfils `Lms`. Talk through `wcsync.http.Service`: `fetch` for
   calls that change nothing, `send` for calls that may. Translate every answer into the outcomes of
   `wcsync.model.Outcome` or one of the four errors: TransientError (try again), PermanentError (this row needs a
   person), ServiceBlocked (every call needs a person), with a `Finding` in it: what is wrong, and where to change it in
   that LMS's own words. `fetch_target` says the same of a row of the mapping before anybody buys. Match on the vendor's
   codes, never on translated texts. List new codes of findings in README, and its `[[lms]]` section in
   `config.example.toml`: `wcsync init` copies it from there.
2. `lms/registry.py`: one line in `KINDS`.
3. `tests/contract/test_lms_contract.py`: one `Campus` that says how to start that LMS's sandbox and look behind it.

The rules every `ensure_…` keeps:

- It looks before it writes, because it is called again after any crash and after any lost answer.
- Before each call that may change something it calls `intent.declare()`, with `Write.ACCOUNT` for a call that makes an
  account, and `Write.BESIDE` for groups and the like. If that raises, an earlier call may still
  be under way at the far side and a negative look proves nothing yet.
- Before it reports that something is *not* there as a success (`ABSENT`), it calls `intent.confirm_absence()`.
- Where the LMS lets a learner in only later, in its own time, `ensure_enrolled` says in `Applied.confirm` what a person
  should look at if that does not happen; `fetch_presences` is then asked until it does.
- It never shortens, lifts a suspension that is not ours (`Seat.dormant`), changes a teacher, or removes what it cannot
  tell to be a learner's own enrolment. It raises PermanentError with a sentence that says what a person has to do.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from wcsync.course import CourseReading, Sellable
from wcsync.errors import Finding
from wcsync.model import Applied, LmsName, Offer, Presence, Seat, Target
from wcsync.sale import Withdrawal


class Budget(BaseModel):
    """How many new accounts wcsync may make in an LMS, each of which may cost a licence. Absent = no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    per_day: int | None = Field(
        default=None,
        strict=True,
        ge=0,
        description="new accounts per day by the shop's calendar; absent: no limit",
    )
    total: int | None = Field(
        default=None,
        strict=True,
        ge=0,
        description="new accounts in all, from when a budget is set; absent: no limit",
    )

    @property
    def limited(self) -> bool:
        return self.per_day is not None or self.total is not None


class LmsSettings(BaseModel):
    """The keys every `[[lms]]` section has; each LMS adds its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$", description="how mapping rows call this LMS"
    )
    kind: str = Field(description="which LMS it is")
    url: str = Field(pattern=r"^https?://[^\s?#]+$", description="its address, as in a browser")
    ca_file: Path | None = Field(default=None, description="private CA in PEM, if its certificate needs one")
    timeout_s: float = Field(
        default=30.0, strict=True, gt=0, le=300, description="seconds to wait for one answer"
    )
    quarantine_s: float = Field(
        default=90.0,
        strict=True,
        ge=0,
        le=3600,
        description="seconds during which 'not found' is not believed after a lost answer; more than twice timeout_s",
    )
    on_withdraw: Withdrawal | None = Field(
        default=None,
        description="what is done once a learner's last seat has ended: unenrol, suspend, keep or ask; "
        "absent: unenrol, and suspend where a time ran out or a subscription ended",
    )
    profile: dict[str, str] = Field(
        default_factory=dict,
        description="fields of accounts we create, and which of [learners.fields] fills each; absent: none",
    )
    budget: Budget | None = Field(default=None, description="how many accounts wcsync may make here")


class Capability(StrEnum):
    """What not every LMS can do: end an enrolment by itself at a date; keep one that lets nobody in."""

    END_DATE = "end_date"
    SUSPEND = "suspend"


class Write(StrEnum):
    """What a call may change: the enrolment itself, an account that is made (or brought back), which may cost a
    licence, or only something beside them (group, cohort)."""

    ENROLMENT = "enrolment"
    ACCOUNT = "account"
    BESIDE = "beside"


class Intent(Protocol):
    """The ledger's word around a write. Made anew for each attempt at one row."""

    def declare(self, write: Write = Write.ENROLMENT) -> None:
        """Commits to disk that a write is about to be sent.

        Only what was declared as an enrolment is ever taken for ours when the learner is found in the course later.
        Raises TransientError while the answer to an earlier write is still open, and BudgetSpent before an account
        that the config's budget has no room for.
        """

    def confirm_absence(self) -> None:
        """Raises TransientError while an earlier write may still take effect, so that 'absent' proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LmsIdentity:
    """Who answers: its own stable address or id, its name and version for people, and what is amiss."""

    identity: str
    title: str
    version: str
    findings: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a look at one mapped target showed.

    `title`: the course's name as people know it, None if it is not to be seen. `findings`: all that keeps buyers of
    this target out, or will; none = in order. `general`: what was found out on the way and concerns them all.
    """

    title: str | None
    findings: tuple[Finding, ...] = ()
    general: tuple[Finding, ...] = ()


class Lms(Protocol):
    """An LMS. All methods are thread-safe and safe to repeat.

    Raises, everywhere: TransientError, PermanentError, ServiceBlocked.
    """

    name: LmsName
    capabilities: frozenset[Capability]

    def fetch_identity(self) -> LmsIdentity:
        """Who answers, and what it lacks to do its work. Changes nothing."""

    def fetch_presences(self, seats: Sequence[Seat]) -> list[Presence]:
        """Whether each learner has an active enrolment in the course now, in the order asked. Changes nothing.

        For hundreds at once: whoever asks for them one by one calls `wcsync.pulse.beat()` at each, or passes for hung.
        """

    def fetch_target(self, target: Target) -> Sighting:
        """What a buyer of this target would meet, its options included. For `check`: a person waits. Changes nothing.

        Asked once for each target of a mapping of hundreds: what holds for many of them (rights, lists) is asked once
        and kept for good, and its findings are the same each time, so that they can be told once. By one thread alone.
        """

    def expect_targets(self, targets: Collection[Target]) -> None:
        """Says for what `fetch_target` will be called, so that an LMS can look up together what it tells together.
        Whoever does not say so gets the same answers, one by one. Changes nothing.
        """

    def fetch_offers(self) -> list[Offer]:
        """All that a mapping row can name as its course, and what goes with it as far as it can be listed, for people
        to choose from. Changes nothing.
        """

    def fetch_courses(self, targets: Collection[Target], *, full: bool) -> CourseReading:
        """What the LMS says of the courses of these targets, for the mirror. Changes nothing.

        Few calls: what many courses share is read once; nothing is read in depth that is not asked for. An adapter may
        keep what it read before and read only what the LMS says has changed, but never where `full` is set. Raises
        where what it cannot read would pass for something that is not there (a scope or function that is missing).
        Hundreds at once: calls `wcsync.pulse.beat()` between calls.
        """

    def fetch_sellables(self) -> list[Sellable]:
        """Every course that a mapping row could sell, for `courses import`. Changes nothing."""

    def fetch_course_findings(self) -> tuple[Finding, ...]:
        """What keeps course data from being read as it should: rights, functions, scopes; none = in order."""

    def ensure_enrolled(self, seat: Seat, intent: Intent) -> Applied:
        """The learner is in the course until `seat.until`: created, already or restored.

        Creates the account if there is none, with `seat.learner.fields` as the section's `profile` says.
        """

    def ensure_withdrawn(self, seat: Seat, intent: Intent) -> Applied:
        """The learner is out of the course: removed or absent. The account stays."""

    def ensure_suspended(self, seat: Seat, intent: Intent) -> Applied:
        """The learner's enrolment stays, with all progress, and lets nobody in: suspended; absent where there is none.

        Only for an LMS with `Capability.SUSPEND`. `ensure_enrolled` of a seat that is `dormant` lets the learner in
        again.
        """

    def close(self) -> None: ...
