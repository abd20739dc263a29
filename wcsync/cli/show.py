"""`wcsync show`: the whole story of one order, in one screen."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.cli.causes import PARKED, UNKNOWN
from wcsync.cli.common import EXIT_UNEXPLAINED, main, opened_report, with_config, with_json
from wcsync.cli.lists import command
from wcsync.cli.orders import word_for
from wcsync.cli.seat_words import group_seats, render_seat
from wcsync.cli.timeline import timeline
from wcsync.ledger.report import Report

Row = Mapping[str, Any]
VERDICTS = {
    "mapped": "sells a course",
    "unmapped": "in no mapping row",
    "ignored": "sells no course",
    "unpaid": "not paid",
    "ended": "taken back",
    "parked": "needs a person",
}
"""What became of a line, by `model.Verdict`."""


@main.command()
@click.argument("order")
@click.option("--names", is_flag=True, help="Say also who the learners are: addresses and names.")
@with_json
@with_config
def show(*, config_path: Path | None, order: str, names: bool, as_json: bool) -> None:
    """Tell all the ledger knows of one ORDER.

    ORDER is its number or its id; where that means two orders, `id:…` or `number:…`. Learners stand there by the
    beginning of a hash, as in the log and all lists; --names says who they are.
    """
    with opened_report(config_path) as report:
        story = _find_story(report, order)
        if story is not None and names:
            story["people"] = report.people_of(story["order_id"])
    if story is None:
        if as_json:
            screen.print_json(None)
        click.echo(
            f"order {screen.line(order)} is not in the ledger; `wcsync status` says how far it has read",
            err=True,
        )
        sys.exit(EXIT_UNEXPLAINED)
    if as_json:
        screen.print_json(story)
    else:
        print_story(story)


def _find_story(report: Report, order: str) -> dict[str, Any] | None:
    """The story of the one order meant. A number counts before an id: looking at the wrong one does no harm."""
    found = report.find_orders(order.strip())
    if not found:
        return None
    chosen = next((row for row in found if row["number"] == order.strip().removeprefix("#")), found[0])
    for other in (row for row in found if row is not chosen):
        click.echo(
            screen.line(f"{order} may also mean another: `wcsync show id:{other['order_id']}`"), err=True
        )
    story = report.order_of(chosen["order_id"])
    return None if story is None else _completed(story, chosen, report.ambiguous_numbers())


def _completed(story: dict[str, Any], chosen: Row, ambiguous: frozenset[str]) -> dict[str, Any]:
    """The story with what a person can do, and as one line of time."""
    word = word_for(chosen["order_id"], chosen["number"], ambiguous)
    for row in story["parked"]:
        cause = PARKED.get(row["kind"], UNKNOWN)
        entry = {**row, "order_id": chosen["order_id"], "number": chosen["number"]}
        row |= {"means": cause.means, "do": cause.do, "command": command(cause, entry, ambiguous)}
    for seat in story["open_seats"]:
        seat["command"] = f"parked assign {word} {seat['line_id']} EMAIL"
    if story["hold"] is not None:
        story["hold"]["command"] = f"release {word}"
    return story | {"timeline": timeline(story)}


def print_story(story: Row) -> None:
    for line in _head(story):
        screen.say(line)
    columns = ["line_id", "sku", "name", "quantity", "verdict", "reason"]
    rows = [line | {"verdict": VERDICTS.get(line["verdict"], line["verdict"])} for line in story["lines"]]
    screen.print_table("Lines", columns, [[row[column] for column in columns] for row in rows])
    for row in group_seats(story["enrolments"]):
        for line in render_seat(row, story["open_seats"]):
            screen.say(line)
    for row in story["parked"]:
        for line in _entry(row):
            screen.say(line)
    for row in story["notes"]:
        screen.say(f"Note {row['number']} beside the order: {_fate_of_note(row)}")
    for row in story.get("people", []):
        screen.say(f"Learner {row['learner']}… is {_who(row)}")
    click.echo("\nWhat happened (UTC)")
    for moment in story["timeline"]:
        screen.say(_moment(moment))


def _moment(moment: Row) -> str:
    about = "" if moment["about"].startswith("order") else f" ({moment['about']})"
    detail = f": {moment['detail']}" if moment["detail"] else ""
    at = moment["at"][:19].replace("T", " ")
    return f"  {at}  {moment['by']:<7} {moment['what']}{about}{detail}"


def _head(story: Row) -> Iterator[str]:
    if "status" in story:
        paid = "counts as paid" if story["paid"] else "does not count as paid"
        yield f"Order {story['number']} (id {story['order_id']}): {story['status']}, {paid}"
        yield f"  changed in the shop {_at(story['modified_at'])}, read {_at(story['read_at'])}"
    else:
        yield f"Order {story['order_id']}: never read in full"
    if story["hold"] is not None:
        hold = story["hold"]
        why = f": {hold['reason']}" if hold["reason"] else ""
        yield f"  HELD since {_at(hold['since'])}{why}. Nothing is done about it until somebody lets it go on"
        yield f"  -> wcsync {hold['command']}"
    for refund in story["refunds"]:
        yield f"  gave back {refund['total']} (refund {refund['refund_id']}){_given_back(refund)}"
    for row in story["subscriptions"]:
        how = "began" if row["begun"] else "renews"
        yield f"  {how} subscription {row['subscription_id']}: {row['status']} since {_at(row['modified_at'])}"
    for row in story["decisions"]:
        where = f", line {row['line_id']}" if row["line_id"] else ""
        where += f", seat {row['seat']}" if row["seat"] else ""
        yield f"  a person said {_at(row['at'])} that it ends ({row['cause']}{where})"


def _given_back(refund: Row) -> str:
    parts = [
        f"line {line['line_id']}: "
        + (f"{line['quantity']} of it, {line['total']}" if float(line["quantity"]) else line["total"])
        for line in refund["lines"]
    ]
    return f": {'; '.join(parts)}" if parts else ", an amount of no line"


def _entry(row: Row) -> Iterator[str]:
    """`means`, `do` and `command` come with the row where its kind is known."""
    about = f"Line {row['line_id']}" if row["line_id"] else "The order"
    if row["dropped_at"]:
        yield f"{about} ({row['kind']}): dealt with by hand {_at(row['dropped_at'])}"
        return
    yield f"{about} NEEDS A PERSON ({row['kind']}) since {_at(row['since'])}: {row['reason']}"
    yield f"  you can: {row['do']}"
    yield f"  -> wcsync {row['command']}"


def _fate_of_note(row: Row) -> str:
    """What became of one note, in words."""
    match row["state"]:
        case "settled" if row["error"]:
            return f"not written ({row['error']})"
        case "settled":
            return f"written {_at(row['changed_at'])}"
        case "dead":
            return f"given up: {row['error']}"
        case "leased":
            return "is being written"
    why = f": {row['error']}" if row["error"] else ""
    return f"waits, next try {_at(row['next_attempt_at'])}{why}"


def _who(row: Row) -> str:
    if not row["email"]:
        return "nobody that is known any more: erased here"
    name = f"{row['first_name']} {row['last_name']}".strip()
    return f"{name} <{row['email']}>" if name else str(row["email"])


def _at(instant: str) -> str:
    return f"{instant[:19]} (UTC)"
