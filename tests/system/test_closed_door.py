"""Marked secrets and marked people go through everything wcsync does, and are then looked for everywhere they must not
be: secrets nowhere but in their files, people nowhere but in the ledger and on the screens that are asked for them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Self

import pytest
from click.testing import CliRunner

from tests.daemon_files import alerts_section, write_secrets
from tests.proofs import Proof
from tests.smtp import SmtpServer
from tests.system.world import MOODLE_TOKEN, SHOP_SECRET, World
from wcsync.cli import main
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.server import SandboxServer

pytestmark = pytest.mark.prove

SMTP_PASSWORD, HOOK_KEY = "smtp_marked_51ab_secret", "hook_marked_77de_secret"
SECRETS = (SHOP_SECRET, MOODLE_TOKEN, SMTP_PASSWORD, HOOK_KEY)
PEOPLE = ("marked@personal", "Given", "Family")
DEMO_PEOPLE = ("ana.garcia@", "García Núñez", "Kowalski", "zoe+courses@")
FAULTS = (
    Fault(kind="reset_before"), Fault(kind="reset_after"), Fault(kind="reset_in_body"), Fault(kind="truncated"),
    Fault(kind="php_warning"), Fault(kind="invalid_utf8"), Fault(kind="html200"), Fault(kind="redirect"),
    Fault(kind="status", status=401), Fault(kind="status", status=403), Fault(kind="status", status=422),
    Fault(kind="status", status=429), Fault(kind="status", status=500), Fault(kind="maintenance"),
)  # fmt: skip
COMMANDS = (
    ("status",), ("status", "--json"), ("parked", "list"), ("parked", "list", "--json"), ("dead", "list", "--json"),
    ("mapping", "check", "--json"), ("mapping", "suggest", "--json"), ("reconcile", "--json"), ("check", "--json"),
    ("courses", "diff", "--json"), ("withdrawals", "list", "--json"), ("alerts", "test"),
    ("backfill", "--since", "2000-01-01", "--dry-run", "--json"),
)  # fmt: skip


LOOKS = (("status", "--json"), ("parked", "list", "--json"), ("reconcile", "--json"), ("check", "--json"))


class Hook(SandboxServer):
    def handle(self, request: Request) -> Response:  # noqa: ARG002
        return Response(body=b"ok")


class Watch:
    """Reads the words of all our processes, over and over."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if "wcsync" in words:
                    self.seen.add(words)


def leaks(where: str, text: str, marks: tuple[str, ...]) -> list[str]:
    return [f"{mark} in {where}" for mark in marks if mark in text]


def in_files(folder: Path, secrets: tuple[str, ...], *, kept_in: set[str]) -> list[str]:
    """Secrets in whatever lies in a folder, but for the files that hold them; marks in the files' names."""
    found = []
    for path in filter(Path.is_file, folder.rglob("*")):
        found += leaks("a file's name", path.name, (*secrets, *PEOPLE))
        if path.name not in kept_in:
            found += leaks(path.name, path.read_bytes().decode("latin-1"), secrets)
    return found


@pytest.fixture
def guarded(world: World) -> Iterator[World]:
    """The world with two ways of being told, each with a secret."""
    with SmtpServer(login=("wcsync", SMTP_PASSWORD)) as post, Hook() as hook:
        write_secrets(world.folder, {"smtp": SMTP_PASSWORD, "hook": f"{hook.url}/hook/{HOOK_KEY}"})
        with world.config_path.open("a") as config:
            config.write(alerts_section(post.port))
        yield world


def test_under_faults_no_secret_and_nobody_s_name_comes_out(guarded: World, proof: Proof) -> None:
    world, found, calls, log = guarded, list[str](), 0, ""
    with Watch() as watch:
        for number, fault in enumerate(FAULTS):
            for server in (world.shop, world.moodle):
                server.faults.clear()
                server.faults.add(fault)
            world.sell(number, number % 5)
            log += CliRunner().invoke(main, ["run", "--once", "--config", str(world.config_path)]).output
            calls += 1
        for server in (world.shop, world.moodle):
            server.faults.clear()
        assert world.run_once() == 0
        for words in COMMANDS:
            result = CliRunner().invoke(main, [*words, "--config", str(world.config_path)])
            shown = f"{result.output}{result.stderr}{result.exception!r}"
            found += leaks(" ".join(words), shown, (*SECRETS, *PEOPLE))
            calls += 1
    log += world.log_path.read_text()
    found += leaks("the log", log, (*SECRETS, *PEOPLE))
    found += leaks("a process's words", "\n".join(watch.seen), (*SECRETS, *PEOPLE))
    found += in_files(world.folder, SECRETS, kept_in={"key", "secret", "token", "smtp", "hook"})
    proof.tell(
        "closed door",
        "faults and commands, grepped",
        trials=calls,
        leaked=len(found),
        log_kb=len(log) // 1024,
    )
    assert found == []
    assert watch.seen
    assert log.count("\n") > len(FAULTS)
    ledger = b"".join(path.read_bytes() for path in world.folder.glob("ledger.db*"))
    assert b"marked@personal" in ledger, "the marks were never there to be found"


def test_the_demo_lets_no_secret_and_nobody_s_name_out(tmp_path: Path, proof: Proof) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-m", "wcsync", "demo", "--keep"]
    out, err = tmp_path / "out.txt", tmp_path / "err.txt"
    with Watch() as watch, out.open("wb") as stdout, err.open("wb") as stderr:
        demo = subprocess.Popen(words, stdout=stdout, stderr=stderr, env=environment)
        try:
            _wait_for("Still running", err, demo)
            [folder] = tmp_path.glob("wcsync-demo-*")
            found = in_files(folder, _secrets_in(folder), kept_in=KEPT)
            secrets = _secrets_in(folder)
            for command in LOOKS:
                line = [sys.executable, "-m", "wcsync", *command, "--config", str(folder / "config.toml")]
                done = subprocess.run(
                    line, capture_output=True, text=True, env=environment, check=False, timeout=60
                )
                found += leaks(" ".join(command), done.stdout + done.stderr, (*secrets, *DEMO_PEOPLE))
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(timeout=30)
    told = out.read_text() + err.read_text()
    found += leaks("what the demo says", told, secrets)
    found += leaks("the demo's log", err.read_text(), DEMO_PEOPLE)
    found += leaks("a process's words", "\n".join(watch.seen), (*secrets, *DEMO_PEOPLE))
    proof.tell("closed door", "the demo, grepped", trials=1, leaked=len(found), kb=len(told) // 1024)
    assert found == []
    assert len(secrets) == len(KEPT)
    assert not list(tmp_path.glob("wcsync-demo-*")), "the demo left its files behind"


KEPT = {"secret", "token", "academy_secret"}
"""The demo's files with secrets. Its two ids are none: logs may name them."""


def _secrets_in(folder: Path) -> tuple[str, ...]:
    return tuple((folder / name).read_text() for name in sorted(KEPT))


def _wait_for(word: str, file: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = monotonic() + 240
    while word not in file.read_text():
        assert monotonic() < deadline, file.read_text()[-2000:]
        assert process.poll() is None, file.read_text()[-2000:]
        sleep(0.2)
