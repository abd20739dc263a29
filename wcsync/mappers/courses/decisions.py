"""What is to be done about one product: which of its fields are written, and why the others are not. Pure.

Judged is always against the product as the shop stores it (`context=edit`), never against what we sent: that does not
come back as it went. What a person wrote or changed stays; what is empty for the courses empties nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never

from wcsync.course import NO_PARENT, Patch, StoredProduct
from wcsync.mappers.courses.canonical import Form, key_of
from wcsync.mappers.courses.fields import FOR_VARIATIONS, PREFIX, Field, Ownership
from wcsync.mappers.courses.judging import (
    MOST_REWRITES,
    Case,
    Judgement,
    contested_because,
    is_ours,
    judge,
    missing_because,
    resolved,
    stand,
)
from wcsync.mappers.courses.marks import Mark
from wcsync.mappers.courses.merging import (
    Merge,
    merge_attributes,
    merge_images,
    merge_terms,
    resolved_terms,
    why_locked,
)
from wcsync.mappers.courses.plan import Decision, Plan, Verdict, Writing, field_of, part_of
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.shown import LISTS, form_of, terms_of
from wcsync.mappers.courses.wanted import Wanted


def decide(
    product: StoredProduct,
    wanted: Wanted,
    rules: Rules,
    marks: Mapping[str, Mark],
    now: datetime,
    quarantine: timedelta,
    take_back: frozenset[str] = frozenset(),
) -> Plan:
    """Judges every field. Repeated with the marks it gives, it comes to the same.

    `quarantine`: as long as a write whose answer was lost may still take effect; 0 if it surely cannot, as after an
    answer that was an error. Until then the product waits, unless all of what was sent is seen to have taken effect.
    `take_back`: names as in `Mark.field`, or whole fields.
    """
    if _may_still_come(product, marks.values(), now, quarantine):
        return _waiting(product, marks)
    judging = _Judging(product, wanted, rules, marks, take_back)
    judged = list(judging.judge())
    writings = tuple(one.writing for one in judged if one.writing is not None)
    changes = _changes(product, judged)
    parts: dict[str, Any] = {"product_id": product.product_id, "parent_id": product.parent_id}
    return Plan(
        **parts,
        decisions=tuple(one.decision for one in judged),
        patch=Patch(**parts, **changes) if changes else None,
        marks=tuple(mark for mark in judging.known(judged) if _is_news(mark, marks)),
        writings=writings,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """`value`: what the patch is to hold of this field."""

    decision: Decision
    mark: Mark
    writing: Writing | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class _Judging:
    """One product's fields, one by one, in the order of `Field`."""

    product: StoredProduct
    wanted: Wanted
    rules: Rules
    marks: Mapping[str, Mark]
    take_back: frozenset[str]

    def judge(self) -> Iterator[_Judged]:
        for field in Field:
            if self.product.parent_id == NO_PARENT or field in FOR_VARIATIONS:
                yield from self._judge_field(field)

    def known(self, judged: Iterable[_Judged]) -> Iterator[Mark]:
        """What is known now of all that is not written, also of fields that nobody speaks of any more."""
        passed = set[str]()
        for one in judged:
            passed.add(one.decision.field)
            if one.writing is None:
                yield one.mark
        yield from (self._mark(name) for name in self.marks if name not in passed)

    def _judge_field(self, field: Field) -> Iterator[_Judged]:
        match field:
            case Field.NAME | Field.DESCRIPTION | Field.SHORT_DESCRIPTION:
                yield self._judge_text(field)
            case Field.ATTRIBUTES:
                yield from self._judge_attributes()
            case Field.TAGS:
                yield self._judge_list(field, self.wanted.tags)
            case Field.CATEGORIES:
                yield self._judge_list(field, self.wanted.categories)
            case Field.IMAGES:
                yield self._judge_image()
            case Field.META:
                yield from self._judge_meta()
            case never:
                assert_never(never)

    def _judge_text(self, field: Field) -> _Judged:
        text: str = getattr(self.wanted, field.value)
        return self._judge_whole(field.value, Form.of_markup(text), text)

    def _judge_attributes(self) -> Iterator[_Judged]:
        names = {key_of(part_of(name)): name for name in self.marks if field_of(name) is Field.ATTRIBUTES}
        asked = {key_of(name): (name, options) for name, options in self.wanted.attributes.items()}
        for key in dict.fromkeys([*map(key_of, self.wanted.attributes), *names]):
            wanted_name, options = asked.get(key, ("", ()))
            name = names.get(key, f"{Field.ATTRIBUTES}:{wanted_name}")
            options = tuple(one.replace("|", "/") for one in options)
            locked = why_locked(self.product.attributes, part_of(name))
            yield self._judge_whole(name, Form.of_options(options), options, to_go=True, locked=locked)

    def _judge_meta(self) -> Iterator[_Judged]:
        for key, value in self.wanted.meta.items():
            own = key.startswith(PREFIX)
            to_go = value is None or (own and not value)
            name = f"{Field.META}:{key}"
            yield self._judge_whole(name, Form.of_meta(value), value or None, to_go=to_go, always_ours=own)

    def _judge_image(self) -> _Judged:
        picture, name = self.wanted.picture, Field.IMAGES.value
        if picture is None:
            return self._judge_whole(name, Form.of_image(None), None)
        mark, current = self._mark(name), form_of(self.product, name)
        replace_first = is_ours(mark, current) or bool(self.product.parent_id)
        images = merge_images(self.product.images, picture, replace_first=replace_first)
        return self._judge_whole(name, Form.of_title(picture.title), images)

    def _judge_whole(
        self,
        name: str,
        wanted: Form,
        value: Any,
        *,
        to_go: bool = False,
        locked: str = "",
        always_ours: bool = False,
    ) -> _Judged:
        current = form_of(self.product, name)
        case = Case(
            mark=self._mark(name),
            ownership=self._ownership(field_of(name), always_ours=always_ours),
            current=current,
            wanted=wanted,
            to_go=to_go,
            take_back=self._is_taken_back(name),
            locked=locked,
            always_ours=always_ours,
        )
        judgement = judge(case)
        decision = _decision(name, judgement, current.shown, wanted.shown)
        if judgement.verdict is not Verdict.WRITE:
            return _Judged(decision=decision, mark=judgement.mark)
        writing = Writing(field=name, mark=judgement.mark, sent=wanted.canonical)
        return _Judged(decision=decision, mark=judgement.mark, writing=writing, value=value)

    def _judge_list(self, field: Field, asked: Sequence[str]) -> _Judged:
        name, current = field.value, terms_of(self.product, field)
        ownership, mark = self.rules.ownership[field], self._mark(name)
        before = Form.of_terms(current)
        if ownership is Ownership.OFF:
            judgement = judge(Case(mark=mark, ownership=ownership, current=before, wanted=before))
            return _Judged(
                decision=_decision(name, judgement, before.shown, before.shown), mark=judgement.mark
            )
        merge = merge_terms(
            current,
            asked,
            mark,
            ownership,
            take_back=self._is_taken_back(name),
            at_least_one=field is Field.CATEGORIES,
        )
        after = Form.of_terms(merge.terms)
        verdict, reason = _judge_merge(merge, after, asked, take_back=self._is_taken_back(name))
        judgement = Judgement(verdict=verdict, reason=reason, mark=stand(merge.mark, verdict, reason))
        decision = _decision(name, judgement, before.shown, after.shown)
        if verdict is not Verdict.WRITE:
            return _Judged(decision=decision, mark=judgement.mark)
        writing = Writing(
            field=name,
            mark=judgement.mark,
            sent=after.canonical,
            ours=merge.ours,
            wanted=tuple(sorted({key_of(one) for one in asked})),
        )
        return _Judged(decision=decision, mark=judgement.mark, writing=writing, value=merge.terms)

    def _mark(self, name: str) -> Mark:
        """Without what was pending: it is clear by now what became of it."""
        mark = self.marks.get(name)
        if mark is None:
            return Mark(product_id=self.product.product_id, field=name)
        field, current = field_of(name), form_of(self.product, name)
        if field in LISTS:
            return resolved_terms(mark, terms_of(self.product, field), current.canonical)
        return resolved(mark, current)

    def _ownership(self, field: Field, *, always_ours: bool) -> Ownership:
        ownership = self.rules.ownership[field]
        return Ownership.OWN if always_ours and ownership is not Ownership.OFF else ownership

    def _is_taken_back(self, name: str) -> bool:
        return bool({name, field_of(name).value} & self.take_back)


def _judge_merge(merge: Merge, after: Form, asked: Sequence[str], *, take_back: bool) -> tuple[Verdict, str]:
    mark = merge.mark
    if merge.added or merge.removed:
        if mark.sent == after.canonical and mark.rewrites >= MOST_REWRITES and not take_back:
            return Verdict.CONTESTED, contested_because(mark)
        said = [f"adds {', '.join(merge.added)}"] if merge.added else []
        said += (
            [f"takes away {', '.join(merge.removed)}, which wcsync had put there"] if merge.removed else []
        )
        return Verdict.WRITE, "; ".join(said)
    if merge.missing:
        return Verdict.EDITED, missing_because(merge.missing)
    return (Verdict.SAME, "") if asked else (Verdict.NOTHING, "the courses say nothing there")


def _decision(name: str, judgement: Judgement, before: str, after: str) -> Decision:
    return Decision(
        field=name, verdict=judgement.verdict, reason=judgement.reason, before=before, after=after
    )


def _changes(product: StoredProduct, judged: Sequence[_Judged]) -> dict[str, Any]:
    """What the patch holds, by its names."""
    written = {one.writing.field: one.value for one in judged if one.writing is not None}
    changes = {name: value for name, value in written.items() if not part_of(name)}
    options = {part_of(name): value for name, value in written.items() if field_of(name) is Field.ATTRIBUTES}
    meta = {part_of(name): value for name, value in written.items() if field_of(name) is Field.META}
    if options:
        changes["attributes"] = merge_attributes(product.attributes, options)
    return changes | {"meta": meta} if meta else changes


def _is_news(mark: Mark, marks: Mapping[str, Mark]) -> bool:
    return mark != marks.get(mark.field, Mark(product_id=mark.product_id, field=mark.field))


def _may_still_come(
    product: StoredProduct, marks: Iterable[Mark], now: datetime, quarantine: timedelta
) -> bool:
    """Whether a write is on its way, as far as we know."""
    pending = [mark for mark in marks if mark.pending]
    if all(form_of(product, mark.field).canonical == mark.pending for mark in pending):
        return False
    return any(
        mark.pending_since is not None and abs(now - mark.pending_since) < quarantine for mark in pending
    )


def _waiting(product: StoredProduct, marks: Mapping[str, Mark]) -> Plan:
    reason = "what wcsync sent was not answered, and may still take effect; the product is looked at again next time"
    decisions = tuple(
        Decision(field=name, verdict=Verdict.WAITS, reason=reason, before=form_of(product, name).shown)
        for name, mark in marks.items()
        if mark.pending
    )
    return Plan(product_id=product.product_id, parent_id=product.parent_id, decisions=decisions, waits=True)
