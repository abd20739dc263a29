"""What the sandbox shop's rooms share: its clock and lock, its numbers, and all that it remembers."""

import threading
from datetime import UTC

from wcsync.sandbox.shop_media import Media
from wcsync.sandbox.shop_shapes import Json, gmt_text, read_zone
from wcsync.sandbox.shop_terms import Terms
from wcsync.times import Clock

TAGS, CATEGORIES = "tags", "categories"
UNCATEGORIZED = "Uncategorized"


class ShopMemory:
    """`orders` and `products` map an id to a plain dict; `terms` holds the tags and the categories, `media` the images,
    `attributes` the names of those that belong to the whole shop, by id. `item_limit`: PHP dies after so many items of
    a batch."""

    item_limit: int | None = None

    def __init__(self, *, clock: Clock, timezone: str, lock: threading.RLock) -> None:
        self.clock = clock
        self.lock = lock
        self.timezone = read_zone(timezone)
        self.orders: dict[int, Json] = {}
        self.products: dict[int, Json] = {}
        self.attributes: dict[int, str] = {}
        self._last_ids = {"post": 10, "line": 0, "meta": 0, "note": 0, "term": 14, "attribute": 0}
        self.terms = {kind: Terms(lambda: self._take_id("term")) for kind in (TAGS, CATEGORIES)}
        self.terms[CATEGORIES].insert(UNCATEGORIZED)
        self.slugs: set[str] = set()
        self.media = Media(new_id=lambda: self._take_id("post"), now=self.now, folder=self._folder)

    def now(self) -> str:
        return gmt_text(self.clock())

    def _folder(self) -> str:
        return self.clock().astimezone(UTC).astimezone(self.timezone).strftime("%Y/%m")

    def _take_id(self, kind: str, wanted: int | None = None) -> int:
        """The next id. Orders, products, refunds and images share one row of numbers, as posts do."""
        assert wanted not in self.orders, f"order {wanted} exists already"
        assert wanted not in self.products, f"product {wanted} exists already"
        chosen = self._last_ids[kind] + 1 if wanted is None else wanted
        self._last_ids[kind] = max(self._last_ids[kind], chosen)
        return chosen
