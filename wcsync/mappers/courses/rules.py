"""How each field of a product is made from its courses, and under which conditions it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wcsync.mappers.courses.fields import Field, Ownership

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
    shipped one. `attributes`, `meta`: templates by name; None = the shipped ones. Of lists each line is a member.
    `language`: en, es or fr. `mark_gone`: whether a course that is gone, hidden or archived shows in the meta.
    """

    ownership: Mapping[Field, Ownership] = field(default_factory=lambda: dict(DEFAULT_OWNERSHIP))
    templates: Mapping[Field, str] = field(default_factory=dict)
    attributes: Mapping[str, str] | None = None
    meta: Mapping[str, str] | None = None
    language: str = "en"
    mark_gone: bool = False
