"""`wcsync courses diff` and `push`, and the daemon's own runs, between a sandbox shop and a sandbox Moodle."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.system.world import World
from wcsync.cli import main
from wcsync.ledger.lock import only_mirror
from wcsync.sandbox.faults import Fault

pytestmark = pytest.mark.prove
"""Whole runs, some by processes of their own."""

QUARANTINE_S = 3.5
"""So long a write may still take effect here: three time-outs of the shop, and a bit."""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """A shop with five products, each of a course that has much to say."""
    world = World(tmp_path)
    for number, course_id in enumerate(world.courses):
        world.moodle.describe_course(
            course_id,
            summary=f"<p>All about {number} & more.</p>",
            teachers=["Ana Núñez"],
            modules=[("Week 1", "Begin", "page"), ("Week 1", "Go on", "quiz")],
            skills=["Python & C++ \\ C", "<Basics>"],
            cover=PNG,
        )
    yield world
    world.close()


def courses(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, ["courses", *words, "--config", str(world.config_path)])


def document(world: World, *words: str, exit_code: int = 0) -> Any:
    result = courses(world, *words, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def push(world: World, *words: str) -> Any:
    return document(world, "push", *words)


def start_push(world: World, stderr: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "wcsync", "courses", "push", "--config", str(world.config_path)],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"},
    )


def options(product: dict[str, Any], name: str) -> list[str]:
    return next((one["options"] for one in product["attributes"] if one["name"] == name), [])


def switch_on(world: World, **settings: Any) -> None:
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    world.config_path.write_text(f"{world.config_path.read_text()}\n[course_sync]\nenabled = true\n{lines}\n")


def written(world: World) -> list[str]:
    """The requests that changed something in the shop."""
    return [f"{one.method} {one.path}" for one in world.shop.requests if one.method != "GET"]


def test_a_course_that_changed_shows_in_the_shop_and_a_persons_edit_survives(world: World) -> None:
    assert push(world)["written"] == 5
    edited, renamed = world.products[0], world.products[1]
    world.shop.edit_product(edited, description="<p>Our own words.</p>")
    before = {one: world.shop.product(one) for one in world.products}
    for course_id, name in zip(world.courses[:2], ("Renamed 0", "Renamed 1"), strict=True):
        world.moodle.describe_course(
            course_id,
            name=name,
            modules=[("Week 1", "Begin", "page"), ("Week 1", "Go on", "quiz"), ("Week 2", "End", "page")],
            skills=["Python", "SQL"],
        )
    run = push(world)
    assert (run["written"], run["edited"]) == (2, 1)
    after = {one: world.shop.product(one) for one in world.products}
    assert after[edited]["description"] == "<p>Our own words.</p>"
    assert after[edited]["name"] == "Renamed 0"
    assert "End" in after[renamed]["description"]
    assert options(after[renamed], "Skills") == ["Python", "SQL"]
    assert all(after[one] == before[one] for one in world.products[2:])
    asked = written(world)
    assert push(world)["changed"] == 0
    assert written(world) == asked


def test_a_look_names_every_field_with_its_reason_and_writes_no_byte(world: World) -> None:
    push(world)
    world.shop.edit_product(world.products[0], description="<p>Our own words.</p>")
    world.moodle.rename_course(world.courses[1], "Renamed")
    asked, files = written(world), {one.name: one.read_bytes() for one in world.folder.iterdir()}
    result = courses(world, "diff")
    assert result.exit_code == 0, result.output
    assert f"Product {world.products[1]}" in result.stdout
    assert "Renamed" in result.stdout
    assert "left alone" in result.stdout
    assert result.stderr == ""
    assert "--take-back" in result.stdout
    assert "1 would change" in result.stdout
    assert written(world) == asked
    assert {one.name: one.read_bytes() for one in world.folder.iterdir()} == files


def test_a_word_taken_out_of_a_line_shows_what_stays_of_it(world: World) -> None:
    course_id = world.courses[0]
    world.moodle.describe_course(course_id, skills=["Python", "SQL"])
    push(world)
    world.moodle.describe_course(course_id, skills=["Python"])
    lines = [line.strip() for line in courses(world, "diff").stdout.splitlines()]
    at = lines.index("attributes:Skills: the course changed")
    assert lines[at + 1 : at + 3] == ["- Python, SQL", "+ Python"]


def test_the_first_look_is_short_where_there_is_nothing_yet(world: World) -> None:
    text = courses(world, "diff", "--only", "C-0").stdout
    assert "  attributes:Author: + Ana Núñez\n" in text
    assert "(empty)" not in text
    assert len(text.splitlines()) < 20


def test_what_is_advised_about_a_field_left_alone_is_about_its_product_only(world: World) -> None:
    push(world)
    world.shop.edit_product(world.products[0], description="<p>Our own words.</p>")
    texts = [courses(world, "diff").stdout]
    push(world)
    texts.append(CliRunner().invoke(main, ["status", "--config", str(world.config_path)]).stdout)
    for text in texts:
        advised = [line for line in text.splitlines() if "--take-back" in line]
        assert advised
        assert all("--only" in line for line in advised), advised


def test_a_word_that_names_nothing_is_told_by_a_push_as_well(world: World) -> None:
    for words in (["push"], ["push", "--dry-run"], ["diff"]):
        result = courses(world, *words, "--only", "C-O")
        assert result.exit_code == 1, result.output
        assert "--only C-O: no product" in result.output
    assert written(world) == []


def test_one_cycle_carries_course_data_over_when_it_is_due(world: World) -> None:
    assert world.run_once() == 0
    assert written(world) == []
    switch_on(world)
    assert world.run_once() == 0
    assert all("All about" in world.shop.product(one)["description"] for one in world.products)
    asked = written(world)
    world.moodle.rename_course(world.courses[0], "Renamed")
    assert world.run_once() == 0
    assert written(world) == asked  # not due for an hour


def test_what_keeps_several_products_back_is_told_once(world: World) -> None:
    gone, twin = world.courses[0], world.shop.add_product("Course 0 for teams", sku="TEAM-0")
    with (world.folder / "mapping.toml").open("a") as mapping:
        mapping.write(f'\n[[map]]\nproduct_id = {twin}\nlms = "campus"\ncourse = "{gone}"\n')
    world.moodle.delete_course(gone)
    text = courses(world, "diff").stdout
    assert text.count(f"there is no course {gone} ") == 1
    assert all(f"product {one}," in text for one in (world.products[0], twin))


def test_a_look_without_a_ledger_makes_none(world: World) -> None:
    assert document(world, "diff")["counts"]["changed"] == 5
    assert not (world.folder / "ledger.db").exists()


def test_the_document_of_a_look_has_before_and_after(world: World) -> None:
    push(world)
    world.moodle.rename_course(world.courses[1], "Renamed")
    [product] = document(world, "diff")["products"]
    [name] = [one for one in product["fields"] if one["field"] == "name"]
    assert (name["verdict"], name["before"], name["after"]) == ("write", "Course 1", "Renamed")


def test_a_push_can_be_rehearsed(world: World) -> None:
    result = courses(world, "push", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "5 would change" in result.stdout
    assert written(world) == []


def test_a_field_is_taken_back_from_a_person_when_one_says_so(world: World) -> None:
    push(world)
    for product_id in world.products[:2]:
        world.shop.edit_product(product_id, description="<p>Our own words.</p>")
    run = push(world, "--only", str(world.products[0]), "--take-back", "description")
    assert run["written"] == 1
    assert "All about 0" in world.shop.product(world.products[0])["description"]
    assert world.shop.product(world.products[1])["description"] == "<p>Our own words.</p>"


def test_a_picture_reaches_the_shop_once(world: World) -> None:
    world.moodle.describe_course(world.courses[0], cover=PNG)
    run = push(world)
    assert run["messages"] == []
    assert (run["written"], world.shop.uploads) == (5, 1)
    assert push(world)["changed"] == 0


def test_an_lms_that_suddenly_shows_nothing_stops_the_run_and_says_how_to_go_on(world: World) -> None:
    push(world)
    before = [world.shop.product(one) for one in world.products]
    for course_id in world.courses:
        world.moodle.delete_course(course_id)
    result = courses(world, "push")
    assert result.exit_code == 1, result.output
    assert "--allow-gone campus" in result.stderr
    assert [world.shop.product(one) for one in world.products] == before
    assert courses(world, "push", "--allow-gone", "campus").exit_code == 0
    assert [world.shop.product(one) for one in world.products] == before


def test_too_many_changes_stop_the_run_before_the_first(world: World) -> None:
    switch_on(world, max_changes=3)
    result = courses(world, "push")
    assert result.exit_code == 1, result.output
    assert "--allow-many" in result.stderr
    assert written(world) == []
    assert push(world, "--allow-many")["written"] == 5


def test_an_lms_nobody_configured_is_a_slip(world: World) -> None:
    result = courses(world, "push", "--allow-gone", "nowhere")
    assert result.exit_code == 2
    assert "campus" in result.stderr


def test_a_word_that_names_nothing_is_told(world: World) -> None:
    result = courses(world, "diff", "--only", "nothing")
    assert "--only nothing: no product" in result.stdout


@pytest.mark.parametrize("command", ["diff", "push"])
def test_a_shop_or_lms_that_is_down_ends_with_69(world: World, command: str) -> None:
    world.moodle.stop_answering()
    assert courses(world, command).exit_code == 69
    world.moodle.resume()
    world.shop.faults.add(Fault(kind="status", status=503, times=None))
    assert courses(world, command).exit_code == 69


def test_a_mapping_with_mistakes_ends_with_78(world: World) -> None:
    (world.folder / "mapping.toml").write_text("[[map]]\n")
    assert courses(world, "diff").exit_code == 78


def test_a_push_beside_another_is_refused_with_a_sentence(world: World) -> None:
    with only_mirror(world.folder / "ledger.db"):
        result = courses(world, "push")
    assert result.exit_code == 75
    assert "Try again" in result.stderr
    assert written(world) == []


def test_a_push_that_is_stopped_says_so_and_the_next_one_does_the_rest(world: World) -> None:
    world.shop.faults.add(Fault(kind="delay_before", seconds=0.4, times=None))
    process = start_push(world)
    await_that(lambda: bool(world.shop.requests))
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    world.shop.faults.clear()
    assert process.returncode == 130, told
    assert b"the next run does the rest" in told
    push(world)
    assert push(world)["changed"] == 0


def await_that(question: Any, timeout_s: float = 30.0) -> None:
    deadline = monotonic() + timeout_s
    while not question():
        assert monotonic() < deadline
        sleep(0.05)


def test_a_daemon_carries_courses_over_on_its_schedule_and_stops_politely(world: World) -> None:
    switch_on(world)
    process = world.start()
    try:
        await_that(lambda: world.shop.product(world.products[4])["description"])
        assert courses(world, "diff").exit_code == 0
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
    events = [json.loads(line)["event"] for line in world.log_path.read_text().splitlines()]
    assert events.count("courses_synced") == 1
    assert not {"product_not_written", "product_changed_elsewhere", "courses_stopped"} & set(events)


def test_a_daemon_that_mirrors_nothing_loads_nothing_for_it() -> None:
    code = (
        "import sys; from wcsync.app import App; from wcsync.cli.run import run; "
        "print([name for name in ('jinja2', 'nh3') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert found.stdout.strip() == "[]"


def test_a_shop_that_dies_in_the_middle_of_a_batch_ends_with_every_product_written(world: World) -> None:
    world.shop.faults.add(Fault(kind="halfway", match="products/batch", items=2))
    run = push(world)
    assert (run["outcome"], run["written"], run["failed"]) == ("done", 5, 0)
    assert push(world)["changed"] == 0


def test_an_answer_that_is_lost_leaves_nothing_undone_and_nothing_done_twice(world: World) -> None:
    world.moodle.describe_course(world.courses[0], cover=PNG)
    world.shop.faults.add(Fault(kind="reset_after", match="PUT"))
    assert document(world, "push", exit_code=69)["outcome"] == "failed"
    sleep(QUARANTINE_S)
    push(world)
    assert world.shop.uploads == 1
    assert push(world)["changed"] == 0


def test_a_terminal_shows_how_far_a_push_has_come(world: World) -> None:
    world.shop.faults.add(Fault(kind="delay_before", seconds=0.3, match="products/batch", times=None))
    ours, theirs = pty.openpty()
    process = start_push(world, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how the end of a terminal reads
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert process.wait(timeout=30) == 0, shown
    assert b"5 of 5 products" in shown


def test_a_push_that_is_killed_again_and_again_ends_where_it_should(world: World) -> None:
    world.moodle.describe_course(world.courses[0], cover=PNG)
    world.shop.faults.add(Fault(kind="delay_after", seconds=0.1, times=None))
    for after_s in (0.5, 0.7, 0.8, 0.9, 1.0, 1.1):
        process = start_push(world)
        sleep(after_s)
        process.kill()
        process.communicate(timeout=30)
    world.shop.faults.clear()
    sleep(QUARANTINE_S)
    assert push(world)["outcome"] == "done"
    for number, product_id in enumerate(world.products):
        assert f"All about {number}" in world.shop.product(product_id)["description"]
    assert world.shop.uploads == 1
    assert push(world)["changed"] == 0
