"""WooCommerce's JSON of products and our values, as `wcsync.store.wire` is for orders.

https://woocommerce.github.io/woocommerce-rest-api-docs/#products
"""

import html
import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from wcsync.errors import MalformedReply
from wcsync.model import Product, ProductId, UnreadableProduct
from wcsync.store.jsontext import json_part
from wcsync.store.wire.answers import parse_refusal

Row = Product | UnreadableProduct

_FIELDS = "id,parent_id,sku,name,type,status,price,virtual,categories,variations"
_VARIATION_FIELDS = "id,parent_id,sku,name,type,status,price,virtual,attributes"
_PLACE = re.compile(r"at `\$\.?(?P<path>[^`]*)`$")
_TAG = re.compile(r"<[^<>]*>")
_LARGEST_INT = 2**63 - 1  # what SQLite can keep

T = TypeVar("T")
Scalar = int | float | str | bool | None


def render_window(offset: int, page_size: int) -> dict[str, str]:
    """One window of a list, by the only order that has no ties. The shop gives 10 rows unless it is told."""
    return {"orderby": "id", "order": "asc", "offset": str(offset), "per_page": str(page_size)}


def render_fields() -> dict[str, str]:
    return {"_fields": _FIELDS}


def render_variation_fields() -> dict[str, str]:
    return {"_fields": _VARIATION_FIELDS}


def render_ids(ids: Iterable[ProductId]) -> dict[str, str]:
    """Finds neither variations nor what is in the trash."""
    return {"include": ",".join(map(str, ids))}


def render_skus(skus: Iterable[str], *, trash: bool) -> dict[str, str]:
    """Finds variations too. No blank after the comma: it would belong to the SKU."""
    return {"sku": ",".join(skus)} | ({"status": "trash"} if trash else {})


def parse_products(content: bytes) -> list[Row]:
    """The products of one page, as they stand in it. Raises MalformedReply if the answer is no list at all."""
    try:
        rows = msgspec.json.decode(json_part(content), type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise MalformedReply("answer", "JSON, but not a list") from None
    return [_product_or_not(bytes(row)) for row in rows]


def parse_product(content: bytes) -> Row:
    """One product. Raises MalformedReply if the answer is no JSON object."""
    part = json_part(content)
    if not part.startswith(b"{") or parse_refusal(part) is not None:
        raise MalformedReply("answer", "JSON, but not a product")
    return _product_or_not(part)


def says_no_such_product(content: bytes) -> bool:
    refusal = parse_refusal(content)
    return refusal is not None and refusal.code == "woocommerce_rest_product_invalid_id"


class _Named(msgspec.Struct):
    name: Scalar = None


class _Attribute(msgspec.Struct):
    option: Scalar = None


class _Product(msgspec.Struct):
    """PHP writes an empty text as false or null, and a list with a gap as an object."""

    id: int
    parent_id: int | bool | None = None
    sku: Scalar = None
    name: Scalar = None
    type: Scalar = None
    status: Scalar = None
    price: Scalar = None
    virtual: bool | None = None
    categories: list[_Named] | dict[str, _Named] | None = None
    variations: list[int] | dict[str, int] | None = None
    attributes: list[_Attribute] | dict[str, _Attribute] | None = None


class _Id(msgspec.Struct):
    id: int


_PRODUCT = msgspec.json.Decoder(_Product, strict=False)
_ID = msgspec.json.Decoder(_Id, strict=False)


def _product_or_not(raw: bytes) -> Row:
    try:
        return _product(_PRODUCT.decode(raw))
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


def _id_at_least(raw: bytes) -> ProductId | None:
    try:
        return _product_id(_ID.decode(raw).id, "id")
    except (MalformedReply, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _product(told: _Product) -> Product:
    options = [_plain(attribute.option) for attribute in _members(told.attributes)]
    return Product(
        product_id=_product_id(told.id, "id"),
        parent_id=_product_id(int(told.parent_id), "parent_id") if told.parent_id else ProductId(0),
        sku=html.unescape(_text(told.sku)).strip(),
        name=_plain(told.name) or ", ".join(filter(None, options)),
        kind=_text(told.type) or "simple",
        status=_text(told.status) or "publish",
        price=_text(told.price),
        virtual=bool(told.virtual),
        categories=tuple(filter(None, (_plain(category.name) for category in _members(told.categories)))),
        variation_ids=tuple(_product_id(one, "variations") for one in _members(told.variations)),
    )


def _members(many: list[T] | dict[str, T] | None) -> list[T]:
    return list(many.values()) if isinstance(many, dict) else many or []


def _product_id(number: int, where: str) -> ProductId:
    if not 0 < number <= _LARGEST_INT:
        raise MalformedReply(where, "no id of a product")
    return ProductId(number)


def _text(value: Scalar) -> str:
    return "" if value is None or isinstance(value, bool) else str(value)


def _plain(value: Scalar) -> str:
    """A name as people read it: names hold entities always and tags sometimes."""
    return " ".join(html.unescape(_TAG.sub("", _text(value))).split())
