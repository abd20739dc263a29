"""Alerts as outgoing web calls: one POST of a JSON document to a chat, a pager or a program of one's own."""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from wcsync.errors import PermanentError, ServiceBlocked
from wcsync.http import Outgoing, Reply, Service
from wcsync.mappers.alerts import describe_news, parse_news, render_alert, unique_id
from wcsync.model import Message
from wcsync.notify.base import Delivery
from wcsync.times import Clock, render_instant

STANDARD_PREFIX = "whsec_"
_ALIKE = str.maketrans({"<": "‹", ">": "›", "@": "＠"})
_REFUSALS = {
    401: "it does not accept the token",
    403: "it does not let us in",
    404: "there is nothing at this url",
    405: "it takes no POST at this url",
    410: "the hook was removed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebCall:
    """Posts alerts to one url. Fulfils `notify.base.Channel`.

    The document holds `text`, which Slack, Mattermost and their like show, and `title`, `body` and `type`, which an
    Apprise API server takes; the rest is for programs. A message has the same `Idempotency-Key` at every attempt, and
    with a `signing_secret` the signature of https://www.standardwebhooks.com, so that the far side can drop a repeat.
    `token` goes out in the header `token_header`, as a bearer where that is `Authorization`.
    """

    name: str
    service: str
    http: Service
    url: str = field(repr=False)
    instance: str
    host: str
    clock: Clock
    token: str = field(default="", repr=False)
    token_header: str = "Authorization"  # noqa: S105  the name of a header
    signing_secret: str = field(default="", repr=False)

    def deliver(self, message: Message, announce: Callable[[], None]) -> Delivery:
        message_id = f"msg_{unique_id(self.instance, message.key, message.digest, message.created_at)}"
        content = json.dumps(self._document(message, message_id)).encode()
        headers = self._headers(message_id, content)
        announce()
        outgoing = Outgoing(method="POST", url=self.url, headers=headers, content=content)
        self._check(self.http.send(lambda: outgoing))
        return Delivery.SENT

    def close(self) -> None:
        self.http.close()

    def _document(self, message: Message, message_id: str) -> dict[str, object]:
        news = parse_news(message.payload)
        alert = render_alert(
            news, instance=self.instance, host=self.host, created_at=message.created_at, now=self.clock()
        )
        listed = describe_news(news)
        return {
            "text": for_chats(f"{alert.subject}\n\n{alert.body}"),
            "title": for_chats(alert.subject),
            "body": for_chats(alert.body),
            "type": "failure" if alert.failing else "success",
            "source": "wcsync",
            "id": message_id,
            "instance": self.instance,
            "host": self.host,
            "created_at": render_instant(message.created_at),
            "troubles": listed,
            "more": len(news) - len(listed),
        }

    def _headers(self, message_id: str, content: bytes) -> dict[str, str]:
        headers = {"content-type": "application/json", "idempotency-key": message_id}
        if self.token:
            bearer = self.token_header.casefold() == "authorization"
            headers[self.token_header] = f"Bearer {self.token}" if bearer else self.token
        if self.signing_secret:
            sent_at = str(int(self.clock().timestamp()))
            headers["webhook-id"] = message_id
            headers["webhook-timestamp"] = sent_at
            headers["webhook-signature"] = sign(self.signing_secret, message_id, sent_at, content)
        return headers

    def _check(self, reply: Reply) -> None:
        if reply.status in _REFUSALS:
            raise ServiceBlocked(
                f"{self.service}: answered {reply.status}: {_REFUSALS[reply.status]}; correct url or token of this "
                "[[alerts.web]] and restart wcsync"
            )
        if reply.status >= 400:
            raise PermanentError(
                f"{self.service}: answered {reply.status} and does not take the message; does the service behind "
                "the url expect another kind of document?"
            )
        if reply.content.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
            raise PermanentError(
                f"{self.service}: answered with a web page, which no hook does, so the message may not have "
                "arrived; is the url of this [[alerts.web]] the hook's own?"
            )


def for_chats(text: str) -> str:
    """The text without what chats act on: names that ring for everybody, links that say they lead elsewhere, pictures.

    Letters alike are put in place of theirs, as escapes would be shown as they are wherever nobody unescapes them.
    https://docs.slack.dev/messaging/formatting-message-text and https://docs.mattermost.com/collaborate/mention-people.html
    """
    return text.translate(_ALIKE).replace("](", "] (")


def sign(secret: str, message_id: str, sent_at: str, content: bytes) -> str:
    """The signature header of Standard Webhooks: HMAC-SHA256 over id, time and body.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    text = f"{message_id}.{sent_at}.".encode() + content
    return f"v1,{base64.b64encode(hmac.new(signing_key(secret), text, sha256).digest()).decode()}"


def signing_key(secret: str) -> bytes:
    """The key's bytes: base64 behind `whsec_`, else the text as it is. Raises ValueError for what is no base64."""
    if not secret.startswith(STANDARD_PREFIX):
        return secret.encode()
    return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
