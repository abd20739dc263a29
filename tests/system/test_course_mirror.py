"""The mirror of courses end to end, between a sandbox shop, a sandbox Moodle and a 360Learning company."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from tests.system.gallery import PNG, QUARANTINE_S, Gallery, meta, options
from wcsync.sandbox.faults import Fault

pytestmark = pytest.mark.prove
"""A minute of whole runs, each by a process of its own; the same rules are tried piece by piece elsewhere."""

OURS = "<p>Our own <em>words</em>.</p>"
AWKWARD = 'R & D \\ <C> [gallery ids="1"] 100 % "quoted" \'x\' &amp; don\'t --- ©'
AWKWARD_HTML = (
    "<p>a &lt; b &amp;&amp; c \\ d</p>\n\n[caption]x[/caption]\n<script>alert(1)</script><pre>  two  blanks\n"
    "line</pre><p onclick='x()'>It's \"so\" -- really...</p><a href='https://example.test/?a=1&b=2'>link</a>"
)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path)
    yield gallery
    gallery.close()


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Gallery]:
    """The same, with every command a process of its own."""
    gallery = Gallery(tmp_path, alone=True)
    yield gallery
    gallery.close()


def fields(outlook: dict[str, Any], product_id: int) -> dict[str, str]:
    """The verdict on each field of a product."""
    [one] = [one for one in outlook["products"] if one["product_id"] == product_id]
    return {field["field"]: field["verdict"] for field in one["fields"]}


def test_both_lmss_reach_the_shop_and_a_second_push_writes_nothing(commands: Gallery) -> None:
    assert commands.diff()["counts"]["changed"] == 4
    assert commands.writes() == []
    assert commands.push()["written"] == 4
    course, path = commands.product(0), commands.product(3)
    assert options(course, "Skills") == ["Python"]
    assert "Go on" in course["description"]
    assert options(path, "Skills") == ["Leading"]
    assert "Listening" in path["description"]
    commands.assert_at_rest()


def test_each_lms_has_its_changes_carried_over_and_nothing_else_is_written(gallery: Gallery) -> None:
    gallery.push()
    before = gallery.shown()
    gallery.moodle.describe_course(
        gallery.courses[1], name="Renamed & more", modules=[("Week 1", "New", "page")], skills=["SQL"]
    )
    gallery.academy.describe_path(
        gallery.paths[0],
        steps=[("course", "Listening"), ("classroom", "Together")],
        tags=["Leading", "Coaching"],
    )
    assert gallery.push()["written_products"] == [gallery.products[1], gallery.products[3]]
    course, path = gallery.product(1), gallery.product(3)
    assert course["name"] == "Renamed &amp; more"
    assert ("New" in course["description"], "Begin" in course["description"]) == (True, False)
    assert options(course, "Skills") == ["SQL"]
    assert "Together" in path["description"]
    assert options(path, "Skills") == ["Leading", "Coaching"]
    assert [gallery.shown()[place] for place in (0, 2)] == [before[place] for place in (0, 2)]
    gallery.assert_at_rest()


def test_what_a_person_wrote_stays_is_listed_and_is_taken_back_by_word_alone(commands: Gallery) -> None:
    commands.push()
    commands.shop.edit_product(commands.products[0], description=OURS)
    commands.shop.edit_product(commands.products[1], description=OURS)
    for course in commands.courses:
        commands.moodle.describe_course(course, summary="<p>Quite new.</p>")
    assert commands.push()["edited"] == 2
    assert fields(commands.diff(), commands.products[0])["description"] == "edited"
    assert [commands.product(place)["description"] for place in (0, 1)] == [OURS, OURS]
    commands.push("--only", f"campus/{commands.courses[0]}", "--take-back", "description")
    assert "Quite new." in commands.product(0)["description"]
    assert commands.product(1)["description"] == OURS
    commands.assert_at_rest()


def test_a_word_allows_many_changes_once(commands: Gallery) -> None:
    commands.configure(max_changes=2)
    _, told = commands.wcsync("courses", "push", exit_code=1)
    assert "--allow-many" in told
    assert commands.writes() == []
    assert commands.push("--allow-many")["written"] == 4
    for course in commands.courses:
        commands.moodle.describe_course(course, summary="<p>Again.</p>")
    before = commands.writes()
    assert commands.push(exit_code=1)["code"] == "too_many_changes"
    assert commands.writes() == before


def test_a_key_that_may_only_read_is_told_once_and_nothing_is_lost(commands: Gallery) -> None:
    commands.shop.gate.permissions = "read"
    before = commands.shown()
    _, told = commands.wcsync("courses", "push", exit_code=69)
    assert "Read/Write" in told
    assert commands.shown() == before
    commands.shop.gate.permissions = "read_write"
    assert commands.push()["written"] == 4
    commands.assert_at_rest()


def test_an_lms_that_shows_less_than_half_stops_its_own_products_alone(gallery: Gallery) -> None:
    gallery.push()
    before = gallery.shown()
    for course in gallery.courses:
        gallery.moodle.describe_course(course, summary="<p>Quite new.</p>")
    for course in gallery.courses[:2]:
        gallery.moodle.delete_course(course)
    gallery.academy.describe_path(gallery.paths[0], name="Renamed")
    run = gallery.push(exit_code=1)
    assert (run["outcome"], run["code"]) == ("stopped", "courses_missing")
    assert gallery.shown()[:3] == before[:3]
    assert gallery.product(3)["name"] == "Renamed"


def test_a_course_that_is_gone_costs_itself_alone_and_is_marked_where_that_is_wanted(
    gallery: Gallery,
) -> None:
    gallery.configure(mark_gone=True)
    gallery.push()
    before = gallery.product(0)
    gallery.moodle.delete_course(gallery.courses[0])
    gallery.moodle.rename_course(gallery.courses[1], "Renamed")
    assert [one["code"] for one in gallery.diff()["left"]] == ["course_gone"]
    gallery.push()
    after = gallery.product(0)
    assert meta(after)["_wcsync_state"] == "gone"
    assert [after[key] for key in ("name", "description", "status", "attributes")] == [
        before[key] for key in ("name", "description", "status", "attributes")
    ]
    assert gallery.product(1)["name"] == "Renamed"
    gallery.assert_at_rest()


def test_a_hidden_course_and_an_archived_path_are_marked_and_unmarked_and_never_unpublished(
    gallery: Gallery,
) -> None:
    gallery.configure(mark_gone=True)
    gallery.push()
    gallery.moodle.describe_course(gallery.courses[0], visible=False)
    gallery.academy.describe_path(gallery.paths[0], state="archived")
    gallery.push()
    marked = [gallery.product(place) for place in (0, 3)]
    assert [meta(one)["_wcsync_state"] for one in marked] == ["hidden", "archived"]
    assert {one["status"] for one in marked} == {"publish"}
    gallery.moodle.describe_course(gallery.courses[0], visible=True)
    gallery.academy.describe_path(gallery.paths[0], state="published")
    gallery.push()
    assert [meta(gallery.product(place)).get("_wcsync_state") for place in (0, 3)] == [None, None]
    gallery.assert_at_rest()


def test_without_being_asked_for_nothing_marks_a_hidden_course(gallery: Gallery) -> None:
    gallery.push()
    before = gallery.shown()
    gallery.moodle.describe_course(gallery.courses[0], visible=False)
    gallery.push()
    assert gallery.shown() == before


def test_a_variation_shows_its_course_and_its_parent_nothing_of_it(gallery: Gallery) -> None:
    course = gallery.moodle.add_course("Evenings")
    gallery.moodle.describe_course(course, summary="<p>After work.</p>", cover=PNG)
    parent = gallery.shop.add_product("Any time", sku="ANY", description=OURS)
    choice = gallery.shop.add_variation(parent, "Evening", sku="ANY-E", price="5.00")
    gallery.add_row(variation_id=choice, lms="campus", course=str(course))
    before = gallery.shop.product(parent)
    assert gallery.push()["written"] == 5
    assert "After work." in gallery.shop.product(choice)["description"]
    assert meta(gallery.shop.product(choice))["_wcsync_courses"] == f'["campus:{course}"]'
    after = gallery.shop.product(parent)
    assert {key for key in before if before[key] != after[key]} <= {"date_modified", "date_modified_gmt"}
    assert gallery.shop.uploads == 1
    gallery.assert_at_rest()


def test_a_product_in_the_trash_is_left_there_and_is_served_again_when_it_is_back(gallery: Gallery) -> None:
    gallery.push()
    trashed = gallery.products[0]
    gallery.shop.trash_product(trashed)
    gallery.moodle.rename_course(gallery.courses[0], "Renamed")
    before = gallery.shop.product(trashed)
    [left] = gallery.diff()["left"]
    assert (left["code"], left["product_id"]) == ("in_trash", trashed)
    assert gallery.push()["written"] == 0
    assert gallery.shop.product(trashed) == before
    gallery.shop.edit_product(trashed, status="publish")
    assert gallery.push()["written_products"] == [trashed]
    assert gallery.product(0)["name"] == "Renamed"


def test_a_product_deleted_for_good_is_told_and_the_rest_goes_on(gallery: Gallery) -> None:
    gallery.shop.delete_product_for_good(gallery.products[0])
    assert gallery.push()["written"] == 3
    assert [one["code"] for one in gallery.diff()["left"]] == ["unknown_product"]


def test_a_product_that_becomes_a_variable_one_keeps_its_choices(gallery: Gallery) -> None:
    gallery.push()
    choice = gallery.shop.add_variation(gallery.products[0], "Evening", attribute="Skills")
    before = gallery.product(0)
    gallery.moodle.describe_course(gallery.courses[0], name="Renamed", skills=["SQL"])
    gallery.push()
    after = gallery.product(0)
    assert after["name"] == "Renamed"
    assert after["type"] == "variable"
    assert after["attributes"] == before["attributes"]
    assert gallery.shop.product(choice)["status"] == "publish"
    gallery.assert_at_rest()


def test_no_text_however_awkward_is_written_twice(gallery: Gallery) -> None:
    gallery.moodle.describe_course(
        gallery.courses[0],
        name=AWKWARD,
        summary=AWKWARD_HTML,
        modules=[("Week <1>", AWKWARD, "page")],
        skills=[AWKWARD, "C++ | C#"],
        teachers=["O'Neil & Söhne"],
    )
    gallery.academy.describe_path(
        gallery.paths[0],
        name=AWKWARD,
        description=AWKWARD_HTML,
        tags=[AWKWARD],
        steps=[("course", AWKWARD)],
    )
    gallery.push("--take-back", "name")
    assert "<script" not in gallery.product(0)["description"]
    gallery.assert_at_rest()


def test_an_image_the_shop_cannot_fetch_costs_the_image_alone(gallery: Gallery) -> None:
    gallery.moodle.describe_course(gallery.courses[0], cover=PNG)
    gallery.moodle.faults.add(Fault(kind="status", status=404, match="/pluginfile.php/", skip=1, times=None))
    run = gallery.push()
    assert len(run["messages"]) == 1
    assert ("All about 0" in gallery.product(0)["description"], gallery.product(0)["images"]) == (True, [])
    gallery.moodle.faults.clear()
    gallery.push()
    assert len(gallery.product(0)["images"]) == 1
    gallery.assert_at_rest()


def test_one_picture_of_several_courses_is_uploaded_once_and_galleries_stay(gallery: Gallery) -> None:
    image = gallery.shop.add_image("Poster")
    gallery.push()
    gallery.shop.edit_product(gallery.products[0], images=[image])
    for course in gallery.courses:
        gallery.moodle.describe_course(course, cover=PNG)
    gallery.push()
    assert gallery.shop.uploads == 1
    assert [one["id"] for one in gallery.product(0)["images"]] == [image]
    assert gallery.product(1)["images"][0]["id"] == gallery.product(2)["images"][0]["id"]
    gallery.assert_at_rest()


def test_a_shop_that_takes_no_large_request_gets_small_ones(gallery: Gallery) -> None:
    gallery.shop.faults.add(Fault(kind="status", status=413, match="/products/batch", times=2))
    assert gallery.push()["written"] == 4
    gallery.assert_at_rest()


@pytest.mark.parametrize("kind", ["truncated", "html200"])
def test_an_answer_nobody_can_read_leaves_nothing_undone(gallery: Gallery, kind: Any) -> None:
    gallery.shop.faults.add(Fault(kind=kind, match="/products/batch"))
    gallery.try_out("courses", "push")
    sleep(QUARANTINE_S)
    gallery.run_until_quiet()
    assert all("All about" in gallery.product(place)["description"] for place in range(3))
    gallery.assert_at_rest()


def test_tags_are_made_in_the_shop_and_those_of_people_stay(gallery: Gallery) -> None:
    with (gallery.folder / "config.toml").open("a") as file:
        file.write('[course_sync.tags]\nownership = "own-unless-edited"\n')
    gallery.shop.edit_product(gallery.products[0], tags=["Sale"])
    gallery.moodle.describe_course(gallery.courses[0], skills=["R & D", "sale"])
    gallery.push()
    assert {one["name"] for one in gallery.product(0)["tags"]} == {"Sale", "R &amp; D"}
    gallery.moodle.describe_course(gallery.courses[0], summary="<p>x</p>", skills=["SQL"])
    gallery.push()
    assert {one["name"] for one in gallery.product(0)["tags"]} == {"Sale", "SQL"}
    gallery.assert_at_rest()
