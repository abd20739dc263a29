"""Whatever is told of trouble: a letter has our headers and one body, and a chat rings for nobody."""

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from hypothesis import example, given

from tests.channels import alert_message, news
from tests.fakes import FakeClock
from tests.hostile import LONG, examples, texts, unseen
from wcsync.http import Service
from wcsync.mappers.alerts import Kind, News
from wcsync.model import Message
from wcsync.notify.mail import Mail
from wcsync.notify.smtp import Server
from wcsync.notify.web import WebCall

HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding",
]  # fmt: skip


def told(text: str) -> tuple[News, ...]:
    return (
        news(title=text, detail=text, advice=text, key=text),
        news(title=text, detail=text, kind=Kind.PARKED, key=f"parked/{text}"),
    )


def letter(message: Message, named: str) -> bytes:
    way = Mail(
        server=Server(name="mail", host="127.0.0.1", port=25, security="none"),
        sender="wcsync@shop.example.test",
        to=("ops@shop.example.test",),
        instance=named,
        host=named,
        clock=FakeClock(),
    )
    return way._write(message)


def document(message: Message, named: str) -> bytes:
    way = WebCall(
        name="chat",
        service="chat",
        http=Service("chat"),
        url="",
        instance=named,
        host=named,
        clock=FakeClock(),
    )
    way.close()
    return json.dumps(way._document(message, "msg_1")).encode()


@examples(20)
@given(text=texts(surrogates=True))
@example(text="=?utf-8?q?=0ABcc:?=")
@example(text="=?utf-8?b?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGUudGVzdA==?=")
def test_a_letter_has_our_headers_and_no_others(text: str) -> None:
    content = letter(alert_message(*told(text)), text)
    read = message_from_bytes(content, _class=EmailMessage, policy=default)
    assert sorted(read.keys()) == sorted(HEADERS)
    assert content.isascii()
    assert read["To"] == "ops@shop.example.test"
    assert unseen(str(read["Subject"]), allowed="") == []
    assert unseen(read.get_content(), allowed="\r\n") == []
    assert not read.defects


@examples(20)
@given(text=texts(surrogates=True))
def test_a_web_call_rings_for_nobody_and_links_nowhere(text: str) -> None:
    content = document(alert_message(*told(text)), text)
    assert content.isascii()
    read = json.loads(content)
    for key in ("text", "title", "body"):
        assert unseen(read[key]) == []
        assert not set(read[key]) & set("<>@")
        assert "](" not in read[key]
    for trouble in read["troubles"]:
        assert unseen(trouble["title"] + trouble["detail"] + trouble["advice"], allowed="") == []


def test_a_megabyte_becomes_a_line_that_people_read() -> None:
    for text in ("x" * LONG, "a@b." * LONG, "\r\n" * LONG):
        message = alert_message(news(title=text, detail=text, advice=text))
        assert len(letter(message, "shop")) < 20_000
        assert len(document(message, "shop")) < 20_000
