"""A loopback HTTP server for the sandbox: remembers what it was asked, and fails on demand."""

import contextlib
import socket
import ssl
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from wcsync.sandbox.exchange import Recorded, Request, Response
from wcsync.sandbox.faults import Fault, Faults, answer_instead, spoil
from wcsync.times import Clock

__all__ = ["Fault", "Faults", "Recorded", "Request", "Response", "SandboxServer"]

Manner = Literal["whole", "half", "drip", "close", "reset"]
STOP_TIMEOUT_S = 10.0


class SandboxServer(ABC):
    """Serves `handle()` on loopback, HTTP/1.1 with kept-open connections, one thread per connection.

    `requests` lists every request in order of its answer; `connections` counts those ever accepted;
    `concurrent_peak` is the largest number of requests that were being worked on at once.
    `item_limit`: after so many items of a batch the server's program dies, where `handle()` knows batches.
    `tells_time` False: without the `Date` header, as behind some proxies.
    `faults` fail on demand; `latency_s` holds up every request. `lock` guards what `handle()` works on.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        latency_s: float = 0.0,
    ) -> None:
        self.clock: Clock = clock or _utc_now
        self.faults = Faults()
        self.requests: list[Recorded] = []
        self.connections = 0
        self.concurrent_peak = 0
        self.latency_s = latency_s
        self.tells_time = True
        self.item_limit: int | None = None
        self.lock = threading.RLock()
        self._tls = tls
        self._port = port
        self._listener: _Listener | None = None
        self._stopping = threading.Event()
        self._counters = threading.Lock()
        self._in_flight = 0
        self._late: list[threading.Timer] = []

    @property
    def in_flight(self) -> int:
        """How many requests are being worked on now."""
        return self._in_flight

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """Answers one request from the state alone; called with `lock` held."""

    @property
    def url(self) -> str:
        """Where it answers, without a trailing slash. The port is known from the first `start()` on."""
        assert self._port, "start() the server first"
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> Self:
        assert self._listener is None, "already started"
        self._stopping.clear()
        self._listener = _Listener(self, self._port, self._tls)
        self._port = self._listener.server_port
        return self

    def stop(self) -> None:
        """Closes every connection and ends every thread at once; drops effects still to come. Safe to repeat."""
        self.stop_answering()
        for timer in self._late:
            timer.cancel()
        self.wait_for_late_effects()

    def stop_answering(self) -> None:
        """Breaks every connection and refuses new ones until `resume()`. Late effects still happen."""
        self._stopping.set()
        if self._listener is not None:
            self._listener.close_all()
            self._listener = None

    def resume(self) -> None:
        """Answers again, on the same port."""
        self.start()

    def wait_for_late_effects(self) -> None:
        """Returns when no late effect is pending any more."""
        while self._late:
            timer = self._late.pop()
            timer.join(STOP_TIMEOUT_S)
            assert not timer.is_alive(), "a late effect did not come to an end"

    def __enter__(self) -> Self:
        return self.start() if self._listener is None else self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, request: Request) -> "Delivery":
        """Works off one request, fault included, and records it. For the connection's thread."""
        with self._counting():
            fault = self.faults.take(request)
            self._pause(self.latency_s)
            delivery = self._act(request, fault)
            self.requests.append(
                Recorded(
                    request=request,
                    status=delivery.response.status if delivery.response else None,
                    at=self.clock(),
                    fault=fault.kind if fault else None,
                )
            )
        return delivery

    def pause(self, seconds: float) -> None:
        """Waits, but not longer than the server lives. For the connection's thread."""
        self._pause(seconds)

    def count_connection(self) -> None:
        with self._counters:
            self.connections += 1

    def _act(self, request: Request, fault: Fault | None) -> "Delivery":
        if fault is None:
            return Delivery(response=self._handle(request))
        instead = answer_instead(fault)
        if instead is not None:
            return Delivery(response=instead)
        match fault.kind:
            case "reset_before":
                return Delivery(manner="reset")
            case "late_effect":
                self._act_later(request, fault.seconds)
                return Delivery(manner="close")
            case "halfway":
                return Delivery(response=self._handle_part(request, fault.items))
            case "delay_before":
                self._pause(fault.seconds)
        return self._deliver(self._handle(request), fault)

    def _deliver(self, response: Response, fault: Fault) -> "Delivery":
        match fault.kind:
            case "reset_after":
                return Delivery(manner="reset")
            case "delay_after":
                self._pause(fault.seconds)
                return Delivery(response=response)
            case "reset_in_body":
                return Delivery(response=response, manner="half")
            case "drip":
                return Delivery(response=response, manner="drip", pause_s=fault.seconds)
            case "php_warning" | "truncated" | "invalid_utf8" | "empty" | "wrong_type":
                return Delivery(response=spoil(fault.kind, response))
        return Delivery(response=response)

    def _handle(self, request: Request) -> Response:
        with self.lock:
            return self.handle(request)

    def _handle_part(self, request: Request, items: int) -> Response:
        with self.lock:
            self.item_limit = items
            try:
                return self.handle(request)
            finally:
                self.item_limit = None

    def _act_later(self, request: Request, seconds: float) -> None:
        timer = threading.Timer(seconds, self._handle, args=(request,))
        timer.daemon = True
        self._late.append(timer)
        timer.start()

    def _pause(self, seconds: float) -> None:
        if seconds > 0 and self._stopping.wait(seconds):
            raise ConnectionAbortedError("the sandbox was stopped")

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        with self._counters:
            self._in_flight += 1
            self.concurrent_peak = max(self.concurrent_peak, self._in_flight)
        try:
            yield
        finally:
            with self._counters:
                self._in_flight -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How an answer goes out: whole, half of it and a reset, byte by byte, or not at all."""

    response: Response | None = None
    manner: Manner = "whole"
    pause_s: float = 0.0


class _Listener(ThreadingHTTPServer):
    """Accepts connections and knows every open one, so that it can break them all at once."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, sandbox: SandboxServer, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.sandbox = sandbox
        self._tls = tls
        self._open: dict[threading.Thread, socket.socket] = {}
        self._open_lock = threading.Lock()
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._accepting.start()

    def server_bind(self) -> None:
        """Binds without the look-up of the host's name that HTTPServer does; a resolver can be slow."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        host, port = self.socket.getsockname()
        self.server_address = self.server_name, self.server_port = host, port

    def close_all(self) -> None:
        self.shutdown()
        self._accepting.join(STOP_TIMEOUT_S)
        self.server_close()
        with self._open_lock:
            still_open = dict(self._open)
        for connection in still_open.values():
            with contextlib.suppress(OSError):  # the other side or its own thread closed it first
                # SSLSocket's own shutdown would pull the TLS state from under the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in still_open:
            thread.join(STOP_TIMEOUT_S)
            assert not thread.is_alive(), "a connection's thread did not come to an end"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.sandbox.count_connection()
        if self._tls is None:
            return connection, address
        try:
            # The handshake waits for the client, so it is left to the connection's own thread.
            tls = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        except OSError:
            connection.close()
            raise
        return tls, address

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._open_lock:
            self._open[thread] = request
        thread.start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            # The client went away or was sent away. Anything else is a bug and ends the thread loudly.
            with contextlib.suppress(OSError):
                if isinstance(connection, ssl.SSLSocket):
                    connection.do_handshake()
                _Connection(connection, address, self)
        finally:
            connection.close()
            with self._open_lock:
                del self._open[threading.current_thread()]


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Says nothing: `requests` is the log."""

    def _serve(self) -> None:
        if "transfer-encoding" in self.headers:
            self.close_connection = True
            self._send(Response.html("Length Required", status=411))
            return
        request = self._request()
        delivery = self.server.sandbox.answer(request)
        if delivery.response is None:
            self._leave(abruptly=delivery.manner == "reset")
        elif delivery.manner == "half":
            self._send(delivery.response, share=0.5)
            self._leave(abruptly=True)
        else:
            self._send(delivery.response, pause_s=delivery.pause_s)

    def _request(self) -> Request:
        # self.path has lost a doubled slash at its start, and some mistakes show in just that.
        path, _, query = self.requestline.split()[1].partition("?")
        return Request(
            method=self.command,
            path=path,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("content-length") or 0)),
            secure=isinstance(self.connection, ssl.SSLSocket),
        )

    def _send(self, response: Response, *, share: float = 1.0, pause_s: float = 0.0) -> None:
        body = b"" if self.command == "HEAD" else response.body
        head = self._head(response)
        if pause_s <= 0:
            self.wfile.write(head + body[: int(len(body) * share)])
            return
        self.wfile.write(head)
        for index in range(len(body)):
            self.wfile.write(body[index : index + 1])
            self.server.sandbox.pause(pause_s)

    def _head(self, response: Response) -> bytes:
        now = self.server.sandbox.clock().astimezone(UTC)
        date = {"Date": format_datetime(now, usegmt=True)} if self.server.sandbox.tells_time else {}
        headers = date | dict(response.headers)
        headers["Content-Length"] = str(len(response.body))
        headers["Connection"] = "close" if self.close_connection else "keep-alive"
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [
            f"HTTP/1.1 {response.status} {phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _leave(self, *, abruptly: bool) -> None:
        self.close_connection = True
        if abruptly:  # lingering for 0 s makes close() send a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _utc_now() -> datetime:
    return datetime.now(UTC)
