"""Which call a due row needs, and the ledger's word around it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from wcsync.errors import TransientError
from wcsync.ledger.base import Claim, Ledger
from wcsync.lms.base import Intent, Lms, Write
from wcsync.model import Applied, Desired, Outcome
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
        self._open_since = claim.open_since
        self.declared = False
        self.waited = False

    def declare(self, write: Write = Write.ENROLMENT) -> None:
        """The claim has stamped the row as sending: that will do for a write beside it that goes out soon."""
        if not self.declared:
            self.confirm_absence()
        now, enrolling = self._clock(), write is Write.ENROLMENT
        if enrolling or abs(now - self._sending_since) > RESTAMP_AFTER:
            if not self._ledger.record_sending(self._claim, now, enrolling=enrolling):
                raise TransientError("the row was taken over by another worker; nothing was sent")
            self._sending_since = now
        self.declared = True

    def confirm_absence(self) -> None:
        now = self._clock()
        left = max((self._left(since, now) for since in self._opens(now)), default=timedelta())
        if left > timedelta():
            self.waited = True
            raise TransientError(
                f"{self._claim.lms}: an earlier call went unanswered and may still take effect; it is looked at "
                f"again in {left.total_seconds():.0f} s",
                retry_after_s=left.total_seconds(),
            )

    def still_open(self, *, answer_lost: bool) -> datetime | None:
        """The instant of the write whose answer is open after this attempt; None if all answers are known."""
        if answer_lost:
            return self._sending_since
        return None if self.declared else self._open_since

    def _opens(self, now: datetime) -> list[datetime]:
        if self._open_since is not None and self._open_since > now:
            # Our clock was set back: how long ago that was is not known, so it is counted from now.
            self._open_since = now
        return [since for since in (self._open_since, self._claim.account_open_since) if since is not None]

    def _left(self, since: datetime, now: datetime) -> timedelta:
        return self._quarantine - (now - since)


def effect_of(claim: Claim) -> Callable[[Lms, Intent], Applied] | None:
    """The call that makes the LMS agree with the wish; None if the enrolment is not ours to end.

    Where nothing of ours was ever sent there is nothing of ours to take back, whoever may be in the course; and a
    person with two addresses stays in while one of them is to stay.
    """
    if claim.desired is Desired.IN:
        return lambda lms, intent: _enrol(claim, lms, intent)
    if claim.found:
        return None
    if claim.nothing_sent or claim.shared:
        return lambda _lms, _intent: Applied(outcome=Outcome.ABSENT, user_id=claim.seat.user_id)
    return lambda lms, intent: lms.ensure_withdrawn(claim.seat, intent)


def _enrol(claim: Claim, lms: Lms, intent: Intent) -> Applied:
    applied = lms.ensure_enrolled(claim.seat, intent)
    if applied.outcome is Outcome.ALREADY and claim.open_withdrawal:
        intent.confirm_absence()  # it is there now, but an unanswered withdrawal may still take it away
    return applied
