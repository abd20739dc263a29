"""The commands: each reads its words, makes one call, and ends with an exit code."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog

from wcsync import __version__, screen
from wcsync import log as logs
from wcsync.app import REMOTE_ERRORS, App, build_lmss, build_store, target_keys, utc_now
from wcsync.config import Config, Loaded, find_config, load_config
from wcsync.daemon import only_instance, serve, stopping_on_signals
from wcsync.doctor import examine
from wcsync.errors import ConfigError
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report
from wcsync.model import CourseId, LmsName, OrderId
from wcsync.pollers.mapping import read_file
from wcsync.times import parse_human_instant

EXIT_UNEXPLAINED = 1
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h

log = structlog.get_logger("wcsync")
Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="wcsync")
def main() -> None:
    """Carries every paid WooCommerce order into the LMS, exactly once."""


def _with_config(command: Command) -> Command:
    option = click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        help="The config file; without it /etc/wcsync/config.toml, then ./config.toml.",
    )
    return option(_explained(command))


def _with_json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def _explained(command: Command) -> Command:
    """Turns the errors a person can do something about into sentences and exit codes."""

    @wraps(command)
    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as exc:
            if kwargs.get("as_json"):
                screen.print_json({"problems": [asdict(problem) for problem in exc.problems]})
            screen.print_problems(exc.problems)
            sys.exit(EXIT_CONFIG)
        except REMOTE_ERRORS as exc:
            click.echo(screen.plain(str(exc)), err=True)
            sys.exit(EXIT_UNAVAILABLE)

    return explained  # type: ignore[return-value]  # wraps keeps the signature


def _load(config_path: Path | None) -> Loaded:
    return load_config(find_config(config_path), os.environ)


def _config(config_path: Path | None) -> Config:
    """The config, with logs set up to keep its secrets out. Its warnings go where errors would."""
    loaded = _load(config_path)
    config = loaded.config
    logs.configure(level=config.log.level, style=config.log.format, secrets=config.secrets())
    screen.print_problems(loaded.warnings, mark="warning: ")
    return config


def _daemon_config(config_path: Path | None) -> Config:
    """As `_config`, but a daemon's warnings are log lines like all it says."""
    loaded = _load(config_path)
    config = loaded.config
    logs.configure(level=config.log.level, style=config.log.format, secrets=config.secrets())
    for warning in loaded.warnings:
        log.warning("config_warning", where=warning.where, reason=warning.message, hint=warning.remedy)
    return config


@contextmanager
def _app(config: Config) -> Iterator[App]:
    app = App(config)
    try:
        yield app
    finally:
        app.close()


@contextmanager
def _report(config_path: Path | None) -> Iterator[Report]:
    report = Report(_load(config_path).config.ledger.path)
    try:
        yield report
    finally:
        report.close()


@main.command()
@click.option(
    "--keep", is_flag=True, help="Leave everything running afterwards, to look around with the commands."
)
@click.option(
    "--orders", default=40, show_default=True, type=click.IntRange(8, 5000), help="How many orders."
)
@_with_json
@_explained
def demo(*, keep: bool, orders: int, as_json: bool) -> None:
    """Shows the whole of wcsync at work against a sandbox shop and a sandbox Moodle on this machine."""
    from wcsync import demo as demonstration  # the sandboxes are no business of a daemon's memory

    sys.exit(demonstration.run(orders=orders, keep=keep, as_json=as_json))


@main.command()
@_with_json
@_with_config
def check(*, config_path: Path | None, as_json: bool) -> None:
    """Reads the files and calls each service once; says what is wrong and what to do about it."""
    config = _config(config_path)
    read_file(config.mapping.path, target_keys(config))
    store, lmss = build_store(config), build_lmss(config)
    try:
        found = []
        for diagnosis in examine(store, lmss, _known_identity(config), utc_now()):
            found.append(diagnosis)
            if not as_json:
                screen.print_diagnosis(diagnosis)
    finally:
        store.close()
        for lms in lmss.values():
            lms.close()
    if as_json:
        screen.print_json({"problems": [], "services": [asdict(diagnosis) for diagnosis in found]})
    sys.exit(EXIT_UNAVAILABLE if any(diagnosis.fatal for diagnosis in found) else 0)


def _known_identity(config: Config) -> Callable[[str], str]:
    """What the ledger says of each service; nothing while there is no ledger, which a check does not make."""
    if not config.ledger.path.exists():
        return lambda _name: ""
    report = Report(config.ledger.path)
    try:
        known = {row["name"]: row["identity"] for row in report.services()}
    finally:
        report.close()
    return lambda name: known.get(name, "")


@main.command()
@click.option("--once", is_flag=True, help="One full cycle: poll, work until nothing is due, stop.")
@_with_json
@_with_config
def run(*, config_path: Path | None, once: bool, as_json: bool) -> None:
    """The daemon: reads orders and enrols their buyers until it is told to stop."""
    config = _daemon_config(config_path)
    with only_instance(config.ledger.path), _app(config) as app, stopping_on_signals(app.stop):
        app.prepare()
        if once:
            sys.exit(_run_once(app, as_json=as_json))
        log.info("daemon_started", version=__version__, lms=sorted(app.lmss))
        serve(app.jobs(), app.pool, app.stop)
        log.info("daemon_stopped")


def _run_once(app: App, *, as_json: bool) -> int:
    complete = app.run_cycle()
    summary = app.summary()
    log.info("cycle_finished", **summary.as_dict())
    if as_json:
        screen.print_json(summary.as_dict())
    return 0 if complete else EXIT_UNAVAILABLE


@main.command()
@_with_json
@_with_config
def status(*, config_path: Path | None, as_json: bool) -> None:
    """Counts, how far the shop was read, how the services do, and what waits for a person."""
    with _report(config_path) as report:
        summary = report.summary().as_dict()
        document: dict[str, Any] = {
            "summary": summary,
            "services": report.services(),
            "cursors": report.cursors(),
            "oldest_due": report.oldest_due(),
            "unmapped": report.unmapped(),
            "hints": _hints(summary),
        }
    if as_json:
        screen.print_json(document)
        return
    screen.print_status(document)
    columns = ["product_id", "variation_id", "sku", "name", "lines", "last_order"]
    rows = [[row[column] for column in columns] for row in document["unmapped"]]
    screen.print_table("Sold, but in no mapping row", columns, rows)


def _hints(summary: dict[str, int]) -> list[str]:
    hints = {
        "parked": "`wcsync parked list` shows what needs a person.",
        "dead": "`wcsync dead list` shows what was given up; mend the cause, then `wcsync dead revive`.",
        "unmapped": "Give unmapped products a row in the mapping file, or a row with ignore = true.",
        "unexplained": "Unexplained lines are a fault of wcsync: please report them with `wcsync show ORDER --json`.",
    }
    return [hint for name, hint in hints.items() if summary[name]]


@main.command()
@click.argument("order")
@_with_json
@_with_config
def show(*, config_path: Path | None, order: str, as_json: bool) -> None:
    """All the ledger knows of one ORDER, by its number or id."""
    with _report(config_path) as report:
        story = report.order(order)
    if story is None:
        click.echo(
            f"order {screen.plain(order)} is not in the ledger; `wcsync status` says how far it has read",
            err=True,
        )
        sys.exit(EXIT_UNEXPLAINED)
    if as_json:
        screen.print_json(story)
    else:
        screen.print_order(story)


@main.command()
@click.argument("service")
@_with_config
def accept(*, config_path: Path | None, service: str) -> None:
    """Accepts that SERVICE (`shop` or an LMS's name) is now whoever answers at its url."""
    config = _config(config_path)
    with _app(config) as app:
        if service != "shop" and service not in app.lmss:
            known = ", ".join(["shop", *app.lmss])
            click.echo(f"no service is called {screen.plain(service)}; there are: {known}", err=True)
            sys.exit(2)
        answerer = app.accept(service)
    click.echo(screen.plain(f"{service} is now {answerer.identity} ({answerer.title})"))


@main.command()
@click.option("--since", required=True, help="From when: a date, or an instant like 2026-01-01T00:00:00Z.")
@_with_json
@_with_config
def backfill(*, config_path: Path | None, since: str, as_json: bool) -> None:
    """Reads older orders into the ledger; the daemon, or `run --once`, then works them off."""
    try:
        instant = parse_human_instant(since)
    except ValueError as exc:
        raise click.BadParameter(f"{since!r} is no instant ({exc})", param_hint="--since") from exc
    with _app(_config(config_path)) as app:
        record = app.backfill(instant)
    counts = asdict(record)
    if as_json:
        screen.print_json(counts)
    else:
        click.echo(" ".join(f"{name}={count}" for name, count in counts.items()))


@main.group()
def dead() -> None:
    """Enrolments that were given up."""


@dead.command("list")
@_with_json
@_with_config
def dead_list(*, config_path: Path | None, as_json: bool) -> None:
    """What was given up, and why."""
    with _report(config_path) as report:
        rows = report.dead()
    if as_json:
        screen.print_json(rows)
        return
    columns = ["orders", "lms", "course_id", "learner", "desired", "attempts", "error", "changed_at"]
    screen.print_table("Given up", columns, [[row[column] for column in columns] for row in rows])
    if not rows:
        click.echo("nothing was given up")


@dead.command("revive")
@click.option("--order", "order_id", type=int, help="Only those of this order (id).")
@click.option("--lms", help="Only those of this LMS.")
@click.option("--course", help="Only those of this course.")
@_with_config
def dead_revive(
    *, config_path: Path | None, order_id: int | None, lms: str | None, course: str | None
) -> None:
    """Lets dead enrolments be tried again, all of them unless narrowed down."""
    with _ledger(config_path) as ledger:
        lms_name = LmsName(lms) if lms else None
        course_id = CourseId(course) if course else None
        revived = ledger.revive(lms_name, course_id, order_id, utc_now())
    click.echo(f"{revived} enrolments will be tried again")


@dead.command("drop")
@click.argument("order_id", type=int)
@_with_config
def dead_drop(*, config_path: Path | None, order_id: int) -> None:
    """Takes the dead enrolments of ORDER_ID off the list: somebody dealt with them by hand."""
    with _ledger(config_path) as ledger:
        dropped = ledger.drop_dead(order_id, utc_now())
    click.echo(f"{dropped} enrolments dropped")


@main.group()
def parked() -> None:
    """What needs a person."""


@parked.command("list")
@_with_json
@_with_config
def parked_list(*, config_path: Path | None, as_json: bool) -> None:
    """What needs a person, and what to do about it."""
    with _report(config_path) as report:
        rows = report.parked()
    if as_json:
        screen.print_json(rows)
        return
    columns = ["order_id", "line_id", "kind", "reason", "since"]
    screen.print_table("Needs a person", columns, [[row[column] for column in columns] for row in rows])
    if not rows:
        click.echo("nothing needs a person")


@parked.command("retry")
@click.argument("order_id", type=int)
@_with_config
def parked_retry(*, config_path: Path | None, order_id: int) -> None:
    """Reads ORDER_ID again from the shop, after it was put right there."""
    config = _config(config_path)
    with _app(config) as app:
        known = app.reread(OrderId(order_id)) is not None
    if not known:
        click.echo(f"the shop knows no order {order_id} (any more)", err=True)
        sys.exit(EXIT_UNEXPLAINED)
    with closing(Report(config.ledger.path)) as report:
        still = any(row["order_id"] == order_id for row in report.parked())
    click.echo("read again and still parked" if still else "read again")


@parked.command("drop")
@click.argument("order_id", type=int)
@click.option("--line", "line_id", type=int, help="Only this line of the order.")
@_with_config
def parked_drop(*, config_path: Path | None, order_id: int, line_id: int | None) -> None:
    """Takes ORDER_ID off the list: somebody dealt with it by hand."""
    with _ledger(config_path) as ledger:
        dropped = ledger.drop_parked(order_id, line_id, utc_now())
    click.echo(f"{dropped} entries dropped")


@main.group()
def mapping() -> None:
    """The mapping file."""


@mapping.command("check")
@_with_json
@_with_config
def mapping_check(*, config_path: Path | None, as_json: bool) -> None:
    """Every problem of the mapping file, with its line and what to do."""
    config = _load(config_path).config
    rows = read_file(config.mapping.path, target_keys(config)).rows
    if as_json:
        screen.print_json({"file": str(config.mapping.path), "rows": len(rows), "problems": []})
    else:
        click.echo(f"{config.mapping.path}: {len(rows)} rows, no problem found")


@contextmanager
def _ledger(config_path: Path | None) -> Iterator[SqliteLedger]:
    """The ledger for a short write beside a running daemon."""
    path = _load(config_path).config.ledger.path
    Report(path).close()
    ledger = SqliteLedger(path)
    try:
        yield ledger
    finally:
        ledger.close()
