"""Course data from the LMSs into the shop's products: one run after the other, each from scratch."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from wcsync.errors import REMOTE_ERRORS, WcsyncError
from wcsync.gate import Gate
from wcsync.health import Sign
from wcsync.http import Service
from wcsync.ledger.mirror import DONE, FAILED, STOPPED, Mirror, Run
from wcsync.mappers.courses.drafting import is_unpublished
from wcsync.mappers.courses.fields import Field
from wcsync.mappers.courses.guards import guard_changes
from wcsync.mappers.courses.marks import Standing
from wcsync.mappers.courses.wanted import Render
from wcsync.mappers.mapping import Mapping as CourseMapping
from wcsync.model import LmsName, ProductId, Target
from wcsync.patient import Patient
from wcsync.pollers.course_judge import Judge
from wcsync.pollers.course_pictures import Pictures
from wcsync.pollers.course_plan import OFF, Outlook, Planner, RulesFor
from wcsync.pollers.course_push import Interrupted, Pace, Pusher, Tally, tell_standing
from wcsync.pollers.course_reading import OF_ONE_LMS, Campuses, Halt, Reading, tell_news
from wcsync.pollers.course_shelf import UNREADABLE, Shelf, fetch_shelf, targets_of
from wcsync.pulse import asking
from wcsync.store.base import BATCH_LIMIT, Showcase
from wcsync.times import Clock

log = structlog.get_logger(__name__)

SERVICE = "course mirror"
"""What the ledger calls the health of writing to products. No LMS can have this name: it holds a blank."""
AGAIN_AFTER_S = 600.0
"""How long after a run that a service ended the next one begins, at the latest at its usual time. Not for one LMS of
several: its being down for days is to cost the shop and the others nothing."""

INTERRUPTED = "interrupted"
"""The code of a run that was stopped with its process. It is none that people need to hear of."""
_INTERRUPTED = "it was stopped before the end; what was written stands, and the next run does the rest"
_FAULT = "it met a fault of wcsync; the traceback in the log, under poller_failed, says where"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """When runs are due, and what one may do at most.

    `quarantine_s`: how long a write whose answer was lost may still take effect. `max_changes`, `max_share`: a run that
    would change more products, by count and as a share of all it judged, stops.
    """

    every_s: float
    full_every_s: float
    quarantine_s: float
    timeout_s: float
    max_changes: int
    max_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person asked for. `only`: ids, SKUs or `LMS/COURSE`, none = all; `take_back`: fields that are ours again,
    whatever stands there; `allow_many`: past the guard of too many changes; `allow_gone`: LMSs that are believed
    however few courses they show; `full`: nothing kept from earlier readings is relied on."""

    only: frozenset[str] = frozenset()
    take_back: frozenset[Field] = frozenset()
    allow_many: bool = False
    allow_gone: frozenset[LmsName] = frozenset()
    full: bool = False


@dataclass(slots=True, kw_only=True)
class CourseSync:
    """Mirrors courses into products. One run at a time: see to that by the lock beside the ledger.

    `mapping` gives the one in force; `may_call` says whether an LMS, or the shop, is to be left alone just now;
    `stopping` is asked between calls, and that it is asked is its sign of life. `timer` is a monotonic clock.
    """

    showcase: Showcase
    shop: Gate
    patient: Patient
    campuses: Campuses
    mirror: Mirror
    mapping: Callable[[], CourseMapping]
    rules_for: RulesFor
    render: Render
    pictures: Mapping[LmsName, Service]
    pacing: Pacing
    clock: Clock
    timer: Callable[[], float]
    stopping: Callable[[], bool] = lambda: False

    def look(self, options: Options | None = None) -> Outlook:
        """What a run would do. Writes nothing, here or there. Raises: TransientError, ServiceBlocked, Interrupted."""
        options = options or Options()
        return self._look(options, full=self._is_full(options, self.clock()), keep=False)

    def run(self, options: Options | None = None, tally: Tally | None = None) -> Run:
        """Does what `look` tells of, as far as no guard forbids it. Safe to kill anywhere and to repeat.

        Never raises for trouble of a service: the run says how it ended.
        """
        options, tally = options or Options(), tally or Tally()
        at = self.clock()
        full = self._is_full(options, at)
        try:
            run = self._run(options, tally, at, full=full)
        except Exception:
            fault = Run(at=at, outcome=FAILED, code="fault", reason=_FAULT)
            self._record(fault, options, full=full)  # or the next one begins at once, and ends as this one
            raise
        self._record(run, options, full=full)
        return run

    def _run(self, options: Options, tally: Tally, at: datetime, *, full: bool) -> Run:
        began = self.timer()
        outlook, halts = Outlook(), list[Halt]()
        try:
            outlook = self._look(options, full=full, keep=True)
            halts += outlook.halts
            tally.left = tuple(one for one in outlook.left if one.wrong)
            tally.messages += outlook.messages
            if not options.only:
                self._rest(outlook)
            if outlook.barred is None:
                self._push(outlook, options, tally, full=full)
            self.patient.note(Sign.WORKED)
        except Interrupted:
            halts.append(Halt(outcome=FAILED, code=INTERRUPTED, reason=_INTERRUPTED))
        except REMOTE_ERRORS as exc:
            self.shop.forget()
            self.patient.note_error(exc)
            halts.append(_halt_of(exc))
        run = _sum(at, outlook, halts, tally, duration_s=self.timer() - began)
        _tell(run, halts, None if options.only else self.mirror.read_runs().last_run, full=full)
        return run

    def _record(self, run: Run, options: Options, *, full: bool) -> None:
        """A run about some products says nothing of all the others, nor does one that was stopped."""
        if not options.only and run.code != INTERRUPTED:
            self.mirror.record_run(run, full=full)

    def is_due(self) -> bool:
        """Whether the next run is to begin now: by the ledger, so that a restart begins none before its time."""
        now, last = self.clock(), self.mirror.read_runs().last_run
        if last is None or last.at > now:
            return self.patient.may_call()
        wait_s = self.pacing.every_s
        if last.outcome == FAILED and not (last.code in OF_ONE_LMS and last.courses):
            wait_s = min(wait_s, AGAIN_AFTER_S)
        return now - last.at >= timedelta(seconds=wait_s) and self.patient.may_call()

    def _is_full(self, options: Options, now: datetime) -> bool:
        last = self.mirror.read_runs().last_full_at
        due = last is None or not timedelta() <= now - last < timedelta(seconds=self.pacing.full_every_s)
        return options.full or (due and not options.only)

    def _look(self, options: Options, *, full: bool, keep: bool) -> Outlook:
        mapping = self.mapping()
        shelf, reading = self._read(mapping, options, full=full)
        if keep:
            self._remember(reading, None if options.only else targets_of(mapping, shelf))
        outlook = self._planner(options, full=full, keep=keep).plan(shelf, reading)
        barred = None if options.allow_many else self._guard(outlook, options)
        halts = (*reading.halts.values(), *([barred] if barred else []))
        return replace(outlook, halts=halts, barred=barred, mirrored=_mirrored(shelf, outlook))

    def _read(self, mapping: CourseMapping, options: Options, *, full: bool) -> tuple[Shelf, Reading]:
        """The products first where only they tell which courses are meant; else the courses, without which no product
        needs to be read."""
        shelf = self._fetch_shelf(mapping, options) if options.only or mapping.sku_is_course else None
        if options.only and shelf is not None:
            targets = [target for one in shelf.displayed for target in one.match.targets]
        else:
            targets = targets_of(mapping, shelf)
        with asking(self._breathe):  # an LMS with hundreds of courses is left between two calls
            reading = self.campuses.read(
                targets, self.mirror, self.clock(), full=full, allow_gone=options.allow_gone
            )
        if shelf is None:
            readable = any(target.lms not in reading.halts for target in targets)
            shelf = self._fetch_shelf(mapping, options) if readable else Shelf()
        return shelf, reading

    def _fetch_shelf(self, mapping: CourseMapping, options: Options) -> Shelf:
        self._breathe()
        self.shop.check()
        with asking(self._breathe):  # as above
            return fetch_shelf(self.showcase, mapping, options.only)

    def _remember(self, reading: Reading, mapped: Collection[Target] | None) -> None:
        """Which courses are there, for the next run's guards and for people. `mapped` None: not all were asked for."""
        tell_news(reading.news)
        self.mirror.record_courses([after for _, after in reading.news], self.clock())
        if mapped is None:
            return
        for name in {target.lms for target in mapped}:
            wanted = {target.course_id for target in mapped if target.lms == name}
            self.mirror.forget_courses(name, self.mirror.read_courses(name).keys() - wanted)

    def _planner(self, options: Options, *, full: bool, keep: bool) -> Planner:
        pictures = Pictures(
            services=self.pictures, mirror=self.mirror, clock=self.clock, full=full, keep=keep
        )
        return Planner(
            render=self.render,
            rules_for=self.rules_for,
            judge=self._judge(options, full=full),
            mirror=self.mirror,
            pictures=pictures,
            at_product=self._breathe,
        )

    def _judge(self, options: Options, *, full: bool) -> Judge:
        quarantine = timedelta(seconds=self.pacing.quarantine_s)
        return Judge(
            mirror=self.mirror,
            clock=self.clock,
            quarantine=quarantine,
            take_back=frozenset(field.value for field in options.take_back),
            full=full,
        )

    def _guard(self, outlook: Outlook, options: Options) -> Halt | None:
        """A person who named products by `only` meant them all, however large their share is. What was made of courses
        and that nobody has published yet is no loss: an import of hundreds is followed by their pictures."""
        share = 1.0 if options.only else self.pacing.max_share
        unseen = sum(is_unpublished(one.product) for one in outlook.changes)
        changed, products = len(outlook.changes) - unseen, outlook.products - unseen
        stop = guard_changes(changed, products, self.pacing.max_changes, share)
        return None if stop is None else Halt.of(stop)

    def _push(self, outlook: Outlook, options: Options, tally: Tally, *, full: bool) -> None:
        judge, now = self._judge(options, full=full), self.clock()
        unsent = [one for one in outlook.judged if one.patch is None]
        for start in range(0, len(unsent), BATCH_LIMIT):  # others write to the ledger in between
            few = unsent[start : start + BATCH_LIMIT]
            self.mirror.record_marks([mark for one in few for mark in tell_standing(judge.news(one))], now)
        for digest, image_id in {one.upload for one in outlook.judged if one.upload is not None}:
            if self.mirror.read_upload(digest) is None:
                self.mirror.record_upload(digest, image_id, now)
        tally.begin(len(outlook.changes))
        pusher = Pusher(
            showcase=self.showcase,
            mirror=self.mirror,
            judge=judge,
            clock=self.clock,
            timer=self.timer,
            stopping=self.stopping,
            tally=tally,
            pace=Pace(timeout_s=self.pacing.timeout_s),
        )
        pusher.push(one.task for one in outlook.changes)

    def _rest(self, outlook: Outlook) -> None:
        """What is not mirrored any more does not stand out either; whose it was, is known all the same."""
        if outlook.mirrored is None:
            return
        marks = [
            replace(mark, standing=Standing.OURS, note="")
            for mark in self.mirror.read_standing()
            if mark.product_id not in outlook.mirrored
        ]
        if marks:
            self.mirror.record_marks(marks, self.clock())

    def _breathe(self) -> None:
        if self.stopping():
            raise Interrupted


def _mirrored(shelf: Shelf, outlook: Outlook) -> frozenset[ProductId] | None:
    """The products that a row gives a course; None if no product was read."""
    if shelf == Shelf():
        return None
    off = {one.product_id for one in outlook.left if one.code == OFF}
    unread = {one.product_id for one in shelf.left if one.code == UNREADABLE}
    shown = {one.product.product_id for one in shelf.displayed}
    return frozenset(one for one in (shown | unread) - off if one is not None)


def _halt_of(exc: WcsyncError) -> Halt:
    """Why the shop ended the run. What was sent is looked at again by the next one."""
    code = exc.finding.code if exc.finding else "shop_unavailable"
    return Halt(outcome=FAILED, code=code, reason=str(exc))


def _sum(at: datetime, outlook: Outlook, halts: Sequence[Halt], tally: Tally, *, duration_s: float) -> Run:
    grave = [halt for halt in halts if halt.code == INTERRUPTED]
    grave = grave or [halt for halt in halts if halt.outcome == STOPPED] or list(halts)
    return Run(
        at=at,
        outcome=grave[0].outcome if grave else DONE,
        code=grave[0].code if grave else "",
        reason="; ".join(dict.fromkeys(halt.reason for halt in grave)),
        advice="; ".join(dict.fromkeys(halt.advice for halt in grave if halt.advice)),
        courses=outlook.courses,
        products=outlook.products,
        changed=len(outlook.changes),
        written=len(set(tally.written)),
        failed=len(tally.refused),
        edited=outlook.edited,
        duration_s=round(duration_s, 3),
    )


def _tell(run: Run, halts: Sequence[Halt], before: Run | None, *, full: bool) -> None:
    """What ended the run before in the same words is no news."""
    known = before is not None and (before.outcome, before.reason) == (run.outcome, run.reason)
    for halt in halts:
        if halt.code == INTERRUPTED:
            continue
        say = log.debug if known else log.error if halt.outcome == STOPPED else log.warning
        say("courses_stopped", code=halt.code, reason=halt.reason, hint=halt.advice)
    if run.outcome != DONE and not run.written:
        return
    say = log.info if full or run.changed or run.failed else log.debug
    say(
        "courses_synced",
        courses=run.courses,
        products=run.products,
        changed=run.changed,
        written=run.written,
        failed=run.failed,
        edited=run.edited,
        duration_ms=round(run.duration_s * 1000),
        full=full,
    )
