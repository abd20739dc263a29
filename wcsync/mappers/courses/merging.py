"""Lists that people and the mirror share: what is ours is changed, all else stays as it is and where it is. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from wcsync.course import Attribute, Image, Term
from wcsync.mappers.courses.canonical import key_of, plain
from wcsync.mappers.courses.fields import Ownership
from wcsync.mappers.courses.marks import Mark
from wcsync.mappers.courses.wanted import WantedPicture


def find_attribute(attributes: Sequence[Attribute], name: str) -> Attribute | None:
    """The product's own attribute of that name, in whatever letters; of two the one written the same."""
    own = [one for one in attributes if not one.attribute_id and key_of(one.name) == key_of(name)]
    return next((one for one in own if one.name == name), own[0] if own else None)


def why_locked(attributes: Sequence[Attribute], name: str) -> str:
    """Why the attribute of that name is never written; '' if it may be."""
    same = [one for one in attributes if key_of(one.name) == key_of(name)]
    if any(one.variation for one in same):
        return "buyers choose by it, and so wcsync never writes it"
    if any(one.attribute_id for one in same) and find_attribute(attributes, name) is None:
        return "the shop has an attribute of this name for all products, which wcsync never writes"
    return ""


def merge_attributes(
    attributes: Sequence[Attribute], changes: Mapping[str, tuple[str, ...]]
) -> tuple[Attribute, ...]:
    """With these options; an attribute without any is taken away, a new one comes last."""
    found = {
        id(one): options for name, options in changes.items() if (one := find_attribute(attributes, name))
    }
    merged = [replace(one, options=found.get(id(one), one.options)) for one in attributes]
    kept = [now for one, now in zip(attributes, merged, strict=True) if id(one) not in found or now.options]
    position = max((one.position for one in attributes), default=-1)
    new = [name for name, options in changes.items() if options and find_attribute(attributes, name) is None]
    added = [
        Attribute(name=name, options=changes[name], position=position + place)
        for place, name in enumerate(new, start=1)
    ]
    return (*kept, *added)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A list of terms as it should be. By their keys: what is `ours` then, what is `added` and `removed`; `missing`:
    wanted, but a person took it away. `mark`: what is known now if nothing is written.
    """

    terms: tuple[Term, ...]
    ours: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    missing: tuple[str, ...]
    mark: Mark


def merge_terms(
    current: Sequence[Term],
    wanted: Sequence[str],
    mark: Mark,
    ownership: Ownership,
    *,
    take_back: bool = False,
    at_least_one: bool = False,
) -> Merge:
    """Between what people have there, what was ours, and what is wanted now.

    `take_back`: what a person took away is put back, too. `at_least_one`: the last one is not taken away.
    """
    there = [key_of(term.name) for term in current]
    asked = {key_of(name): plain(name) for name in wanted if key_of(name)}
    fresh = _fresh(there, asked, mark, ownership, take_back=take_back)
    filled = ownership is Ownership.FILL and bool(there)  # what is lacking then, nobody took away
    ours = set(mark.ours) & set(there)
    gone = _gone(there, ours - asked.keys(), ownership)
    if at_least_one and not fresh and gone >= set(there):
        gone = set()
    kept = tuple(term for term, key in zip(current, there, strict=True) if key not in gone)
    return Merge(
        terms=(*kept, *(Term(name=asked[key]) for key in fresh)),
        ours=_sorted((ours - gone) | set(fresh)),
        added=tuple(fresh),
        removed=_sorted(gone),
        missing=() if filled else tuple(key for key in asked if key not in there and key not in fresh),
        mark=replace(mark, ours=_sorted(ours), known=_sorted(set(mark.known) | (asked.keys() & set(there)))),
    )


def resolved_terms(mark: Mark, current: Sequence[Term], list_digest: str) -> Mark:
    """What is known once it is clear what became of the pending write.

    The list as it was to be: it took effect. A part of what was to be added: it did as well, and a person changed the
    list since; then what is there may be theirs, and what is not there, they took away. Else it did not.
    """
    there = {key_of(term.name) for term in current}
    ours, planned = set(mark.ours), set(mark.pending_ours)
    whole = mark.pending == list_digest
    if not mark.pending or not (whole or (planned - ours) & there):
        return mark.cleared
    gone = ours - planned - there
    rewrites = mark.rewrites + 1 if mark.sent == mark.pending else 0
    return replace(
        mark.cleared,
        sent=mark.pending,
        stored=list_digest,
        ours=_sorted((planned if whole else ours) & there),
        known=_sorted((set(mark.known) | planned) - gone),
        rewrites=rewrites,
    )


def written_terms(
    mark: Mark, sent: str, ours: Collection[str], asked: Collection[str], stored: Sequence[Term]
) -> Mark:
    """We sent this list, and the shop then held `stored`. What it dropped is tried again, a few times."""
    there = {key_of(term.name) for term in stored}
    removed = set(mark.ours) - set(ours) - there
    return replace(
        mark,
        sent=sent,
        stored=sent,
        ours=_sorted(set(ours) & there),
        known=_sorted((set(mark.known) | (set(asked) & there)) - removed),
        rewrites=mark.rewrites + 1 if mark.sent == sent else 0,
    )


def merge_images(
    images: Sequence[Image], picture: WantedPicture, *, replace_first: bool
) -> tuple[Image, ...]:
    """With the picture first. One the product already has is used again, under its number."""
    new = Image(image_id=0, src=picture.src, name=picture.title, alt=picture.alt)
    new = next((one for one in images if one.name == picture.title), new)
    others = images[1:] if replace_first else images
    return (new, *(one for one in others if one is not new))


def _fresh(
    there: Collection[str], asked: Collection[str], mark: Mark, ownership: Ownership, *, take_back: bool
) -> list[str]:
    """What is to be added."""
    lacking = [key for key in asked if key not in there]
    if take_back or ownership is Ownership.OWN:
        return lacking
    if ownership is Ownership.FILL:
        return [] if there else lacking
    return [key for key in lacking if key not in mark.known]


def _gone(there: Sequence[str], unwanted: Collection[str], ownership: Ownership) -> set[str]:
    """What is to be taken away; nothing of which there are two, as only people can have put the second."""
    if ownership is Ownership.FILL:
        return set()
    return {key for key in unwanted if there.count(key) == 1}


def _sorted(keys: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(keys))
