"""SIGTERM, SIGSTOP and a second daemon, while there is much to do: nothing is left in flight, lost or doubled."""

import random
import signal
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.proofs import Proof
from tests.system.killing import PATIENCE_S, Killer, sized
from tests.system.nursery import Child
from tests.system.stock import troubles_after_a_kill
from tests.system.world import World
from wcsync.sandbox.faults import Fault

STOPS = sized(20, 200)
FREEZES = sized(4, 30)
SECONDS = sized(20, 100)
"""Second daemons started on one ledger."""
AT_ONCE = 5
STOP_TIMEOUT_S = 90.0
"""TimeoutStopSec of the unit."""
FROZEN_S = 3.5
"""Longer than any call may take, and than an open answer is waited for."""
SHORT_LEASES = """
from dataclasses import replace
from datetime import timedelta
import wcsync.app.app, wcsync.app.build, wcsync.app.periods
from wcsync.cli import main

wcsync.app.build.GRACE_S, wcsync.app.build.TURN_CALLS = 2.0, 0
wcsync.app.periods.LEASE_LIMIT = timedelta(seconds=2)
jobs = wcsync.app.app.App.jobs
wcsync.app.app.App.jobs = lambda self: [
    replace(job, every_s=0.2) if job.name == "leases" else job for job in jobs(self)
]
main()
"""
"""The real program, in which a lease lasts for two seconds."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path, workers=8)) as world:
        yield world


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_a_daemon_asked_to_stop_amid_its_work_leaves_nothing_in_flight(world: World, proof: Proof) -> None:
    dice, troubles, longest_s = random.Random(STOPS), list[str](), 0.0
    for number in range(STOPS):
        for _ in range(4):
            world.sell(dice.randrange(3 * number + 6), dice.randrange(5))
        world.moodle.latency_s = world.shop.latency_s = dice.choice((0.005, 0.05, 0.3))
        begun = len(world.moodle.requests)
        process = world.start(fresh=False)
        wait_for_work(world, process, begun)
        sleep(dice.uniform(0, 0.6))
        process.terminate()
        began = monotonic()
        code = process.wait(STOP_TIMEOUT_S)
        longest_s = max(longest_s, monotonic() - began)
        troubles += [] if code == 0 else [f"it ended with {code}"]
        troubles += [f"{where}: a call was left in flight" for where in _in_flight(world)]
        troubles += troubles_after_a_kill(world, most_leased=0)
    world.moodle.latency_s = world.shop.latency_s = 0.005
    world.settle()
    stock = world.count()
    proof.tell(
        "kills",
        "daemon, SIGTERM amid its work",
        trials=STOPS,
        **stock.figures(),
        longest_s=round(longest_s, 2),
        orders=len(world.shop.orders),
    )
    assert stock.wrong() + troubles == []


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("short", [False, True], ids=["within its leases", "beyond its leases"])
def test_a_daemon_frozen_amid_its_work_doubles_nothing_when_it_goes_on(
    world: World, proof: Proof, *, short: bool
) -> None:
    """Meanwhile the far side acts, late too, and another daemon is kept out. It may find that it cannot go on."""
    dice, codes, refused = random.Random(FREEZES), list[int](), list[int]()
    world.moodle.latency_s = 0.1
    begin = partial(world.start_spoilt, SHORT_LEASES) if short else partial(world.start, fresh=False)
    process = begin()
    for number in range(FREEZES):
        if process.poll() is not None:
            codes.append(process.wait(0))
            process = begin()
        _load(world, dice, number)
        wait_for_work(world, process, len(world.moodle.requests))
        sleep(dice.uniform(0, 0.5))
        process.send_signal(signal.SIGSTOP)
        if process.poll() is None:
            second = world.start(fresh=False)
            sleep(FROZEN_S)
            refused.append(second.wait(PATIENCE_S))
        process.send_signal(signal.SIGCONT)
        sleep(dice.uniform(0.5, 1.5))
    process.terminate()
    codes.append(process.wait(STOP_TIMEOUT_S))
    world.moodle.faults.clear()
    world.settle()
    stock = world.count()
    proof.tell(
        "kills",
        f"daemon, SIGSTOP {'beyond' if short else 'within'} its leases",
        trials=FREEZES,
        **stock.figures(),
        orders=len(world.shop.orders),
        given_back=world.log_path.read_text().count('"leases_recovered"'),
    )
    assert stock.wrong() == []
    assert set(codes) <= ({0, 70} if short else {0})
    assert set(refused) == {75}


def _load(world: World, dice: random.Random, number: int) -> None:
    """Much to do, and in every third round calls that act after they were given up: in each, and each probe of an LMS
    found down would meet one more, and it would be asked ever more seldom."""
    for _ in range(8):
        world.sell(dice.randrange(6 * number + 8), dice.randrange(5))
    world.moodle.faults.clear()
    if number % 3 == 0:
        for match in ("core_user_create_users", "enrol_manual_enrol_users"):
            seconds = dice.uniform(0.2, 2)
            world.moodle.faults.add(Fault(kind="late_effect", match=match, times=3, seconds=seconds))


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_of_daemons_started_at_once_on_one_ledger_one_works_and_the_others_say_why_not(
    world: World, proof: Proof
) -> None:
    dice, killer, codes = (
        random.Random(SECONDS),
        Killer(world, random.Random(SECONDS), most_leased=8),
        list[int](),
    )
    while len(codes) < SECONDS:
        for _ in range(4):
            world.sell(dice.randrange(100), dice.randrange(5))
        begun = len(world.moodle.requests)
        crowd = [world.start(fresh=False) for _ in range(AT_ONCE + 1)]
        codes += _wait_for_one(crowd)
        [winner] = [one for one in crowd if one.returncode is None]
        wait_for_work(world, winner, begun)
        sleep(dice.uniform(0, 0.3))
        killer.note(winner.kill())
    said = world.log_path.read_text()
    world.settle()
    stock = world.count()
    proof.tell(
        "kills",
        "daemons on one ledger",
        trials=len(codes) + killer.kills,
        **stock.figures(),
        refused=len(codes),
    )
    assert stock.wrong() + killer.troubles == []
    assert set(codes) == {75}
    assert said.count("another wcsync works on") == len(codes)


def wait_for_work(world: World, process: Child, begun: int) -> None:
    """Until the LMS was asked for something since it had been asked `begun` times."""
    deadline = monotonic() + PATIENCE_S
    while len(world.moodle.requests) < begun + 3 and process.poll() is None:
        assert monotonic() < deadline, world.log_path.read_text()[-2000:]
        sleep(0.005)


def _wait_for_one(crowd: list[Child]) -> list[int]:
    """Until all have ended but one; how they did."""
    deadline = monotonic() + PATIENCE_S
    while sum(one.poll() is None for one in crowd) > 1:
        assert monotonic() < deadline
        sleep(0.01)
    return [one.returncode for one in crowd if one.returncode is not None]


def _in_flight(world: World) -> list[str]:
    """Which of the two is still working on a call. What a stopped daemon asked for was answered before."""
    return [name for name, server in (("shop", world.shop), ("LMS", world.moodle)) if server.in_flight]
