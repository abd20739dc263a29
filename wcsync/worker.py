"""Working off due enrolments of one LMS: claim, effect, settle."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import structlog

from wcsync.effects import Customs, Effect, LedgerIntent, Stay, effect_of
from wcsync.errors import (
    REMOTE_ERRORS,
    BudgetSpent,
    PermanentError,
    ServiceBlocked,
    TransientError,
    TurnedAway,
)
from wcsync.gate import Gate
from wcsync.health import Sign
from wcsync.ledger.ailment import ails
from wcsync.ledger.base import Claim, Deferral, Ledger, Limits, Surrender
from wcsync.lms.base import Budget, Lms
from wcsync.model import Applied, Outcome
from wcsync.patient import Patient
from wcsync.retry import Backoff
from wcsync.sale import Withdrawal
from wcsync.times import Clock

log = structlog.get_logger(__name__)

BUG_DELAY_S = 3600.0
"""A row that met a bug waits this long: the bug will not go away by itself."""

UNWRITTEN = "the ledger could not be written; it is tried again as soon as that works"
ERASED = "the learner's address was erased from the ledger; act in the LMS by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Works off rows of one LMS, one at a time. Several workers may share everything given here.

    `patient`: the LMS's health; `quarantine_s`: how long a negative look is not believed after a lost answer.
    `limits`: of withdrawals, None = any number. `on_withdraw`, `budget`: as the LMS's section of the config says;
    `zone`: of the shop, by whose calendar a day's budget is counted.
    """

    lms: Lms
    ledger: Ledger
    gate: Gate
    patient: Patient
    backoff: Backoff
    quarantine_s: float
    clock: Clock
    limits: Limits | None = None
    on_withdraw: Withdrawal | None = None
    budget: Budget | None = None
    zone: Callable[[], str] = lambda: ""
    _unsettled: "deque[_Attempt]" = field(default_factory=deque, repr=False)

    def run_once(self) -> bool:
        """Works off one row. False if none is due or the LMS is to be left alone. Safe to call after any crash."""
        self._settle_unsettled()
        if not self.ledger_has_work() or not self._gate_opens():
            return False
        claim = self.ledger.claim(self.lms.name, self.clock(), self.limits)
        if claim is None:
            return False
        with structlog.contextvars.bound_contextvars(
            lms=claim.lms, course_id=claim.course_id, learner=claim.learner_key[:8], attempt=claim.attempts
        ):
            self._work_off(claim)
        return True

    def ledger_has_work(self) -> bool:
        due_at = self.ledger.next_due_at(self.lms.name)
        return due_at is not None and due_at <= self.clock()

    def _gate_opens(self) -> bool:
        if not self.patient.may_call():
            return False
        try:
            self.gate.check()
        except REMOTE_ERRORS as exc:
            self.patient.note_error(exc)
            return False
        return True

    def _work_off(self, claim: Claim) -> None:
        """One attempt. What the ledger raises goes up; how the attempt ended is settled as soon as that can be done."""
        started = monotonic()
        intent = LedgerIntent(
            self.ledger, claim, self.clock, self.quarantine_s, budget=self.budget, zone=self.zone
        )
        try:
            ending = self._attempt(claim, intent)
        except Exception as exc:
            if not ails(exc):
                raise
            ending = Ending(
                outcome="deferred",
                kind="transient",
                reason=UNWRITTEN,
                counted=False,
                answer_lost=intent.declared,
            )
        self._conclude(_Attempt(claim, intent, ending, round((monotonic() - started) * 1000)))

    def _conclude(self, attempt: "_Attempt") -> None:
        claim, ending = attempt.claim, attempt.ending
        try:
            settled = self._settle(claim, attempt.intent, ending)
        except Exception as exc:
            if ails(exc):
                self._unsettled.append(attempt)
            raise
        self._tell(claim, ending if settled else Ending(outcome="taken_over"), attempt.duration_ms)

    def _settle_unsettled(self) -> None:
        """What the LMS answered is still known, while the ledger could not be written. The lease is ours all the
        time."""
        while self._unsettled:
            try:
                attempt = self._unsettled.popleft()
            except IndexError:  # another thread took it
                return
            self._conclude(attempt)

    def _attempt(self, claim: Claim, intent: LedgerIntent) -> "Ending":
        customs = Customs(capabilities=self.lms.capabilities, on_withdraw=self.on_withdraw)
        effect = effect_of(claim, customs, self.clock())
        if isinstance(effect, Stay):
            return Ending(outcome=effect.value)
        if isinstance(effect, Applied):
            return self._without_a_call(effect, claim, intent)
        if not claim.seat.learner.email:
            return Ending(outcome="dead", kind="erased", reason=ERASED)
        return self._call(effect, claim, intent)

    def _without_a_call(self, applied: Applied, claim: Claim, intent: LedgerIntent) -> "Ending":
        """Settled only once every answer is known: an account may still be in the making."""
        try:
            intent.confirm_absence()
        except TransientError as exc:
            return self._after_trouble(claim, intent, exc)
        return Ending(outcome=applied.outcome.value, applied=applied)

    def _call(self, effect: Effect, claim: Claim, intent: LedgerIntent) -> "Ending":
        try:
            applied = effect(self.lms, intent)
        except BudgetSpent as exc:
            return self._after_budget(exc)
        except TransientError as exc:
            if not intent.waited:
                self.gate.forget()
            return self._after_trouble(claim, intent, exc)
        except PermanentError as exc:
            return self._after_no(claim, exc)
        except ServiceBlocked as exc:
            return self._after_refusal(claim, exc)
        except Exception as exc:
            if ails(exc):
                raise
            log.critical("worker_failed", exc_info=True)
            return self._after_bug(claim, intent)
        return self._after_answer(claim, intent, applied)

    def _after_answer(self, claim: Claim, intent: LedgerIntent, applied: Applied) -> "Ending":
        self.patient.note(Sign.WORKED)
        if applied.outcome is not Outcome.UNKNOWN:
            return Ending(outcome=applied.outcome.value, applied=applied)
        unsure = TransientError(
            f"{claim.lms}: accepted, but not yet to be seen there; it is looked at again",
            retry_after_s=self.quarantine_s,
            answer_lost=intent.declared,
        )
        return self._try_later(claim, unsure, counted=True)

    def _after_no(self, claim: Claim, exc: PermanentError) -> "Ending":
        """The service is well: it answered this call, or others while this one was turned away."""
        self.patient.note(Sign.WORKED)
        if isinstance(exc, TurnedAway):
            return self._try_later(claim, TransientError(str(exc)), counted=True)
        return Ending(outcome="dead", kind="permanent", reason=str(exc))

    def _after_refusal(self, claim: Claim, exc: ServiceBlocked) -> "Ending":
        """A refusal is the service's, and costs no attempt; unless others got through since this row met the last.

        The row lines up behind the next probe, so that one that alone is refused does not take each of them.
        """
        self.gate.forget()
        counted = self.patient.worked_since(claim.refused_at)
        dead = counted and self.backoff.exhausted(claim.attempts)
        self.patient.note(Sign.REFUSED, str(exc))
        probe_at = self.patient.health.retry_at or self.clock()
        wait_s = max((probe_at - self.clock()).total_seconds(), 0.0) + self.backoff.delay_s(
            claim.attempts if counted else 1, jitter=self.patient.dice()
        )
        outcome = "dead" if dead else "deferred"
        return Ending(outcome=outcome, kind="blocked", reason=str(exc), wait_s=wait_s, counted=counted)

    def _after_budget(self, exc: BudgetSpent) -> "Ending":
        """Nobody's fault: the row keeps its attempts. The LMS is well: it was asked for the account before."""
        self.patient.note(Sign.WORKED)
        wait_s = exc.retry_after_s or 0.0
        return Ending(outcome="deferred", kind="budget", reason=str(exc), wait_s=wait_s, counted=False)

    def _after_trouble(self, claim: Claim, intent: LedgerIntent, exc: TransientError) -> "Ending":
        if intent.waited:
            wait_s = exc.retry_after_s or 0.0
            return Ending(outcome="deferred", kind="transient", reason=str(exc), wait_s=wait_s, counted=False)
        return self._try_later(claim, exc, counted=self._blames_row(claim, exc))

    def _blames_row(self, claim: Claim, exc: TransientError) -> bool:
        """Whether the failure counts against the row. Tells the LMS's health otherwise, and when in doubt.

        Trouble of the whole service counts once, when it begins: a row that is its only cause must end some day. A
        row that fails alone is its own fault only if the LMS answers when asked who it is.
        """
        if exc.whole_service or not claim.service_was_up:
            self.patient.note(Sign.FAILED, str(exc), exc.retry_after_s)
            return claim.service_was_up
        if not self.gate.answers():
            self.patient.note(Sign.FAILED, str(exc), exc.retry_after_s)
            return False
        self.patient.suspect(f"{claim.learner_key}/{claim.course_id}", str(exc))
        return True

    def _try_later(self, claim: Claim, exc: TransientError, *, counted: bool) -> "Ending":
        dead = counted and self.backoff.exhausted(claim.attempts)
        failures = claim.attempts if counted else claim.attempts - 1
        return Ending(
            outcome="dead" if dead else "deferred",
            kind="transient",
            reason=str(exc),
            wait_s=self.backoff.delay_s(
                failures, jitter=self.patient.dice(), retry_after_s=exc.retry_after_s
            ),
            counted=counted,
            answer_lost=exc.answer_lost,
        )

    def _after_bug(self, claim: Claim, intent: LedgerIntent) -> "Ending":
        return Ending(
            outcome="dead" if self.backoff.exhausted(claim.attempts) else "deferred",
            kind="bug",
            reason="a bug in wcsync; its traceback is in the log under worker_failed",
            wait_s=BUG_DELAY_S,
            answer_lost=intent.declared,
        )

    def _settle(self, claim: Claim, intent: LedgerIntent, ending: "Ending") -> bool:
        """Writes down how the attempt ended. False if the row was taken over meanwhile."""
        now = self.clock()
        open_since = intent.still_open(answer_lost=ending.answer_lost)
        if ending.applied is not None:
            return self.ledger.settle_applied(claim, ending.applied, now)
        if ending.outcome == Stay.KEPT:
            return self.ledger.settle_kept(claim, now)
        if ending.outcome == Stay.ASKED:
            return self.ledger.settle_asked(claim, now)
        if ending.outcome == "dead":
            surrender = Surrender(kind=ending.kind, reason=ending.reason, open_since=open_since)
            return self.ledger.settle_dead(claim, surrender, now)
        deferral = Deferral(
            retry_at=now + timedelta(seconds=ending.wait_s),
            kind=ending.kind,
            reason=ending.reason,
            counted=ending.counted,
            open_since=open_since,
        )
        return self.ledger.settle_deferred(claim, deferral, now)

    def _tell(self, claim: Claim, ending: "Ending", duration_ms: int) -> None:
        say = log.bind(outcome=ending.outcome, desired=claim.desired.value, duration_ms=duration_ms)
        if ending.outcome == "dead":
            say.error("enrolment_settled", error_kind=ending.kind, reason=ending.reason)
        elif ending.outcome == "deferred":
            retry_in_s = round(ending.wait_s, 1)
            say.warning(
                "enrolment_settled", error_kind=ending.kind, reason=ending.reason, retry_in_s=retry_in_s
            )
        else:
            say.info("enrolment_settled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one attempt ended: for the ledger and for the log. `applied`: what the LMS confirmed, if it did."""

    outcome: str
    kind: str = ""
    reason: str = ""
    wait_s: float = 0.0
    counted: bool = True
    answer_lost: bool = False
    applied: Applied | None = None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One that is over, and is to be written down."""

    claim: Claim
    intent: LedgerIntent
    ending: Ending
    duration_ms: int
