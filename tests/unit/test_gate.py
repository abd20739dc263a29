"""What the gate keeps of who answers."""

from datetime import datetime
from typing import cast

import pytest

from tests.fakes import T0, FakeClock, FakeStore
from wcsync.app.build import ask_shop
from wcsync.gate import SHOP, Gate
from wcsync.health import Condition, Health
from wcsync.ledger.base import Known, Ledger


class Book:
    """As much of a ledger as the gate writes in."""

    def __init__(self) -> None:
        self.zones: list[str] = []

    def read_service(self, _name: str, now: datetime) -> Known:
        return Known(identity="", health=Health(condition=Condition.UP, since=now), checked_at=None)

    def record_identity(self, *_who: object, zone: str = "") -> None:
        self.zones.append(zone)

    def record_health(self, *_how: object) -> None:
        pass


@pytest.mark.parametrize("zone", ["Europe/Madrid", "+05:30", ""])
def test_the_clock_on_the_shops_wall_is_kept_with_its_identity(zone: str) -> None:
    book, store = Book(), FakeStore(zone=zone)
    gate = Gate(SHOP, ask_shop(store), cast("Ledger", book), FakeClock(T0), every_s=600)
    gate.check()
    gate.accept()
    assert book.zones == [zone, zone]
