"""The shop, the LMSs, the files between them, and what the shoppers ought to get."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from wcsync.demo.books import DAYS, NAMED_ONLY, Sale, read_ends, read_sales
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
Buyer = tuple[str, str, str]
"""Address, first and last name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`courses`: for each SKU the LMS and the course (in 360Learning the group) that it sells. `paths`: the path that a
    group gives access to. `staff`: who was in before the first shopper came. `by_hand`: whom a person gave seats of an
    order."""

    shop: SandboxShop
    moodle: SandboxMoodle
    academy: SandboxThreeSixty
    folder: Path
    products: dict[str, int]
    courses: dict[str, Place]
    paths: dict[str, str]
    staff: set[Seat] = field(default_factory=set)
    by_hand: dict[int, list[str]] = field(default_factory=dict)

    @property
    def config_path(self) -> Path:
        return self.folder / "config.toml"

    def sell(
        self,
        buyer: Buyer,
        skus: tuple[str, ...],
        *,
        quantity: int = 1,
        status: str = "completed",
        paid: bool = True,
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """One order; answers its number."""
        lines = [(self.products[sku], quantity) for sku in skus]
        return self.shop.buy(*buyer, lines, status=status, paid=paid, meta=meta)

    def sales(self) -> list[Sale]:
        """Every paid line, by the shop's own books and not by wcsync's."""
        skus = {number: sku for sku, number in self.products.items()}
        return read_sales(self.shop, skus, self.by_hand)

    def sales_to(self, buyer: Buyer) -> list[Sale]:
        with self.shop.lock:
            bought = {
                number for number, one in self.shop.orders.items() if one["billing"]["email"] == buyer[0]
            }
        return [sale for sale in self.sales() if sale.order_id in bought]

    def expected(self) -> set[Seat]:
        return {
            (learner, self.courses[sale.sku])
            for sale in self.sales()
            for learner in sale.learners
            if sale.sku in self.courses
        }

    def expected_ends(self) -> dict[tuple[str, str], datetime]:
        """Until when a learner, by address and SKU, is to be in what is sold for days."""
        return read_ends(self.sales(), self.shop.timezone)

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
        return {"sku": sku, "lms": lms, "course": number, **_terms(sku)}
    return {"sku": sku, "lms": lms, "group": number, "path": stage.paths[number]}


def _terms(sku: str) -> Row:
    """What a row says beside where it leads."""
    days: Row = {"days": DAYS[sku]} if sku in DAYS else {}
    seats: Row = {"seats": "learners-in-meta"} if sku in NAMED_ONLY else {}
    return {**days, **seats}
