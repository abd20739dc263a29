"""What people see in a terminal. Nothing that came from outside reaches it with control characters in it."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from wcsync.errors import Problem

if TYPE_CHECKING:  # a daemon examines nothing
    from wcsync.doctor import Diagnosis
    from wcsync.ledger.report import Summary

_MARK = "  -> "
_LINES_SHOWN = 3


def say(*lines: str, err: bool = False) -> None:
    """Lines in which something from outside may stand: whatever that is, none becomes two, or it could put words and
    commands of its own among ours."""
    for text in lines:
        click.echo(line(text), err=err)


def count(number: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`; `many` where an s at the end is not enough."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=True, indent=2, default=str))


def print_problems(problems: Sequence[Problem], mark: str = "") -> None:
    """Every problem on stderr: where, what, what to do."""
    for problem in problems:
        say(f"{mark}{problem.where}: {problem.message}", f"{_MARK}{problem.remedy}", err=True)


def places(where: Sequence[str]) -> str:
    """`mapping.toml:1, mapping.toml:6 and 4 more`."""
    more = f" and {len(where) - _LINES_SHOWN} more" if len(where) > _LINES_SHOWN else ""
    return f"{', '.join(where[:_LINES_SHOWN])}{more}"


def print_diagnosis(diagnosis: "Diagnosis", after: "Diagnosis | None" = None) -> None:
    """One look's outcome, under its service's name unless `after` was about the same."""
    if after is None or after.service != diagnosis.service:
        say(*([] if after is None else [""]), diagnosis.service)
    mark = "ok  " if diagnosis.ok else ("FAIL" if diagnosis.fatal else "warn")
    say(f"  {mark}  {_before(diagnosis.where)}{diagnosis.message}")
    if diagnosis.remedy:
        say(f"      {_MARK}{diagnosis.remedy}")
    if not diagnosis.ok:
        click.echo(f"        {_consequence(diagnosis)}")


def _before(where: Sequence[str]) -> str:
    return f"{places(where)}: " if where else ""


def _consequence(diagnosis: "Diagnosis") -> str:
    """Whether the daemon can go on."""
    if not diagnosis.fatal:
        return "(the daemon goes on)"
    match diagnosis.service:
        case _ if diagnosis.code == "mapping_mistake":
            return "(a daemon that runs goes on with the last good mapping; a first start needs a good one)"
        case "files" | "machine":
            return "(the daemon does not start until this is mended)"
        case _ if diagnosis.where:
            return (
                "(nothing is enrolled by these rows until this is mended; the daemon goes on with the others)"
            )
        case "shop":
            return "(no order is read until this is over; nothing is lost)"
    return "(nothing is enrolled there until this is over; nothing is lost)"


class Waiting:
    """Says on a terminal what is being waited for, and takes that away again."""

    def __init__(self) -> None:
        self._shown = False

    def tell(self, what: str) -> None:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self.done()
            click.echo(line(f"… {what}"), nl=False, err=True)
            self._shown = True

    def done(self) -> None:
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._shown = False


def print_summary(summary: "Summary") -> None:
    """One line that scripts and people can read: `orders=… … unexplained=0`."""
    click.echo(" ".join(f"{name}={value}" for name, value in summary.as_dict().items()))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table, or nothing at all where there is nothing to show."""
    rows = list(rows)
    if not rows:
        return
    from rich import box  # noqa: PLC0415 - loaded only by commands that print tables
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(line("" if cell is None else str(cell))) for cell in row))
    Console().print(table)


def line(text: str) -> str:
    """`plain`, on one line."""
    return plain(" ".join(text.split("\n")) if "\n" in text else text)


def plain(text: str) -> str:
    """The text with every control and invisible character made visible as a blot."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
