"""One product at a time: what it should show against what it shows, and what the ledger is to remember of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from wcsync.course import Course, Patch, Pushed, StoredProduct
from wcsync.ledger.mirror import Mirror
from wcsync.mappers.courses.decisions import decide
from wcsync.mappers.courses.fields import Field
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.mappers.courses.plan import Plan, Verdict
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.settling import refused, sending, settle, unharmed, unkept, withdrawn
from wcsync.mappers.courses.wanted import Wanted
from wcsync.model import ProductId
from wcsync.times import Clock

LEFT_ALONE = frozenset({Verdict.EDITED, Verdict.FOREIGN, Verdict.CONTESTED, Verdict.FAILED, Verdict.WAITS})
"""What people are told of a field that the courses would have otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A product, and what it should show by its courses. `source`: its row. `imageless`: why its picture cannot be
    used, '' if it can. `open_since`: when an earlier run sent it what was never answered; None = nothing is open."""

    product_id: ProductId
    parent_id: ProductId
    name: str
    sku: str
    source: str
    courses: tuple[Course, ...]
    rules: Rules
    wanted: Wanted
    imageless: str = ""
    open_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A task, and what is to be done about it now. `product`, `marks`: as it was found; `patch`: what is to be sent,
    None if nothing is. `upload`: the content and the number of an image of ours that the product shows."""

    task: Task
    product: StoredProduct
    marks: Mapping[str, Mark] = field(repr=False)
    plan: Plan
    patch: Patch | None
    upload: tuple[str, int] | None = None

    @property
    def matters(self) -> bool:
        """Whether there is anything to be written, to be remembered, or to be told."""
        left_alone = any(decision.verdict in LEFT_ALONE for decision in self.plan.decisions)
        return self.patch is not None or bool(self.plan.marks) or left_alone or bool(self.task.imageless)

    @property
    def took_effect(self) -> bool:
        """Whether something that was sent, and not answered for it alone, is seen to be there."""
        pending = {name: mark.pending for name, mark in self.marks.items() if mark.pending}
        return any(mark.sent == pending.get(mark.field) for mark in self.plan.marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of one patch. `unkept`: fields of which the shop holds something else than was sent; `harm`: what else
    is not as it was, '' if all is; `upload`: as in `Judged`."""

    marks: tuple[Mark, ...]
    unkept: tuple[str, ...] = ()
    harm: str = ""
    upload: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges products. `quarantine`: how long a write whose answer was lost may still take effect; `take_back`: fields
    that are to be ours again."""

    mirror: Mirror
    clock: Clock
    quarantine: timedelta
    take_back: frozenset[str] = frozenset()

    def judge(
        self, task: Task, product: StoredProduct, marks: Mapping[str, Mark], *, answered: bool = False
    ) -> Judged:
        """`answered`: the shop has answered all that was sent of it, so that nothing can come late."""
        quarantine = timedelta() if answered else self.quarantine
        wanted = replace(task.wanted, picture=None) if task.imageless else task.wanted
        plan = decide(product, wanted, task.rules, marks, self.clock(), quarantine, self.take_back)
        open_since = max((mark.pending_since for mark in marks.values() if mark.pending_since), default=None)
        return Judged(
            task=replace(task, open_since=open_since),
            product=product,
            marks=marks,
            plan=plan,
            patch=self._with_upload(task, plan.patch),
            upload=self._shown(task, product),
        )

    def news(self, one: Judged) -> tuple[Mark, ...]:
        """What was learnt by looking, whatever is written."""
        seen = tuple(mark for mark in one.plan.marks if not one.task.imageless or mark.field != Field.IMAGES)
        return seen + self._imageless(one)

    def announced(self, one: Judged) -> tuple[Mark, ...]:
        """To be recorded before the patch is sent."""
        return sending(one.plan, self.clock())

    def withdrawn(self, one: Judged) -> tuple[Mark, ...]:
        """To be recorded if the patch surely had no effect."""
        return withdrawn(one.plan)

    def settled(self, one: Judged, answer: Pushed) -> Settled:
        """What came of the patch, by the shop's answer."""
        if answer.stored is None:
            return Settled(marks=refused(one.plan, answer.problem))
        plan = replace(one.plan, patch=one.patch)
        return Settled(
            marks=settle(plan, answer.stored),
            unkept=unkept(plan, answer.stored),
            harm="; ".join(unharmed(one.product, answer.stored, plan)),
            upload=self._shown(one.task, answer.stored),
        )

    def _with_upload(self, task: Task, patch: Patch | None) -> Patch | None:
        """An image that the shop has already is named by its number."""
        picture = task.wanted.picture
        known = self.mirror.read_upload(picture.digest) if picture else None
        if patch is None or patch.images is None or picture is None or known is None:
            return patch
        images = tuple(
            image if image.image_id else replace(image, image_id=known, src="") for image in patch.images
        )
        return replace(patch, images=images)

    def _shown(self, task: Task, product: StoredProduct) -> tuple[str, int] | None:
        """The picture of the task where the product shows it: an upload whose answer was lost is found so."""
        picture = task.wanted.picture
        if picture is None or not product.images or product.images[0].name != picture.title:
            return None
        return picture.digest, product.images[0].image_id

    def _imageless(self, one: Judged) -> tuple[Mark, ...]:
        if not one.task.imageless:
            return ()
        name = Field.IMAGES.value
        known = one.marks.get(name, Mark(product_id=one.task.product_id, field=name))
        failed = replace(known.settled, standing=Standing.FAILED, note=one.task.imageless)
        return () if failed == known else (failed,)
