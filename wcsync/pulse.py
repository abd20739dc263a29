"""Signs of life: each loop promises when it will turn again; one that does not is hung."""

import math
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

FRAMES = 5
LOCK_LOOK_S = 5.0
"""How often a thread that waits for another one's lock gives a sign of life."""

_here = threading.local()


class Pulse:
    """One thread's promise to be back in time. `longest_s`: how long one turn may take at most.

    The thread itself calls `beat()` at each turn; anybody may ask whether it is `late`.
    """

    def __init__(self, name: str, longest_s: float = math.inf) -> None:
        self.name = name
        self.longest_s = longest_s
        self._due_at = monotonic() + longest_s
        self._thread: int | None = None

    @property
    def late(self) -> bool:
        return monotonic() > self._due_at

    def adopt(self) -> None:
        """Makes this the pulse of the calling thread: what `beat()` below renews. A turn begins."""
        _here.pulse, self._thread = self, threading.get_ident()
        self.beat()

    def beat(self) -> None:
        self._due_at = monotonic() + self.longest_s

    def forgive(self, seconds: float) -> None:
        """Nobody could give a sign for so long."""
        self._due_at += seconds

    def rest(self, due_at: float) -> None:
        """A turn has ended; the next one is to have ended by `due_at` of the monotonic clock."""
        _here.pulse, self._thread = None, None
        self._due_at = due_at

    def whereabouts(self) -> list[str]:
        """Where the thread stands just now, its innermost calls last; empty between two turns."""
        frame = None if self._thread is None else sys._current_frames().get(self._thread)  # noqa: SLF001  documented
        if frame is None:
            return []
        return [f"{f.name} ({f.filename}:{f.lineno})" for f in traceback.extract_stack(frame)[-FRAMES:]]


def beat() -> None:
    """A sign of life of the calling thread from within a long turn; nothing happens where nobody listens.

    Raises what `asking` was given raises.
    """
    breathe()
    question = getattr(_here, "question", None)
    if question is not None:
        _here.question = None  # it may give signs of life itself
        try:
            question()
        finally:
            _here.question = question


def breathe() -> None:
    """As `beat`, but where a turn cannot be left: in the midst of what belongs together."""
    with suppress(AttributeError):
        _here.pulse.beat()


@contextmanager
def holding(lock: threading.Lock) -> Iterator[None]:
    """The lock, for what takes calls while it is held: whoever waits for it gives signs of life."""
    while not lock.acquire(timeout=LOCK_LOOK_S):
        breathe()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def asking(question: Callable[[], None]) -> Iterator[None]:
    """While inside, this thread asks `question` at each sign of life; raising leaves a long turn between two calls."""
    _here.question = question
    try:
        yield
    finally:
        _here.question = None
