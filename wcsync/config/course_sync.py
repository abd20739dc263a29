"""How course data of the LMS flows into the shop's products: the config's section of it, and what it comes to."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from wcsync.config.section import DAY_S, Section
from wcsync.credentials import refusal
from wcsync.mappers.courses import fields
from wcsync.mappers.courses.fields import PREFIX, Ownership
from wcsync.mappers.courses.metakeys import LONGEST_KEY, is_protected
from wcsync.mappers.courses.plain import bare
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.templates import GUIDE, Output, check_template
from wcsync.mappers.text_file import render_quoted

WHO = "who has the last word: off, fill (only while empty), own-unless-edited or own"
LINES = "each line it makes is one"
MOST_TEMPLATES = 50

_META_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")


def check_html(template: str) -> str:
    return _checked(template, Output.HTML)


def check_plain(template: str) -> str:
    return _checked(template, Output.PLAIN)


def _checked(template: str, output: Output) -> str:
    problem = check_template(template, output)
    if problem is not None:
        raise refusal(f"cannot be rendered: {problem}", f"Correct it: {GUIDE}.")
    return template


def check_attributes(templates: dict[str, str]) -> dict[str, str]:
    for name in templates:
        if bare(name) != name:
            remedy = "Write it on one line, without < > [ ] | and \\, and with at most 200 letters."
            raise refusal(f"the attribute {render_quoted(name)} cannot be called so", remedy)
    folded = [name.casefold() for name in templates]
    if len(set(folded)) < len(folded):
        raise refusal("two attributes have the same name", "Upper and lower case are the same: keep one.")
    return _few(templates)


def check_meta(templates: dict[str, str]) -> dict[str, str]:
    for key in templates:
        if key.casefold().startswith(PREFIX):
            raise refusal(
                f"the meta key {render_quoted(key)} is taken: wcsync itself writes all that begin with {PREFIX}",
                "Choose another key.",
            )
        if is_protected(key):
            raise refusal(
                f"the meta key {render_quoted(key)} is the shop's own: writing it would change more than course data",
                "Choose a key of your own, as in course_hours.",
            )
        if not _META_KEY.fullmatch(key) or len(key) > LONGEST_KEY:
            remedy = "Use ASCII letters, digits and _ alone, as in course_hours."
            raise refusal(f"the meta key {render_quoted(key)} has a form that is not allowed", remedy)
    return _few(templates)


def _few(templates: dict[str, str]) -> dict[str, str]:
    if len(templates) > MOST_TEMPLATES:
        raise refusal(f"has more than {MOST_TEMPLATES} templates", "Keep those that are shown.")
    return templates


Who = Annotated[Ownership, Field(strict=False)]
HtmlTemplate = Annotated[str, AfterValidator(check_html)]
PlainTemplate = Annotated[str, AfterValidator(check_plain)]
AttributeTemplates = Annotated[dict[str, PlainTemplate], AfterValidator(check_attributes)]
MetaTemplates = Annotated[dict[str, PlainTemplate], AfterValidator(check_meta)]


class NameSync(Section):
    """The product's name."""

    ownership: Who = Field(default=Ownership.OWN_UNLESS_EDITED, description=WHO)
    template: PlainTemplate | None = Field(
        default=None, description="a Jinja template of plain text; absent: the course's name"
    )


class DescriptionSync(Section):
    """The product's description."""

    ownership: Who = Field(default=Ownership.OWN_UNLESS_EDITED, description=WHO)
    template: HtmlTemplate | None = Field(
        default=None,
        description="a Jinja template of HTML; absent: description, author, skills and modules of each course",
    )


class ShortDescriptionSync(Section):
    """The product's short description."""

    ownership: Who = Field(default=Ownership.OWN_UNLESS_EDITED, description=WHO)
    template: HtmlTemplate | None = Field(
        default=None,
        description="a Jinja template of HTML; absent: the first paragraph of the course's description",
    )


class AttributesSync(Section):
    """The product's attributes."""

    ownership: Who = Field(default=Ownership.OWN_UNLESS_EDITED, description=WHO)
    templates: AttributeTemplates | None = Field(
        default=None,
        description=f"a template of plain text for each name, {LINES} value; absent: Author, Skills, Level, Duration, "
        "Language, in the shop's language",
    )


class TagsSync(Section):
    """The product's tags."""

    ownership: Who = Field(default=Ownership.OFF, description=WHO)
    template: PlainTemplate | None = Field(
        default=None, description=f"a Jinja template of plain text, {LINES} tag; absent: the skills"
    )


class CategoriesSync(Section):
    """The product's categories."""

    ownership: Who = Field(default=Ownership.OFF, description=WHO)
    template: PlainTemplate | None = Field(
        default=None,
        description=f"a Jinja template of plain text, {LINES} category; absent: the course's category",
    )


class ImagesSync(Section):
    """The product's main image."""

    ownership: Who = Field(default=Ownership.OWN_UNLESS_EDITED, description=WHO)


class MetaSync(Section):
    """The product's meta data."""

    ownership: Who = Field(default=Ownership.OWN, description=f"{WHO}; off also for the _wcsync_ keys")
    templates: MetaTemplates | None = Field(
        default=None, description="a Jinja template of plain text for each key beside the _wcsync_ ones"
    )


class CourseSyncSettings(Section):
    """How course data flows into the shop's products."""

    enabled: bool = Field(
        default=False,
        description="whether course data is written to products on a schedule; needs a Read/Write key",
    )
    every_s: float = Field(
        default=3600.0, ge=60, le=7 * DAY_S, description="seconds between two looks at the courses"
    )
    full_every_s: float = Field(
        default=DAY_S,
        ge=60,
        le=31 * DAY_S,
        description="seconds between two readings of all that is told of the courses, changed or not",
    )
    language: Literal["en", "es", "fr"] = Field(
        default="en", description="the shop's language, for the words around course data"
    )
    max_changes: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="a run that would change more products than this stops before the first",
    )
    max_changes_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="the same as a share of the products that sell courses; counts only from 10 products on",
    )
    mark_gone: bool = Field(
        default=False,
        description="whether the meta key _wcsync_state says that a course is hidden, archived or gone",
    )
    name: NameSync = Field(default_factory=NameSync, description="the product's name")
    description: DescriptionSync = Field(
        default_factory=DescriptionSync, description="the product's description"
    )
    short_description: ShortDescriptionSync = Field(
        default_factory=ShortDescriptionSync, description="the product's short description"
    )
    attributes: AttributesSync = Field(default_factory=AttributesSync, description="the product's attributes")
    tags: TagsSync = Field(default_factory=TagsSync, description="the product's tags")
    categories: CategoriesSync = Field(default_factory=CategoriesSync, description="the product's categories")
    images: ImagesSync = Field(default_factory=ImagesSync, description="the product's main image")
    meta: MetaSync = Field(default_factory=MetaSync, description="the product's meta data")

    def rules(self) -> Rules:
        """The rules for a product whose mapping row says nothing else."""
        sections = {field: getattr(self, field.value) for field in fields.Field}
        templates = {field: getattr(sections[field], "template", None) for field in fields.WITH_TEMPLATE}
        return Rules(
            ownership={field: section.ownership for field, section in sections.items()},
            templates={field: template for field, template in templates.items() if template is not None},
            attributes=self.attributes.templates,
            meta=self.meta.templates,
            language=self.language,
            mark_gone=self.mark_gone,
        )
