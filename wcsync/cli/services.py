"""Commands that talk to the services: demo, check, accept."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

import click
import structlog

from wcsync import screen
from wcsync.app import build_lmss, build_store, target_keys, utc_now
from wcsync.cli.common import (
    EXIT_CONFIG,
    EXIT_UNAVAILABLE,
    checked_config,
    in_plain_words,
    main,
    opened_app,
    read_config,
    with_config,
    with_json,
)
from wcsync.config import Config
from wcsync.doctor import Diagnosis, Looks, examine, examine_machine
from wcsync.doctor.diagnosis import FILES, fine
from wcsync.doctor.machine import unusable_folder
from wcsync.errors import ConfigError
from wcsync.ledger.base import Origin
from wcsync.ledger.lock import no_folder, running_instance
from wcsync.ledger.report import Report
from wcsync.mappers.mapping import Mapping
from wcsync.pollers.mapping import read_file

log = structlog.get_logger("wcsync")


@main.command()
@click.option(
    "--keep", is_flag=True, help="Leave everything running afterwards, to look around with the commands."
)
@click.option(
    "--orders", default=40, show_default=True, type=click.IntRange(12, 5000), help="How many orders."
)
@with_json
@in_plain_words
def demo(*, keep: bool, orders: int, as_json: bool) -> None:
    """Show wcsync at work in a sandbox.

    A sandbox shop and two sandbox LMSs on this machine, the real daemon between them, and an honest count.
    """
    from wcsync import demo as demonstration  # the sandboxes are no business of a daemon's memory

    sys.exit(demonstration.run(orders=orders, keep=keep, as_json=as_json))


@main.command()
@with_json
@with_config
def check(*, config_path: Path | None, as_json: bool) -> None:
    """Look at files, services and this machine; say what is wrong.

    Changes nothing. Each problem with what to do about it, and whether the daemon can go on.
    """
    waiting = screen.Waiting()
    found = list[Diagnosis]()
    for diagnosis in _look(config_path, waiting.tell):
        waiting.done()
        if not as_json:
            screen.print_diagnosis(diagnosis, after=found[-1] if found else None)
        found.append(diagnosis)
    waiting.done()
    if as_json:
        screen.print_json({"diagnoses": [asdict(diagnosis) for diagnosis in found]})
    if any(diagnosis.fatal and diagnosis.file for diagnosis in found):
        sys.exit(EXIT_CONFIG)
    sys.exit(EXIT_UNAVAILABLE if any(diagnosis.fatal for diagnosis in found) else 0)


def _look(config_path: Path | None, tell: Callable[[str], None]) -> Iterator[Diagnosis]:
    try:
        config, warnings = checked_config(config_path)
    except ConfigError as exc:
        yield from (Diagnosis.of_problem("config_mistake", problem) for problem in exc.problems)
        return
    yield from (Diagnosis.of_problem("config_warning", problem, fatal=False) for problem in warnings)
    mapping = Mapping()
    try:
        mapping = read_file(config.mapping.path, target_keys(config))
        rows = screen.count(len(mapping.rows), "row")
        yield fine(FILES, "files_sound", f"config and mapping can be read; the mapping has {rows}")
    except ConfigError as exc:
        yield from (Diagnosis.of_problem("mapping_mistake", problem) for problem in exc.problems)
    yield from _look_at_machine(config)
    yield from _look_at_services(config, mapping, tell)


def _look_at_machine(config: Config) -> Iterator[Diagnosis]:
    ledger = config.ledger.path
    return examine_machine(
        ledger, running_instance(ledger), no_folder(ledger, unusable_folder(ledger.parent)), _origin(ledger)
    )


def _origin(ledger: Path) -> Origin | None:
    try:
        with closing(Report(ledger)) as report:
            return report.origin()
    except ConfigError:
        return None  # what is wrong with it is told of anyway


def _look_at_services(config: Config, mapping: Mapping, tell: Callable[[str], None]) -> Iterator[Diagnosis]:
    looks = Looks(
        known=_known_identity(config),
        clock=utc_now,
        mapping=mapping,
        writing=config.notes.enabled,
        mirroring=config.course_sync.enabled,
        tell=tell,
    )
    with closing(build_store(config)) as store, ExitStack() as stack:
        lmss = {name: stack.enter_context(closing(lms)) for name, lms in build_lmss(config).items()}
        yield from examine(store, lmss, looks)


def _known_identity(config: Config) -> Callable[[str], str]:
    """What the ledger says of each service; nothing while there is no ledger, which a check does not make."""
    try:
        with closing(Report(config.ledger.path)) as report:
            known = {row["name"]: row["identity"] for row in report.services()}
    except ConfigError:  # there is none yet, or it cannot be used, which has been told
        return lambda _name: ""
    return lambda name: known.get(name, "")


@main.command()
@click.argument("service")
@with_config
def accept(*, config_path: Path | None, service: str) -> None:
    """Accept who answers now as SERVICE.

    SERVICE is `shop` or the name of an LMS. For a site that has really moved.
    """
    config = read_config(config_path)
    with opened_app(config) as app:
        if service not in app.gates:
            known = ", ".join(app.gates)
            click.echo(f"no service is called {screen.line(service)}; there are: {known}", err=True)
            sys.exit(2)
        answerer = app.accept(service)
    screen.say(f"{service} is now {answerer.identity} ({answerer.title})")
