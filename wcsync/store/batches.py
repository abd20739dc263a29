"""Long lists in pieces that a shop and the servers before it take. Pure."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

LONGEST_SKUS = 4000
"""Letters of one list of SKUs in an address: a hundred of 37 letters. Most servers take addresses of 8,000."""
SHORT_SKUS = 1500
"""The same where a server says that this was too long; some take no address beyond 2,000."""

T = TypeVar("T")


def batched(many: Collection[T], size: int) -> Iterator[tuple[T, ...]]:
    rest = iter(many)
    while batch := tuple(islice(rest, size)):
        yield batch


def sku_batches(skus: Collection[str], most: int, longest: int) -> Iterator[list[str]]:
    """A SKU that holds a comma is found only alone: the shop takes the list as a whole for a SKU, too."""
    batch, length = list[str](), 0
    for sku in skus:
        if "," in sku:
            yield [sku]
            continue
        if batch and (len(batch) == most or length + len(quote(sku)) > longest):
            yield batch
            batch, length = [], 0
        batch.append(sku)
        length += len(quote(sku)) + 3
    if batch:
        yield batch


def length_of(skus: Collection[str]) -> int:
    """Letters that they take in an address."""
    return sum(len(quote(sku)) + 3 for sku in skus)
