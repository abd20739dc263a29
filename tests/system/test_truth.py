"""What `wcsync status` and the watchdog tell is true within two periods, whatever happens to daemon, shop and LMS."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from click.testing import CliRunner

from tests.proofs import Proof
from tests.system.killing import sized
from tests.system.listener import Listener
from tests.system.service import Service
from tests.system.world import World
from wcsync.cli import main
from wcsync.health import PROBES, Condition

POLL_EVERY_S = 1.0
TIMEOUT_S = 1.0
"""Of all calls."""
WITHIN_S = 2 * POLL_EVERY_S + 2 * TIMEOUT_S
"""Two periods, and the answer that the last look may wait for."""
BREATH_S = 1.0
"""For a machine that has other work, and for the longest wait of `[retry]` in this world: two seconds."""
PROBED_S = PROBES[Condition.DOWN].delay_s(2, jitter=1.0)
"""A site that was found down, and once more, is asked again after so long at the most."""
WATCHDOG_S = 1.0
ROUNDS = sized(1, 10)

pytestmark = pytest.mark.prove


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with (
        closing(World(tmp_path, poll_every_s=POLL_EVERY_S, timeout_s=TIMEOUT_S)) as world,
        Listener() as listener,
    ):
        service = Service(world, listener)
        service.start(watchdog_s=WATCHDOG_S, fresh=False)
        listener.wait_for("READY=1")
        yield service
        assert service.process is not None
        service.process.kill()


def status(service: Service) -> dict[str, Any]:
    words = ["status", "--json", "--config", str(service.world.config_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def condition(service: Service, name: str) -> str:
    return next(str(row["condition"]) for row in status(service)["services"] if row["name"] == name)


def seconds_until(true: Callable[[], bool]) -> float:
    began = monotonic()
    while not true():
        assert monotonic() - began < 60, "it is not told at all"
        sleep(0.05)
    return monotonic() - began


def test_a_daemon_that_stands_still_is_told_of_and_beats_no_more(service: Service, proof: Proof) -> None:
    world, told, beats = service.world, list[float](), list[int]()
    for number in range(ROUNDS):
        world.sell(number, 0)
        service.wait_enrolled()
        assert seconds_until(lambda: status(service)["standstill"] is None) < WITHIN_S + BREATH_S
        service.send(signal.SIGSTOP)
        sleep(0.2)
        before = len(service.listener.beats())
        told.append(seconds_until(lambda: status(service)["standstill"] is not None))
        beats.append(len(service.listener.beats()) - before)
        service.send(signal.SIGCONT)
    told.append(seconds_until(lambda: status(service)["standstill"] is None))
    proof.tell("machine", "status and watchdog, frozen", trials=ROUNDS, told_after_s=round(max(told), 1))
    assert max(told) < WITHIN_S + BREATH_S
    assert beats == [0] * ROUNDS


def test_a_daemon_that_was_killed_is_told_of_at_once(service: Service, proof: Proof) -> None:
    assert service.process is not None
    assert status(service)["daemon"] == service.process.pid
    service.process.kill()
    service.process.wait(10)
    told = status(service)
    proof.tell("machine", "status, killed", trials=1)
    assert (told["daemon"], told["standstill"]) == (None, None)


@pytest.mark.parametrize("name", ["shop", "campus"])
def test_a_site_that_goes_and_comes_is_told_of(service: Service, proof: Proof, name: str) -> None:
    """An LMS is asked when there is something to do there, so somebody buys in each period."""
    world = service.world
    site = world.shop if name == "shop" else world.moodle
    told = list[float]()
    for number in range(ROUNDS):
        world.sell(10 * number, 0)
        service.wait_enrolled()
        site.stop_answering()
        world.sell(10 * number + 1, 0)
        told.append(seconds_until(lambda: condition(service, name) != "up"))
        site.resume()
        told.append(seconds_until(lambda: condition(service, name) == "up"))
    service.wait_enrolled()
    proof.tell("machine", f"status, {name} gone and back", trials=ROUNDS, told_after_s=round(max(told), 1))
    assert max(told[0::2]) < WITHIN_S + BREATH_S
    assert max(told[1::2]) < PROBED_S + WITHIN_S + BREATH_S
