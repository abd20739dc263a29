"""`wcsync hold`, `wcsync release`: an order that is to be left alone for a while."""

from pathlib import Path

import click

from wcsync import screen
from wcsync.app import plan_of_today, utc_now
from wcsync.cli.common import main, opened_ledger, opened_report, sealed_config, with_config
from wcsync.cli.next_steps import (
    EXIT_USAGE,
    give_up,
    order_in_commands,
    order_in_words,
    typed,
    who_does_it,
)
from wcsync.cli.orders import find_order, parse_id
from wcsync.ledger.report import Report
from wcsync.model import OrderId


@main.command()
@click.argument("order")
@click.option("--reason", default="", help="Why, for whoever sees it later; no names.")
@with_config
def hold(*, config_path: Path | None, order: str, reason: str) -> None:
    """Leave ORDER alone until it is released.

    ORDER is its number or id; one that wcsync has not read yet may be held by its id. Nobody is enrolled or withdrawn
    by it; whoever is in stays in.
    """
    config = sealed_config(config_path)
    with opened_report(config_path) as report:
        order_id = find_order(report, order)
        known = order_id is not None
        order_id = order_id if order_id is not None else _as_id(order)
        before = report.hold_of(order_id)
        with opened_ledger(config_path) as ledger:
            held = ledger.desk.hold(OrderId(order_id), reason, plan_of_today(config, ledger), utc_now())
        name, word = order_in_words(report, order_id), order_in_commands(report, order_id)
    release_it = typed(config_path, f"release {word}")
    if not held:
        since = before["since"][:19] if before else "just now"
        screen.say(f"{name} is held already, since {since} (UTC); to end that: {release_it}")
        return
    screen.say(f"{name} is held: nobody is enrolled or withdrawn by it; whoever is in stays in")
    if not known:
        screen.say(f"  wcsync has not read it yet: {order_id} is taken for its id, not for its number")
    screen.say(f"To end that: {release_it}")


@main.command()
@click.argument("order")
@with_config
def release(*, config_path: Path | None, order: str) -> None:
    """End the hold of ORDER.

    ORDER is its number or id. What the shop said meanwhile counts at once.
    """
    config = sealed_config(config_path)
    with opened_report(config_path) as report:
        order_id = _held_order(report, order)
        with opened_ledger(config_path) as ledger:
            released = ledger.desk.release(OrderId(order_id), plan_of_today(config, ledger), utc_now())
        name = order_in_words(report, order_id)
    if not released:
        give_up(f"nothing was done: {name} is not held")
    screen.say(f"{name} is released: what it sold counts again. {who_does_it(config, config_path)}")


def _held_order(report: Report, order: str) -> int:
    found = find_order(report, order)
    return found if found is not None else _as_id(order)


def _as_id(order: str) -> int:
    order_id = parse_id(order)
    if order_id is None:
        give_up(
            f"nothing was done: wcsync has read no order {order}, and this is no id; the id of an order stands in the "
            "address of its page in the shop",
            EXIT_USAGE if not order.strip().removeprefix("id:") else 1,
        )
    return order_id
