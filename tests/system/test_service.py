"""The daemon as a service: the real process, with a listener in systemd's place."""

import fcntl
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.system.listener import Listener
from tests.system.service import Service
from tests.system.world import MOODLE_TOKEN, World
from wcsync.sandbox.faults import Fault

pytestmark = pytest.mark.prove
"""Each of these takes processes or a whole daemon of its own."""


class Held:
    """The lock that whoever opens a ledger of this folder waits for."""

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def __enter__(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


@pytest.fixture
def service(world: World) -> Iterator[Service]:
    with Listener() as listener:
        service = Service(world, listener)
        yield service
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)


def test_it_says_ready_when_it_works_beats_while_it_does_and_says_when_it_stops(service: Service) -> None:
    service.world.sell(1, 0)
    service.start()
    service.listener.wait_for("READY=1")
    assert service.lines("daemon_started")
    service.wait_enrolled()
    service.listener.wait_for("WATCHDOG=1", times=4)
    assert service.stop() == 0
    words = [word for word in service.listener.words() if not word.startswith("STATUS=")]
    assert words == ["READY=1", "STOPPING=1"]
    assert max(later - earlier for earlier, later in pairwise(service.listener.beats())) < 0.9


def test_its_status_tells_people_how_things_stand(service: Service) -> None:
    service.start()
    service.listener.wait_for("STATUS=Shop is up. LMS campus is up. Due: 0.")
    assert service.stop() == 0


def test_a_config_that_cannot_be_used_is_never_ready(service: Service) -> None:
    service.change("poll_every_s", "pole_every_s")
    service.start()
    assert service.ended() == 78
    assert service.listener.words() == []


def test_a_reload_takes_the_new_config_and_the_new_mapping_in_force_at_once(service: Service) -> None:
    world = service.world
    product = world.shop.add_product("Brand new", sku="NEW-1")
    service.start()
    service.listener.wait_for("READY=1")
    mapping = world.folder / "mapping.toml"
    mapping.write_text(
        mapping.read_text() + f'\n[[map]]\nsku = "NEW-1"\nlms = "campus"\ncourse = "{world.courses[0]}"\n'
    )
    service.change("workers = 4", "workers = 2")
    service.send(signal.SIGHUP)
    service.listener.wait_for("READY=1", times=2)
    world.shop.buy("late@personal.example.test", "La", "Te", [(product, 1)])
    world.paid["late@personal.example.test", world.courses[0]] += 1
    service.wait_enrolled()
    assert service.stop() == 0
    words = [word.partition("=")[0] for word in service.listener.words() if not word.startswith("STATUS=")]
    assert words == ["READY", "RELOADING", "MONOTONIC_USEC", "READY", "STOPPING"]
    assert [line["changed"] for line in service.lines("config_reloaded")] == [["orders"]]


def test_a_reload_of_a_bad_config_names_every_mistake_and_changes_nothing(service: Service) -> None:
    service.start()
    service.listener.wait_for("READY=1")
    service.change("workers = 4", "workers = 0")
    service.change("quarantine_s", "quarantin_s")
    service.send(signal.SIGHUP)
    service.listener.wait_for("READY=1", times=2)
    service.listener.wait_for("STATUS=The changed config is REFUSED")
    [line] = service.lines("config_refused")
    assert line["level"] == "error"
    assert len(line["problems"]) == 2
    assert all("config.toml:" in problem for problem in line["problems"])
    service.world.sell(1, 0)
    service.wait_enrolled()
    assert service.stop() == 0


def test_a_reload_with_a_mapping_for_an_lms_that_left_the_config_is_refused(service: Service) -> None:
    service.start()
    service.listener.wait_for("READY=1")
    service.change('name = "campus"', 'name = "college"')
    service.send(signal.SIGHUP)
    service.wait_until("config_refused")
    assert any("mapping.toml:" in problem for problem in service.lines("config_refused")[0]["problems"])
    service.world.sell(1, 0)
    service.wait_enrolled()
    assert service.stop() == 0


def test_a_reload_does_not_move_the_ledger(service: Service) -> None:
    service.start()
    service.listener.wait_for("READY=1")
    service.change('path = "ledger.db"', 'path = "other.db"')
    service.send(signal.SIGHUP)
    service.wait_until("config_refused")
    [problem] = service.lines("config_refused")[0]["problems"]
    assert "config.toml:" in problem
    assert "start it again" in problem
    assert not (service.world.folder / "other.db").exists()
    assert service.stop() == 0


def test_a_new_key_works_after_a_reload_and_neither_key_is_ever_logged(service: Service) -> None:
    """The old key is refused, then a new one is put into its file."""
    world = service.world
    (world.folder / "token").write_text("tok_wrong_marked_1f0c")
    world.sell(1, 0)
    service.start()
    service.wait_until("service_blocked")
    (world.folder / "token").write_text(MOODLE_TOKEN)
    world.moodle.faults.add(Fault(kind="status", status=500, body=f"tok_wrong_marked_1f0c {MOODLE_TOKEN}"))
    service.send(signal.SIGHUP)
    service.wait_enrolled()
    assert [line["changed"] for line in service.lines("config_reloaded")] == [["lms.campus"]]
    assert service.stop() == 0
    assert "tok_wrong" not in world.log_path.read_text()
    assert MOODLE_TOKEN not in world.log_path.read_text()


def test_requests_to_reload_in_a_row_are_all_served(service: Service) -> None:
    service.start()
    service.listener.wait_for("READY=1")
    for _ in range(3):
        service.send(signal.SIGHUP)
    service.listener.wait_for("READY=1", times=2)
    service.world.sell(1, 0)
    service.wait_enrolled()
    assert service.stop() == 0
    reloads = service.listener.words().count("RELOADING=1")
    assert 1 <= reloads <= 3
    assert service.listener.words().count("READY=1") == 1 + reloads


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_during_the_start_waits_until_it_is_over(service: Service, number: signal.Signals) -> None:
    """The start is held up as by a command that makes the ledger at the same time."""
    with Held(service.world.folder):
        service.start()
        service.wait_for_lock()
        service.send(number)
        sleep(0.1)
    service.listener.wait_for("READY=1", times=2 if number is signal.SIGHUP else 1)
    if number is signal.SIGHUP:
        service.send(signal.SIGTERM)
    assert service.ended() == 0


def test_a_stop_during_a_reload_ends_it_and_what_is_in_flight_is_settled(service: Service) -> None:
    service.world.moodle.latency_s = 0.2
    for buyer in range(8):
        service.world.sell(buyer, 0)
    service.start()
    service.wait_until("service_first_seen")
    sleep(0.3)
    service.send(signal.SIGHUP)
    service.listener.wait_for("RELOADING=1")
    service.send(signal.SIGTERM)
    service.send(signal.SIGHUP)
    assert service.ended() == 0
    assert service.listener.words()[-1] == "STOPPING=1"
    assert service.world.summary().due > 0
    service.world.moodle.latency_s = 0
    service.world.settle()
    service.world.verify()


def test_a_stop_waits_for_the_answer_under_way_and_for_nothing_else(service: Service) -> None:
    """The LMS takes a quarter of a second for each answer."""
    service.world.moodle.latency_s = 0.25
    for buyer in range(12):
        service.world.sell(buyer, 0)
    service.start()
    service.wait_until("enrolment_settled")
    began = monotonic()
    assert service.stop() == 0
    assert monotonic() - began < 5
    service.world.moodle.latency_s = 0
    service.world.settle()
    service.world.verify()


@pytest.mark.parametrize("who", ["worker", "poller"])
def test_a_hung_thread_is_named_no_longer_covered_and_ends_the_process_with_70(
    service: Service, who: str
) -> None:
    service.start_spoilt()
    service.listener.wait_for("WATCHDOG=1", times=2)
    (service.world.folder / f"hang-{who}").touch()
    assert service.ended() == 70
    [line] = service.lines("daemon_unsound")
    assert "spoilt" in line["reason"], "it says where the thread stands"
    assert service.listener.words()[-1] == "STOPPING=1"
    stopped_at = next(moment for moment, word in service.listener.heard if word == "STOPPING=1")
    assert all(beat < stopped_at for beat in service.listener.beats())


def test_a_thread_that_hangs_while_it_is_asked_to_stop_keeps_the_process_no_longer(service: Service) -> None:
    service.start_spoilt()
    (service.world.folder / "hang-worker").touch()
    while not (service.world.folder / "hang-worker-now").exists():
        sleep(0.01)
    assert service.stop() == 70
    assert service.lines("daemon_hung")


def test_a_walk_longer_than_any_turn_is_not_taken_for_hung(service: Service) -> None:
    """Twelve pages of a fifth of a second each, where a turn may take one second."""
    for buyer in range(12):
        service.world.sell(buyer, 0)
    service.change("[orders]", "[orders]\npage_size = 1")
    service.world.shop.latency_s = 0.2
    service.start_spoilt()
    service.wait_until("orders_polled")
    assert service.lines("orders_polled")[0]["duration_ms"] > 2000
    assert service.stop() == 0, service.lines("daemon_unsound")


def test_a_deleted_ledger_ends_the_process_with_70(service: Service) -> None:
    service.start_spoilt()
    (service.world.folder / "ledger.db").unlink()
    assert service.ended() == 70
    assert "deleted" in service.lines("daemon_unsound")[0]["reason"]


def test_a_lock_that_no_longer_keeps_others_out_ends_the_process_with_70(service: Service) -> None:
    service.start_spoilt()
    (service.world.folder / "ledger.db.lock").unlink()
    assert service.ended() == 70
    assert "lock" in service.lines("daemon_unsound")[0]["reason"]


def test_a_listener_that_goes_away_stops_nothing(service: Service) -> None:
    service.start()
    service.listener.wait_for("READY=1")
    service.listener.close()
    service.world.sell(1, 0)
    service.wait_enrolled()
    assert service.stop() == 0
