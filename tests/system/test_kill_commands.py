"""SIGKILL for commands that write beside a running daemon: they are repeated, and nothing is lost or double."""

import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.proofs import Proof
from tests.system.killing import Killer, sized
from tests.system.nursery import Child
from tests.system.stock import Stock
from tests.system.world import World
from wcsync.cli import main

KILLS = sized(16, 120)
"""Kills in each campaign below."""
DAEMON_SHARE = 0.25
"""So many of the kills are not the command's but of the daemon beside it."""
TODAY = datetime.now(UTC)
BEGUN = TODAY - timedelta(days=2)
"""From when on the daemon reads by itself."""
LONG_AGO = f"{TODAY - timedelta(days=10):%Y-%m-%dT%H:%M:%S}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop that sold long before the ledger begins, read a few orders at a time."""
    keys = "page_size = 3\noverlap_s = 1"
    with closing(World(tmp_path, start=f"{BEGUN:%Y-%m-%dT%H:%M:%SZ}", orders=keys)) as world:
        world.shop.latency_s = world.moodle.latency_s = 0.02
        yield world


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_a_killed_backfill_is_repeated_and_every_old_order_is_enrolled_once(
    world: World, proof: Proof
) -> None:
    dice = random.Random(KILLS)
    for buyer in range(30):
        sell_long_ago(world, buyer)
    killer = Killer(world, dice, most_leased=4)
    with daemon_beside(world) as beside:
        while killer.kills < KILLS:
            world.sell(100 + killer.starts, dice.randrange(5))
            sell_long_ago(world, 200 + killer.starts)
            _kill_one(killer, beside, ("backfill", "--since", "2000-01-01"))
        assert _run(world, "backfill", "--since", "2000-01-01")["complete"]
    world.settle()
    stock = world.count()
    _tell(proof, "backfill beside a daemon", killer, stock)
    assert stock.wrong() + killer.troubles == []


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_a_killed_reconcile_is_repeated_and_proves_that_every_line_is_enrolled(
    world: World, proof: Proof
) -> None:
    """Orders that an import put behind the poller's back are found by nobody else."""
    dice = random.Random(KILLS + 1)
    killer = Killer(world, dice, most_leased=4)
    for buyer in range(10):
        world.sell(buyer, buyer % 5)
    with daemon_beside(world) as beside:
        while killer.kills < KILLS:
            world.sell(100 + killer.starts, dice.randrange(5))
            sell_long_ago(world, 200 + killer.starts)
            _kill_one(killer, beside, ("reconcile", "--lms", "all", "--since", "2000-01-01"))
        _run(world, "reconcile", "--lms", "all", "--since", "2000-01-01")
    world.settle()
    stock, proven = world.count(), _run(world, "reconcile", "--lms", "all", "--since", "2000-01-01")
    _tell(proof, "reconcile beside a daemon", killer, stock)
    assert stock.wrong() + killer.troubles == []
    assert (proven["fresh"], proven["enrolled"]) == (0, proven["paid_lines"])


def sell_long_ago(world: World, buyer: int) -> None:
    """As an import plugin leaves an order: dated as if it had been there all the time."""
    order_id = world.sell(buyer, buyer % 5)
    world.shop.edit(order_id, touch=False, date_modified_gmt=LONG_AGO)


class Beside:
    """The daemon that works meanwhile, started anew where it was killed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.process = world.start(fresh=False)

    def start(self) -> Child:
        self.process.kill()
        self.process = self._world.start(fresh=False)
        return self.process


@contextmanager
def daemon_beside(world: World) -> Iterator[Beside]:
    beside = Beside(world)
    yield beside
    if beside.process.poll() is not None:
        beside.start()
    beside.process.terminate()
    assert beside.process.wait(30) in {0, -15}


def _kill_one(killer: Killer, beside: Beside, words: tuple[str, ...]) -> None:
    world = killer.world
    if killer.dice.random() < DAEMON_SHARE:
        killer.let_live_and_kill(lambda _fresh: beside.start())
        return
    if beside.process.poll() is not None:
        beside.start()
    killer.let_live_and_kill(lambda fresh: world.run(*words, fresh=fresh), may_end=True)


def _run(world: World, *words: str) -> Any:
    result = CliRunner().invoke(main, [*words, "--json", "--config", str(world.config_path)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _tell(proof: Proof, what: str, killer: Killer, stock: Stock) -> None:
    orders, seats = len(killer.world.shop.orders), len(killer.world.expected())
    proof.tell(
        "kills", what, trials=killer.kills, **stock.figures(), early=killer.early, orders=orders, seats=seats
    )
