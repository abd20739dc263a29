"""`wcsync withdrawals`: who is about to lose access, and a person's word that this is right."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.app import utc_now
from wcsync.cli.common import main, opened_ledger, opened_report, sealed_config, with_config, with_json
from wcsync.cli.lists import age
from wcsync.cli.next_steps import (
    give_up,
    known_order,
    order_in_words,
    orders_in_words,
    typed,
    who_does_it,
)
from wcsync.cli.seat_words import CAUSES
from wcsync.ledger.base import Barred
from wcsync.model import OrderId

Row = Mapping[str, Any]


@main.group(invoke_without_command=True)
@click.pass_context
@with_json
@with_config
def withdrawals(context: click.Context, *, config_path: Path | None, as_json: bool) -> None:
    """List withdrawals that wait, or allow them."""
    if context.invoked_subcommand is not None:
        return
    config = sealed_config(config_path)
    with opened_report(config_path) as report:
        rows, barred = report.withdrawals(), report.barred(config.limits, utc_now())
    if as_json:
        screen.print_json({"withdrawals": rows, "stopped": None if barred is None else asdict(barred)})
        return
    if not rows:
        click.echo("no withdrawal waits")
        return
    click.echo(f"{screen.count(len(rows), 'learner is', 'learners are')} to be withdrawn")
    for row in rows:
        screen.say(f"  {_in_words(row)}")
    if barred is not None:
        screen.say(_stopped(barred, config_path))


def _stopped(barred: Barred, config_path: Path | None) -> str:
    """Why they wait, and both ways out."""
    lately = f" and {barred.done} were done in the last 24 hours" if barred.done else ""
    allow = typed(config_path, "withdrawals allow")
    return (
        f"STOPPED: {barred.waiting} wait{lately}, of {barred.inside} who were in; [taking_back] allows no more without "
        f"a word. If these orders were really taken back: {allow}. If that was a mistake, put the orders right in the "
        "shop: whoever is paid for again stays in."
    )


@withdrawals.command("allow")
@click.option("--order", help="Only those of this order, by number or id.")
@with_config
def withdrawals_allow(*, config_path: Path | None, order: str | None) -> None:
    """Let withdrawals be done that wait.

    All that are due now; with --order also those of that order that wait for a word of their own.
    """
    config = sealed_config(config_path)
    allowed = 0
    with opened_report(config_path) as report:
        order_id = None if order is None else known_order(report, order, config_path)
        with opened_ledger(config_path) as ledger, suppress(KeyError):  # held or unreadable, and never read
            allowed = ledger.desk.allow(
                None if order_id is None else OrderId(order_id), utc_now(), sparing=config.limits.sparing
            )
        whose = "" if order_id is None else f" of {order_in_words(report, order_id)}"
    if not allowed:
        give_up(
            f"nothing was done: no withdrawal{whose} waits for a word; {typed(config_path, 'withdrawals')} lists them"
        )
    screen.say(f"{screen.count(allowed, 'withdrawal')}{whose} allowed. {who_does_it(config, config_path)}")


def _in_words(row: Row) -> str:
    why = CAUSES.get(row["cause"], "taken back")
    what = (
        f"{row['lms']} course {row['course_id']}, learner {row['learner']}…, {orders_in_words(row['orders'])}"
    )
    if row["outcome"] == "asked" and not row["allowed"]:
        standing = "waits for a word of its own"
    else:
        standing = "allowed" if row["allowed"] else "waits"
    return f"{what}: {why}, {age(row['since'], utc_now())} ago; {standing}"
