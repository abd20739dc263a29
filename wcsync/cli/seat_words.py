"""One seat in words: who has it, why it lives or has ended, and until when."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

CAUSES = {
    "order": "the order was taken back",
    "refund": "it was given back",
    "subscription": "the subscription does not run",
    "person": "a person said so",
    "expired": "its time is over",
    "relinked": "the address was put right",
}
"""Why a seat has ended, by `sale.Cause`."""
_OUTCOMES = {
    "created": "enrolled by wcsync",
    "already": "was in the course already",
    "restored": "let in again",
    "removed": "withdrawn",
    "absent": "was not in the course",
    "suspended": "suspended, progress stays",
    "expired": "ended by the LMS at the given end",
    "unknown": "accepted, not seen yet",
    "kept": "left in the course",
    "asked": "left in the course until a person allows it",
    "dropped": "dealt with by hand",
}
"""What the LMS made of it, by `model.Outcome` and the ledger's own words."""


def group_seats(rows: Iterable[Row]) -> list[Row]:
    """Seats that nobody has, and of which the same is to be said, as one: `seats` then says which, as in "3-40"."""
    groups: dict[object, list[Row]] = {}
    for number, row in enumerate(rows):
        alike = tuple(row[name] for name in ("line_id", "lms", "course_id", "live", "reason", "starts_at"))
        groups.setdefault(alike if row["open"] else number, []).append(row)
    return [group[0] if len(group) == 1 else {**group[0], "seats": _span(group)} for group in groups.values()]


def render_seat(row: Row, open_seats: Collection[Row]) -> Iterator[str]:
    """The seat's fate; then who has it and on what terms; then the last trouble, or what a person can do."""
    course = f"{row['lms']} course {row['course_id']}"
    which = f"seats {row['seats']}" if "seats" in row else f"seat {row['seat']}"
    yield f"Line {row['line_id']}, {which}, {course}: {_fate(row)}"
    who = "nobody has it" if row["open"] else f"learner {row['learner']}…"
    yield f"  {who}, {_terms(row)}, sold by {row['source']}"
    if row["error"]:
        yield f"  {row['error']}"
    for seat in open_seats:
        if (seat["line_id"], seat["seat"]) == (row["line_id"], row["seat"]) and "command" in seat:
            yield f"  -> wcsync {seat['command']}"


def _span(group: Sequence[Row]) -> str:
    numbers = [row["seat"] for row in group]
    first, last = numbers[0], numbers[-1]
    gapless = last - first == len(numbers) - 1
    return f"{first}-{last}" if gapless else ", ".join(map(str, numbers))


def _fate(row: Row) -> str:
    if row["open"]:
        return "OPEN, waits for a learner" if row["live"] else f"ended ({_why(row)})"
    if row["state"] is None:
        return "nobody is enrolled by it" if row["live"] else f"ended ({_why(row)}); nobody was enrolled"
    now = _enrolment(row)
    return now if row["live"] else f"ended ({_why(row)}); {now}"


def _why(row: Row) -> str:
    return str(row["reason"] or CAUSES.get(row["cause"], row["cause"]))


def _enrolment(row: Row) -> str:
    outcome = _OUTCOMES.get(row["outcome"], row["outcome"])
    leaving = row["desired"] == "out"
    match row["state"]:
        case "dead":
            return f"GIVEN UP after {row['attempts']} attempts -> wcsync dead list"
        case "due":
            what = "to be withdrawn" if leaving else "due"
            return f"{what}, attempts so far {row['attempts']}, next try {_at(row['next_attempt_at'])}"
        case "leased":
            return "is being worked on"
    if row["applied"] == "in" and not leaving:
        until = f", until {_at(row['until'])}" if row["until"] else ", without end"
        return f"in since {_at(row['applied_at'])}{until} ({outcome})"
    if row["applied"] == "in":
        return f"still in: {outcome}"
    return f"out: {outcome}" if outcome else _never(row)


def _never(row: Row) -> str:
    why = CAUSES.get(row["wish_cause"]) if row["live"] else None
    return "nobody was enrolled" + (f": {why}" if why else "")


def _terms(row: Row) -> str:
    access = row["access"]
    parts = []
    if access.get("days"):
        parts.append(f"{access['days']} days")
    if access.get("until"):
        parts.append(f"until {_at(access['until'])}")
    if access.get("with_subscription"):
        parts.append("while the subscription runs")
    on_withdraw = f", then {row['on_withdraw']}" if row["on_withdraw"] else ""
    return f"from {_at(row['starts_at'])} {' and '.join(parts) or 'without end'}{on_withdraw}"


def _at(instant: str) -> str:
    return f"{instant[:19]} (UTC)"
