"""Whose a file is and who we are, in words: what a person needs to know where a file cannot be read or written."""

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path


def with_rights(reason: str, path: Path, *, to_write: bool) -> str:
    """The reason why the file at `path` cannot be had, and what keeps this process from it, if its rights do or a file
    system that nobody may write."""
    found = barrier(path, to_write=to_write)
    return f"{reason}; {found}" if found else reason


def barrier(path: Path, *, to_write: bool) -> str:
    """What keeps this process from reading, or also writing, the file at `path`: itself, or its folder. '' if neither
    does, or nobody can tell."""
    wanted = os.R_OK | os.W_OK if to_write else os.R_OK
    places = ((path.parent, os.X_OK | (wanted if to_write else 0)), (path, wanted))
    for place, needed in places:
        with suppress(OSError):
            found = place.stat()
            if os.access(place, needed, effective_ids=True):
                continue
            if needed & os.W_OK and os.statvfs(place).f_flag & os.ST_RDONLY:
                return f"{place} is mounted read-only (in a unit of systemd, ReadWritePaths= opens it)"
            mode = stat.S_IMODE(found.st_mode)
            ours = _name(os.geteuid())
            return f"{place} belongs to {_name(found.st_uid)}, mode {mode:03o}, and this runs as {ours}"
    return ""


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:  # as of a service that has gone, or in a container
        return f"user {user_id}"
