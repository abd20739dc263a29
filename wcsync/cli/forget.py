"""`wcsync forget`: a person who asked to be erased."""

from collections.abc import Iterable
from pathlib import Path

import click

from wcsync import screen
from wcsync.app import utc_now
from wcsync.cli.asking import read_addresses
from wcsync.cli.common import EXIT_BUSY, main, opened_ledger, opened_report, with_config
from wcsync.cli.next_steps import give_up, orders_in_words, typed
from wcsync.ledger.desk import Trace
from wcsync.model import CourseId, LmsName


@main.command()
@click.argument("email")
@with_config
def forget(*, config_path: Path | None, email: str) -> None:
    """Erase the person with the address EMAIL from the ledger.

    EMAIL may be -: then one line of stdin is read, or it is asked for, so that nobody sees it in the list of processes.
    Address, names and fields go for good, with every copy in the ledger's files; counts and the proof stay. The LMS
    accounts are named and not touched. Repeating is safe.
    """
    (email,) = read_addresses(EMAIL=email)
    with opened_report(config_path) as report, opened_ledger(config_path) as ledger:
        found = ledger.desk.forget(email, utc_now())
        orders = orders_in_words(report.numbers_of(found.orders)) if found else ""
    if found is None:
        give_up("nothing was done: the ledger knows nobody by that address; is it spelled as in the order?")
    with opened_ledger(config_path) as ledger:  # no reader of ours may hold up the wiping
        wiped = ledger.desk.wipe()
    _tell(found, orders, config_path)
    if not wiped:
        give_up(
            "The person is erased, but older copies may still be in the ledger's files: the daemon was busy there, or "
            f"the disk has no room. Repeat it: {typed(config_path, 'forget EMAIL')}",
            EXIT_BUSY,
        )


def _tell(found: Trace, orders: str, config_path: Path | None) -> None:
    done = (
        "The person is erased from the ledger"
        if found.known
        else "Nothing was left of the person in the ledger"
    )
    screen.say(f"{done}: {orders}. The orders stay counted, without the person.")
    if len(found.keys) > 1:
        screen.say(
            f"{len(found.keys)} addresses stood for this one person, by `relink`; all of them are erased."
        )
    if found.live:
        screen.say(f"Still has access to: {_places(found.live)}. To end it, withdraw by hand in the LMS.")
    if found.waiting:
        dead_list = typed(config_path, "dead list")
        screen.say(
            f"Something was still to be done in: {_places(found.waiting)}. wcsync cannot do it without the address: it "
            f"will be given up as `erased`, and {dead_list} shows it."
        )
    for lms, user_id in found.accounts:
        screen.say(f"Account in {lms}: {user_id}. It was not touched; erase it there if that was asked, too.")
    screen.say(
        "The shop still has the orders with the address, and notes of wcsync beside them may name it: erase it there, "
        "too. Reading them again does not bring the person back here; a new order does."
    )
    screen.say(
        "Backups taken before now still hold the person, as does a ledger that a restore set aside: remove them, or "
        "let them grow old. After restoring one, erase the person again."
    )


def _places(places: Iterable[tuple[LmsName, CourseId]]) -> str:
    return ", ".join(f"{lms} course {course_id}" for lms, course_id in places)
