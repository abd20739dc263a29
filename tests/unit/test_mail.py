"""Alerts by e-mail against an SMTP server that misbehaves."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.channels import alert_message, news
from tests.fakes import T0, FakeClock
from tests.smtp import DROP, SmtpServer
from wcsync.errors import PermanentError, ServiceBlocked, TransientError, WcsyncError
from wcsync.model import Message
from wcsync.notify.base import Delivery
from wcsync.notify.mail import PATIENCE, Mail
from wcsync.notify.smtp import Server

ANA, BEN = "ana@example.test", "ben@example.test"
PASSWORD = "smtp_c0ffee"


@pytest.fixture
def post() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def mail(post: SmtpServer, to: tuple[str, ...] = (ANA,), **settings: Any) -> Mail:
    usual: dict[str, Any] = {"name": "alert mail", "host": "127.0.0.1", "port": post.port, "security": "none"}
    server = Server(**usual | {"timeout_s": 5.0} | settings)
    return Mail(
        server=server,
        sender="wcsync@shop.example.test",
        to=to,
        instance="shop.example.test",
        host="box",
        clock=FakeClock(),
    )


def secured(security: str, tls: ssl.SSLContext) -> SmtpServer:
    login = ("ana", PASSWORD)
    return SmtpServer(tls=tls, login=login) if security == "tls" else SmtpServer(starttls=tls, login=login)


def deliver(way: Mail, message: Message | None = None) -> Delivery:
    return way.deliver(message or alert_message(), lambda: None)


def refuse(way: Mail, message: Message | None = None) -> WcsyncError:
    with pytest.raises(WcsyncError) as caught:
        deliver(way, message)
    return caught.value


def test_a_letter_says_what_is_wrong_to_all_recipients(post: SmtpServer) -> None:
    deliver(mail(post, (ANA, BEN)))
    [letter] = post.letters
    assert (letter.sender, letter.to) == ("wcsync@shop.example.test", (ANA, BEN))
    assert letter.message["Subject"] == "[wcsync shop.example.test] campus is blocked"
    assert letter.message["Auto-Submitted"] == "auto-generated"
    assert "campus is blocked since 2026-11-21 12:00 UTC." in letter.text


def test_a_letter_keeps_every_character_and_is_ascii_on_the_way(post: SmtpServer) -> None:
    deliver(mail(post), alert_message(news(title="Übung für Núñez ✓ is down")))
    [letter] = post.letters
    assert letter.content.isascii()
    assert "Übung für Núñez ✓ is down" in letter.message["Subject"]
    assert "Übung für Núñez ✓ is down" in letter.text


def test_no_text_from_elsewhere_can_add_a_header_or_end_the_letter(post: SmtpServer) -> None:
    evil = "campus\r\nBcc: eve@example.test\r\n\r\nhello\r\n.\r\nMAIL FROM:<eve@example.test>"
    deliver(mail(post), alert_message(news(title=evil, detail=f".\r\n{evil}")))
    [letter] = post.letters
    assert letter.message["Bcc"] is None
    assert set(letter.message) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    }  # fmt: skip
    assert "eve@example.test" not in letter.text
    assert post.verbs.count("MAIL") == 1


def test_a_repeat_has_the_same_message_id_and_another_message_another(post: SmtpServer) -> None:
    for message in (alert_message(), alert_message(), alert_message(number=2)):
        deliver(mail(post), message)
    first, repeat, other = (letter.message["Message-ID"] for letter in post.letters)
    assert first == repeat != other
    assert first.endswith("@shop.example.test>")


def test_two_shops_never_use_the_same_message_id(post: SmtpServer) -> None:
    one, other = mail(post), mail(post)
    other.instance = "other.example.test"
    deliver(one)
    deliver(other)
    assert len({letter.message["Message-ID"] for letter in post.letters}) == 2


def test_a_letter_that_comes_late_says_so(post: SmtpServer) -> None:
    way = mail(post)
    way.clock = FakeClock(T0 + timedelta(hours=5))
    deliver(way)
    assert "is of 2026-11-21 12:00 UTC and could not be sent earlier" in post.letters[0].text


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_private_ca_secures_the_way(security: str, server_tls: ssl.SSLContext, ca_file: Path) -> None:
    with secured(security, server_tls) as post:
        deliver(mail(post, security=security, ca_file=ca_file, user="ana", password=PASSWORD))
        assert [(letter.secured, letter.user) for letter in post.letters] == [(True, "ana")]


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_an_unknown_ca_is_refused_before_anything_is_said(security: str, server_tls: ssl.SSLContext) -> None:
    with secured(security, server_tls) as post:
        error = refuse(mail(post, security=security, user="ana", password=PASSWORD))
        assert isinstance(error, ServiceBlocked)
        assert "set ca_file" in str(error)
        assert not {"AUTH", "MAIL"} & set(post.verbs)


def test_without_starttls_nothing_is_sent_in_clear() -> None:
    with SmtpServer(login=("ana", PASSWORD)) as post:
        error = refuse(mail(post, security="starttls", user="ana", password=PASSWORD))
        assert isinstance(error, ServiceBlocked)
        assert "offers no STARTTLS" in str(error)
        assert "AUTH" not in post.verbs


def test_tls_at_a_plain_port_says_which_setting_is_wrong(post: SmtpServer, ca_file: Path) -> None:
    error = refuse(mail(post, security="tls", ca_file=ca_file))
    assert isinstance(error, ServiceBlocked)
    assert 'set security to "starttls"' in str(error)


def test_a_refused_password_blocks_the_way_and_is_not_shown() -> None:
    with SmtpServer(login=("ana", PASSWORD)) as post:
        error = refuse(mail(post, user="ana", password="wrong_c0ffee"))
        assert isinstance(error, ServiceBlocked)
        assert "does not accept user and password (535 5.7.8 wrong" in str(error)
        assert "wrong_c0ffee" not in str(error)


def test_a_server_without_login_says_so(post: SmtpServer) -> None:
    error = refuse(mail(post, user="ana", password=PASSWORD))
    assert isinstance(error, ServiceBlocked)
    assert "offers no login" in str(error)


def test_a_password_beyond_ascii_is_a_mistake_of_the_config() -> None:
    with SmtpServer(login=("ana", PASSWORD)) as post:
        error = refuse(mail(post, user="ana", password="ñandú_ñandú"))
        assert isinstance(error, ServiceBlocked)
        assert "ASCII" in str(error)


ANSWERS: list[Any] = [
    pytest.param("GREET", "554 no service for you", ServiceBlocked, "at the door", id="refused at the door"),
    pytest.param("GREET", "421 too busy", TransientError, "for now", id="busy at the door"),
    pytest.param("GREET", DROP, TransientError, "broke off", id="dropped at the door"),
    pytest.param("MAIL", "550 not your address", ServiceBlocked, "correct sender", id="sender refused"),
    pytest.param("MAIL", "451 later", TransientError, "for now", id="sender put off"),
    pytest.param("MAIL", "552 too large", PermanentError, "too large", id="too large"),
    pytest.param("RCPT", "550 no such user", ServiceBlocked, "refuses every recipient", id="nobody there"),
    pytest.param("RCPT", "554 relay denied", ServiceBlocked, "hand mail in with user", id="no relay"),
    pytest.param("RCPT", "451 greylisted", TransientError, "put off for now", id="greylisted"),
    pytest.param("RCPT", "421 closing", TransientError, "for now", id="closing"),
    pytest.param("RCPT", DROP, TransientError, "broke off", id="dropped before the letter"),
    pytest.param("DATA", "451 not now", TransientError, "just now", id="letter put off"),
    pytest.param("END", "452 disk full", TransientError, "just now", id="letter not stored"),
    pytest.param("END", "554 looks like spam", PermanentError, "refuses the message", id="letter refused"),
]


@pytest.mark.parametrize(("verb", "answer", "kind", "words"), ANSWERS)
def test_an_answer_means(
    verb: str, answer: str, kind: type[WcsyncError], words: str, post: SmtpServer
) -> None:
    post.answers[verb].append(answer)
    error = refuse(mail(post))
    assert type(error) is kind
    assert words in str(error)
    assert not post.letters
    assert not getattr(error, "answer_lost", False)


@pytest.mark.parametrize("verb", ["DATA", "END"])
def test_a_connection_lost_with_the_letter_on_its_way_is_a_lost_answer(verb: str, post: SmtpServer) -> None:
    post.answers[verb].append(DROP)
    error = refuse(mail(post))
    assert isinstance(error, TransientError)
    assert error.answer_lost


def test_a_letter_that_was_taken_stays_taken_whatever_comes_after(post: SmtpServer) -> None:
    post.answers["QUIT"].append(DROP)
    assert deliver(mail(post)) is Delivery.SENT


def test_one_unknown_recipient_keeps_the_letter_from_nobody_else(post: SmtpServer) -> None:
    post.answers[f"RCPT {ANA}"].append("550 5.1.1 <ana@example.test>: user unknown")
    with capture_logs() as logs:
        assert deliver(mail(post, (ANA, BEN))) is Delivery.SENT
    assert post.letters[0].to == (BEN,)
    [line] = logs
    assert line["event"] == "recipient_refused"
    assert "entry 1 of `to`" in line["hint"]
    assert ANA not in str(line)


def test_who_was_put_off_is_tried_again_alone(post: SmtpServer) -> None:
    way = mail(post, (ANA, BEN))
    post.answers[f"RCPT {ANA}"].append("451 greylisted, come back")
    error = refuse(way)
    assert isinstance(error, TransientError)
    assert error.answer_lost
    assert deliver(way) is Delivery.SENT
    assert [letter.to for letter in post.letters] == [(BEN,), (ANA,)]


def test_who_is_refused_after_all_does_not_block_a_way_that_works_for_others(post: SmtpServer) -> None:
    way = mail(post, (ANA, BEN))
    post.answers[f"RCPT {ANA}"].extend(["451 come back", "550 no such user"])
    refuse(way)
    assert deliver(way) is Delivery.SENT


def test_a_mailbox_that_stays_full_does_not_keep_later_letters_from_the_others(post: SmtpServer) -> None:
    way = mail(post, (ANA, BEN))
    post.answers[f"RCPT {ANA}"].extend(["452 4.2.2 over quota"] * 20)
    refuse(way)
    with capture_logs() as logs:
        assert deliver(way, replace(alert_message(), attempts=PATIENCE)) is Delivery.SENT
    assert [letter.to for letter in post.letters] == [(BEN,)]
    [line] = logs
    assert line["event"] == "recipient_refused"
    assert "entry 1 of `to`" in line["hint"]
    assert ANA not in str(line)


def test_a_letter_that_nobody_has_is_not_given_up_with_those_who_are_put_off(post: SmtpServer) -> None:
    post.answers[f"RCPT {ANA}"].append("452 4.2.2 over quota")
    assert isinstance(refuse(mail(post), replace(alert_message(), attempts=PATIENCE)), TransientError)


@pytest.mark.parametrize("last", ["550 no such user either", "452 4.2.2 over quota"], ids=["refused", "full"])
def test_a_letter_that_every_recipient_refused_one_after_the_other_was_not_sent(
    last: str, post: SmtpServer
) -> None:
    way = mail(post, (ANA, BEN))
    post.answers[f"RCPT {ANA}"].append("550 no such user")
    post.answers[f"RCPT {BEN}"].extend(["451 come back", last])
    refuse(way)
    error = refuse(way, replace(alert_message(), attempts=PATIENCE))
    assert isinstance(error, ServiceBlocked if last.startswith("550") else TransientError)
    assert post.letters == []
    assert deliver(way) is Delivery.SENT


def test_what_this_process_delivered_is_not_sent_again(post: SmtpServer) -> None:
    way = mail(post)
    assert [deliver(way), deliver(way)] == [Delivery.SENT, Delivery.ALREADY]
    assert len(post.letters) == 1


def test_the_next_message_goes_to_everybody_again(post: SmtpServer) -> None:
    way = mail(post, (ANA, BEN))
    deliver(way)
    deliver(way, alert_message(number=2))
    assert [letter.to for letter in post.letters] == [(ANA, BEN), (ANA, BEN)]


def test_nothing_is_announced_for_nobody(post: SmtpServer) -> None:
    post.answers["RCPT"].append("451 greylisted")
    with pytest.raises(TransientError):
        mail(post).deliver(alert_message(), unexpected)


def unexpected() -> None:
    raise AssertionError("nothing is to be sent")


def test_a_host_that_is_not_there_is_an_outage() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    error = refuse(mail_at(port))
    assert isinstance(error, TransientError)
    assert error.whole_service
    assert f"port {port}" in str(error)


def test_a_silent_server_is_given_up_after_the_time_out() -> None:
    with SmtpServer(slow=True) as post:
        error = refuse(mail(post, timeout_s=0.2))
        assert isinstance(error, TransientError)
        assert error.whole_service
        assert 'set security to "tls"' in str(error)


def test_a_server_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wcsync.notify.smtp.LONGEST_TALK", 1)
    with drip() as port:
        error = refuse(mail_at(port, timeout_s=0.3))
    assert isinstance(error, TransientError)
    assert not error.answer_lost


def mail_at(port: int, **settings: Any) -> Mail:
    with SmtpServer() as other:
        return mail(other, **{"port": port} | settings)


@contextlib.contextmanager
def drip() -> Iterator[int]:
    """A server whose greeting never comes to its end: a byte at a time, each in time."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                while not over.wait(0.05):
                    connection.sendall(b"2")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    over.set()
    thread.join(5)
    listener.close()
