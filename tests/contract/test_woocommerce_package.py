"""What our client sends, next to what the `woocommerce` package sends when left alone.

The package's rules are used through its private methods: a new release that moves them must fail here, not in a shop.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import trustme
import woocommerce

from wcsync.course import Patch
from wcsync.errors import TransientError
from wcsync.model import OrderId, ProductId
from wcsync.store.client import WooCommerce

KEY, SECRET = "ck_0123456789abcdef", "cs_fedcba9876543210"
SINCE = datetime(2026, 11, 21, 19, 18, 35, tzinfo=UTC)

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it arrived. `params` without, `credentials` with what authenticates it."""

    method: str
    path: str
    params: Pairs
    credentials: Pairs
    authorization: str | None
    content_type: str | None
    body: bytes = b""


class Listener(ThreadingHTTPServer):
    """Answers everything with an empty page and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []
        self.connections = 0
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[Any, Any]:
        self.connections += 1
        return super().get_request()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    server: Listener

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        secret = [pair for pair in pairs if pair[0].startswith(("oauth_", "consumer_"))]
        self.server.seen.append(
            Seen(
                method=self.command,
                path=parts.path,
                params=sorted(pair for pair in pairs if pair not in secret),
                credentials=secret,
                authorization=self.headers["authorization"],
                content_type=self.headers["content-type"],
                body=self.rfile.read(int(self.headers["content-length"] or 0)),
            )
        )
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    do_PUT = do_POST = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        pass


Listen = Callable[..., Listener]


@pytest.fixture
def listen() -> Iterator[Listen]:
    with contextlib.ExitStack() as stack:

        def start(tls: ssl.SSLContext | None = None) -> Listener:
            server = Listener(tls)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def secured(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


def ours(server: Listener, pages: int = 1, **settings: Any) -> None:
    client = WooCommerce(url=server.url, consumer_key=KEY, consumer_secret=SECRET, **settings)
    with contextlib.closing(client):
        for _ in range(pages):
            list(client.fetch_pages(SINCE))


def theirs(server: Listener, request: Seen, **settings: Any) -> Seen:
    api = woocommerce.API(server.url, KEY, SECRET, version="wc/v3", **settings)
    api.get(request.path.removeprefix("/wp-json/wc/v3/"), params=dict(request.params))
    return server.seen[-1]


def our_write(server: Listener, patch: Patch, *, alone: bool, **settings: Any) -> Seen:
    client = WooCommerce(url=server.url, consumer_key=KEY, consumer_secret=SECRET, **settings)
    with contextlib.closing(client), pytest.raises(TransientError):  # an empty list is no answer
        client.showcase.push_patch(patch) if alone else client.showcase.push_patches([patch])
    return server.seen[-1]


def their_write(server: Listener, request: Seen, **settings: Any) -> Seen:
    api = woocommerce.API(server.url, KEY, SECRET, version="wc/v3", **settings)
    write = {"PUT": api.put, "POST": api.post}[request.method]
    path = request.path.removeprefix("/wp-json/wc/v3/")
    write(path, json.loads(request.body), params=dict(request.params))
    return server.seen[-1]


def base_string(method: str, url: str, pairs: Pairs) -> str:
    """RFC 5849, section 3.4.1, written from its text."""

    def encode(text: str) -> str:
        return quote(text, safe="-._~")

    joined = "&".join(f"{name}={value}" for name, value in sorted((encode(n), encode(v)) for n, v in pairs))
    return f"{method}&{encode(url)}&{encode(joined)}"


def signature_is_valid(server: Listener, request: Seen, params: Pairs) -> bool:
    oauth = dict(request.credentials)
    signature = oauth.pop("oauth_signature")
    text = base_string(request.method, server.url + request.path, params + list(oauth.items()))
    expected = hmac.digest(f"{SECRET}&".encode(), text.encode(), hashlib.sha256)
    return base64.b64encode(expected).decode() == signature


def once(pairs: Pairs) -> Pairs:
    return sorted(set(pairs))


def test_our_reading_of_the_rfc_agrees_with_its_own_example() -> None:
    pairs = [
        ("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"), ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"), ("oauth_nonce", "7d8f3e4a"), ("c2", ""), ("a3", "2 q"),
    ]  # fmt: skip
    assert base_string("POST", "http://example.com/request", pairs) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D"
        "%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3D"
        "HMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_over_http_we_send_once_what_the_package_sends_twice(listen: Listen) -> None:
    server = listen()
    ours(server)
    request = server.seen[-1]
    alone = theirs(server, request)
    assert (request.method, request.path, request.authorization) == (alone.method, alone.path, None)
    assert (once(alone.params), len(alone.params)) == (request.params, 2 * len(request.params))


def test_over_http_every_request_is_signed_validly_and_anew(listen: Listen) -> None:
    server = listen()
    ours(server, pages=3)
    assert [signature_is_valid(server, request, request.params) for request in server.seen] == [True] * 4
    assert len({dict(request.credentials)["oauth_nonce"] for request in server.seen}) == 4


def test_over_http_the_secret_itself_never_travels(listen: Listen) -> None:
    server = listen()
    ours(server)
    assert SECRET not in repr(server.seen)


def test_over_https_the_key_travels_as_the_package_sends_it(
    listen: Listen, secured: ssl.SSLContext, ca_file: Path
) -> None:
    server = listen(secured)
    ours(server, ca_file=ca_file)
    request = server.seen[-1]
    assert request == theirs(server, request, verify_ssl=str(ca_file))
    assert request.authorization == "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert request.credentials == []


def test_over_https_the_key_travels_in_the_query_where_asked(
    listen: Listen, secured: ssl.SSLContext, ca_file: Path
) -> None:
    server = listen(secured)
    ours(server, ca_file=ca_file, auth="query")
    request = server.seen[-1]
    assert request == theirs(server, request, verify_ssl=str(ca_file), query_string_auth=True)
    assert request.credentials == [("consumer_key", KEY), ("consumer_secret", SECRET)]
    assert request.authorization is None


def test_over_http_a_wish_for_the_query_is_answered_with_a_signature(listen: Listen) -> None:
    server = listen()
    ours(server, auth="query")
    assert [signature_is_valid(server, request, request.params) for request in server.seen] == [True, True]


PATCH = Patch(product_id=ProductId(13), name="R & D ñ 漢字")


@pytest.mark.parametrize(("alone", "method"), [(True, "PUT"), (False, "POST")], ids=["alone", "batch"])
def test_over_http_a_write_is_sent_once_signed_validly_and_as_the_package_sends_it(
    listen: Listen, alone: bool, method: str
) -> None:
    server = listen()
    request = our_write(server, PATCH, alone=alone)
    assert len(server.seen) == 1
    theirs = their_write(server, request)
    assert (request.method, request.path) == (theirs.method, theirs.path) == (method, request.path)
    assert once(theirs.params) == request.params
    assert json.loads(request.body) == json.loads(theirs.body)
    assert request.content_type == "application/json"
    assert signature_is_valid(server, request, request.params)


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "batch"])
@pytest.mark.parametrize("auth", ["basic", "query"])
def test_over_https_a_write_carries_the_key_as_the_package_sends_it(
    listen: Listen, secured: ssl.SSLContext, ca_file: Path, auth: str, alone: bool
) -> None:
    server = listen(secured)
    request = our_write(server, PATCH, alone=alone, ca_file=ca_file, auth=auth)
    theirs = their_write(server, request, verify_ssl=str(ca_file), query_string_auth=auth == "query")
    assert (request.authorization, request.credentials) == (theirs.authorization, theirs.credentials)
    assert (request.params, request.path) == (theirs.params, theirs.path)


def test_one_order_is_asked_for_at_the_packages_address(listen: Listen) -> None:
    server = listen()
    client = WooCommerce(url=f"{server.url}/", consumer_key=KEY, consumer_secret=SECRET)
    with contextlib.closing(client), contextlib.suppress(Exception):
        client.fetch_order(OrderId(234))
    assert server.seen[-1].path == "/wp-json/wc/v3/orders/234" == theirs(server, server.seen[-1]).path


def test_five_calls_need_one_connection_where_the_package_needs_five(
    listen: Listen, secured: ssl.SSLContext, ca_file: Path
) -> None:
    server, alone = listen(secured), listen(secured)
    ours(server, pages=4, ca_file=ca_file)
    for _ in range(5):
        theirs(alone, server.seen[-1], verify_ssl=str(ca_file))
    assert (len(server.seen), server.connections) == (5, 1)
    assert (len(alone.seen), alone.connections) == (5, 5)


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("2026-11-21T19:18:35", True),
        ("pending,on-hold,checkout_draft", True),
        ("2026-11-21T20:18:35+01:00", True),
        ("with blank", True),
        ("ñ 漢字", True),
        ("100%", True),
        ("a%41", False),
        ("a/b", False),
    ],
    ids=["date", "list", "plus", "blank", "letters", "percent", "escape", "slash"],
)
def test_the_packages_signature_holds_for_what_we_send_and_fails_for_what_we_must_not(
    listen: Listen, value: str, valid: bool
) -> None:
    server = listen()
    woocommerce.API(server.url, KEY, SECRET, version="wc/v3").get("orders", params={"search": value})
    request = server.seen[-1]
    assert signature_is_valid(server, request, once(request.params)) is valid


def test_the_package_cannot_sign_a_repeated_status_so_we_send_a_list(listen: Listen) -> None:
    server = listen()
    ours(server)
    names = [name for name, _ in server.seen[-1].params]
    assert names.count("status") == 1
    assert not [name for name in names if "[" in name]
