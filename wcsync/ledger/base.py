"""What the rest of wcsync asks of a ledger: few methods, each one transaction, each a sentence."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from wcsync.health import Health
from wcsync.ledger.desk import Desk
from wcsync.ledger.mirror import Mirror
from wcsync.ledger.post import Post
from wcsync.ledger.proof import Proof
from wcsync.ledger.values import (
    FEW,
    LONGEST_WAIT,
    AccountLimit,
    Barred,
    Claim,
    Cursor,
    CursorMove,
    Deferral,
    Known,
    Limits,
    Origin,
    PageRecord,
    Surrender,
    TroubleRecord,
    Walk,
)
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

__all__ = [
    "FEW",
    "LONGEST_WAIT",
    "AccountLimit",
    "Barred",
    "Claim",
    "Cursor",
    "CursorMove",
    "Deferral",
    "Known",
    "Ledger",
    "Limits",
    "Origin",
    "PageRecord",
    "Surrender",
    "TroubleRecord",
    "Walk",
]


class Ledger(Protocol):
    """The durable memory. Thread-safe; every method is one transaction and returns with its effect on disk.

    Raises sqlite3.OperationalError when the disk refuses; nothing is then half-done.
    """

    def identify(self, email: str) -> LearnerKey:
        """The learner key of an address, by this ledger's own secret key."""

    @property
    def mirror(self) -> Mirror:
        """What the mirror of courses remembers."""

    @property
    def proof(self) -> Proof:
        """What the proof compares with shop and LMS."""

    @property
    def desk(self) -> Desk:
        """What people decide about orders and learners."""

    @property
    def post(self) -> Post:
        """What is told to people, and whether it went out."""

    def read_learners(self, keys: Iterable[LearnerKey]) -> dict[LearnerKey, Person]:
        """Who these learners are; those who were erased are left out."""

    # -- reading orders ------------------------------------------------------------------------------------------
    def read_cursor(self, name: str) -> Cursor | None:
        """How far `name` has read; None in a ledger that has never polled."""

    def start_cursor(self, name: str, position: datetime, now: datetime) -> None:
        """Begins at `position`. Does nothing if the cursor exists: a beginning is made once."""

    def record_page(
        self,
        orders: Sequence[Order],
        unreadable: Sequence[Unreadable],
        plan: PlanOrder,
        move: CursorMove | None,
        now: datetime,
    ) -> PageRecord:
        """Facts, entitlements, wishes, and the cursor last, in one transaction. Safe to repeat.

        An order older than what is known is left out; an order that cannot be recorded is parked; the cursor never
        goes back.
        """

    def replan_unmapped(
        self, plan: PlanOrder, now: datetime, stopping: Callable[[], bool] = lambda: False
    ) -> PageRecord:
        """Plans the orders again that have unmapped lines, from what the ledger knows of them.

        In batches, one transaction each; `stopping` is asked between two of them whether to leave it there.
        """

    def record_rules(self, paid_statuses: Sequence[str], now: datetime) -> bool:
        """Keeps by which statuses orders count as paid. True if they were others before.

        Orders read as unpaid are then news again the next time they are read.
        """

    def forget_reading(self, order_id: OrderId) -> None:
        """Makes an order news the next time it is read, although it says the same: what else decides has changed."""

    def record_deleted(self, order_ids: Sequence[OrderId], plan: PlanOrder, now: datetime) -> PageRecord:
        """Keeps that the shop does not know these orders any more: their status is `sale.DELETED` from now on. Safe to
        repeat; an order that the shop knows again is read as any other."""

    def record_subscriptions(
        self, subscriptions: Sequence[Subscription], plan: PlanOrder, move: CursorMove | None, now: datetime
    ) -> int:
        """Keeps how subscriptions stand and plans the orders anew that they are about. Returns how many were news.

        As `record_page`: one transaction, never older over newer, the cursor last, safe to repeat.
        """

    def end_expired(self, now: datetime) -> int:
        """Brings the wishes in line whose end has come; and those again that a clock that was ahead had end too early.
        Returns how many changed. Safe to repeat."""

    # -- a copy --------------------------------------------------------------------------------------------------
    def read_origin(self) -> Origin | None:
        """What this ledger knows of itself as a copy; None if it never was one."""

    def begin_restored(self, now: datetime) -> Origin | None:
        """Called by whoever begins to work on the ledger. If it is a backup that nobody worked on yet: from now on all
        that came after it counts as possibly done. None: it is none. Safe to repeat."""

    def record_caught_up(self, now: datetime) -> None:
        """All that came between the backup and the restore was looked up."""

    # -- working off ---------------------------------------------------------------------------------------------
    def claim(self, lms: LmsName, now: datetime, limits: Limits | None = None) -> Claim | None:
        """Leases the oldest due enrolment whose learner is not being worked on in this LMS.

        None: nothing is due, or the service is to be left alone for now. Beyond `limits` no withdrawal is leased, but
        for those that a person allowed and those whose time has come; nor while a walk through the shop's orders is
        under way, so that a mass is seen as one, but for a walk that began more than a day ago.
        """

    def reserve_account(self, claim: Claim, limit: AccountLimit, now: datetime) -> datetime | None:
        """Counts an account that is about to be made. None: there is room. Else when to ask again; nothing is counted.

        Safe to repeat: a learner's account in an LMS counts once. `settle_deferred` with the kind "budget" parks the
        lines that wait for it.
        """

    def record_sending(self, claim: Claim, now: datetime, *, enrolling: bool) -> bool:
        """Writes down that a write is about to be sent; `enrolling`: one that changes the enrolment itself.

        False if the lease is no longer ours.
        """

    def settle_applied(self, claim: Claim, applied: Applied, now: datetime) -> bool:
        """The LMS confirmed. If the wish moved on meanwhile the row stays due. False if the lease is not ours."""

    def settle_kept(self, claim: Claim, now: datetime) -> bool:
        """The learner should be out, but the enrolment stays. If it is not of our making a person is told so; if it
        stays because the sale said so (`on_withdraw`), nobody is."""

    def settle_asked(self, claim: Claim, now: datetime) -> bool:
        """The learner should be out, but a person is to say so: the enrolment stays and the lines are parked, until
        `Desk.allow` makes the row due again. False if the lease is not ours."""

    def settle_deferred(self, claim: Claim, deferral: Deferral, now: datetime) -> bool:
        """The row waits for another try. False if the lease is not ours."""

    def settle_dead(self, claim: Claim, surrender: Surrender, now: datetime) -> bool:
        """The row is given up until a person revives it or its wish changes. False if the lease is not ours."""

    def recover(self, claimed_before: datetime, now: datetime) -> int:
        """Gives back leases taken before that instant: at start all of them, later those nobody will settle.

        Returns how many. A settle that comes after all is refused. Waits and leases that only a clock that was ahead
        can have made end too.
        """

    def next_due_at(self, lms: LmsName) -> datetime | None:
        """When the next row of this LMS falls due; None if none waits."""

    def read_unconfirmed(self, lms: LmsName, now: datetime, limit: int) -> list[Unconfirmed]:
        """Enrolments that this LMS accepted and has not shown yet, as far as a look at them is due."""

    def settle_looks(
        self, lms: LmsName, looked: Sequence[tuple[Unconfirmed, Presence, str]], now: datetime
    ) -> tuple[int, int]:
        """Writes down what looks showed, each with a reason if there is one: shown, look again later, or late.

        Late ones are parked. Returns how many showed and how many are late since now.
        """

    # -- services ------------------------------------------------------------------------------------------------
    def read_service(self, name: str, now: datetime) -> Known:
        """What is known of a service; up and unknown if never seen."""

    def record_identity(self, name: str, identity: str, title: str, now: datetime, *, zone: str = "") -> None:
        """Confirms who a service is. A changed identity forgets the account ids it gave us. `zone`: its time zone, ''
        leaves what is known."""

    def record_health(self, name: str, health: Health) -> None:
        """Keeps how a service does, for `status` and for the next start."""

    # -- the mapping ---------------------------------------------------------------------------------------------
    def read_mapping(self) -> str | None:
        """The last good mapping, as JSON; None if there never was one."""

    def record_mapping(self, text: str, now: datetime) -> None:
        """Keeps a mapping as the last good one."""

    def record_refusal(self, problems: Sequence[str], now: datetime) -> None:
        """Keeps what is wrong with the mapping file, for `status`; nothing, once it is mended."""

    def close(self) -> None: ...
