"""The shop, the LMSs, the files between them, and what the shoppers ought to get."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wcsync.demo.curriculum import (
    COURSES,
    PATHS,
    Taught,
    describe_course,
    describe_path,
    taught_course,
    taught_path,
)
from wcsync.demo.files import Row, write_config, write_mapping, write_secrets
from wcsync.demo.products import TEAM_SKU, TEAM_TITLE, furnish
from wcsync.mappers.notes import told_last
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.threesixty import SandboxThreeSixty

UNMAPPED_SKU, IGNORED_SKU = "NEW-1", "MUG-1"
TITLES = COURSES | PATHS | {TEAM_SKU: TEAM_TITLE, UNMAPPED_SKU: "Brand new course", IGNORED_SKU: "Coffee mug"}

Place = tuple[str, str]
"""An LMS and a course of it."""
Seat = tuple[str, Place]
"""An address and what it is let into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`courses`: for each SKU the LMS and the course (in 360Learning the group) that it sells. `paths`: the path that a
    group gives access to. `staff`: who was in before the first shopper came."""

    shop: SandboxShop
    moodle: SandboxMoodle
    academy: SandboxThreeSixty
    folder: Path
    products: dict[str, int]
    courses: dict[str, Place]
    paths: dict[str, str]
    staff: set[Seat] = field(default_factory=set)
    due: Counter[Seat] = field(default_factory=Counter)

    @property
    def config_path(self) -> Path:
        return self.folder / "config.toml"

    def sell(
        self, buyer: tuple[str, str, str], skus: tuple[str, ...], *, quantity: int = 1, **how: str | bool
    ) -> int:
        """One order. Counts what it entitles to, by the rules of the shop, not by wcsync's."""
        email, first, last = buyer
        lines = [(self.products[sku], quantity) for sku in skus]
        order_id = self.shop.buy(email, first, last, lines, **how)  # type: ignore[arg-type]
        if how.get("status", "completed") == "completed":
            self.due.update((email.casefold(), self.courses[sku]) for sku in skus if sku in self.courses)
        return order_id

    def take_back(self, order_id: int) -> None:
        """The whole order is refunded: its seats end."""
        order = self.shop.orders[order_id]
        email = str(order["billing"]["email"]).casefold()
        skus = {number: sku for sku, number in self.products.items()}
        self.shop.set_status(order_id, "refunded")
        for line in order["line_items"]:
            course_id = self.courses.get(skus[line["product_id"]])
            if course_id is not None:
                self.due[email, course_id] -= 1

    def expected(self) -> set[Seat]:
        return {seat for seat, count in self.due.items() if count > 0}

    def actual(self) -> set[Seat]:
        campus = {(email, ("campus", str(course_id))) for email, course_id in self.moodle.active_enrolments()}
        academy = {(email, ("academy", group_id)) for email, group_id in self.academy.learners()}
        return {(email.casefold(), place) for email, place in campus | academy} - self.staff

    def taught(self, sku: str) -> Taught:
        """What the LMS says of what this product sells, just now."""
        lms, number = self.courses[sku]
        if lms == "campus":
            return taught_course(self.moodle, int(number))
        return taught_path(self.academy, self.paths[number])

    def notes(self) -> dict[int, list[str]]:
        """Per order the marks of our notes, in the order in which the shop took them."""
        told = {order_id: [told_last([note["note"]]) for note in notes] for order_id, notes in self._notes()}
        return {order_id: [mark for mark in marks if mark] for order_id, marks in told.items()}

    def accounts(self, email: str) -> int:
        """The most accounts one LMS has for an address."""
        return max(len(self.moodle.accounts(email)), len(self.academy.accounts(email)))

    def _notes(self) -> list[tuple[int, list[dict[str, Any]]]]:
        with self.shop.lock:
            return [(order_id, list(notes)) for order_id, notes in self.shop.notes.items()]


@contextmanager
def opened(folder: Path) -> Iterator[Stage]:
    """Everything stands, and nobody has come yet."""
    with (
        SandboxShop(name="Demo Academy") as shop,
        SandboxMoodle() as moodle,
        SandboxThreeSixty() as academy,
    ):
        courses = _found_courses(moodle)
        paths = _found_paths(academy, courses)
        stage = Stage(
            shop=shop,
            moodle=moodle,
            academy=academy,
            folder=folder,
            products=furnish(shop, TITLES),
            courses=courses | {TEAM_SKU: courses["PY-101"]},
            paths=paths,
        )
        stage.staff.update(stage.actual())
        _write_files(stage)
        yield stage


def _found_courses(moodle: SandboxMoodle) -> dict[str, Place]:
    courses = {sku: moodle.add_course(title) for sku, title in COURSES.items()}
    for sku, course_id in courses.items():
        describe_course(moodle, sku, course_id)
    return {sku: ("campus", str(course_id)) for sku, course_id in courses.items()}


def _found_paths(academy: SandboxThreeSixty, courses: dict[str, Place]) -> dict[str, str]:
    """The path of each group; what is sold is added to `courses`."""
    paths = {}
    for sku, title in PATHS.items():
        group_id = academy.add_group(title)
        paths[group_id], _ = academy.add_path(title, group_id)
        describe_path(academy, sku, paths[group_id])
        courses[sku] = ("academy", group_id)
    return paths


def _write_files(stage: Stage) -> None:
    write_secrets(stage.folder, stage.shop, stage.moodle, stage.academy)
    write_config(
        stage.config_path,
        shop_url=stage.shop.url,
        moodle_url=stage.moodle.url,
        academy_url=stage.academy.url,
    )
    rows = [_row(stage, sku, lms, number) for sku, (lms, number) in stage.courses.items()]
    write_mapping(stage.folder, [*rows, {"sku": IGNORED_SKU, "ignore": True, "note": "not a course"}])


def _row(stage: Stage, sku: str, lms: str, number: str) -> Row:
    if lms == "campus":
        return {"sku": sku, "lms": lms, "course": number}
    return {"sku": sku, "lms": lms, "group": number, "path": stage.paths[number]}
