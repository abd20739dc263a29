"""Values to columns and back."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from wcsync.health import Condition, Health
from wcsync.model import (
    CourseId,
    Entitlement,
    LearnerKey,
    LineId,
    LmsName,
    Option,
    OrderId,
    ProductId,
    Target,
)
from wcsync.sale import UNLIMITED, Access, Cause, Withdrawal
from wcsync.times import parse_instant, render_instant

LONGEST_REASON = 2000


def text_of(instant: datetime | None) -> str | None:
    return None if instant is None else render_instant(instant)


def instant_of(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)


def plain(text: str) -> str:
    """A text from elsewhere as the ledger can hold it: half characters written out, and no novel."""
    return text.encode(errors="backslashreplace").decode()[:LONGEST_REASON]


def render_options(options: Sequence[Option]) -> str:
    return json.dumps([list(option) for option in options], ensure_ascii=False)


def parse_options(text: str) -> tuple[Option, ...]:
    return tuple((key, value) for key, value in json.loads(text))


def render_access(access: Access) -> str:
    """'' for access without end, else JSON of what limits it."""
    if access.unlimited:
        return ""
    said = {
        "days": access.days,
        "until": text_of(access.until),
        "with_subscription": access.with_subscription,
        "zone": access.zone,
    }
    return json.dumps({key: value for key, value in said.items() if value})


def parse_access(text: str) -> Access:
    if not text:
        return UNLIMITED
    said = json.loads(text)
    return Access(
        days=said.get("days"),
        until=instant_of(said.get("until")),
        with_subscription=said.get("with_subscription", False),
        zone=said.get("zone", ""),
    )


def entitlement_of(row: sqlite3.Row) -> Entitlement:
    return Entitlement(
        order_id=OrderId(row["order_id"]),
        line_id=LineId(row["line_id"]),
        seat=row["seat"],
        target=Target(
            lms=LmsName(row["lms"]),
            course_id=CourseId(row["course_id"]),
            options=parse_options(row["options"]),
        ),
        learner_key=LearnerKey(row["learner_key"]),
        live=bool(row["live"]),
        reason=row["reason"],
        source=row["source"],
        product_id=ProductId(row["product_id"]),
        variation_id=ProductId(row["variation_id"]),
        starts_at=parse_instant(row["starts_at"]),
        access=parse_access(row["access"]),
        on_withdraw=Withdrawal(row["on_withdraw"]) if row["on_withdraw"] else None,
        cause=Cause(row["cause"]) if row["cause"] else None,
    )


def health_of(row: sqlite3.Row) -> Health:
    return Health(
        condition=Condition(row["condition"]),
        since=parse_instant(row["since"]),
        failures=row["failures"],
        retry_at=instant_of(row["retry_at"]),
        reason=row["reason"],
    )
