"""One product at a time: what it should show against what it shows, and what the ledger is to remember of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import repeat

from wcsync.course import Course, Patch, Pushed, StoredProduct
from wcsync.ledger.mirror import Mirror
from wcsync.mappers.courses.canonical import Form
from wcsync.mappers.courses.decisions import decide
from wcsync.mappers.courses.fields import Field
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.mappers.courses.plan import Decision, Plan, Verdict
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.settling import refused, sending, settle, unharmed, unkept, withdrawn
from wcsync.mappers.courses.shown import form_of
from wcsync.mappers.courses.wanted import Wanted, WantedPicture
from wcsync.model import ProductId
from wcsync.times import Clock

LEFT_ALONE = frozenset({Verdict.EDITED, Verdict.FOREIGN, Verdict.CONTESTED, Verdict.FAILED, Verdict.WAITS})
"""What people are told of a field that the courses would have otherwise."""

BROKE_DOWN = "failed"
"""The code of a product over which the shop broke down."""
MOST_TRIES = 3
"""So often the shop is sent the same image while it breaks down over it, or does not answer."""


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
    is not as it was, '' if all is; `upload`: as in `Judged`; `mistaken`: the content of the image that was meant if the
    shop has another one under its number by now."""

    marks: tuple[Mark, ...]
    unkept: tuple[str, ...] = ()
    harm: str = ""
    upload: tuple[str, int] | None = None
    mistaken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges products. `quarantine`: how long a write whose answer was lost may still take effect; `take_back`: fields
    that are to be ours again; `full`: what the shop refused is tried again."""

    mirror: Mirror
    clock: Clock
    quarantine: timedelta
    take_back: frozenset[str] = frozenset()
    full: bool = False

    def judge(
        self, task: Task, product: StoredProduct, marks: Mapping[str, Mark], *, answered: bool = False
    ) -> Judged:
        """`answered`: the shop has answered all that was sent of it, so that nothing can come late."""
        quarantine = timedelta() if answered else self.quarantine
        plan = self._decide(task, product, marks, quarantine)
        hopeless = self._hopeless(task, plan.patch, marks)
        if hopeless:
            task = replace(task, imageless=hopeless)
            plan = self._decide(task, product, marks, quarantine)
        if self._is_on_its_way(task, plan.patch):
            plan = _waiting(plan, product)
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
            unsure = answer.code == BROKE_DOWN
            return Settled(marks=refused(one.plan, answer.problem, unsure=unsure))
        plan = replace(one.plan, patch=one.patch)
        mistaken = self._mistaken(one, answer.stored)
        marks = settle(plan, answer.stored)
        return Settled(
            marks=tuple(map(_ours_by_mistake, marks, repeat(answer.stored))) if mistaken else marks,
            mistaken=mistaken,
            unkept=unkept(plan, answer.stored),
            harm="; ".join(unharmed(one.product, answer.stored, plan)),
            upload=self._shown(one.task, answer.stored),
        )

    def _decide(
        self, task: Task, product: StoredProduct, marks: Mapping[str, Mark], quarantine: timedelta
    ) -> Plan:
        wanted = replace(task.wanted, picture=None) if task.imageless else task.wanted
        return decide(product, wanted, task.rules, marks, self.clock(), quarantine, self.take_back)

    def _hopeless(self, task: Task, patch: Patch | None, marks: Mapping[str, Mark]) -> str:
        """Why an image is not sent this time: each try may leave a copy of it in the shop's media library. One that the
        shop refused leaves none, and is tried again in the next full run."""
        picture, sent = task.wanted.picture, self._with_upload(task, patch)
        if sent is None or not needs_upload(sent) or picture is None or Field.IMAGES in self.take_back:
            return ""
        tries = self.mirror.read_tries(picture.digest)
        if tries >= MOST_TRIES:
            return _worn_out_because(picture, tries)
        mark = marks.get(Field.IMAGES.value)
        refused = mark is not None and mark.standing is Standing.FAILED and not mark.pending
        refused = refused and not tries and not self.full
        return mark.note if mark is not None and refused and picture.src in mark.note else ""

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

    def _is_on_its_way(self, task: Task, patch: Patch | None) -> bool:
        """Whether the picture that is to be uploaded may still come with another product, sent to it earlier."""
        picture, sent = task.wanted.picture, self._with_upload(task, patch)
        if sent is None or not needs_upload(sent) or picture is None:
            return False
        pending = Form.of_title(picture.title).canonical
        since = self.mirror.read_sending(Field.IMAGES, pending, task.product_id)
        return since is not None and abs(self.clock() - since) < self.quarantine

    def _shown(self, task: Task, product: StoredProduct) -> tuple[str, int] | None:
        """The picture of the task where the product shows it: an upload whose answer was lost is found so."""
        picture = task.wanted.picture
        if picture is None or not product.images or product.images[0].name != picture.title:
            return None
        return picture.digest, product.images[0].image_id

    def _mistaken(self, one: Judged, stored: StoredProduct) -> str:
        """A shop that was restored from a backup gives numbers of images away again."""
        picture, images = one.task.wanted.picture, one.patch.images if one.patch else None
        if picture is None or not images or not stored.images or stored.images[0].name == picture.title:
            return ""
        number = self.mirror.read_upload(picture.digest)
        return picture.digest if images[0].image_id == number == stored.images[0].image_id else ""

    def _imageless(self, one: Judged) -> tuple[Mark, ...]:
        if not one.task.imageless:
            return ()
        name = Field.IMAGES.value
        known = one.marks.get(name, Mark(product_id=one.task.product_id, field=name))
        failed = replace(known.cleared, standing=Standing.FAILED, note=one.task.imageless)
        return () if failed == known else (failed,)


def needs_upload(patch: Patch) -> bool:
    """Whether the shop is to fetch an image for it."""
    return any(not image.image_id for image in patch.images or ())


def _waiting(plan: Plan, product: StoredProduct) -> Plan:
    """The whole product is looked at again next time: by then the picture is there, or never will be."""
    name = Field.IMAGES.value
    reason = "its picture was sent with another product and not answered, and may still come"
    before = form_of(product, name).shown
    decision = Decision(field=name, verdict=Verdict.WAITS, reason=reason, before=before)
    return Plan(
        product_id=plan.product_id,
        parent_id=plan.parent_id,
        decisions=(decision,),
        waits=True,
        marks=plan.marks,
    )


def _ours_by_mistake(mark: Mark, stored: StoredProduct) -> Mark:
    """It was we who put that image there, so that it may be replaced."""
    if mark.field != Field.IMAGES:
        return mark
    return replace(mark, sent=form_of(stored, mark.field).canonical)


def _worn_out_because(picture: WantedPicture, tries: int) -> str:
    return (
        f"the picture {picture.src} cannot be used: {tries} times the shop broke down over it, or did not answer; look "
        "at its size and at PHP's error log, then try again with `wcsync courses push --take-back images`"
    )
