"""The mapping file: read when it changed, checked whole, put in force in one step; a bad file changes nothing."""

from collections.abc import Mapping as Dict
from hashlib import sha256
from pathlib import Path
from threading import Lock

import structlog

from wcsync.credentials import read_plain_file
from wcsync.errors import ConfigError, Problem
from wcsync.ledger.base import Ledger
from wcsync.mappers.mapping import Mapping, TargetKey, read_mapping
from wcsync.model import LmsName
from wcsync.times import Clock

log = structlog.get_logger(__name__)

SETTLING_S = 2.0
"""A file changed less than this ago is left to the next look."""
LARGEST_FILE_BYTES = 5 * 1024 * 1024


class MappingKeeper:
    """Holds the mapping in force. Thread-safe.

    The last good one is kept in the ledger too, so that a file that was spoilt while the daemon was down stops
    nothing either.
    """

    def __init__(
        self, path: Path, lms: Dict[LmsName, tuple[TargetKey, ...]], ledger: Ledger, clock: Clock
    ) -> None:
        self._path = path
        self._lms = lms
        self._ledger = ledger
        self._clock = clock
        self._lock = Lock()
        self._tried = ""
        self._refusal: ConfigError | None = None
        self._mapping: Mapping | None = None

    @property
    def current(self) -> Mapping:
        assert self._mapping is not None, "load() comes first"
        return self._mapping

    def load(self) -> None:
        """Puts the file in force, or the last good mapping if the file is bad. Raises ConfigError without either."""
        self.refresh()
        if self._mapping is not None:
            return
        assert self._refusal is not None
        self._mapping = self._kept()
        if self._mapping is None:
            raise self._refusal
        self._tell(self._refusal)

    def refresh(self) -> bool:
        """Looks whether the file changed; True if another mapping is now in force. Never raises for a bad file."""
        with self._lock:
            if self._mapping is not None and self._still_being_written():
                return False
            digest = ""
            try:
                content = read_bytes(self._path)
                digest = sha256(content).hexdigest()
                if digest == self._tried:
                    return False
                mapping = read_mapping(self._path.name, content, self._lms)
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
        problems = [str(problem) for problem in exc.problems]
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


def read_file(path: Path, lms: Dict[LmsName, tuple[TargetKey, ...]]) -> Mapping:
    """Reads a mapping file whole. Raises ConfigError with every problem in it."""
    return read_mapping(path.name, read_bytes(path), lms)


def read_bytes(path: Path) -> bytes:
    """Raises ConfigError if the file cannot be read or is too large to be a mapping."""
    try:
        content = read_plain_file(path, LARGEST_FILE_BYTES + 1).content
    except OSError as exc:
        problem = Problem(
            where=str(path),
            message=f"the mapping file cannot be read ({exc.strerror})",
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
