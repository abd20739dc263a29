"""The mapping as a table: rows in, what a sold line sells out. Pure."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

import msgspec

from wcsync.mappers.mapping_sync import merge_sync
from wcsync.model import CourseId, Line, LmsName, ProductId, Target
from wcsync.sale import PLAIN_TERMS, SeatRule, Terms

ANY_COURSE = r"\S+"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKey:
    """One key that a mapping row may carry for an LMS, beside `lms`.

    `pattern` is matched against the whole value; `doc` is one sentence for people, shown when the value does not
    fit. `course`: its values are the course ids, whatever the LMS calls a course; at most one key of an LMS is that.
    `many`: the key may have several values, each of which becomes an option of its own.
    """

    name: str
    pattern: str
    doc: str
    required: bool = False
    many: bool = False
    course: bool = False

    @property
    def plural(self) -> str:
        """The other name of the key that holds the courses, for a row with several."""
        return f"{self.name}s"


COURSE = TargetKey(name="course", pattern=ANY_COURSE, doc="the id of a course", required=True, course=True)
"""What holds the courses of an LMS that names no key of its own for them."""


def course_key(keys: Iterable[TargetKey]) -> TargetKey:
    """The key among an LMS's own that holds its courses."""
    return next((key for key in keys if key.course), COURSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One product and what it sells.

    `variation_id` decides if it is given (`product_id` beside it only tells people which product it belongs to),
    else `product_id`, else `sku`, where `*` stands for any characters and `?` for one.
    `ignore`: this product is no course and is not to be listed as unmapped. `source`: file and line.
    `sync`: what the row says of the mirror, key and value as written: `sync`, `sync_name`, `template_description`, ….
    `terms`: on what terms it sells; `seats`: who gets several seats, None = as the config says.
    """

    source: str
    product_id: ProductId | None = None
    variation_id: ProductId | None = None
    sku: str | None = None
    targets: tuple[Target, ...] = ()
    ignore: bool = False
    sync: tuple[tuple[str, str], ...] = ()
    terms: Terms = PLAIN_TERMS
    seats: SeatRule | None = None

    @property
    def selector(self) -> tuple[str, str]:
        """What decides, and its value: rows with equal selectors are about the same products."""
        if self.variation_id is not None:
            return "variation_id", str(self.variation_id)
        if self.product_id is not None:
            return "product_id", str(self.product_id)
        return "sku", _folded(self.sku or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a line sells. No targets and not ignored cannot be. `sync`: what its rows say of the mirror.

    `terms`: on what terms, target by target; shorter than `targets` = plain ones for the rest. `seats`: who gets
    several seats, None = as the config says. `by_name`: a row is about this very product, variation or SKU.
    """

    targets: tuple[Target, ...]
    source: str
    ignore: bool = False
    sync: tuple[tuple[str, str], ...] = ()
    terms: tuple[Terms, ...] = ()
    seats: SeatRule | None = None
    by_name: bool = True

    def deals(self) -> list[tuple[Target, Terms]]:
        """Each course with the terms it is sold on."""
        return list(zip_longest(self.targets, self.terms[: len(self.targets)], fillvalue=PLAIN_TERMS))  # type: ignore[arg-type]  # only terms run out


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """All rows of one file. `fingerprint` changes when its meaning may have changed, and not with a comment.

    `sku_is_course`: the LMS whose course ids are the SKUs of products that no row is about, as far as the SKU
    fits `course_pattern`.
    """

    rows: tuple[MapRow, ...] = ()
    sku_is_course: LmsName | None = None
    course_pattern: str = ANY_COURSE
    fingerprint: str = ""
    _index: "_Index" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = _index_rows(self.rows)
        object.__setattr__(self, "_index", index)
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", _fingerprint(self, index))

    def match(self, line: Line) -> Match | None:
        """What the line sells; None if no row is about it.

        The narrowest selector decides alone: variation, product, SKU, wildcard SKU (more written characters before
        fewer, then the file's order), `sku_is_course`. All its rows give their courses, in the file's order.
        """
        index = self._index
        return (
            index.exact.get(("variation_id", str(line.variation_id)))
            or index.exact.get(("product_id", str(line.product_id)))
            or index.match_sku(line.sku)
            or self._course_named(line.sku.strip())
        )

    def to_json(self) -> str:
        """All that `from_json` needs to make an equal mapping."""
        kept = _Kept(rows=self.rows, sku_is_course=self.sku_is_course, course_pattern=self.course_pattern)
        return msgspec.json.encode(kept).decode()

    @classmethod
    def from_json(cls, text: str) -> "Mapping":
        """Reads what `to_json` wrote. Raises ValueError for anything else."""
        try:
            kept = msgspec.json.decode(text, type=_Kept)
        except msgspec.MsgspecError as exc:
            raise ValueError(f"not a kept mapping: {exc}") from exc
        return cls(rows=kept.rows, sku_is_course=kept.sku_is_course, course_pattern=kept.course_pattern)

    def _course_named(self, sku: str) -> Match | None:
        if self.sku_is_course is None or not re.fullmatch(self.course_pattern, sku):
            return None
        target = Target(lms=self.sku_is_course, course_id=CourseId(sku))
        return Match(targets=(target,), source="sku_is_course", by_name=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    rows: tuple[MapRow, ...]
    sku_is_course: LmsName | None
    course_pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """`wildcards`: the narrowest first."""

    exact: dict[tuple[str, str], Match]
    wildcards: tuple[tuple[str, re.Pattern[str], Match], ...]

    def match_sku(self, sku: str) -> Match | None:
        folded = _folded(sku)
        if not folded:
            return None
        found = self.exact.get(("sku", folded))
        return found or next((match for _, glob, match in self.wildcards if glob.fullmatch(folded)), None)


def _index_rows(rows: Iterable[MapRow]) -> _Index:
    groups: dict[tuple[str, str], list[MapRow]] = {}
    for row in rows:
        groups.setdefault(row.selector, []).append(row)
    exact = {selector: _merge(group, by_name=not is_open(group[0])) for selector, group in groups.items()}
    globs = [value for kind, value in exact if kind == "sku" and is_wildcard(value)]
    globs.sort(key=lambda glob: -len(re.sub(r"[*?]", "", glob)))
    wildcards = tuple((glob, _compile(glob), exact.pop(("sku", glob))) for glob in globs)
    return _Index(exact=exact, wildcards=wildcards)


def _merge(rows: list[MapRow], *, by_name: bool) -> Match:
    deals: dict[Target, Terms] = {}
    for row in rows:
        for target in row.targets:
            deals.setdefault(target, row.terms)
    sources = dict.fromkeys(row.source for row in rows)
    return Match(
        targets=tuple(deals),
        source=", ".join(sources),
        ignore=not deals and any(row.ignore for row in rows),
        sync=merge_sync(row.sync for row in rows),
        terms=tuple(deals.values()) if set(deals.values()) - {PLAIN_TERMS} else (),
        seats=next((row.seats for row in rows if row.seats is not None), None),
        by_name=by_name,
    )


def is_wildcard(sku: str) -> bool:
    return "*" in sku or "?" in sku


def is_open(row: MapRow) -> bool:
    """Whether only a look at every product tells which of them the row is about."""
    kind, value = row.selector
    return kind == "sku" and is_wildcard(value)


def _compile(glob: str) -> re.Pattern[str]:
    """Each part between two stars is looked for once, without going back: no pattern can take long."""
    first, *middle = [re.escape(part).replace(r"\?", ".") for part in glob.split("*")]
    if not middle:
        return re.compile(first, re.DOTALL)
    last = middle.pop()
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)


def _folded(sku: str) -> str:
    """SKUs are compared as the shop compares them: without regard to case and outer blanks."""
    return sku.strip().casefold()


def _fingerprint(mapping: Mapping, index: _Index) -> str:
    """Tells meanings apart: not sources, nor the order of rows as long as it decides nothing."""
    meaning = (
        sorted((*selector, match.ignore, *_plain(match)) for selector, match in index.exact.items()),
        [(glob, match.ignore, *_plain(match)) for glob, _, match in index.wildcards],
        mapping.sku_is_course,
        mapping.course_pattern if mapping.sku_is_course else "",
    )
    return hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()


def _plain(match: Match) -> list[object]:
    """What is said of the mirror and of terms only where something is: a mapping that is silent means what it meant."""
    targets = [(target.lms, target.course_id, list(target.options)) for target in match.targets]
    if match.terms or match.seats:
        return [targets, list(match.sync), list(match.terms), match.seats]
    return [targets, list(match.sync)] if match.sync else [targets]
