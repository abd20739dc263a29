"""A path that is an empty text, as a shell makes of a variable that is not set: it is no name of the current folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from wcsync.cli import main

COMMANDS = {
    "backup": ["backup", ""],
    "backup into a folder": ["backup", "--keep", "3", ""],
    "restore": ["restore", ""],
    "init": ["init", ""],
    "export": ["mapping", "export", ""],
    "config": ["status", "--config", ""],
    "the config of tail": ["tail", "--order", "1", "--config", ""],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_an_empty_path_is_refused_with_what_to_write(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "the path is empty" in result.stderr
    assert "`.`" in result.stderr
    assert list(tmp_path.iterdir()) == []
