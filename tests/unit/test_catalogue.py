"""Looking up every row: what is found, and what stays open when a service does not answer."""

import pytest

from tests.fakes import FakeLms, FakeStore
from wcsync.catalogue import Check, check_rows, fetch_courses, fetch_goods
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.lms.base import Lms
from wcsync.lms.registry import KINDS
from wcsync.mappers.mapping import read_mapping
from wcsync.model import LmsName, Offer, Product, ProductId, UnreadableProduct

CAMPUS, ACADEMY = LmsName("campus"), LmsName("academy")
COURSE_KEYS = {CAMPUS: "course", ACADEMY: "group"}
KEYS = {CAMPUS: KINDS["moodle"].target_keys, ACADEMY: KINDS["360learning"].target_keys}
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


def look(store: FakeStore, lmss: dict[LmsName, FakeLms], *rows: str) -> Check:
    mapping = read_mapping("mapping.toml", "".join(f"[[map]]\n{row}\n" for row in rows).encode(), KEYS)
    asked: dict[LmsName, Lms] = dict(lmss)
    return check_rows(store, asked, mapping, COURSE_KEYS)


CAMPUS_ROW = 'product_id = 17\nlms = "campus"\ncourse = "{}"'
ACADEMY_ROW = 'product_id = 17\nlms = "academy"\ngroup = "{}"\npath = "{}"'


def test_rows_whose_products_and_courses_are_there_need_no_word(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    check = look(store, lmss, CAMPUS_ROW.format(42), ACADEMY_ROW.format(GROUP, PATH))
    assert (check.findings, dict(check.troubles)) == ((), {})


def test_unknown_courses_groups_and_paths_are_wrong_and_in_the_files_order(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    rows = [
        ACADEMY_ROW.format("f" * 24, "e" * 24),
        'sku = "NO"\nlms = "campus"\ncourse = "42"',
        CAMPUS_ROW.format(43),
    ]
    found = look(store, lmss, *rows).wrong
    assert [(one.where, one.code) for one in found] == [
        ("mapping.toml:1", "unknown_group"),
        ("mapping.toml:1", "unknown_path"),
        ("mapping.toml:6", "unknown_sku"),
        ("mapping.toml:10", "unknown_course"),
    ]


def test_the_id_of_a_path_is_no_group(store: FakeStore, lmss: dict[LmsName, FakeLms]) -> None:
    assert [one.code for one in look(store, lmss, ACADEMY_ROW.format(PATH, PATH)).wrong] == ["unknown_group"]


def test_paths_are_not_checked_where_none_are_shown(store: FakeStore, lmss: dict[LmsName, FakeLms]) -> None:
    lmss[ACADEMY].offers.pop()
    assert look(store, lmss, ACADEMY_ROW.format(GROUP, "e" * 24)).findings == ()


def test_what_speaks_against_a_course_is_a_note(store: FakeStore, lmss: dict[LmsName, FakeLms]) -> None:
    lmss[CAMPUS].offers.append(offer(CAMPUS, "course", "43", "it is hidden"))
    check = look(store, lmss, CAMPUS_ROW.format(43))
    assert [one.code for one in check.notes] == ["course_concern"]
    assert check.wrong == ()


@pytest.mark.parametrize("error", [TransientError, PermanentError, ServiceBlocked])
def test_a_service_that_cannot_be_asked_costs_its_own_part_alone(
    store: FakeStore, lmss: dict[LmsName, FakeLms], error: type[Exception]
) -> None:
    def fail() -> None:
        raise error("campus: is down")

    lmss[CAMPUS].before_read = fail
    check = look(store, lmss, CAMPUS_ROW.format(43), ACADEMY_ROW.format("f" * 24, PATH))
    assert list(check.troubles) == ["campus"]
    assert [one.code for one in check.wrong] == ["unknown_group"]


def test_a_shop_that_cannot_be_asked_leaves_the_courses_to_be_checked(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    def fail() -> None:
        raise TransientError("shop: is down")

    store.before_products = fail
    check = look(store, lmss, CAMPUS_ROW.format(43))
    assert list(check.troubles) == ["shop"]
    assert [one.code for one in check.wrong] == ["unknown_course"]


def test_an_lms_that_shows_nothing_is_not_taken_for_one_that_lost_all_its_courses(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    lmss[CAMPUS].offers = []
    check = look(store, lmss, CAMPUS_ROW.format(42))
    assert check.findings == ()
    assert "shows no course at all" in check.troubles["campus"]


def test_an_lms_that_no_row_names_is_not_asked(store: FakeStore, lmss: dict[LmsName, FakeLms]) -> None:
    def fail() -> None:
        raise AssertionError("asked")

    lmss[ACADEMY].before_read = fail
    assert not look(store, lmss, CAMPUS_ROW.format(42)).troubles


def test_unreadable_products_are_kept_apart(store: FakeStore) -> None:
    bad = UnreadableProduct(product_id=None, reason="id: missing")
    store.unreadable_products.append(bad)
    goods = fetch_goods(store)
    assert ([one.product_id for one in goods.products], goods.unreadable) == ([17], (bad,))


def test_offers_of_all_lmss_stand_together(lmss: dict[LmsName, FakeLms]) -> None:
    asked: dict[LmsName, Lms] = dict(lmss)
    assert len(fetch_courses(asked, COURSE_KEYS).all()) == 3
