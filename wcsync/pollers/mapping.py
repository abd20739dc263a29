"""The mapping file: read when it changed, checked whole, put in force in one step; a bad file changes nothing."""

from collections.abc import Callable
from collections.abc import Mapping as Dict
from concurrent.futures import Future, wait
from hashlib import sha256
from pathlib import Path
from threading import Lock, RLock, Thread
from time import monotonic
from typing import TypeVar

import structlog

from wcsync.credentials import read_plain_file
from wcsync.errors import ConfigError, Problem
from wcsync.ledger.base import Ledger
from wcsync.mappers.mapping import Mapping, TargetKey, read_mapping
from wcsync.mappers.problems import render_problems
from wcsync.model import LmsName
from wcsync.rights import with_rights
from wcsync.times import Clock

log = structlog.get_logger(__name__)

SETTLING_S = 2.0
"""A file changed less than this ago is left to the next look."""
SEEN_SAME_S = 1.5
"""A watched file is read once it has looked the same for so long. By our own watch: a file server's may be wrong."""
READ_ANYWAY_S = 60.0
"""How often a watched file is read though it looks the same: two edits within one tick of a coarse clock do."""
LOAD_LIMIT_S = 15.0
"""How long a start waits for the file before it makes do with the last good mapping."""
STUCK_S = 30.0
"""A look that takes longer than this waits for a mount that went away."""
LARGEST_FILE_BYTES = 5 * 1024 * 1024


def seconds() -> float:
    """A clock that nobody can set."""
    return monotonic()


T = TypeVar("T")

Signs = tuple[int, ...]
"""What tells one state of a file from another without reading it."""


class MappingKeeper:
    """Holds the mapping in force. Thread-safe: one thread looks at the file at a time, the others go on without.

    The last good one is kept in the ledger too, so that a file that was spoilt while the daemon was down stops
    nothing either. `timer` is a monotonic clock.
    """

    def __init__(
        self,
        path: Path,
        lms: Dict[LmsName, tuple[TargetKey, ...]],
        ledger: Ledger,
        clock: Clock,
        timer: Callable[[], float] = seconds,
    ) -> None:
        self._path = path
        self._lms = lms
        self._ledger = ledger
        self._clock = clock
        self._timer = timer
        self._lock = Lock()
        self._noting = RLock()
        self._closed = False
        self._looking_since: float | None = None
        self._stuck = False
        self._seen: Signs | None = None
        self._read: Signs | None = None
        self._seen_at = self._read_at = timer()
        self._tried = ""
        self._refusal: ConfigError | None = None
        self._mapping: Mapping | None = None

    @property
    def current(self) -> Mapping:
        assert self._mapping is not None, "load() comes first"
        return self._mapping

    def load(self) -> None:
        """Puts the file in force, or the last good mapping if the file is bad. Raises ConfigError without either.

        A file that cannot be reached counts as bad after a while; once it can, it is put in force all the same.
        """
        now, reached = self._timer(), _in_time(self._signed_content, LOAD_LIMIT_S)
        if reached is not None and (self._mapping is None or not self._still_being_written()):
            signs, found = reached
            with self._noting:
                self._judge(found)
            self._read, self._read_at = signs, now
        if self._mapping is not None:
            return
        refusal = self._refusal if reached is not None else self._out_of_reach()
        assert refusal is not None
        self._mapping = self._kept()
        if self._mapping is None:
            raise refusal
        self._stuck = reached is None
        self._tell(refusal)

    def refresh(self) -> bool:
        """Reads the file; True if another mapping is now in force. Never raises for a bad file.

        A file that was changed just now is left alone, and so is one that another thread is looking at.
        """
        return self._look(lambda: not self._still_being_written() and self._read_file())

    def watch(self) -> bool:
        """As `refresh`, to be called every few seconds: costs no more than a look at the path while nothing changed."""
        return self._look(self._read_if_changed)

    def tell_if_stuck(self) -> None:
        """Tells, once, that another thread's look at the file does not come to an end. Waits for nothing."""
        since = self._looking_since
        if since is None or self._stuck or self._timer() - since < STUCK_S:
            return
        self._stuck = True
        self._tell(self._out_of_reach())

    def _out_of_reach(self) -> ConfigError:
        problem = Problem(
            where=str(self._path),
            message="the mapping file cannot be reached: looking at it does not come to an end",
            remedy="Its folder is probably a network mount whose server is gone; mend the mount, or unmount it.",
        )
        return ConfigError([problem])

    def close(self) -> None:
        """Leaves the ledger alone from now on, whenever a look that hangs may come to its end."""
        with self._noting:
            self._closed = True

    def _look(self, look: Callable[[], bool]) -> bool:
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._looking_since = self._timer()
            changed = look()
            self._unstick()
            return changed
        finally:
            self._looking_since = None
            self._lock.release()

    def _unstick(self) -> None:
        """The file was reached after all: `status` is to say again what is wrong with it, if anything is."""
        with self._noting:
            if not self._stuck or self._closed:
                return
            self._stuck = False
            if self._refusal is not None:
                self._tell(self._refusal)
            else:
                log.info("mapping_mended")
                self._ledger.record_refusal((), self._clock())

    def _read_if_changed(self) -> bool:
        now, seen = self._timer(), signs_of(self._path)
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
            return False
        if now - self._seen_at < SEEN_SAME_S or (seen == self._read and now - self._read_at < READ_ANYWAY_S):
            return False
        return self._read_file()

    def _read_file(self) -> bool:
        """True if another mapping is now in force. What cannot be kept on disk is read again at the next look."""
        before, now = signs_of(self._path), self._timer()
        found = self._content()
        torn = signs_of(self._path) != before  # it changed under our eyes: half of it may be old
        with self._noting:
            if self._closed or (torn and self._mapping is not None):
                return False
            changed = self._judge(found)
        self._read, self._read_at = before, now
        return changed

    def _signed_content(self) -> tuple[Signs, bytes | ConfigError]:
        return signs_of(self._path), self._content()

    def _content(self) -> bytes | ConfigError:
        try:
            return read_bytes(self._path)
        except ConfigError as exc:
            return exc

    def _judge(self, found: bytes | ConfigError) -> bool:
        digest = ""
        try:
            if isinstance(found, ConfigError):
                raise found
            digest = sha256(found).hexdigest()
            if digest == self._tried:
                return False
            mapping = read_mapping(self._path.name, found, self._lms)
        except ConfigError as exc:
            self._refuse(exc, digest)
            return False
        changed = self._put_in_force(mapping)
        if self._refusal is not None and not changed:
            log.info("mapping_mended")
        self._ledger.record_refusal((), self._clock())
        self._tried, self._refusal = digest, None
        return changed

    def _put_in_force(self, mapping: Mapping) -> bool:
        """True if it means something else than the one before. Lines may have moved all the same."""
        if self._mapping is not None and self._mapping.fingerprint == mapping.fingerprint:
            self._mapping = mapping
            return False
        text = mapping.to_json()
        news = text != self._ledger.read_mapping()
        if news:
            self._ledger.record_mapping(text, self._clock())
        self._mapping = mapping
        say = log.info if news else log.debug
        say("mapping_accepted", rows=len(mapping.rows))
        return True

    def _still_being_written(self) -> bool:
        """Half a file may read well and sell wrong courses for good: a change counts once it has settled."""
        if self._mapping is None:
            return False
        try:
            age_s = self._clock().timestamp() - self._path.stat().st_mtime
        except OSError:
            return False
        return 0 <= age_s < SETTLING_S

    def _refuse(self, exc: ConfigError, digest: str) -> None:
        """One error per bad state of the file, not one per look at it; none while nothing is in force yet."""
        news = self._refusal is None or str(self._refusal) != str(exc)
        self._tried, self._refusal = digest, exc
        if news and self._mapping is not None:
            self._tell(exc)

    def _tell(self, exc: ConfigError) -> None:
        problems = render_problems(exc.problems)
        self._ledger.record_refusal(problems, self._clock())
        hint = "the last good mapping stays in force until the file is mended"
        log.error("mapping_refused", problems=problems, hint=hint)

    def _kept(self) -> Mapping | None:
        text = self._ledger.read_mapping()
        if text is None:
            return None
        try:
            kept = Mapping.from_json(text)
        except ValueError:
            return None  # kept by another version: the file's own problems are what a person can mend
        sold = {target.lms for row in kept.rows for target in row.targets} | {kept.sku_is_course or ""}
        return (
            kept if sold <= {*self._lms, ""} else None
        )  # an LMS that left the config has nobody to work for it


def _in_time(read: Callable[[], T], limit_s: float) -> T | None:
    """What `read` answers, asked in a thread of its own; None if that takes too long, and the thread is left behind."""
    outcome = Future[T]()

    def answer() -> None:
        try:
            outcome.set_result(read())
        except BaseException as exc:  # noqa: BLE001  raised again below
            outcome.set_exception(exc)

    Thread(target=answer, name="mapping-load", daemon=True).start()
    return outcome.result() if wait([outcome], limit_s).done else None


def signs_of(path: Path) -> Signs:
    """Changes with each save, in place or by renaming, through links too, however the times are set.

    The time of the last change of the inode moves whatever a program does to the other one, and with the permissions.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as exc:
        return (getattr(exc, "errno", None) or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def read_file(path: Path, lms: Dict[LmsName, tuple[TargetKey, ...]], *, draft: bool = False) -> Mapping:
    """Reads a mapping file whole; a `draft` may map nothing yet. Raises ConfigError with every problem in it."""
    return read_mapping(path.name, read_bytes(path), lms, draft=draft)


def read_bytes(path: Path) -> bytes:
    """Raises ConfigError if the file cannot be read or is too large to be a mapping."""
    try:
        content = read_plain_file(path, LARGEST_FILE_BYTES + 1).content
    except OSError as exc:
        reason = with_rights(exc.strerror or str(exc), path, to_write=False)
        problem = Problem(
            where=str(path),
            message=f"the mapping file cannot be read ({reason})",
            remedy="Check [mapping] path in the config and that the user wcsync runs as may read the file.",
        )
        raise ConfigError([problem]) from exc
    if len(content) > LARGEST_FILE_BYTES:
        problem = Problem(
            where=str(path),
            message=f"the mapping file is larger than {LARGEST_FILE_BYTES // 1024**2} MiB",
            remedy="Check [mapping] path in the config.",
        )
        raise ConfigError([problem])
    return content
