import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.fakes import CAMPUS, FakeClock, make_line
from tests.unprivileged import without_rights
from wcsync.credentials import read_plain_file
from wcsync.errors import ConfigError
from wcsync.ledger.ledger import SqliteLedger
from wcsync.mappers.mapping import TargetKey
from wcsync.mappers.problems import MOST_TOLD
from wcsync.model import LmsName
from wcsync.pollers.mapping import LARGEST_FILE_BYTES, MappingKeeper, read_file, signs_of

LMS: dict[LmsName, tuple[TargetKey, ...]] = {
    CAMPUS: (TargetKey(name="course", pattern="[0-9]+", doc="the number of the course", course=True),)
}
GOOD = '[[map]]\nsku = "PY-101"\nlms = "campus"\ncourse = "42"\n'
OTHER = GOOD.replace("42", "43")
BAD = GOOD.replace("campus", "nowhere")


class Desk:
    """A mapping file that is edited and a keeper that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mapping.toml"
        self.ledger = SqliteLedger(folder / "ledger.db")
        self.restart()

    def restart(self) -> None:
        self.clock = FakeClock()
        self.keeper = MappingKeeper(self.path, LMS, self.ledger, self.clock)

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def course(self) -> str:
        match = self.keeper.current.match(make_line())
        assert match is not None
        (target,) = match.targets
        return target.course_id

    def audited(self) -> int:
        rows = self.ledger._db.execute("SELECT count(*) FROM audit WHERE actor = 'mapping'").fetchone()
        return int(rows[0])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.write(GOOD)
    yield made
    made.keeper.close()
    made.ledger.close()


@pytest.fixture
def logs() -> list[Any]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture.entries


def events(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs]


def vanish(desk: Desk) -> None:
    desk.path.unlink()


def become_a_folder(desk: Desk) -> None:
    desk.path.unlink()
    desk.path.mkdir()


HARM = [
    pytest.param(lambda desk: desk.write(BAD), id="an unknown lms"),
    pytest.param(lambda desk: desk.write(GOOD[: len(GOOD) // 2]), id="torn"),
    pytest.param(lambda desk: desk.write(""), id="emptied"),
    pytest.param(lambda desk: desk.path.write_bytes(b"\xff\xfe\x00\x01" * 9), id="no text at all"),
    pytest.param(lambda desk: desk.write("#" * (LARGEST_FILE_BYTES + 1)), id="huge"),
    pytest.param(vanish, id="vanished"),
    pytest.param(become_a_folder, id="a folder"),
]


def test_a_good_file_is_put_in_force(desk: Desk, logs: list[Any]) -> None:
    desk.keeper.load()
    assert desk.course() == "42"
    assert events(logs) == ["mapping_accepted"]


def test_a_file_that_did_not_change_is_left_alone(desk: Desk, logs: list[Any]) -> None:
    desk.keeper.load()
    assert not desk.keeper.refresh()
    desk.keeper.load()
    assert events(logs) == ["mapping_accepted"]


def test_an_edit_is_put_in_force(desk: Desk) -> None:
    desk.keeper.load()
    desk.write(OTHER)
    assert desk.keeper.refresh()
    assert desk.course() == "43"


def test_an_edit_that_changes_no_meaning_is_no_other_mapping_but_its_lines_are_known(desk: Desk) -> None:
    desk.keeper.load()
    desk.write("# a comment\n\n" + GOOD)
    assert not desk.keeper.refresh()
    match = desk.keeper.current.match(make_line())
    assert match is not None
    assert match.source == "mapping.toml:3"


@pytest.mark.parametrize("harm", HARM)
def test_a_bad_file_leaves_the_last_good_mapping_in_force_and_is_told_once(
    desk: Desk, logs: list[Any], harm: Any
) -> None:
    desk.keeper.load()
    harm(desk)
    assert [desk.keeper.refresh() for _ in range(3)] == [False, False, False]
    assert desk.course() == "42"
    assert events(logs) == ["mapping_accepted", "mapping_refused"]
    assert logs[-1]["log_level"] == "error"
    assert all("mapping.toml" in problem for problem in logs[-1]["problems"])


@pytest.mark.parametrize("harm", HARM)
def test_the_last_good_mapping_outlives_a_restart(desk: Desk, logs: list[Any], harm: Any) -> None:
    desk.keeper.load()
    harm(desk)
    desk.restart()
    desk.keeper.load()
    assert desk.course() == "42"
    assert not desk.keeper.refresh()
    assert events(logs) == ["mapping_accepted", "mapping_refused"]


@pytest.mark.parametrize("harm", HARM)
def test_without_any_good_mapping_the_file_is_refused(tmp_path: Path, logs: list[Any], harm: Any) -> None:
    desk = Desk(tmp_path)
    desk.write(GOOD)
    harm(desk)
    with pytest.raises(ConfigError, match=r"mapping\.toml"):
        desk.keeper.load()
    assert events(logs) == []
    desk.ledger.close()


def test_of_thousands_of_mistakes_a_handful_is_told(desk: Desk, logs: list[Any]) -> None:
    """A journal cuts a line of megabytes to pieces, and nobody reads it."""
    desk.keeper.load()
    desk.write('[[map]]\nsku = "PY-101"\nlms = "campos"\ncourse = "42"\n' * 3000)
    desk.keeper.refresh()
    told = logs[-1]["problems"]
    assert len(told) == MOST_TOLD + 1
    assert "mapping.toml:3" in told[0]
    assert told[-1] == f"and {3000 - MOST_TOLD} more; `wcsync check` names them all"


def test_another_mistake_is_another_error(desk: Desk, logs: list[Any]) -> None:
    desk.keeper.load()
    desk.write(BAD)
    desk.keeper.refresh()
    desk.write("[[map")
    desk.keeper.refresh()
    assert events(logs)[1:] == ["mapping_refused", "mapping_refused"]


def test_a_file_mended_to_what_it_was_is_told_to_be_well(desk: Desk, logs: list[Any]) -> None:
    desk.keeper.load()
    desk.write(BAD)
    desk.keeper.refresh()
    desk.write(GOOD)
    assert not desk.keeper.refresh()
    assert events(logs)[2:] == ["mapping_mended"]
    desk.write(BAD)
    desk.keeper.refresh()
    assert events(logs)[3:] == ["mapping_refused"]


def test_a_mended_and_changed_file_is_put_in_force(desk: Desk) -> None:
    desk.keeper.load()
    desk.write(BAD)
    desk.keeper.refresh()
    desk.write(OTHER)
    assert desk.keeper.refresh()
    assert desk.course() == "43"


def test_a_file_mended_after_a_restart_is_put_in_force(desk: Desk) -> None:
    desk.keeper.load()
    desk.write(BAD)
    desk.restart()
    desk.keeper.load()
    desk.write(OTHER)
    assert desk.keeper.refresh()
    assert desk.course() == "43"


def test_a_mapping_kept_by_another_version_is_not_trusted(desk: Desk) -> None:
    desk.ledger.record_mapping('{"something": "else"}', FakeClock()())
    desk.write(BAD)
    with pytest.raises(ConfigError, match="nowhere"):
        desk.keeper.load()


def test_a_mapping_the_ledger_could_not_keep_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("database or disk is full")

    desk.keeper.load()
    desk.write(OTHER)
    with monkeypatch.context() as patched:
        patched.setattr(desk.ledger, "record_mapping", full)
        with pytest.raises(OSError, match="full"):
            desk.keeper.refresh()
    assert desk.keeper.refresh()
    assert desk.course() == "43"


def test_a_restart_with_an_unchanged_file_writes_nothing(desk: Desk) -> None:
    desk.keeper.load()
    desk.restart()
    desk.keeper.load()
    assert desk.audited() == 1


def test_asking_before_loading_is_a_bug(desk: Desk) -> None:
    with pytest.raises(AssertionError):
        _ = desk.keeper.current


def test_a_file_may_be_read_without_keeping_it(desk: Desk) -> None:
    assert len(read_file(desk.path, LMS).rows) == 1
    assert desk.ledger.read_mapping() is None


def test_a_file_still_being_written_is_left_to_the_next_look(desk: Desk) -> None:
    desk.write(GOOD)
    desk.keeper.load()
    desk.write(OTHER)
    changed_at = desk.path.stat().st_mtime
    desk.clock.now = datetime.fromtimestamp(changed_at, UTC) + timedelta(seconds=1)
    assert not desk.keeper.refresh()
    assert desk.course() == "42"
    desk.clock.tick(5)
    assert desk.keeper.refresh()
    assert desk.course() == "43"


def test_a_pipe_in_place_of_the_file_is_refused_and_waited_for_by_nobody(desk: Desk) -> None:
    desk.write(GOOD)
    desk.keeper.load()
    desk.path.unlink()
    os.mkfifo(desk.path)
    assert not desk.keeper.refresh()
    assert desk.course() == "42"


# -- watching --------------------------------------------------------------------------------------------------------


class Watch:
    """A keeper that watches its file, every two seconds of a timer that is moved by hand."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.now = 1000.0
        self.keeper = desk.keeper = MappingKeeper(desk.path, LMS, desk.ledger, desk.clock, lambda: self.now)
        self.keeper.load()
        assert not self.look()

    def look(self, times: int = 1) -> bool:
        changed = False
        for _ in range(times):
            self.now += 2
            changed |= self.keeper.watch()
        return changed


@pytest.fixture
def watch(desk: Desk) -> Watch:
    return Watch(desk)


def save_by_renaming(path: Path, text: str) -> None:
    beside = path.with_name("mapping.toml.new")
    beside.write_text(text)
    beside.rename(path)


def save_with_an_old_date(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (1, 1))


def save_with_the_date_kept(path: Path, text: str) -> None:
    """Same size, same date: what `cp -p` and some editors leave."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)


def save_with_a_date_to_come(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (4e9, 4e9))


def save_by_removing_first(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


@pytest.mark.parametrize(
    "save",
    [
        Path.write_text,
        save_by_renaming,
        save_by_removing_first,
        save_with_an_old_date,
        save_with_the_date_kept,
        save_with_a_date_to_come,
    ],
    ids=lambda save: save.__name__,
)
def test_a_saved_file_is_in_force_two_looks_later_however_it_was_saved(watch: Watch, save: Any) -> None:
    save(watch.desk.path, OTHER)
    assert not watch.look()
    assert watch.look()
    assert watch.desk.course() == "43"


def test_a_file_behind_links_that_are_swapped_is_followed(tmp_path: Path) -> None:
    """As a ConfigMap is mounted: mapping.toml -> ..data/mapping.toml, ..data -> a folder for each version."""
    for name, text in (("v1", GOOD), ("v2", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mapping.toml").write_text(text)
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "mapping.toml").symlink_to("..data/mapping.toml")
    desk = Desk(tmp_path)
    watch = Watch(desk)
    (tmp_path / "..data.new").symlink_to("v2")
    (tmp_path / "..data.new").rename(tmp_path / "..data")
    assert watch.look(2)
    assert desk.course() == "43"
    desk.ledger.close()


def test_a_look_at_a_file_that_did_not_change_does_not_open_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr("wcsync.pollers.mapping.read_plain_file", opened)
    assert not watch.look(20)


def test_an_edit_that_leaves_every_sign_as_it_was_is_found_within_a_minute(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coarse clock on a file server: two saves in one of its ticks."""
    signs = signs_of(watch.desk.path)
    monkeypatch.setattr("wcsync.pollers.mapping.signs_of", lambda _path: signs)
    watch.desk.write(OTHER)
    assert not watch.look(5)
    assert watch.look(30)
    assert watch.desk.course() == "43"


def test_a_file_that_goes_on_changing_is_read_when_it_is_done(watch: Watch, logs: list[Any]) -> None:
    text = GOOD + OTHER.replace("PY-101", "PY-102")
    for end in range(len(GOOD), len(text)):
        watch.desk.write(text[:end])
        assert not watch.look()
    watch.desk.write(text)
    assert watch.look(2)
    assert "mapping_refused" not in events(logs)
    assert len(watch.keeper.current.rows) == 2


def test_a_file_changed_while_it_is_read_is_read_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_slowly(path: Path, limit: int) -> Any:
        found = read_plain_file(path, limit)
        monkeypatch.undo()
        path.write_text(GOOD.replace("42", "44"))
        return found

    watch.desk.write(OTHER)
    monkeypatch.setattr("wcsync.pollers.mapping.read_plain_file", read_slowly)
    assert not watch.look(2)
    assert watch.desk.course() == "42"
    assert watch.look(2)
    assert watch.desk.course() == "44"


@pytest.mark.parametrize("harm", HARM)
def test_a_watched_file_that_turned_bad_changes_nothing_and_is_told_once(
    watch: Watch, logs: list[Any], harm: Any
) -> None:
    logs.clear()
    harm(watch.desk)
    assert not watch.look(100)
    assert watch.desk.course() == "42"
    assert events(logs) == ["mapping_refused"]
    assert watch.desk.ledger.read_mapping() is not None


@pytest.mark.parametrize("harm", HARM)
def test_a_watched_file_that_is_mended_is_in_force_two_looks_later(
    watch: Watch, logs: list[Any], harm: Any
) -> None:
    harm(watch.desk)
    watch.look(2)
    if watch.desk.path.is_dir():
        watch.desk.path.rmdir()
    logs.clear()
    watch.desk.write(OTHER)
    assert watch.look(2)
    assert watch.desk.course() == "43"
    assert events(logs) == ["mapping_accepted"]


def test_a_file_that_is_missing_for_a_moment_is_no_trouble(watch: Watch, logs: list[Any]) -> None:
    logs.clear()
    watch.desk.path.unlink()
    watch.look()
    watch.desk.write(GOOD)
    watch.look(3)
    assert events(logs) == []


def test_a_file_that_may_no_longer_be_read_is_told_and_mended_by_a_chmod(
    watch: Watch, logs: list[Any]
) -> None:
    logs.clear()
    watch.desk.path.chmod(0)
    assert watch.desk.audited() == 1  # this thread has its connection before it has no rights
    with without_rights():
        watch.look(3)
    assert watch.desk.course() == "42"
    assert events(logs) == ["mapping_refused"]
    assert "Permission denied" in logs[0]["problems"][0]
    watch.desk.path.chmod(0o644)
    watch.look(2)
    assert events(logs) == ["mapping_refused", "mapping_mended"]


def test_an_emptied_file_says_how_to_mean_it(watch: Watch, logs: list[Any]) -> None:
    watch.desk.write("")
    watch.look(2)
    assert 'sku = "*"' in logs[-1]["problems"][0]
    watch.desk.write('[[map]]\nsku = "*"\nignore = true\n')
    assert watch.look(2)
    match = watch.keeper.current.match(make_line())
    assert match is not None
    assert match.ignore


def test_a_mapping_that_could_not_be_kept_is_tried_at_the_next_look(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("database or disk is full")

    watch.desk.write(OTHER)
    watch.look()
    with monkeypatch.context() as patched:
        patched.setattr(watch.desk.ledger, "record_mapping", full)
        with pytest.raises(OSError, match="full"):
            watch.look()
    assert watch.look()
    assert watch.desk.course() == "43"


# -- a mount that went away ------------------------------------------------------------------------------------------


@pytest.fixture
def hung(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A thread that looks at the file and does not come back until it is let go."""
    mended, arrived = Event(), Event()

    def never_answers(path: Path) -> Any:
        arrived.set()
        assert mended.wait(10)
        return signs_of(path)

    monkeypatch.setattr("wcsync.pollers.mapping.signs_of", never_answers)
    thread = Thread(target=watch.keeper.watch)
    thread.start()
    assert arrived.wait(5)

    def let_go() -> None:
        mended.set()
        thread.join(5)

    yield let_go
    let_go()


def test_a_start_without_reach_of_the_file_makes_do_with_the_last_good_mapping(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    monkeypatch.setattr("wcsync.pollers.mapping.LOAD_LIMIT_S", 0.05)
    mended, desk = Event(), watch.desk

    def answers_late(path: Path, limit: int) -> Any:
        assert mended.wait(10)
        return read_plain_file(path, limit)

    monkeypatch.setattr("wcsync.pollers.mapping.read_plain_file", answers_late)
    desk.write(OTHER)
    desk.restart()
    logs.clear()
    desk.keeper.load()
    assert desk.course() == "42"
    assert events(logs) == ["mapping_refused"]
    mended.set()
    deadline = monotonic() + 5
    while desk.course() != "43":
        assert monotonic() < deadline
        desk.keeper.refresh()
        sleep(0.005)
    assert events(logs) == ["mapping_refused", "mapping_accepted", "mapping_mended"]


def test_a_first_start_without_reach_of_the_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wcsync.pollers.mapping.LOAD_LIMIT_S", 0.05)
    mended, desk = Event(), Desk(tmp_path)

    def never_answers(_path: Path, _limit: int) -> Any:
        mended.wait(10)
        raise OSError("gone")

    monkeypatch.setattr("wcsync.pollers.mapping.read_plain_file", never_answers)
    with pytest.raises(ConfigError, match="cannot be reached"):
        desk.keeper.load()
    desk.keeper.close()
    desk.ledger.close()
    mended.set()


def test_a_ledger_that_fails_while_the_file_is_loaded_is_no_matter_of_the_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("database or disk is full")

    monkeypatch.setattr(desk.ledger, "record_mapping", full)
    with pytest.raises(OSError, match="full"):
        desk.keeper.load()


def test_a_look_that_hangs_holds_up_nobody_else(watch: Watch, hung: Any) -> None:
    assert watch.desk.course() == "42"
    assert not watch.keeper.watch()
    assert not watch.keeper.refresh()


def test_a_look_that_hangs_until_all_is_closed_touches_the_ledger_no_more(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    """SQLite takes the whole process down if one thread closes what another uses."""
    mended, arrived = Event(), Event()

    def answers_late(path: Path, limit: int) -> Any:
        arrived.set()
        assert mended.wait(10)
        return read_plain_file(path, limit)

    monkeypatch.setattr("wcsync.pollers.mapping.read_plain_file", answers_late)
    watch.desk.write(OTHER)
    watch.look()
    thread = Thread(target=watch.look)
    thread.start()
    assert arrived.wait(5)
    kept = watch.desk.ledger.read_mapping()
    logs.clear()
    watch.keeper.close()
    mended.set()
    thread.join(5)
    assert watch.desk.ledger.read_mapping() == kept
    assert (events(logs), watch.desk.course()) == ([], "42")


def test_a_look_that_hangs_is_told_once_and_so_is_its_end(watch: Watch, hung: Any, logs: list[Any]) -> None:
    logs.clear()
    watch.keeper.tell_if_stuck()
    assert events(logs) == []
    for _ in range(3):
        watch.now += 20
        watch.keeper.tell_if_stuck()
    assert events(logs) == ["mapping_refused"]
    assert "cannot be reached" in logs[0]["problems"][0]
    hung()
    assert events(logs) == ["mapping_refused", "mapping_mended"]
    watch.now += 60
    watch.keeper.tell_if_stuck()
    assert len(logs) == 2
