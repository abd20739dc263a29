"""Alerts as web calls: what they hold, and what the answers mean."""

import base64
import hmac
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from tests.channels import alert_message, news
from tests.fakes import T0, FakeClock
from wcsync.errors import PermanentError, ServiceBlocked, TransientError, WcsyncError
from wcsync.http import Service
from wcsync.mappers.alerts import Kind, Turn
from wcsync.notify.base import Delivery
from wcsync.notify.web import WebCall
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.server import SandboxServer

TOKEN = "tok_c0ffee_web"


class Hook(SandboxServer):
    reply = Response(body=b"ok")

    def handle(self, request: Request) -> Response:  # noqa: ARG002
        return self.reply


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        yield server


def post(hook: Hook, *items: Any, **settings: Any) -> Request:
    """The one call that a message makes."""
    http = Service("alert web chat", timeout_s=2.0)
    with closing(http):
        usual: dict[str, Any] = {
            "name": "web chat",
            "service": "alert web chat",
            "http": http,
            "url": f"{hook.url}/hook?key=s3cret_key",
            "instance": "shop.example.test",
            "host": "box",
            "clock": FakeClock(),
        }
        way = WebCall(**usual | settings)
        assert way.deliver(alert_message(*items, channel="web chat"), lambda: None) is Delivery.SENT
    [recorded] = hook.requests
    return recorded.request


def refuse(hook: Hook) -> WcsyncError:
    with pytest.raises(WcsyncError) as caught:
        post(hook)
    assert "s3cret_key" not in repr(caught.value)
    return caught.value


def test_the_document_can_be_read_by_chats_by_apprise_and_by_programs(hook: Hook) -> None:
    request = post(hook)
    document = json.loads(request.body)
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert document["text"] == f"{document['title']}\n\n{document['body']}"
    assert document["title"] == "[wcsync shop.example.test] campus is blocked"
    assert (document["type"], document["source"], document["more"]) == ("failure", "wcsync", 0)
    assert document["troubles"] == [
        {
            "event": "began",
            "kind": "service",
            "key": "service/campus",
            "occurrence": 1,
            "title": "campus is blocked",
            "detail": "it does not accept the token",
            "advice": "Mend it.",
            "since": "2026-11-21T12:00:00.000000Z",
            "until": None,
            "duration_s": None,
        }
    ]


def test_an_end_is_told_as_a_success_with_its_length(hook: Hook) -> None:
    over = news(turn=Turn.ENDED, detail="", advice="", until=T0 + timedelta(minutes=40))
    document = json.loads(post(hook, over).body)
    assert (document["type"], document["troubles"][0]["duration_s"]) == ("success", 2400)


def test_of_many_rows_the_first_are_listed_and_the_rest_are_counted(hook: Hook) -> None:
    rows = [news(kind=Kind.DEAD, key=f"dead/campus/42/{n}", title=f"order {n}") for n in range(300)]
    document = json.loads(post(hook, *rows).body)
    assert (len(document["troubles"]), document["more"]) == (20, 280)
    assert "300 enrolments were given up" in document["title"]
    assert "… and 280 more" in document["body"]


def test_the_idempotency_key_is_the_document_s_own_id(hook: Hook) -> None:
    request = post(hook)
    assert request.headers["idempotency-key"] == json.loads(request.body)["id"]


def test_a_token_is_sent_as_a_bearer(hook: Hook) -> None:
    assert post(hook, token=TOKEN).headers["authorization"] == f"Bearer {TOKEN}"


def test_a_token_in_another_header_is_sent_as_it_is(hook: Hook) -> None:
    request = post(hook, token=TOKEN, token_header="X-Api-Key")
    assert request.headers["x-api-key"] == TOKEN
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        pytest.param("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None, id="standard form"),
        pytest.param("just a text", b"just a text", id="text"),
    ],
)
def test_a_signature_verifies_as_standard_webhooks_say(secret: str, key: bytes | None, hook: Hook) -> None:
    request = post(hook, signing_secret=secret)
    key = key or base64.b64decode(secret.removeprefix("whsec_"))
    message_id, sent_at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    expected = hmac.new(key, f"{message_id}.{sent_at}.".encode() + request.body, sha256).digest()
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert sent_at == str(int(T0.timestamp()))


STATUSES: list[Any] = [
    pytest.param(401, ServiceBlocked, "token", id="401"),
    pytest.param(403, ServiceBlocked, "does not let us in", id="403"),
    pytest.param(404, ServiceBlocked, "nothing at this url", id="404"),
    pytest.param(410, ServiceBlocked, "removed", id="410"),
    pytest.param(302, ServiceBlocked, "redirects", id="302"),
    pytest.param(400, PermanentError, "another kind of document", id="400"),
    pytest.param(422, PermanentError, "another kind of document", id="422"),
    pytest.param(429, TransientError, "too many requests", id="429"),
    pytest.param(500, TransientError, "an error inside it", id="500"),
    pytest.param(503, TransientError, "unavailable", id="503"),
]


@pytest.mark.parametrize(("status", "kind", "words"), STATUSES)
def test_a_status_means(status: int, kind: type[WcsyncError], words: str, hook: Hook) -> None:
    hook.reply = Response(status=status, headers={"Location": "https://elsewhere.example.test/x"})
    error = refuse(hook)
    assert isinstance(error, kind)
    assert words in str(error)


def test_a_page_of_html_with_status_200_is_no_hook(hook: Hook) -> None:
    hook.faults.add(Fault(kind="html200"))
    error = refuse(hook)
    assert isinstance(error, PermanentError)
    assert "web page" in str(error)


def test_a_short_answer_called_html_is_taken_as_slack_gives_it(hook: Hook) -> None:
    hook.reply = Response.html("ok")
    post(hook)
