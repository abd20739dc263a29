"""What wcsync needs of a way to tell people something."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from wcsync.model import Message


class Delivery(StrEnum):
    """`ALREADY`: it was there from an earlier attempt whose answer was lost."""

    SENT = "sent"
    ALREADY = "already"


class Channel(Protocol):
    """One way to tell people. Thread-safe; an instance may be asked to deliver the same message again after a crash."""

    @property
    def name(self) -> str:
        """As the outbox calls it, as in "note"."""

    @property
    def service(self) -> str:
        """The name under which the health of this way is kept and told."""

    def deliver(self, message: Message, announce: Callable[[], None]) -> Delivery:
        """Brings the message to its readers, once if the far side lets one see what it already has.

        Calls `announce()` right before the call that cannot be taken back: it commits to disk that an answer may be
        lost from here on, and raises if the message was taken over. `message.open_since` says that an earlier attempt
        may still arrive.
        Raises: TransientError (tried later), PermanentError (given up), ServiceBlocked (the whole way waits for a
        person).
        """

    def close(self) -> None: ...
