"""Which call a due row needs, and the ledger's word around it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from wcsync.errors import BudgetSpent, TransientError
from wcsync.ledger.base import AccountLimit, Claim, Ledger
from wcsync.lms.base import Budget, Capability, Lms, Write
from wcsync.model import Applied, Desired, Outcome
from wcsync.sale import LAPSES, Cause, Withdrawal
from wcsync.times import Clock
from wcsync.zones import day_of, parse_zone

RESTAMP_AFTER = timedelta(seconds=5)
"""A claim stamps the row as sending. A write that goes out later than this stamps it anew."""


class Stay(StrEnum):
    """Why a learner who should be out stays in: the enrolment is not ours to end or was sold so; or a person is asked
    first."""

    KEPT = "kept"
    ASKED = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customs:
    """What holds for all withdrawals in one LMS: what it can do, and what its section of the config says."""

    capabilities: frozenset[Capability] = field(default=frozenset())
    on_withdraw: Withdrawal | None = None

    def withdrawal(self, claim: Claim) -> Withdrawal:
        """What is to be done for this row: as its seats were sold, else as the section says, else as fits the cause.

        A suspension keeps a learner's progress for a renewal that may follow. Where the LMS has none, unenrolling is
        what puts the learner out.
        """
        chosen = claim.on_withdraw or self.on_withdraw
        if chosen is None:
            chosen = Withdrawal.SUSPEND if claim.cause in LAPSES else Withdrawal.UNENROL
        if chosen is Withdrawal.SUSPEND and Capability.SUSPEND not in self.capabilities:
            return Withdrawal.UNENROL
        return Withdrawal.UNENROL if chosen is Withdrawal.ASK and claim.allowed else chosen


class LedgerIntent:
    """Fulfils `lms.base.Intent` for one claim. `budget`: of new accounts; `zone`: of the shop, whose days it counts.

    `declared`: a write was announced in this attempt. `waited`: an open answer stopped this attempt.
    """

    def __init__(
        self,
        ledger: Ledger,
        claim: Claim,
        clock: Clock,
        quarantine_s: float,
        *,
        budget: Budget | None = None,
        zone: Callable[[], str] = lambda: "",
    ) -> None:
        self._ledger = ledger
        self._claim = claim
        self._clock = clock
        self._quarantine = timedelta(seconds=quarantine_s)
        self._budget = budget
        self._zone = zone
        self._sending_since = claim.sending_since
        self._open_since = claim.open_since
        self.declared = False
        self.waited = False

    def declare(self, write: Write = Write.ENROLMENT) -> None:
        """The claim has stamped the row as sending: that will do for a write beside it that goes out soon.

        An account is counted even where the call then fails: the count must not be less than what was made.
        """
        if not self.declared:
            self.confirm_absence()
        now, enrolling = self._clock(), write is Write.ENROLMENT
        if write is Write.ACCOUNT:
            self._reserve(now)
        if enrolling or abs(now - self._sending_since) > RESTAMP_AFTER:
            if not self._ledger.record_sending(self._claim, now, enrolling=enrolling):
                raise TransientError("the row was taken over by another worker; nothing was sent")
            self._sending_since = now
        self.declared = True

    def confirm_absence(self) -> None:
        """Judges by when the attempt began: what was looked at since may have been seen before a late call came."""
        began = self._claim.sending_since
        left = max((self._left(since, began) for since in self._opens(began)), default=timedelta())
        if left > timedelta():
            self.waited = True
            raise TransientError(
                f"{self._claim.lms}: an earlier call went unanswered and may still take effect; it is looked at "
                f"again in {left.total_seconds():.0f} s",
                retry_after_s=left.total_seconds(),
            )

    def still_open(self, *, answer_lost: bool) -> datetime | None:
        """Since when an answer is open after this attempt; None if all answers are known.

        A lost one counts from now: the machine may have stood still between the word in the ledger and the call.
        """
        if answer_lost:
            return self._clock()
        return None if self.declared else self._open_since

    def _reserve(self, now: datetime) -> None:
        budget = self._budget
        if budget is None or not budget.limited:
            return
        began, next_day = day_of(now, parse_zone(self._zone()))
        limit = AccountLimit(day_began=began, next_day=next_day, per_day=budget.per_day, total=budget.total)
        ask_again_at = self._ledger.reserve_account(self._claim, limit, now)
        if ask_again_at is not None:
            raise BudgetSpent(
                f"{self._claim.lms}: no further account may be made there for now, as [lms.budget] in the config says "
                f"({_rendered(budget)}); the learner waits until there is room, or the budget is raised",
                retry_after_s=max((ask_again_at - now).total_seconds(), 0.0),
            )

    def _opens(self, began: datetime) -> list[datetime]:
        if self._open_since is not None and self._open_since > began:
            # Our clock was set back: how long ago that was is not known, so it is counted from this attempt on.
            self._open_since = began
        return [since for since in (self._open_since, self._claim.account_open_since) if since is not None]

    def _left(self, since: datetime, began: datetime) -> timedelta:
        return self._quarantine - (began - since)


Effect = Callable[[Lms, LedgerIntent], Applied]


def effect_of(claim: Claim, customs: Customs, now: datetime) -> Effect | Applied | Stay:
    """The call that makes the LMS agree with the wish; or what it comes to without one; or why the learner stays.

    Where nothing of ours was ever sent there is nothing of ours to take back, whoever may be in the course; and a
    person with two addresses stays in while one of them is to stay. An end that the LMS was given it keeps itself.
    """
    if claim.desired is Desired.IN:
        return lambda lms, intent: _enrol(claim, lms, intent)
    if claim.found:
        return Stay.KEPT
    uncalled = _uncalled(claim, customs, now)
    if uncalled is not None:
        return Applied(outcome=uncalled, user_id=claim.seat.user_id)
    return _withdrawing(claim, customs, now)


def _withdrawing(claim: Claim, customs: Customs, now: datetime) -> Effect | Stay:
    match customs.withdrawal(claim):
        case Withdrawal.KEEP:
            return Stay.KEPT
        case Withdrawal.ASK:
            return Stay.ASKED
        case Withdrawal.SUSPEND:
            return lambda lms, intent: _suspend(claim, lms, intent, ended=_ended(claim, now))
        case Withdrawal.UNENROL:
            return lambda lms, intent: lms.ensure_withdrawn(claim.seat, intent)


def _uncalled(claim: Claim, customs: Customs, now: datetime) -> Outcome | None:
    """What a withdrawal comes to that takes no call."""
    if claim.shared:
        return Outcome.ABSENT
    if claim.nothing_sent:
        return Outcome.SUSPENDED if claim.seat.dormant else Outcome.ABSENT
    keeps_ends = Capability.END_DATE in customs.capabilities
    if claim.cause is Cause.EXPIRED and keeps_ends and _ended(claim, now):
        return Outcome.EXPIRED
    return None


def _enrol(claim: Claim, lms: Lms, intent: LedgerIntent) -> Applied:
    """A withdrawal whose answer is open may have been a suspension, and then it was ours."""
    seat = replace(claim.seat, dormant=claim.seat.dormant or claim.open_withdrawal)
    applied = lms.ensure_enrolled(seat, intent)
    if applied.outcome is Outcome.ALREADY and claim.open_withdrawal:
        intent.confirm_absence()  # it is there now, but an unanswered withdrawal may still take it away
    return applied


def _suspend(claim: Claim, lms: Lms, intent: LedgerIntent, *, ended: bool) -> Applied:
    """SUSPENDED only if it was us, or the end we gave: whom somebody else suspended, a later sale is not to wake."""
    applied = lms.ensure_suspended(claim.seat, intent)
    ours = intent.declared or claim.written or claim.seat.dormant or ended
    if applied.outcome is Outcome.SUSPENDED and not ours:
        return replace(applied, outcome=Outcome.ABSENT)
    return applied


def _ended(claim: Claim, now: datetime) -> bool:
    """Whether the LMS was told to end it by now, and nothing that might have moved that end is in doubt."""
    end = claim.seat.applied_until
    return claim.seat.applied and not claim.written and end is not None and end <= now


def _rendered(budget: Budget) -> str:
    parts = {"per_day": budget.per_day, "total": budget.total}
    return ", ".join(f"{name} = {number}" for name, number in parts.items() if number is not None)
