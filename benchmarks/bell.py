"""The row about a daemon that is told of an order by a signal."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Samples
from benchmarks.idle import LOOK_S, PATIENCE_S, WCSYNC, await_polls, process_of
from benchmarks.payload import PRODUCTS
from benchmarks.product import write_config
from benchmarks.pull import FIELDS
from benchmarks.rows import Row, Target, against_settings
from benchmarks.sites import Site, running
from benchmarks.sizes import Sizes

ENROL = "enrol_manual_enrol_users"
CALLS = 3
SHOP_S, CAMPUS_S = 0.1, 0.05
REST_S = 0.8
"""Between two orders: longer than the shop rests after a look."""


def wake(sizes: Sizes) -> Iterator[Row]:
    """How long after an order was completed its buyer is in, when a signal says so."""
    injected_s = SHOP_S + CALLS * CAMPUS_S
    with (
        running("shop", orders=0, page_size=100, fields=FIELDS) as shop,
        running("campus") as campus,
        TemporaryDirectory(prefix="wcsync-bench-") as folder,
    ):
        took = _sell(shop, campus, Path(folder), sizes.bells)
    beyond = Samples(runs=tuple({"s": seconds - injected_s} for seconds in took))
    yield Row(
        name="bell.latency",
        measured="order completed and signal sent, to enrolment accepted, beyond the latencies of both sites",
        against=f"their latencies: {SHOP_S * 1000:.0f} ms and {CALLS} x {CAMPUS_S * 1000:.0f} ms",
        unit="ms",
        samples=beyond.of("s", scale=1000),
        floor_samples=against_settings(injected_s * 1000),
        calculated=True,
        target=Target(at=30.0, by_value=True),
    )


def _sell(shop: Site, campus: Site, folder: Path, orders: int) -> list[float]:
    """One order more than is counted: with the first one connections are opened and the course is looked up."""
    config = write_config(
        folder, shop_url=shop.url, campus_url=campus.url, poll_every_s=3600.0, start="2026-01-01", hot_s=0.0
    )
    with process_of([*WCSYNC, "run", "--config", str(config)]) as daemon:
        await_polls(shop, daemon, 1)
        shop.pace(SHOP_S)
        campus.pace(CAMPUS_S)
        took_s = [_sell_one(shop, campus, daemon.pid, sold) for sold in range(1, orders + 2)]
    return took_s[1:]


def _sell_one(shop: Site, campus: Site, pid: int, sold: int) -> float:
    """Seconds from the completed order to the answer to the last call. All orders are for the same course."""
    time.sleep(REST_S)
    shop.get(f"/sell?number={PRODUCTS * sold + 1}")
    sold_at = time.monotonic()
    os.kill(pid, signal.SIGUSR1)
    while (stats := campus.stats()).answered(ENROL) < sold:
        assert time.monotonic() < sold_at + PATIENCE_S, stats
        time.sleep(LOOK_S)
    return stats.answers[ENROL].last_at - sold_at
