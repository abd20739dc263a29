"""A fake site in a process of its own: fast, slowed down at will, and counting. It checks no keys.

`python -m benchmarks.server KIND SETTINGS` prints its port, serves on loopback and ends when its stdin does, so that
it cannot outlive whoever started it.
"""

import json
import os
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from io import BufferedIOBase
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from benchmarks.campus import Campus
from benchmarks.courses import Courses
from benchmarks.exchange import Answer, Request
from benchmarks.shelf import Shelf
from benchmarks.shop import Shop
from benchmarks.stats import Answered, Stats

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found"}


class Behaviour(Protocol):
    """What a kind of site does. Called by many threads at once."""

    def answer(self, request: Request) -> Answer: ...

    def forget(self) -> None:
        """Goes back to how it began."""

    def fill(self, stats: Stats) -> None:
        """Adds what this kind of site counts besides."""


class Counter:
    """Counts what goes in and out. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self._stats = Stats()

    def reset(self) -> None:
        with self._lock:
            self._stats = Stats()

    def came_in(self, *, new_connection: bool) -> None:
        with self._lock:
            self._in_flight += 1
            self._stats.connections += new_connection
            self._stats.requests += 1
            self._stats.max_in_flight = max(self._stats.max_in_flight, self._in_flight)

    def went_out(self, kind: str) -> None:
        with self._lock:
            self._in_flight -= 1
            answers, now = self._stats.answers, time.monotonic()
            if kind in answers:
                answers[kind].count += 1
                answers[kind].last_at = now
            else:
                answers[kind] = Answered(count=1, first_at=now, last_at=now)

    def read(self) -> Stats:
        with self._lock:
            return msgspec.json.decode(msgspec.json.encode(self._stats), type=Stats)


class Loopback(socketserver.ThreadingTCPServer):
    """Serves one behaviour. `/control` sets latency and zeroes all, `/pace` sets latency alone, `/stats` tells."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.behaviour = behaviour
        self.counter = Counter()
        self.latency_s = 0.0
        self.item_s = 0.0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def manage(self, request: Request) -> Answer | None:
        """The answer to a request that is about the site; None if it is for the site."""
        match request.path:
            case "/control":
                self._set_pace(request)
                self.behaviour.forget()
                self.counter.reset()
                return Answer(kind="control", body=b"{}")
            case "/pace":
                self._set_pace(request)
                return Answer(kind="pace", body=b"{}")
            case "/stats":
                stats = self.counter.read()
                self.behaviour.fill(stats)
                return Answer(kind="stats", body=msgspec.json.encode(stats))
        return None

    def _set_pace(self, request: Request) -> None:
        self.latency_s = float(request.query["latency_s"])
        self.item_s = float(request.query.get("item_s", 0))


class _Conversation(socketserver.StreamRequestHandler):
    """One kept-open connection."""

    server: Loopback
    disable_nagle_algorithm = True

    def handle(self) -> None:
        known = False
        with suppress(ConnectionError):
            while (request := _read(self.rfile)) is not None:
                managed = self.server.manage(request)
                if managed is not None:
                    self.wfile.write(_render(managed))
                    continue
                self.server.counter.came_in(new_connection=not known)
                known = True
                self._serve(request)

    def _serve(self, request: Request) -> None:
        answer = Answer(kind="failed", status=404)
        try:
            if self.server.latency_s:
                time.sleep(self.server.latency_s)
            answer = self.server.behaviour.answer(request)
            if self.server.item_s and answer.items:
                time.sleep(self.server.item_s * answer.items)
            self.wfile.write(_render(answer))
        finally:
            self.server.counter.went_out(answer.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    target: str
    length: int


def _read(stream: BufferedIOBase) -> Request | None:
    """The next request; None when the other side is done."""
    head = _read_head(stream)
    if head is None:
        return None
    parts = urlsplit(head.target)
    return Request(
        path=parts.path,
        query=dict(parse_qsl(parts.query)),
        body=stream.read(head.length) if head.length else b"",
    )


def _read_head(stream: BufferedIOBase) -> _Head | None:
    words = stream.readline().split()
    if len(words) != 3:
        return None
    length = 0
    while (line := stream.readline()) not in {b"\r\n", b""}:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return _Head(target=words[1].decode(), length=length)


def _render(answer: Answer) -> bytes:
    head = [
        f"HTTP/1.1 {answer.status} {REASONS[answer.status]}",
        f"Date: {formatdate(usegmt=True)}",
        "Server: nginx",
        "Content-Type: application/json; charset=UTF-8",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-cache, must-revalidate, max-age=0, no-store, private",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
        "\r\n",
    ]
    return "\r\n".join(head).encode() + answer.body


def main() -> None:
    kind, settings = sys.argv[1], json.loads(sys.argv[2])
    kinds: dict[str, Callable[..., Behaviour]] = {
        "shop": Shop,
        "shelf": Shelf,
        "campus": Campus,
        "courses": Courses,
    }
    behaviour = kinds[kind](**settings)
    server = Loopback(behaviour)
    print(server.port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)  # threads may still hold connections that nobody needs any more


if __name__ == "__main__":
    main()
