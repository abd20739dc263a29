"""Which lines of an order are parts of a bundle, by what its plugin says."""

import json
from typing import Any

import pytest

from wcsync.model import Order
from wcsync.store import wire


def line(
    line_id: int, product_id: int = 17, meta: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    entries = [{"id": n, "key": key, "value": value} for n, (key, value) in enumerate((meta or {}).items())]
    return {"id": line_id, "product_id": product_id, "quantity": 1, "meta_data": entries} | fields


def bundles(*lines: dict[str, Any]) -> list[tuple[int, bool, int]]:
    """(line, whether it is a container, what it is a part of)."""
    order = wire.parse_order(
        json.dumps(
            {
                "id": 7,
                "status": "completed",
                "date_modified_gmt": "2026-11-21T19:17:10",
                "line_items": list(lines),
            }
        ).encode()
    )
    assert isinstance(order, Order), order
    return [(one.line_id, one.container, one.part_of) for one in order.lines]


NONE: dict[str, Any] = {
    "bundled_by": "",
    "bundled_item_title": "",
    "bundled_items": [],
    "composite_parent": "",
    "composite_children": [],
}
"""What the plugins add to every line that has nothing to do with them."""


def test_lines_that_are_no_bundle_are_none_even_with_the_plugins_fields() -> None:
    assert bundles(line(1, **NONE), line(2)) == [(1, False, 0), (2, False, 0)]


@pytest.mark.parametrize("field", ["bundled_by", "composite_parent", "mnm_child_of"])
@pytest.mark.parametrize("told", [1, "1"], ids=["number", "text"])
def test_a_part_names_its_container_by_the_number_of_its_line(field: str, told: Any) -> None:
    found = bundles(line(1, **NONE), line(2, **NONE | {field: told}), line(3))
    assert found == [(1, True, 0), (2, False, 1), (3, False, 0)]


@pytest.mark.parametrize(
    ("container", "part"),
    [
        ("_bundle_cart_key", "_bundled_by"),
        ("_composite_cart_key", "_composite_parent"),
        ("_mnm_cart_key", "_mnm_container"),
        ("_yith_bundle_cart_key", "_bundled_by"),
    ],
)
def test_without_its_part_of_the_api_the_key_in_the_cart_tells(container: str, part: str) -> None:
    found = bundles(
        line(1, meta={container: "k1"}),
        line(2, meta={container: "k2", part: "k1"}),
        line(3, meta={part: "k1"}),
        line(4, meta={part: "unknown"}),
    )
    assert found == [(1, True, 0), (2, False, 1), (3, False, 1), (4, False, 0)]


def test_yiths_free_edition_marks_the_container_alone() -> None:
    found = bundles(
        line(1, meta={"_cartstamp": {"1": {"product_id": 5}}}),
        line(2, meta={"_bundled_by": "k1"}),
        line(3, meta={"_cartstamp": {"1": {"product_id": 6}}}),
        line(4, meta={"_bundled_by": "k3"}),
    )
    assert found == [(1, True, 0), (2, False, 1), (3, True, 0), (4, False, 3)]


def test_wpc_bundles_name_the_product_of_a_line_before() -> None:
    found = bundles(
        line(1, 50, meta={"_woosb_ids": "17/1,18/1"}),
        line(2, 17, meta={"_woosb_parent_id": "50"}),
        line(3, 50, meta={"_woosb_ids": "17/1"}),
        line(4, 17, meta={"_woosb_parent_id": 50}),
        line(5, 18, meta={"_woosb_parent_id": "99"}),
    )
    assert found == [(1, True, 0), (2, False, 1), (3, True, 0), (4, False, 3), (5, False, 0)]


def test_a_bundle_within_a_composite_is_both() -> None:
    found = bundles(line(1), line(2, composite_parent=1), line(3, bundled_by=2))
    assert found == [(1, True, 0), (2, True, 1), (3, False, 2)]


def test_a_container_whose_line_is_gone_leaves_its_parts_on_their_own() -> None:
    assert bundles(line(2, bundled_by=1), line(3)) == [(2, False, 0), (3, False, 0)]


def test_lines_that_name_each_other_or_themselves_are_no_bundle() -> None:
    found = bundles(
        line(1, bundled_by=2), line(2, bundled_by=1), line(3, bundled_by=3), line(4, bundled_by=1)
    )
    assert found == [(1, True, 0), (2, False, 0), (3, False, 0), (4, False, 1)]


@pytest.mark.parametrize("odd", [[], [1], {"a": 1}, None, False, "one", 1.5, "1e9999", [[[]]]], ids=str)
def test_whatever_a_plugin_writes_there_costs_no_order(odd: Any) -> None:
    fields = dict.fromkeys(("bundled_by", "composite_parent", "mnm_child_of"), odd)
    meta = dict.fromkeys(("_bundled_by", "_bundle_cart_key", "_woosb_parent_id", "_cartstamp"), odd)
    assert [number for number, _, _ in bundles(line(1, meta=meta, **fields), line(2))] == [1, 2]
