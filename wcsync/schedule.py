"""The table of jobs and what drives them. The only user of APScheduler."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog
from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

log = structlog.get_logger(__name__)

AFTER_BUG_S = 60.0
"""How long a job that raised is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`run` is called every `every_s` seconds, the first time at once, never twice at the same time.

    `abandon_after_s`: how long a stop waits for it; None = until it is done. For a job that may hang for good where no
    time-out reaches, and that may be cut off anywhere.
    """

    name: str
    every_s: float
    run: Callable[[], object]
    abandon_after_s: float | None = None


class Schedule:
    """Runs each job in a thread of its own until stopped.

    A late job runs late and once, it is never skipped: APScheduler's own default drops whatever is a second late. A
    time that comes while the job is still running counts when it is done, without a word.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._threads = [_JobThread(job) for job in jobs]
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": _Ringer(self._threads)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        for job in jobs:
            self._scheduler.add_job(
                job.run, _Every(job.every_s), id=job.name, next_run_time=datetime.now(UTC)
            )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self._scheduler.start()

    def run_all_now(self) -> None:
        """Makes every job due at once: the clock they wait by was set."""
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))

    def run_now(self, name: str) -> None:
        """Makes one job due at once, or once more when it is running; its times to come stay as they are."""
        for thread in self._threads:
            if thread.job.name == name:
                thread.due.set()

    def stop(self) -> None:
        """Returns when no job is running any more, but for those that hang and may be abandoned."""
        self._scheduler.shutdown(wait=False)
        for thread in self._threads:
            thread.dismiss()
        began = monotonic()
        for thread in self._threads:
            thread.await_end(began)


class _Every(BaseTrigger):  # type: ignore[misc]  # the package comes without types
    """So long after now, not after the time before.

    After a clock was set on by years, APScheduler's own interval would list every second of them before it looks for
    the last one.
    """

    def __init__(self, every_s: float) -> None:
        self._every = timedelta(seconds=every_s)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self._every


class _Ringer(BaseExecutor):  # type: ignore[misc]  # as above
    """Tells a job's thread that its time has come. Nothing of APScheduler's is held or called while a job runs."""

    def __init__(self, threads: Sequence["_JobThread"]) -> None:
        super().__init__()
        self._threads = {thread.job.name: thread for thread in threads}

    def submit_job(self, job: object, run_times: list[datetime]) -> None:
        """In place of a version that counts running instances and complains about a job that takes long."""
        self._do_submit_job(job, run_times)

    def _do_submit_job(self, job: object, _run_times: list[datetime]) -> None:
        self._threads[job.id].due.set()  # type: ignore[attr-defined]  # as above


class _JobThread(threading.Thread):
    """A thread for one job: one that hangs holds up no other, and none outlives the process."""

    def __init__(self, job: Job) -> None:
        super().__init__(name=f"job-{job.name}", daemon=True)
        self.job = job
        self.due = threading.Event()
        self._dismissed = threading.Event()

    def run(self) -> None:
        while self.due.wait() and not self._dismissed.is_set():
            self.due.clear()
            self._run_guarded()

    def dismiss(self) -> None:
        """Ends the thread once the job is done."""
        self._dismissed.set()
        self.due.set()

    def await_end(self, since: float) -> None:
        """Waits until the job is done, or has had its time since that instant."""
        limit_s = self.job.abandon_after_s
        self.join(None if limit_s is None else max(since + limit_s - monotonic(), 0.0))
        if self.is_alive():
            log.warning("job_abandoned", job=self.job.name, after_s=limit_s)

    def _run_guarded(self) -> None:
        """The outermost line of a job: whatever happens is told, with its traceback, and the thread lives on."""
        try:
            self.job.run()
        except Exception:
            log.critical("poller_failed", job=self.job.name, exc_info=True)
            self._dismissed.wait(AFTER_BUG_S)
