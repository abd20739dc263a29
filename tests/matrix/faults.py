"""Every way a call can fail, as the client's side of the wire meets it; what becomes of the request at the far side;
and what is right to follow."""

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import Never

import httpcore
import httpx

from wcsync.sandbox.exchange import HTML_TYPE, JSON_TYPE, Response
from wcsync.sandbox.faults import MAINTENANCE_PAGE, PHP_WARNING, Spoiling, spoil

CONNECT_S, SILENCE_S, WHOLE_S = 10.0, 30.0, 60.0
"""The client's own limits, by its defaults: for a connection, between two bytes, for a whole answer."""
HUGE = 50 * 1024 * 1024
PIECE = b" " * 1024 * 1024
PAGE = "<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>"
ELSEWHERE = "https://elsewhere.example.test/"


class Effect(StrEnum):
    """Whether the far side did as it was asked: not at all, before the client gave up, or seconds after that."""

    NONE = "none"
    DONE = "done"
    LATE = "late"


class Follows(StrEnum):
    """What is right to follow.

    `RETRY`: the same is asked again by itself, and no service counts as blocked. `STOP`: the service is left alone as
    blocked, people are told, and it is asked again seldom. `EITHER`: one or the other, by what else the service says.
    `THROUGH`: the answer says what it should, whatever is odd about it. In no case is a sale given up.
    """

    RETRY = "retry"
    STOP = "stop"
    EITHER = "either"
    THROUGH = "through"


@dataclass(frozen=True, kw_only=True)
class Struck:
    """One call that a fault meets: when, and what the far side would have answered (None: it did not act)."""

    request: httpx.Request
    now: datetime
    response: Response | None
    pass_time: Callable[[float], None]

    @property
    def body(self) -> bytes:
        return self.response.body if self.response is not None else b""


Strike = Callable[[Struck], httpx.Response]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One way to fail. `strike` answers or raises as the network library would. `asked_s`: how long the far side asks
    to be left alone. `late_s`: after so long the request takes effect."""

    name: str
    follows: Follows
    strike: Strike
    effect: Effect = Effect.NONE
    asked_s: float | None = None
    late_s: float = 0.0
    heavy: bool = False


@dataclass
class Cut(httpx.SyncByteStream):
    """A body that breaks off."""

    pieces: list[bytes]
    error: Callable[[], Exception] | None = None

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error is not None:
            raise self.error()


def answer(struck: Struck, response: Response, **headers: str) -> httpx.Response:
    """As it comes over the wire, with the far side's time."""
    sent = {"Date": format_datetime(struck.now, usegmt=True), **response.headers, **headers}
    return httpx.Response(response.status, headers=sent, content=response.body)


# -- no answer -----------------------------------------------------------------------------------------------
def _chained(outer: Exception, *causes: Exception) -> Exception:
    """As httpx raises: its own exception, from httpcore's, from the socket's."""
    link = outer
    for cause in causes:
        link.__cause__ = cause
        link = cause
    return outer


def _raising(make: Callable[[], Exception], after_s: float = 0.0) -> Strike:
    def strike(struck: Struck) -> Never:
        struck.pass_time(after_s)
        raise make()

    return strike


def _refused() -> Exception:
    cause = ConnectionRefusedError(111, "Connection refused")
    return _chained(httpx.ConnectError(str(cause)), httpcore.ConnectError(cause), cause)


def _unknown_host() -> Exception:
    cause = socket.gaierror(-2, "Name or service not known")
    return _chained(httpx.ConnectError(str(cause)), httpcore.ConnectError(cause), cause)


def _no_connection() -> Exception:
    return _chained(httpx.ConnectTimeout("timed out"), httpcore.ConnectTimeout("timed out"))


def _untrusted() -> Exception:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed: certificate has expired")
    cause.verify_code, cause.verify_message = 10, "certificate has expired"
    return _chained(httpx.ConnectError(str(cause)), httpcore.ConnectError(cause), cause)


def _handshake() -> Exception:
    cause = ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure")
    cause.reason = "SSLV3_ALERT_HANDSHAKE_FAILURE"
    return _chained(httpx.ConnectError(str(cause)), httpcore.ConnectError(cause), cause)


def _reset() -> Exception:
    cause = ConnectionResetError(104, "Connection reset by peer")
    return _chained(httpx.ReadError(str(cause)), httpcore.ReadError(cause), cause)


def _broken_pipe() -> Exception:
    cause = BrokenPipeError(32, "Broken pipe")
    return _chained(httpx.WriteError(str(cause)), httpcore.WriteError(cause), cause)


def _closed() -> Exception:
    text = "Server disconnected without sending a response."
    return _chained(httpx.RemoteProtocolError(text), httpcore.RemoteProtocolError(text))


def _incomplete() -> Exception:
    text = "peer closed connection without sending complete message body (received 7 bytes, expected 14)"
    return _chained(httpx.RemoteProtocolError(text), httpcore.RemoteProtocolError(text))


def _silence() -> Exception:
    return _chained(httpx.ReadTimeout("timed out"), httpcore.ReadTimeout("timed out"))


# -- half an answer ------------------------------------------------------------------------------------------
def _half(make: Callable[[], Exception] | None, after_s: float = 0.0) -> Strike:
    def strike(struck: Struck) -> httpx.Response:
        assert struck.response is not None
        struck.pass_time(after_s)
        sent = {"Date": format_datetime(struck.now, usegmt=True), **struck.response.headers}
        half = struck.body[: len(struck.body) // 2]
        return httpx.Response(struck.response.status, headers=sent, stream=Cut([half], make))

    return strike


def _cut_gzip(struck: Struck) -> httpx.Response:
    assert struck.response is not None
    zipped = gzip.compress(struck.body or PHP_WARNING)
    sent = {**struck.response.headers, "Content-Encoding": "gzip"}
    return httpx.Response(struck.response.status, headers=sent, stream=Cut([zipped[: len(zipped) // 2]]))


def _no_gzip(struck: Struck) -> httpx.Response:
    assert struck.response is not None
    sent = {**struck.response.headers, "Content-Encoding": "gzip"}
    return httpx.Response(
        struck.response.status, headers=sent, stream=Cut([b"\x00no gzip at all" + struck.body])
    )


def _huge(struck: Struck) -> httpx.Response:
    pieces = [b"[", *[PIECE] * (HUGE // len(PIECE)), b"]"]
    return httpx.Response(200, headers={"Content-Type": JSON_TYPE}, stream=Cut(pieces))


# -- another answer ------------------------------------------------------------------------------------------
def _spoilt(kind: Spoiling) -> Strike:
    def strike(struck: Struck) -> httpx.Response:
        assert struck.response is not None
        return answer(struck, spoil(kind, struck.response))

    return strike


def _html200(struck: Struck) -> httpx.Response:
    return answer(struck, Response.html(PAGE))


def _warned_html(struck: Struck) -> httpx.Response:
    """The warning alone, as a fatal error in the middle leaves it."""
    return answer(struck, Response.html(PHP_WARNING.decode()))


def _nothing_counted(struck: Struck) -> httpx.Response:
    """`[]`, though the headers count rows."""
    counted = {"X-WP-Total": "9", "X-WP-TotalPages": "3"}
    return answer(struck, Response.json([], headers=counted))


def _other_type(kind: str) -> Strike:
    def strike(struck: Struck) -> httpx.Response:
        assert struck.response is not None
        headers = {**struck.response.headers, "Content-Type": kind}
        return answer(struck, Response(status=struck.response.status, headers=headers, body=struck.body))

    return strike


def _status(status: int, body: str = "", **headers: str) -> Strike:
    text = body or f"<html><body><center><h1>{status}</h1></center></body></html>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda struck: answer(struck, Response.html(text, status=status, headers=named))


def _too_many(after: Callable[[datetime], str | None]) -> Strike:
    def strike(struck: Struck) -> httpx.Response:
        asked = after(struck.now)
        headers = {} if asked is None else {"Retry-After": asked}
        return answer(struck, Response.json({"code": "rate_limited"}, status=429, headers=headers))

    return strike


def _in_two_minutes(now: datetime) -> str:
    return format_datetime(now + timedelta(seconds=120), usegmt=True)


def _long_ago(now: datetime) -> str:
    return format_datetime(now - timedelta(days=900), usegmt=True)


LONGEST_ASKED_S = 6 * 3600.0
"""What an absurd `Retry-After` is cut to."""

WAITS: Mapping[str, tuple[Callable[[datetime], str | None], float]] = {
    "in seconds": (lambda _now: "120", 120.0),
    "as a date": (_in_two_minutes, 119.0),
    "absent": (lambda _now: None, 0.0),
    "1e9": (lambda _now: "1000000000", LONGEST_ASKED_S),
    "negative": (lambda _now: "-5", 0.0),
    "long past": (_long_ago, 0.0),
    "text": (lambda _now: "after the weekend", 0.0),
}


def _no_answer() -> Iterator[Trouble]:
    retry, done = Follows.RETRY, Effect.DONE
    yield Trouble(name="refused", follows=retry, strike=_raising(_refused))
    yield Trouble(name="DNS failure", follows=retry, strike=_raising(_unknown_host))
    yield Trouble(name="connect time-out", follows=retry, strike=_raising(_no_connection, CONNECT_S))
    yield Trouble(name="certificate expired", follows=Follows.STOP, strike=_raising(_untrusted))
    yield Trouble(name="TLS handshake", follows=retry, strike=_raising(_handshake))
    yield Trouble(name="reset before it acted", follows=retry, strike=_raising(_reset))
    yield Trouble(name="reset while sending", follows=retry, strike=_raising(_broken_pipe))
    yield Trouble(name="reset after it acted", follows=retry, strike=_raising(_reset), effect=done)
    yield Trouble(name="closed after it acted", follows=retry, strike=_raising(_closed), effect=done)
    yield Trouble(name="read time-out before it acted", follows=retry, strike=_raising(_silence, SILENCE_S))
    yield Trouble(
        name="read time-out after it acted", follows=retry, strike=_raising(_silence, SILENCE_S), effect=done
    )
    for late_s in (2.0, 25.0):
        yield Trouble(
            name=f"late effect, {late_s:.0f} s",
            follows=retry,
            strike=_raising(_silence, SILENCE_S),
            effect=Effect.LATE,
            late_s=late_s,
        )
    yield Trouble(
        name="late effect, reset", follows=retry, strike=_raising(_reset), effect=Effect.LATE, late_s=50
    )


def _bad_answers() -> Iterator[Trouble]:
    retry, done = Follows.RETRY, Effect.DONE
    yield Trouble(name="reset in the answer", follows=retry, strike=_half(_reset), effect=done)
    yield Trouble(name="slow drip", follows=retry, strike=_half(_silence, WHOLE_S), effect=done)
    yield Trouble(name="truncated", follows=retry, strike=_half(_incomplete), effect=done)
    yield Trouble(name="truncated, no length", follows=retry, strike=_half(None), effect=done)
    yield Trouble(name="gzip cut", follows=retry, strike=_cut_gzip, effect=done)
    yield Trouble(name="no gzip", follows=retry, strike=_no_gzip, effect=done)
    yield Trouble(name="50 MB", follows=retry, strike=_huge, effect=done, heavy=True)
    yield Trouble(name="200 HTML", follows=retry, strike=_html200)
    yield Trouble(name="200 HTML after it acted", follows=retry, strike=_html200, effect=done)
    yield Trouble(name="PHP warning in front", follows=retry, strike=_spoilt("php_warning"), effect=done)
    yield Trouble(name="PHP warning alone", follows=retry, strike=_warned_html)
    yield Trouble(name="200 [], counted", follows=retry, strike=_nothing_counted)
    yield Trouble(name="200 empty", follows=retry, strike=_spoilt("empty"), effect=done)
    yield Trouble(name="other JSON", follows=retry, strike=_spoilt("wrong_type"), effect=done)
    yield Trouble(name="invalid UTF-8", follows=retry, strike=_spoilt("invalid_utf8"), effect=done)
    for kind in ("text/plain", HTML_TYPE):
        name = f"called {kind.partition(';')[0]}"
        yield Trouble(name=name, follows=Follows.THROUGH, strike=_other_type(kind), effect=done)


def _statuses() -> Iterator[Trouble]:
    yield Trouble(name="301", follows=Follows.STOP, strike=_status(301, Location=ELSEWHERE))
    for status in (400, 401, 403, 404, 409, 413, 422):
        yield Trouble(name=str(status), follows=Follows.EITHER, strike=_status(status))
    for name, (after, asked_s) in WAITS.items():
        yield Trouble(
            name=f"429, wait {name}", follows=Follows.RETRY, strike=_too_many(after), asked_s=asked_s
        )
    for status in (500, 502, 504):
        yield Trouble(name=str(status), follows=Follows.RETRY, strike=_status(status))
        name = f"{status} after it acted"
        yield Trouble(name=name, follows=Follows.RETRY, strike=_status(status), effect=Effect.DONE)
    maintenance = _status(503, MAINTENANCE_PAGE, Retry_After="600")
    yield Trouble(name="503 HTML", follows=Follows.RETRY, strike=maintenance, asked_s=600.0)


TROUBLES: tuple[Trouble, ...] = (*_no_answer(), *_bad_answers(), *_statuses())
