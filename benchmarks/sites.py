"""The fake sites from the outside: started, slowed down, read, ended."""

import compileall
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.stats import Stats

ROOT = Path(__file__).parents[1]
"""Where both packages lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    url: str

    def reset(self, latency_s: float = 0.0) -> None:
        """Back to the beginning: counters at zero, and from now on `latency_s` before each answer."""
        self.get(f"/control?latency_s={latency_s}")

    def pace(self, latency_s: float = 0.0, item_s: float = 0.0) -> None:
        """From now on `latency_s` before each answer, and `item_s` more for each thing written; all else stays."""
        self.get(f"/pace?latency_s={latency_s}&item_s={item_s}")

    def stats(self) -> Stats:
        return msgspec.json.decode(self.get("/stats"), type=Stats)

    def get(self, target: str) -> bytes:
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)) as connection:
            connection.request("GET", target)
            return connection.getresponse().read()


@contextmanager
def running(kind: str, **settings: object) -> Iterator[Site]:
    """A site of this kind, in a process that ends with the block."""
    command = [sys.executable, "-m", "benchmarks.server", kind, json.dumps(settings)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment(), text=True
    ) as process:
        assert process.stdin, process
        assert process.stdout, process
        try:
            yield Site(url=f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()


def environment() -> dict[str, str]:
    """What every process started here runs with. What is compiled is used, as where it is installed."""
    inherited = {name: word for name, word in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": str(ROOT)}


def compile_modules() -> None:
    """As pip does when it installs: else each process would compile anew what no daemon ever does."""
    for package in ("wcsync", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=1)
