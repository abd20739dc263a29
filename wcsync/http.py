"""The one HTTP client both sides use: one kept-open connection pool per service, time-outs, sizes, errors.

Requests go straight to httpx's transport. Its client on top of that would follow redirects, which may carry keys to
another host; keep cookies, with which a shop queues our threads; and believe proxies and a .netrc of the account we run
under, which would see the keys. All that switched off, it would still cost a third of a poll's CPU. Nothing raised here
quotes a URL's query, a header or a body, nor does anything in its chain of causes.
"""

import errno
import logging
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast

import httpx
import stamina
from stamina.instrumentation import set_on_retry_hooks

from wcsync import outages
from wcsync.connections import InsideError, KeptConnections, trust
from wcsync.errors import Finding, ServiceBlocked, TransientError, WcsyncError
from wcsync.pulse import breathe
from wcsync.retry import LONGEST_ASKED_WAIT_S
from wcsync.times import parse_http_date

DEFAULT_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
OUT_OF_HANDLES = {errno.EMFILE, errno.ENFILE}
MAX_BODY_BYTES = 32 * 1024 * 1024
QUICK_TRIES = 3
QUICK_S = 45.0
"""Of its tries, none begins later than so long after the first."""
HEADERS = {"accept": "*/*", "accept-encoding": "gzip", "connection": "keep-alive", "user-agent": "wcsync"}
GZIP = zlib.MAX_WBITS | 16

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
    answer may take twice that. `home`: the addresses to be called come from somebody else, and of those within this
    machine or a private network only this host's are; None where they are our own. Raises ConfigError for a `ca_file`
    that cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        ca_file: Path | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        home: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.name = name
        self._timeout_s = timeout_s
        self._ca_given = ca_file is not None
        self._max_body_bytes = max_body_bytes
        self._timeouts = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)).as_dict()
        self._transport = transport or KeptConnections(trust(ca_file), home)

    def fetch(self, prepare: Callable[[], Outgoing]) -> Reply:
        """Sends a request that changes nothing, up to three times within seconds while the way to it is shaky.

        `prepare` is called for every try, so that a signature is never used twice.
        Raises: TransientError, ServiceBlocked.
        """
        began = time.monotonic()
        try:
            return self._exchange(prepare(), may_act=False)
        except _ShakyError as exc:
            left_s = began + QUICK_S - time.monotonic()
            if left_s <= 0:
                raise
            return self._fetch_again(prepare, exc, left_s)

    def send(self, prepare: Callable[[], Outgoing], *, answered: Collection[int] = ()) -> Reply:
        """Sends a request that may change something: once. A lost answer says so (`answer_lost`).

        A status from `answered` is an answer too, which the caller reads: the far side is no longer at work on it.
        Raises: TransientError, ServiceBlocked.
        """
        return self._exchange(prepare(), may_act=True, answered=answered)

    def close(self) -> None:
        self._transport.close()

    def _fetch_again(self, prepare: Callable[[], Outgoing], first: "_ShakyError", left_s: float) -> Reply:
        """After a `first` try that failed, which counts as one. Stamina costs a third of a poll's CPU, and nearly every
        first try goes through."""
        failed = [first]
        for attempt in stamina.retry_context(
            on=_ShakyError, attempts=QUICK_TRIES, timeout=left_s, wait_max=2.0
        ):
            with attempt:
                if failed:
                    raise failed.pop()
                return self._exchange(prepare(), may_act=False)
        raise AssertionError("unreachable: the last try returns or raises")

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
        request = httpx.Request(
            outgoing.method,
            outgoing.url,
            headers=HEADERS | {name.lower(): value for name, value in outgoing.headers.items()},
            content=outgoing.content,
            extensions={"timeout": self._timeouts, "deadline": time.monotonic() + 2 * self._timeout_s},
        )
        with closing(self._transport.handle_request(request)) as response:
            return Reply(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                content=self._body(response),
            )

    def _body(self, response: httpx.Response) -> bytes:
        """The body, unzipped. httpx's own way would unzip a chunk whole, and as many times as the answer says."""
        zipped = _is_zipped(response.headers.get("content-encoding", ""))
        unzip = zlib.decompressobj(GZIP) if zipped else None
        body, limit = bytearray(), self._max_body_bytes
        for chunk in cast("httpx.SyncByteStream", response.stream):
            body += chunk if unzip is None else _unzipped(unzip, chunk, limit + 1 - len(body))
            if len(body) > limit:
                raise _TooMuchError
        if unzip is not None and body and not unzip.eof:
            raise httpx.DecodingError("cut short")
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
        if _first(exc, InsideError) is not None:
            return self._blocked(outages.LEADS_INSIDE)
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


def _is_zipped(encodings: str) -> bool:
    """Raises DecodingError for what was zipped more than once: nobody does so for a good reason."""
    times = sum(name.strip().lower() in {"gzip", "x-gzip"} for name in encodings.split(","))
    if times > 1:
        raise httpx.DecodingError("zipped more than once")
    return times == 1


def _unzipped(unzip: "zlib._Decompress", chunk: bytes, most: int) -> bytes:
    try:
        return unzip.decompress(chunk, most)
    except zlib.error as exc:
        raise httpx.DecodingError(str(exc)) from exc


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
