"""What the shop sells and what the LMSs have, and what is missing when one of them does not answer."""

import pytest

from tests.fakes import FakeLms, FakeStore
from wcsync.catalogue import fetch_courses, fetch_goods
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.lms.base import Lms
from wcsync.model import LmsName, Offer, Product, ProductId, UnreadableProduct

CAMPUS, ACADEMY = LmsName("campus"), LmsName("academy")
COURSE_KEYS = {CAMPUS: "course", ACADEMY: "group"}
GROUP, PATH = "5f8d0a3c2b1e4d0012ab34cd", "60a1b2c3d4e5f60012ab34ce"


def offer(lms: LmsName, key: str, value: str, concern: str = "") -> Offer:
    return Offer(lms=lms, key=key, value=value, title=f"{key} {value}", concern=concern)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(products=[Product(product_id=ProductId(17), sku="PY", name="Python")])


@pytest.fixture
def lmss() -> dict[LmsName, FakeLms]:
    campus = FakeLms(name=CAMPUS, offers=[offer(CAMPUS, "course", "42")])
    academy = FakeLms(name=ACADEMY, offers=[offer(ACADEMY, "group", GROUP), offer(ACADEMY, "path", PATH)])
    return {CAMPUS: campus, ACADEMY: academy}


@pytest.mark.parametrize("error", [TransientError, PermanentError, ServiceBlocked])
def test_an_lms_that_cannot_be_asked_costs_its_own_part_alone(
    lmss: dict[LmsName, FakeLms], error: type[Exception]
) -> None:
    def fail() -> None:
        raise error("campus: is down")

    lmss[CAMPUS].before_read = fail
    asked: dict[LmsName, Lms] = dict(lmss)
    courses = fetch_courses(asked, COURSE_KEYS)
    assert (list(courses.troubles), list(courses.offers)) == (["campus"], ["academy"])


def test_an_lms_that_shows_nothing_is_not_taken_for_one_without_courses(lmss: dict[LmsName, FakeLms]) -> None:
    lmss[CAMPUS].offers = []
    asked: dict[LmsName, Lms] = dict(lmss)
    assert "shows no course at all" in fetch_courses(asked, COURSE_KEYS).troubles["campus"]


def test_unreadable_products_are_kept_apart(store: FakeStore) -> None:
    bad = UnreadableProduct(product_id=None, reason="id: missing")
    store.unreadable_products.append(bad)
    goods = fetch_goods(store)
    assert ([one.product_id for one in goods.products], goods.unreadable) == ([17], (bad,))


def test_offers_of_all_lmss_stand_together(lmss: dict[LmsName, FakeLms]) -> None:
    asked: dict[LmsName, Lms] = dict(lmss)
    assert len(fetch_courses(asked, COURSE_KEYS).all()) == 3
