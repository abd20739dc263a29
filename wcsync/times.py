"""Instants as values: aware UTC datetimes inside, one fixed-width text in the ledger."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Clock = Callable[[], datetime]
"""Answers the present instant, aware UTC. The core never asks; callers pass the answer in."""

_LEDGER_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def render_instant(instant: datetime) -> str:
    """The ledger's text: always 27 characters, so that text order is time order."""
    assert instant.tzinfo is not None, instant
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_instant(text: str) -> datetime:
    """Reads what `render_instant` wrote. Raises ValueError for anything else."""
    if not _LEDGER_FORM.fullmatch(text):
        raise ValueError(f"not a ledger time: {text!r}")
    return datetime.fromisoformat(text)


def parse_human_instant(text: str) -> datetime:
    """Reads an instant a person wrote: ISO 8601 with a zone, or a bare date (midnight UTC). Raises ValueError."""
    written = text.strip()
    instant = datetime.fromisoformat(written)
    if instant.tzinfo is None:
        if not _BARE_DATE.fullmatch(written):
            raise ValueError("no time zone given; end it with Z for UTC")
        instant = instant.replace(tzinfo=UTC)
    return _as_utc(instant)


def parse_http_date(text: str | None) -> datetime | None:
    """Reads an HTTP `Date` or `Retry-After` date; None for absent or unreadable."""
    if not text:
        return None
    try:
        instant = parsedate_to_datetime(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else _as_utc(instant)
    except ValueError:
        return None


def _as_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("beyond the first or last day there is") from exc
