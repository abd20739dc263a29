"""A daemon as a service: the real process, with a listener in systemd's place."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.system.listener import Listener
from tests.system.nursery import Child
from tests.system.world import World

SPOILT = """
import sys, time
from pathlib import Path
import wcsync.app.build, wcsync.app.crew, wcsync.daemon, wcsync.pool, wcsync.shift
from wcsync.cli import main

folder = Path(sys.argv.pop(1))
wcsync.app.build.GRACE_S, wcsync.app.build.SILENT_CALLS = 1.0, 0
wcsync.daemon.LOOK_S = wcsync.shift.BEACON_S = wcsync.pool.IDLE_S = 0.1


def spoil(noun, verb, name):
    sound = getattr(noun, verb)

    def spoilt(self):
        while (folder / name).exists():
            (folder / f"{name}-now").touch()
            time.sleep(0.05)
        return sound(self)

    setattr(noun, verb, spoilt)


spoil(wcsync.app.crew.Worker, "run_once", "hang-worker")
spoil(wcsync.app.crew.OrdersPoller, "poll_once", "hang-poller")
main()
"""
"""The real program, with threads that hang while a file is there, and little patience with them."""


PATIENCE_S = 60.0
"""With what takes a second on a machine that has nothing else to do."""


class Service:
    """A daemon and the listener it speaks to."""

    def __init__(self, world: World, listener: Listener) -> None:
        self.world = world
        self.listener = listener
        self.process: subprocess.Popen[bytes] | Child | None = None

    def start(
        self,
        *,
        watchdog_s: float = 1.0,
        program: tuple[str, ...] = ("-m", "wcsync"),
        within: Sequence[str] = (),
        more: Mapping[str, str] | None = None,
        to: int | None = None,
        fresh: bool = True,
    ) -> None:
        """`within`: words of another program in front, which runs ours. `more`: for its environment. `to`: a handle
        that takes its log in place of the file. `fresh`: from the very beginning, importing included; the four before
        want that."""
        more = {
            "NOTIFY_SOCKET": self.listener.address,
            "WATCHDOG_USEC": str(int(watchdog_s * 1e6)),
            **(more or {}),
        }
        if not fresh:
            words = ("run", "--config", str(self.world.config_path))
            self.process = self.world.nursery.start(*words, log=self.world.log_path, more=more)
            return
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | more
        command = [*within, sys.executable, *program, "run", "--config", str(self.world.config_path)]
        with self.world.log_path.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log if to is None else to, env=env)

    def start_spoilt(self) -> None:
        self.start(program=("-c", SPOILT, str(self.world.folder)))
        self.listener.wait_for("READY=1")

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, timeout_s: float = PATIENCE_S) -> int:
        assert self.process is not None
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.ended()

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.world.log_path.read_text().splitlines() if line[:1] == "{"]
        return [line for line in found if line["event"] == event]

    def wait_until(self, event: str, timeout_s: float = PATIENCE_S) -> None:
        """Until a line about `event` is in the log."""
        deadline = monotonic() + timeout_s
        while not (self.world.log_path.exists() and self.lines(event)):
            assert monotonic() < deadline, self.world.log_path.read_text()[-4000:]
            sleep(0.02)

    def wait_for_lock(self) -> None:
        """Until the process is on its way to open the ledger."""
        deadline = monotonic() + PATIENCE_S
        while not (self.world.folder / "ledger.db.lock").exists():
            assert monotonic() < deadline
            sleep(0.02)

    def wait_enrolled(self, timeout_s: float = PATIENCE_S) -> None:
        deadline = monotonic() + timeout_s
        while self.world.moodle.active_enrolments() != self.world.expected():
            assert monotonic() < deadline, self.world.log_path.read_text()[-4000:]
            sleep(0.05)

    def change(self, old: str, new: str) -> None:
        text = self.world.config_path.read_text()
        assert old in text
        self.world.config_path.write_text(text.replace(old, new))
