"""The commands: each reads its words, makes one call, and ends with an exit code."""

from wcsync.cli import alerts, backfill, courses, init, mapping, people, reports, services, tail
from wcsync.cli.common import main

__all__ = [
    "alerts",
    "backfill",
    "courses",
    "init",
    "main",
    "mapping",
    "people",
    "reports",
    "services",
    "tail",
]
