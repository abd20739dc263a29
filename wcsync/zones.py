"""The clock of a place: its zone by name, and the instants that it shows. Pure but for the machine's zone files."""

import re
from bisect import bisect_left
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


def parse_zone(name: str) -> tzinfo:
    """An IANA name, or an offset as in "+05:30"; UTC for "" and for a name that this machine does not know."""
    offset = _OFFSET.fullmatch(name)
    try:
        if offset is not None:
            ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
            return timezone(ahead if offset[1] == "+" else -ahead)
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def instant_at(local: datetime, zone: tzinfo) -> datetime:
    """The instant, in UTC, when the clock of `zone` shows `local`, which names no zone itself.

    A time that the clock skips in spring is the first instant behind the gap; one that comes twice in autumn, the
    later one. Raises OverflowError next to the first and last day there is.
    """
    first, last = (_shown(local, zone, fold) for fold in (0, 1))
    return _behind_gap(last, first, zone) if last < first else last


def day_of(instant: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """When the day of the calendar of `zone` began in which that instant lies, and when the next one does; both UTC.

    A midnight that the clock skips is the moment it jumps; of one that comes twice, the earlier.
    """
    today = datetime.combine(instant.astimezone(zone).date(), time.min)
    return _shown(today, zone, fold=0), _shown(today + timedelta(days=1), zone, fold=0)


def _shown(local: datetime, zone: tzinfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _behind_gap(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The second between the two at which the clock jumps."""
    start = before.replace(microsecond=0)
    offset = start.astimezone(zone).utcoffset()

    def jumped(seconds: int) -> bool:
        return (start + timedelta(seconds=seconds)).astimezone(zone).utcoffset() != offset

    span = range(int((after - start).total_seconds()) + 1)
    return start + timedelta(seconds=bisect_left(span, True, key=jumped))
