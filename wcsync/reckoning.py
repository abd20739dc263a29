"""What the proof came to: each paid line counted once, by what became of it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from wcsync.model import LmsName
from wcsync.times import render_instant

_SHOP = "shop"


class Fate(StrEnum):
    """What became of one paid line. A line of several seats has the gravest of theirs."""

    DUE = "due"
    IGNORED = "ignored"
    ENDED = "ended"
    DROPPED = "dropped"
    ENROLLED = "enrolled"
    OPEN_SEATS = "open_seats"
    PARKED = "parked"
    DEAD = "dead"
    UNMAPPED = "unmapped"
    UNEXPLAINED = "unexplained"


ON_THE_WAY = (Fate.DUE, Fate.IGNORED, Fate.ENDED, Fate.DROPPED)
"""The fates of the line before the last: lines that need nobody."""
PROVEN = tuple(fate for fate in Fate if fate not in ON_THE_WAY)
"""The fates of the last line. With those of the line before they add up to the paid lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something that the proof found. `code`: a short word that never changes. `order_id`, `line_id` 0 = it is about
    no single one. `suspect`: the service that looks like an empty or older copy of itself, '' = none does. No part
    holds an address or a name."""

    code: str
    message: str
    do: str = ""
    order_id: int = 0
    line_id: int = 0
    suspect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LmsLook:
    """What looking learners up in one LMS showed.

    `inside`: enrolments that the ledger calls done; `looked`: of how many the LMS said yes or no; `missing`: of those
    it does not have; `unsure`: it could not say. `why`: why nobody, or not everybody, was looked up; '' = all that
    were asked for.
    """

    lms: LmsName
    inside: int = 0
    looked: int = 0
    missing: int = 0
    unsure: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """The outcome of one walk. `since`: the window's beginning. `orders`: those the shop showed; `fresh`: of those
    that were news to the ledger; `deleted`: those it did not know any more. `fates`: paid lines by what became of
    them."""

    since: datetime
    began_at: datetime
    ended_at: datetime
    orders: int
    fresh: int
    deleted: int
    fates: Mapping[Fate, int] = field(default_factory=dict)
    looks: tuple[LmsLook, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def paid_lines(self) -> int:
        return sum(self.fates.values())

    @property
    def unexplained(self) -> int:
        return self.fates.get(Fate.UNEXPLAINED, 0)

    def suspects(self) -> dict[str, str]:
        """Of each service that was looked at why it looks like an empty or older copy of itself; '' = it does not."""
        whole = dict.fromkeys([_SHOP, *(look.lms for look in self.looks if not look.why)], "")
        return whole | {remark.suspect: remark.message for remark in self.remarks if remark.suspect}

    def counts(self) -> dict[str, int]:
        """`paid_lines`, then every fate by its name."""
        return {"paid_lines": self.paid_lines} | {fate.value: self.fates.get(fate, 0) for fate in Fate}


def render_proof(counts: Mapping[str, Any]) -> tuple[str, str]:
    """The last two lines of the proof. Their figures add up to `paid_lines`."""
    before = " ".join(f"{fate}={counts[fate]}" for fate in ON_THE_WAY)
    last = " ".join(f"{fate}={counts[fate]}" for fate in PROVEN)
    return before, f"paid_lines={counts['paid_lines']} {last}"


def describe(reckoning: Reckoning) -> dict[str, Any]:
    """The reckoning for programs, as one JSON object."""
    return {
        "since": render_instant(reckoning.since),
        "began_at": render_instant(reckoning.began_at),
        "ended_at": render_instant(reckoning.ended_at),
        "orders": reckoning.orders,
        "fresh": reckoning.fresh,
        "deleted": reckoning.deleted,
        **reckoning.counts(),
        "lms": [
            {
                "lms": look.lms,
                "inside": look.inside,
                "looked": look.looked,
                "missing": look.missing,
                "unsure": look.unsure,
                "why": look.why,
            }
            for look in reckoning.looks
        ],
        "findings": [
            {
                "code": remark.code,
                "order_id": remark.order_id or None,
                "line_id": remark.line_id or None,
                "message": remark.message,
                "do": remark.do,
            }
            for remark in reckoning.remarks
        ],
    }
