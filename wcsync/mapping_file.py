"""The mapping file as something to write to: whole or not at all, and never over what a person saved meanwhile."""

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from wcsync.credentials import read_plain_file
from wcsync.errors import ConfigError, Problem
from wcsync.mappers.added_rows import NewRow, add_rows
from wcsync.mappers.mapping_rows import Targets
from wcsync.mappers.text_file import MAX_BYTES

BY_HAND = "Add the rows by hand."


def append_rows(path: Path, known: bytes, rows: Sequence[NewRow], lms: Targets) -> None:
    """Adds the rows to the file at `path`, which is then there whole, on disk, with its mode and its owner.

    `known`: what it held when it was decided on the rows. Raises ConfigError, and the file is as it was, if it holds
    something else now, would not be read as it is meant, or cannot be written by this account.
    """
    new = add_rows(path.name, known, rows, lms)
    try:
        _replace(path.resolve(), known, new)
    except OSError as exc:
        raise _refused(path, f"cannot be written ({exc.strerror or exc})") from exc


def _replace(path: Path, known: bytes, new: bytes) -> None:
    """A link stays one: `path` leads to the file itself. Raises OSError, ConfigError."""
    status = path.stat()
    beside = path.with_name(f".{path.name}.wcsync")
    beside.unlink(missing_ok=True)  # of a process that was killed
    try:
        with beside.open("xb") as stream:
            beside.chmod(0o600)
            stream.write(new)
            stream.flush()
            _take_after(stream.fileno(), beside, path, status)
            os.fsync(stream.fileno())
        _require_same(path, known)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    _fsync_folder(path.parent)


def _require_same(path: Path, known: bytes) -> None:
    if read_plain_file(path, MAX_BYTES).content != known:
        raise _refused(path, "was changed meanwhile")


def _take_after(handle: int, beside: Path, path: Path, status: os.stat_result) -> None:
    """Owner, then mode and whatever else the system knows of the file, but for its times: it did change."""
    mine = os.fstat(handle)
    if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(handle, status.st_uid, status.st_gid)
    shutil.copystat(path, beside)
    os.fchmod(handle, stat.S_IMODE(status.st_mode))
    os.utime(beside)


def _fsync_folder(folder: Path) -> None:
    """The new name is on disk as well. Where a file system cannot do that, it decides itself when."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _refused(path: Path, what: str) -> ConfigError:
    return ConfigError([Problem(where=str(path), message=f"the mapping file {what}", remedy=BY_HAND)])
