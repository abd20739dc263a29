"""What a run of the mirror would do: which products show which courses, and what of it is to be written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from wcsync.course import Course
from wcsync.ledger.mirror import Mirror
from wcsync.mappers.courses.fields import Field, Ownership
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.templates import BadTemplate
from wcsync.mappers.courses.wanted import Render, Wanted, WantedPicture
from wcsync.model import ProductId, Target
from wcsync.pollers.course_judge import Judge, Judged, Task
from wcsync.pollers.course_pictures import Pictures, UnusablePicture
from wcsync.pollers.course_reading import Halt, Reading
from wcsync.pollers.course_shelf import Displayed, LeftAlone, Shelf

MARKS_AT_A_TIME = 500
OFF = "off"
"""The code of a product that the mirror is switched off for."""
COURSE_GONE = "course_gone"
"""The code of a product whose course the LMS does not show (any more)."""

RulesFor = Callable[[tuple[tuple[str, str], ...]], Rules]
"""The rules of one row of the mapping, by what it says of the mirror itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a run came to before it wrote anything.

    `judged`: products with something to be written or remembered, or with fields that are left alone; `products`: how
    many were judged in all. `left`: rows and products that nothing is done about. `halts`: why something was not
    looked at; `barred`: why nothing at all is to be written. `messages`: what else people should know.
    `mirrored`: all products that a row gives a course, None if none was read.
    """

    judged: tuple[Judged, ...] = ()
    left: tuple[LeftAlone, ...] = ()
    halts: tuple[Halt, ...] = ()
    barred: Halt | None = None
    messages: tuple[str, ...] = ()
    courses: int = 0
    products: int = 0
    edited: int = 0
    mirrored: frozenset[ProductId] | None = None

    @property
    def changes(self) -> tuple[Judged, ...]:
        """The products that something would be written to."""
        return tuple(one for one in self.judged if one.patch is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes tasks of products and courses, and judges them. `at_product` is called before each."""

    render: Render
    rules_for: RulesFor
    judge: Judge
    mirror: Mirror
    pictures: Pictures
    at_product: Callable[[], None]

    def plan(self, shelf: Shelf, reading: Reading) -> Outlook:
        """Raises nothing of a service: all that is asked for here is pictures, and one that fails costs itself."""
        judged, left, products, edited = list[Judged](), list(shelf.left), 0, 0
        for batch in _batches(shelf.displayed):
            marks = self.mirror.read_marks([one.product.product_id for one in batch])
            for displayed in batch:
                self.at_product()
                task, reason = self._task(displayed, reading)
                left += [reason] if reason is not None else []
                if task is None:
                    continue
                one = self.judge.judge(task, displayed.product, marks[task.product_id])
                products += 1
                edited += len(one.plan.edited)
                judged += [one] if one.matters else []
        return Outlook(
            judged=tuple(judged),
            left=tuple(left),
            messages=self.pictures.troubles,
            courses=len(reading.courses),
            products=products,
            edited=edited,
        )

    def _task(self, displayed: Displayed, reading: Reading) -> tuple[Task | None, LeftAlone | None]:
        """What is to be done about a product, and why it is left alone: as a whole, or but for a mark in its meta."""
        match, rules = displayed.match, self.rules_for(displayed.match.sync)
        if all(ownership is Ownership.OFF for ownership in rules.ownership.values()):
            reason = "its row, or the config, switches the mirror off for it"
            return None, replace(_left(displayed, OFF, reason), wrong=False)
        unseen = _unseen(match.targets, reading)
        if unseen is not None:
            return self._gone(displayed, rules, unseen.code), unseen.about(displayed)
        courses = [reading.courses[target] for target in match.targets if target in reading.courses]
        if not courses:
            silent = [reading.silent[target] for target in match.targets if target in reading.silent]
            return None, _left(displayed, "no_course_data", "; ".join(silent) or "its row names no course")
        picture, imageless = self._picture(courses, rules)
        try:
            wanted = self.render(courses, rules, picture)
        except BadTemplate as exc:
            return None, _left(displayed, "bad_template", f"the template of {exc}")
        return _task(displayed, rules, wanted, courses, imageless), None

    def _gone(self, displayed: Displayed, rules: Rules, code: str) -> Task | None:
        """Nothing but the mark that its course is gone, where that is asked for."""
        if code != COURSE_GONE or not rules.mark_gone or rules.ownership[Field.META] is Ownership.OFF:
            return None
        alone = dict.fromkeys(Field, Ownership.OFF) | {Field.META: rules.ownership[Field.META]}
        rules = replace(rules, ownership=alone)
        return _task(displayed, rules, self.render((), rules, None))

    def _picture(self, courses: Sequence[Course], rules: Rules) -> tuple[WantedPicture | None, str]:
        """The first cover there is, and why it cannot be used."""
        if rules.ownership[Field.IMAGES] is Ownership.OFF or (
            len(courses) > 1 and Field.IMAGES not in rules.own
        ):
            return None, ""
        pictured = next((course for course in courses if course.cover is not None), None)
        if pictured is None:
            return None, ""
        try:
            return self.pictures.of(pictured), ""
        except UnusablePicture as exc:
            return None, str(exc)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unseen:
    code: str
    reason: str

    def about(self, displayed: Displayed) -> LeftAlone:
        return _left(displayed, self.code, self.reason)


def _unseen(targets: Iterable[Target], reading: Reading) -> _Unseen | None:
    """Why the product is left alone: a part of its courses is not to be seen, and the rest is not all it sells."""
    for target in targets:
        if target.lms in reading.halts:
            halt = reading.halts[target.lms]
            return _Unseen(code=halt.code, reason=halt.reason)
        if target in reading.absent:
            reason = f"{target.lms}: course {target.course_id}: {reading.absent[target]}"
            return _Unseen(code=COURSE_GONE, reason=reason)
    return None


def _task(
    displayed: Displayed, rules: Rules, wanted: Wanted, courses: Sequence[Course] = (), imageless: str = ""
) -> Task:
    product = displayed.product
    return Task(
        product_id=product.product_id,
        parent_id=product.parent_id,
        name=product.name,
        sku=product.sku,
        source=displayed.match.source,
        courses=tuple(courses),
        rules=rules,
        wanted=wanted,
        imageless=imageless,
    )


def _left(displayed: Displayed, code: str, reason: str) -> LeftAlone:
    return LeftAlone(
        where=displayed.match.source,
        product_id=displayed.product.product_id,
        name=displayed.product.name,
        code=code,
        reason=reason,
    )


def _batches(displayed: Sequence[Displayed]) -> Iterator[Sequence[Displayed]]:
    for start in range(0, len(displayed), MARKS_AT_A_TIME):
        yield displayed[start : start + MARKS_AT_A_TIME]
