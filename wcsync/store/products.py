"""A shop's products: asked for in batches, or walked through from first to last."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from wcsync.errors import TransientError
from wcsync.http import TOO_MUCH, Reply
from wcsync.model import Product, ProductId, UnreadableProduct
from wcsync.pulse import beat
from wcsync.store.batches import LONGEST_SKUS, SHORT_SKUS, batched, length_of, sku_batches
from wcsync.store.talk import Talk
from wcsync.store.wire import products as wire
from wcsync.store.wire.answers import parse_totals

TOO_LONG = frozenset({400, 404, 414, 431})
"""Statuses by which servers refuse an address for its length."""
MOST_STEPS_BACK = 50

SMALLEST_WINDOW = 2
"""Windows overlap by one."""


class _Kept(Protocol):
    """What the look-up needs to know of a product, in whatever form it is read."""

    @property
    def product_id(self) -> ProductId: ...
    @property
    def parent_id(self) -> ProductId: ...
    @property
    def sku(self) -> str: ...


P = TypeVar("P", bound=_Kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[P]):
    """A form in which products are read: what is asked for, and how an answer becomes values.

    `parse_family`: of a product's list of variations, which does not say whose they are; the parent is None if it was
    not read. `from_family`: what this form holds of a variation is to be seen in its parent's list alone, and needs
    nothing of the parent.
    """

    fields: Mapping[str, str]
    variation_fields: Mapping[str, str]
    parse_many: Callable[[bytes], list[P | UnreadableProduct]]
    parse_one: Callable[[bytes], P | UnreadableProduct]
    has_variations: Callable[[P], bool]
    parse_family: Callable[[bytes, ProductId, P | None], list[P | UnreadableProduct]]
    from_family: bool = False


class Products(Generic[P]):
    """Reads a shop's products in one form, with a sign of life at each question.

    Raises, everywhere: TransientError, ServiceBlocked.
    """

    def __init__(self, talk: Talk, form: Form[P], page_size: int) -> None:
        self._talk = talk
        self._form = form
        self._page_size = self._window = max(SMALLEST_WINDOW, page_size)
        self._short_addresses = False

    def fetch(self, ids: Collection[ProductId], skus: Collection[str]) -> list[P | UnreadableProduct]:
        """As `Store.fetch_products`."""
        families = Families[P](self._family)
        found = dict[object, P | UnreadableProduct]()
        for row in (*self._by_ids(ids, families), *self._by_skus(skus)):
            whole = row
            if self._form.from_family and not isinstance(row, UnreadableProduct) and row.parent_id:
                whole = families.of(row.parent_id).get(row.product_id, row)
            found.setdefault(row.product_id or row, whole)
        return list(found.values())

    def walk(self) -> Iterator[P | UnreadableProduct]:
        """As `Store.fetch_catalogue`."""
        for row in self._list("products", self._form.fields):
            yield row
            if not isinstance(row, UnreadableProduct) and self._form.has_variations(row):
                yield from self._variations(row.product_id, row)

    def _by_ids(self, ids: Collection[ProductId], families: "Families[P]") -> list[P | UnreadableProduct]:
        """A list of ids finds no variation and nothing in the trash: what is missing then is asked for by itself.

        Once a variation is found its family is read whole, so that a product's variations cost three calls in all.
        """
        wanted = dict.fromkeys(ids)
        found = dict[ProductId | None, P | UnreadableProduct]()
        for batch in batched(wanted, self._page_size):
            for row in self._list("products", {**self._form.fields, **wire.render_ids(batch)}):
                found[row.product_id] = row
        missing = [product_id for product_id in wanted if product_id not in found]
        for place, product_id in enumerate(missing):
            alone = None if product_id in found else self._one(product_id)
            if alone is not None:
                found[product_id] = alone
            if isinstance(alone, UnreadableProduct) or alone is None:
                continue
            if alone.parent_id and missing[place + 1 :]:
                found = dict(families.of(alone.parent_id)) | found
        return [row for product_id, row in found.items() if product_id in wanted or product_id is None]

    def _by_skus(self, skus: Collection[str]) -> list[P | UnreadableProduct]:
        wanted = {_folded(sku): sku.strip() for sku in skus if sku.strip()}
        found = list[P | UnreadableProduct]()
        for trash in (False, True):
            there = {_folded(row.sku) for row in found if not isinstance(row, UnreadableProduct)}
            missing = [sku for folded, sku in wanted.items() if folded not in there]
            for batch in sku_batches(missing, self._page_size, LONGEST_SKUS):
                found += [
                    row
                    for row in self._with_skus(batch, trash=trash)
                    if isinstance(row, UnreadableProduct) or _folded(row.sku) in wanted
                ]  # the shop ignores accents
        return found

    def _with_skus(self, skus: Sequence[str], *, trash: bool) -> Iterator[P | UnreadableProduct]:
        """Asked for in smaller lists, from now on, by a server that takes no address as long."""
        if not self._short_addresses:
            try:
                yield from self._list(
                    "products", {**self._form.fields, **wire.render_skus(skus, trash=trash)}
                )
                return
            except _TooLongError:
                self._short_addresses = True
        for batch in sku_batches(skus, self._page_size, SHORT_SKUS):
            yield from self._list("products", {**self._form.fields, **wire.render_skus(batch, trash=trash)})

    def _one(self, product_id: ProductId) -> P | UnreadableProduct | None:
        beat()
        reply = self._talk.ask(f"products/{product_id}", dict(self._form.fields))
        if reply.status == 404 and wire.says_no_such_product(reply.content):
            return None
        self._talk.check(reply)
        row = self._talk.understood(self._form.parse_one, reply)
        if row.product_id not in {product_id, None}:
            raise self._talk.cached(f"was asked for product {product_id} and answered with another")
        if isinstance(row, UnreadableProduct):
            return replace(row, product_id=product_id)
        return row

    def _family(self, parent_id: ProductId) -> Iterator[P | UnreadableProduct]:
        if self._form.from_family:
            yield from self._variations(parent_id, None)
            return
        parent = self._one(parent_id)
        if parent is not None and not isinstance(parent, UnreadableProduct):
            yield from self._variations(parent_id, parent)

    def _variations(self, parent_id: ProductId, parent: P | None) -> Iterator[P | UnreadableProduct]:
        def parse(content: bytes) -> list[P | UnreadableProduct]:
            return self._form.parse_family(content, parent_id, parent)

        return self._list(f"products/{parent_id}/variations", self._form.variation_fields, parse)

    def _list(
        self,
        endpoint: str,
        query: Mapping[str, str],
        parse: Callable[[bytes], list[P | UnreadableProduct]] | None = None,
    ) -> Iterator[P | UnreadableProduct]:
        """Every row of a list in order of id, window by window.

        Each window begins with the last row of the one before. If that row does not come again, something before it
        was taken away and all has moved up: the window is moved back until it joins.
        """
        offset, last, steps_back = 0, 0, 0
        while True:
            reply, size = self._ask_window(endpoint, query, offset)
            if reply.status == 404 and wire.says_no_such_product(reply.content):
                return  # a product whose variations we wanted was deleted meanwhile
            if reply.status in TOO_LONG and length_of(query.values()) > SHORT_SKUS:
                raise _TooLongError
            self._talk.check(reply)
            rows = self._talk.understood(parse or self._form.parse_many, reply)
            total = parse_totals(reply.headers).rows or 0
            if offset and not any((row.product_id or 0) <= last for row in rows):
                offset, steps_back = max(0, offset - size // 2), steps_back + 1
                if steps_back > MOST_STEPS_BACK:
                    raise TransientError(
                        "shop: its list of products changes faster than it can be read; try again"
                    )
                continue
            fresh = [row for row in rows if (row.product_id or last + 1) > last]
            yield from fresh
            if (total and offset + len(rows) >= total) or (not total and len(rows) < size):
                return
            if not fresh:
                raise self._talk.cached("counts more products than it sends")
            last = max((row.product_id or 0 for row in rows), default=last)
            offset += len(rows) - 1

    def _ask_window(self, endpoint: str, query: Mapping[str, str], offset: int) -> tuple[Reply, int]:
        """One window, and how many rows it may have: fewer, from now on, where products are too big for so many.

        Page builders keep whole pages in a product's meta.
        """
        while True:
            beat()
            size = self._window
            try:
                return self._talk.ask(endpoint, {**query, **wire.render_window(offset, size)}), size
            except TransientError as exc:
                if exc.finding is None or exc.finding.code != TOO_MUCH or size <= SMALLEST_WINDOW:
                    raise
                self._window = max(SMALLEST_WINDOW, size // 4)


class Families(Generic[P]):
    """The variations of products, each product's list read once."""

    def __init__(self, read: Callable[[ProductId], Iterator[P | UnreadableProduct]]) -> None:
        self._read = read
        self._known = dict[ProductId, dict[ProductId | None, P | UnreadableProduct]]()

    def of(self, parent_id: ProductId) -> dict[ProductId | None, P | UnreadableProduct]:
        if parent_id not in self._known:
            self._known[parent_id] = {row.product_id: row for row in self._read(parent_id)}
        return self._known[parent_id]


class _TooLongError(Exception):
    """The server takes no address of this length."""


def _parse_family(content: bytes, parent_id: ProductId, parent: Product | None) -> list[wire.Row]:
    """A variation's name says the choice alone in its parent's list; everywhere else it begins with the parent's."""
    assert parent is not None, parent_id
    return [
        _named_after(parent, row) if isinstance(row, Product) else row for row in wire.parse_products(content)
    ]


def _named_after(parent: Product, row: Product) -> Product:
    name = row.name if row.name.startswith(parent.name) else f"{parent.name} - {row.name}"
    return replace(
        row, parent_id=parent.product_id, kind="variation", name=name, categories=parent.categories
    )


def _folded(sku: str) -> str:
    return sku.strip().casefold()


SUMMARIES: Form[Product] = Form(
    fields=wire.render_fields(),
    variation_fields=wire.render_variation_fields(),
    parse_many=wire.parse_products,
    parse_one=wire.parse_product,
    has_variations=lambda product: bool(product.variation_ids),
    parse_family=_parse_family,
)
"""Products as the rest of wcsync knows them."""
