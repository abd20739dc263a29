"""Many writes in one call of the sandbox shop, one after another, each for itself.

https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products
"""

from collections.abc import Callable, Mapping
from typing import Any

from wcsync.sandbox.shop_errors import PhpFatal, ShopError, not_imitated
from wcsync.sandbox.shop_http import Call, Result
from wcsync.sandbox.shop_memory import ShopMemory
from wcsync.sandbox.shop_query import read_list
from wcsync.sandbox.shop_shapes import Json

LIMIT = 100
KINDS = ("create", "update", "delete")

Write = Callable[[Mapping[str, Any]], Json]
"""Does one item and answers it as it stands now. Raises ShopError."""


def run_batch(memory: ShopMemory, call: Call, writes: Mapping[str, Write]) -> Result:
    """What each item came to, in the order sent. Raises ShopError for the whole: 413, and 500 where PHP dies half-way.

    `memory.item_limit`: PHP dies after so many items.
    """
    items = {kind: call.sent[kind] for kind in KINDS if call.sent.get(kind)}
    if sum(len(rows) for rows in items.values()) > LIMIT:
        message = f"Unable to accept more than {LIMIT} items for this request."
        raise ShopError(413, "woocommerce_rest_request_entity_too_large", message)
    done: dict[str, list[Json]] = {}
    for kind, rows in items.items():
        if kind not in writes:
            raise not_imitated(f"{kind} in this batch")
        done[kind] = [_one(memory, kind, row, writes[kind]) for row in rows]
    _die_if_told_to(memory)
    return _picked(call, done)


def _one(memory: ShopMemory, kind: str, row: Mapping[str, Any], write: Write) -> Json:
    _die_if_told_to(memory)
    memory.item_limit = None if memory.item_limit is None else memory.item_limit - 1
    try:
        return write(row)
    except PhpFatal:
        raise
    except ShopError as refusal:
        if refusal.status == 501:
            raise
        return {"id": 0 if kind == "create" else row.get("id"), "error": refusal.value}


def _die_if_told_to(memory: ShopMemory) -> None:
    if memory.item_limit == 0:
        raise PhpFatal


def _picked(call: Call, done: Mapping[str, list[Json]]) -> Result:
    """`_fields` reaches the kinds alone; a field of the items empties their list."""
    wanted = read_list("_fields", call.fields)
    if not wanted:
        return Result(value=done or [])
    whole = {kind: rows for kind, rows in done.items() if kind in wanted}
    below: dict[str, list[Json]] = {
        kind: [] for kind in done if any(path.startswith(f"{kind}.") for path in wanted)
    }
    return Result(value=(below | whole) or [], picked=True)
