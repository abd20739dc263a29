"""The table of jobs and what drives them. The only user of APScheduler."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`run` is called every `every_s` seconds, the first time at once, never twice at the same time."""

    name: str
    every_s: float
    run: Callable[[], object]


class Schedule:
    """Runs jobs in threads of its own until stopped.

    A late job runs late and once, it is never skipped: APScheduler's own default drops whatever is a second late.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(len(jobs), 1))},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        for job in jobs:
            self._scheduler.add_job(
                job.run, "interval", seconds=job.every_s, id=job.name, next_run_time=datetime.now(UTC)
            )

    def start(self) -> None:
        self._scheduler.start()

    def run_all_now(self) -> None:
        """Makes every job due at once: the clock they wait by was set."""
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Returns when no job is running any more. No job may touch the schedule: it would wait for itself."""
        self._scheduler.shutdown(wait=True)
