"""Commands for what needs a person: dead, parked."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.app import revive, utc_now
from wcsync.cli.causes import DEAD, PARKED, UNKNOWN
from wcsync.cli.common import (
    EXIT_UNEXPLAINED,
    main,
    opened_app,
    opened_ledger,
    opened_report,
    read_config,
    sealed_config,
    with_config,
    with_json,
)
from wcsync.cli.lists import enrolment, print_dead, print_parked
from wcsync.cli.next_steps import typed, who_does_it
from wcsync.cli.orders import find_order, name_order, parse_id
from wcsync.ledger.report import Report
from wcsync.model import CourseId, LmsName, OrderId

Row = Mapping[str, Any]
LIST_DEAD = "`wcsync dead list` shows what is dead"
LIST_PARKED = "`wcsync parked list` shows what is parked"


@main.group()
def dead() -> None:
    """List, revive or drop what was given up."""


@dead.command("list")
@with_json
@with_config
def dead_list(*, config_path: Path | None, as_json: bool) -> None:
    """List what was given up, why, and what to do."""
    with opened_report(config_path) as report:
        rows, ambiguous = report.dead(), report.ambiguous_numbers()
    if as_json:
        screen.print_json([row | _advice(DEAD, row["error_kind"]) for row in rows])
    else:
        print_dead(rows, ambiguous, utc_now(), partial(typed, config_path))


@dead.command("revive")
@click.option("--order", help="Only those of this order, by number or id.")
@click.option("--lms", help="Only those of this LMS.")
@click.option("--course", help="Only those of this course.")
@with_config
def dead_revive(*, config_path: Path | None, order: str | None, lms: str | None, course: str | None) -> None:
    """Try dead enrolments again, all or some.

    Those that never got in follow the mapping as it is now.
    """
    with opened_report(config_path) as report:
        order_id = None if order is None else _known(report, order, LIST_DEAD)
        before = report.dead()
        with opened_ledger(config_path) as ledger:
            lms_name = LmsName(lms) if lms else None
            course_id = CourseId(course) if course else None
            revived = revive(sealed_config(config_path), ledger, lms_name, course_id, order_id)
        _require(revived, LIST_DEAD)
        for row in _gone(before, report.dead(), _dead_key):
            screen.say(f"{_orders_of(row)}: the {enrolment(row)} {_what_now(report, row)}")
    screen.say(
        f"{screen.count(revived, 'entry', 'entries')} will be tried again, by the mapping as it is now"
    )


@dead.command("drop")
@click.argument("order")
@with_config
def dead_drop(*, config_path: Path | None, order: str) -> None:
    """Take ORDER's entries off the list for good.

    ORDER is its number or id. For enrolments that somebody dealt with by hand.
    """
    with opened_report(config_path) as report:
        order_id = _known(report, order, LIST_DEAD)
        before = report.dead()
        with opened_ledger(config_path) as ledger:
            dropped = ledger.desk.drop_dead(order_id, utc_now())
        rows = _gone(before, report.dead(), _dead_key)
    _require(dropped, LIST_DEAD)
    for row in rows:
        screen.say(f"{_orders_of(row)}: the {enrolment(row)} is not tried any more")
    screen.say(f"{screen.count(dropped, 'entry', 'entries')} dropped")


@main.group()
def parked() -> None:
    """List, retry or drop what needs a person."""


@parked.command("list")
@with_json
@with_config
def parked_list(*, config_path: Path | None, as_json: bool) -> None:
    """List what needs a person, why, and what to do."""
    with opened_report(config_path) as report:
        rows, ambiguous = report.parked(), report.ambiguous_numbers()
    if as_json:
        screen.print_json([row | _advice(PARKED, row["kind"]) for row in rows])
    else:
        print_parked(rows, ambiguous, utc_now(), partial(typed, config_path))


@parked.command("retry")
@click.argument("order")
@with_config
def parked_retry(*, config_path: Path | None, order: str) -> None:
    """Read ORDER again from the shop.

    ORDER is its number or id. For an order that was put right there. Learners of it whom an LMS does not show any more
    are enrolled again.
    """
    config = read_config(config_path)
    with closing(Report(config.ledger.path)) as report:
        order_id = find_order(report, order) or _as_id(order)
        before = _parked_of(report, order_id)
    with opened_app(config) as app:
        known = app.reread(OrderId(order_id)) is not None
        again = app.ledger.proof.enrol_again(OrderId(order_id), utc_now()) if known else 0
    if not known:
        click.echo(f"the shop knows no order with the id {order_id} (any more)", err=True)
        sys.exit(EXIT_UNEXPLAINED)
    with closing(Report(config.ledger.path)) as report:
        after = _parked_of(report, order_id)
    if again:
        screen.say(
            f"{screen.count(again, 'enrolment')} will be made again. {who_does_it(config, config_path)}"
        )
    for row in _gone(before, after, _parked_key):
        screen.say(f"settled: {_entry(row)}")
    for row in after:
        screen.say(f"still parked: {_entry(row)}", f"  {row['reason']}")
    click.echo("read again and still parked" if after else "read again; nothing of it needs a person")


@parked.command("drop")
@click.argument("order")
@click.option("--line", "line_id", type=click.IntRange(1, 2**63 - 1), help="Only this line of the order.")
@with_config
def parked_drop(*, config_path: Path | None, order: str, line_id: int | None) -> None:
    """Take ORDER's entries off the list.

    ORDER is its number or id. For what somebody dealt with by hand.
    """
    with opened_report(config_path) as report:
        order_id = _known(report, order, LIST_PARKED)
        before = _parked_of(report, order_id)
        with opened_ledger(config_path) as ledger:
            dropped = ledger.desk.drop_parked(order_id, line_id, utc_now())
        rows = _gone(before, _parked_of(report, order_id), _parked_key)
    _require(dropped, LIST_PARKED)
    for row in rows:
        screen.say(f"dropped: {_entry(row)}")
    click.echo(f"{screen.count(dropped, 'entry', 'entries')} dropped")


def _known(report: Report, order: str, hint: str) -> int:
    """The order's id. Ends with 1 if the ledger has no such order."""
    order_id = find_order(report, order)
    if order_id is None:
        screen.say(f"nothing to do: the ledger has no order {order}; {hint}", err=True)
        sys.exit(EXIT_UNEXPLAINED)
    return order_id


def _as_id(order: str) -> int:
    """An order that is not in the ledger can be asked for by its id alone."""
    order_id = parse_id(order.strip().removeprefix("#"))
    if order_id is None:
        screen.say(
            f"the ledger has no order {order}, and this is no id to ask the shop for; {LIST_PARKED}", err=True
        )
        sys.exit(EXIT_UNEXPLAINED)
    return order_id


def _require(done: int, hint: str) -> None:
    """Nothing done is no success: a number was mistyped, or somebody else was quicker."""
    if not done:
        click.echo(f"nothing to do: no such entry; {hint}", err=True)
        sys.exit(EXIT_UNEXPLAINED)


def _what_now(report: Report, row: Row) -> str:
    """What became of a revived row, by the order's lines as they are planned now."""
    planned = []
    for sale in {sale["order_id"]: sale for sale in row["sales"] if sale["live"]}.values():
        story = report.order_of(sale["order_id"]) or {"lines": [], "enrolments": []}
        seats = [seat for seat in story["enrolments"] if seat["line_id"] == sale["line_id"]]
        if any((seat["lms"], seat["course_id"]) == (row["lms"], row["course_id"]) for seat in seats):
            return "is tried again"
        planned += [f"{seat['lms']} course {seat['course_id']}" for seat in seats]
        planned += [
            line["reason"] for line in story["lines"] if not seats and line["line_id"] == sale["line_id"]
        ]
    return f"is planned anew: {', '.join(planned)}" if planned else "is tried again"


def _parked_of(report: Report, order_id: int) -> list[Row]:
    return [row for row in report.parked() if row["order_id"] == order_id]


def _gone(before: Sequence[Row], after: Sequence[Row], key: Any) -> list[Row]:
    left = {key(row) for row in after}
    return [row for row in before if key(row) not in left]


def _dead_key(row: Row) -> tuple[str, ...]:
    return row["lms"], row["course_id"], row["learner"]


def _parked_key(row: Row) -> tuple[int, str]:
    return row["line_id"], row["kind"]


def _orders_of(row: Row) -> str:
    names = {sale["order_id"]: name_order(sale["order_id"], sale["number"]) for sale in row["sales"]}
    return " and ".join(names.values())


def _entry(row: Row) -> str:
    line = f", line {row['line_id']}" if row["line_id"] else ""
    title = PARKED.get(row["kind"], UNKNOWN).title
    return f"{name_order(row['order_id'], row['number'])}{line}: {title} ({row['kind']})"


def _advice(causes: Mapping[str, Any], kind: str) -> dict[str, str]:
    cause = causes.get(kind, UNKNOWN)
    return {"means": cause.means, "do": cause.do}
