"""A world for each test that wants one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from freezegun import freeze_time

from tests.system.till import Till
from tests.system.world import World
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.threesixty import SandboxThreeSixty


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    with (
        freeze_time("2026-11-21T12:00:00Z") as time,
        SandboxShop() as shop,
        SandboxMoodle() as moodle,
        SandboxThreeSixty() as academy,
    ):
        yield Till(tmp_path, time, shop, moodle, academy)
