"""What an order's note says: who got in where, what waits, what needs a person. Pure."""

import hashlib
import html
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from wcsync.model import NOBODY, LearnerKey, Person

NOTE_CHANNEL = "note"
"""What the outbox calls order notes."""
MOST_LINES = 30
LONGEST_NAME = 120
_MARK = re.compile(r"\(wcsync ([0-9a-f]{12})\)")


class Fate(StrEnum):
    """What became of one seat, as the shop's people see it."""

    ENROLLED = "enrolled"
    MOVED = "moved"
    OPEN = "open"
    WAITS = "waits"
    GAVE_UP = "gave_up"
    CHANGES = "changes"
    NOT_CHANGED = "not_changed"
    CALLED_OFF = "called_off"
    TOO_LATE = "too_late"
    DEALT_WITH = "dealt_with"
    ENDING = "ending"
    ENDED = "ended"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    ASKED = "asked"
    NOT_ENDED = "not_ended"
    STAYS = "stays"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteLine:
    """One thing a note tells. `place`: LMS and course; `product`: the line's name; both '' for the whole order."""

    fate: Fate
    product: str = ""
    place: str = ""
    learner_key: LearnerKey = NOBODY
    reason: str = ""


UNDER_WAY = frozenset({Fate.WAITS, Fate.CHANGES, Fate.ENDING})
"""Fates that will change by themselves."""
OVER = (Fate.ENDED, Fate.EXPIRED, Fate.SUSPENDED)
"""Fates of a seat whose learner was put out."""

_SENTENCES: dict[Fate, str] = {
    Fate.ENROLLED: "{who} is enrolled{where}.",
    Fate.MOVED: "{who} is enrolled{where}, as the learner's address was put right{again}.",
    Fate.OPEN: "{reason}.",
    Fate.WAITS: "{who} is not enrolled yet{where}. This is tried again by itself.",
    Fate.GAVE_UP: "{who} could NOT be enrolled{where}: {reason}. wcsync does not try again until somebody has "
    "mended this (`wcsync dead list`).",
    Fate.CHANGES: "{who} is enrolled{where}; a change of that is still to be made. This is tried again by itself.",
    Fate.NOT_CHANGED: "{who} is enrolled, but a change of that could NOT be made{where}: {reason}. wcsync does not try "
    "again until somebody has mended this (`wcsync dead list`).",
    Fate.CALLED_OFF: "{who} was not enrolled{where}: the order was taken back before.",
    Fate.TOO_LATE: "{who} was not enrolled{where}: the time that was sold is over already.",
    Fate.DEALT_WITH: "{who}{where}: somebody dealt with it by hand.",
    Fate.ENDING: "The access of {who} is to end{where}. This is tried again by itself.",
    Fate.ENDED: "The access of {who} has ended{where}.",
    Fate.EXPIRED: "The time of {who} is over{where}.",
    Fate.SUSPENDED: "The access of {who} is suspended{where}; what was learnt there is kept.",
    Fate.ASKED: "The seat has ended, but {who} keeps the access{where} until somebody says otherwise "
    "(`wcsync parked end`).",
    Fate.NOT_ENDED: "The access of {who} should end, but could NOT be ended{where}: {reason}. wcsync does not try "
    "again until somebody has mended this (`wcsync dead list`).",
    Fate.STAYS: "The seat has ended, but {who} keeps the access{where}: {reason}.",
    Fate.PARKED: "Needs a person: {reason}.",
}
assert _SENTENCES.keys() == set(Fate)
_DECIDED = ("as the learner's address was put right", "somebody dealt with it by hand")
assert all(said in _SENTENCES[Fate.MOVED] + _SENTENCES[Fate.DEALT_WITH] for said in _DECIDED)


def render_note(lines: Sequence[NoteLine], learners: Mapping[LearnerKey, Person], digest: str) -> str:
    """The note's text, as HTML that a shop shows as it is, with the digest as the mark by which it is known again.

    A learner whose address was erased is called "the learner".
    """
    told = [_render_line(line, learners) for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        told.append(f"… and {len(lines) - MOST_LINES} more: `wcsync show` lists them all.")
    return "\n".join([*told, f"(wcsync {digest})"])


def digest_note(subject: str, lines: Iterable[NoteLine]) -> str:
    """Twelve hex digits that are the same for the same news about one order, whoever's ledger they come from.

    Another order's news has another digest: a note that was copied with its order, or comes out of a cache, is not
    taken for this order's own.
    """
    told = sorted([line.fate.value, line.product, line.place, line.reason] for line in lines)
    return hashlib.sha256(json.dumps([subject, told]).encode()).hexdigest()[:12]


def told_last(notes: Iterable[str]) -> str | None:
    """The digest of the newest of our notes among `notes` (oldest first); None if there is none."""
    marks = [mark for text in notes for mark in _MARK.findall(text)]
    return marks[-1] if marks else None


def says_nothing_new(
    lines: Iterable[NoteLine], learners: Mapping[LearnerKey, Person], notes: Sequence[str]
) -> bool:
    """Whether the newest of our notes among `notes` (oldest first) says all of this, however the shop keeps blanks and
    marks. A seat that it calls ended is no news again because a later order lets the learner in."""
    ours = [text for text in notes if _MARK.search(text)]
    told = _told_lines(ours[-1]) if ours else set()
    return bool(told) and all(
        any(_told_lines(_render_line(one, learners)) <= told for one in same_news(line)) for line in lines
    )


def same_news(line: NoteLine) -> Iterator[NoteLine]:
    """The line, and what would have told as much before."""
    yield line
    if line.fate is Fate.STAYS:
        yield from (replace(line, fate=fate, reason="") for fate in OVER)


def tells_of_a_decision(notes: Iterable[str], known: Collection[str] = ()) -> bool:
    """Whether one of our notes tells of what a person decided, and the order itself does not say. `known`: the digests
    of notes that do not count."""
    news = [text for text in notes if set(_MARK.findall(text)) - set(known)]
    ours = [" ".join(html.unescape(text).split()) for text in news]
    return any(said in text for said in _DECIDED for text in ours)


def dump_lines(lines: Iterable[NoteLine]) -> str:
    """The lines as JSON. Holds no address and no name of a person."""
    return json.dumps(
        [[line.fate.value, line.product, line.place, line.learner_key, line.reason] for line in lines]
    )


def parse_lines(text: str) -> tuple[NoteLine, ...]:
    """What `dump_lines` wrote."""
    return tuple(
        NoteLine(
            fate=Fate(fate), product=product, place=place, learner_key=LearnerKey(learner), reason=reason
        )
        for fate, product, place, learner, reason in json.loads(text)
    )


def _told_lines(note: str) -> set[str]:
    lines = re.split(r"\n|<br\s*/?>|</?p>", _MARK.sub("", note))
    return {" ".join(html.unescape(line).split()) for line in lines} - {""}


def _render_line(line: NoteLine, learners: Mapping[LearnerKey, Person]) -> str:
    learner, sentence = learners.get(line.learner_key), _SENTENCES[line.fate]
    nobody = "The learner" if sentence.startswith("{who}") else "the learner"
    told = sentence.format(
        who=_shown(learner.email) if learner is not None and learner.email else nobody,
        where=f" ({_shown(line.place)})" if line.place else "",
        reason=(reason := _shown(line.reason.rstrip(". "), 500)),
        again=f" ({reason})" if reason else "",
    )
    product = _shown(line.product)
    return f"{product}: {told}" if product else told


def _shown(text: str, longest: int = LONGEST_NAME) -> str:
    """A name from elsewhere as a note can hold it: no markup, no line of its own, no mark like ours, no novel."""
    one_line = " ".join(_MARK.sub("", text).split())
    cut = one_line if len(one_line) <= longest else one_line[: longest - 1] + "…"
    return html.escape("".join(char for char in cut if char.isprintable()), quote=False)
