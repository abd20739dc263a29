"""Pages asked for ahead: in order, so many at once and no more."""

import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from tests.stages import BEGIN, sandbox
from wcsync.errors import TransientError
from wcsync.http import Reply
from wcsync.sandbox.faults import Fault
from wcsync.store.ahead import Ahead, Left
from wcsync.store.client import WooCommerce

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


def test_a_stale_answer_is_asked_for_anew_and_a_fresh_one_is_not() -> None:
    shop = Shop()
    with Ahead(shop.ask, 2) as ahead:
        ahead.look(1, 3)
        assert ahead.take(2, lambda reply: reply.content == b"2").content == b"2"
        assert ahead.take(3, lambda reply: reply.content == b"2").content == b"3"
        assert ahead.take(4, lambda _reply: True).content == b"4"
    assert sorted(shop.asked) == [2, 2, 3, 4]


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


def test_an_order_that_comes_between_two_answers_in_the_wrong_order_is_no_order_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with sandbox() as stage:
        for _ in range(23):
            stage.buy(BEGIN)
        overtaken = threading.Event()
        assert isinstance(stage.store, WooCommerce)
        talk = stage.store._orders._talk
        ask = talk.ask

        def late(path: str, query: dict[str, str]) -> Reply:
            if query.get("page") == "2":
                overtaken.wait(5.0)
                stage.buy(BEGIN)
            reply = ask(path, query)
            if query.get("page") == "3":
                overtaken.set()
            return reply

        monkeypatch.setattr(talk, "ask", late)
        pages = list(stage.store.fetch_pages(SINCE, at_once=2))
    totals = [page.total for page in pages if page.total is not None]
    assert totals == sorted(totals)
    assert len({order.order_id for page in pages for order in page.orders}) == 24


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


# -- interrupted -------------------------------------------------------------------------------------------------------


class Stuck:
    """Answers the first page at once and the others when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.answered: list[int] = []

    def ask(self, number: int) -> Reply:
        if number > 1:
            assert self.let.wait(20.0)
        self.answered.append(number)
        return Reply(status=200, headers={}, content=b"")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit, SystemExit])
def test_whoever_is_interrupted_waits_for_no_page_that_is_under_way(kind: type[BaseException]) -> None:
    shop, left = Stuck(), Left()
    with suppress(kind), Ahead(shop.ask, 2, left) as ahead:
        ahead.look(1, 9)
        raise kind
    assert shop.answered == []
    shop.let.set()
    left.settle()
    assert sorted(shop.answered) == [2, 3]


def test_a_walk_that_fails_waits_for_the_pages_under_way() -> None:
    shop = Stuck()
    threading.Timer(0.05, shop.let.set).start()
    with suppress(TransientError), Ahead(shop.ask, 2) as ahead:
        ahead.look(1, 9)
        raise TransientError("page 1")
    assert sorted(shop.answered) == [2, 3]


def test_a_walk_that_follows_one_that_was_left_asks_no_more_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox() as stage:
        for _ in range(23):
            stage.buy(BEGIN)
        assert isinstance(stage.store, WooCommerce)
        talk = stage.store._orders._talk
        ask, let, asked = talk.ask, threading.Event(), []

        def late(path: str, query: dict[str, str]) -> Reply:
            asked.append(query.get("page", ""))
            if query.get("page") == "3" and not let.is_set():
                assert let.wait(20.0)
                asked.append("let")
            return ask(path, query)

        monkeypatch.setattr(talk, "ask", late)
        walk = stage.store.fetch_pages(SINCE, at_once=2)
        next(walk)
        next(walk)
        walk.close()  # type: ignore[attr-defined]  # it is a generator, as one that an interrupt ends
        threading.Timer(0.05, let.set).start()
        again = list(stage.store.fetch_pages(SINCE, at_once=2))
    assert len(again) > 4
    assert "1" not in asked[asked.index("3") : asked.index("let")], asked
