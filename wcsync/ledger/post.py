"""What is told to people, and whether it went out: order notes, mails, web calls. Each method one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from wcsync.ledger.values import Deferral, TroubleRecord
from wcsync.mappers.troubles import Look, Rules
from wcsync.model import Message, OrderId


class Post(Protocol):
    """Messages are made in the transaction of what they tell of, each once; here they are taken and settled."""

    def record_channels(self, channels: Sequence[str], now: datetime) -> None:
        """Keeps which channels are wanted: only for those are messages made. Unsent ones of others are dropped."""

    def claim(self, channel: str, now: datetime) -> Message | None:
        """Leases the oldest due message of a channel; messages about one subject in the order they were made."""

    def record_sending(self, message: Message, now: datetime) -> bool:
        """Writes down that the message is about to go out. False if the lease is no longer ours."""

    def settle_sent(self, message: Message, now: datetime) -> bool:
        """The message was delivered. False if the lease is not ours."""

    def settle_deferred(self, message: Message, deferral: Deferral, now: datetime) -> bool:
        """The message waits for another try. False if the lease is not ours."""

    def settle_dead(self, message: Message, reason: str, now: datetime) -> bool:
        """The message is given up. False if the lease is not ours."""

    def record_waiting(self, wished_before: datetime, now: datetime) -> int:
        """Has a note made for each order whose enrolments wait since before that instant. Returns for how many.

        Safe to repeat: an order is told once that it waits.
        """

    def read_digests(self, order_id: OrderId) -> frozenset[str]:
        """By what each note about the order that this ledger ever had is known in the shop."""

    def record_troubles(self, rules: Rules, look: Look) -> TroubleRecord:
        """Compares what is wrong now with what people were told, keeps the difference, and makes one message of it
        for each way. Safe to repeat: each trouble is told once when it begins and once when it is over.

        Writes nothing while nothing changes.
        """
