"""Who answers: each service is asked for its own identity before wcsync acts on what it says.

A staging copy of the shop, a restored LMS on another address or a typo in the config answers with working keys; to
act on it would enrol the wrong people in the wrong place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from urllib.parse import urlsplit

import structlog

from wcsync.errors import ServiceBlocked, WcsyncError
from wcsync.health import Condition, Health
from wcsync.ledger.base import Ledger
from wcsync.pulse import holding
from wcsync.times import Clock

log = structlog.get_logger(__name__)

SHOP = "shop"
"""What messages and the ledger call the shop; no LMS may have this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Who a service says it is: `identity` is its own address, `title` its name for people.

    `zone`: the clock on its wall, as an IANA name or an offset as in "+05:30"; '' = not told.
    """

    identity: str
    title: str
    server_time: datetime | None = None
    zone: str = ""


class Gate:
    """Lets calls through while the service is the one the ledger knows. Thread-safe."""

    def __init__(
        self, name: str, ask: Callable[[], Answerer], ledger: Ledger, clock: Clock, *, every_s: float
    ) -> None:
        self.name = name
        self._ask = ask
        self._ledger = ledger
        self._clock = clock
        self._every = timedelta(seconds=every_s)
        self._passed_at: datetime | None = None
        self._lock = Lock()

    def check(self) -> None:
        """Asks once per period and returns at once in between. A first answer is kept as the service's identity.

        Raises ServiceBlocked if another one answers, and whatever asking raises.
        """
        with holding(self._lock):
            self._check(self._clock())

    def _check(self, now: datetime) -> None:
        if self._passed_at is not None and timedelta() <= now - self._passed_at < self._every:
            return
        answerer = self._ask()
        known = self._ledger.read_service(self.name, now).identity
        if known and not same_site(known, answerer.identity):
            raise ServiceBlocked(self._refusal(known, answerer.identity))
        if not known:
            log.info("service_first_seen", service=self.name, identity=answerer.identity)
        self._record(answerer, now)
        self._passed_at = now

    def forget(self) -> None:
        """After trouble the one who answers next may be another: it is asked before anything else."""
        self._passed_at = None

    def answers(self) -> bool:
        """Whether the service answers at all just now."""
        try:
            self._ask()
        except WcsyncError:
            return False
        return True

    def accept(self) -> Answerer:
        """Makes whoever answers now the service's identity: a person said so."""
        answerer, now = self._ask(), self._clock()
        self._record(answerer, now)
        self._ledger.record_health(self.name, Health(condition=Condition.UP, since=now))
        return answerer

    def _record(self, answerer: Answerer, now: datetime) -> None:
        self._ledger.record_identity(self.name, answerer.identity, answerer.title, now, zone=answerer.zone)

    def _refusal(self, known: str, answering: str) -> str:
        return (
            f"{self.name}: {answering} answers, but this ledger belongs to {known}. Nothing is done until that is "
            f"settled: correct the url in the config if it points to a copy, or run `wcsync accept {self.name}` if "
            "the site has really moved"
        )


def same_site(one: str, other: str) -> bool:
    """Whether two addresses are one site: the scheme and a trailing slash do not matter, host and path do."""
    return _site(one) == _site(other)


def _site(url: str) -> tuple[str, str]:
    text = url.strip().casefold()
    try:
        parts = urlsplit(text)
    except ValueError:
        return "", text
    return parts.netloc, parts.path.rstrip("/")
