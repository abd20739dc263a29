"""Whether learners are in their courses as the ledger says: looked up in one LMS, all of them or some."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from wcsync.errors import REMOTE_ERRORS, PermanentError
from wcsync.gate import Gate
from wcsync.ledger.base import FEW
from wcsync.ledger.proof import Inside, Place, Proof
from wcsync.lms.base import Lms
from wcsync.model import Presence
from wcsync.patient import Patient
from wcsync.reckoning import LmsLook, Remark
from wcsync.times import Clock

BATCH = 50
"""How many learners are looked up in one go."""
PLACES_AT_ONCE = 1000

Looked = tuple[Inside, Presence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presences:
    """Looks, changes nothing in the LMS, and has people asked about learners who are not there.

    Who is in a course without our doing is never asked about. `dice` gives numbers in [0, 1); `pause` is called
    between two batches and may raise.
    """

    lms: Lms
    proof: Proof
    gate: Gate
    patient: Patient
    clock: Clock
    dice: Callable[[], float]
    pause: Callable[[], None]

    def look(self, sample: int | None) -> tuple[LmsLook, list[Remark]]:
        """Looks up `sample` learners, None = all. An LMS that is down is told of and never taken for an empty one.

        Raises what `pause` raises.
        """
        look, missing = LmsLook(lms=self.lms.name), list[Inside]()
        for batch in self._batches(sample):
            self.pause()
            look = replace(look, inside=look.inside + len(batch))
            if look.why:
                continue
            looked, why = self._ask(batch)
            gone = [inside for inside, presence in looked if presence is Presence.ABSENT]
            if _is_suspect(len(gone), len(looked)):
                return _suspect(look, len(gone), len(looked))
            look = _plus(look, looked, why)
            missing += gone
            self.proof.record_seen(_seen(looked), self.clock())
        if missing:
            self.proof.record_missing(missing, self.clock())
        return look, [*([_missing(look)] if missing else []), *([_not_looked(look)] if look.why else [])]

    def _batches(self, sample: int | None) -> Iterator[list[Inside]]:
        places = self._places() if sample is None else iter(self._sample(sample))
        batch = list[Place]()
        for place in places:
            batch.append(place)
            if len(batch) == BATCH:
                yield self.proof.read_inside(self.lms.name, batch)
                batch = []
        if batch:
            yield self.proof.read_inside(self.lms.name, batch)

    def _places(self) -> Iterator[Place]:
        after, now = None, self.clock()
        while places := self.proof.read_places(self.lms.name, after, now, PLACES_AT_ONCE):
            self.pause()
            yield from places
            after = places[-1]

    def _sample(self, size: int) -> list[Place]:
        """Each equally likely, whoever is known to be missing besides: they may be back."""
        chosen = list[Place]()
        for number, place in enumerate(self._places()):
            if number < size:
                chosen.append(place)
            elif (slot := int(self.dice() * (number + 1))) < size:
                chosen[slot] = place
        return sorted({*chosen, *self.proof.read_missing(self.lms.name)})

    def _ask(self, batch: Sequence[Inside]) -> tuple[list[Looked], str]:
        """What the LMS says of a batch; or why it says nothing."""
        if not self.patient.may_call():
            return [], self.patient.health.reason
        try:
            self.gate.check()
            return self._presences(batch), ""
        except REMOTE_ERRORS as exc:
            self.gate.forget()
            self.patient.note_error(exc)
            return [], str(exc)

    def _presences(self, batch: Sequence[Inside]) -> list[Looked]:
        """All in one go; one by one if one of them is refused, so that it does not speak for the others."""
        try:
            said = self.lms.fetch_presences([inside.seat for inside in batch])
        except PermanentError:
            return [self._alone(inside) for inside in batch]
        return list(zip(batch, said, strict=True))

    def _alone(self, inside: Inside) -> Looked:
        self.pause()
        try:
            [presence] = self.lms.fetch_presences([inside.seat])
        except PermanentError:
            return inside, Presence.UNKNOWN
        return inside, presence


def _seen(looked: Sequence[Looked]) -> list[Inside]:
    return [inside for inside, presence in looked if presence is Presence.ENROLLED]


def _plus(look: LmsLook, looked: Sequence[Looked], why: str) -> LmsLook:
    unsure = sum(presence is Presence.UNKNOWN for _, presence in looked)
    missing = sum(presence is Presence.ABSENT for _, presence in looked)
    return replace(
        look,
        looked=look.looked + len(looked) - unsure,
        missing=look.missing + missing,
        unsure=look.unsure + unsure,
        why=why,
    )


def _is_suspect(missing: int, looked: int) -> bool:
    return missing > FEW and 2 * missing > looked


def _suspect(look: LmsLook, missing: int, looked: int) -> tuple[LmsLook, list[Remark]]:
    why = f"{missing} of {looked} learners are not there: the LMS looks like an empty or older copy"
    remark = Remark(
        code="lms_suspect",
        message=f"{look.lms}: {why}, so nobody was looked up any further and nobody is called missing",
        do="see whether the LMS was reset or restored from a backup; once it is right, `wcsync reconcile --lms all` "
        "looks again",
        suspect=look.lms,
    )
    return replace(look, looked=0, missing=0, unsure=0, why=why), [remark]


def _missing(look: LmsLook) -> Remark:
    return Remark(
        code="missing_in_lms",
        message=f"{look.missing} of {look.looked} learners looked up in {look.lms} are not in the course any more",
        do="`wcsync parked list` names their orders; `wcsync parked retry ORDER` enrols again, `wcsync parked drop "
        "ORDER` leaves it so",
    )


def _not_looked(look: LmsLook) -> Remark:
    left = look.inside - look.looked - look.unsure
    return Remark(
        code="lms_not_looked",
        message=f"{left} of {look.inside} learners were not looked up in {look.lms}: "
        f"{look.why.removeprefix(f'{look.lms}: ')}",
        do="`wcsync check` says how the LMS does; the next night looks again",
    )
