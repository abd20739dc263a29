"""The work between two changes of the config: jobs and workers, and whether each of them still does its part."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from wcsync.pool import JOIN_LOOK_S, Pool
from wcsync.pulse import Pulse
from wcsync.schedule import AFTER_BUG_S, Job, Schedule

log = structlog.get_logger(__name__)

BEACON_S = 5.0
BEACON_LIMIT_S = 60.0
"""The schedule runs a job of ours as often; if it did not for so long, it is dead."""
MISSES = 2
"""So many rounds of a job may fail in a row."""
JUMP_S = 3.0


class Shift:
    """Jobs and workers of one engine at work, from start to settled.

    `sound` says why the work cannot go on, '' while it can. `longest_s`: no job or worker is silent for longer.
    `look_s`: how often somebody looks.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        pool: Pool,
        stop: threading.Event,
        sound: Callable[[], str],
        *,
        longest_s: float,
        look_s: float,
    ) -> None:
        self._pool = pool
        self._stop = stop
        self._sound = sound
        self._look_s = look_s
        beacon = _Watched(Job(name="beacon", every_s=BEACON_S, run=lambda: None), BEACON_LIMIT_S)
        self._watched = [beacon, *(_Watched(job, longest_s) for job in jobs)]
        self._schedule = Schedule([watched.job for watched in self._watched])
        self._drift = _Drift()
        self._looked_at = time.monotonic()
        self._left_behind = ""
        self._ending = threading.Thread(target=self._schedule.stop, name="schedule-stop", daemon=True)

    def start(self) -> None:
        self._pool.start()
        self._schedule.start()

    def run_now(self, name: str) -> None:
        """Makes one job due at once."""
        self._schedule.run_now(name)

    def look(self) -> str:
        """Why the work cannot go on; '' while it can. Not once it was settled without all, whoever comes back later."""
        self._forgive_standstill()
        if self._drift.jumped():
            log.warning("clock_jumped")
            self._schedule.run_all_now()
        return self._left_behind or self._sound() or describe(self._hung())

    def settle(self, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Lets everybody finish what they hold. False if somebody is hung: they are waited for no longer.

        `meanwhile` is called several times a second. Safe to repeat.
        """
        self._stop.set()
        if self._ending.ident is None:
            self._ending.start()
        settled = self._pool.join(meanwhile)
        while settled and self._ending.is_alive():
            self._ending.join(JOIN_LOOK_S)
            settled = not any(watched.pulse.late for watched in self._watched if watched.running)
            meanwhile()
        if not settled:
            self._left_behind = describe(self._hung()) or "a thread came back too late"
            log.critical("daemon_hung", reason=self._left_behind)
        return settled

    def _forgive_standstill(self) -> None:
        """When the whole process stood still (a paused machine), nobody is late for that time."""
        now = time.monotonic()
        still_s, self._looked_at = now - self._looked_at - self._look_s, now
        if still_s > JUMP_S:
            for pulse in [*self._pool.pulses(), *(watched.pulse for watched in self._watched)]:
                pulse.forgive(still_s)

    def _hung(self) -> list[Pulse]:
        return [*self._pool.hung(), *(watched.pulse for watched in self._watched if watched.pulse.late)]


def describe(hung: Sequence[Pulse]) -> str:
    """Which threads do not come back, and where they stand."""
    return "; ".join(
        " > ".join([f"{pulse.name} has given no sign of life for too long", *pulse.whereabouts()])
        for pulse in hung
    )


class _Watched:
    """A job with its signs of life: it must succeed now and then, and come back from each run.

    A run that raises is none, nor is one that answers False: the daemon would look alive while doing nothing. A job
    that may be abandoned may hang too: it is none that the others need.
    """

    def __init__(self, job: Job, longest_s: float) -> None:
        self._run = job.run
        longest_s = longest_s if job.abandon_after_s is None else math.inf
        self._patience_s = MISSES * (job.every_s + AFTER_BUG_S) + longest_s
        self._due_at = time.monotonic() + self._patience_s
        self.pulse = Pulse(job.name, longest_s)
        self.pulse.rest(self._due_at)
        self.job = replace(job, run=self._run_watched)
        self.running = False

    def _run_watched(self) -> object:
        self.pulse.adopt()
        self.running = True
        try:
            outcome = self._run()
            if outcome is not False:
                self._due_at = time.monotonic() + self._patience_s
            return outcome
        finally:
            self.running = False
            self.pulse.rest(self._due_at)


class _Drift:
    """Notices that the wall clock was set: jobs are due by that clock, and would wait until it has caught up."""

    def __init__(self) -> None:
        self._apart = self._measure()

    def jumped(self) -> bool:
        """Whether it was set by more than a few seconds since the last look."""
        apart = self._measure()
        jumped = abs(apart - self._apart) > JUMP_S
        self._apart = apart
        return jumped

    def _measure(self) -> float:
        return time.time() - time.monotonic()
