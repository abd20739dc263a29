"""The mirror put together: a fake shop and a fake LMS, the real ledger and engine, a clock that is moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

from tests.fakes import CAMPUS, FakeClock, FakeLms
from tests.fakes_showcase import FakeShowcase
from wcsync.course import Course, Module, StoredProduct
from wcsync.errors import WcsyncError
from wcsync.gate import SHOP, Answerer, Gate
from wcsync.http import Outgoing, Reply
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.mirror import Mirror, Run
from wcsync.lms.base import Lms
from wcsync.mappers.courses.rendering import render
from wcsync.mappers.courses.rules import Rules, rules_for
from wcsync.mappers.mapping import Mapping as CourseMapping
from wcsync.mappers.mapping import MapRow
from wcsync.model import CourseId, LmsName, ProductId, Target
from wcsync.patient import Patient
from wcsync.pollers.course_push import Tally
from wcsync.pollers.course_reading import Campuses
from wcsync.pollers.courses import SERVICE, CourseSync, Options, Pacing

QUARANTINE_S = 90.0
PNG = b"\x89PNG\r\n\x1a\n"
GENEROUS = Pacing(
    every_s=3600.0,
    full_every_s=86400.0,
    quarantine_s=QUARANTINE_S,
    timeout_s=30.0,
    max_changes=1000,
    max_share=1.0,
)


class Killed(BaseException):
    """The process ends here, whatever anybody would like to do about it."""


def make_course(course_id: str = "42", **values: Any) -> Course:
    usual: dict[str, Any] = {
        "name": f"Course {course_id}",
        "description": f"<p>All about {course_id}.</p>",
        "authors": ("Ana Núñez",),
        "skills": ("Python",),
        "modules": (Module(title="Begin"), Module(title="Go on")),
    }
    return Course(
        lms=CAMPUS, course_id=CourseId(course_id), site="https://campus.example.com", **(usual | values)
    )


def target(course_id: str, lms: str = CAMPUS) -> Target:
    return Target(lms=LmsName(lms), course_id=CourseId(course_id))


def row(*courses: str, line: int = 1, **values: Any) -> MapRow:
    """As `row("42", product_id=1017)`."""
    return MapRow(source=f"mapping.toml:{line}", targets=tuple(target(one) for one in courses), **values)


@dataclass
class FakePictures:
    """Where pictures lie: bytes by address; one that is missing is answered with 404."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    trouble: WcsyncError | None = None

    def fetch(self, prepare: Callable[[], Outgoing]) -> Reply:
        url = prepare().url
        self.asked.append(url)
        if self.trouble is not None:
            raise self.trouble
        found = self.files.get(url)
        return Reply(status=404 if found is None else 200, headers={}, content=found or b"")


class MirrorSpine:
    """Everything between the LMSs' courses and the shop's products. `reopen` is what a restarted process does."""

    def __init__(self, folder: Path, *, rules: Rules | None = None, pacing: Pacing = GENEROUS) -> None:
        self.path = folder / "ledger.db"
        self.clock = FakeClock()
        self.shop = FakeShowcase()
        self.lms = FakeLms()
        self.lmss: dict[LmsName, FakeLms] = {CAMPUS: self.lms}
        self.pictures = FakePictures()
        self.rows: list[MapRow] = []
        self.sku_is_course: LmsName | None = None
        self.rules = rules or Rules()
        self.pacing = pacing
        self.seconds = 0.0
        self.resting: set[str] = set()
        self.stop_after: int | None = None
        self.at_step: Callable[[], None] | None = None
        self.ledger = SqliteLedger(self.path)

    def sell(self, product_id: int, *courses: str, **values: Any) -> StoredProduct:
        """A product, its row, and the courses it sells if the LMS has none of that id."""
        for course_id in courses:
            self.lms.courses.setdefault(CourseId(course_id), make_course(course_id))
        if not values.get("parent_id"):
            self.rows.append(row(*courses, line=len(self.rows) + 1, product_id=ProductId(product_id)))
            return self.shop.add(product_id, **values)
        self.rows.append(row(*courses, line=len(self.rows) + 1, variation_id=ProductId(product_id)))
        return self.shop.add_choice(product_id, **values)

    def change(self, course_id: str, **values: Any) -> None:
        """The course is another in the LMS."""
        self.lms.courses[CourseId(course_id)] = make_course(course_id, **values)

    def sync(self) -> CourseSync:
        """As a new process makes it."""
        return CourseSync(
            showcase=self.shop,
            shop=self._gate(SHOP, lambda: Answerer(identity="https://shop.example.com", title="Shop")),
            patient=Patient(name=SERVICE, ledger=self.ledger, clock=self.clock, dice=lambda: 0.5),
            campuses=Campuses(
                lmss=self._lmss(),
                gates={name: self._gate(name, _asking(lms)) for name, lms in self.lmss.items()},
                may_call=lambda name: name not in self.resting,
            ),
            mirror=self._mirror(),
            mapping=lambda: CourseMapping(rows=tuple(self.rows), sku_is_course=self.sku_is_course),
            rules_for=lambda sync: rules_for(self.rules, sync),
            render=render,
            pictures=dict.fromkeys(self.lmss, self.pictures),  # type: ignore[arg-type]  # what is used of a Service
            pacing=self.pacing,
            clock=self.clock,
            timer=lambda: self.seconds,
            stopping=self._stopping,
        )

    def run(self, tally: Tally | None = None, **options: Any) -> Run:
        return self.sync().run(Options(**options), tally)

    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = SqliteLedger(self.path)

    def product(self, product_id: int) -> StoredProduct:
        return self.shop.products[ProductId(product_id)]

    def options(self, product_id: int, name: str) -> tuple[str, ...] | None:
        """The options of one attribute; None if the product has no such attribute."""
        return next((one.options for one in self.product(product_id).attributes if one.name == name), None)

    def kill_at(self, number: int) -> None:
        """The process ends at this step: before or after a write to the shop, one of its items, or a commit."""
        steps = count()

        def step(*_: object) -> None:
            if next(steps) == number:
                raise Killed

        self.at_step = self.shop.before_push = self.shop.after_push = step
        self.shop.before_item = step

    def spare(self) -> None:
        self.at_step = None
        self.shop.before_push = self.shop.after_push = lambda _patches: None
        self.shop.before_item = lambda _patch: None

    def _mirror(self) -> Mirror:
        mirror = self.ledger.mirror
        return mirror if self.at_step is None else cast("Mirror", _Stepping(mirror, self.at_step))

    def _lmss(self) -> Mapping[LmsName, Lms]:
        return {name: lms for name, lms in self.lmss.items()}  # noqa: C416  another type for the checker

    def _stopping(self) -> bool:
        if self.stop_after is None:
            return False
        self.stop_after -= 1
        return self.stop_after < 0

    def _gate(self, name: str, ask: Callable[[], Answerer]) -> Gate:
        return Gate(name, ask, self.ledger, self.clock, every_s=600)


class _Stepping:
    """A mirror's ledger where something may happen before and after each commit."""

    def __init__(self, mirror: Mirror, step: Callable[[], None]) -> None:
        self._inner = mirror
        self._step = step

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not name.startswith(("record_", "forget_")):
            return method

        def stepping(*args: Any, **kwargs: Any) -> Any:
            self._step()
            answer = method(*args, **kwargs)
            self._step()
            return answer

        return stepping


def _asking(lms: FakeLms) -> Callable[[], Answerer]:
    return lambda: Answerer(identity=lms.fetch_identity().identity, title="Campus")
