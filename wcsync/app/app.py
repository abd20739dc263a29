"""The composition root: the one place that knows concrete classes."""

import random
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from wcsync.app import periods
from wcsync.app.build import (
    ask_lms,
    ask_shop,
    build_channels,
    build_heartbeat,
    build_lmss,
    build_rules,
    build_store,
    longest_silence_s,
    longest_turn_s,
    planner_by,
    target_keys,
    tempo,
)
from wcsync.app.crew import Crew
from wcsync.app.fitness import Fitness
from wcsync.app.looks import Looks
from wcsync.app.proof import build_catch_up, build_halts, build_nights, build_reconciler
from wcsync.app.words import in_words
from wcsync.cadence import Cadence
from wcsync.config import Config
from wcsync.errors import WcsyncError
from wcsync.gate import SHOP, Answerer, Gate
from wcsync.health import Condition, Sign
from wcsync.ledger.base import PageRecord
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.report import Report, Summary
from wcsync.lms.base import Lms
from wcsync.mappers.entitlements import Planner
from wcsync.mappers.mapping import Mapping
from wcsync.model import LmsName, OrderId
from wcsync.patient import Patient
from wcsync.pollers.catching_up import CatchUp, tell_restored
from wcsync.pollers.mapping import MappingKeeper
from wcsync.pollers.orders import OnPage, Pass
from wcsync.pollers.reconcile import Reconciler
from wcsync.pollers.retention import Retention
from wcsync.pollers.troubles import TroubleWatch
from wcsync.pool import Pool
from wcsync.pulse import beat
from wcsync.schedule import Job
from wcsync.store.client import WooCommerce
from wcsync.times import Clock

if TYPE_CHECKING:
    from wcsync.app.mirror import CourseMirror

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class App:
    """wcsync for one config: services, ledger, poller and workers, put together. `close()` when done."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock = utc_now,
        dice: Callable[[], float] = random.random,
        ledger: SqliteLedger | None = None,
        store: WooCommerce | None = None,
        lmss: dict[LmsName, Lms] | None = None,
    ) -> None:
        """Opens the config's ledger and services unless it is given others. Raises ConfigError if one is no use."""
        self.config = config
        self.clock = clock
        self._dice = dice
        self.stop = threading.Event()
        self._replan_owed = threading.Event()
        self._planned_by: Mapping | None = None
        self.looks = Looks(Cadence.begin(tempo(config)), self.poll)
        self.ledger = ledger or SqliteLedger(config.ledger.path)
        self._fitness = Fitness(self.ledger, config.ledger.path)
        self.store = store or build_store(config)
        self.lmss = lmss or build_lmss(config)
        self.gates = {SHOP: self._gate(SHOP, ask_shop(self.store))} | {
            name: self._gate(name, ask_lms(lms)) for name, lms in self.lmss.items()
        }
        self.mapping = MappingKeeper(config.mapping.path, target_keys(config), self.ledger, clock)
        self._patients = {name: self._patient(name) for name in self.gates}
        self.crew = crew = self._made_crew()
        self.poller = crew.orders()
        self.subscriptions = crew.subscriptions()
        self._retention = Retention(self.ledger, clock, config.retention.days)
        self.channels = [*crew.notes(), *build_channels(config, clock)]
        self._watch = TroubleWatch(ledger=self.ledger, rules=build_rules(config), clock=clock)
        self._heartbeat = build_heartbeat(config)
        self._mirrors: list[CourseMirror] = []
        self.longest_s = longest_silence_s(config)
        self.pool = Pool(
            crew.workers(),
            config.orders.workers,
            self.stop,
            singles=crew.singles(self.channels, lambda: self._watch.looked),
            longest_s=self.longest_s,
            explains=self.ledger.ailment.explains,
        )

    # -- the daemon's work ---------------------------------------------------------------------------------------
    def load(self) -> None:
        """Loads the mapping and does nothing else. Raises ConfigError without any mapping."""
        self.mapping.load()

    def prepare(self) -> None:
        """Loads the mapping and picks up what an earlier process left. Raises ConfigError without any mapping, or
        where the ledger is damaged."""
        self.ledger.require_sound()
        self.load()
        now = self.clock()
        tell_restored(self.ledger, now)
        recovered = self.ledger.recover(now, now)
        if recovered:
            log.info("leases_recovered", rows=recovered)
        if self.ledger.record_rules(self.config.orders.paid_statuses, now):
            log.warning(
                "rules_changed",
                hint="orders read before count by the new paid_statuses once they are read again: "
                "`wcsync backfill --since T`",
            )
        self.ledger.record_channels([channel.name for channel in self.channels], now)
        self._fitness.begin()
        self._tell_missing_lmss()
        self._replan_owed.set()

    def poll(self) -> Pass:
        """One look at the shop."""
        mapping = self.mapping.current
        found = self.poller.poll_once()
        if self.mapping.current is not mapping:
            self._replan_owed.set()  # a page by the mapping before may have come after the replanning by the new one
        self.pool.wake()
        if found.complete and self._heartbeat is not None and not self.sound():
            self._heartbeat.beat()
        return found

    def ring(self) -> None:
        """The next look at the shop is due as soon as may be. From any thread."""
        self.looks.ring()

    def replan_if_owed(self) -> None:
        """What the mapping has learnt counts at once for the lines that waited for it, whatever the shop is doing.

        Apart from the look at the file: that one may hang and be left behind, this one writes to the ledger.
        """
        if self._replan_owed.is_set() or self.mapping.current is not self._planned_by:
            self._replan()
            self.pool.wake()

    def run_cycle(self) -> bool:
        """One full cycle: poll, then work until nothing is due now, course data included. False if the shop could not
        be read."""
        complete = self.poll().complete
        self.subscriptions.poll_once()
        self.replan_if_owed()
        self._end_expired()
        self.pool.drain()
        self._tell_waiting()
        self.pool.drain()
        if self.config.course_sync.enabled:
            self._mirror().run_if_due()
        self._retention.run_if_due()
        if self.config.alerts.wanted:
            self._watch.look_once()
            self.pool.drain()
        self._catch_up().run_if_due()
        return complete

    def jobs(self) -> list[Job]:
        jobs = [
            Job(name="orders", every_s=periods.TICK_S, run=self.looks.look_when_due),
            Job(
                name="mapping",
                every_s=periods.MAPPING_EVERY_S,
                run=self.mapping.watch,
                abandon_after_s=periods.MAPPING_ABANDON_S,
            ),
            Job(name="replan", every_s=periods.TICK_S, run=self.replan_if_owed),
            Job(
                name="subscriptions", every_s=periods.SUBSCRIPTIONS_EVERY_S, run=self.subscriptions.run_if_due
            ),
            Job(name="expiry", every_s=periods.EXPIRY_EVERY_S, run=self._end_expired),
            Job(name="leases", every_s=60, run=self._keep_house),
            Job(name="waiting", every_s=60, run=self._tell_waiting),
            Job(name="retention", every_s=periods.RETENTION_EVERY_S, run=self._retention.run_if_due),
            Job(name="halts", every_s=60, run=build_halts(self.config, self.clock).look),
        ]
        origin = self.ledger.read_origin()
        if origin is not None and origin.catching_up:
            jobs.append(
                Job(name="catching_up", every_s=periods.CATCHING_UP_EVERY_S, run=self._catch_up().run_if_due)
            )
        if self.config.alerts.wanted:
            jobs.append(Job(name="alerts", every_s=periods.ALERTS_EVERY_S, run=self._look_for_trouble))
        if self.config.course_sync.enabled:
            jobs.append(Job(name="courses", every_s=periods.COURSES_EVERY_S, run=self._mirror().run_if_due))
        if self.config.reconcile.enabled:
            nights = build_nights(self.reconciler(), self.crew)
            jobs.append(Job(name="reconcile", every_s=periods.RECONCILE_EVERY_S, run=nights.run_if_due))
        return [*(replace(job, run=self._fitness.sparing(job.run)) for job in jobs), self._fitness.job()]

    def _catch_up(self) -> CatchUp:
        return build_catch_up(self.reconciler(), self.crew)

    def _mirror(self) -> "CourseMirror":
        """The one that turns by itself."""
        return self.courses(lambda: self.mapping.current, self.crew.may_call, self._heed)

    def _heed(self, name: str, exc: WcsyncError | None) -> None:
        """Only an LMS that asks to be left alone is left alone as a whole for what the mirror met there. It is found
        well again by the mirror only where nobody else has work there who would find that out."""
        patient = self._patients[name]
        if exc is not None:
            patient.note_wish(exc)
        elif not patient.is_up() and self.ledger.next_due_at(LmsName(name)) is None:
            patient.note(Sign.WORKED)

    def _look_for_trouble(self) -> None:
        if self._watch.look().messages:
            self.pool.wake()

    # -- what people ask for -------------------------------------------------------------------------------------
    def backfill(self, since: datetime, on_page: OnPage = lambda _page, _record: None) -> PageRecord:
        """Reads all orders changed after `since`, by the path every poll takes; `on_page` hears of each page that is
        recorded. Raises as `OrdersPoller.read_since`."""
        self.mapping.load()
        record = self.poller.read_since(since, on_page)
        self.mapping.refresh()
        self._replan()  # rows added while it was read
        return record

    def reread(self, order_id: OrderId) -> PageRecord | None:
        """Reads one order again; None if the shop does not know it."""
        self.mapping.load()
        return self.poller.read_order(order_id)

    def courses(
        self,
        mapping: Callable[[], Mapping],
        healthy: Callable[[str], bool] = lambda _name: True,
        heed: Callable[[str, WcsyncError | None], None] = lambda _name, _exc: None,
    ) -> "CourseMirror":
        """What carries course data into products by that mapping. `healthy`: who may be called just now; `heed` hears
        what came of asking an LMS, None = it answered."""
        from wcsync.app.mirror import CourseMirror, Surroundings  # noqa: PLC0415  not every shop has one

        around = Surroundings(
            config=self.config,
            ledger=self.ledger,
            store=self.store,
            lmss=self.lmss,
            gates=self.gates,
            healthy=healthy,
            heed=heed,
            mapping=mapping,
            stopping=self._at_page,
            clock=self.clock,
            dice=self._dice,
        )
        self._mirrors.append(CourseMirror(around))
        return self._mirrors[-1]

    def reconciler(self) -> Reconciler:
        """What compares shop, ledger and LMS. The mapping must be loaded before it runs."""
        return build_reconciler(self.crew, self.poller)

    def accept(self, service: str) -> Answerer:
        """Makes whoever answers now the known identity of `service`. Raises KeyError for an unknown name."""
        return self.gates[service].accept()

    def troubles(self) -> dict[str, str]:
        """Why each service that is not up is not."""
        known = {name: self.ledger.read_service(name, self.clock()).health for name in self.gates}
        return {name: health.reason for name, health in known.items() if health.condition is not Condition.UP}

    def summary(self) -> Summary:
        with closing(Report(self.config.ledger.path)) as report:
            return report.summary()

    def messages_waiting(self) -> int:
        with closing(Report(self.config.ledger.path)) as report:
            return sum(row["waiting"] for row in report.messages())

    def close(self) -> None:
        self.mapping.close()
        if self._heartbeat is not None:
            self._heartbeat.close()
        self.store.close()
        for close in [*(mirror.close for mirror in self._mirrors), *(one.close for one in self.channels)]:
            close()
        for lms in self.lmss.values():
            lms.close()
        self.ledger.close()

    # -- putting together ----------------------------------------------------------------------------------------
    def _gate(self, name: str, ask: Callable[[], Answerer]) -> Gate:
        every_s = self.config.store.identity_every_s
        return Gate(name, ask, self.ledger, self.clock, every_s=every_s)

    def _made_crew(self) -> Crew:
        return Crew(
            config=self.config,
            ledger=self.ledger,
            store=self.store,
            lmss=self.lmss,
            gates=self.gates,
            patients=self._patients,
            planner=self._planner,
            stopping=self._at_page,
            clock=self.clock,
            dice=self._dice,
        )

    def _patient(self, name: str) -> Patient:
        return Patient(name=name, ledger=self.ledger, clock=self.clock, dice=self._dice)

    def _at_batch(self) -> bool:
        """As `_at_page`, and a breath in which others may write."""
        self.stop.wait(periods.BREATH_S)
        stopping = self._at_page()
        if stopping:
            self._replan_owed.set()
        return stopping

    def _at_page(self) -> bool:
        """Whether a walk is to end. That it asks, at every page, is its sign of life."""
        beat()
        return self.stop.is_set()

    def _planner(self) -> Planner:
        return planner_by(self.config, self.mapping.current, self.ledger)

    def _replan(self) -> None:
        self._replan_owed.clear()  # first: what is owed from now on is owed again
        self._planned_by = self.mapping.current
        try:
            record = self.ledger.replan_unmapped(self.crew.plan(), self.clock(), self._at_batch)
        except BaseException:
            self._replan_owed.set()
            raise
        if record.lines > record.unmapped:
            log.info("lines_replanned", orders=record.fresh, still_unmapped=record.unmapped)

    def _tell_missing_lmss(self) -> None:
        """Enrolments that wait for an LMS which left the config have nobody to work on them."""
        with closing(Report(self.config.ledger.path)) as report:
            waiting = report.due_by_lms()
        for name in sorted(waiting.keys() - self.lmss.keys()):
            hint = f'they wait until an [[lms]] section is called "{name}" again'
            log.error("lms_missing", lms=name, rows=waiting[name], hint=hint)

    def sound(self) -> str:
        """Why this process cannot do its work any more; '' while it can."""
        return self._fitness.lost() or ("" if self.pool.alive() else "a worker thread has ended")

    def state(self) -> str:
        """How things stand, in a few sentences for people."""
        try:
            return self._state()
        except Exception as exc:
            if self.ledger.ailment.explains(exc):
                return " ".join(self._failed())
            raise

    def _state(self) -> str:
        now = self.clock()
        healths = {name: self.ledger.read_service(name, now).health for name in self.gates}
        with closing(Report(self.config.ledger.path)) as report:
            due = report.due()
        words = [in_words(name, health) for name, health in healths.items()]
        return " ".join([*self._failed(), *words, f"Due: {due}."])

    def _failed(self) -> list[str]:
        return self._fitness.words() or (
            ["ORDERS CANNOT BE RECORDED, see the log."] if self.looks.failed else []
        )

    def _end_expired(self) -> None:
        """Access whose time is over ends, whoever carries that out."""
        if self.ledger.end_expired(self.clock()):
            self.pool.wake()

    def _tell_waiting(self) -> None:
        now = self.clock()
        self.ledger.record_waiting(now - timedelta(seconds=self.config.notes.waiting_after_s), now)

    def _keep_house(self) -> None:
        self.mapping.tell_if_stuck()
        now = self.clock()
        recovered = self.ledger.recover(
            now - max(periods.LEASE_LIMIT, timedelta(seconds=longest_turn_s(self.config))), now
        )
        if recovered:
            log.warning("leases_recovered", rows=recovered)
