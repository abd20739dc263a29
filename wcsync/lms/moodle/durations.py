"""How long a course takes, read off a field that people fill in as they like. Pure."""

import re

_HOURS = r"(?:h|hs|hrs?|hours?|horas?|heures?|std|stunden?|ore|ora)"
_MINUTES = r"(?:m|mn|mins?|minutes?|minutos?|minuten?|minuti|minuto|')"
_SPELLED = re.compile(
    rf"(?:(?P<hours>\d{{1,4}}(?:[.,]\d{{1,2}})?)\s*{_HOURS}\.?)?"
    rf"(?:[\s,]*(?:and|y|et|und|e)?\s*(?P<minutes>\d{{1,5}})\s*(?:{_MINUTES}\.?)?)?",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?P<hours>\d{1,3}):(?P<minutes>[0-5]\d)")
LONGEST_MIN = 100_000


def parse_minutes(text: str) -> int | None:
    """`90`, `90 min`, `1 h 30`, `1,5 horas`, `1:30`: minutes, as a bare number is. None for all else, days and weeks
    among it: nobody can say how many hours these have.
    """
    match = _CLOCK.fullmatch(text.strip()) or _SPELLED.fullmatch(text.strip())
    if match is None:
        return None
    hours = float((match["hours"] or "0").replace(",", "."))
    minutes = round(hours * 60) + int(match["minutes"] or "0")
    return minutes if 0 < minutes <= LONGEST_MIN else None
