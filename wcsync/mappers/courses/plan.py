"""What the mirror makes of one product: a decision for each field, and the patch and marks that follow."""

from dataclasses import dataclass
from enum import StrEnum

from wcsync.course import NO_PARENT, Patch
from wcsync.mappers.courses.fields import Field
from wcsync.mappers.courses.marks import Mark
from wcsync.model import ProductId


class Verdict(StrEnum):
    """`WRITE`: is to be written. `SAME`: the shop shows what the courses say. `ADOPTED`: so, and is ours from now on.
    `OFF`: people alone have it. `NOTHING`: the courses say nothing. `EDITED`, `FOREIGN`, `CONTESTED`, `FAILED`: as in
    `Standing`. `WAITS`: it is not known yet what became of an earlier write."""

    WRITE = "write"
    SAME = "same"
    ADOPTED = "adopted"
    OFF = "off"
    NOTHING = "nothing"
    EDITED = "edited"
    FOREIGN = "foreign"
    CONTESTED = "contested"
    WAITS = "waits"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """About one field, named as in `Mark.field`. `reason`: for people. `before`: what the shop shows; `after`: what it
    would show if the courses had their way; both as stored, lists as one line."""

    field: str
    verdict: Verdict
    reason: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One field that the patch writes. `mark`: what is known of it before; `sent`: the canonical digest of what is
    sent; `ours`: the members that will be ours; `wanted`: of a list, all that is wanted there."""

    field: str
    mark: Mark
    sent: str
    ours: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done about one product, once.

    `patch`: None if nothing is to be written; the terms of its lists that the shop has not been asked for have the id
    0, as has an image to be uploaded. `waits`: it is left alone this time, as an earlier write may still take effect.
    `marks`: what was learnt by looking, to be recorded in any case; never of a field that is written.
    """

    product_id: ProductId
    parent_id: ProductId = NO_PARENT
    decisions: tuple[Decision, ...] = ()
    patch: Patch | None = None
    waits: bool = False
    marks: tuple[Mark, ...] = ()
    writings: tuple[Writing, ...] = ()

    @property
    def edited(self) -> tuple[Decision, ...]:
        """The fields that people changed after us."""
        return tuple(one for one in self.decisions if one.verdict is Verdict.EDITED)


def field_of(name: str) -> Field:
    """What a `Mark.field` is a part of: `attributes:Author` of the attributes."""
    return Field(name.partition(":")[0])


def part_of(name: str) -> str:
    """Which part: `attributes:Author` is `Author`; '' for a field that is one whole."""
    return name.partition(":")[2]
