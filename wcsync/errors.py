"""The four classes of failure: each says what the caller must do, not what went wrong inside."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`FATAL`: the daemon cannot do its work there until it is mended. `OK`: what was looked at works."""

    OK = "ok"
    WARNING = "warning"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a look at a service showed.

    `code`: a short word that never changes, for scripts; README lists them all. `message`: what is wrong, in plain
    words. `remedy`: where to change it, in the words of that product's screens. `in_mapping`: the mistake is in the
    mapping file. None of them holds a secret, a person's address, or text of the far side's body.
    """

    code: str
    message: str
    remedy: str = ""
    severity: Severity = Severity.FATAL
    in_mapping: bool = False

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class WcsyncError(Exception):
    """Base of all errors wcsync raises on purpose. The text is for people and holds no secret and no address.

    `finding`: the same in parts, None where the cause was not told apart.
    """

    def __init__(self, message: str = "", *, finding: Finding | None = None) -> None:
        super().__init__(message)
        self.finding = finding


class TransientError(WcsyncError):
    """The same call may work later: the row waits and is tried again.

    `retry_after_s`: seconds the far side asked us to wait, None if it did not say.
    `answer_lost`: the far side may have acted although we have no answer. Whoever repeats the call must look first.
    `whole_service`: the trouble is the service's, not this row's (refused, maintenance, too many requests).
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        answer_lost: bool = False,
        whole_service: bool = False,
        finding: Finding | None = None,
    ) -> None:
        super().__init__(message, finding=finding)
        self.retry_after_s = retry_after_s
        self.answer_lost = answer_lost
        self.whole_service = whole_service


class BudgetSpent(TransientError):
    """The LMS may get no further account for now: the row waits, and a person is told once. Nothing was sent."""


class PermanentError(WcsyncError):
    """The same call will fail again: the row goes to the dead list and a person is told once."""


class TurnedAway(PermanentError):
    """Something in front of the service refused this one call and let others through: for what is in it, or for once.
    Whoever can wait tries it as often as any other before it is given up."""


class MalformedReply(PermanentError):
    """One thing the far side sent cannot be read. `field` names the place, as in `line_items.0.quantity`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class ServiceBlocked(WcsyncError):
    """Every call to this service fails until a person mends something: the service is paused as a whole."""


REMOTE_ERRORS = (TransientError, PermanentError, ServiceBlocked)
"""What talking to a service may raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a file a person wrote.

    `where`: the line (`mapping.toml:12`) or the key (`config.toml: lms.0.url`). `remedy`: what to do about it.
    """

    where: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}. {self.remedy}"


class ConfigError(WcsyncError):
    """A person must edit a file. Holds every problem found, not the first."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class PassingTrouble(ConfigError):
    """As above, but it may pass without anybody editing anything: trying again later is right too."""
