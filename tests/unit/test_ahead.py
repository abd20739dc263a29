"""Pages asked for ahead: in order, so many at once and no more."""

import threading
import time
from datetime import timedelta

import pytest

from tests.stages import BEGIN, sandbox
from wcsync.errors import TransientError
from wcsync.http import Reply
from wcsync.sandbox.faults import Fault
from wcsync.store.ahead import Ahead

SINCE = BEGIN - timedelta(minutes=1)


class Shop:
    """Counts the questions under way."""

    def __init__(self, failing: int = 0) -> None:
        self.asked: list[int] = []
        self.most = 0
        self._failing = failing
        self._now = 0
        self._lock = threading.Lock()

    def ask(self, number: int) -> Reply:
        with self._lock:
            self.asked.append(number)
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        if number == self._failing:
            raise TransientError(f"page {number}")
        return Reply(status=200, headers={}, content=str(number).encode())


def walk(shop: Shop, at_once: int, pages: int) -> list[bytes]:
    found = []
    with Ahead(shop.ask, at_once) as ahead:
        for number in range(1, pages + 1):
            found.append(ahead.take(number).content)
            ahead.look(number, pages)
    return found


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_pages_come_in_order_each_asked_for_once_and_so_many_at_a_time(at_once: int) -> None:
    shop = Shop()
    assert walk(shop, at_once, 9) == [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"]
    assert sorted(shop.asked) == list(range(1, 10))
    assert shop.most == at_once


def test_a_page_that_fails_fails_when_its_turn_comes() -> None:
    shop = Shop(failing=3)
    with Ahead(shop.ask, 2) as ahead:
        ahead.take(1)
        ahead.look(1, 9)
        assert ahead.take(2).content == b"2"
        with pytest.raises(TransientError, match="page 3"):
            ahead.take(3)


def test_a_walk_that_is_left_asks_for_nothing_more() -> None:
    shop = Shop()
    with Ahead(shop.ask, 2) as ahead:
        ahead.take(1)
        ahead.look(1, 9)
    asked = len(shop.asked)
    time.sleep(0.05)
    assert len(shop.asked) == asked <= 3


def test_a_shop_read_two_pages_at_a_time_tells_the_same() -> None:
    with sandbox() as stage:
        for _ in range(23):
            stage.buy(BEGIN)
        one, two = (list(stage.store.fetch_pages(SINCE, at_once=count)) for count in (1, 2))
    assert [page.orders for page in one] == [page.orders for page in two]
    assert len(one) > 4


def test_pages_that_vanish_meanwhile_show_as_a_count_that_shrinks() -> None:
    with sandbox() as stage:
        sold = [stage.buy(BEGIN) for _ in range(23)]
        walk = stage.store.fetch_pages(SINCE, at_once=2)
        totals = [next(walk).total]
        stage.shop.delete_forever(sold[0])
        totals += [page.total for page in walk]
    assert min(total for total in totals if total is not None) < (totals[0] or 0)


def test_a_page_that_cannot_be_had_ends_the_walk_in_its_place() -> None:
    with sandbox() as stage:
        for _ in range(23):
            stage.buy(BEGIN)
        third = Fault(kind="status", match=lambda asked: ("page", "3") in asked.query, status=503, times=None)
        stage.shop.faults.add(third)
        walk = stage.store.fetch_pages(SINCE, at_once=2)
        assert [next(walk).number, next(walk).number] == [1, 2]
        with pytest.raises(TransientError):
            next(walk)
