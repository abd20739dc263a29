"""Products exactly as WooCommerce stores them: its JSON, asked for with `context=edit`, and our values.

Nothing is undone or mended in a text here: what is compared must be what is stored. (Asked for without that context,
a description comes with paragraphs made of its line ends; that of a variation does so in every context, in the answer
to a write too.)
https://woocommerce.github.io/woocommerce-rest-api-docs/#products
"""

import hashlib
import html
import json
from dataclasses import replace
from typing import Any

import msgspec

from wcsync.course import NO_PARENT, Attribute, Image, StoredProduct, Term
from wcsync.model import ProductId, UnreadableProduct
from wcsync.store.wire import rows
from wcsync.store.wire.rows import Scalar, members, plain, product_id, text

StoredRow = StoredProduct | UnreadableProduct

VARIATION = "variation"

_SHARED = "id,parent_id,status,sku,description,meta_data,virtual,manage_stock,date_modified_gmt"
_PRICES = "regular_price,sale_price"
_FIELDS = (
    f"{_SHARED},{_PRICES},type,name,short_description,attributes,tags,categories,images,catalog_visibility"
)
_VARIATION_FIELDS = f"{_SHARED},{_PRICES},image"


def render_fields() -> dict[str, str]:
    return {"context": "edit", "_fields": _FIELDS}


def render_variation_fields() -> dict[str, str]:
    return {"context": "edit", "_fields": _VARIATION_FIELDS}


def render_reply_fields(parent_id: ProductId = NO_PARENT) -> dict[str, str]:
    """What the answer to a write is to hold. It is the stored text, whatever the context."""
    return {"_fields": _VARIATION_FIELDS if parent_id else _FIELDS}


def parse_many(content: bytes) -> list[StoredRow]:
    """The products of one page, as they stand in it. Raises MalformedReply if the answer is no list at all."""
    return rows.parse_list(content, read_product)


def parse_one(content: bytes) -> StoredRow:
    """One product. Raises MalformedReply if the answer is no JSON object."""
    return rows.parse_alone(content, read_product)


def parse_family(content: bytes, parent_id: ProductId) -> list[StoredRow]:
    """Variations from their parent's list, which does not say whose they are."""
    return rows.parse_list(content, lambda raw: read_product(raw, parent_id))


def read_product(raw: bytes, parent_id: ProductId = NO_PARENT) -> StoredProduct:
    """One object of JSON; a variation if `parent_id` is given, or if it says so. Raises as msgspec does."""
    told = _STORED.decode(raw)
    if told.parent_id and VARIATION in text(told.type):  # others with a parent are leftovers of old shops
        parent_id = product_id(int(told.parent_id), "parent_id")
    kind = VARIATION if parent_id else text(told.type) or "simple"
    shared = StoredProduct(
        product_id=product_id(told.id, "id"),
        parent_id=parent_id,
        kind=kind,
        status=text(told.status) or "publish",
        sku=html.unescape(text(told.sku)).strip(),
        description=text(told.description),
        images=_images([told.image] if isinstance(told.image, _Image) else members(told.images)),
        meta=_meta(members(told.meta_data)),
        guarded=_guarded(told, kind),
        modified_gmt=text(told.date_modified_gmt),
    )
    return shared if parent_id else _with_own_parts(shared, told)


class _Term(msgspec.Struct):
    id: int
    name: Scalar = None


class _Attribute(msgspec.Struct):
    id: int = 0
    name: Scalar = None
    position: int = 0
    visible: bool = False
    variation: bool = False
    options: list[Scalar] | dict[str, Scalar] | None = None


class _Image(msgspec.Struct):
    id: int = 0
    src: Scalar = None
    name: Scalar = None
    alt: Scalar = None


class _Meta(msgspec.Struct):
    key: Scalar = None
    value: Any = None


class _Stored(msgspec.Struct):
    id: int
    parent_id: int | bool | None = None
    type: Scalar = None
    status: Scalar = None
    sku: Scalar = None
    name: Scalar = None
    description: Scalar = None
    short_description: Scalar = None
    attributes: list[_Attribute] | dict[str, _Attribute] | None = None
    tags: list[_Term] | dict[str, _Term] | None = None
    categories: list[_Term] | dict[str, _Term] | None = None
    images: list[_Image] | dict[str, _Image] | None = None
    image: _Image | list[Any] | bool | None = None
    meta_data: list[_Meta] | dict[str, _Meta] | None = None
    regular_price: Scalar = None
    sale_price: Scalar = None
    catalog_visibility: Scalar = None
    virtual: Scalar = None
    manage_stock: Scalar = None
    date_modified_gmt: Scalar = None


_STORED = msgspec.json.Decoder(_Stored, strict=False)


def _with_own_parts(shared: StoredProduct, told: _Stored) -> StoredProduct:
    """All that a variation has from its parent alone."""
    return replace(
        shared,
        name=text(told.name),
        short_description=text(told.short_description),
        attributes=tuple(map(_attribute, members(told.attributes))),
        tags=_terms(told.tags),
        categories=_terms(told.categories),
    )


def _attribute(told: _Attribute) -> Attribute:
    return Attribute(
        name=text(told.name),
        options=tuple(map(text, members(told.options))),
        attribute_id=told.id,
        position=told.position,
        visible=told.visible,
        variation=told.variation,
    )


def _terms(told: list[_Term] | dict[str, _Term] | None) -> tuple[Term, ...]:
    return tuple(Term(term_id=term.id, name=plain(term.name)) for term in members(told))


def _images(told: list[_Image]) -> tuple[Image, ...]:
    """A placeholder has no id."""
    return tuple(
        Image(image_id=image.id, src=text(image.src), name=text(image.name), alt=text(image.alt))
        for image in told
        if image.id
    )


def _meta(told: list[_Meta]) -> dict[str, str]:
    """Of several values of one key the shop shows and changes the first."""
    found = dict[str, str]()
    for one in told:
        if isinstance(one.value, str | int | float) and text(one.key):
            found.setdefault(text(one.key), _as_php_writes(one.value))
    return found


def _as_php_writes(value: str | float) -> str:
    """A value that is no text yet will be one when it is read next."""
    return str(int(value)) if value is True else "" if value is False else str(value)


def _guarded(told: _Stored, kind: str) -> str:
    """Stock is left out but for whether it is managed: every sale changes it."""
    watched = [
        told.status,
        kind,
        told.sku,
        told.regular_price,
        told.sale_price,
        told.catalog_visibility,
        told.virtual,
        told.manage_stock,
    ]
    return hashlib.sha256(json.dumps(watched).encode()).hexdigest()[:16]
