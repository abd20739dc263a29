"""SIGKILL at random moments, over and over: nothing lost, nothing double, by the LMS's own count."""

import json
import os
import random
import sys
from time import sleep

import pytest

from tests.system.world import World
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault, Kind

KILLS = {"short": 15, "full": 100}[os.environ.get("WCSYNC_PROVE", "short")]
"""Kills in each of the two campaigns below."""

WRITES = ("core_user_create_users", "enrol_manual_enrol_users")


@pytest.mark.prove
@pytest.mark.parametrize("late_s", [0.0, 0.6], ids=["answers-lost", "late-effects"])
def test_a_daemon_killed_again_and_again_enrols_each_paid_seat_once(world: World, late_s: float) -> None:
    dice = random.Random(KILLS)
    world.moodle.latency_s = 0.01
    refundable: list[int] = []
    for round_number in range(KILLS):
        _sell_some(world, dice, round_number, refundable)
        _spoil_some(world, dice, late_s)
        process = world.start()
        sleep(dice.uniform(0.4, 1.8))
        assert process.poll() is None, world.log_path.read_text()[-4000:]
        world.kill(process)
    world.moodle.faults.clear()
    world.shop.faults.clear()
    world.settle()
    world.verify()
    _tell(world, late_s)


def test_a_daemon_killed_a_few_times_enrols_each_paid_seat_once(world: World) -> None:
    dice = random.Random(1)
    for round_number in range(3):
        _sell_some(world, dice, round_number, [])
        process = world.start()
        sleep(dice.uniform(0.6, 1.4))
        world.kill(process)
    world.settle()
    world.verify()


def _sell_some(world: World, dice: random.Random, round_number: int, refundable: list[int]) -> None:
    for number in range(4):
        courses = dice.sample(range(5), dice.choice((1, 1, 2)))
        refundable.append(world.sell(dice.randrange(2 * round_number + 4), *courses))
        if number == 0 and dice.random() < 0.2:
            world.refund(refundable.pop(dice.randrange(len(refundable))))


def _spoil_some(world: World, dice: random.Random, late_s: float) -> None:
    """A few writes lose their answer after they acted, or act after the caller gave up."""
    world.moodle.faults.clear()
    kind: Kind = "late_effect" if late_s else "reset_after"
    world.moodle.faults.add(
        Fault(kind=kind, match=dice.choice(WRITES), skip=dice.randrange(3), times=2, seconds=late_s)
    )
    world.shop.faults.clear()
    world.shop.faults.add(
        Fault(kind=kind, match=_is_new_note, skip=dice.randrange(3), times=2, seconds=late_s)
    )


def _is_new_note(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/notes")


def _tell(world: World, late_s: float) -> None:
    seats, orders = len(world.expected()), len(world.shop.orders)
    figures = {"proof": "kill loop", "late_s": late_s, "kills": KILLS, "orders": orders, "seats": seats}
    sys.stdout.write(json.dumps(figures | {"lost": 0, "doubled": 0}) + "\n")
