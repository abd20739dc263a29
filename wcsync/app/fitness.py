"""Whether a process can go on with the ledger it has."""

from collections.abc import Callable
from pathlib import Path

from wcsync.app import periods
from wcsync.app.build import file_identity
from wcsync.ledger.ledger import SqliteLedger
from wcsync.schedule import Job


class Fitness:
    """Of one process with the ledger's files as it opened them."""

    def __init__(self, ledger: SqliteLedger, path: Path) -> None:
        self._ledger = ledger
        self._path = path
        self._file = file_identity(path)
        self._wal: tuple[int, int] | None = None

    def begin(self) -> None:
        """Something was written: from now on there is a write-ahead log."""
        self._wal = self._write_ahead_log()

    def lost(self) -> str:
        """Why this process cannot do its work any more; '' while it can."""
        if file_identity(self._path) != self._file:
            return "the ledger's file was deleted or replaced while it was in use"
        wal = self._write_ahead_log()
        if self._wal not in {None, wal}:
            return "the ledger's write-ahead log was deleted or replaced while it was in use"
        self._wal = wal
        ailing = self._ledger.ailment.words
        return f"the ledger: {ailing.reason}; {ailing.hint}" if ailing is not None and ailing.damaged else ""

    def _write_ahead_log(self) -> tuple[int, int] | None:
        return file_identity(self._path.with_name(f"{self._path.name}-wal"))

    def words(self) -> list[str]:
        """For people, where the ledger ails."""
        ailing = self._ledger.ailment.words
        return [] if ailing is None else [f"THE LEDGER CANNOT BE USED: {ailing.reason}; {ailing.hint}."]

    def job(self) -> Job:
        """Looks whether a ledger that ailed can be used again. No sign of life of its own: that it ails is told by the
        jobs that cannot do their work."""
        return Job(
            name="ledger", every_s=periods.LEDGER_EVERY_S, run=lambda: self._ledger.ailment.look() or None
        )

    def sparing(self, run: Callable[[], object]) -> Callable[[], object]:
        """A job that the ledger failed has not done its work, and is asked again when its time comes."""

        def spared() -> object:
            try:
                return run()
            except Exception as exc:
                if self._ledger.ailment.explains(exc):
                    return False
                raise

        return spared
