"""What may happen to a sale world in any order, as the rules of a state machine: the shop, the people, the daemon."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.plain_reading import PlainTerms
from tests.sale_stage import ADDRESSES, CLUB, DAY, EVE, LATER_TERMS, NEW, PACK, TERMS, Killed
from tests.sale_world import SaleWorld, Tally, orders_of
from wcsync.errors import TransientError
from wcsync.sandbox.shop_lines import Sold

ZONES = ("", "Europe/Madrid", "Asia/Kolkata", "America/Los_Angeles")
WRITES = st.sampled_from(["create", "enrol", "withdraw", "suspend"])
PEOPLE = st.sampled_from([one for one in ADDRESSES if one != EVE])
PICK = st.integers(min_value=0, max_value=9)
SOLD = st.builds(
    lambda product, quantity, learner: Sold(
        product_id=product, quantity=quantity, meta={"learner_email": learner} if learner else {}
    ),
    st.sampled_from([*TERMS, 7, NEW]),
    st.sampled_from([1, 1, 2, 3, 4]),
    st.sampled_from(["", "", "", *ADDRESSES, "BEA@example.test", "nobody at all"]),
)
BUNDLE = st.builds(
    lambda part, quantity: Sold(
        product_id=PACK, quantity=quantity, parts=(Sold(product_id=part.product_id, quantity=quantity),)
    ),
    SOLD,
    st.sampled_from([1, 2]),
)
Strike = Callable[[str], None]


class SaleRules(RuleBasedStateMachine):
    """A shop, a daemon, two LMSs, and people who decide. The model is `SaleWorld`'s plain reading."""

    tally = Tally()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.faults: dict[tuple[str, str], BaseException] = {}
        self.late: set[str] = set()

    @initialize(
        zone=st.sampled_from(ZONES),
        sales=st.lists(
            st.tuples(st.sampled_from(ADDRESSES), st.lists(SOLD, min_size=1, max_size=2)),
            min_size=2,
            max_size=5,
        ),
        worked=st.booleans(),
    )
    def begin(self, zone: str, sales: list[tuple[str, list[Sold]]], worked: bool) -> None:
        self.world = SaleWorld(Path(self.folder.name), zone, self.tally)
        for lms in self.world.lmss.values():
            lms.before_write = lambda what: self.strike("before", what)
            lms.after_write = lambda what: self.strike("after", what)
            lms.acts_late = self.acts_late
        for buyer, lines in sales:
            self.world.buy(buyer, lines)
        self.world.poll()
        if worked:
            self.world.work()

    def strike(self, when: str, what: str) -> None:
        fault = self.faults.pop((when, what), None)
        if fault is not None:
            raise fault

    def acts_late(self, what: str) -> bool:
        if what not in self.late:
            return False
        self.late.discard(what)
        self.world.late_for_s = 0.0
        return True

    def pick(self, pick: int, *statuses: str) -> int | None:
        found = orders_of(self.world, *statuses)
        return found[pick % len(found)] if found else None

    # -- the shop ----------------------------------------------------------------------------------------------------
    @rule(
        buyer=st.sampled_from([*ADDRESSES, "BEA@example.test"]),
        lines=st.lists(st.one_of(SOLD, SOLD, BUNDLE), min_size=1, max_size=2),
        learner=st.sampled_from(["", "", "", *ADDRESSES]),
        status=st.sampled_from(["completed", "completed", "completed", "pending"]),
        seen=st.booleans(),
    )
    def buy(self, buyer: str, lines: list[Sold], learner: str, status: str, seen: bool) -> None:
        self.world.buy(buyer, lines, learner=learner, status=status)
        if seen:
            self.world.poll()

    @rule(pick=PICK, status=st.sampled_from(["cancelled", "failed", "on-hold", "refunded", "completed"]))
    def change(self, pick: int, status: str) -> None:
        order_id = self.pick(pick)
        if order_id is not None and self.world.shop.orders[order_id]["status"] not in {"trash", status}:
            self.world.set_status(order_id, status)

    @rule(pick=PICK)
    def complete_again(self, pick: int) -> None:
        order_id = self.pick(pick, "cancelled", "failed", "refunded", "pending", "on-hold")
        if order_id is not None:
            self.world.set_status(order_id, "completed")

    @rule(pick=PICK)
    def trash(self, pick: int) -> None:
        order_id = self.pick(pick, "completed", "cancelled", "pending")
        if order_id is not None:
            self.world.trash(order_id)

    @rule(pick=PICK)
    def restore(self, pick: int) -> None:
        order_id = self.pick(pick, "trash")
        if order_id is not None:
            self.world.restore(order_id)

    @rule(pick=PICK, line=PICK, pieces=st.sampled_from([1, 1, 2, 3]))
    def refund_pieces(self, pick: int, line: int, pieces: int) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            lines = self.world.shop.orders[order_id]["line_items"]
            line_id = lines[line % len(lines)]["id"]
            left = self.world.merchant.rest_of(order_id, line_id)
            self.world.refund_pieces(order_id, line_id, min(pieces, left))

    @rule(pick=PICK, line=st.one_of(st.none(), PICK), amount=st.sampled_from([7, 50, 100]))
    def refund_amount(self, pick: int, line: int | None, amount: int) -> None:
        order_id = self.pick(pick, "completed")
        if order_id is not None:
            lines = self.world.shop.orders[order_id]["line_items"]
            line_id = None if line is None else lines[line % len(lines)]["id"]
            self.world.refund_amount(order_id, amount, line_id)

    @rule(pick=PICK)
    def refund_all(self, pick: int) -> None:
        order_id = self.pick(pick, "completed")
        if order_id is not None:
            self.world.refund_all(order_id)

    @rule(pick=PICK)
    def delete_refund(self, pick: int) -> None:
        refunded = [one for one in orders_of(self.world) if self.world.shop.refunds.get(one)]
        if refunded:
            self.world.delete_refund(refunded[pick % len(refunded)], pick)

    @rule(pick=PICK)
    def delete_forever(self, pick: int) -> None:
        order_id = self.pick(pick)
        if order_id is not None and len(self.world.shop.orders) > 1:
            self.world.delete_forever(order_id)

    @precondition(lambda self: self.world.shop.subscriptions)
    @rule(pick=PICK, act=st.sampled_from(["hold", "reactivate", "cancel", "end", "expire", "renew"]))
    def subscription(self, pick: int, act: str) -> None:
        numbers = sorted(self.world.shop.subscriptions)
        number = numbers[pick % len(numbers)]
        if act != "cancel" or self.world.shop.subscriptions[number]["status"] == "active":
            self.world.subscription(act, number)

    # -- people ------------------------------------------------------------------------------------------------------
    @rule(pick=PICK, address=PEOPLE)
    def assign(self, pick: int, address: str) -> None:
        known = sorted(self.world.told)
        if known:
            self.world.assign(known[pick % len(known)], address)

    @rule(pick=PICK)
    def hold(self, pick: int) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            self.world.hold(order_id)

    @precondition(lambda self: self.world.held)
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        held = sorted(self.world.held)
        self.world.release(held[pick % len(held)])

    @rule(old=PEOPLE, new=PEOPLE)
    def relink(self, old: str, new: str) -> None:
        self.world.relink(old, new)

    @rule(pick=PICK)
    def end(self, pick: int) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            self.world.end(order_id)

    @rule(
        product=st.sampled_from([NEW, NEW, *(one for one in TERMS if one != CLUB)]),
        terms=st.sampled_from(LATER_TERMS),
    )
    def edit_the_mapping(self, product: int, terms: PlainTerms) -> None:
        """Who gets the seats stays as it is: that counts for seats that are open still, by the rule of today."""
        inside = set(self.world.wishes())
        known = self.world.terms.get(product)
        self.world.edit_mapping(product, replace(terms, seats=known.seats) if known else terms)
        assert inside <= set(self.world.wishes())

    # -- the daemon --------------------------------------------------------------------------------------------------
    @rule(strikes=st.one_of(st.none(), st.integers(min_value=1, max_value=8)), full=st.booleans())
    def poll(self, strikes: int | None, full: bool) -> None:
        with self.world.surviving(strikes, full=full):
            self.world.poll()

    @rule(
        times=st.integers(min_value=1, max_value=8),
        strikes=st.one_of(st.none(), st.integers(1, 12)),
        full=st.booleans(),
    )
    def work(self, times: int, strikes: int | None, full: bool = False) -> None:
        with self.world.surviving(strikes, full=full):
            self.world.work(times)
            self.world.send(times)

    @rule(what=WRITES, when=st.sampled_from(["before", "after"]), kill=st.booleans())
    def work_with_trouble(self, what: str, when: str, kill: bool) -> None:
        lost = TransientError("broke off", answer_lost=True)
        self.faults[when, what] = Killed() if kill else lost
        self.work(3, None)

    @rule(what=WRITES)
    def work_while_an_lms_acts_late(self, what: str) -> None:
        self.late.add(what)
        self.work(3, None)

    @rule(pick=PICK)
    def replay_an_old_page(self, pick: int) -> None:
        """While our clock is behind the shop's, what was read seems to be from the future and holds nothing back."""
        if self.world.read_pages and self.world.here.apart >= 0:
            self.world.replay(pick)

    @rule()
    def reconcile(self) -> None:
        self.world.reconcile()

    @rule(seconds=st.sampled_from([30, 100, 4000, DAY, 3 * DAY, 10 * DAY, 40 * DAY]))
    def time_passes(self, seconds: float) -> None:
        self.world.tick(seconds)
        self.world.end_expired()

    @rule()
    def settle(self) -> None:
        self.faults.clear()
        self.late.clear()
        self.world.settle()
        self.world.check_settled()

    # -- what must hold ----------------------------------------------------------------------------------------------
    @invariant()
    def all_holds(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.settle()
        finally:
            if hasattr(self, "world"):
                self.world.close()
            self.folder.cleanup()
