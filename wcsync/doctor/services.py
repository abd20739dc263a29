"""Looking at the shop and each LMS: who they are, what we may do there, and all that the mapping names."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from wcsync.doctor.diagnosis import Diagnosis, fine
from wcsync.doctor.mapping import Targets, Tell, examine_products, examine_targets, sold_targets
from wcsync.doctor.terms import examine_terms
from wcsync.errors import REMOTE_ERRORS, Finding
from wcsync.gate import SHOP, same_site
from wcsync.lms.base import Lms
from wcsync.mappers.mapping import Mapping as MappingTable
from wcsync.model import LmsName
from wcsync.store.base import Store
from wcsync.times import Clock

Known = Callable[[str], str]
"""The identity the ledger holds for a service, '' for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What a look needs to know. `writing`: whether notes are to be written into the shop; `mirroring`: course data."""

    known: Known
    clock: Clock
    mapping: MappingTable
    writing: bool
    mirroring: bool = False
    tell: Tell = lambda _what: None


def examine(store: Store, lmss: Mapping[LmsName, Lms], looks: Looks) -> Iterator[Diagnosis]:
    """Yields what it found as it finds it. Changes nothing. A service that fails ends the look at that one alone."""
    targets = sold_targets(looks.mapping)
    yield from _guarded(SHOP, partial(_examine_shop, store, looks))
    for name, lms in lmss.items():
        yield from _guarded(name, partial(_examine_lms, lms, targets.get(name, {}), looks))


def _examine_shop(store: Store, looks: Looks) -> Iterator[Diagnosis]:
    looks.tell("shop: who answers")
    identity = store.fetch_identity()
    yield _answers(SHOP, identity.name or identity.url, identity.url)
    yield from _another(SHOP, looks.known(SHOP), identity.url)
    looks.tell("shop: what the key may do")
    for finding in store.fetch_findings(looks.clock, writing=looks.writing, mirroring=looks.mirroring):
        yield Diagnosis.of(SHOP, finding)
    try:
        yield from examine_products(store, looks.mapping, looks.tell)
    except REMOTE_ERRORS as exc:
        yield _unseen("the mapped products", Diagnosis.of_error(SHOP, exc))
    try:
        yield from examine_terms(store, looks.mapping, identity.zone, looks.clock(), looks.tell)
    except REMOTE_ERRORS as exc:
        yield _unseen("subscriptions", Diagnosis.of_error(SHOP, exc))


def _unseen(what: str, diagnosis: Diagnosis) -> Diagnosis:
    """Orders come first, and those have just been read."""
    message = f"{diagnosis.message} (asked for {what} alone: orders can be read)"
    return replace(diagnosis, message=message, fatal=False)


def _examine_lms(lms: Lms, targets: Targets, looks: Looks) -> Iterator[Diagnosis]:
    looks.tell(f"{lms.name}: who answers, and what it lacks")
    identity = lms.fetch_identity()
    found = [
        _answers(lms.name, f"{identity.title} {identity.version}".strip(), identity.identity),
        *(Diagnosis.of(lms.name, finding) for finding in identity.findings),
        *_another(lms.name, looks.known(lms.name), identity.identity),
    ]
    yield from found
    if not any(diagnosis.fatal for diagnosis in found):
        yield from examine_targets(lms, targets, looks.tell)
        if looks.mirroring:
            yield from _examine_course_data(
                lms, looks.tell, {finding.message for finding in identity.findings}
            )


def _examine_course_data(lms: Lms, tell: Tell, told: Collection[str]) -> Iterator[Diagnosis]:
    """None of it keeps a buyer out: what the mirror lacks is a warning. What has been told is not told again."""
    tell(f"{lms.name}: whether course data can be read")
    try:
        lacks = lms.fetch_course_findings()
    except REMOTE_ERRORS as exc:
        found = [Diagnosis.of_error(lms.name, exc)]
    else:
        found = [Diagnosis.of(lms.name, finding) for finding in lacks if finding.message not in told]
        if not lacks:
            yield fine(lms.name, "course_data", "course data can be read")
    for diagnosis in found:
        yield replace(diagnosis, message=f"for course data: {diagnosis.message}", fatal=False)


def _answers(service: str, title: str, address: str) -> Diagnosis:
    return fine(service, "answers", f"{title} answers at {address}")


def _another(service: str, known: str, answering: str) -> Iterator[Diagnosis]:
    if known and not same_site(known, answering):
        finding = Finding(
            code="another_site",
            message=f"{answering} answers, but the ledger belongs to {known}",
            remedy=f"correct the url in the config, or run `wcsync accept {service}` if the site has really moved",
        )
        yield Diagnosis.of(service, finding)


def _guarded(service: str, look: Callable[[], Iterator[Diagnosis]]) -> Iterator[Diagnosis]:
    try:
        yield from look()
    except REMOTE_ERRORS as exc:
        yield Diagnosis.of_error(service, exc)
