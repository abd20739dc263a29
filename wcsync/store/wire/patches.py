"""What is written to WooCommerce's products: our values as its JSON, each looked at before it is sent.

Nothing else looks at it: `products/batch` takes a status it does not know for a draft, and dies half-way over a value
of another kind. So a request is made of the few fields named here, whatever its patch may hold.
https://woocommerce.github.io/woocommerce-rest-api-docs/#update-a-product
"""

from collections.abc import Iterator, Mapping, Sequence

from wcsync.course import NO_PARENT, Attribute, Image, Patch, ProductDraft, Term
from wcsync.mappers.courses.metakeys import LONGEST_KEY, is_protected
from wcsync.mappers.selectors import LONGEST_SKU

UNSENDABLE = "unsendable"
"""The code of a patch that was refused here and never sent."""

LONGEST_TERM = 200
_LONGEST_B = {"name": 65_535, "short_description": 65_535, "description": 2_000_000}
"""What the columns take, in bytes; of a description what was tried."""

_OF_PRODUCTS = frozenset({
    "name", "description", "short_description", "attributes", "tags", "categories", "images", "meta_data",
})  # fmt: skip
_OF_VARIATIONS = frozenset({"description", "image", "meta_data"})
_OF_DRAFTS = _OF_PRODUCTS | {"sku", "type", "status", "catalog_visibility", "virtual"}

Body = dict[str, object]


def render_patch(patch: Patch) -> Body:
    """The body of a change of one product or variation. It is sendable: `why_unsendable` was asked."""
    body = _texts(patch)
    if patch.attributes is not None:
        body["attributes"] = list(map(_attribute, patch.attributes))
    if patch.tags is not None:
        body["tags"] = list(map(_term, patch.tags))
    if patch.categories is not None:
        body["categories"] = list(map(_term, patch.categories))
    if patch.images is not None:
        images = list(map(_image, patch.images))
        body |= {"image": images[0]} if patch.parent_id else {"images": images}
    if patch.meta:
        body["meta_data"] = _meta(patch.meta)
    assert body.keys() <= (_OF_VARIATIONS if patch.parent_id else _OF_PRODUCTS), patch
    return body


def render_batch(patches: Sequence[Patch]) -> Body:
    return {"update": [{"id": int(patch.product_id)} | render_patch(patch) for patch in patches]}


def render_draft(draft: ProductDraft) -> Body:
    """A product nobody can see or buy until a person publishes it."""
    body = {
        "name": draft.name,
        "type": "simple",
        "status": "draft",
        "catalog_visibility": "hidden",
        "virtual": True,
        "sku": draft.sku,
        "description": draft.description,
        "short_description": draft.short_description,
        "attributes": list(map(_attribute, draft.attributes)),
        "meta_data": _meta(draft.meta),
    }
    assert body.keys() <= _OF_DRAFTS, draft
    return body


def why_unsendable(patch: Patch) -> str:
    """What speaks against sending a patch, '' if nothing. For what the courses' texts may bring about; what only a
    mistake of ours could, is asserted."""
    assert patch.product_id > 0, patch
    texts = {field: value for field in _LONGEST_B if isinstance(value := getattr(patch, field), str)}
    _assert_sound(patch)
    return next((why for why in (*_bad_texts(texts), *_bad_lists(patch), *_bad_meta(patch.meta)) if why), "")


def why_draft_unsendable(draft: ProductDraft) -> str:
    """As above, of a product to be made."""
    if not draft.sku.strip() or not draft.name.strip():
        return "a product needs a name and a SKU"
    if len(draft.sku) > LONGEST_SKU or _is_damaged(draft.sku):
        return f"its SKU is longer than {LONGEST_SKU} letters, or damaged"
    texts = {field: value for field in _LONGEST_B if (value := getattr(draft, field))}
    whys = (*_bad_texts(texts), *map(_bad_attribute, draft.attributes), *_bad_meta(draft.meta))
    return next((why for why in whys if why), "")


def why_no_term(name: str) -> str:
    """What speaks against a name of a tag or category, '' if nothing."""
    if not name.strip():
        return "it is empty"
    if len(name) > LONGEST_TERM:
        return f"it is longer than {LONGEST_TERM} letters"
    return "it holds damaged letters" if _is_damaged(name) else ""


def _assert_sound(patch: Patch) -> None:
    assert patch != Patch(product_id=patch.product_id, parent_id=patch.parent_id), patch
    for image in patch.images or ():
        assert image.image_id > 0 or image.src.startswith(("http://", "https://")), image
    for term in (*(patch.tags or ()), *(patch.categories or ())):
        assert term.term_id > 0, term
    if patch.parent_id != NO_PARENT:
        own = (patch.name, patch.short_description, patch.attributes, patch.tags, patch.categories)
        assert own == (None,) * len(own), patch
        assert patch.images is None or len(patch.images) == 1, patch


def _bad_texts(texts: Mapping[str, str]) -> Iterator[str]:
    for field, text in texts.items():
        assert isinstance(text, str), (field, text)
        if not text.strip():
            yield f"its new {field} is empty, and nothing is ever emptied"
        elif _is_damaged(text):
            yield f"its new {field} holds damaged letters"
        elif len(text.encode()) > _LONGEST_B[field]:
            yield f"its new {field} is longer than {_LONGEST_B[field]} bytes, more than a shop keeps"


def _bad_lists(patch: Patch) -> Iterator[str]:
    if patch.images is not None and not patch.images:
        yield "it would have no image any more, and nothing is ever emptied"
    yield from map(_bad_attribute, patch.attributes or ())
    for image in patch.images or ():
        if _is_damaged(image.src + image.name + image.alt):
            yield "an image's name or address holds damaged letters"


def _bad_attribute(attribute: Attribute) -> str:
    assert isinstance(attribute.options, tuple), attribute
    if not attribute.name.strip() and not attribute.attribute_id:
        return "an attribute has no name"
    damaged = any(map(_is_damaged, (attribute.name, *attribute.options)))
    return f"the attribute {attribute.name!a} holds damaged letters" if damaged else ""


def _bad_meta(meta: Mapping[str, str | None]) -> Iterator[str]:
    for key, value in meta.items():
        assert value is None or isinstance(value, str), (key, value)
        if not 0 < len(key) <= LONGEST_KEY or key != key.strip() or _is_damaged(key):
            yield f"the meta key {key[:40]!a} is empty, too long or damaged"
        elif is_protected(key):
            yield f"the meta key {key} belongs to the shop: to write it could change price, stock or SKU"
        elif value is not None and (_is_damaged(value) or len(value.encode()) > _LONGEST_B["description"]):
            yield f"the value of the meta key {key} is too long or holds damaged letters"


def _is_damaged(text: str) -> bool:
    """Half of a letter makes a whole batch unreadable to PHP; a NUL ends up nowhere."""
    return "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def _texts(patch: Patch) -> Body:
    texts = {field: getattr(patch, field) for field in _LONGEST_B}
    return {field: text for field, text in texts.items() if text is not None}


def _attribute(attribute: Attribute) -> Body:
    """A shop's own attributes are named by their number, a product's by their name."""
    who: Body = {"id": attribute.attribute_id} if attribute.attribute_id else {"name": attribute.name}
    return who | {
        "position": attribute.position,
        "visible": attribute.visible,
        "variation": attribute.variation,
        "options": list(attribute.options),
    }


def _term(term: Term) -> Body:
    """By number alone: a name would make a new one."""
    return {"id": term.term_id}


def _image(image: Image) -> Body:
    """One that the shop has is named by its number alone: with an address it could be fetched again."""
    if image.image_id:
        return {"id": image.image_id}
    return {"src": image.src, "name": image.name, "alt": image.alt}


def _meta(meta: Mapping[str, str | None]) -> list[Body]:
    return [{"key": key, "value": value} for key, value in meta.items()]
