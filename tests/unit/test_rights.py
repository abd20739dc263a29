"""Files that the user who runs wcsync may not read or write: said what, whose, and what to do."""

import json
import os
import pwd
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.daemon_files import LEDGER, campus_section, store_section, write_secrets
from tests.unprivileged import folder_of_nobody, give_all, without_rights
from wcsync.cli import main
from wcsync.config.loading import find_config
from wcsync.ledger.backup import dated, take
from wcsync.ledger.connection import prepare_file
from wcsync.rights import with_rights

MAPPING = '[[map]]\nproduct_id = 1\nlms = "campus"\ncourse = "42"\n'


@pytest.fixture
def home() -> Iterator[Path]:
    """A daemon's folder that belongs to nobody, with a ledger that was begun."""
    with folder_of_nobody() as folder:
        write_secrets(folder, {"key": "ck_x", "key_secret": "cs_x", "token": "tok_x"})
        sites = store_section("https://shop.example.test") + campus_section("https://campus.example.test")
        (folder / "config.toml").write_text(sites + LEDGER.replace("ledger.db", "data/ledger.db"))
        (folder / "mapping.toml").write_text(MAPPING)
        (folder / "data").mkdir()
        give_all(folder)
        yield folder


def said(home: Path, *words: str) -> tuple[int, str]:
    with without_rights():
        result = CliRunner().invoke(main, [*words, "--config", str(home / "config.toml")])
    return result.exit_code, result.output + repr(result.exception)


def begun(home: Path) -> Path:
    ledger = home / "data" / "ledger.db"
    prepare_file(ledger)
    give_all(home)
    return ledger


def closed(path: Path, mode: int) -> str:
    """What a message says of it."""
    path.chmod(mode)
    name = pwd.getpwuid(path.stat().st_uid).pw_name
    return f"{path} belongs to {name}, mode {mode:03o}, and this runs as {name}"


@pytest.mark.parametrize("words", [("run", "--once"), ("check",)], ids=" ".join)
def test_a_folder_in_which_no_ledger_can_be_made_is_told_with_whose_it_is(
    home: Path, words: tuple[str, ...]
) -> None:
    rights = closed(home / "data", 0o555)
    code, told = said(home, *words)
    assert code == 78
    assert f"the ledger's folder cannot be used (Permission denied; {rights})" in told
    assert "give it to the daemon's user" in told
    assert list((home / "data").iterdir()) == []


@pytest.mark.parametrize("words", [("status",), ("hold", "7"), ("parked", "list")], ids=" ".join)
@pytest.mark.parametrize(("what", "mode"), [("data", 0o555), ("data/ledger.db", 0)], ids=["folder", "file"])
def test_a_ledger_that_may_not_be_used_is_told_with_what_stands_in_the_way(
    home: Path, words: tuple[str, ...], what: str, mode: int
) -> None:
    ledger = begun(home)
    rights = closed(home / what, mode)
    code, told = said(home, *words)
    assert code == 78, told
    assert f"{ledger}: the ledger cannot be read (" in told
    assert rights in told
    assert "Run this as the user of the daemon" in told


def test_a_ledger_that_may_only_be_read_stops_a_daemon_before_it_begins(home: Path) -> None:
    rights = closed(begun(home), 0o400)
    code, told = said(home, "run", "--once")
    assert code == 78, told
    assert rights in told
    assert "the folder's owner" in told


@pytest.mark.parametrize("words", [("run", "--once"), ("mapping", "check"), ("check",)], ids=" ".join)
def test_a_mapping_that_may_not_be_read_is_told_with_whose_it_is(home: Path, words: tuple[str, ...]) -> None:
    begun(home)
    rights = closed(home / "mapping.toml", 0)
    code, told = said(home, *words)
    assert code == 78, told
    assert f"the mapping file cannot be read (Permission denied; {rights})" in told
    assert "that the user wcsync runs as may read the file" in told


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--once", "--json"),
        ("check", "--json"),
        ("status", "--json"),
        ("backup", "copy.db", "--json"),
        ("mapping", "check", "--json"),
    ],
    ids=" ".join,
)
def test_a_config_that_may_not_be_read_is_a_document_that_tells_whose_it_is(
    home: Path, words: tuple[str, ...]
) -> None:
    config = home / "config.toml"
    rights = closed(config, 0)
    with without_rights():
        result = CliRunner().invoke(main, [*words, "--config", str(config)])
    assert result.exit_code == 78, result.output
    [(_, (told,))] = json.loads(result.stdout).items()  # a problem, or a diagnosis
    assert f"{config}" in repr(told)
    assert f"the config cannot be read (Permission denied; {rights})" in told["message"]
    assert "Run this as the user of the daemon" in told["remedy"]


@pytest.mark.parametrize("words", [("run", "--once"), ("tail", "--order", "7", os.devnull)], ids=" ".join)
def test_a_config_in_a_folder_that_may_not_be_entered_is_told_with_whose_that_is(
    home: Path, words: tuple[str, ...]
) -> None:
    rights = closed(home, 0o600)
    code, told = said(home, *words)
    assert code == 78, told
    assert f"the config cannot be read (Permission denied; {rights})" in told


def test_a_usual_place_that_may_not_be_looked_into_is_not_passed_over(home: Path) -> None:
    """What is there is not known; another config may be the wrong one."""
    closed(home, 0o600)
    with without_rights():
        assert find_config(None, [home / "config.toml", Path("config.toml")]) == home / "config.toml"


@pytest.mark.parametrize("what", ["copies", "copies/copy.db"], ids=["folder", "file"])
def test_a_backup_that_may_not_be_read_is_told_with_whose_it_is(home: Path, what: str) -> None:
    begun(home)
    copy = home / "copies" / "copy.db"
    copy.parent.mkdir()
    copy.write_bytes(b"")
    give_all(home)
    rights = closed(home / what, 0)
    code, told = said(home, "restore", str(copy), "--json")
    assert code == 78, told
    assert f"the backup cannot be read (Permission denied; {rights})" in told
    assert "Run this as a user who may read it" in told


@pytest.mark.parametrize("keep", [("--keep", "1"), ()], ids=["keep", "once"])
@pytest.mark.parametrize("mode", [0, 0o500], ids=["closed", "only read"])
@pytest.mark.parametrize("there", [True, False], ids=["a folder", "to be made"])
def test_a_place_where_no_backup_can_be_made_is_told_with_whose_it_is(
    home: Path, keep: tuple[str, ...], mode: int, *, there: bool
) -> None:
    begun(home)
    folder = home / "copies"
    folder.mkdir()
    give_all(home)
    rights = closed(folder, mode)
    code, told = said(home, "backup", str(folder if there else folder / "daily"), *keep, "--json")
    assert code == 78, told
    assert rights in told


def test_secrets_that_may_not_be_looked_at_are_in_no_backups_way(home: Path) -> None:
    begun(home)
    secrets = home / "secrets"
    secrets.mkdir()
    (home / "key").rename(secrets / "key")
    config = home / "config.toml"
    config.write_text(config.read_text().replace('"key"', '"secrets/key"'))
    (home / "copy.db").touch()
    give_all(home)
    secrets.chmod(0)
    code, told = said(home, "backup", str(home / "copy.db"), "--force")
    assert code == 0, told


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root makes a folder in which others remove their own alone"
)
def test_an_older_backup_that_may_not_be_removed_is_told_beside_the_new_one(home: Path) -> None:
    begun(home)
    folder = home / "copies"
    folder.mkdir()
    folder.chmod(0o1777)
    old = dated(folder, datetime(2020, 1, 1, tzinfo=UTC))
    take(home / "data" / "ledger.db", old, datetime(2020, 1, 1, tzinfo=UTC))
    old.chmod(0o644)
    code, told = said(home, "backup", str(folder), "--keep", "1", "--json")
    assert code == 78, told
    assert (
        f"{old}: this older backup could not be removed (Operation not permitted; {old} belongs to root"
        in told
    )
    assert len(list(folder.iterdir())) == 2


def test_where_rights_are_not_what_is_missing_nothing_is_said_of_them(home: Path) -> None:
    code, told = said(home, "status")
    assert (code, "belongs to" in told) == (78, False), told
    assert "there is no ledger yet" in told


def test_a_file_system_that_nobody_may_write_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only root could mount one. Whose the folder is has no part in it."""
    found = os.statvfs(tmp_path)
    read_only = os.statvfs_result([*found[:8], found.f_flag | os.ST_RDONLY, found.f_namemax])
    monkeypatch.setattr("wcsync.rights.os.access", lambda _place, needed, **_: not needed & os.W_OK)
    monkeypatch.setattr("wcsync.rights.os.statvfs", lambda _place: read_only)
    told = with_rights("Read-only file system", tmp_path / "ledger.db", to_write=True)
    assert told.startswith(f"Read-only file system; {tmp_path} is mounted read-only")
    assert "belongs to" not in told
    assert with_rights("gone", tmp_path / "mapping.toml", to_write=False) == "gone"
