"""Messages on SQLite: one method, one transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from wcsync.ledger import order_notes, outbox, troubles
from wcsync.ledger.connection import transaction
from wcsync.ledger.values import Deferral, TroubleRecord
from wcsync.mappers.troubles import Look, Rules
from wcsync.model import Message, OrderId


class SqlitePost:
    """Fulfils `ledger.post.Post`. `connect` answers this thread's own connection."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect

    def record_channels(self, channels: Sequence[str], now: datetime) -> None:
        with transaction(self._connect()) as db:
            outbox.record_channels(db, channels, now)

    def claim(self, channel: str, now: datetime) -> Message | None:
        if not outbox.something_due(self._connect(), channel, now):
            return None
        with transaction(self._connect()) as db:
            return outbox.claim(db, channel, now)

    def record_sending(self, message: Message, now: datetime) -> bool:
        with transaction(self._connect()) as db:
            return outbox.record_sending(db, message, now)

    def settle_sent(self, message: Message, now: datetime) -> bool:
        with transaction(self._connect()) as db:
            return outbox.settle_sent(db, message, now)

    def settle_deferred(self, message: Message, deferral: Deferral, now: datetime) -> bool:
        with transaction(self._connect()) as db:
            return outbox.settle_deferred(db, message, deferral, now)

    def settle_dead(self, message: Message, reason: str, now: datetime) -> bool:
        with transaction(self._connect()) as db:
            return outbox.settle_dead(db, message, reason, now)

    def record_waiting(self, wished_before: datetime, now: datetime) -> int:
        with transaction(self._connect()) as db:
            return order_notes.note_waiting(db, wished_before, now)

    def read_digests(self, order_id: OrderId) -> frozenset[str]:
        return order_notes.read_digests(self._connect(), order_id)

    def record_troubles(self, rules: Rules, look: Look) -> TroubleRecord:
        if not troubles.plan(self._connect(), rules, look):
            return TroubleRecord()
        with transaction(self._connect()) as db:
            return troubles.record(db, troubles.plan(db, rules, look), rules, look.now)
