"""Looking up all that the mapping names: each product in the shop, each target in its LMS."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from wcsync.doctor.diagnosis import Diagnosis, fine
from wcsync.doctor.terms import examine_terms
from wcsync.errors import (
    REMOTE_ERRORS,
    Finding,
    PermanentError,
    ServiceBlocked,
    Severity,
    TransientError,
    WcsyncError,
)
from wcsync.gate import SHOP
from wcsync.lms.base import Lms
from wcsync.mappers.mapping import Mapping as MappingTable
from wcsync.model import LmsName, Target
from wcsync.products import examine_products as look_up_products
from wcsync.store.base import Store

Tell = Callable[[str], None]
"""Is told what is being asked, before the answer is waited for."""

Targets = Mapping[Target, Sequence[str]]
"""What the mapping sells in one LMS, with the lines that say so."""

PRODUCTS_CLOSED = Finding(
    code="products_closed",
    message="answers, but not where products are asked for (404)",
    remedy="look for a security plugin or firewall that closes /wp-json/wc/v3/products, and exempt it there",
)
_NOT_THERE = frozenset({"no_wordpress", "no_woocommerce"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What looking up every row showed, in the file's order. `unchecked`: why a service could not be asked, so that
    its part is open.
    """

    diagnoses: tuple[Diagnosis, ...]
    unchecked: Mapping[str, str]


def examine_mapping(
    store: Store,
    lmss: Mapping[LmsName, Lms],
    mapping: MappingTable,
    now: datetime,
    tell: Tell = lambda _what: None,
) -> Findings:
    """Looks up every product and every target the mapping names, as far as the services answer. Changes nothing."""
    looks = {SHOP: partial(_introduced_products, store, mapping, now, tell)}
    targets = sold_targets(mapping)
    looks |= {name: partial(_introduced_targets, lmss[name], targets[name], tell) for name in targets}
    found, unchecked = list[Diagnosis](), dict[str, str]()
    for service, look in looks.items():
        try:
            for diagnosis in look():
                found.append(diagnosis)  # at once, so that what was found before a failure is kept
        except REMOTE_ERRORS as exc:
            stopped = Diagnosis.of_error(service, exc)
            unchecked[service] = "; ".join(filter(None, (stopped.message, stopped.remedy)))
    order = {row.source: place for place, row in enumerate(mapping.rows)}
    found.sort(key=lambda one: order[one.where[0]] if one.where else -1)
    return Findings(diagnoses=tuple(found), unchecked=unchecked)


def sold_targets(mapping: MappingTable) -> dict[LmsName, dict[Target, list[str]]]:
    targets: dict[LmsName, dict[Target, list[str]]] = {}
    for row in mapping.rows:
        for target in row.targets:
            targets.setdefault(target.lms, {}).setdefault(target, []).append(row.source)
    return targets


def examine_products(store: Store, mapping: MappingTable, tell: Tell) -> Iterator[Diagnosis]:
    """For a shop that has just said who it is: where products alone are not to be found, something hides them."""
    tell("shop: the products in the mapping")
    try:
        found = look_up_products(store, mapping)
    except ServiceBlocked as exc:
        if exc.finding is None or exc.finding.code not in _NOT_THERE:
            raise
        raise ServiceBlocked(f"{SHOP}: {PRODUCTS_CLOSED}", finding=PRODUCTS_CLOSED) from exc
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


def examine_targets(lms: Lms, targets: Targets, tell: Tell) -> Iterator[Diagnosis]:
    """What several rows meet is told once, with all their lines; what all meet, without."""
    there, general, found = 0, dict[Finding, None](), dict[Finding, list[str]]()
    stopped: WcsyncError | None = None
    tell(f"{lms.name}: the mapped courses")
    lms.expect_targets(targets)
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


def _introduced_products(
    store: Store, mapping: MappingTable, now: datetime, tell: Tell
) -> Iterator[Diagnosis]:
    tell("shop: who answers")
    zone = store.fetch_identity().zone
    yield from examine_products(store, mapping, tell)
    yield from examine_terms(store, mapping, zone, now, tell)


def _introduced_targets(lms: Lms, targets: Targets, tell: Tell) -> Iterator[Diagnosis]:
    """An LMS that lacks what all needs is told to do so, and not that each course is gone."""
    tell(f"{lms.name}: who answers")
    for finding in lms.fetch_identity().findings:
        if finding.severity is Severity.FATAL:
            raise ServiceBlocked(f"{lms.name}: {finding}", finding=finding)
    yield from examine_targets(lms, targets, tell)
