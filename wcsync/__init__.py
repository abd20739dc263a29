"""wcsync carries every paid WooCommerce order into the LMS, exactly once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import current_thread, main_thread


@contextmanager
def ctrl_c_ends_loading() -> Iterator[None]:
    """Ctrl-C while modules load ends with 130, as everywhere, and without a traceback: nothing was begun yet."""
    ours = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


with suppress(ValueError):  # only the main thread can see to it
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # a bell rung before the daemon listens would end it

_BALLAST = ("httpx._main", "rich")
"""httpx would load a command line of its own, structlog a painter of tracebacks, and both rich and pygments with them:
5 MB and a tenth of every start. Both do without where these modules cannot be had. Whoever prints tables loads rich
later."""

_hidden = [name for name in _BALLAST if name not in sys.modules]
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]  # None is how a module is said to be missing
with ctrl_c_ends_loading():
    for _name in ("httpx", "structlog"):
        import_module(_name)
for _name in _hidden:
    del sys.modules[_name]

__version__ = "0.1.0"
