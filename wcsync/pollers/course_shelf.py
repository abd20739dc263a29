"""Which products show which courses: the mapping's rows, met with what the shop stores."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from wcsync.course import StoredProduct
from wcsync.mappers.mapping import Mapping, MapRow, Match
from wcsync.mappers.mapping_table import is_open
from wcsync.mappers.selectors import line_of
from wcsync.model import ProductId, Target, UnreadableProduct
from wcsync.store.base import Showcase

log = structlog.get_logger(__name__)

Row = StoredProduct | UnreadableProduct

UNREADABLE = "unreadable"
"""The code of a product of which the shop says what nobody can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A product, or a row of the mapping, that the mirror does nothing about. `code`: a fixed word for scripts.

    `product_id` None: no product is known. `where`: the row. `wrong`: a person should look at it.
    """

    where: str
    code: str
    reason: str
    product_id: ProductId | None = None
    name: str = ""
    wrong: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Displayed:
    """A product with the row that says which courses it sells."""

    product: StoredProduct
    match: Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All products that sell courses, each once, and what is to be said of the others."""

    displayed: tuple[Displayed, ...] = ()
    left: tuple[LeftAlone, ...] = ()


ABOUT_SHOP = frozenset({
    "unknown_sku", "unknown_product", "is_a_variation", "is_no_variation", "in_trash", UNREADABLE, "bad_template",
})  # fmt: skip
"""What nobody else tells of: an LMS that is in trouble, and a course that is gone, are told of by themselves."""
Complaint = tuple[str, ProductId | None, str]


def tell_left(
    left: Iterable[LeftAlone], told: frozenset[Complaint], *, complete: bool
) -> frozenset[Complaint]:
    """A line for each product or row that a person should look at, as it is news; answers what is told by now.

    `complete`: what is not among them any more is mended.
    """
    now = {(one.where, one.product_id, one.code): one for one in left if one.code in ABOUT_SHOP}
    for complaint, one in now.items():
        if complaint not in told:
            log.warning(
                "product_left_alone",
                row=one.where,
                product_id=one.product_id,
                code=one.code,
                reason=one.reason,
            )
    return frozenset(now) if complete else told | now.keys()


def needs_catalogue(mapping: Mapping) -> bool:
    """Whether only a look at every product tells which of them the rows are about."""
    return mapping.sku_is_course is not None or any(is_open(row) for row in _sold(mapping))


def targets_of(mapping: Mapping, shelf: Shelf | None) -> list[Target]:
    """Every course that a row names, and those that only products name (`sku_is_course`)."""
    named = [target for row in _sold(mapping) for target in row.targets]
    shown = [target for one in shelf.displayed for target in one.match.targets] if shelf else []
    return list(dict.fromkeys([*named, *shown]))


def fetch_shelf(
    showcase: Showcase,
    mapping: Mapping,
    only: Collection[str] = (),
) -> Shelf:
    """Reads the products of all rows as they are stored. `only`: those with one of these ids, SKUs or `LMS/COURSE`.

    Costs a call for each hundred rows, or for each hundred products where rows are open, and those of all variations.
    Raises: TransientError, ServiceBlocked.
    """
    rows, sieve = _rows_for(mapping, only), _Sieve.of(mapping, only)
    for row in _fetch(showcase, mapping, rows, only):
        sieve.take(row)
    return sieve.shelf(rows)


def names_of(product: StoredProduct, targets: Iterable[Target]) -> set[str]:
    """All by which `--only` can name it, folded."""
    courses = {f"{target.lms}/{target.course_id}".casefold() for target in targets}
    parent = {str(product.parent_id)} if product.parent_id else set()
    return ({str(product.product_id), product.sku.strip().casefold()} | courses | parent) - {""}


def _sold(mapping: Mapping) -> Iterator[MapRow]:
    return (row for row in mapping.rows if row.targets)


def _rows_for(mapping: Mapping, only: Collection[str]) -> list[MapRow]:
    """The rows that `only` names itself, all if it names something else too."""
    rows = list(_sold(mapping))
    named = {word: [row for row in rows if word.casefold() in _names_of_row(row)] for word in only}
    if not only or not all(named.values()):
        return rows
    return list({id(row): row for group in named.values() for row in group}.values())


def _names_of_row(row: MapRow) -> set[str]:
    ids = {str(one) for one in (row.product_id, row.variation_id) if one is not None}
    courses = {f"{target.lms}/{target.course_id}".casefold() for target in row.targets}
    return ids | courses | {(row.sku or "").strip().casefold()} - {""}


def _fetch(
    showcase: Showcase,
    mapping: Mapping,
    rows: list[MapRow],
    only: Collection[str],
) -> Iterator[Row]:
    """What the catalogue does not hold (trash, slips) is asked for by name; `only` may spare the walk."""
    seen, there = set[ProductId | None](), set[str]()
    narrowed = only and len(rows) < sum(1 for _ in _sold(mapping)) and not any(map(is_open, rows))
    if needs_catalogue(mapping) and not narrowed:
        for row in showcase.fetch_stored_catalogue():
            seen.add(row.product_id)
            if isinstance(row, StoredProduct):
                there.add(row.sku.strip().casefold())
            yield row
    ids, skus = _named(rows)
    ids = [one for one in ids if one not in seen]
    skus = [sku for sku in skus if sku.strip().casefold() not in there]
    if ids or skus:
        found = showcase.fetch_stored(ids=ids, skus=skus)
        yield from (row for row in found if row.product_id not in seen)


def _named(rows: Iterable[MapRow]) -> tuple[list[ProductId], list[str]]:
    rows = list(rows)
    ids = dict.fromkeys(row.variation_id or row.product_id for row in rows)
    skus = dict.fromkeys(row.sku for row in rows if row.selector[0] == "sku" and not is_open(row))
    return [one for one in ids if one is not None], [sku for sku in skus if sku]


@dataclass(slots=True, kw_only=True)
class _Sieve:
    """Keeps of all that is read what rows are about. `kinds`: of every product seen, whether it is a variation."""

    mapping: Mapping
    only: Collection[str]
    parents: frozenset[str]
    choices: frozenset[str]
    displayed: list[Displayed] = field(default_factory=list)
    left: list[LeftAlone] = field(default_factory=list)
    kinds: dict[ProductId, bool] = field(default_factory=dict)
    skus: set[str] = field(default_factory=set)
    unread: set[ProductId | None] = field(default_factory=set)

    @classmethod
    def of(cls, mapping: Mapping, only: Collection[str]) -> "_Sieve":
        selectors = [row.selector for row in mapping.rows]
        return cls(
            mapping=mapping,
            only=only,
            parents=frozenset(value for kind, value in selectors if kind == "product_id"),
            choices=frozenset(value for kind, value in selectors if kind == "variation_id"),
        )

    def take(self, product: Row) -> None:
        if isinstance(product, UnreadableProduct):
            self.unread.add(product.product_id)
            self.left.append(_unreadable(product))
            return
        self.kinds[product.product_id] = bool(product.parent_id)
        self.skus.add(product.sku.strip().casefold())
        match = self._match(product)
        if match is None or (self.only and not self._is_named(product, match)):
            return
        if product.in_trash:
            self.left.append(_in_trash(product, match))
        else:
            self.displayed.append(Displayed(product=product, match=match))

    def shelf(self, rows: Iterable[MapRow]) -> Shelf:
        missing = [found for row in rows for found in self._missing(row)]
        left = [*self.left, *missing]
        unnamed = _unnamed(self.mapping, self.only, self.displayed, left)
        return Shelf(displayed=tuple(self.displayed), left=(*left, *unnamed))

    def _match(self, product: StoredProduct) -> Match | None:
        """None also for a variation that is sold by its parent's row: the parent shows the course."""
        if str(product.parent_id) in self.parents and str(product.product_id) not in self.choices:
            return None
        match = self.mapping.match(line_of(product))
        return match if match is not None and match.targets else None

    def _is_named(self, product: StoredProduct, match: Match) -> bool:
        return not names_of(product, match.targets).isdisjoint(map(str.casefold, self.only))

    def _missing(self, row: MapRow) -> Iterator[LeftAlone]:
        """That no product answers to the row. What could not be read may be the one that is missed."""
        kind, value = row.selector
        if kind == "sku":
            if not is_open(row) and value not in self.skus and not self.unread:
                yield _unknown_sku(row)
            return
        product_id = ProductId(int(value))
        if product_id not in self.kinds and product_id not in self.unread:
            yield _unknown_product(row, product_id, kind.removesuffix("_id"))
        elif product_id in self.kinds and self.kinds[product_id] is not (kind == "variation_id"):
            yield _other_kind(row, product_id, variation=self.kinds[product_id])


def _unknown_sku(row: MapRow) -> LeftAlone:
    reason = f"no product has the SKU {row.sku} (any more); correct the row, or remove it"
    return LeftAlone(where=row.source, code="unknown_sku", reason=reason)


def _unknown_product(row: MapRow, product_id: ProductId, kind: str) -> LeftAlone:
    reason = f"the shop has no {kind} {product_id} (any more); correct the row, or remove it"
    return LeftAlone(where=row.source, product_id=product_id, code="unknown_product", reason=reason)


def _other_kind(row: MapRow, product_id: ProductId, *, variation: bool) -> LeftAlone:
    what, key = ("a variation", "variation_id") if variation else ("no variation", "product_id")
    return LeftAlone(
        where=row.source,
        product_id=product_id,
        code="is_a_variation" if variation else "is_no_variation",
        reason=f"{product_id} is {what} (any more); write {key} = {product_id} if it is meant all the same",
    )


def _unreadable(product: UnreadableProduct) -> LeftAlone:
    return LeftAlone(
        where="",
        product_id=product.product_id,
        code=UNREADABLE,
        reason=f"what the shop says of it cannot be read ({product.reason}); look for a plugin that changes products "
        "in WooCommerce's REST API",
    )


def _in_trash(product: StoredProduct, match: Match) -> LeftAlone:
    return LeftAlone(
        where=match.source,
        product_id=product.product_id,
        name=product.name,
        code="in_trash",
        reason="it is in the trash; restore it in the shop, or remove the row once no order for it is open",
    )


def _unnamed(
    mapping: Mapping, only: Collection[str], displayed: Iterable[Displayed], left: Iterable[LeftAlone]
) -> Iterator[LeftAlone]:
    """Words that name neither a product that was found nor a row."""
    names = {name for one in displayed for name in names_of(one.product, one.match.targets)}
    names |= {str(one.product_id) for one in left}
    names |= {name for row in _sold(mapping) for name in _names_of_row(row)}
    for word in only:
        if word.casefold() not in names:
            yield LeftAlone(
                where="",
                code="not_found",
                reason=f"--only {word}: no product of the mapping has this id or SKU, and no row names such a course "
                "(LMS/COURSE)",
            )
