"""Rows about a daemon that has nothing to do."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Samples, interleave, measure
from benchmarks.meter import Sample, cpu_s, memory_mb
from benchmarks.product import write_config
from benchmarks.pull import FIELDS
from benchmarks.rows import Row, Target, against_settings
from benchmarks.sites import ROOT, Site, environment, running
from benchmarks.sizes import Sizes

PERIOD_S = 1.0
"""The daemon's shortest."""
PATIENCE_S = 60.0
LOOK_S = 0.05
WCSYNC = (sys.executable, "-m", "wcsync")
STANDARD_LIBRARY = "http.client + sqlite3"


def idle(sizes: Sizes) -> Iterator[Row]:
    """What polling costs while nobody buys."""
    with running("shop", orders=0, page_size=100, fields=FIELDS) as shop:
        polls = _polls(shop, sizes)
        daemons = interleave(
            {name: partial(_live, shop, start, sizes.daemon_polls) for name, start in DAEMONS.items()},
            sizes.slow_repetitions,
        )
    yield from _poll_rows(sizes, polls)
    yield from _daemon_rows(daemons)


def _polls(shop: Site, sizes: Sizes) -> dict[str, Samples]:
    def contenders(*names: str) -> dict[str, Callable[[], Sample]]:
        return {
            name: partial(measure, f"idle_subjects:{name}", url=shop.url, polls=sizes.idle_polls)
            for name in names
        }

    timed = contenders("by_app", "by_ticks", "by_standard_library", "by_package")
    return interleave(timed, sizes.repetitions) | interleave(contenders("by_app_traced"), 1)


def _poll_rows(sizes: Sizes, found: Mapping[str, Samples]) -> Iterator[Row]:
    per_hundred = 100 / sizes.idle_polls
    for name, subject, against in (
        ("requests", "by_app", "one per poll"),
        ("commits", "by_app_traced", "one per poll"),
    ):
        yield Row(
            name=f"idle.{name}",
            measured="100 polls, nothing new",
            against=against,
            unit=name,
            samples=found[subject].of(name, scale=per_hundred),
            floor_samples=against_settings(100),
            calculated=True,
            target=Target(at=1.0),
        )
    yield Row(
        name="idle.connections",
        measured="100 polls, nothing new",
        against="one per 20 polls",
        unit="connections",
        samples=found["by_app"].of("connections"),
        floor_samples=against_settings(5),
        calculated=True,
        target=Target(at=1.0),
    )
    polls, ticks = "100 polls, nothing new", "100 seconds, nothing due, the mapping file watched"
    for name, subject, measured, rival, against, most in (
        ("cpu", "by_app", polls, "by_standard_library", STANDARD_LIBRARY, 5.0),
        ("cpu_package", "by_app", polls, "by_package", "woocommerce package, nothing noted down", None),
        ("cpu_ticks", "by_ticks", ticks, "by_standard_library", f"100 polls of {STANDARD_LIBRARY}", None),
    ):
        yield Row(
            name=f"idle.{name}",
            measured=measured,
            against=against,
            unit="s cpu",
            samples=found[subject].of("cpu_s", scale=per_hundred),
            floor_samples=found[rival].of("cpu_s", scale=per_hundred),
            target=Target(at=most) if most else None,
        )


def _daemon_rows(found: Mapping[str, Samples]) -> Iterator[Row]:
    for name, key, measured, unit, scale, most in (
        ("memory", "memory_mb", "a running daemon", "MB", 1.0, 48.0),
        ("start", "start_s", "from start to the first poll answered", "s", 1.0, 0.8),
        (
            "cpu",
            "cpu_per_s",
            "a daemon that polls every second, idle threads included",
            "ms cpu/s",
            1e3,
            None,
        ),
    ):
        yield Row(
            name=f"idle.daemon.{name}",
            measured=measured,
            against=f"a script of {STANDARD_LIBRARY}",
            unit=unit,
            samples=found["wcsync"].of(key, scale=scale),
            floor_samples=found["script"].of(key, scale=scale),
            target=Target(at=most, by_value=True) if most else None,
        )


def _live(shop: Site, start: Callable[[Site, Path], list[str]], polls: int) -> Sample:
    """Starts a daemon, lets it poll some more once it has begun, and looks at it from outside."""
    with TemporaryDirectory(prefix="wcsync-bench-") as folder:
        command = start(shop, Path(folder))
        shop.reset()
        started_at = time.monotonic()
        with process_of(command) as process:
            first_at = await_polls(shop, process, 1)
            cpu_before_s, looked_at = cpu_s(process.pid), time.monotonic()
            await_polls(shop, process, 1 + polls)
            span_s = time.monotonic() - looked_at
            used_s = cpu_s(process.pid) - cpu_before_s
            held_mb = memory_mb(process.pid)
    return {"start_s": first_at - started_at, "cpu_per_s": used_s / span_s, "memory_mb": held_mb}


def _start_wcsync(shop: Site, folder: Path) -> list[str]:
    config = write_config(folder, shop_url=shop.url, poll_every_s=PERIOD_S)
    return [*WCSYNC, "run", "--config", str(config)]


def _start_script(shop: Site, folder: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "benchmarks.idle_floor",
        shop.url,
        str(folder / "polls.db"),
        str(PERIOD_S),
    ]


DAEMONS = {"wcsync": _start_wcsync, "script": _start_script}


@contextmanager
def process_of(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a command beside the block and ends it with the block, whatever happens."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def await_polls(shop: Site, process: "subprocess.Popen[bytes]", polls: int) -> float:
    """Waits until so many polls were answered. Returns when the first one was."""
    deadline = time.monotonic() + PATIENCE_S
    while (stats := shop.stats()).answered("page") < polls:
        assert process.poll() is None, process.args
        assert time.monotonic() < deadline, process.args
        time.sleep(LOOK_S)
    return stats.answers["page"].first_at
