"""Commands about the mapping: check, suggest, export."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wcsync import screen
from wcsync.app import build_lmss, build_store, target_keys, utc_now
from wcsync.cli.common import (
    EXIT_CONFIG,
    EXIT_UNAVAILABLE,
    NamedPath,
    main,
    read_config,
    sealed_config,
    with_config,
    with_json,
)
from wcsync.config import Config, find_config
from wcsync.doctor import Diagnosis, examine_mapping
from wcsync.errors import Problem
from wcsync.ledger.report import Report
from wcsync.lms.base import Lms
from wcsync.mappers.mapping import Mapping
from wcsync.mappers.mapping_table import course_key
from wcsync.mappers.mapping_terms import describe_access, render_sale
from wcsync.model import LmsName, ProductId
from wcsync.pollers.mapping import read_file
from wcsync.store.base import Store

if TYPE_CHECKING:
    from wcsync.catalogue import Goods
    from wcsync.mappers.suggestions import Suggestion, Suggestions

MOST_ENDS = 8
"""So many kinds of access `mapping check` counts one by one."""
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}


@main.group()
def mapping() -> None:
    """Check the mapping file, find what it lacks."""


@mapping.command("check")
@click.option("--remote", is_flag=True, help="Look up every product and course it names, too.")
@with_json
@with_config
def mapping_check(*, config_path: Path | None, remote: bool, as_json: bool) -> None:
    """List every problem, with its line and remedy.

    Reads the file alone; with --remote also the shop and the LMSs.
    """
    config = read_config(config_path) if remote else sealed_config(config_path)
    table = read_file(config.mapping.path, target_keys(config))
    if remote:
        sys.exit(_check_remote(config, table, as_json=as_json))
    if as_json:
        screen.print_json(_about_file(config, table) | {"problems": []})
    else:
        _print_access(table)
        click.echo(f"{config.mapping.path}: {screen.count(len(table.rows), 'row')}, no problem found")


def _about_file(config: Config, table: Mapping) -> dict[str, Any]:
    terms = [
        {"where": row.source, **said} for row in table.rows if (said := render_sale(row.terms, row.seats))
    ]
    return {"file": str(config.mapping.path), "rows": len(table.rows), "terms": terms}


def _print_access(table: Mapping) -> None:
    """How long is sold, where not all of it is without end."""
    accesses = [row.terms.access for row in table.rows if not row.ignore]
    if any(not access.unlimited for access in accesses):
        told = [
            f"{words}: {number}" for words, number in Counter(map(describe_access, accesses)).most_common()
        ]
        more = f"; {len(told) - MOST_ENDS} others" if len(told) > MOST_ENDS else ""
        click.echo(f"rows by access: {'; '.join(told[:MOST_ENDS])}{more}")


def _check_remote(config: Config, table: Mapping, *, as_json: bool) -> int:
    waiting = screen.Waiting()
    with _services(config) as (store, lmss):
        looked = examine_mapping(store, lmss, table, utc_now(), waiting.tell)
    waiting.done()
    problems = [one for one in looked.diagnoses if one.fatal]
    notes = [one for one in looked.diagnoses if not one.fatal and not one.ok]
    if as_json:
        screen.print_json(
            _about_file(config, table)
            | {"problems": [asdict(one) for one in problems], "notes": [asdict(one) for one in notes]}
            | {"unchecked": dict(looked.unchecked)}
        )
    else:
        _print_check(config, table, problems, notes, looked.unchecked)
    if any(one.file for one in problems):
        return EXIT_CONFIG
    return EXIT_UNAVAILABLE if problems or looked.unchecked else 0


def _print_check(
    config: Config,
    table: Mapping,
    problems: Sequence[Diagnosis],
    notes: Sequence[Diagnosis],
    unchecked: Dictionary[str, str],
) -> None:
    screen.print_problems([_as_problem(one) for one in problems])
    screen.print_problems([_as_problem(one) for one in notes], mark="note: ")
    _print_troubles(unchecked, "its part of the mapping was not checked")
    _print_access(table)
    figures = (len(table.rows), "row"), (len(problems), "problem"), (len(notes), "note")
    counts = ", ".join(screen.count(*figure) for figure in figures)
    open_parts = f"; not checked: {', '.join(unchecked)}" if unchecked else ""
    click.echo(f"{config.mapping.path}: {counts}{open_parts}")


def _as_problem(diagnosis: Diagnosis) -> Problem:
    where = ": ".join(filter(None, (screen.places(diagnosis.where), diagnosis.service)))
    return Problem(where=where, message=diagnosis.message, remedy=diagnosis.remedy)


@mapping.command("suggest")
@click.option("--toml", "as_toml", is_flag=True, help="Only rows for mapping.toml, on stdout.")
@with_json
@with_config
def mapping_suggest(*, config_path: Path | None, as_json: bool, as_toml: bool) -> None:
    """Show products without a row, and courses like them.

    Changes no file. What is certain comes as a row to paste, the rest as comments to look at.
    """
    from wcsync.catalogue import fetch_courses, fetch_goods
    from wcsync.mappers.suggested_rows import render_rows
    from wcsync.mappers.suggestions import suggest

    config = read_config(config_path)
    table = _table_so_far(config)
    with _services(config) as (store, lmss):
        goods = fetch_goods(store)
        courses = fetch_courses(lmss, _course_keys(config))
    sold = _sold_unmapped(config)
    found = suggest(goods.products, courses.all(), table, _course_keys(config), sold)
    _print_unreadable(goods)
    _print_troubles(courses.troubles, "its courses are missing here")
    if as_json:
        screen.print_json(_document(found, courses.troubles))
    elif as_toml:
        click.echo(render_rows(found.rows).encode(), nl=False)  # TOML is UTF-8, whatever the terminal is
    else:
        _print_suggestions(found)
    gone = sum(product_id not in {one.product_id for one in goods.products} for product_id in sold)
    if gone:
        what = screen.count(gone, "product")
        click.echo(f"{what} sold without a row no longer in the shop; see `wcsync status`", err=True)
    sys.exit(EXIT_UNAVAILABLE if courses.troubles else 0)


def _print_suggestions(found: "Suggestions") -> None:
    from wcsync.mappers.suggested_rows import about, render_rows

    columns = ["product", "name", "SKU", "sold", "how sure", "looks like"]
    rows = [cells for row in found.rows for cells in _table_rows(row, about)]
    screen.print_table("Products without a row", columns, rows)
    if found.others:
        click.echo(
            f"{screen.count(found.others, 'other product')} without a row: no course by its look, never sold\n"
        )
    if not found.rows:
        click.echo("every product that looks like a course has a row")
        return
    click.echo("Rows for mapping.toml; what is commented out needs your eye:\n")
    click.echo(render_rows(found.rows), nl=False)


def _table_rows(row: "Suggestion", about: Any) -> Iterator[list[Any]]:
    first = [row.product.product_id, row.product.name[:60], row.product.sku[:30], row.sold or ""]
    if not row.candidates:
        yield [*first, "", "nothing on offer"]
    for candidate in row.candidates:
        yield [*first, candidate.likeness.word, about(candidate)]
        first = ["", "", "", ""]


def _document(found: "Suggestions", troubles: Dictionary[str, str]) -> dict[str, Any]:
    return {
        "suggestions": [
            {
                "product": asdict(row.product),
                "selector": dict([row.selector]),
                "sold": row.sold,
                "candidates": [
                    asdict(one.offer)
                    | {"likeness": one.likeness.word, "score": one.judgement.score, "why": one.judgement.why}
                    | {"beside": {offer.key: offer.value for offer in one.beside}}
                    | {"mapped_by": one.mapped_by, "missing": one.missing}
                    for one in row.candidates
                ],
            }
            for row in found.rows
        ],
        "others": found.others,
        "unchecked": dict(troubles),
    }


@mapping.command("export")
@click.argument("file", required=False, type=NamedPath(dir_okay=False))
@click.option(
    "--delimiter",
    type=click.Choice(list(DELIMITERS)),
    default="comma",
    show_default=True,
    help="Spreadsheets in Spanish and French expect a semicolon.",
)
@click.option("--bom", is_flag=True, help="Begin with a byte order mark, which Excel needs to see UTF-8.")
@with_config
def mapping_export(*, config_path: Path | None, file: Path | None, delimiter: str, bom: bool) -> None:
    """Write all products as CSV, with what each maps to.

    To FILE, or to stdout. Read as mapping.csv it means the same; products without a row say `later`.
    """
    from wcsync.catalogue import fetch_goods
    from wcsync.mappers.mapping_export import render_csv

    config = read_config(config_path)
    table = _table_so_far(config)
    if file is not None:
        _refuse_files_in_use(file, config, find_config(config_path))
    with closing(build_store(config)) as store:
        goods = fetch_goods(store)
    _print_unreadable(goods)
    content = render_csv(goods.products, table, target_keys(config), delimiter=DELIMITERS[delimiter], bom=bom)
    if file is None:
        click.echo(content, nl=False)
    else:
        _write_whole(file, content)
        click.echo(f"{file}: {screen.count(len(goods.products), 'product')}", err=True)


def _refuse_files_in_use(file: Path, config: Config, config_path: Path) -> None:
    for used, what in (
        (config.mapping.path, "the mapping in force"),
        (config.ledger.path, "the ledger"),
        (config_path, "the config"),
    ):
        same = file.resolve() == used.resolve()
        with suppress(OSError):
            same = same or file.samefile(used)
        if same:
            raise click.BadParameter(f"{file} is {what}; choose another name", param_hint="FILE")


def _write_whole(file: Path, content: bytes) -> None:
    """The file is there whole or as it was before. A link stays one; what is no file, such as /dev/stdout, is written
    to and never replaced."""
    beside = None
    try:
        if file.exists() and not file.is_file():
            file.write_bytes(content)
            return
        file = file.resolve()
        beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        with beside.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as exc:
        with suppress(OSError):
            if beside is not None:
                beside.unlink()
        reason = exc.strerror or exc
        raise click.ClickException(
            screen.plain(f"{file} cannot be written ({reason}); it is as it was")
        ) from exc


@contextmanager
def _services(config: Config) -> Iterator[tuple[Store, dict[LmsName, Lms]]]:
    with closing(build_store(config)) as store, ExitStack() as stack:
        yield store, {name: stack.enter_context(closing(lms)) for name, lms in build_lmss(config).items()}


def _table_so_far(config: Config) -> Mapping:
    """The mapping, or an empty one where nobody has written any yet. Raises ConfigError for one with mistakes."""
    path = config.mapping.path
    return read_file(path, target_keys(config), draft=True) if path.exists() else Mapping()


def _course_keys(config: Config) -> dict[LmsName, str]:
    return {name: course_key(keys).name for name, keys in target_keys(config).items()}


def _sold_unmapped(config: Config) -> dict[ProductId, int]:
    """Paid lines without a row, by variation or product; none while there is no ledger."""
    if not config.ledger.path.exists():
        return {}
    sold = dict[ProductId, int]()
    with closing(Report(config.ledger.path)) as report:
        for row in report.unmapped():
            product_id = ProductId(row["variation_id"] or row["product_id"])
            if product_id:
                sold[product_id] = sold.get(product_id, 0) + row["lines"]
    return sold


def _print_unreadable(goods: "Goods") -> None:
    for one in goods.unreadable:
        name = f"product {one.product_id}" if one.product_id else "a product without an id"
        screen.say(f"shop: {name} cannot be read ({one.reason}) and is left out", err=True)


def _print_troubles(troubles: Dictionary[str, str], so: str) -> None:
    for name, reason in troubles.items():
        screen.say(f"{name}: {reason.removeprefix(f'{name}: ')} ({so})", err=True)
