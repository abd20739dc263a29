"""A folder of a few pages that can be filled, emptied and made read-only: a tmpfs in a mount namespace of its own."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

SIZE = 16 * 1024 * 1024
"""More than a ledger of a few orders takes with its write-ahead log, which is cut at 4 MB."""
PAGE = 4096
NAMESPACE = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")
KEEPER = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=@SIZE@,mode=755 tmpfs "$1"
echo ready
exec @PYTHON@ -c "$2"
"""
READER = """
import json, sqlite3, sys
from contextlib import closing

for line in sys.stdin:
    path, sql, values = json.loads(line)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        print(json.dumps(db.execute(sql, values).fetchall()), flush=True)
"""
"""SQLite follows the links of a path and so finds no file of another namespace: this looks from within."""


def why_not() -> str:
    """Why there can be no such folder here; '' if there can."""
    missing = [tool for tool in ("unshare", "nsenter", "mount") if shutil.which(tool) is None]
    if missing:
        return f"not installed here: {', '.join(missing)}"
    words = [*NAMESPACE, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no mount namespace of our own can be had: {done.stderr.strip()}"


class Room:
    """Mounted at `folder` for those alone who are started with `enter` in front of their words."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        keeper = KEEPER.replace("@SIZE@", str(SIZE)).replace("@PYTHON@", sys.executable)
        words = [*NAMESPACE, "sh", "-c", keeper, "sh", str(self._folder), READER]
        self._keeper = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.communicate(timeout=10)

    @property
    def enter(self) -> tuple[str, ...]:
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return ("nsenter", *user, "--mount", "--target", str(self._keeper.pid))

    @property
    def inside(self) -> Path:
        """Where what lies in it is seen from outside."""
        return Path(f"/proc/{self._keeper.pid}/root{self._folder}")

    def query(self, sql: str, *values: object) -> list[Any]:
        """Rows of the ledger in there. Thread-safe."""
        with self._asking:
            assert self._keeper.stdin is not None
            assert self._keeper.stdout is not None
            question = [str(self._folder / "ledger.db"), sql, values]
            self._keeper.stdin.write(json.dumps(question) + "\n")
            self._keeper.stdin.flush()
            rows: list[Any] = json.loads(self._keeper.stdout.readline())
            return rows

    def fill(self, spare_pages: int = 0) -> None:
        """Leaves room for so many pages and no more. Safe to repeat."""
        with (self.inside / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * PAGE)
            except OSError:
                filler.truncate(max(filler.tell() // PAGE - spare_pages, 0) * PAGE)

    def empty(self) -> None:
        (self.inside / "filler").unlink(missing_ok=True)

    def remount(self, *options: str) -> None:
        self.run("mount", "-o", ",".join(["remount", *options]), str(self._folder))

    def run(self, *words: str) -> str:
        done = subprocess.run([*self.enter, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def ask(room: Room, *words: str) -> str:
    """What a command of ours answers who is in there."""
    return room.run(sys.executable, "-m", "wcsync", *words)


def until(
    happened: Callable[[], object], what: str, timeout_s: float = 60, log: Callable[[], str] = str
) -> None:
    deadline = monotonic() + timeout_s
    while not happened():
        assert monotonic() < deadline, f"{what}\n{log()[-4000:]}"
        sleep(0.05)
