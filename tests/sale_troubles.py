"""What may go wrong in a sale world, as further rules: edits, clocks, faults of shop and LMSs, hands in the LMSs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.sale_merchant import Spoil
from tests.sale_rules import PEOPLE, PICK, SOLD, SaleRules
from tests.sale_stage import ACADEMY, ADDRESSES, CAMPUS, CLUB, DAY, Campus
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.model import LmsName
from wcsync.sandbox.exchange import Response
from wcsync.sandbox.faults import Fault, answer_instead, spoil
from wcsync.sandbox.shop_lines import Sold

ASKED_WAIT_S = 1200.0
YEAR = 365 * DAY
PLACES = st.sampled_from(["campus:py101", "campus:py102", "campus:py103", "academy:a1", "academy:a2"])
LMSS = st.sampled_from([LmsName(CAMPUS), LmsName(ACADEMY)])


def _raise(exc: Exception) -> Spoil:
    def spoilt(_reply: Response) -> Response:
        raise exc

    return spoilt


def _instead(fault: Fault) -> Spoil:
    def spoilt(_reply: Response) -> Response:
        answer = answer_instead(fault)
        assert answer is not None, fault
        return answer

    return spoilt


def _with_totals(rows: str | None, pages: str | None) -> Spoil:
    """The list's own rows, under other counts."""

    def spoilt(reply: Response) -> Response:
        others = {key: value for key, value in reply.headers.items() if not key.startswith("X-WP-Total")}
        told = {"X-WP-Total": rows, "X-WP-TotalPages": pages}
        return replace(
            reply, headers=others | {key: value for key, value in told.items() if value is not None}
        )

    return spoilt


SHOP_FAULTS: dict[str, Spoil] = {
    "refused": _raise(httpx.ConnectError("refused")),
    "reset": _raise(httpx.ReadError("reset")),
    "timeout": _raise(httpx.ReadTimeout("too slow")),
    "500": _instead(Fault(kind="status", status=500)),
    "429": _instead(Fault(kind="status", status=429, headers={"Retry-After": f"{ASKED_WAIT_S:.0f}"})),
    "401": _instead(Fault(kind="status", status=401)),
    "404": _instead(Fault(kind="status", status=404)),
    "maintenance": _instead(Fault(kind="maintenance")),
    "html": _instead(Fault(kind="html200")),
    "elsewhere": _instead(Fault(kind="redirect")),
    "cut": lambda reply: spoil("truncated", reply),
    "warning": lambda reply: spoil("php_warning", reply),
    "empty": lambda reply: spoil("empty", reply),
    "utf8": lambda reply: spoil("invalid_utf8", reply),
    "no rows": lambda reply: replace(reply, body=b"[]"),
    "no pages": _with_totals("0", "0"),
    "no totals": _with_totals(None, None),
    "many pages": _with_totals("900", "300"),
}
"""What a shop may answer that is not so. A list that says that it is shorter than it is, rows and counts agreeing, is
told apart by nobody."""

LMS_FAULTS: dict[str, Callable[[], Exception]] = {
    "down": lambda: TransientError("down", whole_service=True),
    "busy": lambda: TransientError("429", retry_after_s=ASKED_WAIT_S, whole_service=True),
    "html": lambda: TransientError("a page", answer_lost=True, whole_service=True),
    "lost": lambda: TransientError("broke off", answer_lost=True),
    "refused": lambda: ServiceBlocked("401"),
    "no": lambda: PermanentError("an answer that is an error"),
    "bug": lambda: ValueError("a bug"),
}
"""What an adapter raises for what the LMS does. A write that was answered with an error may have been done all the
same: `no` after it."""


class SaleTroubles(SaleRules):
    """Rules beside those of `SaleRules`."""

    # -- edits of orders ---------------------------------------------------------------------------------------------
    @rule(pick=PICK, address=st.sampled_from([*ADDRESSES, "BEA@example.test"]))
    def edit_the_buyer(self, pick: int, address: str) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            self.world.edit_buyer(order_id, address)

    @rule(
        pick=PICK,
        line=st.one_of(st.none(), PICK),
        address=st.sampled_from(["", *ADDRESSES, "BEA@example.test", "nobody at all"]),
    )
    def edit_the_learner(self, pick: int, line: int | None, address: str) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            lines = self.world.shop.orders[order_id]["line_items"]
            self.world.edit_learner(order_id, 0 if line is None else lines[line % len(lines)]["id"], address)

    @rule(pick=PICK, line=PICK, quantity=st.integers(1, 4))
    def edit_the_quantity(self, pick: int, line: int, quantity: int) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            self.world.edit_quantity(order_id, line, quantity)

    @rule(pick=PICK, line=PICK)
    def take_a_line_out(self, pick: int, line: int) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            self.world.take_line_out(order_id, line)

    @rule(pick=PICK, sold=SOLD.filter(lambda sold: sold.product_id != CLUB))
    def put_a_line_in(self, pick: int, sold: Sold) -> None:
        order_id = self.pick(pick)
        if order_id is not None:
            self.world.put_line_in(order_id, sold)

    # -- clocks ------------------------------------------------------------------------------------------------------
    @rule(apart=st.sampled_from([-3600.0, -DAY, 3600.0, DAY, YEAR, 0.0, 0.0]))
    def the_clock_is_set(self, apart: float) -> None:
        """The daemon's, so far from the true one."""
        self.world.skew(apart)
        self.world.end_expired()

    # -- the shop fails ----------------------------------------------------------------------------------------------
    @rule(
        kinds=st.lists(st.sampled_from(sorted(SHOP_FAULTS)), min_size=1, max_size=4),
        skip=st.integers(0, 4),
        strikes=st.one_of(st.none(), st.none(), st.integers(1, 6)),
    )
    def poll_a_shop_that_fails(self, kinds: list[str], skip: int, strikes: int | None) -> None:
        unharmed: list[Spoil] = [lambda reply: reply] * skip
        self.world.merchant.spoils[:] = [*unharmed, *(SHOP_FAULTS[kind] for kind in kinds)]
        with self.world.surviving(strikes):
            self.world.poll(believed=False)
        self.world.merchant.spoils.clear()

    @rule(
        kinds=st.lists(st.sampled_from(sorted(SHOP_FAULTS)), min_size=1, max_size=3), skip=st.integers(0, 3)
    )
    def write_notes_to_a_shop_that_fails(self, kinds: list[str], skip: int) -> None:
        """After it took the note as well: that is what spoils an answer."""
        unharmed: list[Spoil] = [lambda reply: reply] * skip
        self.world.merchant.spoils[:] = [*unharmed, *(SHOP_FAULTS[kind] for kind in kinds)]
        self.world.send()
        self.world.merchant.spoils.clear()

    @rule()
    def another_shop_answers(self) -> None:
        """A copy under the same address: nothing of what it says is taken in, and nothing is written to it."""
        self.world.tick(601)
        shop, url = self.world.shop, self.world.shop.site_url
        before = self.world.rows("SELECT * FROM orders ORDER BY order_id"), self.world.notes()
        shop.site_url = "https://copy.example.test"
        self.world.orders.gate.forget()
        assert not self.world.poll(believed=False)
        self.world.orders.gate.forget()
        self.world.send()
        after = self.world.rows("SELECT * FROM orders ORDER BY order_id"), self.world.notes()
        shop.site_url = url
        assert before == after

    # -- an LMS fails ------------------------------------------------------------------------------------------------
    @rule(
        lms=LMSS,
        kind=st.sampled_from(sorted(LMS_FAULTS)),
        where=st.sampled_from(["before_read", "before_write", "after_write", "before_identity"]),
        times=st.integers(1, 3),
        after=st.integers(0, 2),
    )
    def work_while_an_lms_fails(self, lms: LmsName, kind: str, where: str, times: int, after: int) -> None:
        """A bug where it is asked who it is ends the turn of the thread: that is the pool's to catch."""
        if kind == "bug" and where == "before_identity":
            kind = "down"
        campus = self.world.lmss[lms]
        with self.world.surviving(), failing(campus, where, LMS_FAULTS[kind], times, after) as met:
            self.world.work(6)
        if met and kind == "busy" and where != "after_write":
            self._is_left_alone(campus)

    def _is_left_alone(self, campus: Campus) -> None:
        """Asked to wait, nobody calls again before it is over."""
        health = self.world.patients[campus.name].health
        if health.retry_at is None:  # others got through since
            return
        calls = campus.reads, campus.asked_who, len(campus.writes)
        with self.world.surviving():
            self.world.work(6)
        assert calls == (campus.reads, campus.asked_who, len(campus.writes))

    @rule(lms=LMSS)
    def another_lms_answers(self, lms: LmsName) -> None:
        """It was reset, or a copy answers, and is as empty as the day it was installed: nobody is enrolled there."""
        campus = self.world.lmss[lms]
        self.world.tick(601)
        self.world.catch_up()
        kept = campus.identity, campus.accounts, campus.enrolled, campus.suspended
        written = len(campus.writes)
        campus.identity, campus.accounts = "https://new.example.test", []
        campus.enrolled, campus.suspended = {}, set()
        self.world.gates[lms].forget()
        with self.world.surviving():
            self.world.work(6)
        campus.identity, campus.accounts, campus.enrolled, campus.suspended = kept
        assert len(campus.writes) == written

    # -- hands in an LMS ---------------------------------------------------------------------------------------------
    @rule(address=PEOPLE, place=PLACES)
    def staff_enrol(self, address: str, place: str) -> None:
        self.world.take_by_hand(address, place)

    @rule(address=PEOPLE, place=PLACES)
    def staff_unenrol(self, address: str, place: str) -> None:
        self.world.put_out_by_hand(address, place)

    @rule(address=PEOPLE, lms=LMSS)
    def staff_delete_an_account(self, address: str, lms: LmsName) -> None:
        self.world.delete_account(address, lms)

    # -- people at the desk ------------------------------------------------------------------------------------------
    @rule(mistake=PICK, restarted=st.booleans())
    def spoil_the_mapping(self, mistake: int, restarted: bool) -> None:
        inside = self.world.wishes()
        self.world.spoil_mapping(mistake, restarted=restarted)
        assert self.world.wishes() == inside

    @rule(address=PEOPLE)
    def forget(self, address: str) -> None:
        self.world.forget(address)

    @precondition(lambda self: self.world.summary().dead)
    @rule()
    def revive(self) -> None:
        self.world.revive()


@contextmanager
def failing(
    campus: Campus, where: str, make: Callable[[], Exception], times: int, after: int
) -> Iterator[list[str]]:
    """So many calls go through unharmed, then so many fail. What failed is told."""
    met: list[str] = []
    usual = getattr(campus, where)
    left = [None] * after + [make] * times

    def fail(*what: str) -> None:
        usual(*what)
        fault = left.pop(0) if left else None
        if fault is not None:
            met.append(where)
            raise fault()

    setattr(campus, where, fail)
    try:
        yield met
    finally:
        setattr(campus, where, usual)
