"""What people see in a terminal. Nothing that came from outside reaches it with control characters in it."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wcsync.doctor import Diagnosis
from wcsync.errors import Problem
from wcsync.ledger.report import Summary

_MARK = "  -> "
_LINES_SHOWN = 3

MEANINGS = {
    "orders": "orders read from the shop so far",
    "lines": "lines of paid orders; the next figures say what became of them",
    "enrolled": "paid lines whose learner is in the course",
    "open_seats": "seats of paid lines that nobody has yet: wcsync parked assign",
    "withdrawn": "enrolments that were ended after a refund or a cancellation",
    "ended": "paid lines that were given back, or whose time is over",
    "parked": "things that need a person: wcsync parked list",
    "unmapped": "paid lines whose product is in no mapping row",
    "ignored": "paid lines that sell no course, by a row with ignore = true",
    "dropped": "paid lines that a person dealt with by hand",
    "dead": "enrolments that were given up: wcsync dead list",
    "due": "enrolments that wait for their next try",
    "unexplained": "paid lines that wcsync lost track of: always 0, or a fault of wcsync",
}
"""What each figure of `status` counts."""
VERDICTS = {
    "mapped": "sells a course",
    "unmapped": "in no mapping row",
    "ignored": "sells no course",
    "unpaid": "not paid",
    "ended": "taken back",
    "parked": "needs a person",
}
"""What became of a line, by `model.Verdict`."""
ACTIONS = {
    "in_applied": "enrolled",
    "out_applied": "withdrawn",
    "kept": "left in the course, being there before wcsync",
    "gave_up": "given up",
    "revived": "tried again, by a person",
    "dropped": "taken off the dead list, by a person",
    "confirmed": "seen in the course",
    "unconfirmed": "not to be seen in the course yet",
    "unseated": "planned anew, as nobody had got in",
    "parked_dropped": "taken off the parked list, by a person",
    "wish_changed": "what should be changed",
    "seat_assigned": "an open seat was given, by a person",
    "end_decided": "a person said that it ends",
    "withdrawal_allowed": "a person allowed the withdrawal",
    "held": "held, by a person",
    "released": "released, by a person",
}
"""What happened to an order, by the audit's actions."""


def say(text: str, *, err: bool = False) -> None:
    """One or more lines, in which something from outside may stand."""
    click.echo(plain(text), err=err)


def count(number: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`; `many` where an s at the end is not enough."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=True, indent=2, default=str))


def print_problems(problems: Sequence[Problem], mark: str = "") -> None:
    """Every problem on stderr: where, what, what to do."""
    for problem in problems:
        click.echo(plain(f"{mark}{problem.where}: {problem.message}"), err=True)
        click.echo(plain(f"{_MARK}{problem.remedy}"), err=True)


def lines(where: Sequence[str]) -> str:
    """`mapping.toml:1, mapping.toml:6 and 4 more`."""
    more = f" and {len(where) - _LINES_SHOWN} more" if len(where) > _LINES_SHOWN else ""
    return f"{', '.join(where[:_LINES_SHOWN])}{more}"


def print_diagnosis(diagnosis: Diagnosis, after: Diagnosis | None = None) -> None:
    """One look's outcome, under its service's name unless `after` was about the same."""
    if after is None or after.service != diagnosis.service:
        click.echo(plain(diagnosis.service if after is None else f"\n{diagnosis.service}"))
    mark = "ok  " if diagnosis.ok else ("FAIL" if diagnosis.fatal else "warn")
    click.echo(plain(f"  {mark}  {_before(diagnosis.where)}{diagnosis.message}"))
    if diagnosis.remedy:
        click.echo(plain(f"      {_MARK}{diagnosis.remedy}"))
    if not diagnosis.ok:
        click.echo(f"        {_consequence(diagnosis)}")


def _before(where: Sequence[str]) -> str:
    return f"{lines(where)}: " if where else ""


def _consequence(diagnosis: Diagnosis) -> str:
    """Whether the daemon can go on."""
    if not diagnosis.fatal:
        return "(the daemon goes on)"
    match diagnosis.service:
        case _ if diagnosis.code == "mapping_mistake":
            return "(a daemon that runs goes on with the last good mapping; a first start needs a good one)"
        case "files" | "machine":
            return "(the daemon does not start until this is mended)"
        case _ if diagnosis.where:
            return (
                "(nothing is enrolled by these rows until this is mended; the daemon goes on with the others)"
            )
        case "shop":
            return "(no order is read until this is over; nothing is lost)"
    return "(nothing is enrolled there until this is over; nothing is lost)"


class Waiting:
    """Says on a terminal what is being waited for, and takes that away again."""

    def __init__(self) -> None:
        self._shown = False

    def tell(self, what: str) -> None:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self.done()
            click.echo(plain(f"… {what}"), nl=False, err=True)
            self._shown = True

    def done(self) -> None:
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._shown = False


def print_summary(summary: Summary) -> None:
    """One line that scripts and people can read: `orders=… … unexplained=0`."""
    click.echo(" ".join(f"{name}={value}" for name, value in summary.as_dict().items()))


def print_status(document: Mapping[str, Any]) -> None:
    summary = document["summary"]
    pid, mapping = document["daemon"], document["mapping"]
    click.echo(f"Daemon: runs as process {pid}" if pid else "Daemon: NOT RUNNING")
    if mapping["refused"]:
        refused = mapping["refused"]
        click.echo(plain(f"Mapping: {mapping['file']} is REFUSED since {refused['since'][:19]} (UTC):"))
        click.echo(plain("\n".join(f"  {problem}" for problem in refused["problems"])))
        click.echo("  the last good version stays in force")
    elif mapping["in_force"]:
        click.echo(plain(f"Mapping: {mapping['file']} is in force"))
    else:
        click.echo(plain(f"Mapping: {mapping['file']} was not put in force yet; see `wcsync mapping check`"))
    click.echo()
    rows = [[name, value, MEANINGS.get(name, "")] for name, value in summary.items()]
    print_table("Orders and enrolments", ["what", "how many", "that is"], rows)
    rows = [
        [row["name"], row["condition"], row["since"][:19], row["identity"], row["reason"]]
        for row in document["services"]
    ]
    print_table("Services", ["service", "condition", "since (UTC)", "who answers", "reason"], rows)
    rows = [[row["name"], row["position"][:19], (row["polled_at"] or "")[:19]] for row in document["cursors"]]
    print_table("Read so far", ["poller", "shop's clock (UTC)", "last complete pass (UTC)"], rows)
    rows = [
        [row["channel"], row["waiting"], row["given_up"], (row["oldest"] or "")[:19]]
        for row in document["messages"]
    ]
    print_table("Messages", ["channel", "waiting", "given up", "oldest waiting (UTC)"], rows)


def print_order(order: Mapping[str, Any]) -> None:
    if "status" in order:
        paid = "counts as paid" if order["paid"] else "does not count as paid"
        click.echo(plain(f"Order {order['number']} (id {order['order_id']}): {order['status']}, {paid}"))
        click.echo(
            plain(f"  changed in the shop {order['modified_at'][:19]}, read {order['read_at'][:19]} (UTC)")
        )
    else:
        click.echo(plain(f"Order {order['order_id']}: never read in full"))
    columns = ["line_id", "sku", "name", "quantity", "verdict", "reason"]
    lines = [line | {"verdict": VERDICTS.get(line["verdict"], line["verdict"])} for line in order["lines"]]
    print_table("Lines", columns, [[line[c] for c in columns] for line in lines])
    for row in order["enrolments"]:
        click.echo(plain(f"Line {row['line_id']}, seat {row['seat']}: {_fate(row)}"))
        click.echo(plain(f"  sold by {row['source']}, learner {row['learner']}…"))
        if row["error"]:
            click.echo(plain(f"  {row['error']}"))
    for row in order["parked"]:
        _print_parked(row)
    for row in order["notes"]:
        click.echo(plain(f"Note {row['number']} beside the order: {_fate_of_note(row)}"))
    columns = ["at", "by", "what", "about", "detail"]
    rows = [
        [
            row["at"][:19],
            row["actor"],
            ACTIONS.get(row["action"], row["action"]),
            _about(row["subject"]),
            row["detail"],
        ]
        for row in order["audit"]
    ]
    print_table("What happened (UTC)", columns, rows)


def _fate_of_note(row: Mapping[str, Any]) -> str:
    """What became of one note, in words."""
    match row["state"]:
        case "settled" if row["error"]:
            return f"not written ({row['error']})"
        case "settled":
            return f"written {row['changed_at'][:19]} (UTC)"
        case "dead":
            return f"given up: {row['error']}"
        case "leased":
            return "is being written"
    why = f": {row['error']}" if row["error"] else ""
    return f"waits, next try {row['next_attempt_at'][:19]} (UTC){why}"


def _print_parked(row: Mapping[str, Any]) -> None:
    """`means`, `do` and `command` come with the row where its kind is known."""
    about = f"Line {row['line_id']}" if row["line_id"] else "The order"
    if row["dropped_at"]:
        click.echo(plain(f"{about} ({row['kind']}): dealt with by hand {row['dropped_at'][:19]} (UTC)"))
        return
    click.echo(
        plain(f"{about} NEEDS A PERSON ({row['kind']}) since {row['since'][:19]} (UTC): {row['reason']}")
    )
    if row.get("do"):
        click.echo(plain(f"  you can: {row['do']}\n{_MARK}wcsync {row['command']}"))


def _about(subject: str) -> str:
    """`enrolment campus/42/9f…` as people say it; anything else as it is."""
    what, _, key = subject.partition(" ")
    lms, _, rest = key.partition("/")
    course, _, learner = rest.rpartition("/")
    return f"{lms} course {course}, learner {learner[:8]}…" if what == "enrolment" and learner else subject


def _fate(row: Mapping[str, Any]) -> str:
    """What became of one seat, in words."""
    course = f"{row['lms']} course {row['course_id']}"
    if not row["live"]:
        return (
            f"the seat in {course} ended ({row['reason']}); the enrolment is {row['state']}, {row['outcome']}"
        )
    words = {
        "dead": f"{course} was given up after {row['attempts']} attempts",
        "due": f"{course} is due, next try {str(row['next_attempt_at'])[:19]} (UTC)",
        "leased": f"{course} is being worked on",
    }
    settled = f"in {course} since {str(row['applied_at'])[:19]} (UTC), {row['outcome']}"
    return words.get(str(row["state"]), settled if row["applied"] == "in" else f"{course}: {row['outcome']}")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table, or nothing at all where there is nothing to show."""
    rows = list(rows)
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain("" if cell is None else str(cell))) for cell in row))
    Console().print(table)


def plain(text: str) -> str:
    """The text with every control and invisible character made visible as a blot."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
