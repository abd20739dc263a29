"""Making files that a person will fill in: whole or not at all, never over something that is there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wcsync.errors import ConfigError, Problem
from wcsync.ledger.connection import give_to_folder_owner


def make_folder(path: Path, mode: int) -> bool:
    """False if there is one already; that is left as it is. Raises ConfigError if there can be none."""
    with _explained(path):
        try:
            path.mkdir(mode=mode)
        except FileExistsError:
            if not path.is_dir():
                raise ConfigError([_in_the_way(path)]) from None
            return False
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fchmod(handle, mode)  # whatever the umask made of it
            give_to_folder_owner(handle, path.parent)
        finally:
            os.close(handle)
        return True


def make_file(path: Path, content: str, mode: int) -> bool:
    """False if something of that name is there already; that is left as it is. Raises ConfigError if it cannot be made.

    The file appears under its name when all of it is on disk, with its mode and owner.
    """
    with _explained(path):
        if path.is_symlink() or path.exists():
            return False
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(content.encode())
                os.fchmod(opened.fileno(), mode)
                give_to_folder_owner(opened.fileno(), path.parent)
                opened.flush()
                os.fsync(opened.fileno())
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            with suppress(OSError):
                Path(draft).unlink()
        return True


def open_to_others(path: Path) -> bool:
    """Whether others than its owner may do anything with it."""
    with suppress(OSError):
        return bool(path.stat().st_mode & 0o077)
    return False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        message = f"it cannot be made ({exc.strerror or exc})"
        remedy = "Run this as a user who may write there (sudo for /etc), on a disk with room, or name another folder."
        raise ConfigError([Problem(where=str(path), message=message, remedy=remedy)]) from exc


def _in_the_way(path: Path) -> Problem:
    return Problem(
        where=str(path),
        message="a folder must be made here, but something else of that name is in the way",
        remedy="Move it away, or name another folder.",
    )
