"""What all commands share: options, the config, errors as sentences and exit codes."""

import errno
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import structlog

from wcsync import __version__, screen
from wcsync import log as logs
from wcsync.app import App
from wcsync.config import Config, Loaded, find_config, load_config
from wcsync.errors import REMOTE_ERRORS, ConfigError, PassingTrouble, Problem
from wcsync.ledger.ailment import words_for
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.lock import AlreadyRunning
from wcsync.ledger.report import Report

EXIT_UNEXPLAINED = 1
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_SOFTWARE = 70  # EX_SOFTWARE of sysexits.h
EXIT_OUTPUT = 74  # EX_IOERR of sysexits.h
EXIT_BUSY = 75  # EX_TEMPFAIL of sysexits.h
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
EXIT_INTERRUPTED = 130  # as a shell says it of SIGINT

STOPPED = "Stopped before the end."
GO_ON = "Repeat the same command to go on: repeating is safe."

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

log = structlog.get_logger("wcsync")
Command = TypeVar("Command", bound=Callable[..., Any])


ALONE = "run"
"""The command that is loaded without the others: a daemon is to be small, and quick to start."""

OTHERS = (
    "alerts",
    "backfill",
    "backup",
    "courses",
    "endings",
    "forget",
    "holds",
    "init",
    "mapping",
    "people",
    "reconcile",
    "relink",
    "seats",
    "services",
    "show",
    "status",
    "tail",
    "withdrawals",
)
"""Modules of this package, with a command or more in each."""


class Commands(click.Group):
    """Loads commands when they are asked for, and ends with a sentence where the disk under stdout is full."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        load_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            load_commands((ALONE,) if cmd_name == ALONE else (ALONE, *OTHERS))
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # while commands were loaded, or their words looked at
            _stop(as_json=False)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as exc:
            if exc.errno not in _NO_ROOM or not _stdout_is_broken():
                raise
            reason = exc.strerror
        with suppress(OSError):
            click.echo(f"the output cannot be written; what was done until then stands: {reason}", err=True)
        sys.exit(EXIT_OUTPUT)


def load_commands(modules: Iterable[str] = (ALONE, *OTHERS)) -> None:
    for name in modules:
        import_module(f"wcsync.cli.{name}")


def _stdout_is_broken() -> bool:
    """Whether stdout takes not even an empty line. What it still holds is dropped, or exiting would fail as well."""
    if sys.stdout is None:  # closed by whoever started us
        return False
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="wcsync")
def main() -> None:
    """Carry every paid WooCommerce order into the LMS, exactly once."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter must not end a command
            stream.reconfigure(errors="replace")


class NamedPath(click.Path):
    """A path that somebody named: an empty text is what a shell makes of a variable that is not set.

    Whether it can be read is found by who reads it, and then told with whose it is.
    """

    def __init__(self, *, dir_okay: bool = True) -> None:
        super().__init__(dir_okay=dir_okay, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(
                "the path is empty (a variable that is not set?); write one, `.` for this folder", param, ctx
            )
        return super().convert(value, param, ctx)


def with_config(command: Command) -> Command:
    option = click.option(
        "--config",
        "config_path",
        type=NamedPath(),
        help="The config file; without it /etc/wcsync/config.toml, then ./config.toml.",
    )
    return option(in_plain_words(command))


def with_json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def in_plain_words(command: Command) -> Command:
    """Turns the errors a person can do something about into sentences and exit codes."""

    @wraps(command)
    def explained(*args: Any, **kwargs: Any) -> Any:
        as_json = bool(kwargs.get("as_json"))
        try:
            _refuse_bytes(kwargs)
            return command(*args, **kwargs)
        except ConfigError as exc:
            if as_json:
                _print_problems_json(exc.problems)
            screen.print_problems(exc.problems)
            sys.exit(EXIT_BUSY if isinstance(exc, PassingTrouble) else EXIT_CONFIG)
        except AlreadyRunning as exc:
            _tell(str(exc), as_json=as_json)
            sys.exit(EXIT_BUSY)
        except REMOTE_ERRORS as exc:
            _tell(str(exc), as_json=as_json)
            sys.exit(EXIT_UNAVAILABLE)
        except KeyboardInterrupt:
            _stop(as_json=as_json)
        except Exception as exc:
            words = words_for(exc)
            if words is None:
                raise
            _tell(f"the ledger cannot be used: {words.reason} ({exc}); {words.hint}", as_json=as_json)
            sys.exit(EXIT_CONFIG if words.damaged else EXIT_BUSY)

    return explained  # type: ignore[return-value]  # wraps keeps the signature


def _refuse_bytes(words: Mapping[str, Any]) -> None:
    """What is no text in any encoding we know is the name of nothing."""
    for word in words.values():
        if isinstance(word, str) and any("\ud800" <= char <= "\udfff" for char in word):
            raise click.UsageError(f"{screen.plain(word)} is no text in UTF-8")


def _stop(*, as_json: bool) -> NoReturn:
    _tell(f"{STOPPED} {GO_ON}", as_json=as_json)
    sys.exit(EXIT_INTERRUPTED)


def _tell(message: str, *, as_json: bool) -> None:
    if as_json:
        _print_problems_json([Problem(where="", message=message, remedy="")])
    click.echo(screen.plain(message), err=True)


def _print_problems_json(problems: Iterable[Problem]) -> None:
    screen.print_json({"problems": [asdict(problem) for problem in problems]})


def _load(config_path: Path | None, *, sealed: bool = False) -> Loaded:
    return load_config(find_config(config_path), os.environ, sealed=sealed)


def read_config(config_path: Path | None) -> Config:
    """The config, with logs set up to keep its secrets out. Its warnings go where errors would."""
    loaded = _load(config_path)
    config = loaded.config
    logs.configure(level=config.log.level, style=config.log.format, secrets=config.secrets())
    screen.print_problems(loaded.warnings, mark="warning: ")
    return config


def checked_config(config_path: Path | None) -> tuple[Config, tuple[Problem, ...]]:
    """As `read_config`, but its warnings are handed back. Raises ConfigError."""
    loaded = _load(config_path)
    config = loaded.config
    logs.configure(level=config.log.level, style=config.log.format, secrets=config.secrets())
    return config, loaded.warnings


@contextmanager
def opened_app(config: Config) -> Iterator[App]:
    app = App(config)
    try:
        yield app
    finally:
        app.close()


def sealed_config(config_path: Path | None) -> Config:
    """The config without its secrets: enough for whoever looks at files and ledger alone."""
    return sealed(config_path).config


def sealed(config_path: Path | None) -> Loaded:
    """As above, with the file it was read from."""
    loaded = _load(config_path, sealed=True)
    if not structlog.is_configured():  # or stdout is where logs go; once set up they know the secrets
        logs.configure(level=loaded.config.log.level, style=loaded.config.log.format)
    return loaded


@contextmanager
def opened_report(config_path: Path | None) -> Iterator[Report]:
    report = Report(sealed_config(config_path).ledger.path)
    try:
        yield report
    finally:
        report.close()


@contextmanager
def opened_ledger(config_path: Path | None) -> Iterator[SqliteLedger]:
    """The ledger for a short write beside a running daemon. Raises ConfigError if there is none."""
    path = sealed_config(config_path).ledger.path
    Report(path).close()
    ledger = SqliteLedger(path)
    try:
        yield ledger
    finally:
        ledger.close()
