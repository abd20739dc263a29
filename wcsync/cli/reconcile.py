"""`wcsync reconcile`: the proof that no paid line is lost."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import click

from wcsync import screen
from wcsync.app import App, utc_now
from wcsync.cli.backfill import parse_since, term_as_interrupt
from wcsync.cli.common import (
    EXIT_UNEXPLAINED,
    main,
    opened_app,
    read_config,
    with_config,
    with_json,
)
from wcsync.cli.next_steps import who_does_it
from wcsync.cli.progress import configure_logs
from wcsync.config import Config
from wcsync.ledger.base import PageRecord
from wcsync.model import Page
from wcsync.pollers.reconcile import Depth, Reconciler
from wcsync.reckoning import LmsLook, Reckoning, Remark, describe, render_proof


@main.command()
@click.option(
    "--since", help="From when: a date, or an instant like 2026-01-01T00:00:00Z; else look_back_days."
)
@click.option(
    "--lms", type=click.Choice([depth.value for depth in Depth]), help="How many learners to look up."
)
@with_json
@with_config
def reconcile(*, config_path: Path | None, since: str | None, lms: str | None, as_json: bool) -> None:
    """Prove that no paid line is lost.

    Compares shop, ledger and LMS. Orders that were missed enter the ledger; the daemon works them off. Safe beside a
    running daemon, to stop and to repeat.
    """
    instant = None if since is None else parse_since(since)
    config = read_config(config_path)
    depth = Depth(lms or config.reconcile.lms)
    reckoning = _prove(config, instant, depth, as_json=as_json)
    if as_json:
        screen.print_json(describe(reckoning))
    else:
        _print(reckoning, who_does_it(config, config_path))
    sys.exit(EXIT_UNEXPLAINED if reckoning.unexplained else 0)


def _prove(config: Config, since: datetime | None, depth: Depth, *, as_json: bool) -> Reckoning:
    with _shown(config, quiet=as_json) as waiting, term_as_interrupt(), opened_app(config) as app:
        app.load()
        reconciler = app.reconciler()
        begin = since or reconciler.window(utc_now() - timedelta(days=config.reconcile.look_back_days))
        reckoning = _run(reconciler, begin, depth, config.reconcile.sample, waiting)
        if since is None:
            _keep(app, reckoning)
    return reckoning


def _run(
    reconciler: Reconciler, since: datetime, depth: Depth, sample: int, waiting: screen.Waiting
) -> Reckoning:
    read = 0

    def show(page: Page, _record: PageRecord) -> None:
        nonlocal read
        read = page.size if page.number == 1 else read + page.size
        of = f" of {page.total}" if page.total else ""
        waiting.tell(f"{read}{of} orders read")

    waiting.tell("asking the shop")
    return reconciler.run(since, depth, sample, show)


def _keep(app: App, reckoning: Reckoning) -> None:
    app.ledger.proof.record_worked(
        reckoning.counts(), reckoning.suspects(), reckoning.began_at, reckoning.ended_at, nightly=False
    )


@contextmanager
def _shown(config: Config, *, quiet: bool) -> Iterator[screen.Waiting]:
    """What is being waited for, on a terminal; log lines below a warning would tear it."""
    waiting = screen.Waiting()
    if not quiet:
        configure_logs(config, "warning")
    try:
        yield waiting
    finally:
        waiting.done()


def _print(reckoning: Reckoning, who: str) -> None:
    since = f"{reckoning.since:%Y-%m-%d %H:%M} UTC"
    screen.say(f"{screen.count(reckoning.orders, 'order')} changed since {since} compared with the ledger")
    if reckoning.fresh:
        news = screen.count(reckoning.fresh, "order was", "orders were")
        screen.say(f"{news} missing in the ledger, or changed since it was read, and entered it now. {who}")
    for look in reckoning.looks:
        screen.say(_in_words(look))
    for remark in reckoning.remarks:
        _print_remark(remark)
    for line in render_proof(reckoning.counts()):
        click.echo(line)


def _in_words(look: LmsLook) -> str:
    looked = f"{look.lms}: {look.looked} of {screen.count(look.inside, 'learner')} looked up"
    missing = f", {look.missing} not in the course any more" if look.missing else ", all in their course"
    unsure = f", {look.unsure} of whom the LMS cannot say" if look.unsure else ""
    return looked + (missing if look.looked else "") + unsure


def _print_remark(remark: Remark) -> None:
    about = f"Order {remark.order_id}" if remark.order_id else ""
    about += f", line {remark.line_id}" if remark.line_id else ""
    screen.say(f"{about}: {remark.message}" if about else remark.message)
    if remark.do:
        screen.say(f"  -> {remark.do}")
