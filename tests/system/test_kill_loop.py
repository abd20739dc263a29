"""SIGKILL at random moments, over and over: nothing lost, nothing double, by the LMS's own count."""

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.proofs import Proof
from tests.system.killing import Killer, sized
from tests.system.stock import notes_of
from tests.system.world import World
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault, Kind

KILLS = sized(20, 120)
"""Kills in each of the six campaigns below."""

WRITES = ("core_user_create_users", "enrol_manual_enrol_users")
LATENCIES_S = (0.005, 0.05, 0.3)
LATEST_S = 5.0
"""No late effect comes later."""
CALLS = 8
"""So many calls one seat takes at the most, looks after a lost answer included; a note takes no more."""


@contextmanager
def opened(folder: Path, *, workers: int, late: bool) -> Iterator[World]:
    """Where effects come late, the time in which they may is waited for; four seconds more, as a timer on a machine
    that is short of breath rings late."""
    timeout_s, quarantine_s = (3.0, LATEST_S + 4) if late else (1.0, 2.5)
    with closing(World(folder, workers=workers, timeout_s=timeout_s, quarantine_s=quarantine_s)) as world:
        yield world


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("late", [False, True], ids=["answers lost", "late effects"])
@pytest.mark.parametrize("workers", [1, 4, 8])
def test_a_daemon_killed_again_and_again_enrols_each_paid_seat_once(
    tmp_path: Path, proof: Proof, workers: int, *, late: bool
) -> None:
    dice = random.Random(f"{KILLS} {workers} {late}")
    with opened(tmp_path, workers=workers, late=late) as world:
        killer, till = Killer(world, dice, most_leased=workers), Till(world, dice)
        while killer.kills < KILLS:
            till.sell_some(3)
            _spoil_some(world, dice, late=late)
            world.moodle.latency_s = dice.choice(LATENCIES_S)
            world.shop.latency_s = dice.choice(LATENCIES_S)
            killer.let_live_and_kill(lambda fresh: world.start(fresh=fresh), lambda: till.sell_some(1))
        _calm(world)
        world.settle()
        stock, asked, bound = world.count(), _asked(world), _most_asked(world, killer)
        proof.tell(
            "kills",
            f"daemon, workers: {workers}, {'late effects' if late else 'answers lost'}",
            trials=killer.kills,
            **stock.figures(),
            early=killer.early,
            orders=len(world.shop.orders),
            seats=len(world.expected()),
            calls_per_seat=round(asked / len(world.sold), 1),
        )
    assert stock.wrong() + killer.troubles == []
    assert asked <= bound


def test_a_daemon_killed_a_few_times_enrols_each_paid_seat_once(world: World) -> None:
    dice = random.Random(1)
    killer, till = Killer(world, dice, most_leased=4), Till(world, dice)
    for _ in range(3):
        till.sell_some(4)
        killer.let_live_and_kill(lambda fresh: world.start(fresh=fresh))
    world.settle()
    world.verify()
    assert killer.troubles == []


def test_of_further_notes_only_true_news_is_allowed(world: World) -> None:
    """The first of three orders for one seat is taken back: the last one's note named it, and now names the second."""
    orders = [world.sell(1, 0) for _ in range(3)]
    assert world.run_once() == 0
    world.refund(orders[0])
    assert world.run_once() == 0
    assert len(notes_of(world.shop, orders[2])) == 2
    world.verify()
    world.shop.notes[orders[2]].append(dict(world.shop.notes[orders[2]][-1]))
    assert [wrong.partition(",")[0] for wrong in world.count().doubled] == [
        f"a further note at order {orders[2]}"
    ]


class Till:
    """What buyers do: they buy a course or two, some of them one more, and now and then one wants the money back."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self._world = world
        self._dice = dice
        self._refundable: list[int] = []

    def sell_some(self, orders: int) -> None:
        for _ in range(orders):
            courses = self._dice.sample(range(5), self._dice.choice((1, 1, 2)))
            buyer = self._dice.randrange(len(self._world.shop.orders) // 2 + 4)
            self._refundable.append(self._world.sell(buyer, *courses))
        if self._dice.random() < 0.1:
            self._world.refund(self._refundable.pop(self._dice.randrange(len(self._refundable))))


def _spoil_some(world: World, dice: random.Random, *, late: bool) -> None:
    """A few writes lose their answer after they acted, or act after the caller gave up."""
    kind: Kind = "late_effect" if late else "reset_after"
    for server, match in ((world.moodle, dice.choice(WRITES)), (world.shop, _is_new_note)):
        server.faults.clear()
        seconds = dice.uniform(0.6, LATEST_S)
        server.faults.add(Fault(kind=kind, match=match, skip=dice.randrange(3), times=2, seconds=seconds))


def _is_new_note(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/notes")


def _calm(world: World) -> None:
    for server in (world.moodle, world.shop):
        server.faults.clear()
        server.latency_s = 0.005


def _asked(world: World) -> int:
    """Calls for seats and notes: without looks for orders, and without asking who answers there."""
    notes = sum(one.request.path.endswith("/notes") for one in world.shop.requests)
    return notes + sum(
        "core_webservice_get_site_info" not in one.request.text for one in world.moodle.requests
    )


def _most_asked(world: World, killer: Killer) -> int:
    """Each seat and note once, and once more for what each kill and each fault interrupted."""
    faults = len(world.moodle.faults.fired) + len(world.shop.faults.fired)
    interrupted = killer.kills * (killer.most_leased + 1) + faults
    return CALLS * (sum(world.sold.values()) + interrupted) + 2 * len(world.shop.orders)
