"""When the shop is looked at next."""

import threading
from collections.abc import Callable
from time import monotonic

from wcsync.cadence import Cadence, Look
from wcsync.pollers.orders import Pass


class Looks:
    """Looks at the shop by `look` when the cadence says so, or somebody rang. `failed`: the last one did, by a fault of
    ours or of the ledger."""

    def __init__(self, cadence: Cadence, look: Callable[[], Pass]) -> None:
        self.failed = False
        self.cadence = cadence
        self._look = look
        self._rung = threading.Event()

    def ring(self) -> None:
        """The next look is due as soon as may be. From any thread."""
        self._rung.set()

    def look_when_due(self) -> bool:
        """A look if its time has come, else nothing. False if the last one failed."""
        if self._rung.is_set():
            self._rung.clear()  # before the look: who rings while it is under way may mean a later order
            self.cadence = self.cadence.rung()
        if not self.cadence.is_due(monotonic()):
            return not self.failed
        found = self._look()
        self.failed = found.failed
        look = Look(
            began=found.began,
            ended=found.ended,
            hit=found.fresh > 0,
            trouble_s=found.trouble_s,
            asked=found.asked,
        )
        self.cadence = self.cadence.after(look)
        return not found.failed
