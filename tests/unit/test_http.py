"""The HTTP client against a server on loopback that misbehaves byte by byte."""

import contextlib
import gzip
import logging
import socket
import ssl
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import stamina
import trustme
from freezegun import freeze_time

from tests.loopback import (
    OK,
    Loopback,
    Script,
    answer,
    drip,
    leave,
    reset,
    stay_silent,
    then_leave,
    then_reset,
)
from wcsync.errors import ConfigError, ServiceBlocked, TransientError, WcsyncError
from wcsync.http import Outgoing, Reply, Service
from wcsync.retry import LONGEST_ASKED_WAIT_S

SECRET = "cs_c0ffee5ecret"


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def serve() -> Iterator[Callable[..., Loopback]]:
    with contextlib.ExitStack() as stack:

        def start(*scripts: bytes | Script, tls: ssl.SSLContext | None = None) -> Loopback:
            server = Loopback(*scripts, tls=tls)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def reach() -> Iterator[Callable[..., Service]]:
    with contextlib.ExitStack() as stack:

        def open_service(
            *, timeout_s: float = 5.0, ca_file: Path | None = None, max_body_bytes: int = 1 << 20
        ) -> Service:
            service = Service("shop", timeout_s=timeout_s, ca_file=ca_file, max_body_bytes=max_body_bytes)
            stack.callback(service.close)
            return service

        yield open_service


Serve = Callable[..., Loopback]
Reach = Callable[..., Service]


def outgoing(url: str) -> Outgoing:
    return Outgoing(
        method="GET",
        url=f"{url}/orders?consumer_secret={SECRET}",
        headers={"authorization": f"Basic {SECRET}"},
    )


def fetch(service: Service, url: str) -> Reply:
    return service.fetch(lambda: outgoing(url))


def send(service: Service, url: str) -> Reply:
    return service.send(
        lambda: Outgoing(method="POST", url=f"{url}/x?token={SECRET}", content=f"token={SECRET}".encode())
    )


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_answer_comes_with_status_headers_body_and_the_servers_clock(serve: Serve, reach: Reach) -> None:
    server = serve(answer("404 Not Found", b"{}", ("Date: Sat, 21 Nov 2026 19:00:00 GMT", "X-WP-Total: 3")))
    reply = fetch(reach(), server.url)
    assert (reply.status, reply.content, reply.headers["x-wp-total"]) == (404, b"{}", "3")
    assert reply.server_time == datetime(2026, 11, 21, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Fri, 01 Jan 2026 00:00:00 +99999999999999999999"],
    ids=["empty", "words", "endless-zone"],
)
def test_an_unreadable_server_clock_is_no_clock(serve: Serve, reach: Reach, date: str) -> None:
    server = serve(answer(headers=(f"Date: {date}",)))
    assert fetch(reach(), server.url).server_time is None


def test_five_calls_share_one_connection(serve: Serve, reach: Reach) -> None:
    server, service = serve(OK), reach()
    for _ in range(5):
        fetch(service, server.url)
    assert (len(server.requests), server.connections) == (5, 1)


def test_a_connection_that_was_closed_while_idle_is_replaced(serve: Serve, reach: Reach) -> None:
    server, service = serve(then_leave(OK), OK), reach()
    fetch(service, server.url)
    time.sleep(0.05)
    assert send(service, server.url).content == b"ok"


@pytest.mark.parametrize("breaks", [reset, leave, then_leave(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")],
                         ids=["reset", "closed", "cut"])  # fmt: skip
def test_a_shaky_connection_is_tried_again_with_a_freshly_prepared_request(
    serve: Serve, reach: Reach, breaks: Script
) -> None:
    prepared: list[int] = []
    server, service = serve(breaks, breaks, OK), reach()

    def prepare() -> Outgoing:
        prepared.append(len(prepared))
        return Outgoing(method="GET", url=f"{server.url}/?nonce={len(prepared)}")

    assert service.fetch(prepare).content == b"ok"
    assert [request.split()[1] for request in server.requests] == [b"/?nonce=1", b"/?nonce=2", b"/?nonce=3"]


def test_fetch_gives_up_after_three_tries(serve: Serve, reach: Reach) -> None:
    server = serve(reset)
    with pytest.raises(TransientError, match="broke off"):
        fetch(reach(), server.url)
    assert len(server.requests) == 3


@pytest.mark.parametrize(("took_s", "tries"), [(20.0, 3), (55.0, 1)])
def test_what_breaks_off_late_is_not_waited_for_three_times(took_s: float, tries: int) -> None:
    with freeze_time() as clock:

        def break_off(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            clock.tick(took_s)
            raise httpx.ReadError("broken off")

        asked: list[httpx.Request] = []
        service = Service("shop", transport=httpx.MockTransport(break_off))
        with pytest.raises(TransientError, match="broke off"):
            fetch(service, "https://shop.example.test")
    assert len(asked) == tries


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "429 Slow"])
def test_an_answer_that_says_no_is_not_asked_again_at_once(serve: Serve, reach: Reach, status: str) -> None:
    server = serve(answer(status))
    with pytest.raises(TransientError):
        fetch(reach(), server.url)
    assert len(server.requests) == 1


def test_silence_is_not_waited_for_three_times(serve: Serve, reach: Reach) -> None:
    server = serve(stay_silent)
    with pytest.raises(TransientError, match="did not answer in time"):
        fetch(reach(timeout_s=0.1), server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize("breaks", [reset, leave], ids=["reset", "closed"])
def test_send_is_sent_once_whatever_happens(serve: Serve, reach: Reach, breaks: Script) -> None:
    server = serve(breaks, OK)
    with pytest.raises(TransientError):
        send(reach(), server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("script", "lost"),
    [
        (reset, True),
        (leave, True),
        (stay_silent, True),
        (b"nonsense\r\n\r\n", True),
        (then_leave(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), True),
        (answer(body=b"x" * 2000), True),
        (answer("500 Oops"), True),
        (answer("502 Bad Gateway"), True),
        (answer("503 Busy"), True),
        (answer("504 Late"), True),
        (answer("429 Slow"), False),
        (answer("408 Sleepy"), False),
    ],
    ids=["reset", "closed", "silence", "nonsense", "cut", "huge", "500", "502", "503", "504", "429", "408"],
)
def test_send_says_when_the_far_side_may_have_acted(
    serve: Serve, reach: Reach, script: bytes | Script, lost: bool
) -> None:
    server = serve(script)
    with pytest.raises(TransientError) as caught:
        send(reach(timeout_s=0.3, max_body_bytes=1000), server.url)
    assert caught.value.answer_lost is lost


def test_an_error_the_caller_asked_for_is_an_answer_like_any_other(serve: Serve, reach: Reach) -> None:
    server = serve(answer("500 Oops", b"half of it was done"), answer("502 Gone"))
    service = reach()
    reply = service.send(lambda: Outgoing(method="POST", url=server.url), answered={500})
    assert (reply.status, reply.content) == (500, b"half of it was done")
    with pytest.raises(TransientError) as caught:
        service.send(lambda: Outgoing(method="POST", url=server.url), answered={500})
    assert caught.value.answer_lost


def test_what_was_never_sent_is_not_lost(reach: Reach) -> None:
    with pytest.raises(TransientError) as caught:
        send(reach(), f"http://127.0.0.1:{unused_port()}")
    assert (caught.value.answer_lost, caught.value.whole_service) == (False, True)


@pytest.mark.parametrize("script", [reset, stay_silent, answer("500 Oops")], ids=["reset", "silence", "500"])
def test_fetch_never_speaks_of_a_lost_answer(serve: Serve, reach: Reach, script: bytes | Script) -> None:
    server = serve(script)
    with pytest.raises(TransientError) as caught:
        fetch(reach(timeout_s=0.2), server.url)
    assert not caught.value.answer_lost


@pytest.mark.parametrize(
    ("script", "whole"),
    [
        (answer("500 Oops"), False),
        (answer("504 Late"), False),
        (stay_silent, False),
        (reset, False),
        (answer("502 Bad Gateway"), True),
        (answer("503 Busy"), True),
        (answer("521 Down"), True),
        (answer("429 Slow"), True),
    ],
    ids=["500", "504", "silence", "reset", "502", "503", "521", "429"],
)
def test_only_trouble_one_call_cannot_cause_alone_is_the_services(
    serve: Serve, reach: Reach, script: bytes | Script, whole: bool
) -> None:
    server = serve(script)
    with pytest.raises(TransientError) as caught:
        send(reach(timeout_s=0.2), server.url)
    assert caught.value.whole_service is whole


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sat, 21 Nov 2026 19:10:00 GMT", 600.0),
        ("Sat, 21 Nov 2026 18:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2099 18:00:00 GMT", LONGEST_ASKED_WAIT_S),
        ("9" * 400, LONGEST_ASKED_WAIT_S),
        ("-5", None),
        ("1e3", None),
        ("soon", None),
        ("Sat, 21 Nov 2026 19:10:00 +99999999999999999999", None),
    ],
    ids=["seconds", "blanks", "none", "date", "past", "far", "endless", "negative", "float", "word", "zone"],
)
def test_the_wait_the_far_side_asks_for_is_read_and_bounded(
    serve: Serve, reach: Reach, retry_after: str, seconds: float | None
) -> None:
    headers = ("Date: Sat, 21 Nov 2026 19:00:00 GMT", f"Retry-After: {retry_after}")
    server = serve(answer("503 Busy", headers=headers))
    with pytest.raises(TransientError) as caught:
        fetch(reach(), server.url)
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (f"https://joe:{SECRET}@www.shop.test/a?key={SECRET}", "redirects to https://www.shop.test;"),
        (f"/wp-login.php?u={SECRET}", "redirects to another page of its own;"),
        (f"https://[{SECRET}", "redirects to an unreadable address;"),
        ("", "redirects to another page of its own;"),
    ],
    ids=["other-host", "own-page", "garbage", "nowhere"],
)
def test_a_redirect_is_never_followed_and_shown_without_path_or_query(
    serve: Serve, reach: Reach, location: str, shown: str
) -> None:
    server = serve(answer("302 Found", headers=(f"Location: {location}",)))
    with pytest.raises(ServiceBlocked, match=shown) as caught:
        fetch(reach(), server.url)
    assert SECRET not in str(caught.value)
    assert len(server.requests) == 1


def test_a_dripping_body_ends_at_the_deadline(serve: Serve, reach: Reach) -> None:
    server = serve(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b"x" * 500))
    began = time.monotonic()
    with pytest.raises(TransientError, match="in time"):
        fetch(reach(timeout_s=0.3), server.url)
    assert 0.5 < time.monotonic() - began < 3


def test_dripping_headers_end_at_the_deadline(serve: Serve, reach: Reach) -> None:
    server = serve(drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x" * 500))
    began = time.monotonic()
    with pytest.raises(TransientError, match="in time"):
        fetch(reach(timeout_s=0.3), server.url)
    assert 0.5 < time.monotonic() - began < 3


def test_a_slow_answer_within_the_deadline_is_read_to_its_end(serve: Serve, reach: Reach) -> None:
    server = serve(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", b"slowly"))
    assert fetch(reach(timeout_s=5), server.url).content == b"slowly"


def test_a_deadline_does_not_reach_into_the_next_call(serve: Serve, reach: Reach) -> None:
    server, service = serve(OK), reach(timeout_s=0.2)
    fetch(service, server.url)
    time.sleep(0.5)
    assert fetch(service, server.url).content == b"ok"


def test_an_answer_larger_than_allowed_is_not_kept(serve: Serve, reach: Reach) -> None:
    server = serve(answer(body=b"x" * 5000))
    with pytest.raises(TransientError, match="more than 1000 bytes"):
        fetch(reach(max_body_bytes=1000), server.url)


def test_a_small_answer_that_unzips_to_a_huge_one_is_not_kept(serve: Serve, reach: Reach) -> None:
    server = serve(answer(body=gzip.compress(b"x" * 3_000_000), headers=("Content-Encoding: gzip",)))
    with pytest.raises(TransientError, match="more than 1000000 bytes"):
        fetch(reach(max_body_bytes=1_000_000), server.url)


def test_an_answer_that_was_zipped_twice_is_not_unzipped_at_all(serve: Serve, reach: Reach) -> None:
    """A gigabyte fits into 1 KB that way: unzipping the outer layer alone would already be too much."""
    bomb = gzip.compress(gzip.compress(b"x" * 100_000_000, 9), 9)
    server = serve(answer(body=bomb, headers=("Content-Encoding: gzip, gzip",)))
    tracemalloc.start()
    with pytest.raises(TransientError, match="damaged"):
        fetch(reach(max_body_bytes=1_000_000), server.url)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000 + len(bomb)
    tracemalloc.stop()


def test_of_a_chunk_that_unzips_to_too_much_only_the_beginning_is_unzipped(
    serve: Serve, reach: Reach
) -> None:
    bomb = gzip.compress(b"x" * 60_000_000, 9)
    server = serve(answer(body=bomb, headers=("Content-Encoding: gzip",)))
    tracemalloc.start()
    with pytest.raises(TransientError, match="more than 1000000 bytes"):
        fetch(reach(max_body_bytes=1_000_000), server.url)
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


def test_a_zip_whose_end_is_missing_is_damaged_however_long_it_says_it_is(serve: Serve, reach: Reach) -> None:
    cut = gzip.compress(b"plain" * 99)[:-12]
    server = serve(answer(body=cut, headers=("Content-Encoding: gzip",)))
    with pytest.raises(TransientError, match="damaged"):
        fetch(reach(), server.url)


def test_a_zipped_answer_is_unzipped(serve: Serve, reach: Reach) -> None:
    server = serve(answer(body=gzip.compress(b"plain"), headers=("Content-Encoding: gzip",)))
    assert fetch(reach(), server.url).content == b"plain"


@pytest.mark.parametrize(
    "body", [b"not zipped at all", gzip.compress(b"plain" * 99)[:-6] + b"damage"], ids=["plain", "checksum"]
)
def test_a_damaged_zip_is_trouble_that_may_pass(serve: Serve, reach: Reach, body: bytes) -> None:
    server = serve(answer(body=body, headers=("Content-Encoding: gzip",)))
    with pytest.raises(TransientError, match="damaged"):
        fetch(reach(), server.url)


def test_a_zip_cut_short_is_not_taken_for_the_whole(serve: Serve, reach: Reach) -> None:
    whole = gzip.compress(b"plain" * 99)
    server = serve(then_leave(answer(body=whole[:9], headers=("Content-Encoding: gzip",), length=len(whole))))
    with pytest.raises(TransientError, match="broke off"):
        fetch(reach(), server.url)


def test_cookies_are_not_kept(serve: Serve, reach: Reach) -> None:
    server, service = serve(answer(headers=("Set-Cookie: session=1; Path=/",))), reach()
    fetch(service, server.url)
    fetch(service, server.url)
    assert b"cookie" not in server.requests[1].lower()


def test_no_proxy_is_taken_from_the_environment(
    serve: Serve, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    assert fetch(reach(), serve(OK).url).content == b"ok"


def test_no_password_is_taken_from_a_netrc(
    serve: Serve, reach: Reach, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joe password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(OK)
    reach().fetch(lambda: Outgoing(method="GET", url=server.url))
    assert b"authorization" not in server.requests[0].lower()


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


def secured(ca: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    return context


def test_a_private_ca_is_trusted_when_given(
    serve: Serve, reach: Reach, ca: trustme.CA, ca_file: Path
) -> None:
    server = serve(OK, tls=secured(ca))
    assert fetch(reach(ca_file=ca_file), server.url).content == b"ok"


def test_a_certificate_of_an_unknown_ca_blocks_the_service_at_the_first_try(
    serve: Serve, reach: Reach, ca: trustme.CA
) -> None:
    server = serve(OK, tls=secured(ca))
    with pytest.raises(ServiceBlocked, match=r"certificate is not accepted.*set ca_file"):
        fetch(reach(), server.url)
    assert server.connections == 1


def test_a_certificate_for_another_host_blocks_the_service(
    serve: Serve, reach: Reach, ca: trustme.CA, ca_file: Path
) -> None:
    server = serve(OK, tls=secured(ca, "other.test"))
    with pytest.raises(ServiceBlocked, match="certificate"):
        fetch(reach(ca_file=ca_file), server.url)


def test_a_port_that_speaks_no_tls_is_told_from_a_bad_certificate(reach: Reach, serve: Serve) -> None:
    server = serve(OK)

    def speak_plain(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server._answer = speak_plain  # type: ignore[method-assign]  # no request to wait for: it never comes
    with pytest.raises(TransientError, match="no TLS connection came about"):
        fetch(reach(), f"https://127.0.0.1:{server.port}")


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "not-pem"])
def test_a_ca_file_that_cannot_be_used_is_a_mistake_in_the_config(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="ca_file"):
        Service("shop", ca_file=path)


def test_a_host_without_a_name_says_so(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransientError, match="host name is unknown"):
        fetch(reach(), "http://shop.invalid")


def test_a_host_behind_a_closed_firewall_says_so(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", wait)
    with pytest.raises(TransientError, match="firewall open to this machine") as caught:
        send(reach(), "http://192.0.2.1")
    assert not caught.value.answer_lost


@pytest.mark.parametrize(
    ("unsendable", "says"),
    [
        (Outgoing(method="GET", url=f"ftp://shop.test/?k={SECRET}"), "must begin with https"),
        (Outgoing(method="GET", url=f"shop.test/?k={SECRET}"), "must begin with https"),
        (Outgoing(method="GET", url=f"http://shop.test:port/?k={SECRET}"), "cannot be sent"),
        (
            Outgoing(method="GET", url="http://127.0.0.1:9", headers={"x-key": f"{SECRET}\r\n"}),
            "cannot be sent",
        ),
        (Outgoing(method="GET", url="http://127.0.0.1:9", headers={"x-key": f"ñ{SECRET}"}), "cannot be sent"),
    ],
    ids=["ftp", "no-scheme", "port", "line-end-in-key", "accent-in-key"],
)
def test_what_cannot_be_sent_blocks_the_service_without_showing_it(
    serve: Serve, reach: Reach, unsendable: Outgoing, says: str
) -> None:
    if unsendable.headers:
        unsendable = Outgoing(method="GET", url=serve(OK).url, headers=unsendable.headers)
    with pytest.raises(ServiceBlocked, match=says) as caught:
        reach().fetch(lambda: unsendable)
    assert SECRET not in everything_said_by(caught.value)


@pytest.mark.parametrize(
    "script",
    [
        reset,
        leave,
        stay_silent,
        then_reset(f"HTTP/1.1 200 OK\r\nX-{SECRET}".encode()),
        f"{SECRET} nonsense\r\n\r\n".encode(),
        answer("200 OK", headers=(f"X Bad {SECRET}: 1",)),
        answer("200 OK", SECRET.encode(), headers=("Content-Encoding: gzip",)),
        answer("500 Oops", SECRET.encode()),
        answer("302 Found", headers=(f"Location: https://x.test/{SECRET}?{SECRET}",)),
        answer(body=SECRET.encode() * 100),
    ],
    ids=["reset", "closed", "silence", "cut", "nonsense", "header", "zip", "500", "redirect", "huge"],
)
def test_no_failure_shows_a_key_in_its_text_its_causes_or_the_log(
    serve: Serve, reach: Reach, caplog: pytest.LogCaptureFixture, script: bytes | Script
) -> None:
    caplog.set_level(logging.DEBUG)
    server, service = serve(script), reach(timeout_s=0.2, max_body_bytes=1000)
    with pytest.raises(WcsyncError) as fetched:
        fetch(service, server.url)
    with pytest.raises(WcsyncError) as sent:
        send(service, server.url)
    said = everything_said_by(fetched.value) + everything_said_by(sent.value) + caplog.text
    assert SECRET not in said
    assert "consumer_secret" not in said


def test_a_success_logs_no_address(serve: Serve, reach: Reach, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fetch(reach(), serve(OK).url)
    assert caplog.text == ""


def test_the_cause_of_a_failure_is_named_by_kind(serve: Serve, reach: Reach) -> None:
    with pytest.raises(TransientError) as caught:
        fetch(reach(), f"http://127.0.0.1:{unused_port()}")
    assert "ConnectError < " in str(caught.value.__cause__)
    assert "ConnectionRefusedError" in str(caught.value.__cause__)


def test_neither_request_nor_reply_shows_its_contents(serve: Serve, reach: Reach) -> None:
    server = serve(
        answer(body=SECRET.encode(), headers=(f"Link: <https://x.test/?consumer_secret={SECRET}>",))
    )
    request = Outgoing(
        method="GET", url=f"{server.url}/?{SECRET}", headers={"x": SECRET}, content=SECRET.encode()
    )
    assert SECRET not in repr(request) + repr(reach().fetch(lambda: request))


def test_threads_share_a_service_and_keep_their_own_deadlines(serve: Serve, reach: Reach) -> None:
    contents: list[bytes] = []
    server, service = serve(OK), reach(timeout_s=2)

    def work() -> None:
        contents.extend(fetch(service, server.url).content for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents == [b"ok"] * 40
    assert server.connections <= 4


def everything_said_by(exc: BaseException) -> str:
    """All that a log with a traceback, or a person with a debugger, would see of an error and its chain."""
    said, links = [], [exc]
    for link in links:
        said += [str(link), repr(link), repr(link.args), repr(vars(link))]
        links += [other for other in (link.__cause__, link.__context__) if other and other not in links]
    return "\n".join([*said, *traceback.format_exception(exc)])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_address_from_elsewhere_leads_to_no_machine_of_ours(serve: Serve, host: str) -> None:
    server = serve(OK)
    with (
        contextlib.closing(Service("pictures", timeout_s=2, home="campus.example.test")) as service,
        pytest.raises(ServiceBlocked, match="private network"),
    ):
        service.fetch(lambda: Outgoing(method="GET", url=f"http://{host}:{server.port}/latest/meta-data"))
    assert server.requests == []


def test_an_lms_of_our_own_network_may_show_its_pictures(serve: Serve) -> None:
    server = serve(OK)
    with contextlib.closing(Service("pictures", timeout_s=2, home="127.0.0.1")) as service:
        assert service.fetch(lambda: Outgoing(method="GET", url=server.url)).content == b"ok"
