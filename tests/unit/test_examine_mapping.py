"""Looking up every row: what is found, and what stays open when a service does not answer."""

from datetime import timedelta

import pytest

from tests.fakes import T0, FakeLms, FakeStore
from wcsync.doctor import Diagnosis, Findings, examine_mapping
from wcsync.errors import Finding, PermanentError, ServiceBlocked, Severity, TransientError
from wcsync.gate import SHOP
from wcsync.lms.base import Lms, Sighting
from wcsync.lms.registry import KINDS
from wcsync.mappers.mapping import read_mapping
from wcsync.model import LmsName, Product, ProductId

CAMPUS, ACADEMY = LmsName("campus"), LmsName("academy")
KEYS = {CAMPUS: KINDS["moodle"].target_keys, ACADEMY: KINDS["360learning"].target_keys}
GROUP = "5f8d0a3c2b1e4d0012ab34cd"
GONE = Finding(code="unknown_course", message="there is no course 43", in_mapping=True)
HIDDEN = Finding(code="course_hidden", message="course 43 is hidden", severity=Severity.WARNING)

CAMPUS_ROW = 'product_id = 17\nlms = "campus"\ncourse = "{}"'
ACADEMY_ROW = f'product_id = 17\nlms = "academy"\ngroup = "{GROUP}"'


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(products=[Product(product_id=ProductId(17), sku="PY", name="Python")])


@pytest.fixture
def lmss() -> dict[LmsName, FakeLms]:
    return {CAMPUS: FakeLms(name=CAMPUS), ACADEMY: FakeLms(name=ACADEMY)}


def look(store: FakeStore, lmss: dict[LmsName, FakeLms], *rows: str) -> Findings:
    mapping = read_mapping("mapping.toml", "".join(f"[[map]]\n{row}\n" for row in rows).encode(), KEYS)
    asked: dict[LmsName, Lms] = dict(lmss)
    return examine_mapping(store, asked, mapping, T0)


def codes(found: Findings) -> list[tuple[str, str]]:
    return [(one.service, one.code) for one in found.diagnoses if not one.ok]


def fail(error: Exception) -> None:
    raise error


def test_rows_whose_products_and_courses_are_there_are_in_order(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    found = look(store, lmss, CAMPUS_ROW.format(42), ACADEMY_ROW)
    assert (all(one.ok for one in found.diagnoses), dict(found.unchecked)) == (True, {})


def test_what_is_wrong_comes_in_the_files_order(store: FakeStore, lmss: dict[LmsName, FakeLms]) -> None:
    lmss[CAMPUS].sightings["43"] = Sighting(title=None, findings=(GONE,))
    rows = [
        CAMPUS_ROW.format(43),
        'sku = "NO"\nlms = "campus"\ncourse = "42"',
        "sku = 'PY'\nlms = 'campus'\ncourse = '43'",
    ]
    found = look(store, lmss, *rows)
    assert [(one.code, one.where) for one in found.diagnoses if one.fatal] == [
        ("unknown_course", ("mapping.toml:1", "mapping.toml:9")),
        ("unknown_sku", ("mapping.toml:5",)),
    ]
    assert all(one.file for one in found.diagnoses if one.fatal)


@pytest.mark.parametrize("error", [TransientError("campus: is down"), ServiceBlocked("campus: is closed")])
def test_an_lms_that_cannot_be_asked_costs_its_own_part_alone(
    store: FakeStore, lmss: dict[LmsName, FakeLms], error: Exception
) -> None:
    lmss[CAMPUS].before_read = lambda: fail(error)
    lmss[ACADEMY].sightings[GROUP] = Sighting(title="Group", findings=(HIDDEN,))
    found = look(store, lmss, CAMPUS_ROW.format(43), ACADEMY_ROW)
    assert dict(found.unchecked) == {"campus": str(error).removeprefix("campus: ")}
    assert codes(found) == [("academy", "course_hidden")]


def test_a_course_that_cannot_be_looked_up_alone_is_a_problem_of_its_rows(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    lmss[CAMPUS].before_read = lambda: fail(PermanentError("campus: refuses course 43"))
    found = look(store, lmss, CAMPUS_ROW.format(43))
    assert (codes(found), dict(found.unchecked)) == ([("campus", "other")], {})


def test_a_shop_that_cannot_be_asked_leaves_the_courses_to_be_checked(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    store.before_products = lambda: fail(TransientError("shop: is down"))
    lmss[CAMPUS].sightings["43"] = Sighting(title=None, findings=(GONE,))
    found = look(store, lmss, CAMPUS_ROW.format(43))
    assert (codes(found), dict(found.unchecked)) == ([("campus", "unknown_course")], {"shop": "is down"})


def test_an_lms_that_lacks_what_all_need_is_not_asked_for_its_courses(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    lmss[CAMPUS].lacks = (Finding(code="missing_function", message="lacks a function", remedy="add it"),)
    lmss[CAMPUS].before_read = lambda: fail(AssertionError("asked"))
    found = look(store, lmss, CAMPUS_ROW.format(43))
    assert (codes(found), dict(found.unchecked)) == ([], {"campus": "lacks a function; add it"})


def test_an_lms_that_no_row_names_is_not_asked(store: FakeStore, lmss: dict[LmsName, FakeLms]) -> None:
    lmss[ACADEMY].before_identity = lambda: fail(AssertionError("asked"))
    assert not look(store, lmss, CAMPUS_ROW.format(42)).unchecked


@pytest.mark.parametrize("code", ["no_wordpress", "no_woocommerce"])
def test_a_shop_that_has_just_answered_is_not_told_to_be_missing(
    store: FakeStore, lmss: dict[LmsName, FakeLms], code: str
) -> None:
    finding = Finding(code=code, message="has no /wp-json/ at this address (404)")
    store.before_products = lambda: fail(ServiceBlocked(f"shop: {finding}", finding=finding))
    found = look(store, lmss, CAMPUS_ROW.format(42))
    assert "no /wp-json/" not in found.unchecked["shop"]
    assert "products" in found.unchecked["shop"]


def test_what_was_found_before_a_service_failed_is_kept(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    lmss[CAMPUS].sightings["43"] = Sighting(title="Python", findings=(HIDDEN,))
    errors = iter([None, TransientError("campus: is down")])

    def before_read() -> None:
        if error := next(errors):
            raise error

    lmss[CAMPUS].before_read = before_read
    found = look(store, lmss, CAMPUS_ROW.format(43), CAMPUS_ROW.format(44))
    hidden = [one for one in found.diagnoses if not one.ok]
    assert hidden == [Diagnosis.of("campus", HIDDEN, ["mapping.toml:1"])]
    assert list(found.unchecked) == ["campus"]


# -- terms -------------------------------------------------------------------------------------------------------------

DAY = T0.date()


@pytest.mark.parametrize(
    ("until", "told"),
    [
        pytest.param(DAY - timedelta(days=1), True, id="yesterday"),
        pytest.param(DAY, False, id="today"),
        pytest.param(T0.isoformat(), True, id="this very instant"),
    ],
)
def test_access_that_is_over_is_told_before_anybody_buys_it(
    store: FakeStore, lmss: dict[LmsName, FakeLms], until: object, told: bool
) -> None:
    found = look(store, lmss, f'{CAMPUS_ROW.format(42)}\nuntil = "{until}"')
    assert codes(found) == ([(SHOP, "until_past")] if told else [])


@pytest.mark.parametrize(("zone", "told"), [("+05:30", True), ("-08:00", False)])
def test_a_time_is_over_when_the_clock_of_the_shop_says_so(
    store: FakeStore, lmss: dict[LmsName, FakeLms], zone: str, told: bool
) -> None:
    store.zone = zone
    here = T0.replace(tzinfo=None).isoformat()
    found = look(store, lmss, f'{CAMPUS_ROW.format(42)}\nuntil = "{here}"')
    assert bool(codes(found)) is told


def test_rows_of_the_same_end_are_told_together(store: FakeStore, lmss: dict[LmsName, FakeLms]) -> None:
    past = "until = 2020-06-30"
    found = look(store, lmss, f"{CAMPUS_ROW.format(42)}\n{past}", f"{CAMPUS_ROW.format(43)}\n{past}")
    [one] = [one for one in found.diagnoses if not one.ok]
    assert (one.where, one.fatal) == (("mapping.toml:1", "mapping.toml:6"), False)
    assert "until 2020-06-30 is over" in one.message


WITH_SUBSCRIPTION = f"{CAMPUS_ROW.format(42)}\nwith_subscription = true"


def test_access_with_a_subscription_needs_a_shop_that_has_them(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    assert codes(look(store, lmss, WITH_SUBSCRIPTION)) == [(SHOP, "no_subscriptions")]
    store.subscriptions = {}
    assert codes(look(store, lmss, WITH_SUBSCRIPTION)) == []


def test_a_shop_is_asked_for_subscriptions_once_and_only_if_a_row_needs_them(
    store: FakeStore, lmss: dict[LmsName, FakeLms]
) -> None:
    store.subscriptions = {}
    look(store, lmss, CAMPUS_ROW.format(42))
    assert store.subscription_pages == []
    look(store, lmss, WITH_SUBSCRIPTION, WITH_SUBSCRIPTION.replace("42", "43"))
    assert store.subscription_pages == [1]
