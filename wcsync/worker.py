"""Working off due enrolments of one LMS: claim, effect, settle."""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import structlog

from wcsync.effects import LedgerIntent, effect_of
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.gate import Gate
from wcsync.health import Sign
from wcsync.ledger.base import Claim, Deferral, Ledger
from wcsync.lms.base import Lms
from wcsync.model import Outcome
from wcsync.patient import Patient
from wcsync.retry import Backoff
from wcsync.times import Clock

log = structlog.get_logger(__name__)

BUG_DELAY_S = 3600.0
"""A row that met a bug waits this long: the bug will not go away by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Works off rows of one LMS, one at a time. Several workers may share everything given here.

    `patient`: the LMS's health; `quarantine_s`: how long a negative look is not believed after a lost answer.
    """

    lms: Lms
    ledger: Ledger
    gate: Gate
    patient: Patient
    backoff: Backoff
    quarantine_s: float
    clock: Clock

    def run_once(self) -> bool:
        """Works off one row. False if none is due or the LMS is to be left alone. Safe to call after any crash."""
        if not self.ledger_has_work() or not self._gate_opens():
            return False
        claim = self.ledger.claim(self.lms.name, self.clock())
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
        except ServiceBlocked as exc:
            self.patient.note(Sign.REFUSED, str(exc))
        except TransientError as exc:
            self.patient.note(Sign.FAILED, str(exc), exc.retry_after_s)
        except PermanentError as exc:
            self.patient.note(Sign.REFUSED, str(exc))
        else:
            return True
        return False

    def _work_off(self, claim: Claim) -> None:
        started = monotonic()
        intent = LedgerIntent(self.ledger, claim, self.clock, self.quarantine_s)
        try:
            ending = self._act(claim, intent)
        except TransientError as exc:
            ending = self._defer(claim, intent, exc)
        except PermanentError as exc:
            self.patient.note(Sign.WORKED)
            ending = self._give_up(claim, intent, "permanent", str(exc), answer_lost=False)
        except ServiceBlocked as exc:
            ending = self._wait_for_service(claim, intent, exc)
        except Exception:
            log.critical("worker_failed", exc_info=True)
            ending = self._put_off_bug(claim, intent)
        self._tell(claim, ending, round((monotonic() - started) * 1000))

    def _act(self, claim: Claim, intent: LedgerIntent) -> "Ending":
        effect = effect_of(claim)
        if effect is None:
            self.ledger.settle_kept(claim, self.clock())
            return Ending(outcome="kept")
        applied = effect(self.lms, intent)
        self.patient.note(Sign.WORKED)
        if applied.outcome is Outcome.UNKNOWN:
            return self._look_again(claim, intent)
        held = self.ledger.settle_applied(claim, applied, self.clock())
        return Ending(outcome=applied.outcome.value if held else "taken_over")

    def _look_again(self, claim: Claim, intent: LedgerIntent) -> "Ending":
        unsure = TransientError(
            f"{claim.lms}: accepted, but not yet to be seen there; it is looked at again",
            retry_after_s=self.quarantine_s,
            answer_lost=intent.declared,
        )
        return self._defer(claim, intent, unsure)

    def _defer(self, claim: Claim, intent: LedgerIntent, exc: TransientError) -> "Ending":
        if exc.whole_service:
            self.patient.note(Sign.FAILED, str(exc), exc.retry_after_s)
        counted = not intent.waited and (claim.service_was_up or not exc.whole_service)
        if counted and self.backoff.exhausted(claim.attempts):
            return self._give_up(claim, intent, "transient", str(exc), answer_lost=exc.answer_lost)
        wait_s = exc.retry_after_s or 0.0
        if not intent.waited:
            failures = claim.attempts if counted else claim.attempts - 1
            wait_s = self.backoff.delay_s(failures, jitter=self.patient.dice(), retry_after_s=wait_s)
        ending = Ending(
            outcome="deferred", kind="transient", reason=str(exc), wait_s=wait_s, answer_lost=exc.answer_lost
        )
        return self._postpone(claim, intent, ending, counted=counted)

    def _wait_for_service(self, claim: Claim, intent: LedgerIntent, exc: ServiceBlocked) -> "Ending":
        self.patient.note(Sign.REFUSED, str(exc))
        wait_s = self.backoff.delay_s(1, jitter=self.patient.dice())
        ending = Ending(outcome="deferred", kind="blocked", reason=str(exc), wait_s=wait_s)
        return self._postpone(claim, intent, ending, counted=False)

    def _put_off_bug(self, claim: Claim, intent: LedgerIntent) -> "Ending":
        reason = "a bug in wcsync; its traceback is in the log under worker_failed"
        if self.backoff.exhausted(claim.attempts):
            return self._give_up(claim, intent, "bug", reason, answer_lost=intent.declared)
        ending = Ending(
            outcome="deferred", kind="bug", reason=reason, wait_s=BUG_DELAY_S, answer_lost=intent.declared
        )
        return self._postpone(claim, intent, ending, counted=True)

    def _postpone(self, claim: Claim, intent: LedgerIntent, ending: "Ending", *, counted: bool) -> "Ending":
        now = self.clock()
        deferral = Deferral(
            retry_at=now + timedelta(seconds=ending.wait_s),
            kind=ending.kind,
            reason=ending.reason,
            counted=counted,
            open_since=intent.still_open(answer_lost=ending.answer_lost),
        )
        self.ledger.settle_deferred(claim, deferral, now)
        return ending

    def _give_up(
        self, claim: Claim, intent: LedgerIntent, kind: str, reason: str, *, answer_lost: bool
    ) -> "Ending":
        open_since = intent.still_open(answer_lost=answer_lost)
        self.ledger.settle_dead(claim, kind, reason, open_since, self.clock())
        return Ending(outcome="dead", kind=kind, reason=reason)

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
    """How one attempt ended: for the ledger and for the log."""

    outcome: str
    kind: str = ""
    reason: str = ""
    wait_s: float = 0.0
    answer_lost: bool = False
