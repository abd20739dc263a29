"""The sandbox Moodle's courses, beyond what was recorded exchange by exchange."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from wcsync.sandbox.moodle import SandboxMoodle

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
SERVICE = "/webservice"


@pytest.fixture
def site() -> Iterator[SandboxMoodle]:
    with SandboxMoodle() as site:
        site.add_course("Python", course_id=42)
        yield site


def ask(site: SandboxMoodle, function: str, **fields: str) -> httpx.Response:
    call = {"wstoken": "sandboxtoken", "wsfunction": function, "moodlewsrestformat": "json"} | fields
    return httpx.post(f"{site.url}/webservice/rest/server.php", data=call)


def course(site: SandboxMoodle, course_id: int = 42) -> dict[str, Any]:
    told = ask(site, "core_course_get_courses_by_field", field="id", value=str(course_id)).json()
    found: dict[str, Any] = told["courses"][0]
    return found


def test_a_described_course_tells_it_all(site: SandboxMoodle) -> None:
    site.describe_course(
        42,
        name="Python & friends",
        summary="<p>All</p>",
        teachers=["Ada Lovelace"],
        modules=[("One", "Start", "page"), ("One", "Talk", "forum"), ("Two", "Exam", "quiz")],
        skills=["Loops"],
        level="Beginner",
        category="Development & data",
        cover=PNG,
    )
    told = course(site)
    assert (told["fullname"], told["summary"]) == ("Python &amp; friends", "<p>All</p>")
    assert told["categoryname"] == "Development &amp; data"
    assert [contact["fullname"] for contact in told["contacts"]] == ["Ada Lovelace"]
    assert {field["shortname"]: field["value"] for field in told["customfields"]} == {"level": "Beginner"}
    contents = ask(
        site,
        "core_course_get_contents",
        courseid="42",
        **{"options[0][name]": "excludecontents", "options[0][value]": "1"},
    ).json()
    shown = [(section["name"], [module["name"] for module in section["modules"]]) for section in contents]
    assert shown == [("General", []), ("One", ["Start", "Talk"]), ("Two", ["Exam"])]
    listed = ask(site, "core_competency_list_course_competencies", id="42").json()
    assert [one["competency"]["shortname"] for one in listed] == ["Loops"]


def test_two_edits_within_a_second_give_two_cacherevs(site: SandboxMoodle) -> None:
    revs = []
    for title in ("A", "B", "C"):
        site.describe_course(42, modules=[("One", title, "page")])
        revs.append(course(site)["cacherev"])
    assert len(set(revs)) == 3


def test_an_edit_that_changes_nothing_moves_nothing(site: SandboxMoodle) -> None:
    before = course(site)
    site.describe_course(42, name="Python", visible=True)
    assert course(site) == before
    site.rename_course(42, "Python 3")
    assert course(site)["cacherev"] > before["cacherev"]


def test_a_module_keeps_its_number_when_it_moves(site: SandboxMoodle) -> None:
    site.describe_course(42, modules=[("One", "A", "page"), ("One", "B", "page")])
    numbers = {one.name: one.id for one in site.courses[42].sections[1].activities}
    site.describe_course(42, modules=[("One", "B", "page"), ("One", "C", "page"), ("One", "A", "page")])
    moved = {one.name: one.id for one in site.courses[42].sections[1].activities}
    assert moved.items() > numbers.items()
    assert len(set(moved.values())) == 3


def test_a_field_of_one_course_is_an_empty_field_of_the_others(site: SandboxMoodle) -> None:
    other = site.add_course("Other")
    site.set_field(42, "level", "Beginner")
    site.set_field(42, "level", "Expert")
    (field,) = course(site, other)["customfields"]
    assert (field["shortname"], field["value"]) == ("level", None)


def test_a_deleted_course_is_gone_with_all_that_hung_on_it(site: SandboxMoodle) -> None:
    site.add_group(42, "Spring")
    site.enrol(site.add_user("anna@example.test"), 42)
    site.delete_course(42)
    assert (site.groups, site.enrolments_in(42)) == ({}, [])
    gone = ask(site, "core_course_get_contents", courseid="42").json()
    assert gone["errorcode"] == "invalidrecord"


def test_who_taught_and_does_no_more_is_no_contact(site: SandboxMoodle) -> None:
    site.describe_course(42, teachers=["Ada Lovelace", "Cher"])
    users = len(site.users)
    site.describe_course(42, teachers=["Cher"])
    assert [contact["fullname"].strip() for contact in course(site)["contacts"]] == ["Cher"]
    assert len(site.users) == users


def test_images_are_for_everybody_at_one_address_and_for_tokens_at_the_other(site: SandboxMoodle) -> None:
    site.describe_course(42, cover=PNG)
    told = course(site)
    inside = told["overviewfiles"][0]["fileurl"]
    assert inside.replace(SERVICE, "") == told["courseimage"]
    assert httpx.get(told["courseimage"]).content == PNG
    assert httpx.get(inside).json()["errorcode"] == "missingparam"
    assert httpx.get(inside, params={"token": "sandboxtoken"}).content == PNG


def test_the_images_of_a_hidden_course_are_not_for_everybody(site: SandboxMoodle) -> None:
    site.describe_course(42, cover=PNG, visible=False)
    assert httpx.get(course(site)["courseimage"]).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pluginfile.php/59/course/overviewfiles/none.png", 404),
        ("/pluginfile.php/59/course/generated/course.svg", 501),
        (f"{SERVICE}/pluginfile.php/59/course/overviewfiles/x.png?token=wrong", 501),
    ],
)
def test_files_that_are_not_there(site: SandboxMoodle, path: str, status: int) -> None:
    assert httpx.get(site.url + path).status_code == status


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        ("core_course_get_contents", {"courseid": "42"}),
        (
            "core_course_get_contents",
            {"courseid": "42", "options[0][name]": "modname", "options[0][value]": "page"},
        ),
        ("core_competency_list_course_competencies", {"id": "99"}),
    ],
    ids=["contents of pages", "other options", "competencies of no course"],
)
def test_what_nobody_recorded_is_not_made_up(
    site: SandboxMoodle, function: str, fields: dict[str, str]
) -> None:
    site.describe_course(42, modules=[("One", "A", "page")])
    assert ask(site, function, **fields).status_code == 501
