"""`wcsync courses import` against a sandbox shop and Moodle."""

import json
import os
import signal
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.system.world import World
from wcsync.cli import main
from wcsync.cli.course_import import import_command
from wcsync.ledger.lock import only_mirror
from wcsync.lms.moodle import TARGET_KEYS
from wcsync.mappers.mapping import read_mapping
from wcsync.model import LmsName
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault

pytestmark = pytest.mark.prove
"""Whole runs of a command; its parts are tried with the drafts."""

KEYS = {LmsName("campus"): TARGET_KEYS}


def courses_import(world: World, *words: str) -> Result:
    return CliRunner().invoke(import_command, [*words, "--config", str(world.config_path)])


def document(world: World, *words: str) -> dict[str, Any]:
    result = courses_import(world, *words, "--json")
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def mapping_file(world: World) -> Path:
    return world.folder / "mapping.toml"


def rows(world: World) -> list[tuple[str | None, str]]:
    table = read_mapping("mapping.toml", mapping_file(world).read_bytes(), KEYS)
    return [(row.sku, one.course_id) for row in table.rows for one in row.targets if row.sku]


@pytest.fixture
def python(world: World) -> str:
    """A course that no product sells, beside one that cannot be sold."""
    world.moodle.add_course("Hidden", "HID", visible=False)
    return str(world.moodle.add_course("Python", "PY-101", summary="<p>All of it.</p>"))


def test_a_course_gets_its_product_and_its_row(world: World, python: str) -> None:
    result = courses_import(world)
    assert result.exit_code == 0, result.output
    assert "1 draft product made" in result.stdout
    assert "it is hidden" in result.stdout
    assert "5 courses sold already" in result.stdout
    assert rows(world) == [("PY-101", python)]
    assert "nothing" not in courses_import(world).stderr
    assert rows(world) == [("PY-101", python)]


def test_a_dry_run_changes_nothing(world: World, python: str) -> None:
    before, products = mapping_file(world).read_bytes(), len(world.shop.products)
    result = courses_import(world, "--dry-run")
    assert (result.exit_code, "1 draft product would be made" in result.stdout) == (0, True)
    assert (mapping_file(world).read_bytes(), len(world.shop.products)) == (before, products)
    assert not (world.folder / "ledger.db").exists()
    plan = document(world, "--dry-run")["plan"]
    assert {(one["course"], one["action"], one["sku"]) for one in plan} >= {(python, "make", "PY-101")}


def test_the_json_says_what_was_made_and_which_rows_were_added(world: World, python: str) -> None:
    told = document(world)
    [made] = [one for one in told["results"] if one["made"]]
    assert (made["course"], made["sku"], told["mapping"]["problem"]) == (python, "PY-101", "")
    assert 'sku = "PY-101"' in told["mapping"]["rows"]
    assert made["product_id"] in world.shop.products


def test_where_the_file_may_not_be_written_the_rows_are_shown(
    world: World, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    before = mapping_file(world).read_bytes()
    monkeypatch.setattr(Path, "replace", refuse)
    result = courses_import(world)
    assert result.exit_code == 1
    assert "cannot be written (Permission denied)" in result.stderr
    assert f'course = "{python}"' in result.stdout
    assert mapping_file(world).read_bytes() == before
    monkeypatch.undo()
    assert "1 row added" in courses_import(world).stdout.replace("\n", " ")
    assert rows(world) == [("PY-101", python)]


def test_a_course_that_is_not_there_is_named(world: World, python: str) -> None:
    result = courses_import(world, "--only", "4711", "--only", python)
    assert (result.exit_code, "campus shows no course 4711" in result.stderr) == (1, True)
    assert rows(world) == [("PY-101", python)]


def test_an_lms_that_is_not_in_the_config_is_refused(world: World) -> None:
    result = courses_import(world, "--lms", "other")
    assert (result.exit_code, "there are: campus" in result.stderr) == (2, True)


def test_what_was_made_before_the_shop_went_down_has_its_row(world: World, python: str) -> None:
    world.moodle.add_course("SQL", "SQL-1")
    makes = lambda request: request.method == "POST"  # noqa: E731  one line among many
    world.shop.faults.add(Fault(kind="maintenance", match=makes, skip=1, times=None))
    result = courses_import(world)
    assert (result.exit_code, "1 draft product made" in result.stdout) == (69, True)
    assert rows(world) == [("PY-101", python)]
    world.shop.faults.clear()
    assert "may still do so" in " ".join(courses_import(world).stdout.split())
    deadline = monotonic() + 15
    while len(rows(world)) < 2 and monotonic() < deadline:
        sleep(0.5)
        assert courses_import(world).exit_code == 0
    assert [sku for sku, _ in rows(world)] == ["PY-101", "SQL-1"]


def test_two_of_them_do_not_work_at_the_same_time(world: World, python: str) -> None:
    with only_mirror(world.folder / "ledger.db"):
        result = courses_import(world)
    assert (result.exit_code, "being written" in result.stderr) == (75, True)
    assert rows(world) == []


def test_another_shop_at_the_same_address_gets_no_products(world: World, python: str) -> None:
    assert courses_import(world, "--only", "HID").exit_code == 0
    world.shop.site_url = "https://another.example.test"
    result = courses_import(world)
    assert (result.exit_code, "another" in result.stderr) == (69, True)
    assert rows(world) == []


def test_the_mirror_has_nothing_to_write_into_a_product_just_made(world: World, python: str) -> None:
    course = world.moodle.add_course("R & D \\ [x]", "RD", summary="<p>a < b & c</p><script>x</script>")
    assert courses_import(world).exit_code == 0
    words = [
        "courses",
        "diff",
        "--json",
        "--only",
        "PY-101",
        "--only",
        "RD",
        "--config",
        str(world.config_path),
    ]
    told = json.loads(CliRunner().invoke(main, words).stdout)
    assert told["counts"] == {"courses": 2, "products": 2, "changed": 0, "edited": 0}
    assert rows(world) == [("PY-101", python), ("RD", str(course))]


def test_a_stop_while_courses_are_read_is_heard_between_two_calls(world: World, python: str) -> None:
    read = list[str]()

    def stop(request: Request) -> bool:
        if "core_course_get_contents" in request.text:
            read.append(request.text)
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    for number in range(30):
        world.moodle.add_course(f"More {number}", f"MORE-{number}")
    world.moodle.faults.add(Fault(kind="status", match=stop))
    result = courses_import(world, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["interrupted"], told["results"]) == (130, True, [])
    assert 0 < len(read) < 10
    assert rows(world) == []


def test_a_stop_while_the_shop_is_read_is_heard_too(world: World, python: str) -> None:
    def stop(request: Request) -> bool:
        if request.method == "GET" and "sku=" in request.text:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    for number in range(500):
        world.moodle.add_course(f"More {number}", f"MORE-{number}")
    world.shop.faults.add(Fault(kind="status", match=stop))
    result = courses_import(world)
    assert (result.exit_code, "the same command goes on from here" in result.stderr) == (130, True)
    assert rows(world) == []
