"""Days of a daemon in minutes: memory, threads, file handles and the ledger's log stay what they were."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.proofs import Proof
from tests.system import soaking
from tests.system.counting import count
from tests.system.soaking import Clock
from tests.system.world import World

POLLS, ORDERS, LIMIT_S, DRIFT_MB = {
    "short": (1_200, 240, 300, 3.0),
    "full": (100_000, 10_000, 10_000, 5.0),
}[os.environ.get("WCSYNC_PROVE", "short")]
SECONDS_A_POLL = soaking.TICK_S
"""At the least: the shop is never asked more often."""
WAL_BYTES = 8 * 2**20
KEPT = 500


@pytest.mark.prove
@pytest.mark.timeout(LIMIT_S + 60)
def test_days_of_polls_and_orders_leave_memory_threads_handles_and_the_ledgers_log_as_they_were(
    patient_world: World, proof: Proof
) -> None:
    world = patient_world
    clock = Clock(world.folder / "clock", begin=True)
    world.shop.clock = world.moodle.clock = clock.now
    began = monotonic()
    with _selling(world, clock):
        tenths = _soak(world)
    first, last = tenths[0], tenths[-1]
    lost, doubled = count(world)
    ledger_bytes = sum(one.stat().st_size for one in world.folder.glob("ledger.db"))
    proof.tell(
        "soak",
        f"{last['polls']:,} polls, {last['orders']:,} orders",
        trials=last["orders"],
        lost=lost,
        doubled=doubled,
        rss_mb=last["rss_mb"],
        drift_mb=round(last["rss_mb"] - first["rss_mb"], 2),
        threads=last["threads"],
        handles=last["handles"],
        handles_first=first["handles"],
        wal_mb=round(last["wal_bytes"] / 2**20, 2),
        connections=world.shop.connections,
        bytes_a_line=round(ledger_bytes / ORDERS),
        minutes=round((monotonic() - began) / 60, 1),
    )
    assert (lost, doubled) == (0, 0)
    assert last["orders"] == ORDERS
    assert last["rss_mb"] - first["rss_mb"] < DRIFT_MB, tenths
    assert {one["threads"] for one in tenths} == {first["threads"]}, tenths
    assert last["handles"] <= first["handles"], tenths
    assert last["wal_bytes"] <= WAL_BYTES, tenths
    assert world.shop.connections <= last["polls"] / 20


def _soak(world: World) -> list[dict[str, Any]]:
    words = [
        sys.executable,
        soaking.__file__,
        str(world.config_path),
        str(world.folder / "clock"),
        str(POLLS),
    ]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with world.log_path.open("wb") as log:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=log, env=env, timeout=LIMIT_S, check=False
        )
    assert done.returncode == 0, world.log_path.read_text()[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def _selling(world: World, clock: Clock) -> Iterator[None]:
    """Orders come at even distances, the last a while before the end; what the servers remember is kept short."""
    every_s = SECONDS_A_POLL * POLLS * 0.95 / ORDERS
    over = threading.Event()

    def sell() -> None:
        sold = 0
        while not over.is_set():
            while sold < min((clock() - soaking.BEGIN) / every_s, ORDERS):
                world.sell(sold, sold % len(world.courses))
                sold += 1
            for server in (world.shop, world.moodle):
                del server.requests[:-KEPT]
            sleep(0.01)

    seller = threading.Thread(target=sell, daemon=True)
    seller.start()
    try:
        yield
    finally:
        over.set()
        seller.join()


@pytest.fixture
def patient_world(tmp_path: Path) -> Iterator[World]:
    """As an admin leaves it, without the impatience that other tests need."""
    world = World(tmp_path, poll_every_s=60.0, quarantine_s=90.0)
    text = world.config_path.read_text()
    assert text.count("timeout_s = 1\n") == 2
    world.config_path.write_text(text.replace("timeout_s = 1\n", "timeout_s = 30\n"))
    yield world
    world.close()
