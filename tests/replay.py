"""Asking the sandbox shop again what a real one was asked, and what of the two answers is compared."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

RECORDINGS = Path(__file__).parent / "recordings" / "woocommerce"
COMPARED = (
    "content-type",
    "x-wp-total",
    "x-wp-totalpages",
    "link",
    "allow",
    "cache-control",
    "location",
    "retry-after",
)
SITE = "https://127.0.0.1:8444"
"""What the recorded shop believes its address to be."""
START = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)

Exchange = dict[str, Any]


class HandClock:
    def __init__(self) -> None:
        self.instant = START

    def __call__(self) -> datetime:
        return self.instant

    def set(self, gmt: str) -> None:
        self.instant = datetime.fromisoformat(gmt).replace(tzinfo=UTC)


def recorded(name: str) -> list[Exchange]:
    exchanges: list[Exchange] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return exchanges


def cases(name: str, skip: tuple[int, ...] = ()) -> list[Any]:
    return [
        pytest.param(one, id=f"{place}-{one.get('note') or one['request']['method']}")
        for place, one in enumerate(recorded(name))
        if place not in skip
    ]


def replay(client: httpx.Client, exchange: Exchange) -> httpx.Response:
    """Asks what was asked then, with this sandbox's keys."""
    request = exchange["request"]
    keys = {"ck_REDACTED": "ck_sandbox", "cs_REDACTED": "cs_sandbox"}
    query = [(name, keys.get(value, value)) for name, value in request.get("query") or ()]
    body = request["body"]
    content = body if body is None or isinstance(body, str) else json.dumps(body)
    headers = request.get("headers", {"Content-Type": "application/json"})
    return client.request(request["method"], request["path"], params=query, headers=headers, content=content)


def outline(status: int, headers: httpx.Headers, body: Any) -> dict[str, Any]:
    """What a client can rely on. A body is compared by its value, order of rows included."""
    texts = {name: headers.get(name) for name in COMPARED}
    link = (texts["link"] or "").replace("ck_REDACTED", "ck_sandbox").replace("cs_REDACTED", "cs_sandbox")
    return {"status": status, **texts, "link": link, "body": body}


def then(exchange: Exchange) -> dict[str, Any]:
    response = exchange["response"]
    return outline(response["status"], httpx.Headers(response["headers"]), response["body"] or None)


def now(response: httpx.Response, exchange: Exchange) -> dict[str, Any]:
    body = response.json() if response.text else None
    if "X-Recording-Trimmed" in exchange["response"]["headers"] and isinstance(body, list):
        body = body[:4]
    return outline(response.status_code, response.headers, body or None)


def error_of(answer: dict[str, Any]) -> tuple[int, Any]:
    return answer["status"], answer["body"]
