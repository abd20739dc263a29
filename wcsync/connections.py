"""Connections that are kept open, keep to a deadline, and trust none but those they should."""

import functools
import math
import ssl
import threading
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import httpcore
import httpx

from wcsync.errors import ConfigError, Problem

KEEPALIVE_S = 120.0

_IN_THE_LAST_32_BITS = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
"""Where an IPv6 address is an IPv4 one written otherwise: compatible, mapped, translated, NAT64 (RFC 6052)."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""Prefixes for NAT64 that each network may divide as it likes (RFC 8215)."""
_NOWHERE = IPv4Address(0)


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


class InsideError(httpcore.ConnectError):
    """An address that somebody else named leads into this machine or a private network."""


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: _Deadline, home: str | None) -> None:
        self._deadline = deadline
        self._home = home

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        limit_s = self._deadline.cut(timeout)
        inner = super().connect_tcp(host, port, limit_s, local_address, socket_options)
        if self._home not in {None, host} and not is_public(inner.get_extra_info("server_addr")[0]):
            inner.close()  # by the address that was reached: what a name means may change between two looks
            raise InsideError
        return _Stream(inner, self._deadline)


class KeptConnections(httpx.HTTPTransport):
    """httpx's own transport over a pool that keeps to deadlines (httpx lets nobody pass the pool in).

    A request says by its extension `deadline` when it must be over, by the monotonic clock. `home`: as in `Service`.
    """

    def __init__(self, trusted: ssl.SSLContext, home: str | None = None) -> None:
        super().__init__(verify=trusted)
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted,
            max_connections=None,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_Backend(self._deadline, home),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._deadline.at = request.extensions["deadline"]
        return super().handle_request(request)


def is_public(address: str) -> bool:
    """Whether that address, of either kind, lies outside of this machine and of every private network.

    One that carries an IPv4 address is a way to that one: it is judged by what it carries.
    """
    found = ip_address(address.partition("%")[0])
    carried = _carried(found) if isinstance(found, IPv6Address) else ()
    return all(_lies_outside(one) for one in carried or (found,))


def _lies_outside(address: IPv4Address | IPv6Address) -> bool:
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not address.is_multicast and not site_local


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses in it; none: it is no other way to write or to reach one."""
    if address in _LOCAL_NAT64:
        return _translated(int(address))
    if address.teredo is not None:
        return address.teredo
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if any(address in network for network in _IN_THE_LAST_32_BITS):
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return ()


def _translated(number: int) -> tuple[IPv4Address, ...]:
    """What a translator with a prefix of 48, 56, 64 or 96 bits would read; which length is used there nobody tells.

    https://www.rfc-editor.org/rfc/rfc6052#section-2.2
    """
    bits = f"{number:0128b}"
    texts = (bits[48:64] + bits[72:88], bits[56:64] + bits[72:96], bits[72:104], bits[96:])
    found = [IPv4Address(int(text, 2)) for text in texts]
    return tuple(one for one in found if one.packed[0]) or (_NOWHERE,)


@functools.cache
def trust(ca_file: Path | None) -> ssl.SSLContext:
    """The public CAs and, besides, `ca_file`'s. Loading them takes 60 ms, so each set is loaded once.

    The environment has no say: neither SSL_CERT_FILE, which would put other CAs in their place, nor SSLKEYLOGFILE,
    which would have every key of a connection written down. Raises ConfigError.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.keylog_filename = None  # type: ignore[assignment]  # typeshed knows of no way to end it
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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
