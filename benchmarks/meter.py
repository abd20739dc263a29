"""What a process uses: time on the clock, time on a CPU, memory."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Sample = dict[str, float]
"""What one run of a subject measured; each key ends in its unit."""


@dataclass(slots=True)
class Span:
    """How long a block took: `wall_s` on the clock, `cpu_s` on all CPUs of this process, kernel included."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def timed() -> Iterator[Span]:
    """Fills the span at the block's end."""
    span = Span()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    yield span
    span.cpu_s = time.process_time() - cpu_s
    span.wall_s = time.perf_counter() - wall_s


def peak_memory_mb(pid: int | None = None) -> float:
    """The most memory a process ever held at once."""
    return _status_mb("VmHWM", pid)


def memory_mb(pid: int) -> float:
    """The memory a process holds now."""
    return _status_mb("VmRSS", pid)


def cpu_s(pid: int) -> float:
    """The CPU time of a process's living threads so far, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _status_mb(name: str, pid: int | None) -> float:
    """https://man7.org/linux/man-pages/man5/proc_pid_status.5.html"""
    lines = Path(f"/proc/{pid or os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
