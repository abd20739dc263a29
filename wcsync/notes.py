"""Order notes: what became of a sale, where the shop's people look for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from wcsync.errors import PermanentError, TransientError
from wcsync.ledger.base import Ledger
from wcsync.mappers.notes import NOTE_CHANNEL, parse_lines, render_note, says_nothing_new, told_last
from wcsync.model import Message, OrderId
from wcsync.notify.base import Delivery
from wcsync.store.base import Store
from wcsync.times import Clock

SERVICE = "order notes"
"""What the ledger calls the health of this channel. No LMS can have this name: it holds a blank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotes:
    """Writes private notes to orders. Fulfils `notify.base.Channel`.

    WooCommerce has no key against repeats, so the order's notes are looked at before each is written: after a lost
    answer, and also in a ledger that was restored from a backup or made anew. A restored one repeats no sentence of the
    last note: what came after the backup was told in other steps. `quarantine_s`: how long a note that cannot be seen
    may still come from an earlier attempt.
    """

    store: Store
    ledger: Ledger
    clock: Clock
    quarantine_s: float
    name: str = NOTE_CHANNEL
    service: str = SERVICE

    def deliver(self, message: Message, announce: Callable[[], None]) -> Delivery:
        order_id = OrderId(int(message.subject.removeprefix("order ")))
        looked_at = self.clock()
        notes = self.store.fetch_notes(order_id)
        if notes is None:
            raise PermanentError(f"shop: there is no order {order_id} any more; its note was not written")
        if told_last(notes) == message.digest:
            return Delivery.ALREADY
        lines = parse_lines(message.payload)
        learners = self.ledger.read_learners(line.learner_key for line in lines)
        origin = self.ledger.read_origin()
        if origin is not None and origin.restored_at is not None:
            if says_nothing_new(lines, learners, notes):
                return Delivery.ALREADY
            self._wait_for_late_one(origin.restored_at, looked_at)
        self._wait_for_late_one(message.open_since, looked_at)
        announce()
        self.store.push_note(order_id, render_note(lines, learners, message.digest))
        return Delivery.SENT

    def close(self) -> None:
        """Does nothing: the store is its owner's to close."""

    def _wait_for_late_one(self, open_since: datetime | None, looked_at: datetime) -> None:
        """What was looked at then does not show what has come since."""
        if open_since is None:
            return
        left = timedelta(seconds=self.quarantine_s) - (looked_at - open_since)
        if left > timedelta():
            raise TransientError(
                "shop: an earlier note went unanswered and may still appear; it is looked for again in "
                f"{left.total_seconds():.0f} s",
                retry_after_s=left.total_seconds(),
            )
