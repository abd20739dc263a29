"""Looking whether an LMS that lets learners in at its own time has done so."""

from dataclasses import dataclass
from time import monotonic

import structlog

from wcsync.errors import REMOTE_ERRORS, PermanentError
from wcsync.gate import Gate
from wcsync.health import Sign
from wcsync.ledger.base import Ledger
from wcsync.lms.base import Lms
from wcsync.model import Presence, Unconfirmed
from wcsync.patient import Patient
from wcsync.pulse import beat
from wcsync.times import Clock

log = structlog.get_logger(__name__)

BATCH = 50
"""How many enrolments are looked at in one go: they share what has to be read. Each takes calls of its
own as well, and a stop waits until the turn has ended."""

Looked = tuple[Unconfirmed, Presence, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmer:
    """Looks at what one LMS accepted and has not shown yet. Changes nothing there."""

    lms: Lms
    ledger: Ledger
    gate: Gate
    patient: Patient
    clock: Clock

    def run_once(self) -> bool:
        """Looks at those that are due. False if none is, or the LMS is to be left alone. Safe after any crash."""
        waiting = self.ledger.read_unconfirmed(self.lms.name, self.clock(), BATCH)
        if not waiting or not self._may_look():
            return False
        started = monotonic()
        try:
            self.gate.check()
            looked = self._look(waiting)
        except REMOTE_ERRORS as exc:
            self.gate.forget()
            self.patient.note_error(exc)
            return False
        if not self.patient.is_up():  # while it is, a look says nothing of the writes that may be failing
            self.patient.note(Sign.WORKED)
        shown, late = self.ledger.settle_looks(self.lms.name, looked, self.clock())
        self._tell(len(looked), shown, late, round((monotonic() - started) * 1000))
        return True

    def _may_look(self) -> bool:
        """An LMS in trouble is called again by whoever has work to do there; only where nobody has, by a look."""
        if self.patient.is_up():
            return True
        return self.patient.may_call() and self.ledger.next_due_at(self.lms.name) is None

    def _look(self, waiting: list[Unconfirmed]) -> list[Looked]:
        """All in one go; one by one if one of them is refused, so that it does not speak for the others."""
        try:
            presences = self.lms.fetch_presences([one.seat for one in waiting])
        except PermanentError:
            return [self._look_alone(one) for one in waiting]
        return [(one, presence, "") for one, presence in zip(waiting, presences, strict=True)]

    def _look_alone(self, one: Unconfirmed) -> Looked:
        beat()
        try:
            [presence] = self.lms.fetch_presences([one.seat])
        except PermanentError as exc:
            return one, Presence.UNKNOWN, str(exc)
        return one, presence, ""

    def _tell(self, looked: int, shown: int, late: int, duration_ms: int) -> None:
        say = log.bind(lms=self.lms.name, looked=looked, shown=shown, late=late, duration_ms=duration_ms)
        if late:
            say.error("enrolments_unconfirmed", hint="`wcsync parked list` says whom and what to look at")
        elif shown:
            say.info("enrolments_confirmed")
