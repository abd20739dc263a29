"""What people are told of trouble: news of its beginning and its end, as one message. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from wcsync.mappers.addresses import blot_addresses
from wcsync.times import parse_instant, render_instant

ALERTS = "alerts"
"""What the outbox calls the subject of all alerts: in each way they go out one after the other."""
MOST_ROWS = 20
"""So many rows of one kind are listed; of the others only the number is told."""
LONGEST_LINE = 300
LONGEST_TEXT = 1000
MOST_READ = 20_000
"""Letters of a text from elsewhere that are looked at at all."""
LATE = timedelta(hours=1)
"""A message that goes out so long after it was made says so."""


class Kind(StrEnum):
    """What can be wrong. Of the kinds in `ROWS` there are many at once, and they are told in batches."""

    SERVICE = "service"
    POLL = "poll"
    MAPPING = "mapping"
    COURSES = "courses"
    RECONCILE = "reconcile"
    WITHDRAWALS = "withdrawals"
    BUDGET = "budget"
    DEAD = "dead"
    PARKED = "parked"
    MESSAGE = "message"


ROWS = (Kind.DEAD, Kind.PARKED, Kind.MESSAGE)


class Turn(StrEnum):
    BEGAN = "began"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """That a trouble began or ended.

    `key` and `occurrence` say which one; `title` is one line; `detail` the reason; `advice` what wcsync does meanwhile
    and what a person can do; `until` is None while it lasts. No part holds an address or a name of a person.
    """

    turn: Turn
    key: str
    occurrence: int
    kind: Kind
    title: str
    detail: str
    advice: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A message ready to be read. `failing`: it tells of at least one trouble that began."""

    subject: str
    body: str
    failing: bool


def fold(waiting: Iterable[News], fresh: Iterable[News]) -> tuple[News, ...]:
    """What is left to say: a trouble of whose beginning nobody heard and that is over needs no message at all."""
    left: dict[tuple[str, int], News] = {}
    for news in [*waiting, *fresh]:
        which = news.key, news.occurrence
        before = left.pop(which, None)
        if before is None or not (before.turn is Turn.BEGAN and news.turn is Turn.ENDED):
            left[which] = news
    return tuple(left.values())


def dump_news(news: Iterable[News]) -> str:
    """The news as JSON. Of many rows of one kind only the first are kept in full."""
    counts: dict[tuple[Turn, Kind], int] = {}
    told = []
    for item in news:
        group = item.turn, item.kind
        counts[group] = counts.get(group, 0) + 1
        shown = item.kind not in ROWS or counts[group] <= MOST_ROWS
        told.append(_to_json(item) if shown else _to_json(item) | {"title": "", "detail": "", "advice": ""})
    return json.dumps(told)


def parse_news(text: str) -> tuple[News, ...]:
    """What `dump_news` wrote."""
    return tuple(_from_json(item) for item in json.loads(text))


def digest_news(payload: str) -> str:
    return hashlib.sha256(payload.encode()).hexdigest()[:12]


def unique_id(instance: str, key: str, digest: str, created_at: datetime) -> str:
    """Names one message of one installation, the same at every attempt: by it a repeat is known as one."""
    text = "\n".join([instance, key, digest, render_instant(created_at)])
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:32]


def render_alert(
    news: Sequence[News], *, instance: str, host: str, created_at: datetime, now: datetime
) -> Alert:
    """The message, as plain text with lines of its own."""
    began = [item for item in news if item.turn is Turn.BEGAN]
    ended = [item for item in news if item.turn is Turn.ENDED]
    parts = [f"wcsync for {one_line(instance)}, on {one_line(host)}:"]
    if now - created_at > LATE:
        parts.append(f"(This message is of {_shown(created_at)} and could not be sent earlier.)")
    if began:
        parts += ["NEW", *_render_group(began)]
    if ended:
        parts += ["OVER", *_render_group(ended)]
    parts.append("`wcsync status` shows how things stand now. A trouble that lasts is not told again.")
    return Alert(
        subject=f"[wcsync {one_line(instance, 80)}] {_headline(began, ended)}",
        body="\n\n".join(parts) + "\n",
        failing=bool(began),
    )


def describe_news(news: Sequence[News]) -> list[dict[str, Any]]:
    """The news for programs: stable fields, rows beyond those listed left out."""
    return [
        {
            "event": item.turn.value,
            "kind": item.kind.value,
            "key": item.key,
            "occurrence": item.occurrence,
            "title": one_line(item.title),
            "detail": one_line(item.detail, LONGEST_TEXT),
            "advice": one_line(item.advice, LONGEST_TEXT),
            "since": render_instant(item.since),
            "until": None if item.until is None else render_instant(item.until),
            "duration_s": None if item.until is None else round((item.until - item.since).total_seconds()),
        }
        for item in news
        if item.title
    ]


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """A text from elsewhere as a message can hold it: one line, nothing invisible, no address, no novel."""
    if len(text) > MOST_READ:  # without its last word, which may be half an address
        text = " ".join(text[:MOST_READ].split(" ")[:-1]) or text[:MOST_READ]
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    clean = blot_addresses(plain)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def render_duration(length: timedelta) -> str:
    """`40 min`, `3 h 5 min`, `2 d 4 h`."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _headline(began: Sequence[News], ended: Sequence[News]) -> str:
    if not began:
        return "over: " + _summary(ended)
    return _summary(began) + (f" (and {len(ended)} over)" if ended else "")


def _summary(news: Sequence[News]) -> str:
    """The gravest first: troubles of the whole, then the number of rows of each kind."""
    titles = [one_line(item.title, 120) for item in news if item.kind not in ROWS]
    for kind in ROWS:
        count = sum(item.kind is kind for item in news)
        if count:
            titles.append(_count_rows(kind, count))
    more = f"; and {len(titles) - 3} more" if len(titles) > 3 else ""
    return one_line("; ".join(titles[:3]), 180) + more


def _render_group(news: Sequence[News]) -> Iterator[str]:
    for item in news:
        if item.kind not in ROWS:
            yield _render_whole(item)
    for kind in ROWS:
        rows = [item for item in news if item.kind is kind]
        if rows:
            yield _render_rows(kind, rows)


def _render_whole(item: News) -> str:
    title = one_line(item.title)
    if item.until is not None:
        length = render_duration(item.until - item.since)
        return f"* {title}: over since {_shown(item.until)}. It lasted {length}, from {_shown(item.since)}."
    lines = [f"* {title} since {_shown(item.since)}."]
    if item.detail:
        lines.append(f"  Reason: {one_line(item.detail, LONGEST_TEXT)}")
    return "\n".join([*lines, f"  {one_line(item.advice, LONGEST_TEXT)}"])


def _render_rows(kind: Kind, rows: Sequence[News]) -> str:
    over = rows[0].until is not None
    listed = [item for item in rows if item.title][:MOST_ROWS]
    lines = [f"* {_count_rows(kind, len(rows))}" + ("; no longer on the list:" if over else ":")]
    lines += [f"  - {_render_row(item)}" for item in listed]
    if len(rows) > len(listed):
        lines.append(f"  … and {len(rows) - len(listed)} more")
    if not over and listed:
        lines.append(f"  {one_line(listed[0].advice, LONGEST_TEXT)}")
    return "\n".join(lines)


def _render_row(item: News) -> str:
    if item.until is not None:
        return f"{one_line(item.title)} (after {render_duration(item.until - item.since)})"
    return f"{one_line(item.title)}: {one_line(item.detail)}" if item.detail else one_line(item.title)


_ROW_WORDS = {
    Kind.DEAD: ("enrolment was given up", "enrolments were given up"),
    Kind.PARKED: ("entry needs a person", "entries need a person"),
    Kind.MESSAGE: ("order note was given up", "order notes were given up"),
}
assert set(_ROW_WORDS) == set(ROWS)


def _count_rows(kind: Kind, count: int) -> str:
    return f"{count} {_ROW_WORDS[kind][count != 1]}"


def _shown(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _to_json(item: News) -> dict[str, Any]:
    return asdict(item) | {
        "since": render_instant(item.since),
        "until": None if item.until is None else render_instant(item.until),
    }


def _from_json(item: dict[str, Any]) -> News:
    return News(
        turn=Turn(item["turn"]),
        key=item["key"],
        occurrence=item["occurrence"],
        kind=Kind(item["kind"]),
        title=item["title"],
        detail=item["detail"],
        advice=item["advice"],
        since=parse_instant(item["since"]),
        until=None if item["until"] is None else parse_instant(item["until"]),
    )
