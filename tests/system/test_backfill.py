"""Reading older orders: rehearsed, interrupted, refused in the middle, and repeated."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.system.world import World
from wcsync.cli import main
from wcsync.sandbox.faults import Fault

pytestmark = pytest.mark.prove
"""Each of these takes processes or a whole daemon of its own."""

SINCE = ("--since", "2000-01-01")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop that sold before the ledger began, read two orders at a time."""
    world = World(tmp_path)
    text = world.config_path.read_text()
    text = text.replace('start = "2000-01-01"', 'start = "2030-01-01"\npage_size = 2')
    world.config_path.write_text(text.replace("timeout_s = 1\n", "timeout_s = 30\n", 1))
    yield world
    world.close()


def wcsync(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(world.config_path)])


def document(world: World, *words: str) -> Any:
    result = wcsync(world, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def files(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def start(world: World, *words: str, stderr: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "wcsync", "backfill", *SINCE, "--config", str(world.config_path), *words],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"},
    )


def sell_of_all_sorts(world: World) -> None:
    world.sell(1, 0, 1)
    world.sell(2, 0)
    world.sell(2, 0)
    world.sell(3, 2, status="pending")
    other = world.shop.add_product("Mug \x1b[31m", sku="MUG-1", unfiltered=True)
    world.shop.buy("x@personal.example.test", "X", "Y", [(other, 1)])
    world.shop.buy("z@personal.example.test", "Z", "Y", [(world.products[0], 3)])


# -- the rehearsal ---------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_happen_and_writes_no_byte(world: World) -> None:
    wcsync(world, "run", "--once")
    sell_of_all_sorts(world)
    before = files(world.folder)
    would = document(world, "backfill", *SINCE, "--dry-run")["would"]
    assert files(world.folder) == before
    assert (would["new"], would["changed"], would["known"], would["paid_lines"]) == (6, 0, 0, 6)
    courses = {row["course_id"]: row["learners"] for row in would["enrol"]}
    assert courses == {str(world.courses[0]): 3, str(world.courses[1]): 1}
    assert [row["sku"] for row in would["unmapped"]] == ["MUG-1"]
    assert [row["kind"] for row in would["parked"]] == ["bought_again", "open_seats"]


def test_a_dry_run_foretells_what_the_reading_then_brings(world: World) -> None:
    wcsync(world, "run", "--once")
    sell_of_all_sorts(world)
    would = document(world, "backfill", *SINCE, "--dry-run")["would"]
    record = document(world, "backfill", *SINCE)
    counts = document(world, "run", "--once")
    assert record["fresh"] == would["new"]
    assert sum(row["learners"] for row in would["enrol"]) == len(world.moodle.active_enrolments())
    assert (counts["lines"], counts["unmapped"], counts["parked"]) == (would["paid_lines"], 1, 2)
    again = document(world, "backfill", *SINCE, "--dry-run")["would"]
    assert (again["new"], again["enrol"], again["parked"]) == (0, [], [])


def test_a_dry_run_tells_a_refund_and_a_course_had_already(world: World) -> None:
    first = world.sell(1, 0)
    document(world, "backfill", *SINCE)
    wcsync(world, "run", "--once")
    second = world.sell(1, 0)
    world.sell(2, 1)
    would = document(world, "backfill", *SINCE, "--dry-run")["would"]
    assert (would["had_already"], [row["learners"] for row in would["enrol"]]) == (1, [1])
    for order_id in (first, second):
        world.shop.set_status(order_id, "refunded")
    would = document(world, "backfill", *SINCE, "--dry-run")["would"]
    assert [row["learners"] for row in would["withdraw"]] == [1]


def test_a_dry_run_without_a_ledger_makes_none(world: World) -> None:
    sell_of_all_sorts(world)
    before = files(world.folder)
    result = wcsync(world, "backfill", *SINCE, "--dry-run")
    assert result.exit_code == 0
    assert files(world.folder) == before
    for part in ("nothing was written", "6 new", "Would be enrolled", "MUG-1", "Seats without a learner"):
        assert part in result.stdout
    assert "\x1b" not in result.stdout


def test_a_dry_run_follows_the_mapping_as_it_is_now(world: World) -> None:
    world.sell(1, 0)
    mapping = world.folder / "mapping.toml"
    mapping.write_text(f'[[map]]\nproduct_id = {world.products[0]}\nlms = "campus"\ncourse = "777"\n')
    would = document(world, "backfill", *SINCE, "--dry-run")["would"]
    assert [row["course_id"] for row in would["enrol"]] == ["777"]


def test_a_dry_run_works_beside_whoever_writes_the_ledger(world: World) -> None:
    wcsync(world, "run", "--once")
    world.sell(1, 0)
    with closing(sqlite3.connect(world.folder / "ledger.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO facts (name, value) VALUES ('half', 'done')")
        would = document(world, "backfill", *SINCE, "--dry-run")["would"]
        db.execute("ROLLBACK")
    assert would["new"] == 1


def test_a_dry_run_of_a_file_that_is_no_ledger_is_a_sentence_and_78(world: World) -> None:
    (world.folder / "ledger.db").write_bytes(b"nonsense" * 1000)
    result = wcsync(world, "backfill", *SINCE, "--dry-run")
    assert result.exit_code == 78
    assert "ledger.db" in result.stderr


# -- the bad day -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_shop_that_fails_in_the_middle_leaves_what_was_read(world: World, *, as_json: bool) -> None:
    for buyer in range(6):
        world.sell(buyer, 0)
    world.shop.faults.add(Fault(kind="html200", match=third_page, times=None))
    result = wcsync(world, "backfill", *SINCE, *(["--json"] if as_json else []))
    assert result.exit_code == 69
    assert "2 of about 3 pages with 4 orders were read and are kept" in result.stderr
    assert "repeating is safe" in result.stderr
    if as_json:
        told = json.loads(result.stdout)
        assert (told["complete"], told["pages"], told["fresh"]) == (False, 2, 4)
    world.shop.faults.clear()
    assert document(world, "backfill", *SINCE)["fresh"] == 2


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Whoever is started in the background is told to ignore Ctrl-C, and so would be whom it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_a_stopped_reading_keeps_what_was_read_and_says_how_to_go_on(world: World, sign: int) -> None:
    for buyer in range(6):
        world.sell(buyer, 0)
    world.shop.faults.add(Fault(kind="delay_before", match=third_page, seconds=8))
    process = start(world)
    deadline = monotonic() + 20
    while not any(third_page(request) for request in world.shop.requests) and not world.shop.faults.fired:
        assert monotonic() < deadline
        sleep(0.02)
    while world.summary().orders < 4:  # it was asked for ahead of them
        assert monotonic() < deadline
        sleep(0.02)
    process.send_signal(sign)
    asked_at = monotonic()
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130, told
    assert monotonic() - asked_at < 4, "it waited for the page that was under way"
    assert b"Traceback" not in told
    assert b"Repeat the same command to go on" in told
    world.shop.faults.clear()
    assert document(world, "backfill", *SINCE)["fresh"] == 2


def third_page(request: Any) -> bool:
    return ("page", "3") in request.query


# -- progress --------------------------------------------------------------------------------------------------------


def test_progress_is_seen_on_a_terminal_and_stdout_holds_the_document_alone(world: World) -> None:
    for buyer in range(6):
        world.sell(buyer, 0)
    ours, theirs = pty.openpty()
    process = start(world, "--json", stderr=theirs)
    os.close(theirs)
    shown = read_all(ours)
    printed, _ = process.communicate(timeout=30)
    told = json.loads(printed)
    assert (told["complete"], told["fresh"]) == (True, 6)
    assert b"pages with 6 orders" in shown


def read_all(handle: int) -> bytes:
    """What was written to a terminal until its last writer went away."""
    chunks = []
    with suppress(OSError):
        while chunk := os.read(handle, 65536):
            chunks.append(chunk)
    os.close(handle)
    return b"".join(chunks)


def test_without_a_terminal_every_twentieth_page_is_a_log_line(world: World) -> None:
    for buyer in range(41):
        world.sell(buyer, 0)
    result = wcsync(world, "backfill", *SINCE)
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["event"] == "backfill_progressed"]
    assert [(line["page"], line["pages"], line["fetched"]) for line in told] == [(20, 21, 40)]
    assert "Read 41 orders: 41 new or changed" in result.stdout
