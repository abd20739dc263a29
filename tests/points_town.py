"""A sandbox shop and a sandbox Moodle with the whole daemon between them, in one process without a socket: its life can
end at any point, and begins again from what it left on disk."""

import json
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import structlog

from tests.fakes import FakeClock
from tests.points import (
    Fate,
    FragileLedger,
    Handle,
    Hanging,
    Points,
    Refuse,
    Shopfront,
    Wire,
    describe,
    writes,
)
from wcsync.app import App, periods
from wcsync.config import Config, LedgerSettings, load_config
from wcsync.errors import PassingTrouble
from wcsync.ledger.connection import prepare_file
from wcsync.lms.moodle.adapter import Moodle
from wcsync.mappers.notes import told_last
from wcsync.model import LmsName
from wcsync.pollers.orders import Pass
from wcsync.pool import Worker as Hand
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.server import SandboxServer
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_lines import Sold

BEGIN = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)
SHOP_URL, CAMPUS_URL = "https://shop.example.test", "https://campus.example.test"
CAMPUS = LmsName("campus")
PAGE_SIZE = 1
LATE_S = 88.0
"""So long after it was sent a call of a dead process takes effect: just before the quarantines of 90 s end."""
RESTART_S = 1.0
WAIT_S = 30.0
MOST_ROUNDS = 60
CONFIG = f"""
[store]
url = "{SHOP_URL}"
consumer_key = "ck_sandbox"
consumer_secret = "cs_sandbox"
[orders]
page_size = {PAGE_SIZE}
[[lms]]
name = "campus"
kind = "moodle"
url = "{CAMPUS_URL}"
token = "sandboxtoken"
[ledger]
path = "ledger.db"
"""
COURSE, SECOND, CLUB, T_SHIRT = range(1, 5)
"""The products; the first three sell a course each."""
PRODUCTS = {COURSE: "", SECOND: "", CLUB: "with_subscription = true"}

Place = tuple[str, int]
"""An address and the product whose course it is in."""


def ram() -> Path:
    """Where files are quick: a disk in memory, if there is one."""
    return Path("/dev/shm" if Path("/dev/shm").is_dir() else gettempdir())


@cache
def read_town_config(folder: Path) -> Config:
    rows = (
        f'[[map]]\nproduct_id = {number}\nlms = "campus"\ncourse = "{number + 1}"\n{terms}\n'
        for number, terms in PRODUCTS.items()
    )
    shirt = f"[[map]]\nproduct_id = {T_SHIRT}\nignore = true\n"
    (folder / "mapping.toml").write_text("\n".join([*rows, shirt]))
    (folder / "config.toml").write_text(CONFIG)
    return load_config(folder / "config.toml", {}).config


@cache
def empty_ledger(folder: Path) -> Path:
    path = folder / "empty.db"
    prepare_file(path)
    return path


class Town:
    """`folder` holds what many towns share; each has a folder of its own in it. `close()` when done.

    `points` counts where the daemon may die; `fate` is what becomes of calls that are under way when it does.
    `refuse` is asked before each statement of the ledger; `refused` hears that a job or a worker met it.
    """

    def __init__(
        self, folder: Path, *, fate: Fate = "never", two_at_once: bool = False, mirrors: bool = False
    ) -> None:
        self.folder = folder
        self.fate = fate
        self.clock = FakeClock(BEGIN)
        self.points = Points(dying=self._leave)
        self.refuse: Refuse = lambda _sql: None
        self._arriving_late = False
        self._refusals = 0
        self.unannounced: list[str] = []
        self.hanging: list[Hanging] = []
        self.two_at_once = two_at_once
        self.mirrors = mirrors
        self.asked = 0
        self.ever_inside: set[Place] = set()
        self._mine = folder / f"town-{next(_numbers)}"
        self._mine.mkdir()
        self._ledgers = (self._mine / f"ledger-{number}.db" for number in count())
        self.path = next(self._ledgers)
        shutil.copy(empty_ledger(folder), self.path)
        self._heir: Path | None = None
        self.refused: Callable[[], None] = lambda: None
        self.passed_by: list[str] = []
        self._build_shop()
        self._build_campus()
        self.reads_from = BEGIN
        self._app: App | None = None
        self.begin()

    def _build_shop(self) -> None:
        self.shop = SandboxShop(clock=self.clock, timezone="Europe/Madrid")
        self.shop.site_url = SHOP_URL
        for number in (*PRODUCTS, T_SHIRT):
            self.shop.add_product(f"Product {number}", sku=f"P-{number}", price="100", product_id=number)

    def _build_campus(self) -> None:
        self.campus = SandboxMoodle(clock=self.clock)
        self.campus.siteurl = CAMPUS_URL
        for number in PRODUCTS:
            self.campus.add_course(f"Course {number}", course_id=number + 1, welcome="noreply")

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
        config = read_town_config(self.folder)
        config = config.model_copy(update={"ledger": LedgerSettings(path=self.path)})
        ledger = FragileLedger(self.path, self.points.point, self._ask_disk)
        store = Shopfront(
            url=SHOP_URL,
            consumer_key="ck_sandbox",
            consumer_secret="cs_sandbox",
            page_size=PAGE_SIZE,
            transport=self._wire(self.shop),
        )
        store.strike = self.points.point
        [settings] = config.lms
        campus = Moodle(settings, transport=self._wire(self.campus))  # type: ignore[arg-type]  # it is of that kind
        self._app = App(
            config, clock=self.clock, dice=lambda: 0.5, ledger=ledger, store=store, lmss={CAMPUS: campus}
        )
        try:
            self._app.prepare()
        except (sqlite3.OperationalError, PassingTrouble):
            self._let_go()
            raise

    def _wire(self, server: SandboxServer) -> Wire:
        def handle(request: Request) -> Response:
            self.asked += 1
            self._look_for_intent(request)
            answer = server.handle(request)
            self.ever_inside |= self.inside()
            return answer

        return Wire(handle, self.points, self.clock, self._hang, self._meanwhile)

    def _ask_disk(self, sql: str) -> sqlite3.OperationalError | None:
        refusal = self.refuse(sql)
        self._refusals += refusal is not None
        return refusal

    def _look_for_intent(self, request: Request) -> None:
        """Whoever writes has said so on the disk before, and holds no transaction open."""
        if self.points.dead or self._arriving_late or self.mirrors or not writes(request):
            return
        table = "outbox" if request.path.endswith("/notes") else "enrolments"
        asked = f"SELECT 1 FROM {table} WHERE state = 'leased' AND sending_since IS NOT NULL"
        if self._connection.in_transaction or not self.rows(asked):
            self.unannounced.append(describe(request))

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
        self.points.arm()
        self.tick(RESTART_S)

    def stop(self) -> None:
        """The process ends in good order."""
        self._let_go()

    def _let_go(self) -> None:
        if self._app is not None:
            self._app.close()
            self._app = None

    def close(self) -> None:
        self._let_go()
        shutil.rmtree(self._mine)

    def _hang(self, handle: Handle, request: Request) -> None:
        if self.fate == "lost":
            handle(request)
        elif self.fate == "late":
            self.hanging.append(Hanging(handle, request, self.clock() + timedelta(seconds=LATE_S)))

    def _meanwhile(self) -> None:
        """Another worker has its turn while this one waits for an answer."""
        if self.two_at_once and self.points.calls_out == 1:
            self.app.pool._workers[1].run_once()

    # -- time --------------------------------------------------------------------------------------------------------
    def tick(self, seconds: float) -> None:
        until = self.clock() + timedelta(seconds=seconds)
        for one in sorted(self.hanging, key=lambda one: one.due_at):
            if one.due_at <= until:
                self.clock.now = max(self.clock.now, one.due_at)
                self.hanging.remove(one)
                self._arriving_late = True
                one.handle(one.request)
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
            lambda: self._drain(app.pool._workers[:1]),
            app.house.tell_waiting,
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

    # -- the shop ----------------------------------------------------------------------------------------------------
    def buy(self, email: str, *products: int, quantity: int = 1, status: str = "completed") -> int:
        self.tick(1)
        lines = [Sold(product_id=number, quantity=quantity) for number in products]
        name = email.partition("@")[0].title()
        return self.shop.buy(email, name, "Buyer", lines, status=status, paid=status == "completed")

    # -- what is to be seen ------------------------------------------------------------------------------------------
    def inside(self) -> set[Place]:
        return {(email, course - 1) for email, course in self.campus.active_enrolments()}

    def picture(self) -> Counter[str]:
        """All that can be seen out there, thing by thing, by the sandboxes' own books."""
        users = {one.id: one.email for one in self.campus.users.values()}
        seen = Counter(f"account {email}" for email in users.values())
        seen.update(f"password for {email}" for email in self.campus.created_passwords_mailed)
        for row in self.campus.enrolments:
            seen[f"{users[row.user_id]} {row.status} in {row.course_id}"] += 1
        for (user_id, course_id), times in self.campus.mails.items():
            seen[f"welcome of {users[user_id]} to {course_id}"] += times
        for order_id in self.shop.notes:
            seen.update(f"note of {order_id}: {text}" for text in self.notes(order_id))
        if self.mirrors:
            seen.update(f"product {number}: {self._product(number)}" for number in self.shop.products)
        return seen

    def notes(self, order_id: int) -> list[str]:
        found = [note["note"] for note in self.shop.notes[order_id]]
        return [text for text in found if told_last([text])]

    def _product(self, number: int) -> str:
        """As it is stored, without what differs from run to run by nature."""
        shown = {key: value for key, value in self.shop.product(number).items() if "modified" not in key}
        return json.dumps(shown, sort_keys=True)

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
_FINISHED_READING = "SELECT position FROM cursors WHERE name = 'orders' AND polled_at IS NOT NULL"
"""A cursor that was begun and that nothing was read up to yet says only where that is to begin."""
_LEASED = """
    SELECT min(changed_at) AS at FROM enrolments WHERE state = 'leased'
    UNION ALL SELECT min(changed_at) FROM outbox WHERE state = 'leased'
"""
_WAITING = """
    SELECT min(next_attempt_at) AS at FROM enrolments WHERE state = 'due'
    UNION ALL SELECT min(next_attempt_at) FROM outbox WHERE state = 'due'
"""


@contextmanager
def told_faults(faults: list[str]) -> Iterator[None]:
    """No log line is kept but those of bugs: a disk that refuses is none."""

    def take(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        if method == "critical" and not isinstance(sys.exc_info()[1], sqlite3.OperationalError):
            faults.append(str(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[take])
    try:
        yield
    finally:
        structlog.configure(**before)
