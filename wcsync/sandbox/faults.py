"""The ways a server can fail, on demand."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from wcsync.sandbox.exchange import HTML_TYPE, JSON_TYPE, Request, Response

Match = Callable[[Request], bool] | str | None

Silent = Literal["reset_before", "reset_after", "late_effect"]
Instead = Literal["status", "html200", "redirect", "maintenance", "huge"]
Spoiling = Literal["reset_in_body", "php_warning", "truncated", "drip", "invalid_utf8", "empty", "wrong_type"]
Slow = Literal["delay_before", "delay_after"]
Partial = Literal["halfway"]
Kind = Silent | Instead | Spoiling | Slow | Partial

MAINTENANCE_PAGE = "Briefly unavailable for scheduled maintenance. Check back in a minute."
PHP_WARNING = (
    b"<br />\n<b>Warning</b>:  Undefined variable $x in <b>/var/www/html/wp-content/plugins/x/x.php</b>"
    b" on line <b>6</b><br />\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail. Does the request take effect? Per kind:

    - `reset_before` no: connection reset. `reset_after` yes, then reset without an answer.
      `reset_in_body` yes, half the body, then reset. `late_effect` closes at once and acts `seconds` later.
    - `delay_before` waits `seconds`, then acts and answers. `delay_after` acts, waits, answers.
    - `status` (`status`, `headers`, `body`), `html200`, `redirect` (`location`), `maintenance` (503 and
      Retry-After), `huge` (`size` bytes): answered instead; no effect.
    - `php_warning`, `truncated`, `drip` (`seconds` between two bytes), `invalid_utf8`, `empty`, `wrong_type`:
      takes effect, the answer is spoilt.
    - `halfway`: of a shop's batch the first `items` take effect, then PHP dies (500). All else goes through unharmed.

    `match`: None = any request, text = a part of `Request.text`, or a function. The first `skip` matching
    requests go through unharmed, then `times` are hit (None = all).
    """

    kind: Kind
    match: Match = None
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.05
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    location: str = "https://elsewhere.example.test/"
    size: int = 64 * 1024 * 1024
    items: int = 1

    def hits(self, request: Request) -> bool:
        if self.match is None:
            return True
        return self.match in request.text if isinstance(self.match, str) else self.match(request)


class Faults:
    """The faults waiting to happen, first added first. Thread-safe. `fired` lists those that did happen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self.fired: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._waiting.append(_Waiting(fault=fault, skip=fault.skip, times=fault.times))
        return fault

    def clear(self) -> None:
        """Nothing fails any more. `fired` stays."""
        with self._lock:
            self._waiting.clear()

    def take(self, request: Request) -> Fault | None:
        """The fault this request meets, counted as used; None if it goes through."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.fault.hits(request) and waiting.use():
                    self.fired.append(waiting.fault)
                    return waiting.fault
        return None


def answer_instead(fault: Fault) -> Response | None:
    """What is answered without acting; None if the fault lets the request act."""
    match fault.kind:
        case "status":
            return Response(status=fault.status, headers=_typed(fault), body=_body(fault))
        case "html200":
            return Response.html("<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>")
        case "redirect":
            status = fault.status if 300 <= fault.status < 400 else 301
            return Response(status=status, headers={"Content-Type": HTML_TYPE, "Location": fault.location})
        case "maintenance":
            return Response.html(MAINTENANCE_PAGE, status=503, headers={"Retry-After": "600"})
        case "huge":
            return Response(headers={"Content-Type": JSON_TYPE}, body=b"[" + b" " * (fault.size - 2) + b"]")
        case _:
            return None


def spoil(kind: Spoiling, response: Response) -> Response:
    """The answer as the fault leaves it. `drip` and `reset_in_body` spoil the sending, not the bytes."""
    match kind:
        case "php_warning":
            body = PHP_WARNING + response.body
        case "truncated":
            body = response.body[: len(response.body) // 2]
        case "invalid_utf8":
            body = response.body.replace(b'":"', b'":"\xff\xfe', 1)
            body = body if body != response.body else b'"\xff\xfe"'
        case "empty":
            body = b""
        case "wrong_type":
            body = b'{"surprise":true}' if not isinstance(_parsed(response.body), dict) else b'["surprise"]'
        case "drip" | "reset_in_body":
            body = response.body
        case _:
            assert_never(kind)
    return Response(status=response.status, headers=response.headers, body=body)


@dataclass(slots=True, kw_only=True)
class _Waiting:
    fault: Fault
    skip: int
    times: int | None

    def use(self) -> bool:
        if self.times is not None and self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def _typed(fault: Fault) -> Mapping[str, str]:
    kind = JSON_TYPE if _body(fault)[:1] in {b"{", b"["} else HTML_TYPE
    return {"Content-Type": kind} | dict(fault.headers)


def _body(fault: Fault) -> bytes:
    if fault.body is None:
        return f"<html><body><center><h1>{fault.status}</h1></center></body></html>".encode()
    return fault.body.encode() if isinstance(fault.body, str) else fault.body


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None
