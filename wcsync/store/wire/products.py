"""WooCommerce's JSON of products and our values, as `wcsync.store.wire` is for orders.

https://woocommerce.github.io/woocommerce-rest-api-docs/#products
"""

import html
from collections.abc import Iterable

import msgspec

from wcsync.model import Product, ProductId, UnreadableProduct
from wcsync.store.wire import rows
from wcsync.store.wire.answers import parse_refusal
from wcsync.store.wire.rows import Scalar, members, plain, product_id, text

Row = Product | UnreadableProduct

_FIELDS = "id,parent_id,sku,name,type,status,price,virtual,categories,variations"
_VARIATION_FIELDS = "id,parent_id,sku,name,type,status,price,virtual,attributes"


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
    return rows.parse_list(content, _product)


def parse_product(content: bytes) -> Row:
    """One product. Raises MalformedReply if the answer is no JSON object."""
    return rows.parse_alone(content, _product)


def says_no_such_product(content: bytes) -> bool:
    refusal = parse_refusal(content)
    return refusal is not None and refusal.code == "woocommerce_rest_product_invalid_id"


class _Named(msgspec.Struct):
    name: Scalar = None


class _Attribute(msgspec.Struct):
    option: Scalar = None


class _Product(msgspec.Struct):
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


_PRODUCT = msgspec.json.Decoder(_Product, strict=False)


def _product(raw: bytes) -> Product:
    told = _PRODUCT.decode(raw)
    options = [plain(attribute.option) for attribute in members(told.attributes)]
    return Product(
        product_id=product_id(told.id, "id"),
        parent_id=product_id(int(told.parent_id), "parent_id") if told.parent_id else ProductId(0),
        sku=html.unescape(text(told.sku)).strip(),
        name=plain(told.name) or ", ".join(filter(None, options)),
        kind=text(told.type) or "simple",
        status=text(told.status) or "publish",
        price=text(told.price),
        virtual=bool(told.virtual),
        categories=tuple(filter(None, (plain(category.name) for category in members(told.categories)))),
        variation_ids=tuple(product_id(one, "variations") for one in members(told.variations)),
    )
