import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.fakes import CAMPUS, FakeClock, make_line
from wcsync.errors import ConfigError
from wcsync.ledger.ledger import SqliteLedger
from wcsync.mappers.mapping import TargetKey
from wcsync.model import LmsName
from wcsync.pollers.mapping import LARGEST_FILE_BYTES, MappingKeeper, read_file

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
