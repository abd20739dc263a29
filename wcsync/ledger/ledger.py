"""The ledger on SQLite: one method, one transaction."""

import hmac
import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from wcsync.health import Health
from wcsync.ledger import (
    accounts,
    claims,
    confirmations,
    cursors,
    origin,
    outbox,
    people,
    services,
    wishes,
    work,
)
from wcsync.ledger.ailment import Ailment
from wcsync.ledger.base import (
    AccountLimit,
    Claim,
    Cursor,
    CursorMove,
    Deferral,
    Known,
    Limits,
    Origin,
    PageRecord,
    Surrender,
)
from wcsync.ledger.circumstances import record_subscription
from wcsync.ledger.connection import connect, prepare_file, require_sound, transaction, unusable
from wcsync.ledger.desk import Desk
from wcsync.ledger.facts import put_fact, read_fact
from wcsync.ledger.mirror import Mirror
from wcsync.ledger.post import Post
from wcsync.ledger.proof import Proof
from wcsync.ledger.recording import REPLAN_BATCH, Recorder
from wcsync.ledger.rows import instant_of
from wcsync.ledger.sqlite_desk import SqliteDesk
from wcsync.ledger.sqlite_mirror import SqliteMirror
from wcsync.ledger.sqlite_post import SqlitePost
from wcsync.ledger.sqlite_proof import SqliteProof
from wcsync.ledger.wishes import audit
from wcsync.mappers.entitlements import normalise_address
from wcsync.model import (
    Applied,
    LearnerKey,
    LmsName,
    Order,
    OrderId,
    Person,
    PlanOrder,
    Presence,
    Unconfirmed,
    Unreadable,
)
from wcsync.sale import Subscription
from wcsync.times import render_instant

TRIAL_BYTES = 65536


class SqliteLedger:
    """Fulfils `ledger.base.Ledger` on one SQLite file: WAL, `synchronous=FULL`, one connection per thread."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the ledger at `path`. Raises ConfigError if it cannot be used, PassingTrouble if not now."""
        prepare_file(path)
        self.path = path
        self._local = threading.local()
        self._connections: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.ailment = Ailment(self._try_out)
        try:
            self._identity_key = self._read_identity_key()
        except sqlite3.OperationalError as exc:
            raise unusable(path, f"cannot be used ({exc})", cause=exc) from exc
        except (sqlite3.DatabaseError, ValueError) as exc:
            raise unusable(path, f"is damaged ({exc})") from exc

    def require_sound(self) -> None:
        """Looks through the whole file. Raises ConfigError if it is damaged."""
        require_sound(self.path)

    def identify(self, email: str) -> LearnerKey:
        digest = hmac.new(self._identity_key, normalise_address(email).encode(), sha256)
        return LearnerKey(digest.hexdigest()[:32])

    @cached_property
    def mirror(self) -> Mirror:
        return SqliteMirror(lambda: self._db)

    @cached_property
    def proof(self) -> Proof:
        return SqliteProof(lambda: self._db)

    @cached_property
    def desk(self) -> Desk:
        return SqliteDesk(lambda: self._db, self._recorder, self.identify)

    @cached_property
    def post(self) -> Post:
        return SqlitePost(lambda: self._db)

    def read_learners(self, keys: Iterable[LearnerKey]) -> dict[LearnerKey, Person]:
        found = {key: people.read_learner(self._db, key) for key in set(keys)}
        return {key: person for key, person in found.items() if person.email}

    # -- reading orders ------------------------------------------------------------------------------------------
    def read_cursor(self, name: str) -> Cursor | None:
        return cursors.read(self._db, name)

    def start_cursor(self, name: str, position: datetime, now: datetime) -> None:
        with transaction(self._db) as db:
            cursors.start(db, name, position, now)

    def record_page(
        self,
        orders: Sequence[Order],
        unreadable: Sequence[Unreadable],
        plan: PlanOrder,
        move: CursorMove | None,
        now: datetime,
    ) -> PageRecord:
        with transaction(self._db) as db:
            recorder = self._recorder(db, now)
            record = recorder.record_orders(orders, plan).plus(recorder.record_unreadable(unreadable))
            if move is not None:
                cursors.move(db, move, now)
        return record

    def replan_unmapped(
        self, plan: PlanOrder, now: datetime, stopping: Callable[[], bool] = lambda: False
    ) -> PageRecord:
        total, after = PageRecord(), -1
        while True:
            with transaction(self._db) as db:
                batch = [row[0] for row in db.execute(_UNMAPPED_ORDERS, (after, REPLAN_BATCH)).fetchall()]
                recorder = self._recorder(db, now)
                for order_id in batch:
                    total = total.plus(recorder.replan(order_id, plan))
            if not batch or self._closed.is_set() or stopping():
                return total
            after = batch[-1]

    def record_rules(self, paid_statuses: Sequence[str], now: datetime) -> bool:
        rules = json.dumps(sorted(paid_statuses))
        with transaction(self._db) as db:
            known = read_fact(self._db, "paid_statuses")
            if known == rules:
                return False
            put_fact(db, "paid_statuses", rules)
            if known is None:
                return False
            db.execute("UPDATE orders SET digest = '' WHERE paid = 0")
            audit(db, "operator", "rules_changed", "orders", rules, now)
            return True

    def forget_reading(self, order_id: OrderId) -> None:
        with transaction(self._db) as db:
            db.execute("UPDATE orders SET digest = '' WHERE order_id = ?", (order_id,))

    def record_deleted(self, order_ids: Sequence[OrderId], plan: PlanOrder, now: datetime) -> PageRecord:
        total = PageRecord()
        with transaction(self._db) as db:
            recorder = self._recorder(db, now)
            for order_id in order_ids:
                total = total.plus(recorder.record_deleted(order_id, plan))
        return replace(total, fetched=len(order_ids))

    def record_subscriptions(
        self, subscriptions: Sequence[Subscription], plan: PlanOrder, move: CursorMove | None, now: datetime
    ) -> int:
        with transaction(self._db) as db:
            about = [record_subscription(db, subscription, now) for subscription in subscriptions]
            recorder = self._recorder(db, now)
            for order_id in sorted({order_id for orders in about if orders for order_id in orders}):
                recorder.replan(OrderId(order_id), plan)
            if move is not None:
                cursors.move(db, move, now)
        return sum(orders is not None for orders in about)

    def end_expired(self, now: datetime) -> int:
        total = 0
        while wishes.some_expired(self._db, now):
            with transaction(self._db) as db:
                changed = wishes.end_expired(db, now, REPLAN_BATCH)
            total += changed
            if not changed or self._closed.is_set():
                break
        return total

    # -- a copy --------------------------------------------------------------------------------------------------
    def read_origin(self) -> Origin | None:
        return origin.read(self._db)

    def begin_restored(self, now: datetime) -> Origin | None:
        with transaction(self._db) as db:
            begun = origin.begin(db, now)
            if begun is not None:
                audit(db, "daemon", "ledger_restored", "ledger", render_instant(begun.taken_at), now)
        return begun

    def record_caught_up(self, now: datetime) -> None:
        with transaction(self._db) as db:
            origin.end(db, now)
            audit(db, "daemon", "ledger_caught_up", "ledger", "", now)

    # -- working off ---------------------------------------------------------------------------------------------
    def claim(self, lms: LmsName, now: datetime, limits: Limits | None = None) -> Claim | None:
        if not claims.something_due(self._db, lms, now):
            return None
        with transaction(self._db) as db:
            return claims.claim(db, lms, now, limits)

    def reserve_account(self, claim: Claim, limit: AccountLimit, now: datetime) -> datetime | None:
        with transaction(self._db) as db:
            return accounts.reserve(db, claim, limit, now)

    def record_sending(self, claim: Claim, now: datetime, *, enrolling: bool) -> bool:
        with transaction(self._db) as db:
            return work.record_sending(db, claim, now, enrolling=enrolling)

    def settle_applied(self, claim: Claim, applied: Applied, now: datetime) -> bool:
        with transaction(self._db) as db:
            return work.settle_applied(db, claim, applied, now)

    def settle_kept(self, claim: Claim, now: datetime) -> bool:
        with transaction(self._db) as db:
            return work.settle_kept(db, claim, now)

    def settle_asked(self, claim: Claim, now: datetime) -> bool:
        with transaction(self._db) as db:
            return work.settle_asked(db, claim, now)

    def settle_deferred(self, claim: Claim, deferral: Deferral, now: datetime) -> bool:
        with transaction(self._db) as db:
            return work.settle_deferred(db, claim, deferral, now)

    def settle_dead(self, claim: Claim, surrender: Surrender, now: datetime) -> bool:
        with transaction(self._db) as db:
            return work.settle_dead(db, claim, surrender, now)

    def recover(self, claimed_before: datetime, now: datetime) -> int:
        with transaction(self._db) as db:
            confirmations.recover(db, now)
            return work.recover(db, claimed_before, now) + outbox.recover(db, claimed_before, now)

    def next_due_at(self, lms: LmsName) -> datetime | None:
        row = self._db.execute(
            "SELECT min(next_attempt_at) FROM enrolments WHERE state = 'due' AND lms = ?", (lms,)
        ).fetchone()
        return instant_of(row[0])

    def read_unconfirmed(self, lms: LmsName, now: datetime, limit: int) -> list[Unconfirmed]:
        return confirmations.due(self._db, lms, now, limit)

    def settle_looks(
        self, lms: LmsName, looked: Sequence[tuple[Unconfirmed, Presence, str]], now: datetime
    ) -> tuple[int, int]:
        with transaction(self._db) as db:
            return confirmations.settle(db, lms, looked, now)

    # -- services ------------------------------------------------------------------------------------------------
    def read_service(self, name: str, now: datetime) -> Known:
        return services.read(self._db, name, now)

    def record_identity(self, name: str, identity: str, title: str, now: datetime, *, zone: str = "") -> None:
        with transaction(self._db) as db:
            services.record_identity(db, name, identity, title, now, zone=zone)

    def record_health(self, name: str, health: Health) -> None:
        with transaction(self._db) as db:
            services.record_health(db, name, health)

    # -- the mapping ---------------------------------------------------------------------------------------------
    def read_mapping(self) -> str | None:
        return read_fact(self._db, "mapping")

    def record_mapping(self, text: str, now: datetime) -> None:
        with transaction(self._db) as db:
            put_fact(db, "mapping", text)
            audit(db, "mapping", "mapping_accepted", "mapping", sha256(text.encode()).hexdigest()[:12], now)

    def record_refusal(self, problems: Sequence[str], now: datetime) -> None:
        text = json.dumps({"since": render_instant(now), "problems": list(problems)}) if problems else ""
        if text != (read_fact(self._db, "mapping_refusal") or ""):
            with transaction(self._db) as db:
                put_fact(db, "mapping_refusal", text)

    def close(self) -> None:
        """Closes every connection that nobody uses any more.

        A thread that was left behind ends its transaction and can begin no other; its connection goes with it. Closed
        under a statement that runs, it would take the process along.
        """
        self._closed.set()
        with self._lock:
            for thread, connection in self._connections:
                if thread is threading.current_thread() or not thread.is_alive():
                    connection.close()
            self._connections.clear()

    def _try_out(self) -> None:
        """Writes a little more than most transactions do, and takes it away again."""
        for text in ("x" * TRIAL_BYTES, ""):
            with transaction(self._db) as db:
                put_fact(db, "trial", text)

    def _recorder(self, db: sqlite3.Connection, now: datetime) -> Recorder:
        return Recorder(db, self._identity_key, self.identify, now)

    @property
    def _db(self) -> sqlite3.Connection:
        """This thread's own connection: SQLite ones do not travel between threads."""
        if self._closed.is_set():
            raise sqlite3.ProgrammingError("the ledger is closed")
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path)
            with self._lock:
                self._connections.append((threading.current_thread(), connection))
        return connection

    def _read_identity_key(self) -> bytes:
        """The key is made once, with the ledger, and never leaves it: hashes of two ledgers do not match."""
        with closing(connect(self.path)) as db:
            row = db.execute(_IDENTITY_KEY).fetchone()
            if row is None:
                with transaction(db):
                    db.executemany(
                        "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
                        [
                            ("identity_key", secrets.token_hex(32)),
                            ("created_at", render_instant(datetime.now(UTC))),
                        ],
                    )
                row = db.execute(_IDENTITY_KEY).fetchone()
            return bytes.fromhex(row[0])


_IDENTITY_KEY = "SELECT value FROM facts WHERE name = 'identity_key'"
_UNMAPPED_ORDERS = """
    SELECT DISTINCT order_id FROM order_lines WHERE verdict = 'unmapped' AND order_id > ? ORDER BY order_id LIMIT ?
"""
