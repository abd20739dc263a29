"""A bell that is rung before a daemon listens."""

import subprocess
import sys

_RUNG = "import os, signal, wcsync.cli; os.kill(os.getpid(), signal.SIGUSR1); print('goes on')"


def test_a_bell_that_is_rung_while_the_daemon_still_loads_does_not_end_it() -> None:
    done = subprocess.run([sys.executable, "-c", _RUNG], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "goes on\n")
