"""Products and courses side by side: what the shop sells, and what the LMSs have."""

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass

from wcsync.errors import REMOTE_ERRORS
from wcsync.lms.base import Lms
from wcsync.model import LmsName, Offer, Product, UnreadableProduct
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
