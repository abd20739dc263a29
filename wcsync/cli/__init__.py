"""The commands: each reads its words, makes one call, and ends with an exit code."""

from wcsync.cli import backfill, init, mapping, people, reports, services, tail
from wcsync.cli.common import main

__all__ = ["backfill", "init", "main", "mapping", "people", "reports", "services", "tail"]
