"""How commands end and what they print where something is in the way: what scripts rely on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

from tests.system.world import World
from wcsync.cli import main
from wcsync.ledger.lock import only_instance
from wcsync.ledger.report import Report
from wcsync.sandbox.faults import Fault

pytestmark = pytest.mark.prove
"""Each of these starts a process of its own."""

ROOT = Path(__file__).parents[2]
SINCE = "--since=2026-01-01"

WITH_JSON = {
    "check": ["check"],
    "run --once": ["run", "--once"],
    "status": ["status"],
    "show": ["show", "10"],
    "parked list": ["parked", "list"],
    "dead list": ["dead", "list"],
    "mapping check": ["mapping", "check"],
    "mapping check --remote": ["mapping", "check", "--remote"],
    "mapping suggest": ["mapping", "suggest"],
    "backfill": ["backfill", SINCE],
    "backfill --dry-run": ["backfill", SINCE, "--dry-run"],
    "alert test": ["alert", "test"],
}
UNAVAILABLE = {
    "check",
    "run --once",
    "mapping check --remote",
    "mapping suggest",
    "backfill",
    "backfill --dry-run",
}


def wcsync(world: World, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own: the streams are what is looked at."""
    return subprocess.run(
        [sys.executable, "-m", "wcsync", *words, "--config", str(world.config_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


def here(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(world.config_path)])


def ends_with(name: str, *, shop_up: bool) -> int:
    if name == "alert test":
        return 78  # no way is configured
    if name == "show":
        return 1  # no such order
    return 69 if not shop_up and name in UNAVAILABLE else 0


@pytest.fixture
def begun(world: World) -> World:
    assert here(world, "run", "--once").exit_code == 0
    return world


@pytest.mark.parametrize("shop_up", [True, False], ids=["all is well", "the shop is down"])
@pytest.mark.parametrize("name", WITH_JSON)
def test_json_is_one_document_and_nothing_else_on_stdout(begun: World, name: str, shop_up: bool) -> None:
    if not shop_up:
        begun.shop.stop_answering()
    result = here(begun, *WITH_JSON[name], "--json")
    json.loads(result.stdout)
    assert result.exit_code == ends_with(name, shop_up=shop_up), result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", WITH_JSON)
def test_a_config_with_a_mistake_is_told_as_a_document_too(world: World, name: str) -> None:
    world.config_path.write_text("[store]\nurll = 1\n")
    result = here(world, *WITH_JSON[name], "--json")
    assert result.exit_code == 78
    assert set(json.loads(result.stdout)) <= {"problems", "diagnoses"}


def test_a_ledger_in_use_is_told_as_a_document_too(begun: World) -> None:
    with only_instance(begun.folder / "ledger.db"):
        result = here(begun, "run", "--once", "--json")
    assert result.exit_code == 75
    assert "works on" in json.loads(result.stdout)["problems"][0]["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["show", "\udcff"],
        ["parked", "retry", "\udcff"],
        ["dead", "drop", "\udcff"],
        ["dead", "revive", "--lms", "\udcff"],
        ["tail", "--order", "\udcff", os.devnull],
        ["backfill", "--since", "\udcff"],
        ["accept", "\udcff"],
    ],
    ids=" ".join,
)
def test_a_word_that_is_no_text_ends_with_2(begun: World, words: list[str]) -> None:
    result = here(begun, *words)
    assert result.exit_code == 2, result.output


def test_only_what_was_asked_for_is_on_stdout(begun: World) -> None:
    assert wcsync(begun, "dead", "revive").stdout == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_letters_ends_no_command(begun: World, tmp_path: Path, encoding: str) -> None:
    begun.moodle.add_course("Физика é")
    begun.shop.add_product("Физика é", sku="PHYS-1")
    made = subprocess.run(
        [sys.executable, "-m", "wcsync", "init", str(tmp_path / "made")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert made.returncode == 0
    assert wcsync(begun, "mapping", "suggest", PYTHONIOENCODING=encoding).returncode == 0
    rows = wcsync(begun, "mapping", "suggest", "--toml", PYTHONIOENCODING=encoding)
    assert "Физика é" in rows.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_tail_ends_in_order_where_a_stream_is_closed(begun: World, closed: str) -> None:
    words = f"{sys.executable} -m wcsync tail --config {begun.config_path} {closed}"
    result = subprocess.run(
        ["/bin/sh", "-c", words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": ""},
        input=b"",
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in result.stderr


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["check"],
        ["mapping", "check", "--remote"],
        ["mapping", "export"],
        ["mapping", "suggest", "--toml"],
        ["parked", "list"],
        ["run", "--once", "--json"],
        ["tail", "log"],
        ["status", "--help"],
    ],
    ids=" ".join,
)
def test_a_full_disk_under_stdout_is_told_in_a_sentence(begun: World, words: list[str]) -> None:
    begun.shop.add_product("Course 0", sku="NEW")
    (begun.folder / "log").write_text('{"event":"clock_jumped"}\n')
    with FULL.open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "wcsync", *words, "--config", str(begun.config_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=begun.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 74, result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    assert "No space left on device" in result.stderr.splitlines()[-1]


LONG = {
    **{name: WITH_JSON[name] for name in WITH_JSON if name in UNAVAILABLE - {"run --once"}},
    "reconcile": ["reconcile", "--lms", "all"],
    "courses diff": ["courses", "diff"],
    "courses push": ["courses", "push"],
    "courses import": ["courses", "import"],
    "courses import --dry-run": ["courses", "import", "--dry-run"],
}
"""What reads the shop, but for a cycle: that is stopped as a daemon is."""


def interrupt(*_args: object, **_kwargs: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", [*LONG, "run --once", "status"])
def test_ctrl_c_before_anything_is_read_ends_with_130_and_a_sentence(
    begun: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("wcsync.cli.common.load_config", interrupt)
    monkeypatch.setattr("wcsync.cli.renewal.load_config", interrupt)
    result = here(begun, *(LONG | WITH_JSON)[name], "--json")
    assert result.exit_code == 130, result.output
    assert "Stopped before the end" in result.stderr
    assert "repeating is safe" in result.stderr
    assert "Stopped before the end" in json.loads(result.stdout)["problems"][0]["message"]


@pytest.mark.parametrize("dry_run", [["--dry-run"], []], ids=["dry run", "in earnest"])
def test_ctrl_c_before_a_backfill_walks_ends_as_it_does_later(
    begun: World, monkeypatch: pytest.MonkeyPatch, dry_run: list[str]
) -> None:
    monkeypatch.setattr("wcsync.cli.backfill.App", interrupt)
    result = here(begun, "backfill", SINCE, *dry_run)
    assert (result.exit_code, result.stdout) == (130, "")
    assert "Repeat the same command to go on: repeating is safe" in result.stderr.replace("\n", " ")


def test_ctrl_c_while_commands_are_loaded_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wcsync.cli.common.load_commands", interrupt)
    result = CliRunner().invoke(main, ["not-loaded-yet"])
    assert result.exit_code == 130
    assert "Stopped before the end" in result.stderr


@pytest.mark.parametrize("module", ["httpx", "click", "pydantic"])
def test_ctrl_c_while_modules_are_loaded_ends_with_130_and_no_traceback(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(2, signal.default_int_handler); import wcsync.cli",
        ],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (130, b"")


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_while_a_service_takes_its_time_ends_at_once_with_130(
    begun: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # or whoever is started would ignore it
    begun.shop.faults.add(Fault(kind="delay_before", seconds=8, times=None))
    process = subprocess.Popen(
        [sys.executable, "-m", "wcsync", *LONG[name], "--config", str(begun.config_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    signal.signal(signal.SIGINT, before)
    deadline = monotonic() + 20
    while not begun.shop.faults.fired:
        assert monotonic() < deadline
        sleep(0.02)
    process.send_signal(signal.SIGINT)
    asked_at = monotonic()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert monotonic() - asked_at < 4, "it waited for the answer that was under way"
    assert b"Traceback" not in told


def test_an_error_that_is_not_of_a_stream_is_not_taken_for_one(
    begun: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Report, "summary", fail)
    assert isinstance(here(begun, "status").exception, OSError)
