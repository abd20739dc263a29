"""`wcsync withdrawals`: who is about to lose access, and a person's word that this is right."""

from collections.abc import Mapping
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
from wcsync.model import OrderId

Row = Mapping[str, Any]
WHY = {
    "": "taken back",
    "order": "the order was taken back",
    "refund": "it was given back",
    "subscription": "the subscription does not run any more",
    "person": "a person said so",
    "expired": "the time is over",
    "relinked": "the address was put right",
}
"""By `sale.Cause`."""


@main.group(invoke_without_command=True)
@click.pass_context
@with_json
@with_config
def withdrawals(context: click.Context, *, config_path: Path | None, as_json: bool) -> None:
    """List withdrawals that wait, or allow them."""
    if context.invoked_subcommand is not None:
        return
    with opened_report(config_path) as report:
        rows = report.withdrawals()
    if as_json:
        screen.print_json(rows)
        return
    if not rows:
        click.echo("no withdrawal waits")
        return
    click.echo(f"{screen.count(len(rows), 'learner is', 'learners are')} to be withdrawn")
    for row in rows:
        screen.say(f"  {_in_words(row)}")
    if any(not row["allowed"] and row["outcome"] != "asked" for row in rows):
        screen.say(
            "If there are more at a time than [taking_back] allows, they wait: wcsync status says so. When they are "
            f"right: {typed(config_path, 'withdrawals allow')}. When they are not, put the orders right in the shop; "
            "whoever is paid for again stays in."
        )


@withdrawals.command("allow")
@click.option("--order", help="Only those of this order, by number or id.")
@with_config
def withdrawals_allow(*, config_path: Path | None, order: str | None) -> None:
    """Let withdrawals be done that wait.

    All that are due now; with --order also those of that order that wait for a word of their own.
    """
    config = sealed_config(config_path)
    with opened_report(config_path) as report:
        order_id = None if order is None else known_order(report, order, config_path)
        with opened_ledger(config_path) as ledger:
            allowed = ledger.desk.allow(None if order_id is None else OrderId(order_id), utc_now())
        whose = "" if order_id is None else f" of {order_in_words(report, order_id)}"
    if not allowed:
        give_up(
            f"nothing was done: no withdrawal{whose} waits for a word; {typed(config_path, 'withdrawals')} lists them"
        )
    screen.say(f"{screen.count(allowed, 'withdrawal')}{whose} allowed. {who_does_it(config, config_path)}")


def _in_words(row: Row) -> str:
    why = WHY.get(row["cause"], row["cause"])
    what = (
        f"{row['lms']} course {row['course_id']}, learner {row['learner']}…, {orders_in_words(row['orders'])}"
    )
    if row["outcome"] == "asked" and not row["allowed"]:
        standing = "waits for a word of its own"
    else:
        standing = "allowed" if row["allowed"] else "waits"
    return f"{what}: {why}, {age(row['since'], utc_now())} ago; {standing}"
