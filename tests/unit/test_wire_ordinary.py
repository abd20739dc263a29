"""Pages read in one go: whatever is read so is what the patient reading makes of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.payload import render_pages
from wcsync.model import Order
from wcsync.store import wire
from wcsync.store.meta_keys import KNOWN_PLUGINS, MetaKeys
from wcsync.store.wire.ordinary import read_ordinary

FIELDS = wire.render_order_query()["_fields"]
MORE_KEYS = MetaKeys(email=("who", "guests.*.email"), fields={"company": ("firm",)})
MOMENT = "2026-11-21T19:17:10"


def patient(order: dict[str, Any], keys: MetaKeys = KNOWN_PLUGINS) -> Any:
    """What the reading of single orders, which bears with everything, makes of it."""
    return wire.parse_order(json.dumps(order).encode(), keys)


def in_one_go(order: dict[str, Any], keys: MetaKeys = KNOWN_PLUGINS) -> Order | None:
    found = read_ordinary(json.dumps([order]).encode(), keys)
    return found[0] if found else None


def line(**fields: Any) -> dict[str, Any]:
    return {
        "id": 3,
        "name": "A",
        "product_id": 17,
        "variation_id": 0,
        "quantity": 1,
        "total": "9.90",
    } | fields


def order(**fields: Any) -> dict[str, Any]:
    whole = {
        "id": 234,
        "number": "234",
        "status": "completed",
        "customer_id": 6,
        "billing": {"first_name": "Ana", "last_name": "Ruiz", "email": " ana@example.test "},
        "line_items": [line(sku="A-1", meta_data=[]), line(id=4)],
        "refunds": [{"id": 9, "total": "-3.00"}],
        "meta_data": [{"id": 1, "key": "_origin", "value": {"a": [1]}}],
    }
    moments = {f"date_{what}_gmt": MOMENT for what in ("created", "modified", "paid", "completed")}
    return whole | moments | fields


def meta(key: Any, value: Any = "ana@example.test") -> list[dict[str, Any]]:
    return [{"id": 1, "key": key, "value": value}]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "0", " 7 ", "completed", MOMENT, f"{MOMENT}Z", "0000-00-00T00:00:00", "2026-13-01T00:00:00"]
    ),
    st.text(max_size=20),
)
keys = st.sampled_from(
    [
        "_origin",
        "who",
        "guests",
        "firm",
        "learner_email",
        "_subscription_renewal",
        "_bundled_by",
        "_woosb_parent_id",
        5,
    ]
)
metas = st.one_of(
    scalars, st.builds(meta, keys, scalars), st.builds(dict, extra=st.builds(lambda k: meta(k)[0], keys))
)
parts = st.dictionaries(
    st.sampled_from(["id", "name", "product_id", "variation_id", "quantity", "total", "sku", "bundled_by"]),
    scalars,
    max_size=2,
)
lines = st.lists(
    st.builds(lambda odd, told: line(**odd, meta_data=told), parts, st.one_of(st.just([]), metas)), max_size=3
)
odd_fields = st.one_of(
    st.dictionaries(st.sampled_from([*order()]), scalars, max_size=2),
    st.builds(lambda told: {"line_items": told}, lines),
    st.builds(lambda told: {"meta_data": told}, metas),
    st.builds(
        lambda told: {"billing": told}, st.one_of(st.just([]), st.fixed_dictionaries({"email": scalars}))
    ),
)


@given(odd=odd_fields, more=st.sampled_from([KNOWN_PLUGINS, MORE_KEYS]))
def test_what_is_read_in_one_go_is_what_the_patient_reading_makes_of_it(
    odd: dict[str, Any], more: MetaKeys
) -> None:
    found = in_one_go(order(**odd), more)
    assert found is None or found == patient(order(**odd), more)


def test_an_order_as_woocommerce_writes_it_is_read_in_one_go() -> None:
    assert in_one_go(order()) == patient(order())


@pytest.mark.parametrize("form", ["whole", "cut"])
def test_a_page_of_a_usual_shop_is_read_in_one_go(form: str) -> None:
    [page] = render_pages([100], FIELDS)
    content = getattr(page, form)
    assert read_ordinary(content, KNOWN_PLUGINS) == [patient(one) for one in json.loads(content)]


@pytest.mark.parametrize(
    "odd",
    [
        order(meta_data=meta("learner_email")),
        order(line_items=[line(meta_data=meta("_wcsync_learner_email"))]),
        order(meta_data=meta("WooCommerceEventsOrderTickets", {})),
        order(meta_data=meta("_subscription_renewal", "77")),
        order(line_items=[line(bundled_by=4), line(id=4)]),
        order(billing=[]),
        order(date_paid_gmt="0000-00-00T00:00:00"),
    ],
    ids=["learner", "learner of a line", "tickets", "renewal", "bundle", "no billing", "zero date"],
)
def test_an_order_that_says_more_is_looked_at_more_closely(odd: dict[str, Any]) -> None:
    assert in_one_go(odd) is None


def test_one_odd_order_has_its_page_read_order_by_order() -> None:
    page = json.dumps([order(id=1), order(id=2, status=None), order(id=3)]).encode()
    assert read_ordinary(page, KNOWN_PLUGINS) is None
    assert [isinstance(row, Order) for row in wire.parse_rows(page)] == [True, False, True]


@pytest.mark.parametrize("names", [{"email": ("student_#_email",)}, {"fields": {"town": ("billing.city",)}}])
def test_keys_with_numbers_or_addresses_are_left_to_the_patient_reading(names: dict[str, Any]) -> None:
    assert in_one_go(order(), MetaKeys(**names)) is None
