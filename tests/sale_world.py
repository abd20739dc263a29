"""A sandbox shop, two LMSs and the real daemon's parts between them, in one process without a socket; what people do to
all of them; and what must hold, by a plain reading of the shop.

Of the ledger the reading takes nothing but what only it can know: which version of an order it has read, and what a
person decided there.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path

from tests.plain_reading import Readings, read_plainly, real_address, seat_owners
from tests.sale_people import SalePeople
from tests.sale_reading import Told, folded, named
from tests.sale_stage import ADDRESSES, CAMPUS, LATEST_EFFECT_S, TERMS, Pair
from wcsync.ledger.report import Report, Summary
from wcsync.model import LmsName
from wcsync.times import parse_instant

MARK = re.compile(r"\(wcsync ([0-9a-f]{12})\)")


@dataclass
class Tally:
    """What many lives came to. `lost`: who paid and is not in; `doubled`: accounts and notes that are there twice; by
    what shop and LMSs hold."""

    lives: int = 0
    steps: int = 0
    seats: int = 0
    accounts: int = 0
    notes: int = 0
    lost: int = 0
    doubled: int = 0


class SaleWorld(SalePeople):
    """Everything between the shop and the LMSs, and the plain reading beside it. `close()` when done."""

    def __init__(self, folder: Path, zone: str = "Europe/Madrid", tally: Tally | None = None) -> None:
        super().__init__(folder, zone)
        self.tally = tally or Tally()
        assert self.poll()
        for gate in self.gates.values():
            gate.check()

    # -- what was read -----------------------------------------------------------------------------------------------
    def _read_on(self) -> None:
        for row in self.rows("SELECT order_id, status FROM orders"):
            order_id = row["order_id"]
            told = self.told.setdefault(order_id, Told())
            if order_id in self.held:
                continue
            self.told[order_id] = told = folded(told, row["status"], self.decisions(order_id))
            if row["status"] == "completed":
                self._sell(order_id, told)
        self._changed()

    def _sell(self, order_id: int, told: Told) -> None:
        """By what was read, which the shop may have moved on from."""
        plain_shop = self.plain_shop([order_id], as_read=True)
        [plain] = plain_shop.orders
        products = {line["id"]: line["product_id"] for line in self.as_read(order_id)[0]["line_items"]}
        for one in plain.lines:
            terms = told.terms.get(one.line_id) or self.terms.get(products.get(one.line_id, 0))
            if terms is None or (one.line_id not in told.terms and one.refunded >= one.quantity):
                continue
            told.terms[one.line_id] = terms
            told.seats[one.line_id] = max(told.seats.get(one.line_id, 0), one.quantity)
            owners = seat_owners(plain_shop, plain, one, terms)
            told.seated[one.line_id] = tuple(dict.fromkeys([*told.seated.get(one.line_id, ()), *owners]))

    def _changed(self) -> None:
        """Who is let in by what the daemon has read is so rightly, though the shop may say something else by now."""
        self.merchant.keep_versions()
        self.ever.update(self.reading())
        shop = self.plain_shop(
            [one for one, told in self.told.items() if told.status == "completed"], as_read=True
        )
        as_read = [
            replace(order, status="completed", lines=tuple(replace(line, refunded=0) for line in order.lines))
            for order in shop.orders
        ]
        self.ever.update(read_plainly(replace(shop, orders=as_read, subscriptions=()), self.clock()))
        self._keep_steady()

    def _keep_steady(self) -> None:
        """Who is let in by the true clock and by the daemon's."""
        self.steady &= self.support(self.clock())
        if self.here.apart:
            self.steady &= self.support(self.here())

    # -- what must hold ----------------------------------------------------------------------------------------------
    def _check_withdrawal(self, pair: Pair) -> None:
        """Asked before each withdrawal: does any one order that was read long since let the learner in?"""
        orders = [number for number, *place in self.steady if tuple(place) == pair]
        assert not orders, f"{pair} is put out, whom orders {orders} let in"

    def check(self) -> None:
        """After every step."""
        self.tally.steps += 1
        assert self.summary().unexplained == 0
        for lms in self.lmss.values():
            assert lms.places() <= self.ever, lms.places() - self.ever
        doubled = self._doubled()
        self.tally.doubled += len(doubled)
        assert not doubled, doubled
        self._check_paid_lines()
        self._check_cursor()

    def _doubled(self) -> list[str]:
        """By what the LMSs and the shop hold: accounts of one address, and the same note twice in a row."""
        accounts = chain.from_iterable(
            [f"{lms.name}: {address}" for address, _ in lms.accounts] for lms in self.lmss.values()
        )
        twice = [who for who, times in Counter(accounts).items() if times > 1]
        for order_id in self.shop.notes:
            marks = self._marks(order_id)
            twice += [f"order {order_id}: {mark}" for mark, after in pairwise(marks) if mark == after]
        return twice

    def _marks(self, order_id: int) -> list[str]:
        texts = [one["note"] for one in self.shop.notes.get(order_id, [])]
        return [found.group(1) for found in map(MARK.search, texts) if found]

    def _check_cursor(self) -> None:
        """It never passes an order that is not in the ledger as it was then, unless it stands on the list of those that
        could not be read; one whose number could not be read stands there as 0."""
        cursor = self.ledger.read_cursor("orders")
        unread = {
            row["order_id"] for row in self.rows("SELECT order_id FROM parked WHERE kind = 'unreadable'")
        }
        known = {number: parse_instant(text) for number, text in self._known_dates().items()}
        for number, order in self.shop.orders.items():
            modified_at = datetime.fromisoformat(order["date_modified_gmt"]).replace(tzinfo=UTC)
            if cursor is not None and modified_at < cursor.position and not unread & {0, number}:
                assert known.get(number, modified_at) >= modified_at, (number, modified_at, cursor)
                assert number in known, (number, modified_at, cursor)

    def _check_paid_lines(self) -> None:
        """Every line of an order that was read as completed is sold, or on a list, or is no course."""
        listed = {row["order_id"] for row in self.rows("SELECT order_id FROM parked")}
        lines = {
            (row["order_id"], row["line_id"]): row["verdict"]
            for row in self.rows("SELECT order_id, line_id, verdict FROM order_lines")
        }
        sold = {
            (row["order_id"], row["line_id"])
            for row in self.rows("SELECT order_id, line_id FROM entitlements WHERE live = 1")
        }
        for order_id, told in self.told.items():
            if told.status != "completed" or order_id in self.held:
                continue
            for line in self.as_read(order_id)[0]["line_items"]:
                place = (order_id, line["id"])
                ended = lines.get(place) in {"unmapped", "ignored", "ended"}
                assert place in sold or ended or order_id in listed, (place, lines.get(place))

    def settle(self) -> None:
        """No more trouble: all is read and worked off, with time passing, until nothing waits. What waits for another
        row, which may wait for tomorrow's budget, is looked at every half an hour."""
        self.merchant.spoils.clear()
        self.skew(0.0)
        self.tick(LATEST_EFFECT_S + 1)
        self.tick(2 * 3600)  # a clock that was an hour ahead dated what a shop is left alone for
        assert self.poll()
        self.reconcile()
        assert self.poll()
        for _ in range(400):
            self.work()
            self.send()
            if self.ledger.desk.allow(None, self.here()) or self.end_expired() or self._mend():
                continue
            due_at = [one for one in map(self.ledger.next_due_at, self.lmss) if one is not None]
            if not due_at:
                break
            self.tick(max((min(due_at) - self.clock()).total_seconds(), 1800) // 1 + 1)
        else:
            raise AssertionError("not settled")
        while self.rows("SELECT 1 FROM outbox WHERE state IN ('due', 'leased')"):
            self.tick(1800)
            assert self.send(), "a note waits for nothing"

    def _mend(self) -> int:
        """What is dead is tried again, but for what nobody can say any more for whom it was."""
        return 0 if self.forgotten else self.revive()

    def check_settled(self) -> None:
        """The wishes and the LMSs are what the plain reading says; and what is quiet stays quiet."""
        wishes, inside = self.wishes(), set(chain.from_iterable(lms.places() for lms in self.lmss.values()))
        high, low = self.reading(), self.reading(paid_only=True)
        nowhere = object()
        pairs = {
            pair
            for pair in {*wishes, *inside, *high} - self._held_places()
            if real_address(self.aliases, pair[0]) not in self.forgotten
        }
        lost = {pair for pair in pairs & high.keys() & low.keys() - self.by_hand if pair not in inside}
        self.tally.seats += len(pairs & inside)
        self.tally.lost += len(lost)
        assert not lost, lost
        for pair in sorted(pairs):
            wish, may_be = wishes.get(pair, nowhere), [high.get(pair, nowhere), low.get(pair, nowhere)]
            assert wish in may_be, (pair, wish, may_be)
            assert pair in self.by_hand or (pair in inside) == (wish is not nowhere), (pair, wish, inside)
        self._check_ends(wishes)
        summary = self.summary()
        assert (summary.unexplained, summary.due) == (0, 0), summary
        assert summary.dead == 0 or self.forgotten, summary
        self._check_quiet()

    def _check_quiet(self) -> None:
        before = [[*lms.writes] for lms in self.lmss.values()], self.notes()
        assert self.poll()
        self.work()
        self.send()
        assert before == ([[*lms.writes] for lms in self.lmss.values()], self.notes())

    def notes(self) -> int:
        return sum(len(self._marks(order_id)) for order_id in self.shop.notes)

    def _check_ends(self, wishes: Readings) -> None:
        """An end in the LMS is never before the one that was paid for."""
        campus = self.lmss[LmsName(CAMPUS)]
        users = dict(campus.accounts)
        for (address, place), until in wishes.items():
            lms, _, course = place.partition(":")
            if lms == CAMPUS and (address, place) in campus.places():
                end = campus.enrolled[users[address], course]
                assert end is None or (until is not None and until <= end), (address, place, until, end)

    def _held_places(self) -> set[Pair]:
        """What an order that is held has to do with: there it is left as it was."""
        courses = {course for terms in [*self.versions, *TERMS.values()] for course in terms.courses}
        people = {
            real_address(self.aliases, address)
            for order_id in self.held
            for address in self._people(order_id)
        }
        return {(address, course) for address in people for course in courses}

    def _people(self, order_id: int) -> Iterator[str]:
        """Whom any version of an order names, and who has a seat of it."""
        for (number, _), raw in self.merchant.versions.items():
            if number == order_id:
                yield raw["billing"]["email"]
                yield from named(raw)
                for line in raw["line_items"]:
                    yield from named(line)
        told = self.told.get(order_id, Told())
        yield from chain.from_iterable([*told.assigned.values(), *told.seated.values()])

    def wishes(self) -> Readings:
        """Who is to be in, as the ledger has it."""
        keys = {self.ledger.identify(address): address for address in ADDRESSES}
        rows = self.rows("SELECT * FROM enrolments WHERE desired = 'in'")
        return {
            (keys[row["learner_key"]], f"{row['lms']}:{row['course_id']}"): _instant(row["until"])
            for row in rows
        }

    def summary(self) -> Summary:
        with closing(Report(self.path)) as report:
            return report.summary()

    def close(self) -> None:
        self.tally.lives += 1
        self.tally.accounts += sum(len(lms.accounts) for lms in self.lmss.values())
        self.tally.notes += self.notes()
        super().close()


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def orders_of(world: SaleWorld, *statuses: str) -> list[int]:
    """The orders that have one of these statuses in the shop; without any, all that it has."""
    return [
        number for number, order in world.shop.orders.items() if not statuses or order["status"] in statuses
    ]
