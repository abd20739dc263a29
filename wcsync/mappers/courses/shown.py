"""What the shop shows in one field of a product, in the form in which fields are judged. Pure."""

from wcsync.course import StoredProduct, Term
from wcsync.mappers.courses.canonical import Form
from wcsync.mappers.courses.fields import Field
from wcsync.mappers.courses.merging import find_attribute
from wcsync.mappers.courses.plan import field_of, part_of

TEXTS = (Field.NAME, Field.DESCRIPTION, Field.SHORT_DESCRIPTION)
LISTS = (Field.TAGS, Field.CATEGORIES)


def form_of(product: StoredProduct, name: str) -> Form:
    """Of the field of that name (as in `Mark.field`)."""
    field, part = field_of(name), part_of(name)
    if field in LISTS:
        return Form.of_terms(terms_of(product, field))
    if field is Field.IMAGES:
        return Form.of_image(product.images[0] if product.images else None)
    if field is Field.META:
        return Form.of_meta(product.meta.get(part))
    if field is Field.ATTRIBUTES:
        found = find_attribute(product.attributes, part)
        return Form.of_options(found.options if found else ())
    return Form.of_markup(getattr(product, field.value))


def terms_of(product: StoredProduct, field: Field) -> tuple[Term, ...]:
    """The tags or the categories."""
    return product.tags if field is Field.TAGS else product.categories
