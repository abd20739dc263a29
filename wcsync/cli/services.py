"""Commands that talk to the services: demo, check, run, accept."""

import errno
import faulthandler
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

import click
import structlog

from wcsync import screen
from wcsync.app import App, build_lmss, build_store, target_keys, utc_now
from wcsync.cli.common import (
    EXIT_CONFIG,
    EXIT_SOFTWARE,
    EXIT_UNAVAILABLE,
    in_plain_words,
    main,
    opened_app,
    read_config,
    with_config,
    with_json,
)
from wcsync.cli.renewal import LiveConfig
from wcsync.config import Config
from wcsync.daemon import Daemon, Ending, Signals, no_folder, only_instance, stopping_on_signals
from wcsync.doctor import Diagnosis, examine
from wcsync.errors import ConfigError, Problem
from wcsync.ledger.report import Report
from wcsync.mappers.mapping import Mapping
from wcsync.model import CourseId, LmsName
from wcsync.pollers.mapping import read_file
from wcsync.shift import describe
from wcsync.supervisor import Supervisor

log = structlog.get_logger("wcsync")


@main.command()
@click.option(
    "--keep", is_flag=True, help="Leave everything running afterwards, to look around with the commands."
)
@click.option(
    "--orders", default=40, show_default=True, type=click.IntRange(8, 5000), help="How many orders."
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
    """Look at files and services; say what is wrong.

    Reads config and mapping, calls each service once, and says what to do about each problem.
    """
    config = read_config(config_path)
    mapping, problems = _look_at_files(config)
    screen.print_problems(problems)
    found = []
    for diagnosis in _look_at_services(config, mapping):
        found.append(diagnosis)
        if not as_json:
            screen.print_diagnosis(diagnosis)
    if as_json:
        documents = [asdict(problem) for problem in problems], [asdict(diagnosis) for diagnosis in found]
        screen.print_json(dict(zip(("problems", "services"), documents, strict=True)))
    if problems or any(diagnosis.file for diagnosis in found):
        sys.exit(EXIT_CONFIG)
    sys.exit(EXIT_UNAVAILABLE if any(diagnosis.fatal for diagnosis in found) else 0)


def _look_at_files(config: Config) -> tuple[Mapping, list[Problem]]:
    """The mapping, and what is wrong with it or with the place of the ledger."""
    mapping, problems = Mapping(), list[Problem]()
    try:
        mapping = read_file(config.mapping.path, target_keys(config))
    except ConfigError as exc:
        problems.extend(exc.problems)
    if not os.access(config.ledger.path.parent, os.W_OK | os.X_OK):
        folder = config.ledger.path.parent
        reason = errno.EACCES if folder.exists() else errno.ENOENT
        problems.append(no_folder(config.ledger.path, OSError(reason, os.strerror(reason))))
    return mapping, problems


def _look_at_services(config: Config, mapping: Mapping) -> Iterator[Diagnosis]:
    mapped: dict[LmsName, dict[CourseId, str]] = {}
    for row in mapping.rows:
        for target in row.targets:
            mapped.setdefault(target.lms, {}).setdefault(target.course_id, row.source)
    with closing(build_store(config)) as store, ExitStack() as stack:
        lmss = {name: stack.enter_context(closing(lms)) for name, lms in build_lmss(config).items()}
        yield from examine(store, lmss, mapped, _known_identity(config), utc_now())


def _known_identity(config: Config) -> Callable[[str], str]:
    """What the ledger says of each service; nothing while there is no ledger, which a check does not make."""
    if not config.ledger.path.exists():
        return lambda _name: ""
    with closing(Report(config.ledger.path)) as report:
        known = {row["name"]: row["identity"] for row in report.services()}
    return lambda name: known.get(name, "")


@main.command()
@click.option("--once", is_flag=True, help="One full cycle: poll, work until nothing is due, stop.")
@with_json
@with_config
def run(*, config_path: Path | None, once: bool, as_json: bool) -> None:
    """Read orders and enrol their buyers.

    Runs until it is told to stop; with --once for one full cycle.
    """
    live = LiveConfig(config_path)
    if once:
        with (
            only_instance(live.config.ledger.path),
            opened_app(live.config) as app,
            stopping_on_signals(app.stop),
        ):
            app.prepare()
            sys.exit(_run_once(app, as_json=as_json))
    faulthandler.enable(file=2)  # systemd's watchdog ends a process by SIGABRT: then it says where it stood
    with Signals() as signals, only_instance(live.config.ledger.path):
        app = App(live.config)
        ending = Daemon(app, live.renew, signals, Supervisor.of(os.environ)).run()
        log.info("daemon_stopped", ending=ending.value)
        if ending is Ending.HUNG:
            os._exit(EXIT_SOFTWARE)  # anything else would wait for the hung thread
    sys.exit(0 if ending is Ending.STOPPED else EXIT_SOFTWARE)


def _run_once(app: App, *, as_json: bool) -> int:
    complete = app.run_cycle()
    if hung := app.pool.hung():
        log.critical("daemon_hung", reason=describe(hung))
        os._exit(EXIT_SOFTWARE)
    summary = app.summary()
    log.info("cycle_finished", **summary.as_dict())
    troubles = app.troubles()
    for name, reason in troubles.items():
        click.echo(screen.plain(f"{name}: {reason.removeprefix(f'{name}: ')}"), err=True)
    if as_json:
        screen.print_json(summary.as_dict() | {"troubles": troubles})
    return 0 if complete else EXIT_UNAVAILABLE


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
            click.echo(f"no service is called {screen.plain(service)}; there are: {known}", err=True)
            sys.exit(2)
        answerer = app.accept(service)
    click.echo(screen.plain(f"{service} is now {answerer.identity} ({answerer.title})"))
