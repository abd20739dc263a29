"""WooCommerce's products behind the `Showcase` protocol: read as they are stored, and changed by patches."""

from collections.abc import Collection, Iterator, Sequence

from wcsync import outages
from wcsync.course import Patch, ProductDraft, Pushed, SkuTaken, StoredProduct, Term, TermKind
from wcsync.errors import PermanentError, TransientError
from wcsync.http import Reply
from wcsync.model import ProductId, UnreadableProduct
from wcsync.store.base import BATCH_LIMIT, BatchFailed
from wcsync.store.products import Form, Products
from wcsync.store.refusal import why_not_written
from wcsync.store.talk import Talk
from wcsync.store.wire import patches as wire
from wcsync.store.wire import pushed, stored, terms
from wcsync.store.wire.answers import Refusal, parse_refusal

ITEM_REFUSED = frozenset({400, 404})
"""Statuses that may be about one product alone."""

STORED: Form[StoredProduct] = Form(
    fields=stored.render_fields(),
    variation_fields=stored.render_variation_fields(),
    parse_many=stored.parse_many,
    parse_one=stored.parse_one,
    has_variations=lambda product: "variable" in product.kind,  # plugins' own kinds, too
    parse_family=lambda content, parent_id, _: stored.parse_family(content, parent_id),
    from_family=True,
)
"""Products as the mirror compares them."""


class WooShowcase:
    """Fulfils `Showcase`. Thread-safe."""

    def __init__(self, talk: Talk, page_size: int) -> None:
        self._talk = talk
        self._products = Products(talk, STORED, page_size)

    def fetch_stored(
        self, *, ids: Collection[ProductId] = (), skus: Collection[str] = ()
    ) -> list[StoredProduct | UnreadableProduct]:
        """The products and variations that have one of the ids or SKUs, in the trash or not, each once.

        Raises: TransientError, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-products
        """
        return self._products.fetch(ids, skus)

    def fetch_stored_catalogue(self) -> Iterator[StoredProduct | UnreadableProduct]:
        """Yields every product outside the trash in order of id, each followed by its variations.

        Raises: TransientError, ServiceBlocked.
        """
        return self._products.walk()

    def push_patches(self, patches: Sequence[Patch]) -> list[Pushed]:
        """Writes up to a hundred patches, of products or of one product's variations, in one call.

        Those that cannot be sent are answered without being sent. Safe to repeat.
        Raises: TransientError, BatchFailed, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products
        """
        assert len(patches) <= BATCH_LIMIT, len(patches)
        assert len({patch.product_id for patch in patches}) == len(patches), patches
        assert len({patch.parent_id for patch in patches}) <= 1, patches
        assert all(image.image_id for patch in patches for image in patch.images or ()), patches
        kept = {patch.product_id: _kept_back(patch) for patch in patches}
        sendable = [patch for patch in patches if kept[patch.product_id] is None]
        answers = iter(self._push(sendable) if sendable else [])
        return [kept[patch.product_id] or next(answers) for patch in patches]

    def push_patch(self, patch: Patch) -> Pushed:
        """Writes one patch by its product's own endpoint. The shop fetches an image without id each time.

        Raises: TransientError, BatchFailed, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#update-a-product
        """
        kept_back = _kept_back(patch)
        if kept_back is not None:
            return kept_back
        place = f"{_place(patch)}/{patch.product_id}"
        query = stored.render_reply_fields(patch.parent_id)
        reply = self._talk.api.change(place, wire.render_patch(patch), query, answered={500})
        _check_crash(reply)
        refusal = parse_refusal(reply.content) if reply.status in ITEM_REFUSED else None
        if refusal is not None and not refusal.code.startswith("rest_no_route"):
            return _outcome(patch, refusal)
        self._talk.check_write(reply)
        written = self._talk.surely(lambda content: pushed.parse_written(content, patch.parent_id), reply)
        if written.product_id != patch.product_id:
            raise _mixed_up(f"was told to change product {patch.product_id} and answered with another")
        return _outcome(patch, written)

    def ensure_term(self, kind: TermKind, name: str) -> Term:
        """The tag or category of that name, which is made if there is none. Safe to repeat, and beside others.

        The shop allows two categories of one name under different parents, so these are looked for first.
        Raises: TransientError, PermanentError, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#create-a-product-tag
        """
        name = " ".join(name.split())
        if why := wire.why_no_term(name):
            raise PermanentError(f"shop: cannot have {name[:40]!a} among its {kind}: {why}")
        known = self._find_category(name) if kind is TermKind.CATEGORIES else None
        return known or self._make_term(kind, name)

    def push_draft(self, draft: ProductDraft) -> StoredProduct | SkuTaken:
        """Makes a draft of a product, unless another has its SKU.

        Raises: TransientError, PermanentError, ServiceBlocked.
        https://woocommerce.github.io/woocommerce-rest-api-docs/#create-a-product
        """
        if why := wire.why_draft_unsendable(draft):
            raise PermanentError(f"shop: the product {draft.sku[:40]!a} was not made: {why}")
        reply = self._talk.api.tell("products", wire.render_draft(draft), stored.render_reply_fields())
        refusal = parse_refusal(reply.content) if reply.status == 400 else None
        if refusal is not None and pushed.says_sku_taken(reply.content):
            return SkuTaken(product_id=pushed.parse_sku_owner(reply.content))
        if refusal is not None:
            raise PermanentError(f"shop: the product {draft.sku!a} was not made: {why_not_written(refusal)}")
        self._talk.check_write(reply)
        return self._talk.surely(pushed.parse_written, reply)

    def _push(self, patches: Sequence[Patch]) -> list[Pushed]:
        parent_id = patches[0].parent_id
        place = f"{_place(patches[0])}/batch"
        reply = self._talk.api.tell(place, wire.render_batch(patches), answered={500})
        _check_crash(reply)
        self._talk.check_write(reply)
        ids = [patch.product_id for patch in patches]
        results = self._talk.surely(lambda content: pushed.parse_batch(content, ids, parent_id), reply)
        return [_outcome(patch, result) for patch, result in zip(patches, results, strict=True)]

    def _find_category(self, name: str) -> Term | None:
        reply = self._talk.ask(f"products/{TermKind.CATEGORIES}", terms.render_search(name))
        self._talk.check(reply)
        found = self._talk.understood(terms.parse_terms, reply)
        return next((term for term in found if term.name.casefold() == name.casefold()), None)

    def _make_term(self, kind: TermKind, name: str) -> Term:
        reply = self._talk.api.tell(f"products/{kind}", terms.render_new_term(name))
        if reply.status == 400 and (term_id := terms.parse_existing(reply.content)):
            return Term(name=name, term_id=term_id)
        refusal = parse_refusal(reply.content) if reply.status == 400 else None
        if refusal is not None:
            raise PermanentError(f"shop: refuses {name!a} among its {kind} ({refusal.code})")
        self._talk.check_write(reply)
        return Term(name=name, term_id=self._talk.surely(terms.parse_new_term, reply))


def _place(patch: Patch) -> str:
    return f"products/{patch.parent_id}/variations" if patch.parent_id else "products"


def _kept_back(patch: Patch) -> Pushed | None:
    why = wire.why_unsendable(patch)
    if not why:
        return None
    return Pushed(product_id=patch.product_id, stored=None, code=wire.UNSENDABLE, problem=why)


def _outcome(patch: Patch, result: StoredProduct | Refusal) -> Pushed:
    if isinstance(result, StoredProduct):
        return Pushed(product_id=patch.product_id, stored=result)
    problem = why_not_written(result)
    return Pushed(product_id=patch.product_id, stored=None, code=result.code, problem=problem)


def _check_crash(reply: Reply) -> None:
    """A crash in WordPress says so in JSON: it is over, and what came before it in a batch was done.

    An error page in its place may come from a server that gave up on a PHP which is still at work.
    """
    if reply.status == 413:
        raise BatchFailed("shop: does not take so much in one call (413)")
    if reply.status == 500 and parse_refusal(reply.content) is not None:
        raise BatchFailed(
            "shop: broke down over what it was to write (500); PHP's error log names the plugin"
        )
    if reply.status >= 500:
        finding = outages.in_trouble(reply.status)
        raise TransientError(f"shop: {finding}", answer_lost=True, finding=finding)


def _mixed_up(what: str) -> TransientError:
    return TransientError(f"shop: {what}", answer_lost=True)
