"""The lines of an order, and which of them are parts of a bundle.

A plugin for bundles sells a container and its parts as lines of their own. By which of them a part knows its container:
- Product Bundles: `bundled_by` of the line; https://woocommerce.com/document/bundles/bundles-rest-api-reference
- Composite Products: `composite_parent`;
  https://docs.woocommerce.com/document/composite-products/composite-products-rest-api-reference/
- Mix and Match: `mnm_child_of`; https://woocommerce.com/document/woocommerce-mix-and-match-products/rest-api-reference
- The same three where their part of the REST API is off, and YITH's: line meta that names the container's key in the
  cart. YITH's free edition keeps that key of the part alone: there the container is the marked line before it.
- WPC Product Bundles: line meta with the container's product, of the line before it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from wcsync.errors import MalformedReply
from wcsync.model import Line, LineId, ProductId
from wcsync.store.wire.meta import Meta
from wcsync.store.wire.scalars import Scalar, decimal, needed, text, whole

PART_KEYS = ("_bundled_by", "_composite_parent", "_mnm_container")
CONTAINER_KEYS = ("_bundle_cart_key", "_composite_cart_key", "_mnm_cart_key", "_yith_bundle_cart_key")
YITH_PART, YITH_CONTAINER = "_bundled_by", "_cartstamp"
WPC_PART = "_woosb_parent_id"


class LineRow(msgspec.Struct):
    id: Scalar = None
    product_id: Scalar = None
    variation_id: Scalar = None
    sku: Scalar = None
    name: Scalar = None
    quantity: Scalar = None
    total: Scalar = None
    meta_data: msgspec.Raw = msgspec.Raw()
    bundled_by: msgspec.Raw = msgspec.Raw()
    composite_parent: msgspec.Raw = msgspec.Raw()
    mnm_child_of: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A line and what else it came with."""

    line: Line
    row: LineRow
    meta: Meta


def read_lines(rows: Sequence[LineRow]) -> list[Read]:
    """Raises MalformedReply."""
    read = [
        Read(line=_line(row, f"line_items.{place}"), row=row, meta=Meta(row.meta_data))
        for place, row in enumerate(rows)
    ]
    told = {one.line.line_id: part_of for one, part_of in _parts(read)}
    containers = {part: part_of for part, part_of in told.items() if not _in_circle(part, told)}
    return [_placed(one, containers) for one in read] if containers else read


def _line(row: LineRow, where: str) -> Line:
    return Line(
        line_id=LineId(needed(whole(row.id, f"{where}.id"), f"{where}.id")),
        product_id=ProductId(whole(row.product_id, f"{where}.product_id")),
        variation_id=ProductId(whole(row.variation_id, f"{where}.variation_id")),
        sku=text(row.sku),
        name=text(row.name),
        quantity=decimal(row.quantity, f"{where}.quantity"),
        total=text(row.total),
    )


def _parts(read: Sequence[Read]) -> Iterator[tuple[Read, LineId]]:
    """Each line that says it is a part, with the line it is a part of; none that the order does not have."""
    ids = {one.line.line_id for one in read}
    carts = {key: one.line.line_id for one in read if (key := one.meta.first(*CONTAINER_KEYS))}
    for place, one in enumerate(read):
        before = read[place - 1 :: -1] if place else []
        part_of = _told(one.row, ids) or _by_cart(one, carts) or _by_place(one, before)
        if part_of and part_of != one.line.line_id:
            yield one, part_of


def _told(row: LineRow, ids: set[LineId]) -> LineId | None:
    told = (_line_id(raw) for raw in (row.bundled_by, row.composite_parent, row.mnm_child_of))
    return next((line_id for line_id in told if line_id in ids), None)


def _line_id(raw: msgspec.Raw) -> LineId | None:
    content = bytes(raw)
    if not content or content == b'""':
        return None
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, MalformedReply):
        return LineId(whole(_SCALAR.decode(content), "bundled_by"))
    return None


def _by_cart(one: Read, carts: dict[str, LineId]) -> LineId | None:
    return carts.get(one.meta.first(*PART_KEYS)) if carts else None


def _by_place(one: Read, before: Sequence[Read]) -> LineId | None:
    if product := one.meta.first(WPC_PART):
        sold = (other.line for other in before if product in _products(other.line))
        return next((line.line_id for line in sold), None)
    if one.meta.first(YITH_PART):
        return next((other.line.line_id for other in before if other.meta.find(YITH_CONTAINER)), None)
    return None


def _products(line: Line) -> set[str]:
    return {str(line.product_id), str(line.variation_id)}


def _placed(one: Read, containers: dict[LineId, LineId]) -> Read:
    line_id = one.line.line_id
    part_of, container = containers.get(line_id, LineId(0)), line_id in containers.values()
    return replace(one, line=replace(one.line, part_of=part_of, container=container))


def _in_circle(line_id: LineId, containers: dict[LineId, LineId]) -> bool:
    """Whether lines that name each other lead back here: such are no bundle."""
    above, seen = containers.get(line_id), set[LineId]()
    while above is not None and above not in seen:
        if above == line_id:
            return True
        seen.add(above)
        above = containers.get(above)
    return False


_SCALAR = msgspec.json.Decoder(Scalar)
