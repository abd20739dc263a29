"""Courses as an LMS describes them, and products as a shop stores them: what the mirror compares. Frozen, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from wcsync.model import CourseId, LmsName, ProductId, Target

NO_PARENT = ProductId(0)


class CourseState(StrEnum):
    """Whether learners can find it. `HIDDEN` and `ARCHIVED` ones can still be read."""

    OPEN = "open"
    HIDDEN = "hidden"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One part of a course, as learners see it. `section`: the heading it stands under, '' if there is none."""

    title: str
    kind: str = ""
    section: str = ""
    duration_min: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A cover image. `url`: without any secret, so that the shop can fetch it. `version`: changes whenever the LMS says
    that the file did; the same `url` and `version` are the same bytes until a full reading proves otherwise."""

    url: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What an LMS says of one course. Texts are plain, entities undone; only `description` is HTML, and not safe yet.

    `site`: the LMS's own address: what links there works for learners alone. `url`: where learners open the course.
    `modules` in order, without those that learners cannot see. `starts_at`, `ends_at`, `modified_at`: None = not said.
    """

    lms: LmsName
    course_id: CourseId
    site: str
    name: str
    description: str = ""
    authors: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    modules: tuple[Module, ...] = ()
    duration_min: int | None = None
    language: str = ""
    level: str = ""
    category: str = ""
    cover: Picture | None = None
    url: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    modified_at: datetime | None = None
    state: CourseState = CourseState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseReading:
    """What became of each target asked for: its course, or in one sentence why there is none to be seen. A target in
    neither has no course data by its nature (a row that names no path, for one); `silent` says why."""

    courses: Mapping[Target, Course]
    absent: Mapping[Target, str] = field(default_factory=dict)
    silent: Mapping[Target, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sellable:
    """A course that a shop could sell, with the target its mapping row would name.

    `code`: a short name people gave it, '' if none. `concern`: why selling it may go wrong, '' if nothing speaks
    against it.
    """

    target: Target
    title: str
    code: str = ""
    concern: str = ""


class TermKind(StrEnum):
    """The two lists of words by which a shop sorts its products; the values are WooCommerce's names for them."""

    TAGS = "tags"
    CATEGORIES = "categories"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A tag or category. `name` is plain. `term_id` 0: the shop has not been asked for it yet."""

    name: str
    term_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One line of a product's table of attributes. `attribute_id` 0: it belongs to this product alone.

    `options` are plain texts, exactly as the shop gives them. `variation`: buyers choose by it.
    """

    name: str
    options: tuple[str, ...]
    attribute_id: int = 0
    position: int = 0
    visible: bool = True
    variation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of a product. `image_id` 0: the shop is to fetch it from `src`."""

    image_id: int
    src: str = ""
    name: str = ""
    alt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProduct:
    """A product, or one variation of it, exactly as the shop stores it (`context=edit`).

    `parent_id` 0 = it is no variation. Of a variation `images` has one at most; `name`, `short_description`, `tags`,
    `categories` and `attributes` are empty: they are its parent's, or its choice. `images`: the first is the main one.
    `meta`: the scalar values as texts. `guarded`: digest of all that the mirror must never change (status, type, SKU,
    prices, visibility, whether stock is managed). `modified_gmt`: as the shop wrote it, to tell versions apart.
    """

    product_id: ProductId
    parent_id: ProductId = NO_PARENT
    kind: str = "simple"
    status: str = "publish"
    sku: str = ""
    name: str = ""
    description: str = ""
    short_description: str = ""
    attributes: tuple[Attribute, ...] = ()
    tags: tuple[Term, ...] = ()
    categories: tuple[Term, ...] = ()
    images: tuple[Image, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    guarded: str = ""
    modified_gmt: str = ""

    @property
    def in_trash(self) -> bool:
        return self.status == "trash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change of one product: None = this field stays. Lists are sent whole, others' members included.

    `meta`: only the keys to be changed; None takes the key away. `name`, `description` and `short_description` are
    HTML, ready to be stored.
    """

    product_id: ProductId
    parent_id: ProductId = NO_PARENT
    name: str | None = None
    description: str | None = None
    short_description: str | None = None
    attributes: tuple[Attribute, ...] | None = None
    tags: tuple[Term, ...] | None = None
    categories: tuple[Term, ...] | None = None
    images: tuple[Image, ...] | None = None
    meta: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """The shop's answer to one patch: the product as it is stored now, or why it refused (then nothing was changed)."""

    product_id: ProductId
    stored: StoredProduct | None
    code: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDraft:
    """A product to be made: a draft, virtual, not in the catalogue, without a price. Texts are HTML, as in `Patch`."""

    sku: str
    name: str
    description: str = ""
    short_description: str = ""
    attributes: tuple[Attribute, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkuTaken:
    """No product was made: another has its SKU. `product_id` None = the shop did not say which; then it is probably in
    the trash."""

    product_id: ProductId | None
