"""Whether one field that is written as a whole is to be written: a text, an attribute, a meta key, the image. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wcsync.mappers.courses.canonical import Form
from wcsync.mappers.courses.fields import Ownership
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.mappers.courses.plan import Verdict, field_of

MOST_REWRITES = 3
"""So often in a row the same is written again before it is taken that the shop does not keep it."""
MOST_UNANSWERED = 3
"""So many values that were sent, and not answered, are kept in mind."""

_STANDINGS = {
    Verdict.EDITED: Standing.EDITED,
    Verdict.FOREIGN: Standing.FOREIGN,
    Verdict.CONTESTED: Standing.CONTESTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One field to be judged. `current`: as stored now; `wanted`: an empty one is what the courses do not say.

    `to_go`: what they do not say is to go away, as far as it is ours. `take_back`: a person said that it is to be
    written whatever stands there. `locked`: why it is never written, '' if it may be. `always_ours`: nobody else writes
    there, so that no mark is needed to take it away.
    """

    mark: Mark
    ownership: Ownership
    current: Form
    wanted: Form
    to_go: bool = False
    take_back: bool = False
    locked: str = ""
    always_ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`mark`: what is known now, if nothing is written."""

    verdict: Verdict
    reason: str
    mark: Mark


def judge(case: Case) -> Judgement:
    """The mark has no `pending` any more: see `resolved`."""
    assert not case.mark.pending, case.mark
    if case.ownership is Ownership.OFF:
        return _judged(case, Verdict.OFF, "switched off: people alone write it")
    if case.wanted.empty and not case.to_go:
        return _judged(case, Verdict.NOTHING, "the courses say nothing there")
    if case.locked:
        return _locked(case)
    if case.wanted.canonical == case.current.canonical:
        return _shown(case)
    if is_kept(case):
        return _judged(case, Verdict.SAME, "the shop keeps it in a form of its own")
    return _judge_removal(case) if case.wanted.empty else _judge_difference(case)


def resolved(mark: Mark, current: Form) -> Mark:
    """What is known once it is clear what became of the pending write: it took effect if the shop shows it."""
    if mark.pending and mark.pending == current.canonical:
        return written(mark, mark.pending, current)
    return settled(mark)


def settled(mark: Mark) -> Mark:
    """Nothing is pending any more, and nothing is known to have come of it: if it shows up late, it is ours."""
    known = mark.known
    if mark.pending and mark.pending not in known:
        known = (*known, mark.pending)[-MOST_UNANSWERED:]
    return replace(mark.cleared, known=known)


def written(mark: Mark, sent: str, stored: Form) -> Mark:
    """We wrote it, and this is what the shop then held. What we took away is as if we had never written it."""
    if stored.empty and sent == stored.canonical:
        return Mark(product_id=mark.product_id, field=mark.field)
    rewrites = mark.rewrites + 1 if mark.sent == sent else 0
    return replace(
        mark.cleared,
        sent=sent,
        stored=stored.exact,
        known=tuple(one for one in mark.known if one != sent),
        rewrites=rewrites,
        standing=Standing.OURS,
        note="",
    )


def is_ours(mark: Mark, current: Form) -> bool:
    """Whether the shop shows what we last wrote: exactly as it stored it, or put again by a person. Or what we sent and
    were not answered, which the shop did later than we waited."""
    if current.canonical in mark.known and not current.empty:
        return True
    return bool(mark.sent) and (current.exact == mark.stored or current.canonical == mark.sent)


def is_kept(case: Case) -> bool:
    """Whether we wrote just this, and the shop still holds what it made of it."""
    return case.mark.sent == case.wanted.canonical and case.current.exact == case.mark.stored


def stand(mark: Mark, verdict: Verdict, reason: str) -> Mark:
    """The mark as it stands by this verdict. What is not written again has no row of rewrites."""
    if verdict is Verdict.WRITE:
        return mark
    standing = _STANDINGS.get(verdict, Standing.OURS)
    rewrites = mark.rewrites if verdict is Verdict.CONTESTED else 0
    return replace(mark, standing=standing, note=reason if verdict in _STANDINGS else "", rewrites=rewrites)


def take_back_with(mark: Mark) -> str:
    """Of this product alone: whoever pastes it means no other."""
    return (
        f"take it back with `wcsync courses push --only {mark.product_id} --take-back {field_of(mark.field)}`"
    )


def contested_because(mark: Mark) -> str:
    return (
        f"wcsync wrote the same {MOST_REWRITES + 1} times in a row and the shop did not keep it: a plugin or a person "
        f"changes it back. Set the field to own-unless-edited or off, or {take_back_with(mark)}"
    )


def missing_because(missing: Iterable[str]) -> str:
    return f"a person took away {', '.join(sorted(missing))}, and so it stays"


def _judge_difference(case: Case) -> Judgement:
    if case.take_back:
        return _judged(case, Verdict.WRITE, "to be taken back")
    if case.ownership is Ownership.FILL:
        return _judge_filled(case)
    if case.ownership is Ownership.OWN:
        return _rewritten(case, "the course has the last word on it")
    return _judge_ours(case)


def _judge_ours(case: Case) -> Judgement:
    if not case.mark.sent and not is_ours(case.mark, case.current):
        if case.current.empty:
            return _judged(case, Verdict.WRITE, "it is empty")
        return _judged(case, Verdict.FOREIGN, "it had a content before wcsync first wrote it")
    if not is_ours(case.mark, case.current):
        did = "emptied" if case.current.empty else "changed"
        return _judged(case, Verdict.EDITED, f"a person {did} what wcsync wrote, and so it stays")
    return _judged(case, Verdict.WRITE, "the course changed")


def _judge_filled(case: Case) -> Judgement:
    if case.current.empty:
        return _rewritten(case, "it is empty")
    return _at_rest(case, Verdict.FOREIGN, "filled only while it is empty")


def _judge_removal(case: Case) -> Judgement:
    ours = case.always_ours or is_ours(case.mark, case.current)
    if ours and case.ownership is not Ownership.FILL:
        return _rewritten(case, "the courses do not say it any more")
    if case.mark.sent and case.ownership is not Ownership.FILL:
        reason = "the courses do not say it any more, but a person changed it, and so it stays"
        return _judged(case, Verdict.EDITED, reason)
    return _judged(case, Verdict.NOTHING, "the courses say nothing there")


def _rewritten(case: Case, reason: str) -> Judgement:
    if case.mark.sent == case.wanted.canonical and case.mark.rewrites >= MOST_REWRITES and not case.take_back:
        return _judged(case, Verdict.CONTESTED, contested_because(case.mark))
    return _judged(case, Verdict.WRITE, reason)


def _shown(case: Case) -> Judgement:
    """The shop shows what is wanted; ours from now on, but for what is only ever filled, and for what is not there."""
    if is_kept(case):
        return _judged(case, Verdict.SAME, "")
    if case.ownership is Ownership.FILL or case.wanted.empty:
        return _at_rest(case, Verdict.SAME, "")
    mark = replace(case.mark, sent=case.wanted.canonical, stored=case.current.exact)
    return Judgement(
        verdict=Verdict.ADOPTED, reason="the shop shows it already", mark=stand(mark, Verdict.ADOPTED, "")
    )


def _locked(case: Case) -> Judgement:
    if case.wanted.empty:
        return _judged(case, Verdict.NOTHING, case.locked)
    return _judged(case, Verdict.EDITED if case.mark.sent else Verdict.FOREIGN, case.locked)


def _at_rest(case: Case, verdict: Verdict, reason: str) -> Judgement:
    """Nothing people need to be told of at every look."""
    return Judgement(verdict=verdict, reason=reason, mark=stand(case.mark, Verdict.SAME, ""))


def _judged(case: Case, verdict: Verdict, reason: str) -> Judgement:
    return Judgement(verdict=verdict, reason=reason, mark=stand(case.mark, verdict, reason))
