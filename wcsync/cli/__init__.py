"""The commands: each reads its words, makes one call, and ends with an exit code."""

from wcsync.cli.common import main

__all__ = ["main"]
