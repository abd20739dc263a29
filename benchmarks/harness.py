"""Fair comparison: every sample from a fresh process, contenders in turn, so that a busy minute hits them all."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.meter import Sample
from benchmarks.sites import ROOT, environment

TIMEOUT_S = 1_800
"""Of the longest by far, the ledger of ten million orders, on a machine with other work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What one contender measured, repetition by repetition."""

    runs: tuple[Sample, ...]

    def of(self, key: str, *, scale: float = 1.0, more: float = 0.0) -> tuple[float, ...]:
        """One figure of every run, times `scale`, and `more`."""
        return tuple(run[key] * scale + more for run in self.runs)


def measure(subject: str, **arguments: object) -> Sample:
    """One run of `MODULE:FUNCTION` in a fresh process. Raises CalledProcessError if it fails; it says why on stderr."""
    return run_child(subject, arguments)


def run_child(subject: str, arguments: Mapping[str, object]) -> Sample:
    command = [sys.executable, "-m", "benchmarks.child", subject, json.dumps(arguments)]
    finished = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
        check=True,
        timeout=TIMEOUT_S,
    )
    sample: Sample = json.loads(finished.stdout)
    return sample


def interleave(contenders: Mapping[str, Callable[[], Sample]], repetitions: int) -> dict[str, Samples]:
    """Runs each contender `repetitions` times, all of them once before any of them twice, each round in another
    order."""
    runs: dict[str, list[Sample]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(repetitions):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            runs[name].append(contenders[name]())
    return {name: Samples(runs=tuple(found)) for name, found in runs.items()}


def middle(figures: tuple[float, ...]) -> float:
    return float(median(figures))
