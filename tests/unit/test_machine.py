"""What `check` says of the machine itself."""

from pathlib import Path

import pytest

from wcsync.doctor import machine
from wcsync.errors import Problem

NO_FOLDER = Problem(where="ledger", message="cannot be used", remedy="make it")


@pytest.mark.parametrize(
    ("folder", "fatal"), [("wcsync", False), ("wcsync-north", False), ("else", True), ("wcsync/deeper", True)]
)
def test_a_folder_that_systemd_is_going_to_make_stops_no_first_start(
    folder: str, fatal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "STATE", tmp_path)
    [found] = machine.examine_machine(tmp_path / folder / "ledger.db", None, NO_FOLDER)
    assert (found.code, found.ok, found.fatal) == ("ledger_folder", False, fatal)
