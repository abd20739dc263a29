"""What people decide, on SQLite: one method, one transaction."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from wcsync.ledger import allowing, decisions, erasing, people, relinking, seats
from wcsync.ledger.aliases import key_in_use
from wcsync.ledger.connection import transaction
from wcsync.ledger.desk import Ended, Giving, OpenSeats, Trace
from wcsync.ledger.order_notes import note_order
from wcsync.ledger.parking import WITHDRAW_ASKED
from wcsync.ledger.recording import Recorder
from wcsync.mappers.taking_back import SEATS
from wcsync.model import CourseId, Identify, LearnerKey, LineId, LmsName, OrderId, Person, PlanOrder


class SqliteDesk:
    """Fulfils `ledger.desk.Desk`. `connect` answers this thread's own connection, `record` a recorder for a moment."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        record: Callable[[sqlite3.Connection, datetime], Recorder],
        identify: Identify,
    ) -> None:
        self._connect = connect
        self._record = record
        self._identify = identify

    def key_of(self, email: str) -> LearnerKey:
        return key_in_use(self._connect(), self._identify(email))

    def read_open_seats(self, order_id: OrderId) -> list[OpenSeats]:
        return seats.read_open_seats(self._connect(), order_id)

    def assign(self, givings: Sequence[Giving], plan: PlanOrder, now: datetime) -> int:
        with transaction(self._connect()) as db:
            given = seats.give(db, givings, self._identify, now)
            self._replan(db, [order_id for order_id, number in given.items() if number], plan, now)
        return sum(given.values())

    def end(
        self,
        order_id: OrderId,
        line_id: LineId | None,
        learner: LearnerKey | None,
        plan: PlanOrder,
        now: datetime,
    ) -> Ended:
        with transaction(self._connect()) as db:
            asked = decisions.questions(db, order_id, line_id, learner)
            before, inside = decisions.count_live(db, order_id), decisions.live_keys(db, order_id)
            made = decisions.decide(db, order_id, line_id, learner, asked, now)
            if made:
                self._replan(db, [order_id], plan, now)
            left = inside - decisions.live_keys(db, order_id)
            asking = any(row["kind"] == WITHDRAW_ASKED for row in asked)
            waiting = allowing.waiting_of(db, order_id, line_id)
            meant = [row for row in waiting if asking or decisions.key_of(row) in left]
            return Ended(
                kinds=_answered(asked, made_seats=any(one.cause == SEATS for one in made)),
                seats=before - decisions.count_live(db, order_id),
                allowed=allowing.allow(db, meant, now),
                unanswered=_unanswered(asked, learner),
            )

    def allow(
        self, order_id: OrderId | None, now: datetime, *, sparing: Collection[str] = frozenset()
    ) -> int:
        with transaction(self._connect()) as db:
            if order_id is None:
                return allowing.allow(db, allowing.all_waiting(db, sparing), now)
            seats.require_order(db, order_id)
            return allowing.allow(db, allowing.waiting_of(db, order_id), now)

    def hold(self, order_id: OrderId, reason: str, plan: PlanOrder, now: datetime) -> bool:
        with transaction(self._connect()) as db:
            return self._if_done(db, order_id, plan, now, done=decisions.hold(db, order_id, reason, now))

    def hold_back(
        self, order_id: OrderId, reason: str, since: datetime, plan: PlanOrder, now: datetime
    ) -> bool:
        with transaction(self._connect()) as db:
            held = decisions.hold_back(db, order_id, reason, since, now)
            return self._if_done(db, order_id, plan, now, done=held)

    def release(self, order_id: OrderId, plan: PlanOrder, now: datetime) -> bool:
        with transaction(self._connect()) as db:
            return self._if_done(db, order_id, plan, now, done=decisions.release(db, order_id, now))

    def trace(self, email: str) -> Trace | None:
        return erasing.trace(self._connect(), self._identify(email))

    def relink(self, old: str, new: Person, plan: PlanOrder, now: datetime, *, force: bool = False) -> int:
        with transaction(self._connect()) as db:
            moved, orders = relinking.relink(db, old, new, self._identify, now, force=force)
            self._replan(db, orders, plan, now)
            for order_id in orders:  # who has the course already is enrolled by nothing that would tell it
                note_order(db, order_id, now)
        return moved

    def forget(self, email: str, now: datetime) -> Trace | None:
        with transaction(self._connect()) as db:
            found = erasing.trace(db, self._identify(email))
            if found is not None:
                erasing.forget(db, found.keys, email, now)
        return found

    def blank_idle(self, idle_since: datetime, now: datetime) -> int:
        if not erasing.idle(self._connect(), idle_since):  # a look without a write transaction
            return 0
        with transaction(self._connect()) as db:
            blanked = erasing.blank(db, erasing.idle(db, idle_since), now)
        erasing.truncate_log(self._connect())
        return blanked

    def revive(
        self,
        lms: LmsName | None,
        course_id: CourseId | None,
        order_id: int | None,
        plan: PlanOrder,
        now: datetime,
    ) -> int:
        with transaction(self._connect()) as db:
            revived, unseated = people.revive(db, lms, course_id, order_id, now)
            self._replan(db, [OrderId(order) for order in unseated], plan, now)
        return revived

    def drop_dead(self, order_id: int, now: datetime) -> int:
        with transaction(self._connect()) as db:
            return people.drop_dead(db, order_id, now)

    def drop_parked(self, order_id: int, line_id: int | None, now: datetime) -> int:
        with transaction(self._connect()) as db:
            return people.drop_parked(db, order_id, line_id, now)

    def wipe(self) -> bool:
        return erasing.wipe(self._connect())

    def _if_done(
        self, db: sqlite3.Connection, order_id: OrderId, plan: PlanOrder, now: datetime, *, done: bool
    ) -> bool:
        if done:
            self._replan(db, [order_id], plan, now)
        return done

    def _replan(
        self, db: sqlite3.Connection, orders: Sequence[OrderId], plan: PlanOrder, now: datetime
    ) -> None:
        """By what the shop said last; one that was never read has nothing to be planned."""
        recorder = self._record(db, now)
        for order_id in orders:
            recorder.replan(order_id, plan)


def _answered(asked: Sequence[sqlite3.Row], *, made_seats: bool) -> tuple[str, ...]:
    kinds = dict.fromkeys(row["kind"] for row in asked)
    return tuple(kind for kind in kinds if kind != decisions.SEATS_OVER or made_seats)


def _unanswered(asked: Sequence[sqlite3.Row], learner: LearnerKey | None) -> tuple[LineId, ...]:
    """Where nobody said whose seat is to go."""
    return tuple(
        LineId(row["line_id"]) for row in asked if row["kind"] == decisions.SEATS_OVER and learner is None
    )
