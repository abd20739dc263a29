"""A sandbox shop, a sandbox Moodle and the files of a real daemon between them."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

from tests.daemon_files import write_secrets
from tests.system.nursery import Child, Nursery, printed
from tests.system.stock import Stock, take_stock
from wcsync.ledger.report import Report, Summary
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop

SHOP_SECRET = "cs_marked_5c7e0f1d_secret"
MOODLE_TOKEN = "tok_marked_9d41ab77_secret"
COURSES = 5


class World:
    """Sells, starts and kills the daemon, and counts by the sandbox's own state.

    `timeout_s`: of all calls; a note that went unanswered is waited for three times as long, an enrolment for
    `quarantine_s`. `orders`: more keys of [orders].
    """

    marked: tuple[str, ...] = (SHOP_SECRET, MOODLE_TOKEN, "marked@personal")

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 4,
        poll_every_s: float = 1.0,
        quarantine_s: float = 2.5,
        timeout_s: float = 1.0,
        start: str = "2000-01-01",
        orders: str = "",
    ) -> None:
        self.folder = folder
        self.shop = SandboxShop(consumer_secret=SHOP_SECRET)
        self.moodle = SandboxMoodle(token=MOODLE_TOKEN)
        self.shop.start()
        self.moodle.start()
        self.nursery = Nursery()
        self.courses = [self.moodle.add_course(f"Course {n}", welcome="noreply") for n in range(COURSES)]
        self.products = [self.shop.add_product(f"Course {n}", sku=f"C-{n}") for n in range(COURSES)]
        self.paid: Counter[tuple[str, int]] = Counter()
        self.sold: Counter[tuple[str, int]] = Counter()
        self.begins = start
        self.config_path = folder / "config.toml"
        keys = f'poll_every_s = {poll_every_s}\nstart = "{start}"\nworkers = {workers}\n{orders}'
        self._write_files(keys, timeout_s, quarantine_s)
        self.log_path = folder / "daemon.log"

    def sell(self, buyer: int, *courses: int, status: str = "completed") -> int:
        email = f"buyer{buyer}.marked@personal.example.test"
        lines = [(self.products[course], 1) for course in courses]
        order_id = self.shop.buy(email, f"Given{buyer}", f"Family{buyer}", lines, status=status)
        if status == "completed":
            seats = [(email, self.courses[course]) for course in courses]
            self.paid.update(seats)
            self.sold.update(seats)
        return order_id

    def refund(self, order_id: int) -> None:
        order = self.shop.orders[order_id]
        self.shop.set_status(order_id, "refunded")
        for line in order["line_items"]:
            seat = (order["billing"]["email"], self.courses[self.products.index(line["product_id"])])
            self.paid[seat] -= 1

    def expected(self) -> set[tuple[str, int]]:
        return {seat for seat, count in self.paid.items() if count > 0}

    def start(self, *arguments: str, fresh: bool = True) -> Child:
        """The daemon. `fresh`: from the very beginning, importing included."""
        return self.run("run", *arguments, fresh=fresh)

    def start_spoilt(self, program: str) -> Child:
        """The daemon as another program runs it."""
        words = ("run", "--config", str(self.config_path))
        return self.nursery.start_fresh(*words, log=self.log_path, program=("-c", program))

    def run(self, *words: str, fresh: bool = False) -> Child:
        """Any command, as a process of its own."""
        start = self.nursery.start_fresh if fresh else self.nursery.start
        return start(*words, "--config", str(self.config_path), log=self.log_path)

    def run_once(self) -> int:
        return self.start("--once", fresh=False).wait(timeout=120)

    def kill(self, process: Child) -> None:
        process.kill()

    def settle(self, timeout_s: float = 90) -> Summary:
        """Lets a daemon run unharmed until nothing is due any more, and what comes late has come; then stops it."""
        starts = self._starts()
        process = self.start(fresh=False)
        deadline = monotonic() + timeout_s
        summary = None
        while monotonic() < deadline:
            sleep(0.3)
            if self._starts() > starts and process.poll() is None:
                summary = self.summary()
                if self._quiet(summary):
                    break
        for server in (self.moodle, self.shop):
            server.wait_for_late_effects()
        process.terminate()
        assert process.wait(timeout=30) == 0, self.log_path.read_text()[-4000:]
        assert summary is not None
        assert summary.due == 0, (summary, self.log_path.read_text()[-4000:])
        return summary

    def summary(self) -> Summary:
        with closing(Report(self.folder / "ledger.db")) as report:
            return report.summary()

    def count(self) -> Stock:
        """What came of it, once all is quiet."""
        return take_stock(self)

    def verify(self) -> None:
        """One account, one enrolment, one enrolling call for every seat paid for; nothing lost, nothing leaked."""
        assert self.count().wrong() == []

    def said(self) -> list[str]:
        """All that was logged, and all that commands printed beside it."""
        return [path.read_text() for path in (self.log_path, printed(self.log_path)) if path.exists()]

    def close(self) -> None:
        self.nursery.close()
        self.shop.stop()
        self.moodle.stop()

    def _starts(self) -> int:
        return self.log_path.read_text().count('"daemon_started"') if self.log_path.exists() else 0

    def _quiet(self, summary: Summary) -> bool:
        done = summary.orders == len(self.shop.orders) and summary.due == 0 and self._read_all()
        return done and not self._messages_waiting()

    def _messages_waiting(self) -> int:
        with closing(Report(self.folder / "ledger.db")) as report:
            return sum(row["waiting"] for row in report.messages())

    def _read_all(self) -> bool:
        """Whether the ledger has every order as the shop has it."""
        with closing(sqlite3.connect(self.folder / "ledger.db")) as db:
            read = dict(db.execute("SELECT order_id, status FROM orders").fetchall())
        return read == {number: order["status"] for number, order in self.shop.orders.items()}

    def _write_files(self, orders: str, timeout_s: float, quarantine_s: float) -> None:
        write_secrets(self.folder, {"key": "ck_sandbox", "secret": SHOP_SECRET, "token": MOODLE_TOKEN})
        self.config_path.write_text(
            f"""
[store]
url = "{self.shop.url}"
consumer_key = {{ file = "key" }}
consumer_secret = {{ file = "secret" }}
timeout_s = {timeout_s:g}
[orders]
{orders}
[retry]
first_delay_s = 1
max_delay_s = 2
max_attempts = 1000
[[lms]]
name = "campus"
kind = "moodle"
url = "{self.moodle.url}"
token = {{ file = "token" }}
timeout_s = {timeout_s:g}
quarantine_s = {quarantine_s}
[ledger]
path = "ledger.db"
[mapping]
path = "mapping.toml"
[log]
format = "json"
"""
        )
        rows = [
            f'[[map]]\nproduct_id = {product}\nlms = "campus"\ncourse = "{course}"\n'
            for product, course in zip(self.products, self.courses, strict=True)
        ]
        (self.folder / "mapping.toml").write_text("\n".join(rows))
