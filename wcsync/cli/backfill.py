"""`wcsync backfill`: orders from before the ledger began, or a look at what they would bring."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.app import App, utc_now
from wcsync.cli.causes import PARKED, UNKNOWN
from wcsync.cli.common import (
    EXIT_INTERRUPTED,
    EXIT_UNAVAILABLE,
    GO_ON,
    STOPPED,
    main,
    read_config,
    with_config,
    with_json,
)
from wcsync.cli.orders import name_order
from wcsync.cli.progress import Reading, shown_reading
from wcsync.config import Config
from wcsync.errors import REMOTE_ERRORS
from wcsync.ledger.rehearsal import Outlook, Rehearsal
from wcsync.times import parse_human_instant, render_instant

SHOWN = 10
"""So many orders of one cause are named; all are in the JSON."""

_DATES = "write a date like 2026-02-01, or an instant like 2026-02-01T00:00:00Z"


@main.command()
@click.option("--since", required=True, help="From when: a date, or an instant like 2026-01-01T00:00:00Z.")
@click.option("--dry-run", is_flag=True, help="Read and plan, write nothing, and say what would happen.")
@with_json
@with_config
def backfill(*, config_path: Path | None, since: str, dry_run: bool, as_json: bool) -> None:
    """Read older orders into the ledger.

    The daemon, or `run --once`, then works them off. Safe to stop and to repeat.
    """
    instant = parse_since(since)
    config = read_config(config_path)
    if dry_run:
        sys.exit(_rehearse(config, instant, as_json=as_json))
    sys.exit(_read(config, instant, as_json=as_json))


def parse_since(since: str) -> datetime:
    try:
        instant = parse_human_instant(since)
    except ValueError as exc:
        raise click.BadParameter(f"{since!r} is no instant ({exc}); {_DATES}", param_hint="--since") from exc
    if instant > utc_now():
        raise click.BadParameter(f"{since!r} is yet to come; {_DATES}", param_hint="--since")
    return instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a reading ended. `error` '' = at the end of the shop's orders."""

    reading: Reading
    error: str = ""
    exit_code: int = 0

    def document(self, since: datetime, *, dry_run: bool) -> dict[str, Any]:
        return {
            **asdict(self.reading.record),
            "since": render_instant(since),
            "pages": self.reading.read,
            "complete": not self.error,
            "error": self.error,
            "dry_run": dry_run,
        }


def _read(config: Config, since: datetime, *, as_json: bool) -> int:
    app = App(config)
    try:
        ending = _walk(app, since, level=config.log.level)
    finally:
        app.close()
    if ending.error:
        kept = f"{ending.reading.so_far()} were read and are kept. " if ending.reading.read else ""
        screen.say(str(ending.error), f"{kept}{GO_ON}", err=True)
    if as_json:
        screen.print_json(ending.document(since, dry_run=False))
    elif not ending.error:
        _tell(ending.reading)
    return ending.exit_code


def _rehearse(config: Config, since: datetime, *, as_json: bool) -> int:
    app = App(config, ledger=(rehearsal := Rehearsal(config.ledger.path)))
    try:
        ending = _walk(app, since, level="warning")
        outlook = rehearsal.outlook(len(ending.reading.order_ids))
    finally:
        app.close()
    if ending.error:
        screen.say(str(ending.error), "Nothing was written.", err=True)
    if as_json:
        screen.print_json(ending.document(since, dry_run=True) | {"would": asdict(outlook)})
    else:
        _print_outlook(outlook, partly=bool(ending.error))
    return ending.exit_code


def _walk(app: App, since: datetime, *, level: str) -> Ending:
    """Reads all there is, shows how far it came, and says how it ended, also if a person stopped it."""
    with shown_reading(app.config, level=level) as reading, term_as_interrupt():
        try:
            app.backfill(since, reading.take)
        except REMOTE_ERRORS as exc:
            return Ending(reading=reading, error=str(exc), exit_code=EXIT_UNAVAILABLE)
        except KeyboardInterrupt:
            return Ending(reading=reading, error=STOPPED, exit_code=EXIT_INTERRUPTED)
    return Ending(reading=reading)


@contextmanager
def term_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a reading as Ctrl-C does: the page under way is taken back whole, and the end is told."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(reading: Reading) -> None:
    record = reading.record
    screen.say(
        f"Read {screen.count(len(reading.order_ids), 'order')}: {record.fresh} new or changed, with "
        f"{screen.count(record.lines, 'line')}; {record.unmapped} not in the mapping, {record.parked} for a person."
    )
    if record.fresh:
        click.echo(
            "The daemon works them off; without one: wcsync run --once. wcsync status tells how it goes."
        )


def _print_outlook(outlook: Outlook, *, partly: bool) -> None:
    click.echo("DRY RUN, nothing was written." + (" Only a part of the orders was read." if partly else ""))
    click.echo(
        f"Orders: {outlook.new} new, {outlook.changed} changed since they were read, {outlook.known} known already"
    )
    click.echo(f"Paid lines in new and changed orders: {outlook.paid_lines}")
    _print_courses("Would be enrolled, but for who is in the course already", outlook.enrol)
    _print_courses("Would be withdrawn", outlook.withdraw)
    if outlook.had_already:
        click.echo(f"Have their course by another order already: {outlook.had_already}")
    columns = ["product_id", "variation_id", "sku", "name", "lines"]
    rows = [[row[column] or "" for column in columns] for row in outlook.unmapped]
    screen.print_table("In no mapping row, nobody would be enrolled", columns, rows)
    _print_parked(outlook.parked)


def _print_courses(title: str, rows: Sequence[dict[str, Any]]) -> None:
    click.echo(f"{title}: {sum(row['learners'] for row in rows)}")
    for row in rows:
        screen.say(f"  {row['lms']} course {row['course_id']}: {screen.count(row['learners'], 'learner')}")


def _print_parked(rows: Sequence[dict[str, Any]]) -> None:
    click.echo(f"Would need a person: {len(rows)}")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        alike = [row for row in rows if row["kind"] == kind]
        cause = PARKED.get(kind, UNKNOWN)
        screen.say(f"  {cause.title} ({kind}): {len(alike)}; {cause.means}")
        for row in alike[:SHOWN]:
            screen.say(f"    {name_order(row['order_id'], row['number'])}: {row['reason']}")
        if len(alike) > SHOWN:
            click.echo(f"    and {len(alike) - SHOWN} more; --json names all")
