"""What the config says of the proof reaches what makes it."""

from datetime import time, timedelta
from pathlib import Path

import pytest

from tests.daemon_files import LEDGER, campus_section, store_section, write_secrets
from wcsync.app import App
from wcsync.app.proof import build_nights
from wcsync.config import find_config, load_config
from wcsync.pollers.reconcile import Depth

CONFIG = "".join(
    (
        store_section("https://shop.example.com"),
        campus_section("https://campus.example.com"),
        LEDGER,
        '[mapping]\npath = "mapping.toml"\n[reconcile]\n',
    )
)


def app(folder: Path, settings: str) -> App:
    write_secrets(folder, dict.fromkeys(("key", "key_secret", "token"), "k"))
    (folder / "config.toml").write_text(CONFIG + settings)
    return App(load_config(find_config(folder / "config.toml"), {}).config)


def test_the_nights_are_as_the_config_says(tmp_path: Path) -> None:
    made = app(tmp_path, 'at = "04:30"\nlook_back_days = 10\nlms = "all"\nsample = 7\n')
    nights = build_nights(made.reconciler(), made.crew)
    assert (nights.at, nights.look_back) == (time(4, 30), timedelta(days=10))
    assert (nights.lms, nights.sample) == (Depth.ALL, 7)
    made.close()


@pytest.mark.parametrize(("settings", "there"), [("", True), ("enabled = false\n", False)], ids=["on", "off"])
def test_the_daemon_proves_by_itself_unless_it_is_told_not_to(
    tmp_path: Path, settings: str, there: bool
) -> None:
    made = app(tmp_path, settings)
    assert ("reconcile" in [job.name for job in made.jobs()]) == there
    made.close()
