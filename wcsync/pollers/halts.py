"""What waits as a whole for a person's word or a larger budget: told in the log when it begins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from wcsync.ledger.base import Barred

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class HaltWatch:
    """`barred`: withdrawals that are more than the limits allow; `waiting`: per LMS, how many enrolments wait for its
    budget. For one thread at a time."""

    barred: Callable[[], Barred | None]
    waiting: Callable[[], Mapping[str, int]]
    _barred: bool = field(default=False, repr=False)
    _spent: frozenset[str] = field(default=frozenset(), repr=False)

    def look(self) -> None:
        """Tells what has begun since the look before. Changes nothing."""
        barred, waiting = self.barred(), self.waiting()
        if barred is not None and not self._barred:
            log.error(
                "withdrawals_stopped",
                waiting=barred.waiting,
                done=barred.done,
                inside=barred.inside,
                hint="`wcsync withdrawals` lists them; `wcsync withdrawals allow` lets them be done",
            )
        for lms in sorted(waiting.keys() - self._spent):
            log.warning(
                "budget_spent",
                lms=lms,
                rows=waiting[lms],
                hint="they go on with the next day, or with a larger [lms.budget]; `wcsync status` shows what is used",
            )
        self._barred, self._spent = barred is not None, frozenset(waiting)
