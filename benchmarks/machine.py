"""What the figures were measured on. They are only worth comparing with others of the same run."""

import os
import platform
import sqlite3
import tempfile
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "httpx",
    "httpcore",
    "msgspec",
    "woocommerce",
    "requests",
    "sqlite-utils",
    "pydantic",
    "structlog",
)


def describe() -> dict[str, object]:
    """The machine and the software. `load`: running processes on average over the last minute, at this moment."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "filesystem": _filesystem(Path(tempfile.gettempdir()).resolve()),
        "load": os.getloadavg()[0],
        "packages": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _filesystem(folder: Path) -> str:
    """The kind of disk the ledgers lie on: on a tmpfs a commit costs nothing and the figures mean little."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    kinds = {Path(place): kind for place, kind in mounts}
    return next(kinds[place] for place in (folder, *folder.parents) if place in kinds)
