"""`wcsync tail`: the journal's JSON lines as text that people can read."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from wcsync import screen
from wcsync.cli.common import EXIT_UNAVAILABLE, NamedPath, in_plain_words, main, sealed_config
from wcsync.cli.orders import find_order
from wcsync.cli.sentences import render_sentence, services_of
from wcsync.errors import ConfigError
from wcsync.events import EVENTS
from wcsync.ledger.report import Report

LEVELS = ("debug", "info", "warning", "error", "critical")
LONGEST_LINE = 256 * 1024
SHOWN = "200"
"""So many lines of the journal are shown if nobody says from when and nothing is searched for."""

_MARKS = {"warning": "warn ", "error": "ERROR", "critical": "FAULT"}
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_SYSLOG = re.compile(r"[^{]{1,200}\]: (?=\{)")
_HASH = re.compile(r"[0-9a-f]{1,64}")


@main.command()
@click.argument("files", nargs=-1, type=click.File("rb"), metavar="[FILE]...")
@click.option("--order", help="Only lines about this order, by number or id; asks the ledger who bought it.")
@click.option("--learner", help="Only lines about this learner; the beginning of the hash is enough.")
@click.option("--level", type=click.Choice(LEVELS), help="Only lines at least as grave.")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(sorted(EVENTS)),
    metavar="EVENT",
    help="Only lines of this event; may be given again.",
)
@click.option("--service", help="Only lines about the shop, or the LMS of this name.")
@click.option("-u", "--unit", help="Read the journal of this unit.  [default: wcsync]")
@click.option("--since", help="Read the journal from then on, as journalctl understands it: today, -2h.")
@click.option("-f", "--follow", is_flag=True, help="Read the journal and go on as it grows.")
@click.option("--config", "config_path", type=NamedPath(), help="The config, to find the ledger.")
@in_plain_words
def tail(
    *,
    files: tuple[IO[bytes], ...],
    order: str | None,
    learner: str | None,
    level: str | None,
    events: tuple[str, ...],
    service: str | None,
    unit: str | None,
    since: str | None,
    follow: bool,
    config_path: Path | None,
) -> None:
    """Show the log as sentences.

    Reads FILEs, or what is piped in, or else the journal of the unit `wcsync`. Lines that are no JSON are shown as
    they are, but not with --order, --learner, --event or --service.
    """
    learner = _hash(learner)
    wanted = Wanted(learner=learner, level=level, events=frozenset(events), service=service)
    asks_journal = bool(unit or since or follow)
    if files and asks_journal:
        raise click.UsageError("--unit, --since and --follow are for the journal; FILEs are read as they are")
    with ExitStack() as stack:
        report = stack.enter_context(_ledger(config_path, needed=order is not None))
        if order is not None:
            wanted.order_id = _order_id(report, order)
        source: Iterator[bytes]
        if files:
            source = (line for file in files for line in _lines(file))
        elif asks_journal or sys.stdin is None or sys.stdin.isatty():
            everything = bool(order or learner or level or events or service)
            journal = stack.enter_context(
                _journal(unit or "wcsync", since, follow=follow, everything=everything)
            )
            source = _lines(journal)
        else:
            source = _lines(sys.stdin.buffer)
        _show(source, wanted, report)


@dataclass(slots=True, kw_only=True)
class Wanted:
    """What is to be shown; None or empty = all."""

    learner: str | None = None
    level: str | None = None
    events: frozenset[str] = frozenset()
    service: str | None = None
    order_id: int | None = None

    def takes_text(self) -> bool:
        """Whether lines that are about nothing in particular are shown."""
        return not (self.learner or self.events or self.service or self.order_id is not None)

    def takes(self, line: dict[str, Any], order_ids: Callable[[], list[int]]) -> bool:
        if self.level and _gravity(line.get("level")) < LEVELS.index(self.level):
            return False
        if self.events and line.get("event") not in self.events:
            return False
        if self.service and self.service not in services_of(line):
            return False
        if self.learner and not _same_hash(self.learner, str(line.get("learner") or "")):
            return False
        return self.order_id is None or self._names_order(line) or self.order_id in order_ids()

    def _names_order(self, line: dict[str, Any]) -> bool:
        return line.get("order_id") == self.order_id or line.get("subject") == f"order {self.order_id}"


def _show(source: Iterator[bytes], wanted: Wanted, report: Report | None) -> None:
    """Until the source ends, its reader goes away, or Ctrl-C: all three are a usual end."""
    if sys.stdout is None:  # closed by whoever started us
        return
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        for raw in source:
            text = _render(raw, wanted, report, colours=colours)
            if text is not None:
                sys.stdout.buffer.write(text.encode(errors="replace") + b"\n")
                sys.stdout.buffer.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # nothing is left to be flushed at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass


def _render(raw: bytes, wanted: Wanted, report: Report | None, *, colours: bool) -> str | None:
    """One line as it is shown; None if it is not."""
    text = raw.decode(errors="replace")
    line = _parse(text)
    if line is None:
        return _flat(text.expandtabs()) if wanted.takes_text() else None
    found: list[dict[str, Any]] | None = None

    def sold() -> list[dict[str, Any]]:
        nonlocal found
        if found is None:
            found = _orders_of(line, report)
        return found

    if not wanted.takes(line, lambda: [row["order_id"] for row in sold()]):
        return None
    names = ", ".join(f"order {row['number']}" for row in sold()[:5])
    level = str(line.get("level", ""))
    shown = f"{_clock(line.get('at'))}  {_MARKS.get(level, '     ')}  {_flat(render_sentence(line, names))}"
    if colours and level in _COLOURS:
        shown = f"{_COLOURS[level]}{shown}\x1b[0m"
    traceback = line.get("exception")
    if isinstance(traceback, str):
        shown += "".join(f"\n    {_flat(row.expandtabs())}" for row in traceback.splitlines())
    return shown


def _parse(text: str) -> dict[str, Any] | None:
    """The line's keys; None if it is no line of ours. What syslog or `journalctl -o short` put in front is ignored."""
    if not text.startswith("{"):
        match = _SYSLOG.match(text)
        if match is None:
            return None
        text = text[match.end() :]
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("event"), str) else None


def _orders_of(line: dict[str, Any], report: Report | None) -> list[dict[str, Any]]:
    """Whom an enrolment is for is in the log as a hash; which orders that was, only the ledger knows."""
    key = [line.get(name) for name in ("lms", "course_id", "learner")]
    if report is None or not all(isinstance(part, str) and part.isprintable() for part in key):
        return []
    lms, course_id, learner = map(str, key)
    try:
        return report.orders_of_learner(lms, course_id, learner) if _HASH.fullmatch(learner) else []
    except Exception as exc:  # noqa: BLE001 - the log goes on whatever becomes of the ledger meanwhile
        screen.say(f"the ledger cannot be asked: {exc}", err=True)
        return []


@contextmanager
def _ledger(config_path: Path | None, *, needed: bool) -> Iterator[Report | None]:
    """The ledger, if there is one to be read. Raises ConfigError only where the question needs it."""
    try:
        report = Report(sealed_config(config_path).ledger.path)
    except ConfigError:
        if needed or config_path is not None:
            raise
        yield None
        return
    with closing(report):
        yield report


def _order_id(report: Report | None, order: str) -> int:
    order_id = find_order(report, order) if report is not None else None
    if order_id is None:
        message = f"the ledger has no order {order!r}; `wcsync status` says how far it has read"
        raise click.BadParameter(screen.plain(message), param_hint="--order")
    return order_id


@contextmanager
def _journal(unit: str, since: str | None, *, follow: bool, everything: bool) -> Iterator[IO[bytes]]:
    """What journalctl says of a unit. Ends with 69 where there is none, or it fails."""
    program = shutil.which("journalctl")
    if program is None:
        click.echo("there is no journalctl here; name a FILE, or pipe the log in", err=True)
        sys.exit(EXIT_UNAVAILABLE)
    words = [program, f"--unit={unit}", "--output=cat", "--no-pager"]
    words += [f"--since={since}"] if since else []
    words += [] if since or everything else [f"--lines={SHOWN}"]
    words += ["--follow", *(["--lines=all"] if since or everything else [])] if follow else []
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:  # noqa: S603 - words, not a shell's text
        assert process.stdout is not None
        try:
            yield process.stdout
            with suppress(subprocess.TimeoutExpired):  # it goes on if we were stopped first
                process.wait(timeout=0.5)
            failed = (process.returncode or 0) > 0
        finally:
            process.terminate()
    if failed:  # it has said itself why
        sys.exit(EXIT_UNAVAILABLE)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Line by line, without ends; the rest of one that is longer than anybody reads is left out."""
    while line := stream.readline(LONGEST_LINE):
        whole = line.endswith(b"\n") or len(line) < LONGEST_LINE
        yield line.rstrip(b"\r\n") if whole else line + " … (the line is longer than this)".encode()
        while not whole:
            rest = stream.readline(LONGEST_LINE)
            whole = rest.endswith(b"\n") or not rest


def _hash(learner: str | None) -> str | None:
    if learner is None:
        return None
    text = learner.strip().rstrip("….").lower()
    if not _HASH.fullmatch(text):
        message = "a learner is named by the beginning of the hash in the log, digits and letters a to f"
        raise click.BadParameter(message, param_hint="--learner")
    return text


def _same_hash(asked: str, known: str) -> bool:
    return bool(known) and (known.startswith(asked) or asked.startswith(known))


def _gravity(level: object) -> int:
    return LEVELS.index(str(level)) if level in LEVELS else len(LEVELS)


def _clock(at: object) -> str:
    """`2026-11-22T01:02:03.456Z` to the second; anything else as it is, cut to that length."""
    text = _flat(str(at or ""))[:19].replace("T", " ")
    return f"{text:<19}Z" if text else " " * 20


def _flat(text: str) -> str:
    """On one line: a reason from elsewhere must not look like a line of its own."""
    return screen.plain(text.replace("\r", " ").replace("\n", " "))
