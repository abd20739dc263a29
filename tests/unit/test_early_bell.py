"""A bell that is rung before a daemon listens."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_RINGING = """
import os, signal, sys

class Bell:
    def find_spec(self, name, path=None, target=None):
        if "wcsync" in sys.modules and name != "signal":
            print(name, file=sys.stderr)
            os.kill(os.getpid(), signal.SIGUSR1)

sys.meta_path.insert(0, Bell())
"""
"""A bell at each module that a process looks for, from the first line of wcsync on."""

EXIT_CONFIG = 78


@pytest.mark.parametrize("words", [("run",), ("run", "--once"), ("status",)], ids=" ".join)
def test_a_bell_at_any_moment_of_a_start_does_not_end_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "sitecustomize.py").write_text(_RINGING)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "wcsync", *words, "--config", str(tmp_path / "none.toml")],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    heard = done.stderr.splitlines()
    assert done.returncode == EXIT_CONFIG, f"ended with {done.returncode} after {heard[-3:]}"
    assert {"httpx", "wcsync.cli", "wcsync.app"} <= set(heard)
