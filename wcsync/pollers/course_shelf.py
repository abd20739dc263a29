"""Which products show which courses: the mapping's rows, met with what the shop stores."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from wcsync.course import StoredProduct
from wcsync.mappers.mapping import Mapping, MapRow, Match
from wcsync.mappers.mapping_table import is_wildcard
from wcsync.mappers.selectors import as_line
from wcsync.model import Line, Product, ProductId, Target, UnreadableProduct
from wcsync.store.base import Showcase

Row = StoredProduct | UnreadableProduct

TRASH = "trash"
PER_SIGN = 100
"""A sign of life is given after so many products of a catalogue."""


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


def needs_catalogue(mapping: Mapping) -> bool:
    """Whether only a look at every product tells which of them the rows are about."""
    return mapping.sku_is_course is not None or any(_is_open(row) for row in _sold(mapping))


def targets_of(mapping: Mapping, shelf: Shelf | None) -> list[Target]:
    """Every course that a row names, and those that only products name (`sku_is_course`)."""
    named = [target for row in _sold(mapping) for target in row.targets]
    shown = [target for one in shelf.displayed for target in one.match.targets] if shelf else []
    return list(dict.fromkeys([*named, *shown]))


def fetch_shelf(
    showcase: Showcase,
    mapping: Mapping,
    only: Collection[str] = (),
    at_page: Callable[[], None] = lambda: None,
) -> Shelf:
    """Reads the products of all rows as they are stored. `only`: those with one of these ids, SKUs or `LMS/COURSE`.

    Costs a call for each hundred rows, or for each hundred products where rows are open; `at_page` is called now and
    then meanwhile. Raises: TransientError, ServiceBlocked.
    """
    rows = _rows_for(mapping, only)
    found = list(_fetch(showcase, mapping, rows, only, at_page))
    ids = {row.selector[1] for row in mapping.rows if row.selector[0] == "product_id"}
    choices = {row.selector[1] for row in mapping.rows if row.selector[0] == "variation_id"}
    displayed, left, wanted = list[Displayed](), list[LeftAlone](), set(map(str.casefold, only))
    for product in found:
        if isinstance(product, UnreadableProduct):
            left.append(_unreadable(product))
            continue
        match = mapping.match(line_of(product))
        inherited = str(product.parent_id) in ids and str(product.product_id) not in choices
        if match is None or not match.targets or (product.parent_id and inherited):
            continue  # of no row, no course, or told by its parent
        if wanted and not wanted & names_of(product, match.targets):
            continue
        if product.status == TRASH:
            left.append(_in_trash(product, match))
        else:
            displayed.append(Displayed(product=product, match=match))
    left += _missing(rows, [one for one in found if isinstance(one, StoredProduct)], found)
    left += _unnamed(only, displayed, left)
    return Shelf(displayed=tuple(displayed), left=tuple(left))


def line_of(product: StoredProduct) -> Line:
    """The line an order would have if it were bought: what a mapping matches."""
    sold = Product(
        product_id=product.product_id, parent_id=product.parent_id, sku=product.sku, name=product.name
    )
    return as_line(sold)


def names_of(product: StoredProduct, targets: Iterable[Target]) -> set[str]:
    """All by which `--only` can name it, folded."""
    courses = {f"{target.lms}/{target.course_id}".casefold() for target in targets}
    parent = {str(product.parent_id)} if product.parent_id else set()
    return ({str(product.product_id), product.sku.strip().casefold()} | courses | parent) - {""}


def _sold(mapping: Mapping) -> Iterator[MapRow]:
    return (row for row in mapping.rows if row.targets)


def _is_open(row: MapRow) -> bool:
    return row.selector[0] == "sku" and is_wildcard(row.selector[1])


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
    at_page: Callable[[], None],
) -> Iterator[Row]:
    seen = dict[ProductId | None, StoredProduct]()
    narrowed = only and len(rows) < sum(1 for _ in _sold(mapping)) and not any(map(_is_open, rows))
    if needs_catalogue(mapping) and not narrowed:
        for place, row in enumerate(showcase.fetch_stored_catalogue()):
            if place % PER_SIGN == 0:
                at_page()
            if isinstance(row, StoredProduct):
                seen[row.product_id] = row
            yield row
    ids, skus = _named(rows)
    there = {one.sku.strip().casefold() for one in seen.values()}
    ids = [one for one in ids if one not in seen]
    skus = [sku for sku in skus if sku.strip().casefold() not in there]
    if ids or skus:
        at_page()
        found = showcase.fetch_stored(ids=ids, skus=skus)
        yield from (row for row in found if row.product_id not in seen)


def _named(rows: Iterable[MapRow]) -> tuple[list[ProductId], list[str]]:
    rows = list(rows)
    ids = dict.fromkeys(row.variation_id or row.product_id for row in rows)
    skus = dict.fromkeys(row.sku for row in rows if row.selector[0] == "sku" and not _is_open(row))
    return [one for one in ids if one is not None], [sku for sku in skus if sku]


def _missing(rows: list[MapRow], products: list[StoredProduct], found: list[Row]) -> Iterator[LeftAlone]:
    """Rows that no product answers to. What could not be read may be the one that is missed."""
    by_id = {one.product_id: one for one in products}
    unread = {one.product_id for one in found if isinstance(one, UnreadableProduct)}
    skus = {one.sku.strip().casefold() for one in products}
    for row in rows:
        kind, value = row.selector
        if _is_open(row) or (kind == "sku" and (value in skus or unread)):
            continue
        if kind == "sku":
            yield LeftAlone(
                where=row.source,
                code="unknown_sku",
                reason=f"no product has the SKU {row.sku} (any more); correct the row, or remove it",
            )
            continue
        product_id = ProductId(int(value))
        product = by_id.get(product_id)
        if product is None and product_id not in unread:
            yield LeftAlone(
                where=row.source,
                product_id=product_id,
                code="unknown_product",
                reason=f"the shop has no {kind.removesuffix('_id')} {product_id} (any more); correct the row, or "
                "remove it",
            )
        elif product is not None and bool(product.parent_id) is not (kind == "variation_id"):
            other = "a variation" if product.parent_id else "no variation"
            key = "variation_id" if product.parent_id else "product_id"
            yield LeftAlone(
                where=row.source,
                product_id=product_id,
                code="is_a_variation" if product.parent_id else "is_no_variation",
                reason=f"{product_id} is {other} (any more); write {key} = {product_id} if it is meant all the same",
            )


def _unreadable(product: UnreadableProduct) -> LeftAlone:
    return LeftAlone(
        where="",
        product_id=product.product_id,
        code="unreadable",
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


def _unnamed(only: Collection[str], displayed: list[Displayed], left: list[LeftAlone]) -> Iterator[LeftAlone]:
    names = {name for one in displayed for name in names_of(one.product, one.match.targets)}
    names |= {str(one.product_id) for one in left}
    for word in only:
        if word.casefold() not in names and not left:
            yield LeftAlone(
                where="",
                code="not_found",
                reason=f"{word} is the id or SKU of no product that sells a course, nor a mapped course "
                "(LMS/COURSE)",
            )
