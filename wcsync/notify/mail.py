"""Alerts by e-mail, through the SMTP server of the shop's people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import structlog

from wcsync.errors import ServiceBlocked, TransientError
from wcsync.mappers.alerts import one_line, parse_news, render_alert, unique_id
from wcsync.model import Message
from wcsync.notify.base import Delivery
from wcsync.notify.smtp import Receipt, Server, hand_in
from wcsync.times import Clock

log = structlog.get_logger(__name__)

_FORM = SMTP.clone(cte_type="7bit")  # 8-bit letters are not taken everywhere
PATIENCE = 6
"""After so many attempts, some ten minutes, whoever is still put off is left out if others have the message: the next
one must not wait for a mailbox that stays full."""


@dataclass(slots=True, kw_only=True)
class Mail:
    """Sends alerts as e-mail, each in a conversation of its own. Fulfils `notify.base.Channel`.

    SMTP does not let one see what was taken before. So a message has the same Message-ID at every attempt: a repeat
    after a lost answer is known as one by mail servers and readers. Recipients who are put off for now (greylisting)
    are tried again alone.
    """

    server: Server
    sender: str
    to: Sequence[str]
    instance: str
    host: str
    clock: Clock
    name: str = "mail"
    _message: str = ""
    _done: frozenset[str] = frozenset()
    """Recipients of `_message` who have it or were refused for good."""
    _arrived: bool = False
    """Whether anybody has it."""

    @property
    def service(self) -> str:
        return self.server.name

    def deliver(self, message: Message, announce: Callable[[], None]) -> Delivery:
        """As `Channel.deliver`. It is enough if one recipient has it."""
        if self._message != message.key:
            self._message, self._done, self._arrived = message.key, frozenset(), False
        done = self._done
        left = [address for address in self.to if address not in done]
        if not left:
            return Delivery.ALREADY
        receipt = hand_in(self.server, self.sender, left, self._write(message), announce)
        accepted = set(left) - {*receipt.put_off, *receipt.refused}
        self._arrived = self._arrived or bool(accepted)
        if receipt.refused:
            self._tell_refused(receipt, nobody=not (self._arrived or receipt.put_off))
        self._done = done | accepted | set(receipt.refused)
        if receipt.put_off and self._arrived and message.attempts >= PATIENCE:
            self._warn(receipt.put_off, f"put off {message.attempts} times")
        elif receipt.put_off:
            raise TransientError(
                f"{self.service}: {len(receipt.put_off)} of {len(self.to)} recipients are put off for now; they "
                "alone are tried again",
                answer_lost=bool(accepted),
            )
        return Delivery.SENT

    def close(self) -> None:
        """Does nothing: each conversation ends with its message."""

    def _tell_refused(self, receipt: Receipt, *, nobody: bool) -> None:
        """Recipients are told by their place in the config: addresses are no business of a log."""
        if nobody:
            self._done = frozenset()  # all of them are tried again once that is mended
            raise ServiceBlocked(
                f"{self.service}: refuses every recipient ({receipt.reason}); correct `to` under [alerts.mail], or "
                "hand mail in with user and password"
            )
        self._warn(receipt.refused, receipt.reason)

    def _warn(self, left_out: Sequence[str], reason: str) -> None:
        places = ", ".join(str(self.to.index(address) + 1) for address in left_out)
        hint = f"look at entry {places} of `to` under [alerts.mail]; the message went to others"
        log.warning("recipient_refused", channel=self.name, reason=reason, hint=hint)

    def _write(self, message: Message) -> bytes:
        alert = render_alert(
            parse_news(message.payload),
            instance=self.instance,
            host=self.host,
            created_at=message.created_at,
            now=self.clock(),
        )
        unique = unique_id(self.instance, message.key, message.digest, message.created_at)
        letter = EmailMessage(policy=_FORM)
        letter["From"] = Address("wcsync", addr_spec=self.sender)
        letter["To"] = [Address(addr_spec=address) for address in self.to]
        letter["Subject"] = _header(alert.subject)
        letter["Date"] = format_datetime(message.created_at)
        letter["Message-ID"] = f"<{unique}@{self.sender.rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"  # no out-of-office answers, please (RFC 3834)
        letter.set_content(alert.body, charset="utf-8")
        return letter.as_bytes()


def _header(text: str) -> str:
    """`email` decodes what looks like an encoded word (RFC 2047) in a header it is given, line ends and all: a product
    called `=?utf-8?q?=0ABcc:…?=` would add a recipient."""
    return one_line(text).replace("=?", "= ?")
