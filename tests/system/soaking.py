"""A daemon's own jobs and workers in compressed time, measured as they go: one JSON line for each tenth of the polls.

A program of its own, so that its memory is nobody else's: `python soaking.py CONFIG CLOCK POLLS`. A second of its clock
is over as soon as everything that was due in it is done; the file CLOCK tells the sandboxes the time. Each job runs in
a thread of its own, as in the daemon, and asks by that clock whether it is time; so do the connections' time-outs.
"""

import concurrent.futures.thread  # noqa: F401  takes the real clock with it, as all that waits in real time does
import gc
import json
import mmap
import os
import queue  # noqa: F401  as above
import struct
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BEGIN = 1_795_000_000.0
TICK_S = 10.0
GIVE_UP_TICKS = 7200


class Clock:
    """Seconds since the epoch, moved by hand, in a file that others may look at."""

    def __init__(self, path: Path, *, begin: bool = False) -> None:
        if begin:
            path.write_bytes(struct.pack("d", BEGIN))
        with path.open("r+b") as stream:
            self._page = mmap.mmap(stream.fileno(), 8)

    def __call__(self) -> float:
        now: float = struct.unpack("d", self._page[:8])[0]
        return now

    def now(self) -> datetime:
        return datetime.fromtimestamp(self(), UTC)

    def tick(self) -> None:
        self._page[:8] = struct.pack("d", self() + TICK_S)


class _Job:
    """One of the daemon's, in a thread that stays the same."""

    def __init__(self, job: Any) -> None:
        self._job = job
        self._thread = ThreadPoolExecutor(1)
        self.due_at = 0.0

    def begin(self, now: float) -> Future[object]:
        self.due_at = now + self._job.every_s
        return self._thread.submit(self._job.run)


class Soak:
    """Turns the jobs until `polls` looks at the shop are over and nothing is due any more."""

    def __init__(self, config_path: Path, clock: Clock, polls: int) -> None:
        from wcsync.app import App
        from wcsync.config import load_config
        from wcsync.log import configure

        self._clock = clock
        self._polls = polls
        self._done = 0
        self._wal = config_path.with_name("ledger.db-wal")
        self._wal_bytes = 0
        config = load_config(config_path, {}).config
        configure(style="json", secrets=config.secrets())
        self.app = App(config, clock=clock.now)
        self._look, self.app.looks._look = self.app.looks._look, self._count
        self.app.prepare()
        self._jobs = [_Job(job) for job in self.app.jobs()]

    def run(self) -> None:
        self.app.pool.start()
        for tenth in range(1, 11):
            self._until(lambda share=tenth: self._done >= self._polls * share // 10)  # type: ignore[misc]
            if tenth == 10:
                self._until(lambda: self.app.summary().due + self.app.messages_waiting() == 0)
            self._tell(tenth)
        self.app.stop.set()
        self.app.pool.join()
        self.app.close()

    def _until(self, happened: Callable[[], bool]) -> None:
        limit = self._clock() + GIVE_UP_TICKS + self._polls * 60
        while not happened():
            assert self._clock() < limit, (self._done, self.app.summary())
            assert self._done or self._clock() < BEGIN + GIVE_UP_TICKS, "no look at the shop is counted"
            self._clock.tick()
            self._turn()
            self._wal_bytes = max(self._wal_bytes, self._wal.stat().st_size)

    def _turn(self) -> None:
        now = self._clock()
        for begun in [job.begin(now) for job in self._jobs if job.due_at <= now]:
            begun.result()

    def _count(self) -> Any:
        """In the place of a look at the shop."""
        self._done += 1
        return self._look()

    def _tell(self, tenth: int) -> None:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        summary = self.app.summary()
        figures = {
            "tenth": tenth,
            "polls": self._done,
            "orders": summary.orders,
            "enrolled": summary.enrolled,
            "rss_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 2),
            "threads": threading.active_count(),
            "handles": len(os.listdir("/proc/self/fd")),  # noqa: PTH208  its own handle counts each time alike
            "wal_bytes": self._wal_bytes,
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


def main() -> None:
    config_path, clock = Path(sys.argv[1]), Clock(Path(sys.argv[2]))
    time.monotonic = clock  # before anything of wcsync or httpx is loaded
    Soak(config_path, clock, int(sys.argv[3])).run()


if __name__ == "__main__":
    main()
