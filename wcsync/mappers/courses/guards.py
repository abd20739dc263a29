"""When a run of the mirror is stopped, because what it sees or would do is more likely a mistake than meant. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from wcsync.model import CourseId, LmsName

SHARE_FROM = 10
"""Of fewer products a share says nothing."""


class Known(Protocol):
    """A course as the ledger knows it."""

    @property
    def gone_since(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """`code`: a word for scripts; `reason`, `advice`: for people; the advice names the command that allows it once."""

    code: str
    reason: str
    advice: str


def guard_courses(
    lms: LmsName, asked: Collection[CourseId], seen: Collection[CourseId], known: Mapping[CourseId, Known]
) -> Stop | None:
    """Whether too few of the courses asked for are to be seen: none, or less than half of those that were there at the
    last look. What was gone already then is not missed again."""
    expected = {
        course_id for course_id in asked if course_id in known and known[course_id].gone_since is None
    }
    there = expected.intersection(seen)
    if not expected or (there and 2 * len(there) >= len(expected)):
        return None
    shown = "none" if not there else f"only {len(there)}"
    return Stop(
        code="courses_missing",
        reason=f"{lms} shows {shown} of the {len(expected)} courses it showed before; its products are left alone",
        advice=f"see whether wcsync's account in {lms} may still see them; if they are gone for good, say so once "
        f"with `wcsync courses push --allow-gone {lms}`",
    )


def guard_changes(changed: int, products: int, max_changes: int, max_share: float) -> Stop | None:
    """Whether a run would change more products than it may, of so many it looked at. `max_share`: 1.0 is all."""
    limit = ""
    if changed > max_changes:
        limit = f"max_changes is {max_changes}"
    elif products >= SHARE_FROM and changed > products * max_share:
        limit = f"max_changes_share is {max_share:.0%}"
    if not limit:
        return None
    return Stop(
        code="too_many_changes",
        reason=f"{changed} of {products} products would be changed, and {limit}; nothing was written",
        advice="look at them with `wcsync courses diff`; to allow it once: `wcsync courses push --allow-many`",
    )
