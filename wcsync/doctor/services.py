"""Looking at the shop and each LMS: who they are, what we may do there, and all that the mapping names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from wcsync.doctor.diagnosis import Diagnosis, fine
from wcsync.errors import (
    REMOTE_ERRORS,
    Finding,
    PermanentError,
    ServiceBlocked,
    Severity,
    TransientError,
    WcsyncError,
)
from wcsync.gate import SHOP, same_site
from wcsync.lms.base import Lms
from wcsync.mappers.mapping import Mapping as MappingTable
from wcsync.model import LmsName, Target
from wcsync.products import examine_products
from wcsync.store.base import Store
from wcsync.times import Clock

Known = Callable[[str], str]
"""The identity the ledger holds for a service, '' for none."""

Tell = Callable[[str], None]
"""Is told what is being asked, before the answer is waited for."""

Targets = Mapping[Target, Sequence[str]]
"""What the mapping sells in one LMS, with the lines that say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What a look needs to know. `writing`: whether notes are to be written into the shop."""

    known: Known
    clock: Clock
    mapping: MappingTable
    writing: bool
    tell: Tell = lambda _what: None


def examine(store: Store, lmss: Mapping[LmsName, Lms], looks: Looks) -> Iterator[Diagnosis]:
    """Yields what it found as it finds it. Changes nothing. A service that fails ends the look at that one alone."""
    targets = _targets(looks.mapping)
    yield from _guarded(SHOP, partial(_examine_shop, store, looks))
    for name, lms in lmss.items():
        yield from _guarded(name, partial(_examine_lms, lms, targets.get(name, {}), looks))


def _targets(mapping: MappingTable) -> dict[LmsName, dict[Target, list[str]]]:
    targets: dict[LmsName, dict[Target, list[str]]] = {}
    for row in mapping.rows:
        for target in row.targets:
            targets.setdefault(target.lms, {}).setdefault(target, []).append(row.source)
    return targets


def _examine_shop(store: Store, looks: Looks) -> Iterator[Diagnosis]:
    looks.tell("shop: who answers")
    identity = store.fetch_identity()
    yield _answers(SHOP, identity.name or identity.url, identity.url)
    yield from _another(SHOP, looks.known(SHOP), identity.url)
    looks.tell("shop: what the key may do")
    for finding in store.fetch_findings(looks.clock, writing=looks.writing):
        yield Diagnosis.of(SHOP, finding)
    looks.tell("shop: the products in the mapping")
    yield from _examine_products(store, looks.mapping)


def _examine_products(store: Store, mapping: MappingTable) -> Iterator[Diagnosis]:
    found = examine_products(store, mapping)
    wrong = {one.where for one in found if one.wrong}
    if mapping.rows:
        sound = len(mapping.rows) - len(wrong)
        yield fine(
            SHOP, "products_there", f"the products of {sound} of {len(mapping.rows)} mapped rows are there"
        )
    for one in found:
        finding = Finding(
            code=one.code,
            message=one.message,
            remedy=one.remedy,
            severity=Severity.FATAL if one.wrong else Severity.WARNING,
            in_mapping=one.wrong,
        )
        yield Diagnosis.of(SHOP, finding, [one.where])


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
        yield from _examine_targets(lms, targets, looks.tell)


def _examine_targets(lms: Lms, targets: Targets, tell: Tell) -> Iterator[Diagnosis]:
    """What several rows meet is told once, with all their lines; what all meet, without."""
    there, general, found = 0, dict[Finding, None](), dict[Finding, list[str]]()
    stopped: WcsyncError | None = None
    for number, (target, lines) in enumerate(targets.items(), start=1):
        tell(f"{lms.name}: mapped course {number} of {len(targets)}")
        try:
            sighting = lms.fetch_target(target)
        except PermanentError as exc:
            finding = exc.finding or Finding(code="other", message=str(exc))
            found.setdefault(finding, []).extend(lines)
            continue
        except (TransientError, ServiceBlocked) as exc:
            stopped = exc
            break
        there += sighting.title is not None
        general |= dict.fromkeys(sighting.general)
        for finding in sighting.findings:
            found.setdefault(finding, []).extend(lines)
    if targets and stopped is None:
        yield fine(lms.name, "courses_there", f"{there} of {len(targets)} mapped courses are there")
    yield from (Diagnosis.of(lms.name, finding) for finding in general)
    yield from (Diagnosis.of(lms.name, finding, lines) for finding, lines in found.items())
    if stopped is not None:
        raise stopped


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
