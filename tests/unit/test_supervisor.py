"""What is said to systemd, and that nothing comes of it when nobody listens."""

import os
import socket
from collections.abc import Iterator
from uuid import uuid4

import pytest
from freezegun import freeze_time

from wcsync.supervisor import LONGEST_STATUS, Supervisor


class Ear:
    """A socket that is listened at. `address` is as systemd writes it."""

    def __init__(self) -> None:
        self.address = f"@wcsync-test-{uuid4()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.address[1:]}")
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        words = []
        while True:
            try:
                words.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return words

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.close()


def test_each_word_is_one_message(ear: Ear) -> None:
    supervisor = Supervisor(ear.address)
    supervisor.ready()
    supervisor.stopping()
    assert ear.heard() == ["READY=1", "STOPPING=1"]


def test_a_reload_says_when_it_began_by_the_monotonic_clock(ear: Ear) -> None:
    Supervisor(ear.address).reloading()
    [message] = ear.heard()
    first, _, usec = message.partition("\nMONOTONIC_USEC=")
    assert first == "RELOADING=1"
    assert usec.isdecimal()


def test_a_status_is_one_short_line_and_said_once(ear: Ear) -> None:
    supervisor = Supervisor(ear.address)
    for _ in range(2):
        supervisor.tell("Shop is\nup. READY=1 " + "x" * 1000)
    [message] = ear.heard()
    assert message.startswith("STATUS=Shop is up. READY=1 x")
    assert len(message) == len("STATUS=") + LONGEST_STATUS


def test_the_watchdog_is_fed_often_enough_and_no_oftener(ear: Ear) -> None:
    with freeze_time() as clock:
        supervisor = Supervisor(ear.address, watchdog_s=20)
        for _ in range(20):
            supervisor.feed()
            clock.tick(1)
    assert ear.heard() == ["WATCHDOG=1"] * 4


def test_without_a_watchdog_nothing_is_fed(ear: Ear) -> None:
    Supervisor(ear.address).feed()
    assert ear.heard() == []


def test_without_an_address_every_word_goes_nowhere() -> None:
    supervisor = Supervisor.of({})
    supervisor.ready()
    supervisor.tell("up")
    supervisor.feed()
    assert not supervisor.listens


def test_a_listener_that_is_gone_stops_nothing(ear: Ear) -> None:
    ear.close()
    Supervisor(ear.address).ready()
    Supervisor("/nowhere/at/all").ready()
    Supervisor("x" * 200).ready()


def test_the_environment_names_the_listener_and_its_patience(ear: Ear) -> None:
    supervisor = Supervisor.of(
        {"NOTIFY_SOCKET": ear.address, "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}
    )
    assert supervisor.watchdog_s == 1.5
    supervisor.ready()
    assert ear.heard() == ["READY=1"]


@pytest.mark.parametrize(
    "env",
    [
        {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "9" * 5000},
        {},
    ],
    ids=["another-process", "zero", "no-number", "longer-than-any-number", "none"],
)
def test_a_watchdog_that_is_not_ours_is_not_fed(env: dict[str, str]) -> None:
    assert Supervisor.of(env, pid=4242).watchdog_s is None
