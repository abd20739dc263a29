"""Which call a due row needs, and the ledger's word around it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from wcsync.errors import PermanentError, TransientError
from wcsync.ledger.base import Claim, Ledger
from wcsync.lms.base import Intent, Lms
from wcsync.model import Applied, Desired
from wcsync.times import Clock

RESTAMP_AFTER = timedelta(seconds=5)
"""A claim stamps the row as sending. A write that goes out later than this stamps it anew."""


class LedgerIntent:
    """Fulfils `lms.base.Intent` for one claim.

    `declared`: a write was announced in this attempt. `waited`: an open answer stopped this attempt.
    """

    def __init__(self, ledger: Ledger, claim: Claim, clock: Clock, quarantine_s: float) -> None:
        self._ledger = ledger
        self._claim = claim
        self._clock = clock
        self._quarantine = timedelta(seconds=quarantine_s)
        self._sending_since = claim.sending_since
        self.declared = False
        self.waited = False

    def declare(self) -> None:
        if not self.declared:
            self.confirm_absence()
        now = self._clock()
        if abs(now - self._sending_since) > RESTAMP_AFTER:
            if not self._ledger.record_sending(self._claim, now):
                raise TransientError("the row was taken over by another worker; nothing was sent")
            self._sending_since = now
        self.declared = True

    def confirm_absence(self) -> None:
        open_since = self._claim.open_since
        if open_since is None:
            return
        passed = self._clock() - open_since
        if timedelta() <= passed < self._quarantine:
            self.waited = True
            left_s = (self._quarantine - passed).total_seconds()
            raise TransientError(
                f"{self._claim.lms}: an earlier call went unanswered and may still take effect; it is looked at "
                f"again in {left_s:.0f} s",
                retry_after_s=left_s,
            )

    def still_open(self, *, answer_lost: bool) -> datetime | None:
        """The instant of the write whose answer is open after this attempt; None if all answers are known."""
        if answer_lost:
            return self._sending_since
        return None if self.declared else self._claim.open_since


def effect_of(claim: Claim) -> Callable[[Lms, Intent], Applied] | None:
    """The call that makes the LMS agree with the wish; None if the enrolment is not ours to end."""
    if claim.desired is Desired.IN:
        return lambda lms, intent: _enrol(claim, lms, intent)
    if not claim.ours and claim.ever_applied:
        return None
    return lambda lms, intent: _withdraw(claim, lms, intent)


def _enrol(claim: Claim, lms: Lms, intent: Intent) -> Applied:
    _require_learner(claim)
    return lms.ensure_enrolled(claim.seat, intent)


def _withdraw(claim: Claim, lms: Lms, intent: Intent) -> Applied:
    _require_learner(claim)
    return lms.ensure_withdrawn(claim.seat, intent)


def _require_learner(claim: Claim) -> None:
    if not claim.seat.learner.email:
        raise PermanentError("the learner's address was erased from the ledger; act in the LMS by hand")
