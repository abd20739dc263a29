"""Looking up in the shop what the mapping's rows are about."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from wcsync.mappers.mapping import Mapping, MapRow
from wcsync.mappers.mapping_table import is_wildcard
from wcsync.mappers.selectors import as_line, described
from wcsync.mappers.text_file import render_quoted
from wcsync.model import Line, Product, ProductId, UnreadableProduct
from wcsync.store.base import Store

NEVER_ORDERED = {
    "grouped": "a grouped product is never in an order itself, only the products in it are",
    "external": "an external product is sold elsewhere, so that no order here ever holds it",
}
NOT_YET_SOLD = frozenset({"draft", "pending", "future"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFinding:
    """One thing that is odd about a row, seen from a service.

    `where`: the row's line, as in `mapping.toml:12`; `code`: a fixed word for scripts. `wrong`: no sale will ever
    match the row as it stands, or none can be carried out, so that the file must be edited; otherwise it is worth
    knowing and no more.
    """

    where: str
    code: str
    message: str
    remedy: str
    wrong: bool


def examine_products(store: Store, mapping: Mapping) -> list[RowFinding]:
    """Looks up every product the rows name and says what is odd, in the file's order. Changes nothing.

    Costs a call or two for each hundred rows. Where a row has a wildcard the whole catalogue is walked through until
    each wildcard has matched something. Raises: TransientError, ServiceBlocked.
    """
    shop = _look_up(store, mapping.rows)
    by_selector = defaultdict[tuple[str, str], list[MapRow]](list)
    for row in mapping.rows:
        by_selector[row.selector].append(row)
    unmatched = _unmatched_wildcards(store, mapping.rows)
    return [found for row in mapping.rows for found in _examine(row, shop, by_selector, unmatched)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shop:
    """What the shop said. `unreadable`: ids of products it sent damaged, None where even that was missing."""

    by_id: dict[ProductId, Product]
    by_sku: dict[str, list[Product]]
    unreadable: dict[ProductId | None, str]

    def variations(self, product: Product) -> list[Product]:
        return [self.by_id[one] for one in product.variation_ids if one in self.by_id]


def _look_up(store: Store, rows: Sequence[MapRow]) -> _Shop:
    ids = dict.fromkeys(one for row in rows for one in (row.variation_id, row.product_id) if one is not None)
    skus = dict.fromkeys(row.sku for row in rows if row.sku and not is_wildcard(row.sku))
    folded = {_folded(sku) for sku in skus}
    found = store.fetch_products(ids=list(ids), skus=list(skus))
    by_id = {one.product_id: one for one in found if isinstance(one, Product)}
    parents = [one for one in by_id.values() if one.variation_ids and _folded(one.sku) in folded]
    choices = {choice for parent in parents for choice in parent.variation_ids} - by_id.keys()
    found += store.fetch_products(ids=sorted(choices)) if choices else []
    by_id |= {one.product_id: one for one in found if isinstance(one, Product)}
    by_sku = defaultdict[str, list[Product]](list)
    for product in by_id.values():
        if product.sku:
            by_sku[_folded(product.sku)].append(product)
    unreadable = {one.product_id: one.reason for one in found if isinstance(one, UnreadableProduct)}
    return _Shop(by_id=by_id, by_sku=dict(by_sku), unreadable=unreadable)


def _examine(
    row: MapRow,
    shop: _Shop,
    rows: dict[tuple[str, str], list[MapRow]],
    unmatched: frozenset[str],
) -> Iterator[RowFinding]:
    if row.sku is None:
        yield from _examine_id(row, shop, rows)
    elif is_wildcard(row.sku):
        if row.sku in unmatched:
            yield _note(
                row,
                "wildcard_unmatched",
                f"no product has a SKU like {render_quoted(row.sku)}",
                "Correct the SKU if it is a slip; it may wait for products to come",
            )
    else:
        yield from _examine_sku(row, row.sku, shop, rows)


def _examine_id(row: MapRow, shop: _Shop, rows: dict[tuple[str, str], list[MapRow]]) -> Iterator[RowFinding]:
    kind = "variation" if row.variation_id is not None else "product"
    product_id = row.variation_id or row.product_id
    assert product_id is not None, row
    product = shop.by_id.get(product_id)
    if product_id in shop.unreadable:
        yield _unreadable(row, f"{kind} {product_id}", shop.unreadable[product_id])
    elif product is None:
        message = f"the shop has no {kind} {product_id} (any more)"
        yield _gone(row, "unknown_product" if kind == "product" else "unknown_variation", message)
    elif kind == "product" and product.parent_id:
        yield _wrong(
            row,
            "is_a_variation",
            f"{product_id} is a variation of product {product.parent_id}, and orders name it as one",
            f"Write variation_id = {product_id} instead of product_id",
        )
    elif kind == "variation" and not product.parent_id:
        yield _wrong(
            row,
            "is_no_variation",
            f"{described(product)} is no variation",
            f"Write product_id = {product_id} instead of variation_id",
        )
    else:
        yield from _examine_parent(row, product)
        yield from _examine_state(row, product)
        yield from _examine_choices(row, product, rows)


def _examine_parent(row: MapRow, product: Product) -> Iterator[RowFinding]:
    if product.parent_id and row.product_id not in {None, product.parent_id}:
        yield _note(
            row,
            "other_parent",
            f"variation {product.product_id} belongs to product {product.parent_id}, not to {row.product_id}; "
            "the variation_id decides",
            f"Write product_id = {product.parent_id}, or leave it out",
        )


def _examine_choices(
    row: MapRow, product: Product, rows: dict[tuple[str, str], list[MapRow]]
) -> Iterator[RowFinding]:
    """A product all whose variations have rows of their own is never decided by its own row."""
    taken = [rows.get(("variation_id", str(one)), []) for one in product.variation_ids]
    if taken and all(taken):
        yield _note(
            row,
            "never_decides",
            f"every variation of {described(product)} has a row of its own ({_lines(taken)}), and those decide",
            "Remove this row, or those",
        )


def _examine_sku(
    row: MapRow, sku: str, shop: _Shop, rows: dict[tuple[str, str], list[MapRow]]
) -> Iterator[RowFinding]:
    sold = shop.by_sku.get(_folded(sku), [])
    if not sold:
        yield from _unknown_sku(row, sku, shop)
        return
    ordered = [product for product in sold if not product.variation_ids]
    parent = next((product for product in sold if product.variation_ids), None)
    if parent is not None and not ordered and len(shop.variations(parent)) == len(parent.variation_ids):
        yield _wrong(
            row,
            "sku_of_parent",
            f"{render_quoted(sku)} is the SKU of {described(parent)}, but orders hold the SKUs of its variations, "
            "which differ",
            f"Write product_id = {parent.product_id} for all of them, or a row for each variation's SKU",
        )
        return
    if len({product.parent_id or product.product_id for product in sold}) > 1:
        yield _note(
            row,
            "shared_sku",
            f"{len(sold)} products have the SKU {render_quoted(sku)}: "
            f"{', '.join(str(product.product_id) for product in sold[:8])}; the row is about all of them",
            "Write rows with product_id if that is not meant",
        )
    narrower = [_narrower(product, rows) for product in ordered]
    if narrower and all(narrower):
        yield _note(
            row,
            "never_decides",
            f"{described(ordered[0])} has a row by its number ({_lines(narrower)}), and that decides",
            "Remove one of them",
        )
    yield from _examine_state(row, (ordered or sold)[0])


def _unknown_sku(row: MapRow, sku: str, shop: _Shop) -> Iterator[RowFinding]:
    if shop.unreadable:
        reason = next(iter(shop.unreadable.values()))
        yield _unreadable(row, f"SKU {render_quoted(sku)}, or another with it,", reason)
    else:
        yield _gone(row, "unknown_sku", f"no product has the SKU {render_quoted(sku)} (any more)")


def _narrower(product: Product, rows: dict[tuple[str, str], list[MapRow]]) -> list[MapRow]:
    """The rows that decide before any by SKU."""
    own = rows.get(("variation_id", str(product.product_id)), []) if product.parent_id else []
    return own or rows.get(("product_id", str(product.parent_id or product.product_id)), [])


def _examine_state(row: MapRow, product: Product) -> Iterator[RowFinding]:
    if product.kind in NEVER_ORDERED and not row.ignore:
        yield _wrong(
            row,
            "never_ordered",
            f"{described(product)}: {NEVER_ORDERED[product.kind]}",
            "Write a row for each product that is sold here",
        )
    if product.status == "trash":
        yield _note(
            row,
            "in_trash",
            f"{described(product)} is in the trash",
            "Restore it in the shop, or remove the row once no order for it is open",
        )
    elif product.status in NOT_YET_SOLD and not row.ignore:
        yield _note(
            row,
            "not_published",
            f"{described(product)} is not published ({product.status})",
            "Nothing to do if that is meant: the row counts as soon as it is sold",
        )


def _unmatched_wildcards(store: Store, rows: Iterable[MapRow]) -> frozenset[str]:
    """The wildcards that match no SKU of the shop."""
    open_rows = {row.sku: row for row in rows if row.sku and is_wildcard(row.sku)}
    matchers: dict[str, Callable[[Line], object]] = {
        sku: Mapping(rows=(row,)).match for sku, row in open_rows.items()
    }
    if not matchers:
        return frozenset()
    for product in store.fetch_catalogue():
        if isinstance(product, Product) and product.sku:
            line = as_line(product)
            matchers = {sku: match for sku, match in matchers.items() if not match(line)}
        if not matchers:
            break
    return frozenset(matchers)


def _gone(row: MapRow, code: str, message: str) -> RowFinding:
    if row.ignore:
        return _note(row, code, message, "Nothing to do; the row can be removed")
    return _wrong(row, code, message, "Correct the row, or remove it if the product is gone for good")


def _unreadable(row: MapRow, what: str, reason: str) -> RowFinding:
    return _note(
        row,
        "unreadable",
        f"{what}: what the shop says of it cannot be read ({reason})",
        "Look for a plugin that changes products in WooCommerce's REST API",
    )


def _wrong(row: MapRow, code: str, message: str, remedy: str) -> RowFinding:
    return RowFinding(where=row.source, code=code, message=message, remedy=remedy, wrong=True)


def _note(row: MapRow, code: str, message: str, remedy: str) -> RowFinding:
    return RowFinding(where=row.source, code=code, message=message, remedy=remedy, wrong=False)


def _lines(groups: Iterable[Iterable[MapRow]]) -> str:
    return ", ".join(dict.fromkeys(row.source for group in groups for row in group))


def _folded(sku: str) -> str:
    return sku.strip().casefold()
