"""The commands: each reads its words, makes one call, and ends with an exit code."""

from wcsync import ctrl_c_ends_loading

with ctrl_c_ends_loading():
    from wcsync.cli.common import main

__all__ = ["main"]
