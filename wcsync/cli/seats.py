"""`wcsync parked assign`: learners for seats that nobody has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from wcsync import screen
from wcsync.app import plan_of_today, utc_now
from wcsync.cli.common import opened_ledger, opened_report, sealed_config, with_config
from wcsync.cli.next_steps import (
    EXIT_USAGE,
    give_up,
    order_in_commands,
    order_in_words,
    typed,
    who_does_it,
)
from wcsync.cli.people import parked
from wcsync.config import Config
from wcsync.errors import ConfigError
from wcsync.ledger.desk import Desk, Giving, OpenSeats, TooFewSeats
from wcsync.ledger.report import Report
from wcsync.mappers.addresses import domain_of, is_unwanted, meant_domain, usable_address
from wcsync.mappers.learners_csv import LearnerRow, parse_learners_csv, split_name
from wcsync.mappers.problems import Problems, refused
from wcsync.model import LearnerKey, LineId, OrderId, Person

_USAGE = (
    "say ORDER [LINE] EMAIL [NAME], as in: wcsync parked assign 1017 3 anna@example.com Anna Berger; "
    "or --csv FILE for many"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One learner and the line they are to have a seat of."""

    where: str
    seats: OpenSeats
    key: LearnerKey
    person: Person


@parked.command("assign")
@click.argument("words", nargs=-1, metavar="[ORDER [LINE] EMAIL [NAME]]")
@click.option("--csv", "table", type=click.File("rb"), help="A list of learners instead; - reads stdin.")
@with_config
def assign(*, config_path: Path | None, words: tuple[str, ...], table: IO[bytes] | None) -> None:
    """Give open seats of ORDER to learners.

    ORDER is its number or id, LINE the id of one of its lines; where only one line has open seats, it may be left out.
    The file of --csv has the columns order, line, email, first_name, last_name; or email, name if ORDER (and LINE) is
    said here. Nothing is done if one of its rows is wrong. Repeating gives nobody a second seat; a line that has no
    open seat left is refused.
    """
    config = sealed_config(config_path)
    rows = _rows_of(words, table)
    with opened_report(config_path) as report, opened_ledger(config_path) as ledger:
        wanted = _look_up(report, ledger.desk, config, rows, config_path)
        _warn(wanted, config_path)
        givings = _givings(wanted)
        try:
            ledger.desk.assign(givings, plan_of_today(config, ledger), utc_now())
        except TooFewSeats as exc:
            name = order_in_words(report, exc.giving.order_id)
            shown = typed(config_path, f"show {order_in_commands(report, exc.giving.order_id)}")
            give_up(f"nothing was done: {name} has fewer open seats than a moment ago; {shown} tells why")
        for giving in givings:
            _tell(report, giving, wanted, config_path)
    screen.say(who_does_it(config, config_path))


# -- what is said ----------------------------------------------------------------------------------------------------
def _rows_of(words: Sequence[str], table: IO[bytes] | None) -> tuple[LearnerRow, ...]:
    if table is None:
        return (_row_of_words(words),)
    if len(words) > 2:
        give_up("with --csv say no more than ORDER and LINE", EXIT_USAGE)
    order, line = [*words, "", ""][:2]
    rows = parse_learners_csv(Path(getattr(table, "name", "stdin")).name, table.read())
    return tuple(_filled(row, order, line) for row in rows)


def _row_of_words(words: Sequence[str]) -> LearnerRow:
    at = next((number for number, word in enumerate(words) if "@" in word), None)
    if at is None or at not in {1, 2}:
        give_up(_USAGE, EXIT_USAGE)
    first, last = split_name(" ".join(words[at + 1 :]))
    line = words[1] if at == 2 else ""
    person = Person(email=words[at].strip(), first_name=first, last_name=last)
    if not usable_address(person.email):
        give_up(f"{words[at]} is no usable e-mail address; nothing was done", EXIT_USAGE)
    return LearnerRow(where="", order=words[0], line=line, person=person)


def _filled(row: LearnerRow, order: str, line: str) -> LearnerRow:
    """What the row leaves open is what the command says."""
    return LearnerRow(where=row.where, order=row.order or order, line=row.line or line, person=row.person)


# -- what is meant ---------------------------------------------------------------------------------------------------
def _look_up(
    report: Report, desk: Desk, config: Config, rows: Sequence[LearnerRow], config_path: Path | None
) -> list[Wanted]:
    """Who is to have which seat. Ends with what is wrong: a sentence, or each row of the file that is."""
    problems = Problems()
    lines = _Lines(report, desk, config_path)
    found = [problems.attempt(_look_up_row, lines, config, row) for row in rows]
    wanted = [one for one in found if one is not None]
    _check_room(wanted, report, problems)
    _check_twice(wanted, problems)
    try:
        problems.raise_any()
    except ConfigError as exc:
        if rows[0].where:
            raise
        give_up(f"nothing was done: {exc.problems[0].message}. {exc.problems[0].remedy}")
    return wanted


class _Lines:
    """The lines with open seats, by what people call orders."""

    def __init__(self, report: Report, desk: Desk, config_path: Path | None) -> None:
        self._report = report
        self._desk = desk
        self._config_path = config_path
        self._read: dict[int, list[OpenSeats]] = {}

    def key_of(self, person: Person) -> LearnerKey:
        return self._desk.key_of(person.email)

    def find(self, row: LearnerRow) -> OpenSeats:
        """Raises ConfigError where it is not clear which line is meant, or it has no open seat."""
        order_id = self._order(row)
        if order_id not in self._read:
            self._read[order_id] = self._desk.read_open_seats(OrderId(order_id))
        lines = self._read[order_id]
        chosen = [line for line in lines if not row.line or row.line == str(line.line_id)]
        if len(chosen) == 1:
            return chosen[0]
        raise refused(row.where, self._unclear(order_id, row.line, lines), self._choices(order_id, lines))

    def _order(self, row: LearnerRow) -> int:
        if not row.order:
            raise refused(
                row.where, "no order is named", "Give it a column, order, or name it in the command."
            )
        found = self._report.find_orders(row.order)
        if len(found) > 1:
            ids = " or ".join(f"id:{one['order_id']}" for one in found)
            raise refused(row.where, f"{row.order} may mean several orders", f"Say which: {ids}.")
        if not found or not self._report.lines_of(found[0]["order_id"]):
            message = f"the ledger has no order {row.order}"
            raise refused(
                row.where, message, f"{typed(self._config_path, 'parked list')} shows what is asked."
            )
        return int(found[0]["order_id"])

    def _unclear(self, order_id: int, line: str, lines: Sequence[OpenSeats]) -> str:
        name = order_in_words(self._report, order_id)
        if not line:
            return f"{name} has open seats in {len(lines)} lines" if lines else f"{name} has no open seat"
        if line in map(str, self._report.lines_of(order_id)):
            return f"line {line} of {name} has no open seat"
        return f"{name} has no line with the id {line}"

    def _choices(self, order_id: int, lines: Sequence[OpenSeats]) -> str:
        if not lines:
            word = order_in_commands(self._report, order_id)
            return f"{typed(self._config_path, f'show {word}')} tells who has its seats."
        names = self._report.lines_of(order_id)
        choices = [
            f'{line.line_id} "{names.get(line.line_id, "")}" ({len(line.seats)} open)' for line in lines
        ]
        return f"Lines with open seats: {', '.join(choices)}."


def _look_up_row(lines: _Lines, config: Config, row: LearnerRow) -> Wanted:
    if is_unwanted(row.person.email, frozenset(config.learners.never)):
        message = f"the address at {domain_of(row.person.email)} is not to be enrolled, by [learners] never"
        raise refused(row.where, message, "Take it off that list in the config, or name another learner.")
    return Wanted(where=row.where, seats=lines.find(row), key=lines.key_of(row.person), person=row.person)


def _check_room(wanted: Sequence[Wanted], report: Report, problems: Problems) -> None:
    for (_, line_id), group in _by_line(wanted).items():
        seats = group[0].seats
        fresh = {one.key: one for one in group if one.key not in seats.learners}
        for one in list(fresh.values())[len(seats.seats) :]:
            open_now = screen.count(len(seats.seats), "open seat")
            name = order_in_words(report, seats.order_id)
            message = f"line {line_id} of {name} has {open_now}, and {len(fresh)} learners are named"
            problems.add(one.where, message, "Name no more learners than there are open seats.")


def _check_twice(wanted: Sequence[Wanted], problems: Problems) -> None:
    """One person has one seat of a line: the second row is a mistake of the list."""
    for group in _by_line(wanted).values():
        first: dict[LearnerKey, Wanted] = {}
        for one in group:
            if first.setdefault(one.key, one) is not one:
                where = first[one.key].where
                problems.add(
                    one.where, f"the same learner as in {where}", "Each learner has one seat of a line."
                )


def _warn(wanted: Iterable[Wanted], config_path: Path | None) -> None:
    """A mistyped domain is told and never corrected."""
    for domain in dict.fromkeys(domain_of(one.person.email) for one in wanted):
        meant = meant_domain(domain)
        if meant:
            mend = typed(config_path, "relink OLD NEW")
            screen.say(f"warning: {domain} looks like a slip for {meant}; if it is one: {mend}", err=True)


def _givings(wanted: Sequence[Wanted]) -> list[Giving]:
    return [
        Giving(
            order_id=group[0].seats.order_id,
            line_id=LineId(line_id),
            learners=tuple(one.person for one in group),
        )
        for (_, line_id), group in _by_line(wanted).items()
    ]


def _by_line(wanted: Iterable[Wanted]) -> dict[tuple[int, int], list[Wanted]]:
    lines: dict[tuple[int, int], list[Wanted]] = {}
    for one in wanted:
        lines.setdefault((one.seats.order_id, one.seats.line_id), []).append(one)
    return lines


# -- what became of it -----------------------------------------------------------------------------------------------
def _tell(report: Report, giving: Giving, wanted: Sequence[Wanted], config_path: Path | None) -> None:
    group = _by_line(wanted)[giving.order_id, giving.line_id]
    seats, keys = group[0].seats, {one.key for one in group}
    given = len(keys - set(seats.learners))
    product = report.lines_of(giving.order_id).get(giving.line_id, "")
    line = f"{order_in_words(report, giving.order_id)}, line {giving.line_id}" + (
        f' "{product}"' if product else ""
    )
    left = len(seats.seats) - given
    rest = (
        f"; {screen.count(left, 'seat is', 'seats are')} still open" if left else "; no seat is open any more"
    )
    screen.say(f"{line}: {screen.count(given, 'seat')} given{rest}")
    if given < len(keys):
        had = screen.count(len(keys) - given, "learner has", "learners have")
        screen.say(f"  {had} a seat of it already")
    if report.hold_of(giving.order_id):
        word = order_in_commands(report, giving.order_id)
        screen.say(f"  the order is held: nobody gets in until {typed(config_path, f'release {word}')}")
