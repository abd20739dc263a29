"""A sandbox shop, a sandbox Moodle and the files of a real daemon between them."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from wcsync.events import ALWAYS, EVENTS
from wcsync.ledger.report import Report, Summary
from wcsync.mappers.notes import told_last
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop

SHOP_SECRET = "cs_marked_5c7e0f1d_secret"
MOODLE_TOKEN = "tok_marked_9d41ab77_secret"
COURSES = 5


class World:
    """Sells, starts and kills the daemon, and counts by the sandbox's own state."""

    def __init__(
        self, folder: Path, *, workers: int = 4, poll_every_s: float = 1.0, quarantine_s: float = 2.5
    ) -> None:
        self.folder = folder
        self.shop = SandboxShop(consumer_secret=SHOP_SECRET)
        self.moodle = SandboxMoodle(token=MOODLE_TOKEN)
        self.shop.start()
        self.moodle.start()
        self.courses = [self.moodle.add_course(f"Course {n}", welcome="noreply") for n in range(COURSES)]
        self.products = [self.shop.add_product(f"Course {n}", sku=f"C-{n}") for n in range(COURSES)]
        self.paid: Counter[tuple[str, int]] = Counter()
        self.taken_back: set[tuple[str, int]] = set()
        self.config_path = folder / "config.toml"
        self._write_files(workers, poll_every_s, quarantine_s)
        self.log_path = folder / "daemon.log"

    def sell(self, buyer: int, *courses: int, status: str = "completed") -> int:
        email = f"buyer{buyer}.marked@personal.example.test"
        lines = [(self.products[course], 1) for course in courses]
        order_id = self.shop.buy(email, f"Given{buyer}", f"Family{buyer}", lines, status=status)
        if status == "completed":
            self.paid.update((email, self.courses[course]) for course in courses)
        return order_id

    def refund(self, order_id: int) -> None:
        order = self.shop.orders[order_id]
        self.shop.set_status(order_id, "refunded")
        for line in order["line_items"]:
            seat = (order["billing"]["email"], self.courses[self.products.index(line["product_id"])])
            self.paid[seat] -= 1
            self.taken_back.add(seat)

    def expected(self) -> set[tuple[str, int]]:
        return {seat for seat, count in self.paid.items() if count > 0}

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "wcsync", "run", "--config", str(self.config_path), *arguments],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )

    def run_once(self) -> int:
        return self.start("--once").wait(timeout=120)

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)

    def settle(self, timeout_s: float = 90) -> Summary:
        """Lets a daemon run unharmed until nothing is due any more, then stops it politely."""
        self.moodle.wait_for_late_effects()
        starts = self._starts()
        process = self.start()
        deadline = monotonic() + timeout_s
        summary = None
        while monotonic() < deadline:
            sleep(0.3)
            if self._starts() > starts and process.poll() is None:
                summary = self.summary()
                if self._quiet(summary):
                    break
        process.terminate()
        assert process.wait(timeout=30) == 0, self.log_path.read_text()[-4000:]
        assert summary is not None
        assert summary.due == 0, (summary, self.log_path.read_text()[-4000:])
        return summary

    def summary(self) -> Summary:
        with closing(Report(self.folder / "ledger.db")) as report:
            return report.summary()

    def verify(self) -> None:
        """One account, one enrolment, one enrolling call for every seat paid for; nothing lost, nothing leaked."""
        assert self.moodle.active_enrolments() == self.expected()
        for email in {email for email, _ in self.paid}:
            assert len(self.moodle.accounts(email)) <= 1, email
        for row in self.moodle.enrolments:
            seat = (self.moodle.users[row.user_id].email, row.course_id)
            if seat not in self.taken_back:
                assert len(row.history) == 1, (seat, row.history)
                assert self.moodle.mails[row.user_id, row.course_id] == 1, seat
        self._verify_notes()
        with closing(sqlite3.connect(self.folder / "ledger.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("SELECT count(*) FROM enrolments WHERE state = 'leased'").fetchone() == (0,)
        assert self.summary().unexplained == 0
        text = self.log_path.read_text()
        assert SHOP_SECRET not in text
        assert MOODLE_TOKEN not in text
        assert "marked@personal" not in text
        self._verify_log(text)

    def _verify_log(self, text: str) -> None:
        """Every line is an event of the catalogue, with no other keys. A kill may tear one."""
        lines = [line for line in map(_parsed, text.splitlines()) if line is not None]
        assert lines
        for line in lines:
            assert set(line) <= {*ALWAYS, "exception", *EVENTS[line["event"]].keys}, line

    def _verify_notes(self) -> None:
        """Every paid order tells its shop what became of it, and nothing twice; what was refunded later says so."""
        for order_id, order in self.shop.orders.items():
            notes = [note["note"] for note in self.shop.notes.get(order_id, []) if "(wcsync" in note["note"]]
            marks = [told_last([note]) for note in notes]
            assert all(one != other for one, other in pairwise(marks)), (order_id, notes)
            if order["status"] == "completed":
                assert notes, order_id
                assert "is enrolled" in notes[-1], (order_id, notes)
                assert len(notes) == 1, (order_id, notes)

    def close(self) -> None:
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

    def _write_files(self, workers: int, poll_every_s: float, quarantine_s: float) -> None:
        for name, secret in (("key", "ck_sandbox"), ("secret", SHOP_SECRET), ("token", MOODLE_TOKEN)):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(secret)
        self.config_path.write_text(
            f"""
[store]
url = "{self.shop.url}"
consumer_key = {{ file = "key" }}
consumer_secret = {{ file = "secret" }}
timeout_s = 1
[orders]
poll_every_s = {poll_every_s}
start = "2000-01-01"
workers = {workers}
[retry]
first_delay_s = 1
max_delay_s = 2
max_attempts = 1000
[[lms]]
name = "campus"
kind = "moodle"
url = "{self.moodle.url}"
token = {{ file = "token" }}
timeout_s = 1
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


def _parsed(written: str) -> dict[str, Any] | None:
    try:
        line: dict[str, Any] = json.loads(written)
    except ValueError:
        return None
    return line
