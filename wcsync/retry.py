"""The life of a due row: its states, its waits, its end. Pure; the dice are thrown by the caller."""

from dataclasses import dataclass
from enum import StrEnum

LONGEST_ASKED_WAIT_S = 6 * 3600.0
"""A `Retry-After` beyond this is taken for a mistake of the far side and cut to it."""


class State(StrEnum):
    DUE = "due"
    LEASED = "leased"
    SETTLED = "settled"
    DEAD = "dead"


class Event(StrEnum):
    CLAIMED = "claimed"
    APPLIED = "applied"
    DEFERRED = "deferred"
    GAVE_UP = "gave_up"
    RECOVERED = "recovered"
    WISHED = "wished"
    REVIVED = "revived"
    DROPPED = "dropped"
    MOOT = "moot"
    """The wish came back to what is, before anything was done about it."""


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.DUE: {Event.CLAIMED: State.LEASED, Event.WISHED: State.DUE, Event.MOOT: State.SETTLED},
    State.LEASED: {
        Event.APPLIED: State.SETTLED,
        Event.DEFERRED: State.DUE,
        Event.GAVE_UP: State.DEAD,
        Event.RECOVERED: State.DUE,
        Event.WISHED: State.LEASED,
    },
    State.SETTLED: {Event.WISHED: State.DUE, Event.MOOT: State.SETTLED},
    State.DEAD: {
        Event.WISHED: State.DUE,
        Event.REVIVED: State.DUE,
        Event.DROPPED: State.SETTLED,
        Event.MOOT: State.SETTLED,
    },
}


def next_state(state: State, event: Event) -> State:
    """Raises KeyError for a move the table does not allow: that is a bug, not a fault of the world."""
    return TRANSITIONS[state][event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits double from `first_delay_s` to `max_delay_s`; after `max_attempts` counted failures a row is dead."""

    max_attempts: int = 12
    first_delay_s: float = 30.0
    max_delay_s: float = 6 * 3600.0

    def delay_s(self, failures: int, *, jitter: float, retry_after_s: float | None = None) -> float:
        """Seconds until the next try after `failures` failures in a row.

        `jitter` in [0, 1) spreads rows over the upper half of the wait. A wait the far side asked for is kept,
        up to `LONGEST_ASKED_WAIT_S`.
        """
        doublings = min(max(failures - 1, 0), 40)
        wait_s = min(self.first_delay_s * 2.0**doublings, self.max_delay_s) * (0.5 + jitter / 2)
        asked_s = min(max(retry_after_s or 0.0, 0.0), LONGEST_ASKED_WAIT_S)
        return max(wait_s, asked_s)

    def exhausted(self, failures: int) -> bool:
        return failures >= self.max_attempts
