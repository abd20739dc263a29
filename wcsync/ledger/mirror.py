"""What the mirror asks of a ledger: marks of fields, courses seen, pictures sent, drafts made, its last run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from wcsync.course import CourseState
from wcsync.mappers.courses.marks import Mark
from wcsync.model import CourseId, LmsName, ProductId

Marks = Mapping[str, Mark]
"""The marks of one product by field."""
DONE, STOPPED, FAILED = "done", "stopped", "failed"
"""How a run of the mirror ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCourse:
    """A course as the mirror last knew it. `gone_since`: not to be seen since then, None = it is there."""

    lms: LmsName
    course_id: CourseId
    name: str
    state: CourseState
    seen_at: datetime
    gone_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the mirror. `outcome`: `DONE`, `STOPPED` (by a guard), `FAILED` (a service).

    `code`, `reason`, `advice`: why it did not do all, in a word for scripts and in sentences for people; '' if it did.
    The counts are products; `failed`: the shop refused them; `edited`: fields that people changed.
    """

    at: datetime
    outcome: str
    code: str = ""
    reason: str = ""
    advice: str = ""
    courses: int = 0
    products: int = 0
    changed: int = 0
    written: int = 0
    failed: int = 0
    edited: int = 0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMark:
    """A product made from a course, or about to be. `product_id` None: not known to be there yet."""

    lms: LmsName
    course_id: CourseId
    sku: str
    product_id: ProductId | None = None
    sending_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorState:
    """What is known of the mirror's runs.

    `last_full_at`: of the last full run that read what it could, whether or not a guard stopped it or one LMS of
    several was down; `bad_since`: of the first of the runs in a row that were not good; `stop`: the last one that a
    guard stopped, if no good one followed.
    """

    last_run: Run | None = None
    last_full_at: datetime | None = None
    last_good_at: datetime | None = None
    bad_since: datetime | None = None
    stop: Run | None = None


class Mirror(Protocol):
    """The mirror's part of the ledger. Thread-safe; every method is one transaction. Safe to repeat, all of them."""

    def read_marks(self, product_ids: Collection[ProductId]) -> dict[ProductId, dict[str, Mark]]:
        """All marks of these products; a product without any has an empty dict."""

    def read_standing(self) -> Sequence[Mark]:
        """Every mark that is not simply ours."""

    def record_marks(self, marks: Sequence[Mark], now: datetime) -> None:
        """Keeps these marks as they are, each in place of the one of the same product and field."""

    def read_courses(self, lms: LmsName) -> dict[CourseId, KnownCourse]:
        """Every course of this LMS that was seen once and is not forgotten, by its key in the mapping."""

    def record_courses(self, courses: Sequence[KnownCourse], now: datetime) -> None:
        """Keeps courses as seen, or as gone."""

    def forget_courses(self, lms: LmsName, course_ids: Collection[CourseId]) -> None:
        """Courses that no row of the mapping names any more are no longer expected."""

    def read_picture(self, url: str, version: str) -> str | None:
        """The digest of a picture's bytes as last fetched; None if it was never fetched in this version."""

    def record_picture(self, url: str, version: str, digest: str, now: datetime) -> None: ...

    def read_upload(self, digest: str) -> int | None:
        """The shop's id of the image with these bytes; None if the shop has none of us."""

    def record_upload(self, digest: str, image_id: int | None, now: datetime) -> None:
        """`image_id` None: the shop does not have it any more. The tries are forgotten either way."""

    def read_sending(self, field: str, pending: str, but: ProductId) -> datetime | None:
        """When another product was last sent this in that field (as in `Mark`), with no answer yet; None = none was."""

    def read_tries(self, digest: str) -> int:
        """How often these bytes were sent to the shop since they were last known to have arrived."""

    def record_try(self, digest: str) -> None:
        """The shop broke down over them, or did not answer."""

    def read_drafts(self, lms: LmsName) -> dict[CourseId, DraftMark]: ...

    def record_draft(self, draft: DraftMark, now: datetime) -> None: ...

    def record_run(self, run: Run, *, full: bool) -> None:
        """Keeps the last run, and beside it when the last full and the last good one were."""

    def read_runs(self) -> MirrorState:
        """One row, however many products there are."""
