"""`wcsync relink`: a learner's mistyped address put right."""

from pathlib import Path

import click

from wcsync import screen
from wcsync.app import plan_of_today, utc_now
from wcsync.cli.asking import read_addresses
from wcsync.cli.common import main, opened_ledger, opened_report, sealed_config, with_config
from wcsync.cli.next_steps import EXIT_USAGE, give_up, orders_in_words, typed, who_does_it
from wcsync.config import Config
from wcsync.ledger.desk import Merging
from wcsync.ledger.report import Report
from wcsync.mappers.addresses import domain_of, is_unwanted, meant_domain, normalise_address, usable_address
from wcsync.model import Person


@main.command()
@click.argument("old")
@click.argument("new")
@click.option("--force", is_flag=True, help="Also if NEW has orders of its own: the two become one learner.")
@with_config
def relink(*, config_path: Path | None, old: str, new: str, force: bool) -> None:
    """Move all seats of the address OLD to NEW.

    For a mistyped address: withdrawn there, enrolled here, a note beside the orders; orders to come that say OLD mean
    NEW. Refused where NEW is another learner already. Repeating is safe; the way back is the same with the two swapped.

    Either may be -: then a line of stdin is read, or it is asked for, OLD before NEW, so that nobody sees it in
    the list of processes.
    """
    config = sealed_config(config_path)
    old, new = read_addresses(OLD=old, NEW=new)
    _check_addresses(config, old, new, config_path)
    with opened_report(config_path) as report, opened_ledger(config_path) as ledger:
        before = ledger.desk.trace(old)
        try:
            moved = ledger.desk.relink(
                old, Person(email=new.strip()), plan_of_today(config, ledger), utc_now(), force=force
            )
        except KeyError:
            give_up(
                "nothing was done: the ledger knows nobody by the address OLD; is it spelled as in the order?"
            )
        except Merging as exc:
            _refuse_merge(report, exc, config_path)
        orders = orders_in_words(report.numbers_of(before.orders if before else ()))
        already = before is not None and ledger.desk.key_of(new) == before.keys[0]
    if already:
        done = "nothing was to be done" if before and before.known else "NEW was erased, and is known again"
        screen.say(f"OLD stands for NEW already: {done}")
        return
    screen.say(f"OLD stands for NEW from now on: {screen.count(moved, 'seat')} moved, of {orders}")
    screen.say("The old address is withdrawn, the new one enrolled, and the orders get a note of it.")
    screen.say(who_does_it(config, config_path))
    screen.say(
        "The orders in the shop still say OLD: put it right there, too, if the shop's own mails are to arrive."
    )


def _check_addresses(config: Config, old: str, new: str, config_path: Path | None) -> None:
    """Ends with 2 for what is no address to be enrolled by; warns of one that looks mistyped again."""
    if not usable_address(new):
        give_up(f"nothing was done: {new} is no usable e-mail address", EXIT_USAGE)
    if normalise_address(old) == normalise_address(new):
        give_up(
            "nothing was done: OLD and NEW are the same address; upper and lower case make no difference",
            EXIT_USAGE,
        )
    if is_unwanted(new, frozenset(config.learners.never)):
        give_up("nothing was done: NEW is not to be enrolled, by [learners] never in the config")
    domain = domain_of(new)
    if meant_domain(domain):
        again = typed(config_path, "relink")
        screen.say(
            f"warning: {domain} looks like a slip for {meant_domain(domain)}; if it is one, {again} once more",
            err=True,
        )


def _refuse_merge(report: Report, exc: Merging, config_path: Path | None) -> None:
    orders = orders_in_words(report.numbers_of(exc.orders))
    give_up(
        f"nothing was done: NEW is a learner already, by {orders}; the two would become one for good. If they are one "
        f"person: {typed(config_path, 'relink OLD NEW --force')}"
    )
