"""The one HTTP client both sides use: one kept-open connection pool per service, time-outs, sizes, errors.

Redirects are never followed: a redirect may carry keys to another host, and none of our services sends one on
purpose. Nothing raised here quotes a URL's query, a header or a body, nor does anything in its chain of causes.
"""

import errno
import functools
import logging
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TypeVar

import httpcore
import httpx
import stamina
from stamina.instrumentation import set_on_retry_hooks

from wcsync import outages
from wcsync.errors import ConfigError, Finding, Problem, ServiceBlocked, TransientError, WcsyncError
from wcsync.pulse import breathe
from wcsync.retry import LONGEST_ASKED_WAIT_S
from wcsync.times import parse_http_date

DEFAULT_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 120.0
OUT_OF_HANDLES = {errno.EMFILE, errno.ENFILE}
MAX_BODY_BYTES = 32 * 1024 * 1024
QUICK_TRIES = 3

TOO_MUCH = "too_much"
"""The finding's code where an answer was longer than we read."""

BUSY = frozenset({408, 425, 429})
"""Statuses below 500 that mean: the same call may work later."""

OWN_FAULT = frozenset({500, 501, 504, 505, 524})
"""Statuses that one call alone may cause (a crash on its input, a slow answer). All others from 500 up, and BUSY,
speak for the service as a whole. The difference matters: one row that always gets a 500 must not hold up the rest.
"""

Transport = httpx.BaseTransport
"""What a test may put in the network's place."""

Fault = TypeVar("Fault", bound=BaseException)

set_on_retry_hooks([])  # stamina's own log lines would carry the call's arguments
for chatty in ("httpx", "httpcore"):
    logging.getLogger(chatty).setLevel(logging.WARNING)  # they log whole URLs and headers, keys included


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request ready to go: `url` whole and signed, `content` the body's bytes. Its repr shows no secret."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that was read to its end; from 500 up only where its caller wants it. `headers` has lower-case names.

    Its repr shows neither: shops repeat the keys of a query in their `Link` header.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def server_time(self) -> datetime | None:
        return _instant(self.headers.get("date"))

    @property
    def looks_like_html(self) -> bool:
        return self.content.lstrip()[:1] == b"<" or "text/html" in self.headers.get("content-type", "")


class Redirected(ServiceBlocked):
    """The service sent us elsewhere. `adds_slash`: to the same address with a slash at its end."""

    def __init__(self, message: str, *, finding: Finding, adds_slash: bool) -> None:
        super().__init__(message, finding=finding)
        self.adds_slash = adds_slash


class Service:
    """The way to one remote service. Thread-safe; `close()` when done.

    `name` is how messages call it, as in `shop` or `moodle "campus"`. `timeout_s` is the longest silence; a whole
    answer may take twice that. Raises ConfigError for a `ca_file` that cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        ca_file: Path | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        transport: Transport | None = None,
    ) -> None:
        self.name = name
        self._timeout_s = timeout_s
        self._ca_given = ca_file is not None
        self._max_body_bytes = max_body_bytes
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            transport=transport or _Transport(_trust(ca_file)),
            follow_redirects=False,
            trust_env=False,  # neither a proxy nor a .netrc of the account we run under may see the keys
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # a session would queue our threads
            headers={"user-agent": "wcsync", "accept-encoding": "gzip"},
        )

    def fetch(self, prepare: Callable[[], Outgoing]) -> Reply:
        """Sends a request that changes nothing, up to three times within seconds while the way to it is shaky.

        `prepare` is called for every try, so that a signature is never used twice.
        Raises: TransientError, ServiceBlocked.
        """
        for attempt in stamina.retry_context(on=_ShakyError, attempts=QUICK_TRIES, wait_max=2.0):
            with attempt:
                return self._exchange(prepare(), may_act=False)
        raise AssertionError("unreachable: the last try returns or raises")

    def send(self, prepare: Callable[[], Outgoing], *, answered: Collection[int] = ()) -> Reply:
        """Sends a request that may change something: once. A lost answer says so (`answer_lost`).

        A status from `answered` is an answer too, which the caller reads: the far side is no longer at work on it.
        Raises: TransientError, ServiceBlocked.
        """
        return self._exchange(prepare(), may_act=True, answered=answered)

    def close(self) -> None:
        self._client.close()

    def _exchange(self, outgoing: Outgoing, *, may_act: bool, answered: Collection[int] = ()) -> Reply:
        breathe()
        answer = self._attempt(outgoing, may_act=may_act)
        if isinstance(answer, WcsyncError):
            raise answer
        if answer.status not in answered:
            self._check_status(outgoing, answer, may_act=may_act)
        return answer

    def _attempt(self, outgoing: Outgoing, *, may_act: bool) -> Reply | WcsyncError:
        """The answer, or the error to raise.

        The error is raised outside the handlers below so that the library's exception does not hang on to it as
        its context: that one's text may quote a header or the URL.
        """
        try:
            return self._read(outgoing)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as exc:
            return _caused(self._unsendable(exc), exc)
        except _TooMuchError:
            finding = Finding(
                code=TOO_MUCH, message=f"sent more than {self._max_body_bytes} bytes in one answer"
            )
            return TransientError(f"{self.name}: {finding}", answer_lost=may_act, finding=finding)
        except httpx.HTTPError as exc:
            return _caused(self._transport_error(exc, may_act=may_act), exc)

    def _read(self, outgoing: Outgoing) -> Reply:
        with self._client.stream(
            outgoing.method,
            outgoing.url,
            headers=dict(outgoing.headers),
            content=outgoing.content,
            extensions={"deadline": time.monotonic() + 2 * self._timeout_s},
        ) as response:
            return Reply(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                content=self._body(response),
            )

    def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():  # unzipped, at most 66 MB of it from one chunk of 64 KB
            body += chunk
            if len(body) > self._max_body_bytes:
                raise _TooMuchError
        return bytes(body)

    def _unsendable(self, exc: Exception) -> WcsyncError:
        if isinstance(exc, httpx.UnsupportedProtocol):
            return self._blocked(
                Finding(code="bad_url", message="its url must begin with https:// or http://")
            )
        return self._blocked(
            Finding(
                code="bad_url",
                message="its address or key holds characters that cannot be sent",
                remedy="look for blanks, line ends and accents in the config's url and in the files with the keys",
            )
        )

    def _blocked(self, finding: Finding) -> ServiceBlocked:
        return ServiceBlocked(f"{self.name}: {finding}", finding=finding)

    def _transport_error(self, exc: httpx.HTTPError, *, may_act: bool) -> WcsyncError:
        untrusted = _first(exc, ssl.SSLCertVerificationError)
        if untrusted is not None:
            code, reason = untrusted.verify_code, untrusted.verify_message
            return self._blocked(outages.untrusted(code, reason, ca_given=self._ca_given))
        never_sent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        shaky = isinstance(exc, httpx.NetworkError | httpx.RemoteProtocolError)
        finding = _what_happened(exc)
        return (_ShakyError if shaky else TransientError)(
            f"{self.name}: {finding}",
            answer_lost=may_act and not never_sent,
            whole_service=never_sent,
            finding=finding,
        )

    def _check_status(self, outgoing: Outgoing, reply: Reply, *, may_act: bool) -> None:
        if reply.status >= 500 or reply.status in BUSY:
            finding = outages.in_trouble(reply.status)
            raise TransientError(
                f"{self.name}: {finding}",
                retry_after_s=_retry_after_s(reply),
                answer_lost=may_act and reply.status >= 500,
                whole_service=reply.status not in OWN_FAULT,
                finding=finding,
            )
        if 300 <= reply.status < 400:
            location = reply.headers.get("location", "")
            finding = outages.redirected(location)
            raise Redirected(
                f"{self.name}: {finding}",
                finding=finding,
                adds_slash=outages.adds_slash(outgoing.url, location),
            )


class _ShakyError(TransientError):
    """The connection failed or broke: the same request may work at once."""


class _TooMuchError(Exception):
    pass


class _NetworkFault(Exception):
    """What the network library reported, by the names of its exceptions alone."""


class _Deadline(threading.local):
    """When the calling thread's request must be over; each thread has one request under way at a time."""

    at = math.inf

    def cut(self, timeout_s: float | None) -> float:
        left_s = max(self.at - time.monotonic(), 0.001)  # 0 would mean: do not block at all
        return left_s if timeout_s is None else min(timeout_s, left_s)


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to a deadline. A time-out alone begins anew with every byte that drips in."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.cut(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.cut(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.cut(timeout))
        return _Stream(inner, self._deadline)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        limit_s = self._deadline.cut(timeout)
        return _Stream(
            super().connect_tcp(host, port, limit_s, local_address, socket_options), self._deadline
        )


class _Transport(httpx.HTTPTransport):
    """httpx's own transport over a pool that keeps to deadlines (httpx lets nobody pass the pool in)."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust)
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust,
            max_connections=None,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_Backend(self._deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._deadline.at = request.extensions["deadline"]
        return super().handle_request(request)


@functools.cache
def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """The public CAs and, besides, `ca_file`'s. Loading them takes 60 ms, so each set is loaded once."""
    context = httpx.create_ssl_context()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=str(ca_file))
    except OSError as exc:
        problem = Problem(
            where="ca_file",
            message=f"{ca_file} cannot be read as certificates ({type(exc).__name__})",
            remedy="Give the path of a file in PEM form that this account may read",
        )
        raise ConfigError([problem]) from exc
    return context


def _caused(error: WcsyncError, exc: BaseException) -> WcsyncError:
    error.__cause__ = _NetworkFault(" < ".join(type(link).__name__ for link in _chain(exc)))
    return error


def _chain(exc: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = exc
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _first(exc: BaseException, kind: type[Fault]) -> Fault | None:
    return next((link for link in _chain(exc) if isinstance(link, kind)), None)


def _what_happened(exc: httpx.HTTPError) -> Finding:
    if isinstance(exc, httpx.ConnectTimeout):
        return outages.NO_CONNECTION
    if isinstance(exc, httpx.ConnectError):
        return _why_unreachable(exc)
    if isinstance(exc, httpx.TimeoutException):
        return outages.TIMED_OUT
    if isinstance(exc, httpx.DecodingError):
        return outages.DAMAGED
    return outages.broken_off(type(exc).__name__)


def _why_unreachable(exc: httpx.ConnectError) -> Finding:
    tls = _first(exc, ssl.SSLError)
    if tls is not None:
        return outages.no_tls(tls.reason or "broken off")
    ours = _first(exc, OSError)
    if ours is not None and ours.errno in OUT_OF_HANDLES:
        return outages.NO_HANDLE
    return outages.UNKNOWN_HOST if _first(exc, socket.gaierror) is not None else outages.UNREACHABLE


def _retry_after_s(reply: Reply) -> float | None:
    text = reply.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(float(text), LONGEST_ASKED_WAIT_S)
    date = _instant(text)
    if date is None:
        return None
    wait_s = (date - (reply.server_time or datetime.now(UTC))).total_seconds()
    return min(max(wait_s, 0.0), LONGEST_ASKED_WAIT_S)


def _instant(text: str | None) -> datetime | None:
    try:
        return parse_http_date(text)
    except OverflowError:  # a zone or a year beyond the calendar
        return None
