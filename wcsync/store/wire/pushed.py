"""The shop's answers to what was written to its products, item by item.

https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products
"""

from collections.abc import Sequence

import msgspec

from wcsync.course import NO_PARENT, StoredProduct
from wcsync.errors import MalformedReply
from wcsync.model import ProductId
from wcsync.store.jsontext import json_part, untyped
from wcsync.store.wire.answers import Refusal, parse_refusal
from wcsync.store.wire.rows import row_or_not
from wcsync.store.wire.stored import read_product
from wcsync.store.wire.terms import parse_resource

_SKU_TAKEN = frozenset({"product_invalid_sku", "woocommerce_rest_product_not_created"})


def parse_batch(
    content: bytes, ids: Sequence[ProductId], parent_id: ProductId = NO_PARENT
) -> list[StoredProduct | Refusal]:
    """What became of each item of a batch of updates, in its order.

    Raises MalformedReply if this is not the answer to exactly these items.
    """
    items = _items(content)
    if len(items) != len(ids):
        raise MalformedReply("update", f"{len(items)} answers to {len(ids)} items")
    return [_item(bytes(item), asked, parent_id) for item, asked in zip(items, ids, strict=True)]


def parse_written(content: bytes, parent_id: ProductId = NO_PARENT) -> StoredProduct:
    """One product as it was stored. Raises MalformedReply if the answer is none, or one that cannot be read."""
    part = json_part(content)
    if not part.startswith(b"{") or parse_refusal(part) is not None:
        raise MalformedReply("answer", "JSON, but not a product")
    return _whole(part, parent_id)


def says_sku_taken(content: bytes) -> bool:
    refusal = parse_refusal(content)
    return refusal is not None and refusal.code in _SKU_TAKEN


def parse_sku_owner(content: bytes) -> ProductId | None:
    """The product that has the SKU already, if the shop says which."""
    number = parse_resource(content)
    return ProductId(number) if number else None


def _items(content: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(json_part(content), type=_Batch).update
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedReply("answer", "JSON, but not the answer to a batch") from None


class _Batch(msgspec.Struct):
    update: list[msgspec.Raw]


def _item(raw: bytes, asked: ProductId, parent_id: ProductId) -> StoredProduct | Refusal:
    said = untyped(raw)
    if not isinstance(said, dict) or said.get("id") != asked:
        raise MalformedReply("update", f"no answer to item {asked} where it should be")
    if "error" not in said:
        return _whole(raw, parent_id)
    refusal = parse_refusal(msgspec.json.encode(said["error"]))
    if refusal is None:
        raise MalformedReply("update", f"neither a product nor an error for item {asked}")
    return refusal


def _whole(raw: bytes, parent_id: ProductId) -> StoredProduct:
    row = row_or_not(raw, lambda part: read_product(part, parent_id))
    if not isinstance(row, StoredProduct):
        raise MalformedReply("answer", row.reason)
    return row
