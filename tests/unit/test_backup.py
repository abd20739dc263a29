"""Copies of a ledger: whole or not there, taken beside whoever writes, put back without what was there before."""

import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from tests.fakes import T0, make_order
from tests.proofs import Proof
from tests.spine import Spine
from wcsync.errors import ConfigError, PassingTrouble
from wcsync.ledger import backup
from wcsync.ledger.backup import dated, prune, put_back, take
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.lock import AlreadyRunning
from wcsync.ledger.report import Report


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    made = Spine(tmp_path)
    made.record(*(make_order(number, email=f"{number}@example.test") for number in range(1, 21)))
    yield made
    made.close()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "copy.db"


@pytest.fixture(autouse=True)
def _folder(copy: Path) -> None:
    copy.parent.mkdir()


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """As on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_backup_is_one_file_that_its_owner_alone_can_read(spine: Spine, copy: Path) -> None:
    taken = take(spine.path, copy, T0)
    assert (taken.orders, taken.enrolments, taken.size) == (20, 20, copy.stat().st_size)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert list(copy.parent.iterdir()) == [copy]
    with closing(Report(copy)) as report:
        assert report.summary() == spine.summary()


def test_the_ledger_itself_does_not_become_a_backup(spine: Spine, copy: Path) -> None:
    take(spine.path, copy, T0)
    assert spine.ledger.read_origin() is None
    assert spine.ledger.begin_restored(T0) is None


def test_an_earlier_backup_is_overwritten_and_nothing_else_is(spine: Spine, copy: Path) -> None:
    take(spine.path, copy, T0)
    assert take(spine.path, copy, T0 + timedelta(days=1)).orders == 20
    copy.write_text("somebody's letter")
    with pytest.raises(ConfigError, match="no backup of wcsync"):
        take(spine.path, copy, T0)
    assert copy.read_text() == "somebody's letter"
    assert take(spine.path, copy, T0, force=True).orders == 20


def test_another_ledger_at_work_is_no_backup(spine: Spine, copy: Path) -> None:
    SqliteLedger(copy).close()
    with pytest.raises(ConfigError, match="no backup of wcsync"):
        take(spine.path, copy, T0)


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal", ".lock"])
def test_the_ledger_and_what_belongs_to_it_are_never_overwritten(
    spine: Spine, copy: Path, ending: str
) -> None:
    copy.symlink_to(spine.path.with_name(spine.path.name + ending))
    for way in (copy, spine.path.with_name(spine.path.name + ending)):
        with pytest.raises(ConfigError, match="the ledger itself"):
            take(spine.path, way, T0, force=True)
    assert spine.summary().orders == 20


def test_another_name_of_the_ledger_is_not_overwritten_either(spine: Spine, copy: Path) -> None:
    os.link(spine.path, copy)
    with pytest.raises(ConfigError, match="the ledger itself"):
        take(spine.path, copy, T0, force=True)


def test_a_disk_that_is_full_leaves_what_was_there_and_nothing_half_made(spine: Spine, copy: Path) -> None:
    take(spine.path, copy, T0)
    before = copy.read_bytes()
    with no_file_grows_beyond(20_000), pytest.raises(PassingTrouble, match="nothing was changed"):
        take(spine.path, copy, T0)
    assert copy.read_bytes() == before
    assert list(copy.parent.iterdir()) == [copy]


def test_a_folder_that_is_not_there_is_told(spine: Spine, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not be written"):
        take(spine.path, tmp_path / "nowhere" / "copy.db", T0)


def test_two_backups_to_one_file_do_not_meet(spine: Spine, copy: Path) -> None:
    with backup._part(copy), pytest.raises(AlreadyRunning, match="another backup"):
        take(spine.path, copy, T0)


def test_a_copy_that_differs_from_the_ledger_is_no_backup(
    spine: Spine, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter([(20, 20), (19, 20)])
    monkeypatch.setattr(backup, "_counts", lambda _db: next(said))
    with pytest.raises(ConfigError, match="does not agree"):
        take(spine.path, copy, T0)
    assert list(copy.parent.iterdir()) == []


def test_a_damaged_ledger_becomes_no_backup(spine: Spine, copy: Path) -> None:
    """A table that lost its root: the file opens, and says nothing until it is read."""
    spine.close()
    with closing(sqlite3.connect(spine.path)) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'audit_of_subject'")
    with pytest.raises(ConfigError, match=r"does not agree|could not be"):
        take(spine.path, copy, T0)
    assert list(copy.parent.iterdir()) == []


def test_backups_beside_a_daemon_that_writes_all_verify_and_open(spine: Spine, copy: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 1000
        while not stop.is_set():
            number += 1
            spine.record(make_order(number, email=f"{number}@example.test"))

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    try:
        for number in range(20):
            taken = take(spine.path, copy.with_name(f"{number}.db"), T0)
            with closing(Report(taken.file)) as report:
                summary = report.summary()
            assert (summary.orders, summary.unexplained) == (taken.orders, 0)
            assert taken.orders == taken.enrolments
            sizes.append(taken.orders)
    finally:
        stop.set()
        writer.join()
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


def test_only_the_newest_backups_are_kept_and_other_files_stay(spine: Spine, copy: Path) -> None:
    folder = copy.parent
    names = [take(spine.path, dated(folder, T0 + timedelta(days=day)), T0).file for day in range(4)]
    letter = folder / "letter.txt"
    letter.write_text("mine")
    stranger = dated(folder, T0 - timedelta(days=9))
    stranger.write_text("mine, too")
    assert prune(folder, 2) == names[:2]
    assert sorted(folder.iterdir()) == sorted([*names[2:], letter, stranger])


# -- putting back ------------------------------------------------------------------------------------------------------


def test_a_restored_ledger_holds_nothing_of_the_one_before(spine: Spine, copy: Path) -> None:
    """What stood in the old one's log is not taken for the copy's; the old one stays, with what its log held."""
    take(spine.path, copy, T0)
    spine.record(make_order(99, email="late@example.test"))
    log = spine.path.with_name("ledger.db-wal").read_bytes()
    spine.close()
    spine.path.with_name("ledger.db-wal").write_bytes(log)  # as a killed process leaves it
    assert put_back(copy, spine.path).taken_at == T0
    with closing(Report(spine.path)) as report:
        assert report.summary().orders == 20
    with closing(Report(spine.path.with_name("ledger.db.before-restore"))) as report:
        assert report.summary().orders == 21
    assert stat.S_IMODE(spine.path.stat().st_mode) == 0o600
    assert copy.exists()


def test_what_is_no_sound_ledger_is_not_put_back(spine: Spine, copy: Path) -> None:
    copy.write_bytes(b"SQLite format 3\0" + b"x" * 9000)
    with pytest.raises(ConfigError):
        put_back(copy, spine.path)
    with pytest.raises(ConfigError, match="no such file"):
        put_back(copy.with_name("missing.db"), spine.path)
    assert spine.summary().orders == 20


def _text(file: Path) -> None:
    file.write_text("somebody's letter")


def _folder_there(file: Path) -> None:
    file.mkdir()


def _another_programs(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE songs (title TEXT)")


def _of_a_newer_version(file: Path) -> None:
    SqliteLedger(file).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('wcsync', 'm999_x', '')"
        )


@pytest.mark.parametrize(
    ("make", "message", "remedy"),
    [
        (_text, "file is not a database", "Name a file that `wcsync backup` wrote"),
        (Path.touch, "no ledger of wcsync", "Name a file that `wcsync backup` wrote"),
        (_folder_there, "is no file", "Name a file that `wcsync backup` wrote"),
        (_another_programs, "no ledger of wcsync", "Name a file that `wcsync backup` wrote"),
        (_of_a_newer_version, "newer wcsync", "Install that version"),
        (lambda file: SqliteLedger(file).close(), "nothing was ever read", "Name another copy"),
    ],
    ids=["text", "empty", "folder", "another program's", "newer", "never used"],
)
def test_a_wrong_file_is_named_with_what_to_name_instead(
    spine: Spine, copy: Path, make: Callable[[Path], None], message: str, remedy: str
) -> None:
    make(copy)
    with pytest.raises(ConfigError) as caught:
        put_back(copy, spine.path)
    problem = caught.value.problems[0]
    assert problem.where == str(copy)
    assert message in problem.message
    assert remedy in problem.remedy
    assert spine.summary().orders == 20


def test_a_second_restore_leaves_what_the_first_one_put_aside(spine: Spine, copy: Path) -> None:
    """Who restored the wrong backup restores another one: the ledger of before both is the one to go back to."""
    take(spine.path, copy, T0)
    spine.record(make_order(99, email="late@example.test"))
    spine.close()
    put_back(copy, spine.path)
    put_back(copy, spine.path)
    with closing(Report(spine.path.with_name("ledger.db.before-restore"))) as report:
        assert report.summary().orders == 21
    with closing(Report(spine.path.with_name("ledger.db.before-restore-2"))) as report:
        assert report.summary().orders == 20


def test_a_restore_that_was_killed_and_is_repeated_puts_the_ledger_aside_once(
    spine: Spine, copy: Path
) -> None:
    take(spine.path, copy, T0)
    spine.close()
    first = spine.path.with_name("ledger.db.before-restore")
    os.link(spine.path, first)  # as it is between the two names
    put_back(copy, spine.path)
    assert first.exists()
    assert not spine.path.with_name("ledger.db.before-restore-2").exists()


def test_a_damaged_ledger_is_replaced_by_its_backup(spine: Spine, copy: Path) -> None:
    take(spine.path, copy, T0)
    spine.close()
    spine.path.write_bytes(b"dust" * 3000)
    put_back(copy, spine.path)
    with closing(Report(spine.path)) as report:
        assert report.summary().orders == 20


def test_a_copy_without_a_mark_is_of_the_moment_it_was_last_written(spine: Spine) -> None:
    """Where a whole machine was put back, the ledger is a copy already: naming it marks it."""
    spine.tick(500)
    spine.poller.poll_once()
    written = spine.clock()
    spine.tick(86400)
    assert put_back(spine.path, spine.path).taken_at == written
    begun = spine.ledger.begin_restored(spine.clock())
    assert begun is not None
    assert begun.taken_at == written


def test_an_empty_ledger_is_nothing_to_restore(tmp_path: Path, spine: Spine) -> None:
    empty = tmp_path / "empty.db"
    SqliteLedger(empty).close()
    with pytest.raises(ConfigError, match="nothing was ever read"):
        put_back(empty, spine.path)


def test_a_backup_of_a_ledger_that_has_yet_to_catch_up_keeps_the_older_time(spine: Spine, copy: Path) -> None:
    take(spine.path, copy, T0)
    put_back(copy, spine.path)
    spine.ledger.begin_restored(T0 + timedelta(days=1))
    again = copy.with_name("again.db")
    take(spine.path, again, T0 + timedelta(days=2))
    assert put_back(again, spine.path).taken_at == T0


# -- killed ------------------------------------------------------------------------------------------------------------

_ENDLESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from wcsync.ledger.backup import take
while True:
    take(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))
    print("taken", flush=True)
"""


@pytest.mark.prove
def test_a_killed_backup_leaves_no_half_file_under_its_name(spine: Spine, copy: Path, proof: Proof) -> None:
    dice, half, torn = random.Random(7), 0, 0
    for _ in range(20):
        words = [sys.executable, "-c", _ENDLESS, str(spine.path), str(copy)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            sleep(dice.uniform(0.0, 0.05))
            process.kill()
        torn += len(list(copy.parent.iterdir())) > 1
        with closing(sqlite3.connect(copy)) as db:
            half += db.execute("PRAGMA integrity_check").fetchone() != ("ok",)
            half += db.execute("SELECT count(*) FROM orders").fetchone() != (20,)
    taken = take(spine.path, copy, T0)
    proof.tell("kills", "backup, killed", trials=20, lost=half, parts_left=torn)
    assert half == 0
    assert list(copy.parent.iterdir()) == [copy]
    assert taken.orders == 20
