"""What is known of a product's fields before it is written, after it, and when nothing came of it. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from wcsync.course import StoredProduct, Term
from wcsync.mappers.courses.canonical import key_of
from wcsync.mappers.courses.fields import Field
from wcsync.mappers.courses.judging import missing_because, settled, written
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.mappers.courses.merging import written_terms
from wcsync.mappers.courses.plan import Plan, Writing, field_of, part_of
from wcsync.mappers.courses.shown import LISTS, TEXTS, form_of, terms_of


def sending(plan: Plan, now: datetime) -> tuple[Mark, ...]:
    """To be recorded before the patch is sent: from then on it may take effect."""
    return tuple(
        replace(one.mark, pending=one.sent, pending_since=now, pending_ours=one.ours) for one in plan.writings
    )


def withdrawn(plan: Plan) -> tuple[Mark, ...]:
    """To be recorded if the patch surely did not arrive."""
    return tuple(one.mark for one in plan.writings)


def settle(plan: Plan, stored: StoredProduct) -> tuple[Mark, ...]:
    """To be recorded once the shop answered; `stored`: the product in its answer."""
    return tuple(_settled(one, stored) for one in plan.writings)


def refused(plan: Plan, problem: str, *, unsure: bool = False) -> tuple[Mark, ...]:
    """To be recorded if the shop refused the patch: then nothing of it was written. It is tried again next time.

    `unsure`: the shop broke down over it, before or after it was written.
    """
    marks = (_unsure(one) if unsure else one.mark for one in plan.writings)
    note = f"the shop refuses it: {problem}"
    return tuple(replace(mark, standing=Standing.FAILED, note=note) for mark in marks)


def unkept(plan: Plan, stored: StoredProduct) -> tuple[str, ...]:
    """The fields of which the shop holds something else than was sent, as it seems for good."""
    return tuple(one.field for one in plan.writings if form_of(stored, one.field).canonical != one.sent)


def unharmed(before: StoredProduct, after: StoredProduct, plan: Plan) -> tuple[str, ...]:
    """What is not as it was, although the patch does not speak of it, in words; nothing if all is well.

    It need not be the patch that did it: a person may have saved the product at the same time.
    """
    written_fields = {one.field for one in plan.writings}
    return (
        *_guarded(before, after),
        *(
            field.value
            for field in TEXTS
            if field not in written_fields and getattr(before, field) != getattr(after, field)
        ),
        *_attributes(before, after, written_fields),
        *(lost for field in LISTS for lost in _terms(before, after, plan, field)),
        *_images(before, after, plan),
        *_meta(before, after, written_fields),
    )


def _settled(one: Writing, stored: StoredProduct) -> Mark:
    field = field_of(one.field)
    if field in LISTS:
        return _settled_list(one, terms_of(stored, field))
    return written(one.mark, one.sent, form_of(stored, one.field))


def _settled_list(one: Writing, stored: tuple[Term, ...]) -> Mark:
    mark = written_terms(one.mark, one.sent, one.ours, one.wanted, stored)
    missing = set(one.wanted).intersection(mark.known) - {key_of(term.name) for term in stored}
    if missing:
        return replace(mark, standing=Standing.EDITED, note=missing_because(missing))
    return replace(mark, standing=Standing.OURS, note="")


def _unsure(one: Writing) -> Mark:
    """Of lists it shows in their members what became of it."""
    return one.mark if field_of(one.field) in LISTS else settled(replace(one.mark, pending=one.sent))


def _guarded(before: StoredProduct, after: StoredProduct) -> Iterator[str]:
    if before.guarded != after.guarded:
        yield "its status, type, SKU, price, visibility or stock"


def _attributes(before: StoredProduct, after: StoredProduct, written_fields: set[str]) -> Iterator[str]:
    ours = {key_of(part_of(name)) for name in written_fields if field_of(name) is Field.ATTRIBUTES}
    there = {
        (one.attribute_id, one.name, one.options, one.visible, one.variation) for one in after.attributes
    }
    for one in before.attributes:
        mine = not one.attribute_id and not one.variation and key_of(one.name) in ours
        if not mine and (one.attribute_id, one.name, one.options, one.visible, one.variation) not in there:
            yield f"attribute {one.name}"


def _terms(before: StoredProduct, after: StoredProduct, plan: Plan, field: Field) -> Iterator[str]:
    writing = next((one for one in plan.writings if one.field == field), None)
    removed = set(writing.mark.ours) - set(writing.ours) if writing else set()
    there = {key_of(term.name) for term in terms_of(after, field)}
    for term in terms_of(before, field):
        if key_of(term.name) not in there | removed:
            yield f"{field} {term.name}"


def _images(before: StoredProduct, after: StoredProduct, plan: Plan) -> Iterator[str]:
    """All that the patch names by their numbers, or all there were, in their order."""
    images = before.images if plan.patch is None or plan.patch.images is None else plan.patch.images
    expected = [image.image_id for image in images if image.image_id]
    there = [image.image_id for image in after.images if image.image_id in set(expected)]
    if there != expected:
        yield "images"


def _meta(before: StoredProduct, after: StoredProduct, written_fields: set[str]) -> Iterator[str]:
    """Plugins may change their meta whenever a product is saved; none may be lost."""
    for key in before.meta:
        if key not in after.meta and f"{Field.META}:{key}" not in written_fields:
            yield f"meta {key}"
