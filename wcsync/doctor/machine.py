"""Looking at this machine: whether the ledger can be used, has room, and is in use already."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wcsync.doctor.diagnosis import MACHINE, Diagnosis, fine
from wcsync.errors import Problem
from wcsync.ledger.base import Origin
from wcsync.ledger.connection import inspect_file

STATE = Path("/var/lib")
ROOM_BYTES = 50 * 1024 * 1024


def examine_machine(
    ledger: Path, running: int | None, no_folder: Problem, origin: Origin | None = None
) -> Iterator[Diagnosis]:
    """`running`: the process that works on the ledger now; `no_folder`: what to say if its folder cannot be used;
    `origin`: what the ledger knows of itself as a copy."""
    if _made_by_systemd(ledger.parent):
        yield Diagnosis(
            service=MACHINE,
            code="ledger_folder",
            ok=False,
            message=f"{ledger.parent}: the ledger's folder is not there yet",
            remedy="nothing to do: systemd makes it when the service starts for the first time",
        )
        return
    if not os.access(ledger.parent, os.W_OK | os.X_OK):
        yield Diagnosis.of_problem("ledger_folder", no_folder, service=MACHINE)
        return
    problem = inspect_file(ledger)
    if problem is not None:
        yield Diagnosis.of_problem("ledger_unusable", problem, service=MACHINE)
        return
    yield fine(
        MACHINE, "ledger_usable", "the ledger can be used" if ledger.exists() else "a ledger can be made"
    )
    if running is not None:
        yield fine(MACHINE, "running", f"wcsync runs as process {running} and works on this ledger")
    if origin is not None and origin.caught_up_at is None:
        yield _restored(origin)
    yield from _room(ledger.parent)


def _restored(origin: Origin) -> Diagnosis:
    return Diagnosis(
        service=MACHINE,
        code="ledger_restored",
        ok=False,
        message=f"the ledger is a backup of {origin.taken_at:%Y-%m-%d %H:%M} (UTC) and has not caught up yet",
        remedy="let the daemon run: it looks up what was done since; what people decided since is to be said again",
    )


def _made_by_systemd(folder: Path) -> bool:
    """Whether the folder is missing, but one that the units bring along: their StateDirectory."""
    ours = folder.parent == STATE and (folder.name == "wcsync" or folder.name.startswith("wcsync-"))
    return ours and not os.path.lexists(folder)


def unusable_folder(folder: Path) -> OSError:
    """Why a folder cannot be used, as the system would say."""
    reason = errno.EACCES if folder.exists() else errno.ENOENT
    return OSError(reason, os.strerror(reason))


def _room(folder: Path) -> Iterator[Diagnosis]:
    free = shutil.disk_usage(folder).free
    if free < ROOM_BYTES:
        yield Diagnosis(
            service=MACHINE,
            code="disk_nearly_full",
            ok=False,
            message=f"{free // (1024 * 1024)} MB are free where the ledger is",
            remedy="make room there: once the disk is full nothing is read or enrolled any more",
        )
