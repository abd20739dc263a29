"""A row: one figure of wcsync against the floor or rival it was measured with. Nothing in it is written by hand."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Literal

from rich.box import SIMPLE
from rich.table import Table

from benchmarks.harness import middle

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a row is to reach: `at` most, or at least where higher is better. Held by its value, else by its ratio."""

    at: float
    by_value: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`samples` of what is `measured`, `floor_samples` of what it is held `against`, both in `unit`.

    `calculated`: the floor follows from the run's settings (a latency that nobody can beat) instead of a clock.
    """

    name: str
    measured: str
    against: str
    unit: str
    samples: tuple[float, ...]
    floor_samples: tuple[float, ...]
    better: Better = "lower"
    calculated: bool = False
    target: Target | None = None

    @property
    def met(self) -> bool | None:
        """None where there is no target."""
        if self.target is None:
            return None
        reached = self.value if self.target.by_value else self.ratio
        return reached >= self.target.at if self.better == "higher" else reached <= self.target.at

    @property
    def value(self) -> float:
        return middle(self.samples)

    @property
    def floor(self) -> float:
        return middle(self.floor_samples)

    @property
    def ratio(self) -> float:
        return self.value / self.floor

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "measured": self.measured,
            "against": self.against,
            "unit": self.unit,
            "better": self.better,
            "ratio": self.ratio,
            "value": self.value,
            "floor": self.floor,
            "floor_calculated": self.calculated,
            "target": asdict(self.target) if self.target else None,
            "met": self.met,
            "samples": list(self.samples),
            "floor_samples": list(self.floor_samples),
        }


def against_settings(floor: float) -> tuple[float, ...]:
    """A floor that follows from the run's settings."""
    return (floor,)


def render_table(rows: Sequence[Row]) -> Table:
    """One line a row, benchmarks apart."""
    table = Table(
        title="ratio = value / floor: medians of samples taken in turn", box=SIMPLE, title_justify="left"
    )
    table.add_column("what", no_wrap=True)
    for column in ("value", "floor"):
        table.add_column(column, justify="right")
    table.add_column("unit", no_wrap=True)
    table.add_column("ratio", justify="right", style="bold")
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("measured, and against what", overflow="fold")
    for row, following in zip_longest(rows, rows[1:]):
        table.add_row(
            row.name,
            _figure(row.value),
            _figure(row.floor),
            row.unit,
            _figure(row.ratio),
            _target(row),
            {None: "", True: "met", False: "MISSED"}[row.met],
            f"{row.measured}; against {row.against}",
            end_section=following is not None and _benchmark(row) != _benchmark(following),
        )
    return table


def _benchmark(row: Row) -> str:
    return row.name.partition(".")[0]


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    sign = ">=" if row.better == "higher" else "<="
    return f"{sign} {_figure(row.target.at)} {row.unit if row.target.by_value else 'x'}"


def _figure(number: float) -> str:
    return f"{number:.0f}" if number >= 1000 else f"{number:.3g}"
