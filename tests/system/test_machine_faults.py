"""What a machine can do to a daemon: it ends or goes on as promised, and says what to do. The sandbox counts."""

import fcntl
import os
import random
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep

import pytest
from click.testing import CliRunner, Result

from tests.proofs import Proof
from tests.system.counting import count
from tests.system.listener import Listener
from tests.system.room import until
from tests.system.service import Service
from tests.system.world import World
from wcsync.cli import main

SEEDS = {"short": 8, "full": 200}[os.environ.get("WCSYNC_PROVE", "short")]
FAKETIME = next(
    (
        str(path)
        for path in [
            Path(os.environ.get("WCSYNC_LIBFAKETIME", "/nonexistent")),
            *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
        ]
        if path.exists()
    ),
    "",
)

STANDSTILL_S = 4.0

pytestmark = [pytest.mark.prove, pytest.mark.timeout(240 + 3 * SEEDS)]


@pytest.fixture
def service(world: World) -> Iterator[Service]:
    with Listener() as listener:
        service = Service(world, listener)
        yield service
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)


def run(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(world.config_path)])


def tell(proof: Proof, world: World, what: str, trials: int = 1, refused: int = 0) -> None:
    lost, doubled = count(world)
    proof.tell("machine", what, trials=trials, lost=lost, doubled=doubled, refused=refused)
    assert (lost, doubled) == (0, 0), what


def sell(world: World, *buyers: int) -> None:
    for buyer in buyers:
        world.sell(buyer, buyer % 5)


# -- the ledger's file -----------------------------------------------------------------------------------------------


def test_a_ledger_restored_from_an_older_copy_finds_all_again_and_makes_nothing_twice(
    world: World, proof: Proof
) -> None:
    """A plain copy of the file, put back by hand: such a ledger cannot know that it is old. What was sold meanwhile it
    reads again and finds done. What was taken back meanwhile is not proven here, for it would not be found: an order
    that came and was refunded after the copy is to this ledger one that never gave a seat, and its learner stays in.
    """
    ledger, copy = world.folder / "ledger.db", world.folder / "copy.db"
    sell(world, 1, 2)
    assert world.run_once() == 0
    shutil.copy(ledger, copy)
    sell(world, 2, 3, 4)
    assert world.run_once() == 0
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (world.folder / name).unlink(missing_ok=True)
    shutil.copy(copy, ledger)
    sell(world, 5, 6)
    world.settle()
    tell(proof, world, "an older copy of the ledger")


@pytest.mark.parametrize("hurt", ["flipped", "cut", "zeroed"])
def test_a_damaged_ledger_stops_the_start_or_does_no_harm(world: World, proof: Proof, hurt: str) -> None:
    """Each seed hurts the same ledger somewhere else; where it is refused, the last copy is put back."""
    ledger, good = world.folder / "ledger.db", world.folder / "good.db"
    sell(world, *range(30))
    assert run(world, "run", "--once").exit_code == 0
    shutil.copy(ledger, good)
    refused = failed = 0
    for seed in range(SEEDS):
        _hurt(ledger, hurt, random.Random(f"{hurt}-{seed}"))
        done = run(world, "run", "--once")
        refused += done.exit_code == 78
        failed += done.exit_code not in {0, 78}
        if done.exit_code:
            assert "damaged" in done.output, done.output
            assert "backup" in done.output, done.output
        assert "buyer" not in done.output
        for path in world.folder.glob("ledger.db*"):
            path.unlink()
        shutil.copy(good, ledger)
        sell(world, 100 + seed)
        assert run(world, "run", "--once").exit_code == 0
        shutil.copy(ledger, good)
    tell(proof, world, f"ledger {hurt}", SEEDS, refused)
    assert failed == 0


def _hurt(ledger: Path, how: str, dice: random.Random) -> None:
    content = bytearray(ledger.read_bytes())
    if how == "cut":
        del content[dice.randrange(1, len(content)) :]
    for _ in range(8 if how == "flipped" else 0):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    if how == "zeroed":
        page = dice.randrange(len(content) // 4096) * 4096
        content[page : page + 4096] = bytes(4096)
    ledger.write_bytes(content)


def test_a_write_ahead_log_that_is_deleted_ends_the_process_and_nothing_is_done_twice(
    service: Service, proof: Proof
) -> None:
    world = service.world
    sell(world, 1, 2, 3)
    service.start_spoilt()
    service.wait_enrolled()
    (world.folder / "ledger.db-wal").unlink()
    assert service.ended() == 70
    assert "write-ahead log was deleted" in service.lines("daemon_unsound")[0]["reason"]
    sell(world, 4)
    world.settle()
    tell(proof, world, "write-ahead log deleted while running")


def test_a_write_ahead_log_lost_in_a_crash_costs_nothing(service: Service, proof: Proof) -> None:
    world = service.world
    sell(world, 1, 2, 3)
    service.start(fresh=False)
    service.wait_enrolled()
    service.send(signal.SIGKILL)
    service.ended()
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (world.folder / name).unlink(missing_ok=True)
    world.settle()
    tell(proof, world, "write-ahead log lost in a crash")


def test_a_ledger_that_another_program_holds_is_waited_for_and_told(service: Service, proof: Proof) -> None:
    world = service.world
    service.start(fresh=False)
    service.listener.wait_for("READY=1")
    sell(world, 1)
    service.wait_enrolled()
    with closing(sqlite3.connect(world.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        sell(world, 2)
        until(lambda: service.lines("ledger_failing"), "nothing is told")
        [line] = service.lines("ledger_failing")
        assert "another program holds it" in line["reason"]
        assert "backup" in line["hint"]
        beats = len(service.listener.beats())
        until(lambda: len(service.listener.beats()) > beats + 1, "it is hung, not waiting")
        other.execute("ROLLBACK")
    service.wait_enrolled()
    until(lambda: service.lines("ledger_recovered"), "it is not told to be over")
    assert service.stop() == 0
    assert not service.lines("worker_failed")
    tell(proof, world, "ledger held by another program")


@pytest.mark.parametrize(
    ("spoil", "words", "code"),
    [
        (lambda path: path.write_bytes(b"\x00\xffno database" * 1000), "is not a ledger or is damaged", 78),
        (lambda path: path.write_text("SQLite format 3"), "is not a ledger or is damaged", 78),
        (
            lambda path: _execute(path, "UPDATE _sqlite_migrations SET name = 'm999_later' WHERE id = 1"),
            "newer wcsync",
            78,
        ),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be used", 78),
        (lambda path: (path.unlink(), path.symlink_to("gone.db")), "leads to no file", 78),
    ],
    ids=["rubbish", "a-header", "newer", "a-folder", "a-dead-link"],
)
def test_a_file_that_is_no_ledger_of_ours_is_refused_at_the_start_and_left_as_it_is(
    world: World, spoil: Callable[[Path], object], words: str, code: int
) -> None:
    assert run(world, "run", "--once").exit_code == 0
    path = world.folder / "ledger.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    done = run(world, "run", "--once")
    assert done.exit_code == code, done.output
    assert words in done.output
    assert (path.read_bytes() if path.is_file() else b"") == before


def _execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)


# -- files beside it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["vanished", "folder", "half"])
def test_a_mapping_file_in_trouble_stops_nothing_and_is_told(
    service: Service, proof: Proof, what: str
) -> None:
    world = service.world
    mapping = world.folder / "mapping.toml"
    good = mapping.read_text()
    service.start(fresh=False)
    service.listener.wait_for("READY=1")
    mapping.unlink()
    if what == "folder":
        mapping.mkdir()
    if what == "half":
        mapping.write_text(good[: len(good) // 2])
    until(lambda: service.lines("mapping_refused"), "the trouble is not told")
    assert "REFUSED" in run(world, "status").output
    sell(world, 1)
    service.wait_enrolled()
    service.send(signal.SIGHUP)
    until(lambda: service.lines("config_reloaded") or service.lines("config_refused"), "no reload")
    sell(world, 2)
    service.wait_enrolled()
    if what == "folder":
        mapping.rmdir()
    mapping.write_text(good)
    until(lambda: "in force" in run(world, "status").output, "it is not mended")
    assert service.stop() == 0
    tell(proof, world, f"mapping file {what}")


@pytest.mark.parametrize("name", ["config.toml", "token", "secret"])
def test_a_reload_without_config_or_credentials_changes_nothing_and_names_the_file(
    service: Service, proof: Proof, name: str
) -> None:
    world = service.world
    service.start(fresh=False)
    service.listener.wait_for("READY=1")
    (world.folder / name).rename(world.folder / "elsewhere")
    service.send(signal.SIGHUP)
    service.wait_until("config_refused")
    [line] = service.lines("config_refused")
    assert any(name in problem for problem in line["problems"])
    sell(world, 1)
    service.wait_enrolled()
    (world.folder / "elsewhere").rename(world.folder / name)
    service.send(signal.SIGHUP)
    service.wait_until("config_reloaded")
    sell(world, 2)
    service.wait_enrolled()
    assert service.stop() == 0
    tell(proof, world, f"{name} gone at a reload")


# -- the process -----------------------------------------------------------------------------------------------------


def test_a_process_out_of_file_handles_says_so_and_goes_on_once_there_are_some(
    service: Service, proof: Proof
) -> None:
    world = service.world
    service.start(fresh=False)
    service.listener.wait_for("READY=1")
    sell(world, 1)
    service.wait_enrolled()
    assert service.process is not None
    pid = service.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    world.shop.stop_answering()
    world.moodle.stop_answering()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    world.shop.resume()
    world.moodle.resume()
    sell(world, 2)
    until(
        lambda: "too many files are open" in world.log_path.read_text(),
        "it is not told",
        log=world.log_path.read_text,
    )
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    service.wait_enrolled()
    assert service.stop() == 0
    tell(proof, world, "out of file handles")


def test_a_start_with_too_few_file_handles_ends_in_words(service: Service) -> None:
    service.start(within=("prlimit", "--nofile=7"))
    code = service.ended()
    text = service.world.log_path.read_text()
    assert code in {70, 75}, text
    assert "Traceback" not in text or "daemon_unsound" in text


def test_a_process_that_stands_still_feeds_no_watchdog_and_goes_on_unharmed(
    service: Service, proof: Proof
) -> None:
    world = service.world
    world.moodle.latency_s = 0.1
    service.start(fresh=False)
    service.listener.wait_for("WATCHDOG=1", times=2, timeout_s=60)
    sell(world, *range(8))
    until(world.moodle.active_enrolments, "it is not at work")
    service.send(signal.SIGSTOP)
    stopped_at = monotonic()
    sleep(STANDSTILL_S)
    late = [beat - stopped_at for beat in service.listener.beats() if beat > stopped_at]
    service.send(signal.SIGCONT)
    service.wait_enrolled()
    beats = len(service.listener.beats())
    until(lambda: len(service.listener.beats()) > beats, "it is fed no more")
    assert service.stop() == 0
    assert max(late, default=0.0) < STANDSTILL_S / 2, "two periods of a watchdog of one second went by unfed"
    tell(proof, world, "stopped and continued")


def test_a_log_that_nobody_reads_stops_nothing_and_tells_what_is_lost(service: Service, proof: Proof) -> None:
    world = service.world
    text = world.config_path.read_text()
    world.config_path.write_text(text.replace('format = "json"', 'format = "json"\nlevel = "debug"'))
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, resource.getpagesize())
    service.start(to=write)
    os.close(write)
    service.listener.wait_for("READY=1")
    for buyers in (range(10), range(10, 20)):
        sell(world, *buyers)
        service.wait_enrolled()
    beats = len(service.listener.beats())
    until(lambda: len(service.listener.beats()) > beats + 2, "the watchdog is not fed")
    os.set_blocking(read, False)
    heard = b""

    def flows() -> bool:
        nonlocal heard
        try:
            heard += os.read(read, 1 << 20)
        except BlockingIOError:
            return False
        return b'"log_stalled"' in heard

    until(flows, "what is lost is not told")
    assert service.stop() == 0
    os.close(read)
    tell(proof, world, "a log that nobody reads")


# -- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed here (Debian: libfaketime)")
@pytest.mark.parametrize(
    "jump_s", [3600, -3600, 10 * 365 * 86400], ids=["an-hour-on", "an-hour-back", "ten-years"]
)
def test_a_clock_that_is_set_and_set_back_loses_and_doubles_nothing(
    service: Service, proof: Proof, jump_s: int
) -> None:
    world = service.world
    offset = world.folder / "offset"
    offset.write_text("+0")
    service.start(
        more={
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    service.listener.wait_for("READY=1")
    sell(world, 1, 2)
    service.wait_enrolled()
    for jumps, jump in enumerate((jump_s, 0), start=1):
        offset.write_text(f"{jump:+d}")
        until(partial(_jumped, service, jumps), "the jump is not noticed")
        sell(world, 10 + bool(jump), 20 + bool(jump))
        if jump == 0:
            service.wait_enrolled()
        else:
            sleep(3)
    assert service.stop() == 0
    assert len(service.lines("clock_jumped")) == 2
    tell(proof, world, f"clock set by {jump_s:+d} s and back")


def _jumped(service: Service, times: int) -> bool:
    return len(service.lines("clock_jumped")) >= times


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_shop_whose_clock_is_minutes_off_loses_nothing(world: World, proof: Proof, minutes: int) -> None:
    world.shop.clock = lambda: datetime.now(UTC) + timedelta(minutes=minutes)
    for buyer in range(4):
        sell(world, buyer)
        assert world.run_once() == 0
    world.settle()
    tell(proof, world, f"shop's clock {minutes:+d} min")
