"""`make bench`, or `python -m benchmarks [--quick] [--only NAME]… [--json FILE]`."""

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from benchmarks import machine
from benchmarks.bell import wake
from benchmarks.enrol import enrol_with_latency, enrol_without_latency
from benchmarks.idle import idle
from benchmarks.ledger import keep_a_huge_ledger, keep_a_ledger
from benchmarks.mirror import mirror
from benchmarks.pull import pull_many, pull_with_latency, pull_without_latency
from benchmarks.rows import Row, render_table
from benchmarks.sites import compile_modules
from benchmarks.sizes import FULL, QUICK, Sizes

PAPER_WIDTH = 150
"""Columns of a table that no terminal shows."""

BENCHMARKS: dict[str, Callable[[Sizes], Iterator[Row]]] = {
    "pull_10000": pull_without_latency,
    "pull_many": pull_many,
    "pull_latency": pull_with_latency,
    "enrol_latency": enrol_with_latency,
    "enrol_cpu": enrol_without_latency,
    "ledger": keep_a_ledger,
    "idle": idle,
    "bell": wake,
    "mirror": mirror,
    "ledger_huge": keep_a_huge_ledger,
}
AT_WISH = frozenset({"ledger_huge"})
"""Only where they are named: they take long, or much of a disk."""


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="Only this one; may be repeated."
)
@click.option(
    "--quick",
    is_flag=True,
    help="Smaller sizes, fewer repetitions: about a minute instead of six.",
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write the JSON document there, not to stdout."
)
def main(*, only: Sequence[str], quick: bool, file: Path | None) -> None:
    """Measures wcsync against floors and rivals taken in the same run: a table, then one JSON document."""
    rows, document = run(
        QUICK if quick else FULL, only or [name for name in BENCHMARKS if name not in AT_WISH]
    )
    Console(width=None if sys.stdout.isatty() else PAPER_WIDTH).print(render_table(rows))
    text = json.dumps(document, indent=2)
    if file is None:
        print(text)
    else:
        file.write_text(text + "\n")
    sys.exit(1 if document["failed"] else 0)


def run(sizes: Sizes, names: Sequence[str]) -> tuple[list[Row], dict[str, object]]:
    """Runs the named benchmarks one after the other. Returns their rows and the document that holds them.

    One that fails says why on stderr, is named under `failed` and harms no other.
    """
    compile_modules()
    before = machine.describe()
    started = time.monotonic()
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        print(f"{time.monotonic() - started:4.0f} s  {name}", file=sys.stderr, flush=True)
        try:
            rows += list(BENCHMARKS[name](sizes))
        except (AssertionError, subprocess.SubprocessError):
            traceback.print_exc()
            failed.append(name)
    document = {
        "machine": before,
        "load_after": machine.describe()["load"],
        "seconds": time.monotonic() - started,
        "sizes": asdict(sizes),
        "failed": failed,
        "missed": [row.name for row in rows if row.met is False],
        "rows": [row.as_dict() for row in rows],
    }
    return rows, document


if __name__ == "__main__":
    main()
