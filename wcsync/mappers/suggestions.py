"""Products that no row is about, with the courses they look like. Pure: nothing is decided here, a person does.

Loads rapidfuzz: import it only where suggestions are wanted.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from itertools import islice

from rapidfuzz import fuzz, process

from wcsync.mappers.likeness import (
    MAYBE_FROM,
    Judgement,
    Likeness,
    Profile,
    compare,
    contradiction,
    fold,
    fold_code,
    judge,
    profile,
)
from wcsync.mappers.mapping import Mapping
from wcsync.mappers.selectors import Selectors, as_line
from wcsync.model import LmsName, Offer, Product, ProductId

MOST = 3
LOOKED_AT = 40
NEVER_ORDERED = frozenset({"grouped", "external"})

Sold = Dictionary[ProductId, int]
"""How many paid lines of a product or variation had no row."""

CourseKeys = Dictionary[LmsName, str]
"""What each LMS calls the key that holds the course."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A course a product may be selling.

    `beside`: what goes with it, such as a path; `mapped_by`: the line that names the course already, '' if none does.
    `missing`: the key for which nothing fits, so that it must be made first; then `offer` is what it would be made for.
    """

    offer: Offer
    judgement: Judgement
    beside: tuple[Offer, ...] = ()
    mapped_by: str = ""
    missing: str = ""

    @property
    def likeness(self) -> Likeness:
        return self.judgement.likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One product without a row. `selector`: how its row would name it; `candidates`: the likeliest first."""

    product: Product
    selector: tuple[str, str]
    sold: int
    candidates: tuple[Candidate, ...]

    @property
    def certain(self) -> bool:
        return bool(self.candidates) and self.candidates[0].likeness is Likeness.CERTAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestions:
    """`others`: products without a row that look like no course and were never sold."""

    rows: tuple[Suggestion, ...]
    others: int


def suggest(
    products: Sequence[Product],
    offers: Iterable[Offer],
    mapping: Mapping,
    course_keys: CourseKeys,
    sold: Sold,
) -> Suggestions:
    """What to map: sold products first, then by likeness and name."""
    finder = _Finder(list(offers), mapping, course_keys)
    selectors = Selectors(products)
    unmapped = [one for one in products if _unmapped(one, mapping)]
    found = {one.product_id: finder.find(one) for one in unmapped}
    rows = [
        Suggestion(
            product=product,
            selector=selectors.choose(product),
            sold=sum(sold.get(one, 0) for one in (product.product_id, *product.variation_ids)),
            candidates=found[product.product_id],
        )
        for product in _one_per_family(unmapped, found)
    ]
    shown = [row for row in rows if row.candidates or row.sold or row.product.virtual]
    return Suggestions(rows=tuple(sorted(shown, key=_rank)), others=len(rows) - len(shown))


def _unmapped(product: Product, mapping: Mapping) -> bool:
    if product.kind in NEVER_ORDERED or product.status == "trash":
        return False
    return mapping.match(as_line(product)) is None


def _rank(row: Suggestion) -> tuple[int, int, int, str, int]:
    best = row.candidates[0].judgement if row.candidates else None
    likeness, score = (best.likeness, best.score) if best else (0, 0)
    return -row.sold, -likeness, -score, fold(row.product.name), row.product.product_id


def _one_per_family(
    unmapped: Sequence[Product], found: Dictionary[ProductId, tuple[Candidate, ...]]
) -> Iterator[Product]:
    """A product with variations is mapped as a whole unless a variation looks like a course of its own."""
    families = defaultdict[ProductId, list[Product]](list)
    for product in unmapped:
        families[product.parent_id or product.product_id].append(product)
    for members in families.values():
        choices = [one for one in members if one.parent_id]
        parent = next((one for one in members if not one.parent_id), None)
        if parent is None or not choices:
            yield from members
        elif any(_likely(found[one.product_id]) for one in choices):
            yield from choices
        else:
            yield parent


def _likely(candidates: Sequence[Candidate]) -> bool:
    return any(one.likeness >= Likeness.LIKELY for one in candidates)


class _Finder:
    """Finds what a product looks like among everything that is on offer."""

    def __init__(self, offers: Sequence[Offer], mapping: Mapping, course_keys: CourseKeys) -> None:
        self._course_keys = course_keys
        self._courses = _Pool([one for one in offers if one.key == course_keys[one.lms]])
        self._beside = {
            lms: _Pool([one for one in offers if one.lms == lms and one.key != course_key])
            for lms, course_key in course_keys.items()
        }
        self._mapped_by = {
            (target.lms, str(target.course_id)): row.source
            for row in reversed(mapping.rows)
            for target in row.targets
        }

    def find(self, product: Product) -> tuple[Candidate, ...]:
        """At most three, the likeliest first; one alone where it is certain."""
        seen = profile(product.name)
        candidates = [
            Candidate(
                offer=offer,
                judgement=judgement,
                beside=self._goes_with(seen, offer.lms),
                mapped_by=self._mapped_by.get((offer.lms, offer.value), ""),
            )
            for offer, judgement in self._courses.find(product.sku, seen)
        ]
        candidates = _unless_torn(product.sku, seen, candidates)
        candidates += self._to_be_made(seen, candidates)
        candidates.sort(
            key=lambda one: (-one.likeness, -one.judgement.score, one.offer.title, one.offer.value)
        )
        certain = candidates and candidates[0].likeness is Likeness.CERTAIN
        return tuple(candidates[: 1 if certain else MOST])

    def _goes_with(self, seen: Profile, lms: LmsName) -> tuple[Offer, ...]:
        """The path, say, that has the product's own name, and no other with it."""
        found = self._beside[lms].find("", seen)
        return tuple(offer for offer, judgement in found if judgement.likeness is Likeness.CERTAIN)[:1]

    def _to_be_made(self, seen: Profile, candidates: Sequence[Candidate]) -> Iterator[Candidate]:
        """Where something that goes with a course fits and no course does: the course is still to be made."""
        for lms, pool in self._beside.items():
            if _likely([one for one in candidates if one.offer.lms == lms]):
                continue
            for offer, judgement in pool.find("", seen):
                if judgement.likeness >= Likeness.LIKELY:
                    capped = replace(judgement, likeness=Likeness.LIKELY)
                    yield Candidate(offer=offer, judgement=capped, missing=self._course_keys[lms])


def _unless_torn(sku: str, seen: Profile, candidates: list[Candidate]) -> list[Candidate]:
    """Where the SKU is one course's short name, or nearly, and the name is another's, neither is certain."""
    certain = [one for one in candidates if one.likeness is Likeness.CERTAIN]
    named = [one for one in candidates if _coded(sku, one.offer)]
    alike = [one for one in candidates if _alike(seen, one.offer)]
    torn = len(certain) > 1 or (certain and any(kind and certain[0] not in kind for kind in (named, alike)))
    if not torn:
        return candidates
    return [_doubted(one) if one in certain else one for one in candidates]


def _coded(sku: str, offer: Offer) -> bool:
    """Whether the SKU is one of the course's short names, give or take a dash."""
    plain = fold_code(sku)
    return bool(plain) and plain in set(map(fold_code, offer.codes))


def _alike(seen: Profile, offer: Offer) -> bool:
    names = compare(seen, profile(offer.title))
    return names is not None and names.likeness >= Likeness.LIKELY


def _doubted(candidate: Candidate) -> Candidate:
    why = f"{candidate.judgement.why}, but SKU and name say different courses"
    return replace(candidate, judgement=replace(candidate.judgement, likeness=Likeness.LIKELY, why=why))


class _Pool:
    """Offers, made ready to be compared with many names."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        self._offers = offers
        self._profiles = [profile(offer.title) for offer in offers]
        self._texts = [one.text for one in self._profiles]
        self._alike = defaultdict[Profile, set[int]](set)
        self._shared = Counter(code for offer in offers for code in set(map(fold, _codes(offer))))
        self._by_code = defaultdict[str, set[int]](set)
        self._by_word = defaultdict[str, set[int]](set)
        for place, offer in enumerate(offers):
            self._alike[self._profiles[place]].add(place)
            for code in _codes(offer):
                self._by_code[fold(code)].add(place)
                self._by_code[fold_code(code)].add(place)
            for word in self._profiles[place].words:
                self._by_word[word].add(place)

    def find(self, sku: str, seen: Profile) -> Iterator[tuple[Offer, Judgement]]:
        for place in sorted(self._worth_a_look(sku, seen)):
            offer, own = self._offers[place], self._profiles[place]
            names, against = compare(seen, own), contradiction(seen, own)
            judgement = judge(sku, offer.codes, offer.value, names, against)
            if judgement is not None:
                yield offer, self._sobered(judgement, place, fold(sku))

    def _worth_a_look(self, sku: str, seen: Profile) -> set[int]:
        places = set[int]()
        if sku:
            places |= self._by_code.get(fold(sku), set()) | self._by_code.get(fold_code(sku), set())
        if not seen.words:
            return places | self._alike.get(seen, set())
        near = process.extract(
            seen.text, self._texts, scorer=fuzz.ratio, score_cutoff=MAYBE_FROM, limit=LOOKED_AT
        )
        places |= self._alike.get(seen, set()) | self._overlapping(seen)
        return places | {place for _, _, place in near}

    def _overlapping(self, seen: Profile) -> set[int]:
        """Those that have all words of the product's name, or none but such."""
        mine = set(seen.words)
        sharing = Counter(place for word in sorted(mine) for place in sorted(self._by_word.get(word, ())))
        whole = (
            place
            for place, shared in sharing.most_common()
            if shared in {len(mine), len(set(self._profiles[place].words))}
        )
        return set(islice(whole, LOOKED_AT))

    def _sobered(self, judgement: Judgement, place: int, sku: str) -> Judgement:
        """Nothing is certain that is not the only one of its name, or that something speaks against."""
        if judgement.likeness is not Likeness.CERTAIN:
            return judgement
        offer = self._offers[place]
        by_sku = bool(sku) and sku in set(map(fold, _codes(offer)))
        alike = self._shared[sku] if by_sku else len(self._alike[self._profiles[place]])
        against = offer.concern or (f"{alike} have that {'code' if by_sku else 'name'}" if alike > 1 else "")
        if not against:
            return judgement
        return replace(judgement, likeness=Likeness.LIKELY, why=f"{judgement.why}, but {against}")


def _codes(offer: Offer) -> tuple[str, ...]:
    return tuple(code for code in (*offer.codes, offer.value) if code)
