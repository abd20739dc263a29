"""Sandboxes with the whole daemon between them, in one process: its life can end at any point, and begins again from
what it left on disk."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from tests.fakes import FakeClock
from tests.points import (
    Fate,
    FragileLedger,
    Hanging,
    Points,
    Refuse,
    Shopfront,
    UnderWay,
    Wire,
    describe,
    writes,
)
from tests.points_config import PAGE_SIZE, QUIET_S, Roads, empty_ledger, read_town_config, render_mapping
from tests.points_mail import LETTER, Postbox
from tests.points_sites import ACADEMY_URL, PLAIN, SHOP_URL, Place, Scenery, Sites
from wcsync.app import App, periods
from wcsync.cli import course_import
from wcsync.config import LedgerSettings
from wcsync.errors import PassingTrouble
from wcsync.model import LmsName
from wcsync.pollers.orders import Pass
from wcsync.pool import Worker as Hand
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.shop_lines import Sold
from wcsync.screen import Waiting

BEGIN = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)
CAMPUS = LmsName("campus")
LATE_S = 88.0
"""So long after it was sent a call of a dead process takes effect: just before the quarantines of 90 s end."""
RESTART_S = 1.0
WAIT_S = 30.0
MOST_ROUNDS = 60


def ram() -> Path:
    """Where files are quick: a disk in memory, if there is one."""
    return Path("/dev/shm" if Path("/dev/shm").is_dir() else gettempdir())


class Town:
    """`folder` holds what many towns share; each has a folder of its own in it. To be used `wired`, and to `begin()`;
    `close()` when done.

    `points` counts where the daemon may die; `fate` is what becomes of calls that are under way when it does.
    `refuse` is asked before each statement of the ledger; `refused` hears that a job or a worker met it. `unsure`: how
    often a process ended when somebody had what its ledger did not know to be there, by way. `unbegun`: whether it
    ended before its ledger was to begin anywhere.
    """

    def __init__(self, folder: Path, scenery: Scenery = PLAIN, *, fate: Fate = "never") -> None:
        self.folder = folder
        self.scenery = scenery
        self.fate = fate
        self.clock = FakeClock(BEGIN)
        self.points = Points(dying=self._leave)
        self.refuse: Refuse = lambda _sql: None
        self._arriving_late = False
        self._refusals = 0
        self.unannounced: list[str] = []
        self.hanging: list[Hanging] = []
        self.asked = 0
        self.ever_inside: set[Place] = set()
        self.unsure = Counter[str]()
        self.unbegun = False
        self._mine = folder / f"town-{next(_numbers)}"
        self._mine.mkdir()
        self._ledgers = (self._mine / f"ledger-{number}.db" for number in count())
        self.path = next(self._ledgers)
        shutil.copy(empty_ledger(folder), self.path)
        self._heir: Path | None = None
        self.refused: Callable[[], None] = lambda: None
        self.passed_by: list[str] = []
        self.sites = Sites(self.clock, scenery)
        self.shop, self.campus, self.academy = self.sites.shop, self.sites.campus, self.sites.academy
        self.postbox = Postbox(self.points, self._look_for_intent, self._hang) if scenery.alerts else None
        self.roads = Roads({host: self._wire(host) for host in self.sites.handles()})
        self.mapping = self._mine / "mapping.toml"
        self.mapping.write_text(render_mapping(self.sites))
        self.reads_from = BEGIN
        self._app: App | None = None

    # -- the process -------------------------------------------------------------------------------------------------
    @property
    def app(self) -> App:
        assert self._app is not None, "nobody lives here"
        return self._app

    @property
    def down(self) -> bool:
        return self._app is None

    def begin(self) -> None:
        """A process starts. It may die in it as well."""
        config = read_town_config(self.folder, self.scenery)
        mapping = config.mapping.model_copy(update={"path": self.mapping})
        config = config.model_copy(update={"ledger": LedgerSettings(path=self.path), "mapping": mapping})
        ledger = FragileLedger(self.path, self.points.point, self._ask_disk)
        store = Shopfront(
            url=SHOP_URL,
            consumer_key="ck_sandbox",
            consumer_secret="cs_sandbox",
            page_size=PAGE_SIZE,
            transport=self.roads,
        )
        store.strike = self.points.point
        self._app = App(config, clock=self.clock, dice=lambda: 0.5, ledger=ledger, store=store)
        try:
            self._app.prepare()
        except (sqlite3.OperationalError, PassingTrouble):
            self._let_go()
            raise

    def _wire(self, host: str) -> Wire:
        serve = self.sites.handles()[host]

        def handle(request: Request) -> Response:
            self.asked += 1
            if writes(request):
                self._look_for_intent(describe(request))
            answer = serve(request)
            self.ever_inside |= self.inside()
            return answer

        return Wire(
            handle, self.points, self.clock, self._hang, lambda: self._meanwhile(host), self._break_off
        )

    def _ask_disk(self, sql: str) -> sqlite3.OperationalError | None:
        refusal = self.refuse(sql)
        self._refusals += refusal is not None
        return refusal

    def _look_for_intent(self, what: str) -> None:
        """Whoever writes has said so on the disk before, and holds no transaction open."""
        if self.points.dead or self._arriving_late or self.scenery.mirrors:
            return
        told = what == LETTER or what.endswith(("/notes", "hook"))
        table = "outbox" if told else "enrolments"
        asked = f"SELECT 1 FROM {table} WHERE state = 'leased' AND sending_since IS NOT NULL"
        if self._connection.in_transaction or not self.rows(asked):
            self.unannounced.append(what)

    def _leave(self) -> None:
        """The files as they are at the instant of death are all that is left; what comes after goes to the grave."""
        self._heir = next(self._ledgers)
        for suffix in ("", "-wal"):
            if (there := Path(f"{self.path}{suffix}")).exists():
                shutil.copy(there, f"{self._heir}{suffix}")

    def bury(self) -> None:
        """The process is gone; `begin` is what a supervisor does then, a moment later."""
        self._let_go()
        if self._heir is not None:
            self.path, self._heir = self._heir, None
        self._note_unsure()
        self.points.arm()
        self.tick(RESTART_S)

    def stop(self) -> None:
        """The process ends in good order."""
        if not self.down:
            self.unbegun = not self.rows("SELECT 1 FROM cursors WHERE name = 'orders'")
        self._let_go()
        self._note_unsure()

    def _note_unsure(self) -> None:
        """The letter or the call that somebody has, or will have, and that the ledger at rest does not know to be
        there."""
        if not self.scenery.alerts:
            return
        with closing(sqlite3.connect(self.path)) as ledger:
            asked = "SELECT channel, count(*) FROM outbox WHERE state = 'settled' GROUP BY channel"
            known = dict(ledger.execute(asked).fetchall())
        for way, (channel, taken) in self._told().items():
            coming = any(one.call.what.endswith(_SENT[way]) for one in self.hanging)
            self.unsure[way] += len(set(taken)) + coming > known.get(channel, 0)

    def _told(self) -> dict[str, tuple[str, list[str]]]:
        """What was told, by way: its channel, and the keys by which a repeat is known, as they came."""
        letters = self.postbox.ids() if self.postbox is not None else []
        return {"mail": ("mail", letters), "hook": ("web chat", [key for key, _ in self.sites.posts])}

    def _let_go(self) -> None:
        if self._app is not None:
            self._app.close()
            self._app = None

    def close(self) -> None:
        self._let_go()
        if self.postbox is not None:
            self.postbox.close()
        shutil.rmtree(self._mine)

    def _hang(self, call: UnderWay) -> None:
        if self.fate == "lost":
            call.arrive()
        elif self.fate == "late":
            self.hanging.append(Hanging(call, self.clock() + timedelta(seconds=LATE_S)))
        elif self.fate == "half":
            call.break_off()

    def _break_off(self, request: Request) -> None:
        self.unsure["picture"] += self.sites.break_off(request)

    def _meanwhile(self, host: str) -> None:
        """Another worker has its turn while this one waits for an answer."""
        if self.scenery.two_at_once and self.points.calls_out == 1:
            first = self.app.config.orders.workers if ACADEMY_URL.endswith(host) else 0
            self.app.pool._workers[first + 1].run_once()

    # -- time --------------------------------------------------------------------------------------------------------
    def tick(self, seconds: float) -> None:
        until = self.clock() + timedelta(seconds=seconds)
        for one in sorted(self.hanging, key=lambda one: one.due_at):
            if one.due_at <= until:
                self.clock.now = max(self.clock.now, one.due_at)
                self.hanging.remove(one)
                self._arriving_late = True
                one.call.arrive()
                self._arriving_late = False
        self.clock.now = until

    def turn(self) -> None:
        """What jobs and threads do, one after the other, each as the schedule and the pool let it."""
        app = self.app
        for act in (
            app.poll,
            app.subscriptions.poll_once if self.shop.offers_subscriptions else app.replan_if_owed,
            app.replan_if_owed,
            app.house.end_expired,
            lambda: self._drain(app.pool._workers[:: app.config.orders.workers]),
            app.house.tell_waiting,
            app._look_for_trouble if self.scenery.alerts else lambda: None,
            lambda: self._drain(app.pool._singles),
            app.house.keep,
        ):
            self._guarded(act)

    def _guarded(self, act: Callable[[], object]) -> None:
        """What a disk refuses is the only thing that may go wrong, whether the job keeps that to itself or not."""
        before = self._refusals
        with suppress(sqlite3.OperationalError):
            act()
        if self._refusals > before:
            self.refused()

    def poll(self) -> bool:
        """One look at the shop. False where the disk kept it from its end: nothing else may."""
        found, before = list[Pass](), self._refusals
        self._guarded(lambda: found.append(self.app.poll()))
        complete = bool(found) and found[0].complete
        assert complete or self._refusals > before
        return complete

    def _drain(self, workers: Sequence[Hand]) -> None:
        for worker in workers:
            for _ in range(200):
                if not worker.run_once():
                    break
            else:
                raise AssertionError(f"{worker} spins")

    def quiet(self) -> None:
        """Lives on until nothing waits any more, and everything that can come late has come."""
        for _ in range(MOST_ROUNDS):
            before = self._refusals
            self.turn()
            if self._refusals > before:
                self.tick(WAIT_S)  # what could not be written is tried again at each turn
                continue
            next_at = self._next_at()
            if next_at is None:
                return
            left_s = (next_at - self.clock()).total_seconds()
            self.tick(left_s if left_s > 0 else WAIT_S)  # what is due and left alone waits for another row
        raise AssertionError(f"not quiet after {MOST_ROUNDS} rounds: {self.rows(_WAITING)}")

    def _next_at(self) -> datetime | None:
        due = [datetime.fromisoformat(row["at"]) for row in self.rows(_WAITING) if row["at"]]
        due += [one.due_at for one in self.hanging]
        if self.scenery.alerts:
            due += [datetime.fromisoformat(row["at"]) for row in self.rows(_TO_TELL, QUIET_S) if row["at"]]
        limit = max(periods.LEASE_LIMIT, timedelta(seconds=self.app.longest_s))
        due += [datetime.fromisoformat(row["at"]) + limit for row in self.rows(_LEASED) if row["at"]]
        return min(due, default=None)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, past the ledger's back."""
        return [dict(row) for row in self._connection.execute(sql, values).fetchall()]

    @property
    def _connection(self) -> sqlite3.Connection:
        """The daemon's own. No point lies on this way."""
        return super(FragileLedger, self.app.ledger)._db  # type: ignore[misc,no-any-return]

    def import_courses(self) -> int:
        """What `wcsync courses import` does, by the daemon's own parts. How many courses it found without a product."""
        config = self.app.config
        file = course_import._File.read(config)
        maker = course_import._maker(self.app, CAMPUS, file)
        ending = course_import._planned(maker, ())
        course_import._make(maker, ending, Waiting())
        self.points.point("before the rows")
        course_import._write_rows(config, file, ending)
        self.points.point("after the rows")
        assert not ending.trouble + ending.problem, ending
        return len(ending.plan.steps)

    # -- the shop ----------------------------------------------------------------------------------------------------
    def buy(self, email: str, *products: int, quantity: int = 1, status: str = "completed") -> int:
        self.tick(1)
        lines = [Sold(product_id=number, quantity=quantity) for number in products]
        name = email.partition("@")[0].title()
        return self.shop.buy(email, name, "Buyer", lines, status=status, paid=status == "completed")

    # -- what is to be seen ------------------------------------------------------------------------------------------
    def inside(self) -> set[Place]:
        return self.sites.inside()

    def picture(self) -> Counter[str]:
        """All that can be seen out there, thing by thing: what is the same once, but for `repeats`."""
        seen = self.sites.picture()
        if self.scenery.mirrors:
            seen.update(f"in the mapping: {line}" for line in self.mapping.read_text().splitlines() if line)
        if self.postbox is not None:
            seen.update(f"letter: {subject}" for subject in self.postbox.subjects().values())
        return seen

    def repeats(self) -> Counter[str]:
        """By way, what can be told by its key, or by what it shows, to be the same as something before it."""
        letters = self.postbox.ids() if self.postbox is not None else []
        return +(self.sites.repeats() + Counter(mail=len(letters) - len(set(letters))))

    # -- what must hold ----------------------------------------------------------------------------------------------
    def troubles(self) -> Iterator[str]:
        """What is wrong with the ledger, which should be whole, at rest, and behind the shop by nothing."""
        [[whole]] = [row.values() for row in self.rows("PRAGMA integrity_check")]
        if whole != "ok":
            yield f"integrity: {whole}"
        for table in ("enrolments", "outbox"):
            for row in self.rows(f"SELECT * FROM {table} WHERE state NOT IN ('settled', 'sent')"):
                yield f"{table}: {row}"
        yield from (f"unannounced: {what}" for what in self.unannounced)
        yield from [*self.passed_by, *self.unread()]

    def unread(self) -> Iterator[str]:
        """Orders that the cursor has passed and the ledger does not have."""
        known = {row["order_id"]: row["modified_at"] for row in self.rows("SELECT * FROM orders")}
        for row in self.rows(_FINISHED_READING):
            for number, order in self.shop.orders.items():
                modified = datetime.fromisoformat(order["date_modified_gmt"]).replace(tzinfo=UTC)
                if not self.reads_from <= modified <= datetime.fromisoformat(row["position"]):
                    continue
                if number not in known or datetime.fromisoformat(known[number]) < modified:
                    yield f"passed by: order {number} of {modified}, known as of {known.get(number)}"


_numbers = count()
_SENT = {"mail": LETTER, "hook": "hook"}
"""How what is under way ends its name."""
_FINISHED_READING = "SELECT position FROM cursors WHERE name = 'orders' AND polled_at IS NOT NULL"
"""A cursor that was begun and that nothing was read up to yet says only where that is to begin."""
_LEASED = """
    SELECT min(changed_at) AS at FROM enrolments WHERE state = 'leased'
    UNION ALL SELECT min(changed_at) FROM outbox WHERE state = 'leased'
"""
_WAITING = """
    SELECT min(next_attempt_at) AS at FROM enrolments WHERE state = 'due'
    UNION ALL SELECT min(next_attempt_at) FROM outbox WHERE state = 'due'
    UNION ALL SELECT min(next_look_at) FROM confirmations
"""
_TO_TELL = """
    SELECT strftime('%Y-%m-%dT%H:%M:%fZ', min(gone_at), '+' || ? || ' seconds') AS at FROM troubles
    WHERE ended_at IS NULL AND gone_at IS NOT NULL
    UNION ALL SELECT min(since) FROM troubles WHERE ended_at IS NULL AND told_at IS NULL
"""
