"""Whatever is bought, refunded, lost, late or killed, in any order: the LMS ends with exactly what was paid for."""

import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.fakes import T0, make_line, make_order
from tests.spine import Spine
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.health import Condition
from wcsync.ledger.base import CursorMove
from wcsync.model import Order

ADDRESSES = ("ana@example.test", "BEA@example.test", "bea@example.test")
SKUS = ("PY-101", "BOTH", "T-SHIRT", "NEW")
SOLD = {"PY-101": {"42"}, "BOTH": {"42", "43"}, "T-SHIRT": set[str](), "NEW": set[str]()}
TAKEN_BACK = ("refunded", "cancelled", "failed")
LATEST_EFFECT_S = 60
"""After this a call that went unanswered takes effect no more; shorter than the quarantine."""


# -- reading in any order --------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[Order]:
    """The versions of one order, oldest first. What was once paid for ends paid or taken back."""
    order_id = draw(st.integers(min_value=1, max_value=4))
    skus = draw(st.lists(st.sampled_from(SKUS), max_size=3))
    lines = tuple(make_line(10 * order_id + n, sku=sku) for n, sku in enumerate(skus))
    open_ones = draw(st.lists(st.sampled_from(["pending", "on-hold", "processing", "trash"]), max_size=2))
    paid_ones = draw(st.lists(st.sampled_from(["completed", *TAKEN_BACK]), max_size=3))
    statuses = [*open_ones, *paid_ones] or ["pending"]
    email = draw(st.sampled_from(ADDRESSES))
    return [
        make_order(
            order_id,
            status=status,
            email=email,
            lines=lines,
            modified_at=T0 + timedelta(minutes=n),
            paid_at=None if status in {"pending", "on-hold", "processing"} else T0,
        )
        for n, status in enumerate(statuses)
    ]


def paid_for(order: Order, sold: dict[str, set[str]]) -> set[tuple[str, str]]:
    if order.status != "completed":
        return set()
    address = order.buyer.email.casefold()
    return {(address, course) for line in order.lines for course in sold[line.sku]}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(histories(), max_size=4, unique_by=lambda history: history[0].order_id),
    st.randoms(use_true_random=False),
    st.data(),
)
def test_orders_read_in_any_order_and_any_number_of_times_come_to_the_same(
    histories_: list[list[Order]], chance: object, data: st.DataObject
) -> None:
    versions = [order for history in histories_ for order in history]
    again = data.draw(st.lists(st.sampled_from(versions), max_size=6)) if versions else []
    readings = data.draw(st.permutations(versions + again))
    positions = data.draw(st.lists(st.integers(min_value=-600, max_value=600), min_size=1, max_size=9))
    with tempfile.TemporaryDirectory() as folder:
        spine = Spine(Path(folder), paid_statuses=frozenset({"processing", "completed"}))
        spine.ledger.start_cursor("orders", T0, T0)
        before = T0
        for number, order in enumerate(readings):
            position = T0 + timedelta(seconds=positions[number % len(positions)])
            move = CursorMove(name="orders", position=position)
            spine.ledger.record_page([order], (), spine.plan, move, spine.clock())
            cursor = spine.ledger.read_cursor("orders")
            assert cursor is not None
            assert cursor.position == max(before, position)
            before = cursor.position
            if data.draw(st.booleans()):
                spine.worker.run_once()
        spine.work()
        latest = [history[-1] for history in histories_]
        assert spine.lms.active() == set().union(*(paid_for(order, SOLD) for order in latest))
        summary = spine.summary()
        assert (summary.unexplained, summary.due, summary.dead) == (0, 0, 0)
        spine.close()


# -- everything that can happen --------------------------------------------------------------------------------------

Fault = Callable[[str], None]


def raising(error: Callable[[], BaseException]) -> Fault:
    def fail(_what: str) -> None:
        raise error()

    return fail


FAULTS: dict[str, Fault] = {
    "killed": raising(KeyboardInterrupt),
    "answer lost": raising(lambda: TransientError("broke off", answer_lost=True)),
    "refused for now": raising(lambda: TransientError("locked")),
    "service down": raising(lambda: TransientError("refused", whole_service=True)),
    "refused for good": raising(lambda: PermanentError("no such group")),
    "blocked": raising(lambda: ServiceBlocked("token not valid")),
    "bug": raising(lambda: ZeroDivisionError("boom")),
}
NEVER_AFTER = {"service down"}
"""A service that is down has not acted."""
WRITES = st.sampled_from(["create", "enrol", "withdraw"])


class World(RuleBasedStateMachine):
    """A shop, a daemon and an LMS. The model is the shop's own orders."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.spine = Spine(Path(self.folder.name))
        self.sold = dict(SOLD)
        self.late_for_s = 0.0
        self.position = T0
        self.plan_faults()
        assert self.spine.poller.poll_once().complete

    def plan_faults(self) -> None:
        self.faults: dict[tuple[str, str], Fault] = {}
        self.late: set[str] = set()
        lms = self.spine.lms
        lms.before_write = lambda what: self.strike("before", what)
        lms.after_write = lambda what: self.strike("after", what)
        lms.acts_late = self.acts_late
        lms.lose = self.lose

    def strike(self, when: str, what: str) -> None:
        fault = self.faults.pop((when, what), None)
        if fault is not None:
            fault(what)

    def lose(self, what: str) -> None:
        self.strike("lost", what)
        FAULTS["answer lost"](what)

    def acts_late(self, what: str) -> bool:
        if what not in self.late:
            return False
        self.late.remove(what)
        self.late_for_s = 0.0
        return True

    # -- the shop ----------------------------------------------------------------------------------------------------
    @rule(
        email=st.sampled_from(ADDRESSES),
        skus=st.lists(st.sampled_from(SKUS), min_size=1, max_size=2),
        status=st.sampled_from(["pending", "completed", "completed"]),
        seen=st.booleans(),
    )
    def buy(self, email: str, skus: list[str], status: str, seen: bool) -> None:
        order_id = len(self.spine.store.orders) + 1
        lines = tuple(make_line(10 * order_id + n, sku=sku) for n, sku in enumerate(skus))
        now = self.spine.clock()
        self.spine.store.put(make_order(order_id, status=status, email=email, lines=lines, modified_at=now))
        if seen:
            self.spine.poller.poll_once()

    @precondition(lambda self: self.spine.store.orders)
    @rule(
        pick=st.integers(min_value=0, max_value=5),
        status=st.sampled_from(["completed", "completed", *TAKEN_BACK]),
        seen=st.booleans(),
    )
    def change(self, pick: int, status: str, seen: bool) -> None:
        order_id = pick % len(self.spine.store.orders) + 1
        self.spine.store.change(order_id, self.spine.clock(), status=status)
        if seen:
            self.spine.poller.poll_once()

    @rule()
    def learn(self) -> None:
        self.sold["NEW"] = {"44"}
        self.spine.mapping.by_sku["NEW"] = ("campus", "44")
        self.spine.ledger.replan_unmapped(self.spine.plan, self.spine.clock())

    # -- the daemon --------------------------------------------------------------------------------------------------
    @rule(cut_at=st.sampled_from([None, 1, 2, 3]), kill=st.booleans())
    def poll(self, cut_at: int | None, kill: bool) -> None:
        def cut(number: int) -> None:
            if number == cut_at:
                raise KeyboardInterrupt if kill else TransientError("timed out")

        self.spine.store.on_page = cut
        try:
            self.spine.poller.poll_once()
        except KeyboardInterrupt:
            self.restart()
        self.spine.store.on_page = lambda _number: None

    @rule(times=st.integers(min_value=1, max_value=4))
    def work(self, times: int) -> None:
        for _ in range(times):
            try:
                self.spine.worker.run_once()
            except KeyboardInterrupt:
                self.restart()

    @rule(what=WRITES, kind=st.sampled_from(sorted(FAULTS)), when=st.sampled_from(["before", "after"]))
    def work_with_trouble(self, what: str, kind: str, when: str) -> None:
        if when == "before" or kind not in NEVER_AFTER:
            self.faults[when, what] = FAULTS[kind]
        self.work(2)

    @rule(what=WRITES, kill=st.booleans())
    def work_while_the_lms_acts_late(self, what: str, kill: bool) -> None:
        self.late.add(what)
        if kill:
            self.faults["lost", what] = FAULTS["killed"]
        self.work(2)

    @rule()
    def restart(self) -> None:
        self.spine.reopen()

    @rule(seconds=st.sampled_from([1, 30, 50, 100]))
    def wait(self, seconds: float) -> None:
        """A late call takes effect at last."""
        self.late_for_s += seconds
        if self.late_for_s > LATEST_EFFECT_S:
            self.spine.lms.catch_up()
        self.spine.tick(seconds)

    @rule()
    def catch_up(self) -> None:
        self.spine.lms.catch_up()

    # -- what must hold ----------------------------------------------------------------------------------------------
    @invariant()
    def one_account_for_each_address(self) -> None:
        owners = Counter(address for address, _ in self.spine.lms.accounts)
        assert all(count == 1 for count in owners.values()), owners

    @invariant()
    def no_enrolment_is_written_twice(self) -> None:
        for seat, done in self.spine.lms.history.items():
            assert all(one != other for one, other in pairwise(done)), (seat, done)

    @invariant()
    def the_cursor_never_goes_back(self) -> None:
        cursor = self.spine.ledger.read_cursor("orders")
        assert cursor is not None
        assert cursor.position >= self.position
        self.position = cursor.position

    @invariant()
    def nothing_is_unexplained(self) -> None:
        assert self.spine.summary().unexplained == 0

    @rule()
    def quiet(self) -> None:
        """No more trouble: all comes to what the shop says."""
        spine = self.spine
        self.plan_faults()
        self.wait(LATEST_EFFECT_S)
        spine.lms.catch_up()
        self.wait(4000)
        assert spine.poller.poll_once().complete
        spine.settle()
        if spine.ledger.desk.revive(None, None, None, spine.plan, spine.clock()):
            spine.settle()
        expected = set().union(*(paid_for(order, self.sold) for order in spine.store.orders.values()))
        assert spine.lms.active() == expected
        summary = spine.summary()
        assert (summary.unexplained, summary.due, summary.dead) == (0, 0, 0)
        assert self.spine.rows("SELECT * FROM parked WHERE kind <> 'bought_again'") == []
        assert spine.patient.health.condition is Condition.UP or not spine.lms.writes

    def teardown(self) -> None:
        self.quiet()
        self.spine.close()
        self.folder.cleanup()


World.TestCase.settings = settings(max_examples=25, stateful_step_count=35, deadline=None)
TestWorld = World.TestCase
