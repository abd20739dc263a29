"""`wcsync courses import`: draft products for courses that none sells yet."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wcsync import screen
from wcsync.app import App, target_keys
from wcsync.app.mirror import QUARANTINE_TURNS
from wcsync.cli.common import (
    EXIT_INTERRUPTED,
    EXIT_UNAVAILABLE,
    EXIT_UNEXPLAINED,
    read_config,
    with_config,
    with_json,
)
from wcsync.config import Config
from wcsync.daemon import stopping_on_signals
from wcsync.errors import REMOTE_ERRORS, ConfigError
from wcsync.gate import SHOP
from wcsync.ledger.lock import only_mirror
from wcsync.ledger.rehearsal import Rehearsal
from wcsync.mappers.added_rows import NewRow, render_rows
from wcsync.mappers.courses.drafting import Action, Step
from wcsync.mappers.mapping import Mapping, read_mapping
from wcsync.mapping_file import append_rows
from wcsync.model import LmsName
from wcsync.pollers.course_push import Interrupted
from wcsync.pollers.mapping import read_bytes
from wcsync.pulse import asking

if TYPE_CHECKING:
    from wcsync.drafts import DraftMaker, Made, Plan


@click.command("import")
@click.option(
    "--lms",
    "lms_name",
    metavar="NAME",
    help="The LMS whose courses are meant; needless if it is the only one.",
)
@click.option(
    "--only", multiple=True, metavar="COURSE", help="Only this course, by its id or code. May be repeated."
)
@click.option("--dry-run", is_flag=True, help="Change nothing, and show what would be made.")
@with_json
@with_config
def import_command(
    *, config_path: Path | None, lms_name: str | None, only: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Make draft products for courses that none sells yet.

    Drafts are virtual, hidden and without a price: people finish and publish them. Each gets a row in the mapping file.
    Safe to stop and to repeat.
    """
    config = read_config(config_path)
    lms = _chosen(config, lms_name)
    sys.exit(
        _rehearse(config, lms, only, as_json=as_json)
        if dry_run
        else _import(config, lms, only, as_json=as_json)
    )


def _chosen(config: Config, name: str | None) -> LmsName:
    known = [lms.name for lms in config.lms]
    if name is None and len(known) == 1:
        return LmsName(known[0])
    if name not in known:
        said = "say which LMS" if name is None else f"no LMS is called {screen.plain(name)}"
        raise click.BadParameter(f"{said}; there are: {', '.join(known)}", param_hint="--lms")
    return LmsName(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The mapping file as it was when this began; a missing one is an empty one."""

    path: Path
    content: bytes
    table: Mapping

    @classmethod
    def read(cls, config: Config) -> "_File":
        path = config.mapping.path
        content = read_bytes(path) if path.exists() else b""
        return cls(
            path=path,
            content=content,
            table=read_mapping(path.name, content, target_keys(config), draft=True),
        )


@dataclass(slots=True, kw_only=True)
class _Ending:
    """What came of it. `rows` are to be pasted if they could not be written, `problem` says why not."""

    plan: "Plan"
    results: "list[Made]" = field(default_factory=list)
    problem: str = ""
    rows: str = ""
    trouble: str = ""
    interrupted: bool = False

    @property
    def code(self) -> int:
        if self.interrupted:
            return EXIT_INTERRUPTED
        if self.trouble:
            return EXIT_UNAVAILABLE
        begun = {id(step.sellable) for step in self.plan.steps if step.action is not Action.SKIP}
        failed = any(one.product_id is None for one in self.results if id(one.sellable) in begun)
        return EXIT_UNEXPLAINED if failed or self.problem or self.plan.unknown else 0


def _rehearse(config: Config, lms: LmsName, only: Sequence[str], *, as_json: bool) -> int:
    """A look by a copy of the ledger."""
    file = _File.read(config)
    app = App(config, ledger=Rehearsal(config.ledger.path))
    try:
        plan = _maker(app, lms, file).plan(only)
    finally:
        app.close()
    if as_json:
        screen.print_json(_document(_Ending(plan=plan), file) | {"dry_run": True})
    else:
        _print_plan(plan)
    return EXIT_UNEXPLAINED if plan.unknown else 0


def _import(config: Config, lms: LmsName, only: Sequence[str], *, as_json: bool) -> int:
    waiting = screen.Waiting()
    with ExitStack() as stack:
        stack.enter_context(only_mirror(config.ledger.path))
        file = _File.read(config)
        app = App(config)
        stack.callback(app.close)
        stack.callback(waiting.done)
        stack.enter_context(stopping_on_signals(app.stop))
        stack.enter_context(asking(lambda: _require_going_on(app)))
        waiting.tell("reading courses and products")
        with _unless_stopped(app):
            maker = _maker(app, lms, file)
            ending = _planned(maker, only)
        _make(maker, ending, waiting)
        ending.interrupted |= bool(ending.trouble) and app.stop.is_set()
        _write_rows(config, file, ending)
    if as_json:
        screen.print_json(_document(ending, file) | {"dry_run": False})
    else:
        _print_ending(ending, file)
    if ending.trouble:
        screen.say(ending.trouble, err=True)
    return ending.code


def _maker(app: App, lms: LmsName, file: _File) -> "DraftMaker":
    """Once shop and LMS are known to be the right ones."""
    from wcsync.drafts import DraftMaker
    from wcsync.mappers.courses.rendering import render

    app.gates[SHOP].check()
    app.gates[lms].check()
    return DraftMaker(
        lms=app.lmss[lms],
        showcase=app.store.showcase,
        mirror=app.ledger.mirror,
        table=file.table,
        rules=app.config.course_sync.rules(),
        render=render,
        clock=app.clock,
        quarantine_s=QUARANTINE_TURNS * app.config.store.timeout_s,
    )


def _planned(maker: "DraftMaker", only: Sequence[str]) -> _Ending:
    from wcsync.drafts import Plan

    try:
        return _Ending(plan=maker.plan(only))
    except Interrupted:
        return _Ending(plan=Plan(lms=maker.lms.name, steps=()), interrupted=True)


@contextmanager
def _unless_stopped(app: App) -> Iterator[None]:
    """A call that failed once a person had asked to stop is no trouble of its service. Raises KeyboardInterrupt."""
    try:
        yield
    except (Interrupted, *REMOTE_ERRORS) as exc:
        if not app.stop.is_set():
            raise
        raise KeyboardInterrupt from exc


def _require_going_on(app: App) -> None:
    """Asked between two calls. Raises Interrupted."""
    if app.stop.is_set():
        raise Interrupted


def _make(maker: "DraftMaker", ending: _Ending, waiting: screen.Waiting) -> None:
    """What was made before a service went down, or somebody stopped it, still gets its rows."""
    total = len(ending.plan.steps)
    try:
        for made in maker.make(ending.plan):
            ending.results.append(made)
            waiting.tell(f"{len(ending.results)} of {total}")
    except Interrupted:
        ending.interrupted = True
    except REMOTE_ERRORS as exc:
        ending.trouble = str(exc)


def _write_rows(config: Config, file: _File, ending: _Ending) -> None:
    rows = [one.row for one in ending.results if one.row is not None]
    if not rows:
        return
    keys = target_keys(config)
    try:
        append_rows(file.path, file.content, rows, keys)
    except ConfigError as exc:
        ending.problem = str(exc)
        ending.rows = _to_paste(file, rows, config)
    else:
        ending.rows = render_rows(file.path.name, rows, keys, file.content).decode()


def _to_paste(file: _File, rows: Sequence[NewRow], config: Config) -> str:
    try:
        return render_rows(file.path.name, rows, target_keys(config), file.content).decode()
    except ConfigError:  # a column that its file lacks
        return render_rows(file.path.name, rows, target_keys(config)).decode()


def _document(ending: _Ending, file: _File) -> dict[str, Any]:
    plan = ending.plan
    return {
        "lms": plan.lms,
        "plan": [
            _course(step) | {"action": step.action.value, "sku": step.sku, "reason": step.reason}
            for step in plan.steps
        ],
        "results": [
            {
                "course": str(one.sellable.target.course_id),
                "product_id": one.product_id,
                "sku": one.sku,
                "made": one.fresh,
                "reason": one.reason,
            }
            for one in ending.results
        ],
        "sold": plan.sold,
        "unknown": list(plan.unknown),
        "mapping": {"file": str(file.path), "rows": ending.rows, "problem": ending.problem},
        "trouble": ending.trouble,
        "interrupted": ending.interrupted,
    }


def _course(step: Step) -> dict[str, Any]:
    target = step.sellable.target
    options: dict[str, list[str]] = {}
    for key, value in target.options:
        options.setdefault(key, []).append(value)
    return {"course": str(target.course_id), "title": step.sellable.title, "options": options}


def _print_plan(plan: "Plan") -> None:
    rows = [[*_named(step.sellable), step.sku] for step in plan.of(Action.MAKE)]
    screen.print_table("Draft products that would be made", ["course", "name", "SKU"], rows)
    rows = [
        [*_named(step.sellable), str(step.product.product_id)]
        for step in plan.of(Action.ADOPT)
        if step.product is not None
    ]
    screen.print_table("Made before, and would get their rows", ["course", "name", "product"], rows)
    rows = [[*_named(step.sellable), step.reason] for step in plan.of(Action.SKIP)]
    _print_rest(plan, rows)
    would = screen.count(len(plan.of(Action.MAKE)), "draft product")
    click.echo(f"{would} would be made in the shop; nothing was changed")


def _print_ending(ending: _Ending, file: _File) -> None:
    rows = [
        [*_named(one.sellable), one.product_id, one.sku, "" if one.fresh else "made before"]
        for one in ending.results
        if one.product_id is not None
    ]
    screen.print_table("Draft products", ["course", "name", "product", "SKU", ""], rows)
    _print_rest(
        ending.plan, [[*_named(one.sellable), one.reason] for one in ending.results if one.product_id is None]
    )
    if ending.problem:
        screen.say(f"The rows are not in the mapping file: {ending.problem}", err=True)
        click.echo("Paste these rows into it:\n")
        screen.say(ending.rows)
    elif rows:
        click.echo(f"{file.path}: {screen.count(len(rows), 'row')} added")
    made = sum(one.fresh for one in ending.results)
    click.echo(f"{screen.count(made, 'draft product')} made")
    if made:
        click.echo(
            "In the shop, under Products → Drafts: set price and visibility, then publish what is to be sold."
        )
    if ending.interrupted:
        click.echo("Stopped before the end; the same command goes on from here.", err=True)


def _print_rest(plan: "Plan", skipped: Sequence[Sequence[Any]]) -> None:
    screen.print_table("Without a product", ["course", "name", "why"], skipped)
    for name in plan.unknown:
        screen.say(f"{plan.lms} shows no course {name}", err=True)
    if plan.sold:
        click.echo(f"{screen.count(plan.sold, 'course')} sold already")


def _named(sellable: Any) -> list[str]:
    return [str(sellable.target.course_id), sellable.title]
