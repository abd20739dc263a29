"""Working off the outbox of one channel: claim, deliver, settle. No message ever holds up an enrolment."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import structlog

from wcsync.errors import PermanentError, ServiceBlocked, TransientError, WcsyncError
from wcsync.health import Sign
from wcsync.ledger.ailment import ails
from wcsync.ledger.base import Deferral, Ledger
from wcsync.model import Message
from wcsync.notify.base import Channel, Delivery
from wcsync.patient import Patient
from wcsync.retry import Backoff
from wcsync.times import Clock

log = structlog.get_logger(__name__)

BUG_DELAY_S = 3600.0
UNWRITTEN = "the ledger could not be written; it is tried again as soon as that works"


@dataclass(frozen=True, slots=True, kw_only=True)
class Messenger:
    """Delivers the messages of one channel, one at a time.

    `patient`: the channel's health. `ready`: whether now is a time to try at all, as while the shop that would take
    the notes is in maintenance it is not. `gate` raises if another than the known one answers there. `heed` hears what
    befell the whole of whoever takes the messages, as others ask that one too.
    """

    channel: Channel
    ledger: Ledger
    patient: Patient
    backoff: Backoff
    clock: Clock
    ready: Callable[[], bool] = lambda: True
    gate: Callable[[], None] = lambda: None
    heed: Callable[[WcsyncError], object] = lambda _exc: None
    _unsettled: "deque[tuple[Message, _Ending, int]]" = field(default_factory=deque, repr=False)

    def run_once(self) -> bool:
        """Delivers one message. False if none is due or the channel is to be left alone. Safe after any crash."""
        while self._unsettled:
            self._conclude(*self._unsettled.popleft())
        if not self.patient.may_call() or not self.ready():
            return False
        message = self.ledger.post.claim(self.channel.name, self.clock())
        if message is None:
            return False
        started = monotonic()
        ending = self._attempt(message)
        self._conclude(message, ending, round((monotonic() - started) * 1000))
        return True

    def _conclude(self, message: Message, ending: "_Ending", duration_ms: int) -> None:
        """What became of a message is known for as long as the ledger cannot be written, and settled then."""
        try:
            settled = self._settle(message, ending)
        except Exception as exc:
            if ails(exc):
                self._unsettled.append((message, ending, duration_ms))
            raise
        self._tell(message, ending if settled else _Ending(outcome="taken_over"), duration_ms)

    def _attempt(self, message: Message) -> "_Ending":
        """Where the ledger fails after the announcement, the answer counts as lost."""
        announced: list[bool] = []

        def announce() -> None:
            self._announce(message)
            announced.append(True)

        try:
            ending = self._deliver(message, announce)
        except Exception as exc:
            if not ails(exc):
                raise
            ending = _Ending(outcome="deferred", reason=UNWRITTEN, counted=False, answer_lost=bool(announced))
        return ending

    def _deliver(self, message: Message, announce: Callable[[], None]) -> "_Ending":
        try:
            self.gate()
            delivery = self.channel.deliver(message, announce)
        except TransientError as exc:
            return self._after_trouble(message, exc)
        except ServiceBlocked as exc:
            self.patient.note(Sign.REFUSED, str(exc))
            return self._later(message, str(exc), counted=False)
        except PermanentError as exc:
            self.patient.note(Sign.WORKED)
            return _Ending(outcome="dead", reason=str(exc))
        except Exception as exc:
            if ails(exc):
                raise
            log.critical("worker_failed", exc_info=True)
            reason = "a bug in wcsync; its traceback is in the log under worker_failed"
            return self._later(message, reason, wait_s=BUG_DELAY_S, answer_lost=True)
        self.patient.note(Sign.WORKED)
        return _Ending(outcome=delivery.value)

    def _announce(self, message: Message) -> None:
        if not self.ledger.post.record_sending(message, self.clock()):
            raise TransientError("the message was taken over by another thread; nothing was sent")

    def _after_trouble(self, message: Message, exc: TransientError) -> "_Ending":
        """Trouble of the whole way costs no message its attempts, but for the one that met it first."""
        was_up = self.patient.is_up()
        if exc.whole_service:
            self.patient.note(Sign.FAILED, str(exc), exc.retry_after_s)
            self.heed(exc)
        return self._later(
            message,
            str(exc),
            wait_s=exc.retry_after_s,
            counted=was_up or not exc.whole_service,
            answer_lost=exc.answer_lost,
        )

    def _later(
        self,
        message: Message,
        reason: str,
        *,
        wait_s: float | None = None,
        counted: bool = True,
        answer_lost: bool = False,
    ) -> "_Ending":
        dead = counted and self.backoff.exhausted(message.attempts)
        delay_s = self.backoff.delay_s(message.attempts, jitter=self.patient.dice(), retry_after_s=wait_s)
        outcome = "dead" if dead else "deferred"
        return _Ending(
            outcome=outcome, reason=reason, wait_s=delay_s, counted=counted, answer_lost=answer_lost
        )

    def _settle(self, message: Message, ending: "_Ending") -> bool:
        now = self.clock()
        if ending.outcome in set(Delivery):
            return self.ledger.post.settle_sent(message, now)
        if ending.outcome == "dead":
            return self.ledger.post.settle_dead(message, ending.reason, now)
        deferral = Deferral(
            retry_at=now + timedelta(seconds=ending.wait_s),
            kind="transient",
            reason=ending.reason,
            counted=ending.counted,
            open_since=now if ending.answer_lost else message.open_since,
        )
        return self.ledger.post.settle_deferred(message, deferral, now)

    def _tell(self, message: Message, ending: "_Ending", duration_ms: int) -> None:
        say = log.bind(
            channel=message.channel,
            subject=message.subject,
            outcome=ending.outcome,
            attempt=message.attempts,
            duration_ms=duration_ms,
        )
        if ending.outcome == "dead":
            say.error("message_settled", reason=ending.reason)
        elif ending.outcome == "deferred":
            say.warning("message_settled", reason=ending.reason, retry_in_s=round(ending.wait_s, 1))
        else:
            say.info("message_settled")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    outcome: str
    reason: str = ""
    wait_s: float = 0.0
    counted: bool = True
    answer_lost: bool = False
