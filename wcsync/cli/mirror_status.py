"""What `status` shows of the course mirror."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from wcsync import screen

_FIELDS_SHOWN = 10

STANDINGS = {
    "edited": "left alone, changed by people",
    "foreign": "left alone, written before wcsync came",
    "contested": "not kept by the shop",
    "failed": "refused by the shop",
}
"""How a product's field stands that is not simply ours, by `mappers.courses.marks.Standing`."""


def print_mirror(courses: Mapping[str, Any]) -> None:
    """What `Report.mirror` tells, for people."""
    run, stop = courses["last_run"], courses["stop"]
    if run:
        screen.say(f"Course mirror: {_ending(run)}")
    if courses["bad_since"]:
        good = f"; the last good run was {courses['last_good_at'][:19]}" if courses["last_good_at"] else ""
        click.echo(f"  no run was good since {courses['bad_since'][:19]} (UTC){good}")
    if stop and stop["at"] != run["at"]:
        screen.say(f"  before that: {_ending(stop)}")
    counts = courses["counts"]
    told = [
        f"{screen.count(counts[name], 'field')} {what}" for name, what in STANDINGS.items() if counts[name]
    ]
    if told:
        click.echo(f"  {'; '.join(told)}")
    click.echo()
    _print_fields([row for row in courses["fields"] if row["standing"] != "foreign"])
    rows = [
        [row["lms"], row["course_id"], row["name"], _absence(row), row["seen_at"][:19]]
        for row in courses["courses"]
    ]
    columns = ["lms", "course", "name", "what", "last seen (UTC)"]
    screen.print_table("Courses that are sold and are not open", columns, rows)


def _ending(run: Mapping[str, Any]) -> str:
    """How a run ended, in words."""
    at = f"{run['at'][:19]} (UTC)"
    if run["outcome"] != "done":
        ended = "STOPPED by a guard" if run["outcome"] == "stopped" else "FAILED"
        advice = f"\n  -> {run['advice']}" if run["advice"] else ""
        return f"{ended} {at}: {run['reason']}{advice}"
    figures = (run["courses"], "course"), (run["products"], "product")
    looked = " and ".join(screen.count(*figure) for figure in figures)
    failed = f", {run['failed']} NOT WRITTEN" if run["failed"] else ""
    return f"compared {looked} {at}, {screen.count(run['written'], 'product')} written{failed}"


def _print_fields(fields: Sequence[Mapping[str, Any]]) -> None:
    """The newest of those that do not stand as we left them."""
    newest = sorted(fields, key=lambda row: row["since"], reverse=True)[:_FIELDS_SHOWN]
    rows = [
        [row["product_id"], row["field"], row["standing"], row["since"][:19], row["note"]] for row in newest
    ]
    title = (
        f"The newest {len(newest)} of {len(fields)} such fields"
        if len(fields) > len(newest)
        else "These fields"
    )
    screen.print_table(title, ["product", "field", "what", "since (UTC)", "why"], rows)


def _absence(row: Mapping[str, Any]) -> str:
    return f"gone since {row['gone_since'][:19]} (UTC)" if row["gone_since"] else str(row["state"])
