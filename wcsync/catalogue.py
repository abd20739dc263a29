"""Products and courses side by side: what the shop sells, what the LMSs have, and what the mapping makes of both."""

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from wcsync.errors import REMOTE_ERRORS
from wcsync.gate import SHOP
from wcsync.lms.base import Lms
from wcsync.mappers.mapping import Mapping, MapRow
from wcsync.mappers.text_file import render_quoted
from wcsync.model import LmsName, Offer, Product, Target, UnreadableProduct
from wcsync.products import RowFinding, examine_products
from wcsync.store.base import Store

CourseKeys = Dictionary[LmsName, str]
"""What each LMS calls the key that holds the course."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """All a shop sells. `unreadable`: what it sent damaged."""

    products: tuple[Product, ...]
    unreadable: tuple[UnreadableProduct, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Courses:
    """What the LMSs that answered have; `troubles`: why each of the others could not be asked."""

    offers: Dictionary[LmsName, Sequence[Offer]]
    troubles: Dictionary[str, str]

    def all(self) -> list[Offer]:
        return [offer for offers in self.offers.values() for offer in offers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What looking up every row showed. `troubles`: why a service could not be asked, so that its part is open."""

    findings: tuple[RowFinding, ...]
    troubles: Dictionary[str, str]

    @property
    def wrong(self) -> tuple[RowFinding, ...]:
        return tuple(one for one in self.findings if one.wrong)

    @property
    def notes(self) -> tuple[RowFinding, ...]:
        return tuple(one for one in self.findings if not one.wrong)


def fetch_goods(store: Store) -> Goods:
    """Reads the whole catalogue. Raises: TransientError, ServiceBlocked."""
    rows = list(store.fetch_catalogue())
    return Goods(
        products=tuple(row for row in rows if isinstance(row, Product)),
        unreadable=tuple(row for row in rows if not isinstance(row, Product)),
    )


def fetch_courses(lmss: Dictionary[LmsName, Lms], course_keys: CourseKeys) -> Courses:
    """Asks every LMS; one that cannot be asked, or that shows no course at all, costs only its own part."""
    offers, troubles = dict[LmsName, Sequence[Offer]](), dict[str, str]()
    for name, lms in lmss.items():
        try:
            found = lms.fetch_offers()
        except REMOTE_ERRORS as exc:
            troubles[name] = str(exc)
            continue
        if any(offer.key == course_keys[name] for offer in found):
            offers[name] = found
        else:
            troubles[name] = f"{name}: shows no {course_keys[name]} at all; may its user see them?"
    return Courses(offers=offers, troubles=troubles)


def check_rows(
    store: Store, lmss: Dictionary[LmsName, Lms], mapping: Mapping, course_keys: CourseKeys
) -> Check:
    """Looks up every product and every course the mapping names, as far as the services answer. Changes nothing."""
    used = {target.lms for row in mapping.rows for target in row.targets}
    courses = fetch_courses({name: lms for name, lms in lmss.items() if name in used}, course_keys)
    findings, troubles = list(examine_courses(courses, mapping, course_keys)), dict(courses.troubles)
    try:
        findings += examine_products(store, mapping)
    except REMOTE_ERRORS as exc:
        troubles[SHOP] = str(exc)
    order = {row.source: place for place, row in enumerate(mapping.rows)}
    findings.sort(key=lambda one: order[one.where])
    return Check(findings=tuple(findings), troubles=troubles)


def examine_courses(courses: Courses, mapping: Mapping, course_keys: CourseKeys) -> Iterator[RowFinding]:
    """What is odd about the courses the rows name, for LMSs that answered."""
    known = {name: {(one.key, one.value): one for one in offers} for name, offers in courses.offers.items()}
    for row in mapping.rows:
        for target in row.targets:
            if target.lms in known:
                yield from _examine_target(row, target, known[target.lms], course_keys[target.lms])


def _examine_target(
    row: MapRow, target: Target, known: Dictionary[tuple[str, str], Offer], course_key: str
) -> Iterator[RowFinding]:
    """Options of which the LMS lists nothing are left alone."""
    listed = {key for key, _ in known}
    for key, value in ((course_key, str(target.course_id)), *target.options):
        offer = known.get((key, value))
        if offer is None and key in listed:
            yield _unknown(row, target.lms, key, value)
        elif offer is not None and offer.concern:
            yield RowFinding(
                where=row.source,
                code="course_concern",
                message=f"{target.lms} {key} {value} {render_quoted(offer.title)}: {offer.concern}",
                remedy="Mend it in the LMS if learners are to get in",
                wrong=False,
            )


def _unknown(row: MapRow, lms: LmsName, key: str, value: str) -> RowFinding:
    return RowFinding(
        where=row.source,
        code=f"unknown_{key}",
        message=f"{lms} has no {key} {render_quoted(value)}, or it is hidden from wcsync's user",
        remedy="Correct the row; then `wcsync dead revive` for what was refused meanwhile",
        wrong=True,
    )
