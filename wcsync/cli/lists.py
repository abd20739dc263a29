"""What needs a person, grouped by cause, with what can be done and the next command."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from wcsync import screen
from wcsync.cli.causes import DEAD, PARKED, UNKNOWN, Cause
from wcsync.cli.orders import name_order, word_for
from wcsync.times import parse_instant

Row = Mapping[str, Any]
_STEPS = ((86400 * 2, 86400, "days"), (3600 * 2, 3600, "hours"), (120, 60, "minutes"))

Typed = Callable[[str], str]
"""How a person types a command, given its words."""


def typed_plainly(words: str) -> str:
    return f"wcsync {words}"


def print_parked(
    rows: Sequence[Row], ambiguous: Collection[str], now: datetime, typed: Typed = typed_plainly
) -> None:
    if not rows:
        click.echo("nothing needs a person")
        return
    click.echo(f"{screen.count(len(rows), 'entry needs', 'entries need')} a person")
    for kind, group in _grouped(rows, "kind"):
        cause = PARKED.get(kind, UNKNOWN)
        _print_head(cause, kind, len(group))
        for row in group:
            screen.say(
                "",
                f"  {name_order(row['order_id'], row['number'])}{_line(row)}, {age(row['since'], now)} ago",
            )
            screen.say(f"    {row['reason']}")
            screen.say(f"    {typed(command(cause, row, ambiguous))}")


def print_dead(
    rows: Sequence[Row], ambiguous: Collection[str], now: datetime, typed: Typed = typed_plainly
) -> None:
    if not rows:
        click.echo("nothing was given up")
        return
    click.echo(f"{screen.count(len(rows), 'enrolment was', 'enrolments were')} given up")
    for kind, group in _grouped(rows, "error_kind"):
        cause = DEAD.get(kind, UNKNOWN)
        _print_head(cause, kind, len(group))
        for reason, alike in _grouped(group, "error"):
            screen.say("", f"  {reason}")
            for row in alike:
                _print_dead_row(row, cause, ambiguous, now, typed)
    screen.say("", f"To try all of them again, by the mapping as it is now: {typed('dead revive')}")


def command(cause: Cause, row: Row, ambiguous: Collection[str]) -> str:
    """The next command for one entry, filled in."""
    if not row["order_id"]:
        return "parked drop id:0"  # there is no order to be read again
    line = f" --line {row['line_id']}" if row.get("line_id") else ""
    order = word_for(row["order_id"], row["number"], ambiguous)
    return cause.command.format(order=order, line=line, line_id=row.get("line_id") or "LINE")


def enrolment(row: Row) -> str:
    """One enrolment in words."""
    what = "withdrawal from" if row["desired"] == "out" else "enrolment in"
    return f"{what} {row['lms']} course {row['course_id']}, learner {row['learner']}…"


def age(since: str, now: datetime) -> str:
    """How long ago, in the unit a person would use."""
    seconds = max((now - parse_instant(since)).total_seconds(), 0)
    for least, unit, name in _STEPS:
        if seconds >= least:
            return f"{int(seconds // unit)} {name}"
    return screen.count(int(seconds), "second")


def _print_dead_row(row: Row, cause: Cause, ambiguous: Collection[str], now: datetime, typed: Typed) -> None:
    attempts = f"given up after {screen.count(row['attempts'], 'attempt')}"
    sold = _products(row["sales"])
    screen.say(
        f"    {enrolment(row)}: {sold + ', ' if sold else ''}{attempts}, {age(row['changed_at'], now)} ago"
    )
    for sale in {sale["order_id"]: sale for sale in row["sales"]}.values():
        next_command = command(cause, {**sale, "line_id": 0}, ambiguous)
        screen.say(f"      {name_order(sale['order_id'], sale['number'])}: {typed(next_command)}")


def _products(sales: Iterable[Row]) -> str:
    return ", ".join(dict.fromkeys(f'"{sale["product"]}"' for sale in sales if sale["product"]))


def _line(row: Row) -> str:
    if not row["line_id"]:
        return ""
    product = row.get("product") or row.get("sku")
    return f", line {row['line_id']}" + (f' "{product}"' if product else "")


def _print_head(cause: Cause, kind: str, entries: int) -> None:
    screen.say("", f"{cause.title} ({kind}): {entries}")
    screen.say(f"  It means: {cause.means}.")
    screen.say(f"  You can:  {cause.do}.")


def _grouped(rows: Iterable[Row], key: str) -> Iterator[tuple[str, list[Row]]]:
    """In the order in which each group's first row comes."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    yield from groups.items()
