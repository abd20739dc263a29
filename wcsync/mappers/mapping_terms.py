"""What a mapping row says of the sale itself: for how long, who gets the seats, how it is taken back. Pure."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta

from wcsync.mappers.cells import describe_damage
from wcsync.mappers.mapping_table import TargetKey
from wcsync.mappers.problems import Problems, refused
from wcsync.mappers.raw_rows import NO, YES, RawRow
from wcsync.mappers.text_file import render_quoted, render_suggestion
from wcsync.sale import Access, SeatRule, Terms, Withdrawal

DAYS, UNTIL, WITH_SUBSCRIPTION = "days", "until", "with_subscription"
SEATS, ON_WITHDRAW = "seats", "on_withdraw"
TERM_KEYS = (DAYS, UNTIL, WITH_SUBSCRIPTION, SEATS, ON_WITHDRAW)
"""The keys every row that sells a course may have, whatever its LMS."""

NO_SUSPENDING = TargetKey(
    name=ON_WITHDRAW,
    pattern="unenrol|keep|ask",
    doc="unenrol, keep or ask; this LMS cannot suspend an enrolment",
)
"""For the keys of an LMS that lacks `Capability.SUSPEND`."""

MOST_DAYS = 36_500
YEARS = range(2000, 3000)
_WHOLE = re.compile(r"[0-9]{1,9}")
_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}:\d{2})?)?", re.IGNORECASE
)
_OTHER_DATE = re.compile(
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\.?|\d{1,2}[ .-]*[^\W\d]{3,}\.?[ .-]*\d{2,4})(?:,?\s.*)?|[^\W\d]{3,}\.?-\d{2}"
)
_DAY_COUNT = re.compile(r"[3-9][0-9]{4}(?:[.,][0-9]+)?")
"""Spreadsheets count days from 1900; these are those from 1982 to 2173."""

_MIDNIGHT = re.compile(r"00:00(?::00(?:\.0+)?)?")
_AS_TEXT = "in a spreadsheet format the column as text first."
_ISO = f"Write 2027-06-30, or 2027-06-30 18:00; {_AS_TEXT}"


def parse_terms(raw: RawRow, target_keys: Iterable[TargetKey]) -> Terms:
    """`target_keys`: what the row may say for its LMS. Raises ConfigError with everything that is wrong."""
    problems = Problems()
    days = problems.attempt(_parse_days, raw)
    until = problems.attempt(_parse_until, raw)
    with_subscription = problems.attempt(_parse_with_subscription, raw)
    on_withdraw = problems.attempt(_parse_on_withdraw, raw, target_keys)
    problems.attempt(_check_one_end, raw, with_subscription=with_subscription)
    problems.raise_any()
    access = Access(days=days, until=until, with_subscription=bool(with_subscription))
    return Terms(access=access, on_withdraw=on_withdraw)


def on_withdraw_refused(on_withdraw: Withdrawal | None, target_keys: Iterable[TargetKey]) -> str | None:
    """What to say instead, where the LMS with these keys cannot do it; None if it can."""
    for key in target_keys:
        if key.name == ON_WITHDRAW and on_withdraw and not re.fullmatch(key.pattern, on_withdraw):
            return key.doc
    return None


def parse_seats(raw: RawRow) -> SeatRule | None:
    """Raises ConfigError."""
    text = raw.value(SEATS)
    return None if text is None else SeatRule(_one_of(raw, SEATS, text, list(SeatRule)))


def render_terms(terms: Terms) -> dict[str, str]:
    """The keys and texts that say it in a mapping file; none for plain terms."""
    access = terms.access
    said = {
        DAYS: str(access.days) if access.days is not None else "",
        UNTIL: render_until(access.until) if access.until is not None else "",
        WITH_SUBSCRIPTION: "true" if access.with_subscription else "",
        ON_WITHDRAW: terms.on_withdraw or "",
    }
    return {key: text for key, text in said.items() if text}


def render_sale(terms: Terms, seats: SeatRule | None) -> dict[str, str]:
    """As `render_terms`, with who gets the seats."""
    return render_terms(terms) | ({SEATS: str(seats)} if seats else {})


def render_until(until: datetime) -> str:
    """As `_parse_until` reads it: a day that is over with its last moment, else the time by the shop's clock or UTC."""
    if until.tzinfo is not None:
        return until.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if until.time() == time():
        return (until - timedelta(days=1)).date().isoformat()
    return until.isoformat(sep=" ", timespec="auto" if until.second or until.microsecond else "minutes")


def describe_access(access: Access) -> str:
    """How long, in words: `for 365 days`."""
    if access.days is not None:
        return f"for {access.days} {'day' if access.days == 1 else 'days'}"
    if access.until is not None:
        return f"until {render_until(access.until)}"
    return "with a subscription" if access.with_subscription else "without end"


def _parse_days(raw: RawRow) -> int | None:
    text = raw.value(DAYS)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= MOST_DAYS:
        done, remedy = describe_damage(text) or ("is no number of days", "Correct it.")
        message = f"{DAYS} {render_quoted(text)} {done}"
        expected = f"Expected: a whole number from 1 to {MOST_DAYS}, or no {DAYS} for access without end."
        raise refused(raw.where(DAYS), message, f"{remedy} {expected}")
    return int(text)


def _parse_until(raw: RawRow) -> datetime | None:
    """What the shop's clock shows, or an instant where a zone is written; a day alone ends with its last moment."""
    text = raw.value(UNTIL)
    if text is None:
        return None
    text = text.removeprefix("'") if raw.spreadsheet else text
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise refused(raw.where(UNTIL), f"{UNTIL} {render_quoted(text)} {_what_else(text)}", _ISO)
    if raw.spreadsheet and found[3] is None and _MIDNIGHT.fullmatch(found[2] or ""):
        message = f"{UNTIL} {render_quoted(text)} is a day as a spreadsheet writes it, with its first moment"
        remedy = f"Write {found[1]} for that whole day, or the day before it; {_AS_TEXT}"
        raise refused(raw.where(UNTIL), message, remedy)
    until = _moment(found)
    if until is None or until.year not in YEARS:
        message = f"{UNTIL} {render_quoted(text)} is no day and time there is"
        remedy = f"Correct it; years from {YEARS.start} to {YEARS.stop - 1} will do."
        raise refused(raw.where(UNTIL), message, remedy)
    return until


def _moment(found: re.Match[str]) -> datetime | None:
    day, clock, zone = found.groups()
    with suppress(ValueError, OverflowError):
        if clock is None:
            return datetime.fromisoformat(day) + timedelta(days=1)
        until = datetime.fromisoformat(f"{day}T{clock}{(zone or '').upper()}")
        return until.astimezone(UTC) if zone else until
    return None


def _what_else(text: str) -> str:
    if _OTHER_DATE.fullmatch(text):
        return "is a date in another form, as a spreadsheet writes it: which is the day and which the month?"
    if _DAY_COUNT.fullmatch(text):
        return "is a number, as a spreadsheet counts the days"
    done, _ = describe_damage(text) or ("is no date", "")
    return done


def _parse_with_subscription(raw: RawRow) -> bool:
    text = raw.value(WITH_SUBSCRIPTION)
    if text is None or text.casefold() in NO:
        return False
    if text.casefold() not in YES:
        message = f"{WITH_SUBSCRIPTION} is {render_quoted(text)}"
        raise refused(raw.where(WITH_SUBSCRIPTION), message, "Write true or yes, or remove it.")
    return True


def _parse_on_withdraw(raw: RawRow, target_keys: Iterable[TargetKey]) -> Withdrawal | None:
    text = raw.value(ON_WITHDRAW)
    if text is None:
        return None
    word = _one_of(raw, ON_WITHDRAW, text, list(Withdrawal))
    instead = on_withdraw_refused(Withdrawal(word), target_keys)
    if instead is not None:
        message = f'{ON_WITHDRAW} {render_quoted(word)} is nothing lms "{raw.value("lms")}" can do'
        raise refused(raw.where(ON_WITHDRAW), message, f"Write {instead}.")
    return Withdrawal(word)


def _one_of(raw: RawRow, key: str, text: str, known: Iterable[str]) -> str:
    word = text.casefold()
    if word not in known:
        raise refused(raw.where(key), f"{key} is {render_quoted(text)}", render_suggestion(word, known))
    return word


def _check_one_end(raw: RawRow, *, with_subscription: bool | None) -> None:
    given = list(_ends(raw, with_subscription=with_subscription))
    if len(given) > 1:
        message = f"the row says {' and '.join(given)}, each of which is an end of its own"
        raise refused(raw.where(given[1]), message, "Keep one of them.")


def _ends(raw: RawRow, *, with_subscription: bool | None) -> Iterator[str]:
    yield from (key for key in (DAYS, UNTIL) if key in raw.cells)
    if with_subscription:
        yield WITH_SUBSCRIPTION
