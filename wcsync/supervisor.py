"""What systemd is told of this process: ready, busy reloading, stopping, alive.

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

LONGEST_STATUS = 200
MICROSECONDS = 1_000_000
MOST_DIGITS = 20
"""Of a number systemd may write: it counts in 64 bits."""


class Supervisor:
    """Whoever started this process and listens at `address` (a path, or `@name` in the abstract name space).

    Without an address every word goes nowhere. A listener that went away, or cannot keep up, stops nothing.
    `watchdog_s`: the longest silence before it kills us; None if it does not watch.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self._status = ""
        self._fed_at = -float("inf")

    @classmethod
    def of(cls, env: Mapping[str, str], pid: int | None = None) -> "Supervisor":
        """The one `env` names, as systemd does. Its watchdog is not ours if it names another process."""
        return cls(env.get("NOTIFY_SOCKET", ""), _watchdog_s(env, os.getpid() if pid is None else pid))

    @property
    def listens(self) -> bool:
        return bool(self._address)

    def ready(self) -> None:
        """We do our work now: after the start, and after a reload."""
        self._say("READY=1")

    def reloading(self) -> None:
        """We take up a new config; `ready()` follows, whatever comes of it."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def tell(self, status: str) -> None:
        """Shows a sentence to people, in `systemctl status`. Said only when it is another than before."""
        if status == self._status:
            return
        self._status = status
        self._say(f"STATUS={' '.join(status.split())[:LONGEST_STATUS]}")

    def feed(self) -> None:
        """Keeps the watchdog quiet for `watchdog_s`. Call it as often as you like, but only while all is well."""
        if self.watchdog_s is not None and time.monotonic() - self._fed_at >= self.watchdog_s / 4:
            self._fed_at = time.monotonic()
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(1.0)
            out.sendto(text.encode(), self._address)


def _watchdog_s(env: Mapping[str, str], pid: int) -> float | None:
    if env.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    text = env.get("WATCHDOG_USEC", "")
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        return None
    return int(text) / MICROSECONDS or None
