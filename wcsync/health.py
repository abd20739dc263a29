"""A service's health as a value: what an answer from it means for the calls that come after."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from wcsync.retry import LONGEST_ASKED_WAIT_S, Backoff


class Condition(StrEnum):
    """`DOWN`: trouble that may pass. `BLOCKED`: trouble that a person must mend (key, rights, wrong address)."""

    UP = "up"
    DOWN = "down"
    BLOCKED = "blocked"


class Sign(StrEnum):
    """What one call told us about the service as a whole."""

    WORKED = "worked"
    FAILED = "failed"
    REFUSED = "refused"


AFTER: dict[Sign, Condition] = {
    Sign.WORKED: Condition.UP,
    Sign.FAILED: Condition.DOWN,
    Sign.REFUSED: Condition.BLOCKED,
}

PROBES: dict[Condition, Backoff] = {
    Condition.DOWN: Backoff(first_delay_s=5.0, max_delay_s=300.0),
    Condition.BLOCKED: Backoff(first_delay_s=60.0, max_delay_s=1800.0),
}
"""How long to leave a sick service alone before one row is sent as a probe."""

CLOCKS_APART = timedelta(minutes=1)
"""What is dated later than this was written by a clock that was ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`since`: when this condition began; `retry_at`: when the next probe may go, None while up."""

    condition: Condition
    since: datetime
    failures: int = 0
    retry_at: datetime | None = None
    reason: str = ""

    def may_call(self, now: datetime) -> bool:
        """Whether a call may go out. A wait longer than any we set comes from a clock that was ahead: it is over."""
        if self.retry_at is None or now >= self.retry_at or self.since > now + CLOCKS_APART:
            return True
        return self.retry_at - now > timedelta(seconds=LONGEST_ASKED_WAIT_S)

    def after(
        self,
        sign: Sign,
        now: datetime,
        *,
        jitter: float,
        reason: str = "",
        retry_after_s: float | None = None,
    ) -> "Health":
        """The health once `sign` was seen. `since` moves only when the condition does.

        Trouble told while the service is being left alone comes from calls that were already under way: no new
        failure.
        """
        condition = AFTER[sign]
        since = self.since if condition is self.condition else now
        if condition is Condition.UP:
            return Health(condition=condition, since=since)
        known = condition is self.condition and not self.may_call(now)
        failures = self.failures + (not known) if condition is self.condition else 1
        wait_s = PROBES[condition].delay_s(failures, jitter=jitter, retry_after_s=retry_after_s)
        retry_at = now + timedelta(seconds=wait_s)
        if known:
            retry_at = max(retry_at, self.retry_at or retry_at)
        return replace(
            self, condition=condition, since=since, failures=failures, retry_at=retry_at, reason=reason
        )
