"""Commands that read the ledger alone: status, show."""

import sys
from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.cli.causes import PARKED, UNKNOWN
from wcsync.cli.common import EXIT_UNEXPLAINED, main, opened_report, sealed_config, with_config, with_json
from wcsync.cli.lists import command
from wcsync.cli.mirror_status import print_mirror
from wcsync.ledger.lock import running_instance
from wcsync.ledger.report import Report


@main.command()
@with_json
@with_config
def status(*, config_path: Path | None, as_json: bool) -> None:
    """Show counts, services and what waits.

    How far the shop was read, how the services do, and what waits for a person.
    """
    config = sealed_config(config_path)
    with opened_report(config_path) as report:
        summary = report.summary().as_dict()
        document: dict[str, Any] = {
            "daemon": running_instance(config.ledger.path),
            "mapping": {
                "file": str(config.mapping.path),
                "in_force": report.has_mapping(),
                "refused": report.mapping_refusal(),
            },
            "summary": summary,
            "services": report.services(),
            "cursors": report.cursors(),
            "oldest_due": report.oldest_due(),
            "messages": report.messages(),
            "courses": report.mirror(),
            "unmapped": report.unmapped(),
        }
    document["hints"] = _hints(document)
    if as_json:
        screen.print_json(document)
        return
    screen.print_status(document)
    if document["courses"]:
        print_mirror(document["courses"])
    for hint in document["hints"]:
        screen.say(hint)
    columns = ["product_id", "variation_id", "sku", "name", "lines", "last_order"]
    rows = [[row[column] or "" for column in columns] for row in document["unmapped"]]
    screen.print_table("Sold, but in no mapping row", columns, rows)


def _hints(document: dict[str, Any]) -> list[str]:
    """What to do next, the gravest first."""
    hints = {
        "due": "Due enrolments wait for their next try, or for a service above that is not up.",
        "parked": "`wcsync parked list` shows what needs a person.",
        "dead": "`wcsync dead list` shows what was given up; mend the cause, then `wcsync dead revive`.",
        "unmapped": "Give unmapped products a row in the mapping file, or a row with ignore = true.",
        "unexplained": "Unexplained lines are a fault of wcsync: please report them with `wcsync show ORDER --json`.",
    }
    found = [hint for name, hint in hints.items() if document["summary"][name]]
    courses = document["courses"]
    if courses and courses["counts"]["edited"]:
        found.append(
            "Fields that people changed stay theirs; `wcsync courses push --only PRODUCT --take-back FIELD` writes one "
            "of them again."
        )
    return found


@main.command()
@click.argument("order")
@with_json
@with_config
def show(*, config_path: Path | None, order: str, as_json: bool) -> None:
    """Tell all the ledger knows of one ORDER.

    ORDER is its number or its id; where that means two orders, `id:…` or `number:…`.
    """
    with opened_report(config_path) as report:
        story = _find_story(report, order)
    if story is None:
        if as_json:
            screen.print_json(None)
        click.echo(
            f"order {screen.plain(order)} is not in the ledger; `wcsync status` says how far it has read",
            err=True,
        )
        sys.exit(EXIT_UNEXPLAINED)
    if as_json:
        screen.print_json(story)
    else:
        screen.print_order(story)


def _find_story(report: Report, order: str) -> dict[str, Any] | None:
    """The story of the one order meant. A number counts before an id: looking at the wrong one does no harm."""
    found = report.find_orders(order)
    if not found:
        return None
    chosen = next((row for row in found if row["number"] == order.removeprefix("#")), found[0])
    for other in (row for row in found if row is not chosen):
        click.echo(
            screen.plain(f"{order} may also mean another: `wcsync show id:{other['order_id']}`"), err=True
        )
    story = report.order_of(chosen["order_id"])
    if story is None:
        return None
    ambiguous = report.ambiguous_numbers()
    for row in story["parked"]:
        cause = PARKED.get(row["kind"], UNKNOWN)
        entry = {**row, "order_id": chosen["order_id"], "number": chosen["number"]}
        row |= {"means": cause.means, "do": cause.do, "command": command(cause, entry, ambiguous)}
    return story
