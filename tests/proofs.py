"""What the proofs found, told as tables and one line at the end of `make prove`.

A proof tells what it counted before it asserts, so that a table shows what went wrong as well. pytest carries the rows
from its workers; `python -m tests.proofs` prints those of the last run.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

Table = Literal["crash points", "faults × calls", "state machine", "kills", "machine", "soak", "closed door"]
TABLES: tuple[Table, ...] = (
    "crash points",
    "faults × calls",
    "state machine",
    "kills",
    "machine",
    "soak",
    "closed door",
)
KEY = "proof"
FILE = Path(os.environ.get("WCSYNC_PROOFS", ".proofs.jsonl"))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row. `trials`: how often it was tried. `lost`, `doubled`: seats, accounts, notes and mails, by the far
    side's own count; `leaked`: secrets and personal data found where they must not be. `figures`: whatever else."""

    table: Table
    what: str
    trials: int
    lost: int = 0
    doubled: int = 0
    leaked: int = 0
    figures: Mapping[str, float | str] = field(default_factory=dict)


class Proof:
    """What one test tells. `tell` before the test asserts."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def tell(
        self,
        table: Table,
        what: str,
        *,
        trials: int,
        lost: int = 0,
        doubled: int = 0,
        leaked: int = 0,
        **figures: float | str,
    ) -> Finding:
        finding = Finding(
            table=table, what=what, trials=trials, lost=lost, doubled=doubled, leaked=leaked, figures=figures
        )
        self._properties.append((KEY, json.dumps(asdict(finding))))
        return finding


def findings_of(reports: list[Any]) -> Iterator[Finding]:
    for report in reports:
        for key, value in getattr(report, "user_properties", ()):
            if key == KEY and getattr(report, "when", "") == "call":
                yield Finding(**json.loads(value))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Keeps what was told, for whoever prints it; only where pytest ran proofs."""
    stats = terminalreporter.stats
    found = list(findings_of([*stats.get("passed", []), *stats.get("failed", [])]))
    if not found:
        return
    broken = len(stats.get("failed", [])) + len(stats.get("error", []))
    lines = [json.dumps(asdict(one)) for one in found]
    FILE.write_text("\n".join([*lines, json.dumps({"broken": broken})]) + "\n")


def render(found: list[Finding], broken: int) -> str:
    """The tables, each row's figures behind it, and the line that sums up."""
    blocks = [_table(name, [one for one in found if one.table == name]) for name in TABLES]
    sums = " ".join(f"{key}={sum(getattr(one, key) for one in found)}" for key in SUMS)
    failed = f" failed={broken}" if broken else ""
    return "\n".join([*filter(None, blocks), sums + failed])


SUMS = ("lost", "doubled", "leaked", "trials")


def _table(name: Table, rows: list[Finding]) -> str:
    if not rows:
        return ""
    wide = max(len(one.what) for one in rows)
    head = f"{name:{wide}}  {'trials':>7} {'lost':>5} {'doubled':>8} {'leaked':>7}"
    lines = [
        f"{one.what:{wide}}  {one.trials:>7} {one.lost:>5} {one.doubled:>8} {one.leaked:>7}  {_figures(one)}".rstrip()
        for one in sorted(rows, key=lambda row: row.what)
    ]
    return "\n".join([head, *lines, ""])


def _figures(one: Finding) -> str:
    return "  ".join(f"{key}={value}" for key, value in one.figures.items())


def main() -> None:
    if not FILE.exists():
        sys.exit("no proofs were run: make prove")
    rows = [json.loads(line) for line in FILE.read_text().splitlines()]
    broken = rows.pop()["broken"]
    sys.stdout.write(render([Finding(**row) for row in rows], broken) + "\n")


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proof:
    """Tells what a proof counted."""
    return Proof(request.node.user_properties)


if __name__ == "__main__":
    main()
