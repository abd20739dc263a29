"""What keeps a ledger that is in use from being read or written: told when it begins and when it is over."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import structlog

from wcsync.errors import ConfigError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Words:
    """For people: what is wrong with the ledger, and what to do. `damaged`: no waiting will mend it."""

    reason: str
    hint: str
    damaged: bool = False


_RESTORE = "stop wcsync and restore a backup of the ledger"
_OWNER = "give the file, its folder and the files beside it back to the account that the daemon runs as"
_WORDS = {
    sqlite3.SQLITE_FULL: Words("its disk is full", "make room there"),
    sqlite3.SQLITE_BUSY: Words(
        "another program holds it",
        "end what works on the file: a backup that copies it, an SQLite shell with an open transaction",
    ),
    sqlite3.SQLITE_LOCKED: Words("another program holds it", "end what works on the file"),
    sqlite3.SQLITE_READONLY: Words("it may not be written", _OWNER),
    sqlite3.SQLITE_PERM: Words("it may not be written", _OWNER),
    sqlite3.SQLITE_CANTOPEN: Words(
        "it cannot be opened",
        "look whether its folder is there and may be written, and whether too many files are open (LimitNOFILE)",
    ),
    sqlite3.SQLITE_IOERR: Words("its disk fails", "look at the disk, and at the system's log"),
    sqlite3.SQLITE_NOMEM: Words("there is no memory left for it", "see what else uses this machine's memory"),
    sqlite3.SQLITE_CORRUPT: Words("it is damaged", _RESTORE, damaged=True),
    sqlite3.SQLITE_NOTADB: Words("it is damaged", _RESTORE, damaged=True),
}


def words_for(exc: BaseException) -> Words | None:
    """None for whatever is a fault of wcsync, or nothing of the ledger's. What was put into words already counts by
    its cause."""
    if isinstance(exc, ConfigError) and exc.__cause__ is not None:
        return words_for(exc.__cause__)
    if not isinstance(exc, sqlite3.Error):
        return None
    return _WORDS.get(getattr(exc, "sqlite_errorcode", 0) & 0xFF)


def ails(exc: BaseException) -> bool:
    """Whether the ledger's file or disk is to blame, and not wcsync."""
    return words_for(exc) is not None


class Ailment:
    """Of one ledger, for all threads that use it. `try_out` writes to it, to see whether that works again."""

    def __init__(self, try_out: Callable[[], None]) -> None:
        self._try_out = try_out
        self._words: Words | None = None
        self._since = 0.0
        self._lock = threading.Lock()

    @property
    def words(self) -> Words | None:
        """None while it is well."""
        return self._words

    def explains(self, exc: BaseException) -> bool:
        """As `ails`, and then it is told, unless it was."""
        words = words_for(exc)
        if words is None:
            return False
        with self._lock:
            news, begins = words != self._words, self._words is None
            self._words, self._since = words, monotonic() if begins else self._since
        if news:
            log.error("ledger_failing", reason=f"{words.reason} ({exc})", hint=words.hint)
        return True

    def look(self) -> bool:
        """Whether it is well. One that was not is tried out."""
        if self._words is None:
            return True
        try:
            self._try_out()
        except sqlite3.Error as exc:
            return not self.explains(exc)
        with self._lock:
            self._words, down_s = None, monotonic() - self._since
        log.info("ledger_recovered", down_s=round(down_s))
        return True
