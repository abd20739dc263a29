"""The proof's side of the ledger on SQLite."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from wcsync.ledger.connection import transaction
from wcsync.ledger.facts import put_fact, read_fact
from wcsync.ledger.missing import opening_of, park, unpark
from wcsync.ledger.order_notes import note_orders_of
from wcsync.ledger.parking import MISSING
from wcsync.ledger.people import read_learner
from wcsync.ledger.proof import Inside, LastProof, Place, Suspect
from wcsync.ledger.rows import instant_of, parse_options, plain, text_of
from wcsync.ledger.wishes import audit, enrolment_subject
from wcsync.model import CourseId, LearnerKey, LineId, LmsName, OrderId, Seat
from wcsync.retry import Event, State, next_state
from wcsync.sale import DELETED
from wcsync.times import parse_instant, render_instant

BEGINNING = "orders_since"
LAST = "reconcile"

_DONE = (
    "e.state = 'settled' AND e.desired = 'in' AND e.applied = 'in' AND e.applied_revision = e.revision "
    "AND e.outcome <> 'dropped'"
)
# What is still to be confirmed is looked at anyway, and more often.
_PLACES = f"""
    SELECT e.course_id, e.learner_key FROM enrolments AS e
    WHERE e.lms = :lms AND (e.course_id, e.learner_key) > (:course_id, :learner_key)
    AND {_DONE} AND (e.until IS NULL OR e.until > :now) AND NOT EXISTS (
        SELECT 1 FROM confirmations AS c
        WHERE c.lms = e.lms AND c.course_id = e.course_id AND c.learner_key = e.learner_key)
    ORDER BY e.course_id, e.learner_key LIMIT :limit
"""
_INSIDE = f"""
    SELECT e.*, a.user_id FROM enrolments AS e LEFT JOIN accounts AS a USING (lms, learner_key)
    WHERE e.lms = ? AND e.course_id = ? AND e.learner_key = ? AND {_DONE}
"""
_MISSING = """
    SELECT DISTINCT s.lms, s.course_id, s.learner_key, p.reason FROM parked AS p
    JOIN entitlements AS s USING (order_id, line_id)
    WHERE p.kind = ? AND s.lms = ? AND p.dropped_at IS NULL AND s.learner_key <> ''
"""
_OF_ORDER = """
    SELECT DISTINCT s.lms, s.course_id, s.learner_key, p.reason FROM parked AS p
    JOIN entitlements AS s USING (order_id, line_id)
    WHERE p.kind = ? AND p.order_id = ? AND s.learner_key <> ''
"""


class SqliteProof:
    """Fulfils `ledger.proof.Proof`. `connect`: the calling thread's own connection."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect

    @property
    def _db(self) -> sqlite3.Connection:
        return self._connect()

    def read_beginning(self) -> datetime | None:
        said = read_fact(self._db, BEGINNING) or _begun(self._db)
        return instant_of(said)

    def record_beginning(self, since: datetime) -> None:
        with transaction(self._db) as db:
            known = read_fact(db, BEGINNING) or _begun(db)
            if known is None or render_instant(since) < known:
                put_fact(db, BEGINNING, render_instant(since))

    def read_changed(self, since: datetime, after: OrderId, limit: int) -> list[OrderId]:
        rows = self._db.execute(
            "SELECT order_id FROM orders WHERE order_id > ? AND modified_at > ? AND status <> ? "
            "ORDER BY order_id LIMIT ?",
            (after, render_instant(since), DELETED, limit),
        ).fetchall()
        return [OrderId(row["order_id"]) for row in rows]

    def read_subscriptions(self, since: datetime) -> list[int]:
        rows = self._db.execute(
            "SELECT subscription_id FROM subscriptions WHERE modified_at > ? ORDER BY subscription_id",
            (render_instant(since),),
        ).fetchall()
        return [row["subscription_id"] for row in rows]

    def read_gone_amiss(self, order_ids: Sequence[OrderId]) -> dict[tuple[OrderId, LineId], bool]:
        rows = self._db.execute(
            "SELECT order_id, line_id, dropped_at FROM parked "
            "WHERE order_id IN (SELECT value FROM json_each(?)) AND kind = ?",
            (json.dumps(list(order_ids)), MISSING),
        ).fetchall()
        return {
            (OrderId(row["order_id"]), LineId(row["line_id"])): row["dropped_at"] is not None for row in rows
        }

    def read_places(self, lms: LmsName, after: Place | None, now: datetime, limit: int) -> list[Place]:
        course_id, learner_key = after or ("", "")
        rows = self._db.execute(
            _PLACES,
            {
                "lms": lms,
                "course_id": course_id,
                "learner_key": learner_key,
                "now": render_instant(now),
                "limit": limit,
            },
        ).fetchall()
        return [(CourseId(row["course_id"]), LearnerKey(row["learner_key"])) for row in rows]

    def read_missing(self, lms: LmsName) -> list[Place]:
        return [(place[1], place[2]) for place in _named(self._db.execute(_MISSING, (MISSING, lms)))]

    def read_inside(self, lms: LmsName, places: Sequence[Place]) -> list[Inside]:
        found = [self._inside(lms, place) for place in places]
        return [inside for inside in found if inside is not None]

    def record_seen(self, seen: Sequence[Inside], now: datetime) -> int:
        missed = {_key_of(inside) for inside in seen} & self._missed(seen)
        if not missed:
            return 0
        with transaction(self._db) as db:
            for key in sorted(missed):
                unpark(db, *key)
                audit(db, "reconcile", "seen_again", enrolment_subject(*key), "", now)
        return len(missed)

    def record_missing(self, missing: Sequence[Inside], now: datetime) -> int:
        asked = 0
        with transaction(self._db) as db:
            for inside in missing:
                key = _key_of(inside)
                row = db.execute(_INSIDE, key).fetchone()
                if row is not None and row["revision"] == inside.revision:
                    asked += _park(db, key, now)
        return asked

    def enrol_again(self, order_id: OrderId, now: datetime) -> int:
        with transaction(self._db) as db:
            keys = _named(db.execute(_OF_ORDER, (MISSING, order_id)))
            return sum(_wish_again(db, key, now) for key in keys)

    def read_last(self) -> LastProof:
        text = read_fact(self._db, LAST)
        return LastProof() if text is None else parse_last(text)

    def record_worked(
        self,
        counts: dict[str, Any],
        suspects: Mapping[str, str],
        began_at: datetime,
        now: datetime,
        *,
        nightly: bool,
    ) -> None:
        with transaction(self._db) as db:
            last, unexplained = self.read_last(), counts["unexplained"] > 0
            worked = LastProof(
                counts=counts,
                worked_at=now,
                nightly_at=began_at if nightly else last.nightly_at,
                unexplained_since=(last.unexplained_since or now) if unexplained else None,
                suspects=tuple(_suspects(last.suspects, suspects, now)),
            )
            put_fact(db, LAST, _render_last(worked))

    def record_failed(self, reason: str, now: datetime) -> None:
        with transaction(self._db) as db:
            last = self.read_last()
            failed = LastProof(
                counts=last.counts,
                worked_at=last.worked_at,
                nightly_at=last.nightly_at,
                unexplained_since=last.unexplained_since,
                suspects=last.suspects,
                failed_since=last.failed_since or now,
                tried_at=now,
                reason=plain(reason),
            )
            put_fact(db, LAST, _render_last(failed))

    def _inside(self, lms: LmsName, place: Place) -> Inside | None:
        row = self._db.execute(_INSIDE, (lms, *place)).fetchone()
        if row is None:
            return None
        learner = read_learner(self._db, row["learner_key"])
        if not learner.email:
            return None
        return Inside(
            lms=lms,
            learner_key=LearnerKey(row["learner_key"]),
            seat=Seat(
                learner=learner,
                course_id=CourseId(row["course_id"]),
                options=parse_options(row["options"]),
                until=instant_of(row["until"]),
                user_id=row["user_id"],
                applied=True,
                applied_until=instant_of(row["applied_until"]),
            ),
            revision=row["revision"],
        )

    def _missed(self, seen: Iterable[Inside]) -> set[tuple[LmsName, CourseId, LearnerKey]]:
        names = {inside.lms for inside in seen}
        return {key for lms in names for key in _named(self._db.execute(_EVER_MISSING, (MISSING, lms)))}


_EVER_MISSING = _MISSING.replace(" AND p.dropped_at IS NULL", "")


def parse_last(text: str) -> LastProof:
    """What the ledger's fact says of the last proofs."""
    said = json.loads(text)
    return LastProof(
        counts=said["counts"],
        reason=said["reason"],
        suspects=tuple(
            Suspect(name=one["name"], why=one["why"], since=parse_instant(one["since"]))
            for one in said.get("suspects", ())  # earlier versions kept none
        ),
        **{name: instant_of(said[name]) for name in _INSTANTS},
    )


def describe_last(text: str | None) -> dict[str, Any]:
    """The same for `status`, as JSON; without any proof yet, all of it empty."""
    said: dict[str, Any] = json.loads(text or _render_last(LastProof()))
    return {"suspects": [], **said}


_INSTANTS = ("worked_at", "nightly_at", "unexplained_since", "failed_since", "tried_at")


def _render_last(last: LastProof) -> str:
    times = {name: text_of(getattr(last, name)) for name in _INSTANTS}
    suspects = [
        {"name": one.name, "why": one.why, "since": render_instant(one.since)} for one in last.suspects
    ]
    return json.dumps({"counts": last.counts, "reason": last.reason, "suspects": suspects, **times})


def _suspects(known: Iterable[Suspect], found: Mapping[str, str], now: datetime) -> Iterator[Suspect]:
    """Those found, each since it was first, and those known that nobody looked at."""
    before = {one.name: one for one in known}
    yield from (one for name, one in before.items() if name not in found)
    for name, why in found.items():
        if why:
            since = before[name].since if name in before else now
            yield Suspect(name=name, why=plain(why), since=since)


def _begun(db: sqlite3.Connection) -> str | None:
    """Where a ledger began to read that has not been told since."""
    row = db.execute(
        "SELECT detail FROM audit WHERE subject = 'cursor orders' AND action = 'cursor_started' ORDER BY id LIMIT 1"
    ).fetchone()
    return None if row is None else render_instant(parse_instant(row["detail"]))


def _key_of(inside: Inside) -> tuple[LmsName, CourseId, LearnerKey]:
    return inside.lms, inside.seat.course_id, inside.learner_key


def _named(rows: Iterable[sqlite3.Row]) -> list[tuple[LmsName, CourseId, LearnerKey]]:
    """The enrolments that an entry's own sentences name: a line may have others beside."""
    found = {
        (LmsName(row["lms"]), CourseId(row["course_id"]), LearnerKey(row["learner_key"]))
        for row in list(rows)
        if opening_of(row["lms"], row["course_id"], row["learner_key"]) in row["reason"]
    }
    return sorted(found)


def _park(db: sqlite3.Connection, key: tuple[LmsName, CourseId, LearnerKey], now: datetime) -> bool:
    news = park(db, *key, now)
    if news:
        audit(db, "reconcile", "missing", enrolment_subject(*key), "", now)
        note_orders_of(db, *key, now)
    return news


def _wish_again(db: sqlite3.Connection, key: tuple[LmsName, CourseId, LearnerKey], now: datetime) -> bool:
    """The wish is made anew, so that it is due; nothing changes for one that is due anyway."""
    row = db.execute(_INSIDE, key).fetchone()
    if row is None:
        return False
    stamp, state = render_instant(now), next_state(State(row["state"]), Event.WISHED)
    db.execute(
        "UPDATE enrolments SET revision = revision + 1, state = ?, attempts = 0, next_attempt_at = ?, "
        "wished_at = ?, changed_at = ? WHERE lms = ? AND course_id = ? AND learner_key = ?",
        (state.value, stamp, stamp, stamp, *key),
    )
    unpark(db, *key)
    audit(db, "operator", "enrolled_again", enrolment_subject(*key), "", now)
    return True
