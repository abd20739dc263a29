"""The daemon's own command. It loads no other: what they need is no business of a daemon's memory."""

import faulthandler
import os
import sys
from pathlib import Path

import click
import structlog

from wcsync import screen
from wcsync.app import App
from wcsync.cli.common import EXIT_SOFTWARE, EXIT_UNAVAILABLE, main, opened_app, with_config, with_json
from wcsync.cli.renewal import LiveConfig
from wcsync.daemon import Daemon, Ending, Signals, stopping_on_signals
from wcsync.ledger.lock import only_instance
from wcsync.shift import describe
from wcsync.supervisor import Supervisor

log = structlog.get_logger("wcsync")


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
            only_instance(live.config.ledger.path, once=True),
            opened_app(live.config) as app,
            stopping_on_signals(app.stop),
        ):
            app.prepare()
            sys.exit(_run_once(app, as_json=as_json))
    faulthandler.enable(file=2)  # systemd's watchdog ends a process by SIGABRT: then it says where it stood
    with Signals() as signals, only_instance(live.config.ledger.path) as held:
        app = App(live.config)
        ending = Daemon(app, live.renew, signals, Supervisor.of(os.environ), held).run()
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
        screen.say(f"{name}: {reason.removeprefix(f'{name}: ')}", err=True)
    if as_json:
        screen.print_json(summary.as_dict() | {"troubles": troubles})
    return 0 if complete else EXIT_UNAVAILABLE
