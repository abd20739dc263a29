"""`wcsync courses`: what the mirror would change in the shop's products, and changing it."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from wcsync import screen
from wcsync.app import App, target_keys
from wcsync.cli.backfill import term_as_interrupt
from wcsync.cli.common import (
    EXIT_INTERRUPTED,
    EXIT_UNAVAILABLE,
    EXIT_UNEXPLAINED,
    main,
    read_config,
    with_config,
    with_json,
)
from wcsync.cli.course_import import import_command
from wcsync.cli.course_words import print_outlook, print_push, render_outlook, unnamed
from wcsync.cli.progress import configure_logs, shown_push
from wcsync.config import Config
from wcsync.daemon import stopping_on_signals
from wcsync.ledger.mirror import FAILED, STOPPED, Run
from wcsync.ledger.rehearsal import Rehearsal
from wcsync.mappers.courses.fields import Field
from wcsync.model import LmsName
from wcsync.pollers.course_plan import Outlook
from wcsync.pollers.course_push import Tally
from wcsync.pollers.courses import INTERRUPTED, Options
from wcsync.pollers.mapping import read_file
from wcsync.times import render_instant

Command = TypeVar("Command", bound=Callable[..., Any])


@main.group()
def courses() -> None:
    """Show and carry over course data of the LMSs into the shop's products."""


courses.add_command(import_command)


def _with_only(command: Command) -> Command:
    text = "Only these: a product's id or SKU, or a course as LMS/COURSE. May be repeated."
    return click.option("--only", multiple=True, metavar="WHICH", help=text)(command)


@courses.command("diff")
@_with_only
@with_json
@with_config
def courses_diff(*, config_path: Path | None, only: tuple[str, ...], as_json: bool) -> None:
    """Show what would change in products, and why. Changes nothing.

    Product by product and field by field; also what is left alone. Works beside a running daemon.
    """
    config = read_config(config_path)
    sys.exit(_show(config, Options(only=frozenset(only)), as_json=as_json))


@courses.command("push")
@_with_only
@click.option(
    "--take-back",
    multiple=True,
    type=click.Choice([field.value for field in Field]),
    help="Write this field whatever a person wrote there, and keep it up to date from now on. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing, and show what would be written.")
@click.option("--allow-many", is_flag=True, help="Go on however many products would change.")
@click.option(
    "--allow-gone",
    multiple=True,
    metavar="LMS",
    help="Believe this LMS however few courses it shows. May be repeated.",
)
@with_json
@with_config
def courses_push(
    *,
    config_path: Path | None,
    only: tuple[str, ...],
    take_back: tuple[str, ...],
    dry_run: bool,
    allow_many: bool,
    allow_gone: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write course data to products now.

    Only what differs is written, and nothing a person edited. Safe to stop, to repeat, and beside a running daemon.
    """
    config = read_config(config_path)
    options = Options(
        only=frozenset(only),
        take_back=frozenset(map(Field, take_back)),
        allow_many=allow_many,
        allow_gone=_lms_names(config, allow_gone),
        full=True,  # a person asks: what the shop refused before is tried again
    )
    if dry_run:
        sys.exit(_show(config, options, as_json=as_json))
    sys.exit(_push(config, options, as_json=as_json))


def _lms_names(config: Config, names: tuple[str, ...]) -> frozenset[LmsName]:
    known = [lms.name for lms in config.lms]
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"no LMS is called {name!r}; there are: {', '.join(known)}", param_hint="--allow-gone"
            )
    return frozenset(map(LmsName, names))


def _show(config: Config, options: Options, *, as_json: bool) -> int:
    """A look on a copy of the ledger: nothing is written here either."""
    table = read_file(config.mapping.path, target_keys(config))
    waiting = screen.Waiting()
    configure_logs(config, "warning")  # who answers for the first time is no news: nothing of it is kept
    app = App(config, ledger=Rehearsal(config.ledger.path))
    try:
        waiting.tell("reading courses and products")
        with term_as_interrupt():
            outlook = app.courses(lambda: table).look(options)
    finally:
        waiting.done()
        app.close()
    if as_json:
        screen.print_json(render_outlook(outlook))
    else:
        print_outlook(outlook)
    return _exit_of_look(outlook)


def _exit_of_look(outlook: Outlook) -> int:
    outcomes = {halt.outcome for halt in outlook.halts}
    if STOPPED in outcomes:
        return EXIT_UNEXPLAINED
    if FAILED in outcomes:
        return EXIT_UNAVAILABLE
    return EXIT_UNEXPLAINED if unnamed(outlook.left) else 0


def _push(config: Config, options: Options, *, as_json: bool) -> int:
    table = read_file(config.mapping.path, target_keys(config))
    app = App(config)
    try:
        with shown_push(config) as tally, stopping_on_signals(app.stop):
            run = app.courses(lambda: table).run(options, tally)
    finally:
        app.close()
    if as_json:
        screen.print_json(_document(run, tally))
    else:
        print_push(run, tally)
    if run.outcome == FAILED and app.stop.is_set():  # the answer that was under way did not come
        return EXIT_INTERRUPTED
    return _exit_of_run(run, tally)


def _exit_of_run(run: Run, tally: Tally) -> int:
    if run.code == INTERRUPTED:
        return EXIT_INTERRUPTED
    if run.outcome == FAILED:
        return EXIT_UNAVAILABLE
    amiss = run.outcome == STOPPED or run.failed or tally.harmed or unnamed(tally.left)
    return EXIT_UNEXPLAINED if amiss else 0


def _document(run: Run, tally: Tally) -> dict[str, Any]:
    return asdict(run) | {
        "at": render_instant(run.at),
        "written_products": sorted(set(tally.written)),
        "refused": {str(product_id): why for product_id, why in tally.refused.items()},
        "changed_elsewhere": {str(product_id): what for product_id, what in tally.harmed.items()},
        "messages": tally.messages,
        "left": [asdict(one) for one in tally.left],
    }
