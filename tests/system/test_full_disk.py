"""A ledger's disk that is full at random: nothing is sent unannounced, and all goes on without a restart."""

import json
import os
import random
from collections.abc import Iterator
from functools import partial
from time import monotonic, sleep
from typing import Any

import pytest

from tests.proofs import Proof
from tests.system.counting import count
from tests.system.listener import Listener
from tests.system.room import Room, ask, until, why_not
from tests.system.service import Service
from tests.system.world import World
from wcsync.sandbox.exchange import Request, Response

ROUNDS = {"short": 4, "full": 40}[os.environ.get("WCSYNC_PROVE", "short")]
ROOMY_S = 10.0
WRITES = ("core_user_create_users", "enrol_manual_enrol_users")

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(60 + 60 * ROUNDS),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]


@pytest.fixture
def room(world: World) -> Iterator[Room]:
    text = world.config_path.read_text()
    world.config_path.write_text(text.replace('path = "ledger.db"', 'path = "disk/ledger.db"'))
    with Room(world.folder / "disk") as room:
        yield room


@pytest.fixture
def service(world: World, room: Room) -> Iterator[Service]:
    with Listener() as listener:
        service = Service(world, listener)
        yield service
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)


class Witness:
    """Looks into the ledger at the moment in which an LMS is asked to change something."""

    def __init__(self, world: World, room: Room) -> None:
        self._room = room
        self._handle = world.moodle.handle
        self.world = world
        self.unannounced: list[str] = []
        self.announced = 0
        world.moodle.handle = self  # type: ignore[method-assign]

    def __call__(self, request: Request) -> Response:
        if any(write in request.text for write in WRITES):
            email = self._whom(request)
            self.announced += 1
            if not self._is_announced(email):
                self.unannounced.append(request.text)
        return self._handle(request)

    def _whom(self, request: Request) -> str:
        form = dict(request.form)
        user_id = form.get("enrolments[0][userid]")
        return self.world.moodle.users[int(user_id)].email if user_id else form["users[0][email]"]

    def _is_announced(self, email: str) -> bool:
        [[leased]] = self._room.query(
            "SELECT count(*) FROM enrolments JOIN learners USING (learner_key) "
            "WHERE email = ? AND state = 'leased' AND sending_since IS NOT NULL",
            email,
        )
        return bool(leased)


@pytest.mark.parametrize("when", ["recording", "settling", "anytime"])
def test_a_full_disk_stops_nothing_for_good_and_nothing_is_sent_unannounced(
    service: Service, room: Room, proof: Proof, when: str
) -> None:
    world, dice = service.world, random.Random(when)
    witness = Witness(world, room)
    world.moodle.latency_s = 0.02
    service.start(within=room.enter)
    service.listener.wait_for("READY=1")
    sold, longest_s = 0, 0.0
    for round_number in range(ROUNDS):
        spare = dice.randrange(4)
        if when == "settling":
            for _ in range(4):
                sold += 1
                world.sell(sold, sold % 5)
            enrolled = len(world.moodle.enrolments)
            until(partial(_grew, world, enrolled), "nothing is enrolled")
            room.fill(spare)
        else:
            room.fill(spare)
            for _ in range(4):
                sold += 1
                world.sell(sold, sold % 5)
        if when == "anytime":
            sleep(dice.uniform(0.0, 1.0))
        else:
            until(partial(_told_or_roomy, service, monotonic()), "no trouble is told, and not all are in")
            if round_number == 0 and when == "recording":
                _verify_that_people_are_told(service, room)
        room.empty()
        began = monotonic()
        until(
            lambda: world.moodle.active_enrolments() == world.expected(),
            "not all are in",
            log=world.log_path.read_text,
        )
        longest_s = max(longest_s, monotonic() - began)
    until(lambda: len(service.lines("ledger_failing")) == _over(service), "it is not told to be over")
    until(lambda: _at_rest(room), "rows are left", log=world.log_path.read_text)
    text = json.loads(ask(room, "status", "--config", str(world.config_path), "--json"))
    assert service.stop() == 0, "the very process that was started"
    lost, doubled = count(world)
    proof.tell(
        "machine",
        f"disk full, {when}",
        trials=ROUNDS,
        lost=lost,
        doubled=doubled,
        unannounced=len(witness.unannounced),
        announced=witness.announced,
        told=len(service.lines("ledger_failing")),
        longest_s=round(longest_s, 1),
    )
    assert (lost, doubled, witness.unannounced) == (0, 0, [])
    assert witness.announced >= 2 * sold
    assert text["summary"]["unexplained"] == text["summary"]["due"] == 0
    assert service.lines("ledger_failing") or when == "anytime"
    assert not service.lines("worker_failed")
    assert not service.lines("poller_failed")


def _told_or_roomy(service: Service, filled_at: float) -> bool:
    """A write-ahead log that has grown before may have room for all of a later round, and of some polls."""
    all_in = service.world.moodle.active_enrolments() == service.world.expected()
    told = len(service.lines("ledger_failing")) > _over(service)
    return told or (all_in and monotonic() - filled_at > ROOMY_S)


def _grew(world: World, before: int) -> bool:
    return len(world.moodle.enrolments) > before


def _over(service: Service) -> int:
    return len(service.lines("ledger_recovered"))


def _at_rest(room: Room) -> bool:
    states = "SELECT state FROM enrolments UNION SELECT state FROM outbox"
    return room.query(states) == [["settled"]]


def _verify_that_people_are_told(service: Service, room: Room) -> None:
    line: dict[str, Any] = service.lines("ledger_failing")[-1]
    assert line["level"] == "error"
    assert "its disk is full" in line["reason"]
    assert line["hint"] == "make room there"
    service.listener.wait_for("STATUS=THE LEDGER CANNOT BE USED: its disk is full; make room there.")
