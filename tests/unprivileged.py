"""What a process of another user than root meets: modes hold for anybody else."""

import codecs
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wcsync.cli.common import load_commands
from wcsync.connections import trust

NOBODY = 65534
"""The user that owns nothing, on every Linux."""


@contextmanager
def without_rights() -> Iterator[None]:
    """This process may do what `NOBODY` may; one that is not root's goes on as it is. Skips where that is forbidden."""
    if os.geteuid() != 0:
        yield
        return
    load_commands()  # this checkout and its Python may lie where only root comes
    codecs.lookup("utf-8-sig")
    trust(None)
    try:
        os.setresuid(NOBODY, NOBODY, 0)
    except OSError as exc:
        pytest.skip(f"the rights of root cannot be laid down here: {exc}")
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """A folder that whoever is `without_rights` may enter and write. pytest's own may be entered by nobody but root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        give_all(folder)
        yield folder
        for path in filter(Path.is_dir, (folder, *folder.rglob("*"))):
            path.chmod(0o700)


def give_all(folder: Path) -> None:
    """It and all that lies in it belongs to `NOBODY`."""
    for path in (folder, *folder.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
