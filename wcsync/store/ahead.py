"""Pages asked for before they are wanted: a shop answers two questions at a time nearly as soon as one."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Self

from wcsync.http import Reply


class Left:
    """Questions that are still under way, whose answers nobody wants any more. For any thread."""

    def __init__(self) -> None:
        self._asked: list[Future[Reply]] = []

    def add(self, asked: Iterable[Future[Reply]]) -> None:
        self._asked.extend(asked)

    def settle(self) -> None:
        """Waits until they are answered."""
        asked, self._asked = self._asked, []
        wait(asked)


class Ahead:
    """Hands out answers page by page, with never more than `at_once` questions under way. Ends with its block.

    `ask` fetches the page of a number; from another thread unless only one is asked for at once. `left` takes what is
    under way when the block is left by an interrupt, or as a generator that nobody goes on with.
    """

    def __init__(self, ask: Callable[[int], Reply], at_once: int, left: Left | None = None) -> None:
        self._ask = ask
        self._at_once = at_once
        self._left = left or Left()
        self._asked: dict[int, Future[Reply]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Waits for what is under way, and begins nothing more. Whoever is to end waits for nothing: a question changes
        nothing, and its thread ends with the process."""
        self._left.add(self._asked.values())
        if kind is None or issubclass(kind, Exception):
            self._left.settle()

    def take(self, number: int, stale: Callable[[Reply], bool] = lambda _reply: False) -> Reply:
        """The answer for a page. One that was asked for ahead, and is `stale` by now, is asked for anew.

        Raises what asking for it raised.
        """
        asked = self._asked.get(number)
        reply = asked.result() if asked else None  # an interrupt comes here: then it is still under way
        self._asked.pop(number, None)
        return self._ask(number) if reply is None or stale(reply) else reply

    def look(self, number: int, pages: int) -> None:
        """Asks for those after page `number`, of so many in all."""
        if self._at_once > 1:
            for following in range(number + 1, min(number + self._at_once, pages) + 1):
                if following not in self._asked:
                    self._asked[following] = self._begin(following)

    def _begin(self, number: int) -> Future[Reply]:
        asked: Future[Reply] = Future()
        threading.Thread(target=self._answer, args=(asked, number), name="page", daemon=True).start()
        return asked

    def _answer(self, asked: Future[Reply], number: int) -> None:
        try:
            asked.set_result(self._ask(number))
        except BaseException as exc:  # noqa: BLE001  raised where the page is taken
            asked.set_exception(exc)
