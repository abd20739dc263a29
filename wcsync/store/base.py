"""What wcsync needs of a shop."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from wcsync.course import Patch, ProductDraft, Pushed, SkuTaken, StoredProduct, Term, TermKind
from wcsync.errors import Finding, PermanentError
from wcsync.model import (
    Order,
    OrderId,
    Page,
    Product,
    ProductId,
    SubscriptionPage,
    Unreadable,
    UnreadableProduct,
)
from wcsync.sale import Subscription
from wcsync.times import Clock

BATCH_LIMIT = 100
"""So many products the shop takes in one call."""


UNKNOWN_IMAGE = frozenset({"woocommerce_product_invalid_image_id", "woocommerce_variation_invalid_image_id"})
NO_UPLOAD = frozenset({"woocommerce_product_image_upload_error", "woocommerce_variation_image_upload_error"})
"""Codes of `Pushed`: the shop does not have an image (any more), or cannot fetch one. Nothing of the patch was written
then, and all but the image can be sent again."""


class BatchFailed(PermanentError):
    """The shop answered a batch as a whole with an error (500 half-way, 413): part of it may have been applied.

    Read the products again, and send fewer at a time.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopIdentity:
    """Who answers: the shop's own address as it states it itself, its name, and its clock if it told.

    `zone`: the clock on its wall, as an IANA name that this machine knows or an offset as in "+05:30"; '' = not told.
    """

    url: str
    name: str
    server_time: datetime | None
    zone: str = ""


class Store(Protocol):
    """A shop. `fetch_…` reads only and is safe to repeat. All raise TransientError or ServiceBlocked."""

    def fetch_identity(self) -> ShopIdentity:
        """Who answers at the configured address, asked without keys."""

    def fetch_pages(self, since: datetime, *, first_page: int = 1, at_once: int = 1) -> Iterator[Page]:
        """Yields every order of any status modified after `since`, in order of id, page by page to the end.

        Orders may repeat while the shop is busy, never go missing, but for one deleted for good between two
        pages; that shows as a `total` that shrinks. An empty last page is yielded too. One malformed order, or
        one whose refunds cannot be read, is an `Unreadable` on its page. `at_once`: no more questions are under way.
        """

    def fetch_order(self, order_id: OrderId) -> Order | Unreadable | None:
        """One order as it stands, in the trash or not; None if the shop does not know it (any more)."""

    def fetch_subscription_pages(self, since: datetime, *, first_page: int = 1) -> Iterator[SubscriptionPage]:
        """As `fetch_pages`, of subscriptions. One page that is not `offered` if the shop has none of them at all.

        A shop that does not know how to tell when they changed yields them all.
        """

    def fetch_subscription(self, subscription_id: int) -> Subscription | Unreadable | None:
        """One subscription as it stands, in the trash or not; None if the shop does not know it (any more).

        Unreadable also where the shop has no subscriptions at all: that says nothing about this one.
        """

    def fetch_products(
        self, *, ids: Collection[ProductId] = (), skus: Collection[str] = ()
    ) -> list[Product | UnreadableProduct]:
        """The products and variations that have one of the ids or SKUs, in the trash or not, each once.

        What the shop does not know is left out. SKUs are compared without regard to case and outer blanks; several
        products may have the same. One malformed product is an `UnreadableProduct`.
        """

    def fetch_catalogue(self) -> Iterator[Product | UnreadableProduct]:
        """Yields every product outside the trash in order of id, each followed by its variations.

        Asks for the next page when it is needed: whoever has seen enough just stops. A product that is there all the
        while never goes missing, whatever else is added or deleted.
        """

    def fetch_notes(self, order_id: OrderId) -> list[str] | None:
        """The texts of an order's notes, oldest first; None if the shop does not know the order (any more)."""

    def push_note(self, order_id: OrderId, text: str) -> None:
        """Adds a private note. Not safe to repeat: the shop takes the same text twice.

        Raises also PermanentError if there is no such order.
        """

    def fetch_findings(self, clock: Clock, *, writing: bool, mirroring: bool = False) -> Iterator[Finding]:
        """Tries all that the daemon will need, and yields what works and what may not, each once. Changes nothing.

        `writing`: whether notes are to be written; `mirroring`: whether products are. What ends the look is raised,
        with its finding. Takes for granted that the shop has told its identity.
        """

    def close(self) -> None: ...


class Showcase(Protocol):
    """The part of a shop that the mirror reads and writes: its products as they are stored. Thread-safe.

    `fetch_…` reads only and is safe to repeat; it calls `wcsync.pulse.beat()` at each question. All raise
    TransientError or ServiceBlocked.
    """

    def fetch_stored(
        self, *, ids: Collection[ProductId] = (), skus: Collection[str] = ()
    ) -> list[StoredProduct | UnreadableProduct]:
        """As `fetch_products`, but exactly as the shop stores them, with all that the mirror compares.

        In as few questions as there are pages of a hundred, but for variations (one question per parent) and for what
        the shop does not know.
        """

    def fetch_stored_catalogue(self) -> Iterator[StoredProduct | UnreadableProduct]:
        """As `fetch_catalogue`, but exactly as the shop stores them."""

    def push_patches(self, patches: Sequence[Patch]) -> list[Pushed]:
        """Writes up to `BATCH_LIMIT` patches, all of products or all of variations of one parent, in one call; answers
        in their order. Patches that hold an image to be fetched are refused by an assertion.

        Safe to repeat: a patch names values, not differences. Raises BatchFailed if the shop answered with an error as
        a whole: any part of it may have been applied. Raises TransientError with `answer_lost` if there was no answer:
        it may still be applied later. Raises ServiceBlocked also for a key that may read only.
        """

    def push_patch(self, patch: Patch) -> Pushed:
        """As `push_patches`, one alone by its own endpoint. An image without id is fetched by the shop from its `src`
        each time this is called."""

    def ensure_term(self, kind: TermKind, name: str) -> Term:
        """The tag or category of that name, which is made if there is none. Safe to repeat, and beside others.

        Raises PermanentError for a name the shop refuses.
        """

    def push_draft(self, draft: ProductDraft) -> StoredProduct | SkuTaken:
        """Makes a product. Safe to repeat as far as the shop keeps SKUs unique: look for the SKU first.

        Raises PermanentError for a draft the shop refuses.
        """
