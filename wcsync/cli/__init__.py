"""The commands: each reads its words, makes one call, and ends with an exit code."""

import signal
from contextlib import suppress

with suppress(
    ValueError
):  # a bell rung before the daemon listens would end it; only the main thread can see to that
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

from wcsync.cli.common import main

__all__ = ["main"]
