"""Structured logs: one JSON line per unit of work on stderr, readable text on a terminal, secrets never."""

import io
import logging
import os
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from wcsync.mappers.addresses import blot_addresses

PERSONAL_KEYS = frozenset({"email", "address", "first_name", "last_name", "name", "buyer", "learner_email"})
PATIENCE_S = 1.0
"""So long a line waits for a reader that is merely slow."""
AT_ONCE = select.PIPE_BUF
"""So many bytes a pipe that can be written to takes without waiting."""
SHORTEST_SECRET = 6
"""A shorter value would blot out innocent text; no real key is that short."""

Say = Callable[..., str]
"""Renders an event with its keys as a line."""

LONGEST_TEXT = 6_000
"""Letters of one value: journald cuts a line of more than 48 KB, and what came after would begin a line of its own."""
BLOT = "\N{REPLACEMENT CHARACTER}"
_BREAKS = str.maketrans({"\n": BLOT, "\t": " "})


def configure(
    *, level: str = "info", style: str = "auto", secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Sends all logs, those of libraries too, to `stream` (stderr, nowhere if that is closed). `style`: auto, json or
    text. Safe to repeat."""
    unbreakable = _Unbreakable(stream or sys.stderr or io.TextIOBase())
    out = cast("TextIO", unbreakable)
    logging.raiseExceptions = False
    as_text = style == "text" or (style == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if as_text else "iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        Redactor(secrets),
        *([_on_one_line] if as_text else []),
    ]
    processors = [*shared, _renderer(as_text=as_text, out=out)]
    unbreakable.say = partial(_render_line, processors)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_level(level)),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(as_text=as_text, out=out),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _render_line(processors: Iterable[Processor], event: str, **keys: object) -> str:
    line: Any = {"event": event, **keys}
    for processor in processors:
        line = processor(None, "warning", line)
    return f"{line}\n"


class _Unbreakable(io.TextIOBase):
    """A stream whose reader may go away, or stop to read: what cannot be written is lost, and nothing else stops for
    it. Once it can be written again the log says how many lines are lost."""

    def __init__(self, stream: TextIO | io.TextIOBase) -> None:
        self.say: Say = lambda event, **_: event
        """How a line of its own is rendered; whatever logs by it would wait for the line that is being written."""
        self._stream = stream
        self._reader = _Reader.of(stream)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            if self._reader is None:
                self._stream.write(text)
            else:
                self._reader.take(text, self.say)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


class _Reader:
    """Whoever is at the other end of a pipe, a socket or a terminal. Written to only while that does not wait."""

    def __init__(self, handle: int, encoding: str) -> None:
        self._handle = handle
        self._encoding = encoding
        self._lock = threading.Lock()
        self._lost = 0
        self._torn = False
        self._ready = select.poll()
        self._ready.register(handle, select.POLLOUT)

    @classmethod
    def of(cls, stream: TextIO | io.TextIOBase) -> "_Reader | None":
        """None for a file, which takes all at once, and for what is no file at all."""
        try:
            handle = stream.fileno()
            mode = os.fstat(handle).st_mode
        except (OSError, ValueError):
            return None
        waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
        return cls(handle, getattr(stream, "encoding", None) or "utf-8") if waits else None

    def take(self, line: str, say: Say) -> None:
        """Writes the line if that can be done at once, or within `PATIENCE_S`; there is none of that any more until the
        reader reads again. Lines that were lost are told before it."""
        with self._lock:
            if self._lost and not self._write(say("log_stalled", lost=self._lost)):
                self._lost += 1
                return
            self._lost = 0
            if not self._write(line):
                self._lost = 1

    def _write(self, line: str) -> bool:
        text = line.encode(self._encoding, "backslashreplace")
        rest = b"\n" + text if self._torn else text
        while rest:
            if not self._ready.poll(0 if self._lost else PATIENCE_S * 1000):
                return False
            try:
                written = os.write(self._handle, rest[:AT_ONCE])
            except BlockingIOError:  # somebody else has filled it
                return False
            rest, self._torn = rest[written:], len(rest) > written
        return True


class Redactor:
    """The last line of defence: blots out known secrets and anything that looks like an address, wherever they are."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            event[key] = "[personal]" if key in PERSONAL_KEYS else self.clean(value)
        return event

    def clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._clean_text(value)
        if isinstance(value, dict):
            return {key: self.clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._clean_text(str(value))

    def _clean_text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = blot_addresses(text)
        if len(text) > LONGEST_TEXT:  # only now: half an address or half a key would not be known as one
            text = f"{text[: LONGEST_TEXT // 2]}…{text[-LONGEST_TEXT // 2 :]}"
        return _seen(text)


def _seen(text: str) -> str:
    """Line ends and tabs stay, as tracebacks need them; nothing else does that no person sees."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else BLOT for char in text)


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For people's terminals, where nothing escapes a line's end. A traceback has lines of its own."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = value.translate(_BREAKS)
    return event


def _renderer(*, as_text: bool, out: TextIO) -> Processor:
    if not as_text:
        return structlog.processors.JSONRenderer(ensure_ascii=True)
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
        timestamp_key="at",
        sort_keys=False,
        pad_event_to=18,
    )


def _level(name: str) -> int:
    return logging.getLevelNamesMapping()[name.upper()]
