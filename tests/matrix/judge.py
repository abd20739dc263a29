"""What must hold once all is quiet, counted by the sandboxes themselves and read from the log."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.matrix.calls import Call
from tests.matrix.faults import Follows
from tests.matrix.stage import MARK, SECRETS
from tests.matrix.wire import Mishap
from tests.matrix.world import World

ODD = frozenset({"service_unavailable", "subscriptions_unavailable", "courses_stopped", "reconcile_failed"})
STORM_S = 60.0
SAYING = {
    "enrolments": "error",
    "services": "reason",
    "parked": "reason",
    "outbox": "error",
    "mirror_fields": "note",
    "troubles": "detail",
}
"""Columns that tell people what went wrong."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """How a world stood before anything went wrong: its time, and how much there was of everything."""

    at: datetime
    asked: int
    logged: int
    posts: int
    parked: int
    dead: int
    order: int

    @classmethod
    def of(cls, world: World) -> "Before":
        return cls(
            at=world.clock(),
            asked=len(world.wire.asked),
            logged=len(world.log.entries),
            posts=len(set(world.stage.posts)),
            parked=_count(world, "parked", "dropped_at IS NULL"),
            dead=_count(world, "outbox", "state = 'dead'"),
            order=max(world.stage.shop.orders, default=0),
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of one trial. `asked`: how often each call was made; `followed`: what followed; `wrong`: all that must
    not be."""

    lost: int
    doubled: int
    leaked: int
    asked: Counter[Call]
    followed: Follows
    wrong: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """`usual`: how often the scene makes each call unharmed."""

    world: World
    before: Before
    mishaps: Sequence[Mishap]
    usual: Counter[Call]

    def verdict(self, *, settled: bool) -> Verdict:
        lost, doubled = list(self._lost()), list(self._doubled())
        leaked = list(self._leaks())
        found = [*lost, *doubled, *leaked, *self._amiss(settled=settled)]
        return Verdict(
            lost=len(lost),
            doubled=len(doubled),
            leaked=len(leaked),
            asked=Counter(call for _, call in self._asked),
            followed=self._followed(),
            wrong=tuple(found),
        )

    @property
    def _asked(self) -> list[tuple[datetime, Call]]:
        return self.world.wire.asked[self.before.asked :]

    @property
    def _log(self) -> list[Any]:
        return self.world.log.entries[self.before.logged :]

    # -- by the sandboxes' own count -------------------------------------------------------------------------
    def _lost(self) -> Iterator[str]:
        stage = self.world.stage
        yield from (f"{seat} is not in" for seat in sorted(stage.paid - set(stage.inside())))
        yield from (f"{mail} was not mailed" for mail in sorted(stage.mailed - stage.mails()))
        for number in stage.shop.orders:
            if number > self.before.order and not self._is_ignored(number) and not stage.notes(number):
                yield f"order {number} has no note"
        yield from (f"the shop does not show {what}" for what in stage.unshown())

    def _doubled(self) -> Iterator[str]:
        stage = self.world.stage
        yield from (f"{seat} is in {many} times" for seat, many in stage.inside().items() if many > 1)
        yield from (f"{one} has {many} accounts" for one, many in stage.accounts().items() if many > 1)
        yield from (f"{mail} was mailed again" for mail in sorted(stage.mails() - stage.mailed))
        for number in stage.shop.orders:
            if any(one == other for one, other in pairwise(stage.notes(number))):
                yield f"order {number} has a note twice"

    def _is_ignored(self, number: int) -> bool:
        mug = self.world.stage.products["mug"]
        return all(line["product_id"] == mug for line in self.world.stage.shop.orders[number]["line_items"])

    # -- by the ledger and the log ---------------------------------------------------------------------------
    def _amiss(self, *, settled: bool) -> Iterator[str]:
        world = self.world
        if not settled:
            yield f"not quiet after {world.clock() - self.before.at}"
        yield from (f"{seat} is in unpaid" for seat in sorted(set(world.stage.inside()) - world.stage.paid))
        yield from (
            f"given up: {row['error']}" for row in world.rows("SELECT * FROM enrolments WHERE state = 'dead'")
        )
        if _count(world, "enrolments", "state = 'leased'"):
            yield "a row is still leased"
        yield from (f"a bug: {one}" for one in self._log if one["log_level"] == "critical")
        yield from self._storms()
        followed = self._followed()
        for mishap in self.mishaps:
            follows = Follows.EITHER if mishap.spoilt_refusal else mishap.trouble.follows
            passing = follows in {Follows.RETRY, Follows.THROUGH}
            if passing and followed is Follows.STOP and len(self.mishaps) == 1:
                yield f"{mishap.trouble.name} blocked a service, though it may pass by itself"
            if not mishap.met:
                yield f"{mishap.call.title} was never made"
            yield from self._impatient(mishap)

    def _storms(self) -> Iterator[str]:
        """No call is made more often within a minute than its own quick tries, or the scene itself, account for."""
        for call, usual in Counter(call for _, call in self._asked).items():
            times = [at for at, one in self._asked if one is call]
            bound = 3 * (max(self.usual[call], 1) + max(len(self.mishaps), 1))
            for first, last in zip(times, times[bound:], strict=False):
                if last - first < timedelta(seconds=STORM_S):
                    yield f"{call.title} was made more than {bound} times within a minute ({usual} in all)"
                    break

    def _impatient(self, mishap: Mishap) -> Iterator[str]:
        """Whoever asked to be left alone was left alone, by this call at least."""
        asked_s = mishap.trouble.asked_s or 0.0
        for met_at in mishap.met:
            until = met_at + timedelta(seconds=asked_s)
            early = [at for at, call in self._asked if call is mishap.call and met_at < at < until]
            if early:
                yield f"{mishap.call.title} was made again {early[0] - met_at} after it was told to wait {asked_s} s"

    def _followed(self) -> Follows:
        told = {one["event"] for one in self._log}
        if "service_blocked" in told:
            return Follows.STOP
        if told & ODD or any(one.get("outcome") == "deferred" for one in self._log):
            return Follows.RETRY
        return Follows.THROUGH

    def _leaks(self) -> Iterator[str]:
        for one in self._log:
            text = str(one)
            if MARK in text or any(secret in text for secret in SECRETS.values()):
                yield f"the log tells: {one['event']}"
        for table, column in SAYING.items():
            for row in self.world.rows(f"SELECT {column} AS said FROM {table}"):
                if MARK in row["said"]:
                    yield f"{table}.{column} tells"


def _count(world: World, table: str, where: str) -> int:
    return int(world.rows(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])
