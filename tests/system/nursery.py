"""Starts the real program as often as a proof wants: a process that has imported it once, and forks.

What is started is a process of its own, with its own memory, files, locks and signals; only the second that importing
takes is spent once. `python -m tests.system.nursery` is that process: it reads what to start on stdin, one JSON
document a line, and answers each with a number.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

ROOT = Path(__file__).parents[2]
WCSYNC = ("-m", "wcsync")


class _Server:
    """The process that forks: one for all nurseries of a test run, ended with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: dict[str, Any]) -> int:
        process = self._process or self._begin()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=30)

    def _begin(self) -> "subprocess.Popen[bytes]":
        words = [sys.executable, "-m", "tests.system.nursery"]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), cwd=ROOT
        )
        atexit.register(self.close)
        return self._process


_server = _Server()


class Nursery:
    """Starts and ends processes. One thread at a time, of all that have one."""

    def __init__(self) -> None:
        self._fresh: list[subprocess.Popen[bytes]] = []
        self._forked: list[Child] = []

    def close(self) -> None:
        """Ends all that was started and still runs."""
        for process in self._fresh:
            process.kill()
            process.wait()
        for child in self._forked:
            child.kill()

    def start(self, *words: str, log: Path, more: Mapping[str, str] | None = None) -> "Child":
        """`wcsync WORDS`; what it says on stderr is added to `log`, what it prints to a file beside that. `more`: for
        its environment."""
        pid = _server.ask({"start": words, "log": str(log), "more": dict(more or {})})
        child = Child(pid, lambda: self._code(pid))
        self._forked.append(child)
        return child

    def start_fresh(self, *words: str, log: Path, program: Sequence[str] = WCSYNC) -> "Child":
        """The same in the ordinary way, importing included. `program`: as Python is to be told of it."""
        with log.open("ab") as stderr, printed(log).open("ab") as stdout:
            process = subprocess.Popen(
                [sys.executable, *program, *words], stdout=stdout, stderr=stderr, env=_environment()
            )
        self._fresh.append(process)
        return Child(process.pid, process.poll)

    def _code(self, pid: int) -> int | None:
        code = _server.ask({"ended": pid})
        return None if code == STILL_RUNNING else code


class Child:
    """A started program, to be asked as a `subprocess.Popen` is."""

    def __init__(self, pid: int, ask: Any) -> None:
        self.pid = pid
        self._ask = ask
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._ask()
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = monotonic() + timeout
        while self.poll() is None:
            if monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} did not end in {timeout} s")
            sleep(0.005)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing if it has ended. A number is not given to another process before it was asked how this one ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> int:
        """SIGKILL; how it ended."""
        self.send_signal(signal.SIGKILL)
        return self.wait(30)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


STILL_RUNNING = -1000


def printed(log: Path) -> Path:
    """Where what a program prints goes."""
    return log.with_suffix(".out")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def serve(questions: IO[str]) -> None:
    """Starts what it is asked for and tells how it ended, until nobody asks any more."""
    children = set[int]()
    for line in questions:
        question = json.loads(line)
        if "start" in question:
            answer = _fork(question["start"], Path(question["log"]), question["more"])
            children.add(answer)
        else:
            ended, status = os.waitpid(question["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else STILL_RUNNING
            children -= {ended}
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _fork(words: Sequence[str], log: Path, more: Mapping[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    appending = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for number, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, printed(log), appending),
        (2, log, appending),
    ):
        handle = os.open(path, flags, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    os.environ.update(more)
    from wcsync.cli import main

    sys.argv = ["wcsync", *words]
    main()
    raise AssertionError("the command came back")


if __name__ == "__main__":
    import wcsync.cli

    assert wcsync.cli.main
    with os.fdopen(os.dup(0)) as stdin:
        serve(stdin)
