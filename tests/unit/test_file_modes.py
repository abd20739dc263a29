"""Who else on this machine may read or write our files, and what is done about it."""

import stat
from contextlib import closing
from pathlib import Path

import pytest

from wcsync.config import load_config
from wcsync.ledger.connection import connect, prepare_file

CONFIG = """
[store]
url = "https://shop.example.test"
consumer_key = { env = "KEY" }
consumer_secret = { env = "SECRET" }
[[lms]]
name = "campus"
kind = "moodle"
url = "https://campus.example.test"
token = { env = "KEY" }
[ledger]
path = "ledger.db"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "wcsync"
    folder.mkdir(mode=0o755)
    path = folder / "config.toml"
    path.write_text(CONFIG)
    path.chmod(0o644)
    return path


def warned_of(config: Path) -> list[str]:
    return [
        one.where
        for one in load_config(
            config, {"KEY": "ck_0123456789abcdef", "SECRET": "cs_0123456789abcdef"}
        ).warnings
    ]


def test_a_config_that_holds_no_secret_may_be_read_by_all(config: Path) -> None:
    assert warned_of(config) == []


def test_a_config_that_everybody_can_write_is_warned_of(config: Path) -> None:
    config.chmod(0o646)
    assert warned_of(config) == [str(config)]


def test_a_folder_in_which_everybody_can_replace_the_config_is_warned_of(config: Path) -> None:
    config.parent.chmod(0o777)
    assert warned_of(config) == [str(config.parent)]
    config.parent.chmod(0o1777)
    assert warned_of(config) == [], "with the sticky bit nobody can"


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o640), (0o666, 0o660), (0o600, 0o600), (0o640, 0o640)]
)
def test_a_ledger_that_others_may_read_is_closed_to_them(tmp_path: Path, before: int, after: int) -> None:
    path = tmp_path / "ledger.db"
    prepare_file(path)
    path.chmod(before)
    prepare_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == after
    with closing(connect(path)) as db:
        db.execute("BEGIN IMMEDIATE")
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("ledger.db-*")}
    assert not any(mode & 0o007 for mode in modes)
