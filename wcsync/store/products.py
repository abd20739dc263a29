"""A shop's products: asked for in batches, or walked through from first to last."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

from wcsync.errors import MalformedReply, TransientError, WcsyncError
from wcsync.http import Reply
from wcsync.model import Product, ProductId
from wcsync.store.wire import products as wire
from wcsync.store.wire.answers import parse_totals
from wcsync.store.wire.products import Row

LONGEST_SKUS = 1500
"""Letters of one list of SKUs in an address; some servers take no address beyond 2,000."""

MOST_STEPS_BACK = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """How the shop is asked, and what an answer means that is none. `check` raises for a refusal."""

    ask: Callable[[str, dict[str, str]], Reply]
    check: Callable[[Reply], None]
    not_understood: Callable[[Reply], WcsyncError]
    cached: Callable[[str], WcsyncError]


class Products:
    """Reads a shop's products. Raises, everywhere: TransientError, ServiceBlocked."""

    def __init__(self, talk: Talk, page_size: int) -> None:
        self._talk = talk
        self._page_size = max(2, page_size)  # windows overlap by one

    def fetch(self, ids: Collection[ProductId], skus: Collection[str]) -> list[Row]:
        """As `Store.fetch_products`."""
        found = dict[object, Row]()
        for row in (*self._by_ids(ids), *self._by_skus(skus)):
            found.setdefault(row.product_id or row, row)
        return list(found.values())

    def walk(self) -> Iterator[Row]:
        """As `Store.fetch_catalogue`."""
        for row in self._list("products", wire.render_catalogue_query()):
            yield row
            if isinstance(row, Product) and row.variation_ids:
                yield from self._variations(row)

    def _by_ids(self, ids: Collection[ProductId]) -> list[Row]:
        """A list of ids finds no variation and nothing in the trash: what is missing then is asked for by itself.

        Once a variation is found its family is read whole, so that a product's variations cost three calls in all.
        """
        wanted = dict.fromkeys(ids)
        found = dict[ProductId | None, Row]()
        for batch in _batched(wanted, self._page_size):
            for row in self._list("products", wire.render_ids_query(batch)):
                found[row.product_id] = row
        missing = [product_id for product_id in wanted if product_id not in found]
        for place, product_id in enumerate(missing):
            alone = None if product_id in found else self._one(product_id)
            if alone is not None:
                found[product_id] = alone
            if isinstance(alone, Product) and alone.parent_id and missing[place + 1 :]:
                found = {one.product_id: one for one in self._family(alone.parent_id)} | found
        return [row for product_id, row in found.items() if product_id in wanted or product_id is None]

    def _by_skus(self, skus: Collection[str]) -> list[Row]:
        wanted = {_folded(sku): sku.strip() for sku in skus if sku.strip()}
        found = list[Row]()
        for trash in (False, True):
            there = {_folded(row.sku) for row in found if isinstance(row, Product)}
            missing = [sku for folded, sku in wanted.items() if folded not in there]
            for batch in _sku_batches(missing, self._page_size):
                rows = self._list("products", wire.render_skus_query(batch, trash=trash))
                found += [
                    row for row in rows if not isinstance(row, Product) or _folded(row.sku) in wanted
                ]  # the shop ignores accents
        return found

    def _one(self, product_id: ProductId) -> Row | None:
        reply = self._talk.ask(f"products/{product_id}", wire.render_catalogue_query())
        if reply.status == 404 and wire.says_no_such_product(reply.content):
            return None
        self._talk.check(reply)
        row = self._understood(wire.parse_product, reply)
        if row.product_id not in {product_id, None}:
            raise self._talk.cached(f"was asked for product {product_id} and answered with another")
        return row if row.product_id else replace(row, product_id=product_id)

    def _family(self, parent_id: ProductId) -> Iterator[Row]:
        parent = self._one(parent_id)
        if isinstance(parent, Product):
            yield from self._variations(parent)

    def _variations(self, parent: Product) -> Iterator[Row]:
        """Their names, which say the choice alone in this list, as they are everywhere else."""
        endpoint = f"products/{parent.product_id}/variations"
        for row in self._list(endpoint, wire.render_variations_query()):
            if isinstance(row, Product):
                name = row.name if row.name.startswith(parent.name) else f"{parent.name} - {row.name}"
                yield replace(
                    row,
                    parent_id=parent.product_id,
                    kind="variation",
                    name=name,
                    categories=parent.categories,
                )
            else:
                yield row

    def _list(self, endpoint: str, query: dict[str, str]) -> Iterator[Row]:
        """Every row of a list in order of id, window by window.

        Each window begins with the last row of the one before. If that row does not come again, something before it
        was taken away and all has moved up: the window is moved back until it joins.
        """
        offset, last, steps_back = 0, 0, 0
        while True:
            reply = self._talk.ask(endpoint, query | wire.render_window(offset, self._page_size))
            if reply.status == 404 and wire.says_no_such_product(reply.content):
                return  # a product whose variations we wanted was deleted meanwhile
            self._talk.check(reply)
            rows = self._understood(wire.parse_products, reply)
            total = parse_totals(reply.headers).rows or 0
            if offset and not any((row.product_id or 0) <= last for row in rows):
                offset, steps_back = max(0, offset - self._page_size // 2), steps_back + 1
                if steps_back > MOST_STEPS_BACK:
                    raise TransientError(
                        "shop: its list of products changes faster than it can be read; try again"
                    )
                continue
            fresh = [row for row in rows if (row.product_id or last + 1) > last]
            yield from fresh
            if (total and offset + len(rows) >= total) or (not total and len(rows) < self._page_size):
                return
            if not fresh:
                raise self._talk.cached("counts more products than it sends")
            last = max((row.product_id or 0 for row in rows), default=last)
            offset += len(rows) - 1

    def _understood(self, parse: Callable[[bytes], T], reply: Reply) -> T:
        try:
            return parse(reply.content)
        except MalformedReply as exc:
            raise self._talk.not_understood(reply) from exc


def _batched(many: Collection[T], size: int) -> Iterator[tuple[T, ...]]:
    rest = iter(many)
    while batch := tuple(islice(rest, size)):
        yield batch


def _sku_batches(skus: Collection[str], most: int) -> Iterator[list[str]]:
    """A SKU that holds a comma is found only alone: the shop takes the list as a whole for a SKU, too."""
    batch, length = list[str](), 0
    for sku in skus:
        if "," in sku:
            yield [sku]
            continue
        if batch and (len(batch) == most or length + len(quote(sku)) > LONGEST_SKUS):
            yield batch
            batch, length = [], 0
        batch.append(sku)
        length += len(quote(sku)) + 3
    if batch:
        yield batch


def _folded(sku: str) -> str:
    return sku.strip().casefold()
