"""The wire between the real clients and the sandboxes, in one process: it meets a fault where it is told to, and lets a
request take effect after its client gave up."""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from urllib.parse import parse_qsl

import httpx

from tests.fakes import FakeClock
from tests.matrix.calls import Call, call_of
from tests.matrix.faults import Effect, Struck, Trouble, answer
from wcsync.sandbox.exchange import Request, Response

TRIP_S = 0.02
Handle = Callable[[Request], Response]


@dataclass(kw_only=True)
class Mishap:
    """A fault that waits for one kind of call: the first `skip` go through, then `times` meet it.
    `met`: when. `spoilt_refusal`: it met a refusal, so that what is left may be a firewall's."""

    call: Call
    trouble: Trouble
    skip: int = 0
    times: int = 1
    met: list[datetime] = field(default_factory=list)
    spoilt_refusal: bool = False

    def meets(self, call: Call, now: datetime) -> bool:
        if call is not self.call or len(self.met) >= self.times:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.met.append(now)
        return True


class Wire(httpx.BaseTransport):
    """`sites`: who answers, by host. `asked`: when which call was made. `pass_time` moves the clock, and on the way
    lets late requests take effect at their time."""

    def __init__(self, clock: FakeClock, sites: Mapping[str, tuple[str, Handle]]) -> None:
        self.clock = clock
        self.began = clock()
        self.sites = sites
        self.mishaps: list[Mishap] = []
        self.asked: list[tuple[datetime, Call]] = []
        self._late: list[tuple[datetime, int, Handle, Request]] = []
        self._numbers = count()

    def seconds(self) -> float:
        """A clock that nobody can set."""
        return (self.clock() - self.began).total_seconds()

    def pass_time(self, seconds: float) -> None:
        until = self.clock() + timedelta(seconds=seconds)
        while self._late and self._late[0][0] <= until:
            at, _, handle, request = heapq.heappop(self._late)
            self.clock.now = max(at, self.clock.now)
            handle(request)
        self.clock.now = until

    @property
    def quiet(self) -> bool:
        """Whether no request is still to take effect."""
        return not self._late

    def late_at(self) -> list[datetime]:
        return [at for at, *_ in self._late]

    def counts(self) -> Counter[Call]:
        return Counter(call for _, call in self.asked)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        site, handle = self.sites[request.url.host]
        asked = _request(request)
        call = call_of(site, asked)
        self.asked.append((self.clock(), call))
        self.pass_time(TRIP_S)
        mishap = next((one for one in self.mishaps if one.meets(call, self.clock())), None)
        if mishap is not None:
            return self._strike(mishap, request, asked, handle)
        return answer(self._struck(request, None), handle(asked))

    def _strike(
        self, mishap: Mishap, request: httpx.Request, asked: Request, handle: Handle
    ) -> httpx.Response:
        trouble = mishap.trouble
        response = handle(asked) if trouble.effect is Effect.DONE else None
        mishap.spoilt_refusal |= response is not None and response.status >= 400
        try:
            return trouble.strike(self._struck(request, response))
        finally:
            if trouble.effect is Effect.LATE:
                due_at = self.clock() + timedelta(seconds=trouble.late_s)
                heapq.heappush(self._late, (due_at, next(self._numbers), handle, asked))

    def _struck(self, request: httpx.Request, response: Response | None) -> Struck:
        return Struck(request=request, now=self.clock(), response=response, pass_time=self.pass_time)


def _request(asked: httpx.Request) -> Request:
    path, _, query = asked.url.raw_path.decode().partition("?")
    return Request(
        method=asked.method,
        path=path,
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        headers={**dict(asked.headers), "host": asked.url.host},
        body=asked.read(),
        secure=True,
    )
