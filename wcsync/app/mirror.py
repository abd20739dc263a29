"""The mirror of courses for one config: made when it is wanted, and turned by the schedule.

What renders course data is loaded here, with the first mirror that is made: a daemon without one does without.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

from wcsync.config import Config
from wcsync.errors import WcsyncError
from wcsync.gate import SHOP, Gate
from wcsync.http import Service
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.lock import AlreadyRunning, only_mirror
from wcsync.ledger.mirror import DONE, Run
from wcsync.lms.base import Lms
from wcsync.mappers.courses.rules import rules_for
from wcsync.mappers.mapping import Mapping as CourseMapping
from wcsync.model import LmsName
from wcsync.patient import Patient
from wcsync.pollers.course_pictures import LARGEST_BYTES
from wcsync.pollers.course_plan import Outlook
from wcsync.pollers.course_push import Tally
from wcsync.pollers.course_reading import Campuses
from wcsync.pollers.course_shelf import Complaint, tell_left
from wcsync.pollers.courses import SERVICE, CourseSync, Options, Pacing
from wcsync.store.client import WooCommerce
from wcsync.times import Clock

QUARANTINE_TURNS = 3
"""A write whose answer was lost may take effect for so many time-outs of the shop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a mirror works with. `healthy`: whether a service may be called just now; `heed`: as in `Campuses`;
    `dice`: as in `Patient`."""

    config: Config
    ledger: SqliteLedger
    store: WooCommerce
    lmss: Mapping[LmsName, Lms]
    gates: Mapping[str, Gate]
    healthy: Callable[[str], bool]
    heed: Callable[[str, WcsyncError | None], None]
    mapping: Callable[[], CourseMapping]
    stopping: Callable[[], bool]
    clock: Clock
    dice: Callable[[], float]


class CourseMirror:
    """Course data flows into products, one run at a time across all processes. `close()` when done."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._path = around.config.ledger.path
        self._pictures = {
            LmsName(lms.name): Service(
                f"pictures of {lms.name}",
                timeout_s=lms.timeout_s,
                ca_file=lms.ca_file,
                max_body_bytes=LARGEST_BYTES,
                home=urlsplit(lms.url).hostname or "",
            )
            for lms in around.config.lms
        }
        self._sync = self._build()
        self._told: frozenset[Complaint] = frozenset()

    def look(self, options: Options) -> Outlook:
        """As `CourseSync.look`: also while somebody else writes."""
        return self._sync.look(options)

    def run(self, options: Options, tally: Tally | None = None) -> Run:
        """As `CourseSync.run`. Raises AlreadyRunning while another process does so."""
        with only_mirror(self._path):
            return self._sync.run(options, tally)

    def run_if_due(self) -> None:
        """For the schedule: a run if its time has come, and the shop and an LMS are well."""
        around = self._around
        if not around.healthy(SHOP) or not any(map(around.healthy, around.lmss)) or not self._sync.is_due():
            return
        tally = Tally()
        with suppress(AlreadyRunning):  # a person does it just now
            run = self.run(Options(), tally)
            self._told = tell_left(tally.left, self._told, complete=run.outcome == DONE)

    def close(self) -> None:
        for service in self._pictures.values():
            service.close()

    def _build(self) -> CourseSync:
        from wcsync.mappers.courses.rendering import render  # noqa: PLC0415 - see above

        around = self._around
        settings, store = around.config.course_sync, around.config.store
        base = settings.rules()
        return CourseSync(
            showcase=around.store.showcase,
            shop=around.gates[SHOP],
            patient=Patient(name=SERVICE, ledger=around.ledger, clock=around.clock, dice=around.dice),
            campuses=Campuses(
                lmss=around.lmss,
                gates={name: around.gates[name] for name in around.lmss},
                may_call=around.healthy,
                heed=around.heed,
            ),
            mirror=around.ledger.mirror,
            mapping=around.mapping,
            rules_for=lambda sync: rules_for(base, sync),
            render=render,
            pictures=self._pictures,
            pacing=Pacing(
                every_s=settings.every_s,
                full_every_s=settings.full_every_s,
                quarantine_s=QUARANTINE_TURNS * store.timeout_s,
                timeout_s=store.timeout_s,
                max_changes=settings.max_changes,
                max_share=settings.max_changes_share,
            ),
            clock=around.clock,
            timer=monotonic,
            stopping=around.stopping,
        )
