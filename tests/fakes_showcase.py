"""A shop's products as plain objects, stored as WooCommerce stores them: for tests of what mirrors courses into it."""

import html
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from wcsync.course import (
    Attribute,
    Image,
    Patch,
    ProductDraft,
    Pushed,
    SkuTaken,
    StoredProduct,
    Term,
    TermKind,
)
from wcsync.errors import PermanentError, TransientError
from wcsync.model import ProductId, UnreadableProduct
from wcsync.pulse import beat
from wcsync.sandbox.shop_text import paragraphs, typographic
from wcsync.store.base import BATCH_LIMIT
from wcsync.store.wire.patches import UNSENDABLE, why_draft_unsendable, why_no_term, why_unsendable

UNCATEGORIZED = Term(name="Uncategorized", term_id=15)

_UNKNOWN_PRODUCT = "woocommerce_rest_product_invalid_id"
_UNKNOWN_IMAGE = "woocommerce_product_invalid_image_id"
_NO_UPLOAD = "woocommerce_product_image_upload_error"

_LESS_THAN = re.compile(r"<[^>]*?(?:(?=<)|>|$)")
_BARE_AMPERSAND = re.compile(r"&(?!(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);)")


def as_stored(text: str) -> str:
    """HTML as WooCommerce keeps it: backslashes eaten, `&` and what is no tag escaped. (Which tags it drops is not
    shown here: none that we send.)"""
    return _escaped_where_bare(text.replace("\\", ""))


def as_shown(text: str) -> str:
    """The description of a variation, which WooCommerce shows with paragraphs and typographic quotes even when asked
    for what is stored; no backslash of it is eaten."""
    return paragraphs(typographic(_escaped_where_bare(text)))


def _escaped_where_bare(text: str) -> str:
    text = _LESS_THAN.sub(lambda found: _escaped(found[0]) if ">" not in found[0] else found[0], text)
    return _BARE_AMPERSAND.sub("&amp;", text)


def _escaped(text: str) -> str:
    return html.escape(html.unescape(text)).replace("&#x27;", "&#039;")


class _RefusedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class FakeShowcase:
    """A `Showcase` in memory that obeys the rules of `wcsync.store.base`, and nothing else.

    `before_push` and `after_push` are called with the patches of every write, `before_item` with each patch of it;
    what they raise is what the caller sees: before anything, after all, or after the items before this one were
    applied. While `acts_late`, a write is held back in `late` and its answer is lost; `catch_up` lets it take effect.
    `reads` and `writes` count calls to the shop, `uploads` images fetched; `pushed` holds every patch that arrived.
    `unreachable` are addresses of images the shop cannot fetch, `refused` products with the code of their refusal.
    """

    products: dict[ProductId, StoredProduct] = field(default_factory=dict)
    terms: dict[int, tuple[TermKind, str]] = field(default_factory=dict)
    media: dict[int, Image] = field(default_factory=dict)
    unreadable: dict[ProductId, str] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    refused: dict[ProductId, str] = field(default_factory=dict)
    before_read: Callable[[], None] = lambda: None
    before_push: Callable[[Sequence[Patch]], None] = lambda _patches: None
    before_item: Callable[[Patch], None] = lambda _patch: None
    after_push: Callable[[Sequence[Patch]], None] = lambda _patches: None
    before_draft: Callable[[ProductDraft], None] = lambda _draft: None
    after_draft: Callable[[ProductDraft], None] = lambda _draft: None
    acts_late: bool = False
    late: list[Sequence[Patch]] = field(default_factory=list)
    pushed: list[Patch] = field(default_factory=list)
    reads: int = 0
    writes: int = 0
    uploads: int = 0
    _ticks: Iterator[int] = field(default_factory=lambda: count(1))

    # what people and plugins do to the shop

    def add(self, product_id: int, **values: Any) -> StoredProduct:
        """A product as a person made it; `values` are those of `StoredProduct`, stored as they are."""
        self.products[ProductId(product_id)] = StoredProduct(product_id=ProductId(product_id))
        return self.edit(product_id, **values)

    def add_choice(self, product_id: int, parent_id: int, **values: Any) -> StoredProduct:
        """A variation, which makes its parent a variable product."""
        self.edit(parent_id, kind="variable")
        return self.add(product_id, parent_id=ProductId(parent_id), kind="variation", **values)

    def edit(self, product_id: int, **values: Any) -> StoredProduct:
        """What a person or plugin changes; `guarded` follows kind, status and SKU unless it is given."""
        return self._keep(replace(self.products[ProductId(product_id)], **values), values.get("guarded"))

    def delete(self, product_id: int) -> None:
        for one in [one for one in self.products.values() if product_id in {one.product_id, one.parent_id}]:
            del self.products[one.product_id]

    def catch_up(self) -> None:
        """What was held back takes effect, in the order in which it was sent."""
        while self.late:
            for patch in self.late.pop(0):
                self._apply(patch)

    # the Showcase

    def fetch_stored(
        self, *, ids: Collection[ProductId] = (), skus: Collection[str] = ()
    ) -> list[StoredProduct | UnreadableProduct]:
        wanted = {sku.strip().casefold() for sku in skus if sku.strip()}
        asked = dict.fromkeys(ids)
        self._count_reads(asked, wanted)
        found = [
            one
            for one in self.products.values()
            if one.product_id in asked or (one.sku and one.sku.strip().casefold() in wanted)
        ]
        return [self._readable(one) for one in found]

    def fetch_stored_catalogue(self) -> Iterator[StoredProduct | UnreadableProduct]:
        there = [one for one in self.products.values() if one.status != "trash"]
        parents = sorted((one for one in there if not one.parent_id), key=lambda one: one.product_id)
        for place, parent in enumerate(parents):
            if place % BATCH_LIMIT == 0:
                self._count_read()
            yield self._readable(parent)
            choices = [one for one in there if one.parent_id == parent.product_id]
            if choices:
                self._count_read()
            yield from map(self._readable, sorted(choices, key=lambda one: one.product_id))

    def push_patches(self, patches: Sequence[Patch]) -> list[Pushed]:
        assert len(patches) <= BATCH_LIMIT, len(patches)
        assert len({patch.product_id for patch in patches}) == len(patches), patches
        assert len({patch.parent_id for patch in patches}) <= 1, patches
        for patch in patches:
            assert all(image.image_id for image in patch.images or ()), patch
        kept_back = {patch.product_id: _kept_back(patch) for patch in patches}
        sent = [patch for patch in patches if kept_back[patch.product_id] is None]
        answers = iter(self._push(sent) if sent else [])
        return [kept_back[patch.product_id] or next(answers) for patch in patches]

    def push_patch(self, patch: Patch) -> Pushed:
        kept_back = _kept_back(patch)
        return kept_back or self._push([patch])[0]

    def ensure_term(self, kind: TermKind, name: str) -> Term:
        plain = " ".join(name.split())
        if why := why_no_term(plain):
            raise PermanentError(f"shop: cannot have {name[:40]!a} among its {kind}: {why}")
        self.writes += 1
        for term_id, (its_kind, its_name) in self.terms.items():
            if its_kind is kind and its_name.casefold() == plain.casefold():
                return Term(name=its_name, term_id=term_id)
        term_id = max(self.terms, default=20) + 1
        self.terms[term_id] = (kind, plain)
        return Term(name=plain, term_id=term_id)

    def push_draft(self, draft: ProductDraft) -> StoredProduct | SkuTaken:
        if why := why_draft_unsendable(draft):
            raise PermanentError(f"shop: the product {draft.sku[:40]!a} was not made: {why}")
        self.writes += 1
        self.before_draft(draft)
        folded = draft.sku.strip().casefold()
        same = [one for one in self.products.values() if folded and one.sku.strip().casefold() == folded]
        if same:
            return SkuTaken(product_id=None if same[0].status == "trash" else same[0].product_id)
        made = StoredProduct(
            product_id=ProductId(max(self.products, default=100) + 1),
            status="draft",
            sku=draft.sku,
            name=as_stored(draft.name),
            description=as_stored(draft.description),
            short_description=as_stored(draft.short_description),
            attributes=_stored_attributes(draft.attributes),
            categories=(UNCATEGORIZED,),
            meta=dict(draft.meta),
        )
        kept = self._keep(made)
        self.after_draft(draft)
        return kept

    # how it keeps things

    def _push(self, patches: Sequence[Patch]) -> list[Pushed]:
        self.writes += 1
        self.before_push(patches)
        self.pushed += patches
        if self.acts_late:
            self.late.append(patches)
            raise TransientError("shop: no answer in time", answer_lost=True)
        answers = list[Pushed]()
        for patch in patches:
            self.before_item(patch)
            answers.append(self._apply(patch))
        self.after_push(patches)
        return answers

    def _apply(self, patch: Patch) -> Pushed:
        try:
            return Pushed(product_id=patch.product_id, stored=self._keep(self._patched(patch)))
        except _RefusedError as exc:
            return Pushed(
                product_id=patch.product_id, stored=None, code=exc.code, problem=f"refused ({exc.code})"
            )

    def _patched(self, patch: Patch) -> StoredProduct:
        before = self.products.get(patch.product_id)
        if before is None or before.parent_id != patch.parent_id:
            raise _RefusedError(_UNKNOWN_PRODUCT)
        if patch.product_id in self.refused:
            raise _RefusedError(self.refused[patch.product_id])
        store = as_shown if patch.parent_id else as_stored
        changes: dict[str, Any] = {
            name: store(text)
            for name in ("name", "description", "short_description")
            if (text := getattr(patch, name)) is not None
        }
        if patch.attributes is not None:
            changes["attributes"] = _stored_attributes(patch.attributes)
        if patch.tags is not None:
            changes["tags"] = self._known_terms(TermKind.TAGS, patch.tags)
        if patch.categories is not None:
            changes["categories"] = self._known_terms(TermKind.CATEGORIES, patch.categories) or (
                UNCATEGORIZED,
            )
        if patch.images is not None:
            changes["images"] = self._stored_images(patch.images)
        if patch.meta:
            meta = dict(before.meta) | dict(patch.meta)
            changes["meta"] = {key: value for key, value in meta.items() if value is not None}
        return replace(before, **changes)

    def _known_terms(self, kind: TermKind, terms: Sequence[Term]) -> tuple[Term, ...]:
        known = [term.term_id for term in terms if self.terms.get(term.term_id, ("", ""))[0] is kind]
        found = [Term(name=self.terms[term_id][1], term_id=term_id) for term_id in dict.fromkeys(known)]
        return tuple(sorted(found, key=lambda term: term.name.casefold()))

    def _stored_images(self, images: Sequence[Image]) -> tuple[Image, ...]:
        """All or none: an image that cannot be had is a refusal of the whole patch."""
        for image in images:
            if image.image_id and image.image_id not in self.media:
                raise _RefusedError(_UNKNOWN_IMAGE)
            if not image.image_id and image.src in self.unreachable:
                raise _RefusedError(_NO_UPLOAD)
        return tuple(self._stored_image(image) for image in images)

    def _stored_image(self, image: Image) -> Image:
        if not image.image_id:
            self.uploads += 1
            new = max(self.media, default=5000) + 1
            self.media[new] = replace(image, image_id=new, src=f"https://shop.example.com/media/{new}.png")
            return self.media[new]
        return self.media[image.image_id]

    def _keep(self, product: StoredProduct, guarded: str | None = None) -> StoredProduct:
        for image in product.images:
            self.media.setdefault(image.image_id, image)
        for kind, terms in ((TermKind.TAGS, product.tags), (TermKind.CATEGORIES, product.categories)):
            for term in terms:
                self.terms.setdefault(term.term_id, (kind, term.name))
        minute, second = divmod(next(self._ticks), 60)
        hour, minute = divmod(minute, 60)
        kept = replace(
            product,
            guarded=guarded or f"{product.kind}|{product.status}|{product.sku}",
            modified_gmt=f"2026-11-{1 + hour // 24:02}T{hour % 24:02}:{minute:02}:{second:02}",
        )
        self.products[kept.product_id] = kept
        return kept

    def _readable(self, product: StoredProduct) -> StoredProduct | UnreadableProduct:
        if product.product_id in self.unreadable:
            reason = self.unreadable[product.product_id]
            return UnreadableProduct(product_id=product.product_id, reason=reason)
        return product

    def _count_reads(self, ids: Collection[ProductId], skus: Collection[str]) -> None:
        """As many as a shop would be asked: pages, one for each family of variations, one for what is missing."""
        found = [self.products[one] for one in ids if one in self.products]
        alone = len([one for one in ids if one not in self.products])
        alone += len([one for one in found if one.status == "trash"])
        families = len({one.parent_id for one in found if one.parent_id})
        there = {one.sku.strip().casefold() for one in self.products.values() if one.status != "trash"}
        missing = [sku for sku in skus if sku not in there]
        for _ in range(_pages(ids) + families + alone + _pages(skus) + _pages(missing)):
            self._count_read()

    def _count_read(self) -> None:
        beat()
        self.reads += 1
        self.before_read()


def _kept_back(patch: Patch) -> Pushed | None:
    """What every showcase refuses to send."""
    why = why_unsendable(patch)
    return Pushed(product_id=patch.product_id, stored=None, code=UNSENDABLE, problem=why) if why else None


def _pages(many: Collection[object]) -> int:
    return -(-len(many) // BATCH_LIMIT)


def _stored_attributes(attributes: Sequence[Attribute]) -> tuple[Attribute, ...]:
    """In the order of their positions; of one name the last, and none of the shop's own without an option. One of the
    shop's own and one of the product's may have the same name."""
    kept = dict[tuple[bool, str], Attribute]()
    for one in attributes:
        parts = [html.unescape(part).strip() for option in one.options for part in option.split("|")]
        stored = replace(one, name=one.name.strip(), options=tuple(filter(None, parts)))
        if stored.options or not stored.attribute_id:
            kept[bool(stored.attribute_id), stored.name.casefold()] = stored
    return tuple(sorted(kept.values(), key=lambda one: one.position))
