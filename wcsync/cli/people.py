"""Commands for what needs a person: dead, parked."""

import sys
from contextlib import closing
from pathlib import Path

import click

from wcsync import screen
from wcsync.app import revive, utc_now
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
from wcsync.ledger.report import Report
from wcsync.model import CourseId, LmsName, OrderId


@main.group()
def dead() -> None:
    """List, revive or drop what was given up."""


@dead.command("list")
@with_json
@with_config
def dead_list(*, config_path: Path | None, as_json: bool) -> None:
    """List what was given up, and why."""
    with opened_report(config_path) as report:
        rows = report.dead()
    if as_json:
        screen.print_json(rows)
        return
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        by_reason.setdefault(row["error"], []).append(
            f"{row['orders']} ({row['lms']} course {row['course_id']})"
        )
    for reason, orders in by_reason.items():
        click.echo(screen.plain(f"{reason}\n  orders: {', '.join(orders)}"))
    click.echo("\nMend the cause, then `wcsync dead revive`." if rows else "nothing was given up")


@dead.command("revive")
@click.option("--order", "order_id", type=click.IntRange(1, 2**63 - 1), help="Only those of this order (id).")
@click.option("--lms", help="Only those of this LMS.")
@click.option("--course", help="Only those of this course.")
@with_config
def dead_revive(
    *, config_path: Path | None, order_id: int | None, lms: str | None, course: str | None
) -> None:
    """Try dead enrolments again, all or some.

    Those that never got in follow the mapping as it is now.
    """
    with opened_ledger(config_path) as ledger:
        lms_name = LmsName(lms) if lms else None
        course_id = CourseId(course) if course else None
        revived = revive(sealed_config(config_path), ledger, lms_name, course_id, order_id)
    _tell(
        revived, "will be tried again, by the mapping as it is now", "`wcsync dead list` shows what is dead"
    )


@dead.command("drop")
@click.argument("order_id", type=click.IntRange(1, 2**63 - 1))
@with_config
def dead_drop(*, config_path: Path | None, order_id: int) -> None:
    """Take ORDER_ID off the list for good.

    For enrolments that somebody dealt with by hand.
    """
    with opened_ledger(config_path) as ledger:
        dropped = ledger.drop_dead(order_id, utc_now())
    _tell(dropped, "dropped", "`wcsync dead list` shows what is dead")


@main.group()
def parked() -> None:
    """List, retry or drop what needs a person."""


@parked.command("list")
@with_json
@with_config
def parked_list(*, config_path: Path | None, as_json: bool) -> None:
    """List what needs a person, and what to do."""
    with opened_report(config_path) as report:
        rows = report.parked()
    if as_json:
        screen.print_json(rows)
        return
    columns = ["order_id", "line_id", "kind", "since (UTC)", "reason"]
    cells = [[row["order_id"], row["line_id"], row["kind"], row["since"][:19], row["reason"]] for row in rows]
    screen.print_table("Needs a person", columns, cells)
    if not rows:
        click.echo("nothing needs a person")


@parked.command("retry")
@click.argument("order_id", type=click.IntRange(1, 2**63 - 1))
@with_config
def parked_retry(*, config_path: Path | None, order_id: int) -> None:
    """Read ORDER_ID again from the shop.

    For an order that was put right there.
    """
    config = read_config(config_path)
    with opened_app(config) as app:
        known = app.reread(OrderId(order_id)) is not None
    if not known:
        click.echo(f"the shop knows no order {order_id} (any more)", err=True)
        sys.exit(EXIT_UNEXPLAINED)
    with closing(Report(config.ledger.path)) as report:
        still = any(row["order_id"] == order_id for row in report.parked())
    click.echo("read again and still parked" if still else "read again")


@parked.command("drop")
@click.argument("order_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--line", "line_id", type=click.IntRange(1, 2**63 - 1), help="Only this line of the order.")
@with_config
def parked_drop(*, config_path: Path | None, order_id: int, line_id: int | None) -> None:
    """Take ORDER_ID off the list.

    For what somebody dealt with by hand.
    """
    with opened_ledger(config_path) as ledger:
        dropped = ledger.drop_parked(order_id, line_id, utc_now())
    _tell(dropped, "dropped", "`wcsync parked list` shows what is parked")


def _tell(count: int, done: str, hint: str) -> None:
    """Says what was done. Nothing done is no success: a number was mistyped, or somebody else was quicker."""
    if not count:
        click.echo(f"nothing to do: no such entry; {hint}", err=True)
        sys.exit(EXIT_UNEXPLAINED)
    click.echo(f"{count} {'entry' if count == 1 else 'entries'} {done}")
