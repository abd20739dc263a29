"""A server on loopback that misbehaves byte by byte, in clear or over TLS."""

import socket
import ssl
import struct
import time
from collections.abc import Callable

from tests.listening import Listening

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[[socket.socket], None]


class Loopback(Listening):
    """The n-th request over all connections is answered by the n-th script, the last one stays."""

    def __init__(self, *scripts: bytes | Script, tls: ssl.SSLContext | None = None) -> None:
        self.scripts = list(scripts)
        self.tls = tls
        self.requests: list[bytes] = []
        super().__init__()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        if self.tls is None:
            self._answer(connection)
        else:
            with self.tls.wrap_socket(connection, server_side=True) as secured:
                self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        while request := read_request(connection):
            self.requests.append(request)
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            if callable(script):
                script(connection)
                return
            connection.sendall(script)


def read_request(connection: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65536)
        if not piece:
            return b""
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.partition(b":")[2]):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(
    status: str = "200 OK", body: bytes = b"", headers: tuple[str, ...] = (), length: int | None = None
) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def leave(connection: socket.socket) -> None:
    """Closes politely, without a word."""


def stay_silent(connection: socket.socket) -> None:
    connection.recv(1)


def then_leave(sent: bytes) -> Script:
    return lambda connection: connection.sendall(sent)


def then_reset(sent: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(sent)
        time.sleep(0.02)
        reset(connection)

    return script


def drip(at_once: bytes, slowly: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(at_once)
        for place in range(len(slowly)):
            connection.sendall(slowly[place : place + 1])
            time.sleep(0.05)

    return script
