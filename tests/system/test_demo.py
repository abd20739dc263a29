"""`wcsync demo` would say so if the products were not as they should be."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wcsync.app import App
from wcsync.config import load_config
from wcsync.demo.course_changes import EDITED, EDITED_SKU
from wcsync.demo.shop_window import Window
from wcsync.demo.stage import Stage, opened
from wcsync.ledger.mirror import DONE
from wcsync.pollers.courses import Options


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with opened(tmp_path) as stage:
        yield stage


@pytest.fixture
def window(stage: Stage) -> Window:
    """Course data was carried over once, and then a person rewrote a description."""
    window = Window.of(stage)
    assert window.wrong()
    app = App(load_config(stage.config_path, {}).config)
    app.load()
    assert app.courses(lambda: app.mapping.current).run(Options()).outcome == DONE
    app.close()
    stage.shop.edit_product(stage.products[EDITED_SKU], description=EDITED)
    return window


def test_what_the_mirror_leaves_behind_is_in_order(window: Window) -> None:
    assert (window.wrong(), window.lost(), window.touched(), window.covers()) == ([], [], [], (2, 4))


@pytest.mark.parametrize(
    ("sku", "changes"),
    [
        ("PY-101", {"price": "1.00"}),
        ("PY-101", {"status": "draft"}),
        ("PY-101", {"sku": "PY-102"}),
        ("PY-101", {"tags": []}),
        ("PY-101", {"attributes": {}}),
        ("ES-DIS", {"manage_stock": False}),
        ("ES-DIS", {"images": []}),
        ("ES-DIS", {"meta": {"_yoast_wpseo_title": None}}),
        ("MUG-1", {"name": "Tea mug"}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_change_of_what_is_not_the_mirrors_business_is_seen(
    stage: Stage, window: Window, sku: str, changes: dict[str, Any]
) -> None:
    stage.shop.edit_product(stage.products[sku], **changes)
    assert window.touched()


@pytest.mark.parametrize(
    ("sku", "field"),
    [
        ("DE-A1", "description"),
        (EDITED_SKU, "description"),
        ("PY-TEAM", "name"),
        ("GDPR", "short_description"),
    ],
)
def test_a_text_of_people_that_is_lost_is_seen(stage: Stage, window: Window, sku: str, field: str) -> None:
    changes: dict[str, Any] = {field: "<p>From the course.</p>"}
    stage.shop.edit_product(stage.products[sku], **changes)
    assert window.lost()


@pytest.mark.parametrize(
    "change",
    [
        lambda stage: stage.moodle.describe_course(int(stage.courses["PY-101"][1]), name="Another"),
        lambda stage: stage.moodle.describe_course(int(stage.courses["PY-101"][1]), skills=["Another"]),
        lambda stage: stage.moodle.describe_course(int(stage.courses["ES-DIS"][1]), modules=[]),
        lambda stage: stage.academy.describe_path(stage.paths[stage.courses["GDPR"][1]], steps=[]),
    ],
    ids=["name", "skills", "modules", "steps"],
)
def test_a_course_that_is_not_shown_as_it_is_now_is_seen(
    stage: Stage, window: Window, change: Callable[[Stage], None]
) -> None:
    change(stage)
    assert window.wrong()
