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
    reconcile,
    relink,
    seats,
    services,
    show,
    status,
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
    "reconcile",
    "relink",
    "seats",
    "services",
    "show",
    "status",
    "tail",
    "withdrawals",
]
