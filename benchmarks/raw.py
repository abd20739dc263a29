"""The floor: the least a Python process can do with the same bytes. One kept-open socket, one typed decoder, plain
sqlite3."""

import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec


class Person(msgspec.Struct):
    email: str
    first_name: str
    last_name: str


class Line(msgspec.Struct):
    id: int
    product_id: int
    variation_id: int
    sku: str
    name: str
    quantity: int
    total: str


class Refund(msgspec.Struct):
    total: str


class Order(msgspec.Struct):
    """The fields wcsync reads, believed as they come."""

    id: int
    number: str
    status: str
    date_created_gmt: str
    date_modified_gmt: str
    date_paid_gmt: str | None
    date_completed_gmt: str | None
    customer_id: int
    billing: Person
    line_items: list[Line]
    refunds: list[Refund]


ORDERS = msgspec.json.Decoder(list[Order])


class RawSocket:
    """GETs and POSTs over one connection that stays open. Believes every answer."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname, url
        assert address.port, url
        self._host = address.netloc
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def get(self, target: str) -> bytes:
        return self._exchange(f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def post(self, target: str, body: bytes, content_type: str) -> bytes:
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return self._exchange(head.encode() + body)

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def _exchange(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        length = 0
        while (line := self._answers.readline()) not in {b"\r\n", b""}:
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        return self._answers.read(length)


def pages(url: str, query: Mapping[str, str]) -> Iterator[list[Order]]:
    """All orders, to the first page that is not full."""
    client = RawSocket(url)
    for number in count(1):
        target = f"/wp-json/wc/v3/orders?{urlencode({**query, 'page': number})}"
        page = ORDERS.decode(client.get(target))
        if page:
            yield page
        if len(page) < int(query["per_page"]):
            break
    client.close()


class PlainLedger:
    """A table of order lines with the durability of wcsync's ledger: WAL, a sync at each commit."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL").fetchall()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(
            "CREATE TABLE lines (order_id INTEGER, line_id INTEGER, product_id INTEGER, email TEXT, status TEXT, "
            "modified_at TEXT, state TEXT, PRIMARY KEY (order_id, line_id)) STRICT, WITHOUT ROWID"
        )

    def record(self, orders: Iterable[Order]) -> None:
        """One row per line that is new, all in one transaction."""
        self._insert(
            (order.id, line.id, line.product_id, order.billing.email, order.status, order.date_modified_gmt)
            for order in orders
            for line in order.line_items
        )

    def fill(self, lines: int) -> None:
        """Orders 0, 1, … with one line each."""
        self._insert(
            [(number, 1, 1, f"buyer{number}@example.test", "completed", "") for number in range(lines)]
        )

    def set_state(self, order_id: int, state: str) -> None:
        """The one line of an order, in one transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("UPDATE lines SET state = ? WHERE order_id = ? AND line_id = 1", (state, order_id))
        self._db.execute("COMMIT")

    def add_settled(self, order_id: int) -> None:
        """A new order and what became of it, in one transaction."""
        row = (order_id, 1, 1, f"buyer{order_id}@example.test", "completed", "")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, 'due')", row)
        self._db.execute("UPDATE lines SET state = 'settled' WHERE order_id = ? AND line_id = 1", (order_id,))
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    def _insert(self, rows: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, 'due') ON CONFLICT (order_id, line_id) DO NOTHING",
            rows,
        )
        self._db.execute("COMMIT")
