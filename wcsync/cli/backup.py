"""`wcsync backup` and `wcsync restore`: copies of the ledger."""

import os
from pathlib import Path

import click

from wcsync import screen
from wcsync.app import utc_now
from wcsync.cli.common import NamedPath, main, opened_report, sealed, sealed_config, with_config, with_json
from wcsync.cli.next_steps import typed
from wcsync.cli.starter import CREDENTIALS, Way, secret_names
from wcsync.config import Loaded
from wcsync.credentials import CREDENTIALS_DIRECTORY, credential_path
from wcsync.ledger import backup as backups
from wcsync.ledger.backup import Backup
from wcsync.ledger.lock import only_instance
from wcsync.times import render_instant


@main.command()
@click.argument("file", type=NamedPath())
@click.option("--keep", type=click.IntRange(1), help="FILE is a folder: leave so many backups in it.")
@click.option("--force", is_flag=True, help="Overwrite FILE even if it is no backup of wcsync.")
@with_json
@with_config
def backup(*, config_path: Path | None, file: Path, keep: int | None, force: bool, as_json: bool) -> None:
    """Copy the ledger to FILE, while the daemon works on.

    FILE may be a folder (made with --keep if it is missing): then the backup's name tells its time. The copy is
    verified before it has its name; an earlier backup is overwritten, any other file is not.
    """
    loaded, now = sealed(config_path), utc_now()
    ledger = loaded.config.ledger.path
    with opened_report(config_path):
        pass  # says in a sentence what is wrong with a ledger that cannot be read
    folder = backups.folder_at(file, needed=keep is not None)
    target = backups.dated(folder, now) if folder else file
    taken = backups.take(ledger, target, now, force=force, in_use=_files_in_use(loaded))
    gone = backups.prune(folder, keep) if folder is not None and keep is not None else []
    if as_json:
        screen.print_json(_document(taken, gone))
        return
    screen.say(
        f"{taken.file}: {taken.size / 1e6:.1f} MB, {screen.count(taken.orders, 'order')} and "
        f"{screen.count(taken.enrolments, 'enrolment')}, verified."
    )
    if gone:
        screen.say(f"Removed {screen.count(len(gone), 'older backup')}.")
    screen.say(
        f"To restore: systemctl stop wcsync, {typed(config_path, f'restore {taken.file}')}, systemctl start wcsync. "
        "The config and the credentials are not in it."
    )


@main.command()
@click.argument("file", type=NamedPath())
@with_json
@with_config
def restore(*, config_path: Path | None, file: Path, as_json: bool) -> None:
    """Make the backup FILE the ledger. The daemon must be stopped.

    The ledger that was there stays beside it. The daemon then looks up all that was done since the backup. Where a
    whole machine was put back, name the ledger itself: it is not copied, and caught up all the same.
    """
    ledger = sealed_config(config_path).ledger.path
    with only_instance(ledger):
        found = backups.put_back(file, ledger)
    taken_at = render_instant(found.taken_at)
    if as_json:
        screen.print_json({"ledger": str(ledger), "file": str(file), "taken_at": taken_at})
        return
    screen.say(
        f"{ledger} is the backup of {taken_at[:19]} (UTC) now. Start the daemon: it looks up what was done since, and "
        f"{typed(config_path, 'status')} says when it has caught up. What people decided since (assign, relink, end, "
        "hold, drop) is to be said again."
    )


def _files_in_use(loaded: Loaded) -> dict[Path, str]:
    """What the config refers to, and itself, in words: never to be overwritten."""
    home, handed = loaded.path.absolute().parent, os.environ.get(CREDENTIALS_DIRECTORY)
    secrets = list[Path]()
    for way, name in secret_names(loaded.file.values):
        if way is Way.FILE:
            secrets.append(home / name)
        else:
            secrets += [home / CREDENTIALS / name, *([credential_path(handed, name)] if handed else [])]
    return {loaded.path: "the config", loaded.config.mapping.path: "the mapping"} | dict.fromkeys(
        secrets, "a secret"
    )


def _document(taken: Backup, gone: list[Path]) -> dict[str, object]:
    return {
        "file": str(taken.file),
        "bytes": taken.size,
        "taken_at": render_instant(taken.taken_at),
        "orders": taken.orders,
        "enrolments": taken.enrolments,
        "removed": [str(one) for one in gone],
    }
