"""The demo from the first shopper to the count."""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from wcsync import log as logs
from wcsync.app import App
from wcsync.config import load_config
from wcsync.daemon import serve, stopping_on_signals
from wcsync.demo.course_changes import Mirroring
from wcsync.demo.proof import prove
from wcsync.demo.sales import COMPANY, assign_by_hand, give_back
from wcsync.demo.shop_window import Window
from wcsync.demo.shoppers import Say, go_shopping
from wcsync.demo.stage import UNMAPPED_SKU, Stage, opened
from wcsync.demo.verdict import Ending, conclude
from wcsync.ledger.lock import only_instance

PATIENCE_S = 90.0


def run(*, orders: int, keep: bool, as_json: bool) -> int:
    """Plays the demo and prints what came of it. 0 if the LMSs hold exactly what was paid for, the products show
    exactly what the LMSs say, and the proof holds; else 1."""
    folder = Path(tempfile.mkdtemp(prefix="wcsync-demo-"))
    try:
        with opened(folder) as stage:
            return _play(stage, orders=orders, keep=keep, as_json=as_json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _play(stage: Stage, *, orders: int, keep: bool, as_json: bool) -> int:
    say = _nothing if as_json else click.echo
    loaded = load_config(stage.config_path, os.environ)
    logs.configure(style="text", secrets=loaded.config.secrets())
    say(
        f"A shop at {stage.shop.url}, a Moodle at {stage.moodle.url} and a 360Learning at {stage.academy.url}: real "
        "HTTP between them and wcsync."
    )
    window = Window.of(stage)
    app = App(loaded.config)
    with only_instance(loaded.config.ledger.path), closing(app), stopping_on_signals(app.stop):
        app.prepare()
        with _daemon(app):
            ending = _play_on(stage, app, orders, say)
            if keep and ending.quiet:
                conclude(stage, window, app.summary(), ending, as_json=as_json)
                _invite(stage)
                app.stop.wait()
        return conclude(stage, window, app.summary(), ending, as_json=as_json)


def _play_on(stage: Stage, app: App, orders: int, say: Say) -> Ending:
    mirroring = Mirroring.of(stage, app, say)
    mirroring.wait_for_first()
    go_shopping(stage, orders, say=say, wait=app.stop.wait, between=mirroring.between)
    assigned = assign_by_hand(stage, app, say)
    quiet, before = _wait_until_quiet(stage, app), frozenset(stage.actual())
    give_back(stage, say)
    quiet = assigned and quiet and _wait_until_quiet(stage, app)
    mirrored = mirroring.finish()
    rewrites = mirroring.run_once_more()
    return Ending(quiet=quiet, mirrored=mirrored, rewrites=rewrites, before=before, proven=prove(app))


@contextmanager
def _daemon(app: App) -> Iterator[None]:
    """The daemon's own loop, in a thread beside the shoppers."""
    daemon = threading.Thread(target=serve, args=(app.jobs(), app.pool, app.stop), name="daemon")
    daemon.start()
    try:
        yield
    finally:
        app.stop.set()
        daemon.join()


def _wait_until_quiet(stage: Stage, app: App) -> bool:
    """Until the shop was read after its last change and nothing is due. False if patience ran out."""
    asked = len(stage.shop.requests)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not app.stop.is_set():
        summary = app.summary()
        polled = sum(
            request.path.endswith("/wc/v3/orders") and request.status == 200
            for request in stage.shop.requests[asked:]
        )
        if polled >= 2 and summary.due == 0 and not app.messages_waiting():
            return True
        app.stop.wait(0.2)
    return False


def _invite(stage: Stage) -> None:
    """On stderr: with --json, stdout holds the document alone."""
    unmapped = next(
        number
        for number, order in stage.shop.orders.items()
        if any(line["product_id"] == stage.products[UNMAPPED_SKU] for line in order["line_items"])
    )
    company = next(sale.order_id for sale in stage.sales_to(COMPANY))
    click.echo("\nStill running; look around in another terminal:", err=True)
    for command in (
        "status",
        f"show {unmapped}",
        f"show {company}",
        "parked list",
        "dead list",
        "reconcile --lms all",
        "mapping check",
        "courses diff",
        "check",
    ):
        click.echo(f"  {Path(sys.argv[0])} {command} --config {stage.config_path}", err=True)
    click.echo(
        f"Order {unmapped} holds a line that no mapping row names: give {UNMAPPED_SKU} one in "
        f"{stage.folder}/mapping.toml and look again.\nCtrl-C ends it and removes everything.",
        err=True,
    )


def _nothing(_text: str) -> None:
    """With --json nothing but the document goes to stdout."""
