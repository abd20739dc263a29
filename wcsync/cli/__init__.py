"""The commands: each reads its words, makes one call, and ends with an exit code."""

from wcsync.cli import (
    alerts,
    backfill,
    courses,
    endings,
    forget,
    holds,
    init,
    mapping,
    people,
    relink,
    reports,
    seats,
    services,
    tail,
    withdrawals,
)
from wcsync.cli.common import main

__all__ = [
    "alerts",
    "backfill",
    "courses",
    "endings",
    "forget",
    "holds",
    "init",
    "main",
    "mapping",
    "people",
    "relink",
    "reports",
    "seats",
    "services",
    "tail",
    "withdrawals",
]
