"""Which courses get a product of their own, and under which SKU. Pure."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from wcsync.course import Sellable, StoredProduct
from wcsync.mappers.courses.fields import PREFIX
from wcsync.mappers.mapping_table import Mapping as Table
from wcsync.mappers.mapping_table import Match, is_open
from wcsync.mappers.selectors import LONGEST_SKU, fits_row, line_of, line_of_sku
from wcsync.mappers.text_file import render_quoted
from wcsync.model import Line, ProductId, Target, UnreadableProduct

MADE_FROM = f"{PREFIX}made_from"
"""The meta key by which a product that was made from a course is known again, also by a ledger that is new."""

_DRAFT = "draft"
_SHOWN_OF_DIGEST = 8
_NAMELESS = "its LMS does not say what a row could call it"
_SHARED = "the row of another course would sell it as well: make its product and its row by hand"


class Action(StrEnum):
    """`MAKE`: a product is to be made; `ADOPT`: it is there already, only the row is missing; `SKIP`: nothing is done,
    and people are told why."""

    MAKE = "make"
    ADOPT = "adopt"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done about one course. `product`: the one to be adopted; `reason`: why it is skipped."""

    sellable: Sellable
    action: Action
    sku: str = ""
    product: StoredProduct | None = None
    reason: str = ""


class Begun(Protocol):
    """What is remembered of an earlier attempt: the product's number, or since when it may be under way."""

    @property
    def sku(self) -> str: ...
    @property
    def product_id(self) -> ProductId | None: ...
    @property
    def sending_since(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What the shop said of the products that were looked up. `unreadable`: ids of those it sent damaged."""

    products: Sequence[StoredProduct] = ()
    unreadable: Collection[ProductId | None] = ()
    _numbered: Mapping[ProductId, StoredProduct] = field(init=False, repr=False, compare=False)
    _named: Mapping[str, Sequence[StoredProduct]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = defaultdict[str, list[StoredProduct]](list)
        for one in self.products:
            named[_folded(one.sku)].append(one)
        object.__setattr__(self, "_named", named)
        object.__setattr__(self, "_numbered", {one.product_id: one for one in self.products})

    def by_id(self, product_id: ProductId) -> StoredProduct | None:
        return self._numbered.get(product_id)

    def with_sku(self, sku: str) -> Sequence[StoredProduct]:
        return self._named.get(_folded(sku), ())

    def by_sku(self, sku: str) -> StoredProduct | None:
        """Outside the trash before in it."""
        return min(self.with_sku(sku), key=lambda one: one.in_trash, default=None)


def origin_of(target: Target) -> str:
    """What `MADE_FROM` says of a product made from this course."""
    return f"{target.lms}/{target.course_id}"


def is_unpublished(product: StoredProduct) -> bool:
    """Whether it was made from a course, and nobody but the shop's own people can see it yet."""
    return product.status == _DRAFT and MADE_FROM in product.meta


def is_sold(table: Table, target: Target) -> bool:
    """Whether some row sells the course: by its own key with whichever options, or by another with all of its options
    (a path that another group opens as well)."""
    options = set(target.options)
    return any(
        _same(one, target) or (one.lms == target.lms and options and options <= set(one.options))
        for row in table.rows
        for one in row.targets
    )


def with_concerns(sellables: Sequence[Sellable]) -> list[Sellable]:
    """With what the LMS cannot know: one row would sell all that have the same course in their target. And without a
    course there can be no row."""
    times = Counter(one.target.course_id for one in sellables)
    return [
        one
        if one.concern or (one.target.course_id and times[one.target.course_id] == 1)
        else replace(one, concern=_SHARED if one.target.course_id else _NAMELESS)
        for one in sellables
    ]


def choose_skus(sellables: Sequence[Sellable]) -> list[tuple[str, ...]]:
    """The SKUs a product of each course may have, the best first; always the same for the same courses.

    The course's code, if it is the only one that has it, then one made of the LMS's name and the course's id.
    """
    codes = [clean_sku(one.code) for one in sellables]
    made = [_made_sku(one.target) for one in sellables]
    times = Counter(map(_folded, [*codes, *made]))
    return [
        (code, own) if code and times[_folded(code)] == 1 else (own,)
        for code, own in zip(codes, made, strict=True)
    ]


def clean_sku(text: str) -> str:
    """What a SKU may be in a shop, a mapping file and a spreadsheet alike: A-Z, a-z, 0-9, dot, dash and underscore."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:LONGEST_SKU].strip("-._")


def skus_of(sellable: Sellable, skus: Sequence[str], begun: Begun | None, table: Table) -> tuple[str, ...]:
    """All SKUs that the shop must be asked for before it is judged what to do about a course."""
    of_row = (str(sellable.target.course_id),) if table.sku_is_course == sellable.target.lms else ()
    of_mark = (begun.sku,) if begun is not None and begun.sku else ()
    return (*of_mark, *skus, *of_row)


def judge(
    sellable: Sellable,
    skus: Sequence[str],
    begun: Begun | None,
    shelf: Shelf,
    table: Table,
    *,
    named: bool,
    waiting: bool,
) -> Step | None:
    """What to do about a course that no row sells; None if a product sells it without a row.

    `begun`: an earlier attempt; `waiting`: whose call may still take effect. `named`: a person asked for this very
    course, so that a product made from it and deleted since may be made again.
    """
    if _sold_by_sku(sellable.target, shelf, table):
        return None
    if sellable.concern:
        return _skip(sellable, sellable.concern)
    if begun is not None and begun.product_id is not None:
        step = _judge_made(sellable, begun.product_id, begun.sku, shelf, table)
        return step or (
            _begin(sellable, skus, shelf, table) if named else _deleted(sellable, begun.product_id)
        )
    if begun is not None and begun.sending_since is not None:
        return _resume(sellable, begun.sku, shelf, table, waiting=waiting)
    return _begin(sellable, skus, shelf, table)


def judge_taken(
    sellable: Sellable, sku: str, product: StoredProduct | UnreadableProduct | None, table: Table
) -> Step:
    """What to do when the shop made no product because another has the SKU: `product`, None if it did not say which."""
    if product is None:
        return _skip(sellable, _in_trash(sku, None))
    if isinstance(product, UnreadableProduct):
        return _skip(sellable, _unreadable_with(sku, product))
    if _is_ours(product, sellable.target):
        return _adopt(sellable, product, sku, table)
    return _skip(sellable, _taken(sku, product))


def _begin(sellable: Sellable, skus: Sequence[str], shelf: Shelf, table: Table) -> Step:
    """A SKU is free if no product has it and no row waits for it. One that a product without a row has is probably
    this very course, made by a person: a second product for it would be one too many."""
    for sku in skus:
        found, match = shelf.by_sku(sku), _deciding(table, line_of_sku(sku))
        if found is None and (match is None or any(_same(one, sellable.target) for one in match.targets)):
            return Step(sellable=sellable, action=Action.MAKE, sku=sku)
        if found is None:
            continue
        if _is_ours(found, sellable.target):
            return _adopt(sellable, found, sku, table)
        if found.in_trash:
            return _skip(sellable, _in_trash(sku, found))
        if _deciding(table, line_of(found)) is None:
            return _skip(sellable, _taken(sku, found))
    return _skip(
        sellable,
        f"other products or rows have the SKUs it could get ({', '.join(skus)}): make its product by hand",
    )


def _deciding(table: Table, line: Line) -> Match | None:
    """What decides about it, but for a wildcard that ignores: a row of its own is narrower, and may be added."""
    match = table.match(line)
    if match is None or not match.ignore:
        return match
    sources = match.source.split(", ")
    return None if any(row.source in sources and is_open(row) for row in table.rows) else match


def _judge_made(
    sellable: Sellable, product_id: ProductId, sku: str, shelf: Shelf, table: Table
) -> Step | None:
    """None if the product that was made is not in the shop any more."""
    if product_id in shelf.unreadable:
        return _skip(
            sellable,
            f"what the shop says of product {product_id}, made from it, cannot be read: look at it there",
        )
    known = shelf.by_id(product_id)
    return None if known is None else _adopt(sellable, known, sku, table)


def _resume(sellable: Sellable, sku: str, shelf: Shelf, table: Table, *, waiting: bool) -> Step:
    found = shelf.by_sku(sku)
    if found is not None:
        return judge_taken(sellable, sku, found, table)
    if waiting:
        return _skip(
            sellable,
            "the shop was told to make it and did not answer: it may still do so; run this again in a few minutes",
        )
    return Step(sellable=sellable, action=Action.MAKE, sku=sku)


def _adopt(sellable: Sellable, product: StoredProduct, sku: str, table: Table) -> Step:
    """A product made from it is there: it needs its row, unless people decided otherwise meanwhile."""
    if product.in_trash:
        return _skip(sellable, _in_trash(product.sku or sku, product))
    match = _deciding(table, line_of(product))
    if match is not None and not any(_same(one, sellable.target) for one in match.targets):
        what = "is to be ignored" if match.ignore else "sells something else"
        return _skip(
            sellable, f"{_called(product)}, made from it, {what} by {match.source}: correct that row"
        )
    return Step(sellable=sellable, action=Action.ADOPT, sku=_sku_of_row(product), product=product)


def _sku_of_row(product: StoredProduct) -> str:
    """'' where the product's own would not do: orders hold those of variations, and people may have given it one that
    stands for others too."""
    return product.sku if "variable" not in product.kind and fits_row(product.sku) else ""


def _sold_by_sku(target: Target, shelf: Shelf, table: Table) -> bool:
    """Whether a product sells the course by having its id as SKU."""
    if table.sku_is_course != target.lms:
        return False
    matches: Iterable[Match | None] = (
        table.match(line_of(one)) for one in shelf.with_sku(target.course_id) if not one.in_trash
    )
    return any(_same(one, target) for match in matches if match is not None for one in match.targets)


def _same(one: Target, other: Target) -> bool:
    return (one.lms, one.course_id) == (other.lms, other.course_id)


def _is_ours(product: StoredProduct, target: Target) -> bool:
    return product.meta.get(MADE_FROM) == origin_of(target)


def _made_sku(target: Target) -> str:
    """Two courses never get the same, also where case does not count: what would be lost is told by a digest."""
    written = f"{target.lms}-{target.course_id}"
    cleaned = clean_sku(written)
    if cleaned == written and target.course_id == target.course_id.casefold():
        return cleaned
    digest = sha256(written.encode(errors="backslashreplace")).hexdigest()[:_SHOWN_OF_DIGEST]
    return f"{cleaned[: LONGEST_SKU - len(digest) - 1]}-{digest}"


def _skip(sellable: Sellable, reason: str) -> Step:
    return Step(sellable=sellable, action=Action.SKIP, reason=reason)


def _called(product: StoredProduct) -> str:
    kind = "variation" if product.parent_id else "product"
    return f"{kind} {product.product_id}" + (f" {render_quoted(product.name)}" if product.name else "")


def _taken(sku: str, product: StoredProduct) -> str:
    return f"{_called(product)} has the SKU {sku} and no row: if it is this course, give it a row in the mapping file"


def _in_trash(sku: str, product: StoredProduct | None) -> str:
    which = _called(product) if product is not None else "a product"
    return f"{which} in the shop's trash has the SKU {sku}: restore it, or delete it for good"


def _unreadable_with(sku: str, product: UnreadableProduct) -> str:
    return (
        f"product {product.product_id} has the SKU {sku}, and what the shop says of it cannot be read "
        f"({product.reason}): look at it there"
    )


def _deleted(sellable: Sellable, product_id: ProductId) -> Step:
    return _skip(
        sellable,
        f"product {product_id}, made from it, is not in the shop any more; to have another made, "
        f"name the course: --only {sellable.target.course_id}",
    )


def _folded(sku: str) -> str:
    return sku.strip().casefold()
