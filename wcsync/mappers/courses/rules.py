"""How each field of a product is made from its courses, and under which conditions it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wcsync.mappers.courses.fields import SYNC, TEMPLATE, Field, Ownership

DEFAULT_OWNERSHIP: Mapping[Field, Ownership] = {
    Field.NAME: Ownership.OWN_UNLESS_EDITED,
    Field.DESCRIPTION: Ownership.OWN_UNLESS_EDITED,
    Field.SHORT_DESCRIPTION: Ownership.OWN_UNLESS_EDITED,
    Field.ATTRIBUTES: Ownership.OWN_UNLESS_EDITED,
    Field.TAGS: Ownership.OFF,
    Field.CATEGORIES: Ownership.OFF,
    Field.IMAGES: Ownership.OWN_UNLESS_EDITED,
    Field.META: Ownership.OWN,
}
"""Tags and categories are pages of a shop, and often its menu: people switch them on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules for one product.

    `ownership` has every field. `templates`: of the text fields, tags and categories; one that is absent is the
    shipped one. `attributes`: templates by name; None = the shipped ones. `meta`: templates of keys beside `_wcsync_*`.
    Of lists each line is a member. `language`: en, es or fr. `mark_gone`: whether a course that is gone, hidden or
    archived shows in the meta. `own`: fields that the product's mapping row itself speaks of: with several courses a
    product's name and image are people's, unless its row says otherwise.
    """

    ownership: Mapping[Field, Ownership] = field(default_factory=lambda: dict(DEFAULT_OWNERSHIP))
    templates: Mapping[Field, str] = field(default_factory=dict)
    attributes: Mapping[str, str] | None = None
    meta: Mapping[str, str] | None = None
    language: str = "en"
    mark_gone: bool = False
    own: frozenset[Field] = frozenset()


def rules_for(base: Rules, sync: Sequence[tuple[str, str]]) -> Rules:
    """The rules for one product: what its mapping row says (`Match.sync`) counts before the config.

    An ownership for all leaves alone what the config switches off; a field that is named is meant.
    """
    said = dict(sync)
    ownership = dict(base.ownership)
    if SYNC in said:
        word = Ownership(said[SYNC])
        ownership = {
            field: word if word is Ownership.OFF or before is not Ownership.OFF else before
            for field, before in ownership.items()
        }
    named = {field: Ownership(said[f"{SYNC}_{field}"]) for field in Field if f"{SYNC}_{field}" in said}
    templates = {field: said[f"{TEMPLATE}_{field}"] for field in Field if f"{TEMPLATE}_{field}" in said}
    return replace(
        base,
        ownership=ownership | named,
        templates={**base.templates, **templates},
        own=base.own | named.keys() | templates.keys(),
    )
