"""Which parts of a product the mirror may write, and under which conditions."""

from enum import StrEnum

PREFIX = "_wcsync_"
"""All meta keys that begin so are ours alone."""


class Field(StrEnum):
    """A part of a product, named as in the config. The rest of a product is never written."""

    NAME = "name"
    DESCRIPTION = "description"
    SHORT_DESCRIPTION = "short_description"
    ATTRIBUTES = "attributes"
    TAGS = "tags"
    CATEGORIES = "categories"
    IMAGES = "images"
    META = "meta"


class Ownership(StrEnum):
    """Who has the last word on a field.

    `OFF`: people alone. `FILL`: written only while it is empty. `OWN_UNLESS_EDITED`: written as long as the shop still
    holds what we wrote; what people wrote or changed stays. `OWN`: the course alone; edits are overwritten.
    """

    OFF = "off"
    FILL = "fill"
    OWN_UNLESS_EDITED = "own-unless-edited"
    OWN = "own"


FOR_VARIATIONS = frozenset({Field.DESCRIPTION, Field.IMAGES, Field.META})
"""All that a variation has of its own; the rest is its parent's."""

SYNC = "sync"
"""In a mapping row: the ownership of all fields; `sync_name` and its like: of one."""
TEMPLATE = "template"
"""In a mapping row, as `template_description` and its like: how one field is made."""
WITH_TEMPLATE = (Field.NAME, Field.DESCRIPTION, Field.SHORT_DESCRIPTION, Field.TAGS, Field.CATEGORIES)
"""Made by one template; attributes and meta have one for each name, images none."""
