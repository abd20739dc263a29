"""Products for courses that none sells yet: made as drafts that only people publish, each course's once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from wcsync.course import Attribute, Course, CourseReading, ProductDraft, Sellable, SkuTaken, StoredProduct
from wcsync.errors import REMOTE_ERRORS, PermanentError, TransientError
from wcsync.ledger.mirror import DraftMark, Mirror
from wcsync.lms.base import Lms
from wcsync.mappers.added_rows import NewRow
from wcsync.mappers.courses.decisions import decide
from wcsync.mappers.courses.drafting import (
    MADE_FROM,
    Action,
    Shelf,
    Step,
    choose_skus,
    is_sold,
    judge,
    judge_taken,
    origin_of,
    skus_of,
    with_concerns,
)
from wcsync.mappers.courses.plain import name_of
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.settling import settle
from wcsync.mappers.courses.wanted import Render, Wanted
from wcsync.mappers.mapping_table import Mapping as Table
from wcsync.model import CourseId, LmsName, ProductId, Target
from wcsync.pulse import beat
from wcsync.store.base import Showcase
from wcsync.times import Clock

_Choice = tuple[Sellable, tuple[str, ...]]
"""A course, and the SKUs its product may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done in one LMS. `sold`: courses that a product sells already; `unknown`: names that were asked for
    and that no course has."""

    lms: LmsName
    steps: tuple[Step, ...]
    sold: int = 0
    unknown: tuple[str, ...] = ()

    def of(self, action: Action) -> list[Step]:
        return [step for step in self.steps if step.action is action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of one step. `product_id` None: no product, and `reason` says why not. `fresh`: made just now."""

    sellable: Sellable
    product_id: ProductId | None = None
    sku: str = ""
    fresh: bool = False
    reason: str = ""

    @property
    def row(self) -> NewRow | None:
        """The row that sells the course by this product."""
        if self.product_id is None:
            return None
        return NewRow(
            product_id=self.product_id, sku=self.sku, target=self.sellable.target, title=self.sellable.title
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMaker:
    """Makes products for the courses of one LMS.

    `table`: the mapping as its file stands; `rules`: those for a product that no row says anything about;
    `quarantine_s`: for so long after a lost answer the shop may still make the product, so that not finding it proves
    nothing.
    """

    lms: Lms
    showcase: Showcase
    mirror: Mirror
    table: Table
    rules: Rules
    render: Render
    clock: Clock
    quarantine_s: float

    def plan(self, only: Collection[str] = ()) -> Plan:
        """What there is to do; changes nothing. `only`: ids or codes of courses, empty = all.

        Raises: TransientError, PermanentError, ServiceBlocked.
        """
        sellables = with_concerns(self.lms.fetch_sellables())
        asked, known = set(only), {name for one in sellables for name in _names(one)}
        open_ones = [
            (one, skus)
            for one, skus in zip(sellables, choose_skus(sellables), strict=True)
            if not asked or asked & _names(one)
        ]
        fresh = [(one, skus) for one, skus in open_ones if not is_sold(self.table, one.target)]
        steps = tuple(self._judge(fresh, named=bool(asked)))
        return Plan(
            lms=self.lms.name,
            steps=steps,
            sold=len(open_ones) - len(steps),
            unknown=tuple(sorted(asked - known)),
        )

    def make(self, plan: Plan) -> Iterator[Made]:
        """Does it, product by product, and yields what became of each step in the plan's order.

        Whoever is told of a product must see to its row; after a kill the next plan finds what has none. Raises as
        `plan`; then the rest was not begun.
        """
        begun = [step for step in plan.steps if step.action is not Action.SKIP]
        courses = self._fetch_courses([step.sellable.target for step in begun])
        for step in plan.steps:
            beat()
            yield self._take(step, courses)

    def _judge(self, fresh: Sequence[_Choice], *, named: bool) -> Iterator[Step]:
        marks = self.mirror.read_drafts(self.lms.name)
        shelf = self._look_up([one for one in fresh if not one[0].concern], marks)
        for sellable, skus in fresh:
            mark = marks.get(sellable.target.course_id)
            step = judge(sellable, skus, mark, shelf, self.table, named=named, waiting=self._may_come(mark))
            if step is not None:
                yield step

    def _look_up(self, choices: Sequence[_Choice], marks: Mapping[CourseId, DraftMark]) -> Shelf:
        begun = [(one, skus, marks.get(one.target.course_id)) for one, skus in choices]
        asked = dict.fromkeys(
            sku for one, skus, mark in begun for sku in skus_of(one, skus, mark, self.table)
        )
        ids = [mark.product_id for _, _, mark in begun if mark is not None and mark.product_id is not None]
        if not asked and not ids:
            return Shelf()
        found = self.showcase.fetch_stored(ids=ids, skus=list(asked))
        return Shelf(
            products=tuple(one for one in found if isinstance(one, StoredProduct)),
            unreadable=tuple(one.product_id for one in found if not isinstance(one, StoredProduct)),
        )

    def _may_come(self, mark: DraftMark | None) -> bool:
        """Whether a call whose answer was lost may still take effect. A time later than now tells of a clock that was
        set: then it is waited for the whole time again."""
        if mark is None or mark.sending_since is None:
            return False
        return abs(self.clock() - mark.sending_since) < timedelta(seconds=self.quarantine_s)

    def _fetch_courses(self, targets: Sequence[Target]) -> CourseReading:
        return self.lms.fetch_courses(targets, full=True) if targets else CourseReading(courses={})

    def _take(self, step: Step, found: CourseReading) -> Made:
        sellable = step.sellable
        if step.action is Action.SKIP:
            return Made(sellable=sellable, reason=step.reason)
        if step.action is Action.ADOPT:
            return self._adopt(step, found.courses.get(sellable.target))
        if sellable.target in found.absent:
            return Made(sellable=sellable, reason=found.absent[sellable.target])
        return self._push(step, found.courses.get(sellable.target))

    def _adopt(self, step: Step, course: Course | None) -> Made:
        product = step.product
        assert product is not None, step
        self._record(step.sellable, step.sku, product.product_id)
        if course is not None:
            self._know_again(product, course)
        return Made(sellable=step.sellable, product_id=product.product_id, sku=step.sku)

    def _push(self, step: Step, course: Course | None) -> Made:
        """Refused by the shop, or by a template that does not fit the course: that costs this product alone."""
        try:
            wanted = self.render([course], self.rules, None) if course is not None else Wanted()
            made = self._send(step.sellable, _draft(step, wanted))
        except PermanentError as exc:
            return Made(sellable=step.sellable, reason=str(exc))
        if isinstance(made, SkuTaken):
            return self._take_taken(self._judge_taken(step, made), course)
        self._mark(made, wanted)
        return Made(sellable=step.sellable, product_id=made.product_id, sku=made.sku, fresh=True)

    def _take_taken(self, step: Step, course: Course | None) -> Made:
        courses = {} if course is None else {step.sellable.target: course}
        return self._take(step, CourseReading(courses=courses))

    def _send(self, sellable: Sellable, draft: ProductDraft) -> StoredProduct | SkuTaken:
        """The mark is on disk before the call, and stays while it is not known what became of it."""
        self._record(sellable, draft.sku, sending=True)
        try:
            made = self.showcase.push_draft(draft)
        except REMOTE_ERRORS as exc:
            if not (isinstance(exc, TransientError) and exc.answer_lost):
                self._record(sellable, draft.sku)
            raise
        self._record(sellable, draft.sku, None if isinstance(made, SkuTaken) else made.product_id)
        return made

    def _judge_taken(self, step: Step, taken: SkuTaken) -> Step:
        found = self.showcase.fetch_stored(ids=[taken.product_id]) if taken.product_id is not None else []
        return judge_taken(step.sellable, step.sku, next(iter(found), None), self.table)

    def _mark(self, made: StoredProduct, wanted: Wanted) -> None:
        """What we wrote is ours for the mirror, also if the course changes before its first run."""
        blank, now = StoredProduct(product_id=made.product_id), self.clock()
        written = decide(blank, wanted, self.rules, {}, now, timedelta())
        self.mirror.record_marks(settle(written, made), now)

    def _know_again(self, product: StoredProduct, course: Course) -> None:
        """What still shows the course was written by us: it is ours for the mirror, as if the answer had not been lost,
        also if the course changes before its first run."""
        with suppress(PermanentError):  # a template that does not fit any more
            wanted, now = self.render([course], self.rules, None), self.clock()
            marks = self.mirror.read_marks([product.product_id])[product.product_id]
            seen = decide(product, wanted, self.rules, marks, now, timedelta(seconds=self.quarantine_s))
            self.mirror.record_marks(seen.marks, now)

    def _record(
        self, sellable: Sellable, sku: str, product_id: ProductId | None = None, *, sending: bool = False
    ) -> None:
        now = self.clock()
        mark = DraftMark(
            lms=sellable.target.lms,
            course_id=sellable.target.course_id,
            sku=sku,
            product_id=product_id,
            sending_since=now if sending else None,
        )
        self.mirror.record_draft(mark, now)


def _draft(step: Step, wanted: Wanted) -> ProductDraft:
    """What the mirror would write into it, so that it knows the product as its own afterwards."""
    meta = {key: value for key, value in wanted.meta.items() if value is not None}
    return ProductDraft(
        sku=step.sku,
        name=wanted.name or name_of(step.sellable.title),
        description=wanted.description,
        short_description=wanted.short_description,
        attributes=tuple(
            Attribute(name=name, options=options, position=position)
            for position, (name, options) in enumerate(wanted.attributes.items())
        ),
        meta=meta | {MADE_FROM: origin_of(step.sellable.target)},
    )


def _names(sellable: Sellable) -> set[str]:
    """What people may call a course by: its id, its code, or what else its row would name."""
    target = sellable.target
    return {str(target.course_id), sellable.code, *(value for _, value in target.options)} - {""}
