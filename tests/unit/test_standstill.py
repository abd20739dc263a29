"""`wcsync status` says of a daemon that runs whether it gets on, too."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from freezegun import freeze_time

from tests.daemon_files import LEDGER, campus_section, store_section, write_secrets
from tests.fakes import T0
from tests.spine import Spine
from wcsync.cli import main
from wcsync.health import Condition, Health
from wcsync.ledger.lock import AlreadyRunning, only_instance, running_instance, running_since
from wcsync.times import render_instant

CONFIG = "".join(
    (
        store_section("https://shop.example.com"),
        campus_section("https://campus.example.com"),
        LEDGER,
        '[mapping]\npath = "mapping.toml"\n',
    )
)
PATIENCE = timedelta(seconds=2 * 60 + 2 * 30)
"""Two of the longest waits between looks, and the time that one answer may take, by default."""


@pytest.fixture
def spine(tmp_path: Path) -> Iterator[Spine]:
    (tmp_path / "config.toml").write_text(CONFIG)
    made = Spine(tmp_path, start=T0)
    with only_instance(made.path):
        os.utime(tmp_path / "ledger.db.lock", (T0.timestamp(), T0.timestamp()))
        yield made
    made.close()


def status(spine: Spine, *words: str, at: datetime) -> Result:
    with freeze_time(at):
        return CliRunner().invoke(
            main, ["status", *words, "--config", str(spine.path.parent / "config.toml")]
        )


def stands(spine: Spine, *, at: datetime) -> dict[str, object] | None:
    found: dict[str, object] | None = json.loads(status(spine, "--json", at=at).stdout)["standstill"]
    return found


def look(spine: Spine, at: datetime) -> None:
    text = render_instant(at)
    spine.execute(
        "INSERT OR REPLACE INTO cursors (name, position, polled_at) VALUES ('orders', ?, ?)", text, text
    )


def test_a_daemon_that_has_just_begun_or_just_looked_does_not_stand_still(spine: Spine) -> None:
    assert stands(spine, at=T0 + PATIENCE) is None
    look(spine, T0 + timedelta(hours=1))
    assert stands(spine, at=T0 + timedelta(hours=1) + PATIENCE) is None


def test_a_daemon_that_looked_too_long_ago_or_never_is_said_to_stand_still(spine: Spine) -> None:
    assert stands(spine, at=T0 + timedelta(minutes=10)) == {
        "since": "2026-11-21T12:00:00.000000Z",
        "for_s": 600,
    }


def test_a_look_of_the_process_before_does_not_count_against_the_one_that_runs(spine: Spine) -> None:
    look(spine, T0 - timedelta(days=3))
    assert stands(spine, at=T0 + PATIENCE) is None
    found = stands(spine, at=T0 + PATIENCE + timedelta(seconds=1))
    assert found is not None
    assert found["for_s"] == 181


def test_people_are_told_since_when_and_what_to_do(spine: Spine) -> None:
    look(spine, T0)
    text = " ".join(status(spine, at=T0 + timedelta(minutes=12)).stdout.split())
    assert "it STANDS STILL" in text
    assert "NO ORDERS to the end since 2026-11-21T12:00:00 (UTC), 720 seconds ago" in text
    assert "systemctl restart wcsync" in text


def test_a_shop_that_cannot_be_read_is_told_of_as_such_until_it_was_to_be_asked_again(spine: Spine) -> None:
    retry_at = T0 + timedelta(minutes=30)
    down = Health(condition=Condition.DOWN, since=T0, failures=1, reason="refused", retry_at=retry_at)
    spine.ledger.record_health("shop", down)
    assert stands(spine, at=retry_at + PATIENCE) is None
    found = stands(spine, at=retry_at + PATIENCE + timedelta(seconds=1))
    assert found is not None
    assert found["since"] == "2026-11-21T12:00:00.000000Z"


@pytest.mark.parametrize("ahead", ["look", "start"])
def test_what_a_clock_that_was_ahead_has_dated_hides_nothing(spine: Spine, ahead: str) -> None:
    future = T0 + timedelta(days=300)
    if ahead == "look":
        look(spine, future)
    else:
        look(spine, T0)
        os.utime(spine.path.parent / "ledger.db.lock", (future.timestamp(), future.timestamp()))
    assert stands(spine, at=T0 + timedelta(minutes=10)) is not None


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"x"])
def test_a_lock_that_names_nobody_is_held_all_the_same(spine: Spine, text: bytes) -> None:
    (spine.path.parent / "ledger.db.lock").write_bytes(text)
    told = status(spine, at=T0)
    assert told.exit_code == 0, told.output
    assert "Daemon: runs; its lock does not say as which process" in told.stdout


def test_nobody_stands_still_where_nobody_runs(tmp_path: Path) -> None:
    assert running_since(tmp_path / "ledger.db") is None
    with only_instance(tmp_path / "ledger.db"):
        begun = running_since(tmp_path / "ledger.db")
    assert begun is not None
    assert abs(datetime.now(UTC) - begun) < timedelta(minutes=1)
    assert running_since(tmp_path / "ledger.db") is None


def test_whoever_looks_once_and_works_that_off_does_not_stand_still(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    with closing(Spine(tmp_path, start=T0)) as spine, only_instance(spine.path, once=True):
        os.utime(tmp_path / "ledger.db.lock", (T0.timestamp(), T0.timestamp()))
        look(spine, T0)
        told = json.loads(status(spine, "--json", at=T0 + timedelta(hours=1)).stdout)
        assert (told["daemon"], told["standstill"]) == (os.getpid(), None)
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}[)]"), only_instance(spine.path):
            pass


def test_one_cycle_says_that_it_looks_once(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def refuse(_ledger: Path, *, once: bool = False) -> NoReturn:
        asked.append(once)
        raise AlreadyRunning("another wcsync works on it")

    write_secrets(spine.path.parent, dict.fromkeys(("key", "key_secret", "token"), "x"))
    monkeypatch.setattr("wcsync.cli.run.only_instance", refuse)
    for words in (["--once"], []):
        CliRunner().invoke(main, ["run", *words, "--config", str(spine.path.parent / "config.toml")])
    assert asked == [True, False]


def test_a_full_disk_keeps_nobody_from_holding_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with only_instance(tmp_path / "ledger.db"):
        assert running_instance(tmp_path / "ledger.db") == 0
