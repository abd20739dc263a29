"""What is common to all rows of products in WooCommerce's JSON: odd values, ids, and rows that cannot be read."""

import html
import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from wcsync.errors import MalformedReply
from wcsync.model import ProductId, UnreadableProduct
from wcsync.store.jsontext import json_part
from wcsync.store.wire.answers import parse_refusal

_PLACE = re.compile(r"at `\$\.?(?P<path>[^`]*)`$")
_TAG = re.compile(r"<[^<>]*>")
_LARGEST_INT = 2**63 - 1  # what SQLite can keep

T = TypeVar("T")
Scalar = int | float | str | bool | None


def parse_list(content: bytes, read: Callable[[bytes], T]) -> list[T | UnreadableProduct]:
    """The products of one page, as they stand in it. Raises MalformedReply if the answer is no list at all."""
    try:
        rows = msgspec.json.decode(json_part(content), type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise MalformedReply("answer", "JSON, but not a list") from None
    return [row_or_not(bytes(row), read) for row in rows]


def parse_alone(content: bytes, read: Callable[[bytes], T]) -> T | UnreadableProduct:
    """One product. Raises MalformedReply if the answer is no JSON object."""
    part = json_part(content)
    if not part.startswith(b"{") or parse_refusal(part) is not None:
        raise MalformedReply("answer", "JSON, but not a product")
    return row_or_not(part, read)


def row_or_not(raw: bytes, read: Callable[[bytes], T]) -> T | UnreadableProduct:
    try:
        return read(raw)
    except MalformedReply as exc:
        return UnreadableProduct(product_id=_id_at_least(raw), reason=str(exc))
    except msgspec.ValidationError as exc:
        place = _PLACE.search(str(exc))
        where = place["path"] if place and place["path"] else "id"
        return UnreadableProduct(
            product_id=_id_at_least(raw), reason=f"{where}: missing or of an unexpected kind"
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UnreadableProduct(product_id=None, reason="product: not readable")


def product_id(number: int, where: str) -> ProductId:
    if not 0 < number <= _LARGEST_INT:
        raise MalformedReply(where, "no id of a product")
    return ProductId(number)


def members(many: list[T] | dict[str, T] | None) -> list[T]:
    """PHP writes a list with a gap as an object."""
    return list(many.values()) if isinstance(many, dict) else many or []


def text(value: Scalar) -> str:
    """PHP writes an empty text as false or null."""
    return "" if value is None or isinstance(value, bool) else str(value)


def plain(value: Scalar) -> str:
    """A name as people read it: names hold entities always and tags sometimes."""
    return " ".join(html.unescape(_TAG.sub("", text(value))).split())


class _Id(msgspec.Struct):
    id: int


_ID = msgspec.json.Decoder(_Id, strict=False)


def _id_at_least(raw: bytes) -> ProductId | None:
    try:
        return product_id(_ID.decode(raw).id, "id")
    except (MalformedReply, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
