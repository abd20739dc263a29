"""Wishes that come and go while answers get lost: in the end the learner is in exactly if that is wished."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes import lost, make_order
from tests.spine import QUARANTINE_S, Spine
from wcsync.sale import Cause, Withdrawal
from wcsync.times import render_instant

ANA = ("ana@example.test", "42")
STEP_S = 20.0
LATEST_S = 60.0
"""A write whose answer was lost takes effect within this time: less than the quarantine."""

assert LATEST_S + STEP_S < QUARANTINE_S

TROUBLES = ("none", "lost before", "lost after", "late", "killed before", "killed after")
WISHES = ("in", "in for an hour", "in for a day", "refunded", "lapsed", "expired", "to be suspended")

steps = st.lists(
    st.tuples(st.sampled_from([*WISHES, "nothing"]), st.sampled_from(TROUBLES), st.integers(0, 3)),
    max_size=8,
)


class World:
    def __init__(self, folder: Path) -> None:
        self.spine = Spine(folder)
        self.spine.record(make_order())
        self.inside = True
        self.until: datetime | None = None
        self.late_since: datetime | None = None

    def step(self, wish: str, trouble: str, waits: int) -> None:
        if wish != "nothing":
            self.wish(wish)
        self.work(trouble)
        for _ in range(waits):
            self.tick()

    def wish(self, wish: str) -> None:
        now = self.spine.clock()
        self.inside = wish.startswith("in")
        if self.inside:
            hours = {"in for an hour": 1, "in for a day": 24}.get(wish)
            self.until = now + timedelta(hours=hours) if hours else None
            self.tell("in")
        elif wish == "expired":
            if self.until is not None and self.until > now:
                self.catch_up()
                self.spine.clock.now = self.until
            self.tell("out", Cause.EXPIRED if self.until else Cause.ORDER)
        else:
            cause = Cause.SUBSCRIPTION if wish == "lapsed" else Cause.ORDER
            self.tell("out", cause, Withdrawal.SUSPEND if wish == "to be suspended" else None)

    def tell(self, desired: str, cause: Cause | None = None, word: Withdrawal | None = None) -> None:
        """The ledger's wish, whatever the shop said to make it so."""
        out = desired == "out"
        self.spine.execute(
            "UPDATE enrolments SET desired = ?, until = iif(?, until, ?), cause = ?, on_withdraw = ?, "
            "revision = revision + 1, state = 'due', next_attempt_at = ?",
            desired,
            out,
            render_instant(self.until) if self.until else None,
            cause or "",
            word or "",
            render_instant(self.spine.clock()),
        )

    def work(self, trouble: str) -> None:
        lms = self.spine.lms
        if trouble == "late":
            lms.acts_late = lambda _what: True
        elif trouble.endswith("before"):
            lms.before_write = self.hook(trouble)
        elif trouble.endswith("after"):
            lms.after_write = self.hook(trouble)
        with suppress(KeyboardInterrupt):
            self.spine.work()
        lms.before_write = lms.after_write = lambda _what: None
        lms.acts_late = lambda _what: False
        if trouble.startswith("killed"):
            self.spine.reopen()
        if lms.late and self.late_since is None:
            self.late_since = self.spine.clock()

    def hook(self, trouble: str) -> Callable[[str], None]:
        def fail(what: str) -> None:
            if trouble.startswith("killed"):
                raise KeyboardInterrupt
            lost(what)

        return fail

    def tick(self) -> None:
        self.spine.tick(STEP_S)
        late = self.late_since
        if late is not None and (self.spine.clock() - late).total_seconds() >= LATEST_S - STEP_S:
            self.catch_up()

    def catch_up(self) -> None:
        self.spine.lms.catch_up()
        self.late_since = None

    def settle(self) -> None:
        while self.late_since is not None:
            self.tick()
            self.spine.work()
        self.spine.settle()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.booleans())
def test_in_the_end_the_learner_is_in_exactly_if_that_is_wished(
    taken: list[tuple[str, str, int]], begun: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            if begun:
                world.work("none")
            for wish, trouble, waits in taken:
                world.step(wish, trouble, waits)
            world.settle()
            spine = world.spine
            assert spine.row()["state"] == "settled", spine.row()
            assert len(spine.lms.accounts) <= 1
            over = world.until is not None and world.until <= spine.clock()
            if not (world.inside and over):
                assert spine.lms.active() == ({ANA} if world.inside else set())
        finally:
            world.spine.close()
