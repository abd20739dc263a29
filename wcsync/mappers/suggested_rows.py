"""Suggestions as rows of a mapping file, ready to paste. Pure."""

from collections.abc import Iterable, Iterator

from wcsync.mappers.mapping_terms import WITH_SUBSCRIPTION
from wcsync.mappers.suggestions import Candidate, Suggestion
from wcsync.mappers.toml_text import comment, quoted
from wcsync.model import Product

LONGEST_COMMENT = 400


def render_rows(suggestions: Iterable[Suggestion]) -> str:
    """One block for each product: rows that are certain as they count, the others as comments."""
    return "\n".join("\n".join(_block(one)) + "\n" for one in suggestions)


def about(candidate: Candidate) -> str:
    """Half a sentence: which course, why, and what to know before it is mapped."""
    offer, said = candidate.offer, candidate.judgement.why
    parts = [f"{offer.key} {offer.value} in {offer.lms}, {comment(offer.title)!r}: {said}"]
    if candidate.missing:
        parts.append(f"no {candidate.missing} fits, so make one for it first")
    if offer.concern and offer.concern not in said:
        parts.append(offer.concern)
    if candidate.mapped_by:
        parts.append(f"mapped already by {candidate.mapped_by}")
    return comment("; ".join(parts), longest=LONGEST_COMMENT)


def _block(suggestion: Suggestion) -> Iterator[str]:
    product = suggestion.product
    sold = f", sold without a row: {suggestion.sold}" if suggestion.sold else ""
    sku = f", SKU {comment(product.sku)}" if product.sku and suggestion.selector[0] != "sku" else ""
    yield f"# {comment(product.name) or 'a product without a name'}{sku}{sold}"
    if not suggestion.candidates:
        yield "#   looks like no course; if it is none:"
        yield from _commented(_row(suggestion, ["ignore = true"]))
    for candidate in suggestion.candidates:
        yield f"#   {candidate.likeness.word}: {about(candidate)}"
        row = _row(suggestion, [*_target(candidate), *_terms(product)])
        yield from row if suggestion.certain else _commented(row)


def _row(suggestion: Suggestion, rest: list[str]) -> list[str]:
    key, value = suggestion.selector
    return ["[[map]]", f"{key} = {quoted(value) if key == 'sku' else value}", *rest]


def _target(candidate: Candidate) -> Iterator[str]:
    yield f"lms = {quoted(candidate.offer.lms)}"
    if candidate.missing:
        yield f'{candidate.missing} = ""     # its id, once it is made'
    for one in (candidate.offer, *candidate.beside):
        yield f"{one.key} = {quoted(one.value)}     # {comment(one.title)}"


def _terms(product: Product) -> Iterator[str]:
    """What its kind says of how long it is sold for; subscriptions are of several kinds, all named so."""
    if "subscription" in product.kind:
        yield f"{WITH_SUBSCRIPTION} = true     # the shop sells it as a subscription"


def _commented(lines: Iterable[str]) -> Iterator[str]:
    return (f"# {line}" for line in lines)
