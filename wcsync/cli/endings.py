"""`wcsync parked end`: a person's word that something which was asked about is to end."""

from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.app import plan_of_today, utc_now
from wcsync.cli.causes import PARKED, UNKNOWN
from wcsync.cli.common import opened_ledger, opened_report, sealed_config, with_config
from wcsync.cli.next_steps import (
    give_up,
    known_order,
    order_in_commands,
    order_in_words,
    typed,
    who_does_it,
)
from wcsync.cli.people import parked
from wcsync.config import Config
from wcsync.ledger.desk import Ended
from wcsync.ledger.report import Report
from wcsync.model import LineId, OrderId

Seat = dict[str, Any]


@parked.command("end")
@click.argument("order")
@click.option("--line", "line_id", type=click.IntRange(1, 2**63 - 1), help="Only this line of the order.")
@click.option("--learner", help="Whose seat ends, where fewer were left than learners.")
@with_config
def end(*, config_path: Path | None, order: str, line_id: int | None, learner: str | None) -> None:
    """End what ORDER's parked entries ask about.

    ORDER is its number or id. For orders in the trash or deleted, amounts given back, seats given back and withdrawals
    that wait for a word. The way back is in the shop: an order that is paid again, or a refund that is deleted, gives
    back the access.
    """
    config = sealed_config(config_path)
    with opened_report(config_path) as report:
        order_id = known_order(report, order, config_path)
        before = report.seats_of(order_id)
        with opened_ledger(config_path) as ledger:
            ended = ledger.desk.end(
                OrderId(order_id),
                LineId(line_id) if line_id else None,
                ledger.desk.key_of(learner) if learner else None,
                plan_of_today(config, ledger),
                utc_now(),
            )
        _require_an_answer(report, order_id, ended, learner, config_path)
        _tell(report, order_id, ended, before, config, config_path)


def _require_an_answer(
    report: Report, order_id: int, ended: Ended, learner: str | None, config_path: Path | None
) -> None:
    """Nothing done is no success: nothing was asked, or it was not said who."""
    word = order_in_commands(report, order_id)
    for line_id in ended.unanswered:
        command = typed(config_path, f"parked end {word} --line {line_id} --learner EMAIL")
        screen.say(f"line {line_id} has more learners than seats; say whose seat ends: {command}", err=True)
    if ended.kinds or ended.allowed:
        return
    if ended.unanswered:
        give_up("nothing was done")
    name = order_in_words(report, order_id)
    if learner:
        give_up(
            f"nothing was done: nothing is asked about {name} that ends a seat of that learner; "
            f"{typed(config_path, f'show {word}')} tells who has its seats"
        )
    give_up(
        f"nothing was done: nothing is asked about {name}; {typed(config_path, 'parked list')} shows what is"
    )


def _tell(
    report: Report,
    order_id: int,
    ended: Ended,
    before: list[Seat],
    config: Config,
    config_path: Path | None,
) -> None:
    name, word = order_in_words(report, order_id), order_in_commands(report, order_id)
    answered = [PARKED.get(kind, UNKNOWN).title.lower() for kind in ended.kinds]
    screen.say(f"{name}: you said that it ends ({', '.join(answered)})")
    live = {_place(seat) for seat in before if seat["live"]}
    gone = [seat for seat in report.seats_of(order_id) if _place(seat) in live and not seat["live"]]
    for seat in gone:
        screen.say(f"  {_seat_in_words(seat)}")
    if report.hold_of(order_id):
        screen.say(f"  the order is held: nothing ends until {typed(config_path, f'release {word}')}")
    elif not gone and not ended.allowed:
        screen.say("  no seat was live any more: nothing is left to be done")
    if ended.allowed:
        what = screen.count(ended.allowed, "learner is", "learners are")
        screen.say(f"{what} withdrawn next. {who_does_it(config, config_path)}")


def _place(seat: Seat) -> tuple[Any, ...]:
    return seat["line_id"], seat["seat"], seat["lms"], seat["course_id"]


def _seat_in_words(seat: Seat) -> str:
    """What became of one seat that has ended."""
    what = f"line {seat['line_id']}, seat {seat['seat']}, {seat['lms']} course {seat['course_id']}"
    if not seat["learner"]:
        return f"{what}: ended; nobody had it"
    if seat["desired"] == "in":
        return f"{what}: ended; learner {seat['learner']}… stays in, by another paid order"
    return f"{what}: ended; learner {seat['learner']}… is to go"
