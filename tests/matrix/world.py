"""The real daemon's parts between the sandboxes, in one process: real clients, ledger, workers and pollers, a clock
that is moved, and a wire that can fail."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stamina
import structlog

from tests.fakes import FakeClock
from tests.matrix.scenes import Scene
from tests.matrix.stage import Stage
from tests.matrix.wire import Wire
from wcsync import http
from wcsync.app import App
from wcsync.config import load_config
from wcsync.health import Condition
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.mirror import DONE
from wcsync.lms.threesixty import adapter as threesixty
from wcsync.lms.threesixty import places
from wcsync.lms.threesixty import rest as threesixty_rest
from wcsync.lms.threesixty.paths import Paths
from wcsync.lms.threesixty.tokens import Tokens
from wcsync.lms.throttle import Throttle
from wcsync.store import listing
from wcsync.times import parse_instant, render_instant

BEGIN = datetime(2026, 3, 20, 4, 30, tzinfo=UTC)
POLL_S, SUBSCRIPTIONS_S = 60.0, 300.0
SHORTEST_S, LONGEST_S = 2.0, 1800.0
"""Between two rounds of a daemon that has something to wait for."""
PATIENCE = timedelta(days=2)
"""A day until all is read in full once more, and some hours until what was asked for is over."""
QUICK_TRIES = 3
WAITING = """
    SELECT min(at) AS at FROM (
        SELECT next_attempt_at AS at FROM enrolments WHERE state = 'due'
        UNION ALL SELECT next_attempt_at FROM outbox WHERE state = 'due'
        UNION ALL SELECT next_look_at FROM confirmations WHERE looks = 0
        UNION ALL SELECT retry_at FROM services) WHERE at > ?
"""


class QuickLedger(SqliteLedger):
    @property
    def _db(self) -> Any:
        connection = super()._db
        if not connection.in_transaction:
            connection.execute("PRAGMA synchronous = OFF")  # no power is cut here
        return connection


@contextmanager
def wired(wire: Wire) -> Iterator[None]:
    """Every service that is made meanwhile talks over that wire, and whatever waits does so by its clock. Patches,
    because the adapters make for themselves what they need."""
    with pytest.MonkeyPatch.context() as patch, stamina.set_testing(True, attempts=QUICK_TRIES, cap=True):
        patch.setattr(http, "KeptConnections", lambda _trusted, _home: wire)
        patch.setattr(
            threesixty_rest, "Throttle", partial(Throttle, sleep=wire.pass_time, clock=wire.seconds)
        )
        patch.setattr(threesixty_rest, "Tokens", partial(Tokens, clock=wire.seconds))
        patch.setattr(threesixty, "Paths", partial(Paths, clock=wire.clock))
        patch.setattr(places, "time", SimpleNamespace(monotonic=wire.seconds))
        patch.setattr(listing, "time", SimpleNamespace(monotonic=wire.seconds))
        yield


class World:
    """`log`: all that was logged, before anything was blotted out. To be used `wired`."""

    def __init__(self, folder: Path, scene: Scene) -> None:
        self.folder = folder
        self.clock = FakeClock(BEGIN)
        self.stage = Stage(
            self.clock, folder, mapped=scene.products, mirrors=scene.mirrors, proves=scene.proves
        )
        self.wire = Wire(self.clock, self.stage.sites())
        self.log = structlog.testing.LogCapture()
        self.subscribed = "club" in scene.products
        self.orders: dict[str, int] = {}
        self.subscriptions: dict[str, int] = {}

    def open(self) -> None:
        """As a new process begins."""
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.format_exc_info,
                self.log,
            ]
        )
        config = load_config(self.folder / "config.toml", {}).config
        self.ledger = QuickLedger(config.ledger.path)
        self.app = App(config, clock=self.clock, dice=lambda: 0.5, ledger=self.ledger)
        self.app.prepare()
        self.jobs = {job.name: job.run for job in self.app.jobs()}
        self.patients = self.app.crew.patients
        crew = replace(self.app.crew, stopping=lambda: False)
        self.workers = crew.workers()
        self.singles = crew.singles(self.app.channels, lambda: True)
        self.poll_at = self.subscriptions_at = self.clock()
        self.polled_at = self.subscribed_at = BEGIN
        self._db = sqlite3.connect(config.ledger.path, isolation_level=None)
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        self._db.close()
        self.app.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    # -- the daemon at work ----------------------------------------------------------------------------------
    def settle(self) -> bool:
        """Works on, with time passing, until nothing waits any more and all that has happened up to now came to its
        end. False if it does not within `PATIENCE`."""
        since = self.clock()
        self._round()
        while not self.quiet(since) and self.clock() < since + PATIENCE:
            self.wire.pass_time(self._until_due_s(since))
            self._round()
        return self.quiet(since)

    def _round(self) -> None:
        self._poll_if_due()
        self.jobs["replan"]()
        self.jobs["expiry"]()
        self._work()
        for name in ("leases", "waiting", "courses", "reconcile", "alerts"):
            if name in self.jobs:
                self.jobs[name]()
        self._work()
        self.check_cursor()

    def _poll_if_due(self) -> None:
        if self.clock() >= self.poll_at:
            began = self.clock()
            found = self.app.poll()
            self.polled_at = began if found.complete else self.polled_at
            wait_s = POLL_S if found.trouble_s is None else max(found.trouble_s, SHORTEST_S)
            self.poll_at = self.clock() + timedelta(seconds=wait_s)
        if self.subscribed and self.clock() >= self.subscriptions_at:
            began = self.clock()
            complete = self.app.subscriptions.poll_once()
            self.subscribed_at = began if complete else self.subscribed_at
            self.subscriptions_at = self.clock() + timedelta(seconds=SUBSCRIPTIONS_S)

    def _work(self) -> None:
        for hands in (self.workers, self.singles):
            turns = 0
            while sum([hand.run_once() for hand in hands]):
                turns += 1
                assert turns < 300, "the daemon spins"

    def _until_due_s(self, since: datetime) -> float:
        """Until something that is waited for is due: not the shop, once it was read."""
        now = self.clock()
        [row] = self._db.execute(WAITING, (render_instant(now),)).fetchall()
        due = [*self.wire.late_at(), *self._mirror_at()] + ([parse_instant(row["at"])] if row["at"] else [])
        if self.polled_at < since or not self._read_all():
            due.append(self.poll_at)
        if self.subscribed and self.subscribed_at < since:
            due.append(self.subscriptions_at)
        left_s = [(at - now).total_seconds() for at in due if at > now]
        return min(max(min(left_s, default=LONGEST_S), SHORTEST_S), LONGEST_S)

    def _mirror_at(self) -> list[datetime]:
        last = self.ledger.mirror.read_runs().last_run if self.stage.mirrors else None
        return [last.at + timedelta(hours=1)] if last is not None else []

    def quiet(self, since: datetime) -> bool:
        """Whether all is read that happened before `since`, worked off, told, shown and proved."""
        return (
            self.wire.quiet
            and self.polled_at >= since
            and (self.subscribed_at >= since or not self.subscribed)
            and self._read_all()
            and not self.rows("SELECT 1 FROM enrolments WHERE state IN ('due', 'leased') LIMIT 1")
            and not self.rows("SELECT 1 FROM outbox WHERE state IN ('due', 'leased') LIMIT 1")
            and not self.rows("SELECT 1 FROM confirmations WHERE looks = 0 LIMIT 1")
            and all(one.health.condition is Condition.UP for one in self.patients.values())
            and (not self.stage.mirrors or self._mirrored(since))
            and (not self.stage.proves or self._proved())
            and self.stage.agrees()
        )

    def _read_all(self) -> bool:
        shop = {number: one["status"] for number, one in self.stage.shop.orders.items()}
        read = {row["order_id"]: row["status"] for row in self.rows("SELECT order_id, status FROM orders")}
        return {number: read.get(number) for number in shop} == shop

    def _mirrored(self, since: datetime) -> bool:
        last = self.ledger.mirror.read_runs().last_run
        return last is not None and last.outcome == DONE and last.at >= since

    def _proved(self) -> bool:
        last = self.ledger.proof.read_last().nightly_at
        night = self.clock().replace(hour=3, minute=0, second=0, microsecond=0)
        return last is not None and last >= night

    def rows(self, sql: str) -> list[sqlite3.Row]:
        with closing(self._db.execute(sql)) as cursor:
            return cursor.fetchall()

    def check_cursor(self) -> None:
        """The cursor has passed no change of an order that is not in the ledger, nor on the list of those that could
        not be read; one whose number could not be read stands there as 0."""
        position = next(
            (row[0] for row in self.rows("SELECT position FROM cursors WHERE name = 'orders'")), None
        )
        if position is None:
            return
        known = {
            row["order_id"]: row["modified_at"]
            for row in self.rows("SELECT order_id, modified_at FROM orders")
        }
        unread = {
            row["order_id"] for row in self.rows("SELECT order_id FROM parked WHERE kind = 'unreadable'")
        }
        for number, one in self.stage.shop.orders.items():
            modified = f"{one['date_modified_gmt']}.000000Z"
            assert modified > position or known.get(number, "") >= modified or unread & {0, number}, (
                f"the cursor passed order {number}"
            )
