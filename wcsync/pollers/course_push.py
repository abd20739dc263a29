"""Writing to products what was judged to be written: announced first, in batches, read again before each."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import structlog

from wcsync.course import Pushed, StoredProduct, Term, TermKind
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.ledger.mirror import Mirror
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.model import ProductId
from wcsync.pollers.course_judge import BROKE_DOWN, Judge, Judged, Task, needs_upload
from wcsync.pollers.course_shelf import LeftAlone
from wcsync.store.base import BATCH_LIMIT, NO_UPLOAD, UNKNOWN_IMAGE, BatchFailed, Showcase
from wcsync.times import Clock

log = structlog.get_logger(__name__)

FIRST_BATCH = 10
QUICK_SHARE, SLOW_SHARE = 1 / 6, 1 / 2
"""Of the time-out: an answer within the first share lets the next batch be twice as large, one beyond the second makes
it half as large."""

_NOT_KEPT = "the shop holds something else than was sent: a plugin, or its filter of HTML, changed it"


class Interrupted(Exception):
    """The process is to stop. What was written is settled; the next run does the rest."""


@dataclass(slots=True, kw_only=True)
class Pace:
    """How many products a shop is sent at a time: as many as it writes well within the time-out."""

    timeout_s: float
    size: int = FIRST_BATCH

    def note(self, took_s: float) -> None:
        if took_s < self.timeout_s * QUICK_SHARE:
            self.size = min(self.size * 2, BATCH_LIMIT)
        elif took_s > self.timeout_s * SLOW_SHARE:
            self.shrink()

    def shrink(self) -> None:
        self.size = max(self.size // 2, 1)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run has done so far. `tell` hears of each product that is done with; `left`: what a person should look at,
    and nothing was done about."""

    tell: Callable[["Tally"], None] = lambda _tally: None
    todo: int = 0
    done: int = 0
    written: list[ProductId] = field(default_factory=list)
    refused: dict[ProductId, str] = field(default_factory=dict)
    harmed: dict[ProductId, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    left: tuple[LeftAlone, ...] = ()

    def begin(self, todo: int) -> None:
        self.todo = todo
        self.tell(self)

    def note_done(self) -> None:
        self.done += 1
        self.tell(self)

    def say(self, message: str) -> None:
        """Once, however many products it concerns."""
        if message not in self.messages:
            self.messages.append(message)


@dataclass(slots=True, kw_only=True)
class Pusher:
    """Brings products to what they should show. For one run, and one thread.

    `stopping`: asked between calls. `timer`: a clock that nobody can set. `push` raises TransientError and
    ServiceBlocked, which end the run, and Interrupted. Wherever it ends, or is killed, the next run does the rest.
    """

    showcase: Showcase
    mirror: Mirror
    judge: Judge
    clock: Clock
    timer: Callable[[], float]
    stopping: Callable[[], bool]
    tally: Tally
    pace: Pace
    _terms: dict[tuple[TermKind, str], Term | None] = field(default_factory=dict)

    def push(self, tasks: Iterable[Task]) -> None:
        """Family by family, as the shop takes them. What an earlier run left open comes last and alone, the oldest
        first, so that a product that always times out does not keep others waiting."""
        tasks = list(tasks)
        fresh = [task for task in tasks if task.open_since is None]
        for _, family in groupby(sorted(fresh, key=_place), key=lambda task: task.parent_id):
            queue = deque(family)
            while queue:
                self._push_chunk([queue.popleft() for _ in range(min(self.pace.size, len(queue)))])
        left_open = [(task.open_since, _place(task), task) for task in tasks if task.open_since is not None]
        for _, _, task in sorted(left_open, key=lambda entry: entry[:2]):
            self._push_alone(task, answered=False)

    def _push_chunk(self, tasks: Sequence[Task], *, answered: bool = False) -> None:
        """`answered`: the shop has answered what was sent of these last, so that nothing of it can come late."""
        ready = self._ready(tasks, answered=answered)
        batch = [one for one in ready if one.patch is not None and not needs_upload(one.patch)]
        if batch:
            self._push_batch(batch)
        for one in ready:
            if one.patch is not None and needs_upload(one.patch):
                self._push_alone(one.task, answered=answered)

    def _ready(self, tasks: Sequence[Task], *, answered: bool) -> list[Judged]:
        """What is to be written of them, by how they stand in the shop just now; the others are settled.

        If the shop was asked for terms, which may take minutes, they are read again: people go on working.
        """
        asked = len(self._terms)
        judged = self._judge_again(tasks, answered=answered)
        for one in judged:
            if one.patch is None:
                self._settle_unsent(one)
        ready = self._with_terms([one for one in judged if one.patch is not None], answered=answered)
        if len(self._terms) == asked:
            return ready
        return self._ready([one.task for one in ready], answered=answered)

    def _push_batch(self, batch: Sequence[Judged]) -> None:
        patches = [one.patch for one in batch if one.patch is not None]
        began = self.timer()
        try:
            answers = self._send(batch, lambda: self.showcase.push_patches(patches))
        except BatchFailed:
            self.pace.shrink()
            self._push_smaller([one.task for one in batch])
            return
        self.pace.note(self.timer() - began)
        for one, answer in zip(batch, answers, strict=True):
            if answer.stored is None and answer.code in UNKNOWN_IMAGE | NO_UPLOAD:
                self._push_alone(one.task, answered=True)
            else:
                self._settle(one, answer)

    def _push_smaller(self, tasks: Sequence[Task]) -> None:
        """A part of them may have been written: they are read again."""
        if len(tasks) == 1:
            self._push_alone(tasks[0], answered=True)
            return
        half = len(tasks) // 2
        for part in (tasks[:half], tasks[half:]):
            self._push_chunk(part, answered=True)

    def _push_alone(self, task: Task, *, answered: bool) -> None:
        """One product by its own endpoint. An image it cannot have costs the image alone."""
        for one in self._ready([task], answered=answered):
            answer = self._send_alone(one)
            again = self._after_image(one, answer)
            if again is None:
                self._settle(one, answer)
            else:
                self._push_alone(again, answered=True)

    def _send_alone(self, one: Judged) -> Pushed:
        assert one.patch is not None, one.task
        patch, picture = one.patch, one.task.wanted.picture
        uploads = picture is not None and needs_upload(patch)
        try:
            [answer] = self._send([one], lambda: [self.showcase.push_patch(patch)])
        except (PermanentError, TransientError) as exc:
            lost = isinstance(exc, PermanentError) or exc.answer_lost
            if picture is not None and uploads and lost:  # not where we ourselves were killed
                self.mirror.record_try(picture.digest)
            if isinstance(exc, TransientError):
                raise
            return Pushed(product_id=patch.product_id, stored=None, code=BROKE_DOWN, problem=str(exc))
        if picture is not None and uploads:  # it came to an end, whatever it was
            self.mirror.record_upload(picture.digest, None, self.clock())
        return answer

    def _after_image(self, one: Judged, answer: Pushed) -> Task | None:
        """What to try once more if an image alone stood in the way; None if nothing is to be tried."""
        picture = one.task.wanted.picture
        if answer.stored is not None or picture is None or not _is_about_image(one, answer):
            return None
        self.mirror.record_marks(self.judge.withdrawn(one), self.clock())
        if answer.code in UNKNOWN_IMAGE and self.mirror.read_upload(picture.digest) is not None:
            self.mirror.record_upload(picture.digest, None, self.clock())
            return one.task
        if one.task.imageless:
            return None
        problem = f"the picture {picture.src} cannot be used: {answer.problem}"
        self.tally.say(problem)
        return replace(one.task, imageless=problem)

    def _judge_again(self, tasks: Sequence[Task], *, answered: bool) -> list[Judged]:
        """As they stand in the shop just now. What went away meanwhile is left out."""
        if not tasks:
            return []
        self._breathe()
        found = self.showcase.fetch_stored(ids=[task.product_id for task in tasks])
        there = {one.product_id: one for one in found if isinstance(one, StoredProduct)}
        marks = self.mirror.read_marks(there.keys())
        judged = list[Judged]()
        for task in tasks:
            product = there.get(task.product_id)
            if product is None or product.in_trash or product.parent_id != task.parent_id:
                self.tally.say(
                    f"product {task.product_id} went away, or became something else, during the run"
                )
                self.tally.note_done()
            else:
                judged.append(self.judge.judge(task, product, marks[task.product_id], answered=answered))
        return judged

    def _with_terms(self, batch: Sequence[Judged], *, answered: bool) -> list[Judged]:
        """With every tag and category by the shop's own number. What the shop refuses is not wanted any more; those of
        which nothing is left to be written are settled."""
        ready = list[Judged]()
        for judged in batch:
            one = judged
            if self._refused_terms(judged):
                task = self._without_refused(judged.task)
                one = self.judge.judge(task, judged.product, judged.marks, answered=answered)
            if one.patch is None:
                self._settle_unsent(one)
                continue
            tags = self._known(TermKind.TAGS, one.patch.tags)
            categories = self._known(TermKind.CATEGORIES, one.patch.categories)
            ready.append(replace(one, patch=replace(one.patch, tags=tags, categories=categories)))
        return ready

    def _refused_terms(self, one: Judged) -> bool:
        """Asks the shop for every term that the patch names without a number."""
        assert one.patch is not None, one.task
        asked = [
            self._ensure(kind, term.name)
            for kind, terms in ((TermKind.TAGS, one.patch.tags), (TermKind.CATEGORIES, one.patch.categories))
            for term in terms or ()
            if not term.term_id
        ]
        return None in asked

    def _without_refused(self, task: Task) -> Task:
        def kept(kind: TermKind, names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in names if self._terms.get((kind, name.casefold()), name) is not None)

        tags = kept(TermKind.TAGS, task.wanted.tags)
        categories = kept(TermKind.CATEGORIES, task.wanted.categories)
        return replace(task, wanted=replace(task.wanted, tags=tags, categories=categories))

    def _known(self, kind: TermKind, terms: tuple[Term, ...] | None) -> tuple[Term, ...] | None:
        if terms is None:
            return None
        known = [term if term.term_id else self._ensure(kind, term.name) for term in terms]
        return tuple(dict.fromkeys(term for term in known if term is not None))

    def _ensure(self, kind: TermKind, name: str) -> Term | None:
        """None if the shop refuses it; asked once in a run."""
        key = kind, name.casefold()
        if key not in self._terms:
            self._breathe()
            try:
                self._terms[key] = self.showcase.ensure_term(kind, name)
            except PermanentError as exc:
                self.tally.say(str(exc))
                self._terms[key] = None
        return self._terms[key]

    def _send(self, batch: Sequence[Judged], send: Callable[[], list[Pushed]]) -> list[Pushed]:
        """Announces and asks, once. What surely did not arrive is announced no longer."""
        self._breathe()
        news = [mark for one in batch for mark in tell_standing(self.judge.news(one))]
        self.mirror.record_marks(
            [*news, *(mark for one in batch for mark in self.judge.announced(one))], self.clock()
        )
        try:
            return send()
        except (TransientError, ServiceBlocked) as exc:
            if not (isinstance(exc, TransientError) and exc.answer_lost):
                marks = [mark for one in batch for mark in self.judge.withdrawn(one)]
                self.mirror.record_marks(marks, self.clock())
            raise

    def _settle(self, one: Judged, answer: Pushed) -> None:
        """What came of one patch: remembered, counted, told."""
        product_id, settled = one.task.product_id, self.judge.settled(one, answer)
        self._keep_upload(settled.upload)
        self.mirror.record_marks(settled.marks, self.clock())
        if settled.mistaken:
            self.mirror.record_upload(settled.mistaken, None, self.clock())
            self._push_alone(one.task, answered=True)
            return
        if answer.stored is None:
            self.tally.refused[product_id] = answer.problem
            known = {
                (name, mark.note) for name, mark in one.marks.items() if mark.standing is Standing.FAILED
            }
            is_news = any(mark.note and (mark.field, mark.note) not in known for mark in settled.marks)
            say = log.warning if is_news else log.debug
            say("product_not_written", product_id=product_id, reason=answer.problem)
        else:
            self.tally.written.append(product_id)
        for name in settled.unkept:
            log.warning("product_not_written", product_id=product_id, field=name, reason=_NOT_KEPT)
        if settled.harm:
            self.tally.harmed[product_id] = settled.harm
            log.warning("product_changed_elsewhere", product_id=product_id, what=settled.harm)
        self.tally.note_done()

    def _settle_unsent(self, one: Judged) -> None:
        """There is nothing to be written any more."""
        self._keep_upload(one.upload)
        self.mirror.record_marks(tell_standing(self.judge.news(one)), self.clock())
        if one.took_effect:
            self.tally.written.append(one.task.product_id)
        self.tally.note_done()

    def _keep_upload(self, upload: tuple[str, int] | None) -> None:
        if upload is not None and self.mirror.read_upload(upload[0]) is None:
            self.mirror.record_upload(*upload, self.clock())

    def _breathe(self) -> None:
        if self.stopping():
            raise Interrupted


def tell_standing(news: Sequence[Mark]) -> Sequence[Mark]:
    """A line for each field that turns out not to be written, or not to be kept; as it is news, once."""
    for mark in news:
        if mark.standing in {Standing.FAILED, Standing.CONTESTED}:
            log.warning("product_not_written", product_id=mark.product_id, field=mark.field, reason=mark.note)
    return news


def _is_about_image(one: Judged, answer: Pushed) -> bool:
    """Whether all but the image may go through: of what breaks a shop down, images are the most likely."""
    broke_down = answer.code == BROKE_DOWN and one.patch is not None and needs_upload(one.patch)
    return broke_down or answer.code in UNKNOWN_IMAGE | NO_UPLOAD


def _place(task: Task) -> tuple[ProductId, ProductId]:
    return task.parent_id, task.product_id
