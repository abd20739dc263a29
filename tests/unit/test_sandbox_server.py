"""The sandbox's server: every fault does what it says, and stopping leaves nothing behind."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
import trustme

from wcsync.sandbox.faults import Kind
from wcsync.sandbox.server import Fault, Request, Response, SandboxServer

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = {"name": "Ana", "courses": [1, 2, 3]}


class Counter(SandboxServer):
    """Answers one fixed value and counts how often it acted."""

    acted = 0

    def handle(self, request: Request) -> Response:  # noqa: ARG002 - whatever the question
        self.acted += 1
        return Response.json(BODY)


@pytest.fixture
def server() -> Iterator[Counter]:
    with Counter(clock=lambda: NOON) as server:
        yield server


@pytest.fixture
def client(server: Counter) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


def test_connections_are_kept_open(server: Counter, client: httpx.Client) -> None:
    for _ in range(5):
        client.get("/")
    assert (server.connections, len(server.requests)) == (1, 5)


def test_a_request_is_recorded_with_query_form_and_answer(server: Counter, client: httpx.Client) -> None:
    client.post("/rest?b[]=1&b[]=2&a=x%20y", data={"wsfunction": "core_course_get_courses"})
    (one,) = server.requests
    assert (one.method, one.path, one.query, one.form, one.status, one.at, one.text) == (
        "POST",
        "/rest",
        (("b[]", "1"), ("b[]", "2"), ("a", "x y")),
        (("wsfunction", "core_course_get_courses"),),
        200,
        NOON,
        "POST /rest?b[]=1&b[]=2&a=x y&wsfunction=core_course_get_courses",
    )


def test_the_date_header_follows_the_clock(client: httpx.Client) -> None:
    assert client.get("/").headers["date"] == "Sat, 21 Nov 2026 12:00:00 GMT"


def test_a_head_request_gets_the_headers_alone(client: httpx.Client) -> None:
    response = client.head("/")
    assert (response.content, int(response.headers["content-length"])) == (b"", len(client.get("/").content))


@pytest.mark.parametrize(
    ("kind", "acts"), [("reset_before", 0), ("reset_after", 1), ("reset_in_body", 1), ("late_effect", 0)]
)
def test_a_broken_connection_says_nothing_about_the_effect(
    server: Counter, client: httpx.Client, kind: Kind, acts: int
) -> None:
    server.faults.add(Fault(kind=kind, seconds=60))
    with pytest.raises(httpx.TransportError):
        client.get("/")
    assert (server.acted, client.get("/").json()) == (acts, BODY)


def test_a_late_effect_comes_after_the_connection_broke(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="late_effect", seconds=0.05))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/")
    before = server.acted
    server.wait_for_late_effects()
    assert (before, server.acted) == (0, 1)


def test_stopping_drops_late_effects(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="late_effect", seconds=60))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/")
    server.stop()
    assert server.acted == 0


@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
def test_a_delay_holds_the_answer_up(server: Counter, client: httpx.Client, kind: Kind) -> None:
    server.faults.add(Fault(kind=kind, seconds=0.2))
    started = time.monotonic()
    response = client.get("/")
    assert (response.json(), server.acted, time.monotonic() - started > 0.2) == (BODY, 1, True)


@pytest.mark.parametrize(("kind", "acted_by_then"), [("delay_before", 0), ("delay_after", 1)])
def test_a_client_that_gave_up_sees_which_side_of_the_delay_acts(
    server: Counter, client: httpx.Client, kind: Kind, acted_by_then: int
) -> None:
    server.faults.add(Fault(kind=kind, seconds=5))
    with pytest.raises(httpx.ReadTimeout):
        client.get("/", timeout=0.2)
    assert server.acted == acted_by_then


INSTEAD = {
    "status": (Fault(kind="status", status=502), 502, "text/html"),
    "status json": (Fault(kind="status", status=429, body='{"code":"slow"}'), 429, "application/json"),
    "html200": (Fault(kind="html200"), 200, "text/html"),
    "redirect": (Fault(kind="redirect", location="https://x.test/"), 301, "text/html"),
    "maintenance": (Fault(kind="maintenance"), 503, "text/html"),
}


@pytest.mark.parametrize(("fault", "status", "content_type"), INSTEAD.values(), ids=INSTEAD.keys())
def test_an_answer_given_instead_has_no_effect(
    server: Counter, client: httpx.Client, fault: Fault, status: int, content_type: str
) -> None:
    server.faults.add(fault)
    response = client.get("/")
    kind = response.headers["content-type"].partition(";")[0]
    assert (response.status_code, kind, server.acted) == (status, content_type, 0)


def test_a_redirect_says_where_to_and_maintenance_how_long(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="redirect", location="https://x.test/"))
    server.faults.add(Fault(kind="maintenance"))
    answers = [client.get("/").headers for _ in range(2)]
    assert (answers[0]["location"], answers[1]["retry-after"]) == ("https://x.test/", "600")


def test_a_huge_answer_is_as_large_as_asked_for(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="huge", size=300_000))
    assert (len(client.get("/").content), server.acted) == (300_000, 0)


def test_a_client_may_leave_in_the_middle_of_a_huge_answer(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="huge", size=50_000_000))
    with client.stream("GET", "/") as response:
        next(response.iter_bytes())
    assert client.get("/").json() == BODY


@pytest.mark.parametrize("kind", ["php_warning", "truncated", "invalid_utf8", "empty"])
def test_a_spoilt_answer_cannot_be_read_and_the_request_took_effect(
    server: Counter, client: httpx.Client, kind: Kind
) -> None:
    server.faults.add(Fault(kind=kind))
    response = client.get("/")
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        json.loads(response.content)
    assert (response.status_code, server.acted) == (200, 1)


def test_an_answer_of_the_wrong_type_is_sound_json(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="wrong_type"))
    assert (client.get("/").json(), server.acted) == (["surprise"], 1)


def test_a_dripping_answer_arrives_whole_and_late(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="drip", seconds=0.005))
    started = time.monotonic()
    assert client.get("/").json() == BODY
    assert time.monotonic() - started > 0.005 * len(json.dumps(BODY, separators=(",", ":")))


def test_a_fault_hits_what_it_matches_as_often_as_it_should(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="status", match="wsfunction=b", times=2, skip=1))
    statuses = [client.post("/", data={"wsfunction": name}).status_code for name in "abababb"]
    assert statuses == [200, 200, 200, 500, 200, 500, 200]


def test_a_fault_may_match_by_a_function_and_last_for_ever(server: Counter, client: httpx.Client) -> None:
    server.faults.add(Fault(kind="status", match=lambda request: request.method == "PUT", times=None))
    assert [client.request(method, "/").status_code for method in ("PUT", "GET", "PUT")] == [500, 200, 500]


def test_a_cleared_fault_does_not_come_back(server: Counter, client: httpx.Client) -> None:
    fault = server.faults.add(Fault(kind="status", times=None))
    client.get("/")
    server.faults.clear()
    assert (client.get("/").status_code, server.faults.fired) == (200, [fault])


def test_a_server_that_stopped_answering_refuses_and_resumes_on_the_same_port(
    server: Counter, client: httpx.Client
) -> None:
    client.get("/")
    server.stop_answering()
    with pytest.raises(httpx.ConnectError):
        client.get("/")
    server.resume()
    assert client.get("/").json() == BODY


def test_stopping_leaves_no_thread_and_does_not_wait_for_idle_or_slow_clients(server: Counter) -> None:
    before = {thread.name for thread in threading.enumerate()}
    server.faults.add(Fault(kind="delay_before", match="slow", seconds=60))
    with (
        httpx.Client(base_url=server.url) as idle,
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as slow,
    ):
        idle.get("/")
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        _wait_until_fired(server)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 2
    assert {thread.name for thread in threading.enumerate()} <= before
    assert server.acted == 1


def _wait_until_fired(server: Counter) -> None:
    deadline = time.monotonic() + 5
    while not server.faults.fired and time.monotonic() < deadline:
        time.sleep(0.005)


def test_requests_at_the_same_time_are_counted(server: Counter, client: httpx.Client) -> None:
    server.latency_s = 0.2
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: client.get("/"), range(3)))
    peak = server.concurrent_peak
    client.get("/")
    assert (peak, server.concurrent_peak, server.connections) == (3, 3, 3)


def test_tls_is_spoken_to_those_who_trust_it_and_refused_by_others() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with Counter(tls=server_side) as server:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(server.url, verify=ssl.create_default_context())
        assert httpx.get(server.url, verify=trusting).json() == BODY
        assert [one.request.secure for one in server.requests] == [True]


def test_a_silent_client_does_not_keep_a_tls_server_from_stopping() -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server_side)
    server = Counter(tls=server_side).start()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))):
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 2
