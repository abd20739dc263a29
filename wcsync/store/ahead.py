"""Pages asked for before they are wanted: a shop answers two questions at a time nearly as soon as one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from wcsync.http import Reply


class Ahead:
    """Hands out answers page by page, with never more than `at_once` questions under way. Ends with its block.

    `ask` fetches the page of a number; from another thread unless only one is asked for at once.
    """

    def __init__(self, ask: Callable[[int], Reply], at_once: int) -> None:
        self._ask = ask
        self._at_once = at_once
        self._asked: dict[int, Future[Reply]] = {}

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(max_workers=self._at_once, thread_name_prefix="page")
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for what is under way, and begins nothing more."""
        self._threads.shutdown(cancel_futures=True)

    def take(self, number: int, stale: Callable[[Reply], bool] = lambda _reply: False) -> Reply:
        """The answer for a page. One that was asked for ahead, and is `stale` by now, is asked for anew.

        Raises what asking for it raised.
        """
        asked = self._asked.pop(number, None)
        reply = asked.result() if asked else None
        return self._ask(number) if reply is None or stale(reply) else reply

    def look(self, number: int, pages: int) -> None:
        """Asks for those after page `number`, of so many in all."""
        if self._at_once > 1:
            for following in range(number + 1, min(number + self._at_once, pages) + 1):
                if following not in self._asked:
                    self._asked[following] = self._threads.submit(self._ask, following)
